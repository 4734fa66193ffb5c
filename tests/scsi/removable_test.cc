#include "target/scsi/command_table.h"
#include "tests/scsi/fixture.h"

namespace swiftness::scsi::test {
namespace {

class Removable : public ScsiTest {
 protected:
  static constexpr const char* kNoMedium = "02/3a/00";
  static constexpr const char* kPrevented = "05/53/02";
  const Cdb kEject = cdb({0x1b, 0, 0, 0, 0x02});
  const Cdb kLoad = cdb({0x1b, 0, 0, 0, 0x03});
  const Cdb kPrevent = cdb({0x1e, 0, 0, 0, 1});
  const Cdb kAllow = cdb({0x1e, 0, 0, 0, 0});

  void start_removable(NexusOptions nexus = {}) {
    LogicalUnitOptions options;
    options.removable = true;
    options.target_ports = {{"t1", 1, 1}};
    start(std::move(options), std::move(nexus));
  }
};

TEST_F(Removable, SaysSo) {
  start_removable();
  EXPECT_EQ(hex(send(kInquiry).data_in).substr(0, 4), "0080");
}

TEST_F(Removable, IsEjectedAndLoadedAgain) {
  start_removable();
  const NexusId other = log_in();
  EXPECT_EQ(sense_of(kWrite, pattern(512, 1)), kGood);
  const int flushes = device_.calls().flushes;
  EXPECT_EQ(sense_of(kEject), kGood);
  EXPECT_EQ(device_.calls().flushes, flushes + 1);
  for (NexusId nexus : {nexus_, other}) {
    EXPECT_EQ(sense_of(kTestUnitReady, {}, nexus), kNoMedium);
    EXPECT_EQ(sense_of(kRead, {}, nexus), kNoMedium);
    EXPECT_EQ(sense_of(kWrite, pattern(512, 2), nexus), kNoMedium);
  }
  EXPECT_EQ(hex(send(cdb({0x03, 0, 0, 0, 252})).data_in),
            squeezed("70 00 02 00000000 0a 00000000 3a00 00 000000"));
  EXPECT_EQ(sense_of(cdb({0x1b, 0, 0, 0, 1})), kNoMedium) << "there is nothing to start";
  EXPECT_EQ(sense_of(kEject), kGood) << "once more";
  EXPECT_EQ(sense_of(kLoad), kGood);
  EXPECT_EQ(sense_of(kTestUnitReady), kGood);
  EXPECT_EQ(sense_of(kTestUnitReady, {}, other), "06/28/00");
  EXPECT_EQ(sense_of(kTestUnitReady, {}, other), kGood);
  EXPECT_EQ(sense_of(kLoad), kGood) << "it is loaded";
  EXPECT_EQ(sense_of(kTestUnitReady, {}, other), kGood);
  EXPECT_EQ(hex(send(kRead).data_in), hex(BufferList(pattern(512, 1))));
}

TEST_F(Removable, StoppingItDoesNotEject) {
  start_removable();
  EXPECT_EQ(sense_of(cdb({0x1b, 0, 0, 0, 0})), kGood);
  EXPECT_EQ(sense_of(kTestUnitReady), kGood);
}

TEST_F(Removable, WithImmedIsEjectedBeforeItIsFlushed) {
  start_removable();
  device_.hang();
  EXPECT_EQ(sense_of(cdb({0x1b, 1, 0, 0, 0x02})), kGood);
  EXPECT_EQ(sense_of(kTestUnitReady), kNoMedium);
  device_.release();
  turn();
}

TEST_F(Removable, StaysWhenItCannotBeFlushed) {
  start_removable();
  device_.fail_with(ErrorCode::unavailable);
  EXPECT_EQ(sense_of(kEject), kBusy);
  device_.fail_with(std::nullopt);
  EXPECT_EQ(sense_of(kTestUnitReady), kGood);
}

TEST_F(Removable, ItsRemovalIsPreventedByAnyNexus) {
  start_removable();
  const NexusId other = log_in();
  EXPECT_EQ(sense_of(kPrevent), kGood);
  EXPECT_EQ(sense_of(kPrevent, {}, other), kGood);
  for (NexusId nexus : {nexus_, other}) EXPECT_EQ(sense_of(kEject, {}, nexus), kPrevented);
  EXPECT_EQ(sense_of(kAllow), kGood);
  EXPECT_EQ(sense_of(kEject), kPrevented) << "the other still does";
  EXPECT_EQ(sense_of(kTestUnitReady), kGood);
  EXPECT_EQ(sense_of(kAllow, {}, other), kGood);
  EXPECT_EQ(sense_of(kEject), kGood);
  EXPECT_EQ(sense_of(kPrevent), kGood) << "also without a medium";
  EXPECT_EQ(sense_of(kLoad), kPrevented);
}

TEST_F(Removable, APreventionThatComesDuringTheFlushCounts) {
  start_removable();
  device_.hang();
  auto ejecting = begin(kEject);
  EXPECT_EQ(sense_of(kPrevent), kGood);
  device_.release();
  turn();
  ASSERT_TRUE(ejecting->done());
  EXPECT_EQ(sense_code(ejecting->result->sense), kPrevented);
  EXPECT_EQ(sense_of(kTestUnitReady), kGood);
}

// SPC-5 6.18: reset, loss of the nexus, PREEMPT AND ABORT.
TEST_F(Removable, PreventionEndsWithItsNexusOrAReset) {
  NexusOptions named;
  named.initiator_port = "iqn.x:a,i,0x1";
  named.target_port = {"t1", 1, 1};
  start_removable(std::move(named));
  const NexusId leaving = log_in();
  EXPECT_EQ(sense_of(kPrevent, {}, leaving), kGood);
  router_.detach(leaving);
  EXPECT_EQ(sense_of(kEject), kGood);
  EXPECT_EQ(sense_of(kLoad), kGood);

  EXPECT_EQ(sense_of(kPrevent), kGood);
  router_.reset_nexus(nexus_);
  EXPECT_EQ(sense_of(kEject), "06/29/07");
  EXPECT_EQ(sense_of(kEject), kGood);
  EXPECT_EQ(sense_of(kLoad), kGood);

  EXPECT_EQ(sense_of(kPrevent), kGood);
  router_.reset(lun_to_field(0), nexus_);
  EXPECT_EQ(sense_of(kEject), "06/29/03");
  EXPECT_EQ(sense_of(kEject), kGood);
  EXPECT_EQ(sense_of(kLoad), kGood);

  NexusOptions other;
  other.initiator_port = "iqn.x:b,i,0x1";
  other.target_port = {"t1", 1, 1};
  const NexusId preempting = log_in(std::move(other));
  const auto reserve_out = [this](NexusId nexus, int action, uint8_t key, uint8_t service_key) {
    Bytes list(24);
    list[7] = std::byte{key};
    list[15] = std::byte{service_key};
    return sense_of(cdb({0x5f, action, 0, 0, 0, 0, 0, 0, 24}), BufferList(Buffer::own(list)),
                    nexus);
  };
  EXPECT_EQ(reserve_out(nexus_, 0, 0, 1), kGood);
  EXPECT_EQ(reserve_out(preempting, 0, 0, 2), kGood);
  EXPECT_EQ(sense_of(kPrevent), kGood);
  EXPECT_EQ(reserve_out(preempting, 5, 2, 1), kGood);
  EXPECT_EQ(sense_of(kEject, {}, preempting), kGood);
}

// Whoever adds a command has to say here when it asks for nothing of the medium.
TEST_F(Removable, WithoutAMediumOnlyWhatDoesNotAskForItIsAnswered) {
  start_removable();
  EXPECT_EQ(sense_of(kEject), kGood);
  const std::string without_medium =
      " REQUEST SENSE, INQUIRY, MODE SELECT(6), MODE SELECT(10), MODE SENSE(6), MODE SENSE(10),"
      " RESERVE(6), RESERVE(10), RELEASE(6), RELEASE(10), RECEIVE DIAGNOSTIC RESULTS,"
      " PREVENT ALLOW MEDIUM REMOVAL, WRITE BUFFER, READ BUFFER(10), LOG SENSE, READ KEYS,"
      " READ RESERVATION, REPORT CAPABILITIES, READ FULL STATUS, REGISTER, RESERVE, RELEASE, CLEAR,"
      " PREEMPT, PREEMPT AND ABORT, REGISTER AND IGNORE EXISTING KEY, REGISTER AND MOVE,"
      " COPY OPERATION ABORT, RECEIVE COPY STATUS(LID1), RECEIVE COPY DATA(LID1),"
      " RECEIVE COPY OPERATING PARAMETERS, RECEIVE COPY FAILURE DETAILS(LID1),"
      " RECEIVE COPY STATUS(LID4), RECEIVE ROD TOKEN INFORMATION, REPORT LUNS,"
      " REPORT IDENTIFYING INFORMATION, REPORT TARGET PORT GROUPS, SET TARGET PORT GROUPS,"
      " REPORT SUPPORTED OPERATION CODES, REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS,"
      " SET IDENTIFYING INFORMATION,";
  for (const CommandDescriptor& command : all_commands()) {
    if (command.opcode == kEject[0]) continue;
    const std::string name = " " + std::string(command.name) + ",";
    Cdb sent{};
    sent[0] = command.opcode;
    sent[1] = command.service_action.value_or(0);
    const bool answered = sense_of(sent) != kNoMedium;
    EXPECT_EQ(answered, without_medium.find(name) != std::string::npos) << name;
  }
}

TEST_F(Removable, MayCeaseToBe) {
  start_removable();
  EXPECT_EQ(sense_of(kEject), kGood);
  unit_->set_removable(false);
  EXPECT_EQ(sense_of(kTestUnitReady), "06/28/00");
  EXPECT_EQ(sense_of(kTestUnitReady), "06/3f/03");
  EXPECT_EQ(sense_of(kTestUnitReady), kGood) << "its medium is back";
  EXPECT_EQ(hex(send(kInquiry).data_in).substr(0, 4), "0000");
  EXPECT_EQ(sense_of(kEject), "05/24/00");
  EXPECT_EQ(sense_of(kPrevent), kGood);
  unit_->set_removable(true);
  EXPECT_EQ(sense_of(kTestUnitReady), "06/3f/03");
  EXPECT_EQ(sense_of(kEject), kGood);
}

}  // namespace
}  // namespace swiftness::scsi::test
