// The judgement over a journal (I11), case by case.
#include "backend/volume/journal_facts.h"

#include <gtest/gtest.h>

namespace swiftness {
namespace {

using Action = JournalVerdict::Action;
using State = JournalFacts::State;

const Uuid kClaim = *Uuid::parse("01234567-89ab-cdef-0123-456789abcdef");
const Uuid kOther = *Uuid::parse("fedcba98-7654-3210-fedc-ba9876543210");

// Written in epoch 5, holds 40 to 50; the store's log ends at 42 and had reached 39 for certain.
JournalFacts facts() {
  JournalFacts out;
  out.state = State::usable;
  out.stamp = Era{Epoch(5), kClaim};
  out.before = Era{Epoch(3), kClaim};
  out.oldest = LogPosition(40);
  out.newest = LogPosition(50);
  out.frontier = LogPosition(39);
  return out;
}

StoreLog store() {
  return StoreLog{Era{Epoch(5), kClaim}, "gw2.example", LogPosition(42)};
}

void expect_verdict(const JournalFacts& facts, const StoreLog& log, Action action,
                    std::string_view why) {
  const JournalVerdict verdict = judge(facts, log);
  EXPECT_EQ(verdict.action, action) << verdict.why;
  EXPECT_NE(verdict.why.find(why), std::string::npos) << verdict.why;
  if (action == Action::use) {
    EXPECT_EQ(verdict.why, "");
  }
}

TEST(JournalVerdict, UsesTheJournalOfTheLastStartedEpoch) {
  expect_verdict(facts(), store(), Action::use, "");
}

TEST(JournalVerdict, UsesAFreshOne) {
  expect_verdict(JournalFacts{}, store(), Action::use, "");
}

TEST(JournalVerdict, UsesOneWhoseStampWasNeverStarted) {
  JournalFacts unstarted = facts();
  unstarted.stamp.epoch = Epoch(7);
  unstarted.before = Era{Epoch(5), kClaim};
  expect_verdict(unstarted, store(), Action::use, "");
}

TEST(JournalVerdict, UsesOneStampedForTheFirstEpochThatFailedToStart) {
  JournalFacts first;
  first.state = State::usable;
  first.stamp = Era{Epoch(1), kClaim};
  expect_verdict(first, StoreLog{}, Action::use, "");
}

TEST(JournalVerdict, UsesOneWithNothingToReplay) {
  StoreLog longer = store();
  longer.end = LogPosition(60);
  expect_verdict(facts(), longer, Action::use, "");
  JournalFacts empty = facts();
  empty.oldest = LogPosition(51);
  empty.frontier = LogPosition(42);
  expect_verdict(empty, store(), Action::use, "");
}

TEST(JournalVerdict, JoinsOnExactly) {
  JournalFacts next = facts();
  next.oldest = LogPosition(43);
  expect_verdict(next, store(), Action::use, "");
  next.oldest = LogPosition(44);
  expect_verdict(
      next, store(), Action::set_aside,
      "does not join on to the store's log: it has positions 44 to 50, the log ends at 42");
}

TEST(JournalVerdict, SetsAsideWhatIsNotItsOwn) {
  JournalFacts foreign;
  foreign.state = State::foreign;
  foreign.volume = kOther;
  expect_verdict(foreign, store(), Action::set_aside,
                 "of another volume, fedcba98-7654-3210-fedc-ba9876543210");
  JournalFacts unreadable;
  unreadable.state = State::unreadable;
  unreadable.damage = "a journal of format version 9";
  expect_verdict(unreadable, store(), Action::set_aside, "a journal of format version 9");
}

TEST(JournalVerdict, SetsAsideAnOlderOne) {
  JournalFacts older = facts();
  older.stamp.epoch = Epoch(3);
  older.before.epoch = Epoch(2);
  expect_verdict(
      older, store(), Action::set_aside,
      "older than the store's log: it was written in epoch 3, the volume was last started "
      "in epoch 5 by gw2.example");
}

TEST(JournalVerdict, SetsAsideAnOlderOneWithANewerStamp) {
  JournalFacts older = facts();
  older.stamp.epoch = Epoch(6);
  older.before.epoch = Epoch(4);
  expect_verdict(older, store(), Action::set_aside,
                 "older than the store's log: its records are of epoch 4, the volume was last "
                 "started in epoch 5 by gw2.example");
}

TEST(JournalVerdict, SetsAsideANewerOne) {
  JournalFacts newer = facts();
  newer.stamp.epoch = Epoch(9);
  newer.before.epoch = Epoch(8);
  expect_verdict(newer, store(), Action::set_aside,
                 "newer than the store's log: it was written in epoch 9, but the volume was last "
                 "started in epoch 5");
}

TEST(JournalVerdict, SetsAsideOneOfAnotherClaimOfTheSameEpoch) {
  JournalFacts twin = facts();
  twin.stamp.claim = kOther;
  expect_verdict(twin, store(), Action::set_aside, "another gateway's epoch 5");
}

TEST(JournalVerdict, RefusesWhenTheStoreHasLostWhatTheJournalSaw) {
  JournalFacts seen = facts();
  seen.frontier = LogPosition(42);
  expect_verdict(seen, store(), Action::use, "");
  seen.frontier = LogPosition(43);
  expect_verdict(seen, store(), Action::refuse,
                 "data are missing in the store: its log ends at position 42, but position 43");
}

TEST(JournalVerdict, RefusesADamagedOneOnlyIfItIsTheRightOne) {
  JournalFacts damaged = facts();
  damaged.damage = "record 45 cannot be read";
  expect_verdict(damaged, store(), Action::refuse, "record 45 cannot be read");
  damaged.stamp.epoch = Epoch(4);
  expect_verdict(damaged, store(), Action::set_aside, "older");
}

}  // namespace
}  // namespace swiftness
