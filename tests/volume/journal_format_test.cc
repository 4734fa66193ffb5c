// Golden bytes of the journal (docs/FORMAT.md, section 9), and what its decoders refuse.
#include "backend/volume/journal_format.h"

#include <gtest/gtest.h>

#include "tests/volume/golden.h"

namespace swiftness {
namespace {

Superblock superblock() {
  Superblock out;
  out.volume = kGoldenVolume;
  out.sequence = 17;
  out.generation = 0x1122334455667788;
  out.ring_bytes = 1 << 20;
  out.stamp = kGoldenEra;
  out.before = kOlderEra;
  out.begins = 5120;
  out.tail_offset = 1024;
  out.tail_position = LogPosition(99);
  out.retired = true;
  return out;
}

JournalRecordHeader trim() {
  JournalRecordHeader out;
  out.generation = 0x1122334455667788;
  out.epoch = Epoch(2);
  out.offset = 7168;
  out.position = LogPosition(101);
  out.synced = LogPosition(100);
  out.frontier = LogPosition(98);
  out.is_trim = true;
  out.extents = {{Sector(8), SectorCount(16)}, {Sector(1 << 20), SectorCount(1)}};
  return out;
}

JournalRecordHeader write() {
  JournalRecordHeader out = trim();
  out.is_trim = false;
  out.extents = {{Sector(8), SectorCount(16)}};
  out.data_bytes = 16 * 512;
  out.data_checksum = 0xAABBCCDD;
  return out;
}

bool same(const JournalRecordHeader& a, const JournalRecordHeader& b) {
  return a.generation == b.generation && a.epoch == b.epoch && a.offset == b.offset &&
         a.position == b.position && a.synced == b.synced && a.frontier == b.frontier &&
         a.is_trim == b.is_trim && a.extents == b.extents && a.data_bytes == b.data_bytes &&
         a.data_checksum == b.data_checksum;
}

TEST(JournalFormat, GoldenBytes) {
  expect_golden("journal_superblock", encode(superblock()));
  expect_golden("journal_trims", encode(trim()));
  expect_golden("journal_write", encode(write()));
}

TEST(JournalFormat, SuperblockComesBack) {
  const SuperblockSlot slot = decode_superblock(encode(superblock()));
  ASSERT_EQ(slot.state, SuperblockSlot::State::sound);
  EXPECT_EQ(slot.superblock, superblock());
}

TEST(JournalFormat, RecordHeaderComesBack) {
  JournalRecordHeader many = trim();
  many.extents.assign(kMostRecordExtents, {Sector(1), SectorCount(1)});
  for (const JournalRecordHeader& header : {trim(), write(), many}) {
    const Bytes bytes = encode(header);
    EXPECT_EQ(bytes.size() % 512, 0U);
    EXPECT_EQ(bytes.size(), record_header_bytes(header.extents.size()));
    Result<size_t> size = record_header_size(header.generation, bytes);
    ASSERT_TRUE(size.ok());
    EXPECT_EQ(*size, bytes.size());
    Result<JournalRecordHeader> back = decode_record_header(bytes);
    ASSERT_TRUE(back.ok());
    EXPECT_TRUE(same(*back, header));
  }
}

TEST(JournalFormat, NoFlippedBitPasses) {
  const Bytes sound = encode(superblock());
  for (size_t bit = 0; bit < sound.size() * 8; ++bit) {
    Bytes bytes = sound;
    bytes[bit / 8] ^= std::byte{1} << (bit % 8);
    EXPECT_EQ(decode_superblock(bytes).state, SuperblockSlot::State::unreadable) << bit;
  }
  const Bytes record = encode(write());
  for (size_t bit = 0; bit < record.size() * 8; ++bit) {
    Bytes bytes = record;
    bytes[bit / 8] ^= std::byte{1} << (bit % 8);
    EXPECT_FALSE(decode_record_header(bytes).ok()) << bit;
  }
}

TEST(JournalFormat, TellsBlankForeignAndLaterSuperblocksApart) {
  const Bytes zeros(kSuperblockBytes);
  EXPECT_EQ(decode_superblock(zeros).state, SuperblockSlot::State::blank);
  Bytes foreign = encode(superblock());
  foreign[0] = std::byte{'X'};
  EXPECT_EQ(decode_superblock(foreign).why, "no journal of ours");
  Bytes later = encode(superblock());
  later[8] = std::byte{2};
  EXPECT_EQ(decode_superblock(later).why, "a journal of format version 2");
}

TEST(JournalFormat, RefusesARecordOfAnotherRingAndOneThatIsCut) {
  const Bytes record = encode(write());
  EXPECT_FALSE(record_header_size(1, record).ok());
  JournalRecordHeader many = trim();
  many.extents.assign(100, {Sector(1), SectorCount(1)});
  const Bytes long_one = encode(many);
  EXPECT_FALSE(decode_record_header(std::span(long_one).first(512)).ok());
}

}  // namespace
}  // namespace swiftness
