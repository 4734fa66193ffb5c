// World: what all gateways of one history share. On one thread; time moves only when nobody has
// anything to do.
#pragma once

#include <optional>
#include <string>

#include "backend/base/random.h"
#include "backend/volume/catalogue.h"
#include "tests/sim/counts.h"
#include "tests/sim/network.h"
#include "tests/sim/oracle.h"

namespace swiftness::sim {

struct WorldOptions {
  ClusterOptions cluster;
  NetworkOptions network;
  uint32_t block_size = 512;
  // Of the gateways.
  bool journals = false;
  bool durable_in_journal = false;
  double forced = 0;  // attaches
};

class World {
 public:
  World(uint64_t seed, bool printing, WorldOptions options)
      : seeded_(seed),
        trace(printing),
        chance(seed ^ 0x9e3779b97f4a7c15),
        timeline(clock),
        cluster(timeline, trace, chance.apart(), options.cluster),
        network_options(options.network),
        block_size(options.block_size),
        journals(options.journals),
        durable_in_journal(options.durable_in_journal),
        forced(options.forced),
        corruption_expected(options.cluster.bit_rot > 0) {}

  // The first thing that was wrong; the history ends there.
  void fail(std::string what) {
    if (failure) return;
    trace.note("FAILED: {}", what);
    failure = std::move(what);
  }
  DiskId next_disk() noexcept { return ++disks_; }
  void judge(Verdict verdict) {
    if (verdict) fail(std::move(*verdict));
  }

  VirtualClock clock;

 private:
  SeededRandom seeded_;
  DiskId disks_ = 0;

 public:
  Trace trace;
  Chance chance;
  Timeline timeline;
  Cluster cluster;
  const NetworkOptions network_options;
  Oracle oracle{kSectors};
  VolumeDescriptor descriptor;
  const uint32_t block_size;
  const bool journals;
  const bool durable_in_journal;
  const double forced;
  const bool corruption_expected;  // reads may fail with it while the weather is bad
  std::optional<std::string> failure;
  Counts counts;

  // --- The disk as the model sees it -------------------------------------------------------------
  // A few stripes of a large disk, so that an image is read quickly and still touches several pages
  // of the map; every other stripe lies across the border of two pages.
  static constexpr uint64_t kStripes = 8;
  static constexpr uint64_t kStripeSectors = 128;
  static constexpr uint64_t kSectors = kStripes * kStripeSectors;
  static constexpr uint64_t kDiskBytes = uint64_t{256} << 20;

  static uint64_t address(uint64_t sector) {  // 512-byte sector of the disk
    constexpr uint64_t kPage = 65536;
    const uint64_t stripe = sector / kStripeSectors;
    const uint64_t begin = stripe % 2 == 0 ? stripe / 2 * kPage + 24000
                                           : (stripe / 2 + 1) * kPage - kStripeSectors / 2;
    return begin + sector % kStripeSectors;
  }
};

}  // namespace swiftness::sim
