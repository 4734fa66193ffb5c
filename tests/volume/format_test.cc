// Golden bytes of every record (docs/FORMAT.md).
#include "backend/volume/format.h"

#include <gtest/gtest.h>

#include "backend/volume/chunk_builder.h"
#include "backend/volume/leaf.h"
#include "backend/volume/map_format.h"
#include "tests/volume/disk.h"
#include "tests/volume/golden.h"

namespace swiftness {
namespace {

Sha256 counting_hash() {
  Sha256 hash;
  for (size_t i = 0; i < hash.size(); ++i) hash[i] = static_cast<std::byte>(i);
  return hash;
}

Claim claim() {
  return Claim{kGoldenEra, 1700000000, "gw1.example"};
}

Start start() {
  Start out;
  out.era = kGoldenEra;
  out.predecessor = LogEnd{kOlderEra, Sequence(41), counting_hash()};
  out.base = RootName{kOlderEra, 3};
  out.upload_window = 8;
  out.started_at = 1700000001;
  return out;
}

Root root() {
  Root out;
  out.name = RootName{kGoldenEra, 7};
  out.covered = Sequence(99);
  out.covered_hash = counting_hash();
  out.covered_position = LogPosition(12345);
  out.size = ByteCount(uint64_t{1} << 40);
  out.block_size = 4096;
  out.next_object = 8;
  out.eras = {{kOlderEra, Sequence(1), Sequence(41), 1},
              {kGoldenEra, Sequence(42), Sequence(99), 5}};
  out.segments = {{0, {7, 100, 200}}, {3, {2, 0, 99}}};
  out.runs = {{6, 0, 50}, {7, 0, 100}};
  out.ledger = {7, 300, 56};
  out.detached = {7, 356, 60};
  out.objects = {{2, 99}, {6, 50}, {7, 416}};
  return out;
}

std::vector<LeafExtent> leaf_extents() {
  return {{0, 8, Location{Sequence(3), 2, 129, 8}}, {65535, 1, Location{Sequence(4), 131, 9, 0}}};
}

IndexSegment segment() {
  return {3, {{0, {2, 0, 64}}, {2047, {7, 64, 96}}}};
}

Run a_run() {
  Run out;
  out.erased = {{5, 100}};
  out.pages = {{17, {{0, 8, true, pack(Location{Sequence(3), 2, 129, 8})}, {8, 64, false, 0}}}};
  return out;
}

LedgerRecord ledger() {
  return {{{Sequence(3), 100, 32000, Sequence(2)}, {Sequence(90), 0, 9, Sequence(90)}}};
}

Detached detached() {
  return {{{2, 0, 64}, {7, 64, 96}}};
}

SealedChunk chunk() {
  SealContext context{kGoldenVolume,     kGoldenEra, Sequence(42), counting_hash(), Sequence(41),
                      LogPosition(1000), 2};
  const ChunkPart written{
      ExtentKind::data, Sector(65530), SectorCount(9), {}, BufferList(pattern(65530, 9, 5)), {}};
  const ChunkPart moved{ExtentKind::moved,
                        Sector(8),
                        SectorCount(2),
                        Location{Sequence(7), 9, 129, 3},
                        BufferList(pattern(8, 2, 6)),
                        {}};
  return assemble_chunk(context, {{Sector(0), SectorCount(uint64_t{1} << 37)}}, {written, moved});
}

SealedChunk copy() {
  SealContext context{kGoldenVolume,     kGoldenEra, Sequence(43), counting_hash(), Sequence(42),
                      LogPosition(1002), 0};
  return assemble_copy(context, {{Sector(800), SectorCount(8)}},
                       {{Sector(808), SectorCount(9), Location{Sequence(42), 1, 8, 2}}});
}

TEST(Format, GoldenBytes) {
  VolumeDescriptor descriptor{"vm-disk", kGoldenVolume, ByteCount(uint64_t{1} << 40), 512,
                              1700000000};
  expect_golden("descriptor", encode(descriptor));
  expect_golden("claim", encode(kGoldenVolume, claim()));
  expect_golden("fence", encode(kGoldenVolume, Fence{kGoldenEra}));
  expect_golden("head", encode(kGoldenVolume, Head{RootName{kGoldenEra, 7}}));
  expect_golden("start", encode(kGoldenVolume, start()));
  expect_golden("root", encode(kGoldenVolume, root()));
  expect_golden("leaf", encode(kGoldenVolume, Leaf(17, leaf_extents())));
  expect_golden("segment", encode(kGoldenVolume, segment()));
  expect_golden("run", encode(kGoldenVolume, a_run()));
  expect_golden("ledger", encode(kGoldenVolume, ledger()));
  expect_golden("detached", encode(kGoldenVolume, detached()));
  expect_golden("chunk", make_frames(chunk()).object.flatten().bytes());
  expect_golden("copy", make_frames(copy()).object.flatten().bytes());
}

TEST(Format, DecodesWhatItEncodes) {
  Result<Start> start_back = decode_start(kGoldenVolume, encode(kGoldenVolume, start()));
  ASSERT_TRUE(start_back.ok());
  EXPECT_EQ(start_back->predecessor, start().predecessor);
  EXPECT_EQ(start_back->base, start().base);
  Result<Root> root_back = decode_root(kGoldenVolume, encode(kGoldenVolume, root()));
  ASSERT_TRUE(root_back.ok());
  EXPECT_EQ(encode(kGoldenVolume, *root_back), encode(kGoldenVolume, root()));
  const Leaf leaf(17, leaf_extents());
  Result<LeafPtr> leaf_back = decode_leaf(kGoldenVolume, encode(kGoldenVolume, leaf));
  ASSERT_TRUE(leaf_back.ok());
  EXPECT_EQ(encode(kGoldenVolume, **leaf_back), encode(kGoldenVolume, leaf));
  Result<IndexSegment> segment_back =
      decode_segment(kGoldenVolume, encode(kGoldenVolume, segment()));
  ASSERT_TRUE(segment_back.ok());
  EXPECT_EQ(encode(kGoldenVolume, *segment_back), encode(kGoldenVolume, segment()));
  Result<swiftness::Run> run_back = decode_run(kGoldenVolume, encode(kGoldenVolume, a_run()));
  ASSERT_TRUE(run_back.ok());
  EXPECT_EQ(encode(kGoldenVolume, *run_back), encode(kGoldenVolume, a_run()));
  Result<LedgerRecord> ledger_back = decode_ledger(kGoldenVolume, encode(kGoldenVolume, ledger()));
  ASSERT_TRUE(ledger_back.ok());
  EXPECT_EQ(encode(kGoldenVolume, *ledger_back), encode(kGoldenVolume, ledger()));
  Result<Detached> detached_back =
      decode_detached(kGoldenVolume, encode(kGoldenVolume, detached()));
  ASSERT_TRUE(detached_back.ok());
  EXPECT_EQ(encode(kGoldenVolume, *detached_back), encode(kGoldenVolume, detached()));
  LedgerRecord shared = ledger();
  shared.entries.back().shared = true;
  ledger_back = decode_ledger(kGoldenVolume, encode(kGoldenVolume, shared));
  ASSERT_TRUE(ledger_back.ok());
  EXPECT_FALSE(ledger_back->entries.front().shared);
  EXPECT_TRUE(ledger_back->entries.back().shared);
  EXPECT_EQ(ledger_back->entries.back().stored, shared.entries.back().stored);
  Result<ChunkHeader> copy_back = decode_chunk_header(kGoldenVolume, copy().encoded_header.bytes());
  ASSERT_TRUE(copy_back.ok());
  EXPECT_EQ(encode(kGoldenVolume, *copy_back), encode(kGoldenVolume, copy().header));
  Result<Claim> claim_back = decode_claim(kGoldenVolume, encode(kGoldenVolume, claim()));
  ASSERT_TRUE(claim_back.ok());
  EXPECT_EQ(claim_back->host, "gw1.example");
}

TEST(Format, PackedLocationsComeBack) {
  for (const Location& at :
       {Location{Sequence(1), 0, 1, 0}, Location{Sequence(UINT32_MAX), 32767, 255, 127},
        Location{Sequence(0), 0, 0, 0}, Location{Sequence(0), 65535, 0, 0}}) {
    EXPECT_NE(pack(at), 0u);
    EXPECT_EQ(unpack(pack(at)), at);
  }
}

// Any single flipped bit and any cut must be refused, and never crash.
TEST(Format, EveryDamageIsSeen) {
  Bytes record = encode(kGoldenVolume, root());
  for (size_t i = 0; i < record.size() * 8; ++i) {
    Bytes damaged = record;
    damaged[i / 8] ^= std::byte{1} << (i % 8);
    EXPECT_FALSE(decode_root(kGoldenVolume, damaged).ok()) << "bit " << i;
  }
  for (size_t size = 0; size < record.size(); ++size) {
    EXPECT_FALSE(decode_root(kGoldenVolume, std::span(record).first(size)).ok())
        << "cut at " << size;
  }
}

TEST(Format, AnotherVolumeOrKindIsRefused) {
  EXPECT_FALSE(decode_claim(Uuid::random(), encode(kGoldenVolume, claim())).ok());
  EXPECT_FALSE(decode_start(kGoldenVolume, encode(kGoldenVolume, claim())).ok());
}

TEST(Format, ACopyOfWhatIsNotBeforeItIsRefused) {
  ChunkHeader header = copy().header;
  header.extents.back().source.chunk = header.sequence;
  EXPECT_FALSE(decode_chunk_header(kGoldenVolume, encode(kGoldenVolume, header)).ok());
}

TEST(Format, AChunkLargerThanChunksAreIsRefused) {
  ChunkHeader header;
  header.era = kGoldenEra;
  header.sequence = Sequence(1);
  header.object_size = kChunkBytes;
  EXPECT_TRUE(decode_chunk_header(kGoldenVolume, encode(kGoldenVolume, header)).ok());
  header.object_size = kChunkBytes + 1;
  EXPECT_FALSE(decode_chunk_header(kGoldenVolume, encode(kGoldenVolume, header)).ok());
}

}  // namespace
}  // namespace swiftness
