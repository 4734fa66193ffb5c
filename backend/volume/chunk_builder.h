// ChunkBuilder: gathers writes and trims, in log order, until they are sealed. assemble_chunk():
// puts what is still wanted of them, or of what garbage collection moves, into one immutable chunk
// object. Pure: no I/O. Data buffers are shared, never copied.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/base/async.h"
#include "backend/base/buffer.h"
#include "backend/volume/journal_format.h"
#include "backend/volume/map_format.h"

namespace swiftness {

// Data one behind the other: what reads are served from until the chunk is in the store.
class RawData {
 public:
  uint64_t append(BufferList data);  // returns the sector at which the data were put
  BufferList read(uint64_t first_sector, uint64_t sectors) const;
  // The same for the last reader of these sectors: buffers change hands, which is cheaper than to
  // share them.
  BufferList take(uint64_t first_sector, uint64_t sectors);
  uint64_t sectors() const noexcept { return sectors_; }

 private:
  struct Piece {
    uint64_t offset;  // bytes
    Buffer data;
  };
  template <class Visit>
  void visit(uint64_t first_sector, uint64_t sectors, Visit visit) const;

  std::vector<Piece> pieces_;  // ascending, without gaps
  uint64_t sectors_ = 0;
};

struct Trim {
  Sector first;
  SectorCount sectors;
};

class ChunkBuilder {
 public:
  // A write or trim as it was appended.
  struct Entry {
    ExtentKind kind;
    Sector first;
    SectorCount sectors;
    Location at{};                                      // of data: pending
    std::optional<JournalPlace> record = std::nullopt;  // of data: where the journal has all of it
  };

  bool empty() const noexcept { return positions_ == 0; }
  uint64_t positions() const noexcept { return positions_; }

  // Would the chunk still be of `chunk_bytes` or less? `live_sectors`: what of its data counts; the
  // rest was overwritten since. An empty one has room for any write.
  bool has_room(size_t bytes, size_t entries, uint64_t live_sectors,
                size_t chunk_bytes) const noexcept;

  // Each takes one log position. The location is a pending one of chunk 0.
  Location append_write(Sector first, const BufferList& data);
  void append_trims(const std::vector<Trim>& trims);
  // The journal has the newest write.
  void journaled(const JournalPlace& place) { entries_.back().record = place; }

  const std::vector<Entry>& entries() const noexcept { return entries_; }
  BufferList read(const Location& at, uint64_t sectors) const {
    return raw_.read(at.frame_offset, sectors);
  }
  BufferList take(const Location& at, uint64_t sectors) {
    return raw_.take(at.frame_offset, sectors);
  }

  // Most bytes a single write may have to fit into an empty chunk.
  static constexpr size_t kMostWriteBytes = 8 << 20;

 private:
  RawData raw_;
  std::vector<Entry> entries_;
  uint64_t positions_ = 0;
};

class ChunkRecipe;

// What of a chunk takes long to make: every byte is read for the frames' checksums.
struct Frames {
  Buffer headers;     // of all frames, with the checksums of the data
  BufferList object;  // the whole of it, as it is stored
};

// A chunk of the log. Its bytes never change: every PUT of it is identical.
struct SealedChunk {
  ChunkHeader header;  // source of each extent of data or moved: where the map had it before
  Sha256 header_hash{};
  RawData raw;
  uint64_t memory = 0;    // bytes it holds of the volume's write buffer
  TimePoint opened_at{};  // when its first entry came

  // The data of a location in this chunk, within one frame.
  BufferList read(const Location& at, uint64_t sectors) const;
  // Where in the raw data the location is, in sectors.
  uint64_t raw_sector(const Location& at) const;

  std::vector<uint16_t> frame_offsets;  // of each 64 KiB of raw data, in 512-byte units
  Buffer encoded_header;                // padded: the beginning of the object
  std::optional<Frames> frames;         // made by make_frames(), before it is stored or parked
  std::optional<std::string> checksum;  // of the object, by ObjectStore::checksums()

  // How to make it again from the journal (parked_chunk.h), when that has all of it. A parked chunk
  // is without the header's extents, the object and `raw`.
  std::shared_ptr<const ChunkRecipe> recipe;
  bool is_parked = false;
};

struct SealContext {
  Uuid volume;
  Era era;
  Sequence sequence;
  Sha256 previous_hash{};
  Sequence frontier;
  LogPosition first_position;
  uint64_t positions = 0;
};

// One stretch of data for a chunk.
struct ChunkPart {
  ExtentKind kind = ExtentKind::data;  // data or moved
  Sector first;
  SectorCount sectors;
  Location source;  // where the map has it now
  BufferList data;
  MapPlace leaf{};  // of moved: the page's leaf when the map was asked
  // Of data: where the journal has the write they are of, and how many bytes into it they begin.
  std::optional<JournalPlace> record = std::nullopt;
  uint64_t record_offset = 0;
};

// Trims come before all data. What was gathered must fit (CHECKed). Without its frames.
SealedChunk assemble_chunk(const SealContext& context, const std::vector<Trim>& trims,
                           std::vector<ChunkPart> parts);

// A copy: no data, but where they are. Takes no log position.
struct SharedPart {
  Sector first;
  SectorCount sectors;
  Location source;  // in a sealed chunk
};
SealedChunk assemble_copy(const SealContext& context, const std::vector<Trim>& trims,
                          const std::vector<SharedPart>& parts);

// Uses the chunk's header, its encoding and `raw`, and changes nothing: another thread may do it
// while this one reads the chunk.
Frames make_frames(const SealedChunk& chunk);

// Upper bound of the object with so many extents, so many of them moved, and data of so many
// sectors.
size_t chunk_bytes_bound(size_t extents, size_t moved, uint64_t sectors) noexcept;

}  // namespace swiftness
