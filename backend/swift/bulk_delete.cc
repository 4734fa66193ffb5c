#include "backend/swift/bulk_delete.h"

#include <fmt/format.h>

#include <charconv>
#include <nlohmann/json.hpp>

#include "backend/swift/swift_protocol.h"

namespace swiftness {
namespace {

using nlohmann::json;

std::optional<unsigned char> hex_byte(std::string_view digits) {
  unsigned char byte = 0;
  auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), byte, 16);
  if (failed != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return byte;
}

std::string unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    std::optional<unsigned char> byte;
    if (text[i] == '%' && i + 2 < text.size()) byte = hex_byte(text.substr(i + 1, 2));
    out.push_back(byte ? static_cast<char>(*byte) : text[i]);
    if (byte) i += 2;
  }
  return out;
}

int status_of(std::string_view line) {  // "409 Conflict"
  int status = 0;
  std::from_chars(line.data(), line.data() + line.size(), status);
  return status;
}

}  // namespace

std::string bulk_delete_line(const ObjectName& object) {
  CHECK(!object.container.empty() && !object.name.empty());
  return escape_segment(object.container) + "/" + escape_path(object.name);
}

Result<BulkDeleteAnswer> parse_bulk_delete(std::string_view body) {
  const Error malformed(ErrorCode::unavailable, "the report of the bulk delete is not one");
  auto report = json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (!report.is_object()) return malformed;
  auto number = [&report](const char* key) {
    auto found = report.find(key);
    const bool there = found != report.end() && found->is_number_unsigned();
    return there ? std::optional<uint64_t>(found->get<uint64_t>()) : std::nullopt;
  };
  auto text = [&report](const char* key) {
    auto found = report.find(key);
    return found != report.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  auto deleted = number("Number Deleted");
  auto not_found = number("Number Not Found");
  auto errors = report.find("Errors");
  BulkDeleteAnswer answer;
  answer.words = text("Response Status");
  answer.status = status_of(answer.words);
  if (!deleted || !not_found || answer.status == 0 || errors == report.end() ||
      !errors->is_array()) {
    return malformed;
  }
  if (std::string more = text("Response Body"); !more.empty()) answer.words += ": " + more;
  answer.deleted = *deleted;
  answer.not_found = *not_found;
  for (const json& error : *errors) {
    if (!error.is_array() || error.size() != 2 || !error[0].is_string() || !error[1].is_string()) {
      return malformed;
    }
    std::string name = unescape(error[0].get<std::string>());
    name.erase(0, name.find_first_not_of('/'));
    auto words = error[1].get<std::string>();
    answer.failed.push_back({std::move(name), status_of(words), words});
  }
  return answer;
}

}  // namespace swiftness
