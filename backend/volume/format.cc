#include "backend/volume/format.h"

#include <fmt/format.h>

#include <cstring>

#include "backend/base/crc32c.h"
#include "backend/base/endian.h"

namespace swiftness {
namespace {

constexpr char kMagic[8] = {'S', 'W', 'I', 'F', 'T', 'N', 'S', 'S'};
constexpr uint16_t kVersion = 1;
constexpr size_t kCrcOffset = 32;
constexpr char kFrameMagic[4] = {'S', 'w', 'F', 'r'};

// Appends to a record; finish() puts the envelope's length and checksum in.
class Writer {
 public:
  Writer(RecordKind kind, const Uuid& volume) {
    raw(std::as_bytes(std::span(kMagic)));
    number(static_cast<uint16_t>(kind));
    number(kVersion);
    number(uint32_t{0});  // payload length, by finish()
    uuid(volume);
    number(uint64_t{0});  // checksum by finish(), and zeros
  }

  template <class T>
  void number(T value) {
    size_t at = bytes_.size();
    bytes_.resize(at + sizeof(T));
    store_le<T>(bytes_.data() + at, value);
  }
  void raw(std::span<const std::byte> bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  }
  void uuid(const Uuid& uuid) { raw(uuid.bytes); }
  void era(const Era& era) {
    number(era.epoch.value());
    uuid(era.claim);
  }
  void string(std::string_view text) {
    CHECK(text.size() <= UINT16_MAX);
    number(static_cast<uint16_t>(text.size()));
    raw(std::as_bytes(std::span(text)));
  }
  void root_name(const RootName& name) {
    era(name.era);
    number(name.number);
  }
  void location(const Location& at) {  // without its chunk
    number(at.frame_offset);
    number(at.frame_length);
    number(at.skip);
    number(uint16_t{0});
  }

  Bytes finish() && {
    CHECK(bytes_.size() - kEnvelopeBytes <= UINT32_MAX);
    store_le(bytes_.data() + 12, static_cast<uint32_t>(bytes_.size() - kEnvelopeBytes));
    store_le(bytes_.data() + kCrcOffset, crc32c(bytes_));
    return std::move(bytes_);
  }

 private:
  Bytes bytes_;
};

// Reads a payload. The first read past its end makes it fail for good; whoever decodes asks once,
// at the end. Counts are checked before anything is allocated for them.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> payload) : rest_(payload) {}

  template <class T>
  T number() {
    if (!take(sizeof(T))) return 0;
    return load_le<T>(taken_.data());
  }
  template <size_t N>
  std::array<std::byte, N> raw() {
    std::array<std::byte, N> out{};
    if (take(N)) std::memcpy(out.data(), taken_.data(), N);
    return out;
  }
  Uuid uuid() { return Uuid{raw<16>()}; }
  Era era() {
    Era out;
    out.epoch = Epoch(number<uint64_t>());
    out.claim = uuid();
    return out;
  }
  std::string string() {
    size_t length = number<uint16_t>();
    if (!take(length)) return {};
    return {reinterpret_cast<const char*>(taken_.data()), length};
  }
  RootName root_name() {
    RootName out;
    out.era = era();
    out.number = number<uint64_t>();
    return out;
  }
  Location location(Sequence chunk) {
    Location out;
    out.chunk = chunk;
    out.frame_offset = number<uint16_t>();
    out.frame_length = number<uint16_t>();
    out.skip = number<uint16_t>();
    number<uint16_t>();
    return out;
  }
  // How many entries of `entry_bytes` follow: a count that cannot be true makes it fail.
  size_t count(size_t entry_bytes) {
    size_t entries = number<uint32_t>();
    if (entries > rest_.size() / entry_bytes) fail();
    return failed_ ? 0 : entries;
  }
  void fail() { failed_ = true; }
  bool done() const { return !failed_ && rest_.empty(); }

 private:
  bool take(size_t length) {
    if (failed_ || length > rest_.size()) {
      failed_ = true;
      return false;
    }
    taken_ = rest_.first(length);
    rest_ = rest_.subspan(length);
    return true;
  }

  std::span<const std::byte> rest_;
  std::span<const std::byte> taken_;
  bool failed_ = false;
};

Error corrupt(std::string why) {
  return Error(ErrorCode::corrupt, std::move(why));
}

struct Opened {
  Uuid volume;
  std::span<const std::byte> payload;
};

// Checks an envelope; what follows its payload is not looked at.
Result<Opened> open_envelope(RecordKind kind, std::span<const std::byte> bytes) {
  Result<size_t> size = record_size(bytes);
  if (!size) return size.error();
  if (bytes.size() < *size) {
    return corrupt(fmt::format("record is cut: {} of {} bytes", bytes.size(), *size));
  }
  auto found = load_le<uint16_t>(bytes.data() + 8);
  if (found != static_cast<uint16_t>(kind)) {
    return corrupt(
        fmt::format("record of kind {} where kind {} belongs", found, static_cast<uint16_t>(kind)));
  }
  std::array<std::byte, kEnvelopeBytes> envelope;
  std::memcpy(envelope.data(), bytes.data(), kEnvelopeBytes);
  store_le<uint32_t>(envelope.data() + kCrcOffset, 0);
  Opened opened;
  opened.payload = bytes.subspan(kEnvelopeBytes, *size - kEnvelopeBytes);
  uint32_t expected = load_le<uint32_t>(bytes.data() + kCrcOffset);
  if (crc32c(opened.payload, crc32c(envelope)) != expected) {
    return corrupt("record fails its checksum");
  }
  std::memcpy(opened.volume.bytes.data(), bytes.data() + 16, 16);
  return opened;
}

Result<Reader> open_record(RecordKind kind, const Uuid& volume, std::span<const std::byte> bytes) {
  Result<Opened> opened = open_envelope(kind, bytes);
  if (!opened) return opened.error();
  if (opened->volume != volume) {
    return corrupt("record belongs to volume " + to_string(opened->volume));
  }
  return Reader(opened->payload);
}

template <class T>
Result<T> finished(const Reader& reader, T value) {
  if (!reader.done()) return corrupt("record does not have the fields of its kind");
  return value;
}

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

Result<size_t> record_size(std::span<const std::byte> bytes) {
  if (bytes.size() < kEnvelopeBytes) {
    return corrupt(fmt::format("record is cut: {} bytes", bytes.size()));
  }
  if (std::memcmp(bytes.data(), kMagic, sizeof(kMagic)) != 0) return corrupt("no record of ours");
  auto version = load_le<uint16_t>(bytes.data() + 10);
  if (version != kVersion) return corrupt(fmt::format("record of format version {}", version));
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
  if (out.upload_window == 0 || out.upload_window > 1024) in->fail();
  return finished(*in, out);
}

Bytes encode(const Uuid& volume, const Root& root) {
  Writer out(RecordKind::root, volume);
  out.root_name(root.name);
  out.number(root.covered.value());
  out.raw(root.covered_hash);
  out.number(root.covered_position.value());
  out.number(root.size.value());
  out.number(root.block_size);
  out.number(root.mapped.value());
  out.number(static_cast<uint32_t>(root.eras.size()));
  for (const EraSpan& span : root.eras) {
    out.era(span.era);
    out.number(span.first.value());
    out.number(span.last.value());
  }
  out.number(static_cast<uint32_t>(root.pages.size()));
  for (const Root::Page& page : root.pages) {
    out.number(page.page);
    out.number(page.era_index);
    out.number(page.leaf_number);
  }
  return std::move(out).finish();
}

Result<Root> decode_root(const Uuid& volume, std::span<const std::byte> bytes) {
  Result<Reader> in = open_record(RecordKind::root, volume, bytes);
  if (!in) return in.error();
  Root out;
  out.name = in->root_name();
  out.covered = Sequence(in->number<uint64_t>());
  out.covered_hash = in->raw<32>();
  out.covered_position = LogPosition(in->number<uint64_t>());
  out.size = ByteCount(in->number<uint64_t>());
  out.block_size = in->number<uint32_t>();
  out.mapped = SectorCount(in->number<uint64_t>());
  size_t eras = in->count(40);
  for (size_t i = 0; i < eras; ++i) {
    EraSpan span;
    span.era = in->era();
    span.first = Sequence(in->number<uint64_t>());
    span.last = Sequence(in->number<uint64_t>());
    out.eras.push_back(span);
  }
  size_t pages = in->count(20);
  out.pages.reserve(pages);
  for (size_t i = 0; i < pages; ++i) {
    Root::Page page;
    page.page = in->number<uint64_t>();
    page.era_index = in->number<uint32_t>();
    page.leaf_number = in->number<uint64_t>();
    if (page.era_index >= out.eras.size()) in->fail();
    out.pages.push_back(page);
  }
  if (out.eras.empty()) in->fail();
  return finished(*in, std::move(out));
}

Bytes encode(const Uuid& volume, const Leaf& leaf) {
  Writer out(RecordKind::leaf, volume);
  out.number(leaf.page);
  out.number(static_cast<uint32_t>(leaf.extents.size()));
  for (const LeafExtent& extent : leaf.extents) {
    out.number(extent.first);
    out.number(extent.sectors);
    out.number(extent.at.chunk.value());
    out.location(extent.at);
  }
  return std::move(out).finish();
}

Result<Leaf> decode_leaf(const Uuid& volume, std::span<const std::byte> bytes) {
  Result<Reader> in = open_record(RecordKind::leaf, volume, bytes);
  if (!in) return in.error();
  Leaf out;
  out.page = in->number<uint64_t>();
  size_t extents = in->count(24);
  out.extents.reserve(extents);
  uint64_t end = 0;
  for (size_t i = 0; i < extents; ++i) {
    LeafExtent extent;
    extent.first = in->number<uint32_t>();
    extent.sectors = in->number<uint32_t>();
    Sequence chunk(in->number<uint64_t>());
    extent.at = in->location(chunk);
    bool sound = extent.sectors > 0 && extent.first >= end &&
                 uint64_t{extent.first} + extent.sectors <= kPageSectors && !extent.at.pending();
    if (!sound) in->fail();
    end = uint64_t{extent.first} + extent.sectors;
    out.extents.push_back(extent);
  }
  return finished(*in, std::move(out));
}

size_t chunk_header_size(size_t extents) {
  return kEnvelopeBytes + kChunkPayloadFixedBytes + extents * kChunkExtentBytes;
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
  Bytes bytes = std::move(out).finish();
  CHECK(bytes.size() == chunk_header_size(header.extents.size()));
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
  if (in->number<uint32_t>() != 0) in->fail();  // records this version does not know
  size_t extents = in->count(kChunkExtentBytes);
  out.extents.reserve(extents);
  for (size_t i = 0; i < extents; ++i) {
    ChunkExtent extent;
    extent.first = Sector(in->number<uint64_t>());
    extent.sectors = SectorCount(in->number<uint64_t>());
    extent.at = in->location(out.sequence);
    auto kind = in->number<uint64_t>();
    if (kind != 1 && kind != 3) in->fail();
    extent.kind = static_cast<ExtentKind>(kind);
    if ((extent.kind == ExtentKind::data) == extent.at.pending()) in->fail();
    out.extents.push_back(extent);
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
