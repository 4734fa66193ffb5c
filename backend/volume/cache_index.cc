#include "backend/volume/cache_index.h"

#include <algorithm>
#include <cstring>

#include "backend/base/check.h"
#include "backend/base/crc32c.h"
#include "backend/base/endian.h"

namespace swiftness {
namespace {

constexpr char kIndexMagic[8] = {'S', 'w', 'F', 't', 'C', 'a', 'c', 'h'};
constexpr uint32_t kIndexVersion = 1;
constexpr size_t kHeaderUsed = 48;  // of which the last four are the CRC
constexpr size_t kEntryUsed = 100;

// The finaliser of MurmurHash3: every bit of the input moves every bit of the output.
uint64_t mixed(uint64_t x) noexcept {
  x = (x ^ x >> 33) * 0xff51afd7ed558ccd;
  x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53;
  return x ^ x >> 33;
}

}  // namespace

FrameKey::FrameKey(const Era& era, Sequence chunk, uint16_t frame_offset) noexcept
    : era_tag(mixed(load_le<uint64_t>(era.claim.bytes.data()) ^ mixed(era.epoch.value())) ^
              load_le<uint64_t>(era.claim.bytes.data() + 8)),
      place(chunk.value() << 16 | frame_offset) {}

uint64_t FrameKey::hash() const noexcept {
  return mixed(era_tag ^ mixed(place));
}

PageChecksums page_checksums(std::span<const std::byte> raw) {
  CHECK(raw.size() <= kFrameRawBytes);
  PageChecksums out{};
  for (size_t page = 0; page * kCachePageBytes < raw.size(); ++page) {
    const size_t at = page * kCachePageBytes;
    out[page] = crc32c(raw.subspan(at, std::min(kCachePageBytes, raw.size() - at)));
  }
  return out;
}

CacheIndex::CacheIndex(uint32_t slots) : slots_(slots), buckets_(std::max(slots, 1U), kNone) {}

uint32_t CacheIndex::find(const FrameKey& key) const noexcept {
  uint32_t slot = buckets_[bucket_of(key)];
  while (slot != kNone &&
         (slots_[slot].place != key.place || slots_[slot].era_tag != key.era_tag)) {
    slot = slots_[slot].next;
  }
  return slot;
}

void CacheIndex::set(uint32_t slot, const CachedFrame& frame) {
  CHECK(slots_[slot].sectors == 0 && frame.sectors > 0);
  uint32_t& bucket = buckets_[bucket_of(frame.key)];
  slots_[slot] = Slot{frame.key.era_tag, frame.key.place, frame.checksums, bucket, frame.sectors};
  bucket = slot;
}

void CacheIndex::clear(uint32_t slot) noexcept {
  Slot& entry = slots_[slot];
  if (entry.sectors == 0) return;
  uint32_t* link = &buckets_[bucket_of(FrameKey(entry.era_tag, entry.place))];
  while (*link != slot) link = &slots_[*link].next;
  *link = entry.next;
  entry.sectors = 0;
}

// ---- the file --------------------------------------------------------------------------------

CacheLayout CacheLayout::of(uint64_t file_size) {
  auto data_offset = [](uint64_t slots) {
    const uint64_t end = kCacheHeaderBytes + slots * kCacheEntryBytes;
    return (end + kCacheSlotBytes - 1) / kCacheSlotBytes * kCacheSlotBytes;
  };
  // Rounding up costs less than one slot more than this.
  uint64_t slots = file_size / (kCacheSlotBytes + kCacheEntryBytes);
  while (slots > 0 && data_offset(slots) + slots * kCacheSlotBytes > file_size) --slots;
  slots = std::min<uint64_t>(slots, CacheIndex::kNone - 1);
  return CacheLayout{static_cast<uint32_t>(slots), data_offset(slots)};
}

Bytes encode(const CacheHeader& header) {
  Bytes out(kCacheHeaderBytes);
  std::memcpy(out.data(), kIndexMagic, sizeof kIndexMagic);
  store_le(out.data() + 8, kIndexVersion);
  store_le(out.data() + 12, header.slots);
  std::memcpy(out.data() + 16, header.volume.bytes.data(), 16);
  store_le(out.data() + 32, header.life);
  store_le(out.data() + kHeaderUsed - 4, crc32c(std::span(out).first(kHeaderUsed - 4)));
  return out;
}

std::optional<CacheHeader> decode_cache_header(std::span<const std::byte> bytes) {
  if (bytes.size() < kHeaderUsed ||
      std::memcmp(bytes.data(), kIndexMagic, sizeof kIndexMagic) != 0 ||
      load_le<uint32_t>(bytes.data() + 8) != kIndexVersion ||
      load_le<uint32_t>(bytes.data() + kHeaderUsed - 4) != crc32c(bytes.first(kHeaderUsed - 4))) {
    return std::nullopt;
  }
  CacheHeader out;
  out.slots = load_le<uint32_t>(bytes.data() + 12);
  std::memcpy(out.volume.bytes.data(), bytes.data() + 16, 16);
  out.life = load_le<uint64_t>(bytes.data() + 32);
  return out;
}

void encode_entry(uint64_t life, uint32_t slot, const CachedFrame& frame,
                  std::span<std::byte> target) {
  CHECK(target.size() == kCacheEntryBytes);
  std::memset(target.data(), 0, target.size());
  store_le(target.data(), life);
  store_le(target.data() + 8, frame.key.era_tag);
  store_le(target.data() + 16, frame.key.place);
  store_le(target.data() + 24, slot);
  store_le(target.data() + 28, frame.sectors);
  for (size_t page = 0; page < kCachePagesInFrame; ++page) {
    store_le(target.data() + 32 + page * 4, frame.checksums[page]);
  }
  store_le(target.data() + kEntryUsed - 4, crc32c(target.first(kEntryUsed - 4)));
}

std::optional<CachedFrame> decode_entry(uint64_t life, uint32_t slot,
                                        std::span<const std::byte> bytes) {
  CHECK(bytes.size() == kCacheEntryBytes);
  // Most entries of a young file are of no life at all: told before anything is summed up.
  if (load_le<uint64_t>(bytes.data()) != life || load_le<uint32_t>(bytes.data() + 24) != slot) {
    return std::nullopt;
  }
  if (load_le<uint32_t>(bytes.data() + kEntryUsed - 4) != crc32c(bytes.first(kEntryUsed - 4))) {
    return std::nullopt;
  }
  CachedFrame out{
      FrameKey(load_le<uint64_t>(bytes.data() + 8), load_le<uint64_t>(bytes.data() + 16)),
      load_le<uint32_t>(bytes.data() + 28),
      {}};
  if (out.sectors == 0 || out.sectors > kFrameRawBytes / kSectorBytes) return std::nullopt;
  for (size_t page = 0; page < kCachePagesInFrame; ++page) {
    out.checksums[page] = load_le<uint32_t>(bytes.data() + 32 + page * 4);
  }
  return out;
}

}  // namespace swiftness
