// EraHistory: which era wrote which chunk, oldest first, without gaps. Chunks are numbered on
// across eras, so a sequence alone finds its era and with it the chunk's name.
#pragma once

#include <algorithm>
#include <vector>

#include "backend/base/check.h"
#include "backend/volume/format.h"

namespace swiftness {

class EraHistory {
 public:
  EraHistory() = default;
  explicit EraHistory(std::vector<EraSpan> spans) : spans_(std::move(spans)) {}

  // `era` writes the chunks from `first` on; the one before ends there.
  void begin(const Era& era, Sequence first) {
    if (!spans_.empty()) spans_.back().last = Sequence(first.value() - 1);
    spans_.push_back(EraSpan{era, first, Sequence(first.value() - 1)});
  }
  void extend_to(Sequence last) { spans_.back().last = std::max(spans_.back().last, last); }

  bool empty() const noexcept { return spans_.empty(); }
  const Era& era_of(Sequence sequence) const {
    for (auto it = spans_.rbegin(); it != spans_.rend(); ++it) {
      if (it->first <= sequence) return it->era;
    }
    CHECK(false);
  }
  const std::vector<EraSpan>& spans() const noexcept { return spans_; }

 private:
  std::vector<EraSpan> spans_;
};

}  // namespace swiftness
