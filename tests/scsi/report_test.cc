// What the unit tells about itself and has counted: MAINTENANCE IN, LOG SENSE, diagnostics, the
// echo buffer, defect lists.
#include "target/scsi/command_table.h"
#include "tests/scsi/fixture.h"

namespace swiftness::scsi::test {
namespace {

class Report : public ScsiTest {
 protected:
  static Cdb operation_codes(int options, int opcode = 0, int action = 0) {
    return cdb({0xa3, 0x0c, options, opcode, action >> 8, action & 0xff, 0, 0, 0xff, 0xff});
  }
  std::string data_of(const Cdb& sent) { return hex(send(sent).data_in); }
};

constexpr int kRctd = 0x80;

// ---- REPORT SUPPORTED OPERATION CODES ---------------------------------------------------------

TEST_F(Report, AllCommandsAreThoseOfTheTable) {
  start();
  const Buffer data = send(operation_codes(0)).data_in.flatten();
  const auto commands = all_commands();
  ASSERT_EQ(data.size(), 4 + 8 * commands.size());
  for (size_t i = 0; i < commands.size(); ++i) {
    const auto* at = &data.bytes()[4 + 8 * i];
    EXPECT_EQ(at[0], std::byte{commands[i].opcode});
    EXPECT_EQ(at[3], std::byte{commands[i].service_action.value_or(0)});
    EXPECT_EQ(at[5], commands[i].service_action ? std::byte{1} : std::byte{0}) << commands[i].name;
    EXPECT_EQ(at[7], std::byte{commands[i].cdb_length});
  }
  EXPECT_EQ(send(operation_codes(kRctd)).data_in.size(), 4 + 20 * commands.size());
}

TEST_F(Report, OneCommandWithItsUsageBits) {
  start();
  EXPECT_EQ(data_of(operation_codes(1, 0x28)), squeezed("00 03 000a 28 f8 ffffffff 00 ffff 04"));
  EXPECT_EQ(data_of(operation_codes(2, 0x9e, 0x10)),
            squeezed("00 03 0010 9e 10 0000000000000000 ffffffff 00 04"));
  EXPECT_EQ(data_of(operation_codes(3, 0x28)), data_of(operation_codes(1, 0x28)));
  EXPECT_EQ(data_of(operation_codes(3, 0x9e, 0x10)), data_of(operation_codes(2, 0x9e, 0x10)));
  EXPECT_EQ(data_of(operation_codes(kRctd | 1, 0x00)),
            squeezed("00 83 0006 00 00 00 00 00 04 000a 00 00 00000000 0000001e"));
}

TEST_F(Report, ACommandThatIsNotThereIsNoError) {
  start();
  for (const Cdb& ask : {operation_codes(1, 0x05), operation_codes(2, 0x05),
                         operation_codes(2, 0x9e, 0x13), operation_codes(3, 0x28, 1)}) {
    EXPECT_EQ(data_of(ask), squeezed("00 01 0000"));
  }
}

TEST_F(Report, AnOptionThatDoesNotFitTheCommandIsAnError) {
  start();
  EXPECT_EQ(sense_of(operation_codes(1, 0x9e, 0x10)), "05/24/00");
  EXPECT_EQ(sense_of(operation_codes(2, 0x28)), "05/24/00");
  for (int option : {4, 5, 6, 7}) EXPECT_EQ(sense_of(operation_codes(option, 0x28)), "05/24/00");
}

TEST_F(Report, TaskManagementFunctions) {
  start();
  EXPECT_EQ(data_of(cdb({0xa3, 0x0d, 0, 0, 0, 0, 0, 0, 0, 16})), squeezed("de 07 00 00"));
  EXPECT_EQ(data_of(cdb({0xa3, 0x0d, 0x80, 0, 0, 0, 0, 0, 0, 16})),
            squeezed("de 07 00 0c 000000000000000000000000"));
}

// ---- REPORT TARGET PORT GROUPS ----------------------------------------------------------------

TEST_F(Report, PortsOfOneGroup) {
  start({.target_ports = {{"iqn.x,t,0x0001", 1, 1}, {"iqn.x,t,0x0002", 2, 1}}},
        {.target_port = {"iqn.x,t,0x0002", 2, 0}});
  EXPECT_EQ(data_of(cdb({0xa3, 0x0a, 0, 0, 0, 0, 0, 0, 0, 64})),
            squeezed("00000010 00 0f 0001 00 00 00 02 0000 0001 0000 0002"));
  EXPECT_EQ(data_of(cdb({0xa3, 0x2a, 0, 0, 0, 0, 0, 0, 0, 64})),
            squeezed("00000014 10 00 0000 00 0f 0001 00 00 00 02 0000 0001 0000 0002"));
  EXPECT_EQ(sense_of(cdb({0xa3, 0x4a, 0, 0, 0, 0, 0, 0, 0, 64})), "05/24/00");
  const std::string designators = data_of(cdb({0x12, 1, 0x83, 1, 0}));
  EXPECT_NE(designators.find("5195000400000001"), std::string::npos) << "the nexus' own group";
}

TEST_F(Report, WithoutKnownPortsThereAreNoGroups) {
  start();
  EXPECT_EQ(sense_of(cdb({0xa3, 0x0a, 0, 0, 0, 0, 0, 0, 0, 64})), "05/24/00");
  EXPECT_EQ(hex(send(kInquiry).data_in).substr(10, 2), "08");
}

// ---- LOG SENSE --------------------------------------------------------------------------------

class LogSense : public Report {
 protected:
  static Cdb log_sense(int page, int subpage = 0, int pointer = 0, int control = 1) {
    return cdb({0x4d, 0, control << 6 | page, subpage, 0, pointer >> 8, pointer & 0xff, 1, 0});
  }
};

TEST_F(LogSense, SupportedPagesAndSubpages) {
  start();
  EXPECT_EQ(data_of(log_sense(0)), squeezed("00 00 0004 00 0c 19 2f"));
  EXPECT_EQ(data_of(log_sense(0, 0xff)), squeezed("40 ff 000a 0000 00ff 0c00 1900 2f00"));
  EXPECT_EQ(send(cdb({0x4d, 0, 0x40, 0, 0, 0, 0, 0, 3})).data_in.size(), 3u);
}

TEST_F(LogSense, ProvisioningCountsMegabytes) {
  device_.resize(10 << 11);
  start();
  send(kWrite, pattern(512, 1));
  EXPECT_EQ(data_of(log_sense(0x0c)), squeezed("8c 00 0018 0001 03 08 00000009 01 000000"
                                               "0002 03 08 00000001 01 000000"));
  EXPECT_EQ(data_of(log_sense(0x0c, 0, 2)), squeezed("8c 00 000c 0002 03 08 00000001 01 000000"));
  EXPECT_EQ(hex(send(cdb({0x12, 1, 0xb2, 0, 8})).data_in).substr(8, 2), "0b") << "2048 blocks each";
}

TEST_F(LogSense, StatisticsCountCommandsAndBlocks) {
  start();
  send(cdb({0x2a, 0, 0, 0, 0, 0, 0, 0, 3}), pattern(1536, 1));
  send(cdb({0x28, 0, 0, 0, 0, 0, 0, 0, 5}));
  send(cdb({0x28, 0, 0, 0, 0, 0, 0, 0, 2}));
  send(kTestUnitReady);
  EXPECT_EQ(data_of(log_sense(0x19)).substr(0, 80),
            squeezed("99 00 005c 0001 00 40 0000000000000002 0000000000000001 0000000000000003"
                     "0000000000000007"));
  EXPECT_EQ(data_of(log_sense(0x19, 0, 3)), squeezed("99 00 000c 0003 03 08 00000006 00000001"));
  EXPECT_EQ(send(log_sense(0x19, 0, 2)).data_in.size(), 4u + 12 + 12) << "idle time and interval";
  EXPECT_EQ(sense_of(log_sense(0x19, 0, 0, 0)), "05/24/00") << "there are no thresholds";
}

TEST_F(LogSense, ThereAreNoExceptions) {
  start();
  EXPECT_EQ(data_of(log_sense(0x2f)), squeezed("af 00 0008 0000 03 04 00 00 ff 00"));
}

TEST_F(LogSense, RefusesWhatIsNotThere) {
  start();
  EXPECT_EQ(sense_of(log_sense(0x02)), "05/24/00");
  EXPECT_EQ(sense_of(log_sense(0x2f, 1)), "05/24/00");
  EXPECT_EQ(sense_of(log_sense(0x0c, 0, 3)), "05/24/00") << "behind the last parameter";
  EXPECT_EQ(sense_of(cdb({0x4d, 0x01, 0x40, 0, 0, 0, 0, 1, 0})), "05/24/00") << "SP";
}

// ---- diagnostics ------------------------------------------------------------------------------

TEST_F(Report, TheSelfTestReadsWhereTheDataAre) {
  start();
  EXPECT_EQ(sense_of(cdb({0x1d, 0, 0, 0, 0})), kGood);
  EXPECT_EQ(device_.calls().reads, 0);
  for (int test : {0x04, 5 << 5, 6 << 5}) EXPECT_EQ(sense_of(cdb({0x1d, test, 0, 0, 0})), kGood);
  EXPECT_EQ(device_.calls().reads, 3);
  device_.fail_with(ErrorCode::corrupt);
  EXPECT_EQ(sense_of(cdb({0x1d, 0x04, 0, 0, 0})), "04/3e/03");
  device_.fail_with(ErrorCode::unavailable);
  EXPECT_EQ(sense_of(cdb({0x1d, 0x04, 0, 0, 0})), kBusy);
}

TEST_F(Report, BackgroundTestsAndPagesAreRefused) {
  start();
  for (int test : {1 << 5, 2 << 5, 4 << 5, 7 << 5, (5 << 5) | 0x04}) {
    EXPECT_EQ(sense_of(cdb({0x1d, test, 0, 0, 0})), "05/24/00") << test;
  }
  EXPECT_EQ(sense_of(cdb({0x1d, 0x10, 0, 0, 4}), pattern(4, 0)), "05/24/00");
  EXPECT_EQ(data_of(cdb({0x1c, 0x01, 0, 0, 64})), squeezed("00 00 0001 00"));
  EXPECT_EQ(sense_of(cdb({0x1c, 0x01, 0x40, 0, 64})), "05/24/00");
}

// ---- READ BUFFER and WRITE BUFFER -------------------------------------------------------------

TEST_F(Report, EachNexusHasAnEchoBuffer) {
  start();
  NexusId other = log_in();
  EXPECT_EQ(data_of(cdb({0x3c, 0x0b, 0, 0, 0, 0, 0, 0, 4})), squeezed("01 00 1000"));
  const Cdb read = cdb({0x3c, 0x0a, 0, 0, 0, 0, 0, 0x10, 0});
  EXPECT_EQ(sense_of(read), "05/2c/00") << "nothing was written yet";
  EXPECT_EQ(sense_of(cdb({0x3b, 0x0a, 0, 0, 0, 0, 0, 0x10, 0}), pattern(4096, 1)), kGood);
  EXPECT_EQ(sense_of(cdb({0x3b, 0x0a, 0, 0, 0, 0, 0, 0, 3}), pattern(3, 2), other), kGood);
  EXPECT_TRUE(send(read).data_in == BufferList(pattern(4096, 1)));
  EXPECT_TRUE(send(read, {}, other).data_in == BufferList(pattern(3, 2)));
}

TEST_F(Report, OtherBuffersAndLargerOnesAreRefused) {
  start();
  EXPECT_EQ(sense_of(cdb({0x3b, 0x0a, 0, 0, 0, 0, 0, 0x10, 1}), pattern(4097, 1)), "05/24/00");
  for (int mode : {0x00, 0x02, 0x05, 0x0e, 0x1a}) {
    EXPECT_EQ(sense_of(cdb({0x3b, mode, 0, 0, 0, 0, 0, 0, 4}), pattern(4, 1)), "05/24/00") << mode;
    EXPECT_EQ(sense_of(cdb({0x3c, mode, 0, 0, 0, 0, 0, 0, 4})), "05/24/00") << mode;
  }
}

// ---- defects and removal ----------------------------------------------------------------------

TEST_F(Report, ThereAreNoDefects) {
  start();
  EXPECT_EQ(data_of(cdb({0x37, 0, 0x1d, 0, 0, 0, 0, 0, 64})), squeezed("00 1d 0000"));
  EXPECT_EQ(data_of(cdb({0xb7, 0x0d, 0, 0, 0, 0, 0, 0, 0, 64})), squeezed("00 0d 0000 00000000"));
}

TEST_F(Report, RemovalIsPreventedAnyway) {
  start();
  for (int prevent : {0, 1}) EXPECT_EQ(sense_of(cdb({0x1e, 0, 0, 0, prevent})), kGood);
  for (int prevent : {2, 3}) EXPECT_EQ(sense_of(cdb({0x1e, 0, 0, 0, prevent})), "05/24/00");
}

}  // namespace
}  // namespace swiftness::scsi::test
