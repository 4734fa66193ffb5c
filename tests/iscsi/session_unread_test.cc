// Initiators that ask for answers and do not read them: what waits in memory is bounded, nobody
// else notices, and when they read they get everything.
#include <gtest/gtest.h>

#include "tests/iscsi/joined_connections.h"
#include "tests/iscsi/test_target.h"

namespace swiftness::test {
namespace {

using namespace iscsi;
using std::chrono::milliseconds;

// Bytes
constexpr int kSmallBuffer = 64 * 1024;  // of the kernel: what it holds, the target does not
constexpr milliseconds kStuck{300};

std::unique_ptr<RawInitiator> reads_little(const TestTarget& target) {
  LoginOptions options;
  options.target = kTarget;
  options.isid[5] = 99;
  auto initiator = std::make_unique<RawInitiator>("127.0.0.1", target.port(), kSmallBuffer);
  CHECK(RawInitiator::succeeded(initiator->login(options)));
  CHECK(initiator->run(test_unit_ready())->status == 0x02);
  return initiator;
}

void queue_ping(RawInitiator& initiator, const Octets& data, bool immediate = true) {
  NopOut ping;
  if (immediate) ping.opcode |= kImmediate;
  ping.initiator_task_tag = initiator.next_tag++;
  ping.cmd_sn = immediate ? initiator.cmd_sn : initiator.cmd_sn++;
  ping.exp_stat_sn = initiator.exp_stat_sn;
  initiator.queue(ping, data);
}

IscsiLimits small_bound() {
  IscsiLimits limits;
  limits.connection_answers = 256 * 1024;
  return limits;
}

// What may be there beyond the bound: the answer that went over it.
constexpr uint64_t kOne = 64 * 1024 + 1024;

TEST(Unread, EchoesOfPingsAreBoundedAndAllComeInTheEnd) {
  const uint64_t bound = IscsiLimits().connection_answers;
  TestTarget target;
  auto greedy = reads_little(target);
  auto good = logged_in(target);
  constexpr uint32_t kPings = 500;  // that is less than the bound without their data
  const uint32_t first = greedy->next_tag;
  for (uint32_t i = 0; i < kPings; ++i) queue_ping(*greedy, pattern(64 * 1024, i));
  ASSERT_FALSE(greedy->flush_unless_stuck_for(kStuck)) << "32 MiB were taken";
  EXPECT_GE(target.counts().connections_paused, 1u);
  EXPECT_GT(target.counts().unread_answers, 0u);
  EXPECT_LE(target.counts().unread_answers, bound + kOne);
  EXPECT_EQ(good->run(write10(0, pattern(4096, 1)))->status, 0) << "the others do not notice";
  for (uint32_t i = 0; i < kPings; ++i) {
    auto echo = greedy->receive_kind(Opcode::nop_in);
    ASSERT_TRUE(echo) << i;
    EXPECT_EQ(echo->header.initiator_task_tag, first + i);
    EXPECT_EQ(echo->data, pattern(64 * 1024, i));
  }
  EXPECT_EQ(greedy->run(test_unit_ready())->status, 0);
  EXPECT_TRUE(target.eventually([&] { return target.server().counts().unread_answers == 0; }));
}

TEST(Unread, StatusOfCommandsWithoutDataToo) {
  TestTarget target(small_bound());
  auto greedy = reads_little(target);
  constexpr uint32_t kCommands = 200'000;
  // Whatever its window says: what was answered makes room for another.
  for (uint32_t i = 0; i < kCommands; ++i) greedy->queue_command(test_unit_ready());
  ASSERT_FALSE(greedy->flush_unless_stuck_for(kStuck));
  EXPECT_GE(target.counts().connections_paused, 1u);
  EXPECT_LE(target.counts().unread_answers, 256 * 1024 + kOne);
  for (uint32_t i = 0; i < kCommands; ++i) {
    auto answer = greedy->complete_any();
    ASSERT_TRUE(answer) << i;
    EXPECT_EQ(answer->status, 0);
  }
}

TEST(Unread, WhenTheTotalIsUsedUpTheOthersStillWork) {
  IscsiLimits limits;
  limits.answer_memory = 256 * 1024;
  TestTarget target(limits);
  auto greedy = reads_little(target);
  for (uint32_t i = 0; i < 500; ++i) queue_ping(*greedy, pattern(64 * 1024, i));
  ASSERT_FALSE(greedy->flush_unless_stuck_for(kStuck));
  auto good = logged_in(target);
  for (uint32_t i = 0; i < 50; ++i) {
    EXPECT_EQ(good->run(write10(i, pattern(512, i)))->status, 0);
    EXPECT_TRUE(good->nop("still here"));
  }
  EXPECT_LE(target.counts().unread_answers, 2 * 256 * 1024u);
  queue_ping(*good, pattern(64 * 1024, 1));
  auto refused = good->receive_kind(Opcode::reject);
  ASSERT_TRUE(refused) << "its echo would be more than everybody's share";
  EXPECT_EQ(refused->as<Reject>().reason, 0x0a);
}

TEST(Unread, OnlyItsOwnConnectionOfASessionIsNotRead) {
  TestTarget target(small_bound());
  JoinedConnections session(target, 2);
  for (uint32_t i = 0; i < 500; ++i) queue_ping(session.by(0), pattern(64 * 1024, i));
  ASSERT_FALSE(session.by(0).flush_unless_stuck_for(kStuck));
  EXPECT_EQ(session.by(1).run(write10(0, pattern(4096, 1)))->status, 0);
}

TEST(Unread, WhoNeverReadsIsTakenForDead) {
  IscsiLimits limits = small_bound();
  limits.ping_after = milliseconds(500);
  limits.ping_timeout = milliseconds(1500);
  TestTarget target(limits);
  auto greedy = reads_little(target);
  for (uint32_t i = 0; i < 500; ++i) queue_ping(*greedy, pattern(64 * 1024, i));
  ASSERT_FALSE(greedy->flush_unless_stuck_for(kStuck));
  auto good = logged_in(target);
  EXPECT_TRUE(target.eventually([&] {
    good->acknowledge();  // lives
    return target.server().sessions().size() == 1;
  }));
  EXPECT_EQ(target.counts().unread_answers, 0u);
  EXPECT_TRUE(good->nop("still here"));
}

// Pings that come before their turn are held with their data.
TEST(Unread, PingsThatWaitForTheirTurnAreBounded) {
  TestTarget target(small_bound());
  auto initiator = logged_in(target);
  const uint32_t missing = initiator->cmd_sn++;
  constexpr uint32_t kPings = 8;
  for (uint32_t i = 0; i < kPings; ++i) queue_ping(*initiator, pattern(100 * 1024, i), false);
  ASSERT_TRUE(initiator->nop("the others wait"));
  EXPECT_EQ(target.counts().unread_answers, 2 * 100 * 1024u);
  const uint32_t next = std::exchange(initiator->cmd_sn, missing);
  initiator->queue_command(test_unit_ready());
  initiator->cmd_sn = next;
  uint32_t echoes = 0, rejects = 0;
  while (echoes + rejects < kPings) {
    auto pdu = initiator->receive();
    ASSERT_TRUE(pdu);
    if (pdu->kind() == Opcode::nop_in) {
      EXPECT_EQ(pdu->data, pattern(100 * 1024, echoes));
      ++echoes;
    } else if (pdu->kind() == Opcode::reject) {
      EXPECT_EQ(pdu->as<Reject>().reason, 0x0a) << "out of resources: it may come again";
      ++rejects;
    }
  }
  EXPECT_EQ(echoes, 2u);
  EXPECT_EQ(initiator->run(test_unit_ready())->status, 0) << "the numbers go on";
  EXPECT_TRUE(target.eventually([&] { return target.server().counts().unread_answers == 0; }));
}

TEST(Unread, WhatWaitedForItsTurnGoesWithItsConnection) {
  TestTarget target;
  JoinedConnections session(target, 2);
  RawInitiator& lost = session.by(1);
  ++lost.cmd_sn;
  queue_ping(lost, pattern(100 * 1024, 1), false);
  ASSERT_TRUE(lost.nop("it came"));
  EXPECT_GE(target.counts().unread_answers, 100 * 1024u);
  session.cut(1);
  EXPECT_TRUE(target.eventually([&] { return target.server().counts().unread_answers == 0; }));
}

}  // namespace
}  // namespace swiftness::test
