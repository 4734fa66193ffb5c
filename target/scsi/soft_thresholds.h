// Soft thresholds of logical block provisioning (SBC-4 4.7.3.7): which of those in the mode page
// has been passed. Pure.
//
// A threshold is THRESHOLD COUNT threshold sets, and works over a range of one set around that: it
// is passed at the far end, and armed again at the near one. So a value that goes to and fro within
// the range is told once.
#pragma once

#include <array>
#include <optional>

#include "backend/block_device.h"
#include "target/scsi/mode_pages.h"

namespace swiftness::scsi {

class SoftThresholds {
 public:
  // The first descriptor of those whose thresholds have been passed since the last look. Disabled
  // ones never are.
  std::optional<size_t> look(const ModeParameters& mode, const Usage& usage,
                             const Geometry& geometry);

 private:
  std::array<bool, kThresholdDescriptors> passed_{};
};

}  // namespace swiftness::scsi
