// What is read out of a store or a journal. Checksums keep a fuzzer out of what lies behind them,
// so each input is also taken with its checksums made right.
#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <string>

#include "backend/base/check.h"
#include "backend/base/crc32c.h"
#include "backend/base/endian.h"
#include "backend/volume/journal_scan.h"
#include "backend/volume/leaf.h"
#include "backend/volume/map_format.h"
#include "backend/volume/record_codec.h"
#include "tests/fuzz/targets.h"
#include "tests/support/run.h"
#include "tests/volume/memory_file.h"

namespace swiftness::fuzz {
namespace {

const Uuid kVolume = *Uuid::parse("00112233-4455-6677-8899-aabbccddeeff");  // of the golden files

Bytes golden(const std::string& name) {
  std::ifstream file(std::string(GOLDEN_DIR) + "/" + name + ".hex");
  CHECK(file);
  Bytes out;
  std::string line;
  while (std::getline(file, line)) {
    for (size_t i = 0; i + 1 < line.size(); i += 2) {
      out.push_back(static_cast<std::byte>(std::stoi(line.substr(i, 2), nullptr, 16)));
    }
  }
  return out;
}

// ---- records of the store ----------------------------------------------------------------------

// What was decoded can be written, and read again.
template <class T, class Decode>
void again(const Result<T>& decoded, Decode decode) {
  if (decoded) CHECK(decode(kVolume, std::span<const std::byte>(encode(kVolume, *decoded))).ok());
}

void check_leaf(std::span<const std::byte> record) {
  Result<LeafPtr> leaf = decode_leaf(kVolume, record);
  if (!leaf) return;
  uint64_t end = 0;
  uint64_t mapped = 0;
  (*leaf)->visit(0, kPageSectors, [&](const LeafExtent& extent) {
    CHECK(extent.sectors > 0 && extent.first >= end);
    end = uint64_t{extent.first} + extent.sectors;
    CHECK(end <= kPageSectors && !extent.at.pending());
    mapped += extent.sectors;
  });
  CHECK(mapped == (*leaf)->mapped());
  CHECK(decode_leaf(kVolume, encode(kVolume, **leaf)).ok());
}

void check_chunk(std::span<const std::byte> record) {
  Result<ChunkHeader> header = decode_chunk_header(kVolume, record);
  if (!header) return;
  CHECK(header->object_size <= kChunkBytes);
  for (const ChunkExtent& extent : header->extents) {
    if (extent.has_data()) CHECK(fits_a_frame(extent.at, extent.sectors.value()));
  }
  again(header, &decode_chunk_header);
}

void check_record(std::span<const std::byte> record) {
  (void)decode_descriptor(record);
  again(decode_claim(kVolume, record), &decode_claim);
  again(decode_fence(kVolume, record), &decode_fence);
  again(decode_head(kVolume, record), &decode_head);
  again(decode_start(kVolume, record), &decode_start);
  again(decode_released(kVolume, record), &decode_released);
  again(decode_unsaved(kVolume, record), &decode_unsaved);
  again(decode_root(kVolume, record), &decode_root);
  again(decode_segment(kVolume, record), &decode_segment);
  again(decode_run(kVolume, record), &decode_run);
  again(decode_ledger(kVolume, record), &decode_ledger);
  again(decode_detached(kVolume, record), &decode_detached);
  check_leaf(record);
  check_chunk(record);
}

void run_records(std::span<const std::byte> input) {
  check_record(input);
  (void)frame_units(input);
  (void)open_frame(Sequence(1), 8, Buffer::copy_of(input));

  if (input.size() < kEnvelopeBytes) return;
  Bytes record(input.begin(), input.end());
  std::memcpy(record.data(), kRecordMagic, sizeof(kRecordMagic));
  store_le(record.data() + 10, kFormatVersion);
  store_le(record.data() + 12, static_cast<uint32_t>(record.size() - kEnvelopeBytes));
  std::memcpy(record.data() + 16, kVolume.bytes.data(), kVolume.bytes.size());
  store_le(record.data() + kCrcOffset, uint32_t{0});
  store_le(record.data() + kCrcOffset, crc32c(record));
  check_record(record);
}

std::vector<Bytes> record_seeds() {
  std::vector<Bytes> seeds;
  for (const char* name : {"descriptor", "claim", "fence", "head", "start", "root", "segment",
                           "run", "ledger", "detached", "leaf"}) {
    seeds.push_back(golden(name));
  }
  Bytes chunk = golden("chunk");
  const Result<size_t> header = record_size(chunk);
  CHECK(header.ok());
  seeds.emplace_back(chunk.begin(), chunk.begin() + static_cast<std::ptrdiff_t>(*header));
  const size_t frame = padded_to_sector(*header);
  seeds.emplace_back(chunk.begin() + static_cast<std::ptrdiff_t>(frame), chunk.end());
  return seeds;
}

// ---- the journal -------------------------------------------------------------------------------

constexpr uint64_t kGeneration = 0x1122334455667788;

// The first 512 bytes are a superblock, the others a ring.
void run_journal(std::span<const std::byte> input) {
  if (input.size() < kSuperblockBytes + kSectorBytes) return;
  Bytes slot(input.begin(), input.begin() + kSuperblockBytes);
  (void)decode_superblock(slot);
  store_le(slot.data() + 12, uint32_t{0});
  const uint32_t before = crc32c(std::span(slot).first(12));
  store_le(slot.data() + 12, crc32c(std::span(slot).subspan(16), before));
  SuperblockSlot decoded = decode_superblock(slot);
  if (decoded.state != SuperblockSlot::State::sound) return;
  Superblock superblock = decoded.superblock;
  CHECK(decode_superblock(encode(superblock)).superblock == superblock);

  const std::span<const std::byte> content = input.subspan(kSuperblockBytes);
  superblock.ring_bytes = padded_to_sector(content.size());
  auto disk = std::make_shared<MemoryDisk>(kRingStart + superblock.ring_bytes);
  std::memcpy(disk->bytes.data() + kRingStart, content.data(), content.size());
  const std::span<std::byte> ring = std::span(disk->bytes).subspan(kRingStart);
  for (size_t at = 0; at < ring.size(); at += kSectorBytes) {
    const std::span<std::byte> here = ring.subspan(at);
    const Result<size_t> size = record_header_size(superblock.generation, here);
    if (!size || *size > here.size()) continue;
    store_le(here.data() + 4, crc32c(here.subspan(8, *size - 8)));
    Result<JournalRecordHeader> header = decode_record_header(here);
    if (!header) continue;
    CHECK(decode_record_header(encode(*header)).ok());
    const size_t data = padded_to_sector(*size);
    if (data + header->data_bytes > here.size()) continue;
    store_le(here.data() + 60, crc32c(here.subspan(data, header->data_bytes)));
    store_le(here.data() + 4, crc32c(here.subspan(8, *size - 8)));
  }

  asio::io_context io;
  MemoryFile file(io.get_executor(), disk);
  Result<ScannedRing> scanned =
      run(io, scan_ring(JournalRing(file, superblock.ring_bytes), superblock));
  if (!scanned) return;
  uint64_t end = superblock.tail_offset;
  for (uint64_t start : scanned->starts) {
    CHECK(start >= end);
    end = start + kSectorBytes;
  }
  CHECK(scanned->head - superblock.tail_offset <= superblock.ring_bytes);
}

std::vector<Bytes> journal_seeds() {
  Superblock superblock;
  superblock.volume = kVolume;
  superblock.sequence = 1;
  superblock.generation = kGeneration;
  superblock.ring_bytes = 8 * kSectorBytes;
  superblock.stamp = {Epoch(2), kVolume};
  superblock.before = {Epoch(1), kVolume};
  Bytes ring = encode(superblock);
  for (uint64_t position = 1; position <= 3; ++position) {
    const bool trim = position == 2;
    JournalRecordHeader header;
    header.generation = superblock.generation;
    header.epoch = superblock.stamp.epoch;
    header.offset = ring.size() - kSuperblockBytes;
    header.position = LogPosition(position);
    header.synced = LogPosition(position - 1);
    header.is_trim = trim;
    header.extents.push_back({Sector(100 * position), SectorCount(1)});
    const Bytes data(trim ? 0 : kSectorBytes, std::byte{0x5a});
    header.data_bytes = static_cast<uint32_t>(data.size());
    header.data_checksum = crc32c(data);
    const Bytes encoded = encode(header);
    ring.insert(ring.end(), encoded.begin(), encoded.end());
    ring.insert(ring.end(), data.begin(), data.end());
  }
  ring.resize(kSuperblockBytes + superblock.ring_bytes);
  return {ring};
}

}  // namespace

const Target kRecords{"records", &run_records, &record_seeds};
const Target kJournal{"journal", &run_journal, &journal_seeds};

}  // namespace swiftness::fuzz
