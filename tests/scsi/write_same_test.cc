// WRITE SAME(10) and (16).
#include "tests/scsi/fixture.h"

namespace swiftness::scsi::test {
namespace {

class WriteSame : public ScsiTest {
 protected:
  static std::vector<Cdb> both(int lba, int blocks, int flags) {
    return {cdb({0x41, flags, 0, 0, 0, lba, 0, 0, blocks}),
            cdb({0x93, flags, 0, 0, 0, 0, 0, 0, 0, lba, 0, 0, 0, blocks})};
  }
  BufferList repeated(Buffer block, int times) {
    BufferList out;
    for (int i = 0; i < times; ++i) out.append(block);
    return out;
  }
};

constexpr int kUnmap = 0x08, kAnchor = 0x10, kNoDataOut = 0x01;

TEST_F(WriteSame, WritesItsBlockToEachOfThem) {
  start();
  for (const Cdb& same : both(5, 9, 0)) {
    Buffer block = pattern(512, same[0]);
    EXPECT_EQ(router_.plan(command(same, 512, nexus_, 0)).bytes, 512u);
    EXPECT_EQ(sense_of(same, block), kGood);
    EXPECT_TRUE(device_.contents(5, 9) == repeated(block, 9));
    EXPECT_TRUE(device_.contents(4, 1) == BufferList(Buffer::zeros(512)));
    EXPECT_TRUE(device_.contents(14, 1) == BufferList(Buffer::zeros(512)));
  }
}

TEST_F(WriteSame, GoesPieceByPieceAndIsDurableWithTheLast) {
  device_.resize(64 << 11);
  start({.write_cache = false});
  const Cdb same = cdb({0x93, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0x14, 1});  // 2.5 MiB and a block
  EXPECT_EQ(sense_of(same, pattern(512, 3)), kGood);
  EXPECT_EQ(device_.calls().writes, 3);
  EXPECT_EQ(device_.last_durability(), Durability::flushed);
  EXPECT_EQ(device_.written_blocks(), 0x1401u);
  EXPECT_TRUE(device_.contents(0x1401, 1) == BufferList(pattern(512, 3)));
}

TEST_F(WriteSame, OfZerosUnmaps) {
  start();
  send(cdb({0x2a, 0, 0, 0, 0, 4, 0, 0, 4}), pattern(2048, 1));
  for (int flags : {0, kUnmap}) {
    for (const Cdb& same : both(4, 4, flags)) {
      const int unmaps = device_.calls().unmaps;
      EXPECT_EQ(sense_of(same, Buffer::zeros(512)), kGood);
      EXPECT_EQ(device_.calls().unmaps, unmaps + 1);
    }
  }
  EXPECT_EQ(device_.written_blocks(), 0u);
  EXPECT_EQ(device_.calls().flushes, 0);
}

TEST_F(WriteSame, OfZerosIsAsDurableAsAWrite) {
  start({.write_cache = false});
  EXPECT_EQ(sense_of(both(4, 4, 0)[0], Buffer::zeros(512)), kGood);
  EXPECT_EQ(device_.calls().flushes, 1);
}

TEST_F(WriteSame, OfOtherDataCannotUnmapAndWrites) {
  start();
  for (const Cdb& same : both(4, 4, kUnmap)) EXPECT_EQ(sense_of(same, pattern(512, 1)), kGood);
  EXPECT_EQ(device_.calls().unmaps, 0);
  EXPECT_EQ(device_.written_blocks(), 4u);
}

TEST_F(WriteSame, WithoutDataIsZeros) {
  start();
  send(cdb({0x2a, 0, 0, 0, 0, 4, 0, 0, 4}), pattern(2048, 1));
  const Cdb same = both(4, 2, kNoDataOut)[1];
  EXPECT_EQ(router_.plan(command(same, 0, nexus_, 0)).direction, TransferPlan::Direction::none);
  EXPECT_EQ(sense_of(same), kGood);
  EXPECT_EQ(device_.written_blocks(), 2u);
}

TEST_F(WriteSame, RefusesWhatItsPagesSayItCannotDo) {
  device_.resize(1 << 20);
  start();
  for (const Cdb& same : both(4, 4, kAnchor | kUnmap)) {
    EXPECT_EQ(sense_of(same, Buffer::zeros(512)), "05/24/00") << "ANC_SUP=0";
  }
  for (const Cdb& same : both(4, 0, 0)) {
    EXPECT_EQ(sense_of(same, Buffer::zeros(512)), "05/24/00") << "WSNZ=1";
  }
  for (int flags : {0x02, 0x04, 0x20}) {
    for (const Cdb& same : both(4, 4, flags)) {
      EXPECT_EQ(sense_of(same, Buffer::zeros(512)), "05/24/00") << flags;
    }
  }
  Cdb most = both(4, 0, 0)[1];
  most[12] = 0x80;  // 32,768 blocks: 16 MiB
  EXPECT_EQ(sense_of(most, Buffer::zeros(512)), kGood);
  most[13] = 1;
  EXPECT_EQ(sense_of(most, Buffer::zeros(512)), "05/24/00");
  EXPECT_EQ(sense_of(cdb({0x41, 0, 0, 0x10, 0, 0, 0, 0, 1}), Buffer::zeros(512)), "05/21/00");
}

TEST_F(WriteSame, RefusesDataThatAreNotOneBlock) {
  start();
  for (size_t bytes : {256u, 1024u}) {
    for (const Cdb& same : both(4, 4, kUnmap)) {
      EXPECT_EQ(sense_of(same, Buffer::zeros(bytes)), "05/0e/03") << bytes;
    }
  }
}

TEST_F(WriteSame, IsRefusedOnAReadOnlyUnit) {
  start({.read_only = true});
  for (const Cdb& same : both(4, 4, 0)) EXPECT_EQ(sense_of(same, pattern(512, 1)), "07/27/00");
}

}  // namespace
}  // namespace swiftness::scsi::test
