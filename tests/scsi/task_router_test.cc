#include "target/scsi/task_router.h"

#include "tests/scsi/fixture.h"

namespace swiftness::scsi::test {
namespace {

Cdb report_luns(int select = 0, int allocation_length = 64) {
  return cdb({0xa0, 0, select, 0, 0, 0, 0, 0, 0, allocation_length});
}

// ---- LUN fields
// ----------------------------------------------------------------------------------

TEST(LunField, PeripheralAndFlatSpaceAddressing) {
  EXPECT_EQ(lun_from_field(LunField(0)), 0);
  EXPECT_EQ(lun_from_field(LunField(0x0005'0000'0000'0000)), 5);
  EXPECT_EQ(lun_from_field(LunField(0x4005'0000'0000'0000)), 5);
  EXPECT_EQ(lun_from_field(LunField(0x4123'0000'0000'0000)), 0x123);
  EXPECT_EQ(lun_from_field(LunField(0x0105'0000'0000'0000)), std::nullopt) << "bus 1";
  EXPECT_EQ(lun_from_field(LunField(0xc101'0000'0000'0000)), std::nullopt) << "well known";
  EXPECT_EQ(lun_from_field(LunField(0x8005'0000'0000'0000)), std::nullopt) << "bus, target, LUN";
  EXPECT_EQ(lun_from_field(LunField(0x0005'0001'0000'0000)), std::nullopt) << "second level";
}

TEST(LunField, ExtendedFlatSpaceAddressing) {
  EXPECT_EQ(lun_from_field(LunField(0xd200'0005'0000'0000)), 5);
  EXPECT_EQ(lun_from_field(LunField(0xd200'3fff'0000'0000)), 0x3fff);
  EXPECT_EQ(lun_from_field(LunField(0xe200'0000'0123'0000)), 0x123);
  EXPECT_EQ(lun_from_field(LunField(0xd200'4000'0000'0000)), std::nullopt) << "no unit is there";
  EXPECT_EQ(lun_from_field(LunField(0xd201'0000'0000'0000)), std::nullopt);
  EXPECT_EQ(lun_from_field(LunField(0xe201'0000'0005'0000)), std::nullopt);
  EXPECT_EQ(lun_from_field(LunField(0xd200'0005'0001'0000)), std::nullopt) << "second level";
  EXPECT_EQ(lun_from_field(LunField(0xe200'0000'0005'0001)), std::nullopt) << "second level";
  EXPECT_EQ(lun_from_field(LunField(0xd100'0005'0000'0000)), std::nullopt) << "reserved";
}

TEST(LunField, OneUnitHasOneCanonicalForm) {
  for (uint64_t five : {0x0005'0000'0000'0000u, 0x4005'0000'0000'0000u, 0xd200'0005'0000'0000u,
                        0xe200'0000'0005'0000u}) {
    EXPECT_EQ(canonical(LunField(five)).value(), 0x0005'0000'0000'0000u);
  }
  EXPECT_EQ(canonical(LunField(0xc101'0000'0000'0000u)).value(), 0xc101'0000'0000'0000u);
}

TEST(LunField, RoundTrips) {
  for (int number : {0, 1, 255, 256, 0x3fff}) {
    auto lun = static_cast<uint16_t>(number);
    EXPECT_EQ(lun_from_field(lun_to_field(lun)), lun);
  }
  EXPECT_EQ(lun_to_field(255).value(), 0x00ff'0000'0000'0000u);
  EXPECT_EQ(lun_to_field(256).value(), 0x4100'0000'0000'0000u);
}

// ---- logical units
// -------------------------------------------------------------------------------

class Luns : public ScsiTest {};

TEST_F(Luns, ReportLunsListsThemByAddress) {
  start();
  add_second(300);
  std::string both = squeezed("00000010 00000000 0000000000000000 412c000000000000");
  EXPECT_EQ(hex(send(report_luns(0x00)).data_in), both);
  EXPECT_EQ(hex(send(report_luns(0x02)).data_in), both);
  EXPECT_EQ(hex(send(report_luns(0x01)).data_in), squeezed("00000000 00000000")) << "well known";
  EXPECT_EQ(hex(send(report_luns(0x00), {}, {}, 300).data_in), both);
}

// There are neither administrative nor subsidiary logical units.
TEST_F(Luns, ReportLunsOfConglomerates) {
  start();
  EXPECT_EQ(hex(send(report_luns(0x10)).data_in), squeezed("00000000 00000000"));
  EXPECT_EQ(hex(send(report_luns(0x11)).data_in), squeezed("00000008 00000000 0000000000000000"));
  EXPECT_EQ(hex(send(report_luns(0x12)).data_in), squeezed("00000000 00000000"));
}

TEST_F(Luns, AreReachedInEachForm) {
  start();
  add_second(5);
  for (uint64_t five : {0x0005'0000'0000'0000u, 0x4005'0000'0000'0000u, 0xd200'0005'0000'0000u,
                        0xe200'0000'0005'0000u}) {
    Command sent = command(kInquiry, 0, nexus_, 0);
    sent.lun = LunField(five);
    auto flight = begin(sent);
    ASSERT_TRUE(flight->done());
    EXPECT_EQ(hex(flight->result->data_in).substr(0, 2), "00") << std::hex << five;
  }
  Command elsewhere = command(kInquiry, 0, nexus_, 6);
  EXPECT_EQ(hex(begin(elsewhere)->result->data_in).substr(0, 2), "7f");
}

TEST_F(Luns, AsManyAsATargetMayHaveAreListed) {
  std::vector<std::unique_ptr<MemoryDevice>> devices;
  for (uint16_t i = 0; i < 256; ++i) {
    devices.push_back(std::make_unique<MemoryDevice>(io_.get_executor(), 8));
    router_.add(static_cast<uint16_t>(i * 64),
                std::make_unique<LogicalUnit>(*devices.back(), LogicalUnitOptions{}));
  }
  nexus_ = log_in();
  const std::string data = hex(send(cdb({0xa0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0})).data_in);
  EXPECT_EQ(data.size(), 2 * (8 + 256 * 8));
  EXPECT_EQ(data.substr(0, 16), squeezed("00000800 00000000"));
  EXPECT_EQ(data.substr(data.size() - 16), "7fc0000000000000") << "flat space";
  std::destroy_at(&router_);
  std::construct_at(&router_);
}

TEST_F(Luns, ReportLunsIsCutToTheAllocationLength) {
  start();
  EXPECT_EQ(hex(send(report_luns(0, 6)).data_in), squeezed("00000008 0000"));
  EXPECT_EQ(hex(send(report_luns(0, 0)).data_in), "");
}

TEST_F(Luns, ReportLunsRejectsReportsItDoesNotKnow) {
  start();
  for (int reserved : {0x03, 0x0f, 0x13, 0xff}) {
    EXPECT_EQ(sense_of(report_luns(reserved)), "05/24/00");
  }
  EXPECT_EQ(hex(send(report_luns(0x03)).sense),
            squeezed("70 00 05 00000000 0a 00000000 2400 00 c00002"));
}

TEST_F(Luns, EachReachesItsOwnDevice) {
  start();
  add_second(1);
  EXPECT_EQ(sense_of(kTestUnitReady, {}, {}, 1), "06/29/00");
  EXPECT_EQ(sense_of(kWrite, pattern(512, 1), {}, 1), kGood);
  EXPECT_EQ(second_device_.calls().writes, 1);
  EXPECT_EQ(device_.calls().writes, 0);
}

TEST_F(Luns, ANexusSeesOnlyThoseItMayUse) {
  start();
  add_second(1);
  NexusId limited = router_.attach({.luns = {1}});
  EXPECT_EQ(hex(send(report_luns(), {}, limited, 1).data_in),
            squeezed("00000008 00000000 0001000000000000"));
  EXPECT_EQ(sense_of(kRead, {}, limited, 0), "05/25/00");
  EXPECT_EQ(hex(send(kInquiry, {}, limited, 0).data_in).substr(0, 2), "7f");
  EXPECT_TRUE(router_.has(lun_to_field(0)));
  EXPECT_FALSE(router_.has(lun_to_field(0), limited));
  EXPECT_TRUE(router_.has(lun_to_field(1), limited));
  EXPECT_FALSE(router_.has(lun_to_field(2)));
}

TEST_F(Luns, OneThatIsAddedLaterIsAnnounced) {
  start();
  add_second(1);
  EXPECT_EQ(sense_of(kTestUnitReady), "06/3f/0e");
  EXPECT_EQ(sense_of(kTestUnitReady), kGood);
  EXPECT_EQ(sense_of(kTestUnitReady, {}, {}, 1), "06/29/00");
}

TEST_F(Luns, OneThatIsTakenAwayIsGoneAtOnceAndAnnounced) {
  start();
  add_second(1);
  EXPECT_EQ(sense_of(kTestUnitReady), "06/3f/0e");
  EXPECT_EQ(sense_of(kTestUnitReady, {}, {}, 1), "06/29/00");
  second_device_.hang();
  auto write = begin(command(kWrite, 512, nexus_, 1), pattern(512, 1));

  int idle = 0;
  std::unique_ptr<LogicalUnit> gone = router_.remove(1, [&idle] { ++idle; });
  EXPECT_TRUE(write->ticket->cancelled);
  EXPECT_FALSE(router_.has(lun_to_field(1)));
  EXPECT_EQ(sense_of(kTestUnitReady, {}, {}, 1), "05/25/00");
  EXPECT_EQ(hex(send(kInquiry, {}, {}, 1).data_in).substr(0, 2), "7f");
  EXPECT_EQ(sense_of(kTestUnitReady), "06/3f/0e");
  EXPECT_EQ(hex(send(report_luns()).data_in), squeezed("00000008 00000000 0000000000000000"));

  EXPECT_FALSE(gone->is_idle());
  EXPECT_EQ(idle, 0);
  second_device_.release();
  turn();
  EXPECT_TRUE(write->done());
  EXPECT_TRUE(gone->is_idle());
  EXPECT_EQ(idle, 1);
  EXPECT_EQ(second_device_.written_blocks(), 0u) << "given up in time: never written";
}

TEST_F(Luns, ANexusThatMayNotUseOneIsNotToldThatItIsTakenAway) {
  start();
  add_second(1);
  NexusId limited = log_in({.luns = {0}});
  (void)router_.remove(1, [] {});
  EXPECT_EQ(sense_of(kTestUnitReady, {}, limited), kGood);
}

TEST_F(Luns, TheDeviceOfOneThatIsTakenAwayMayGetAnother) {
  start();
  std::unique_ptr<LogicalUnit> gone = router_.remove(0, [] {});
  router_.add(5, std::make_unique<LogicalUnit>(device_, LogicalUnitOptions{}));
  gone.reset();
  EXPECT_TRUE(device_.is_observed()) << "by its new unit";
  EXPECT_EQ(sense_of(kTestUnitReady, {}, {}, 5), "06/29/00");
  EXPECT_EQ(sense_of(kWrite, pattern(512, 1), {}, 5), kGood);
}

TEST_F(Luns, AReservationGoesWithTheUnit) {
  const Cdb reserve = cdb({0x16, 0, 0, 0, 0, 0});
  start();
  NexusId other = log_in();
  EXPECT_EQ(sense_of(reserve), kGood);
  EXPECT_EQ(sense_of(kTestUnitReady, {}, other), "status 24");
  (void)router_.remove(0, [] {});
  router_.add(0, std::make_unique<LogicalUnit>(device_, LogicalUnitOptions{}));
  EXPECT_EQ(sense_of(kTestUnitReady, {}, other), "06/29/00");
  EXPECT_EQ(sense_of(kTestUnitReady, {}, other), kGood);
}

TEST_F(Luns, OneThatBecomesReadOnlySaysSo) {
  start();
  NexusId other = log_in();
  unit_->set_read_only(true);
  EXPECT_EQ(sense_of(kTestUnitReady), "06/2a/01");
  EXPECT_EQ(sense_of(kTestUnitReady, {}, other), "06/2a/01");
  EXPECT_EQ(sense_of(kWrite, pattern(512, 1)), "07/27/00");
  unit_->set_read_only(false);
  EXPECT_EQ(sense_of(kTestUnitReady), "06/2a/01");
  EXPECT_EQ(sense_of(kWrite, pattern(512, 1)), kGood);
  EXPECT_EQ(sense_of(kTestUnitReady, {}, other), "06/2a/01");
  unit_->set_read_only(false);
  EXPECT_EQ(sense_of(kTestUnitReady, {}, other), kGood) << "nothing is different";
}

TEST_F(Luns, ANexusMayGetOthers) {
  start();
  add_second(1);
  NexusId limited = log_in({.luns = {0}});
  NexusId other = log_in();
  EXPECT_EQ(sense_of(kTestUnitReady, {}, other, 1), "06/29/00");
  router_.set_luns(limited, {0, 1});
  EXPECT_EQ(sense_of(kTestUnitReady, {}, limited), "06/3f/0e");
  EXPECT_EQ(sense_of(kTestUnitReady, {}, limited, 1), "06/29/00");
  second_device_.hang();
  auto write = begin(command(kWrite, 512, limited, 1), pattern(512, 1));
  auto others = begin(command(kWrite, 512, other, 1), pattern(512, 1));
  router_.set_luns(limited, {0});
  EXPECT_TRUE(write->ticket->cancelled);
  EXPECT_FALSE(others->ticket->cancelled);
  EXPECT_EQ(sense_of(kTestUnitReady, {}, limited, 1), "05/25/00");
  EXPECT_EQ(sense_of(kTestUnitReady, {}, limited), "06/3f/0e");
  EXPECT_EQ(sense_of(kTestUnitReady, {}, other), kGood) << "nothing of its own has changed";
  router_.set_luns(limited, {0, 7});
  EXPECT_EQ(sense_of(kTestUnitReady, {}, limited), kGood) << "there is no such unit";
  second_device_.release();
  turn();
}

TEST_F(Luns, WhoHasReadTheListNeedNotBeToldThatItChanged) {
  start();
  add_second(1);
  send(report_luns());
  EXPECT_EQ(sense_of(kTestUnitReady), kGood);
}

// ---- where there is no logical unit
// --------------------------------------------------------------

class AbsentLun : public ScsiTest {};

TEST_F(AbsentLun, InquirySaysThatThereIsNoUnit) {
  start();
  ScsiResult result = send(kInquiry, {}, {}, 7);
  EXPECT_EQ(result.status, Status::good);
  EXPECT_EQ(result.data_in.size(), 36u);
  EXPECT_EQ(hex(result.data_in).substr(0, 16), squeezed("7f 00 06 12 5b 00 00 02"));
  EXPECT_EQ(hex(send(cdb({0x12, 1, 0, 0, 255}), {}, {}, 7).data_in), squeezed("7f 00 0001 00"));
  EXPECT_EQ(sense_of(cdb({0x12, 1, 0x83, 0, 255}), {}, {}, 7), "05/24/00");
  EXPECT_EQ(sense_of(cdb({0x12, 0, 0x83, 0, 255}), {}, {}, 7), "05/24/00");
}

TEST_F(AbsentLun, RequestSenseSaysItInItsData) {
  start();
  EXPECT_EQ(hex(send(cdb({0x03, 1, 0, 0, 252}), {}, {}, 7).data_in), "7205250000000000");
}

TEST_F(AbsentLun, AllElseIsRefused) {
  start();
  EXPECT_EQ(sense_of(kTestUnitReady, {}, {}, 7), "05/25/00");
  EXPECT_EQ(sense_of(kWrite, pattern(512, 0), {}, 7), "05/25/00");
  EXPECT_EQ(sense_of(report_luns(), {}, {}, 7), "05/25/00");
  EXPECT_EQ(sense_of(cdb({0xc0}), {}, {}, 7), "05/25/00");
}

TEST_F(AbsentLun, ZeroStillAnswersInquiryAndReportLuns) {
  add_second(3);
  nexus_ = router_.attach({});
  EXPECT_EQ(hex(send(kInquiry).data_in).substr(0, 2), "7f");
  EXPECT_EQ(hex(send(report_luns()).data_in), squeezed("00000008 00000000 0003000000000000"));
  EXPECT_EQ(sense_of(kTestUnitReady), "05/25/00");
}

// ---- task management
// -----------------------------------------------------------------------------

class TaskManagement : public ScsiTest {
 protected:
  struct Listener : NexusListener {
    std::vector<LunField> cleared;
    bool had_tasks = true;
    bool on_tasks_cleared(LunField lun) override {
      cleared.push_back(lun);
      return had_tasks;
    }
  };

  void SetUp() override {
    NexusOptions mine, theirs;
    mine.listener = &my_ear_;
    theirs.listener = &their_ear_;
    start({}, mine);
    other_ = log_in(theirs);
    device_.hang();
  }

  std::shared_ptr<Flight> write(NexusId nexus) {
    return begin(command(kWrite, 512, nexus, 0), pattern(512, 1));
  }

  Listener my_ear_, their_ear_, idle_ear_;
  NexusId other_;
};

TEST_F(TaskManagement, ResetGivesUpEveryTaskAndTellsTheOtherNexuses) {
  auto mine = write(nexus_);
  auto theirs = write(other_);
  router_.reset(lun_to_field(0), nexus_);
  EXPECT_TRUE(mine->ticket->cancelled);
  EXPECT_TRUE(theirs->ticket->cancelled);
  EXPECT_TRUE(my_ear_.cleared.empty()) << "who resets knows";
  EXPECT_EQ(their_ear_.cleared, std::vector<LunField>{lun_to_field(0)});
  EXPECT_EQ(sense_of(kTestUnitReady), "06/29/03");
  EXPECT_EQ(sense_of(kTestUnitReady, {}, other_), "06/29/03");
  device_.release();
  turn();
  EXPECT_TRUE(mine->done() && theirs->done());
  EXPECT_EQ(device_.written_blocks(), 0u) << "given up in time: never written";
}

TEST_F(TaskManagement, AfterAResetTheUnitWorksWhileOldTasksStillHang) {
  write(nexus_);
  router_.reset(lun_to_field(0), nexus_);
  EXPECT_EQ(sense_of(kTestUnitReady), "06/29/03");
  EXPECT_EQ(sense_of(kTestUnitReady), kGood);
  auto ordered = command(kWrite, 512, nexus_, 0);
  ordered.attribute = TaskAttribute::ordered;
  begin(ordered, pattern(512, 2));
  EXPECT_EQ(device_.calls().writes, 2) << "not held up by the task given up";
}

TEST_F(TaskManagement, ResetOfAUnitTheNexusMayNotUseDoesNothing) {
  add_second(1);
  NexusId limited = router_.attach({.luns = {1}});
  auto mine = write(nexus_);
  router_.reset(lun_to_field(0), limited);
  router_.reset(lun_to_field(9), nexus_);
  EXPECT_FALSE(mine->ticket->cancelled);
}

TEST_F(TaskManagement, AbortTaskSetSparesOtherNexuses) {
  auto mine = write(nexus_);
  auto theirs = write(other_);
  router_.abort_task_set(lun_to_field(0), nexus_);
  EXPECT_TRUE(mine->ticket->cancelled);
  EXPECT_FALSE(theirs->ticket->cancelled);
  EXPECT_TRUE(their_ear_.cleared.empty());
  EXPECT_EQ(sense_of(kTestUnitReady), kGood);
}

TEST_F(TaskManagement, ClearTaskSetTellsThoseWhoLostSomething) {
  auto mine = write(nexus_);
  auto theirs = write(other_);
  NexusId idle = log_in({.listener = &idle_ear_});
  idle_ear_.had_tasks = false;
  router_.clear_task_set(lun_to_field(0), nexus_);
  EXPECT_TRUE(mine->ticket->cancelled);
  EXPECT_TRUE(theirs->ticket->cancelled);
  EXPECT_EQ(idle_ear_.cleared.size(), 1u);
  EXPECT_EQ(sense_of(kTestUnitReady), kGood);
  EXPECT_EQ(sense_of(kTestUnitReady, {}, other_), "06/2f/00");
  EXPECT_EQ(sense_of(kTestUnitReady, {}, idle), kGood);
}

TEST_F(TaskManagement, WhatTheTransportClearsIsToldToItsNexusAlone) {
  auto mine = write(nexus_);
  TaskTag tag(last_tag_);
  auto theirs = write(other_);
  router_.clear_by_transport(lun_to_field(0), nexus_, tag);
  EXPECT_TRUE(mine->ticket->cancelled);
  EXPECT_FALSE(theirs->ticket->cancelled);
  EXPECT_EQ(sense_of(kTestUnitReady), "06/47/7f");
  EXPECT_EQ(sense_of(kTestUnitReady), kGood);
  EXPECT_EQ(sense_of(kTestUnitReady, {}, other_), kGood);
}

TEST_F(TaskManagement, ATargetResetIsForThoseWhoMayUseAllOfIt) {
  add_second(1);
  EXPECT_EQ(sense_of(kTestUnitReady), "06/3f/0e");
  NexusId limited = router_.attach({.luns = {1}});
  NexusId reader = router_.attach({.read_only = true});
  auto mine = write(nexus_);
  EXPECT_FALSE(router_.reset_all(limited));
  EXPECT_FALSE(router_.reset_all(reader));
  EXPECT_FALSE(mine->ticket->cancelled);
  EXPECT_EQ(sense_of(kTestUnitReady, {}, nexus_, 1), "06/29/00");
  EXPECT_TRUE(router_.reset_all(other_));
  EXPECT_TRUE(mine->ticket->cancelled);
  EXPECT_EQ(my_ear_.cleared, (std::vector{lun_to_field(0), lun_to_field(1)}));
  EXPECT_EQ(sense_of(kTestUnitReady, {}, nexus_, 0), "06/29/03");
  EXPECT_EQ(sense_of(kTestUnitReady, {}, nexus_, 1), "06/29/03");
}

TEST_F(TaskManagement, ANexusResetIsForOneNexusAndAllItsUnits) {
  add_second(1);
  EXPECT_EQ(sense_of(kTestUnitReady), "06/3f/0e");
  EXPECT_EQ(sense_of(kTestUnitReady, {}, nexus_, 1), "06/29/00");
  EXPECT_EQ(sense_of(kTestUnitReady, {}, other_), "06/3f/0e");
  auto mine = write(nexus_);
  auto theirs = write(other_);
  router_.reset_nexus(nexus_);
  EXPECT_TRUE(mine->ticket->cancelled);
  EXPECT_FALSE(theirs->ticket->cancelled);
  EXPECT_TRUE(my_ear_.cleared.empty() && their_ear_.cleared.empty());
  EXPECT_EQ(sense_of(kTestUnitReady), "06/29/07");
  EXPECT_EQ(sense_of(kTestUnitReady), kGood);
  EXPECT_EQ(sense_of(kTestUnitReady, {}, nexus_, 1), "06/29/07");
  EXPECT_EQ(sense_of(kTestUnitReady, {}, other_), kGood);
}

TEST_F(TaskManagement, QueryAsynchronousEventTellsTheNextUnitAttentionAndLeavesItPending) {
  auto query = [this](uint16_t lun) {
    return router_.query_asynchronous_event(lun_to_field(lun), nexus_);
  };
  EXPECT_FALSE(query(0));
  EXPECT_FALSE(query(9));
  device_.resize(2 * kBlocks);
  EXPECT_EQ(query(0), (AsynchronousEvent{0x16, 0x2a, 0x09}));
  router_.reset(lun_to_field(0), other_);
  EXPECT_EQ(query(0), (AsynchronousEvent{0x26, 0x29, 0x03}));
  EXPECT_EQ(sense_of(kTestUnitReady), "06/29/03");
  EXPECT_EQ(sense_of(kTestUnitReady), "06/2a/09");
  EXPECT_FALSE(query(0));
}

TEST_F(TaskManagement, AbortTaskFindsOneTask) {
  auto first = write(nexus_);
  TaskTag tag(last_tag_);
  auto second = write(nexus_);
  EXPECT_FALSE(router_.abort_task(lun_to_field(0), other_, tag)) << "tags belong to a nexus";
  EXPECT_TRUE(router_.abort_task(lun_to_field(0), nexus_, tag));
  EXPECT_FALSE(router_.abort_task(lun_to_field(0), nexus_, tag)) << "already";
  EXPECT_TRUE(first->ticket->cancelled);
  EXPECT_FALSE(second->ticket->cancelled);
}

TEST_F(TaskManagement, DetachGivesUpTheTasksOfTheNexus) {
  auto mine = write(nexus_);
  auto theirs = write(other_);
  router_.detach(nexus_);
  EXPECT_TRUE(mine->ticket->cancelled);
  EXPECT_FALSE(theirs->ticket->cancelled);
  device_.release();
  turn();
  EXPECT_TRUE(mine->done() && theirs->done());
  EXPECT_EQ(theirs->result->status, Status::good);
}

TEST_F(TaskManagement, ACommandOfADetachedNexusIsNotRun) {
  Command late = command(kWrite, 512, nexus_, 0);
  router_.detach(nexus_);
  EXPECT_EQ(router_.plan(late).final->status, Status::task_aborted);
  auto flight = std::make_shared<Flight>();
  asio::co_spawn(io_, land(router_.execute(late, pattern(512, 0), flight->ticket), flight),
                 [](std::exception_ptr failure) { EXPECT_FALSE(failure); });
  turn();
  EXPECT_EQ(flight->result->status, Status::task_aborted);
  EXPECT_EQ(device_.calls().writes, 0);
}

}  // namespace
}  // namespace swiftness::scsi::test
