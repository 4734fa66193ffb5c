#include "backend/swift/hedging.h"

#include <gtest/gtest.h>

namespace swiftness {
namespace {

using namespace std::chrono_literals;

void learn(Hedging& hedging, uint64_t bytes, int reads, Duration usual, Duration slow) {
  for (int i = 0; i < reads; ++i) {
    hedging.patience(bytes);
    hedging.answered(bytes, i % 10 == 9 ? slow : usual);  // one in ten is slow
  }
}

TEST(Hedging, WaitsForAsLongAsAllButTheSlowestTake) {
  Hedging hedging;
  EXPECT_EQ(hedging.patience(4096), std::nullopt) << "nothing is known yet";
  learn(hedging, 4096, 63, 20ms, 20ms);
  EXPECT_EQ(hedging.patience(4096), std::nullopt);
  learn(hedging, 4096, 257, 20ms, 90ms);
  EXPECT_EQ(hedging.patience(4096), 90ms) << "one in ten took as long";
  EXPECT_EQ(hedging.patience(64 << 10), 90ms) << "the same class";
  EXPECT_EQ(hedging.patience(1 << 20), std::nullopt) << "another one";
  for (int i = 0; i < 300; ++i) hedging.answered(4096, 15ms);
  EXPECT_EQ(hedging.patience(4096), 15ms) << "what was long ago is forgotten";
  for (int i = 0; i < 300; ++i) hedging.answered(4096, 1ms);
  EXPECT_EQ(hedging.patience(4096), 10ms) << "nothing faster is slow";
}

TEST(Hedging, AtMostOneReadInTwenty) {
  Hedging hedging;
  EXPECT_FALSE(hedging.may_hedge(true));
  int hedges = 0;
  for (int i = 0; i < 1000; ++i) {
    hedging.patience(4096);
    hedges += hedging.may_hedge(true) ? 1 : 0;
  }
  EXPECT_NEAR(hedges, 50, 1);
  for (int i = 0; i < 10000; ++i) hedging.patience(4096);
  hedges = 0;
  while (hedging.may_hedge(true)) ++hedges;
  EXPECT_EQ(hedges, 8) << "saved up for a bad moment, within bounds";
}

TEST(Hedging, ReadsThatAreJustLateLeaveSomethingForThoseThatHang) {
  Hedging hedging;
  for (int i = 0; i < 10000; ++i) hedging.patience(4096);
  int just_late = 0, very_late = 0;
  while (hedging.may_hedge(false)) ++just_late;
  while (hedging.may_hedge(true)) ++very_late;
  EXPECT_EQ(just_late, 5);
  EXPECT_EQ(very_late, 3);
}

}  // namespace
}  // namespace swiftness
