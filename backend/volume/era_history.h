// EraHistory: which era wrote which chunk and which map object, oldest first, without gaps. Both
// are numbered on across eras, so a number alone finds its era and with it the object's name.
#pragma once

#include <algorithm>
#include <vector>

#include "backend/base/check.h"
#include "backend/volume/map_format.h"

namespace swiftness {

class EraHistory {
 public:
  EraHistory() = default;
  explicit EraHistory(std::vector<EraSpan> spans) : spans_(std::move(spans)) {}

  // `era` writes the chunks from `first` on and the map objects from `first_object` on; the one
  // before ends there.
  void begin(const Era& era, Sequence first, uint64_t first_object) {
    if (!spans_.empty()) spans_.back().last = Sequence(first.value() - 1);
    spans_.push_back(EraSpan{era, first, Sequence(first.value() - 1), first_object});
  }
  void extend_to(Sequence last) { spans_.back().last = std::max(spans_.back().last, last); }

  bool empty() const noexcept { return spans_.empty(); }
  const Era& era_of(Sequence sequence) const {
    for (auto it = spans_.rbegin(); it != spans_.rend(); ++it) {
      if (it->first <= sequence) return it->era;
    }
    CHECK(false);
  }
  const Era& era_of_object(uint64_t number) const {
    for (auto it = spans_.rbegin(); it != spans_.rend(); ++it) {
      if (it->first_object <= number) return it->era;
    }
    CHECK(false);
  }
  const std::vector<EraSpan>& spans() const noexcept { return spans_; }

 private:
  std::vector<EraSpan> spans_;
};

}  // namespace swiftness
