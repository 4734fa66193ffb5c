// A connection of several is lost, replaced or found dead: its tasks end, the session lives on, and
// its window opens again (RFC 7143 6.3.4, 7.6, 7.8 at ErrorRecoveryLevel 0).
#include <gtest/gtest.h>

#include <random>

#include "tests/iscsi/joined_connections.h"

namespace swiftness::test {
namespace {

using namespace iscsi;
using std::chrono::milliseconds;

constexpr std::pair<uint8_t, uint8_t> kClearedByIscsi{0x47, 0x7f};

// Writes that hang in the disk, as many as the window has room for.
uint32_t fill_window(TestTarget& target, JoinedConnections& session, size_t by) {
  target.hang();
  uint32_t count = session.by(by).window();
  for (uint32_t i = 0; i < count; ++i) {
    session.by(by).queue_command(write10(i, pattern(512, i)));
  }
  session.by(by).flush();
  EXPECT_TRUE(target.wait_for_hanging(count));
  return count;
}

TEST(ConnectionLoss, TheSessionLivesOnAndItsWindowOpens) {
  for (size_t lost : {0, 1}) {  // 0: the leading one
    TestTarget target;
    JoinedConnections session(target, 2);
    size_t other = 1 - lost;
    uint32_t count = fill_window(target, session, lost);
    EXPECT_EQ(session.by(other).window(), 0u);
    session.cut(lost);
    auto announcement = session.by(other).receive_kind(Opcode::nop_in);
    ASSERT_TRUE(announcement) << "nothing says that the window is open";
    EXPECT_EQ(announcement->as<NopIn>().target_transfer_tag, kReservedTag);
    EXPECT_GE(session.by(other).window(), count);
    EXPECT_EQ(target.sessions()[0].detached, count);
    target.release();
    EXPECT_EQ(session.by(other).run(test_unit_ready())->asc(), kClearedByIscsi);
    EXPECT_EQ(session.by(other).run(read10(0, 1))->data, Octets(512)) << "they never land";
    EXPECT_EQ(session.by(other).run(write10(0, pattern(512, 9)))->status, 0);
    EXPECT_EQ(session.by(other).run(read10(0, 1))->data, pattern(512, 9));
  }
}

TEST(ConnectionLoss, TasksOfTheOthersGoOn) {
  TestTarget target;
  JoinedConnections session(target, 3);
  target.hang();
  uint32_t mine = session.by(1).queue_command(write10(0, pattern(512, 1)));
  session.by(1).flush();
  session.by(2).queue_command(write10(8, pattern(512, 2)));
  session.by(2).flush();
  ASSERT_TRUE(target.wait_for_hanging(2));
  session.cut(2);
  ASSERT_TRUE(target.eventually([&] { return target.server().sessions()[0].in_flight == 1; }));
  target.release();
  EXPECT_EQ(session.by(1).complete(mine)->status, 0);
}

TEST(ConnectionLoss, WithTheLastOneTheSessionEnds) {
  TestTarget target;
  {
    JoinedConnections session(target, 3);
    session.cut(2);
    session.cut(1);
    ASSERT_TRUE(target.eventually(
        [&] { return target.server().sessions()[0].address.find(',') == std::string::npos; }));
    EXPECT_TRUE(session.by(0).nop("alive"));
  }
  EXPECT_TRUE(target.eventually([&] { return target.server().sessions().empty(); }));
}

// 7.2.1: what was not acknowledged is sent again, with its CmdSN and its tag.
TEST(ConnectionLoss, CommandsThatHadNoTurnMayBeSentAgain) {
  TestTarget target;
  JoinedConnections session(target, 3);
  uint32_t first = session.by(0).cmd_sn;
  RawInitiator& lost = session.by(2);
  lost.cmd_sn = first + 1;  // `first` itself is lost with the connection
  lost.next_tag = 31;
  lost.queue_command(write10(0, pattern(512, 2)));
  EXPECT_TRUE(lost.nop("it came"));
  session.cut(2);
  ASSERT_TRUE(target.eventually([&] { return target.server().sessions()[0].in_flight == 0; }));

  RawInitiator& again = session.by(1);
  again.cmd_sn = first;
  again.next_tag = 30;
  uint32_t a = again.queue_command(write10(0, pattern(512, 1)));
  uint32_t b = again.queue_command(write10(0, pattern(512, 2)));
  auto attention = again.complete(a);
  ASSERT_TRUE(attention);
  EXPECT_EQ(attention->asc(), kClearedByIscsi);
  ASSERT_TRUE(again.complete(b));
  EXPECT_EQ(session.by(0).run(read10(0, 1))->data, pattern(512, 2));
}

// A unit attention is told once, but not to nobody.
TEST(ConnectionLoss, AUnitAttentionThatWentDownWithItIsToldAgain) {
  constexpr std::pair<uint8_t, uint8_t> kReset{0x29, 0x03};
  TestTarget target;
  LoginOptions options;
  options.isid[5] = 9;
  auto other = logged_in(target, options);
  for (bool answered : {false, true}) {
    JoinedConnections session(target, 2);
    ASSERT_EQ(other->task_management(kLunReset, 0), 0);
    other->run(test_unit_ready());
    const uint32_t next = session.by(0).cmd_sn;
    RawInitiator& lost = session.by(1);
    if (!answered) lost.cmd_sn = next + 1;  // it waits for its turn
    const uint32_t tag = lost.queue_command(test_unit_ready());
    if (answered) {
      EXPECT_EQ(lost.complete(tag)->asc(), kReset) << "which it never acknowledges";
    } else {
      EXPECT_TRUE(lost.nop("it came"));
    }
    session.cut(1);
    ASSERT_TRUE(target.eventually([&] {
      const auto sessions = target.server().sessions();
      return sessions.back().address.find(',') == std::string::npos;
    }));
    RawInitiator& left = session.by(0);
    if (!answered) left.cmd_sn = next;
    EXPECT_EQ(left.run(test_unit_ready())->asc(), kReset);
    if (!answered) {
      EXPECT_EQ(left.run(test_unit_ready())->asc(), kClearedByIscsi);
    }
    EXPECT_EQ(left.run(test_unit_ready())->status, 0) << "and no more often";
    left.logout();
  }
}

ScsiRequest request_sense() {
  ScsiRequest request;
  request.cdb = {0x03, 0, 0, 0, 18};
  request.read_length = 18;
  return request;
}

// As data. One that waits for its turn has not taken it yet, so only the answer can be lost.
TEST(ConnectionLoss, AlsoOneThatRequestSenseTold) {
  TestTarget target;
  LoginOptions options;
  options.isid[5] = 9;
  auto other = logged_in(target, options);
  for (bool acknowledged : {false, true}) {
    JoinedConnections session(target, 2);
    ASSERT_EQ(other->task_management(kLunReset, 0), 0);
    other->run(test_unit_ready());
    RawInitiator& lost = session.by(1);
    auto told = lost.run(request_sense());
    ASSERT_TRUE(told);
    EXPECT_EQ(told->status, 0);
    ASSERT_EQ(told->data.size(), 18u);
    EXPECT_EQ(static_cast<uint8_t>(told->data[2]), 6) << "UNIT ATTENTION";
    EXPECT_EQ(static_cast<uint8_t>(told->data[12]), 0x29);
    EXPECT_EQ(static_cast<uint8_t>(told->data[13]), 0x03);
    if (acknowledged) {
      EXPECT_TRUE(lost.nop("with its ExpStatSN"));
    }
    session.cut(1);
    ASSERT_TRUE(target.eventually([&] {
      const auto sessions = target.server().sessions();
      return sessions.back().address.find(',') == std::string::npos;
    }));
    RawInitiator& left = session.by(0);
    if (!acknowledged) {
      EXPECT_EQ(left.run(test_unit_ready())->asc(), std::pair(uint8_t{0x29}, uint8_t{0x03}));
    }
    EXPECT_EQ(left.run(test_unit_ready())->status, 0);
    left.logout();
  }
}

// An ExpStatSN beyond what was sent acknowledges nothing, now or later.
TEST(ConnectionLoss, NobodyAcknowledgesWhatWasNotSent) {
  TestTarget target;
  LoginOptions options;
  options.isid[5] = 9;
  auto other = logged_in(target, options);
  JoinedConnections session(target, 2);
  RawInitiator& lost = session.by(1);
  lost.exp_stat_sn += 1000;
  EXPECT_TRUE(lost.nop("it came"));
  ASSERT_EQ(other->task_management(kLunReset, 0), 0);
  EXPECT_EQ(lost.run(test_unit_ready())->status, 2);
  session.cut(1);
  ASSERT_TRUE(target.eventually([&] {
    const auto sessions = target.server().sessions();
    return sessions.back().address.find(',') == std::string::npos;
  }));
  EXPECT_EQ(session.by(0).run(test_unit_ready())->asc(), std::pair(uint8_t{0x29}, uint8_t{0x03}));
}

// Its initiator does not send it again, so nothing that is numbered would ever have its turn.
TEST(ConnectionLoss, ACommandThatNeverComesEndsTheSession) {
  IscsiLimits limits;
  limits.command_timeout = milliseconds(300);
  TestTarget target(limits);
  JoinedConnections session(target, 2);
  RawInitiator& first = session.by(0);
  ++first.cmd_sn;
  first.queue_command(read10(0, 1));
  EXPECT_EQ(session.task_management(0, kAbortTaskSet), 0) << "this is no reason to wait longer";
  EXPECT_TRUE(session.by(0).closed_by_target());
  EXPECT_TRUE(session.by(1).closed_by_target());
  EXPECT_TRUE(target.sessions().empty());
}

TEST(ConnectionLoss, ALoginWithItsCidTakesItsPlace) {
  TestTarget target;
  JoinedConnections session(target, 2);
  uint32_t count = fill_window(target, session, 1);
  ASSERT_TRUE(RawInitiator::succeeded(session.join(11)));
  EXPECT_TRUE(session.replaced().closed_by_target());
  EXPECT_EQ(target.sessions()[0].detached, count);
  EXPECT_EQ(target.sessions()[0].tsih, session.tsih());
  EXPECT_GE(session.by(1).window(), count) << "the login's answer says it";
  target.release();
  EXPECT_EQ(session.by(1).run(test_unit_ready())->asc(), kClearedByIscsi);
  EXPECT_EQ(session.by(0).run(read10(0, 1))->data, Octets(512));
}

TEST(ConnectionLoss, AlsoThePlaceOfTheOnlyOne) {
  TestTarget target;
  KeyList alone = kUsualKeys;
  alone.erase(alone.begin());  // MaxConnections=1
  JoinedConnections session(target, 1, alone);
  ASSERT_TRUE(RawInitiator::succeeded(session.join(10)));
  EXPECT_TRUE(session.replaced().closed_by_target());
  ASSERT_EQ(target.sessions().size(), 1u);
  EXPECT_EQ(target.sessions()[0].tsih, session.tsih());
  EXPECT_EQ(session.by(0).run(read10(0, 1))->status, 0) << "no tasks, so nothing was cleared";
}

TEST(ConnectionLoss, EachConnectionIsPingedAndADeadOneIsAnnounced) {
  IscsiLimits limits;
  limits.ping_after = milliseconds(100);
  limits.ping_timeout = milliseconds(2000);  // of the login of both, too
  TestTarget target(limits);
  JoinedConnections session(target, 2);
  RawInitiator& alive = session.by(0);  // connection 1 says nothing any more
  auto message = alive.receive_kind(Opcode::async_message);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->as<AsyncMessage>().async_event, AsyncMessage::kDropsConnection);
  EXPECT_EQ(message->as<AsyncMessage>().parameter1, 11);
  EXPECT_EQ(message->as<AsyncMessage>().parameter3, 0) << "no task is kept for another connection";
  EXPECT_TRUE(alive.nop("the session lives"));
  EXPECT_TRUE(session.by(1).closed_by_target());
  EXPECT_EQ(target.sessions().size(), 1u);
}

TEST(ConnectionLoss, WhatIsNoPduEndsOneConnectionOnly) {
  TestTarget target;
  JoinedConnections session(target, 2);
  NopOut header;
  header.data_segment_length = 262145;
  session.by(1).queue_bytes(std::as_bytes(std::span(&header, 1)));
  EXPECT_TRUE(session.by(1).closed_by_target());
  auto message = session.by(0).receive_kind(Opcode::async_message);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->as<AsyncMessage>().parameter1, 11);
  EXPECT_EQ(session.by(0).run(read10(0, 1))->status, 0);
}

// Connections come, go and are replaced at random while commands run, of which some hang. Whatever
// happens, the session goes on and its window opens.
TEST(ConnectionLoss, TheWindowIsNeverStuckWhateverIsLost) {
  for (uint32_t seed = 0; seed < 8; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    TestTarget target;
    JoinedConnections session(target, 4);
    for (int round = 0; round < 60; ++round) {
      size_t index = random() % session.size();
      RawInitiator& connection = session.by(index);
      session.attend();
      switch (random() % 8) {
        case 0:
          target.hang();
          break;
        case 1:
          ASSERT_TRUE(connection.nop("all it sent has come"));
          ASSERT_TRUE(RawInitiator::succeeded(session.join(JoinedConnections::cid_of(index))));
          break;
        case 2:
          EXPECT_EQ(session.task_management(index, kLunReset), 0);
          break;
        case 3:
          target.release();
          break;
        default:
          for (uint32_t n = static_cast<uint32_t>(random() % 20);
               n > 0 && session.by(index).window() - 1 < 1000; --n) {
            session.by(index).queue_command(write10(n, pattern(512, n)));
          }
          session.by(index).flush();
      }
    }
    target.release();
    EXPECT_EQ(session.task_management(0, kLunReset), 0);
    EXPECT_TRUE(target.eventually([&] { return target.server().sessions()[0].in_flight == 0; }));
    EXPECT_TRUE(session.by(0).nop("numbers"));
    EXPECT_GE(session.by(0).window(), 32u);
    EXPECT_TRUE(session.by(0).run(test_unit_ready()));
    EXPECT_EQ(session.by(0).run(write10(0, pattern(512, seed)))->status, 0);
    for (size_t i = 0; i < 4; ++i) {
      EXPECT_EQ(session.by(i).run(read10(0, 1))->data, pattern(512, seed));
    }
  }
}

}  // namespace
}  // namespace swiftness::test
