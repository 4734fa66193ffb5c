#include "tests/scsi/fixture.h"

namespace swiftness::scsi::test {
namespace {

class Sanitize : public ScsiTest {
 protected:
  static constexpr int kImmed = 0x80, kZnr = 0x40, kAuse = 0x20;
  static constexpr int kOverwrite = 1, kBlockErase = 2, kCryptographicErase = 3;
  static constexpr int kExitFailureMode = 0x1f;
  static constexpr const char* kInProgress = "02/04/1b";
  static constexpr const char* kFailed = "03/31/03";

  static Cdb sanitize(int byte1) { return cdb({0x48, byte1}); }
  const Cdb kRequestSense = cdb({0x03, 0, 0, 0, 252});
  const Cdb kReportLuns = cdb({0xa0, 0, 0, 0, 0, 0, 0, 0, 1, 0});

  void start_with_data() {
    start();
    EXPECT_EQ(sense_of(kWrite, pattern(512, 1)), kGood);
  }
  // A SANITIZE that the device does not carry out.
  void fail(int byte1) {
    device_.fail_with(ErrorCode::unavailable);
    EXPECT_EQ(sense_of(sanitize(byte1)), kFailed);
    device_.fail_with(std::nullopt);
  }
};

TEST_F(Sanitize, UnmapsEverythingForGood) {
  start_with_data();
  const int flushes = device_.calls().flushes;
  EXPECT_EQ(sense_of(sanitize(kBlockErase)), kGood);
  EXPECT_EQ(device_.written_blocks(), 0u);
  EXPECT_EQ(device_.calls().flushes, flushes + 1);
  EXPECT_EQ(sense_of(kRead), kGood);
}

TEST_F(Sanitize, WithImmedTellsHowFarItIs) {
  start_with_data();
  device_.hang();
  EXPECT_EQ(sense_of(sanitize(kImmed | kBlockErase)), kGood);
  const std::string begun = squeezed("70 00 02 00000000 0a 00000000 041b 00 800000");
  EXPECT_EQ(hex(send(kTestUnitReady).sense), begun);
  EXPECT_EQ(hex(send(kRequestSense).data_in), begun);
  device_.release_one();
  turn();
  EXPECT_EQ(hex(send(kRequestSense).data_in),
            squeezed("70 00 02 00000000 0a 00000000 041b 00 808000"));
  device_.release();
  turn();
  EXPECT_EQ(sense_of(kTestUnitReady), kGood);
  EXPECT_EQ(device_.written_blocks(), 0u);
}

TEST_F(Sanitize, OnlyWhatIsNotAboutTheMediumIsAnsweredMeanwhile) {
  start_with_data();
  device_.hang();
  EXPECT_EQ(sense_of(sanitize(kImmed | kBlockErase)), kGood);
  for (const Cdb& allowed : {kInquiry, kReportLuns, kRequestSense,
                             cdb({0x4d, 0, 0x40, 0, 0, 0, 0, 0, 64}),     // supported log pages
                             cdb({0x4d, 0, 0x6f, 0, 0, 0, 0, 0, 64})}) {  // exceptions
    EXPECT_EQ(sense_of(allowed), kGood) << int{allowed[0]};
  }
  for (const Cdb& refused : {kTestUnitReady, kRead, cdb({0x4d, 0, 0x59, 0, 0, 0, 0, 0, 64}),
                             cdb({0x25}), cdb({0x1a, 0, 0x3f, 0, 255}), cdb({0x1b, 0, 0, 0, 1}),
                             cdb({0x04}), sanitize(kBlockErase), sanitize(kExitFailureMode)}) {
    EXPECT_EQ(sense_of(refused), kInProgress) << int{refused[0]};
  }
  EXPECT_EQ(sense_of(kWrite, pattern(512, 2)), kInProgress);
  device_.release();
  turn();
}

TEST_F(Sanitize, WaitsForWritesThatCameBeforeAndLetsNoneInBetween) {
  start();
  device_.hang();
  auto writing = begin(kWrite, pattern(512, 1));
  auto sanitizing = begin(sanitize(kBlockErase));
  EXPECT_EQ(device_.calls().unmaps, 0);
  EXPECT_EQ(sense_of(kWrite, pattern(512, 2)), kInProgress);
  device_.release();
  turn();
  ASSERT_TRUE(writing->done() && sanitizing->done());
  EXPECT_EQ(sanitizing->result->status, Status::good);
  EXPECT_EQ(device_.written_blocks(), 0u);
}

TEST_F(Sanitize, IsInProgressAlsoAfterAFormatThatCameBefore) {
  start();
  device_.hang();
  auto writing = begin(kWrite, pattern(512, 1));
  auto formatting = begin(cdb({0x04}));
  auto sanitizing = begin(sanitize(kBlockErase));
  for (int step = 0; step < 3; ++step) {  // the write, the format's unmap, its flush
    device_.release_one();
    turn();
  }
  EXPECT_TRUE(writing->done() && formatting->done());
  EXPECT_FALSE(sanitizing->done());
  EXPECT_EQ(sense_of(kTestUnitReady), kInProgress);
  device_.release();
  turn();
  EXPECT_TRUE(sanitizing->done());
  EXPECT_EQ(sense_of(kTestUnitReady), kGood);
}

TEST_F(Sanitize, IsHeadOfQueue) {
  start();
  device_.hang();
  auto reading = begin(kRead);
  auto ordered = begin(kTestUnitReady, {}, TaskAttribute::ordered);
  auto sanitizing = begin(sanitize(kImmed | kBlockErase));
  EXPECT_TRUE(sanitizing->done());
  EXPECT_FALSE(ordered->done());
  device_.release();
  turn();
}

TEST_F(Sanitize, GoesOnWhenItsCommandIsGivenUp) {
  start_with_data();
  device_.hang();
  auto sanitizing = begin(sanitize(kBlockErase));
  sanitizing->ticket->cancelled = true;
  router_.reset(lun_to_field(0), nexus_);
  EXPECT_EQ(sense_of(kTestUnitReady), "06/29/03");
  EXPECT_EQ(sense_of(kTestUnitReady), kInProgress);
  device_.release();
  turn();
  EXPECT_EQ(sense_of(kTestUnitReady), kGood);
  EXPECT_EQ(device_.written_blocks(), 0u);
}

TEST_F(Sanitize, AfterAFailureNothingIsServedUntilAnotherSucceeds) {
  start_with_data();
  fail(kBlockErase);
  EXPECT_EQ(sense_of(kRead), kFailed);
  EXPECT_EQ(sense_of(kTestUnitReady), kFailed);
  EXPECT_EQ(hex(send(kRequestSense).data_in),
            squeezed("70 00 03 00000000 0a 00000000 3103 00 000000"));
  EXPECT_EQ(sense_of(kInquiry), kGood);
  EXPECT_EQ(sense_of(cdb({0x4d, 0, 0x40, 0, 0, 0, 0, 0, 64})), kGood);
  EXPECT_EQ(sense_of(sanitize(kExitFailureMode)), "05/24/00") << "AUSE was 0";
  EXPECT_EQ(sense_of(sanitize(kAuse | kBlockErase)), "05/24/00") << "a way out through AUSE";
  EXPECT_EQ(sense_of(kRead), kFailed);
  EXPECT_EQ(sense_of(sanitize(kBlockErase)), kGood);
  EXPECT_EQ(sense_of(kRead), kGood);
}

TEST_F(Sanitize, WithAuseAFailureCanBeLeft) {
  start_with_data();
  EXPECT_EQ(sense_of(sanitize(kExitFailureMode)), kGood) << "nothing to leave";
  fail(kAuse | kBlockErase);
  EXPECT_EQ(sense_of(kRead), kFailed);
  EXPECT_EQ(sense_of(sanitize(kExitFailureMode)), kGood);
  EXPECT_EQ(sense_of(kRead), kGood);
  EXPECT_EQ(device_.written_blocks(), 1u);
}

TEST_F(Sanitize, AFailureInTheBackgroundIsToldAfterwards) {
  start_with_data();
  device_.fail_with(ErrorCode::unavailable);
  EXPECT_EQ(sense_of(sanitize(kImmed | kBlockErase)), kGood);
  device_.fail_with(std::nullopt);
  EXPECT_EQ(sense_of(kTestUnitReady), kFailed);
}

TEST_F(Sanitize, RefusesWhatItCannotDo) {
  start_with_data();
  for (int service_action : {0, kOverwrite, kCryptographicErase, 4, 0x1e}) {
    EXPECT_EQ(sense_of(sanitize(service_action)), "05/24/00") << service_action;
  }
  EXPECT_EQ(sense_of(sanitize(kZnr | kBlockErase)), "05/24/00") << "there are no zones";
  for (int at = 2; at <= 8; ++at) {
    for (int service_action : {kBlockErase, kExitFailureMode}) {
      Cdb sent = sanitize(service_action);
      sent[static_cast<size_t>(at)] = 1;
      EXPECT_EQ(sense_of(sent), "05/24/00") << at;
    }
  }
  EXPECT_EQ(device_.written_blocks(), 1u);
}

TEST_F(Sanitize, RespectsWriteProtectionAndReservations) {
  start_with_data();
  unit_->set_read_only(true);
  EXPECT_EQ(sense_of(kTestUnitReady), "06/2a/01");
  EXPECT_EQ(sense_of(sanitize(kBlockErase)), "07/27/00");
  unit_->set_read_only(false);
  EXPECT_EQ(sense_of(kTestUnitReady), "06/2a/01");
  NexusOptions reader;
  reader.read_only = true;
  EXPECT_EQ(sense_of(sanitize(kBlockErase), {}, log_in(std::move(reader))), "07/27/00");
  EXPECT_EQ(sense_of(cdb({0x16})), kGood);
  EXPECT_EQ(sense_of(sanitize(kBlockErase), {}, log_in()), "status 24");
  EXPECT_EQ(device_.written_blocks(), 1u);
}

// The volume is found as the loss of power, or of the gateway, leaves it: with a record of what was
// under way.
TEST_F(Sanitize, GoesOnAfterALossOfPower) {
  device_.keep_metadata();
  start_with_data();
  device_.hang();
  auto sanitizing = begin(sanitize(kImmed | kBlockErase));
  EXPECT_FALSE(sanitizing->done()) << "GOOD only when it is sure to be done";
  device_.release_one();
  turn();
  EXPECT_TRUE(sanitizing->done());
  EXPECT_EQ(device_.metadata(MetadataKey::sanitize), Bytes{std::byte{1}});
  device_.fail_with(ErrorCode::unavailable);
  device_.release();
  turn();
  EXPECT_EQ(device_.written_blocks(), 1u);
  device_.fail_with(std::nullopt);

  restart();
  nexus_ = router_.attach({});
  device_.hang();
  EXPECT_EQ(sense_of(kTestUnitReady), "06/29/00");
  auto reading = begin(kRead);
  for (int records = 0; records < 3; ++records) {
    device_.release_one();
    turn();
  }
  ASSERT_TRUE(reading->done());
  EXPECT_EQ(sense_code(reading->result->sense), kInProgress);
  device_.release();
  turn();
  EXPECT_EQ(sense_of(kRead), kGood);
  EXPECT_EQ(device_.written_blocks(), 0u);
  EXPECT_TRUE(device_.metadata(MetadataKey::sanitize).empty());
}

TEST_F(Sanitize, IsNotBegunWhenItCannotBeRemembered) {
  device_.keep_metadata();
  start_with_data();
  device_.fail_with(ErrorCode::unavailable);
  EXPECT_EQ(sense_of(sanitize(kBlockErase)), kBusy);
  device_.fail_with(std::nullopt);
  EXPECT_EQ(sense_of(kRead), kGood);
  EXPECT_EQ(device_.written_blocks(), 1u);
}

// Another logical unit of the same disk must not be unmapped under its users.
TEST_F(Sanitize, EndsWithItsLogicalUnit) {
  device_.keep_metadata();
  start_with_data();
  device_.hang();
  auto sanitizing = begin(sanitize(kImmed | kBlockErase));
  device_.release_one();
  turn();
  ASSERT_TRUE(sanitizing->done());
  std::unique_ptr<LogicalUnit> old = router_.remove(0, [] {});
  device_.release();
  turn();
  EXPECT_EQ(device_.written_blocks(), 1u);
  EXPECT_FALSE(device_.metadata(MetadataKey::sanitize).empty()) << "the next unit goes on";
}

}  // namespace
}  // namespace swiftness::scsi::test
