// The bytes of a journal (docs/FORMAT.md, section 9): superblock and record header. Pure: bytes in,
// values out. Little-endian; decoding never trusts its input.
#pragma once

#include <string>
#include <vector>

#include "backend/base/buffer.h"
#include "backend/volume/format.h"

namespace swiftness {

inline constexpr size_t kSuperblockBytes = 512;
inline constexpr uint64_t kSuperblockPlaces[2] = {0, 4096};
inline constexpr uint64_t kRingStart = 8192;
inline constexpr size_t kRecordFixedBytes = 72;
inline constexpr size_t kRecordExtentBytes = 16;
inline constexpr size_t kMostRecordExtents = 4096;  // an UNMAP has up to 4,095
inline constexpr size_t kMostRecordDataBytes = 8 << 20;

// One write (one extent and its data) or one unmap command.
struct JournalRecord {
  struct Extent {
    Sector first;
    SectorCount sectors;
    friend bool operator==(const Extent&, const Extent&) = default;
  };
  LogPosition position;
  bool is_trim = false;
  std::vector<Extent> extents;  // 1 to kMostRecordExtents
  BufferList
      data;  // of a write: all its extents' sectors, at most kMostRecordDataBytes; of a trim: none
};

// Where a record's data lie. Meaningful to the journal that gave it only, while the record is live.
struct JournalPlace {
  uint64_t offset = 0;    // of the data, in the stream of all bytes ever put into the ring
  uint32_t length = 0;    // bytes
  uint32_t checksum = 0;  // CRC32C of the data
  friend bool operator==(const JournalPlace&, const JournalPlace&) = default;
};

struct Superblock {
  Uuid volume;
  uint64_t sequence = 0;    // of superblocks; the higher of two sound ones counts
  uint64_t generation = 0;  // random, of the ring as it was begun
  uint64_t ring_bytes = 0;
  Era stamp;
  Era before;           // highest started era when the stamp was made
  uint64_t begins = 0;  // offset from which on records carry the stamp's epoch
  // Where the oldest record lies that may be needed. Everything before it is durable in the store.
  uint64_t tail_offset = 0;
  LogPosition tail_position{1};
  bool retired = false;
  bool closed = false;  // when its gateway ended everything was in the store: no record is needed
  friend bool operator==(const Superblock&, const Superblock&) = default;
};

Bytes encode(const Superblock& superblock);

struct SuperblockSlot {
  enum class State { blank, sound, unreadable };
  State state = State::blank;
  Superblock superblock;  // when sound
  std::string why;        // when unreadable
};
SuperblockSlot decode_superblock(std::span<const std::byte> bytes);

// A record without its data. Offsets count bytes in the stream of all that was ever put into the
// ring; a record lies in the file at kRingStart + offset % ring_bytes and may go on at the ring's
// start.
struct JournalRecordHeader {
  uint64_t generation = 0;
  Epoch epoch;
  uint64_t offset = 0;  // of the header
  LogPosition position;
  LogPosition synced;    // all up to it was on the medium when this was made
  LogPosition frontier;  // all up to it was durable in the store when this was made
  bool is_trim = false;
  std::vector<JournalRecord::Extent> extents;
  uint32_t data_bytes = 0;
  uint32_t data_checksum = 0;

  uint64_t data_offset() const noexcept;  // headers are padded to 512 bytes
  uint64_t end() const noexcept;
};

size_t record_header_bytes(size_t extents);
Bytes encode(const JournalRecordHeader& header);  // padded

// The size of the header that begins here, told by its first kSectorBytes. Almost everything that
// is no record of `generation` is told apart here; decoding checks the rest.
Result<size_t> record_header_size(uint64_t generation, std::span<const std::byte> bytes);
Result<JournalRecordHeader> decode_record_header(std::span<const std::byte> bytes);

uint32_t checksum_of(const BufferList& data);  // CRC32C

}  // namespace swiftness
