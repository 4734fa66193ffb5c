#include "target/scsi/task_set.h"

#include "tests/scsi/fixture.h"

namespace swiftness::scsi::test {
namespace {

const Cdb kWriteFurtherOn = cdb({0x2a, 0, 0, 0, 0, 9, 0, 0, 1});

// How many tasks have reached the device says which have started: it answers none until released.
class TaskOrder : public ScsiTest {
 protected:
  void SetUp() override {
    start();
    device_.hang();
  }
  std::shared_ptr<Flight> simple() { return begin(kRead); }
  std::shared_ptr<Flight> ordered() { return begin(kRead, {}, TaskAttribute::ordered); }
  std::shared_ptr<Flight> head() { return begin(kRead, {}, TaskAttribute::head_of_queue); }
  int started() const { return device_.calls().reads; }
  void finish_oldest() {
    device_.release_one();
    turn();
  }
};

TEST_F(TaskOrder, SimpleTasksRunSideBySide) {
  for (int i = 0; i < 10; ++i) simple();
  EXPECT_EQ(started(), 10);
}

TEST_F(TaskOrder, OrderedWaitsForAllOlderTasks) {
  auto first = simple(), second = simple(), barrier = ordered();
  EXPECT_EQ(started(), 2);
  finish_oldest();
  EXPECT_TRUE(first->done());
  EXPECT_EQ(started(), 2);
  finish_oldest();
  EXPECT_EQ(started(), 3);
  finish_oldest();
  EXPECT_TRUE(barrier->done());
}

TEST_F(TaskOrder, SimpleWaitsForOlderOrdered) {
  auto barrier = ordered();
  auto late = simple(), later = simple();
  EXPECT_EQ(started(), 1);
  finish_oldest();
  EXPECT_EQ(started(), 3);
  device_.release();
  turn();
  EXPECT_TRUE(barrier->done() && late->done() && later->done());
}

TEST_F(TaskOrder, OrderedTasksRunOneByOne) {
  for (int i = 0; i < 3; ++i) ordered();
  EXPECT_EQ(started(), 1);
  finish_oldest();
  EXPECT_EQ(started(), 2);
  finish_oldest();
  EXPECT_EQ(started(), 3);
}

TEST_F(TaskOrder, HeadOfQueueOvertakesThoseWhoWait) {
  simple();
  ordered();
  head();
  EXPECT_EQ(started(), 2) << "the simple one and the head of queue";
  auto late = simple();
  EXPECT_EQ(started(), 2);
  device_.release();
  turn();
  EXPECT_EQ(started(), 4);
  EXPECT_TRUE(late->done());
}

TEST_F(TaskOrder, AfterTheLastOrderedTaskAllIsFreeAgain) {
  ordered();
  device_.release();
  turn();
  device_.hang();
  for (int i = 0; i < 5; ++i) simple();
  EXPECT_EQ(started(), 6);
}

TEST_F(TaskOrder, ATaskGivenUpHoldsNobodyUp) {
  auto barrier = ordered();
  auto late = simple();
  EXPECT_EQ(started(), 1);
  EXPECT_TRUE(router_.abort_task(lun_to_field(0), nexus_, TaskTag(last_tag_ - 1)));
  turn();
  EXPECT_TRUE(barrier->ticket->cancelled);
  EXPECT_EQ(started(), 2);
  EXPECT_FALSE(late->ticket->cancelled);
}

TEST_F(TaskOrder, ATaskGivenUpWhileItWaitsNeverStarts) {
  simple();
  auto waiting = ordered();
  EXPECT_TRUE(router_.abort_task(lun_to_field(0), nexus_, TaskTag(last_tag_)));
  turn();
  ASSERT_TRUE(waiting->done());
  EXPECT_EQ(waiting->result->status, Status::task_aborted);
  EXPECT_EQ(started(), 1);
}

TEST_F(TaskOrder, ATicketCancelledByTheTransportCountsWhenTheNextTaskComes) {
  auto barrier = ordered();
  auto late = simple();
  barrier->ticket->cancelled = true;
  simple();
  EXPECT_EQ(started(), 3);
}

TEST_F(TaskOrder, AnAcaTaskIsRefused) {
  auto task = begin(kRead, {}, TaskAttribute::aca);
  ASSERT_TRUE(task->done());
  EXPECT_EQ(sense_code(task->result->sense), "05/49/00");
}

TEST_F(TaskOrder, RandomHistoriesAllEnd) {
  std::vector<std::shared_ptr<Flight>> flights;
  unsigned random = 12345;
  for (int i = 0; i < 400; ++i) {
    random = random * 1103515245 + 12345;
    unsigned dice = random >> 16;
    if (dice % 5 == 0) finish_oldest();
    TaskAttribute attribute = dice % 7 == 0   ? TaskAttribute::ordered
                              : dice % 7 == 1 ? TaskAttribute::head_of_queue
                                              : TaskAttribute::simple;
    flights.push_back(begin(kRead, {}, attribute));
    if (dice % 11 == 0) flights[dice % flights.size()]->ticket->cancelled = true;
  }
  device_.release();
  turn();
  for (const auto& flight : flights) EXPECT_TRUE(flight->done());
}

class TaskSetFull : public ScsiTest {};

TEST_F(TaskSetFull, IsAnsweredBeyondTheLimitAndOnlyWhereTheDeviceIsNeeded) {
  start({.tasks = 4});
  device_.hang();
  std::vector<std::shared_ptr<Flight>> flights;
  for (int i = 0; i < 4; ++i) flights.push_back(begin(kRead));
  EXPECT_EQ(sense_of(kRead), "status 40");
  EXPECT_EQ(sense_of(kTestUnitReady), kGood);
  device_.release_one();
  turn();
  EXPECT_TRUE(flights[0]->done());
  EXPECT_FALSE(begin(kRead)->done());
  device_.release();
  turn();
}

TEST_F(TaskSetFull, CountsTasksGivenUpUntilTheyEnd) {
  start({.tasks = 2});
  device_.hang();
  begin(kWriteFurtherOn, pattern(512, 0));
  begin(kWriteFurtherOn, pattern(512, 0));
  router_.reset(lun_to_field(0), nexus_);
  EXPECT_EQ(sense_of(kTestUnitReady), "06/29/03");
  EXPECT_EQ(sense_of(kRead), "status 40");
  device_.release();
  turn();
  EXPECT_EQ(sense_of(kRead), kGood);
}

}  // namespace
}  // namespace swiftness::scsi::test
