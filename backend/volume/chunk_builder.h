// ChunkBuilder: gathers writes and trims, in log order, until they are sealed into one immutable
// chunk object. Pure: no I/O. Data buffers are shared, never copied.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "backend/base/async.h"
#include "backend/base/buffer.h"
#include "backend/volume/format.h"

namespace swiftness {

// The raw data of a chunk, by their place in it: what reads are served from until the chunk is in
// the store.
class RawData {
 public:
  // Returns the sector (of the chunk's raw data) at which the data were put.
  uint16_t append(const BufferList& data);
  BufferList read(uint64_t first_sector, uint64_t sectors) const;
  uint64_t sectors() const noexcept { return sectors_; }

 private:
  struct Piece {
    uint64_t offset;  // bytes
    Buffer data;
  };
  std::vector<Piece> pieces_;  // ascending, without gaps
  uint64_t sectors_ = 0;
};

// A chunk ready for the store. Its bytes never change: every PUT of it is identical.
struct SealedChunk {
  ChunkHeader header;
  Sha256 header_hash{};
  BufferList object;
  RawData raw;
  uint64_t memory = 0;    // bytes it holds of the volume's write buffer
  TimePoint opened_at{};  // when its first entry came

  // Where raw sectors of this chunk ended up; one piece a frame.
  struct Placed {
    Location at;
    uint64_t sectors;
  };
  std::vector<Placed> place(uint64_t raw_first, uint64_t sectors) const;
  // The way back: the raw sector of a location in this chunk.
  uint64_t raw_sector(const Location& at) const;

  std::vector<uint16_t> frame_offsets;  // of each 64 KiB of raw data, in 512-byte units
  std::vector<uint16_t> frame_lengths;
};

class ChunkBuilder {
 public:
  // A write or trim as it was appended; the extents of the chunk in the making.
  struct Entry {
    ExtentKind kind;
    Sector first;
    SectorCount sectors;
    uint64_t raw_first;  // of data: sector of the raw data
  };

  explicit ChunkBuilder(Sequence sequence) : sequence_(sequence) {}

  Sequence sequence() const noexcept { return sequence_; }
  bool empty() const noexcept { return positions_ == 0; }
  bool has_room(size_t bytes, size_t entries) const noexcept;

  // Each takes one log position. There is room (CHECKed).
  Location append_write(Sector first, const BufferList& data);
  struct Trim {
    Sector first;
    SectorCount sectors;
  };
  void append_trims(const std::vector<Trim>& trims);

  const std::vector<Entry>& entries() const noexcept { return entries_; }
  BufferList read(const Location& at, uint64_t sectors) const {
    return raw_.read(at.frame_offset, sectors);
  }

  // Most bytes a single write may have to fit into an empty chunk.
  static constexpr size_t kMostWriteBytes = 8 << 20;

  struct SealContext {
    Uuid volume;
    Era era;
    Sha256 previous_hash{};
    Sequence frontier;
    LogPosition first_position;
  };
  // What was gathered, as a chunk; the builder is left empty.
  SealedChunk seal(const SealContext& context) &&;

 private:
  Sequence sequence_;
  RawData raw_;
  std::vector<Entry> entries_;
  uint64_t positions_ = 0;
};

}  // namespace swiftness
