#include "backend/volume/journal_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "backend/base/crc32c.h"
#include "backend/base/endian.h"

namespace swiftness {
namespace {

constexpr char kSuperblockMagic[8] = {'S', 'W', 'I', 'F', 'T', 'N', 'S', 'J'};
constexpr uint16_t kJournalVersion = 1;
constexpr uint16_t kRetired = 1;  // flags
constexpr uint16_t kClosed = 2;
constexpr size_t kSuperblockCrc = 12;
constexpr char kRingRecordMagic[4] = {'S', 'w', 'J', 'r'};

void store_uuid(std::byte* at, const Uuid& uuid) {
  std::memcpy(at, uuid.bytes.data(), uuid.bytes.size());
}

Uuid load_uuid(const std::byte* at) {
  Uuid out;
  std::memcpy(out.bytes.data(), at, out.bytes.size());
  return out;
}

void store_era(std::byte* at, const Era& era) {
  store_le(at, era.epoch.value());
  store_uuid(at + 8, era.claim);
}

Era load_era(const std::byte* at) {
  return Era{Epoch(load_le<uint64_t>(at)), load_uuid(at + 8)};
}

uint32_t superblock_checksum(std::span<const std::byte> bytes) {
  const uint32_t before = crc32c(bytes.first(kSuperblockCrc));
  return crc32c(bytes.subspan(kSuperblockCrc + 4), before);
}

bool fits(const Superblock& superblock) {
  return superblock.ring_bytes > 0 && superblock.ring_bytes % kSectorBytes == 0 &&
         superblock.tail_offset % kSectorBytes == 0 && superblock.tail_position.value() > 0 &&
         superblock.begins % kSectorBytes == 0;
}

// Data and extents say the same, and both are within bounds.
bool consistent(const JournalRecordHeader& header) {
  uint64_t sectors = 0;
  for (const JournalRecord::Extent& extent : header.extents) {
    const uint64_t count = extent.sectors.value();
    if (count == 0 || extent.first.value() + count < count) return false;
    if (!header.is_trim && count > kMostRecordDataBytes / kSectorBytes) return false;
    sectors += count;
  }
  if (header.is_trim) return header.data_bytes == 0;
  return header.data_bytes <= kMostRecordDataBytes && header.data_bytes == sectors * kSectorBytes;
}

}  // namespace

Bytes encode(const Superblock& superblock) {
  Bytes out(kSuperblockBytes);
  std::byte* at = out.data();
  std::memcpy(at, kSuperblockMagic, sizeof(kSuperblockMagic));
  store_le(at + 8, kJournalVersion);
  const int flags = (superblock.retired ? kRetired : 0) | (superblock.closed ? kClosed : 0);
  store_le(at + 10, static_cast<uint16_t>(flags));
  store_uuid(at + 16, superblock.volume);
  store_le(at + 32, superblock.sequence);
  store_le(at + 40, superblock.generation);
  store_le(at + 48, superblock.ring_bytes);
  store_era(at + 56, superblock.stamp);
  store_era(at + 80, superblock.before);
  store_le(at + 104, superblock.begins);
  store_le(at + 112, superblock.tail_offset);
  store_le(at + 120, superblock.tail_position.value());
  store_le(at + kSuperblockCrc, superblock_checksum(out));
  return out;
}

SuperblockSlot decode_superblock(std::span<const std::byte> bytes) {
  CHECK(bytes.size() == kSuperblockBytes);
  using State = SuperblockSlot::State;
  const auto is_zero = [](std::byte byte) { return byte == std::byte{0}; };
  if (std::all_of(bytes.begin(), bytes.end(), is_zero)) return {State::blank, {}, {}};
  const std::byte* at = bytes.data();
  if (std::memcmp(at, kSuperblockMagic, sizeof(kSuperblockMagic)) != 0) {
    return {State::unreadable, {}, "no journal of ours"};
  }
  const auto version = load_le<uint16_t>(at + 8);
  if (version != kJournalVersion) {
    return {State::unreadable, {}, fmt::format("a journal of format version {}", version)};
  }
  if (superblock_checksum(bytes) != load_le<uint32_t>(at + kSuperblockCrc)) {
    return {State::unreadable, {}, "the journal's superblock fails its checksum"};
  }
  Superblock out;
  out.retired = (load_le<uint16_t>(at + 10) & kRetired) != 0;
  out.closed = (load_le<uint16_t>(at + 10) & kClosed) != 0;
  out.volume = load_uuid(at + 16);
  out.sequence = load_le<uint64_t>(at + 32);
  out.generation = load_le<uint64_t>(at + 40);
  out.ring_bytes = load_le<uint64_t>(at + 48);
  out.stamp = load_era(at + 56);
  out.before = load_era(at + 80);
  out.begins = load_le<uint64_t>(at + 104);
  out.tail_offset = load_le<uint64_t>(at + 112);
  out.tail_position = LogPosition(load_le<uint64_t>(at + 120));
  if (!fits(out)) return {State::unreadable, {}, "a journal's superblock with impossible fields"};
  return {State::sound, out, {}};
}

uint64_t JournalRecordHeader::data_offset() const noexcept {
  return offset + record_header_bytes(extents.size());
}

uint64_t JournalRecordHeader::end() const noexcept {
  return data_offset() + data_bytes;
}

size_t record_header_bytes(size_t extents) {
  return padded_to_sector(kRecordFixedBytes + extents * kRecordExtentBytes);
}

Bytes encode(const JournalRecordHeader& header) {
  CHECK(!header.extents.empty() && header.extents.size() <= kMostRecordExtents);
  CHECK(consistent(header));
  Bytes out(record_header_bytes(header.extents.size()));
  std::byte* at = out.data();
  std::memcpy(at, kRingRecordMagic, sizeof(kRingRecordMagic));
  store_le(at + 8, header.generation);
  store_le(at + 16, header.epoch.value());
  store_le(at + 24, header.offset);
  store_le(at + 32, header.position.value());
  store_le(at + 40, header.synced.value());
  store_le(at + 48, header.frontier.value());
  store_le(at + 56, header.data_bytes);
  store_le(at + 60, header.data_checksum);
  const ExtentKind kind = header.is_trim ? ExtentKind::trim : ExtentKind::data;
  at[64] = static_cast<std::byte>(kind);
  store_le(at + 68, static_cast<uint32_t>(header.extents.size()));
  at += kRecordFixedBytes;
  for (const JournalRecord::Extent& extent : header.extents) {
    store_le(at, extent.first.value());
    store_le(at + 8, extent.sectors.value());
    at += kRecordExtentBytes;
  }
  store_le(out.data() + 4, crc32c(std::span(out).subspan(8)));
  return out;
}

Result<size_t> record_header_size(uint64_t generation, std::span<const std::byte> bytes) {
  CHECK(bytes.size() >= kSectorBytes);
  const std::byte* at = bytes.data();
  if (std::memcmp(at, kRingRecordMagic, sizeof(kRingRecordMagic)) != 0 ||
      load_le<uint64_t>(at + 8) != generation) {
    return corrupt("no record of this journal");
  }
  const auto extents = load_le<uint32_t>(at + 68);
  if (extents == 0 || extents > kMostRecordExtents) return corrupt("record without sound extents");
  return record_header_bytes(extents);
}

Result<JournalRecordHeader> decode_record_header(std::span<const std::byte> bytes) {
  CHECK(bytes.size() >= kSectorBytes);
  const std::byte* at = bytes.data();
  JournalRecordHeader out;
  out.generation = load_le<uint64_t>(at + 8);
  Result<size_t> size = record_header_size(out.generation, bytes);
  if (!size) return size.error();
  if (bytes.size() < *size) return corrupt("record is cut");
  if (crc32c(bytes.subspan(8, *size - 8)) != load_le<uint32_t>(at + 4)) {
    return corrupt("record header fails its checksum");
  }
  out.epoch = Epoch(load_le<uint64_t>(at + 16));
  out.offset = load_le<uint64_t>(at + 24);
  out.position = LogPosition(load_le<uint64_t>(at + 32));
  out.synced = LogPosition(load_le<uint64_t>(at + 40));
  out.frontier = LogPosition(load_le<uint64_t>(at + 48));
  out.data_bytes = load_le<uint32_t>(at + 56);
  out.data_checksum = load_le<uint32_t>(at + 60);
  const auto kind = static_cast<ExtentKind>(at[64]);
  if (kind != ExtentKind::data && kind != ExtentKind::trim) {
    return corrupt("record of a kind this version does not know");
  }
  out.is_trim = kind == ExtentKind::trim;
  const auto count = load_le<uint32_t>(at + 68);
  out.extents.reserve(count);
  at += kRecordFixedBytes;
  for (uint32_t i = 0; i < count; ++i, at += kRecordExtentBytes) {
    const Sector first(load_le<uint64_t>(at));
    out.extents.push_back({first, SectorCount(load_le<uint64_t>(at + 8))});
  }
  if (!consistent(out)) return corrupt("record whose extents and data do not agree");
  return out;
}

uint32_t checksum_of(const BufferList& data) {
  uint32_t crc = 0;
  for (const Buffer& piece : data.pieces()) crc = crc32c(piece.bytes(), crc);
  return crc;
}

}  // namespace swiftness
