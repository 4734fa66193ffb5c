#include "target/cli/paths.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace swiftness::cli {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

admin::VolumeReport served(uint32_t lun, std::vector<admin::PathReport> paths) {
  admin::VolumeReport volume;
  volume.target = "iqn:t";
  volume.lun = lun;
  volume.paths = std::move(paths);
  return volume;
}

TEST(UnusualPaths, AreThoseThatAreNotOptimizedAsConfigured) {
  EXPECT_THAT(unusual_paths({}), IsEmpty());
  EXPECT_THAT(unusual_paths({served(0, {{1, "optimized", "optimized"}})}), IsEmpty());
  EXPECT_THAT(
      unusual_paths({served(0, {{1, "optimized", "optimized"}, {2, "standby", "standby"}}),
                     served(1, {{1, "standby", "optimized"}, {2, "optimized", "standby"}}),
                     served(7, {{2, "standby", "standby"}})}),
      ElementsAre("Portal group 1 of iqn:t, LUN 1: standby, set by an initiator (configured: "
                  "optimized)",
                  "Portal group 2 of iqn:t, LUN 1: optimized, set by an initiator (configured: "
                  "standby)",
                  "Portal group 2 of iqn:t, LUN 0,7: standby"));
}

}  // namespace
}  // namespace swiftness::cli
