#include "target/scsi/soft_thresholds.h"

#include "target/scsi/limits.h"

namespace swiftness::scsi {

std::optional<size_t> SoftThresholds::look(const ModeParameters& mode, const Usage& usage,
                                           const Geometry& geometry) {
  const uint64_t set = uint64_t{geometry.block_size} << provisioning_exponent(geometry);
  std::optional<size_t> first;
  for (size_t i = 0; i < kThresholdDescriptors; ++i) {
    const SoftThreshold& threshold = mode.thresholds[i];
    const uint64_t least = threshold.count * set - std::min(threshold.count * set, set / 2);
    const uint64_t most = threshold.count * set + set / 2;
    const bool was = passed_[i];
    if (!threshold.enabled) {
      passed_[i] = false;
    } else if (i == kAvailableThreshold) {  // armed decreasing
      const uint64_t available = usage.available().value();
      passed_[i] = was ? available <= most : available <= least;
    } else {  // armed increasing
      const uint64_t used = usage.mapped.value();
      passed_[i] = was ? used >= least : used >= most;
    }
    if (passed_[i] && !was && !first) first = i;
  }
  return first;
}

}  // namespace swiftness::scsi
