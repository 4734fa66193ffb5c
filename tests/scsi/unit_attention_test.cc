// Unit attentions, and what works while the device is not ready.
#include "target/scsi/unit_attention.h"

#include "tests/scsi/fixture.h"

namespace swiftness::scsi::test {
namespace {

const Cdb kRequestSense = cdb({0x03, 0, 0, 0, 252});
const Cdb kReportLuns = cdb({0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 64});
const Cdb kReadCapacity = cdb({0x25});
const Cdb kModeSense = cdb({0x1a, 0, 0x3f, 0, 255});

TEST(UnitAttentions, ResetsComeFirstAndNothingElseIsLost) {
  UnitAttentions queue;
  queue.raise(asc::kCapacityChanged);
  queue.raise(asc::kLogicalUnitReset);
  EXPECT_EQ(queue.take()->additional, asc::kLogicalUnitReset);
  EXPECT_EQ(queue.take()->additional, asc::kCapacityChanged);
  EXPECT_FALSE(queue.take());
}

TEST(UnitAttentions, PowerOnStandsForOtherResets) {
  UnitAttentions queue;
  queue.raise(asc::kPowerOnOrReset);
  queue.raise(asc::kLogicalUnitReset);
  EXPECT_EQ(queue.take()->additional, asc::kPowerOnOrReset);
  EXPECT_FALSE(queue.take());
}

TEST(UnitAttentions, OtherResetsStandForANexusLoss) {
  UnitAttentions queue;
  queue.raise(asc::kItNexusLossOccurred);
  queue.raise(asc::kLogicalUnitReset);
  queue.raise(asc::kItNexusLossOccurred);
  EXPECT_EQ(queue.take()->additional, asc::kLogicalUnitReset);
  EXPECT_FALSE(queue.take());
}

TEST(UnitAttentions, TheSameConditionIsQueuedOnce) {
  UnitAttentions queue;
  for (int i = 0; i < 100; ++i) queue.raise(asc::kCapacityChanged);
  EXPECT_TRUE(queue.take());
  EXPECT_FALSE(queue.take());
}

class UnitAttention : public ScsiTest {
 protected:
  void start_with_attention_pending() {
    start();
    nexus_ = router_.attach({});
  }
  std::string requested_sense() {
    Buffer data = send(kRequestSense).data_in.flatten();
    return sense_code(Bytes(data.bytes().begin(), data.bytes().end()));
  }
};

TEST_F(UnitAttention, PowerOnIsReportedOnceToEachNexus) {
  start();
  NexusId a = router_.attach({}), b = router_.attach({});
  EXPECT_EQ(sense_of(kTestUnitReady, {}, a), "06/29/00");
  EXPECT_EQ(sense_of(kTestUnitReady, {}, a), kGood);
  EXPECT_EQ(sense_of(kRead, {}, b), "06/29/00");
  EXPECT_EQ(sense_of(kRead, {}, b), kGood);
}

TEST_F(UnitAttention, InquiryAndReportLunsLeaveItPending) {
  start_with_attention_pending();
  EXPECT_EQ(sense_of(kInquiry), kGood);
  EXPECT_EQ(sense_of(kReportLuns), kGood);
  EXPECT_EQ(sense_of(kTestUnitReady), "06/29/00");
}

TEST_F(UnitAttention, RequestSenseReportsItAsDataAndClearsIt) {
  start_with_attention_pending();
  EXPECT_EQ(requested_sense(), "06/29/00");
  EXPECT_EQ(requested_sense(), "00/00/00");
  EXPECT_EQ(sense_of(kTestUnitReady), kGood);
}

TEST_F(UnitAttention, RequestSenseHasBothFormats) {
  start_with_attention_pending();
  EXPECT_EQ(hex(send(cdb({0x03, 1, 0, 0, 252})).data_in), "7206290000000000");
  EXPECT_EQ(hex(send(cdb({0x03, 0, 0, 0, 3})).data_in), "700000");
}

TEST_F(UnitAttention, ComesBeforeAnyOtherFault) {
  start_with_attention_pending();
  EXPECT_EQ(sense_of(cdb({0xc0})), "06/29/00");
  EXPECT_EQ(sense_of(cdb({0xc0})), "05/20/00");
}

TEST_F(UnitAttention, AWriteIsToldBeforeItsDataAreFetched) {
  start_with_attention_pending();
  TransferPlan plan = router_.plan(command(kWrite, 512, nexus_, 0));
  ASSERT_TRUE(plan.final);
  EXPECT_EQ(sense_code(plan.final->sense), "06/29/00");
}

TEST_F(UnitAttention, ACapacityChangeReachesEveryNexus) {
  start();
  NexusId other = log_in();
  device_.resize(2 * kBlocks);
  EXPECT_EQ(sense_of(kTestUnitReady), "06/2a/09");
  EXPECT_EQ(sense_of(kTestUnitReady), kGood);
  EXPECT_EQ(sense_of(kTestUnitReady, {}, other), "06/2a/09");
  EXPECT_EQ(sense_of(kTestUnitReady, {}, other), kGood);
  EXPECT_EQ(hex(send(kReadCapacity).data_in), "00000fff00000200");
}

TEST_F(UnitAttention, ACapacityThatDiffersAfterTheAttachIsNoticed) {
  device_.set_state(DeviceState::attaching);
  start();
  EXPECT_EQ(sense_of(kTestUnitReady), "02/04/01");
  device_.resize(2 * kBlocks);
  device_.set_state(DeviceState::online);
  EXPECT_EQ(sense_of(kTestUnitReady), "06/2a/09");
}

TEST_F(UnitAttention, AReconnectingNexusStartsWithPowerOnOnly) {
  start();
  device_.resize(2 * kBlocks);
  router_.detach(nexus_);
  nexus_ = router_.attach({});
  EXPECT_EQ(sense_of(kTestUnitReady), "06/29/00");
  EXPECT_EQ(sense_of(kTestUnitReady), kGood);
}

// ---- not ready
// -----------------------------------------------------------------------------------

class NotReady : public UnitAttention {};

TEST_F(NotReady, WhileAttachingTheUnitIsBecomingReady) {
  device_.set_state(DeviceState::attaching);
  start();
  for (const Cdb& sent : {kTestUnitReady, kRead, kReadCapacity, kModeSense}) {
    EXPECT_EQ(sense_of(sent), "02/04/01") << static_cast<int>(sent[0]);
  }
  EXPECT_EQ(sense_of(kWrite, pattern(512, 0)), "02/04/01");
  for (const Cdb& sent : {kInquiry, kReportLuns, kRequestSense}) {
    EXPECT_EQ(sense_of(sent), kGood) << static_cast<int>(sent[0]);
  }
  EXPECT_EQ(requested_sense(), "02/04/01");
  EXPECT_EQ(device_.calls().reads + device_.calls().writes, 0);
  device_.set_state(DeviceState::online);
  EXPECT_EQ(sense_of(kRead), kGood);
}

TEST_F(NotReady, AFencedUnitAsksForManualIntervention) {
  start();
  device_.set_state(DeviceState::fenced);
  EXPECT_EQ(sense_of(kTestUnitReady), "02/04/03");
  EXPECT_EQ(sense_of(kRead), "02/04/03");
  EXPECT_EQ(requested_sense(), "02/04/03");
  EXPECT_EQ(sense_of(kInquiry), kGood);
}

TEST_F(NotReady, AStoppedUnitIsBusy) {
  start();
  device_.set_state(DeviceState::stopped);
  EXPECT_EQ(sense_of(kTestUnitReady), kBusy);
  EXPECT_EQ(sense_of(kRead), kBusy);
  EXPECT_EQ(sense_of(kInquiry), kGood);
}

TEST_F(NotReady, AWriteThatWasPlannedBeforeTheFenceIsRefused) {
  start();
  Command write = command(kWrite, 512, nexus_, 0);
  EXPECT_FALSE(router_.plan(write).final);
  device_.set_state(DeviceState::fenced);
  auto flight = std::make_shared<Flight>();
  asio::co_spawn(io_, land(router_.execute(write, pattern(512, 0), flight->ticket), flight),
                 [](std::exception_ptr failure) { EXPECT_FALSE(failure); });
  turn();
  ASSERT_TRUE(flight->done());
  EXPECT_EQ(sense_code(flight->result->sense), "02/04/03");
  EXPECT_EQ(device_.calls().writes, 0);
}

}  // namespace
}  // namespace swiftness::scsi::test
