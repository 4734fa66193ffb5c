#include "backend/swift/endpoints.h"

#include <algorithm>

#include "backend/base/check.h"

namespace swiftness {

Endpoints::Endpoints(size_t count, BreakerTiming timing) : circuits_(count), timing_(timing) {
  CHECK(count > 0);
}

std::variant<size_t, TimePoint> Endpoints::choose(TimePoint now, std::optional<size_t> not_this) {
  std::optional<size_t> closed, probe;
  TimePoint soonest = TimePoint::max();
  for (size_t i = 0; i < count(); ++i) {
    const size_t index = (next_ + i) % count();
    const Circuit& circuit = circuits_[index];
    if (!is_open(circuit)) {
      if (!closed || *closed == not_this) closed = index;
    } else if (!circuit.probing && circuit.open_until <= now) {
      if (!probe) probe = index;
    } else if (!circuit.probing) {
      soonest = std::min(soonest, circuit.open_until);
    }
  }
  if (probe) {
    circuits_[*probe].probing = true;
    return *probe;
  }
  if (closed) {
    next_ = (*closed + 1) % count();
    return *closed;
  }
  // All that are left are being looked at.
  return soonest == TimePoint::max() ? now + timing_.longest_pause : soonest;
}

size_t Endpoints::well() const noexcept {
  for (size_t i = 0; i < count(); ++i) {
    const size_t index = (next_ + i) % count();
    if (!is_open(circuits_[index])) return index;
  }
  return 0;
}

bool Endpoints::succeeded(size_t index) {
  const bool was_open = is_open(circuits_[index]);
  circuits_[index] = {};
  return was_open;
}

void Endpoints::failed(size_t index, TimePoint now, bool refused) {
  Circuit& circuit = circuits_[index];
  const bool probe = std::exchange(circuit.probing, false);
  circuit.failures += refused ? (timing_.failures_to_open + 1) / 2 : 1;
  if (is_open(circuit) && !probe) return;  // requests from before it opened
  if (circuit.failures < timing_.failures_to_open) return;
  circuit.pause = std::clamp(2 * circuit.pause, timing_.first_pause, timing_.longest_pause);
  circuit.open_until = now + circuit.pause;
}

void Endpoints::unknown(size_t index) {
  circuits_[index].probing = false;
}

}  // namespace swiftness
