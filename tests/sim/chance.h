// Chance: the only source of what could go either way in a simulated history. The same seed gives
// the same choices on every machine.
#pragma once

#include <cstdint>

#include "backend/base/clock.h"

namespace swiftness::sim {

class Chance {
 public:
  explicit Chance(uint64_t seed) : state_(seed) {}

  uint64_t next() noexcept {  // SplitMix64
    state_ += 0x9e3779b97f4a7c15;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  uint64_t below(uint64_t bound) noexcept { return next() % bound; }
  // 1 to `most`, small numbers more often than large ones.
  uint64_t skewed(uint64_t most) noexcept {
    const uint64_t bound = 1 + below(most);
    return 1 + below(bound);
  }
  bool happens(double probability) noexcept {
    return static_cast<double>(next() >> 11) * 0x1p-53 < probability;
  }
  bool one_in(uint64_t n) noexcept { return below(n) == 0; }
  Duration between(Duration least, Duration most) noexcept {
    const auto spread = static_cast<uint64_t>((most - least).count()) + 1;
    return least + Duration(static_cast<Duration::rep>(below(spread)));
  }
  // For what shall not be disturbed by how many choices others make.
  Chance apart() noexcept { return Chance(next()); }

 private:
  uint64_t state_;
};

}  // namespace swiftness::sim
