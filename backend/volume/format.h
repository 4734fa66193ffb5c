// The grammar of docs/FORMAT.md, shared by whoever writes and whoever reads: envelope, payloads,
// chunk header, frame header. The map's records are in map_format.h. Pure: bytes in, values out.
// Encoding is bytewise and little-endian. Decoding never trusts its input: every fault is
// ErrorCode::corrupt with the field that is wrong.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "backend/base/buffer.h"
#include "backend/base/hash.h"
#include "backend/base/result.h"
#include "backend/base/units.h"
#include "backend/base/uuid.h"
#include "backend/volume/catalogue.h"

namespace swiftness {

inline constexpr uint64_t kPageSectors = 65536;  // 32 MiB of the disk
inline constexpr uint64_t kMostDiskBytes = uint64_t{64} << 40;
inline constexpr uint64_t kMostDiskPages = kMostDiskBytes / kSectorBytes / kPageSectors;
// Behind the largest disk is a page for what is kept beside the data: 1 MiB for each
// MetadataKey, with the record's length (4 bytes) in front of it.
inline constexpr uint64_t kMetadataSector = kMostDiskPages * kPageSectors;
inline constexpr uint64_t kMetadataKeySectors = 2048;
inline constexpr size_t kMostMetadata = (size_t{1} << 20) - 4;  // bytes of a record
inline constexpr size_t kChunkBytes = 16 << 20;                 // most bytes of a chunk object
inline constexpr size_t kFrameRawBytes = 64 << 10;              // most raw data in a frame
inline constexpr size_t kEnvelopeBytes = 40;
inline constexpr size_t kFrameHeaderBytes = 32;
inline constexpr size_t kChunkPayloadFixedBytes = 24 + 8 + 32 + 8 + 16 + 8 + 8;
inline constexpr size_t kChunkExtentBytes = 32;
inline constexpr size_t kSourceBytes = 8;
inline constexpr uint64_t kMostChunks = UINT32_MAX;  // a volume's log ends there
inline constexpr uint64_t kChunksPerContainer = 65536;
inline constexpr uint32_t kMostUploadsInFlight = 8;  // W

// What every decoder answers to bytes that cannot be.
inline Error corrupt(std::string why) {
  return Error(ErrorCode::corrupt, std::move(why));
}

enum class RecordKind : uint16_t {
  descriptor = 1,
  claim = 2,
  fence = 3,
  head = 4,
  start = 5,
  root = 6,
  leaf = 7,
  chunk = 8,
  segment = 9,
  run = 10,
  ledger = 11,
  detached = 12,
  released = 13,
  unsaved = 14,
};

// One epoch together with the claim that started it: the owner of names.
struct Era {
  Epoch epoch;  // 0: none
  Uuid claim;
  friend bool operator==(const Era&, const Era&) = default;
};

struct RootName {
  Era era;
  uint64_t number = 0;  // from 1 in each era; 0: none
  friend bool operator==(const RootName&, const RootName&) = default;
};

struct Claim {
  Era era;
  uint64_t claimed_at = 0;  // Unix seconds
  std::string host;
};

struct Fence {
  Era era;
};

struct Head {
  RootName root;  // era: the newest known; number: its newest root
};

// Where an era's log ends.
struct LogEnd {
  Era era;
  Sequence last;
  Sha256 header_hash{};
  friend bool operator==(const LogEnd&, const LogEnd&) = default;
};

struct Start {
  Era era;
  LogEnd predecessor;  // epoch 0: none
  RootName base;
  uint32_t upload_window = kMostUploadsInFlight;
  uint64_t started_at = 0;  // Unix seconds
  bool journaled = false;   // flushes of this era may be durable in its gateway's journal alone
};

// Where data are: in a frame of a chunk. While the chunk is not sealed yet there are no frames:
// frame_length is 0 and frame_offset counts sectors of the chunk's raw data.
struct Location {
  Sequence chunk;
  uint16_t frame_offset = 0;  // 512-byte units from the object's start
  uint16_t frame_length = 0;  // 512-byte units, header and padding included
  uint16_t skip = 0;          // sectors into the frame's raw data

  bool pending() const noexcept { return frame_length == 0; }
  // The location of what lies `sectors` further on in the same extent.
  Location advanced(uint64_t sectors) const noexcept;
  friend bool operator==(const Location&, const Location&) = default;
};

// The era ended cleanly: all that was acknowledged is in the log up to `last`.
struct Released {
  Era era;
  Sequence last;
};

// A hint, overwritten now and then: what was acknowledged and only in the gateway's journal.
struct Unsaved {
  Era era;
  uint64_t bytes = 0;
  uint64_t told_at = 0;  // Unix seconds
};

// A Location in 64 bits, never 0: chunk (32), frame offset (15), frame length (8), skip (7), a bit
// that tells a pending one, and a zero.
uint64_t pack(const Location& at) noexcept;  // CHECKs that its fields fit
Location unpack(uint64_t packed) noexcept;
inline constexpr uint64_t kPendingBit = 2;

// Can so many sectors lie in one frame at this place? Asked of whatever was read.
bool fits_a_frame(const Location& at, uint64_t sectors) noexcept;

enum class ExtentKind : uint8_t { data = 1, trim = 3, moved = 4, shared = 5 };

struct ChunkExtent {
  ExtentKind kind = ExtentKind::data;
  Sector first;
  SectorCount sectors;
  Location at;      // of data and moved; its chunk is the chunk it stands in
  Location source;  // of moved: where the same data were before; of shared: where they are

  bool has_data() const noexcept { return kind == ExtentKind::data || kind == ExtentKind::moved; }
  bool has_source() const noexcept {
    return kind == ExtentKind::moved || kind == ExtentKind::shared;
  }
};

struct ChunkHeader {
  Era era;
  Sequence sequence;
  Sha256 previous_hash{};
  Sequence frontier;
  LogPosition first_position;
  uint64_t position_count = 0;
  uint64_t object_size = 0;
  std::vector<ChunkExtent> extents;
};

Bytes encode(const VolumeDescriptor& descriptor);
Bytes encode(const Uuid& volume, const Claim& claim);
Bytes encode(const Uuid& volume, const Fence& fence);
Bytes encode(const Uuid& volume, const Head& head);
Bytes encode(const Uuid& volume, const Start& start);
Bytes encode(const Uuid& volume, const Released& released);
Bytes encode(const Uuid& volume, const Unsaved& unsaved);
Bytes encode(const Uuid& volume, const ChunkHeader& header);  // not padded

Result<VolumeDescriptor> decode_descriptor(std::span<const std::byte> bytes);
Result<Claim> decode_claim(const Uuid& volume, std::span<const std::byte> bytes);
Result<Fence> decode_fence(const Uuid& volume, std::span<const std::byte> bytes);
Result<Head> decode_head(const Uuid& volume, std::span<const std::byte> bytes);
Result<Start> decode_start(const Uuid& volume, std::span<const std::byte> bytes);
Result<Released> decode_released(const Uuid& volume, std::span<const std::byte> bytes);
Result<Unsaved> decode_unsaved(const Uuid& volume, std::span<const std::byte> bytes);

// `bytes` begins with the header and may go on behind it.
Result<ChunkHeader> decode_chunk_header(const Uuid& volume, std::span<const std::byte> bytes);
// Bytes of envelope and payload, told by the envelope alone; `bytes` has at least kEnvelopeBytes.
Result<size_t> record_size(std::span<const std::byte> bytes);

// Envelope and payload, not padded. `sources`: extents that have one.
size_t chunk_header_size(size_t extents, size_t sources);
inline size_t padded_to_sector(size_t bytes) {
  return (bytes + 511) / 512 * 512;
}

struct FrameHeader {
  uint32_t raw_length = 0;
  uint32_t stored_length = 0;
  Sequence chunk;
  uint16_t frame_offset = 0;
};

// The kFrameHeaderBytes before `data` (the stored bytes, without padding).
void encode_frame_header(const FrameHeader& frame, const BufferList& data,
                         std::span<std::byte> target);

// The 512-byte units that a frame beginning here takes, as its header has it; 0: there is none.
// Only open_frame() tells whether it is sound.
uint32_t frame_units(std::span<const std::byte> bytes);

// The raw data of a frame as it was read: exactly its stored units. Checks everything.
Result<Buffer> open_frame(Sequence chunk, uint16_t frame_offset, Buffer stored);

}  // namespace swiftness
