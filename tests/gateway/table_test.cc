#include "target/cli/table.h"

#include <gtest/gtest.h>

namespace swiftness::cli {
namespace {

TEST(Table, ColumnsAreAsWideAsTheyNeedToBe) {
  EXPECT_EQ(table({{"NAME", "SIZE", "STATE"}, {"vm-disk", "1 GiB", "online"}, {"b", "", "x"}}),
            "NAME     SIZE   STATE\n"
            "vm-disk  1 GiB  online\n"
            "b        -      x\n");
}

TEST(HumanSize, HasOneDigitWhereItMatters) {
  EXPECT_EQ(human_size(0), "0 B");
  EXPECT_EQ(human_size(1023), "1023 B");
  EXPECT_EQ(human_size(1024), "1 KiB");
  EXPECT_EQ(human_size(1536), "1.5 KiB");
  EXPECT_EQ(human_size(100ULL << 30), "100 GiB");
  EXPECT_EQ(human_size(64ULL << 40), "64 TiB");
}

TEST(HumanAge, GetsCoarserWithTime) {
  EXPECT_EQ(human_age(-1), "0 s");
  EXPECT_EQ(human_age(59), "59 s");
  EXPECT_EQ(human_age(119), "1 min");
  EXPECT_EQ(human_age(3 * 3600 + 12 * 60), "3 h 12 min");
  EXPECT_EQ(human_age(26 * 3600), "1 d 2 h");
}

}  // namespace
}  // namespace swiftness::cli
