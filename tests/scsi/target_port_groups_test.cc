// Asymmetric access: what REPORT and SET TARGET PORT GROUPS say, and what the states of the groups
// let through.
#include "backend/base/endian.h"
#include "target/scsi/command_table.h"
#include "tests/scsi/copy_fixture.h"

namespace swiftness::scsi::test {
namespace {

constexpr const char* kStandbyPort = "02/04/0b";
constexpr const char* kUnavailablePort = "02/04/0c";
constexpr const char* kChanged = "06/2a/06";
constexpr int kOptimized = 0, kNonOptimized = 1, kStandby = 2, kUnavailable = 3, kOffline = 0x0e;

struct GroupAndState {
  int group;
  int state;
};

class TargetPortGroupsTest : public CopyTest {
 protected:
  // Two nexuses, by port 1 (nexus_) and by port 2.
  void start_with_two_ports(AccessStates states = {}, bool second_may_only_read = false) {
    LogicalUnitOptions options;
    options.target_ports = {{"t1", 1, 1}, {"t2", 2, 2}};
    options.access_states = std::move(states);
    start(std::move(options), {.target_port = {"t1", 1, 0}});
    second_ = log_in({.read_only = second_may_only_read, .target_port = {"t2", 2, 0}});
  }

  static Bytes list_of(const std::vector<GroupAndState>& wanted) {
    Bytes list(4 + 4 * wanted.size());
    for (size_t i = 0; i < wanted.size(); ++i) {
      list[4 + 4 * i] = static_cast<std::byte>(wanted[i].state);
      store_be(&list[4 + 4 * i + 2], static_cast<uint16_t>(wanted[i].group));
    }
    return list;
  }
  static Cdb set_cdb(size_t length) {
    return cdb({0xa4, 0x0a, 0, 0, 0, 0, 0, 0, static_cast<int>(length >> 8),
                static_cast<int>(length & 0xff)});
  }
  ScsiResult set(const Bytes& list, std::optional<NexusId> by = {}) {
    return send(set_cdb(list.size()), BufferList(Buffer::copy_of(list)), by);
  }
  std::string set(const std::vector<GroupAndState>& wanted, std::optional<NexusId> by = {}) {
    return outcome(set(list_of(wanted), by));
  }
  std::string ready(NexusId nexus) { return sense_of(kTestUnitReady, {}, nexus); }

  // "group 1: state 0, status 1; ..." of REPORT TARGET PORT GROUPS.
  std::string states() {
    const Buffer data = send(cdb({0xa3, 0x0a, 0, 0, 0, 0, 0, 0, 1, 0})).data_in.flatten();
    std::string out;
    for (size_t at = 4; at + 8 <= data.size();
         at += 8 + 4 * std::to_integer<size_t>(data.data()[at + 7])) {
      out += fmt::format("{}:{}/{} ", load_be<uint16_t>(data.data() + at + 2),
                         std::to_integer<int>(data.data()[at]),
                         std::to_integer<int>(data.data()[at + 5]));
    }
    return out;
  }

  NexusId second_;
};

TEST_F(TargetPortGroupsTest, AreReportedInBothFormats) {
  start_with_two_ports({{2, AccessState::standby}});
  const std::string groups =
      "00 0f 0001 00 00 00 01 0000 0001"
      "02 0f 0002 00 00 00 01 0000 0002";
  EXPECT_EQ(hex(send(cdb({0xa3, 0x0a, 0, 0, 0, 0, 0, 0, 0, 64})).data_in),
            squeezed("00000018" + groups));
  EXPECT_EQ(hex(send(cdb({0xa3, 0x2a, 0, 0, 0, 0, 0, 0, 0, 64})).data_in),
            squeezed("0000001c 10 00 0000" + groups));
}

TEST_F(TargetPortGroupsTest, AreManagedImplicitlyAndExplicitly) {
  start_with_two_ports({}, true);
  EXPECT_EQ(hex(send(kInquiry).data_in).substr(10, 2), "38") << "TPGS 11b; 3PC";
  EXPECT_EQ(hex(send(kInquiry, {}, second_).data_in).substr(10, 2), "18")
      << "01b: this one may only read";
  EXPECT_EQ(hex(send(cdb({0xa3, 0x0c, 2, 0xa4, 0, 0x0a, 0, 0, 0, 64})).data_in),
            squeezed("00 03 000c a4 0a 00000000 ffffffff 00 04"));
}

TEST_F(TargetPortGroupsTest, AreSetAndTheOthersAreTold) {
  start_with_two_ports({{2, AccessState::standby}});
  const NexusId third = log_in({.target_port = {"t2", 2, 0}});
  EXPECT_EQ(set({{1, kNonOptimized}, {2, kOptimized}}, second_), kGood)
      << "through a port in standby";
  EXPECT_EQ(ready(second_), kGood);
  EXPECT_EQ(ready(nexus_), kChanged);
  EXPECT_EQ(ready(nexus_), kGood) << "once";
  EXPECT_EQ(ready(third), kChanged);
  EXPECT_EQ(states(), "1:1/1 2:0/1 ");
  EXPECT_EQ(set({{1, kNonOptimized}}), kGood) << "it is";
  EXPECT_EQ(ready(second_), kGood) << "nothing changed";
}

TEST_F(TargetPortGroupsTest, AListIsTakenAsAWholeOrNotAtAll) {
  start_with_two_ports();
  const auto wrong_at = [this](const std::vector<GroupAndState>& wanted) {
    const ScsiResult result = set(list_of(wanted));
    EXPECT_EQ(outcome(result), "05/26/00");
    return result.sense.size() < 18 ? "" : to_hex(std::span(result.sense).subspan(15, 3));
  };
  EXPECT_EQ(wrong_at({{1, kStandby}, {3, kOptimized}}), "80000a") << "no such group";
  EXPECT_EQ(wrong_at({{1, kStandby}, {2, kOffline}}), "8b0008");
  EXPECT_EQ(wrong_at({{1, kStandby}, {2, 0x0f}}), "8b0008") << "transitioning";
  EXPECT_EQ(wrong_at({{1, 4}}), "8b0004") << "logical block dependent";
  EXPECT_EQ(wrong_at({{1, kStandby}, {2, kStandby}, {1, kOptimized}}), "80000e") << "twice";
  EXPECT_EQ(states(), "1:0/0 2:0/0 ");
  EXPECT_EQ(ready(second_), kGood);
}

TEST_F(TargetPortGroupsTest, AListHasWholeDescriptors) {
  start_with_two_ports();
  EXPECT_EQ(sense_of(set_cdb(0)), kGood) << "an empty one is no error";
  EXPECT_EQ(outcome(set(Bytes(4))), kGood);
  for (size_t length : {1, 3, 6, 11}) EXPECT_EQ(outcome(set(Bytes(length))), "05/24/00");
  Bytes longest(4 + 256 * 4);
  longest[7] = std::byte{1};
  EXPECT_EQ(outcome(set(longest)), "05/26/00") << "group 1, then group 0";
  EXPECT_EQ(outcome(set(Bytes(4 + 257 * 4))), "05/24/00");
}

TEST_F(TargetPortGroupsTest, StandbyAndUnavailableLetThroughWhatTheyMay) {
  start_with_two_ports({{1, AccessState::standby}, {2, AccessState::unavailable}});
  const std::string always =
      " INQUIRY, REPORT LUNS, REQUEST SENSE, REPORT TARGET PORT GROUPS, SET TARGET PORT GROUPS,";
  const std::string in_standby =
      always +
      " LOG SENSE, MODE SELECT(6), MODE SELECT(10), MODE SENSE(6), MODE SENSE(10),"
      " RECEIVE DIAGNOSTIC RESULTS, SEND DIAGNOSTIC, READ BUFFER(10), WRITE BUFFER,"
      " READ CAPACITY(10), READ CAPACITY(16), READ KEYS, READ RESERVATION, REPORT CAPABILITIES,"
      " READ FULL STATUS, REGISTER, RESERVE, RELEASE, CLEAR, PREEMPT, PREEMPT AND ABORT,"
      " REGISTER AND IGNORE EXISTING KEY, REGISTER AND MOVE,";
  for (const CommandDescriptor& command : all_commands()) {
    const std::string name = " " + std::string(command.name) + ",";
    Cdb sent{};
    sent[0] = command.opcode;
    sent[1] = command.service_action.value_or(0);
    EXPECT_EQ(sense_of(sent) == kStandbyPort, in_standby.find(name) == std::string::npos) << name;
    EXPECT_EQ(sense_of(sent, {}, second_) == kUnavailablePort,
              always.find(name) == std::string::npos)
        << name;
  }
  EXPECT_EQ(hex(send(cdb({0x03, 0, 0, 0, 252})).data_in),
            squeezed("70 00 02 00000000 0a 00000000 040b 00 000000"));
}

TEST_F(TargetPortGroupsTest, OnlyThePortOfTheNexusCounts) {
  start_with_two_ports();
  EXPECT_EQ(set({{2, kUnavailable}}), kGood);
  EXPECT_EQ(ready(second_), kChanged);
  EXPECT_EQ(ready(second_), kUnavailablePort);
  EXPECT_EQ(sense_of(kWrite, pattern(512, 1)), kGood);
  EXPECT_EQ(sense_of(kRead, {}, second_), kUnavailablePort);
  EXPECT_EQ(set({{1, kNonOptimized}}), kGood);
  EXPECT_EQ(sense_of(kWrite, pattern(512, 2)), kGood) << "not optimized, yet active";
}

TEST_F(TargetPortGroupsTest, AWriteWhosePortGoesToStandbyWritesNothing) {
  start_with_two_ports();
  Command write = command(kWrite, 512, second_, 0);
  ASSERT_FALSE(router_.plan(write).final) << "its data are on their way";
  EXPECT_EQ(set({{2, kStandby}}), kGood);
  auto flight = std::make_shared<Flight>();
  asio::co_spawn(io_,
                 land(router_.execute(write, BufferList(pattern(512, 1)), flight->ticket), flight),
                 [](std::exception_ptr failure) { EXPECT_FALSE(failure); });
  turn();
  ASSERT_TRUE(flight->done());
  EXPECT_EQ(sense_code(flight->result->sense), kStandbyPort);
  EXPECT_EQ(device_.calls().writes, 0);
}

TEST_F(TargetPortGroupsTest, WhoMayOnlyReadDoesNotSet) {
  start_with_two_ports({{2, AccessState::standby}}, true);
  EXPECT_EQ(set({{1, kUnavailable}, {2, kOptimized}}, second_), "07/27/00");
  EXPECT_EQ(states(), "1:0/0 2:2/0 ");
}

TEST_F(TargetPortGroupsTest, AReservationKeepsOthersFromSettingNotFromAsking) {
  start_with_two_ports();
  Bytes list(24);
  list[15] = std::byte{1};
  EXPECT_EQ(sense_of(cdb({0x5f, 0x00, 0, 0, 0, 0, 0, 0, 24}), BufferList(Buffer::copy_of(list))),
            kGood);
  std::swap(list[15], list[7]);
  EXPECT_EQ(sense_of(cdb({0x5f, 0x01, 1, 0, 0, 0, 0, 0, 24}), BufferList(Buffer::copy_of(list))),
            kGood);
  EXPECT_EQ(set({{1, kStandby}}, second_), "status 24") << "RESERVATION CONFLICT";
  EXPECT_EQ(sense_of(cdb({0xa3, 0x0a, 0, 0, 0, 0, 0, 0, 0, 64}), {}, second_), kGood);
  EXPECT_EQ(set({{1, kNonOptimized}}), kGood);
}

// What was set lasts until the configuration says something else of the same group.
TEST_F(TargetPortGroupsTest, TheConfigurationChangesTheGroupsItSaysSomethingNewOf) {
  start_with_two_ports({{2, AccessState::standby}});
  EXPECT_EQ(set({{1, kNonOptimized}, {2, kOptimized}}), kGood);
  EXPECT_EQ(ready(second_), kChanged);
  unit_->set_access_states({{2, AccessState::standby}});
  EXPECT_EQ(states(), "1:1/1 2:0/1 ") << "nothing new";
  EXPECT_EQ(ready(second_), kGood);
  unit_->set_access_states({{2, AccessState::unavailable}});
  for (NexusId nexus : {nexus_, second_}) EXPECT_EQ(ready(nexus), kChanged);
  EXPECT_EQ(states(), "1:1/1 2:3/2 ");
  EXPECT_EQ(sense_of(cdb({0x25}), {}, second_), kUnavailablePort);
  unit_->set_access_states({});
  for (NexusId nexus : {nexus_, second_}) EXPECT_EQ(ready(nexus), kChanged);
  EXPECT_EQ(ready(second_), kGood);
  EXPECT_EQ(states(), "1:1/1 2:0/2 ");
}

// Copies that another logical unit was asked for, or that write with a token of another.
TEST_F(TargetPortGroupsTest, NoCopyPassesAPortInStandby) {
  start_with_two_ports();
  add_second(1);
  second_ = log_in({.target_port = {"t2", 2, 0}});
  for (int i = 0; i < 3; ++i) send(kTestUnitReady, {}, second_, 1);
  send(kTestUnitReady);  // there is another logical unit
  const CopyList copy{.targets = {target_descriptor(device_.geometry().identity)},
                      .segments = {segment_descriptor(0, 0, 8, 0, 64)}};
  const std::vector<Range> range{{0, 8}};
  const Bytes populate = populate_list(range);
  EXPECT_EQ(outcome(extended_copy(copy.lid1(), 1, second_)), kGood);
  EXPECT_EQ(set({{2, kStandby}}), kGood);
  EXPECT_EQ(ready(second_), kChanged);
  EXPECT_EQ(outcome(extended_copy(copy.lid1(), 1, second_)), kStandbyPort);
  EXPECT_EQ(outcome(extended_copy(copy.lid1(), 0, second_)), kStandbyPort);
  EXPECT_EQ(outcome(send(copy_out(0x10, populate.size(), 5), BufferList(Buffer::copy_of(populate)),
                         second_)),
            kStandbyPort);
  const RodTokenData token = this->populate(0, range);
  EXPECT_EQ(write_using(token, 0, {{64, 8}}, 0, 0, second_), kStandbyPort);
  EXPECT_EQ(write_using(token, 1, {{8, 8}}, 0, 0, second_), kStandbyPort) << "from where it reads";
}

}  // namespace
}  // namespace swiftness::scsi::test
