// Garbage collection over a store in memory, in virtual time.
#include <gtest/gtest.h>

#include <boost/asio/detached.hpp>

#include <cmath>
#include <iostream>
#include <random>

#include "backend/base/log.h"
#include "backend/volume/names.h"
#include "tests/volume/disk.h"

namespace swiftness {
namespace {

constexpr uint64_t kBlockSectors = 8;

class Garbage : public testing::Test {
 protected:
  Garbage() { log::set_level(log::Level::error); }
  ~Garbage() override { log::set_level(log::Level::info); }

  static VolumeOptions options(double utilization) {
    VolumeOptions out = quick_options();
    out.chunk_bytes = 1 << 20;
    out.checkpoint_every = 64;
    out.seal_after = std::chrono::seconds(1);
    out.collector.utilization = utilization;
    out.collector.slack_chunks = 0;
    out.collector.burst = ByteCount(0);
    out.collector.deletion_delay = std::chrono::seconds(1);
    return out;
  }

  void pass(Duration time) { run(shared_.io, sleep_for(time)); }

  void attach(uint64_t bytes, VolumeOptions chosen) {
    if (!descriptor_) descriptor_ = shared_.create(bytes);
    gateway_ = std::make_unique<Gateway>(shared_, *descriptor_, 1, chosen);
    Result<void> attached = run(shared_.io, gateway_->volume.attach());
    ASSERT_TRUE(attached.ok()) << attached.error().message();
  }
  void stop() {
    Result<void> stopped = run(shared_.io, gateway_->volume.stop());
    ASSERT_TRUE(stopped.ok()) << stopped.error().message();
    gateway_.reset();
  }

  // Writes so many blocks, `next()` says which; eight at once.
  template <class Next>
  void write(uint64_t count, Next next) {
    uint64_t begun = 0;
    int finished = 0;
    constexpr int kWriters = 8;
    for (int i = 0; i < kWriters; ++i) {
      asio::co_spawn(shared_.io, writer(count, begun, finished, next), asio::detached);
    }
    run_until(shared_.io, [&] { return finished == kWriters; });
  }
  template <class Next>
  Task writer(uint64_t count, uint64_t& begun, int& finished, Next& next) {
    while (begun < count) {
      ++begun;
      const uint64_t block = next();
      const uint64_t tag = ++tags_;
      const BlockRange range{Lba(block * kBlockSectors), BlockCount(kBlockSectors)};
      BufferList data(pattern(block * kBlockSectors, kBlockSectors, tag));
      const Durability durability =
          tag % forced_every_ == 0 ? Durability::flushed : Durability::acknowledged;
      Result<void> done =
          co_await gateway_->volume.write(range, std::move(data), durability, nullptr);
      EXPECT_TRUE(done.ok()) << done.error().message();
      newest_[block] = tag;  // writes resume in the order of the log
      if (begun % 16 == 0) co_await asio::post(shared_.io, asio::use_awaitable);
    }
    ++finished;
  }

  void fill_and_erase(uint64_t blocks) {
    uint64_t at = 0;
    write(blocks, [&at] { return at++; });
    const BlockRange all{Lba(0), gateway_->volume.geometry().blocks};
    std::vector<BlockRange> ranges{all};
    ASSERT_TRUE(run(shared_.io, gateway_->volume.unmap(ranges, nullptr)).ok());
    newest_.clear();
  }

  void expect_data() {
    for (const auto& [block, tag] : newest_) {
      const BlockRange range{Lba(block * kBlockSectors), BlockCount(kBlockSectors)};
      Result<BufferList> data = run(shared_.io, gateway_->volume.read(range));
      ASSERT_TRUE(data.ok()) << data.error().message();
      ASSERT_TRUE(*data == BufferList(pattern(block * kBlockSectors, kBlockSectors, tag)))
          << "block " << block;
    }
  }

  struct Measured {
    double amplification;
    double utilization;
  };
  // After `warm_up` times the disk of overwrites, over `times` more.
  template <class Next>
  Measured measure(uint64_t blocks, uint64_t warm_up, uint64_t times, Next next) {
    write(blocks * warm_up, next);
    const VolumeStatus before = gateway_->volume.status();
    double utilization = 0;
    constexpr uint64_t kSamples = 20;
    for (uint64_t i = 0; i < kSamples; ++i) {
      write(blocks * times / kSamples, next);
      const VolumeStatus at = gateway_->volume.status();
      utilization += static_cast<double>(at.live.value()) /
                     static_cast<double>(at.stored.value() - at.dead.value()) / kSamples;
    }
    const VolumeStatus after = gateway_->volume.status();
    return {static_cast<double>((after.put - before.put).value()) /
                static_cast<double>((after.written - before.written).value()),
            utilization};
  }

  VirtualClock clock_;
  SharedStore shared_;
  std::optional<VolumeDescriptor> descriptor_;
  std::unique_ptr<Gateway> gateway_;
  std::map<uint64_t, uint64_t> newest_;  // tag by block
  uint64_t tags_ = 0;
  uint64_t forced_every_ = UINT64_MAX;  // one of so many writes
};

// Zipfian numbers below `count`, after Gray et al., "Quickly generating billion-record synthetic
// databases" (1994); scattered, so that neighbours are not alike.
class Zipfian {
 public:
  Zipfian(uint64_t count, double theta) : count_(count), theta_(theta) {
    for (uint64_t i = 1; i <= count; ++i) zeta_ += 1 / std::pow(static_cast<double>(i), theta);
    const double zeta2 = 1 + 1 / std::pow(2.0, theta);
    alpha_ = 1 / (1 - theta);
    eta_ = (1 - std::pow(2.0 / static_cast<double>(count), 1 - theta)) / (1 - zeta2 / zeta_);
  }
  uint64_t operator()(std::mt19937_64& random) {
    const double u = std::uniform_real_distribution<double>(0, 1)(random);
    const double uz = u * zeta_;
    uint64_t rank = 0;
    if (uz >= 1) {
      rank = uz < 1 + std::pow(0.5, theta_)
                 ? 1
                 : static_cast<uint64_t>(static_cast<double>(count_) *
                                         std::pow(eta_ * u - eta_ + 1, alpha_));
    }
    return std::min(rank, count_ - 1) * 2654435761u % count_;
  }

 private:
  uint64_t count_;
  double theta_;
  double zeta_ = 0;
  double alpha_ = 0;
  double eta_ = 0;
};

constexpr uint64_t kWholeDisk = 128 * kMiB;
constexpr uint64_t kBlocks = kWholeDisk / 4096;

// The store is slow, cleaning never catches up with the writers; what is dead goes all the same.
TEST_F(Garbage, DeletesWhileItCleans) {
  constexpr uint64_t kSmall = 32 * kMiB;
  attach(kSmall, options(0.8095));
  FaultOptions slow;
  slow.delay = std::chrono::milliseconds(100);
  gateway_->store.set_options(slow);
  std::mt19937_64 random(1);
  uint64_t most = 0;
  for (int i = 0; i < 40; ++i) {
    write(kSmall / 4096 / 4, [&random] { return random() % (kSmall / 4096); });
    most = std::max(most, gateway_->volume.status().dead.value());
  }
  std::cout << "awaiting deletion at most " << most / kMiB << " MiB\n";
  EXPECT_LT(most, 2 * kSmall);
  gateway_->store.set_options({});
  expect_data();
}

// I10, however fast writers are and however slow the store: they get what cleaning gives back.
TEST_F(Garbage, SpaceIsBoundedWhileWritersOutrunTheStore) {
  constexpr uint64_t kSmall = 64 * kMiB;
  VolumeOptions chosen = options(0.72);
  chosen.dirty_memory = ByteCount(16 << 20);
  attach(kSmall, chosen);
  uint64_t at = 0;
  write(kSmall / 4096, [&at] { return at++; });
  ASSERT_TRUE(run(shared_.io, gateway_->volume.flush()).ok());
  FaultOptions slow;
  slow.delay = std::chrono::milliseconds(100);
  gateway_->store.set_options(slow);
  std::mt19937_64 random(1);
  double most = 0;
  for (int i = 0; i < 200; ++i) {
    write(kSmall / 4096 / 50, [&random] { return random() % (kSmall / 4096); });
    const VolumeStatus status = gateway_->volume.status();
    most = std::max(most, static_cast<double>((status.stored - status.dead).value()) /
                              static_cast<double>(status.live.value()));
  }
  std::cout << "in use at most " << most << " times what is live\n";
  EXPECT_LE(most, 1.5);
  expect_data();
  stop();
}

TEST_F(Garbage, ABurstMayLeaveGarbageForAWhile) {
  constexpr uint64_t kSmall = 64 * kMiB;
  VolumeOptions chosen = options(0.72);
  chosen.collector.burst = ByteCount(kSmall);
  attach(kSmall, chosen);
  uint64_t at = 0;
  write(kSmall / 4096, [&at] { return at++; });
  std::mt19937_64 random(1);
  gateway_->store.hold(StoreCall::get, "chunk/");  // nothing is cleaned
  auto overwrite = [&](uint64_t bytes) {
    const TimePoint begun = now();
    write(bytes / 4096, [&random] { return random() % (kSmall / 4096); });
    return now() - begun;
  };
  EXPECT_LT(overwrite(kSmall), std::chrono::seconds(1));
  pass(chosen.collector.burst_time);
  EXPECT_GT(overwrite(kMiB), std::chrono::seconds(10));
  gateway_->store.release();
  pass(std::chrono::minutes(2));
  EXPECT_LT(overwrite(kSmall / 2), std::chrono::seconds(1));
  stop();
}

TEST_F(Garbage, UniformOverwritesAtTwoThirds) {
  attach(kWholeDisk, options(0.695));
  uint64_t at = 0;
  write(kBlocks, [&at] { return at++; });
  std::mt19937_64 random(3);
  const Measured m = measure(kBlocks, 2, 2, [&random] { return random() % kBlocks; });
  std::cout << "uniform: amplification " << m.amplification << " at " << m.utilization << "\n";
  EXPECT_GE(m.utilization, 0.67);
  EXPECT_LE(m.amplification, 2.0);
  expect_data();
  stop();
}

TEST_F(Garbage, UniformOverwritesAtFourFifths) {
  VolumeOptions chosen = options(0.819);
  chosen.chunk_bytes = 512 << 10;  // many: of few, those that are under way are a large part
  attach(kWholeDisk, chosen);
  uint64_t at = 0;
  write(kBlocks, [&at] { return at++; });
  std::mt19937_64 random(3);
  const Measured m = measure(kBlocks, 2, 2, [&random] { return random() % kBlocks; });
  std::cout << "uniform: amplification " << m.amplification << " at " << m.utilization << "\n";
  EXPECT_GE(m.utilization, 0.80);
  EXPECT_LE(m.amplification, 3.0);
  stop();
}

TEST_F(Garbage, ZipfianOverwritesAtTwoThirds) {
  attach(kWholeDisk, options(0.695));
  uint64_t at = 0;
  write(kBlocks, [&at] { return at++; });
  std::mt19937_64 random(3);
  Zipfian zipfian(kBlocks, 0.99);
  const Measured m = measure(kBlocks, 2, 2, [&] { return zipfian(random); });
  std::cout << "zipfian: amplification " << m.amplification << " at " << m.utilization << "\n";
  EXPECT_GE(m.utilization, 0.67);
  EXPECT_LE(m.amplification, 1.6);
  expect_data();
  stop();
}

TEST_F(Garbage, WhatWasErasedIsDeleted) {
  attach(kWholeDisk, options(0.72));
  fill_and_erase(kBlocks / 4);
  // A few more chunks, for the checkpoints that let the old ones go.
  for (int i = 0; i < 300; ++i) {
    write(1, [] { return 7; });
    ASSERT_TRUE(run(shared_.io, gateway_->volume.flush()).ok());
  }
  pass(std::chrono::minutes(5));
  EXPECT_LT(gateway_->volume.status().stored.value(), uint64_t{2} << 20);
  expect_data();
  stop();
}

TEST_F(Garbage, WhatWasErasedIsDeletedThoughNobodyWritesAnyMore) {
  VolumeOptions chosen = options(0.72);
  chosen.fence_interval = std::chrono::seconds(2);
  attach(kWholeDisk, chosen);
  fill_and_erase(kBlocks / 4);
  pass(std::chrono::minutes(30));
  EXPECT_LT(gateway_->volume.status().stored.value(), uint64_t{1} << 20);
  stop();
}

// A chunk of one small write is mostly header: to move it alone would make another such chunk.
TEST_F(Garbage, SmallChunksAreNotMovedAgainAndAgain) {
  attach(kWholeDisk, options(0.72));
  for (uint64_t i = 0; i < 3; ++i) {
    const BlockRange range{Lba(i * 1000), BlockCount(1)};
    BufferList data(pattern(i * 1000, 1, i));
    ASSERT_TRUE(run(shared_.io,
                    gateway_->volume.write(range, std::move(data), Durability::flushed, nullptr))
                    .ok());
  }
  pass(std::chrono::minutes(10));
  EXPECT_LE(gateway_->volume.status().newest_sequence, 4u);
  stop();
}

// Moved data would make users' chunks wait behind them.
TEST_F(Garbage, MovedDataDoNotQueueBeforeAStoreThatIsSlow) {
  VolumeOptions chosen = options(0.72);
  chosen.dirty_memory = ByteCount(64 << 20);
  attach(kWholeDisk, chosen);
  uint64_t at = 0;
  write(kBlocks / 2, [&at] { return at++; });
  ASSERT_TRUE(run(shared_.io, gateway_->volume.flush()).ok());
  gateway_->store.hold(StoreCall::put, "chunk/");
  std::mt19937_64 random(3);
  write(kBlocks / 4, [&random] { return random() % (kBlocks / 2); });
  pass(std::chrono::minutes(10));
  const uint64_t written = uint64_t{kBlocks / 4} * kBlockSectors * 512 / chosen.chunk_bytes;
  EXPECT_LE(gateway_->volume.status().chunks_in_flight, written + chosen.uploads_in_flight);
  gateway_->store.release();
  expect_data();
  stop();
}

// The newest root may turn out to be damaged: an attach begins at the one before it then, and reads
// what that does not cover.
TEST_F(Garbage, WhatAnOlderRootNeedsIsNotDeleted) {
  VolumeOptions chosen = options(0.72);
  chosen.checkpoint_every = 2;
  attach(32 << 20, chosen);
  for (int i = 0; i < 9; ++i) {
    write(1, [] { return 7; });
    ASSERT_TRUE(run(shared_.io, gateway_->volume.flush()).ok());
  }
  pass(std::chrono::seconds(30));  // what is due is deleted
  EXPECT_GT(gateway_->volume.status().garbage.deleted_chunks, 0u);
  gateway_->crash();
  const std::string meta = VolumeNames(descriptor_->uuid).meta();
  const std::vector<ObjectName> roots = shared_.objects(meta, "root/");
  ASSERT_GE(roots.size(), 2u);
  const BufferList rubbish(Buffer::copy_of("rubbish"));
  ASSERT_TRUE(shared_.contents->put(roots.back(), rubbish, {}).ok());
  attach(32 << 20, chosen);
  expect_data();
}

// Data wait for company to be moved with. Meanwhile their block is written again, and of its page
// nothing stays in memory but where its new leaf is.
TEST_F(Garbage, WhatWasOverwrittenBeforeItWasMovedStaysSoThoughItsPageLeftMemory) {
  constexpr uint64_t kPages = 24;  // more than stay in memory in any case
  constexpr uint64_t kNeighbours = 200 * kBlockSectors;
  VolumeOptions chosen = options(0.72);
  chosen.checkpoint_every = 1;
  chosen.map_memory = ByteCount(1);
  chosen.collector.deletion_delay = std::chrono::seconds(60);
  attach(kPages * kPageSectors * kSectorBytes, chosen);
  Gateway& gateway = *gateway_;
  // The first chunk has block 0 and neighbours of another page. Of these nothing stays live.
  ASSERT_TRUE(gateway.write(kPageSectors, kNeighbours, 1).ok());
  ASSERT_TRUE(gateway.write(0, kBlockSectors, 1, Durability::flushed).ok());
  for (uint64_t page = 2; page < kPages; ++page) {
    ASSERT_TRUE(gateway.write(page * kPageSectors, kBlockSectors, 1).ok());
  }
  ASSERT_TRUE(gateway.flush().ok());
  ASSERT_EQ(gateway.volume.status().garbage.moved_bytes, 0u);
  ASSERT_TRUE(gateway.write(kPageSectors, kNeighbours, 2, Durability::flushed).ok());
  run_until(shared_.io, [&] { return gateway.volume.status().garbage.moved_bytes > 0; });
  ASSERT_EQ(gateway.volume.status().garbage.moved_bytes, kBlockSectors * kSectorBytes);
  ASSERT_TRUE(gateway.write(0, kBlockSectors, 2, Durability::flushed).ok());
  pass(std::chrono::seconds(1));  // a root with the page's new leaf
  for (uint64_t page = 1; page < kPages; ++page) {
    ASSERT_TRUE(gateway.read(page * kPageSectors, kBlockSectors).ok());
  }
  pass(std::chrono::minutes(2));  // it has been moved, or left
  EXPECT_TRUE(gateway.holds(0, kBlockSectors, 2));
  EXPECT_TRUE(gateway.holds(kPageSectors, kNeighbours, 2));
}

// Who replays a move takes it on trust where a page's leaf is not in memory: what is in the log
// must have been true when it came there, whatever writers did while thousands of blocks were
// looked at.
TEST_F(Garbage, AMoveInTheLogSaysWhereItsDataWere) {
  constexpr uint64_t kSmall = 32 * kMiB;
  VolumeOptions chosen = options(0.8095);
  chosen.chunk_bytes = 4 << 20;
  chosen.collector.deletion_delay = std::chrono::hours(10000);  // all chunks stay
  chosen.collector.most_awaiting = ByteCount(uint64_t{1} << 40);
  chosen.collector.burst = ByteCount(2 * kSmall);  // writers need not wait for cleaning
  chosen.collector.looks_at_once = 1;
  attach(kSmall, chosen);
  FaultOptions quick;
  quick.delay = std::chrono::microseconds(200);
  gateway_->store.set_options(quick);
  std::mt19937_64 random(1);
  forced_every_ = 8;
  write(5 * kSmall / 4096, [&random] { return random() % (kSmall / 4096); });
  ASSERT_TRUE(run(shared_.io, gateway_->volume.flush()).ok());

  std::vector<Location> map(kSmall / kSectorBytes);
  uint64_t moves = 0;
  const std::string container = VolumeNames(descriptor_->uuid).data(Sequence(1));
  for (const ObjectName& name : shared_.objects(container, "chunk/")) {  // in the order of the log
    Result<Buffer> bytes = shared_.contents->get(name, ByteRange::whole());
    ASSERT_TRUE(bytes.ok());
    Result<ChunkHeader> header = decode_chunk_header(descriptor_->uuid, bytes->bytes());
    ASSERT_TRUE(header.ok());
    for (const ChunkExtent& extent : header->extents) {
      ASSERT_NE(extent.kind, ExtentKind::trim);
      for (uint64_t at = 0; at < extent.sectors.value(); ++at) {
        Location& place = map[extent.first.value() + at];
        if (extent.kind == ExtentKind::moved) {
          ASSERT_EQ(place, extent.source.advanced(at)) << name.name;
          ++moves;
        }
        place = extent.at.advanced(at);
      }
    }
  }
  EXPECT_GT(moves, 1000u);
}

TEST_F(Garbage, SurvivesAttachAfterAttach) {
  std::mt19937_64 random(5);
  for (int round = 0; round < 6; ++round) {
    attach(32 << 20, options(0.72));
    expect_data();
    write(6000, [&random] { return random() % (32 * 256); });
    expect_data();
    stop();
  }
}

}  // namespace
}  // namespace swiftness
