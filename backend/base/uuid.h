// Uuid: 128 bits, printed as RFC 9562 prints them. Volumes and claims are named by one.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace swiftness {

struct Uuid {
  std::array<std::byte, 16> bytes{};

  static Uuid random();                                     // version 4
  static std::optional<Uuid> parse(std::string_view text);  // 8-4-4-4-12 hexadecimal digits
  bool is_nil() const noexcept { return *this == Uuid{}; }

  friend auto operator<=>(const Uuid&, const Uuid&) = default;
};

std::string to_string(const Uuid& uuid);  // lower case, with hyphens

}  // namespace swiftness
