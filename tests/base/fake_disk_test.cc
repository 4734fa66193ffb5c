// The fault model of tests/support/fake_disk.h: other tests rely on its being as bad as it says.
#include "tests/support/fake_disk.h"

#include <gtest/gtest.h>

#include "tests/support/run.h"

namespace swiftness {
namespace {

constexpr size_t kSectors = 64;
constexpr size_t kBytes = kSectors * 512;

Buffer filled(char with) {
  return Buffer::copy_of(std::string(kBytes, with));
}

struct FakeDiskTest : testing::Test {
  asio::io_context io;
  FakeDisk disk{1 << 20, 1};
  std::unique_ptr<LocalFile> file = disk.open();

  Result<void> write(char with) { return run(io, file->write(0, filled(with))); }
  Result<void> sync() { return run(io, file->sync()); }
  void set(double DiskFaults::*chance, double value) {
    DiskFaults faults = disk.faults();
    faults.*chance = value;
    disk.set_faults(faults);
  }
  // How many sectors read as this.
  size_t count(char with) {
    size_t found = 0;
    const Buffer all = disk.contents(0, kBytes);
    for (size_t i = 0; i < kSectors; ++i) {
      found += all.slice(i * 512, 512).text() == std::string(512, with) ? 1 : 0;
    }
    return found;
  }
};

TEST_F(FakeDiskTest, KeepsSyncedDataOverAPowerCut) {
  ASSERT_TRUE(write('a').ok());
  ASSERT_TRUE(sync().ok());
  disk.power_cut();
  EXPECT_EQ(count('a'), kSectors);
}

TEST_F(FakeDiskTest, LosesAnySectorThatWasNotSynced) {
  ASSERT_TRUE(write('a').ok());
  ASSERT_TRUE(sync().ok());
  ASSERT_TRUE(write('b').ok());
  EXPECT_EQ(count('b'), kSectors);
  disk.power_cut();
  EXPECT_GT(count('a'), 10U);
  EXPECT_GT(count('b'), 10U);
  EXPECT_EQ(count('a') + count('b'), kSectors) << "a sector is never torn";
}

TEST_F(FakeDiskTest, KeepsCompletedWritesOverAProcessCrash) {
  ASSERT_TRUE(write('a').ok());
  disk.process_crash();
  EXPECT_EQ(count('a'), kSectors);
  set(&DiskFaults::written_back, 0);
  disk.power_cut();
  EXPECT_EQ(count('a'), 0U) << "it was still not synced";
}

TEST_F(FakeDiskTest, TearsWhatIsUnderWayAtACrash) {
  std::optional<Result<void>> outcome;
  asio::co_spawn(io, keep_outcome(file->write(0, filled('a')), outcome), [](std::exception_ptr) {});
  io.poll_one();  // it has begun
  disk.process_crash();
  EXPECT_GT(count('a'), 10U);
  EXPECT_LT(count('a'), kSectors - 10);
  const size_t torn = count('a');
  run_until(io, [&] { return outcome.has_value(); });
  EXPECT_FALSE(outcome->ok());
  EXPECT_EQ(count('a'), torn) << "a process that is gone writes nothing";
  EXPECT_FALSE(write('b').ok());
  file = disk.open();
  EXPECT_TRUE(write('b').ok());
}

TEST_F(FakeDiskTest, ForgetsWhatAFailedSyncWasToBringToTheMedium) {
  set(&DiskFaults::sync_fails, 1);
  ASSERT_TRUE(write('a').ok());
  EXPECT_FALSE(sync().ok());
  set(&DiskFaults::sync_fails, 0);
  EXPECT_TRUE(sync().ok()) << "the second sync lies, as Linux's does";
  EXPECT_EQ(count('a'), kSectors);
  disk.power_cut();
  EXPECT_GT(count('a'), 10U);
  EXPECT_LT(count('a'), kSectors - 10);
}

TEST_F(FakeDiskTest, BringsAForgottenSectorThatIsWrittenAgain) {
  set(&DiskFaults::sync_fails, 1);
  ASSERT_TRUE(write('a').ok());
  EXPECT_FALSE(sync().ok());
  set(&DiskFaults::sync_fails, 0);
  ASSERT_TRUE(write('a').ok());
  ASSERT_TRUE(sync().ok());
  disk.power_cut();
  EXPECT_EQ(count('a'), kSectors);
}

TEST_F(FakeDiskTest, FailsWritesHalfDone) {
  set(&DiskFaults::write_fails, 1);
  EXPECT_EQ(write('a').error().code(), ErrorCode::unavailable);
  EXPECT_GT(count('a'), 10U);
  EXPECT_LT(count('a'), kSectors - 10);
  DiskFaults full;
  full.full = true;
  disk.set_faults(full);
  EXPECT_EQ(write('b').error().code(), ErrorCode::out_of_space);
  EXPECT_EQ(count('b'), 0U);
}

TEST_F(FakeDiskTest, CannotReadASpoiltSectorUntilItIsWritten) {
  ASSERT_TRUE(write('a').ok());
  disk.spoil(1024);
  EXPECT_TRUE(run(io, file->read(0, 1024)).ok());
  EXPECT_EQ(run(io, file->read(512, 1024)).error().code(), ErrorCode::corrupt);
  ASSERT_TRUE(write('b').ok());
  EXPECT_TRUE(run(io, file->read(512, 1024)).ok());
}

TEST_F(FakeDiskTest, FlipsABitForGood) {
  ASSERT_TRUE(write('a').ok());
  ASSERT_TRUE(sync().ok());
  disk.flip_bit_in(0, kBytes);
  EXPECT_EQ(count('a'), kSectors - 1);
  disk.power_cut();
  EXPECT_EQ(count('a'), kSectors - 1);
}

TEST(FakeDisk, IsAsSlowAsTheVirtualClockSays) {
  VirtualClock clock;
  asio::io_context io;
  DiskFaults slow;
  slow.sync = {std::chrono::seconds(2), std::chrono::seconds(3)};
  FakeDisk disk(1 << 20, 1, slow);
  std::unique_ptr<LocalFile> file = disk.open();
  std::optional<Result<void>> outcome;
  const TimePoint before = now();
  asio::co_spawn(io, keep_outcome(file->sync(), outcome), [](std::exception_ptr) {});
  io.poll();
  EXPECT_FALSE(outcome.has_value());
  EXPECT_TRUE(clock.advance());
  io.poll();
  EXPECT_TRUE(outcome.has_value());
  EXPECT_GE(now() - before, std::chrono::seconds(2));
  EXPECT_LE(now() - before, std::chrono::seconds(3));
}

TEST(FakeDisk, DoesTheSameFromTheSameSeed) {
  std::string first;
  for (int round = 0; round < 2; ++round) {
    asio::io_context io;
    FakeDisk disk(1 << 20, 7);
    std::unique_ptr<LocalFile> file = disk.open();
    ASSERT_TRUE(run(io, file->write(0, filled('a'))).ok());
    disk.power_cut();
    const std::string after(disk.contents(0, kBytes).text());
    if (round == 0) first = after;
    EXPECT_EQ(after, first);
  }
}

TEST_F(FakeDiskTest, WritesPartsOfSectors) {
  ASSERT_TRUE(write('a').ok());
  ASSERT_TRUE(run(io, file->write(512 + 100, Buffer::copy_of(std::string(1000, 'b')))).ok());
  const std::string text(disk.contents(0, 4 * 512).text());
  EXPECT_EQ(text, std::string(612, 'a') + std::string(1000, 'b') + std::string(436, 'a'));
}

TEST_F(FakeDiskTest, ReadsWithoutWaitingWhatIsCached) {
  ASSERT_TRUE(write('a').ok());
  Buffer target = Buffer::allocate(512);
  EXPECT_FALSE(file->try_read(0, target.writable()));
  set(&DiskFaults::cached, 1);
  ASSERT_TRUE(file->try_read(0, target.writable()));
  EXPECT_EQ(target.text(), std::string(512, 'a'));
  disk.spoil(0);
  EXPECT_FALSE(file->try_read(0, target.writable()));
}

TEST_F(FakeDiskTest, ACopyIsADiskOfItsOwn) {
  ASSERT_TRUE(write('a').ok());
  std::unique_ptr<FakeDisk> copied = disk.copy(2);
  ASSERT_TRUE(write('b').ok());
  copied->power_cut();
  EXPECT_EQ(copied->contents(0, kBytes).text(), std::string(kBytes, 'a'));
  EXPECT_EQ(count('b'), kSectors);
}

}  // namespace
}  // namespace swiftness
