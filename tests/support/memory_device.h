// MemoryDevice: a BlockDevice in memory for tests of the layers above it. It keeps the very buffers
// it was given (a test can see that nothing copied them), counts its calls, and does what it is
// told to: wait, fail, change state.
#pragma once

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "backend/base/async.h"
#include "backend/base/check.h"
#include "backend/block_device.h"

namespace swiftness::test {

class MemoryDevice final : public BlockDevice {
 public:
  struct Calls {
    int reads = 0;
    int writes = 0;
    int unmaps = 0;
    int flushes = 0;
    int prefetches = 0;
    int copies = 0;
  };

  MemoryDevice(Executor executor, Geometry geometry)
      : released_(std::move(executor)), geometry_(geometry) {}

  // A device of `blocks` blocks with a fixed identity.
  MemoryDevice(Executor executor, uint64_t blocks, uint32_t block_size = 512)
      : MemoryDevice(std::move(executor), Geometry{block_size, BlockCount(blocks), kIdentity}) {}

  // 01234567-89ab-cdef-0123-456789abcdef
  static constexpr Uuid kIdentity{
      {std::byte{0x01}, std::byte{0x23}, std::byte{0x45}, std::byte{0x67}, std::byte{0x89},
       std::byte{0xab}, std::byte{0xcd}, std::byte{0xef}, std::byte{0x01}, std::byte{0x23},
       std::byte{0x45}, std::byte{0x67}, std::byte{0x89}, std::byte{0xab}, std::byte{0xcd},
       std::byte{0xef}}};

  // --- what a test tells it
  // -----------------------------------------------------------------------

  void hang() { first_held_ = std::min(first_held_, arrivals_); }  // operations from now on wait
  void release_one() {                                             // the oldest of them goes on
    if (first_held_ != kNone) ++first_held_;
    released_.notify_all();
  }
  void release() {  // all go on, and later ones do not wait
    first_held_ = kNone;
    released_.notify_all();
  }
  size_t waiting() const noexcept { return waiting_; }

  void fail_with(std::optional<ErrorCode> code) { failure_ = code; }  // until told otherwise

  // The next write says it succeeded and puts other bytes down.
  void corrupt_next_write() { corrupts_next_write_ = true; }

  void set_state(DeviceState state) {
    state_ = state;
    if (observer_) observer_->on_state_changed(state);
  }
  void resize(uint64_t blocks) { geometry_.blocks = BlockCount(blocks); }
  void set_prefetch_room(uint64_t bytes) { prefetch_room_ = ByteCount(bytes); }

  void set_quota(uint64_t bytes) { quota_ = ByteCount(bytes); }

  void copy_by_itself() { copies_ = true; }
  void set_copies_late(bool late) { copies_late_ = late; }
  void keep_metadata() { keeps_metadata_ = true; }
  void report_holes() { reports_holes_ = true; }  // otherwise all of it is mapped

  // --- what a test asks it
  // ------------------------------------------------------------------------

  const Calls& calls() const noexcept { return calls_; }
  std::optional<Durability> last_durability() const noexcept { return last_durability_; }
  const std::vector<BlockRange>& last_unmap() const noexcept { return last_unmap_; }
  std::optional<BlockRange> last_prefetch() const noexcept { return last_prefetch_; }
  Bytes metadata(MetadataKey key) const {
    auto found = metadata_.find(key);
    return found == metadata_.end() ? Bytes() : found->second;
  }
  size_t written_blocks() const noexcept { return blocks_.size(); }
  BufferList contents(uint64_t lba, uint64_t count) const {
    BufferList data;
    for (uint64_t i = lba; i < lba + count; ++i) {
      auto found = blocks_.find(i);
      if (found == blocks_.end()) {
        data.append(Buffer::zeros(geometry_.block_size));
      } else {
        data.append(found->second);
      }
    }
    return data;
  }

  // --- BlockDevice
  // --------------------------------------------------------------------------------

  Geometry geometry() const noexcept override { return geometry_; }
  DeviceState state() const noexcept override { return state_; }

  Async<BufferList> read(BlockRange range) override {
    ++calls_.reads;
    co_await wait_while_hanging();
    std::optional<Error> failure = why_not(nullptr);
    if (failure) co_return *failure;
    check_inside(range);
    co_return contents(range.first.value(), range.count.value());
  }

  Async<void> write(BlockRange range, BufferList data, Durability durability,
                    TicketPtr ticket) override {
    ++calls_.writes;
    co_await wait_while_hanging();
    std::optional<Error> failure = why_not(ticket.get());
    if (failure) co_return *failure;
    check_inside(range);
    if (!is_within_quota(range)) co_return Error(ErrorCode::out_of_space, "beyond the quota");
    CHECK(data.size() == range.count.value() * geometry_.block_size);
    last_durability_ = durability;
    if (std::exchange(corrupts_next_write_, false)) {
      data = BufferList(Buffer::own(Bytes(data.size(), std::byte{0xee})));
    }
    for (uint64_t i = 0; i < range.count.value(); ++i) {
      BufferList block = data.slice(i * geometry_.block_size, geometry_.block_size);
      blocks_[range.first.value() + i] = block.flatten();  // shares it where it is in one piece
    }
    co_return Result<void>();
  }

  Async<void> room_for(BlockRange range, TicketPtr) override {
    if (is_within_quota(range)) co_return Result<void>();
    co_return Error(ErrorCode::out_of_space, "beyond the quota");
  }

  Async<void> unmap(std::vector<BlockRange> ranges, TicketPtr ticket) override {
    ++calls_.unmaps;
    co_await wait_while_hanging();
    std::optional<Error> failure = why_not(ticket.get());
    if (failure) co_return *failure;
    for (const BlockRange& range : ranges) {
      check_inside(range);
      blocks_.erase(blocks_.lower_bound(range.first.value()),
                    blocks_.lower_bound((range.first + range.count).value()));
    }
    last_unmap_ = std::move(ranges);
    co_return Result<void>();
  }

  bool copies() const noexcept override { return copies_; }
  bool copies_late() const noexcept override { return copies_late_; }
  Async<void> copy(BlockRange from, Lba to, TicketPtr ticket) override {
    ++calls_.copies;
    co_await wait_while_hanging();
    std::optional<Error> failure = why_not(ticket.get());
    if (failure) co_return *failure;
    check_inside(from);
    for (uint64_t i = 0; i < from.count.value(); ++i) {
      auto found = blocks_.find(from.first.value() + i);
      if (found == blocks_.end()) {
        blocks_.erase(to.value() + i);
      } else {
        blocks_[to.value() + i] = found->second;
      }
    }
    co_return Result<void>();
  }

  Async<void> flush() override {
    ++calls_.flushes;
    co_await wait_while_hanging();
    std::optional<Error> failure = why_not(nullptr);
    if (failure) co_return *failure;
    co_return Result<void>();
  }

  Async<Prefetched> prefetch(BlockRange range) override {
    ++calls_.prefetches;
    last_prefetch_ = range;
    co_await wait_while_hanging();
    std::optional<Error> failure = why_not(nullptr);
    if (failure) co_return *failure;
    check_inside(range);
    const uint64_t bytes = range.count.value() * geometry_.block_size;
    co_return bytes <= prefetch_room_.value() ? Prefetched::all : Prefetched::part;
  }
  ByteCount prefetch_room() const override { return prefetch_room_; }

  Async<std::vector<AllocationPiece>> allocation(BlockRange range) override {
    check_inside(range);
    if (!reports_holes_) co_return std::vector<AllocationPiece>{AllocationPiece{range, true}};
    std::vector<AllocationPiece> pieces;
    for (uint64_t i = 0; i < range.count.value(); ++i) {
      const Lba lba = range.first + BlockCount(i);
      const bool mapped = blocks_.contains(lba.value());
      if (pieces.empty() || pieces.back().mapped != mapped) {
        pieces.push_back({{lba, BlockCount(0)}, mapped});
      }
      pieces.back().range.count += BlockCount(1);
    }
    co_return pieces;
  }

  bool keeps_metadata() const noexcept override { return keeps_metadata_; }
  Async<Bytes> load_metadata(MetadataKey key) override {
    co_await wait_while_hanging();
    std::optional<Error> failure = why_not(nullptr);
    if (failure) co_return *failure;
    co_return metadata(key);
  }
  Async<void> store_metadata(MetadataKey key, Bytes value) override {
    co_await wait_while_hanging();
    std::optional<Error> failure = why_not(nullptr);
    if (failure) co_return *failure;
    metadata_[key] = std::move(value);
    co_return Result<void>();
  }

  Usage usage() const override {
    Usage usage;
    usage.capacity = ByteCount(geometry_.blocks.value() * geometry_.block_size);
    usage.mapped = ByteCount(blocks_.size() * geometry_.block_size);
    usage.quota = quota_;
    return usage;
  }
  void observe(BlockDeviceObserver* observer) override { observer_ = observer; }
  bool is_observed() const noexcept { return observer_ != nullptr; }

 private:
  static constexpr uint64_t kNone = std::numeric_limits<uint64_t>::max();

  Task wait_while_hanging() {
    uint64_t number = arrivals_++;
    ++waiting_;
    while (number >= first_held_) co_await released_.wait();
    --waiting_;
  }

  std::optional<Error> why_not(const Ticket* ticket) const {
    if (ticket && ticket->cancelled) return Error(ErrorCode::cancelled, "given up in time");
    if (failure_) return Error(*failure_, "as the test asked");
    if (state_ == DeviceState::fenced) return Error(ErrorCode::fenced, "another gateway took over");
    if (state_ != DeviceState::online) return Error(ErrorCode::unavailable, "not online");
    return std::nullopt;
  }

  bool is_within_quota(BlockRange range) const {
    if (!quota_) return true;
    const auto first = blocks_.lower_bound(range.first.value());
    const auto end = blocks_.lower_bound((range.first + range.count).value());
    const uint64_t fresh = range.count.value() - static_cast<uint64_t>(std::distance(first, end));
    return fresh == 0 || (blocks_.size() + fresh) * geometry_.block_size <= quota_->value();
  }

  void check_inside(BlockRange range) const {
    CHECK(range.first.value() <= geometry_.blocks.value());
    CHECK(range.count.value() <= geometry_.blocks.value() - range.first.value());
  }

  AsyncEvent released_;
  Geometry geometry_;
  DeviceState state_ = DeviceState::online;
  BlockDeviceObserver* observer_ = nullptr;

  std::map<uint64_t, Buffer> blocks_;  // by LBA; absent: zeros
  std::optional<ErrorCode> failure_;
  bool corrupts_next_write_ = false;
  bool keeps_metadata_ = false;
  bool reports_holes_ = false;
  bool copies_ = false;
  bool copies_late_ = false;
  std::map<MetadataKey, Bytes> metadata_;
  uint64_t arrivals_ = 0;        // operations so far
  uint64_t first_held_ = kNone;  // operations with this number and above wait
  size_t waiting_ = 0;

  Calls calls_;
  std::optional<Durability> last_durability_;
  std::vector<BlockRange> last_unmap_;
  std::optional<BlockRange> last_prefetch_;
  ByteCount prefetch_room_{1 << 20};
  std::optional<ByteCount> quota_;
};

}  // namespace swiftness::test
