#include "backend/swift/swift_listing.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "backend/swift/swift_protocol.h"

namespace swiftness {
namespace {

using nlohmann::json;

std::string text_of(const json& item, const char* key) {
  auto found = item.find(key);
  return found != item.end() && found->is_string() ? found->get<std::string>() : std::string();
}

uint64_t number_of(const json& item, const char* key) {
  auto found = item.find(key);
  return found != item.end() && found->is_number_unsigned() ? found->get<uint64_t>() : 0;
}

const char* word_of(ListFormat format) {
  switch (format) {
    case ListFormat::json:
      return "json";
    case ListFormat::xml:
      return "xml";
    case ListFormat::plain:
      break;
  }
  return "plain";
}

}  // namespace

std::string list_query(const ListOptions& options, ListFormat format) {
  std::string query = fmt::format("format={}", word_of(format));
  if (options.limit) query += fmt::format("&limit={}", *options.limit);
  auto add = [&query](const char* name, const std::string& value) {
    if (!value.empty()) query += fmt::format("&{}={}", name, escape_segment(value));
  };
  add("marker", options.marker);
  add("end_marker", options.end_marker);
  add("prefix", options.prefix);
  add("delimiter", options.delimiter);
  return query;
}

Result<std::vector<ListedEntry>> parse_entries(std::string_view text) {
  const Error malformed(ErrorCode::unavailable, "the listing is not what Swift sends");
  std::vector<ListedEntry> entries;
  if (text.empty()) return entries;  // 204: nothing there
  auto listing = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!listing.is_array()) return malformed;
  for (const json& item : listing) {
    if (!item.is_object()) return malformed;
    ListedEntry entry;
    entry.name = text_of(item, "subdir");
    entry.is_subdir = !entry.name.empty();
    if (!entry.is_subdir) {
      entry.name = text_of(item, "name");
      entry.bytes = number_of(item, "bytes");
      entry.count = number_of(item, "count");
      entry.hash = text_of(item, "hash");
      entry.content_type = text_of(item, "content_type");
      entry.last_modified = text_of(item, "last_modified");
    }
    if (entry.name.empty()) return malformed;
    entries.push_back(std::move(entry));
  }
  return entries;
}

}  // namespace swiftness
