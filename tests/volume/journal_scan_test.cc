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
  Superblock superblock(size_t slot) const {
    const Buffer bytes = machine.disk.contents(kSuperblockPlaces[slot], kSuperblockBytes);
    return decode_superblock(bytes.bytes()).superblock;
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

// Records 3 and 4 survive behind the torn 2. The next gateway keeps 1 and writes another 2 over the
// torn one, of the same size: 3 would join on to it.
TEST_F(JournalScanTest, RecordsBehindATearNeverComeBack) {
  machine.start(1, 0);
  machine.put(1);
  const JournalPlace torn = machine.put(2);
  machine.put(3);
  machine.put(4);
  ASSERT_TRUE(machine.written(4).ok());
  machine.disk.flip_bit_in(machine.header_of(torn), 1024);
  machine.crash();
  for (uint64_t epoch = 2; epoch <= 3; ++epoch) {
    machine.start(epoch, 0);
    EXPECT_EQ(machine.newest(), epoch - 1);
    machine.put(epoch, 1, 7);
    ASSERT_TRUE(machine.synced(epoch).ok());
    const JournalFacts facts = reopened();
    EXPECT_EQ(facts.newest, LogPosition(epoch)) << "what follows is of another life";
    EXPECT_EQ(facts.damage, "");
    EXPECT_TRUE(machine.replays(write_record(epoch, 1, 7)));
  }
}

TEST_F(JournalScanTest, ATornRecordThatCanBeReadAgainComesTooLate) {
  machine.start(1, 0);
  machine.put(1);
  const JournalPlace torn = machine.put(2);
  ASSERT_TRUE(machine.written(2).ok());
  const uint64_t header = machine.header_of(torn);
  const Buffer sound = machine.disk.contents(header, 512);
  machine.disk.flip_bit_in(header, 512);
  machine.crash();
  machine.start(2, 0);
  EXPECT_EQ(machine.newest(), 1U);
  machine.crash();
  // Reads have been answered without it.
  EXPECT_EQ(after_raw_write(header, sound).newest, LogPosition(1));
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
  const uint64_t generation = superblock(0).generation;
  machine.start(2, 6);
  EXPECT_NE(superblock(0).generation, generation);
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

TEST_F(JournalScanTest, ASuperblockThatCannotBeReadLeavesTheOther) {
  machine.start(1, 0);
  machine.put(1);
  ASSERT_TRUE(machine.written(1).ok());
  machine.disk.spoil(0);
  EXPECT_EQ(reopened().newest, LogPosition(1));
  machine.disk.spoil(4096);
  EXPECT_EQ(reopened().state, State::unreadable);
}

TEST_F(JournalScanTest, NeverOverwritesTheNewerSuperblock) {
  machine.start(1, 0);
  for (uint64_t position = 1; position <= 9; ++position) {
    const Superblock before[2] = {superblock(0), superblock(1)};
    const size_t older = before[0].sequence < before[1].sequence ? 0 : 1;
    machine.put(position, 100);
    ASSERT_TRUE(machine.written(position).ok());
    machine.journal->release(LogPosition(position));
    machine.settle();
    EXPECT_EQ(superblock(1 - older), before[1 - older]);
    EXPECT_EQ(superblock(older).tail_position, LogPosition(position + 1));
  }
}

Async<void> stamp_and_drop(Journal& journal) {
  (void)co_await journal.stamp(era_of(2), era_of(1), LogPosition(1));
  co_return Result<void>();
}

TEST_F(JournalScanTest, AStampOverwritesTheOlderSuperblockFirst) {
  for (int i = 0; i < 2; ++i) {
    JournalMachine one;
    one.start(1, 0);
    one.put(1, 100);
    ASSERT_TRUE(one.written(1).ok());
    one.put(2);
    ASSERT_TRUE(one.synced(2).ok());
    one.put(3);  // says that nothing needs to be written again
    ASSERT_TRUE(one.synced(3).ok());
    if (i == 1) one.journal->release(LogPosition(1));  // then the newer one is in the other place
    one.settle();
    one.crash();
    ASSERT_TRUE(one.open().ok());
    const auto sequence = [&one](size_t slot) {
      const Buffer bytes = one.disk.contents(kSuperblockPlaces[slot], kSuperblockBytes);
      return decode_superblock(bytes.bytes()).superblock.sequence;
    };
    const size_t older = sequence(0) < sequence(1) ? 0 : 1;
    const uint64_t newest = sequence(1 - older);
    std::optional<Result<void>> outcome;
    spawn_or_throw(one.io.get_executor(), keep_outcome(stamp_and_drop(*one.journal), outcome));
    run_until(one.io, [&] { return sequence(0) > newest || sequence(1) > newest; });
    EXPECT_GT(sequence(older), newest);
    EXPECT_EQ(sequence(1 - older), newest);
    run_until(one.io, [&] { return outcome.has_value(); });
  }
}

// A ring made by hand: one record at its start, of the lap after the superblock's, or of an epoch
// after its stamp. That nobody vouches for anything makes no difference.
struct StrangeRecord {
  uint64_t lap;
  uint64_t epoch;
  bool damage;
};
TEST_F(JournalScanTest, ARecordYoungerThanTheSuperblockIsDamage) {
  for (const StrangeRecord& strange :
       {StrangeRecord{0, 1, false}, StrangeRecord{0, 2, true}, StrangeRecord{1, 1, true}}) {
    std::unique_ptr<LocalFile> file = machine.disk.open();
    const JournalRing ring(*file, 64 << 10);
    Superblock superblock;
    superblock.generation = 5;
    superblock.ring_bytes = ring.bytes();
    superblock.stamp = era_of(1);
    superblock.tail_position = LogPosition(3);
    JournalRecordHeader header;
    header.generation = 5;
    header.epoch = Epoch(strange.epoch);
    header.offset = strange.lap * ring.bytes() + 1024;
    header.position = LogPosition(4);
    header.is_trim = true;
    header.extents = {{Sector(1), SectorCount(1)}};
    ASSERT_TRUE(machine.run(ring.write(header.offset, Buffer::own(encode(header)))).ok());
    Result<ScannedRing> found = machine.run(scan_ring(ring, superblock));
    ASSERT_TRUE(found.ok());
    EXPECT_EQ(found->starts.size(), 0U);
    EXPECT_EQ(!found->damage.empty(), strange.damage) << found->damage;
  }
}

// ---- the recorded frontier ---------------------------------------------------------------------

TEST_F(JournalScanTest, RecordsTellTheFrontier) {
  machine.start(1, 0);
  for (uint64_t position = 1; position <= 3; ++position) machine.put(position);
  ASSERT_TRUE(machine.written(3).ok());
  machine.journal->release(LogPosition(2));  // too little for a superblock
  machine.put(4);
  ASSERT_TRUE(machine.written(4).ok());
  const JournalFacts facts = reopened();
  EXPECT_EQ(facts.oldest, LogPosition(1));
  EXPECT_EQ(facts.frontier, LogPosition(2));
}

TEST_F(JournalScanTest, RecordsBehindAHoleTellTheFrontierToo) {
  machine.start(1, 0);
  machine.put(1);
  const JournalPlace hole = machine.put(2);
  machine.put(3);
  ASSERT_TRUE(machine.written(3).ok());
  machine.journal->release(LogPosition(3));
  machine.put(4);
  ASSERT_TRUE(machine.written(4).ok());
  machine.disk.flip_bit_in(machine.header_of(hole), 1024);
  const JournalFacts facts = reopened();
  EXPECT_EQ(facts.damage, "") << "lost before it was synced, but the store has it";
  EXPECT_EQ(facts.newest, LogPosition(1));
  EXPECT_EQ(facts.frontier, LogPosition(3));
}

// ---- no journal of ours ------------------------------------------------------------------------

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
