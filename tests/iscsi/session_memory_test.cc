// Memory for data in flight, of a session and of all of them: who waits, who is refused, whose turn
// it is.
#include <gtest/gtest.h>

#include "tests/iscsi/test_target.h"

namespace swiftness::test {
namespace {

using namespace iscsi;

LoginOptions all_solicited(uint8_t isid) {
  LoginOptions options;
  options.isid[5] = isid;
  options.keys = {{"InitialR2T", "Yes"}, {"ImmediateData", "No"}};
  return options;
}

// Answers an R2T for one that does not do so by itself.
void send_what_is_asked_for(RawInitiator& initiator, const std::optional<ReceivedPdu>& r2t) {
  ASSERT_TRUE(r2t);
  DataOut data;
  data.flags = kFinal;
  data.initiator_task_tag = r2t->header.initiator_task_tag;
  data.target_transfer_tag = r2t->as<R2t>().target_transfer_tag;
  initiator.queue(data, pattern(r2t->as<R2t>().desired_data_transfer_length, 1));
  initiator.flush();
}

// Every command has brought its first burst and waits for the rest: that must not be all there is.
TEST(Memory, DataThatCameUnaskedDoesNotHoldUpWhatIsAskedFor) {
  IscsiLimits limits;
  limits.session_memory = 64 * 1024;
  TestTarget target(limits);
  LoginOptions options;
  options.keys = {{"InitialR2T", "No"}, {"ImmediateData", "Yes"}, {"FirstBurstLength", "8192"}};
  auto initiator = logged_in(target, options);
  constexpr uint32_t kCommands = 14;
  for (uint32_t i = 0; i < kCommands; ++i) {
    initiator->queue_command(write10(i * 100, pattern(40960, i)));
  }
  for (uint32_t i = 0; i < kCommands; ++i) {
    auto answer = initiator->complete_any();
    ASSERT_TRUE(answer) << i;
    EXPECT_EQ(answer->status, 0);
  }
  for (uint32_t i = 0; i < kCommands; ++i) {
    EXPECT_EQ(initiator->run(read10(i * 100, 80))->data, pattern(40960, i));
  }
}

TEST(Memory, SessionsTakeTurnsAtTheTotal) {
  IscsiLimits limits;
  limits.sessions = 8;
  limits.solicited_memory = 64 * 1024;  // half of it put aside: 4 KiB for each session
  TestTarget target(limits);
  auto greedy = logged_in(target, all_solicited(1));
  auto modest = logged_in(target, all_solicited(2));
  greedy->answers_r2ts = false;
  std::vector<uint32_t> tags;
  for (int i = 0; i < 4; ++i) tags.push_back(greedy->queue_command(write10(0, pattern(32768, 1))));
  auto r2t = greedy->receive_kind(Opcode::r2t);
  ASSERT_TRUE(greedy->nop("sent"));
  EXPECT_EQ(modest->run(write10(100, pattern(4096, 2)))->status, 0) << "from what is put aside";
  uint32_t large = modest->queue_command(write10(200, pattern(32768, 3)));
  ASSERT_TRUE(modest->nop("sent"));
  for (int i = 0; i < 2; ++i) {  // two were there before the other's
    if (i > 0) r2t = greedy->receive_kind(Opcode::r2t);
    send_what_is_asked_for(*greedy, r2t);
    auto answer = greedy->complete(tags[i]);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 0);
  }
  auto answer = modest->complete(large);
  ASSERT_TRUE(answer) << "the greedy one has taken its turn as well";
  EXPECT_EQ(answer->status, 0);
  send_what_is_asked_for(*greedy, greedy->receive_kind(Opcode::r2t));
  EXPECT_TRUE(greedy->complete(tags[2]));
}

TEST(Memory, ASessionThatEndsHoldsNobodyUp) {
  IscsiLimits limits;
  limits.sessions = 8;
  limits.solicited_memory = 64 * 1024;
  TestTarget target(limits);
  auto first = logged_in(target, all_solicited(1));
  auto second = logged_in(target, all_solicited(2));
  auto third = logged_in(target, all_solicited(3));
  first->answers_r2ts = second->answers_r2ts = false;
  for (RawInitiator* each : {first.get(), second.get(), third.get()}) {
    each->queue_command(write10(0, pattern(32768, 1)));
    ASSERT_TRUE(each->nop("sent"));
  }
  second.reset();
  EXPECT_TRUE(target.eventually([&] { return target.server().sessions().size() == 2; }));
  first.reset();
  auto answer = third->complete_any();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 0);
}

// Its tasks that hang in the store keep it in memory.
TEST(Memory, AlsoWhenOneOfItsTasksStillHangs) {
  IscsiLimits limits;
  limits.sessions = 8;
  limits.solicited_memory = 64 * 1024;  // 32 KiB shared, of which one has room
  TestTarget target(limits);
  auto first = logged_in(target, all_solicited(1));
  auto second = logged_in(target, all_solicited(2));
  auto third = logged_in(target, all_solicited(3));
  target.hang();
  second->answers_r2ts = false;
  second->queue_command(write10(500, pattern(512, 1)));
  send_what_is_asked_for(*second, second->receive_kind(Opcode::r2t));
  ASSERT_TRUE(target.wait_for_hanging(1));
  first->answers_r2ts = third->answers_r2ts = false;
  for (RawInitiator* each : {first.get(), second.get(), third.get()}) {
    each->queue_command(write10(0, pattern(24576, 1)));
    ASSERT_TRUE(each->nop("sent"));
  }
  second.reset();
  EXPECT_TRUE(target.eventually([&] { return target.server().sessions().size() == 2; }));
  first.reset();
  EXPECT_TRUE(third->receive_kind(Opcode::r2t));
}

TEST(Memory, WhoWasServedStandsInNobodysWay) {
  IscsiLimits limits;
  limits.sessions = 8;
  limits.solicited_memory = 64 * 1024;
  TestTarget target(limits);
  auto first = logged_in(target, all_solicited(1));
  auto second = logged_in(target, all_solicited(2));
  first->answers_r2ts = false;
  first->queue_command(write10(0, pattern(32768, 1)));
  auto r2t = first->receive_kind(Opcode::r2t);
  const uint32_t waits = second->queue_command(write10(100, pattern(32768, 2)));
  ASSERT_TRUE(second->nop("sent"));
  send_what_is_asked_for(*first, r2t);
  EXPECT_TRUE(first->complete_any());
  EXPECT_TRUE(second->complete(waits));
  first->answers_r2ts = true;
  EXPECT_TRUE(first->run(write10(0, pattern(32768, 3))));
}

TEST(Memory, DataThatComesUnaskedBeyondTheTotalIsRefusedButForAShare) {
  IscsiLimits limits;
  limits.initial_window = 4;
  limits.unsolicited_memory = 4 * 65536;
  TestTarget target(limits);
  LoginOptions options;
  options.keys = {{"InitialR2T", "No"}, {"ImmediateData", "Yes"}, {"FirstBurstLength", "65536"}};
  auto greedy = logged_in(target, options);
  options.isid[5] = 2;
  auto modest = logged_in(target, options);
  ASSERT_EQ(greedy->window(), 4u);
  target.hang();
  std::vector<uint32_t> tags;
  for (uint32_t i = 0; i < 4; ++i) {
    tags.push_back(greedy->queue_command(write10(i * 128, pattern(65536, i))));
  }
  greedy->flush();
  ASSERT_TRUE(target.wait_for_hanging(4));
  ScsiRequest beyond = write10(0, pattern(65536, 9));
  beyond.immediate = true;  // the window does not bound these
  auto refused = greedy->run(beyond);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 0x08) << "BUSY";
  EXPECT_EQ(target.counts().commands_without_memory, 1u);
  uint32_t own = modest->queue_command(write10(1000, pattern(65536, 5)));
  modest->flush();
  EXPECT_TRUE(target.wait_for_hanging(5));
  target.release();
  for (uint32_t tag : tags) EXPECT_EQ(greedy->complete(tag)->status, 0);
  EXPECT_EQ(modest->complete(own)->status, 0);
  EXPECT_EQ(greedy->run(beyond)->status, 0) << "there is room again";
}

}  // namespace
}  // namespace swiftness::test
