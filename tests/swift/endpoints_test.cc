#include "backend/swift/endpoints.h"

#include <gtest/gtest.h>

namespace swiftness {
namespace {

using namespace std::chrono_literals;

const TimePoint kThen = TimePoint() + 1000s;
const BreakerTiming kBreaker{.failures_to_open = 4, .first_pause = 100ms, .longest_pause = 300ms};

size_t chosen(Endpoints& endpoints, TimePoint at, std::optional<size_t> not_this = {}) {
  auto choice = endpoints.choose(at, not_this);
  return std::holds_alternative<size_t>(choice) ? std::get<size_t>(choice) : SIZE_MAX;
}

void fail(Endpoints& endpoints, size_t index, int times, TimePoint at = kThen) {
  for (int i = 0; i < times; ++i) endpoints.failed(index, at, false);
}

TEST(Endpoints, TakeTurns) {
  Endpoints endpoints(3, kBreaker);
  for (size_t turn : {0u, 1u, 2u, 0u, 1u}) EXPECT_EQ(chosen(endpoints, kThen), turn);
  EXPECT_EQ(chosen(endpoints, kThen, 2), 0u) << "2 has just failed";
  Endpoints alone(1, kBreaker);
  EXPECT_EQ(chosen(alone, kThen, 0), 0u) << "there is no other";
}

TEST(Endpoints, OneThatFailsInARowIsLeftAlone) {
  Endpoints endpoints(2, kBreaker);
  fail(endpoints, 0, 3);
  endpoints.succeeded(0);
  fail(endpoints, 0, 3);
  EXPECT_EQ(chosen(endpoints, kThen), 0u) << "never four in a row";
  endpoints.failed(0, kThen, false);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(chosen(endpoints, kThen), 1u);
  EXPECT_EQ(endpoints.well(), 1u);
}

TEST(Endpoints, TwoRefusedConnectionsAreEnough) {
  Endpoints endpoints(2, kBreaker);
  endpoints.failed(0, kThen, true);
  EXPECT_EQ(chosen(endpoints, kThen), 0u);
  endpoints.failed(0, kThen, true);
  EXPECT_EQ(chosen(endpoints, kThen), 1u);
  EXPECT_EQ(chosen(endpoints, kThen), 1u);
}

TEST(Endpoints, OneRequestFindsOutHowItIs) {
  Endpoints endpoints(1, kBreaker);
  fail(endpoints, 0, 4);
  auto waits = endpoints.choose(kThen + 50ms);
  ASSERT_TRUE(std::holds_alternative<TimePoint>(waits));
  EXPECT_EQ(std::get<TimePoint>(waits), kThen + 100ms);
  EXPECT_EQ(chosen(endpoints, kThen + 100ms), 0u);
  EXPECT_EQ(chosen(endpoints, kThen + 200ms), SIZE_MAX) << "another one is finding out";
  endpoints.failed(0, kThen + 250ms, false);
  EXPECT_EQ(chosen(endpoints, kThen + 400ms), SIZE_MAX) << "twice as long now";
  EXPECT_EQ(chosen(endpoints, kThen + 450ms), 0u);
  endpoints.failed(0, kThen + 500ms, false);
  EXPECT_EQ(chosen(endpoints, kThen + 799ms), SIZE_MAX);
  EXPECT_EQ(chosen(endpoints, kThen + 800ms), 0u) << "never longer than the longest";
  EXPECT_TRUE(endpoints.succeeded(0));
  EXPECT_EQ(chosen(endpoints, kThen + 800ms), 0u);
  EXPECT_EQ(chosen(endpoints, kThen + 800ms), 0u);
}

TEST(Endpoints, LateFailuresDoNotProlongThePause) {
  Endpoints endpoints(1, kBreaker);
  fail(endpoints, 0, 4);
  fail(endpoints, 0, 20, kThen + 90ms);
  EXPECT_EQ(chosen(endpoints, kThen + 100ms), 0u);
}

TEST(Endpoints, AProbeWithoutAnOutcomeIsFollowedByAnother) {
  Endpoints endpoints(1, kBreaker);
  fail(endpoints, 0, 4);
  EXPECT_EQ(chosen(endpoints, kThen + 100ms), 0u);
  endpoints.unknown(0);
  EXPECT_EQ(chosen(endpoints, kThen + 100ms), 0u);
}

}  // namespace
}  // namespace swiftness
