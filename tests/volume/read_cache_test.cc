#include "backend/volume/read_cache.h"

#include <gtest/gtest.h>
#include <boost/asio/detached.hpp>

#include <set>

#include "backend/base/endian.h"
#include "tests/support/run.h"
#include "tests/volume/disk.h"
#include "tests/volume/memory_file.h"

namespace swiftness {
namespace {

constexpr uint64_t kFull = kFrameRawBytes / kSectorBytes;  // sectors of a full frame

const Uuid kVolume = *Uuid::parse("01234567-89ab-cdef-0123-456789abcdef");
const Era kReadEra{Epoch(3), *Uuid::parse("11111111-2222-4333-8444-555555555555")};
const Era kOtherEra{Epoch(3), *Uuid::parse("11111111-2222-4333-8444-555555555556")};

FrameKey key(uint64_t number, const Era& era = kReadEra) {
  return FrameKey(era, Sequence(number / 100 + 1), static_cast<uint16_t>(number % 100 * 129));
}

// What the frame of that number holds; tags tell versions apart that must never be mixed up.
Buffer frame(uint64_t number, uint64_t sectors = kFull, uint64_t tag = 0) {
  return pattern(number * kFull, sectors, tag);
}

// A cache that is closed and opened again over the same file.
class ReadCacheTest : public testing::Test {
 protected:
  static constexpr uint64_t kMemory = 256 << 10;  // three full frames

  ~ReadCacheTest() override { close(); }

  void open(const Uuid& volume = kVolume) {
    close();
    cache_ = std::make_unique<ReadCache>(io_.get_executor(), "disk", volume, ByteCount(kMemory));
    cache_->start([this] { return MemoryFile::open(io_.get_executor(), disk_); });
    run_until(io_, [this] {
      const ReadCache::Status status = cache_->status();
      return status.is_ready || !status.trouble.empty();
    });
  }
  void close() {
    if (cache_) run(io_, cache_->stop());
    cache_.reset();
  }
  void settle() {
    io_.restart();
    io_.poll();
  }
  // Inserts, and waits until the file has it.
  void insert(uint64_t number, uint64_t sectors = kFull, const Era& era = kReadEra,
              uint64_t tag = 0) {
    cache_->insert(key(number, era), frame(number, sectors, tag));
    settle();
  }
  // So much that nothing of before is in memory.
  void flood_memory() {
    for (uint64_t i = 0; i < 8; ++i) {
      cache_->insert(FrameKey(i, 1), frame(1'000'000 + i));
      settle();
    }
  }
  bool holds(uint64_t number, uint64_t skip = 0, uint64_t sectors = kFull,
             const Era& era = kReadEra, uint64_t tag = 0, uint64_t whole = kFull) {
    std::optional<Buffer> data = run(io_, cache_->read(key(number, era), skip, sectors));
    if (!data) return false;
    EXPECT_TRUE(BufferList(*data) ==
                BufferList(frame(number, whole, tag).slice(skip * 512, sectors * 512)))
        << "wrong data";
    return true;
  }
  bool holds_at_once(uint64_t number, uint64_t skip = 0, uint64_t sectors = kFull) {
    std::optional<Buffer> data = cache_->try_read(key(number), skip, sectors);
    if (!data) return false;
    EXPECT_TRUE(BufferList(*data) == BufferList(frame(number).slice(skip * 512, sectors * 512)));
    return true;
  }

  asio::io_context io_;
  std::shared_ptr<MemoryDisk> disk_ = std::make_shared<MemoryDisk>(8 * kMiB);
  std::unique_ptr<ReadCache> cache_;
};

TEST_F(ReadCacheTest, WhatWasNotInsertedIsAMiss) {
  open();
  EXPECT_FALSE(holds(1));
  EXPECT_FALSE(cache_->contains(key(1)));
  EXPECT_EQ(cache_->status().used, ByteCount(0));
}

TEST_F(ReadCacheTest, ServesFromMemoryAtOnceAndFromTheFileLater) {
  open();
  cache_->insert(key(1), frame(1));
  EXPECT_TRUE(holds_at_once(1)) << "nothing has run yet: from memory";
  EXPECT_EQ(disk_->writes, 1u) << "the header of a new file";
  settle();
  flood_memory();
  EXPECT_TRUE(cache_->contains(key(1)));
  EXPECT_TRUE(holds_at_once(1));
  EXPECT_TRUE(holds_at_once(1, 8, 8));
  EXPECT_TRUE(holds_at_once(1, 3, 1)) << "not on a page's edge";
  EXPECT_TRUE(holds_at_once(1, 7, 10));
  EXPECT_TRUE(holds_at_once(1, kFull - 1, 1));
  EXPECT_EQ(disk_->reads, 1u) << "the header, when it was opened";
}

TEST_F(ReadCacheTest, WaitsForTheDiskWhereItMust) {
  open();
  insert(1);
  flood_memory();
  disk_->is_cached = false;
  EXPECT_FALSE(holds_at_once(1));
  EXPECT_TRUE(holds(1, 8, 8));
}

TEST_F(ReadCacheTest, KeepsShortFrames) {
  open();
  insert(1, 13);
  flood_memory();
  EXPECT_TRUE(holds(1, 0, 13, kReadEra, 0, 13));
  EXPECT_TRUE(holds(1, 12, 1, kReadEra, 0, 13));
  EXPECT_FALSE(holds(1, 12, 2)) << "more than there is: a miss, and the frame itself will tell";
}

TEST_F(ReadCacheTest, ErasAreToldApart) {
  open();
  insert(1, kFull, kReadEra, 7);
  insert(1, kFull, kOtherEra, 8);
  flood_memory();
  EXPECT_TRUE(holds(1, 0, kFull, kReadEra, 7));
  EXPECT_TRUE(holds(1, 0, kFull, kOtherEra, 8));
  const Era later{Epoch(4), kReadEra.claim};
  EXPECT_FALSE(holds(1, 0, kFull, later));
  open();
  EXPECT_TRUE(holds(1, 0, kFull, kReadEra, 7));
  EXPECT_TRUE(holds(1, 0, kFull, kOtherEra, 8));
}

TEST_F(ReadCacheTest, IsFoundAgainAfterARestart) {
  open();
  for (uint64_t i = 0; i < 40; ++i) insert(i, i % 3 == 0 ? 5 : kFull);
  const ByteCount used = cache_->status().used;
  EXPECT_EQ(used, ByteCount(40 * kCacheSlotBytes));
  open();
  EXPECT_EQ(cache_->status().used, used);
  for (uint64_t i = 0; i < 40; ++i) {
    EXPECT_TRUE(i % 3 == 0 ? holds(i, 0, 5, kReadEra, 0, 5) : holds(i)) << i;
  }
}

TEST_F(ReadCacheTest, IsUsableWhileItsIndexIsRead) {
  open();
  insert(1);
  close();
  cache_ = std::make_unique<ReadCache>(io_.get_executor(), "disk", kVolume, ByteCount(kMemory));
  cache_->start([this] { return MemoryFile::open(io_.get_executor(), disk_); });
  EXPECT_FALSE(cache_->status().is_ready);
  EXPECT_FALSE(holds_at_once(1));
  cache_->insert(key(2), frame(2));
  EXPECT_TRUE(holds_at_once(2));
  run_until(io_, [this] { return cache_->status().is_ready && cache_->status().waiting == 0; });
  settle();
  flood_memory();
  EXPECT_TRUE(holds(1));
  EXPECT_TRUE(holds(2));
}

TEST_F(ReadCacheTest, StaysWithinItsFileAndKeepsWhatIsUsed) {
  open();
  const uint64_t slots = cache_->status().capacity.value() / kCacheSlotBytes;
  EXPECT_GE(slots, 126u);
  for (uint64_t round = 0; round < 3; ++round) {
    for (uint64_t i = 0; i < slots / 2; ++i) {
      if (!holds(i)) insert(i);
    }
  }
  for (uint64_t i = 1000; i < 1000 + 10 * slots; ++i) {
    insert(i);
    for (uint64_t at = 0; at < kFull; at += 8) EXPECT_TRUE(holds(i, at, 8));
  }
  EXPECT_EQ(disk_->bytes.size(), 8 * kMiB);
  EXPECT_LE(cache_->status().used, cache_->status().capacity);
  uint64_t kept = 0;
  for (uint64_t i = 0; i < slots / 2; ++i) kept += holds(i) ? 1 : 0;
  EXPECT_GE(kept, slots / 2 - slots / 20);
}

TEST_F(ReadCacheTest, AFlippedBitIsAMissOfThatPageAndThenOfItsFrame) {
  open();
  insert(1);
  insert(2);
  flood_memory();
  const CacheLayout layout = CacheLayout::of(disk_->bytes.size());
  disk_->bytes[layout.data_at(0) + 5 * kCachePageBytes + 100] ^= std::byte{4};
  EXPECT_TRUE(holds(1, 0, 40)) << "pages beside it";
  EXPECT_FALSE(holds(1, 40, 8));
  EXPECT_FALSE(cache_->contains(key(1))) << "to be fetched again";
  EXPECT_TRUE(holds(2));
  insert(1);
  flood_memory();
  EXPECT_TRUE(holds(1)) << "in the slot that became free";
}

TEST_F(ReadCacheTest, AFlippedBitIsAMissAlsoWhenTheDiskWasWaitedFor) {
  open();
  insert(1);
  flood_memory();
  disk_->is_cached = false;
  disk_->bytes[CacheLayout::of(disk_->bytes.size()).data_at(0) + 100] ^= std::byte{4};
  EXPECT_FALSE(holds(1, 0, 8));
  EXPECT_FALSE(cache_->contains(key(1)));
}

TEST_F(ReadCacheTest, AnyDamageOfTheFileIsNoMoreThanMisses) {
  open();
  for (uint64_t i = 0; i < 60; ++i) insert(i);
  close();
  const Bytes sound = disk_->bytes;
  std::mt19937_64 random(1);
  uint64_t hits = 0;
  for (int round = 0; round < 200; ++round) {
    disk_->bytes = sound;
    const size_t used = kCacheHeaderBytes + 60 * kCacheEntryBytes;
    for (int i = 0; i < 8; ++i) {
      const size_t area = random() % 3 == 0 ? disk_->bytes.size() : used;
      disk_->bytes[random() % area] = static_cast<std::byte>(random());
    }
    open();
    for (uint64_t i = 0; i < 60; ++i) hits += holds(i) ? 1 : 0;
    EXPECT_TRUE(cache_->status().trouble.empty());
  }
  EXPECT_GT(hits, 200u * 40);
}

TEST_F(ReadCacheTest, AFileOfAnotherVolumeSizeOrVersionIsBegunAnew) {
  const Uuid other = *Uuid::parse("01234567-89ab-cdef-0123-456789abcdee");
  open();
  for (uint64_t i = 10; i < 20; ++i) insert(i);
  insert(1);
  open(other);
  EXPECT_FALSE(holds(1));
  EXPECT_EQ(cache_->status().used, ByteCount(0));
  insert(2);
  open();
  EXPECT_FALSE(holds(1));
  EXPECT_FALSE(holds(2));
  insert(3);
  open();
  EXPECT_EQ(cache_->status().used, ByteCount(kCacheSlotBytes))
      << "entries of the life before do not come back";
  close();
  disk_->bytes.resize(16 * kMiB);
  open();
  EXPECT_FALSE(holds(3));
  insert(4);
  close();
  disk_->bytes[8] ^= std::byte{2};  // the version
  open();
  EXPECT_FALSE(holds(4));
  insert(5);
  open();
  EXPECT_TRUE(holds(5));
}

TEST_F(ReadCacheTest, AnEntryCopiedToAnotherSlotIsNone) {
  open();
  insert(1);
  close();
  const CacheLayout layout = CacheLayout::of(disk_->bytes.size());
  std::memcpy(disk_->bytes.data() + layout.entry_at(9), disk_->bytes.data() + layout.entry_at(0),
              kCacheEntryBytes);
  std::memset(disk_->bytes.data() + layout.entry_at(0), 0, kCacheEntryBytes);
  open();
  EXPECT_EQ(cache_->status().used, ByteCount(0));
}

TEST_F(ReadCacheTest, ADamagedEntryDoesNotNameAnotherFrame) {
  open();
  insert(1);
  close();
  const CacheLayout layout = CacheLayout::of(disk_->bytes.size());
  std::byte* place = disk_->bytes.data() + layout.entry_at(0) + 16;
  store_le(place, key(2).place);
  open();
  EXPECT_FALSE(holds(2));
  EXPECT_EQ(cache_->status().used, ByteCount(0));
}

TEST_F(ReadCacheTest, AnErrorOfTheFileCostsTheFileOnly) {
  open();
  insert(1);
  flood_memory();
  disk_->fails_reads = true;
  EXPECT_FALSE(holds(1));
  EXPECT_EQ(cache_->status().trouble, "as the test asked");
  EXPECT_EQ(cache_->status().capacity, ByteCount(0));
  insert(2);
  EXPECT_TRUE(holds(2)) << "from memory";
  disk_->fails_reads = false;
  EXPECT_FALSE(holds(1)) << "it is not used again";
}

TEST_F(ReadCacheTest, AFailedWriteNeverBecomesAHit) {
  open();
  disk_->fails_writes = true;
  insert(1);
  EXPECT_FALSE(cache_->status().trouble.empty());
  EXPECT_TRUE(holds(1)) << "from memory";
  flood_memory();
  EXPECT_FALSE(holds(1));
}

Async<std::unique_ptr<LocalFile>> fail_to_open() {
  co_return Error(ErrorCode::unauthorized, "no such luck");
}

TEST_F(ReadCacheTest, WithoutAFileMemoryServes) {
  cache_ = std::make_unique<ReadCache>(io_.get_executor(), "disk", kVolume, ByteCount(kMemory));
  cache_->start([] { return fail_to_open(); });
  settle();
  EXPECT_EQ(cache_->status().trouble, "no such luck");
  for (uint64_t i = 0; i < 10; ++i) insert(i);
  EXPECT_FALSE(holds(6));
  EXPECT_TRUE(holds(7) && holds(8) && holds(9)) << "the last three fit";
}

TEST_F(ReadCacheTest, AnErrorWhileTheIndexIsRead) {
  disk_->fails_reads = true;
  open();
  EXPECT_EQ(cache_->status().trouble, "as the test asked");
  insert(1);
  EXPECT_TRUE(holds(1));
}

TEST_F(ReadCacheTest, WhatComesFasterThanTheDiskWritesIsDropped) {
  open();
  for (uint64_t i = 0; i < 100; ++i) cache_->insert(key(i), frame(i));
  EXPECT_LE(cache_->status().waiting, 3u);
  settle();
  EXPECT_EQ(cache_->status().waiting, 0u);
  flood_memory();
  EXPECT_FALSE(holds(50));
  EXPECT_TRUE(holds(99));
}

// One that waits for the disk while its slot is given to another frame.
TEST_F(ReadCacheTest, ASlotThatIsBeingReadIsNotOverwritten) {
  open();
  const uint64_t slots = cache_->status().capacity.value() / kCacheSlotBytes;
  for (uint64_t i = 0; i < slots; ++i) insert(i);
  disk_->is_cached = false;
  AsyncEvent released(io_.get_executor());
  disk_->holds_reads = &released;
  std::optional<std::optional<Buffer>> got;
  asio::co_spawn(io_, keep_outcome(cache_->read(key(0), 0, kFull), got), asio::detached);
  for (uint64_t i = 5000; i < 5000 + slots; ++i) insert(i);
  EXPECT_FALSE(cache_->contains(key(0))) << "it has given way";
  ASSERT_FALSE(got);
  disk_->holds_reads = nullptr;
  released.notify_all();
  settle();
  ASSERT_TRUE(got);
  ASSERT_TRUE(*got);
  EXPECT_TRUE(BufferList(**got) == BufferList(frame(0)));
}

// Many gateways, one after the other, on one file; each ends by a crash or a power cut in the midst
// of its writes. Whatever is found must be what was inserted.
TEST_F(ReadCacheTest, NeverServesAnythingElseWhateverHappens) {
  uint64_t hits = 0, misses = 0, restarts_that_kept = 0;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    std::mt19937_64 random(seed);
    disk_ = std::make_shared<MemoryDisk>(2 * kMiB);
    for (int life = 0; life < 6; ++life) {
      disk_->before.clear();
      open();
      restarts_that_kept += cache_->status().used > ByteCount(0) ? 1 : 0;
      // The moment at which the machine stops: what is written later does not get there.
      std::optional<Bytes> frozen;
      auto left = static_cast<int64_t>(random() % 1500);
      disk_->on_write = [&] {
        if (left-- == 0) frozen = disk_->bytes;
      };
      for (int step = 0; step < 150; ++step) {
        const uint64_t number = random() % 4 == 0 ? random() % 200 : random() % 24;
        const uint64_t sectors = number % 5 == 0 ? 1 + number % 128 : kFull;
        const Era& era = number % 7 == 0 ? kOtherEra : kReadEra;
        const uint64_t skip = random() % sectors;
        const uint64_t count = 1 + random() % (sectors - skip);
        disk_->is_cached = random() % 2 == 0;
        if (holds(number, skip, count, era, number % 7, sectors)) {
          ++hits;
        } else {
          ++misses;
          cache_->insert(key(number, era), frame(number, sectors, number % 7));
        }
        if (random() % 3 == 0) settle();
        if (random() % 200 == 0) disk_->bytes[random() % disk_->bytes.size()] ^= std::byte{8};
      }
      disk_->on_write = nullptr;
      close();
      if (frozen) disk_->bytes = *frozen;
      if (random() % 2 == 0) disk_->cut_power(random);
    }
  }
  EXPECT_GT(hits, misses / 2);
  EXPECT_GT(restarts_that_kept, 100u);
}

// ---- the grammar ------------------------------------------------------------------------------

TEST(CacheLayout, FitsTheFile) {
  EXPECT_EQ(CacheLayout::of(0).slots, 0u);
  EXPECT_EQ(CacheLayout::of(100'000).slots, 0u);
  for (uint64_t size : {uint64_t{1} << 20, uint64_t{64} << 20, uint64_t{8} << 30,
                        (uint64_t{8} << 30) - 4096, uint64_t{1} << 40}) {
    const CacheLayout layout = CacheLayout::of(size);
    EXPECT_LE(layout.data_at(layout.slots), size);
    EXPECT_GT(layout.data_at(layout.slots) + 2 * kCacheSlotBytes + kCacheEntryBytes, size);
    EXPECT_GE(layout.data_offset, layout.entry_at(layout.slots));
    EXPECT_EQ(layout.data_offset % kCachePageBytes, 0u);
  }
}

TEST(CacheIndex, FindsWhatWasSetAndNothingElse) {
  std::mt19937_64 random(1);
  CacheIndex index(200);
  std::map<uint64_t, uint32_t> model;
  std::vector<std::optional<uint64_t>> in(200);
  for (int i = 0; i < 20000; ++i) {
    const auto slot = static_cast<uint32_t>(random() % 200);
    const uint64_t number = random() % 300;
    if (in[slot]) {
      model.erase(*in[slot]);
      in[slot].reset();
      index.clear(slot);
    } else if (!model.contains(number)) {
      model[number] = slot;
      in[slot] = number;
      index.set(slot, CachedFrame{key(number), 8, {}});
    }
    const auto found = model.find(number);
    EXPECT_EQ(index.find(key(number)), found == model.end() ? CacheIndex::kNone : found->second);
  }
}

TEST(CacheIndex, KeysOfOneVolumeAreSpreadWell) {
  std::set<uint32_t> fingerprints;
  for (uint64_t i = 0; i < 10000; ++i) fingerprints.insert(key(i).fingerprint());
  EXPECT_GE(fingerprints.size(), 9999u);
}

}  // namespace
}  // namespace swiftness
