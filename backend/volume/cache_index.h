// CacheIndex: which frame is in which slot of the cache file, with a CRC32C of each of its 4 KiB
// pages; and the grammar of the file (docs/FORMAT.md, section 10). Pure.
//
// Memory: 88 bytes a slot and 4 for the hash table; with Replacement's 20 and its ghosts' 8 that is
// 120 bytes for 64 KiB of the file, 15 MiB for 8 GiB.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "backend/base/buffer.h"
#include "backend/base/uuid.h"
#include "backend/volume/format.h"

namespace swiftness {

inline constexpr size_t kCachePageBytes = 4096;
inline constexpr size_t kCachePagesInFrame = kFrameRawBytes / kCachePageBytes;

// Names a frame for ever. A sequence alone does not: a chunk that an era left behind unpublished
// and one of the next era may share it, with other contents.
struct FrameKey {
  FrameKey(const Era& era, Sequence chunk, uint16_t frame_offset) noexcept;
  FrameKey(uint64_t era_tag, uint64_t place) noexcept : era_tag(era_tag), place(place) {}

  uint64_t era_tag;  // 64 bits made of epoch and claim
  uint64_t place;    // sequence times 2^16, and the frame's offset

  uint64_t hash() const noexcept;
  uint32_t fingerprint() const noexcept { return static_cast<uint32_t>(hash() >> 32); }
  friend bool operator==(const FrameKey&, const FrameKey&) = default;
};

using PageChecksums = std::array<uint32_t, kCachePagesInFrame>;
PageChecksums page_checksums(std::span<const std::byte> raw);

// A frame in the cache file.
struct CachedFrame {
  FrameKey key;
  uint32_t sectors;  // of raw data
  PageChecksums checksums;
};

class CacheIndex {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  explicit CacheIndex(uint32_t slots);

  uint32_t find(const FrameKey& key) const noexcept;  // its slot, or kNone
  void set(uint32_t slot, const CachedFrame& frame);  // the slot is empty, the key is nowhere else
  void clear(uint32_t slot) noexcept;                 // nothing, when it is empty

  // Of a slot that is not empty.
  uint32_t sectors(uint32_t slot) const noexcept { return slots_[slot].sectors; }
  const PageChecksums& checksums(uint32_t slot) const noexcept { return slots_[slot].checksums; }

 private:
  struct Slot {
    uint64_t era_tag = 0;
    uint64_t place = 0;
    PageChecksums checksums{};
    uint32_t next = kNone;  // of the same bucket
    uint32_t sectors = 0;   // 0: empty
  };

  size_t bucket_of(const FrameKey& key) const noexcept {
    return (key.hash() & UINT32_MAX) * buckets_.size() >> 32;
  }

  std::vector<Slot> slots_;
  std::vector<uint32_t> buckets_;
};

// ---- the file --------------------------------------------------------------------------------

inline constexpr size_t kCacheHeaderBytes = 4096;
inline constexpr size_t kCacheEntryBytes = 128;
inline constexpr uint64_t kCacheSlotBytes = kFrameRawBytes;

struct CacheLayout {
  uint32_t slots = 0;
  uint64_t data_offset = 0;

  static CacheLayout of(uint64_t file_size);  // slots: 0 when it is too small for one
  uint64_t entry_at(uint32_t slot) const noexcept {
    return kCacheHeaderBytes + uint64_t{slot} * kCacheEntryBytes;
  }
  uint64_t data_at(uint32_t slot) const noexcept {
    return data_offset + uint64_t{slot} * kCacheSlotBytes;
  }
};

// `life` is drawn when a file is begun: entries of another life are none.
struct CacheHeader {
  Uuid volume;
  uint64_t life = 0;
  uint32_t slots = 0;
};
Bytes encode(const CacheHeader& header);  // kCacheHeaderBytes
std::optional<CacheHeader> decode_cache_header(std::span<const std::byte> bytes);

void encode_entry(uint64_t life, uint32_t slot, const CachedFrame& frame,
                  std::span<std::byte> target);  // kCacheEntryBytes
std::optional<CachedFrame> decode_entry(uint64_t life, uint32_t slot,
                                        std::span<const std::byte> bytes);

}  // namespace swiftness
