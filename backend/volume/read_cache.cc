#include "backend/volume/read_cache.h"

#include <algorithm>
#include <array>

#include "backend/base/crc32c.h"
#include "backend/base/endian.h"
#include "backend/base/log.h"
#include "backend/base/random.h"

namespace swiftness {
namespace {

constexpr size_t kFramesInBatch = 16;                     // written at once: 1 MiB
constexpr auto kGathers = std::chrono::milliseconds(20);  // waits so long for a full batch
constexpr uint32_t kEntriesAtOnce = 8192;  // read at start-up: 1 MiB, a millisecond of work

uint64_t random_life() {
  std::array<std::byte, 8> bytes;
  fill_random(bytes);
  return load_le<uint64_t>(bytes.data()) | 1;  // 0 is what a file begins as
}

}  // namespace

ReadCache::ReadCache(Executor executor, std::string volume_name, Uuid volume, ByteCount memory)
    : volume_name_(std::move(volume_name)),
      volume_(volume),
      gate_(executor),
      changed_(executor),
      memory_(memory) {}

void ReadCache::start(Open open) {
  CHECK(!file_);
  gate_.spawn("read cache of " + volume_name_, run(std::move(open)));
}

Task ReadCache::run(Open open) {
  Result<std::unique_ptr<LocalFile>> opened = co_await open();
  if (!opened) {
    give_up(opened.error());
    co_return;
  }
  if (stopping_) co_return;
  const CacheLayout layout = CacheLayout::of((*opened)->size());
  if (layout.slots == 0) {
    give_up(Error(ErrorCode::invalid, "the file is too small"));
    co_return;
  }
  file_ = std::make_unique<File>(std::move(*opened), layout);
  in_use_ = true;
  Result<void> loaded = co_await load();
  if (loaded && in_use_) loaded = co_await write_behind();
  if (!loaded) give_up(loaded.error());
}

Task ReadCache::stop() {
  stopping_ = true;
  in_use_ = false;
  changed_.notify_all();
  co_await gate_.close();
  file_.reset();
}

void ReadCache::give_up(const Error& error) {
  if (!trouble_.empty()) return;
  trouble_ = error.message();
  in_use_ = false;
  log::warning("volume {}: read cache: {}; going on without it", volume_name_, trouble_);
  changed_.notify_all();
}

// ---- reading ---------------------------------------------------------------------------------

std::optional<ReadCache::Pages> ReadCache::pages_of(uint32_t slot, uint64_t skip,
                                                    uint64_t sectors) const noexcept {
  const uint64_t frame_bytes = file_->index.sectors(slot) * kSectorBytes;
  const uint64_t begin = skip * kSectorBytes;
  const uint64_t end = begin + sectors * kSectorBytes;
  if (end > frame_bytes) return std::nullopt;  // the frame itself will tell that it is too short
  Pages out;
  out.first = begin / kCachePageBytes;
  out.last = (end + kCachePageBytes - 1) / kCachePageBytes;
  out.offset = out.first * kCachePageBytes;
  out.length = std::min<uint64_t>(out.last * kCachePageBytes, frame_bytes) - out.offset;
  return out;
}

bool ReadCache::matches(const PageChecksums& checksums, const Pages& pages,
                        const Buffer& data) const {
  size_t at = 0;
  for (size_t page = pages.first; page < pages.last; ++page) {
    const size_t length = std::min(kCachePageBytes, data.size() - at);
    if (crc32c(data.bytes().subspan(at, length)) != checksums[page]) return false;
    at += length;
  }
  return true;
}

void ReadCache::drop(uint32_t slot) {
  file_->index.clear(slot);
  file_->replacement.release(slot);
}

bool ReadCache::contains(const FrameKey& key) const noexcept {
  if (memory_.find(key) != nullptr) return true;
  return in_use_ && file_->index.find(key) != CacheIndex::kNone;
}

std::optional<Buffer> ReadCache::try_read(const FrameKey& key, uint64_t skip, uint64_t sectors) {
  if (const Buffer* raw = memory_.find(key)) {
    if ((skip + sectors) * kSectorBytes > raw->size()) return std::nullopt;
    return raw->slice(skip * kSectorBytes, sectors * kSectorBytes);
  }
  if (!in_use_) return std::nullopt;
  const uint32_t slot = file_->index.find(key);
  if (slot == CacheIndex::kNone) return std::nullopt;
  const std::optional<Pages> pages = pages_of(slot, skip, sectors);
  if (!pages) return std::nullopt;
  Buffer data = Buffer::allocate(pages->length);
  const uint64_t at = file_->layout.data_at(slot) + pages->offset;
  if (!file_->file->try_read(at, data.writable())) return std::nullopt;
  if (!matches(file_->index.checksums(slot), *pages, data)) {
    drop(slot);
    return std::nullopt;
  }
  file_->replacement.touch(slot);
  return data.slice(skip * kSectorBytes - pages->offset, sectors * kSectorBytes);
}

asio::awaitable<std::optional<Buffer>> ReadCache::read(FrameKey key, uint64_t skip,
                                                       uint64_t sectors) {
  std::optional<Buffer> at_once = try_read(key, skip, sectors);
  if (at_once || !in_use_) co_return at_once;
  const uint32_t slot = file_->index.find(key);
  if (slot == CacheIndex::kNone) co_return std::nullopt;
  const std::optional<Pages> pages = pages_of(slot, skip, sectors);
  if (!pages) co_return std::nullopt;

  Gate::Pass pass(gate_);
  const PageChecksums checksums = file_->index.checksums(slot);
  ++file_->readers[slot];  // so that nothing else is written there meanwhile
  const uint64_t at = file_->layout.data_at(slot) + pages->offset;
  Result<Buffer> data = co_await file_->file->read(at, pages->length);
  if (--file_->readers[slot] == 0) {
    file_->readers.erase(slot);
    changed_.notify_all();
  }
  if (!data) {
    give_up(data.error());
    co_return std::nullopt;
  }
  const bool is_there = file_->index.find(key) == slot;
  if (!matches(checksums, *pages, *data)) {
    if (is_there) drop(slot);
    co_return std::nullopt;
  }
  if (is_there) file_->replacement.touch(slot);
  co_return data->slice(skip * kSectorBytes - pages->offset, sectors * kSectorBytes);
}

// ---- writing behind --------------------------------------------------------------------------

void ReadCache::insert(const FrameKey& key, Buffer raw) {
  if (raw.empty()) return;
  memory_.insert(key, std::move(raw));
  if (in_use_) changed_.notify_all();
}

Async<void> ReadCache::write_behind() {
  while (in_use_) {
    if (waiting() > 0) co_await gather();
    if (!in_use_) break;
    const std::vector<Writing> batch = next_batch();
    if (batch.empty()) {
      changed_.notify_all();  // whoever waits for the file to catch up: it has
      co_await changed_.wait();
      continue;
    }
    Result<void> written = co_await write_frames(batch);
    // Only now: until here readers found it in memory, or nowhere.
    if (!written) co_return written;
    for (const Writing& one : batch) {
      file_->index.set(one.slot, one.frame);
      file_->replacement.put(one.slot, one.frame.key.fingerprint());
    }
    changed_.notify_all();
    written = co_await write_entries(batch);
    if (!written) co_return written;
    writing_ = 0;
  }
  co_return Result<void>();
}

// Frames of a stream come one by one; the disk likes them by the batch.
Task ReadCache::gather() {
  const uint64_t enough = std::min<uint64_t>(kFramesInBatch, backlog());
  const TimePoint until = now() + kGathers;
  while (in_use_ && waiting() < enough && now() < until) co_await changed_.wait_for(until - now());
}

// Frames that came since, each with the slot it gets. Whatever was there is not in the index any
// more.
std::vector<ReadCache::Writing> ReadCache::next_batch() {
  std::vector<Writing> batch;
  next_to_write_ = std::max(next_to_write_, memory_.begin());
  for (; next_to_write_ < memory_.end() && batch.size() < kFramesInBatch; ++next_to_write_) {
    const FrameMemory::Frame& frame = memory_.frame(next_to_write_);
    if (file_->index.find(frame.key) != CacheIndex::kNone) continue;
    const uint32_t slot = file_->replacement.take();
    if (slot == Replacement::kNone) break;
    file_->index.clear(slot);
    const auto sectors = static_cast<uint32_t>(frame.raw.size() / kSectorBytes);
    const CachedFrame entry{frame.key, sectors, page_checksums(frame.raw.bytes())};
    batch.push_back(Writing{slot, entry, frame.raw});
  }
  writing_ = batch.size();
  std::sort(batch.begin(), batch.end(),
            [](const Writing& a, const Writing& b) { return a.slot < b.slot; });
  return batch;
}

// Neighbouring slots with one write. They often are neighbours: frames that came together go
// together.
Async<void> ReadCache::write_frames(const std::vector<Writing>& batch) {
  for (const Writing& one : batch) {
    while (file_->readers.contains(one.slot)) co_await changed_.wait();
  }
  for (size_t i = 0; i < batch.size();) {
    const uint64_t at = file_->layout.data_at(batch[i].slot);
    BufferList data;
    do data.append(batch[i].raw);
    while (++i < batch.size() && batch[i].slot == batch[i - 1].slot + 1 &&
           data.size() % kCacheSlotBytes == 0);
    Result<void> written = co_await file_->file->write(at, std::move(data));
    if (!written) co_return written;
  }
  co_return Result<void>();
}

Async<void> ReadCache::write_entries(const std::vector<Writing>& batch) {
  for (size_t i = 0; i < batch.size();) {
    const uint64_t at = file_->layout.entry_at(batch[i].slot);
    Bytes entries;
    do {
      entries.resize(entries.size() + kCacheEntryBytes);
      encode_entry(file_->life, batch[i].slot, batch[i].frame,
                   std::span(entries).last(kCacheEntryBytes));
    } while (++i < batch.size() && batch[i].slot == batch[i - 1].slot + 1);
    BufferList data(Buffer::own(std::move(entries)));
    Result<void> written = co_await file_->file->write(at, std::move(data));
    if (!written) co_return written;
  }
  co_return Result<void>();
}

// ---- start-up --------------------------------------------------------------------------------

Async<void> ReadCache::load() {
  Result<Buffer> bytes = co_await file_->file->read(0, kCacheHeaderBytes);
  if (!bytes) co_return bytes.error();
  const std::optional<CacheHeader> header = decode_cache_header(bytes->bytes());
  const uint32_t slots = file_->layout.slots;
  Result<void> done;
  if (header && header->volume == volume_ && header->slots == slots) {
    file_->life = header->life;
    done = co_await load_entries();
    log::info("volume {}: read cache: {} of {} MiB found", volume_name_,
              file_->replacement.used() / 16, slots / 16);
  } else {
    // What the file has of another volume, size or version belongs to another life: it is as good
    // as gone.
    file_->life = random_life();
    BufferList fresh(Buffer::own(encode(CacheHeader{volume_, file_->life, slots})));
    done = co_await file_->file->write(0, std::move(fresh));
  }
  file_->is_ready = true;
  co_return done;
}

Async<void> ReadCache::load_entries() {
  const uint32_t slots = file_->layout.slots;
  for (uint32_t first = 0; first < slots && in_use_; first += kEntriesAtOnce) {
    const uint32_t count = std::min(kEntriesAtOnce, slots - first);
    const uint64_t at = file_->layout.entry_at(first);
    Result<Buffer> entries = co_await file_->file->read(at, count * kCacheEntryBytes);
    if (!entries) co_return entries.error();
    take_over(first, *entries);
  }
  co_return Result<void>();
}

void ReadCache::take_over(uint32_t first_slot, const Buffer& entries) {
  for (size_t i = 0; i * kCacheEntryBytes < entries.size(); ++i) {
    const uint32_t slot = first_slot + static_cast<uint32_t>(i);
    std::span<const std::byte> bytes = entries.bytes().subspan(i * kCacheEntryBytes);
    const std::optional<CachedFrame> frame =
        decode_entry(file_->life, slot, bytes.first(kCacheEntryBytes));
    // One frame may be in two slots, when the newer entry of one was not written any more.
    if (!frame || file_->index.find(frame->key) != CacheIndex::kNone) continue;
    file_->index.set(slot, *frame);
    file_->replacement.restore(slot, frame->key.fingerprint());
  }
}

// ---- what others ask -------------------------------------------------------------------------

ReadCache::Status ReadCache::status() const {
  Status out;
  out.trouble = trouble_;
  if (!in_use_) return out;
  out.capacity = ByteCount(uint64_t{file_->layout.slots} * kCacheSlotBytes);
  out.used = ByteCount(uint64_t{file_->replacement.used()} * kCacheSlotBytes);
  out.waiting = waiting();
  out.is_ready = file_->is_ready;
  return out;
}

uint64_t ReadCache::waiting() const noexcept {
  return memory_.end() - std::max(next_to_write_, memory_.begin()) + writing_;
}

uint64_t ReadCache::room() const noexcept {
  if (in_use_) return file_->replacement.room();
  return memory_.capacity().value() / FrameMemory::kFullFrameCost;
}

uint64_t ReadCache::backlog() const noexcept {
  return memory_.capacity().value() / FrameMemory::kFullFrameCost / 4;
}

Task ReadCache::catch_up() {
  while (in_use_ && waiting() > backlog()) co_await changed_.wait();
}

}  // namespace swiftness
