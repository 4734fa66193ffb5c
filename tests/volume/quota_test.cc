// How much of a disk is mapped, and what a quota refuses.
#include <gtest/gtest.h>

#include "tests/volume/check_fixture.h"

namespace swiftness {
namespace {

constexpr uint64_t kMiBBlocks = kMiB / kSectorBytes;

VolumeOptions with_quota(uint64_t bytes) {
  VolumeOptions options = quick_options();
  options.quota = ByteCount(bytes);
  return options;
}

ErrorCode code_of(const Result<void>& result) {
  CHECK(!result);
  return result.error().code();
}

class Quota : public CheckTest {
 protected:
  // So many MiB written from the beginning, and stopped: no leaf is in memory afterwards.
  void write_before(uint64_t mib) {
    Gateway gateway(shared_, disk_);
    ASSERT_TRUE(gateway.attach().ok());
    for (uint64_t i = 0; i < mib; ++i) {
      ASSERT_TRUE(gateway.write(i * kMiBBlocks, kMiBBlocks, 1).ok());
    }
    ASSERT_TRUE(gateway.stop().ok());
  }
};

TEST_F(Quota, NothingIsWrittenBeyondItAndWhatIsMappedMayBeOverwritten) {
  Gateway gateway(shared_, disk_, 1, with_quota(kMiB));
  ASSERT_TRUE(gateway.attach().ok());
  ASSERT_TRUE(gateway.write(0, kMiBBlocks - 8, 1).ok());
  EXPECT_EQ(gateway.volume.usage().available(), ByteCount(8 * kSectorBytes));
  EXPECT_EQ(code_of(gateway.write(kMiBBlocks - 8, 9, 2)), ErrorCode::out_of_space);
  EXPECT_TRUE(gateway.holds_zeros(kMiBBlocks - 8, 9));
  ASSERT_TRUE(gateway.write(kMiBBlocks - 16, 16, 3).ok()) << "half of it is new, and fits";
  EXPECT_EQ(gateway.volume.usage().available(), ByteCount(0));
  EXPECT_EQ(code_of(gateway.write(kMiBBlocks - 1, 2, 4)), ErrorCode::out_of_space);
  EXPECT_TRUE(gateway.holds(kMiBBlocks - 16, 16, 3)) << "nor is the part that is mapped";
  for (int tag = 5; tag < 10; ++tag) ASSERT_TRUE(gateway.write(0, kMiBBlocks, tag).ok());
  EXPECT_TRUE(gateway.holds(0, kMiBBlocks, 9));
  EXPECT_EQ(gateway.volume.usage().mapped, ByteCount(kMiB));
}

TEST_F(Quota, UnmapOrALargerQuotaGivesRoom) {
  Gateway gateway(shared_, disk_, 1, with_quota(kMiB));
  ASSERT_TRUE(gateway.attach().ok());
  ASSERT_TRUE(gateway.write(0, kMiBBlocks, 1).ok());
  EXPECT_EQ(code_of(gateway.write(kMiBBlocks, 8, 2)), ErrorCode::out_of_space);
  ASSERT_TRUE(gateway.unmap(0, 8).ok());
  ASSERT_TRUE(gateway.write(kMiBBlocks, 8, 2).ok());
  EXPECT_EQ(code_of(gateway.write(kMiBBlocks + 8, 8, 3)), ErrorCode::out_of_space);
  gateway.volume.set_quota(ByteCount(kMiB + 8 * kSectorBytes));
  ASSERT_TRUE(gateway.write(kMiBBlocks + 8, 8, 3).ok());
  gateway.volume.set_quota(ByteCount(kMiB / 2));  // less than is there
  EXPECT_EQ(code_of(gateway.write(0, 8, 4)), ErrorCode::out_of_space);
  ASSERT_TRUE(gateway.write(8, 8, 4).ok());
  EXPECT_EQ(gateway.volume.usage().available(), ByteCount(0));
  gateway.volume.set_quota(std::nullopt);
  ASSERT_TRUE(gateway.write(0, 8, 4).ok());
  EXPECT_EQ(gateway.volume.usage().available().value(), kDisk - kMiB - 16 * kSectorBytes);
}

// The map counts them twice until it has merged the two, or somebody needs to know.
TEST_F(Quota, WhatIsOverwrittenUnseenIsNotCountedTwice) {
  write_before(4);
  Gateway gateway(shared_, disk_, 1, with_quota(9 * kMiB));
  ASSERT_TRUE(gateway.attach().ok());
  ASSERT_TRUE(gateway.write(0, 4 * kMiBBlocks, 2).ok());
  EXPECT_EQ(gateway.volume.usage().mapped, ByteCount(8 * kMiB)) << "of this the test is";
  ASSERT_TRUE(gateway.write(4 * kMiBBlocks, 5 * kMiBBlocks, 2).ok());
  EXPECT_EQ(gateway.volume.usage().mapped, ByteCount(9 * kMiB));
  EXPECT_EQ(code_of(gateway.write(9 * kMiBBlocks, 1, 3)), ErrorCode::out_of_space);
  ASSERT_TRUE(gateway.stop().ok());
  const CheckReport report = check();
  EXPECT_TRUE(report.clean()) << text_of(report);
}

TEST_F(Quota, WhatWasUnmappedUnseenGivesRoom) {
  write_before(72);  // two pages of the map, and a part of a third
  Gateway gateway(shared_, disk_, 1, with_quota(72 * kMiB));
  ASSERT_TRUE(gateway.attach().ok());
  ASSERT_TRUE(gateway.unmap(kMiBBlocks, 70 * kMiBBlocks).ok());
  for (uint64_t i = 0; i < 70; ++i) {
    ASSERT_TRUE(gateway.write((i + 1) * kMiBBlocks, kMiBBlocks, 2).ok()) << i;
  }
  EXPECT_EQ(code_of(gateway.write(72 * kMiBBlocks, 1, 3)), ErrorCode::out_of_space);
  EXPECT_EQ(gateway.volume.usage().mapped, ByteCount(72 * kMiB));
}

TEST_F(Quota, OfManyWritesAtOnceNoneTakesTheRoomOfAnother) {
  write_before(4);
  Gateway gateway(shared_, disk_, 1, with_quota(7 * kMiB));
  ASSERT_TRUE(gateway.attach().ok());
  ASSERT_TRUE(gateway.write(0, kMiBBlocks, 2).ok());
  int written = 0;
  int refused = 0;
  auto write = [](Volume& volume, uint64_t mib, int& well, int& badly) -> Task {
    const BlockRange range{Lba(mib * kMiBBlocks), BlockCount(kMiBBlocks)};
    BufferList data(pattern(mib * kMiBBlocks, kMiBBlocks, 3));
    Result<void> done =
        co_await volume.write(range, std::move(data), Durability::acknowledged, nullptr);
    ++(done ? well : badly);
  };
  FanOut all(shared_.io.get_executor());
  for (uint64_t mib = 2; mib < 10; ++mib) {
    all.add(write(gateway.volume, mib, written, refused));
  }
  run(shared_.io, all.join());
  EXPECT_EQ(written, 2 + 3) << "two of them were mapped";
  EXPECT_EQ(refused, 3);
  EXPECT_EQ(gateway.volume.usage().mapped, ByteCount(7 * kMiB));
}

TEST_F(Quota, RoomForAllOfItOrNone) {
  Gateway gateway(shared_, disk_, 1, with_quota(2 * kMiB));
  ASSERT_TRUE(gateway.attach().ok());
  ASSERT_TRUE(gateway.write(0, kMiBBlocks, 1).ok());
  auto room_for = [&](uint64_t blocks) {
    return run(shared_.io, gateway.volume.room_for({Lba(0), BlockCount(blocks)}, nullptr));
  };
  EXPECT_TRUE(room_for(2 * kMiBBlocks).ok());
  EXPECT_EQ(code_of(room_for(2 * kMiBBlocks + 1)), ErrorCode::out_of_space);
}

TEST_F(Quota, WhatIsKeptBesideTheDataIsNoPartOfTheDisk) {
  const Bytes small(100, std::byte{1}), large(10'000, std::byte{2});
  auto store = [&](Gateway& gateway, const Bytes& record) {
    return run(shared_.io, gateway.volume.store_metadata(MetadataKey::mode_pages, record));
  };
  {
    Gateway gateway(shared_, disk_, 1, with_quota(4096));
    ASSERT_TRUE(gateway.attach().ok());
    ASSERT_TRUE(store(gateway, small).ok());
    EXPECT_EQ(gateway.volume.usage().mapped, ByteCount(0));
    ASSERT_TRUE(gateway.write(0, 8, 1).ok());
    ASSERT_TRUE(store(gateway, large).ok()) << "whatever the quota";
    EXPECT_EQ(gateway.volume.usage().mapped, ByteCount(4096));
    ASSERT_TRUE(gateway.stop().ok());
  }
  Gateway gateway(shared_, disk_, 1, with_quota(4096));
  ASSERT_TRUE(gateway.attach().ok());
  EXPECT_EQ(gateway.volume.usage().mapped, ByteCount(4096)) << "before anybody has loaded it";
  ASSERT_TRUE(store(gateway, small).ok());
  EXPECT_EQ(gateway.volume.usage().mapped, ByteCount(4096));
}

TEST_F(Quota, AStoreThatIsFullForGoodRefusesWhatFindsNoRoom) {
  VolumeOptions options = quick_options();
  options.dirty_memory = ByteCount(4 * kMiB);
  options.full_for_good = Duration::zero();
  Gateway gateway(shared_, disk_, 1, options);
  ASSERT_TRUE(gateway.attach().ok());
  gateway.store.fail_next(StoreCall::put, "chunk", 1'000'000, ErrorCode::out_of_space);
  Result<void> written;
  for (uint64_t mib = 0; written && mib < 8; ++mib) {
    written = gateway.write(mib * kMiBBlocks, kMiBBlocks, 1);
  }
  EXPECT_EQ(code_of(written), ErrorCode::out_of_space);
  EXPECT_TRUE(gateway.holds(0, kMiBBlocks, 1)) << "what was acknowledged is kept";
}

}  // namespace
}  // namespace swiftness
