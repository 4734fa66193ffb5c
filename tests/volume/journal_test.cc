#include "backend/volume/journal.h"

#include <gtest/gtest.h>

#include "backend/base/local_disk.h"
#include "tests/gateway/temporary_folder.h"
#include "tests/volume/journal_machine.h"

namespace swiftness {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct JournalTest : testing::Test {
  JournalMachine machine;

  void set(double DiskFaults::*chance, double value) {
    DiskFaults faults = machine.disk.faults();
    faults.*chance = value;
    machine.disk.set_faults(faults);
  }
  // A call that goes on while the test does other things.
  template <class T>
  std::shared_ptr<std::optional<T>> begin(asio::awaitable<T> call) {
    auto outcome = std::make_shared<std::optional<T>>();
    spawn_or_throw(machine.io.get_executor(), keep(std::move(call), outcome));
    return outcome;
  }
  template <class T>
  static Task keep(asio::awaitable<T> call, std::shared_ptr<std::optional<T>> outcome) {
    T result = co_await std::move(call);
    outcome->emplace(std::move(result));
  }
};

TEST_F(JournalTest, AFreshOneIsEmptyAndTakesWhatFollowsTheLog) {
  ASSERT_TRUE(machine.open().ok());
  EXPECT_EQ(machine.journal->facts().state, JournalFacts::State::fresh);
  Result<void> stamped = machine.run(machine.journal->stamp(era_of(1), Era{}, LogPosition(41)));
  ASSERT_TRUE(stamped.ok());
  EXPECT_EQ(machine.newest(), 41U);
  EXPECT_EQ(machine.journal->capacity(), (256U << 10) - kRingStart);
  EXPECT_EQ(machine.journal->used(), 0U);
  machine.put(42);
  EXPECT_TRUE(machine.written(42).ok());
  EXPECT_EQ(machine.journal->used(), 1024U);
}

TEST_F(JournalTest, WrittenRecordsSurviveTheProcess) {
  machine.start(1, 0);
  machine.put(1, 3);
  machine.put(trim_record(2, 2));
  machine.put(trim_record(3, 100));
  ASSERT_TRUE(machine.written(3).ok());
  machine.crash();
  ASSERT_TRUE(machine.open().ok());
  const JournalFacts facts = machine.journal->facts();
  EXPECT_EQ(facts.state, JournalFacts::State::usable);
  EXPECT_EQ(facts.stamp, era_of(1));
  EXPECT_EQ(facts.oldest, LogPosition(1));
  EXPECT_EQ(facts.newest, LogPosition(3));
  EXPECT_EQ(facts.damage, "");
  EXPECT_TRUE(machine.replays(write_record(1, 3)));
  EXPECT_TRUE(machine.replays(trim_record(2, 2)));
  EXPECT_TRUE(machine.replays(trim_record(3, 100)));
}

TEST_F(JournalTest, SyncedRecordsSurviveAPowerCut) {
  set(&DiskFaults::written_back, 0);
  machine.start(1, 0);
  machine.put(1);
  machine.put(2);
  ASSERT_TRUE(machine.synced(2).ok());
  machine.put(3);
  ASSERT_TRUE(machine.written(3).ok());
  machine.power_cut();
  ASSERT_TRUE(machine.open().ok());
  EXPECT_EQ(machine.newest(), 2U);
  EXPECT_EQ(machine.journal->facts().damage, "");
  EXPECT_TRUE(machine.replays(write_record(2, 1)));
}

Async<void> put_in_one_turn(JournalMachine& machine, uint64_t last) {
  for (uint64_t position = 1; position <= last; ++position) machine.put(position);
  co_return Result<void>();
}

TEST_F(JournalTest, OneTurnIsOneWrite) {
  machine.start(1, 0);
  const uint64_t before = machine.disk.writes();
  ASSERT_TRUE(machine.run(put_in_one_turn(machine, 20)).ok());
  ASSERT_TRUE(machine.written(20).ok());
  EXPECT_EQ(machine.disk.writes() - before, 1U);
}

TEST_F(JournalTest, WhatQueuesDuringAWriteGoesOutTogether) {
  machine.start(1, 0);
  DiskFaults slow;
  slow.write = {seconds(1), seconds(1)};
  machine.disk.set_faults(slow);
  const uint64_t before = machine.disk.writes();
  for (uint64_t position = 1; position <= 10; ++position) {
    machine.put(position);
    machine.io.restart();
    machine.io.poll();
    EXPECT_EQ(machine.disk.writes() - before, std::min<uint64_t>(position, 3));
  }
  ASSERT_TRUE(machine.written(10).ok());
  EXPECT_EQ(machine.disk.writes() - before, 4U);
}

Async<void> wait(Duration duration) {
  co_await sleep_for(duration);
  co_return Result<void>();
}

TEST_F(JournalTest, WritesThatOvertakeOthersCountInTheOrderOfTheLog) {
  machine.start(1, 0);
  auto put = [this](uint64_t position, seconds takes) {
    DiskFaults slow;
    slow.write = {takes, takes};
    machine.disk.set_faults(slow);
    machine.put(position);
    auto outcome = begin(machine.journal->written(LogPosition(position)));
    machine.io.restart();
    machine.io.poll();
    return outcome;
  };
  const auto first = put(1, seconds(3));
  const auto second = put(2, seconds(1));
  ASSERT_TRUE(machine.run(wait(seconds(2))).ok());
  EXPECT_FALSE(*first);
  EXPECT_FALSE(*second) << "a crash now would find a hole before it";
  ASSERT_TRUE(machine.written(2).ok());
  EXPECT_TRUE(*first && (*first)->ok());
  EXPECT_TRUE(*second && (*second)->ok());
}

TEST_F(JournalTest, OneSyncServesAllWhoWait) {
  machine.start(1, 0);
  DiskFaults slow;
  slow.sync = {seconds(1), seconds(1)};
  machine.disk.set_faults(slow);
  const uint64_t before = machine.disk.syncs();
  std::vector<std::shared_ptr<std::optional<Result<void>>>> outcomes;
  for (uint64_t position = 1; position <= 10; ++position) {
    machine.put(position);
    outcomes.push_back(begin(machine.journal->synced(LogPosition(position))));
  }
  machine.settle();
  for (const auto& outcome : outcomes) {
    ASSERT_TRUE(outcome->has_value());
    EXPECT_TRUE((*outcome)->ok());
  }
  EXPECT_EQ(machine.disk.syncs() - before, 1U);
}

TEST_F(JournalTest, ASyncCoversOnlyWhatWasWrittenWhenItBegan) {
  machine.start(1, 0);
  DiskFaults slow;
  slow.sync = {seconds(1), seconds(1)};
  slow.written_back = 0;
  machine.disk.set_faults(slow);
  machine.put(1);
  auto first = begin(machine.journal->synced(LogPosition(1)));
  machine.io.restart();
  machine.io.poll();  // the sync has begun
  machine.put(2);
  auto second = begin(machine.journal->synced(LogPosition(2)));
  run_until(machine.io, [&] { return first->has_value(); });
  EXPECT_FALSE(second->has_value());
  machine.settle();
  ASSERT_TRUE(second->has_value() && (*second)->ok());
  machine.power_cut();
  ASSERT_TRUE(machine.open().ok());
  EXPECT_EQ(machine.newest(), 2U);
}

TEST_F(JournalTest, WritesGoOnWhileASyncRuns) {
  machine.start(1, 0);
  DiskFaults slow;
  slow.write = {milliseconds(1), milliseconds(1)};
  slow.sync = {seconds(10), seconds(10)};
  machine.disk.set_faults(slow);
  const uint64_t syncs = machine.disk.syncs();
  machine.put(1);
  auto sync = begin(machine.journal->synced(LogPosition(1)));
  run_until(machine.io, [&] { return machine.disk.syncs() > syncs; });
  const TimePoint began = now();
  for (uint64_t position = 2; position <= 50; ++position) {
    machine.put(position);
    ASSERT_TRUE(machine.written(position).ok());
  }
  EXPECT_LT(now() - began, seconds(1));
  EXPECT_FALSE(sync->has_value());
}

TEST_F(JournalTest, ALargeQueueGoesOutInSeveralWrites) {
  JournalMachine large(64 << 20);
  large.start(1, 0);
  const uint64_t before = large.disk.writes();
  large.put(1, 16384);  // 8 MiB: alone
  for (uint64_t position = 2; position <= 9; ++position) large.put(position, 2048);
  ASSERT_TRUE(large.written(9).ok());
  EXPECT_EQ(large.disk.writes() - before, 4U);
  large.crash();
  ASSERT_TRUE(large.open().ok());
  EXPECT_EQ(large.newest(), 9U);
  EXPECT_TRUE(large.replays(write_record(1, 16384)));
}

// ---- room --------------------------------------------------------------------------------------

TEST_F(JournalTest, RoomIsToTheByte) {
  machine.start(1, 0);
  const uint64_t capacity = machine.journal->capacity();
  const uint64_t sectors = capacity / 512 - 1;
  EXPECT_TRUE(machine.journal->has_room(sectors * 512, 1));
  EXPECT_FALSE(machine.journal->has_room((sectors + 1) * 512, 1));
  EXPECT_FALSE(machine.journal->has_room(sectors * 512, 28)) << "the header takes two sectors";
  machine.put(1, sectors);
  EXPECT_EQ(machine.journal->room(), 0U);
  ASSERT_TRUE(machine.synced(1).ok());
  machine.crash();
  ASSERT_TRUE(machine.open().ok());
  EXPECT_EQ(machine.newest(), 1U) << "a ring that is full to the last byte is read to the end";
  EXPECT_EQ(machine.journal->facts().damage, "");
}

TEST_F(JournalTest, ReleasedRoomComesBackOnceTheSuperblockIsSynced) {
  machine.start(1, 0);
  DiskFaults slow;
  slow.sync = {seconds(1), seconds(1)};
  machine.disk.set_faults(slow);
  int told = 0;
  machine.journal->on_change([&told] { ++told; });
  machine.put(1, 99);
  machine.put(2, 99);
  ASSERT_TRUE(machine.written(2).ok());
  machine.journal->release(LogPosition(1));
  machine.io.restart();
  machine.io.poll();
  EXPECT_EQ(machine.journal->used(), 102400U) << "not yet: a crash would find the old tail";
  EXPECT_EQ(told, 0);
  machine.settle();
  EXPECT_EQ(machine.journal->used(), 51200U);
  EXPECT_EQ(told, 1);
  EXPECT_EQ(machine.oldest(), 2U);
}

TEST_F(JournalTest, ReleasingLittleWritesNoSuperblock) {
  machine.start(1, 0);
  machine.put(1);
  ASSERT_TRUE(machine.written(1).ok());
  const uint64_t before = machine.disk.writes();
  machine.journal->release(LogPosition(1));
  machine.settle();
  EXPECT_EQ(machine.disk.writes(), before);
}

TEST_F(JournalTest, WhatIsReleasedBeforeItIsWrittenIsGone) {
  machine.start(1, 0);
  machine.put(1, 100);
  machine.put(2);
  machine.journal->release(LogPosition(1));
  ASSERT_TRUE(machine.synced(2).ok());
  machine.settle();
  machine.power_cut();
  ASSERT_TRUE(machine.open().ok());
  EXPECT_EQ(machine.oldest(), 2U);
  EXPECT_EQ(machine.newest(), 2U);
  EXPECT_EQ(machine.journal->facts().frontier, LogPosition(1));
}

TEST_F(JournalTest, GoesRoundTheRingForEver) {
  machine.start(1, 0);
  uint64_t position = 0;
  for (int i = 0; i < 200; ++i) {
    ++position;
    const uint64_t sectors = 1 + position * 7 % 60;
    machine.put(position, sectors);
    ASSERT_TRUE(machine.written(position).ok());
    if (position > 3) machine.journal->release(LogPosition(position - 3));
    machine.settle();
  }
  ASSERT_TRUE(machine.synced(position).ok());
  machine.power_cut();
  ASSERT_TRUE(machine.open().ok());
  EXPECT_EQ(machine.newest(), position);
  EXPECT_LE(machine.oldest(), position - 2);
  for (uint64_t p = machine.oldest(); p <= position; ++p) {
    EXPECT_TRUE(machine.replays(write_record(p, 1 + p * 7 % 60))) << p;
  }
  EXPECT_EQ(machine.journal->facts().damage, "");
}

// ---- reading back ------------------------------------------------------------------------------

TEST_F(JournalTest, ReadsTheDataOfALiveRecord) {
  machine.start(1, 0);
  const JournalRecord record = write_record(1, 20);
  const JournalPlace place = machine.put(record);
  ASSERT_TRUE(machine.written(1).ok());
  Result<Buffer> all = machine.read(place, 0, 20 * 512);
  ASSERT_TRUE(all.ok());
  EXPECT_EQ(BufferList(*all), record.data);
  Result<Buffer> part = machine.read(place, 512, 1024);
  ASSERT_TRUE(part.ok());
  EXPECT_EQ(BufferList(*part), record.data.slice(512, 1024));
}

TEST_F(JournalTest, ReadsARecordAcrossTheRingsEnd) {
  machine.start(1, 0);
  const uint64_t sectors = machine.journal->capacity() / 512;
  machine.put(1, sectors - 11);
  ASSERT_TRUE(machine.written(1).ok());
  machine.journal->release(LogPosition(1));
  machine.settle();
  const JournalRecord record = write_record(2, 20);
  const JournalPlace place = machine.put(record);
  ASSERT_TRUE(machine.synced(2).ok());
  Result<Buffer> all = machine.read(place, 0, 20 * 512);
  ASSERT_TRUE(all.ok());
  EXPECT_EQ(BufferList(*all), record.data);
  machine.power_cut();
  ASSERT_TRUE(machine.open().ok());
  EXPECT_TRUE(machine.replays(record));
}

TEST_F(JournalTest, DoesNotReadWhatWasReleased) {
  machine.start(1, 0);
  const JournalPlace place = machine.put(1, 100);
  ASSERT_TRUE(machine.written(1).ok());
  auto under_way = begin(machine.journal->read(place, 0, 512));
  machine.journal->release(LogPosition(1));
  DiskFaults slow;
  slow.read = {seconds(10), seconds(10)};
  machine.disk.set_faults(slow);
  machine.settle();
  ASSERT_TRUE(under_way->has_value());
  ASSERT_FALSE((*under_way)->ok());
  EXPECT_EQ((*under_way)->error().code(), ErrorCode::not_found);
  EXPECT_EQ(machine.read(place, 0, 512).error().code(), ErrorCode::not_found);
}

TEST_F(JournalTest, DoesNotReadWhatDecayed) {
  machine.start(1, 0);
  const JournalPlace place = machine.put(1, 100);
  ASSERT_TRUE(machine.written(1).ok());
  machine.disk.flip_bit_in(machine.place_of(place.offset), 100 * 512);
  EXPECT_EQ(machine.read(place, 0, 512).error().code(), ErrorCode::corrupt);
}

// ---- failing -----------------------------------------------------------------------------------

TEST_F(JournalTest, AFailedWriteRetiresIt) {
  machine.start(1, 0);
  machine.put(1);
  ASSERT_TRUE(machine.synced(1).ok());
  int told = 0;
  machine.journal->on_change([&told] { ++told; });
  set(&DiskFaults::write_fails, 1);
  machine.put(2);
  auto waits = begin(machine.journal->synced(LogPosition(2)));
  EXPECT_FALSE(machine.written(2).ok());
  set(&DiskFaults::write_fails, 0);
  machine.settle();
  EXPECT_EQ(told, 1);
  ASSERT_TRUE(waits->has_value());
  EXPECT_FALSE((*waits)->ok());
  EXPECT_FALSE(machine.written(1).ok()) << "nothing is reported any more";
  EXPECT_FALSE(machine.synced(1).ok());
  EXPECT_FALSE(machine.journal->enqueue(write_record(3, 1)).ok());
  EXPECT_TRUE(machine.journal->failed().has_value());
  machine.journal->release(LogPosition(7));
  EXPECT_TRUE(machine.journal->facts().retired);
  machine.crash();
  ASSERT_TRUE(machine.open().ok());
  EXPECT_TRUE(machine.journal->facts().retired);
  EXPECT_GE(machine.journal->facts().newest, LogPosition(1)) << "what it had may be replayed";
}

TEST_F(JournalTest, AFailedSyncRetiresIt) {
  machine.start(1, 0);
  machine.put(1);
  ASSERT_TRUE(machine.written(1).ok());
  set(&DiskFaults::sync_fails, 1);
  const uint64_t before = machine.disk.syncs();
  auto synced = begin(machine.journal->synced(LogPosition(1)));
  run_until(machine.io, [&] { return machine.disk.syncs() > before; });
  set(&DiskFaults::sync_fails, 0);  // whoever tries again succeeds
  run_until(machine.io, [&] { return synced->has_value(); });
  EXPECT_FALSE((*synced)->ok());
  EXPECT_FALSE(machine.synced(1).ok()) << "a later success says nothing";
  EXPECT_FALSE(machine.written(1).ok());
  EXPECT_FALSE(machine.journal->enqueue(write_record(2, 1)).ok());
  machine.settle();
}

TEST_F(JournalTest, AFullDiskRetiresIt) {
  machine.start(1, 0);
  DiskFaults full;
  full.full = true;
  machine.disk.set_faults(full);
  machine.put(1);
  EXPECT_EQ(machine.written(1).error().code(), ErrorCode::out_of_space);
}

TEST_F(JournalTest, AFailedSuperblockRetiresItAndGivesNoRoom) {
  machine.start(1, 0);
  machine.put(1, 100);
  ASSERT_TRUE(machine.written(1).ok());
  const uint64_t used = machine.journal->used();
  set(&DiskFaults::sync_fails, 1);
  machine.journal->release(LogPosition(1));
  machine.settle();
  EXPECT_TRUE(machine.journal->failed().has_value());
  EXPECT_EQ(machine.journal->used(), used);
}

TEST_F(JournalTest, AStampThatFailsIsAnError) {
  ASSERT_TRUE(machine.open().ok());
  set(&DiskFaults::sync_fails, 1);
  EXPECT_FALSE(machine.run(machine.journal->stamp(era_of(1), Era{}, LogPosition())).ok());
  EXPECT_TRUE(machine.journal->failed().has_value());
  EXPECT_FALSE(machine.journal->enqueue(write_record(1, 1)).ok());
}

// After a failed sync the system takes the lost pages for clean: only writing them again helps.
TEST_F(JournalTest, TheNextGatewayBringsToTheMediumWhatAFailedSyncForgot) {
  machine.start(1, 0);
  set(&DiskFaults::written_back, 0);
  machine.put(1);
  machine.put(2);
  ASSERT_TRUE(machine.written(2).ok());
  set(&DiskFaults::sync_fails, 1);
  EXPECT_FALSE(machine.synced(2).ok());
  set(&DiskFaults::sync_fails, 0);
  machine.crash();
  machine.start(2, 0);
  EXPECT_EQ(machine.newest(), 2U);
  machine.put(3);
  ASSERT_TRUE(machine.synced(3).ok());
  machine.power_cut();
  ASSERT_TRUE(machine.open().ok());
  EXPECT_EQ(machine.journal->facts().damage, "");
  EXPECT_EQ(machine.newest(), 3U);
}

// ---- stamping ----------------------------------------------------------------------------------

TEST_F(JournalTest, TheNextGatewayKeepsWhatIsNotInTheStore) {
  machine.start(1, 0);
  for (uint64_t position = 1; position <= 5; ++position) machine.put(position);
  ASSERT_TRUE(machine.written(5).ok());
  machine.crash();
  machine.start(2, 3);
  EXPECT_EQ(machine.oldest(), 4U);
  EXPECT_EQ(machine.newest(), 5U);
  EXPECT_TRUE(machine.replays(write_record(4, 1)));
  machine.put(6);
  EXPECT_TRUE(machine.replays(write_record(5, 1))) << "also beside new records";
  ASSERT_TRUE(machine.written(6).ok());
  machine.crash();
  ASSERT_TRUE(machine.open().ok());
  const JournalFacts facts = machine.journal->facts();
  EXPECT_EQ(facts.stamp, era_of(2));
  EXPECT_EQ(facts.before, era_of(1));
  EXPECT_EQ(facts.oldest, LogPosition(4));
  EXPECT_EQ(facts.newest, LogPosition(6));
  EXPECT_EQ(facts.frontier, LogPosition(3));
  for (uint64_t position = 4; position <= 6; ++position) {
    EXPECT_TRUE(machine.replays(write_record(position, 1)));
  }
}

TEST_F(JournalTest, AStampSurvivesAPowerCutWithWhatItKept) {
  set(&DiskFaults::written_back, 0);
  machine.start(1, 0);
  machine.put(1);
  ASSERT_TRUE(machine.written(1).ok());
  machine.crash();
  machine.start(2, 0);
  machine.power_cut();
  ASSERT_TRUE(machine.open().ok());
  EXPECT_EQ(machine.journal->facts().stamp, era_of(2));
  EXPECT_TRUE(machine.replays(write_record(1, 1)));
}

TEST_F(JournalTest, MayBeStampedAgainUntilSomethingIsEnqueued) {
  machine.start(1, 0);
  machine.put(1);
  ASSERT_TRUE(machine.written(1).ok());
  machine.crash();
  machine.start(2, 0);  // is never started: its attach failed
  const StoreLog log{era_of(1), "", LogPosition(0)};
  EXPECT_EQ(judge(machine.journal->facts(), log).action, JournalVerdict::Action::use);
  Result<void> again = machine.run(machine.journal->stamp(era_of(3), era_of(1), LogPosition(0)));
  ASSERT_TRUE(again.ok());
  EXPECT_TRUE(machine.replays(write_record(1, 1)));
  machine.put(2);
  ASSERT_TRUE(machine.written(2).ok());
  machine.crash();
  ASSERT_TRUE(machine.open().ok());
  EXPECT_EQ(machine.journal->facts().before, era_of(1));
  EXPECT_EQ(machine.newest(), 2U);
}

TEST_F(JournalTest, BeginsTheRingAnewWhenTheStoreHasEverything) {
  machine.start(1, 0);
  for (uint64_t position = 1; position <= 5; ++position) machine.put(position);
  ASSERT_TRUE(machine.written(5).ok());
  machine.crash();
  machine.start(2, 9);  // the store got more than the journal kept
  EXPECT_EQ(machine.journal->used(), 0U);
  EXPECT_EQ(machine.newest(), 9U);
  machine.put(10);
  ASSERT_TRUE(machine.written(10).ok());
  machine.crash();
  ASSERT_TRUE(machine.open().ok());
  EXPECT_EQ(machine.oldest(), 10U);
  EXPECT_EQ(machine.newest(), 10U);
  EXPECT_EQ(machine.journal->facts().frontier, LogPosition(9));
}

TEST_F(JournalTest, AGrownFileIsUsedWhenTheRingBeginsAnew) {
  machine.start(1, 0);
  machine.put(1);
  ASSERT_TRUE(machine.synced(1).ok());
  machine.close();
  JournalMachine larger(1 << 20);
  {
    std::unique_ptr<LocalFile> file = larger.disk.open();
    BufferList bytes(machine.disk.contents(0, 256 << 10));
    ASSERT_TRUE(larger.run(file->write(0, bytes)).ok());
  }
  larger.start(2, 0);
  EXPECT_EQ(larger.journal->capacity(), (256U << 10) - kRingStart);
  EXPECT_TRUE(larger.replays(write_record(1, 1)));
  larger.close();
  larger.start(3, 1);
  EXPECT_EQ(larger.journal->capacity(), (1U << 20) - kRingStart);
}

// ---- closing -----------------------------------------------------------------------------------

// To read a ring of a gigabyte, only to learn that nothing is in it, takes seconds.
TEST_F(JournalTest, OneThatWasClosedEmptyIsOpenedWithoutItsRing) {
  machine.start(1, 0);
  machine.put(1, 3);
  machine.put(2, 3);
  ASSERT_TRUE(machine.synced(2).ok());
  machine.journal->release(LogPosition(2));
  machine.close();
  DiskFaults slow;
  slow.read = {seconds(1), seconds(1)};
  machine.disk.set_faults(slow);
  const TimePoint begun = now();
  ASSERT_TRUE(machine.open().ok());
  EXPECT_LE(now() - begun, seconds(3)) << "the superblocks alone";
  const JournalFacts facts = machine.journal->facts();
  EXPECT_EQ(facts.state, JournalFacts::State::usable);
  EXPECT_EQ(facts.oldest, LogPosition(3));
  EXPECT_EQ(facts.newest, LogPosition(2));
  EXPECT_EQ(facts.frontier, LogPosition(2));
  // The next one begins anew, and when it crashes its records count.
  machine.disk.set_faults({});
  ASSERT_TRUE(machine.run(machine.journal->stamp(era_of(2), era_of(1), LogPosition(2))).ok());
  machine.put(3);
  ASSERT_TRUE(machine.written(3).ok());
  machine.crash();
  ASSERT_TRUE(machine.open().ok());
  EXPECT_EQ(machine.journal->facts().newest, LogPosition(3));
}

TEST_F(JournalTest, OneThatIsClosedWithLiveRecordsKeepsThem) {
  machine.start(1, 0);
  machine.put(1, 3);
  machine.put(2, 3);
  ASSERT_TRUE(machine.synced(2).ok());
  machine.journal->release(LogPosition(1));
  machine.close();
  ASSERT_TRUE(machine.open().ok());
  EXPECT_EQ(machine.journal->facts().newest, LogPosition(2));
}

TEST_F(JournalTest, CloseWritesWhatIsEnqueued) {
  machine.start(1, 0);
  machine.put(1);
  Journal& journal = *machine.journal;
  run(machine.io, journal.close());
  EXPECT_EQ(journal.enqueue(write_record(2, 1)).error().code(), ErrorCode::cancelled);
  EXPECT_EQ(machine.written(1).error().code(), ErrorCode::cancelled);
  machine.close();
  ASSERT_TRUE(machine.open().ok());
  EXPECT_EQ(machine.newest(), 1U);
}

// ---- on a real disk ----------------------------------------------------------------------------

Async<void> write_and_close(Executor executor, std::filesystem::path path, uint64_t records) {
  Result<std::unique_ptr<LocalDisk>> disk = co_await LocalDisk::open(path, 1 << 20);
  if (!disk) co_return disk.error();
  Result<std::unique_ptr<Journal>> journal =
      co_await open_journal(executor, std::move(*disk), kJournalVolume);
  if (!journal) co_return journal.error();
  Era none;
  Result<void> done = co_await (*journal)->stamp(era_of(1), none, LogPosition(0));
  for (uint64_t position = 1; done && position <= records; ++position) {
    JournalRecord record = write_record(position, 8);
    Result<JournalPlace> place = (*journal)->enqueue(record);
    if (!place) co_return place.error();
    done = co_await (*journal)->synced(LogPosition(position));
    if (position > 100) (*journal)->release(LogPosition(position - 100));
  }
  co_await (*journal)->close();
  co_return done;
}

Async<uint64_t> count_after_reopening(Executor executor, std::filesystem::path path) {
  Result<std::unique_ptr<LocalDisk>> disk = co_await LocalDisk::open(path, 1 << 20);
  if (!disk) co_return disk.error();
  Result<std::unique_ptr<Journal>> journal =
      co_await open_journal(executor, std::move(*disk), kJournalVolume);
  if (!journal) co_return journal.error();
  uint64_t sound = 0;
  const LogPosition newest = (*journal)->newest();
  for (LogPosition position = (*journal)->oldest(); position <= newest;
       position = position.next()) {
    Result<Journal::Replayed> replayed = co_await (*journal)->replay(position);
    if (!replayed) co_return replayed.error();
    if (same(replayed->record, write_record(position.value(), 8))) ++sound;
  }
  co_return newest.value() * 1000 + sound;
}

TEST(JournalOnDisk, GoesRoundARealFile) {
  asio::io_context io;
  TemporaryFolder folder;
  const std::filesystem::path path = folder.path() / "journal";
  Result<void> written = run(io, write_and_close(io.get_executor(), path, 500));
  ASSERT_TRUE(written.ok()) << written.error().message();
  Result<uint64_t> found = run(io, count_after_reopening(io.get_executor(), path));
  ASSERT_TRUE(found.ok()) << found.error().message();
  EXPECT_EQ(*found / 1000, 500U);
  EXPECT_GE(*found % 1000, 100U) << "what was not released";
  EXPECT_LT(*found % 1000, 300U);
}

}  // namespace
}  // namespace swiftness
