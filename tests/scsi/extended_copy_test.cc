#include "target/scsi/limits.h"
#include "tests/scsi/copy_fixture.h"

namespace swiftness::scsi::test {
namespace {

constexpr const char* kConflict = "status 24";

class ExtendedCopyTest : public CopyTest {
 protected:
  static Uuid uuid(int lun) { return lun == 0 ? MemoryDevice::kIdentity : uuid_of(lun); }
  static uint32_t block_size(int lun) { return lun == 2 ? 4096 : 512; }

  // One segment from one logical unit to another.
  static CopyList segment(int from, int to, uint16_t blocks, uint64_t from_lba, uint64_t to_lba) {
    CopyList list;
    list.targets = {target_descriptor(uuid(from), block_size(from)),
                    target_descriptor(uuid(to), block_size(to))};
    list.segments = {segment_descriptor(0, 1, blocks, from_lba, to_lba)};
    return list;
  }
  std::string copy(const CopyList& list, std::optional<NexusId> nexus = {}) {
    return outcome(extended_copy(list.lid1(), 0, nexus));
  }
  std::shared_ptr<Flight> begin_copy(const CopyList& list, uint16_t lun = 0) {
    const Bytes bytes = list.lid1();
    return begin(command(copy_out(0, bytes.size()), bytes.size(), nexus_, lun),
                 BufferList(Buffer::copy_of(bytes)));
  }
  std::string status_lid1(uint8_t list_identifier) { return hex(received(0, list_identifier)); }
};

TEST_F(ExtendedCopyTest, CopiesBetweenLogicalUnitsWhicheverIsAsked) {
  start_all();
  fill(device_, 0, 16, 1);
  for (uint16_t asked : std::initializer_list<uint16_t>{0, 1, 3}) {
    const CopyList list = segment(0, 1, 16, 0, 100 + 16 * asked);
    EXPECT_EQ(outcome(extended_copy(list.lid1(), asked)), kGood);
    EXPECT_EQ(other_.contents(100 + 16 * asked, 16), device_.contents(0, 16));
  }
  EXPECT_EQ(device_.written_blocks(), 16u);
}

TEST_F(ExtendedCopyTest, SeveralSegmentsInTheirOrder) {
  start_all();
  fill(device_, 0, 8, 1);
  CopyList list = segment(0, 1, 8, 0, 0);
  list.segments.push_back(segment_descriptor(1, 1, 8, 0, 8));  // of what the first has written
  list.segments.push_back(segment_descriptor(1, 0, 16, 0, 100));
  EXPECT_EQ(copy(list), kGood);
  EXPECT_EQ(device_.contents(100, 8), device_.contents(0, 8));
  EXPECT_EQ(device_.contents(108, 8), device_.contents(0, 8));
  EXPECT_EQ(status_lid1(1), squeezed("00000008 01 0003 00 00004000")) << "32 blocks";
}

TEST_F(ExtendedCopyTest, HolesStayHoles) {
  start_all();
  fill(device_, 16, 16, 1);
  fill(device_, 1001, 1, 2);  // holes beside it begin and end at odd places
  fill(other_, 0, 2048, 3);
  EXPECT_EQ(copy(segment(0, 1, 2048, 0, 0)), kGood);
  EXPECT_EQ(other_.contents(0, 2048), device_.contents(0, 2048));
  EXPECT_EQ(other_.written_blocks(), 17u);
  EXPECT_EQ(copy(segment(1, 0, 1024, 8192, 0)), kGood) << "nothing but a hole";
  EXPECT_EQ(device_.written_blocks(), 0u);
}

TEST_F(ExtendedCopyTest, SourceAndDestinationMayOverlap) {
  start_all();
  const uint64_t blocks = 3 * kMebibyte / 512;
  fill(other_, 1000, blocks, 1);
  const BufferList before = other_.contents(1000, blocks);
  EXPECT_EQ(copy(segment(1, 1, blocks, 1000, 1003)), kGood);
  EXPECT_EQ(other_.contents(1003, blocks), before);
  EXPECT_EQ(copy(segment(1, 1, blocks, 1003, 500)), kGood);
  EXPECT_EQ(other_.contents(500, blocks), before);
}

TEST_F(ExtendedCopyTest, BlocksOfDifferentSizes) {
  start_all();
  fill(device_, 0, 24, 1);
  fill(device_, 40, 8, 5);
  EXPECT_EQ(copy(segment(0, 2, 48, 0, 10)), kGood);
  EXPECT_EQ(large_blocks_.contents(10, 6), device_.contents(0, 48));
  EXPECT_EQ(large_blocks_.written_blocks(), 4u) << "a hole of 16 small blocks is two large ones";
  EXPECT_EQ(copy(segment(2, 0, 6, 10, 100)), kGood);
  EXPECT_EQ(device_.contents(100, 48), device_.contents(0, 48));
  CopyList counted = segment(0, 2, 3, 0, 20);
  counted.segments[0][1] = std::byte{0x02};  // DC: three blocks of the destination
  EXPECT_EQ(copy(counted), kGood);
  EXPECT_EQ(large_blocks_.contents(20, 3), device_.contents(0, 24));
  EXPECT_EQ(copy(segment(0, 2, 9, 0, 10)), "0a/26/0a") << "not a whole number of blocks";
}

TEST_F(ExtendedCopyTest, NothingIsDoneWhereAnythingIsRefused) {
  start_all();
  fill(device_, 0, 8, 1);
  const CopyList good = segment(0, 1, 8, 0, 0);
  const auto with = [&good](const Bytes& second) {
    CopyList list = good;
    list.segments.push_back(second);
    return list;
  };
  EXPECT_EQ(copy(with(segment_descriptor(0, 2, 8, 0, 0))), "0a/08/04") << "no such descriptor";
  EXPECT_EQ(copy(with(segment_descriptor(0, 1, 2, 0, 32767))), "0a/00/00") << "beyond the end";
  EXPECT_EQ(copy(with(segment_descriptor(0, 1, 8, uint64_t(0) - 4, 0))), "0a/00/00");
  EXPECT_EQ(copy(segment(1, 1, 32769, 0, 0)), "05/26/00") << "more than 16 MiB";
  CopyList unknown = good;
  unknown.targets[1] = target_descriptor(uuid_of(9));
  EXPECT_EQ(copy(unknown), "0a/0d/02");
  CopyList other_blocks = good;
  other_blocks.targets[1] = target_descriptor(uuid_of(1), 4096);
  EXPECT_EQ(copy(other_blocks), "0a/0d/03");
  CopyList tape = good;
  tape.targets[1][1] = std::byte{0x01};
  EXPECT_EQ(copy(tape), "0a/0d/03");
  EXPECT_EQ(copy(segment(0, 3, 8, 0, 0)), "07/27/00") << "read-only";
  EXPECT_EQ(other_.written_blocks(), 0u);
  EXPECT_EQ(other_.calls().unmaps, 0);
}

TEST_F(ExtendedCopyTest, SenseDataNameTheSegment) {
  start_all();
  CopyList list = segment(0, 1, 8, 0, 0);
  list.segments.push_back(segment_descriptor(0, 5, 8, 0, 0));
  EXPECT_EQ(hex(extended_copy(list.lid1()).sense),
            squeezed("70 00 0a 00000000 0a 00000001 0804 00 000000"));
}

TEST_F(ExtendedCopyTest, ReachesWhatItsNexusMayUseAndNothingElse) {
  start_all();
  fill(device_, 0, 8, 1);
  const NexusId narrow = log_in_everywhere({.luns = {0, 2}});
  EXPECT_EQ(copy(segment(0, 1, 8, 0, 0), narrow), "0a/0d/02");
  EXPECT_EQ(copy(segment(1, 0, 8, 0, 0), narrow), "0a/0d/02");
  EXPECT_EQ(copy(segment(0, 2, 8, 0, 0), narrow), kGood);
  const NexusId reader = log_in_everywhere({.read_only = true});
  EXPECT_EQ(copy(segment(0, 1, 8, 0, 0), reader), "07/27/00");
  EXPECT_EQ(other_.written_blocks(), 0u);
}

TEST_F(ExtendedCopyTest, ReservationsOfBothSidesCount) {
  start_all();
  const NexusId holder = log_in_everywhere({.initiator_port = "iqn.x:b,i,0x1"});
  const auto reserve_out = [&](int action, int type, uint64_t key, uint64_t service_key) {
    Bytes list(24);
    store_be(&list[0], key);
    store_be(&list[8], service_key);
    return outcome(send(cdb({0x5f, action, type, 0, 0, 0, 0, 0, 24}), BufferList(Buffer::own(list)),
                        holder, 1));
  };
  EXPECT_EQ(reserve_out(0, 0, 0, 1), kGood);
  EXPECT_EQ(reserve_out(1, 1, 1, 0), kGood);  // write exclusive
  EXPECT_EQ(copy(segment(0, 1, 8, 0, 0)), kConflict);
  EXPECT_EQ(copy(segment(1, 0, 8, 0, 0)), kGood);
  EXPECT_EQ(copy(segment(0, 1, 8, 0, 0), holder), kGood);
  EXPECT_EQ(reserve_out(2, 1, 1, 0), kGood);
  EXPECT_EQ(reserve_out(1, 3, 1, 0), kGood);  // exclusive access
  EXPECT_EQ(copy(segment(1, 0, 8, 0, 0)), kConflict);
}

TEST_F(ExtendedCopyTest, ReservationsAreLoadedForItIfNeedBe) {
  constexpr uint16_t kPorts[] = {0};
  const NexusName holder{"iqn.x:b,i,0x1", 0};
  Reservations saved;
  ReserveOut reserve{.service_key = 1, .persist = true};
  saved.apply(reserve, holder, kPorts);
  reserve = {.action = ReserveOut::Action::reserve, .scope_and_type = 3, .key = 1};
  saved.apply(reserve, holder, kPorts);
  other_.keep_metadata();
  asio::co_spawn(io_, other_.store_metadata(MetadataKey::reservations, saved.encode()),
                 [](std::exception_ptr, Result<void>) {});
  turn();
  start();
  router_.add(1, std::make_unique<LogicalUnit>(other_, LogicalUnitOptions{}));
  for (int i = 0; i < 4; ++i) send(kTestUnitReady);
  EXPECT_EQ(copy(segment(0, 1, 8, 0, 0)), kConflict);
}

TEST_F(ExtendedCopyTest, AnAbortedOneWritesNothingMore) {
  start_all();
  fill(device_, 0, 8, 1);
  device_.hang();  // its read
  auto aborted = begin_copy(segment(0, 1, 8, 0, 0));
  Command reset_later = command(copy_out(0, 0), 0, nexus_, 0);
  EXPECT_FALSE(aborted->done());
  EXPECT_TRUE(router_.abort_task(lun_to_field(0), nexus_, TaskTag(reset_later.tag.value() - 1)));
  auto reset = begin_copy(segment(0, 1, 8, 0, 100));
  router_.reset(lun_to_field(0), nexus_);
  device_.release();
  turn();
  EXPECT_TRUE(aborted->done() && reset->done());
  EXPECT_EQ(other_.written_blocks(), 0u);
}

TEST_F(ExtendedCopyTest, StatusWhileItRunsAndAfterwards) {
  start_all();
  fill(device_, 0, 8, 1);
  EXPECT_EQ(outcome(send(copy_in(0, 9))), "05/24/00") << "there is no such copy";
  CopyList list = segment(0, 1, 8, 0, 0);
  list.list_identifier = 9;
  other_.hang();
  auto flight = begin_copy(list);
  EXPECT_EQ(status_lid1(9), squeezed("00000008 00 0000 00 00000000"));
  EXPECT_EQ(outcome(send(copy_in(4, 9))), "05/24/00");
  EXPECT_EQ(copy(list), "05/00/16") << "one of that list identifier runs";
  other_.release();
  turn();
  EXPECT_TRUE(flight->done());
  EXPECT_EQ(status_lid1(9), squeezed("00000008 01 0001 00 00001000"));
  EXPECT_EQ(
      hex(received(5, 9)),
      squeezed("0000001c 00 01 0001 ffffffff 00 00 00 00 0000000000001000 0001 000000000000"));
  EXPECT_EQ(hex(received(1, 9)), "00000000") << "no held data";
  EXPECT_EQ(hex(received(4, 9)), "00000000") << "nothing failed";
  EXPECT_EQ(copy(list), kGood) << "the identifier is free again";
}

TEST_F(ExtendedCopyTest, OtherNexusesDoNotSeeIt) {
  start_all();
  EXPECT_EQ(copy(segment(0, 1, 8, 0, 0)), kGood);
  const NexusId stranger = log_in_everywhere();
  EXPECT_EQ(outcome(send(copy_in(0, 1), {}, stranger)), "05/24/00");
  EXPECT_EQ(outcome(send(copy_in(0, 1), {}, nexus_, 1)), "05/24/00") << "nor other units";
}

TEST_F(ExtendedCopyTest, FailuresAreToldInDetail) {
  start_all();
  fill(device_, 0, 8, 1);
  device_.fail_with(ErrorCode::corrupt);
  const ScsiResult failed = extended_copy(segment(0, 1, 8, 0, 0).lid1());
  EXPECT_EQ(outcome(failed), "0a/0d/01");
  device_.fail_with(std::nullopt);
  EXPECT_EQ(status_lid1(1), squeezed("00000008 02 0000 00 00000000"));
  EXPECT_EQ(hex(received(4, 1)), squeezed("0000004a") + std::string(104, '0') +
                                     squeezed("02 00 0012") + hex(failed.sense));
  other_.fail_with(ErrorCode::unavailable);
  EXPECT_EQ(copy(segment(0, 1, 8, 0, 0)), kBusy) << "another try may help";
  other_.fail_with(ErrorCode::out_of_space);
  EXPECT_EQ(copy(segment(0, 1, 8, 0, 0)), "07/27/07");
}

TEST_F(ExtendedCopyTest, CopyOperationAbortWaitsForItsEnd) {
  start_all();
  fill(device_, 0, 16, 1);
  CopyList list = segment(0, 1, 8, 0, 0);
  list.segments.push_back(segment_descriptor(0, 1, 8, 8, 8));
  other_.hang();  // the write of the first
  auto copying = begin_copy(list);
  auto aborting = begin(copy_out(0x1c, 0, 1));
  EXPECT_FALSE(copying->done() || aborting->done());
  other_.release();
  turn();
  ASSERT_TRUE(copying->done() && aborting->done());
  EXPECT_EQ(aborting->result->status, Status::good);
  EXPECT_EQ(outcome(*copying->result), "0a/00/00");
  EXPECT_EQ(other_.written_blocks(), 8u);
  EXPECT_EQ(std::to_integer<int>(received(5, 1)[5]), 0x60);
  EXPECT_EQ(outcome(send(copy_out(0x1c, 0, 1))), "05/24/00") << "it runs no more";
}

TEST_F(ExtendedCopyTest, InTheBackground) {
  start_all();
  fill(device_, 0, 8, 1);
  CopyList list = segment(0, 1, 8, 0, 0);
  list.immed = true;
  list.list_identifier = 0x12345678;
  const Bytes bytes = list.lid4();
  other_.hang();
  EXPECT_EQ(outcome(send(copy_out(1, bytes.size()), BufferList(Buffer::copy_of(bytes)))), kGood);
  EXPECT_EQ(std::to_integer<int>(received(5, 0x12345678)[5]), 0x12);
  other_.release();
  turn();
  EXPECT_EQ(std::to_integer<int>(received(5, 0x12345678)[5]), 0x01);
  EXPECT_EQ(other_.contents(0, 8), device_.contents(0, 8));
}

TEST_F(ExtendedCopyTest, InTheBackgroundItEndsWithItsNexusOrAReset) {
  for (bool by_reset : {false, true}) {
    SCOPED_TRACE(by_reset);
    if (!unit_) start_all();
    fill(device_, 0, 8, 1);
    CopyList list = segment(0, 1, 8, 0, 0);
    list.immed = true;
    const Bytes bytes = list.lid4();
    const NexusId passing = log_in_everywhere();
    device_.hang();
    EXPECT_EQ(outcome(send(copy_out(1, bytes.size()), BufferList(Buffer::copy_of(bytes)), passing)),
              kGood);
    by_reset ? router_.reset(lun_to_field(0), nexus_) : router_.detach(passing);
    device_.release();
    turn();
    EXPECT_EQ(other_.written_blocks(), 0u);
    send(kTestUnitReady);
  }
}

TEST_F(ExtendedCopyTest, WithoutAWriteCacheItIsDurable) {
  start_all();
  fill(device_, 0, 8, 1);
  EXPECT_EQ(copy(segment(0, 1, 8, 0, 0)), kGood);
  EXPECT_EQ(other_.calls().flushes, 0);
  units_[1]->set_mode({.write_cache = false}, nexus_);
  EXPECT_EQ(copy(segment(0, 1, 8, 0, 0)), kGood);
  EXPECT_EQ(other_.calls().flushes, 1);
}

TEST_F(ExtendedCopyTest, HoldsItsBlocksAgainstWhatWorksInOneStep) {
  start_all();
  fill(device_, 0, 8, 1);
  device_.hang();  // its read
  auto copying = begin_copy(segment(0, 1, 8, 0, 0));
  Command compare = command(cdb({0x89, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 1}), 1024, nexus_, 1);
  BufferList data(device_.contents(4, 1));
  data.append(pattern(512, 99));
  auto comparing = begin(compare, data);
  EXPECT_FALSE(comparing->done());
  device_.release();
  turn();
  ASSERT_TRUE(copying->done() && comparing->done());
  EXPECT_EQ(comparing->result->status, Status::good) << "it saw what was copied";
  EXPECT_EQ(other_.contents(4, 1), BufferList(pattern(512, 99)));
}

// Though another logical unit was asked for the copy: a cluster node that was shut out must not
// write any more.
TEST_F(ExtendedCopyTest, WhatEndsTheTasksOfItsDestinationEndsIt) {
  start_all();
  fill(device_, 0, 8, 1);
  const NexusId other_node = log_in_everywhere({.initiator_port = "iqn.x:b,i,0x1"});
  const auto reserve_out = [&](NexusId nexus, int action, uint64_t key, uint64_t service_key) {
    Bytes list(24);
    store_be(&list[0], key);
    store_be(&list[8], service_key);
    return outcome(
        send(cdb({0x5f, action, 1, 0, 0, 0, 0, 0, 24}), BufferList(Buffer::own(list)), nexus, 1));
  };
  EXPECT_EQ(reserve_out(nexus_, 6, 0, 1), kGood);
  EXPECT_EQ(reserve_out(other_node, 6, 0, 2), kGood);
  device_.hang();
  auto preempted = begin_copy(segment(0, 1, 8, 0, 0));
  EXPECT_EQ(reserve_out(other_node, 5, 2, 1), kGood);  // PREEMPT AND ABORT
  auto reset = begin_copy(segment(0, 2, 8, 0, 0));
  router_.reset(lun_to_field(2), other_node);
  device_.release();
  turn();
  ASSERT_TRUE(preempted->done() && reset->done());
  EXPECT_EQ(preempted->result->status, Status::task_aborted);
  EXPECT_EQ(other_.written_blocks() + large_blocks_.written_blocks(), 0u);
}

// It was asked for elsewhere; the unit it reads lives until it has left.
TEST_F(ExtendedCopyTest, TakingItsSourceAwayEndsIt) {
  start_all();
  fill(large_blocks_, 0, 8, 1);
  large_blocks_.hang();
  auto copying = begin_copy(segment(2, 1, 8, 0, 0));
  int told = 0;
  std::unique_ptr<LogicalUnit> retired = router_.remove(2, [&told] { ++told; });
  EXPECT_FALSE(retired->is_idle());
  EXPECT_EQ(told, 0);
  large_blocks_.release();
  turn();
  ASSERT_TRUE(copying->done());
  EXPECT_TRUE(retired->is_idle());
  EXPECT_EQ(told, 1);
  EXPECT_EQ(other_.written_blocks(), 0u);
  EXPECT_NE(copy(segment(2, 1, 8, 0, 0)), kGood) << "nobody has that name any more";
}

TEST_F(ExtendedCopyTest, NoMoreThanSoManyRunAtOnce) {
  start_all();
  fill(device_, 0, 8, 1);
  device_.hang();
  std::vector<std::shared_ptr<Flight>> flights;
  for (uint32_t i = 0; i < kConcurrentCopies + 3; ++i) {
    CopyList list = segment(0, 1, 8, 0, i * 8);
    list.list_identifier = i;
    flights.push_back(begin_copy(list));
  }
  EXPECT_EQ(device_.waiting(), kConcurrentCopies);
  device_.release();
  turn();
  for (const auto& flight : flights) EXPECT_TRUE(flight->done());
  EXPECT_EQ(other_.written_blocks(), (kConcurrentCopies + 3) * 8);
}

TEST_F(ExtendedCopyTest, OperatingParameters) {
  start_all();
  EXPECT_EQ(hex(received(3, 0)),
            squeezed("0000002a 01 000000 0010 0010 000003c0 01000000 00000000 00000000 00000000"
                     "0000 0008 08 09 00 00 000000 02 02 e4"));
}

TEST_F(ExtendedCopyTest, AnEmptyOrLongListIsJudgedByItsLength) {
  start_all();
  EXPECT_EQ(outcome(send(copy_out(0, 0))), kGood);
  EXPECT_EQ(outcome(send(copy_out(0x10, 0))), kGood);
  EXPECT_EQ(outcome(send(copy_out(0, 5000), BufferList(Buffer::zeros(5000)))), "05/1a/00");
}

}  // namespace
}  // namespace swiftness::scsi::test
