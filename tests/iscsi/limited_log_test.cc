#include "target/iscsi/limited_log.h"

#include <gtest/gtest.h>

namespace swiftness::iscsi {
namespace {

TEST(LimitedLog, AFewLinesASecond) {
  LimitedLog log;
  const TimePoint start = std::chrono::steady_clock::now();
  for (uint32_t i = 0; i < LimitedLog::kASecond; ++i) EXPECT_TRUE(log.warning(start, "a line"));
  EXPECT_FALSE(log.warning(start, "another"));
  EXPECT_FALSE(log.warning(start + std::chrono::milliseconds(999), "another"));
  testing::internal::CaptureStderr();
  EXPECT_TRUE(log.warning(start + std::chrono::seconds(1), "a later one"));
  EXPECT_TRUE(log.warning(start + std::chrono::seconds(3), "the last"));
  const std::string written = testing::internal::GetCapturedStderr();
  EXPECT_NE(written.find("a later one (2 like it left out before)\n"), std::string::npos)
      << written;
  EXPECT_NE(written.find("the last\n"), std::string::npos) << written;
}

}  // namespace
}  // namespace swiftness::iscsi
