// What a logical unit keeps with its volume: as durable, atomic and fenced as a write, out of every
// command's reach.
#include <gtest/gtest.h>

#include "tests/volume/check_fixture.h"

namespace swiftness {
namespace {

Bytes record_of(size_t bytes, int tag) {
  Bytes out(bytes);
  for (size_t i = 0; i < bytes; ++i) out[i] = static_cast<std::byte>(i * 7 + tag);
  return out;
}

Result<Bytes> load(Gateway& gateway, MetadataKey key = MetadataKey::reservations) {
  return run(gateway.shared.io, gateway.volume.load_metadata(key));
}

Result<void> store(Gateway& gateway, Bytes record, MetadataKey key = MetadataKey::reservations) {
  return run(gateway.shared.io, gateway.volume.store_metadata(key, std::move(record)));
}

class Metadata : public CheckTest {};

TEST_F(Metadata, NoneWasStored) {
  Gateway gateway(shared_, disk_);
  ASSERT_TRUE(gateway.attach().ok());
  EXPECT_TRUE(gateway.volume.keeps_metadata());
  for (MetadataKey key : {MetadataKey::reservations, MetadataKey::mode_pages}) {
    Result<Bytes> none = load(gateway, key);
    ASSERT_TRUE(none.ok());
    EXPECT_TRUE(none->empty());
  }
}

TEST_F(Metadata, IsReadBackWhateverItsLengthAndAfterShorterAndLongerOnes) {
  Gateway gateway(shared_, disk_);
  ASSERT_TRUE(gateway.attach().ok());
  int tag = 0;
  for (size_t bytes : {size_t{1}, size_t{508}, size_t{509}, size_t{300'000}, kMostMetadata,
                       size_t{507}, size_t{0}}) {
    ASSERT_TRUE(store(gateway, record_of(bytes, ++tag)).ok()) << bytes;
    Result<Bytes> again = load(gateway);
    ASSERT_TRUE(again.ok()) << bytes;
    EXPECT_EQ(*again, record_of(bytes, tag)) << bytes;
    EXPECT_TRUE(load(gateway, MetadataKey::mode_pages)->empty()) << bytes;
  }
  EXPECT_EQ(store(gateway, record_of(kMostMetadata + 1, 1)).error().code(), ErrorCode::invalid);
}

// Durable when it is stored: nothing is flushed here.
TEST_F(Metadata, SurvivesACrashACleanStopAndTheUnmapOfTheWholeDisk) {
  {
    Gateway gateway(shared_, disk_);
    ASSERT_TRUE(gateway.attach().ok());
    ASSERT_TRUE(store(gateway, record_of(70'000, 1)).ok());
    ASSERT_TRUE(store(gateway, record_of(2, 2), MetadataKey::mode_pages).ok());
    gateway.crash();
  }
  {
    Gateway gateway(shared_, disk_);
    ASSERT_TRUE(gateway.attach().ok());
    EXPECT_EQ(*load(gateway), record_of(70'000, 1));
    ASSERT_TRUE(gateway.unmap(0, kDisk / kSectorBytes).ok());
    ASSERT_TRUE(gateway.stop().ok());
  }
  Gateway gateway(shared_, disk_);
  ASSERT_TRUE(gateway.attach().ok());
  EXPECT_EQ(*load(gateway), record_of(70'000, 1));
  EXPECT_EQ(*load(gateway, MetadataKey::mode_pages), record_of(2, 2));
  ASSERT_TRUE(gateway.stop().ok());
  const CheckReport report = check();
  EXPECT_TRUE(report.clean()) << text_of(report);
}

TEST_F(Metadata, OfTheLargestDiskIsBehindItsEnd) {
  const uint64_t bytes = uint64_t{64} << 40;
  SharedStore shared;
  VolumeDescriptor disk = shared.create(bytes);
  {
    Gateway gateway(shared, disk);
    ASSERT_TRUE(gateway.attach().ok());
    ASSERT_TRUE(store(gateway, record_of(9, 1)).ok());
    ASSERT_TRUE(gateway.write(bytes / kSectorBytes - 8, 8, 3).ok());
    ASSERT_TRUE(gateway.unmap(0, bytes / kSectorBytes).ok());
    ASSERT_TRUE(gateway.stop().ok());
  }
  Gateway gateway(shared, disk);
  ASSERT_TRUE(gateway.attach().ok());
  EXPECT_EQ(*load(gateway), record_of(9, 1));
  EXPECT_TRUE(gateway.holds_zeros(bytes / kSectorBytes - 8, 8));
}

TEST_F(Metadata, AGatewayThatWasTakenOverFromStoresAndLoadsNone) {
  Gateway first(shared_, disk_), second(shared_, disk_);
  ASSERT_TRUE(first.attach().ok());
  ASSERT_TRUE(store(first, record_of(100, 1)).ok());
  ASSERT_TRUE(second.attach().ok());
  EXPECT_EQ(store(first, record_of(100, 2)).error().code(), ErrorCode::fenced);
  EXPECT_EQ(load(first).error().code(), ErrorCode::fenced);
  EXPECT_EQ(*load(second), record_of(100, 1));
}

TEST_F(Metadata, BeforeAttachThereIsNone) {
  Gateway gateway(shared_, disk_);
  EXPECT_EQ(load(gateway).error().code(), ErrorCode::unavailable);
  EXPECT_EQ(store(gateway, record_of(1, 1)).error().code(), ErrorCode::unavailable);
}

}  // namespace
}  // namespace swiftness
