// The oracle itself: what it must let pass, and what it must not.
#include "tests/sim/oracle.h"

#include <gtest/gtest.h>

namespace swiftness::sim {
namespace {

class OracleTest : public testing::Test {
 protected:
  OracleTest() { EXPECT_FALSE(begin("A", 1, Disk(8, 0), life_)); }

  // Writes, or with tag 0 unmaps, and is answered before anything else is issued.
  Life::CommandId change(std::vector<Piece> pieces, Tag tag) {
    Life::CommandId id = life_->issue(std::move(pieces), tag, oracle_.next_moment());
    life_->succeeded(id, oracle_.next_moment());
    return id;
  }
  Verdict begin(std::string gateway, uint64_t epoch, Disk image, std::shared_ptr<Life>& life,
                DiskId journal = 0, ForceId force = 0) {
    Life::Origin origin{std::move(gateway), epoch, now(), journal, force};
    return oracle_.begin(std::move(origin), std::move(image), life);
  }
  Moment now() { return oracle_.next_moment(); }
  bool next_life_may_begin_with(Disk image) {
    return !life_->judge_successor(image, life_->kept());
  }

  Oracle oracle_{8};
  std::shared_ptr<Life> life_;
};

TEST_F(OracleTest, AnyPrefixWillDoUntilAFlush) {
  change({{0, 4}}, 1);
  change({{2, 4}}, 2);
  EXPECT_TRUE(next_life_may_begin_with({0, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_TRUE(next_life_may_begin_with({1, 1, 1, 1, 0, 0, 0, 0}));
  EXPECT_TRUE(next_life_may_begin_with({1, 1, 2, 2, 2, 2, 0, 0}));
  EXPECT_FALSE(next_life_may_begin_with({0, 0, 2, 2, 2, 2, 0, 0})) << "the first is missing";
  EXPECT_FALSE(oracle_.flushed(*life_, now(), Grade::store));
  EXPECT_FALSE(next_life_may_begin_with({1, 1, 1, 1, 0, 0, 0, 0}));
  EXPECT_FALSE(next_life_may_begin_with({0, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_TRUE(next_life_may_begin_with({1, 1, 2, 2, 2, 2, 0, 0}));
}

TEST_F(OracleTest, AFlushSaysNothingOfWhatWasNotAnsweredWhenItWasIssued) {
  Moment issued = now();
  change({{0, 4}}, 1);
  EXPECT_FALSE(oracle_.flushed(*life_, issued, Grade::store));
  EXPECT_TRUE(next_life_may_begin_with({0, 0, 0, 0, 0, 0, 0, 0}));
}

TEST_F(OracleTest, AForcedWriteIsThereWithAllThatSurelyCameBefore) {
  change({{0, 2}}, 1);
  Life::CommandId forced = change({{4, 2}}, 2);
  EXPECT_FALSE(oracle_.promised(*life_, forced, Grade::store));
  EXPECT_FALSE(next_life_may_begin_with({0, 0, 0, 0, 2, 2, 0, 0}));
  EXPECT_FALSE(next_life_may_begin_with({1, 1, 0, 0, 0, 0, 0, 0}));
  EXPECT_TRUE(next_life_may_begin_with({1, 1, 0, 0, 2, 2, 0, 0}));
}

TEST_F(OracleTest, OverlappingCommandsComeInEitherOrderButWhole) {
  Life::CommandId first = life_->issue({{0, 4}}, 1, now());
  Life::CommandId second = life_->issue({{0, 4}}, 2, now());
  life_->succeeded(first, now());
  life_->succeeded(second, now());
  EXPECT_TRUE(next_life_may_begin_with({1, 1, 1, 1, 0, 0, 0, 0}));
  EXPECT_TRUE(next_life_may_begin_with({2, 2, 2, 2, 0, 0, 0, 0}));
  EXPECT_FALSE(next_life_may_begin_with({1, 1, 2, 2, 0, 0, 0, 0})) << "torn";
  EXPECT_FALSE(next_life_may_begin_with({1, 1, 0, 0, 0, 0, 0, 0})) << "torn";
}

TEST_F(OracleTest, ThreeCommandsInACircleAreTorn) {
  Life::CommandId a = life_->issue({{0, 1}, {2, 1}}, 1, now());
  Life::CommandId b = life_->issue({{0, 2}}, 2, now());
  Life::CommandId c = life_->issue({{1, 2}}, 3, now());
  for (Life::CommandId id : {a, b, c}) life_->succeeded(id, now());
  EXPECT_TRUE(next_life_may_begin_with({2, 3, 3, 0, 0, 0, 0, 0}));
  EXPECT_FALSE(next_life_may_begin_with({2, 3, 1, 0, 0, 0, 0, 0})) << "a after c after b after a";
}

TEST_F(OracleTest, WhatWasOverwrittenBeforeAFlushNeverComesBack) {
  change({{0, 4}}, 1);
  change({{0, 4}}, 2);
  EXPECT_FALSE(oracle_.flushed(*life_, now(), Grade::store));
  EXPECT_FALSE(next_life_may_begin_with({1, 1, 1, 1, 0, 0, 0, 0}));
  change({{0, 4}}, 0);
  EXPECT_TRUE(next_life_may_begin_with({0, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_FALSE(oracle_.flushed(*life_, now(), Grade::store));
  EXPECT_FALSE(next_life_may_begin_with({2, 2, 2, 2, 0, 0, 0, 0}));
}

TEST_F(OracleTest, ACancelledCommandNeverShows) {
  Life::CommandId id = life_->issue({{0, 4}}, 1, now());
  EXPECT_TRUE(next_life_may_begin_with({1, 1, 1, 1, 0, 0, 0, 0})) << "not answered yet";
  life_->cancelled(id);
  EXPECT_FALSE(next_life_may_begin_with({1, 1, 1, 1, 0, 0, 0, 0}));
  EXPECT_TRUE(life_->judge_read({0, 1}, {1}, now(), now()));
}

TEST_F(OracleTest, ARangeOfATrimIsNotLeftOut) {
  change({{0, 8}}, 1);
  change({{0, 2}, {6, 2}}, 0);
  change({{3, 1}}, 2);
  EXPECT_TRUE(next_life_may_begin_with({0, 0, 1, 2, 1, 1, 0, 0}));
  EXPECT_FALSE(next_life_may_begin_with({0, 0, 1, 2, 1, 1, 1, 1}));
  EXPECT_FALSE(next_life_may_begin_with({0, 0, 1, 1, 1, 1, 1, 1})) << "half of it";
}

TEST_F(OracleTest, WhichTrimItWasFollowsFromWhatElseShows) {
  // The first trim is covered up by the write, so it was the second that took sector 3.
  Life::CommandId first = life_->issue({{0, 8}}, 0, now());
  Life::CommandId write = life_->issue({{2, 4}}, 1, now());
  life_->succeeded(first, now());
  life_->succeeded(write, now());
  Life::CommandId second = life_->issue({{3, 1}}, 0, now());
  EXPECT_TRUE(next_life_may_begin_with({0, 0, 1, 0, 1, 1, 0, 0}));
  life_->cancelled(second);
  EXPECT_FALSE(next_life_may_begin_with({0, 0, 1, 0, 1, 1, 0, 0}));
}

TEST_F(OracleTest, ATrimThatCameBeforeByAnotherCommandIsNotTheLast) {
  // The early trim came before the forced write, and that before the slow one, which covers it up:
  // so it was the late trim that took sectors 4 and 5 of the slow write.
  Life::CommandId slow = life_->issue({{0, 6}}, 1, now());
  Life::CommandId late = life_->issue({{1, 1}, {3, 3}}, 0, now());
  Life::CommandId early = life_->issue({{4, 4}}, 0, now());
  life_->succeeded(early, now());
  Life::CommandId forced = life_->issue({{0, 4}}, 2, now());
  life_->succeeded(forced, now());
  life_->promise(forced, Grade::store);
  EXPECT_TRUE(next_life_may_begin_with({1, 0, 1, 0, 0, 0, 0, 0}));
  life_->cancelled(late);
  EXPECT_FALSE(next_life_may_begin_with({1, 0, 1, 0, 0, 0, 0, 0}));
  EXPECT_TRUE(next_life_may_begin_with({1, 1, 1, 1, 1, 1, 0, 0}));
  life_->cancelled(slow);
  EXPECT_FALSE(next_life_may_begin_with({1, 1, 1, 1, 1, 1, 0, 0}));
}

TEST_F(OracleTest, ATrimThatShowsNowhereElseIsNotTheOne) {
  life_->issue({{0, 8}}, 1, now());
  Life::CommandId first = life_->issue({{0, 2}, {4, 1}}, 0, now());
  Life::CommandId second = life_->issue({{0, 2}}, 0, now());
  EXPECT_TRUE(next_life_may_begin_with({0, 0, 1, 1, 1, 1, 1, 1})) << "the second alone";
  life_->cancelled(second);
  EXPECT_TRUE(next_life_may_begin_with({0, 0, 1, 1, 0, 1, 1, 1}));
  life_->cancelled(first);
  EXPECT_FALSE(next_life_may_begin_with({0, 0, 1, 1, 0, 1, 1, 1}));
}

TEST_F(OracleTest, AReadSeesWhatWasAnsweredAndMaySeeWhatIsUnderWay) {
  change({{0, 1}}, 1);
  Life::CommandId open = life_->issue({{0, 1}}, 2, now());
  Moment issued = now();
  EXPECT_FALSE(life_->judge_read({0, 1}, {1}, issued, now()));
  EXPECT_FALSE(life_->judge_read({0, 1}, {2}, issued, now()));
  EXPECT_TRUE(life_->judge_read({0, 1}, {0}, issued, now())) << "the base is hidden";
  EXPECT_TRUE(life_->judge_read({0, 1}, {3}, issued, now())) << "nobody wrote that";
  life_->succeeded(open, now());
  EXPECT_FALSE(life_->judge_read({0, 1}, {1}, issued, now())) << "the read began before";
  EXPECT_TRUE(life_->judge_read({0, 1}, {1}, now(), now()));
}

TEST_F(OracleTest, AFlushAnsweredAfterTheNextLifeBeganIsJudgedAgainstIt) {
  change({{0, 1}}, 1);
  Moment early = now();
  std::shared_ptr<Life> winner;
  EXPECT_FALSE(begin("B", 2, {1, 0, 0, 0, 0, 0, 0, 0}, winner));
  EXPECT_FALSE(oracle_.flushed(*life_, early, Grade::store));
  change({{1, 1}}, 2);
  EXPECT_TRUE(oracle_.flushed(*life_, now(), Grade::store)) << "the winner lacks it";
}

TEST_F(OracleTest, ALateStarterOfALowerEpochFitsIn) {
  std::shared_ptr<Life> third, second;
  change({{0, 1}}, 1);
  EXPECT_FALSE(begin("C", 3, {1, 0, 0, 0, 0, 0, 0, 0}, third));
  EXPECT_FALSE(begin("B", 2, {1, 0, 0, 0, 0, 0, 0, 0}, second));
  std::shared_ptr<Life> again;
  EXPECT_TRUE(begin("D", 3, {1, 0, 0, 0, 0, 0, 0, 0}, again)) << "one owner an epoch";
}

// ---- journals ----------------------------------------------------------------------------------

constexpr DiskId kOwn = 1;
constexpr DiskId kOther = 2;

class JournalOracle : public OracleTest {
 protected:
  JournalOracle() { EXPECT_FALSE(begin("A", 2, Disk(8, 0), life_, kOwn)); }

  void promised(Tag tag, Grade grade) {
    Life::CommandId id = change({{tag, 1}}, tag);
    EXPECT_FALSE(oracle_.promised(*life_, id, grade));
  }
  bool next_may_begin_with(Disk image) { return next_life_may_begin_with(std::move(image)); }
  Verdict next(uint64_t epoch, Disk image, DiskId journal, ForceId force = 0) {
    std::shared_ptr<Life> life;
    return begin("B", epoch, std::move(image), life, journal, force);
  }
};

TEST_F(JournalOracle, WhatWasAcknowledgedSurvivesTheProcessAndWhatWasFlushedAPowerCut) {
  promised(1, Grade::machine);
  promised(2, Grade::process);
  EXPECT_TRUE(next_may_begin_with({0, 1, 2, 0, 0, 0, 0, 0}));
  EXPECT_FALSE(next_may_begin_with({0, 1, 0, 0, 0, 0, 0, 0}));
  oracle_.power_cut(kOther);
  EXPECT_FALSE(next_may_begin_with({0, 1, 0, 0, 0, 0, 0, 0})) << "that was another machine";
  oracle_.power_cut(kOwn);
  EXPECT_TRUE(next_may_begin_with({0, 1, 0, 0, 0, 0, 0, 0}));
  EXPECT_FALSE(next_may_begin_with({0, 0, 0, 0, 0, 0, 0, 0}));
}

TEST_F(JournalOracle, ForceAbandonsWhatIsInTheJournalAlone) {
  promised(1, Grade::store);
  promised(2, Grade::machine);
  promised(3, Grade::process);
  const ForceId force = oracle_.force_begins(kOther);
  EXPECT_FALSE(next(4, {0, 1, 0, 0, 0, 0, 0, 0}, kOther, force));
}

TEST_F(JournalOracle, WithoutForceNothingIsAbandoned) {
  promised(1, Grade::store);
  promised(2, Grade::process);
  EXPECT_TRUE(next(3, {0, 1, 0, 0, 0, 0, 0, 0}, kOther));
}

TEST_F(JournalOracle, ForceAbandonsNothingOfTheStoresAndTearsNothing) {
  promised(1, Grade::store);
  Life::CommandId wide = change({{2, 3}}, 2);
  EXPECT_FALSE(oracle_.promised(*life_, wide, Grade::machine));
  promised(6, Grade::machine);
  auto may_begin_with = [this](Disk image) { return !life_->judge_successor(image, Grade::store); };
  EXPECT_TRUE(may_begin_with({0, 1, 0, 0, 0, 0, 0, 0}));
  EXPECT_TRUE(may_begin_with({0, 1, 2, 2, 2, 0, 0, 0}));
  EXPECT_FALSE(may_begin_with({0, 0, 0, 0, 0, 0, 0, 0})) << "lost in the store";
  EXPECT_FALSE(may_begin_with({0, 1, 2, 2, 0, 0, 0, 0})) << "torn";
  EXPECT_FALSE(may_begin_with({0, 1, 0, 0, 0, 0, 6, 0})) << "not a prefix";
}

TEST_F(JournalOracle, ForceWithTheSameJournalAbandonsNothing) {
  promised(1, Grade::machine);
  const ForceId force = oracle_.force_begins(kOwn);
  EXPECT_TRUE(next(3, {0, 0, 0, 0, 0, 0, 0, 0}, kOwn, force));
}

TEST_F(JournalOracle, ForceThatCameToItsEndBeforeIsNoExcuse) {
  const ForceId force = oracle_.force_begins(kOther);
  oracle_.force_ends(force);
  std::shared_ptr<Life> late;
  EXPECT_FALSE(begin("C", 3, Disk(8, 0), late, kOwn));
  life_ = late;
  promised(1, Grade::machine);
  EXPECT_TRUE(next(4, {0, 0, 0, 0, 0, 0, 0, 0}, kOwn));
}

TEST_F(JournalOracle, AnOldCopyOfTheJournalIsNoBetterThanNone) {
  promised(1, Grade::store);
  promised(2, Grade::machine);
  oracle_.went_back(kOwn);
  EXPECT_TRUE(next_may_begin_with({0, 1, 0, 0, 0, 0, 0, 0}));
  EXPECT_FALSE(next_may_begin_with({0, 0, 0, 0, 0, 0, 0, 0}));
}

TEST_F(JournalOracle, AForcedImageMayGoOnFromBeforeAReplay) {
  promised(1, Grade::store);
  promised(2, Grade::machine);
  EXPECT_FALSE(next(3, {0, 1, 2, 0, 0, 0, 0, 0}, kOwn));
  const ForceId force = oracle_.force_begins(kOther);
  EXPECT_FALSE(next(4, {0, 1, 0, 0, 0, 0, 0, 0}, kOther, force));
}

TEST_F(JournalOracle, WhatARestartHasShownToBeInTheStoreStays) {
  promised(1, Grade::store);
  promised(2, Grade::machine);
  std::shared_ptr<Life> second;
  EXPECT_FALSE(begin("A", 3, {0, 1, 2, 0, 0, 0, 0, 0}, second, kOwn));
  EXPECT_FALSE(oracle_.stored(*second));
  const ForceId force = oracle_.force_begins(kOther);
  EXPECT_TRUE(next(4, {0, 1, 0, 0, 0, 0, 0, 0}, kOther, force));
}

TEST_F(JournalOracle, WhatAnImageShowsToBeLostNeverComesBack) {
  promised(1, Grade::machine);
  change({{2, 1}}, 2);
  change({{3, 1}}, 3);
  oracle_.power_cut(kOwn);
  EXPECT_FALSE(next(3, {0, 1, 2, 0, 0, 0, 0, 0}, kOwn));
  const ForceId force = oracle_.force_begins(kOther);
  EXPECT_TRUE(next(4, {0, 1, 2, 3, 0, 0, 0, 0}, kOther, force));
}

TEST_F(JournalOracle, WhatIsWrittenAfterTheNextLifeBeganNeverShows) {
  promised(1, Grade::machine);
  ForceId force = oracle_.force_begins(kOther);
  EXPECT_FALSE(next(3, {0, 1, 0, 0, 0, 0, 0, 0}, kOther, force));
  change({{2, 1}}, 2);
  force = oracle_.force_begins(kOwn);
  EXPECT_TRUE(next(4, {0, 1, 2, 0, 0, 0, 0, 0}, kOwn, force));
}

}  // namespace
}  // namespace swiftness::sim
