#include "backend/base/uuid.h"

#include "backend/base/hash.h"
#include "backend/base/random.h"

namespace swiftness {
namespace {

constexpr bool is_hyphen_at(size_t i) {
  return i == 8 || i == 13 || i == 18 || i == 23;
}

int digit_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

Uuid Uuid::random() {
  Uuid uuid;
  fill_random(uuid.bytes);
  uuid.bytes[6] = (uuid.bytes[6] & std::byte{0x0f}) | std::byte{0x40};
  uuid.bytes[8] = (uuid.bytes[8] & std::byte{0x3f}) | std::byte{0x80};
  return uuid;
}

std::optional<Uuid> Uuid::parse(std::string_view text) {
  if (text.size() != 36) return std::nullopt;
  Uuid uuid;
  size_t digits = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (is_hyphen_at(i)) {
      if (text[i] != '-') return std::nullopt;
      continue;
    }
    int value = digit_value(text[i]);
    if (value < 0) return std::nullopt;
    std::byte& byte = uuid.bytes[digits / 2];
    byte = (byte << 4) | static_cast<std::byte>(value);
    ++digits;
  }
  return uuid;
}

std::string to_string(const Uuid& uuid) {
  std::string hex = to_hex(uuid.bytes);
  return hex.substr(0, 8) + "-" + hex.substr(8, 4) + "-" + hex.substr(12, 4) + "-" +
         hex.substr(16, 4) + "-" + hex.substr(20);
}

}  // namespace swiftness
