// The unit attention conditions one I_T nexus has not been told of yet (SAM-5 5.14). Each condition
// is there at most once, so the queue is bounded by the number of conditions we know.
#pragma once

#include <algorithm>
#include <optional>
#include <vector>

#include "target/scsi/sense.h"

namespace swiftness::scsi {

class UnitAttentions {
 public:
  // Resets (29h) go first; POWER ON (29h/00h) says all that other resets say. Nothing else is
  // dropped: not every initiator reads the capacity again after a reset.
  void raise(AdditionalSense condition) {
    if (contains(condition)) return;
    if (condition.code != kResets) {
      pending_.push_back(condition);
      return;
    }
    if (contains(asc::kPowerOnOrReset)) return;
    std::erase_if(pending_, [](AdditionalSense other) { return other.code == kResets; });
    pending_.insert(pending_.begin(), condition);
  }

  void clear(AdditionalSense condition) { std::erase(pending_, condition); }

  // The next to report; it counts as reported.
  std::optional<Sense> take() {
    if (pending_.empty()) return std::nullopt;
    Sense sense{SenseKey::unit_attention, pending_.front()};
    pending_.erase(pending_.begin());
    return sense;
  }

 private:
  static constexpr uint8_t kResets = 0x29;

  bool contains(AdditionalSense condition) const {
    return std::find(pending_.begin(), pending_.end(), condition) != pending_.end();
  }

  std::vector<AdditionalSense> pending_;
};

}  // namespace swiftness::scsi
