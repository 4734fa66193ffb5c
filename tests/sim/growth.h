// Growth: the size of the disk as those who let it grow may rely on it.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "tests/sim/oracle.h"

namespace swiftness::sim {

class Growth {
 public:
  explicit Growth(uint64_t bytes) : most_(bytes), least_{{0, bytes}} {}

  void asked(uint64_t bytes) { most_ = std::max(most_, bytes); }

  // The gateway of this epoch was told that it has grown; nobody had taken it over then.
  Verdict grown(uint64_t epoch, uint64_t bytes) {
    uint64_t& promised = least_[epoch];
    promised = std::max(promised, bytes);
    for (auto life = seen_.upper_bound(epoch); life != seen_.end(); ++life) {
      Verdict wrong = judge(life->first, life->second);
      if (wrong) return wrong;
    }
    return std::nullopt;
  }

  // A gateway came online and found the disk of this size.
  Verdict found(uint64_t epoch, uint64_t bytes) {
    seen_[epoch] = bytes;
    return judge(epoch, bytes);
  }

 private:
  Verdict judge(uint64_t epoch, uint64_t bytes) const {
    uint64_t least = 0;
    for (const auto& [by, promised] : least_) {
      if (by < epoch) least = std::max(least, promised);
    }
    if (least <= bytes && bytes <= most_) return std::nullopt;
    return fmt::format("epoch {} has a disk of {} bytes, which should have {} to {}", epoch, bytes,
                       least, most_);
  }

  uint64_t most_;                       // that anybody asked for
  std::map<uint64_t, uint64_t> least_;  // promised, by epoch
  std::map<uint64_t, uint64_t> seen_;   // by epoch
};

}  // namespace swiftness::sim
