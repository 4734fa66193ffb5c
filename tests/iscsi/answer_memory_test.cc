#include "target/iscsi/answer_memory.h"

#include <gtest/gtest.h>

#include <optional>

namespace swiftness::iscsi {
namespace {

constexpr uint64_t kShare = AnswerMemory::kShare;

TEST(AnswerMemory, AnAccountHasItsLimit) {
  AnswerMemory memory(4 * kShare, 100 * kShare);
  AnswerMemory::Account own(memory);
  own.add(3 * kShare);
  EXPECT_TRUE(own.has_room_for(kShare));
  EXPECT_FALSE(own.has_room_for(kShare + 1));
  own.remove(kShare);
  EXPECT_TRUE(own.has_room_for(kShare + 1));
}

// Otherwise nobody could ever make room for it.
TEST(AnswerMemory, OneAloneFitsHoweverLargeItIs) {
  AnswerMemory memory(kShare, 100 * kShare);
  AnswerMemory::Account own(memory);
  EXPECT_TRUE(own.has_room_for(2 * kShare));
  own.add(1);
  EXPECT_FALSE(own.has_room_for(2 * kShare));
}

TEST(AnswerMemory, WhenTheTotalIsUsedUpEachStillHasItsShare) {
  AnswerMemory memory(4 * kShare, 5 * kShare);
  AnswerMemory::Account modest(memory);
  std::optional<AnswerMemory::Account> first(std::in_place, memory);
  AnswerMemory::Account second(memory);
  first->add(4 * kShare);
  second.add(kShare);
  EXPECT_TRUE(modest.has_room_for(kShare));
  EXPECT_FALSE(modest.has_room_for(kShare + 1));
  EXPECT_FALSE(second.has_room_for(1));
  first.reset();
  EXPECT_EQ(memory.in_use(), kShare) << "what goes gives back what it had";
  EXPECT_TRUE(second.has_room_for(1));
}

}  // namespace
}  // namespace swiftness::iscsi
