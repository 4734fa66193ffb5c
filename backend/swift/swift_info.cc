#include "backend/swift/swift_info.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace swiftness {
namespace {

using nlohmann::json;

// A key that is absent, or of another kind, leaves the default.
void read(const json& section, const char* key, uint64_t& value) {
  auto found = section.find(key);
  if (found != section.end() && found->is_number_unsigned()) value = found->get<uint64_t>();
}
void read(const json& section, const char* key, std::string& value) {
  auto found = section.find(key);
  if (found != section.end() && found->is_string()) value = found->get<std::string>();
}

// "silver, quick": the names of a policy, its own among them.
std::vector<std::string> split_names(const std::string& text) {
  std::vector<std::string> names;
  size_t at = 0;
  while (at < text.size()) {
    const size_t comma = std::min(text.find(',', at), text.size());
    size_t first = text.find_first_not_of(' ', at);
    if (first < comma) {
      std::string name = text.substr(first, comma - first);
      name.erase(name.find_last_not_of(' ') + 1);
      names.push_back(std::move(name));
    }
    at = comma + 1;
  }
  return names;
}

void read_policies(const json& core, SwiftInfo& info) {
  auto policies = core.find("policies");
  if (policies == core.end() || !policies->is_array()) return;
  for (const json& item : *policies) {
    if (!item.is_object()) continue;
    SwiftPolicy policy;
    read(item, "name", policy.name);
    std::string names;
    read(item, "aliases", names);
    policy.aliases = split_names(names);
    std::erase(policy.aliases, policy.name);
    auto is_default = item.find("default");
    policy.is_default = is_default != item.end() && *is_default == json(true);
    info.policies.push_back(std::move(policy));
  }
}

void read_core(const json& core, SwiftInfo& info) {
  read(core, "version", info.version);
  read(core, "max_file_size", info.max_file_size);
  read(core, "max_object_name_length", info.max_object_name_length);
  read(core, "max_container_name_length", info.max_container_name_length);
  read(core, "max_meta_count", info.max_meta_count);
  read(core, "max_meta_name_length", info.max_meta_name_length);
  read(core, "max_meta_value_length", info.max_meta_value_length);
  read(core, "max_meta_overall_size", info.max_meta_overall_size);
  read(core, "max_header_size", info.max_header_size);
  read(core, "container_listing_limit", info.container_listing_limit);
  read(core, "account_listing_limit", info.account_listing_limit);
  read_policies(core, info);
}

Error refused(std::string words) {
  return Error(ErrorCode::invalid, std::move(words));
}

// RFC 9110 5.6.2: what a header's name is made of.
bool is_token(std::string_view text) {
  auto fits = [](char c) {
    const bool alphanumeric =
        (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return alphanumeric || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  };
  return !text.empty() && std::ranges::all_of(text, fits);
}

bool is_control(char c) {
  return static_cast<unsigned char>(c) < ' ' || c == '\x7f';
}

bool same_word(std::string_view a, std::string_view b) {
  auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 'a' - 'A') : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

}  // namespace

Result<SwiftInfo> parse_info(std::string_view text) {
  auto document = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!document.is_object()) {
    return Error(ErrorCode::unavailable, "what it says of itself is not what Swift sends");
  }
  SwiftInfo info;
  info.document = text;
  for (const auto& [name, section] : document.items()) {
    if (!section.is_object()) continue;
    if (name == "swift") {
      read_core(section, info);
      continue;
    }
    info.middleware.push_back(name);
    if (name == "bulk_delete") {
      BulkDeleteLimits& bulk = info.bulk_delete.emplace();
      read(section, "max_deletes_per_request", bulk.max_deletes_per_request);
      read(section, "max_failed_deletes", bulk.max_failed_deletes);
    } else if (name == "slo") {
      LargeObjectLimits& slo = info.slo.emplace();
      read(section, "max_manifest_segments", slo.max_manifest_segments);
      read(section, "max_manifest_size", slo.max_manifest_size);
      read(section, "min_segment_size", slo.min_segment_size);
    }
  }
  return info;
}

Result<void> check_container_name(const SwiftInfo& info, std::string_view name) {
  if (name.empty()) return refused("a container's name is not empty");
  if (name.find('/') != std::string_view::npos) {
    return refused(fmt::format("\"{}\" is no container: there is a slash in it", name));
  }
  if (name.size() > info.max_container_name_length) {
    return refused(
        fmt::format("the container's name has {} bytes, Swift takes {} "
                    "(max_container_name_length)",
                    name.size(), info.max_container_name_length));
  }
  return {};
}

Result<void> check_object_name(const SwiftInfo& info, std::string_view name) {
  if (name.empty()) return refused("an object's name is not empty");
  if (name.size() > info.max_object_name_length) {
    return refused(
        fmt::format("the object's name has {} bytes, Swift takes {} "
                    "(max_object_name_length)",
                    name.size(), info.max_object_name_length));
  }
  return {};
}

Result<void> check_object_size(const SwiftInfo& info, uint64_t bytes) {
  if (bytes <= info.max_file_size) return {};
  return refused(fmt::format("the object has {} bytes, Swift takes {} (max_file_size)", bytes,
                             info.max_file_size));
}

Result<void> check_metadata(const SwiftInfo& info, const Metadata& metadata) {
  uint64_t overall = 0;
  for (const auto& [key, value] : metadata) {
    if (!is_token(key)) {
      return refused(fmt::format("\"{}\" cannot be the name of an HTTP header", key));
    }
    if (std::ranges::any_of(value, is_control)) {
      return refused(fmt::format("the value of {} holds a control character", key));
    }
    if (key.size() > info.max_meta_name_length) {
      return refused(fmt::format("{} has {} bytes, Swift takes {} (max_meta_name_length)", key,
                                 key.size(), info.max_meta_name_length));
    }
    const uint64_t most = std::min(info.max_meta_value_length, info.max_header_size);
    if (value.size() > most) {
      return refused(
          fmt::format("the value of {} has {} bytes, Swift takes {} ({})", key, value.size(), most,
                      most == info.max_header_size ? "max_header_size" : "max_meta_value_length"));
    }
    overall += key.size() + value.size();
  }
  if (metadata.size() > info.max_meta_count) {
    return refused(fmt::format("{} metadata, Swift takes {} (max_meta_count)", metadata.size(),
                               info.max_meta_count));
  }
  if (overall > info.max_meta_overall_size) {
    return refused(
        fmt::format("the metadata have {} bytes, Swift takes {} "
                    "(max_meta_overall_size)",
                    overall, info.max_meta_overall_size));
  }
  return {};
}

Result<void> check_policy(const SwiftInfo& info, std::string_view policy) {
  if (info.policies.empty() || policy.empty()) return {};
  std::string known;
  for (const SwiftPolicy& one : info.policies) {
    if (same_word(one.name, policy)) return {};
    for (const std::string& alias : one.aliases) {
      if (same_word(alias, policy)) return {};
    }
    known += (known.empty() ? "" : ", ") + one.name;
  }
  return refused(fmt::format("there is no storage policy \"{}\"; there are: {}", policy, known));
}

}  // namespace swiftness
