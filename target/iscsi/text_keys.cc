#include "target/iscsi/text_keys.h"

#include <algorithm>
#include <charconv>

#include <fmt/core.h>

namespace swiftness::iscsi {
namespace {

bool is_key_character(char c) noexcept {  // 6.1: standard-label characters
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '-' || c == '+' || c == '@' || c == '_' || c == '/' || c == '#' || c == ':';
}

Error malformed(std::string message) {
  return Error(ErrorCode::invalid, std::move(message));
}

}  // namespace

Result<TextKeys> TextKeys::parse(std::string_view text) {
  if (text.size() > kMaximumText) return malformed("text is longer than 8 KiB");
  TextKeys parsed;
  while (!text.empty()) {
    size_t end = text.find('\0');
    std::string_view pair = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (pair.empty()) continue;

    size_t equals = pair.find('=');
    if (equals == std::string_view::npos)
      return malformed("text without '=' between key and value");
    std::string_view name = pair.substr(0, equals);
    if (name.empty() || name.size() > kMaximumKeyName ||
        !std::ranges::all_of(name, is_key_character)) {
      return malformed("a key is not a valid name");
    }
    if (parsed.find(name) != nullptr) return malformed(fmt::format("key {} appears twice", name));
    if (parsed.keys_.size() == kMaximumKeys) return malformed("more than 64 keys");
    parsed.keys_.push_back({std::string(name), std::string(pair.substr(equals + 1))});
  }
  return parsed;
}

const std::string* TextKeys::find(std::string_view name) const noexcept {
  auto found = std::ranges::find(keys_, name, &TextKey::name);
  return found == keys_.end() ? nullptr : &found->value;
}

void append_key(std::string& text, std::string_view name, std::string_view value) {
  text.append(name).append(1, '=').append(value).append(1, '\0');
}

std::optional<uint32_t> parse_number(std::string_view value) noexcept {
  int base = 10;
  if (value.starts_with("0x") || value.starts_with("0X")) {
    value.remove_prefix(2);
    base = 16;
  }
  uint32_t number = 0;
  auto [end, failure] = std::from_chars(value.data(), value.data() + value.size(), number, base);
  if (failure != std::errc() || end != value.data() + value.size()) return std::nullopt;
  return number;
}

std::optional<bool> parse_boolean(std::string_view value) noexcept {
  if (value == "Yes") return true;
  if (value == "No") return false;
  return std::nullopt;
}

std::vector<std::string_view> split_list(std::string_view value) {
  std::vector<std::string_view> items;
  while (true) {
    size_t comma = value.find(',');
    items.push_back(value.substr(0, comma));
    if (comma == std::string_view::npos) return items;
    value.remove_prefix(comma + 1);
  }
}

bool TextAssembly::add(std::string_view piece) {
  if (piece.size() > kMaximumText - text_.size()) return false;
  text_.append(piece);
  return true;
}

std::string TextPieces::next(size_t at_most) {
  std::string piece = text_.substr(sent_, at_most);
  sent_ += piece.size();
  return piece;
}

}  // namespace swiftness::iscsi
