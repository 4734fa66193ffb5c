// VERIFY, WRITE AND VERIFY, COMPARE AND WRITE, ORWRITE, WRITE ATOMIC: in each CDB length, with each
// BYTCHK, and what they refuse.
#include "tests/scsi/fixture.h"

namespace swiftness::scsi::test {
namespace {

class Verify : public ScsiTest {
 protected:
  static std::vector<Cdb> verifies(int lba, int blocks, int flags) {
    return {cdb({0x2f, flags, 0, 0, 0, lba, 0, 0, blocks}),
            cdb({0xaf, flags, 0, 0, 0, lba, 0, 0, 0, blocks}),
            cdb({0x8f, flags, 0, 0, 0, 0, 0, 0, 0, lba, 0, 0, 0, blocks})};
  }
  static std::vector<Cdb> writes(int lba, int blocks, int flags) {
    std::vector<Cdb> all = verifies(lba, blocks, flags);
    all[0][0] = 0x2e, all[1][0] = 0xae, all[2][0] = 0x8e;
    return all;
  }
  void put(int lba, Buffer data) {
    const int blocks = static_cast<int>(data.size() / 512);
    EXPECT_EQ(sense_of(cdb({0x2a, 0, 0, 0, 0, lba, 0, 0, blocks}), std::move(data)), kGood);
  }
};

constexpr int kCompare = 0x02, kOneBlock = 0x06, kReserved = 0x04;  // BYTCHK in byte 1

TEST_F(Verify, WithoutComparingOnlyReads) {
  start();
  for (const Cdb& verify : verifies(10, 4, 0)) {
    EXPECT_EQ(router_.plan(command(verify, 0, nexus_, 0)).direction, TransferPlan::Direction::none);
    EXPECT_EQ(sense_of(verify), kGood);
  }
  EXPECT_EQ(device_.calls().reads, 3);
  device_.fail_with(ErrorCode::corrupt);
  EXPECT_EQ(sense_of(verifies(10, 4, 0)[0]), "03/11/00") << "that is what it is there for";
}

TEST_F(Verify, ComparesEveryByte) {
  start();
  put(10, pattern(1024, 4));
  for (const Cdb& verify : verifies(10, 2, kCompare)) {
    EXPECT_EQ(sense_of(verify, pattern(1024, 4)), kGood);
    for (size_t wrong : {0u, 511u, 512u, 1023u}) {
      Buffer data = pattern(1024, 4);
      data.writable()[wrong] ^= std::byte{1};
      EXPECT_EQ(sense_of(verify, data), "0e/1d/00") << wrong;
    }
  }
  EXPECT_EQ(device_.calls().writes, 1);
}

TEST_F(Verify, ComparesEachBlockWithOne) {
  start();
  BufferList twice(pattern(512, 4));
  twice.append(pattern(512, 4));
  put(10, twice.flatten());
  for (const Cdb& verify : verifies(10, 2, kOneBlock)) {
    EXPECT_EQ(router_.plan(command(verify, 512, nexus_, 0)).bytes, 512u);
    EXPECT_EQ(sense_of(verify, pattern(512, 4)), kGood);
    EXPECT_EQ(sense_of(verify, pattern(512, 5)), "0e/1d/00");
  }
  put(11, pattern(512, 9));
  EXPECT_EQ(sense_of(verifies(10, 2, kOneBlock)[0], pattern(512, 4)), "0e/1d/00");
}

TEST_F(Verify, NoBlocksAreNoError) {
  start();
  for (int flags : {0, kCompare, kOneBlock}) {
    for (const Cdb& verify : verifies(10, 0, flags)) EXPECT_EQ(sense_of(verify), kGood);
  }
  EXPECT_EQ(device_.calls().reads, 0);
}

TEST_F(Verify, RefusesWhatIsReservedAndWhatIsBeyondTheEnd) {
  start();
  for (const Cdb& verify : verifies(0, 1, kReserved)) {
    EXPECT_EQ(hex(send(verify).sense), squeezed("70 00 05 00000000 0a 00000000 2400 00 ca0001"));
  }
  for (const Cdb& verify : verifies(0, 1, 0x20)) EXPECT_EQ(sense_of(verify), "05/24/00");
  for (Cdb verify : verifies(0xff, 2, kCompare)) {
    verify[verify[0] == 0x8f ? 8 : 4] = 0x07;  // LBA 07FFh, the last
    EXPECT_EQ(sense_of(verify, pattern(1024, 0)), "05/21/00");
  }
}

TEST_F(Verify, AComparedWriteIsOnTheMediumFirst) {
  start();
  for (int flags : {0, kCompare}) {
    for (const Cdb& write : writes(20, 2, flags)) {
      const int reads = device_.calls().reads;
      EXPECT_EQ(sense_of(write, pattern(1024, write[0] + flags)), kGood);
      EXPECT_EQ(device_.last_durability(), Durability::flushed);
      EXPECT_EQ(device_.calls().reads, reads + 1);
      EXPECT_TRUE(device_.contents(20, 2) == BufferList(pattern(1024, write[0] + flags)));
    }
  }
  for (const Cdb& write : writes(20, 2, kOneBlock)) EXPECT_EQ(sense_of(write), "05/24/00");
  device_.corrupt_next_write();
  EXPECT_EQ(sense_of(writes(20, 2, kCompare)[0], pattern(1024, 7)), "0e/1d/00");
}

TEST_F(Verify, AReadOnlyUnitMayBeVerifiedButNotWritten) {
  start({.read_only = true});
  for (const Cdb& verify : verifies(0, 1, 0)) EXPECT_EQ(sense_of(verify), kGood);
  for (const Cdb& write : writes(0, 1, 0)) EXPECT_EQ(sense_of(write, pattern(512, 0)), "07/27/00");
}

// ---- COMPARE AND WRITE ------------------------------------------------------------------------

class CompareAndWrite : public ScsiTest {
 protected:
  static Cdb compare_and_write(int lba, int blocks, int flags = 0) {
    return cdb({0x89, flags, 0, 0, 0, 0, 0, 0, 0, lba, 0, 0, 0, blocks});
  }
  static BufferList two(Buffer expected, Buffer data) {
    BufferList out(std::move(expected));
    out.append(std::move(data));
    return out;
  }
};

TEST_F(CompareAndWrite, WritesWhenAllIsAsExpected) {
  start();
  EXPECT_EQ(sense_of(compare_and_write(5, 2), two(Buffer::zeros(1024), pattern(1024, 1))), kGood);
  EXPECT_TRUE(device_.contents(5, 2) == BufferList(pattern(1024, 1)));
  EXPECT_EQ(device_.last_durability(), Durability::acknowledged);
  EXPECT_EQ(sense_of(compare_and_write(5, 2, 0x08), two(pattern(1024, 1), pattern(1024, 2))),
            kGood);
  EXPECT_EQ(device_.last_durability(), Durability::flushed);
}

TEST_F(CompareAndWrite, SaysWhereTheFirstDifferenceIs) {
  start();
  Buffer expected = Buffer::allocate(1024);
  std::fill(expected.writable().begin(), expected.writable().end(), std::byte{0});
  expected.writable()[0x201] = std::byte{1};
  ScsiResult result = send(compare_and_write(5, 2), two(expected, pattern(1024, 1)));
  EXPECT_EQ(hex(result.sense), squeezed("f0 00 0e 00000201 0a 00000000 1d00 00 000000"));
  EXPECT_EQ(device_.calls().writes, 0);
}

TEST_F(CompareAndWrite, TakesAsManyBlocksAsItAdvertises) {
  start();
  const size_t bytes = 128 * 512;
  EXPECT_EQ(sense_of(compare_and_write(0, 128), two(Buffer::zeros(bytes), pattern(bytes, 1))),
            kGood);
  EXPECT_EQ(sense_of(compare_and_write(0, 129)), "05/24/00");
  EXPECT_EQ(sense_of(compare_and_write(0, 0)), kGood);
  EXPECT_EQ(sense_of(compare_and_write(0, 0), pattern(256 * 512, 1)), "05/24/00")
      << "256 blocks do not fit the byte they are counted in";
}

TEST_F(CompareAndWrite, RefusesDataOfAnotherLength) {
  start();
  for (size_t bytes : {512u, 1023u, 1536u, 2048u}) {
    EXPECT_EQ(sense_of(compare_and_write(0, 1), pattern(bytes, 0)), "05/0e/03") << bytes;
  }
  EXPECT_EQ(device_.calls().reads, 0);
}

TEST_F(CompareAndWrite, FailsAsItsReadAndItsWriteDo) {
  start();
  device_.fail_with(ErrorCode::corrupt);
  EXPECT_EQ(sense_of(compare_and_write(0, 1), two(Buffer::zeros(512), pattern(512, 0))),
            "03/11/00");
  device_.fail_with(ErrorCode::unavailable);
  EXPECT_EQ(sense_of(compare_and_write(0, 1), two(Buffer::zeros(512), pattern(512, 0))), kBusy);
}

// ---- ORWRITE and WRITE ATOMIC -----------------------------------------------------------------

class OrWrite : public ScsiTest {};
class WriteAtomic : public ScsiTest {};

TEST_F(OrWrite, SetsTheBitsThatAreSetInEither) {
  start();
  const Cdb or_write = cdb({0x8b, 0x08, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 1});
  EXPECT_EQ(sense_of(or_write, Buffer::own(Bytes(512, std::byte{0x0f}))), kGood);
  EXPECT_EQ(sense_of(or_write, Buffer::own(Bytes(512, std::byte{0x30}))), kGood);
  EXPECT_EQ(device_.last_durability(), Durability::flushed);
  EXPECT_TRUE(device_.contents(3, 1) == BufferList(Buffer::own(Bytes(512, std::byte{0x3f}))));
}

TEST_F(OrWrite, RefusesProtectionAndWhatIsBeyondTheEnd) {
  start();
  EXPECT_EQ(sense_of(cdb({0x8b, 0x20, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 1}), pattern(512, 0)),
            "05/24/00");
  EXPECT_EQ(sense_of(cdb({0x8b, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 1}), pattern(512, 0)),
            "05/21/00");
}

TEST_F(WriteAtomic, WritesInOneCallOfTheDevice) {
  start();
  EXPECT_EQ(sense_of(cdb({0x9c, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 8}), pattern(4096, 1)), kGood);
  EXPECT_EQ(device_.calls().writes, 1);
  EXPECT_TRUE(device_.contents(3, 8) == BufferList(pattern(4096, 1)));
}

TEST_F(WriteAtomic, WithABoundaryOrLessThanAllDataIsRefused) {
  start();
  EXPECT_EQ(sense_of(cdb({0x9c, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 4, 0, 8}), pattern(4096, 1)),
            "05/24/00");
  EXPECT_EQ(sense_of(cdb({0x9c, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 8}), pattern(512, 1)),
            "05/0e/03");
  EXPECT_EQ(device_.calls().writes, 0);
}

}  // namespace
}  // namespace swiftness::scsi::test
