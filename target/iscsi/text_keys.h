// Text of login and text requests: "key=value" pairs, each ended by a NUL (RFC 7143 6.1). Pure:
// text in, pairs out, and back. Input is hostile: every length is bounded, a repeated key is
// refused.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backend/base/buffer.h"
#include "backend/base/result.h"

namespace swiftness::iscsi {

inline constexpr size_t kMaximumText = 8192;   // bytes of one request, all its PDUs together
inline constexpr size_t kMaximumKeys = 64;     // pairs of one request; before login: of all of them
inline constexpr size_t kMaximumKeyName = 63;  // 6.1

struct TextKey {
  std::string name;
  std::string value;
};

class TextKeys {
 public:
  // A final NUL may be missing and empty pairs are skipped, as initiators in the field do both.
  static Result<TextKeys> parse(std::string_view text);

  // A key that may appear once; nullptr when it does not appear.
  const std::string* find(std::string_view name) const noexcept;
  const std::vector<TextKey>& all() const noexcept { return keys_; }
  bool empty() const noexcept { return keys_.empty(); }

 private:
  std::vector<TextKey> keys_;
};

void append_key(std::string& text, std::string_view name, std::string_view value);

// 6.1: a decimal or 0x-prefixed number. Nothing else, no sign, at most 32 bits.
std::optional<uint32_t> parse_number(std::string_view value) noexcept;
std::optional<bool> parse_boolean(std::string_view value) noexcept;  // Yes, No
std::vector<std::string_view> split_list(std::string_view value);    // at ','
// 6.1: a binary value, "0x" and pairs of hexadecimal digits or "0b" and Base64, of at most so many
// bytes.
std::optional<Bytes> parse_binary(std::string_view value, size_t at_most);

// What an initiator sent, for a line of the log: at most 64 bytes, nothing that breaks the line.
std::string for_log(std::string_view value);

// One side of a text that may span PDUs (the C bit, 6.2).
//
// Received: pieces are added until one comes without C; then text() is whole.
class TextAssembly {
 public:
  [[nodiscard]] bool add(std::string_view piece);  // false: longer than kMaximumText
  const std::string& text() const noexcept { return text_; }
  void clear() noexcept { text_.clear(); }
  bool empty() const noexcept { return text_.empty(); }

 private:
  std::string text_;
};

// Sent: pieces of at most the initiator's MaxRecvDataSegmentLength.
class TextPieces {
 public:
  TextPieces() = default;
  explicit TextPieces(std::string text) : text_(std::move(text)) {}
  std::string next(size_t at_most);
  bool more() const noexcept { return sent_ < text_.size(); }

 private:
  std::string text_;
  size_t sent_ = 0;
};

}  // namespace swiftness::iscsi
