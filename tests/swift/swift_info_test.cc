// What GET /info says, and the limits that come of it.
#include "backend/swift/swift_info.h"

#include <gtest/gtest.h>

namespace swiftness {
namespace {

constexpr const char* kInfo = R"({
  "swift": {"version": "2.30.0", "max_file_size": 1000, "max_object_name_length": 20,
            "max_container_name_length": 8, "max_meta_count": 2, "max_meta_name_length": 6,
            "max_meta_value_length": 10, "max_meta_overall_size": 16, "max_header_size": 8192,
            "container_listing_limit": 7, "account_listing_limit": 5,
            "policies": [{"name": "gold", "aliases": "gold, shiny", "default": true},
                         {"name": "silver", "aliases": "silver"}]},
  "bulk_delete": {"max_deletes_per_request": 3, "max_failed_deletes": 2},
  "slo": {"max_manifest_segments": 11, "min_segment_size": 4},
  "tempurl": {"methods": ["GET"]}, "odd": 1})";

std::string words(const Result<void>& result) {
  return result.ok() ? "" : result.error().message();
}

bool names(const Result<void>& result, std::string_view limit) {
  return !result.ok() && result.error().code() == ErrorCode::invalid &&
         result.error().message().find(limit) != std::string::npos;
}

TEST(SwiftInfo, IsReadWithItsMiddlewareAndPolicies) {
  Result<SwiftInfo> info = parse_info(kInfo);
  ASSERT_TRUE(info.ok());
  EXPECT_EQ(info->version, "2.30.0");
  EXPECT_EQ(info->max_file_size, 1000u);
  EXPECT_EQ(info->container_listing_limit, 7u);
  EXPECT_EQ(info->account_listing_limit, 5u);
  ASSERT_TRUE(info->bulk_delete);
  EXPECT_EQ(info->bulk_delete->max_deletes_per_request, 3u);
  EXPECT_EQ(info->bulk_delete->max_failed_deletes, 2u);
  ASSERT_TRUE(info->slo);
  EXPECT_EQ(info->slo->max_manifest_segments, 11u);
  EXPECT_EQ(info->slo->max_manifest_size, 8u << 20) << "not told: Swift's default";
  ASSERT_EQ(info->policies.size(), 2u);
  EXPECT_TRUE(info->policies[0].is_default);
  EXPECT_EQ(info->policies[0].aliases, std::vector<std::string>{"shiny"});
  EXPECT_FALSE(info->policies[1].is_default);
  EXPECT_EQ(info->middleware, (std::vector<std::string>{"bulk_delete", "slo", "tempurl"}));
  EXPECT_EQ(info->document, kInfo);
}

TEST(SwiftInfo, WhatIsNotToldHasSwiftsDefault) {
  Result<SwiftInfo> info = parse_info(R"({"swift": {"max_meta_count": "many"}})");
  ASSERT_TRUE(info.ok());
  EXPECT_EQ(info->max_file_size, 5368709122u);
  EXPECT_EQ(info->max_meta_count, 90u);
  EXPECT_EQ(info->max_object_name_length, 1024u);
  EXPECT_FALSE(info->bulk_delete);
  EXPECT_FALSE(info->slo);
  EXPECT_FALSE(parse_info("no json").ok());
  EXPECT_FALSE(parse_info("[1]").ok());
}

TEST(SwiftInfo, NamesTheLimitThatARequestBreaks) {
  const SwiftInfo info = *parse_info(kInfo);
  EXPECT_EQ(words(check_container_name(info, "12345678")), "");
  EXPECT_TRUE(names(check_container_name(info, "123456789"), "max_container_name_length"));
  EXPECT_TRUE(names(check_container_name(info, "a/b"), "slash"));
  EXPECT_TRUE(names(check_container_name(info, ""), "empty"));
  EXPECT_EQ(words(check_object_name(info, std::string(20, 'x'))), "");
  EXPECT_TRUE(names(check_object_name(info, std::string(21, 'x')), "max_object_name_length"));
  EXPECT_TRUE(names(check_object_name(info, ""), "empty"));
  EXPECT_EQ(words(check_object_size(info, 1000)), "");
  EXPECT_TRUE(names(check_object_size(info, 1001), "max_file_size"));
  EXPECT_EQ(words(check_policy(info, "SILVER")), "");
  EXPECT_EQ(words(check_policy(info, "shiny")), "");
  EXPECT_TRUE(names(check_policy(info, "bronze"), "gold, silver"));
  EXPECT_EQ(words(check_policy(SwiftInfo(), "bronze")), "") << "not told: Swift shall say";
}

TEST(SwiftInfo, BoundsMetadata) {
  SwiftInfo info = *parse_info(kInfo);
  EXPECT_EQ(words(check_metadata(info, {{"123456", "1234567890"}})), "");
  EXPECT_TRUE(names(check_metadata(info, {{"1234567", ""}}), "max_meta_name_length"));
  EXPECT_TRUE(names(check_metadata(info, {{"a", "12345678901"}}), "max_meta_value_length"));
  EXPECT_TRUE(names(check_metadata(info, {{"a", ""}, {"b", ""}, {"c", ""}}), "max_meta_count"));
  EXPECT_TRUE(
      names(check_metadata(info, {{"a", "12345678"}, {"b", "12345678"}}), "max_meta_overall_size"));
  EXPECT_FALSE(check_metadata(info, {{"a b", "x"}}).ok());
  EXPECT_FALSE(check_metadata(info, {{"", "x"}}).ok());
  EXPECT_FALSE(check_metadata(info, {{"a", "x\r\nX-Evil: 1"}}).ok());
  info.max_header_size = 5;
  EXPECT_TRUE(names(check_metadata(info, {{"a", "123456"}}), "max_header_size"));
}

}  // namespace
}  // namespace swiftness
