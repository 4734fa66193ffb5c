// RetryPolicy: when to try again, and when to stop. One object serves one operation and all its
// attempts. Pure: the time comes in, a delay goes out, and the same seed gives the same delays.
// The only loop that uses it is SwiftClient::perform; retries live nowhere else.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "backend/base/async.h"

namespace swiftness {

struct RetryTiming {
  Duration first_delay = std::chrono::milliseconds(50);  // before the second attempt
  Duration longest_delay = std::chrono::seconds(2);      // doubling ends here
};

class RetryPolicy {
 public:
  RetryPolicy(TimePoint now, Duration deadline, uint64_t seed, RetryTiming timing);

  // An attempt has failed: how long to wait before the next one, or nothing when there shall be
  // none. The n-th delay lies between a half and the whole of first_delay * 2^(n-1), and is never
  // below what the server asked for (Retry-After). A delay that would end past the deadline is not
  // worth waiting for.
  std::optional<Duration> after_failure(TimePoint now, bool retriable,
                                        std::optional<Duration> retry_after);

  TimePoint deadline() const noexcept { return deadline_; }
  Duration elapsed(TimePoint now) const noexcept { return now - started_; }
  unsigned failures() const noexcept { return failures_; }

 private:
  TimePoint started_;
  TimePoint deadline_;
  RetryTiming timing_;
  uint64_t random_state_;
  unsigned failures_ = 0;
};

// RetryBudget: how many retries all requests of a store may make together. Each request earns half
// a retry; beyond that, and a reserve for bad moments, every retry waits for as long as retries
// ever wait. So a cluster in trouble never gets more than half as much again of our work.
class RetryBudget {
 public:
  void earn() noexcept { retries_ = std::min(retries_ + 0.5, kReserve); }
  bool spend() noexcept;  // false: there is nothing left

 private:
  static constexpr double kReserve = 64;
  double retries_ = kReserve;
};

}  // namespace swiftness
