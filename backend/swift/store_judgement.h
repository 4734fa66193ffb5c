// What the facts about a store (store_facts.h) mean for disks: fit, with reservations, or unfit,
// and why, in words; and from how many bytes at once it is about as fast as it gets. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "backend/swift/store_facts.h"

namespace swiftness {

enum class Fitness { fit, reservations, unfit };
const char* to_string(Fitness fitness) noexcept;

// Beyond these it is said that something is slow (worth a reservation), and beyond the worse ones
// that disks cannot live on it.
struct StoreThresholds {
  // A read that no cache has waits for one ranged GET: a hard disk takes some 10 ms.
  Duration read_median = std::chrono::milliseconds(20);
  Duration read_p99 = std::chrono::milliseconds(500);
  Duration unfit_read_p99 = std::chrono::seconds(5);  // an initiator gives up after some 30 s
  // With durability "store" a flush waits for a few small PUTs one after the other.
  Duration small_write_median = std::chrono::milliseconds(100);
  // Sustained writes are as fast as chunks go out, and cleaning takes its part of it.
  double bytes_a_second = 50e6;  // about a hard disk's
  double unfit_bytes_a_second = 4e6;
  Duration remove_median = std::chrono::milliseconds(250);  // space comes back that slowly
  Duration listed_after = std::chrono::seconds(5);
  // An overwrite through a proxy whose clock is behind loses against what is there.
  Duration clocks_apart = std::chrono::seconds(2);
  Duration clock_ahead = std::chrono::seconds(60);  // of ours: tokens and expiry
  double quota_used = 0.9;
  double failed = 0.001;  // of the requests measured
  double unfit_failed = 0.05;
  double near_best = 0.9;  // a recommendation is as fast as that, of the best
};

struct StoreFinding {
  Fitness weight;  // fit: worth knowing, no more
  std::string what;
};

struct Recommendation {
  uint64_t bytes = 0;  // of a chunk
  unsigned parallel = 0;
  double bytes_a_second = 0;
  double best = 0;  // of all
};

struct StoreVerdict {
  Fitness fitness = Fitness::fit;
  std::vector<StoreFinding> findings;  // the worst first
  std::optional<Recommendation> write;
  std::optional<Recommendation> read;
};

StoreVerdict judge_store(const StoreFacts& facts, const StoreNeeds& needs,
                         const StoreThresholds& limits = {});

// How the thresholds read in words, and why they are what they are.
std::vector<std::string> explain(const StoreThresholds& limits);

}  // namespace swiftness
