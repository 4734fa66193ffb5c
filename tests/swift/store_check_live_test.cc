// The check of a store against a real Swift, in each way to log in; see live_swift.h.
#include <gtest/gtest.h>

#include "backend/swift/store_check.h"
#include "backend/swift/swift_account.h"
#include "tests/support/run.h"
#include "tests/swift/live_swift.h"

namespace swiftness::test {
namespace {

using namespace std::chrono_literals;

TEST(StoreCheckLive, FindsARealSwiftFitAndLeavesNothingBehind) {
  if (!have_swift()) GTEST_SKIP() << "no Swift is named";
  SwiftStoreConfig config = live_config();
  StoreCheckOptions options = StoreCheckOptions::quick();
  options.measurement.sizes = {64 << 10};
  options.measurement.ranged = 200ms;
  asio::io_context io(1);
  auto check = StoreCheck::open(config, io.get_executor(), options);
  ASSERT_TRUE(check.ok()) << check.error().message();
  Result<StoreFacts> facts = run(io, (*check)->run([](const StoreCheckProgress&) {}));
  ASSERT_TRUE(facts.ok()) << facts.error().message();
  EXPECT_EQ(facts->left_behind, "");
  EXPECT_EQ(facts->trials.size(), 15u);
  for (const TrialFacts& trial : facts->trials) {
    if (trial.trial == Trial::creators) continue;  // it does not promise one winner
    EXPECT_EQ(trial.outcome, TrialFacts::Outcome::held) << to_string(trial.trial) << trial.seen;
  }
  for (const ProxyFacts& proxy : facts->proxies) {
    EXPECT_EQ(proxy.failure, "") << proxy.url;
    ASSERT_TRUE(proxy.clock_ahead.has_value());
    EXPECT_LT(std::chrono::abs(*proxy.clock_ahead), 2s);
  }
  EXPECT_EQ(facts->proxies.size(), std::max<size_t>(config.endpoints.size(), 1));
  EXPECT_NE(judge_store(*facts, options.needs).fitness, Fitness::unfit);

  SwiftAccount account(config, io.get_executor());
  EXPECT_FALSE(run(io, account.head({facts->container, ""}, {})).ok());
}

}  // namespace
}  // namespace swiftness::test
