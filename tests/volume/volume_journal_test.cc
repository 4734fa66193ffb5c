// A volume with a journal: what survives what, and which journal is believed (I11).
#include <gtest/gtest.h>

#include <boost/asio/detached.hpp>

#include "tests/support/fake_disk.h"
#include "tests/volume/disk.h"

namespace swiftness {
namespace {

constexpr uint64_t kJournalBytes = 32 << 20;

// Journals that outlive gateways. What is set aside is kept.
struct FakeHome final : JournalHome {
  std::vector<std::unique_ptr<FakeDisk>> disks;
  uint64_t size = kJournalBytes;

  FakeHome() { disks.push_back(std::make_unique<FakeDisk>(size, 1)); }
  FakeDisk& disk() { return *disks.back(); }

  Async<std::unique_ptr<LocalFile>> open() override { co_return disk().open(); }
  Async<std::string> set_aside() override {
    disks.push_back(std::make_unique<FakeDisk>(size, disks.size() + 1));
    co_return std::string("aside");
  }
};

class JournaledVolume : public testing::Test {
 protected:
  VolumeOptions options(FakeHome& home) {
    VolumeOptions out = quick_options();
    out.journal = &home;
    out.durable_in_journal = true;
    out.journaled_seal_after = std::chrono::hours(1);  // only what is full, or asked for, goes out
    return out;
  }
  std::unique_ptr<Gateway> gateway(FakeHome& home) {
    return std::make_unique<Gateway>(shared_, descriptor_, ++seed_, options(home));
  }
  std::unique_ptr<Gateway> attached(FakeHome& home) {
    auto out = gateway(home);
    Result<void> done = out->attach();
    EXPECT_TRUE(done.ok()) << done.error().message();
    return out;
  }

  SharedStore shared_;
  VolumeDescriptor descriptor_ = shared_.create(64 << 20);
  FakeHome home_;
  uint64_t seed_ = 0;
};

TEST_F(JournaledVolume, AcknowledgedWritesSurviveACrashOfTheProcess) {
  auto first = attached(home_);
  first->store.set_down(true);
  for (uint64_t i = 0; i < 100; ++i) ASSERT_TRUE(first->write(i * 8, 8, i + 1).ok());
  ASSERT_TRUE(first->unmap(80, 16).ok());
  home_.disk().process_crash();
  first->crash();
  auto second = attached(home_);
  for (uint64_t i = 0; i < 100; ++i) {
    if (i == 10 || i == 11) continue;
    EXPECT_TRUE(second->holds(i * 8, 8, i + 1)) << i;
  }
  EXPECT_TRUE(second->holds_zeros(80, 16));
  EXPECT_GT(second->volume.usage().unsafe.value(), 0u);
}

TEST_F(JournaledVolume, FlushedWritesSurviveAPowerCutWhileTheStoreIsDown) {
  auto first = attached(home_);
  first->store.set_down(true);
  ASSERT_TRUE(first->write(0, 8, 1).ok());
  ASSERT_TRUE(first->flush().ok());
  ASSERT_TRUE(first->write(8, 8, 2, Durability::flushed).ok());
  home_.disk().power_cut();
  first->crash();
  auto second = attached(home_);
  EXPECT_TRUE(second->holds(0, 8, 1));
  EXPECT_TRUE(second->holds(8, 8, 2));
}

TEST_F(JournaledVolume, ReplayGoesOnWhereTheStoresLogEnds) {
  auto first = attached(home_);
  ASSERT_TRUE(first->write(0, 8, 1).ok());
  ASSERT_TRUE(first->write(0, 8, 2).ok());
  first->crash();
  home_.disk().process_crash();
  auto second = attached(home_);
  ASSERT_TRUE(second->write(8, 8, 3).ok());
  second->crash();
  home_.disk().process_crash();
  auto third = attached(home_);
  EXPECT_TRUE(third->holds(0, 8, 2));
  EXPECT_TRUE(third->holds(8, 8, 3));
  ASSERT_TRUE(third->stop().ok());
  // All of it is in the store now: another gateway needs nothing else.
  FakeHome elsewhere;
  auto fourth = attached(elsewhere);
  EXPECT_TRUE(fourth->holds(0, 8, 2));
  EXPECT_TRUE(fourth->holds(8, 8, 3));
}

TEST_F(JournaledVolume, WithoutTheJournalAnAttachNeedsForce) {
  auto first = attached(home_);
  ASSERT_TRUE(first->write(0, 8, 1, Durability::flushed).ok());
  first->crash();
  FakeHome elsewhere;
  auto second = gateway(elsewhere);
  Result<void> refused = second->attach();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::conflict);
  EXPECT_NE(refused.error().message().find("force"), std::string::npos);

  VolumeOptions forced = options(elsewhere);
  forced.force = true;
  Gateway third(shared_, descriptor_, 9, forced);
  ASSERT_TRUE(third.attach().ok());
  EXPECT_TRUE(third.holds_zeros(0, 8));
  third.crash();

  // The first gateway's journal is of the past now: set aside, never replayed. That needs force
  // again, because the third one's journal is not here.
  auto fourth = gateway(home_);
  EXPECT_FALSE(fourth->attach().ok());
  EXPECT_EQ(home_.disks.size(), 1u);
  VolumeOptions again = options(home_);
  again.force = true;
  Gateway fifth(shared_, descriptor_, 11, again);
  ASSERT_TRUE(fifth.attach().ok());
  EXPECT_EQ(home_.disks.size(), 2u);
  EXPECT_TRUE(fifth.holds_zeros(0, 8));
}

// One that attaches while we still read the log deletes what it has copied elsewhere. That our
// journal knows of more than we find is no damage then.
TEST_F(JournaledVolume, WhatALaterOwnerDeletesIsNoDamage) {
  auto first = attached(home_);
  ASSERT_TRUE(first->write(0, 8, 1).ok());
  home_.disk().process_crash();
  first->crash();
  auto second = attached(home_);  // its journal knows what is durable in the store
  ASSERT_TRUE(second->write(8, 8, 2, Durability::flushed).ok());
  ASSERT_TRUE(second->stop().ok());
  auto third = gateway(home_);
  third->store.hold(StoreCall::presence, "root/");
  Started<Result<void>> attaching(shared_.io, third->volume.attach());
  run_until(shared_.io, [&] { return third->store.held() > 0; });
  FakeHome elsewhere;
  auto fourth = attached(elsewhere);
  const VolumeNames names(descriptor_.uuid);
  std::vector<ObjectName> gone = shared_.objects(names.data(Sequence(1)), "chunk/");
  ASSERT_FALSE(gone.empty());
  for (ObjectName& root : shared_.objects(names.meta(), "root/")) gone.push_back(std::move(root));
  ASSERT_TRUE(shared_.contents->remove(gone).failures.empty());
  third->store.release();
  run_until(shared_.io, [&] { return attaching.done(); });
  ASSERT_FALSE(attaching.result().ok());
  EXPECT_EQ(attaching.result().error().code(), ErrorCode::fenced)
      << attaching.result().error().message();
}

TEST_F(JournaledVolume, WithoutAnyJournalAnAttachNeedsForce) {
  auto first = attached(home_);
  first->crash();
  Gateway second(shared_, descriptor_, 7, quick_options());
  EXPECT_EQ(second.attach().error().code(), ErrorCode::conflict);
}

TEST_F(JournaledVolume, ARefusedAttachDoesNotStopTheOneThatServes) {
  auto first = attached(home_);
  ASSERT_TRUE(first->write(0, 8, 1).ok());
  FakeHome elsewhere;
  auto second = gateway(elsewhere);
  EXPECT_EQ(second->attach().error().code(), ErrorCode::conflict);
  Gateway third(shared_, descriptor_, 7, quick_options());
  EXPECT_EQ(third.attach().error().code(), ErrorCode::conflict);
  ASSERT_TRUE(first->write(8, 8, 2).ok());
  EXPECT_TRUE(first->stop().ok());
}

TEST_F(JournaledVolume, ACleanStopReleasesTheVolume) {
  auto first = attached(home_);
  ASSERT_TRUE(first->write(0, 8, 1).ok());
  ASSERT_TRUE(first->stop().ok());
  FakeHome elsewhere;
  auto second = attached(elsewhere);
  EXPECT_TRUE(second->holds(0, 8, 1));
}

TEST_F(JournaledVolume, ACleanStopTriesAgainUntilTheVolumeIsReleased) {
  auto first = attached(home_);
  ASSERT_TRUE(first->write(0, 8, 1).ok());
  first->store.fail_next(StoreCall::put, "released/", 2);
  ASSERT_TRUE(first->stop().ok());
  FakeHome elsewhere;
  auto second = attached(elsewhere);
  EXPECT_TRUE(second->holds(0, 8, 1));
}

TEST_F(JournaledVolume, AnotherVolumesJournalIsSetAside) {
  auto first = attached(home_);
  ASSERT_TRUE(first->stop().ok());
  MemoryStore store(shared_.io.get_executor(), shared_.contents);
  Result<VolumeDescriptor> other =
      run(shared_.io, create_volume(store, "other", ByteCount(64 << 20), 512));
  ASSERT_TRUE(other.ok());
  Gateway second(shared_, *other, 5, options(home_));
  ASSERT_TRUE(second.attach().ok());
  EXPECT_EQ(home_.disks.size(), 2u);
}

TEST_F(JournaledVolume, AFailedSyncRetiresTheJournal) {
  auto gateway = attached(home_);
  ASSERT_TRUE(gateway->write(0, 8, 1).ok());
  DiskFaults faults;
  faults.sync_fails = 1;
  home_.disk().set_faults(faults);
  ASSERT_TRUE(gateway->flush().ok());  // by the store
  home_.disk().set_faults({});
  EXPECT_FALSE(gateway->volume.status().journal_trouble.empty());
  ASSERT_TRUE(gateway->write(8, 8, 2).ok());
  // Without the journal it is all there: acknowledged means in the store now.
  gateway->crash();
  FakeHome elsewhere;
  VolumeOptions forced = options(elsewhere);
  forced.force = true;
  Gateway second(shared_, descriptor_, 9, forced);
  ASSERT_TRUE(second.attach().ok());
  EXPECT_TRUE(second.holds(0, 8, 1));
  EXPECT_TRUE(second.holds(8, 8, 2));
}

TEST_F(JournaledVolume, AFailedWriteIsAcknowledgedByTheStore) {
  auto gateway = attached(home_);
  DiskFaults faults;
  faults.full = true;
  home_.disk().set_faults(faults);
  ASSERT_TRUE(gateway->write(0, 8, 1).ok());
  gateway->crash();
  FakeHome elsewhere;
  VolumeOptions forced = options(elsewhere);
  forced.force = true;
  Gateway second(shared_, descriptor_, 9, forced);
  ASSERT_TRUE(second.attach().ok());
  EXPECT_TRUE(second.holds(0, 8, 1));
}

Task keep_writing(Volume& volume, uint64_t count, uint64_t& done) {
  for (uint64_t i = 0; i < count; ++i) {
    constexpr uint64_t kSectors = 2048;
    const uint64_t first = i % 60 * kSectors;
    BlockRange range{Lba(first), BlockCount(kSectors)};
    BufferList data(pattern(first, kSectors, i + 1));
    Result<void> written =
        co_await volume.write(range, std::move(data), Durability::acknowledged, nullptr);
    EXPECT_TRUE(written.ok());
    ++done;
  }
}

TEST_F(JournaledVolume, AFullJournalMakesWritersWaitForTheStore) {
  auto gateway = attached(home_);
  gateway->store.set_down(true);
  uint64_t done = 0;
  asio::co_spawn(shared_.io, keep_writing(gateway->volume, 200, done), asio::detached);
  // As much as the ring takes, and no more, though nothing is ever refused.
  run(shared_.io, sleep_for(std::chrono::milliseconds(1500)));
  EXPECT_GE(done, 15u);
  EXPECT_LE(done, 31u);
  gateway->store.set_down(false);
  run_until(shared_.io, [&done] { return done == 200; });
  for (uint64_t i = 140; i < 200; ++i) EXPECT_TRUE(gateway->holds(i % 60 * 2048, 2048, i + 1));
}

// While the store is away, what waits for it leaves memory, up to what the journal takes.
class StoreAway : public JournaledVolume {
 protected:
  static constexpr uint64_t kMemory = 4 << 20;
  static constexpr uint64_t kWrites = 48;
  static constexpr uint64_t kSectors = 1024;  // of each

  VolumeOptions small() {
    VolumeOptions out = options(home_);
    out.dirty_memory = ByteCount(kMemory);
    out.chunk_bytes = 1 << 20;
    out.uploads_in_flight = 2;
    return out;
  }
  std::unique_ptr<Gateway> small_gateway() {
    auto out = std::make_unique<Gateway>(shared_, descriptor_, ++seed_, small());
    Result<void> done = out->attach();
    EXPECT_TRUE(done.ok()) << done.error().message();
    return out;
  }
  // Every write leaves half of the one before, and a hole in it: parts begin in the middle of
  // records.
  static uint64_t place(uint64_t i) { return i * kSectors / 2; }
  static void write_all(Gateway& gateway) {
    for (uint64_t i = 0; i < kWrites; ++i) {
      ASSERT_TRUE(gateway.write(place(i), kSectors, i + 1).ok());
      ASSERT_TRUE(gateway.unmap(place(i) + 100, 3).ok());
    }
  }
  static void expect_all(Gateway& gateway) {
    for (uint64_t i = 0; i < kWrites; ++i) {
      const uint64_t end = i + 1 < kWrites ? kSectors / 2 : kSectors;
      Result<BufferList> data = gateway.read(place(i), end);
      ASSERT_TRUE(data.ok()) << data.error().message();
      BufferList wanted(pattern(place(i), 100, i + 1));
      wanted.append(Buffer::zeros(3 * kSectorBytes));
      wanted.append(pattern(place(i) + 103, end - 103, i + 1));
      EXPECT_EQ(*data, wanted) << i;
    }
  }
};

TEST_F(StoreAway, MoreThanMemoryHoldsIsTakenAndRead) {
  auto gateway = small_gateway();
  gateway->store.set_down(true);
  write_all(*gateway);
  EXPECT_GT(gateway->volume.usage().unsafe.value(), 3 * kMemory);
  run(shared_.io, sleep_for(std::chrono::milliseconds(1)));
  EXPECT_LT(gateway->volume.status().write_memory.value(), kMemory);
  expect_all(*gateway);

  // They arrive as they were sealed: what was published is what is there.
  gateway->store.set_down(false);
  ASSERT_TRUE(gateway->stop().ok());
  FakeHome elsewhere;
  auto second = attached(elsewhere);
  expect_all(*second);
}

TEST_F(StoreAway, ACrashMeanwhileIsReplayedWithoutTheStore) {
  auto first = small_gateway();
  first->store.set_down(true);
  write_all(*first);
  home_.disk().process_crash();
  first->crash();
  auto second = small_gateway();
  expect_all(*second);
  ASSERT_TRUE(second->stop().ok());
}

// A replay takes its time, and another gateway may take the volume meanwhile, by force.
TEST_F(StoreAway, WhoIsOvertakenWhileItReplaysDoesNotGoOnline) {
  VirtualClock clock;
  auto crashed = small_gateway();
  crashed->store.set_down(true);
  write_all(*crashed);
  home_.disk().process_crash();
  crashed->crash();
  Gateway first(shared_, descriptor_, ++seed_, small());
  Started<Result<void>> of_first(shared_.io, first.volume.attach());
  run_until(shared_.io, [&] { return first.volume.status().newest_sequence > 0; });
  DiskFaults slow;
  slow.read.at_least = slow.read.at_most = std::chrono::seconds(1);
  home_.disk().set_faults(slow);
  FakeHome elsewhere;
  VolumeOptions by_force = options(elsewhere);
  by_force.force = true;
  Gateway second(shared_, descriptor_, ++seed_, by_force);
  ASSERT_TRUE(second.attach().ok());
  EXPECT_FALSE(of_first.done());
  home_.disk().set_faults({});
  run_until(shared_.io, [&] { return of_first.done(); });
  ASSERT_FALSE(of_first.result().ok());
  EXPECT_EQ(of_first.result().error().code(), ErrorCode::fenced);
}

TEST_F(StoreAway, AJournalThatCannotBeReadKeepsWhatItHasFromTheStore) {
  auto gateway = small_gateway();
  gateway->store.set_down(true);
  write_all(*gateway);
  DiskFaults faults;
  faults.read_fails = 1;
  home_.disk().set_faults(faults);
  const uint64_t before = gateway->volume.status().durable_sequence;
  EXPECT_FALSE(gateway->read(place(kWrites / 2), 8).ok());
  gateway->store.set_down(false);
  run_until(shared_.io, [&] {
    return !gateway->volume.status().trouble.empty() &&
           gateway->volume.status().durable_sequence > before;
  });
  home_.disk().set_faults({});
  ASSERT_TRUE(gateway->stop().ok());
  FakeHome elsewhere;
  auto second = attached(elsewhere);
  expect_all(*second);
}

TEST_F(StoreAway, DecayInTheJournalIsNeverUploaded) {
  auto gateway = small_gateway();
  gateway->store.set_down(true);
  write_all(*gateway);
  // A bit of data, not of padding: every byte of the journal's middle is of one or the other.
  for (uint64_t at = 8 << 20; at < 16 << 20; at += 64 << 10) home_.disk().flip_bit(at * 8);
  gateway->store.set_down(false);
  run_until(shared_.io,
            [&] { return gateway->volume.status().trouble.find("checksum") != std::string::npos; });
  // Those before it arrive; it never does.
  run(shared_.io, sleep_for(std::chrono::milliseconds(50)));
  EXPECT_LT(gateway->volume.status().durable_sequence, gateway->volume.status().newest_sequence);
  gateway->crash();
}

// Hosts stall when a buffer is suddenly full; here each write takes a little longer than the one
// before.
TEST_F(StoreAway, WritersSlowDownSmoothlyAsTheJournalFills) {
  VirtualClock clock;
  auto gateway = small_gateway();
  gateway->store.set_down(true);
  std::vector<Duration> took;
  constexpr uint64_t kFull = kJournalBytes / (kSectors * kSectorBytes);
  for (uint64_t i = 0; i < kFull * 15 / 16; ++i) {
    const TimePoint begun = now();
    ASSERT_TRUE(gateway->write(place(i), kSectors, i + 1).ok());
    took.push_back(now() - begun);
  }
  for (uint64_t i = 0; i < took.size(); ++i) {
    const Duration before = i == 0 ? Duration::zero() : took[i - 1];
    EXPECT_GE(took[i], before) << i;
    EXPECT_TRUE(took[i] == Duration::zero() || i >= kFull / 2) << i;
  }
  EXPECT_GT(took.back(), std::chrono::milliseconds(100));
  EXPECT_LE(took.back(), std::chrono::milliseconds(200));
  gateway.reset();
}

}  // namespace
}  // namespace swiftness
