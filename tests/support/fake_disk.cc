#include "tests/support/fake_disk.h"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <unordered_map>

#include "backend/base/units.h"

namespace swiftness {

// Bytes of a large disk of which little is used; what was never written is zero.
class FakeDisk::Image {
 public:
  Image() = default;
  Image(const Image& other) {
    for (const auto& [number, page] : other.pages_) pages_[number] = std::make_unique<Page>(*page);
  }

  void read(uint64_t offset, std::span<std::byte> target) const {
    while (!target.empty()) {
      const uint64_t skip = offset % kPageBytes;
      const size_t length = std::min<uint64_t>(target.size(), kPageBytes - skip);
      const auto page = pages_.find(offset / kPageBytes);
      if (page == pages_.end()) {
        std::memset(target.data(), 0, length);
      } else {
        std::memcpy(target.data(), page->second->data() + skip, length);
      }
      offset += length;
      target = target.subspan(length);
    }
  }
  std::byte* sector(uint64_t number) {
    const uint64_t offset = number * kSectorBytes;
    std::unique_ptr<Page>& page = pages_[offset / kPageBytes];
    if (page == nullptr) page = std::make_unique<Page>();
    return page->data() + offset % kPageBytes;
  }

 private:
  static constexpr uint64_t kPageBytes = 16 << 10;
  using Page = std::array<std::byte, kPageBytes>;
  std::unordered_map<uint64_t, std::unique_ptr<Page>> pages_;
};

// One process's view. It never outlives the disk, but perhaps its process.
class FakeDisk::File final : public LocalFile {
 public:
  File(FakeDisk& disk, std::shared_ptr<bool> alive) : disk_(disk), alive_(std::move(alive)) {}

  uint64_t size() const noexcept override { return disk_.size_; }
  bool try_read(uint64_t offset, std::span<std::byte> target) noexcept override;
  Async<Buffer> read(uint64_t offset, size_t length) override;
  Async<void> write(uint64_t offset, BufferList data) override;
  Async<void> sync() override;

 private:
  Task take(Duration time);
  static Error gone() { return Error(ErrorCode::cancelled, "the process is gone"); }

  FakeDisk& disk_;
  std::shared_ptr<bool> alive_;
};

Task FakeDisk::File::take(Duration time) {
  if (time > Duration::zero()) {
    co_await sleep_for(time);
  } else {
    Executor executor = co_await asio::this_coro::executor;
    co_await asio::post(executor, asio::use_awaitable);
  }
}

bool FakeDisk::File::try_read(uint64_t offset, std::span<std::byte> target) noexcept {
  CHECK(offset <= disk_.size_ && target.size() <= disk_.size_ - offset);
  if (!*alive_ || !disk_.chance(disk_.faults_.cached)) return false;
  if (disk_.is_spoilt(offset, target.size())) return false;
  disk_.cache_->read(offset, target);
  return true;
}

Async<Buffer> FakeDisk::File::read(uint64_t offset, size_t length) {
  CHECK(offset <= disk_.size_ && length <= disk_.size_ - offset);
  if (!*alive_) co_return gone();
  const bool fails = disk_.chance(disk_.faults_.read_fails);
  co_await take(disk_.draw(disk_.faults_.read));
  if (!*alive_) co_return gone();
  if (fails) co_return Error(ErrorCode::unavailable, "fake disk: a read that fails");
  if (disk_.is_spoilt(offset, length)) {
    co_return Error(ErrorCode::corrupt, "fake disk: a sector that cannot be read");
  }
  Buffer data = Buffer::allocate(length);
  disk_.cache_->read(offset, data.writable());
  co_return data;
}

Async<void> FakeDisk::File::write(uint64_t offset, BufferList data) {
  CHECK(offset <= disk_.size_ && data.size() <= disk_.size_ - offset);
  if (!*alive_) co_return gone();
  ++disk_.writes_;
  const bool fails = disk_.chance(disk_.faults_.write_fails);
  const auto mine = disk_.writing_.insert(disk_.writing_.end(), Write{offset, data.flatten()});
  co_await take(disk_.draw(disk_.faults_.write));
  if (!*alive_) co_return gone();
  const Write write = std::move(*mine);
  disk_.writing_.erase(mine);
  if (disk_.faults_.full) co_return Error(ErrorCode::out_of_space, "fake disk: it is full");
  if (fails) {
    disk_.apply_some(write);
    co_return Error(ErrorCode::unavailable, "fake disk: a write that fails");
  }
  disk_.apply(write);
  co_return Result<void>();
}

Async<void> FakeDisk::File::sync() {
  if (!*alive_) co_return gone();
  ++disk_.syncs_;
  const bool fails = disk_.chance(disk_.faults_.sync_fails);
  const auto mine = disk_.syncing_.insert(disk_.syncing_.end(), std::move(disk_.dirty_));
  disk_.dirty_.clear();
  co_await take(disk_.draw(disk_.faults_.sync));
  if (!*alive_) co_return gone();
  for (const uint64_t sector : *mine) {
    if (fails && !disk_.chance(disk_.faults_.written_back)) {
      disk_.forgotten_.insert(sector);
    } else {
      disk_.write_back(sector);
    }
  }
  disk_.syncing_.erase(mine);
  if (fails) co_return Error(ErrorCode::unavailable, "fake disk: a sync that fails");
  co_return Result<void>();
}

FakeDisk::FakeDisk(uint64_t size, uint64_t seed, DiskFaults faults)
    : size_(size / kSectorBytes * kSectorBytes),
      faults_(faults),
      random_(seed),
      cache_(std::make_unique<Image>()),
      medium_(std::make_unique<Image>()),
      process_(std::make_shared<bool>(true)) {}

FakeDisk::~FakeDisk() {
  *process_ = false;
}

std::unique_ptr<LocalFile> FakeDisk::open() {
  process_crash();
  return std::make_unique<File>(*this, process_);
}

void FakeDisk::process_crash() {
  for (const Write& write : writing_) apply_some(write);
  crash();
}

void FakeDisk::power_cut() {
  for (const Write& write : writing_) apply_some(write);
  crash();
  for (const uint64_t sector : dirty_) {
    if (chance(faults_.written_back)) write_back(sector);
  }
  dirty_.merge(forgotten_);
  for (const uint64_t sector : dirty_) {
    std::memcpy(cache_->sector(sector), medium_->sector(sector), kSectorBytes);
  }
  dirty_.clear();
  forgotten_.clear();
}

std::unique_ptr<FakeDisk> FakeDisk::copy(uint64_t seed) const {
  auto out = std::make_unique<FakeDisk>(size_, seed, faults_);
  out->cache_ = std::make_unique<Image>(*cache_);
  out->medium_ = std::make_unique<Image>(*cache_);
  return out;
}

bool FakeDisk::is_spoilt(uint64_t offset, uint64_t length) const {
  const auto spoilt = spoilt_.lower_bound(offset / kSectorBytes);
  return spoilt != spoilt_.end() && *spoilt * kSectorBytes < offset + length;
}

void FakeDisk::write_back(uint64_t sector) {
  std::memcpy(medium_->sector(sector), cache_->sector(sector), kSectorBytes);
}

// What was under way ends without its caller.
void FakeDisk::crash() {
  *process_ = false;
  process_ = std::make_shared<bool>(true);
  writing_.clear();
  for (Sectors& sectors : syncing_) dirty_.merge(sectors);
  syncing_.clear();
}

bool FakeDisk::chance(double probability) {
  if (probability <= 0) return false;
  return std::uniform_real_distribution<double>(0, 1)(random_) < probability;
}

Duration FakeDisk::draw(const DiskFaults::Delay& delay) {
  if (delay.at_most <= delay.at_least) return delay.at_least;
  const auto span = static_cast<uint64_t>((delay.at_most - delay.at_least).count());
  return delay.at_least + Duration(random_() % (span + 1));
}

uint64_t FakeDisk::Write::end_sector() const {
  return (offset + data.size() + kSectorBytes - 1) / kSectorBytes;
}

void FakeDisk::apply(const Write& write) {
  for (uint64_t i = write.offset / kSectorBytes; i < write.end_sector(); ++i) {
    apply_sector(write, i);
  }
}

void FakeDisk::apply_some(const Write& write) {
  for (uint64_t i = write.offset / kSectorBytes; i < write.end_sector(); ++i) {
    if (chance(0.5)) apply_sector(write, i);
  }
}

void FakeDisk::apply_sector(const Write& write, uint64_t sector) {
  const bool was_clean = dirty_.insert(sector).second;
  // What was there before may have reached the medium just now.
  if (!was_clean && chance(faults_.written_back)) write_back(sector);
  spoilt_.erase(sector);
  const uint64_t begin = std::max(write.offset, sector * kSectorBytes);
  const uint64_t end = std::min(write.offset + write.data.size(), (sector + 1) * kSectorBytes);
  std::memcpy(cache_->sector(sector) + begin % kSectorBytes,
              write.data.data() + (begin - write.offset), end - begin);
}

void FakeDisk::flip_bit(uint64_t bit) {
  const uint64_t byte = bit / 8;
  CHECK(byte < size_);
  for (Image* image : {cache_.get(), medium_.get()}) {
    image->sector(byte / kSectorBytes)[byte % kSectorBytes] ^= std::byte{1} << (bit % 8);
  }
}

void FakeDisk::flip_bit_in(uint64_t offset, uint64_t length) {
  flip_bit(offset * 8 + random_() % (length * 8));
}

Buffer FakeDisk::contents(uint64_t offset, size_t length) const {
  Buffer out = Buffer::allocate(length);
  cache_->read(offset, out.writable());
  return out;
}

}  // namespace swiftness
