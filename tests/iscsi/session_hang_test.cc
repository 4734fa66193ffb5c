// The central risk (reference/pitfalls.md 22): the disk below does not answer, and nothing of the
// session layer may wait for it.
#include <gtest/gtest.h>

#include "tests/iscsi/test_target.h"

namespace swiftness::test {
namespace {

using namespace iscsi;
using std::chrono::milliseconds;

// Queues `count` writes that hang in the disk, beside those that hang there already.
std::vector<uint32_t> hang_writes(TestTarget& target, RawInitiator& initiator, size_t count) {
  target.hang();
  const size_t before = target.hanging();
  std::vector<uint32_t> tags;
  for (uint32_t i = 0; i < count; ++i) {
    tags.push_back(initiator.queue_command(write10(i * 8, pattern(4096, i))));
  }
  initiator.flush();
  EXPECT_TRUE(target.wait_for_hanging(before + count));
  return tags;
}

class Elapsed {
 public:
  auto operator()() const {
    return std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - start_);
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

IscsiLimits wide_window() {
  IscsiLimits limits;
  limits.initial_window = 64;
  return limits;
}

TEST(Hang, NopTextAndLogoutAreAnsweredAtOnce) {
  TestTarget target(wide_window());
  auto initiator = logged_in(target);
  hang_writes(target, *initiator, 64);
  Elapsed elapsed;
  auto nop = initiator->nop("are you there");
  ASSERT_TRUE(nop);
  EXPECT_EQ(nop->text(), "are you there");
  // The window is full, so a numbered request has to wait for it, but an immediate one has not.
  auto logout = initiator->logout();
  ASSERT_TRUE(logout);
  EXPECT_LT(elapsed(), milliseconds(1000));
  EXPECT_TRUE(target.sessions().empty());
}

TEST(Hang, LunResetFreesTheWindowAndLateResultsAreDropped) {
  TestTarget target(wide_window());
  auto initiator = logged_in(target);
  hang_writes(target, *initiator, 64);
  EXPECT_EQ(initiator->window(), 0u);
  Elapsed elapsed;
  EXPECT_EQ(initiator->task_management(kLunReset, 0), 0);
  EXPECT_LT(elapsed(), milliseconds(1000));
  EXPECT_GE(initiator->window(), 64u) << "MaxCmdSN moved with the response";
  target.release();
  auto answer = initiator->run(test_unit_ready());
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->asc(), (std::pair<uint8_t, uint8_t>{0x29, 0x03}));
  EXPECT_EQ(initiator->run(read10(0, 8))->data, Octets(4096)) << "given up before the log had them";
  EXPECT_EQ(initiator->in_flight(), 64u) << "no answer to any of them";
  EXPECT_EQ(target.sessions()[0].detached, 0u);
}

TEST(Hang, ReinstatementWithTheSameIsid) {
  TestTarget target(wide_window());
  auto first = logged_in(target);
  hang_writes(target, *first, 64);
  EXPECT_EQ(first->task_management(kLunReset, 0), 0);
  Elapsed elapsed;
  auto second = target.connect();
  LoginOptions options;
  options.target = kTarget;
  ASSERT_TRUE(RawInitiator::succeeded(second.login(options)));
  EXPECT_LT(elapsed(), milliseconds(1000));
  EXPECT_TRUE(first->closed_by_target());
  ASSERT_EQ(target.sessions().size(), 1u);
  EXPECT_TRUE(second.nop("here"));
  target.release();
  EXPECT_EQ(second.run(test_unit_ready())->asc(), (std::pair<uint8_t, uint8_t>{0x29, 0x00}));
  Octets data = pattern(4096, 77);
  EXPECT_EQ(second.run(write10(0, data))->status, 0);
  EXPECT_EQ(second.run(read10(0, 8))->data, data);
}

TEST(Hang, AConnectionThatBreaksGivesItsTasksUp) {
  TestTarget target(wide_window());
  {
    auto initiator = logged_in(target);
    hang_writes(target, *initiator, 32);
  }
  EXPECT_TRUE(target.eventually([&] { return target.server().sessions().empty(); }));
  target.release();
  auto again = logged_in(target);
  EXPECT_EQ(again->run(read10(0, 8))->data, Octets(4096));
}

TEST(Hang, AbortTask) {
  TestTarget target;
  auto initiator = logged_in(target);
  auto tags = hang_writes(target, *initiator, 3);
  EXPECT_EQ(initiator->task_management(kAbortTask, 0, tags[1]), 0);
  EXPECT_EQ(initiator->task_management(kAbortTask, 0, tags[1], 1), 1) << "no such task any more";
  EXPECT_EQ(initiator->task_management(kAbortTask, 0x0005000000000000, tags[0]), 1);
  target.release();
  EXPECT_EQ(initiator->complete(tags[0])->status, 0);
  EXPECT_EQ(initiator->complete(tags[2])->status, 0);
  EXPECT_FALSE(initiator->complete(tags[1], milliseconds(200)));
  EXPECT_EQ(initiator->run(read10(8, 8))->data, Octets(4096));
}

TEST(Hang, AnAbortLetsThoseGoOnThatItHeldUp) {
  TestTarget target;
  auto initiator = logged_in(target);
  auto tags = hang_writes(target, *initiator, 1);
  ScsiRequest ordered = test_unit_ready();
  ordered.flags = kFinal | 2;
  const uint32_t behind = initiator->queue_command(ordered);
  ASSERT_TRUE(initiator->nop("it waits"));
  EXPECT_EQ(target.sessions()[0].in_flight, 2u);
  EXPECT_EQ(initiator->task_management(kAbortTask, 0, tags[0]), 0);
  auto answer = initiator->complete(behind);
  ASSERT_TRUE(answer) << "though the other still hangs in the disk";
  EXPECT_EQ(answer->status, 0);
}

TEST(Hang, ALunResetEndsNothingOfAnotherLun) {
  TestTarget target;
  target.add_unit(3);
  auto initiator = logged_in(target);
  auto tags = hang_writes(target, *initiator, 1);
  EXPECT_EQ(initiator->task_management(kLunReset, 0x0003000000000000), 0);
  EXPECT_EQ(target.sessions()[0].in_flight, 1u);
  target.release();
  EXPECT_EQ(initiator->complete(tags[0])->status, 0);
}

TEST(Hang, AbortTaskSetAndOtherFunctions) {
  TestTarget target;
  auto initiator = logged_in(target);
  hang_writes(target, *initiator, 8);
  EXPECT_EQ(initiator->task_management(kAbortTaskSet, 0), 0);
  EXPECT_EQ(target.sessions()[0].in_flight, 0u);
  EXPECT_EQ(target.sessions()[0].detached, 8u);
  EXPECT_EQ(initiator->task_management(kLunReset, 0x0009000000000000), 2) << "no such LUN";
  hang_writes(target, *initiator, 8);
  EXPECT_EQ(initiator->task_management(kClearTaskSet, 0), 0);
  EXPECT_EQ(target.sessions()[0].detached, 16u);
  EXPECT_EQ(initiator->task_management(kClearTaskSet, 0x0009000000000000), 2);
  EXPECT_EQ(initiator->task_management(8, 0), 4) << "TASK REASSIGN";
  EXPECT_EQ(initiator->task_management(3, 0), 5) << "CLEAR ACA";
  EXPECT_EQ(initiator->task_management(99, 0), 255);
}

// Another initiator's LUN RESET: our commands end without an answer, and with the window used up no
// answer will ever carry a new MaxCmdSN. A NOP-In must.
TEST(Hang, AnothersResetDoesNotLeaveTheWindowStuck) {
  TestTarget target(wide_window());
  auto first = logged_in(target);
  LoginOptions options;
  options.isid[5] = 2;
  auto second = logged_in(target, options);
  hang_writes(target, *first, 64);
  EXPECT_EQ(first->window(), 0u);
  EXPECT_EQ(second->task_management(kLunReset, 0), 0);
  auto announcement = first->receive_kind(Opcode::nop_in);
  ASSERT_TRUE(announcement);
  EXPECT_EQ(announcement->header.initiator_task_tag, kReservedTag);
  EXPECT_EQ(announcement->as<NopIn>().target_transfer_tag, kReservedTag) << "it asks for nothing";
  EXPECT_GE(first->window(), 64u);
}

// Nothing of the other's commands is in the task set yet: their data are still to come.
TEST(Hang, AnothersResetEndsCommandsThatWaitForData) {
  TestTarget target;
  LoginOptions slow, other;
  slow.keys = {{"InitialR2T", "Yes"}, {"ImmediateData", "No"}};
  other.isid[5] = 2;
  auto first = logged_in(target, slow);
  auto second = logged_in(target, other);
  first->answers_r2ts = false;
  first->queue_command(write10(0, pattern(4096, 1)));
  first->flush();
  ASSERT_TRUE(first->receive_kind(Opcode::r2t));
  EXPECT_EQ(second->task_management(kLunReset, 0), 0);
  for (const SessionInfo& session : target.sessions()) EXPECT_EQ(session.in_flight, 0u);
}

TEST(Hang, ATargetWarmResetEndsEverybodysCommandsAndAColdOneEverySession) {
  TestTarget target;
  LoginOptions options;
  options.isid[5] = 2;
  auto first = logged_in(target);
  auto second = logged_in(target, options);
  hang_writes(target, *first, 8);
  EXPECT_EQ(second->task_management(kTargetWarmReset, 0), 0);
  for (const SessionInfo& session : target.sessions()) EXPECT_EQ(session.in_flight, 0u);
  EXPECT_EQ(target.sessions().size(), 2u);
  EXPECT_FALSE(second->task_management(kTargetColdReset, 0)) << "no answer, but the end";
  EXPECT_TRUE(first->closed_by_target());
  EXPECT_EQ(target.sessions().size(), 0u);
  EXPECT_EQ(logged_in(target)->task_management(kLunReset, 0), 0) << "and it serves on";
}

TEST(Hang, BusyAtTheDeadlineAndTheWindowOpensAgain) {
  IscsiLimits limits = wide_window();
  limits.command_timeout = milliseconds(300);
  TestTarget target(limits);
  auto initiator = logged_in(target);
  Elapsed elapsed;
  auto tags = hang_writes(target, *initiator, 64);
  for (uint32_t tag : tags) {
    auto answer = initiator->complete(tag);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 0x08);
  }
  EXPECT_GE(elapsed(), milliseconds(300));
  EXPECT_LT(elapsed(), milliseconds(2000));
  EXPECT_GE(initiator->window(), 64u);
  EXPECT_EQ(target.sessions()[0].detached, 64u);
  EXPECT_EQ(target.counts().commands_timed_out, 64u);
  target.release();
  Octets data = pattern(4096, 3);
  EXPECT_EQ(initiator->run(write10(0, data))->status, 0);
  EXPECT_EQ(initiator->run(read10(0, 8))->data, data);
  EXPECT_TRUE(target.eventually([&] { return target.server().sessions()[0].detached == 0; }));
}

TEST(Hang, BusyAlsoForACommandWhoseDataNeverComes) {
  IscsiLimits limits;
  limits.command_timeout = milliseconds(200);
  TestTarget target(limits);
  LoginOptions options;
  options.keys = {{"InitialR2T", "Yes"}, {"ImmediateData", "No"}};
  auto initiator = logged_in(target, options);
  initiator->answers_r2ts = false;
  uint32_t tag = initiator->queue_command(write10(0, pattern(4096, 1)));
  auto r2t = initiator->receive_kind(Opcode::r2t);
  ASSERT_TRUE(r2t);
  EXPECT_EQ(initiator->complete(tag)->status, 0x08);
  DataOut late;  // for a Target Transfer Tag that is dead: dropped, neither rejected nor an end
  late.initiator_task_tag = tag;
  late.target_transfer_tag = r2t->as<R2t>().target_transfer_tag;
  late.flags = kFinal;
  initiator->queue(late, pattern(4096, 1));
  auto answer = initiator->nop("after late data");
  ASSERT_TRUE(answer);
  EXPECT_EQ(initiator->run(read10(0, 8))->data, Octets(4096));
}

TEST(Hang, LunResetDoesNotWaitForMissingDataOut) {
  TestTarget target;
  LoginOptions options;
  options.keys = {{"InitialR2T", "Yes"}, {"ImmediateData", "No"}};
  auto initiator = logged_in(target, options);
  initiator->answers_r2ts = false;
  uint32_t tag = initiator->queue_command(write10(0, pattern(4096, 1)));
  auto r2t = initiator->receive_kind(Opcode::r2t);
  ASSERT_TRUE(r2t);
  EXPECT_EQ(initiator->task_management(kLunReset, 0), 0);
  DataOut late;
  late.initiator_task_tag = tag;
  late.target_transfer_tag = r2t->as<R2t>().target_transfer_tag;
  late.flags = kFinal;
  initiator->queue(late, pattern(4096, 1));
  EXPECT_TRUE(initiator->nop("after late data"));
}

TEST(Hang, StopDoesNotWaitForTheDisk) {
  IscsiLimits limits = wide_window();
  limits.logout_grace = milliseconds(100);
  TestTarget target(limits);
  auto initiator = logged_in(target);
  hang_writes(target, *initiator, 64);
  Elapsed elapsed;
  target.stop_server();
  EXPECT_LT(elapsed(), milliseconds(1500));
  EXPECT_TRUE(initiator->receive_kind(Opcode::async_message));
  EXPECT_TRUE(initiator->closed_by_target());
  EXPECT_THROW(target.connect(), std::runtime_error);
}

}  // namespace
}  // namespace swiftness::test
