#include "backend/volume/chunk_builder.h"

#include <algorithm>

#include "backend/base/check.h"

namespace swiftness {
namespace {

constexpr uint64_t kFrameSectors = kFrameRawBytes / kSectorBytes;

size_t frame_count(size_t raw_bytes) {
  return (raw_bytes + kFrameRawBytes - 1) / kFrameRawBytes;
}

// Extents of an entry in the header: a write is cut where its frames are.
size_t extent_count(const ChunkBuilder::Entry& entry) {
  if (entry.kind == ExtentKind::trim) return 1;
  uint64_t last = entry.raw_first + entry.sectors.value() - 1;
  return last / kFrameSectors - entry.raw_first / kFrameSectors + 1;
}

}  // namespace

uint16_t RawData::append(const BufferList& data) {
  auto at = static_cast<uint16_t>(sectors_);
  uint64_t offset = sectors_ * kSectorBytes;
  for (const Buffer& piece : data.pieces()) {
    pieces_.push_back(Piece{offset, piece});
    offset += piece.size();
  }
  CHECK(offset % kSectorBytes == 0);
  sectors_ = offset / kSectorBytes;
  return at;
}

BufferList RawData::read(uint64_t first_sector, uint64_t sectors) const {
  CHECK(first_sector + sectors <= sectors_);
  uint64_t at = first_sector * kSectorBytes;
  uint64_t left = sectors * kSectorBytes;
  auto it =
      std::upper_bound(pieces_.begin(), pieces_.end(), at,
                       [](uint64_t offset, const Piece& piece) { return offset < piece.offset; });
  --it;
  BufferList out;
  for (; left > 0; ++it) {
    const uint64_t skip = at - it->offset;
    const uint64_t taken = std::min<uint64_t>(left, it->data.size() - skip);
    out.append(it->data.slice(skip, taken));
    at += taken;
    left -= taken;
  }
  return out;
}

std::vector<SealedChunk::Placed> SealedChunk::place(uint64_t raw_first, uint64_t sectors) const {
  std::vector<Placed> out;
  while (sectors > 0) {
    const uint64_t frame = raw_first / kFrameSectors;
    const uint64_t skip = raw_first % kFrameSectors;
    const uint64_t taken = std::min(sectors, kFrameSectors - skip);
    Location at{header.sequence, frame_offsets[frame], frame_lengths[frame],
                static_cast<uint16_t>(skip)};
    out.push_back(Placed{at, taken});
    raw_first += taken;
    sectors -= taken;
  }
  return out;
}

uint64_t SealedChunk::raw_sector(const Location& at) const {
  auto it = std::lower_bound(frame_offsets.begin(), frame_offsets.end(), at.frame_offset);
  CHECK(it != frame_offsets.end() && *it == at.frame_offset);
  return static_cast<uint64_t>(it - frame_offsets.begin()) * kFrameSectors + at.skip;
}

bool ChunkBuilder::has_room(size_t bytes, size_t entries) const noexcept {
  const size_t raw = raw_.sectors() * kSectorBytes + bytes;
  // Each frame may cut one more extent in two.
  const size_t extents = entries_.size() + entries + frame_count(raw);
  const size_t frames = frame_count(raw) * (kFrameHeaderBytes + kSectorBytes);
  return padded_to_sector(chunk_header_size(extents)) + frames + raw <= kChunkBytes;
}

Location ChunkBuilder::append_write(Sector first, const BufferList& data) {
  CHECK(has_room(data.size(), 1) && data.size() > 0 && data.size() % kSectorBytes == 0);
  const uint16_t at = raw_.append(data);
  entries_.push_back(Entry{ExtentKind::data, first, SectorCount(data.size() / kSectorBytes), at});
  ++positions_;
  return Location{sequence_, at, 0, 0};
}

void ChunkBuilder::append_trims(const std::vector<Trim>& trims) {
  CHECK(has_room(0, trims.size()));
  for (const Trim& trim : trims) {
    entries_.push_back(Entry{ExtentKind::trim, trim.first, trim.sectors, 0});
  }
  ++positions_;
}

SealedChunk ChunkBuilder::seal(const SealContext& context) && {
  SealedChunk out;
  out.raw = std::move(raw_);
  size_t extents = 0;
  for (const Entry& entry : entries_) extents += extent_count(entry);
  const size_t header_bytes = padded_to_sector(chunk_header_size(extents));
  const size_t raw_bytes = out.raw.sectors() * kSectorBytes;
  const size_t frames = frame_count(raw_bytes);

  // Frames: each its header, the writes' own buffers, and padding.
  Buffer headers = Buffer::allocate(frames * kFrameHeaderBytes);
  BufferList body;
  for (size_t i = 0; i < frames; ++i) {
    const uint64_t raw_first = i * kFrameSectors;
    const uint64_t sectors = std::min(kFrameSectors, out.raw.sectors() - raw_first);
    BufferList data = out.raw.read(raw_first, sectors);
    const size_t stored = padded_to_sector(kFrameHeaderBytes + data.size());
    const auto offset = static_cast<uint16_t>((header_bytes + body.size()) / kSectorBytes);
    out.frame_offsets.push_back(offset);
    out.frame_lengths.push_back(static_cast<uint16_t>(stored / kSectorBytes));
    auto raw_length = static_cast<uint32_t>(data.size());
    encode_frame_header(FrameHeader{raw_length, raw_length, sequence_, offset}, data,
                        headers.writable().subspan(i * kFrameHeaderBytes, kFrameHeaderBytes));
    body.append(headers.slice(i * kFrameHeaderBytes, kFrameHeaderBytes));
    body.append(data);
    body.append(Buffer::zeros(stored - kFrameHeaderBytes - data.size()));
  }

  ChunkHeader& header = out.header;
  header.era = context.era;
  header.sequence = sequence_;
  header.previous_hash = context.previous_hash;
  header.frontier = context.frontier;
  header.first_position = context.first_position;
  header.position_count = positions_;
  header.object_size = header_bytes + body.size();
  CHECK(header.object_size <= kChunkBytes);
  for (const Entry& entry : entries_) {
    if (entry.kind == ExtentKind::trim) {
      header.extents.push_back(ChunkExtent{entry.kind, entry.first, entry.sectors, {sequence_}});
      continue;
    }
    Sector first = entry.first;
    for (const SealedChunk::Placed& placed : out.place(entry.raw_first, entry.sectors.value())) {
      header.extents.push_back(
          ChunkExtent{entry.kind, first, SectorCount(placed.sectors), placed.at});
      first = first + SectorCount(placed.sectors);
    }
  }
  Bytes encoded = encode(context.volume, header);
  out.header_hash = sha256(encoded);
  encoded.resize(header_bytes);
  out.object.append(Buffer::own(std::move(encoded)));
  out.object.append(body);
  return out;
}

}  // namespace swiftness
