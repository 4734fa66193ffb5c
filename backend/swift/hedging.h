// Hedging: when a read that takes unusually long is asked for a second time, so that one slow disk
// behind the proxies does not become the initiator's latency; the first good answer counts.
//
// What is usual is learned for each size of reads: the 95th percentile of the last ones. At most
// one read in twenty is hedged over time, so that a cluster that is slow as a whole gets 5 % more
// work from us and not twice as much. As one in twenty is slow by definition, those that are only
// just late could use up all of that, and nothing would be left for one that hangs: a few hedges
// are kept for reads that are very late. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "backend/base/clock.h"

namespace swiftness {

class Hedging {
 public:
  // For a read of so many bytes: how long to wait for its answer before asking again; nothing while
  // too little is known. Counts the read.
  std::optional<Duration> patience(uint64_t bytes);

  // Patience is over: whether another request is within the bounds. Counts it. A read that may not
  // asks again later, and is `very_late` when it has waited for twice its patience.
  bool may_hedge(bool very_late);

  void answered(uint64_t bytes, Duration after);

 private:
  // The latest durations of one class of sizes, and their percentile, brought up to date every now
  // and then.
  struct Usual {
    std::vector<Duration> latest;
    size_t next = 0;
    Duration slow{};
  };
  static size_t class_of(uint64_t bytes);

  std::array<Usual, 4> usual_;
  double allowance_ = 0;  // hedges; see may_hedge()
};

}  // namespace swiftness
