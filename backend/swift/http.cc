#include "backend/swift/http.h"

#include <algorithm>

namespace swiftness {
namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool same_name(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace

void HttpHeaders::add(std::string_view name, std::string_view value) {
  headers_.push_back({std::string(name), std::string(value)});
}

std::string_view HttpHeaders::find(std::string_view name) const noexcept {
  for (auto header = headers_.rbegin(); header != headers_.rend(); ++header) {
    if (same_name(header->name, name)) return header->value;
  }
  return {};
}

}  // namespace swiftness
