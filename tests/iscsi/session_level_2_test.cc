// The task management functions of iSCSIProtocolLevel 2 (RFC 7144).
#include <gtest/gtest.h>

#include "tests/iscsi/joined_connections.h"

namespace swiftness::test {
namespace {

using namespace iscsi;
using Information = std::array<uint8_t, 3>;
using Asc = std::pair<uint8_t, uint8_t>;

constexpr uint8_t kFunctionComplete = 0, kLunDoesNotExist = 2, kFunctionSucceeded = 7,
                  kFunctionRejected = 255;
constexpr uint64_t kNoSuchLun = 0x0009000000000000;

LoginOptions level(const char* value, uint8_t isid = 1) {
  LoginOptions options;
  options.isid[5] = isid;
  options.keys = kUsualKeys;
  options.keys.emplace_back("iSCSIProtocolLevel", value);
  return options;
}

KeyList level_2_keys() {
  return level("2").keys;
}

TEST(Level2, ItsFunctionsAreRejectedWhereItWasNotAgreedOn) {
  TestTarget target;
  LoginOptions nothing;
  nothing.isid[5] = 3;
  for (const LoginOptions& options : {level("1"), level("0", 2), nothing}) {
    auto initiator = logged_in(target, options);
    for (uint8_t function : {kQueryTask, kQueryTaskSet, kItNexusReset, kQueryAsynchronousEvent}) {
      EXPECT_EQ(initiator->task_management(function, 0), kFunctionRejected) << int{function};
    }
    EXPECT_EQ(initiator->run(test_unit_ready())->status, 0) << "no unit attention of a reset";
  }
  auto initiator = logged_in(target, level("2", 4));
  EXPECT_EQ(initiator->task_management(13, 0), kFunctionRejected);
  EXPECT_EQ(initiator->task_management(kLunReset, 0), kFunctionComplete) << "as ever";
}

TEST(Level2, QueryTask) {
  TestTarget target;
  auto initiator = logged_in(target, level("2"));
  target.hang();
  uint32_t tag = initiator->queue_command(write10(0, pattern(512, 1)));
  initiator->flush();
  ASSERT_TRUE(target.wait_for_hanging(1));
  EXPECT_EQ(initiator->task_management(kQueryTask, 0, tag), kFunctionSucceeded);
  EXPECT_EQ(initiator->information(), Information{});
  EXPECT_EQ(initiator->task_management(kQueryTask, 0, tag + 1000), kFunctionComplete);
  EXPECT_EQ(initiator->task_management(kQueryTask, kNoSuchLun, tag), kLunDoesNotExist);
  target.add_unit(3);
  EXPECT_EQ(initiator->task_management(kQueryTask, 0x0003000000000000, tag), kFunctionComplete)
      << "it is a task of LUN 0";
  auto other = logged_in(target, level("2", 2));
  EXPECT_EQ(other->task_management(kQueryTask, 0, tag), kFunctionComplete) << "of another nexus";
  target.release();
  ASSERT_TRUE(initiator->complete(tag)) << "a query ends nothing";
  EXPECT_EQ(initiator->task_management(kQueryTask, 0, tag), kFunctionComplete);
}

TEST(Level2, QueryTaskSet) {
  TestTarget target;
  auto initiator = logged_in(target, level("2"));
  auto other = logged_in(target, level("2", 2));
  EXPECT_EQ(initiator->task_management(kQueryTaskSet, 0), kFunctionComplete);
  target.hang();
  uint32_t tag = initiator->queue_command(write10(0, pattern(512, 1)));
  initiator->flush();
  ASSERT_TRUE(target.wait_for_hanging(1));
  EXPECT_EQ(initiator->task_management(kQueryTaskSet, 0), kFunctionSucceeded);
  EXPECT_EQ(initiator->task_management(kQueryTaskSet, kNoSuchLun), kLunDoesNotExist);
  EXPECT_EQ(other->task_management(kQueryTaskSet, 0), kFunctionComplete);
  EXPECT_EQ(initiator->task_management(kAbortTask, 0, tag), kFunctionComplete);
  EXPECT_EQ(initiator->task_management(kQueryTaskSet, 0), kFunctionComplete)
      << "it still hangs in the disk, but is no task any more";
}

TEST(Level2, QueryAsynchronousEvent) {
  TestTarget target;
  auto initiator = logged_in(target, level("2"));
  EXPECT_EQ(initiator->task_management(kQueryAsynchronousEvent, 0), kFunctionComplete);
  EXPECT_EQ(initiator->information(), Information{});
  EXPECT_EQ(initiator->task_management(kQueryAsynchronousEvent, kNoSuchLun), kLunDoesNotExist);
  EXPECT_EQ(initiator->task_management(kLunReset, 0), kFunctionComplete);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(initiator->task_management(kQueryAsynchronousEvent, 0), kFunctionSucceeded);
    EXPECT_EQ(initiator->information(), (Information{0x16, 0x29, 0x03}));
  }
  target.on_shard([&target] { target.device().resize(2 * kBlocks); });
  EXPECT_EQ(initiator->task_management(kQueryAsynchronousEvent, 0), kFunctionSucceeded);
  EXPECT_EQ(initiator->information(), (Information{0x26, 0x29, 0x03})) << "there are more";
  EXPECT_EQ(initiator->run(test_unit_ready())->asc(), (Asc{0x29, 0x03}));
  EXPECT_EQ(initiator->task_management(kQueryAsynchronousEvent, 0), kFunctionSucceeded);
  EXPECT_EQ(initiator->information(), (Information{0x16, 0x2a, 0x09}));
  EXPECT_EQ(initiator->run(test_unit_ready())->asc(), (Asc{0x2a, 0x09}));
  EXPECT_EQ(initiator->task_management(kQueryAsynchronousEvent, 0), kFunctionComplete);
}

TEST(Level2, ItNexusResetEndsTheTasksOfItsNexusAlone) {
  TestTarget target;
  auto initiator = logged_in(target, level("2"));
  auto other = logged_in(target, level("2", 2));
  target.hang();
  uint32_t window = initiator->window();
  for (uint32_t i = 0; i < window; ++i) initiator->queue_command(write10(8, pattern(512, 1)));
  initiator->flush();
  uint32_t tag = other->queue_command(write10(0, pattern(512, 2)));
  other->flush();
  ASSERT_TRUE(target.wait_for_hanging(window + 1));
  EXPECT_EQ(initiator->window(), 0u);
  EXPECT_EQ(initiator->task_management(kItNexusReset, kNoSuchLun), kFunctionComplete)
      << "its LUN is reserved";
  EXPECT_GE(initiator->window(), window) << "MaxCmdSN moved with the response";
  EXPECT_EQ(initiator->task_management(kQueryTaskSet, 0), kFunctionComplete);
  EXPECT_EQ(initiator->run(test_unit_ready())->asc(), (Asc{0x29, 0x07}));
  EXPECT_EQ(initiator->run(test_unit_ready())->status, 0);
  target.release();
  auto answer = other->complete(tag);
  ASSERT_TRUE(answer) << "of another nexus";
  EXPECT_EQ(answer->status, 0);
  EXPECT_EQ(other->run(test_unit_ready())->status, 0);
  EXPECT_EQ(initiator->run(read10(8, 1))->data, Octets(512)) << "given up in time: never written";
  EXPECT_EQ(target.sessions().size(), 2u) << "the sessions live on";
}

TEST(Level2, TheyAreForAllConnectionsOfTheSession) {
  TestTarget target;
  JoinedConnections session(target, 3, level_2_keys());
  target.hang();
  uint32_t tag = session.by(1).queue_command(write10(0, pattern(512, 1)));
  session.by(1).flush();
  ASSERT_TRUE(target.wait_for_hanging(1));
  EXPECT_EQ(session.task_management(2, kQueryTask, tag), kFunctionSucceeded);
  EXPECT_EQ(session.task_management(0, kQueryTaskSet), kFunctionSucceeded);
  EXPECT_EQ(session.task_management(0, kItNexusReset), kFunctionComplete);
  EXPECT_EQ(session.task_management(1, kQueryTask, tag), kFunctionComplete);
  EXPECT_EQ(session.by(2).run(test_unit_ready())->asc(), (Asc{0x29, 0x07}));
  EXPECT_EQ(session.by(1).run(test_unit_ready())->status, 0) << "one nexus, told once";
  EXPECT_EQ(target.sessions().size(), 1u);
}

// RFC 7143 4.2.3.3: as with the other functions for sets.
TEST(Level2, ItNexusResetEndsCommandsThatAreStillOnTheirWay) {
  TestTarget target;
  JoinedConnections session(target, 2, level_2_keys());
  uint32_t late = session.by(0).cmd_sn;
  RawInitiator& other = session.by(1);
  other.cmd_sn = late + 1;
  EXPECT_EQ(session.task_management(1, kItNexusReset), kFunctionComplete);
  session.by(0).cmd_sn = late;
  session.by(0).queue_command(write10(0, pattern(512, 1)));
  session.by(0).flush();
  ASSERT_TRUE(session.by(1).receive_kind(Opcode::nop_in)) << "nothing says that the window is open";
  EXPECT_EQ(target.sessions()[0].in_flight, 0u);
  EXPECT_EQ(session.by(1).run(test_unit_ready())->asc(), (Asc{0x29, 0x07}));
  EXPECT_EQ(session.by(0).run(read10(0, 1))->data, Octets(512));
}

}  // namespace
}  // namespace swiftness::test
