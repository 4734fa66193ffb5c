// What GET /info tells of a cluster: its limits, its middleware, its storage policies; and whether
// a request keeps to them. What Swift does not tell has the value that Swift has by default. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backend/base/result.h"

namespace swiftness {

struct SwiftPolicy {
  std::string name;
  std::vector<std::string> aliases;
  bool is_default = false;
};
struct BulkDeleteLimits {
  uint64_t max_deletes_per_request = 10000;
  uint64_t max_failed_deletes = 1000;
};
struct LargeObjectLimits {  // static large objects
  uint64_t max_manifest_segments = 1000;
  uint64_t max_manifest_size = 8 << 20;  // bytes
  uint64_t min_segment_size = 1;         // bytes
};

struct SwiftInfo {
  std::string version;                     // empty: not told
  uint64_t max_file_size = 5368709122;     // bytes of an object
  uint64_t max_object_name_length = 1024;  // lengths of names and metadata in bytes
  uint64_t max_container_name_length = 256;
  uint64_t max_meta_count = 90;
  uint64_t max_meta_name_length = 128;
  uint64_t max_meta_value_length = 256;
  uint64_t max_meta_overall_size = 4096;
  uint64_t max_header_size = 8192;
  uint64_t container_listing_limit = 10000;  // entries
  uint64_t account_listing_limit = 10000;
  std::vector<SwiftPolicy> policies;            // those new containers may have; empty: not told
  std::optional<BulkDeleteLimits> bulk_delete;  // nothing: not offered
  std::optional<LargeObjectLimits> slo;
  std::vector<std::string> middleware;  // what else the proxy says it has, by name
  std::string document;                 // as Swift sent it; empty: these are the defaults
};

Result<SwiftInfo> parse_info(std::string_view json);

using Metadata = std::vector<std::pair<std::string, std::string>>;  // without X-Object-Meta-

// Fails (invalid) in words that name the limit.
Result<void> check_container_name(const SwiftInfo& info, std::string_view name);
Result<void> check_object_name(const SwiftInfo& info, std::string_view name);
Result<void> check_object_size(const SwiftInfo& info, uint64_t bytes);
Result<void> check_metadata(const SwiftInfo& info, const Metadata& metadata);
Result<void> check_policy(const SwiftInfo& info, std::string_view policy);

}  // namespace swiftness
