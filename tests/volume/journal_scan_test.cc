// What opening makes of a journal that is torn, damaged, or somebody else's.
#include "backend/volume/journal_scan.h"

#include <gtest/gtest.h>

#include "tests/volume/journal_machine.h"

namespace swiftness {
namespace {

using State = JournalFacts::State;

struct JournalScanTest : testing::Test {
  JournalMachine machine;

  JournalFacts reopened() {
    machine.crash();
    CHECK(machine.open().ok());
    return machine.journal->facts();
  }
  JournalFacts after_raw_write(uint64_t offset, Buffer data) {
    {
      std::unique_ptr<LocalFile> file = machine.disk.open();
      CHECK(machine.run(file->write(offset, BufferList(std::move(data)))).ok());
    }
    CHECK(machine.open().ok());
    return machine.journal->facts();
  }
};

// ---- torn or damaged ---------------------------------------------------------------------------

TEST_F(JournalScanTest, ATornTailIsTheEnd) {
  machine.start(1, 0);
  machine.put(1);
  ASSERT_TRUE(machine.synced(1).ok());
  const JournalPlace torn = machine.put(2);
  ASSERT_TRUE(machine.written(2).ok());
  machine.disk.flip_bit_in(machine.place_of(torn.offset), 512);
  const JournalFacts facts = reopened();
  EXPECT_EQ(facts.newest, LogPosition(1));
  EXPECT_EQ(facts.damage, "");
}

TEST_F(JournalScanTest, NothingIsTakenFromBehindAHole) {
  machine.start(1, 0);
  machine.put(1);
  const JournalPlace hole = machine.put(2);
  machine.put(3);
  machine.put(4);
  ASSERT_TRUE(machine.written(4).ok());
  machine.disk.flip_bit_in(machine.header_of(hole), 1024);
  const JournalFacts facts = reopened();
  EXPECT_EQ(facts.newest, LogPosition(1));
  EXPECT_EQ(facts.damage, "") << "nothing was ever synced";
}

TEST_F(JournalScanTest, AHoleBelowTheSyncedMarkIsDamage) {
  machine.start(1, 0);
  machine.put(1);
  const JournalPlace hole = machine.put(2, 10);
  machine.put(3);
  ASSERT_TRUE(machine.synced(3).ok());
  machine.put(4);  // the first one that says so
  ASSERT_TRUE(machine.written(4).ok());
  machine.disk.flip_bit_in(machine.header_of(hole), 11 * 512);
  JournalFacts facts = reopened();
  EXPECT_EQ(facts.newest, LogPosition(1));
  EXPECT_NE(facts.damage.find("record 2 cannot be read"), std::string::npos) << facts.damage;
  const StoreLog log{era_of(1), "", LogPosition(0)};
  EXPECT_EQ(judge(facts, log).action, JournalVerdict::Action::refuse);
}

TEST_F(JournalScanTest, AWitnessWhoseDataAreTornStillCounts) {
  machine.start(1, 0);
  const JournalPlace hole = machine.put(1);
  ASSERT_TRUE(machine.synced(1).ok());
  const JournalPlace witness = machine.put(2, 10);
  ASSERT_TRUE(machine.written(2).ok());
  machine.disk.flip_bit_in(machine.header_of(hole), 1024);
  machine.disk.flip_bit_in(machine.place_of(witness.offset), 10 * 512);
  EXPECT_NE(reopened().damage, "");
}

TEST_F(JournalScanTest, ASectorThatCannotBeReadIsAHoleToo) {
  machine.start(1, 0);
  machine.put(1);
  const JournalPlace hole = machine.put(2);
  ASSERT_TRUE(machine.written(2).ok());
  machine.disk.spoil(machine.header_of(hole));
  JournalFacts facts = reopened();
  EXPECT_EQ(facts.newest, LogPosition(1));
  EXPECT_EQ(facts.damage, "");
  machine.start(2, 0);
  machine.put(2, 1, 9);
  machine.put(3);
  ASSERT_TRUE(machine.synced(3).ok());
  machine.put(4);
  ASSERT_TRUE(machine.written(4).ok());
  machine.disk.spoil(machine.header_of(hole));
  EXPECT_NE(reopened().damage, "") << "the witnesses behind it can be read";
}

TEST_F(JournalScanTest, ARecordThatAStampKeptIsNoTornTail) {
  machine.start(1, 0);
  const JournalPlace kept = machine.put(1);
  ASSERT_TRUE(machine.written(1).ok());
  machine.crash();
  machine.start(2, 0);
  machine.disk.flip_bit_in(machine.header_of(kept), 1024);
  EXPECT_NE(reopened().damage, "");
}

// ---- stale -------------------------------------------------------------------------------------

// Records 2 and 3 survive behind the torn 1. The next gateway writes another 1 over it.
TEST_F(JournalScanTest, RecordsBehindATearNeverComeBack) {
  machine.start(1, 0);
  const JournalPlace torn = machine.put(1);
  machine.put(2);
  machine.put(3);
  ASSERT_TRUE(machine.written(3).ok());
  machine.disk.flip_bit_in(machine.header_of(torn), 1024);
  machine.crash();
  for (uint64_t epoch = 2; epoch <= 3; ++epoch) {
    machine.start(epoch, 0);
    const uint64_t position = epoch - 1;
    EXPECT_EQ(machine.newest(), position - 1);
    machine.put(position, 1, epoch);
    ASSERT_TRUE(machine.synced(position).ok());
    const JournalFacts facts = reopened();
    EXPECT_EQ(facts.newest, LogPosition(position)) << "what follows is of another life";
    EXPECT_EQ(facts.damage, "");
    EXPECT_TRUE(machine.replays(write_record(position, 1, epoch)));
  }
}

TEST_F(JournalScanTest, RecordsBehindATearAreNotTakenFromTheLifeBeforeEither) {
  machine.start(1, 0);
  const JournalPlace torn = machine.put(1);
  machine.put(2);
  ASSERT_TRUE(machine.written(2).ok());
  const Buffer sound = machine.disk.contents(machine.header_of(torn), 512);
  const uint64_t header = machine.header_of(torn);
  machine.disk.flip_bit_in(header, 512);
  machine.crash();
  machine.start(2, 0);
  EXPECT_EQ(machine.newest(), 0U);
  machine.crash();
  // The disk can read it all of a sudden: too late, reads have been answered without it.
  const JournalFacts facts = after_raw_write(header, sound);
  EXPECT_EQ(facts.newest, LogPosition(0));
}

TEST_F(JournalScanTest, RecordsOfAnEarlierLapAreNotTaken) {
  machine.start(1, 0);
  const uint64_t sectors = machine.journal->capacity() / 512;
  uint64_t position = 0;
  for (uint64_t lap = 0; lap < 3; ++lap) {  // records of one size: each lap lies on the one before
    for (uint64_t i = 0; i < sectors / 2; ++i) {
      machine.put(++position, 1);
      if (i % 16 == 15) {
        ASSERT_TRUE(machine.written(position).ok());
        machine.journal->release(LogPosition(position));
        machine.settle();
      }
    }
  }
  machine.put(++position);
  ASSERT_TRUE(machine.written(position).ok());
  const JournalFacts facts = reopened();
  EXPECT_EQ(facts.newest, LogPosition(position));
  EXPECT_EQ(facts.damage, "");
}

TEST_F(JournalScanTest, RecordsOfTheRingBeforeAreNotTaken) {
  machine.start(1, 0);
  for (uint64_t position = 1; position <= 5; ++position) machine.put(position);
  ASSERT_TRUE(machine.synced(5).ok());
  machine.put(6);
  ASSERT_TRUE(machine.written(6).ok());
  machine.crash();
  machine.start(2, 6);
  const JournalFacts facts = reopened();
  EXPECT_EQ(facts.oldest, LogPosition(7));
  EXPECT_EQ(facts.newest, LogPosition(6));
  EXPECT_EQ(facts.damage, "");
}

// ---- superblocks -------------------------------------------------------------------------------

TEST_F(JournalScanTest, OneSoundSuperblockIsEnough) {
  for (const uint64_t place : kSuperblockPlaces) {
    JournalMachine one;
    one.start(1, 0);
    one.put(1);
    ASSERT_TRUE(one.written(1).ok());
    one.disk.flip_bit_in(place, 512);
    one.crash();
    ASSERT_TRUE(one.open().ok());
    EXPECT_EQ(one.journal->facts().state, State::usable);
    EXPECT_EQ(one.journal->facts().stamp, era_of(1));
    EXPECT_EQ(one.newest(), 1U);
  }
}

TEST_F(JournalScanTest, TwoDamagedSuperblocksAreUnreadable) {
  machine.start(1, 0);
  for (const uint64_t place : kSuperblockPlaces) machine.disk.flip_bit_in(place + 16, 400);
  const JournalFacts facts = reopened();
  EXPECT_EQ(facts.state, State::unreadable);
  EXPECT_NE(facts.damage.find("superblock fails its checksum"), std::string::npos);
}

// The older superblock points to a tail that was overwritten since: an empty journal it is not.
TEST_F(JournalScanTest, ASuperblockTooOldForTheRecordsIsDamage) {
  machine.start(1, 0);
  const uint64_t half = machine.journal->capacity() / 1024;
  uint64_t position = 0;
  for (int i = 0; i < 3; ++i) {
    machine.put(++position, half - 1);
    ASSERT_TRUE(machine.written(position).ok());
    if (i < 2) machine.journal->release(LogPosition(position));
    machine.settle();
  }
  machine.put(++position, half / 2);
  ASSERT_TRUE(machine.written(position).ok());
  machine.crash();
  // Which one is the newer: the one without which it goes wrong.
  int damaged = 0;
  for (const uint64_t place : kSuperblockPlaces) {
    const Buffer sound = machine.disk.contents(place, 512);
    machine.disk.flip_bit_in(place, 512);
    ASSERT_TRUE(machine.open().ok());
    if (machine.journal->facts().damage.empty()) {
      EXPECT_EQ(machine.newest(), position);
    } else {
      ++damaged;
    }
    machine.close();
    EXPECT_EQ(after_raw_write(place, sound).newest, LogPosition(position));
  }
  EXPECT_EQ(damaged, 1);
}

TEST_F(JournalScanTest, KnowsTheJournalOfAnotherVolume) {
  machine.start(1, 0);
  machine.crash();
  const Uuid other = *Uuid::parse("fedcba98-7654-3210-fedc-ba9876543210");
  Result<std::unique_ptr<Journal>> opened =
      machine.run(open_journal(machine.io.get_executor(), machine.disk.open(), other));
  ASSERT_TRUE(opened.ok());
  EXPECT_EQ((*opened)->facts().state, State::foreign);
  EXPECT_EQ((*opened)->facts().volume, kJournalVolume);
}

TEST_F(JournalScanTest, WhatIsNoJournalIsNotFresh) {
  EXPECT_EQ(after_raw_write(0, Buffer::copy_of(std::string(512, 'x'))).state, State::unreadable);
  // A swap partition: both superblocks' places are zero, but not what lies between.
  JournalMachine swap;
  std::unique_ptr<LocalFile> file = swap.disk.open();
  ASSERT_TRUE(swap.run(file->write(3584, Buffer::copy_of(std::string(512, 's')))).ok());
  ASSERT_TRUE(swap.open().ok());
  EXPECT_EQ(swap.journal->facts().state, State::unreadable);
  EXPECT_EQ(swap.journal->facts().damage, "no journal of ours");
}

TEST_F(JournalScanTest, AFileThatWasCutIsUnreadable) {
  machine.start(1, 0);
  machine.crash();
  JournalMachine cut(128 << 10);
  {
    std::unique_ptr<LocalFile> file = cut.disk.open();
    BufferList bytes(machine.disk.contents(0, 128 << 10));
    ASSERT_TRUE(cut.run(file->write(0, bytes)).ok());
  }
  ASSERT_TRUE(cut.open().ok());
  EXPECT_EQ(cut.journal->facts().state, State::unreadable);
  EXPECT_NE(cut.journal->facts().damage.find("its end was cut off"), std::string::npos);
}

TEST_F(JournalScanTest, AFileThatIsTooSmallIsAnError) {
  JournalMachine small(16 << 10);
  EXPECT_EQ(small.open().error().code(), ErrorCode::invalid);
}

TEST_F(JournalScanTest, AReadThatFailsIsAnErrorAndNoFact) {
  machine.start(1, 0);
  machine.put(1);
  ASSERT_TRUE(machine.written(1).ok());
  machine.crash();
  DiskFaults sick;
  sick.read_fails = 1;
  machine.disk.set_faults(sick);
  EXPECT_EQ(machine.open().error().code(), ErrorCode::unavailable);
}

}  // namespace
}  // namespace swiftness
