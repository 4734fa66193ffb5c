#include "target/scsi/copy_blocks.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "backend/base/check.h"
#include "backend/base/gate.h"
#include "target/scsi/limits.h"

namespace swiftness::scsi {
namespace {

constexpr uint64_t kWindowBytes = 1 << 20;
constexpr size_t kWindowsUnderWay = 4;
// Where the device copies by itself. What is shorter than a window is read and written all the
// same: that is a write like any other, and a copy is an object in the store.
constexpr uint64_t kSharedWindowBytes = 32 << 20;
// What reading and writing need of the time that there is, where the device would copy too late.
constexpr Duration kTimeToMove = std::chrono::milliseconds(1500);
// A hole shorter than this is copied as the zeros it reads as.
constexpr uint64_t kSmallestHole = kUnmapGranularityBytes;

struct Piece {  // of an extent
  uint64_t begin = 0;
  uint64_t end = 0;
  uint64_t size() const { return end - begin; }
};

struct Parts {
  std::vector<Piece> data;
  std::vector<Piece> holes;
};

uint64_t round_up(uint64_t value, uint64_t unit) {
  return (value + unit - 1) / unit * unit;
}

// Which parts of a window are data and which are holes, cut where blocks of both devices begin.
Parts parts_of(const std::vector<AllocationPiece>& pieces, Piece window, Lba first,
               uint32_t from_block, uint32_t to_block) {
  const uint64_t unit = std::max(from_block, to_block);
  Parts parts;
  uint64_t data_begin = window.begin;
  for (const AllocationPiece& piece : pieces) {
    if (piece.mapped) continue;
    const uint64_t begin = (piece.range.first - first).value() * from_block;
    const uint64_t end = begin + piece.range.count.value() * from_block;
    const Piece hole{round_up(begin, unit), end / unit * unit};
    if (hole.end < hole.begin + kSmallestHole) continue;
    if (hole.begin > data_begin) parts.data.push_back({data_begin, hole.begin});
    parts.holes.push_back(hole);
    data_begin = hole.end;
  }
  if (data_begin < window.end) parts.data.push_back({data_begin, window.end});
  return parts;
}

BlockRange blocks_at(Lba first, Piece piece, const BlockDevice& device) {
  const uint32_t block_size = device.geometry().block_size;
  return {first + BlockCount(piece.begin / block_size), BlockCount(piece.size() / block_size)};
}

// One extent being copied; its workers take windows in turn.
class Copy {
 public:
  Copy(CopyExtent extent, CopyControl control)
      : extent_(std::move(extent)), control_(std::move(control)) {
    // Of two places that overlap what would be overwritten has to be read first, as memmove does.
    const bool one_device = extent_.from == extent_.to;
    const uint64_t bytes = extent_.bytes;
    const uint32_t block = extent_.to->geometry().block_size;
    const uint64_t from = extent_.from_first.value(), to = extent_.to_first.value();
    overlaps_ = one_device && from < to + bytes / block && to < from + bytes / block;
    backwards_ = overlaps_ && to > from;
    by_itself_ = one_device && !overlaps_ && extent_.bytes >= kWindowBytes && extent_.to->copies();
  }

  Task run();
  CopyOutcome outcome() const;

 private:
  struct Failure {
    CopyEnd end;
    std::optional<Error> error;
    MediumAccess access;
  };

  size_t workers() const {
    const uint64_t windows = (extent_.bytes + window_bytes_ - 1) / window_bytes_;
    return overlaps_ ? 1 : std::min<size_t>(kWindowsUnderWay, windows);
  }
  Task let_it_catch_up(Executor executor);
  Task work();
  std::optional<Piece> next_window();
  asio::awaitable<bool> copy_window(Piece window);
  asio::awaitable<bool> put(Piece window, Parts parts, Piece read, BufferList data);
  std::optional<CopyEnd> must_end() const;
  bool may_go_on(Piece window);
  bool fail(Piece window, const Error& error, MediumAccess access);
  void stop(Piece window, Failure failure);

  CopyExtent extent_;
  CopyControl control_;
  bool overlaps_ = false;
  bool backwards_ = false;
  bool by_itself_ = false;  // the device does it, without reading and writing
  uint64_t window_bytes_ = kWindowBytes;
  uint64_t taken_ = 0;                // bytes of windows that were begun
  uint64_t finished_ = 0;             // and of those that are done
  uint64_t done_below_ = UINT64_MAX;  // the earliest window that failed begins there
  std::optional<Failure> failure_;
};

std::optional<CopyEnd> Copy::must_end() const {
  if (control_.ticket->cancelled || control_.operation->abort_wanted) return CopyEnd::aborted;
  if (control_.token && !control_.token->is_live()) return CopyEnd::token_lost;
  return std::nullopt;
}

// Asked after what was read is here and before anything is written.
bool Copy::may_go_on(Piece window) {
  const std::optional<CopyEnd> end = must_end();
  if (end) stop(window, {*end, std::nullopt, MediumAccess::read});
  return !end;
}

bool Copy::fail(Piece window, const Error& error, MediumAccess access) {
  const bool given_up = error.code() == ErrorCode::cancelled;
  stop(window, {given_up ? CopyEnd::aborted : CopyEnd::failed, error, access});
  return false;
}

void Copy::stop(Piece window, Failure failure) {
  done_below_ = std::min(done_below_, window.begin);
  if (!failure_) failure_ = std::move(failure);
}

std::optional<Piece> Copy::next_window() {
  if (taken_ == extent_.bytes || failure_) return std::nullopt;
  const bool is_first_round = taken_ < kWindowsUnderWay * window_bytes_;
  if (!is_first_round && control_.until && now() >= *control_.until) return std::nullopt;
  const uint64_t size = std::min(window_bytes_, extent_.bytes - taken_);
  const uint64_t begin = backwards_ ? extent_.bytes - taken_ - size : taken_;
  taken_ += size;
  return Piece{begin, begin + size};
}

Task Copy::run() {
  Executor executor = co_await asio::this_coro::executor;
  if (by_itself_ && control_.until) co_await let_it_catch_up(executor);
  if (by_itself_) window_bytes_ = kSharedWindowBytes;
  FanOut all(executor);
  for (size_t i = 0; i < workers(); ++i) all.add(work());
  co_await all.join();
}

// As long as there is time to do without it.
Task Copy::let_it_catch_up(Executor executor) {
  AsyncEvent pause(executor);
  while (!must_end() && extent_.to->copies_late()) {
    by_itself_ = now() + kTimeToMove < *control_.until;
    if (!by_itself_) co_return;
    co_await pause.wait_for(std::chrono::milliseconds(20));
  }
}

Task Copy::work() {
  for (;;) {
    const std::optional<Piece> window = next_window();
    if (!window) co_return;
    const bool done = co_await copy_window(*window);
    if (!done) co_return;
    finished_ += window->size();
  }
}

asio::awaitable<bool> Copy::copy_window(Piece window) {
  if (!may_go_on(window)) co_return false;
  const BlockRange from = blocks_at(extent_.from_first, window, *extent_.from);
  if (by_itself_) {
    const BlockRange to = blocks_at(extent_.to_first, window, *extent_.to);
    Result<void> copied = co_await extent_.to->copy(from, to.first, control_.ticket);
    if (!copied) co_return fail(window, copied.error(), MediumAccess::write);
    // Its source may have changed before the device came to it.
    co_return may_go_on(window);
  }
  Result<std::vector<AllocationPiece>> pieces = co_await extent_.from->allocation(from);
  if (!pieces) co_return fail(window, pieces.error(), MediumAccess::read);
  Parts parts = parts_of(*pieces, window, extent_.from_first, extent_.from->geometry().block_size,
                         extent_.to->geometry().block_size);
  Piece read;
  BufferList data;
  if (!parts.data.empty()) {
    read = {parts.data.front().begin, parts.data.back().end};
    const BlockRange wanted = blocks_at(extent_.from_first, read, *extent_.from);
    Result<BufferList> found = co_await extent_.from->read(wanted);
    if (!found) co_return fail(window, found.error(), MediumAccess::read);
    data = std::move(*found);
  }
  if (!may_go_on(window)) co_return false;
  const bool written = co_await put(window, std::move(parts), read, std::move(data));
  co_return written;
}

asio::awaitable<bool> Copy::put(Piece window, Parts parts, Piece read, BufferList data) {
  BlockDevice& to = *extent_.to;
  if (!parts.holes.empty()) {
    std::vector<BlockRange> ranges;
    for (Piece hole : parts.holes) ranges.push_back(blocks_at(extent_.to_first, hole, to));
    Result<void> unmapped = co_await to.unmap(std::move(ranges), control_.ticket);
    if (!unmapped) co_return fail(window, unmapped.error(), MediumAccess::write);
  }
  for (Piece piece : parts.data) {
    const BlockRange range = blocks_at(extent_.to_first, piece, to);
    BufferList bytes = data.slice(piece.begin - read.begin, piece.size());
    Result<void> written =
        co_await to.write(range, std::move(bytes), Durability::acknowledged, control_.ticket);
    if (!written) co_return fail(window, written.error(), MediumAccess::write);
  }
  co_return true;
}

// Backwards nothing is done from the beginning before all is.
CopyOutcome Copy::outcome() const {
  const uint64_t in_order = backwards_ ? 0 : std::min(taken_, done_below_);
  if (failure_) return {failure_->end, in_order, failure_->error, failure_->access};
  if (finished_ != taken_) {  // a worker has thrown, which was logged
    return {CopyEnd::failed, 0, Error(ErrorCode::invalid, "a part of a copy is missing")};
  }
  if (taken_ < extent_.bytes) return {CopyEnd::out_of_time, in_order};
  return {CopyEnd::done, extent_.bytes};
}

asio::awaitable<CopyOutcome> unmap_blocks(CopyExtent extent, CopyControl control) {
  std::vector<BlockRange> ranges{blocks_at(extent.to_first, {0, extent.bytes}, *extent.to)};
  Result<void> unmapped = co_await extent.to->unmap(std::move(ranges), std::move(control.ticket));
  if (unmapped) co_return CopyOutcome{CopyEnd::done, extent.bytes};
  const bool given_up = unmapped.error().code() == ErrorCode::cancelled;
  co_return CopyOutcome{given_up ? CopyEnd::aborted : CopyEnd::failed, 0, unmapped.error(),
                        MediumAccess::write};
}

}  // namespace

asio::awaitable<CopyOutcome> copy_blocks(CopyExtent extent, CopyControl control) {
  if (!extent.from) {
    CopyOutcome zeros = co_await unmap_blocks(std::move(extent), std::move(control));
    co_return zeros;
  }
  CHECK(extent.bytes % extent.from->geometry().block_size == 0);
  CHECK(extent.bytes % extent.to->geometry().block_size == 0);
  Copy copy(std::move(extent), std::move(control));
  co_await copy.run();
  co_return copy.outcome();
}

}  // namespace swiftness::scsi
