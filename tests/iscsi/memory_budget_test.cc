#include "target/iscsi/memory_budget.h"

#include <gtest/gtest.h>

#include <optional>

namespace swiftness::iscsi {
namespace {

using Charge = MemoryBudget::Charge;

class Budgets : public ::testing::Test {
 protected:
  static constexpr uint64_t kTotal = 200,
                            kSessions = 10;  // 10 bytes put aside for each, 100 shared

  std::shared_ptr<MemoryBudget> session(uint64_t limit = 1000) {
    auto budget = std::make_shared<MemoryBudget>(limit, 20, total_);
    budget->on_room([this, name = ++last_] { woken_.push_back(name); });
    return budget;
  }
  static bool take(const std::shared_ptr<MemoryBudget>& budget, uint64_t bytes, Charge& charge) {
    if (!budget->may_take(bytes)) return false;
    charge.add_asked(budget, bytes);
    return true;
  }

  std::shared_ptr<TotalMemory> total_ = std::make_shared<TotalMemory>(100, kTotal, kSessions);
  std::vector<int> woken_;
  int last_ = 0;
};

TEST_F(Budgets, ASessionHasItsLimitAndOneAloneHasItHoweverMuchItWants) {
  auto own = session(50);
  std::optional<Charge> first(std::in_place);
  Charge second;
  EXPECT_TRUE(take(own, 60, *first));
  EXPECT_FALSE(take(own, 1, second));
  first.reset();
  EXPECT_EQ(woken_, std::vector<int>{1});
  EXPECT_TRUE(take(own, 50, second));
  EXPECT_EQ(total_->asked(), 50u);
}

TEST_F(Budgets, DataThatCameUnaskedHoldsNobodyUp) {
  auto own = session(50);
  Charge unasked, asked;
  unasked.add_unasked(own, 90);
  EXPECT_TRUE(take(own, 50, asked));
}

TEST_F(Budgets, SessionsThatWaitForTheTotalTakeTurns) {
  auto greedy = session(), second = session(), third = session();
  std::optional<Charge> held(std::in_place), more(std::in_place), others(std::in_place);
  Charge last;
  ASSERT_TRUE(take(greedy, 100, *held));
  EXPECT_FALSE(take(greedy, 100, *more));
  EXPECT_FALSE(take(second, 100, *others));
  EXPECT_FALSE(take(third, 100, last));
  woken_.clear();
  held.reset();
  EXPECT_EQ(woken_.back(), 1) << "it was first in the line";
  EXPECT_FALSE(take(second, 100, *others)) << "it is not";
  ASSERT_TRUE(take(greedy, 100, *more));
  EXPECT_EQ(woken_.back(), 2);
  more.reset();
  EXPECT_FALSE(take(greedy, 100, last)) << "it had its turn";
  ASSERT_TRUE(take(second, 100, *others));
  EXPECT_EQ(woken_.back(), 3);
  others.reset();
  EXPECT_TRUE(take(third, 100, last));
}

TEST_F(Budgets, WhoLeavesTheLineHoldsNobodyUp) {
  auto greedy = session(), second = session(), third = session(), fourth = session(40);
  std::optional<Charge> held(std::in_place);
  Charge one, two;
  ASSERT_TRUE(take(greedy, 100, *held));
  EXPECT_FALSE(take(second, 50, one));
  EXPECT_FALSE(take(third, 50, one));
  EXPECT_FALSE(take(fourth, 30, one));
  held.reset();
  woken_.clear();
  second->leave_line();
  EXPECT_EQ(woken_, std::vector<int>{3});
  third.reset();
  EXPECT_EQ(woken_, (std::vector<int>{3, 4}));
  EXPECT_TRUE(take(fourth, 30, one));
  EXPECT_FALSE(take(fourth, 30, two)) << "its own limit";
  EXPECT_TRUE(take(greedy, 50, two)) << "so it is no longer first";
}

TEST_F(Budgets, SmallCommandsGoOnHoweverMuchOthersHold) {
  auto greedy = session(), modest = session();
  Charge held, small, more;
  ASSERT_TRUE(take(greedy, 100, held));
  EXPECT_FALSE(take(greedy, 1, more));
  EXPECT_TRUE(take(modest, 10, small));
  EXPECT_FALSE(take(modest, 1, small));
}

TEST_F(Budgets, TheTotalIsNeverExceeded) {
  std::vector<std::shared_ptr<MemoryBudget>> sessions;
  std::deque<Charge> charges;
  for (uint64_t i = 0; i < kSessions; ++i) sessions.push_back(session());
  for (uint64_t size : {70u, 40u, 10u, 7u, 3u, 1u, 10u}) {
    for (const auto& budget : sessions) take(budget, size, charges.emplace_back());
  }
  EXPECT_LE(total_->asked(), kTotal);
  EXPECT_GE(total_->asked(), kTotal / 2);
}

TEST_F(Budgets, WhatComesUnaskedIsRefusedBeyondTheTotalButForAShare) {
  auto greedy = session(), modest = session();
  Charge held, own;
  held.add_unasked(greedy, 90);
  EXPECT_TRUE(greedy->has_room_unasked(10));
  EXPECT_FALSE(greedy->has_room_unasked(11));
  EXPECT_TRUE(greedy->has_room_unasked(0));
  EXPECT_TRUE(modest->has_room_unasked(20));
  own.add_unasked(modest, 20);
  EXPECT_FALSE(modest->has_room_unasked(1));
}

TEST_F(Budgets, ASessionThatGivesUpAndSendsAgainIsRefusedFarBeyondItsLimit) {
  auto own = std::make_shared<MemoryBudget>(30, 100, total_);
  Charge held;
  held.add_unasked(own, 60);
  EXPECT_FALSE(own->has_room_unasked(1));
}

}  // namespace
}  // namespace swiftness::iscsi
