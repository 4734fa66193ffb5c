// World: what all gateways of one history share. On one thread; time moves only when nobody has
// anything to do.
#pragma once

#include <optional>
#include <string>

#include "backend/base/random.h"
#include "backend/volume/catalogue.h"
#include "tests/sim/copies.h"
#include "tests/sim/counts.h"
#include "tests/sim/growth.h"
#include "tests/sim/network.h"
#include "tests/sim/oracle.h"

namespace swiftness::sim {

// The disk as the model sees it: a few stripes of a large disk, so that an image is read quickly
// and still touches several pages of the map; every other stripe lies across the border of two
// pages.
struct Shape {
  uint64_t stripes;
  uint64_t stripe_sectors;
  uint64_t disk_bytes;

  uint64_t sectors() const noexcept { return stripes * stripe_sectors; }
  uint64_t address(uint64_t sector) const noexcept {  // 512-byte sector of the disk
    constexpr uint64_t kPage = 65536;
    const uint64_t stripe = sector / stripe_sectors;
    const uint64_t begin = stripe % 2 == 0 ? stripe / 2 * kPage + 24000
                                           : (stripe / 2 + 1) * kPage - stripe_sectors / 2;
    return begin + sector % stripe_sectors;
  }
};
inline constexpr Shape kNarrow{8, 128, uint64_t{256} << 20};
inline constexpr Shape kWide{48, 32, uint64_t{1} << 30};  // more pages than stay in memory anyway

// To the oracle each record that is kept beside the data (BlockDevice::store_metadata) is a sector
// more, behind those of the disk.
inline constexpr uint64_t kRecords = 2;

struct WorldOptions {
  ClusterOptions cluster;
  NetworkOptions network;
  Shape shape = kNarrow;
  bool duel = false;  // gateways take it from each other while they are busy, and there is trouble
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
        shape(options.shape),
        duel(options.duel),
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
  const Shape shape;
  const bool duel;
  Oracle oracle{shape.sectors() + kRecords};
  Copies copies;
  Growth growth{shape.disk_bytes};
  VolumeDescriptor descriptor;
  const uint32_t block_size;
  const bool journals;
  const bool durable_in_journal;
  const double forced;
  const bool corruption_expected;  // reads may fail with it while the weather is bad
  std::optional<std::string> failure;
  Counts counts;
};

}  // namespace swiftness::sim
