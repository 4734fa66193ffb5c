// Golden bytes of every record (docs/FORMAT.md).
#include "backend/volume/format.h"

#include <gtest/gtest.h>

#include "backend/volume/chunk_builder.h"
#include "tests/volume/disk.h"
#include "tests/volume/golden.h"

namespace swiftness {
namespace {

const Uuid kVolume = *Uuid::parse("00112233-4455-6677-8899-aabbccddeeff");
const Era kEra{Epoch(2), *Uuid::parse("01234567-89ab-cdef-0123-456789abcdef")};
const Era kOlder{Epoch(1), *Uuid::parse("fedcba98-7654-3210-fedc-ba9876543210")};

Sha256 counting_hash() {
  Sha256 hash;
  for (size_t i = 0; i < hash.size(); ++i) hash[i] = static_cast<std::byte>(i);
  return hash;
}

Claim claim() {
  return Claim{kEra, 1700000000, "gw1.example"};
}

Start start() {
  Start out;
  out.era = kEra;
  out.predecessor = LogEnd{kOlder, Sequence(41), counting_hash()};
  out.base = RootName{kOlder, 3};
  out.upload_window = 8;
  out.started_at = 1700000001;
  return out;
}

Root root() {
  Root out;
  out.name = RootName{kEra, 7};
  out.covered = Sequence(99);
  out.covered_hash = counting_hash();
  out.covered_position = LogPosition(12345);
  out.size = ByteCount(uint64_t{1} << 40);
  out.block_size = 4096;
  out.mapped = SectorCount(20);
  out.eras = {{kOlder, Sequence(1), Sequence(41)}, {kEra, Sequence(42), Sequence(99)}};
  out.pages = {{0, 0, 5}, {17, 1, 6}};
  return out;
}

Leaf leaf() {
  Leaf out;
  out.page = 17;
  out.extents = {{0, 8, Location{Sequence(3), 2, 129, 8}},
                 {65535, 1, Location{Sequence(4), 131, 9, 0}}};
  return out;
}

SealedChunk chunk() {
  ChunkBuilder builder(Sequence(42));
  builder.append_write(Sector(65530), BufferList(pattern(65530, 9, 5)));
  builder.append_trims({{Sector(0), SectorCount(uint64_t{1} << 37)}});
  ChunkBuilder::SealContext context{kVolume, kEra, counting_hash(), Sequence(41),
                                    LogPosition(1000)};
  return std::move(builder).seal(context);
}

TEST(Format, GoldenBytes) {
  VolumeDescriptor descriptor{"vm-disk", kVolume, ByteCount(uint64_t{1} << 40), 512, 1700000000};
  expect_golden("descriptor", encode(descriptor));
  expect_golden("claim", encode(kVolume, claim()));
  expect_golden("fence", encode(kVolume, Fence{kEra}));
  expect_golden("head", encode(kVolume, Head{RootName{kEra, 7}}));
  expect_golden("start", encode(kVolume, start()));
  expect_golden("root", encode(kVolume, root()));
  expect_golden("leaf", encode(kVolume, leaf()));
  expect_golden("chunk", chunk().object.flatten().bytes());
}

TEST(Format, DecodesWhatItEncodes) {
  Result<Start> start_back = decode_start(kVolume, encode(kVolume, start()));
  ASSERT_TRUE(start_back.ok());
  EXPECT_EQ(start_back->predecessor, start().predecessor);
  EXPECT_EQ(start_back->base, start().base);
  Result<Root> root_back = decode_root(kVolume, encode(kVolume, root()));
  ASSERT_TRUE(root_back.ok());
  EXPECT_EQ(encode(kVolume, *root_back), encode(kVolume, root()));
  Result<Leaf> leaf_back = decode_leaf(kVolume, encode(kVolume, leaf()));
  ASSERT_TRUE(leaf_back.ok());
  EXPECT_EQ(encode(kVolume, *leaf_back), encode(kVolume, leaf()));
  Result<Claim> claim_back = decode_claim(kVolume, encode(kVolume, claim()));
  ASSERT_TRUE(claim_back.ok());
  EXPECT_EQ(claim_back->host, "gw1.example");
}

// Any single flipped bit and any cut must be refused, and never crash.
TEST(Format, EveryDamageIsSeen) {
  Bytes record = encode(kVolume, root());
  for (size_t i = 0; i < record.size() * 8; ++i) {
    Bytes damaged = record;
    damaged[i / 8] ^= std::byte{1} << (i % 8);
    EXPECT_FALSE(decode_root(kVolume, damaged).ok()) << "bit " << i;
  }
  for (size_t size = 0; size < record.size(); ++size) {
    EXPECT_FALSE(decode_root(kVolume, std::span(record).first(size)).ok()) << "cut at " << size;
  }
}

TEST(Format, AnotherVolumeOrKindIsRefused) {
  EXPECT_FALSE(decode_claim(Uuid::random(), encode(kVolume, claim())).ok());
  EXPECT_FALSE(decode_start(kVolume, encode(kVolume, claim())).ok());
}

}  // namespace
}  // namespace swiftness
