#include "tests/scsi/fixture.h"

namespace swiftness::scsi::test {
namespace {

class ReadWrite : public ScsiTest {};

Cdb read10(uint32_t lba, uint16_t blocks, int flags = 0) {
  return cdb({0x28, flags, static_cast<int>(lba >> 24), static_cast<int>(lba >> 16 & 0xff),
              static_cast<int>(lba >> 8 & 0xff), static_cast<int>(lba & 0xff), 0, blocks >> 8,
              blocks & 0xff});
}

Cdb write10(uint32_t lba, uint16_t blocks, int flags = 0) {
  Cdb out = read10(lba, blocks, flags);
  out[0] = 0x2a;
  return out;
}

TEST_F(ReadWrite, WhatWasWrittenIsRead) {
  start();
  Buffer data = pattern(1024, 1);
  EXPECT_EQ(sense_of(write10(100, 2), data), kGood);
  ScsiResult read = send(read10(99, 4));
  ASSERT_EQ(read.status, Status::good);
  BufferList expected;
  expected.append(Buffer::zeros(512));
  expected.append(data);
  expected.append(Buffer::zeros(512));
  EXPECT_TRUE(read.data_in == expected);
}

TEST_F(ReadWrite, EveryCdbLengthReachesTheSameBlocks) {
  start();
  Buffer data = pattern(512, 3);
  EXPECT_EQ(sense_of(cdb({0x0a, 0x00, 0x01, 0x02, 1}), data), kGood);  // WRITE(6), LBA 258
  Cdb read12 = cdb({0xa8, 0, 0, 0, 1, 2, 0, 0, 0, 1});
  Cdb read16 = cdb({0x88, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 1});
  for (const Cdb& read : {cdb({0x08, 0x00, 0x01, 0x02, 1}), read10(258, 1), read12, read16}) {
    EXPECT_TRUE(send(read).data_in == BufferList(data)) << static_cast<int>(read[0]);
  }
}

TEST_F(ReadWrite, NoDataAreCopied) {
  start();
  Buffer data = pattern(512, 5);
  send(write10(7, 1), data);
  ScsiResult read = send(read10(7, 1));
  ASSERT_EQ(read.data_in.pieces().size(), 1u);
  EXPECT_EQ(read.data_in.pieces()[0].data(), data.data());
}

TEST_F(ReadWrite, SayWhatTheyTransferBeforeAnyDataMove) {
  start();
  TransferPlan read = router_.plan(command(read10(0, 8), 0, nexus_, 0));
  EXPECT_EQ(read.direction, TransferPlan::Direction::to_initiator);
  EXPECT_EQ(read.bytes, 4096u);
  TransferPlan write = router_.plan(command(write10(0, 8), 4096, nexus_, 0));
  EXPECT_EQ(write.direction, TransferPlan::Direction::from_initiator);
  EXPECT_EQ(write.bytes, 4096u);
  EXPECT_FALSE(write.final);
}

TEST_F(ReadWrite, ZeroBlocksAreNoError) {
  start();
  EXPECT_EQ(sense_of(read10(0, 0)), kGood);
  EXPECT_EQ(sense_of(write10(kBlocks, 0)), kGood);
  EXPECT_EQ(device_.calls().reads + device_.calls().writes, 0);
}

TEST_F(ReadWrite, ZeroInTheSixByteFormMeans256Blocks) {
  start();
  EXPECT_EQ(send(cdb({0x08, 0, 0, 0, 0})).data_in.size(), 256u * 512);
}

TEST_F(ReadWrite, RejectBlocksBeyondTheEndNamingTheLba) {
  start();
  ScsiResult result = send(read10(kBlocks - 1, 2));
  EXPECT_EQ(result.status, Status::check_condition);
  EXPECT_EQ(hex(result.sense), squeezed("f0 00 05 000007ff 0a 00000000 2100 00 000000"));
  EXPECT_EQ(sense_of(write10(kBlocks + 1, 0)), "05/21/00");
  EXPECT_EQ(sense_of(cdb({0x88, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1})),
            "05/21/00")
      << "LBA + length overflows 64 bits";
}

TEST_F(ReadWrite, RejectMoreThanTheMaximumTransferLength) {
  device_.resize(1 << 20);
  start();
  EXPECT_EQ(sense_of(read10(0, 8192)), kGood) << "4 MiB";
  ScsiResult result = send(read10(0, 8193));
  EXPECT_EQ(hex(result.sense), squeezed("70 00 05 00000000 0a 00000000 2400 00 c00007"));
}

TEST_F(ReadWrite, RejectProtectionInformation) {
  start();
  EXPECT_EQ(hex(send(read10(0, 1, 0x20)).sense),
            squeezed("70 00 05 00000000 0a 00000000 2400 00 cf0001"));
  EXPECT_EQ(sense_of(write10(0, 1, 0x60), pattern(512, 0)), "05/24/00");
  EXPECT_EQ(device_.calls().writes, 0);
}

TEST_F(ReadWrite, AWriteOfPartOfABlockWritesNothing) {
  start();
  TransferPlan plan = router_.plan(command(write10(0, 2), 700, nexus_, 0));
  ASSERT_TRUE(plan.final);
  EXPECT_EQ(sense_code(plan.final->sense), "05/0e/03");
  EXPECT_EQ(plan.bytes, 1024u) << "for the residual";
}

TEST_F(ReadWrite, AWriteOfFewerBlocksThanItsCdbSaysWritesThose) {
  start();
  std::shared_ptr<Flight> flight =
      begin(command(write10(0, 2), 512, nexus_, 0), BufferList(pattern(512, 7)));
  EXPECT_EQ(flight->plan.bytes, 1024u) << "for the residual";
  ASSERT_TRUE(flight->done());
  EXPECT_EQ(flight->result->status, Status::good);
  EXPECT_EQ(device_.calls().writes, 1);
  EXPECT_TRUE(send(read10(0, 1)).data_in == BufferList(pattern(512, 7)));
}

TEST_F(ReadWrite, ForceUnitAccessWritesThrough) {
  start();
  send(write10(0, 1), pattern(512, 0));
  EXPECT_EQ(device_.last_durability(), Durability::acknowledged);
  send(write10(0, 1, 0x08), pattern(512, 0));
  EXPECT_EQ(device_.last_durability(), Durability::flushed);
}

TEST_F(ReadWrite, WithoutAWriteCacheEveryWriteIsFlushed) {
  start({.write_cache = false});
  send(write10(0, 1), pattern(512, 0));
  EXPECT_EQ(device_.last_durability(), Durability::flushed);
}

TEST_F(ReadWrite, ForceUnitAccessReadsWhatIsOnTheMedium) {
  start();
  send(read10(0, 1, 0x10));  // DPO alone is only a hint
  EXPECT_EQ(device_.calls().flushes, 0);
  send(read10(0, 1, 0x08));
  EXPECT_EQ(device_.calls().flushes, 1);
}

TEST_F(ReadWrite, AReadOnlyUnitRefusesWrites) {
  start({.read_only = true});
  EXPECT_EQ(sense_of(write10(0, 1), pattern(512, 0)), "07/27/00");
  EXPECT_EQ(sense_of(read10(0, 1)), kGood);
}

TEST_F(ReadWrite, AReadOnlyNexusRefusesWritesOthersMayDo) {
  start();
  NexusId reader = log_in({.read_only = true});
  EXPECT_EQ(sense_of(write10(0, 1), pattern(512, 0), reader), "07/27/00");
  EXPECT_EQ(sense_of(write10(0, 1), pattern(512, 0)), kGood);
}

struct Failure {
  ErrorCode code;
  const char* read;
  const char* write;
};

TEST_F(ReadWrite, FailuresOfTheDeviceBecomeStatusAndSense) {
  start();
  for (const Failure& failure :
       {Failure{ErrorCode::corrupt, "03/11/00", "03/0c/00"},
        Failure{ErrorCode::not_found, "03/11/00", "03/0c/00"},
        Failure{ErrorCode::out_of_space, "07/27/07", "07/27/07"},
        Failure{ErrorCode::fenced, "02/04/03", "02/04/03"},
        Failure{ErrorCode::unavailable, kBusy, kBusy}, Failure{ErrorCode::timed_out, kBusy, kBusy},
        Failure{ErrorCode::unauthorized, kBusy, kBusy},
        Failure{ErrorCode::conflict, "04/44/00", "04/44/00"},
        Failure{ErrorCode::invalid, "04/44/00", "04/44/00"},
        Failure{ErrorCode::cancelled, "status 64", "status 64"}}) {
    device_.fail_with(failure.code);
    EXPECT_EQ(sense_of(read10(0, 1)), failure.read) << to_string(failure.code);
    EXPECT_EQ(sense_of(write10(0, 1), pattern(512, 0)), failure.write) << to_string(failure.code);
  }
}

}  // namespace
}  // namespace swiftness::scsi::test
