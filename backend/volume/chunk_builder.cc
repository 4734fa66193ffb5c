#include "backend/volume/chunk_builder.h"

#include <algorithm>

#include "backend/base/check.h"

namespace swiftness {
namespace {

constexpr uint64_t kFrameSectors = kFrameRawBytes / kSectorBytes;
constexpr uint64_t kMostRawSectors = UINT16_MAX;  // of a builder, overwritten ones too

size_t frame_count(uint64_t sectors) {
  return (sectors + kFrameSectors - 1) / kFrameSectors;
}

uint64_t frame_sectors(const RawData& raw, size_t frame) {
  return std::min(kFrameSectors, raw.sectors() - frame * kFrameSectors);
}

size_t stored_frame_bytes(uint64_t sectors) {
  return padded_to_sector(kFrameHeaderBytes + sectors * kSectorBytes);
}

// Extents of `sectors` that begin `at` sectors into the raw data: cut where the frames are.
size_t extent_count(uint64_t at, uint64_t sectors) {
  return (at + sectors - 1) / kFrameSectors - at / kFrameSectors + 1;
}

}  // namespace

// ---- RawData -----------------------------------------------------------------------------------

uint64_t RawData::append(BufferList data) {
  const uint64_t at = sectors_;
  uint64_t offset = sectors_ * kSectorBytes;
  for (Buffer& piece : std::move(data).take_pieces()) {
    const size_t size = piece.size();
    pieces_.push_back(Piece{offset, std::move(piece)});
    offset += size;
  }
  CHECK(offset % kSectorBytes == 0);
  sectors_ = offset / kSectorBytes;
  return at;
}

// Calls visit(piece's index, offset in it, bytes of it).
template <class Visit>
void RawData::visit(uint64_t first_sector, uint64_t sectors, Visit visit) const {
  CHECK(first_sector + sectors <= sectors_);
  uint64_t at = first_sector * kSectorBytes;
  const uint64_t end = at + sectors * kSectorBytes;
  auto it =
      std::upper_bound(pieces_.begin(), pieces_.end(), at,
                       [](uint64_t offset, const Piece& piece) { return offset < piece.offset; });
  for (auto index = static_cast<size_t>(it - pieces_.begin() - 1); at < end; ++index) {
    const Piece& piece = pieces_[index];
    const uint64_t skip = at - piece.offset;
    const uint64_t taken = std::min<uint64_t>(end - at, piece.data.size() - skip);
    visit(index, skip, taken);
    at += taken;
  }
}

BufferList RawData::read(uint64_t first_sector, uint64_t sectors) const {
  BufferList out;
  visit(first_sector, sectors, [&](size_t index, uint64_t skip, uint64_t taken) {
    out.append(pieces_[index].data.slice(skip, taken));
  });
  return out;
}

BufferList RawData::take(uint64_t first_sector, uint64_t sectors) {
  BufferList out;
  visit(first_sector, sectors, [&](size_t index, uint64_t skip, uint64_t taken) {
    Buffer& data = pieces_[index].data;
    const bool all = skip == 0 && taken == data.size();
    out.append(all ? std::move(data) : data.slice(skip, taken));
  });
  return out;
}

// ---- ChunkBuilder ------------------------------------------------------------------------------

size_t chunk_bytes_bound(size_t extents, size_t moved, uint64_t sectors) noexcept {
  // Each frame may cut one more extent in two.
  const size_t frames = frame_count(sectors);
  return padded_to_sector(chunk_header_size(extents + frames, moved + (moved > 0 ? frames : 0))) +
         frames * (kFrameHeaderBytes + kSectorBytes) + sectors * kSectorBytes;
}

bool ChunkBuilder::has_room(size_t bytes, size_t entries, uint64_t live_sectors,
                            size_t chunk_bytes) const noexcept {
  if (empty()) return true;
  const uint64_t sectors = bytes / kSectorBytes;
  if (raw_.sectors() + sectors > kMostRawSectors) return false;
  // A write in the midst of an older one leaves two pieces of that.
  const size_t extents = (entries_.size() + entries) * 2;
  return chunk_bytes_bound(extents, 0, live_sectors + sectors) <=
         std::min(chunk_bytes, kChunkBytes);
}

Location ChunkBuilder::append_write(Sector first, const BufferList& data) {
  CHECK(data.size() > 0 && data.size() % kSectorBytes == 0);
  const uint64_t at = raw_.append(data);
  CHECK(raw_.sectors() <= kMostRawSectors);
  Location pending;
  pending.frame_offset = static_cast<uint16_t>(at);
  entries_.push_back(
      Entry{ExtentKind::data, first, SectorCount(data.size() / kSectorBytes), pending});
  ++positions_;
  return pending;
}

void ChunkBuilder::append_trims(const std::vector<Trim>& trims) {
  for (const Trim& trim : trims) {
    entries_.push_back(Entry{ExtentKind::trim, trim.first, trim.sectors});
  }
  ++positions_;
}

// ---- SealedChunk -------------------------------------------------------------------------------

uint64_t SealedChunk::raw_sector(const Location& at) const {
  auto it = std::lower_bound(frame_offsets.begin(), frame_offsets.end(), at.frame_offset);
  CHECK(it != frame_offsets.end() && *it == at.frame_offset);
  const auto frame = static_cast<uint64_t>(it - frame_offsets.begin());
  return frame * kFrameSectors + at.skip;
}

BufferList SealedChunk::read(const Location& at, uint64_t sectors) const {
  return raw.read(raw_sector(at), sectors);
}

namespace {

// Where the chunk stands in the log.
void place_in_log(ChunkHeader& header, const SealContext& context) {
  header.era = context.era;
  header.sequence = context.sequence;
  header.previous_hash = context.previous_hash;
  header.frontier = context.frontier;
  header.first_position = context.first_position;
  header.position_count = context.positions;
}

void add_trims(ChunkHeader& header, const std::vector<Trim>& trims) {
  for (const Trim& trim : trims) {
    header.extents.push_back(ChunkExtent{ExtentKind::trim, trim.first, trim.sectors, {}, {}});
  }
}

// The header is complete.
void encode_header(SealedChunk& chunk, const SealContext& context, size_t padded_bytes) {
  CHECK(chunk.header.object_size <= kChunkBytes);
  Bytes encoded = encode(context.volume, chunk.header);
  chunk.header_hash = sha256(encoded);
  encoded.resize(padded_bytes);
  chunk.encoded_header = Buffer::own(std::move(encoded));
}

}  // namespace

SealedChunk assemble_chunk(const SealContext& context, const std::vector<Trim>& trims,
                           std::vector<ChunkPart> parts) {
  SealedChunk out;
  ChunkHeader& header = out.header;
  size_t extents = trims.size();
  size_t moved = 0;
  for (ChunkPart& part : parts) {
    const size_t count = extent_count(out.raw.sectors(), part.sectors.value());
    extents += count;
    if (part.kind == ExtentKind::moved) moved += count;
    CHECK(part.data.size() == part.sectors.value() * kSectorBytes);
    out.raw.append(std::move(part.data));
  }
  header.extents.reserve(extents);
  const size_t header_bytes = padded_to_sector(chunk_header_size(extents, moved));
  const size_t frames = frame_count(out.raw.sectors());

  std::vector<uint16_t> frame_lengths;
  size_t object_bytes = header_bytes;
  for (size_t i = 0; i < frames; ++i) {
    const size_t stored = stored_frame_bytes(frame_sectors(out.raw, i));
    out.frame_offsets.push_back(static_cast<uint16_t>(object_bytes / kSectorBytes));
    frame_lengths.push_back(static_cast<uint16_t>(stored / kSectorBytes));
    object_bytes += stored;
  }

  place_in_log(header, context);
  header.object_size = object_bytes;
  add_trims(header, trims);
  uint64_t at = 0;
  for (const ChunkPart& part : parts) {
    for (uint64_t done = 0; done < part.sectors.value();) {
      const uint64_t frame = at / kFrameSectors;
      const uint64_t skip = at % kFrameSectors;
      const uint64_t taken = std::min(part.sectors.value() - done, kFrameSectors - skip);
      const Location place{context.sequence, out.frame_offsets[frame], frame_lengths[frame],
                           static_cast<uint16_t>(skip)};
      header.extents.push_back(ChunkExtent{part.kind, part.first + SectorCount(done),
                                           SectorCount(taken), place, part.source.advanced(done)});
      done += taken;
      at += taken;
    }
  }
  encode_header(out, context, header_bytes);
  return out;
}

SealedChunk assemble_copy(const SealContext& context, const std::vector<Trim>& trims,
                          const std::vector<SharedPart>& parts) {
  SealedChunk out;
  const size_t bytes =
      padded_to_sector(chunk_header_size(trims.size() + parts.size(), parts.size()));
  place_in_log(out.header, context);
  out.header.object_size = bytes;
  add_trims(out.header, trims);
  for (const SharedPart& part : parts) {
    out.header.extents.push_back(
        ChunkExtent{ExtentKind::shared, part.first, part.sectors, {}, part.source});
  }
  encode_header(out, context, bytes);
  return out;
}

// Each its header, the writes' own buffers, and padding.
Frames make_frames(const SealedChunk& chunk) {
  const size_t frames = chunk.frame_offsets.size();
  Frames out;
  Buffer headers = Buffer::allocate(frames * kFrameHeaderBytes);
  out.object.append(chunk.encoded_header);
  for (size_t i = 0; i < frames; ++i) {
    BufferList data = chunk.raw.read(i * kFrameSectors, frame_sectors(chunk.raw, i));
    auto raw_length = static_cast<uint32_t>(data.size());
    encode_frame_header(
        FrameHeader{raw_length, raw_length, chunk.header.sequence, chunk.frame_offsets[i]}, data,
        headers.writable().subspan(i * kFrameHeaderBytes, kFrameHeaderBytes));
    out.object.append(headers.slice(i * kFrameHeaderBytes, kFrameHeaderBytes));
    out.object.append(data);
    out.object.append(Buffer::zeros(stored_frame_bytes(data.size() / kSectorBytes) -
                                    kFrameHeaderBytes - data.size()));
  }
  CHECK(out.object.size() == chunk.header.object_size);
  out.headers = std::move(headers);
  return out;
}

}  // namespace swiftness
