#include "backend/swift/retry_policy.h"

#include <gtest/gtest.h>

namespace swiftness {
namespace {

using namespace std::chrono_literals;

const TimePoint kStart = TimePoint() + 1000s;
const RetryTiming kTiming{.first_delay = 100ms, .longest_delay = 1s};

TEST(RetryPolicy, DelaysDoubleUpToTheLongestWithJitterBelow) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    RetryPolicy policy(kStart, 1h, seed, kTiming);
    for (Duration ceiling : {100ms, 200ms, 400ms, 800ms, 1000ms, 1000ms}) {
      auto delay = policy.after_failure(kStart, true, std::nullopt);
      ASSERT_TRUE(delay);
      EXPECT_GE(*delay, ceiling / 2);
      EXPECT_LE(*delay, ceiling);
    }
  }
}

TEST(RetryPolicy, SameSeedSameDelaysOtherSeedOthers) {
  RetryPolicy a(kStart, 1h, 7, kTiming);
  RetryPolicy b(kStart, 1h, 7, kTiming);
  RetryPolicy c(kStart, 1h, 8, kTiming);
  bool differs = false;
  for (int i = 0; i < 5; ++i) {
    auto delay = a.after_failure(kStart, true, std::nullopt);
    EXPECT_EQ(delay, b.after_failure(kStart, true, std::nullopt));
    differs |= delay != c.after_failure(kStart, true, std::nullopt);
  }
  EXPECT_TRUE(differs);
}

TEST(RetryPolicy, EndsAtTheDeadline) {
  RetryPolicy policy(kStart, 20s, 1, kTiming);
  EXPECT_TRUE(policy.after_failure(kStart + 19s, true, std::nullopt));
  EXPECT_FALSE(policy.after_failure(kStart + 20s, true, std::nullopt));
  EXPECT_FALSE(policy.after_failure(kStart + 25s, true, std::nullopt));
  EXPECT_EQ(policy.failures(), 3u);
}

TEST(RetryPolicy, DoesNotWaitForADelayThatEndsTooLate) {
  RetryPolicy policy(kStart, 10ms, 1, kTiming);
  EXPECT_FALSE(policy.after_failure(kStart, true, std::nullopt));
}

TEST(RetryPolicy, NeverRetriesWhatCannotSucceed) {
  RetryPolicy policy(kStart, 20s, 1, kTiming);
  EXPECT_FALSE(policy.after_failure(kStart, false, 1s));
}

TEST(RetryPolicy, WaitsAtLeastAsLongAsTheServerAsks) {
  RetryPolicy policy(kStart, 20s, 1, kTiming);
  EXPECT_EQ(policy.after_failure(kStart, true, 5s), Duration(5s));
  auto delay = policy.after_failure(kStart + 5s, true, 0s);
  ASSERT_TRUE(delay);
  EXPECT_GE(*delay, 100ms) << "our own backoff still applies";
  EXPECT_FALSE(policy.after_failure(kStart + 6s, true, 60s)) << "longer than we have";
}

TEST(RetryBudget, HalfARetryForEachRequestAndAReserve) {
  RetryBudget budget;
  int reserve = 0;
  while (budget.spend()) ++reserve;
  EXPECT_EQ(reserve, 64);
  int retries = 0;
  for (int i = 0; i < 1000; ++i) {
    budget.earn();
    retries += budget.spend() ? 1 : 0;
  }
  EXPECT_EQ(retries, 500);
  for (int i = 0; i < 1000; ++i) budget.earn();
  for (reserve = 0; budget.spend();) ++reserve;
  EXPECT_EQ(reserve, 64) << "no more is saved";
}

}  // namespace
}  // namespace swiftness
