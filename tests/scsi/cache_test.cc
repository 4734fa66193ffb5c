// SYNCHRONIZE CACHE, PRE-FETCH and START STOP UNIT.
#include "tests/scsi/fixture.h"

namespace swiftness::scsi::test {
namespace {

class SynchronizeCache : public ScsiTest {};

const Cdb kAll10 = cdb({0x35});
const Cdb kAll16 = cdb({0x91});

TEST_F(SynchronizeCache, EndsWhenTheDeviceHasFlushed) {
  start();
  device_.hang();
  for (const Cdb& sent : {kAll10, kAll16}) {
    auto flush = begin(sent);
    EXPECT_FALSE(flush->done());
    device_.release_one();
    turn();
    ASSERT_TRUE(flush->done());
    EXPECT_EQ(flush->result->status, Status::good);
  }
  EXPECT_EQ(device_.calls().flushes, 2);
}

TEST_F(SynchronizeCache, WithImmedEndsAtOnceAndFlushesAllTheSame) {
  start();
  device_.hang();
  auto flush = begin(cdb({0x35, 0x02}));
  ASSERT_TRUE(flush->done());
  EXPECT_EQ(flush->result->status, Status::good);
  EXPECT_EQ(device_.calls().flushes, 1);
  device_.release();
  turn();
}

TEST_F(SynchronizeCache, AFailureIsReported) {
  start();
  device_.fail_with(ErrorCode::unavailable);
  EXPECT_EQ(sense_of(kAll10), kBusy);
  device_.fail_with(ErrorCode::out_of_space);
  EXPECT_EQ(sense_of(kAll10), "07/27/07");
}

TEST_F(SynchronizeCache, RejectsARangeBeyondTheEnd) {
  start();
  EXPECT_EQ(sense_of(cdb({0x35, 0, 0, 0, 0x07, 0xff, 0, 0, 1})), kGood);
  EXPECT_EQ(sense_of(cdb({0x35, 0, 0, 0, 0x07, 0xff, 0, 0, 2})), "05/21/00");
  EXPECT_EQ(sense_of(cdb({0x91, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})), "05/21/00");
}

TEST_F(SynchronizeCache, WorksOnAReadOnlyUnit) {
  start({.read_only = true});
  EXPECT_EQ(sense_of(kAll10), kGood);
}

class PreFetch : public ScsiTest {};

constexpr const char* kConditionMet = "status 4";

TEST_F(PreFetch, EndsWithConditionMetWhenAllOfItIsInTheCache) {
  start();
  device_.hang();
  for (const Cdb& sent : {cdb({0x34, 0, 0, 0, 0x01, 0x02, 0, 0, 9}),
                          cdb({0x90, 0, 0, 0, 0, 0, 0, 0, 0x01, 0x02, 0, 0, 0, 9})}) {
    auto fetch = begin(sent);
    EXPECT_FALSE(fetch->done());
    device_.release_one();
    turn();
    ASSERT_TRUE(fetch->done());
    EXPECT_EQ(fetch->result->status, Status::condition_met);
    EXPECT_TRUE(fetch->result->sense.empty());
    EXPECT_EQ(device_.last_prefetch()->first, Lba(0x102));
    EXPECT_EQ(device_.last_prefetch()->count, BlockCount(9));
  }
  EXPECT_EQ(device_.calls().prefetches, 2);
  EXPECT_EQ(device_.calls().reads, 0);
}

TEST_F(PreFetch, EndsWithGoodWhenNotAllOfItFits) {
  start();
  device_.set_prefetch_room(8 * 512);
  EXPECT_EQ(sense_of(cdb({0x34, 0, 0, 0, 0, 0, 0, 0, 8})), kConditionMet);
  EXPECT_EQ(sense_of(cdb({0x34, 0, 0, 0, 0, 0, 0, 0, 9})), kGood);
  EXPECT_EQ(sense_of(cdb({0x34, 0x02, 0, 0, 0, 0, 0, 0, 8})), kConditionMet);
  EXPECT_EQ(sense_of(cdb({0x34, 0x02, 0, 0, 0, 0, 0, 0, 9})), kGood);
  EXPECT_EQ(device_.calls().prefetches, 4) << "what fits is fetched";
}

TEST_F(PreFetch, WithImmedEndsAtOnceAndFetchesAllTheSame) {
  start();
  device_.hang();
  auto fetch = begin(cdb({0x90, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9}));
  ASSERT_TRUE(fetch->done());
  EXPECT_EQ(fetch->result->status, Status::condition_met);
  EXPECT_EQ(device_.calls().prefetches, 1);
  device_.release();
  turn();
}

TEST_F(PreFetch, ALengthOfZeroReachesToTheEnd) {
  start();
  EXPECT_EQ(sense_of(cdb({0x34, 0, 0, 0, 0x01, 0x00, 0, 0, 0})), kConditionMet);
  EXPECT_EQ(device_.last_prefetch()->first, Lba(256));
  EXPECT_EQ(device_.last_prefetch()->count, BlockCount(kBlocks - 256));
}

TEST_F(PreFetch, RejectsARangeBeyondTheEnd) {
  start();
  EXPECT_EQ(sense_of(cdb({0x34, 0, 0, 0, 0x07, 0xff, 0, 0, 1})), kConditionMet);
  EXPECT_EQ(sense_of(cdb({0x34, 0, 0, 0, 0x07, 0xff, 0, 0, 2})), "05/21/00");
  EXPECT_EQ(sense_of(cdb({0x34, 0x02, 0, 0, 0x07, 0xff, 0, 0, 2})), "05/21/00");
  EXPECT_EQ(sense_of(cdb({0x90, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})), "05/21/00");
  EXPECT_EQ(device_.calls().prefetches, 1);
}

TEST_F(PreFetch, AFailureIsThatOfARead) {
  start();
  device_.fail_with(ErrorCode::corrupt);
  EXPECT_EQ(sense_of(cdb({0x34, 0, 0, 0, 0, 0, 0, 0, 8})), "03/11/00");
  EXPECT_EQ(sense_of(cdb({0x34, 0x02, 0, 0, 0, 0, 0, 0, 8})), kConditionMet)
      << "a READ will report it";
}

TEST_F(PreFetch, WorksOnAReadOnlyUnit) {
  start({.read_only = true});
  EXPECT_EQ(sense_of(cdb({0x34, 0, 0, 0, 0, 0, 0, 0, 8})), kConditionMet);
}

class StartStopUnit : public ScsiTest {};

TEST_F(StartStopUnit, StoppingFlushesAndTheDiskStays) {
  start();
  EXPECT_EQ(sense_of(cdb({0x1b, 0, 0, 0, 0x00})), kGood);
  EXPECT_EQ(device_.calls().flushes, 1);
  EXPECT_EQ(sense_of(cdb({0x00})), kGood);
}

TEST_F(StartStopUnit, NoFlushAndStartDoNotFlush) {
  start();
  EXPECT_EQ(sense_of(cdb({0x1b, 0, 0, 0, 0x04})), kGood);
  EXPECT_EQ(sense_of(cdb({0x1b, 0, 0, 0, 0x01})), kGood);
  EXPECT_EQ(device_.calls().flushes, 0);
}

TEST_F(StartStopUnit, RejectsEjectingAndPowerConditions) {
  start();
  EXPECT_EQ(hex(send(cdb({0x1b, 0, 0, 0, 0x02})).sense),
            squeezed("70 00 05 00000000 0a 00000000 2400 00 c90004"));
  EXPECT_EQ(hex(send(cdb({0x1b, 0, 0, 0, 0x30})).sense),
            squeezed("70 00 05 00000000 0a 00000000 2400 00 cf0004"));
}

}  // namespace
}  // namespace swiftness::scsi::test
