#include "backend/swift/retry_policy.h"

#include <algorithm>

namespace swiftness {
namespace {

// SplitMix64: small, and good enough to keep clients from marching in step.
uint64_t next_random(uint64_t& state) {
  state += 0x9e3779b97f4a7c15;
  uint64_t z = state;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

}  // namespace

RetryPolicy::RetryPolicy(TimePoint now, Duration deadline, uint64_t seed, RetryTiming timing)
    : started_(now), deadline_(now + deadline), timing_(timing), random_state_(seed) {}

std::optional<Duration> RetryPolicy::after_failure(TimePoint now, bool retriable,
                                                   std::optional<Duration> retry_after) {
  ++failures_;
  if (!retriable) return std::nullopt;
  Duration ceiling = timing_.first_delay;
  for (unsigned n = 1; n < failures_ && ceiling < timing_.longest_delay; ++n) ceiling *= 2;
  ceiling = std::min(ceiling, timing_.longest_delay);

  Duration half = ceiling / 2;
  uint64_t spread = static_cast<uint64_t>((ceiling - half).count()) + 1;
  Duration delay = half + Duration(static_cast<Duration::rep>(next_random(random_state_) % spread));
  if (retry_after) delay = std::max(delay, *retry_after);
  if (delay >= deadline_ - now) return std::nullopt;
  return delay;
}

bool RetryBudget::spend() noexcept {
  if (retries_ < 1) return false;
  retries_ -= 1;
  return true;
}

}  // namespace swiftness
