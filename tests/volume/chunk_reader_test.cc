// What a volume asks of its store when it reads, and what it does not ask twice.
#include "backend/volume/chunk_reader.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <boost/asio/detached.hpp>

#include <numeric>
#include <random>

#include "tests/volume/disk.h"

namespace swiftness {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kFrame = 128;  // sectors of a full frame

class ChunkReaderTest : public testing::Test {
 protected:
  ChunkReaderTest() { options_.seal_after = std::chrono::hours(1); }
  ~ChunkReaderTest() override {
    gateway_.reset();
    if (!folder_.empty()) fs::remove_all(folder_);
  }

  void attach(uint64_t bytes = 256 * kMiB) {
    if (!disk_) disk_ = shared_.create(bytes);
    gateway_.reset();
    gateway_ = std::make_unique<Gateway>(shared_, *disk_, ++seed_, options_);
    ASSERT_TRUE(gateway_->attach().ok());
  }
  // So that nothing of what was written is in memory.
  void store_and_reattach() {
    ASSERT_TRUE(gateway_->stop().ok());
    attach();
    // The map's leaves are read when they are first needed: not to be counted.
    const BlockRange all{Lba(0), gateway_->volume.geometry().blocks};
    ASSERT_TRUE(run(shared_.io, gateway_->volume.allocation(all)).ok());
    gets_before_ = gateway_->store.calls(StoreCall::get);
    heads_before_ = gateway_->store.calls(StoreCall::head);
  }
  uint64_t gets() const { return gateway_->store.calls(StoreCall::get) - gets_before_; }
  void settle() {
    shared_.io.restart();
    shared_.io.poll();
  }

  struct Reading {
    std::optional<Result<BufferList>> outcome;
    bool holds(uint64_t lba, uint64_t blocks, uint64_t tag) const {
      return outcome && *outcome && **outcome == BufferList(pattern(lba, blocks, tag));
    }
  };
  std::shared_ptr<Reading> begin_read(uint64_t lba, uint64_t blocks) {
    auto reading = std::make_shared<Reading>();
    asio::co_spawn(shared_.io, read_into(gateway_->volume, lba, blocks, reading), asio::detached);
    return reading;
  }
  static Task read_into(Volume& volume, uint64_t lba, uint64_t blocks,
                        std::shared_ptr<Reading> reading) {
    BlockRange range{Lba(lba), BlockCount(blocks)};
    reading->outcome = co_await volume.read(range);
  }

  // A file for the read cache, the same for all gateways of the test.
  void use_cache_file(uint64_t bytes = 64 * kMiB) {
    std::string path = fs::temp_directory_path() / "swiftness.XXXXXX";
    folder_ = ::mkdtemp(path.data());
    options_.read_cache = ReadCacheOptions{folder_ / "cache", ByteCount(bytes)};
  }
  void wait_for_cache() {
    run_until(shared_.io, [this] {
      const ReadCache::Status status = gateway_->volume.status().read_cache;
      return status.is_ready && status.waiting == 0;
    });
    settle();
  }

  SharedStore shared_;
  VolumeOptions options_ = quick_options();
  std::optional<VolumeDescriptor> disk_;
  std::unique_ptr<Gateway> gateway_;
  fs::path folder_;
  uint64_t seed_ = 0;
  uint64_t gets_before_ = 0;  // by attaching
  uint64_t heads_before_ = 0;
};

TEST_F(ChunkReaderTest, AFrameIsFetchedOnce) {
  attach();
  ASSERT_TRUE(gateway_->write(0, 4 * kFrame, 1).ok());
  store_and_reattach();
  for (uint64_t at = 2 * kFrame; at > kFrame; at -= 8) ASSERT_TRUE(gateway_->holds(at - 8, 8, 1));
  EXPECT_EQ(gets(), 1u);
  EXPECT_EQ(gateway_->volume.status().reads.hits, kFrame / 8 - 1);
  EXPECT_EQ(gateway_->volume.status().reads.misses, 1u);
}

TEST_F(ChunkReaderTest, NeighboursComeWithOneGetAndOnlyWhatIsMissing) {
  attach();
  ASSERT_TRUE(gateway_->write(0, 8 * kFrame, 1).ok());
  store_and_reattach();
  ASSERT_TRUE(gateway_->holds(0, 3 * kFrame, 1));
  EXPECT_EQ(gets(), 1u);
  ASSERT_TRUE(gateway_->holds(5 * kFrame, kFrame, 1));
  EXPECT_EQ(gets(), 2u);
  ASSERT_TRUE(gateway_->holds(0, 8 * kFrame, 1));
  EXPECT_EQ(gets(), 4u) << "frames 3 and 4, and 6 and 7";
  const ByteCount all = gateway_->volume.status().reads.from_store;
  EXPECT_EQ(all, ByteCount(8 * (kFrame + 1) * 512));
}

TEST_F(ChunkReaderTest, FramesOutOfOrderAreNotFetchedTwice) {
  attach();
  // The disk's order is the log's, with halves of frames swapped.
  for (uint64_t i = 0; i < 16; ++i) ASSERT_TRUE(gateway_->write((i ^ 2) * 64, 64, 1).ok());
  store_and_reattach();
  ASSERT_TRUE(gateway_->holds(0, 16 * 64, 1));
  EXPECT_EQ(gets(), 1u);
}

TEST_F(ChunkReaderTest, ReadersOfOneFrameShareItsGet) {
  attach();
  ASSERT_TRUE(gateway_->write(0, 2 * kFrame, 1).ok());
  store_and_reattach();
  gateway_->store.hold(StoreCall::get, "chunk/");
  std::vector<std::shared_ptr<Reading>> readings;
  for (uint64_t i = 0; i < 8; ++i) {
    readings.push_back(begin_read(i * 24 + 60, 8));
    settle();
  }
  EXPECT_EQ(gets(), 2u);
  gateway_->store.release();
  settle();
  for (uint64_t i = 0; i < 8; ++i) EXPECT_TRUE(readings[i]->holds(i * 24 + 60, 8, 1)) << i;
}

TEST_F(ChunkReaderTest, TheFailureOfSomebodyElsesGetIsNotOurs) {
  attach();
  ASSERT_TRUE(gateway_->write(0, kFrame, 1).ok());
  store_and_reattach();
  gateway_->store.fail_next(StoreCall::get, "chunk/", 1);
  auto first = begin_read(0, 8);
  auto second = begin_read(8, 8);
  settle();
  ASSERT_TRUE(first->outcome && second->outcome);
  EXPECT_EQ(first->outcome->error().code(), ErrorCode::unavailable);
  EXPECT_TRUE(second->holds(8, 8, 1));
}

TEST_F(ChunkReaderTest, WhatIsAtHandIsServedWithoutFurtherWork) {
  attach();
  ASSERT_TRUE(gateway_->write(0, 4 * kFrame, 1).ok());
  store_and_reattach();
  ASSERT_TRUE(gateway_->holds(0, 4 * kFrame, 1));
  settle();
  auto hole = begin_read(100'000, 8);
  shared_.io.restart();
  const size_t steps_of_hole = shared_.io.poll();
  auto hit = begin_read(kFrame - 8, 2 * kFrame);
  shared_.io.restart();
  const size_t steps_of_hit = shared_.io.poll();
  EXPECT_TRUE(hit->holds(kFrame - 8, 2 * kFrame, 1));
  EXPECT_EQ(steps_of_hit, steps_of_hole);
}

// Damages one frame of the first chunk in the store; its raw data begin at that sector of the disk.
void damage(SharedStore& shared, const VolumeDescriptor& disk, uint64_t frame) {
  MemoryStore store(shared.io.get_executor(), shared.contents);
  const std::string container = VolumeNames(disk.uuid).data(Sequence(1));
  ListPage chunks = *shared.contents->list(container, "chunk/", "", 10);
  ASSERT_EQ(chunks.entries.size(), 1u);
  const ObjectName name{container, chunks.entries[0].name};
  Result<Buffer> object = run(shared.io, store.get(name, ByteRange::whole(), GetOptions{}));
  ASSERT_TRUE(object.ok());
  Bytes bytes(object->bytes().begin(), object->bytes().end());
  bytes[bytes.size() - (8 - frame) * (kFrame + 1) * 512 + 1000] ^= std::byte{1};
  ASSERT_TRUE(run(shared.io, store.put(name, BufferList(Buffer::own(bytes)), PutOptions{})).ok());
}

TEST_F(ChunkReaderTest, ADamagedFrameFailsWhoWantsItAndNobodyElse) {
  attach();
  ASSERT_TRUE(gateway_->write(0, 8 * kFrame, 1).ok());
  store_and_reattach();
  damage(shared_, *disk_, 3);
  BlockRange all{Lba(0), BlockCount(8 * kFrame)};
  EXPECT_TRUE(run(shared_.io, gateway_->volume.prefetch(all)).error().code() == ErrorCode::corrupt);
  const uint64_t before = gets();
  EXPECT_TRUE(gateway_->holds(0, 3 * kFrame, 1));
  EXPECT_TRUE(gateway_->holds(4 * kFrame, 4 * kFrame, 1));
  EXPECT_EQ(gets(), before) << "sound frames of the same GET";
  for (int i = 0; i < 2; ++i) {
    Result<BufferList> data = gateway_->read(3 * kFrame, 8);
    ASSERT_FALSE(data.ok());
    EXPECT_EQ(data.error().code(), ErrorCode::corrupt);
  }
  EXPECT_GE(gets(), before + 2) << "never from the cache";
}

TEST_F(ChunkReaderTest, ASequentialReaderIsWaitedFor) {
  attach();
  constexpr uint64_t kBytes = 64 * kMiB;
  for (uint64_t at = 0; at < kBytes / 512; at += 8192) {
    ASSERT_TRUE(gateway_->write(at, 8192, 1).ok());
  }
  store_and_reattach();
  for (uint64_t at = 0; at < kBytes / 512; at += 64) {
    ASSERT_TRUE(gateway_->holds(at, 64, 1));
    settle();  // the reader thinks; what was begun for it arrives
  }
  EXPECT_LE(gets(), 18u) << "about one for each 8 MiB";
  EXPECT_LE(gateway_->volume.status().reads.misses, 3u);
  EXPECT_LE(gateway_->volume.status().reads.from_store, ByteCount(kBytes + kBytes / 32));
}

TEST_F(ChunkReaderTest, SeveralLargeGetsAreUnderWayForAStream) {
  attach();
  for (uint64_t at = 0; at < 262144; at += 8192) ASSERT_TRUE(gateway_->write(at, 8192, 1).ok());
  store_and_reattach();
  for (uint64_t at = 0; at < 65536; at += 512) {
    ASSERT_TRUE(gateway_->holds(at, 512, 1));
    settle();
  }
  gateway_->store.hold(StoreCall::get, "chunk/");
  const uint64_t before = gets();
  std::vector<std::shared_ptr<Reading>> readings;
  for (uint64_t at = 65536; at < 65536 + 32768; at += 512) {
    readings.push_back(begin_read(at, 512));
    settle();
  }
  EXPECT_GE(gateway_->store.held(), 4u);
  EXPECT_LE(gets() - before, 7u);
  gateway_->store.release();
  settle();
  for (uint64_t i = 0; i < readings.size(); ++i) {
    EXPECT_TRUE(readings[i]->holds(65536 + i * 512, 512, 1));
  }
}

TEST_F(ChunkReaderTest, RandomReadsFetchNothingElse) {
  attach();
  for (uint64_t at = 0; at < 65536; at += 8192) ASSERT_TRUE(gateway_->write(at, 8192, 1).ok());
  store_and_reattach();
  std::mt19937_64 random(1);
  for (int i = 0; i < 300; ++i) ASSERT_TRUE(gateway_->holds(random() % 8000 * 8, 8, 1));
  EXPECT_LE(gateway_->volume.status().reads.prefetches, 3u);
}

// Blocks that were written here and there and are read in the order in which they were written.
TEST_F(ChunkReaderTest, ReadsInTheOrderOfTheLogAreServedAhead) {
  attach();
  std::vector<uint64_t> blocks(3000);
  std::iota(blocks.begin(), blocks.end(), 0);
  std::shuffle(blocks.begin(), blocks.end(), std::mt19937_64(1));
  for (uint64_t block : blocks) ASSERT_TRUE(gateway_->write(block * 16, 8, 1).ok());
  store_and_reattach();
  for (uint64_t block : blocks) {
    ASSERT_TRUE(gateway_->holds(block * 16, 8, 1));
    settle();
  }
  const uint64_t frames = 3000 / 16 + 1;
  EXPECT_LE(gets(), frames / 6);
  EXPECT_EQ(gateway_->store.calls(StoreCall::head), heads_before_ + 1)
      << "how long the chunk is, once";
}

TEST_F(ChunkReaderTest, ReadingAheadEndsWhereDataEnd) {
  attach(8 * kMiB);
  for (uint64_t at = 0; at < 16384; at += 8192) ASSERT_TRUE(gateway_->write(at, 8192, 1).ok());
  ASSERT_TRUE(gateway_->unmap(12000, 1000).ok());
  store_and_reattach();
  for (uint64_t at = 0; at < 11968; at += 64) ASSERT_TRUE(gateway_->holds(at, 64, 1));
  EXPECT_TRUE(gateway_->holds_zeros(12000, 1000));
  for (uint64_t at = 13000; at < 16384; at += 8) ASSERT_TRUE(gateway_->holds(at, 8, 1));
}

TEST_F(ChunkReaderTest, AStoreThatIsAwayCostsTheReadsOnly) {
  attach();
  for (uint64_t at = 0; at < 65536; at += 8192) ASSERT_TRUE(gateway_->write(at, 8192, 1).ok());
  store_and_reattach();
  for (uint64_t at = 0; at < 2048; at += 512) ASSERT_TRUE(gateway_->holds(at, 512, 1));
  gateway_->store.set_down(true);
  uint64_t refused = 0;
  for (uint64_t at = 2048; at < 65536; at += 512) refused += gateway_->read(at, 512) ? 0 : 1;
  EXPECT_GT(refused, 100u);
  gateway_->store.set_down(false);
  for (uint64_t at = 0; at < 65536; at += 512) ASSERT_TRUE(gateway_->holds(at, 512, 1));
}

TEST_F(ChunkReaderTest, StoppingWaitsForWhatIsUnderWay) {
  attach();
  for (uint64_t at = 0; at < 65536; at += 8192) ASSERT_TRUE(gateway_->write(at, 8192, 1).ok());
  store_and_reattach();
  gateway_->store.hold(StoreCall::get, "chunk/");
  std::vector<std::shared_ptr<Reading>> readings;
  for (uint64_t at = 0; at < 4096; at += 512) {
    readings.push_back(begin_read(at, 512));
    settle();
  }
  gateway_->crash();
  settle();
  for (const auto& reading : readings) EXPECT_TRUE(reading->outcome && !*reading->outcome);
}

// ---- PRE-FETCH --------------------------------------------------------------------------------

TEST_F(ChunkReaderTest, WhatWasPrefetchedNeedsNoStore) {
  attach();
  ASSERT_TRUE(gateway_->write(0, 16384, 1).ok());
  ASSERT_TRUE(gateway_->write(40000, 8, 2).ok());
  store_and_reattach();
  BlockRange range{Lba(0), BlockCount(50000)};
  Result<Prefetched> fetched = run(shared_.io, gateway_->volume.prefetch(range));
  ASSERT_TRUE(fetched.ok());
  EXPECT_EQ(*fetched, Prefetched::all);
  gateway_->store.set_down(true);
  EXPECT_TRUE(gateway_->holds(0, 16384, 1));
  EXPECT_TRUE(gateway_->holds(40000, 8, 2));
}

TEST_F(ChunkReaderTest, PrefetchTakesWhatThereIsRoomForAndSaysSo) {
  options_.read_memory = ByteCount(16 * kMiB);
  attach();
  for (uint64_t at = 0; at < 65536; at += 8192) ASSERT_TRUE(gateway_->write(at, 8192, 1).ok());
  store_and_reattach();
  EXPECT_LT(gateway_->volume.prefetch_room(), ByteCount(17 * kMiB));
  BlockRange range{Lba(0), BlockCount(65536)};
  Result<Prefetched> fetched = run(shared_.io, gateway_->volume.prefetch(range));
  ASSERT_TRUE(fetched.ok());
  EXPECT_EQ(*fetched, Prefetched::part);
  EXPECT_LE(gateway_->volume.status().reads.from_store, ByteCount(17 * kMiB));
  gateway_->store.set_down(true);
  EXPECT_TRUE(gateway_->holds(0, 16384, 1));
}

Task prefetch_into(Volume& volume, BlockRange range, std::vector<Prefetched>& outcomes) {
  Result<Prefetched> fetched = co_await volume.prefetch(range);
  if (fetched) outcomes.push_back(*fetched);
}

TEST_F(ChunkReaderTest, ManyPrefetchesAtOnceDoNotFloodTheStore) {
  attach();
  for (uint64_t at = 0; at < 16384; at += 8192) ASSERT_TRUE(gateway_->write(at, 8192, 1).ok());
  store_and_reattach();
  gateway_->store.hold(StoreCall::get, "chunk/");
  std::vector<Prefetched> outcomes;
  for (uint64_t i = 0; i < 100; ++i) {
    const BlockRange range{Lba(i * 128), BlockCount(16384 - i * 128)};
    asio::co_spawn(shared_.io, prefetch_into(gateway_->volume, range, outcomes), asio::detached);
    settle();
  }
  EXPECT_LE(gateway_->store.held(), 16u);
  EXPECT_EQ(outcomes, std::vector<Prefetched>(96, Prefetched::part));
  gateway_->store.release();
  settle();
  EXPECT_EQ(outcomes.size(), 100u);
  EXPECT_TRUE(gateway_->holds(0, 16384, 1));
}

TEST_F(ChunkReaderTest, PrefetchFillsTheFileThoughMemoryIsSmall) {
  use_cache_file();
  options_.read_memory = ByteCount(8 * kMiB);
  attach();
  for (uint64_t at = 0; at < 65536; at += 8192) ASSERT_TRUE(gateway_->write(at, 8192, 1).ok());
  store_and_reattach();
  wait_for_cache();
  BlockRange range{Lba(0), BlockCount(65536)};
  Result<Prefetched> fetched = run(shared_.io, gateway_->volume.prefetch(range));
  ASSERT_TRUE(fetched.ok());
  EXPECT_EQ(*fetched, Prefetched::all);
  wait_for_cache();
  gateway_->store.set_down(true);
  for (uint64_t at = 0; at < 65536; at += 8192) EXPECT_TRUE(gateway_->holds(at, 8192, 1)) << at;
}

// ---- with a file ------------------------------------------------------------------------------

TEST_F(ChunkReaderTest, TheFileServesTheNextGateway) {
  use_cache_file();
  attach();
  for (uint64_t at = 0; at < 65536; at += 8192) ASSERT_TRUE(gateway_->write(at, 8192, 1).ok());
  store_and_reattach();
  for (uint64_t at = 0; at < 65536; at += 512) {
    ASSERT_TRUE(gateway_->holds(at, 512, 1));
    wait_for_cache();
  }
  gateway_->crash();
  attach();
  wait_for_cache();
  ASSERT_TRUE(gateway_->holds(0, 64, 1));  // reads the map's leaf, if there is one
  const uint64_t before = gateway_->store.calls(StoreCall::get);
  for (uint64_t at = 0; at < 65536; at += 64) ASSERT_TRUE(gateway_->holds(at, 64, 1));
  EXPECT_EQ(gateway_->store.calls(StoreCall::get), before);
  EXPECT_EQ(gateway_->volume.status().reads.misses, 0u);
}

// A gateway that does not know yet that it was fenced reads back, and caches, a chunk that never
// becomes part of the volume. The next owner's chunk of the same number is another one.
TEST_F(ChunkReaderTest, AChunkOfAFencedEraIsNotServedForItsNamesake) {
  use_cache_file();
  options_.seal_after = std::chrono::milliseconds(1);
  attach();
  VolumeOptions without_file = options_;
  without_file.read_cache.reset();
  Gateway successor(shared_, *disk_, 77, without_file);
  ASSERT_TRUE(successor.attach().ok());
  ASSERT_TRUE(gateway_->write(0, kFrame, 1).ok());
  run_until(shared_.io, [this] { return gateway_->volume.status().durable_sequence == 1; });
  ASSERT_TRUE(gateway_->holds(0, kFrame, 1));
  wait_for_cache();
  EXPECT_EQ(gateway_->volume.status().read_cache.used, ByteCount(kCacheSlotBytes));
  ASSERT_TRUE(successor.write(0, kFrame, 2).ok());
  ASSERT_TRUE(successor.flush().ok());
  ASSERT_EQ(successor.volume.status().durable_sequence, 1u) << "the same number";
  gateway_->crash();
  successor.crash();
  attach();
  wait_for_cache();
  EXPECT_TRUE(gateway_->holds(0, kFrame, 2));
}

TEST_F(ChunkReaderTest, ACacheFileThatCannotBeUsedCostsNothingElse) {
  use_cache_file();
  fs::create_directories(options_.read_cache->file);
  attach();
  ASSERT_TRUE(gateway_->write(0, 8192, 1).ok());
  store_and_reattach();
  run_until(shared_.io, [this] { return !gateway_->volume.status().read_cache.trouble.empty(); });
  EXPECT_TRUE(gateway_->holds(0, 8192, 1));
}

// Many readers at once over a store that fails and delays, with little memory and a small file.
TEST_F(ChunkReaderTest, WhatIsReadIsWhatWasWrittenWhateverTheStoreDoes) {
  use_cache_file(2 * kMiB);
  options_.read_memory = ByteCount(kMiB);
  uint64_t read = 0, refused = 0;
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    std::mt19937_64 random(seed);
    gateway_.reset();
    disk_.reset();
    shared_.contents = std::make_shared<MemoryContents>();
    attach(32 * kMiB);
    std::vector<uint64_t> tags(8192);  // of each 4 KiB
    for (int i = 0; i < 120; ++i) {
      const uint64_t count = random() % 4 == 0 ? 1 + random() % 300 : 1 + random() % 4;
      const uint64_t first = random() % (8192 - count);
      ASSERT_TRUE(gateway_->write(first * 8, count * 8, seed * 1000 + i).ok());
      std::fill_n(tags.begin() + first, count, seed * 1000 + i);
      if (random() % 10 == 0) {
        ASSERT_TRUE(gateway_->flush().ok());
      }
    }
    store_and_reattach();
    FaultOptions faults;
    faults.refuse = 0.05;
    faults.corrupt_read = 0.05;
    faults.delay_turns = 20;
    gateway_->store.set_options(faults);
    uint64_t next = 0;
    for (int round = 0; round < 25; ++round) {
      std::vector<std::pair<uint64_t, uint64_t>> ranges;
      std::vector<std::shared_ptr<Reading>> readings;
      for (int i = 0; i < 8; ++i) {
        const uint64_t count = 1 + random() % 32;
        const uint64_t first = random() % 2 == 0 ? random() % (8192 - count) : next % 8000;
        if (first == next % 8000) next += count;
        ranges.emplace_back(first, count);
        readings.push_back(begin_read(first * 8, count * 8));
      }
      run_until(shared_.io, [&readings] {
        return std::all_of(readings.begin(), readings.end(),
                           [](const auto& reading) { return reading->outcome.has_value(); });
      });
      for (size_t i = 0; i < readings.size(); ++i) {
        const Result<BufferList>& data = *readings[i]->outcome;
        ++(data ? read : refused);
        if (!data) continue;
        for (uint64_t block = 0; block < ranges[i].second; ++block) {
          const uint64_t at = ranges[i].first + block;
          const BufferList wanted(tags[at] == 0 ? Buffer::zeros(4096)
                                                : pattern(at * 8, 8, tags[at]));
          ASSERT_TRUE(data->slice(block * 4096, 4096) == wanted) << "seed " << seed;
        }
      }
    }
    gateway_->store.set_options(FaultOptions{});
  }
  EXPECT_GT(read, refused * 3);
  EXPECT_GT(refused, 0u);
}

}  // namespace
}  // namespace swiftness
