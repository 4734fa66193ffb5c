// A disk that becomes larger while it is used, and what is left of that after a crash.
#include <gtest/gtest.h>

#include "tests/volume/disk.h"

namespace swiftness {
namespace {

constexpr uint64_t kSmall = 64 * kMiB, kLarge = 256 * kMiB;

class GrowTest : public testing::Test {
 protected:
  static BlockCount size_of(const Gateway& gateway) {
    return BlockCount(gateway.volume.geometry().blocks);
  }
  static BlockCount blocks(uint64_t bytes) { return BlockCount(bytes / 512); }
  Result<void> grow(Gateway& gateway, uint64_t bytes) {
    return run(shared_.io, gateway.volume.grow(ByteCount(bytes)));
  }

  SharedStore shared_;
};

TEST_F(GrowTest, ANewDiskGrowsAndStaysSoForTheNextGateway) {
  const VolumeDescriptor disk = shared_.create(kSmall);
  Gateway first(shared_, disk);
  ASSERT_TRUE(first.attach().ok());
  ASSERT_TRUE(grow(first, kLarge).ok());
  EXPECT_EQ(size_of(first), blocks(kLarge));
  const uint64_t end = kLarge / 512 - 8;
  EXPECT_TRUE(first.holds_zeros(kSmall / 512, 64));
  ASSERT_TRUE(first.write(end, 8, 1, Durability::flushed).ok());
  first.crash();

  Gateway second(shared_, disk, 2);
  ASSERT_TRUE(second.attach().ok());
  EXPECT_EQ(size_of(second), blocks(kLarge));
  EXPECT_TRUE(second.holds(end, 8, 1));
  EXPECT_TRUE(second.stop().ok());

  Gateway third(shared_, disk, 3);
  ASSERT_TRUE(third.attach().ok());
  EXPECT_EQ(size_of(third), blocks(kLarge));
}

TEST_F(GrowTest, GrowsAgainAndAgainBesideWritesAndCheckpoints) {
  const VolumeDescriptor disk = shared_.create(kSmall);
  VolumeOptions options = quick_options();
  options.checkpoint_every = 2;
  Gateway gateway(shared_, disk, 1, options);
  ASSERT_TRUE(gateway.attach().ok());
  for (uint64_t i = 1; i <= 8; ++i) {
    ASSERT_TRUE(gateway.write(i * 64, 64, i).ok());
    ASSERT_TRUE(grow(gateway, kSmall + i * kMiB).ok());
    const uint64_t end = (kSmall + i * kMiB) / 512 - 64;
    ASSERT_TRUE(gateway.write(end, 64, i).ok());
  }
  ASSERT_TRUE(gateway.flush().ok());
  gateway.crash();
  Gateway next(shared_, disk, 2);
  ASSERT_TRUE(next.attach().ok());
  EXPECT_EQ(size_of(next), blocks(kSmall + 8 * kMiB));
  for (uint64_t i = 1; i <= 8; ++i) {
    EXPECT_TRUE(next.holds(i * 64, 64, i));
    EXPECT_TRUE(next.holds((kSmall + i * kMiB) / 512 - 64, 64, i));
  }
}

// Until then a crash would make the disk small again under a host that has been told.
TEST_F(GrowTest, NobodyIsToldBeforeItIsInTheStore) {
  const VolumeDescriptor disk = shared_.create(kSmall);
  Gateway gateway(shared_, disk);
  ASSERT_TRUE(gateway.attach().ok());
  gateway.store.hold(StoreCall::put, "root/");
  Started<Result<void>> growing(shared_.io, gateway.volume.grow(ByteCount(kLarge)));
  run_until(shared_.io, [&] { return gateway.store.held() > 0; });
  EXPECT_EQ(size_of(gateway), blocks(kSmall));
  EXPECT_FALSE(growing.done());
  gateway.store.release();
  run_until(shared_.io, [&] { return growing.done(); });
  EXPECT_TRUE(growing.result().ok());
  EXPECT_EQ(size_of(gateway), blocks(kLarge));
}

TEST_F(GrowTest, ACrashBeforeThatLeavesTheOldSize) {
  const VolumeDescriptor disk = shared_.create(kSmall);
  Gateway gateway(shared_, disk);
  ASSERT_TRUE(gateway.attach().ok());
  gateway.store.hold(StoreCall::put, "root/");
  Started<Result<void>> growing(shared_.io, gateway.volume.grow(ByteCount(kLarge)));
  run_until(shared_.io, [&] { return gateway.store.held() > 0; });
  gateway.crash();
  run_until(shared_.io, [&] { return growing.done(); });
  EXPECT_FALSE(growing.result().ok());
  Gateway next(shared_, disk, 2);
  ASSERT_TRUE(next.attach().ok());
  EXPECT_EQ(size_of(next), blocks(kSmall));
}

// What it wrote after another gateway had taken the volume is lost, the new size too.
TEST_F(GrowTest, AGatewayThatHasLostTheVolumeDoesNotGrowIt) {
  const VolumeDescriptor disk = shared_.create(kSmall);
  Gateway old(shared_, disk);
  ASSERT_TRUE(old.attach().ok());
  Gateway owner(shared_, disk, 2);
  ASSERT_TRUE(owner.attach().ok());
  Result<void> grown = grow(old, kLarge);
  ASSERT_FALSE(grown.ok());
  EXPECT_EQ(grown.error().code(), ErrorCode::fenced);
  EXPECT_EQ(size_of(old), blocks(kSmall));
  ASSERT_TRUE(grow(owner, 2 * kSmall).ok());
  owner.crash();
  Gateway next(shared_, disk, 3);
  ASSERT_TRUE(next.attach().ok());
  EXPECT_EQ(size_of(next), blocks(2 * kSmall));
}

TEST_F(GrowTest, ADiskNeverBecomesSmallerNorOfAnySize) {
  Gateway gateway(shared_, shared_.create(kSmall));
  EXPECT_EQ(grow(gateway, kLarge).error().code(), ErrorCode::unavailable) << "not attached";
  ASSERT_TRUE(gateway.attach().ok());
  EXPECT_EQ(grow(gateway, kSmall / 2).error().code(), ErrorCode::invalid);
  EXPECT_EQ(grow(gateway, kLarge + 1).error().code(), ErrorCode::invalid);
  EXPECT_EQ(grow(gateway, uint64_t{65} << 40).error().code(), ErrorCode::invalid);
  EXPECT_TRUE(grow(gateway, kSmall).ok());
  EXPECT_EQ(size_of(gateway), blocks(kSmall));
}

}  // namespace
}  // namespace swiftness
