// Numbers, pings, rejects: the rest of full feature phase.
#include <gtest/gtest.h>

#include <utility>

#include "tests/iscsi/test_target.h"

namespace swiftness::test {
namespace {

using namespace iscsi;
using std::chrono::milliseconds;

TEST(Numbers, CommandsOutsideTheWindowAreIgnoredWithTheirData) {
  TestTarget target;
  auto initiator = logged_in(target);
  uint32_t right = initiator->cmd_sn;
  for (uint32_t wrong : {right - 1, right - 1000, initiator->max_cmd_sn + 1, right + 0x80000000}) {
    initiator->cmd_sn = wrong;
    uint32_t tag = initiator->queue_command(write10(0, pattern(4096, 1)));
    EXPECT_FALSE(initiator->complete(tag, milliseconds(50)));
  }
  initiator->cmd_sn = right;
  EXPECT_EQ(initiator->run(read10(0, 8))->data, Octets(4096));
}

TEST(Numbers, AnEarlyCommandWaitsForItsTurn) {
  TestTarget target;
  auto initiator = logged_in(target);
  uint32_t first = initiator->cmd_sn;
  initiator->cmd_sn = first + 2;
  uint32_t third = initiator->queue_command(write10(0, pattern(512, 3)));
  initiator->cmd_sn = first + 1;
  uint32_t second = initiator->queue_command(write10(0, pattern(512, 2)));
  EXPECT_FALSE(initiator->complete(third, milliseconds(100)));
  initiator->cmd_sn = first;
  uint32_t tag = initiator->queue_command(write10(0, pattern(512, 1)));
  initiator->cmd_sn = first + 3;
  EXPECT_EQ(initiator->complete(tag)->status, 0);
  EXPECT_EQ(initiator->complete(second)->status, 0);
  EXPECT_EQ(initiator->complete(third)->status, 0);
  EXPECT_EQ(initiator->run(read10(0, 1))->data, pattern(512, 3)) << "in order of CmdSN";
}

TEST(Numbers, AbortOfACommandThatNeverCameFillsItsGap) {
  TestTarget target;
  auto initiator = logged_in(target);
  uint32_t missing = initiator->cmd_sn++;
  uint32_t tag = initiator->queue_command(test_unit_ready());
  EXPECT_FALSE(initiator->complete(tag, milliseconds(100)));
  EXPECT_EQ(initiator->task_management(1, 0, 0x12345, missing), 0);
  EXPECT_TRUE(initiator->complete(tag)) << "the gap is filled, so its turn has come";
}

TEST(Numbers, OnlyCommandsFromBeforeAreAborted) {
  TestTarget target;
  auto initiator = logged_in(target);
  EXPECT_EQ(initiator->task_management(kAbortTask, 0, 0x12345, initiator->cmd_sn), 1);
  EXPECT_EQ(initiator->run(test_unit_ready())->status, 0) << "which has that CmdSN";
}

TEST(Numbers, CmdSnWraps) {
  TestTarget target;
  auto initiator = target.connect();
  initiator.cmd_sn = 0xfffffffa;
  LoginOptions options;
  options.target = kTarget;
  ASSERT_TRUE(RawInitiator::succeeded(initiator.login(options)));
  initiator.run(test_unit_ready());
  for (uint32_t i = 0; i < 20; ++i) {
    ASSERT_TRUE(initiator.window() > 0);
    EXPECT_EQ(initiator.run(write10(i, pattern(512, i)))->status, 0);
  }
}

TEST(Numbers, TheWindowGrowsForOneWhoUsesIt) {
  IscsiLimits limits;
  limits.initial_window = 4;
  limits.window = 64;
  TestTarget target(limits);
  auto initiator = logged_in(target);
  EXPECT_EQ(initiator->window(), 4u);
  for (int round = 0; round < 8; ++round) {
    std::vector<uint32_t> tags;
    for (uint32_t n = initiator->window(); n > 0; --n) {
      tags.push_back(initiator->queue_command(read10(0, 1)));
    }
    for (uint32_t tag : tags) ASSERT_TRUE(initiator->complete(tag));
  }
  EXPECT_EQ(initiator->window(), 64u);
}

// Such commands are never in flight here, but their answers are to the initiator.
TEST(Numbers, TheWindowGrowsAlsoWithCommandsThatAreRefusedAtOnce) {
  IscsiLimits limits;
  limits.initial_window = 4;
  limits.window = 64;
  TestTarget target(limits);
  auto initiator = logged_in(target);
  ScsiRequest unknown;
  unknown.cdb[0] = 0xff;
  for (int round = 0; round < 8; ++round) {
    std::vector<uint32_t> tags;
    for (uint32_t n = initiator->window(); n > 0; --n) {
      tags.push_back(initiator->queue_command(unknown));
    }
    for (uint32_t tag : tags) ASSERT_TRUE(initiator->complete(tag));
  }
  EXPECT_EQ(initiator->window(), 64u);
}

TEST(Numbers, WindowsShareTheUnsolicitedBudget) {
  IscsiLimits limits;
  limits.initial_window = 16;
  limits.unsolicited_memory = 20 * 262144;
  TestTarget target(limits);
  LoginOptions options;
  std::vector<std::unique_ptr<RawInitiator>> sessions;
  std::vector<uint32_t> windows;
  for (uint8_t i = 0; i < 3; ++i) {
    options.isid[5] = i;
    sessions.push_back(logged_in(target, options));
    windows.push_back(sessions.back()->window());
  }
  EXPECT_EQ(windows, (std::vector<uint32_t>{16, 4, 2}));
  sessions[0].reset();
  EXPECT_TRUE(target.eventually([&] { return target.server().sessions().size() == 2; }));
  options.isid[5] = 7;
  EXPECT_GT(logged_in(target, options)->window(), 8u);
}

TEST(Numbers, StatSnCountsResponses) {
  TestTarget target;
  auto initiator = logged_in(target);
  uint32_t expected = initiator->exp_stat_sn;
  for (int i = 0; i < 3; ++i) {
    auto nop = initiator->nop("x");
    ASSERT_TRUE(nop);
    EXPECT_EQ(nop->as<NopIn>().stat_sn, expected++);
  }
}

TEST(Commands, ATagInUseIsRejected) {
  TestTarget target;
  auto initiator = logged_in(target);
  target.hang();
  uint32_t tag = initiator->queue_command(read10(0, 1));
  initiator->next_tag = tag;
  initiator->queue_command(read10(0, 1));
  auto reject = initiator->receive_kind(Opcode::reject);
  ASSERT_TRUE(reject);
  EXPECT_EQ(reject->as<Reject>().reason, static_cast<uint8_t>(RejectReason::task_in_progress));
  ASSERT_EQ(reject->data.size(), kBhsSize) << "the header it is about";
  target.release();
  EXPECT_EQ(initiator->complete(tag)->status, 0);
  EXPECT_EQ(initiator->run(read10(0, 1))->status, 0) << "the rejected command used its CmdSN";
  EXPECT_EQ(target.counts().pdus_rejected, 1u);
}

TEST(Commands, ImmediateOnesHaveACap) {
  IscsiLimits limits;
  limits.immediate_commands = 2;
  TestTarget target(limits);
  auto initiator = logged_in(target);
  target.hang();
  ScsiRequest read = read10(0, 1);
  read.immediate = true;
  for (int i = 0; i < 3; ++i) initiator->queue_command(read);
  auto reject = initiator->receive_kind(Opcode::reject);
  ASSERT_TRUE(reject);
  EXPECT_EQ(reject->as<Reject>().reason,
            static_cast<uint8_t>(RejectReason::too_many_immediate_commands));
  target.release();
  EXPECT_TRUE(initiator->complete_any());
  EXPECT_TRUE(initiator->complete_any());
}

TEST(Commands, UnknownOpcodesAndSnackAreRejected) {
  TestTarget target;
  auto initiator = logged_in(target);
  for (int opcode : {0x10, 0x1c, 0x07}) {
    Bhs header;
    header.opcode = static_cast<uint8_t>(opcode | kImmediate);
    header.flags = kFinal;
    initiator->queue(header);
    auto reject = initiator->receive_kind(Opcode::reject);
    ASSERT_TRUE(reject) << opcode;
    EXPECT_EQ(reject->data.size(), kBhsSize);
  }
  EXPECT_TRUE(initiator->nop("still here"));
}

void expect_reject(RawInitiator& initiator, RejectReason reason) {
  auto reject = initiator.receive_kind(Opcode::reject);
  ASSERT_TRUE(reject);
  EXPECT_EQ(reject->as<Reject>().reason, static_cast<uint8_t>(reason));
}

TEST(Commands, FieldsThatCannotBeAreRejected) {
  TestTarget target;
  auto initiator = logged_in(target);
  const uint32_t tag = std::exchange(initiator->next_tag, kReservedTag);
  initiator->queue_command(test_unit_ready());  // a task nobody could name
  expect_reject(*initiator, RejectReason::invalid_pdu_field);
  initiator->next_tag = tag;
  LogoutRequest logout;
  logout.opcode |= kImmediate;
  logout.reason = kFinal | 3;
  logout.cmd_sn = initiator->cmd_sn;
  initiator->queue(logout);
  expect_reject(*initiator, RejectReason::invalid_pdu_field);
  EXPECT_TRUE(initiator->nop("still here"));
}

TEST(Commands, LoginInFullFeaturePhaseEndsTheConnection) {
  TestTarget target;
  auto initiator = logged_in(target);
  initiator->queue(LoginRequest{});
  EXPECT_TRUE(initiator->closed_by_target());
}

TEST(Commands, APduThatIsTooLongEndsTheConnection) {
  TestTarget target;
  auto initiator = logged_in(target);
  NopOut header;
  header.data_segment_length = 262145;
  initiator->queue_bytes(std::as_bytes(std::span(&header, 1)));
  EXPECT_TRUE(initiator->closed_by_target());
  EXPECT_EQ(target.counts().connections_broken, 1u);
}

TEST(Pings, IdleInitiatorsArePingedAndDeadOnesDropped) {
  IscsiLimits limits;
  limits.ping_after = milliseconds(100);
  limits.ping_timeout = milliseconds(200);
  TestTarget target(limits);
  auto alive = logged_in(target);
  LoginOptions options;
  options.isid[5] = 2;
  auto dead = logged_in(target, options);
  auto until = std::chrono::steady_clock::now() + milliseconds(900);
  while (std::chrono::steady_clock::now() < until) alive->complete_any(milliseconds(20));
  EXPECT_TRUE(alive->nop("it answered its pings"));
  EXPECT_TRUE(dead->closed_by_target(milliseconds(100)));
  EXPECT_EQ(target.sessions().size(), 1u);
}

TEST(Pings, NopOutWithoutATagIsNotAnswered) {
  TestTarget target;
  auto initiator = logged_in(target);
  NopOut pdu;
  pdu.opcode |= kImmediate;
  initiator->queue(pdu);
  EXPECT_FALSE(initiator->receive(milliseconds(50)));
  std::string large(200000, 'n');
  auto echo = initiator->nop(large);
  ASSERT_TRUE(echo);
  EXPECT_EQ(echo->text(), large);
}

TEST(Pings, AnEchoIsWithinMaxRecvDataSegmentLength) {
  TestTarget target;
  LoginOptions options;
  options.keys = {{"MaxRecvDataSegmentLength", "512"}};
  auto initiator = logged_in(target, options);
  auto echo = initiator->nop(std::string(1000, 'n'));
  ASSERT_TRUE(echo);
  EXPECT_EQ(echo->text(), std::string(512, 'n')) << "11.18";
}

TEST(Text, InANormalSession) {
  TestTarget target;
  auto initiator = logged_in(target);
  auto answer = initiator->text({{"SendTargets", ""}, {"X-what", "1"}});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->key("TargetName"), kTarget);
  EXPECT_EQ(answer->key("X-what"), "NotUnderstood");
  answer = initiator->text({{"SendTargets", "All"}});
  EXPECT_EQ(answer->key("SendTargets"), "Reject");
  answer = initiator->text({{"MaxRecvDataSegmentLength", "512"}, {"MaxBurstLength", "512"}});
  EXPECT_EQ(answer->key("MaxBurstLength"), "Reject");
  auto read = initiator->run(read10(0, 8));
  EXPECT_EQ(read->data_in_pdus, 8u) << "the new MaxRecvDataSegmentLength";
}

TEST(Text, LongerThanAnyTextIsRejected) {
  TestTarget target;
  auto initiator = logged_in(target);
  TextRequest request;
  request.initiator_task_tag = initiator->next_tag++;
  request.cmd_sn = initiator->cmd_sn++;
  request.flags = kFinal;
  initiator->queue(request, pattern(8193, 1));
  expect_reject(*initiator, RejectReason::protocol_error);
  EXPECT_TRUE(initiator->nop("still here"));
}

TEST(Text, OverSeveralPdusInBothDirections) {
  TestTarget target;
  LoginOptions options;
  options.keys = {{"MaxRecvDataSegmentLength", "512"}};
  auto initiator = logged_in(target, options);
  std::string request, expected;
  for (int i = 0; i < 60; ++i) {
    const std::string name = "X-org.swiftness.key" + std::to_string(i);
    request += name + "=1" + '\0';
    expected += name + "=NotUnderstood" + '\0';
  }
  TextRequest pdu;
  pdu.initiator_task_tag = initiator->next_tag++;
  std::optional<ReceivedPdu> answer;
  auto exchange = [&](uint8_t flags, std::string_view text) {
    pdu.flags = flags;
    pdu.cmd_sn = initiator->cmd_sn++;
    pdu.exp_stat_sn = initiator->exp_stat_sn;
    initiator->queue(pdu, std::as_bytes(std::span(text)));
    answer = initiator->receive_kind(Opcode::text_response);
    ASSERT_TRUE(answer);
    pdu.target_transfer_tag = answer->as<TextResponse>().target_transfer_tag;
  };
  const std::string_view whole = request;
  for (size_t at = 0; at < whole.size(); at += 500) {  // in the midst of keys
    const bool last = at + 500 >= whole.size();
    exchange(last ? kFinal : kContinue, whole.substr(at, 500));
    if (last) break;
    EXPECT_EQ(answer->header.flags, 0);
    EXPECT_TRUE(answer->data.empty());
  }
  std::string text(answer->text());
  while (!answer->header.final()) {
    EXPECT_EQ(answer->header.flags, kContinue);
    EXPECT_EQ(answer->data.size(), 512u) << "MaxRecvDataSegmentLength";
    exchange(kFinal, "");
    text += answer->text();
  }
  EXPECT_EQ(text, expected);
  EXPECT_EQ(pdu.target_transfer_tag, kReservedTag);
}

// 11.9, event 0: with the sense of the unit attention that its next command ends with.
TEST(AsyncEvents, AnIdleInitiatorIsToldOfANewLogicalUnit) {
  constexpr std::pair<uint8_t, uint8_t> kLunsChanged{0x3f, 0x0e};
  TestTarget target;
  auto idle = logged_in(target);
  LoginOptions options;
  options.isid[5] = 2;
  auto busy = logged_in(target, options);
  target.hang();
  const uint32_t write = busy->queue_command(write10(0, pattern(512, 1)));
  busy->flush();
  ASSERT_TRUE(target.wait_for_hanging(1));
  const uint32_t stat_sn = idle->exp_stat_sn;

  target.add_unit(3);
  auto message = idle->receive_kind(Opcode::async_message);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->as<AsyncMessage>().async_event, 0);
  EXPECT_EQ(message->as<AsyncMessage>().stat_sn, stat_sn);
  ASSERT_EQ(message->data.size(), 2 + 18u);
  EXPECT_EQ(static_cast<uint8_t>(message->data[1]), 18) << "SenseLength";
  EXPECT_EQ(static_cast<uint8_t>(message->data[2 + 2]), 6) << "UNIT ATTENTION";
  EXPECT_EQ(static_cast<uint8_t>(message->data[2 + 12]), kLunsChanged.first);
  EXPECT_EQ(static_cast<uint8_t>(message->data[2 + 13]), kLunsChanged.second);
  EXPECT_EQ(idle->run(test_unit_ready())->asc(), kLunsChanged) << "still pending";

  EXPECT_EQ(busy->run(test_unit_ready())->asc(), kLunsChanged);
  target.release();
  EXPECT_TRUE(busy->complete(write));
  EXPECT_TRUE(busy->nop("no message before"));
  EXPECT_EQ(busy->exp_stat_sn, stat_sn + 3) << "its next command told it: there was no message";
}

TEST(AsyncEvents, AnIdleInitiatorIsToldOfALogicalUnitThatIsTakenAway) {
  TestTarget target;
  target.add_unit(3);
  auto idle = logged_in(target);
  target.remove_unit(3);
  auto message = idle->receive_kind(Opcode::async_message);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->as<AsyncMessage>().async_event, 0);
  ASSERT_EQ(message->data.size(), 2 + 18u);
  EXPECT_EQ(static_cast<uint8_t>(message->data[2 + 12]), 0x3f);
  EXPECT_EQ(static_cast<uint8_t>(message->data[2 + 13]), 0x0e);
  EXPECT_EQ(idle->run(test_unit_ready())->asc(), (std::pair<uint8_t, uint8_t>{0x3f, 0x0e}));
}

ScsiRequest at_lun_3(ScsiRequest request) {
  request.lun = 0x0003'0000'0000'0000;
  return request;
}

// One that hangs in its disk, one whose data have not come, and one whose CmdSN has not had its
// turn.
TEST(Sessions, CommandsUnderWayOnAUnitThatIsTakenAwayAreAnswered) {
  constexpr std::pair<uint8_t, uint8_t> kNoUnit{0x25, 0x00};
  TestTarget target;
  target.add_unit(3);
  auto initiator = logged_in(target);
  initiator->run(at_lun_3(test_unit_ready()));
  target.hang_unit();
  target.hang();
  initiator->answers_r2ts = false;
  const uint32_t elsewhere = initiator->queue_command(write10(0, pattern(512, 1)));
  const uint32_t hanging = initiator->queue_command(at_lun_3(write10(0, pattern(512, 1))));
  const uint32_t without_data = initiator->queue_command(at_lun_3(write10(0, pattern(1 << 20, 1))));
  const uint32_t skipped = initiator->cmd_sn++;
  const uint32_t early = initiator->queue_command(at_lun_3(read10(0, 1)));
  ASSERT_TRUE(initiator->receive_kind(Opcode::r2t));
  ASSERT_TRUE(target.eventually([&] { return target.server().sessions()[0].in_flight == 4; }));

  target.remove_unit(3);
  auto answer = initiator->complete(hanging);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->sense_key(), 5);
  EXPECT_EQ(answer->asc(), kNoUnit);
  answer = initiator->complete(without_data);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->asc(), kNoUnit);
  const uint32_t next = std::exchange(initiator->cmd_sn, skipped);
  const uint32_t fills_the_gap = initiator->queue_command(test_unit_ready());
  initiator->cmd_sn = next;
  EXPECT_EQ(initiator->complete(early)->asc(), kNoUnit);
  EXPECT_EQ(initiator->complete(fills_the_gap)->asc(), (std::pair<uint8_t, uint8_t>{0x3f, 0x0e}));
  EXPECT_EQ(initiator->run(at_lun_3(test_unit_ready()))->asc(), kNoUnit);

  target.release();
  EXPECT_EQ(initiator->complete(elsewhere)->status, 0) << "nothing happened to it";
  target.release_unit();  // what came too late is dropped
  EXPECT_EQ(initiator->run(test_unit_ready())->status, 0);
  EXPECT_EQ(target.sessions()[0].detached, 0u);
}

// It was looked at when the old unit was there, which may have had other blocks.
TEST(Sessions, ACommandForAUnitThatIsTakenAwayDoesNotReachTheNextOne) {
  TestTarget target;
  target.add_unit(3);
  auto initiator = logged_in(target);
  initiator->run(at_lun_3(test_unit_ready()));
  const uint32_t skipped = initiator->cmd_sn++;
  const uint32_t early = initiator->queue_command(at_lun_3(write10(0, pattern(512, 1))));
  initiator->flush();
  ASSERT_TRUE(target.eventually([&] { return target.server().sessions()[0].in_flight == 1; }));
  target.remove_unit(3);
  target.add_unit(3);
  const uint32_t next = std::exchange(initiator->cmd_sn, skipped);
  initiator->queue_command(test_unit_ready());
  initiator->cmd_sn = next;
  EXPECT_EQ(initiator->complete(early)->asc(), (std::pair<uint8_t, uint8_t>{0x25, 0x00}));
}

TEST(Sessions, SeveralAtOnceShareTheDisk) {
  TestTarget target;
  std::vector<std::unique_ptr<RawInitiator>> sessions;
  LoginOptions options;
  for (uint8_t i = 0; i < 8; ++i) {
    options.isid[5] = i;
    sessions.push_back(logged_in(target, options));
  }
  EXPECT_EQ(target.sessions().size(), 8u);
  for (uint32_t i = 0; i < 8; ++i) {
    EXPECT_EQ(sessions[i]->run(write10(i * 8, pattern(4096, i)))->status, 0);
  }
  for (uint32_t i = 0; i < 8; ++i) {
    EXPECT_EQ(sessions[7 - i]->run(read10(i * 8, 8))->data, pattern(4096, i));
  }
  uint16_t tsih = target.sessions()[0].tsih;
  EXPECT_TRUE(target.on_shard([&] { return target.server().drop_session(tsih); }));
  EXPECT_EQ(target.sessions().size(), 7u);
}

}  // namespace
}  // namespace swiftness::test
