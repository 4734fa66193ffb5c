#include "target/iscsi/text_keys.h"

#include <fmt/core.h>
#include <openssl/evp.h>

#include <algorithm>
#include <charconv>

namespace swiftness::iscsi {
namespace {

bool is_key_character(char c) noexcept {  // 6.1: standard-label characters
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '-' || c == '+' || c == '@' || c == '_' || c == '/' || c == '#' || c == ':';
}

Error malformed(std::string message) {
  return Error(ErrorCode::invalid, std::move(message));
}

std::optional<Bytes> parse_hex(std::string_view digits, size_t at_most) {
  if (digits.size() % 2 != 0 || digits.size() / 2 > at_most) return std::nullopt;
  Bytes out;
  out.reserve(digits.size() / 2);
  for (size_t i = 0; i < digits.size(); i += 2) {
    uint8_t byte = 0;
    auto [end, failure] = std::from_chars(digits.data() + i, digits.data() + i + 2, byte, 16);
    if (failure != std::errc() || end != digits.data() + i + 2) return std::nullopt;
    out.push_back(static_cast<std::byte>(byte));
  }
  return out;
}

// RFC 4648: groups of four, of which the last one may end in one or two '='.
std::optional<Bytes> parse_base64(std::string_view text, size_t at_most) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const size_t used = std::min(text.find_last_not_of('=') + 1, text.size());  // npos + 1 is 0
  const size_t padding = text.size() - used;
  if (text.size() % 4 != 0 || padding > 2 || text.size() / 4 * 3 - padding > at_most ||
      text.substr(0, used).find_first_not_of(kDigits) != std::string_view::npos) {
    return std::nullopt;
  }
  Bytes out(text.size() / 4 * 3);
  int decoded = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                reinterpret_cast<const unsigned char*>(text.data()),
                                static_cast<int>(text.size()));
  if (decoded != static_cast<int>(out.size())) return std::nullopt;
  out.resize(out.size() - padding);
  return out;
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

std::optional<Bytes> parse_binary(std::string_view value, size_t at_most) {
  std::string_view prefix = value.substr(0, 2);
  value.remove_prefix(prefix.size());
  if (prefix == "0x" || prefix == "0X") return parse_hex(value, at_most);
  if (prefix == "0b" || prefix == "0B") return parse_base64(value, at_most);
  return std::nullopt;
}

std::string for_log(std::string_view value) {
  std::string out(value.substr(0, 64));
  std::ranges::replace_if(
      out, [](char c) { return (c >= 0 && c < ' ') || c == 0x7f; }, '?');
  return out;
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
