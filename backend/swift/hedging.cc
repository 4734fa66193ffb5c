#include "backend/swift/hedging.h"

#include <algorithm>

namespace swiftness {
namespace {

using namespace std::chrono_literals;

constexpr size_t kRemembered = 256;
constexpr size_t kEnough = 64;       // before anything is said
constexpr size_t kUpdateEvery = 16;  // new durations
constexpr Duration kLeast = 10ms;    // faster than that is not slow
constexpr double kShare = 0.05;
constexpr double kBurst = 8;
constexpr double kReserve = 3;  // of it, for reads that are very late

}  // namespace

size_t Hedging::class_of(uint64_t bytes) {
  constexpr std::array<uint64_t, 3> kBounds = {64 << 10, 1 << 20, 4 << 20};
  return static_cast<size_t>(std::ranges::lower_bound(kBounds, bytes) - kBounds.begin());
}

std::optional<Duration> Hedging::patience(uint64_t bytes) {
  allowance_ = std::min(allowance_ + kShare, kBurst);
  const Usual& usual = usual_[class_of(bytes)];
  if (usual.latest.size() < kEnough) return std::nullopt;
  return std::max(usual.slow, kLeast);
}

bool Hedging::may_hedge(bool very_late) {
  if (allowance_ < (very_late ? 1 : 1 + kReserve)) return false;
  allowance_ -= 1;
  return true;
}

void Hedging::answered(uint64_t bytes, Duration after) {
  Usual& usual = usual_[class_of(bytes)];
  if (usual.latest.size() < kRemembered) {
    usual.latest.push_back(after);
  } else {
    usual.latest[usual.next % kRemembered] = after;
  }
  if (++usual.next % kUpdateEvery != 0) return;
  std::vector<Duration> sorted = usual.latest;
  auto at = sorted.begin() + static_cast<ptrdiff_t>(sorted.size() * 95 / 100);
  std::nth_element(sorted.begin(), at, sorted.end());
  usual.slow = *at;
}

}  // namespace swiftness
