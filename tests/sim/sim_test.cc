// The fault simulator: many histories, each a function of its seed (history.h).
//
//   SWIFTNESS_SIM_SEEDS=<count>   so many histories (default 2000; under sanitizers 100)
//   SWIFTNESS_SIM_FIRST=<seed>    beginning with this seed (default 1)
//   SWIFTNESS_SIM_FAILURES=<count>  ends after so many failures (default 1)
//   SWIFTNESS_SIM_SEED=<seed>     only this one, with its trace
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "backend/base/log.h"
#include "tests/sim/history.h"

namespace swiftness::sim {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr uint64_t kSeeds = 100;
#else
constexpr uint64_t kSeeds = 2000;
#endif

uint64_t from_environment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

// A failed CHECK ends the program: it shall say in which history.
volatile uint64_t current_seed = 0;
void tell_the_seed(int signal) {
  std::fprintf(stderr, "in the history of SWIFTNESS_SIM_SEED=%llu\n",
               static_cast<unsigned long long>(current_seed));
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

HistoryReport run(uint64_t seed, bool printing) {
  current_seed = seed;
  return run_history(seed, printing);
}

void print(const HistoryReport& report) {
  std::printf("SWIFTNESS_SIM_SEED=%llu: %s; trace %016llx, %llu events, %llu steps, %.1f s\n",
              static_cast<unsigned long long>(report.seed),
              report.failure ? report.failure->c_str() : "ok",
              static_cast<unsigned long long>(report.trace_hash),
              static_cast<unsigned long long>(report.events),
              static_cast<unsigned long long>(report.steps), report.seconds);
}

class Simulation : public testing::Test {
 protected:
  Simulation() {
    // A rough history makes many lines; one that is looked at may.
    log::set_level(std::getenv("SWIFTNESS_SIM_SEED") ? log::Level::info : log::Level::nothing);
    std::signal(SIGABRT, tell_the_seed);
  }
};

TEST_F(Simulation, AHistoryIsAFunctionOfItsSeed) {
  if (std::getenv("SWIFTNESS_SIM_SEED")) GTEST_SKIP();
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    const HistoryReport once = run(seed, false);
    const HistoryReport again = run(seed, false);
    EXPECT_EQ(once.trace_hash, again.trace_hash) << "seed " << seed;
    EXPECT_EQ(once.steps, again.steps) << "seed " << seed;
    const HistoryReport another = run(seed + 1, false);
    EXPECT_NE(once.trace_hash, another.trace_hash) << "seed " << seed;
  }
}

TEST_F(Simulation, EveryHistoryIsAsItShouldBe) {
  if (std::getenv("SWIFTNESS_SIM_SEED")) {
    const HistoryReport report = run(from_environment("SWIFTNESS_SIM_SEED", 0), true);
    print(report);
    EXPECT_FALSE(report.failure) << *report.failure;
    return;
  }
  const uint64_t first = from_environment("SWIFTNESS_SIM_FIRST", 1);
  const uint64_t seeds = from_environment("SWIFTNESS_SIM_SEEDS", kSeeds);
  uint64_t steps = 0;
  double virtual_seconds = 0;
  Counts counts;
  const uint64_t most_failures = from_environment("SWIFTNESS_SIM_FAILURES", 1);
  uint64_t failures = 0, histories = 0;
  for (; histories < seeds && failures < most_failures; ++histories) {
    const uint64_t seed = first + histories;
    const HistoryReport report = run(seed, false);
    steps += report.steps;
    virtual_seconds += report.seconds;
    counts += report.counts;
    if (!report.failure) continue;
    ++failures;
    print(report);
    ADD_FAILURE() << *report.failure << "\nSWIFTNESS_SIM_SEED=" << seed << " shows it again";
  }
  std::printf(
      "%s\n",
      fmt::format("{} histories: {} steps, {:.1f} hours of virtual time, {} lives, {} by force, {} "
                  "refused, {} fenced, {} crashes, {} power cuts, {} commands, {} copies, {} "
                  "cancelled, {} beyond a quota, {} flushes, {} reads, {} grown, {} checks, {} "
                  "repaired, {} deletes, {} settled, {} requests",
                  histories, steps, virtual_seconds / 3600, counts.lives, counts.forced,
                  counts.refused, counts.fenced, counts.crashes, counts.power_cuts, counts.commands,
                  counts.copies, counts.cancelled, counts.refused_by_quota, counts.flushes,
                  counts.reads, counts.grown, counts.checks, counts.repaired, counts.deletes,
                  counts.settled, counts.requests)
          .c_str());
}

}  // namespace
}  // namespace swiftness::sim
