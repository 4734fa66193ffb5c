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
  // Resets (29h) go first; POWER ON (29h/00h) says all that other resets say, and each of them what
  // an I_T nexus loss (29h/07h) says. Nothing else is dropped: not every initiator reads the
  // capacity again after a reset.
  void raise(AdditionalSense condition) {
    if (contains(condition)) return;
    if (condition.code != kResets) {
      pending_.push_back(condition);
      return;
    }
    if (contains(asc::kPowerOnOrReset)) return;
    auto is_reset = [](AdditionalSense other) { return other.code == kResets; };
    if (condition == asc::kItNexusLossOccurred && std::ranges::any_of(pending_, is_reset)) return;
    std::erase_if(pending_, is_reset);
    pending_.insert(pending_.begin(), condition);
  }

  void clear(AdditionalSense condition) { std::erase(pending_, condition); }

  const std::vector<AdditionalSense>& pending() const noexcept { return pending_; }  // next first

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
