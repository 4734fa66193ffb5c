#include "backend/volume/volume.h"

#include <gtest/gtest.h>
#include <boost/asio/detached.hpp>

#include "tests/volume/disk.h"

namespace swiftness {
namespace {

class VolumeTest : public testing::Test {
 protected:
  SharedStore shared_;
};

TEST_F(VolumeTest, ANewDiskReadsAsZeros) {
  Gateway gateway(shared_, shared_.create(64 * kMiB));
  ASSERT_TRUE(gateway.attach().ok());
  EXPECT_EQ(gateway.volume.geometry().blocks, BlockCount(64 * kMiB / 512));
  EXPECT_TRUE(gateway.holds_zeros(0, 4096));
}

TEST_F(VolumeTest, BeforeAttachItServesNothing) {
  Gateway gateway(shared_, shared_.create(kMiB));
  EXPECT_EQ(gateway.read(0, 1).error().code(), ErrorCode::unavailable);
  EXPECT_EQ(gateway.write(0, 1, 1).error().code(), ErrorCode::unavailable);
  EXPECT_EQ(gateway.flush().error().code(), ErrorCode::unavailable);
}

TEST_F(VolumeTest, ReadsBackFromMemoryFromUploadsAndFromTheStore) {
  Gateway gateway(shared_, shared_.create(64 * kMiB));
  ASSERT_TRUE(gateway.attach().ok());
  ASSERT_TRUE(gateway.write(3, 300, 7).ok());
  EXPECT_TRUE(gateway.holds(3, 300, 7)) << "pending";
  gateway.store.hold(StoreCall::put, "chunk/");
  run_until(shared_.io, [&] { return gateway.store.held() > 0; });
  EXPECT_TRUE(gateway.holds(3, 300, 7)) << "on its way";
  gateway.store.release();
  ASSERT_TRUE(gateway.flush().ok());
  EXPECT_EQ(gateway.volume.status().chunks_in_flight, 0u);
  EXPECT_TRUE(gateway.holds(3, 300, 7)) << "in the store";
  EXPECT_TRUE(gateway.holds(100, 50, 7));
  EXPECT_TRUE(gateway.holds_zeros(0, 3));
  EXPECT_TRUE(gateway.holds_zeros(303, 100));
}

TEST_F(VolumeTest, ALaterWriteWinsWhereTheyOverlap) {
  Gateway gateway(shared_, shared_.create(64 * kMiB));
  ASSERT_TRUE(gateway.attach().ok());
  ASSERT_TRUE(gateway.write(0, 400, 1).ok());
  ASSERT_TRUE(gateway.write(100, 100, 2).ok());
  ASSERT_TRUE(gateway.flush().ok());
  ASSERT_TRUE(gateway.write(150, 10, 3).ok());
  for (int pass = 0; pass < 2; ++pass) {
    EXPECT_TRUE(gateway.holds(0, 100, 1));
    EXPECT_TRUE(gateway.holds(100, 50, 2));
    EXPECT_TRUE(gateway.holds(150, 10, 3));
    EXPECT_TRUE(gateway.holds(160, 40, 2));
    EXPECT_TRUE(gateway.holds(200, 200, 1));
    ASSERT_TRUE(gateway.flush().ok());
  }
}

TEST_F(VolumeTest, UnmappedBlocksReadAsZerosAlsoAfterRestart) {
  VolumeDescriptor disk = shared_.create(64 * kMiB);
  {
    Gateway gateway(shared_, disk);
    ASSERT_TRUE(gateway.attach().ok());
    ASSERT_TRUE(gateway.write(0, 1000, 1).ok());
    ASSERT_TRUE(gateway.flush().ok());
    ASSERT_TRUE(gateway.unmap(10, 20).ok());
    EXPECT_TRUE(gateway.holds_zeros(10, 20));
    ASSERT_TRUE(gateway.flush().ok());
    gateway.crash();
  }
  Gateway again(shared_, disk);
  ASSERT_TRUE(again.attach().ok());
  EXPECT_TRUE(again.holds(0, 10, 1));
  EXPECT_TRUE(again.holds_zeros(10, 20));
  EXPECT_TRUE(again.holds(30, 970, 1));
  EXPECT_EQ(again.volume.usage().mapped, ByteCount(980 * 512));
}

TEST_F(VolumeTest, UnmapOfTheWholeDiskIsOneRecord) {
  Gateway gateway(shared_, shared_.create(uint64_t{64} << 40));
  ASSERT_TRUE(gateway.attach().ok());
  ASSERT_TRUE(gateway.write(0, 8, 1).ok());
  ASSERT_TRUE(gateway.unmap(0, (uint64_t{64} << 40) / 512).ok());
  EXPECT_EQ(gateway.volume.usage().mapped, ByteCount(0));
  EXPECT_TRUE(gateway.flush().ok());
}

TEST_F(VolumeTest, FlushedDataSurviveACrash) {
  VolumeDescriptor disk = shared_.create(64 * kMiB);
  {
    Gateway gateway(shared_, disk);
    ASSERT_TRUE(gateway.attach().ok());
    ASSERT_TRUE(gateway.write(0, 5000, 1).ok());
    ASSERT_TRUE(gateway.flush().ok());
    ASSERT_TRUE(gateway.write(7000, 8, 2, Durability::flushed).ok());
    gateway.crash();
  }
  Gateway again(shared_, disk);
  ASSERT_TRUE(again.attach().ok());
  EXPECT_TRUE(again.holds(0, 5000, 1));
  EXPECT_TRUE(again.holds(7000, 8, 2));
}

TEST_F(VolumeTest, ACleanStopKeepsEverythingAndLeavesNothingToReplay) {
  VolumeDescriptor disk = shared_.create(64 * kMiB);
  {
    Gateway gateway(shared_, disk);
    ASSERT_TRUE(gateway.attach().ok());
    for (uint64_t i = 0; i < 50; ++i) ASSERT_TRUE(gateway.write(i * 100, 100, i).ok());
    ASSERT_TRUE(gateway.stop().ok());
  }
  Gateway again(shared_, disk);
  ASSERT_TRUE(again.attach().ok());
  EXPECT_EQ(again.store.calls(StoreCall::put), 7u)
      << "claim, fence, start and hint; again the last claim, start and root, but no chunk";
  for (uint64_t i = 0; i < 50; ++i) EXPECT_TRUE(again.holds(i * 100, 100, i));
}

Task stop_into(Volume& volume, Result<void>& outcome, bool& ended) {
  outcome = co_await volume.stop();
  ended = true;
}

TEST_F(VolumeTest, ACleanStopCoversTheLastChunkAlsoWhenACheckpointWasUnderWay) {
  VolumeDescriptor disk = shared_.create(64 * kMiB);
  VolumeOptions options = quick_options();
  options.checkpoint_every = 1;
  {
    Gateway gateway(shared_, disk, 1, options);
    ASSERT_TRUE(gateway.attach().ok());
    gateway.store.hold(StoreCall::put, "root/");
    ASSERT_TRUE(gateway.write(0, 8, 1).ok());
    run_until(shared_.io, [&] { return gateway.store.held() == 1; });
    gateway.store.hold(StoreCall::put, "chunk/");
    ASSERT_TRUE(gateway.write(8, 8, 2).ok());
    Gate gate(shared_.io.get_executor());
    Result<void> stopped;
    bool ended = false;
    gate.spawn("stop", stop_into(gateway.volume, stopped, ended));
    run_until(shared_.io, [&] { return gateway.store.held() == 2; });
    gateway.store.release();
    run_until(shared_.io, [&] { return ended; });
    ASSERT_TRUE(stopped.ok());
  }
  Gateway again(shared_, disk);
  ASSERT_TRUE(again.attach().ok());
  EXPECT_EQ(again.store.calls(StoreCall::put), 7u) << "no chunk is put again";
}

TEST_F(VolumeTest, AttachReadsRecordsThatStandTogetherByOneRead) {
  VolumeDescriptor disk = shared_.create(uint64_t{64} << 40);
  constexpr uint64_t kSegmentBlocks = (uint64_t{64} << 30) / 512;
  {
    Gateway gateway(shared_, disk);
    ASSERT_TRUE(gateway.attach().ok());
    for (uint64_t i = 0; i < 300; ++i) {
      ASSERT_TRUE(gateway.write(i * kSegmentBlocks, 8, i).ok());
    }
    ASSERT_TRUE(gateway.stop().ok());
  }
  Gateway again(shared_, disk);
  ASSERT_TRUE(again.attach().ok());
  EXPECT_LT(again.store.calls(StoreCall::get), 60u) << "of 300 segments of the index";
  for (uint64_t i = 0; i < 300; ++i) EXPECT_TRUE(again.holds(i * kSegmentBlocks, 8, i));
}

TEST_F(VolumeTest, GoesOnOverManyErasAndCheckpoints) {
  VolumeDescriptor disk = shared_.create(256 * kMiB);
  VolumeOptions options = quick_options();
  options.checkpoint_every = 3;
  for (uint64_t era = 1; era <= 12; ++era) {
    Gateway gateway(shared_, disk, era, options);
    ASSERT_TRUE(gateway.attach().ok());
    for (uint64_t before = 1; before < era; ++before) {
      for (uint64_t i = 0; i < 5; ++i) {
        ASSERT_TRUE(gateway.holds(before * 30000 + i * 9, 9, before * 10 + i));
      }
    }
    for (uint64_t i = 0; i < 5; ++i) {
      ASSERT_TRUE(gateway.write(era * 30000 + i * 9, 9, era * 10 + i).ok());
      ASSERT_TRUE(gateway.flush().ok());
    }
    if (era % 2 == 0) {
      ASSERT_TRUE(gateway.stop().ok());
    } else {
      gateway.crash();
    }
  }
}

TEST_F(VolumeTest, ARootNeverCoversAChunkThatIsStillOnItsWay) {
  VolumeOptions options = quick_options();
  options.checkpoint_every = 1;
  VolumeDescriptor disk = shared_.create(64 * kMiB);
  Gateway gateway(shared_, disk, 1, options);
  ASSERT_TRUE(gateway.attach().ok());
  gateway.store.hold(StoreCall::put, "chunk/");
  ASSERT_TRUE(gateway.write(0, 8, 1).ok());
  run_until(shared_.io, [&] { return gateway.store.held() > 0; });
  for (int i = 0; i < 100; ++i) shared_.io.poll();  // whatever could go on has gone on
  const std::string meta = VolumeNames(disk.uuid).meta();
  EXPECT_TRUE(shared_.contents->list(meta, "root/", "", 10)->entries.empty());
  gateway.store.release();
  ASSERT_TRUE(gateway.stop().ok());
  EXPECT_FALSE(shared_.contents->list(meta, "root/", "", 10)->entries.empty());
}

TEST_F(VolumeTest, NeverSendsMoreChunksBeyondTheFrontierThanRecoveryLooksFor) {
  VolumeOptions options = quick_options();
  options.uploads_in_flight = 2;
  Gateway gateway(shared_, shared_.create(256 * kMiB), 1, options);
  ASSERT_TRUE(gateway.attach().ok());
  gateway.store.hold(StoreCall::put, "chunk/");
  constexpr uint64_t kBlocks = 2 * kMiB / 512;
  for (uint64_t i = 0; i < 40; ++i) ASSERT_TRUE(gateway.write(i * kBlocks, kBlocks, i).ok());
  for (int i = 0; i < 100; ++i) shared_.io.poll();
  EXPECT_GT(gateway.volume.status().newest_sequence, 3u);
  EXPECT_EQ(gateway.store.held(), 2u);
  gateway.store.release();
  EXPECT_TRUE(gateway.flush().ok());
}

TEST_F(VolumeTest, FillsChunksToTheBrimAndNeverTearsAWrite) {
  VolumeDescriptor disk = shared_.create(256 * kMiB);
  VolumeOptions options = quick_options();
  options.seal_after = std::chrono::hours(1);
  constexpr uint64_t kBlocks = 2 * kMiB / 512;
  {
    Gateway gateway(shared_, disk, 1, options);
    ASSERT_TRUE(gateway.attach().ok());
    for (uint64_t i = 0; i < 40; ++i) {
      ASSERT_TRUE(gateway.write(i * kBlocks, kBlocks, i).ok());
    }
    for (uint64_t i = 0; i < 4000; ++i) ASSERT_TRUE(gateway.write(i, 1, 1000 + i).ok());
    ASSERT_TRUE(gateway.flush().ok());
    EXPECT_LE(gateway.volume.status().newest_sequence, 7u);
  }
  Gateway again(shared_, disk);
  ASSERT_TRUE(again.attach().ok());
  for (uint64_t i = 1; i < 40; ++i) ASSERT_TRUE(again.holds(i * kBlocks, kBlocks, i));
  for (uint64_t i = 0; i < 4000; ++i) ASSERT_TRUE(again.holds(i, 1, 1000 + i));
}

Task write_into(Volume& volume, uint64_t lba, TicketPtr ticket, Result<void>& outcome, bool& done) {
  BufferList data(pattern(lba, 128, lba));
  BlockRange range{Lba(lba), BlockCount(128)};
  outcome = co_await volume.write(range, std::move(data), Durability::acknowledged, ticket);
  done = true;
}

TEST_F(VolumeTest, WritesWaitWhenTheBufferIsFullAndACancelledOneNeverHappens) {
  VolumeOptions options = quick_options();
  options.dirty_memory = ByteCount(100 * 1024);
  Gateway gateway(shared_, shared_.create(64 * kMiB), 1, options);
  ASSERT_TRUE(gateway.attach().ok());
  gateway.store.hold(StoreCall::put, "chunk/");
  ASSERT_TRUE(gateway.write(0, 128, 0).ok());
  auto ticket = std::make_shared<Ticket>();
  Result<void> cancelled, waited;
  bool cancelled_done = false, waited_done = false;
  asio::co_spawn(shared_.io, write_into(gateway.volume, 1000, ticket, cancelled, cancelled_done),
                 asio::detached);
  asio::co_spawn(shared_.io, write_into(gateway.volume, 2000, nullptr, waited, waited_done),
                 asio::detached);
  run_until(shared_.io, [&] { return gateway.store.held() > 0; });
  EXPECT_FALSE(cancelled_done || waited_done);
  ticket->cancelled = true;
  gateway.store.release();
  run_until(shared_.io, [&] { return cancelled_done && waited_done; });
  EXPECT_EQ(cancelled.error().code(), ErrorCode::cancelled);
  EXPECT_TRUE(waited.ok());
  EXPECT_TRUE(gateway.holds_zeros(1000, 128));
  EXPECT_TRUE(gateway.holds(2000, 128, 2000));
}

TEST_F(VolumeTest, RidesOutAStoreThatIsGoneForAWhile) {
  Gateway gateway(shared_, shared_.create(64 * kMiB));
  ASSERT_TRUE(gateway.attach().ok());
  gateway.store.set_down(true);
  ASSERT_TRUE(gateway.write(0, 128, 1).ok());
  run_until(shared_.io, [&] { return !gateway.volume.status().trouble.empty(); });
  EXPECT_TRUE(gateway.holds(0, 128, 1));
  gateway.store.set_down(false);
  EXPECT_TRUE(gateway.flush().ok());
  EXPECT_TRUE(gateway.volume.status().trouble.empty());
  EXPECT_EQ(gateway.volume.usage().unsafe, ByteCount(0));
}

TEST_F(VolumeTest, ALostChunkIsDamageAndNeverZeros) {
  VolumeDescriptor disk = shared_.create(64 * kMiB);
  Gateway gateway(shared_, disk);
  ASSERT_TRUE(gateway.attach().ok());
  ASSERT_TRUE(gateway.write(0, 128, 1).ok());
  ASSERT_TRUE(gateway.flush().ok());
  const std::string container = VolumeNames(disk.uuid).data(Sequence(1));
  ListPage chunks = *shared_.contents->list(container, "chunk/", "", 10);
  ASSERT_EQ(chunks.entries.size(), 1u);
  RemoveReport gone = shared_.contents->remove({{container, chunks.entries[0].name}});
  ASSERT_TRUE(gone.failures.empty());
  EXPECT_EQ(gateway.read(0, 8).error().code(), ErrorCode::corrupt);
  EXPECT_TRUE(gateway.holds_zeros(128, 8));
}

TEST_F(VolumeTest, ADamagedFrameIsNeverHandedOut) {
  FaultOptions faults;
  VolumeOptions options = quick_options();
  options.read_memory = ByteCount(0);  // a sound one would be kept
  Gateway gateway(shared_, shared_.create(64 * kMiB), 1, options, faults);
  ASSERT_TRUE(gateway.attach().ok());
  ASSERT_TRUE(gateway.write(0, 128, 1).ok());
  ASSERT_TRUE(gateway.flush().ok());
  faults.corrupt_read = 1;
  gateway.store.set_options(faults);
  int refused = 0;
  for (int i = 0; i < 100; ++i) {
    Result<BufferList> data = gateway.read(0, 128);
    if (data) {
      // The flipped bit was in the padding.
      EXPECT_TRUE(*data == BufferList(pattern(0, 128, 1)));
    } else {
      EXPECT_EQ(data.error().code(), ErrorCode::corrupt);
      ++refused;
    }
  }
  EXPECT_GT(refused, 90);
}

std::string mapped(Gateway& gateway, uint64_t blocks) {
  const BlockRange range{Lba(0), BlockCount(blocks)};
  Result<std::vector<AllocationPiece>> pieces =
      run(gateway.shared.io, gateway.volume.allocation(range));
  if (!pieces) return pieces.error().message();
  std::string seen;
  for (const AllocationPiece& piece : *pieces) {
    seen += std::to_string(piece.range.first.value()) + (piece.mapped ? "+" : "-");
    seen += std::to_string(piece.range.count.value()) + " ";
  }
  return seen;
}

TEST_F(VolumeTest, TellsWhatIsMapped) {
  Gateway gateway(shared_, shared_.create(64 * kMiB));
  ASSERT_TRUE(gateway.attach().ok());
  ASSERT_TRUE(gateway.write(8, 300, 1).ok());
  ASSERT_TRUE(gateway.write(308, 8, 2).ok());
  ASSERT_TRUE(gateway.unmap(16, 8).ok());
  EXPECT_EQ(mapped(gateway, 1000), "0-8 8+8 16-8 24+292 316-684 ");
}

// What is written behind a record does not begin with a frame.
TEST_F(VolumeTest, TellsWhatIsMappedOfBlocksThatLieInTwoFrames) {
  VolumeOptions options = quick_options();
  options.uploads_in_flight = 1;
  Gateway gateway(shared_, shared_.create(64 * kMiB, 4096), 1, options);
  ASSERT_TRUE(gateway.attach().ok());
  auto store = [&](MetadataKey key) { return gateway.volume.store_metadata(key, Bytes(100)); };
  gateway.store.hold(StoreCall::put, "chunk/");
  Started<Result<void>> first(shared_.io, store(MetadataKey::reservations));
  run_until(shared_.io, [&] { return gateway.store.held() > 0; });
  Started<Result<void>> second(shared_.io, store(MetadataKey::mode_pages));  // has to queue
  const BlockRange range{Lba(10), BlockCount(50)};
  BufferList data(pattern(80, 400, 1));
  ASSERT_TRUE(
      run(shared_.io, gateway.volume.write(range, data, Durability::acknowledged, nullptr)).ok());
  gateway.store.release();
  ASSERT_TRUE(gateway.flush().ok());
  EXPECT_EQ(mapped(gateway, 1000), "0-10 10+50 60-940 ");
}

// Whoever looks at the map needs it until the leaf is there.
TEST_F(VolumeTest, StopsWhenNobodyLooksAtTheMapAnyMore) {
  const VolumeDescriptor disk = shared_.create(64 * kMiB);
  Gateway first(shared_, disk);
  ASSERT_TRUE(first.attach().ok());
  ASSERT_TRUE(first.write(8, 300, 1).ok());
  ASSERT_TRUE(first.stop().ok());
  Gateway gateway(shared_, disk);
  ASSERT_TRUE(gateway.attach().ok());
  gateway.store.hold(StoreCall::get, "map/");
  const BlockRange all{Lba(0), BlockCount(1000)};
  Started<Result<std::vector<AllocationPiece>>> look(shared_.io, gateway.volume.allocation(all));
  run_until(shared_.io, [&] { return gateway.store.held() > 0; });
  Started<Result<void>> stop(shared_.io, gateway.volume.stop());
  run(shared_.io, sleep_for(std::chrono::seconds(5)));
  EXPECT_FALSE(stop.done());
  gateway.store.release();
  run_until(shared_.io, [&] { return stop.done(); });
  EXPECT_TRUE(look.done());
}

TEST_F(VolumeTest, DisksOf4096ByteBlocks) {
  Gateway gateway(shared_, shared_.create(64 * kMiB, 4096));
  ASSERT_TRUE(gateway.attach().ok());
  EXPECT_EQ(gateway.volume.geometry().blocks, BlockCount(64 * kMiB / 4096));
  BufferList data(pattern(80, 8, 5));
  BlockRange range{Lba(10), BlockCount(1)};
  ASSERT_TRUE(
      run(shared_.io, gateway.volume.write(range, data, Durability::flushed, nullptr)).ok());
  Result<BufferList> back = run(shared_.io, gateway.volume.read(range));
  ASSERT_TRUE(back.ok());
  EXPECT_TRUE(*back == data);
}

}  // namespace
}  // namespace swiftness
