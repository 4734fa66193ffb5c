#include "backend/volume/format.h"

#include "backend/volume/record_codec.h"

namespace swiftness {
namespace {

constexpr char kFrameMagic[4] = {'S', 'w', 'F', 'r'};

uint32_t frame_checksum(std::span<const std::byte> header, const BufferList& data) {
  uint32_t crc = crc32c(header.subspan(8));
  for (const Buffer& piece : data.pieces()) crc = crc32c(piece.bytes(), crc);
  return crc;
}

}  // namespace

Location Location::advanced(uint64_t sectors) const noexcept {
  Location out = *this;
  if (pending()) {
    out.frame_offset = static_cast<uint16_t>(out.frame_offset + sectors);
  } else {
    out.skip = static_cast<uint16_t>(out.skip + sectors);
  }
  return out;
}

uint64_t pack(const Location& at) noexcept {
  CHECK(at.chunk.value() <= kMostChunks);
  if (at.pending()) {
    return at.chunk.value() << 32 | uint64_t{at.frame_offset & 0x7fffu} << 17 |
           uint64_t{at.frame_offset} >> 15 << 2 | kPendingBit;
  }
  CHECK(at.frame_offset < 0x8000 && at.frame_length < 0x100 && at.skip < 0x80);
  return at.chunk.value() << 32 | uint64_t{at.frame_offset} << 17 | uint64_t{at.frame_length} << 9 |
         uint64_t{at.skip} << 2;
}

Location unpack(uint64_t packed) noexcept {
  Location out;
  out.chunk = Sequence(packed >> 32);
  const uint64_t offset = packed >> 17 & 0x7fff;
  const uint64_t skip = packed >> 2 & 0x7f;
  if ((packed & kPendingBit) != 0) {
    out.frame_offset = static_cast<uint16_t>(skip << 15 | offset);
    return out;
  }
  out.frame_offset = static_cast<uint16_t>(offset);
  out.frame_length = static_cast<uint16_t>(packed >> 9 & 0xff);
  out.skip = static_cast<uint16_t>(skip);
  return out;
}

bool fits_a_frame(const Location& at, uint64_t sectors) noexcept {
  constexpr uint64_t kFrameSectors = kFrameRawBytes / kSectorBytes;
  return !at.pending() && at.chunk.value() > 0 && at.chunk.value() <= kMostChunks &&
         at.frame_offset < 0x8000 && at.frame_length < 0x100 && sectors > 0 &&
         sectors <= kFrameSectors && at.skip + sectors <= kFrameSectors;
}

Result<size_t> record_size(std::span<const std::byte> bytes) {
  if (bytes.size() < kEnvelopeBytes) {
    return corrupt(fmt::format("record is cut: {} bytes", bytes.size()));
  }
  if (std::memcmp(bytes.data(), kRecordMagic, sizeof(kRecordMagic)) != 0)
    return corrupt("no record of ours");
  auto version = load_le<uint16_t>(bytes.data() + 10);
  if (version != kFormatVersion)
    return corrupt(fmt::format("record of format version {}", version));
  return kEnvelopeBytes + load_le<uint32_t>(bytes.data() + 12);
}

Bytes encode(const VolumeDescriptor& descriptor) {
  Writer out(RecordKind::descriptor, descriptor.uuid);
  out.string(descriptor.name);
  out.number(descriptor.created_size.value());
  out.number(descriptor.block_size);
  out.number(descriptor.created_at);
  return std::move(out).finish();
}

Result<VolumeDescriptor> decode_descriptor(std::span<const std::byte> bytes) {
  Result<Opened> opened = open_envelope(RecordKind::descriptor, bytes);
  if (!opened) return opened.error();
  Reader in(opened->payload);
  VolumeDescriptor out;
  out.uuid = opened->volume;
  out.name = in.string();
  out.created_size = ByteCount(in.number<uint64_t>());
  out.block_size = in.number<uint32_t>();
  out.created_at = in.number<uint64_t>();
  return finished(in, std::move(out));
}

Bytes encode(const Uuid& volume, const Claim& claim) {
  Writer out(RecordKind::claim, volume);
  out.era(claim.era);
  out.number(claim.claimed_at);
  out.string(claim.host);
  return std::move(out).finish();
}

Result<Claim> decode_claim(const Uuid& volume, std::span<const std::byte> bytes) {
  Result<Reader> in = open_record(RecordKind::claim, volume, bytes);
  if (!in) return in.error();
  Claim out;
  out.era = in->era();
  out.claimed_at = in->number<uint64_t>();
  out.host = in->string();
  return finished(*in, std::move(out));
}

Bytes encode(const Uuid& volume, const Fence& fence) {
  Writer out(RecordKind::fence, volume);
  out.era(fence.era);
  return std::move(out).finish();
}

Result<Fence> decode_fence(const Uuid& volume, std::span<const std::byte> bytes) {
  Result<Reader> in = open_record(RecordKind::fence, volume, bytes);
  if (!in) return in.error();
  Fence out;
  out.era = in->era();
  return finished(*in, out);
}

Bytes encode(const Uuid& volume, const Head& head) {
  Writer out(RecordKind::head, volume);
  out.root_name(head.root);
  return std::move(out).finish();
}

Result<Head> decode_head(const Uuid& volume, std::span<const std::byte> bytes) {
  Result<Reader> in = open_record(RecordKind::head, volume, bytes);
  if (!in) return in.error();
  Head out;
  out.root = in->root_name();
  return finished(*in, out);
}

Bytes encode(const Uuid& volume, const Start& start) {
  Writer out(RecordKind::start, volume);
  out.era(start.era);
  out.era(start.predecessor.era);
  out.number(start.predecessor.last.value());
  out.raw(start.predecessor.header_hash);
  out.root_name(start.base);
  out.number(start.upload_window);
  out.number(start.started_at);
  out.number(uint32_t{start.journaled});
  return std::move(out).finish();
}

Result<Start> decode_start(const Uuid& volume, std::span<const std::byte> bytes) {
  Result<Reader> in = open_record(RecordKind::start, volume, bytes);
  if (!in) return in.error();
  Start out;
  out.era = in->era();
  out.predecessor.era = in->era();
  out.predecessor.last = Sequence(in->number<uint64_t>());
  out.predecessor.header_hash = in->raw<32>();
  out.base = in->root_name();
  out.upload_window = in->number<uint32_t>();
  out.started_at = in->number<uint64_t>();
  out.journaled = in->number<uint32_t>() != 0;
  if (out.upload_window == 0 || out.upload_window > 1024) in->fail();
  return finished(*in, out);
}

Bytes encode(const Uuid& volume, const Released& released) {
  Writer out(RecordKind::released, volume);
  out.era(released.era);
  out.number(released.last.value());
  return std::move(out).finish();
}

Result<Released> decode_released(const Uuid& volume, std::span<const std::byte> bytes) {
  Result<Reader> in = open_record(RecordKind::released, volume, bytes);
  if (!in) return in.error();
  Released out;
  out.era = in->era();
  out.last = Sequence(in->number<uint64_t>());
  return finished(*in, out);
}

Bytes encode(const Uuid& volume, const Unsaved& unsaved) {
  Writer out(RecordKind::unsaved, volume);
  out.era(unsaved.era);
  out.number(unsaved.bytes);
  out.number(unsaved.told_at);
  return std::move(out).finish();
}

Result<Unsaved> decode_unsaved(const Uuid& volume, std::span<const std::byte> bytes) {
  Result<Reader> in = open_record(RecordKind::unsaved, volume, bytes);
  if (!in) return in.error();
  Unsaved out;
  out.era = in->era();
  out.bytes = in->number<uint64_t>();
  out.told_at = in->number<uint64_t>();
  return finished(*in, out);
}

size_t chunk_header_size(size_t extents, size_t sources) {
  return kEnvelopeBytes + kChunkPayloadFixedBytes + extents * kChunkExtentBytes +
         sources * kSourceBytes;
}

Bytes encode(const Uuid& volume, const ChunkHeader& header) {
  Writer out(RecordKind::chunk, volume);
  out.era(header.era);
  out.number(header.sequence.value());
  out.raw(header.previous_hash);
  out.number(header.frontier.value());
  out.number(header.first_position.value());
  out.number(header.position_count);
  out.number(header.object_size);
  out.number(uint32_t{0});  // log records
  out.number(static_cast<uint32_t>(header.extents.size()));
  for (const ChunkExtent& extent : header.extents) {
    out.number(extent.first.value());
    out.number(extent.sectors.value());
    out.location(extent.at);
    out.number(static_cast<uint64_t>(extent.kind));  // kind, and seven zeros
  }
  size_t sources = 0;
  for (const ChunkExtent& extent : header.extents) {
    if (!extent.has_source()) continue;
    out.number(pack(extent.source));
    ++sources;
  }
  Bytes bytes = std::move(out).finish();
  CHECK(bytes.size() == chunk_header_size(header.extents.size(), sources));
  return bytes;
}

Result<ChunkHeader> decode_chunk_header(const Uuid& volume, std::span<const std::byte> bytes) {
  Result<Reader> in = open_record(RecordKind::chunk, volume, bytes);
  if (!in) return in.error();
  ChunkHeader out;
  out.era = in->era();
  out.sequence = Sequence(in->number<uint64_t>());
  out.previous_hash = in->raw<32>();
  out.frontier = Sequence(in->number<uint64_t>());
  out.first_position = LogPosition(in->number<uint64_t>());
  out.position_count = in->number<uint64_t>();
  out.object_size = in->number<uint64_t>();
  if (out.object_size > kChunkBytes) in->fail();
  if (in->number<uint32_t>() != 0) in->fail();  // records this version does not know
  size_t extents = in->count(kChunkExtentBytes);
  out.extents.reserve(extents);
  for (size_t i = 0; i < extents; ++i) {
    ChunkExtent extent;
    extent.first = Sector(in->number<uint64_t>());
    extent.sectors = SectorCount(in->number<uint64_t>());
    extent.at = in->location(out.sequence);
    auto kind = in->number<uint64_t>();
    if (kind != 1 && kind != 3 && kind != 4 && kind != 5) in->fail();
    extent.kind = static_cast<ExtentKind>(kind);
    const bool in_frame = fits_a_frame(extent.at, extent.sectors.value());
    if (extent.has_data() ? !in_frame : !extent.at.pending()) in->fail();
    out.extents.push_back(extent);
  }
  for (ChunkExtent& extent : out.extents) {
    if (!extent.has_source()) continue;
    extent.source = unpack(in->number<uint64_t>());
    const bool sound = fits_a_frame(extent.source, extent.sectors.value());
    if (!sound || extent.source.chunk >= out.sequence) in->fail();
  }
  return finished(*in, std::move(out));
}

void encode_frame_header(const FrameHeader& frame, const BufferList& data,
                         std::span<std::byte> target) {
  CHECK(target.size() == kFrameHeaderBytes && data.size() == frame.stored_length);
  std::memset(target.data(), 0, target.size());
  std::memcpy(target.data(), kFrameMagic, sizeof(kFrameMagic));
  store_le(target.data() + 8, frame.raw_length);
  store_le(target.data() + 12, frame.stored_length);
  store_le(target.data() + 16, frame.chunk.value());
  store_le(target.data() + 24, frame.frame_offset);
  store_le(target.data() + 4, frame_checksum(target, data));
}

uint32_t frame_units(std::span<const std::byte> bytes) {
  if (bytes.size() < kFrameHeaderBytes ||
      std::memcmp(bytes.data(), kFrameMagic, sizeof(kFrameMagic)) != 0) {
    return 0;
  }
  const auto stored_length = load_le<uint32_t>(bytes.data() + 12);
  if (stored_length > kChunkBytes) return 0;
  return static_cast<uint32_t>(padded_to_sector(kFrameHeaderBytes + stored_length) / kSectorBytes);
}

Result<Buffer> open_frame(Sequence chunk, uint16_t frame_offset, Buffer stored) {
  if (stored.size() < kFrameHeaderBytes ||
      std::memcmp(stored.data(), kFrameMagic, sizeof(kFrameMagic)) != 0) {
    return corrupt("no frame where the map has one");
  }
  std::span<const std::byte> header = stored.bytes().first(kFrameHeaderBytes);
  auto raw_length = load_le<uint32_t>(header.data() + 8);
  auto stored_length = load_le<uint32_t>(header.data() + 12);
  if (stored_length > stored.size() - kFrameHeaderBytes || raw_length > kFrameRawBytes) {
    return corrupt("frame with impossible lengths");
  }
  Buffer data = stored.slice(kFrameHeaderBytes, stored_length);
  if (frame_checksum(header, BufferList(data)) != load_le<uint32_t>(header.data() + 4)) {
    return corrupt("frame fails its checksum");
  }
  if (load_le<uint64_t>(header.data() + 16) != chunk.value() ||
      load_le<uint16_t>(header.data() + 24) != frame_offset) {
    return corrupt("frame of another place");
  }
  bool plain = load_le<uint16_t>(header.data() + 26) == 0 && raw_length == stored_length;
  if (!plain) return corrupt("frame of a compression or encryption this version does not know");
  return data;
}

}  // namespace swiftness
