#include "backend/base/uuid.h"

#include <gtest/gtest.h>

namespace swiftness {
namespace {

TEST(Uuid, ParsesWhatItPrints) {
  Uuid uuid = Uuid::random();
  std::string text = to_string(uuid);
  EXPECT_EQ(text[14], '4');
  EXPECT_EQ(Uuid::parse(text), uuid);
  EXPECT_NE(Uuid::random(), uuid);
}

TEST(Uuid, RefusesWhatIsNotOne) {
  EXPECT_FALSE(Uuid::parse(""));
  EXPECT_FALSE(Uuid::parse("00000000-0000-0000-0000-00000000000"));
  EXPECT_FALSE(Uuid::parse("00000000-0000-0000-0000-00000000000g"));
  EXPECT_FALSE(Uuid::parse("000000000000-0000-0000-0000-00000000"));
}

}  // namespace
}  // namespace swiftness
