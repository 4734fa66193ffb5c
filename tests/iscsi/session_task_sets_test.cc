// Task management in a session with several connections: it reaches the tasks of all of them, and
// those alone that were sent before it.
#include <gtest/gtest.h>

#include "tests/iscsi/joined_connections.h"

namespace swiftness::test {
namespace {

using namespace iscsi;

std::pair<uint8_t, uint8_t> sense(uint8_t code, uint8_t qualifier) {
  return {code, qualifier};
}

TEST(TaskSets, AbortTaskOfAnotherConnection) {
  TestTarget target;
  JoinedConnections session(target, 2);
  target.hang();
  uint32_t tag = session.by(0).queue_command(write10(0, pattern(512, 1)));
  session.by(0).flush();
  ASSERT_TRUE(target.wait_for_hanging(1));
  EXPECT_EQ(session.task_management(1, kAbortTask, tag), 0);
  EXPECT_EQ(target.sessions()[0].in_flight, 0u);
  target.release();
  EXPECT_EQ(session.by(1).run(read10(0, 1))->data, Octets(512));
}

TEST(TaskSets, LunResetEndsTheTasksOfAllConnectionsAndOpensTheWindow) {
  TestTarget target;
  JoinedConnections session(target, 4);
  target.hang();
  uint32_t window = session.by(0).window();
  for (uint32_t i = 0; i < window; ++i) {
    session.by(i % 4).queue_command(write10(i, pattern(512, i)));
    session.by(i % 4).flush();
  }
  ASSERT_TRUE(target.wait_for_hanging(window));
  EXPECT_EQ(session.by(2).window(), 0u);
  EXPECT_EQ(session.task_management(2, kLunReset), 0);
  EXPECT_GE(session.by(2).window(), window);
  target.release();
  EXPECT_EQ(session.by(3).run(test_unit_ready())->asc(), sense(0x29, 0x03));
  EXPECT_EQ(session.by(1).run(read10(0, 1))->data, Octets(512));
}

// RFC 7143 4.2.3.3: what was sent before it is of its set, though it comes by another connection
// and later. It ends as it comes; the window opens without an answer to it.
TEST(TaskSets, LunResetEndsCommandsThatAreStillOnTheirWay) {
  TestTarget target;
  JoinedConnections session(target, 2);
  uint32_t late = session.by(0).cmd_sn;
  session.by(0).acknowledge();
  RawInitiator& other = session.by(1);
  uint32_t window = other.window();
  other.cmd_sn = late + window;  // all of the window was sent by connection 0, none has come
  EXPECT_EQ(other.task_management(kLunReset, 0), 0);
  EXPECT_EQ(other.window(), 0u);

  RawInitiator& first = session.by(0);
  first.cmd_sn = late;
  for (uint32_t i = 0; i < window; ++i) first.queue_command(write10(0, pattern(512, 1)));
  first.flush();
  while (other.window() < window) {
    ASSERT_TRUE(other.receive_kind(Opcode::nop_in)) << "nothing says that the window is open";
  }
  EXPECT_EQ(target.sessions()[0].in_flight, 0u);
  session.by(1).cmd_sn = late + window;
  EXPECT_EQ(session.by(1).run(test_unit_ready())->asc(), sense(0x29, 0x03));
  EXPECT_EQ(session.by(0).run(read10(0, 1))->data, Octets(512));
  EXPECT_EQ(session.by(1).run(write10(0, pattern(512, 3)))->status, 0) << "sent after the reset";
  EXPECT_EQ(session.by(0).run(read10(0, 1))->data, pattern(512, 3));
}

TEST(TaskSets, CommandsThatWereSentAfterwardsLiveOn) {
  TestTarget target;
  JoinedConnections session(target, 2);
  uint32_t before = session.by(0).cmd_sn;
  RawInitiator& other = session.by(1);
  other.cmd_sn = before + 1;
  uint32_t early = other.queue_command(write10(0, pattern(512, 7)));  // it waits for its turn
  EXPECT_TRUE(other.nop("sent"));
  session.by(0).cmd_sn = before;
  EXPECT_EQ(session.task_management(0, kAbortTaskSet), 0);
  session.by(0).cmd_sn = before;
  EXPECT_EQ(session.by(0).run(read10(8, 1))->status, 0);
  auto answer = other.complete(early);
  ASSERT_TRUE(answer) << "it was none of the reset's";
  EXPECT_EQ(answer->status, 0);
}

// It would end commands that are sent long after it.
TEST(TaskSets, ACmdSnFarBeyondTheWindowEndsNothingThatComesLater) {
  TestTarget target;
  JoinedConnections session(target, 2);
  RawInitiator& first = session.by(0);
  const uint32_t next = std::exchange(first.cmd_sn, first.max_cmd_sn + 1000);
  EXPECT_EQ(session.task_management(0, kLunReset), 0);
  session.by(0).cmd_sn = next;
  auto answer = session.by(1).run(test_unit_ready());
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->asc(), std::pair(uint8_t{0x29}, uint8_t{0x03}));
}

TEST(TaskSets, AbortsOfCommandsThatNeverCameFillTheirGapsInAnyOrder) {
  TestTarget target;
  JoinedConnections session(target, 2);
  uint32_t missing = session.by(0).cmd_sn;
  RawInitiator& other = session.by(1);
  other.cmd_sn = missing + 3;
  uint32_t tag = other.queue_command(read10(0, 1));
  for (uint32_t i : {2u, 0u, 1u}) {
    EXPECT_EQ(session.task_management(1, kAbortTask, 5000 + i, missing + i), 0);
  }
  ASSERT_TRUE(other.complete(tag)) << "the gaps are filled, so its turn has come";
  EXPECT_EQ(session.by(0).run(read10(0, 1))->status, 0);
}

// 4.2.2.3: an answer may be on its way by another connection.
TEST(TaskSets, TheResponseWaitsForAnswersOfOtherConnectionsToArrive) {
  TestTarget target;
  JoinedConnections session(target, 3);
  for (size_t i = 0; i < 3; ++i) session.by(i).acknowledge();
  RawInitiator& slow = session.by(2);
  uint32_t tag = slow.queue_command(read10(0, 1));
  ASSERT_TRUE(slow.complete(tag));  // and is not acknowledged yet
  TaskManagementRequest reset;
  reset.function = kFinal | kLunReset;
  reset.initiator_task_tag = 99;
  reset.cmd_sn = session.by(0).cmd_sn;
  session.by(0).queue(reset);
  session.by(0).flush();
  auto ping = slow.receive();
  ASSERT_TRUE(ping);
  EXPECT_EQ(ping->kind(), Opcode::nop_in) << "it is asked for the acknowledgement";
  auto before = session.by(0).nop("the reset is done");
  ASSERT_TRUE(before);
  slow.acknowledge();
  auto response = session.by(0).receive();
  ASSERT_TRUE(response) << "still waiting";
  EXPECT_EQ(response->kind(), Opcode::task_management_response);
}

TEST(TaskSets, TheResponseDoesNotWaitForAConnectionThatIsGone) {
  TestTarget target;
  JoinedConnections session(target, 2);
  ASSERT_TRUE(session.by(1).run(read10(0, 1)));
  TaskManagementRequest reset;
  reset.function = kFinal | kLunReset;
  reset.initiator_task_tag = 99;
  reset.cmd_sn = session.by(0).cmd_sn;
  session.by(0).queue(reset);
  ASSERT_TRUE(session.by(0).nop("the reset is done"));
  session.cut(1);
  EXPECT_TRUE(session.by(0).receive_kind(Opcode::task_management_response));
}

TEST(TaskSets, TheResponseDoesNotWaitForEver) {
  IscsiLimits limits;
  limits.ping_timeout = std::chrono::milliseconds(200);
  limits.immediate_commands = 2;
  TestTarget target(limits);
  JoinedConnections session(target, 2);
  ASSERT_TRUE(session.by(1).run(read10(0, 1)));
  session.by(1).exp_stat_sn -= 1;  // it acknowledges everything but its last answer
  RawInitiator& first = session.by(0);
  for (uint32_t i = 0; i < 3; ++i) {
    TaskManagementRequest reset;
    reset.function = kFinal | kLunReset;
    reset.initiator_task_tag = 99 + i;
    reset.cmd_sn = first.cmd_sn;
    first.queue(reset);
  }
  auto reject = first.receive();
  ASSERT_TRUE(reject);
  ASSERT_EQ(reject->kind(), Opcode::reject) << "more than may wait";
  EXPECT_EQ(reject->as<Reject>().reason,
            static_cast<uint8_t>(RejectReason::too_many_immediate_commands));
  session.by(1).acknowledge();  // alive: it is not dropped
  EXPECT_TRUE(first.receive_kind(Opcode::task_management_response));
  EXPECT_TRUE(first.receive_kind(Opcode::task_management_response));
}

}  // namespace
}  // namespace swiftness::test
