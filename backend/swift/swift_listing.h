// Listings of containers and objects as Swift's API has them: what may be asked for, and what comes
// back. SwiftStore has a narrower form of its own (swift_protocol.h). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backend/base/result.h"

namespace swiftness {

struct ListOptions {
  std::optional<uint64_t> limit;  // entries; nothing: as many as Swift gives at once
  std::string marker;             // names after this one
  std::string end_marker;         // names before this one
  std::string prefix;             // names that begin with it
  std::string delimiter;          // what goes on behind it after the prefix is one `subdir`
};

enum class ListFormat { json, xml, plain };

// An object, a container, or a subdir: the beginning that several names share.
struct ListedEntry {
  std::string name;
  bool is_subdir = false;  // then it has nothing but its name
  uint64_t bytes = 0;
  uint64_t count = 0;  // of objects; containers only
  std::string hash;    // MD5; objects only
  std::string content_type;
  std::string last_modified;  // UTC, as Swift writes it
};

std::string list_query(const ListOptions& options, ListFormat format);
Result<std::vector<ListedEntry>> parse_entries(std::string_view json);

}  // namespace swiftness
