// Trace: the events of a history in their order, as a hash: two runs that agree in it took the same
// course. A run that is looked at prints them as well.
#pragma once

#include <fmt/format.h>

#include <chrono>
#include <concepts>
#include <cstdio>
#include <string_view>

#include "backend/base/clock.h"

namespace swiftness::sim {

class Trace {
 public:
  explicit Trace(bool printing) : printing_(printing) {}

  template <class... Args>
  void note(fmt::format_string<Args...> format, const Args&... args) {
    ++events_;
    mix(static_cast<uint64_t>(now().time_since_epoch().count()));
    (mix(args), ...);
    if (!printing_) return;
    const double at = std::chrono::duration<double>(now().time_since_epoch()).count() - 3600;
    fmt::print("{:11.6f} {}\n", at, fmt::vformat(format, fmt::make_format_args(args...)));
  }

  uint64_t hash() const noexcept { return hash_; }
  uint64_t events() const noexcept { return events_; }
  bool printing() const noexcept { return printing_; }

 private:
  void mix(std::integral auto number) noexcept {
    hash_ = (hash_ ^ static_cast<uint64_t>(number)) * 0x100000001b3;
    hash_ ^= hash_ >> 29;
  }
  void mix(std::string_view text) noexcept {
    for (char c : text) hash_ = (hash_ ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    hash_ ^= hash_ >> 29;
  }

  uint64_t hash_ = 0xcbf29ce484222325;
  uint64_t events_ = 0;
  const bool printing_;
};

}  // namespace swiftness::sim
