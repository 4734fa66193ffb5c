// Warnings that a stranger can bring about as often as he likes: a few a second, then how many like
// them were left out. Each is counted all the same (ServerCounts).
#pragma once

#include <fmt/core.h>

#include <utility>

#include "backend/base/clock.h"
#include "backend/base/log.h"

namespace swiftness::iscsi {

class LimitedLog {
 public:
  static constexpr uint32_t kASecond = 10;

  template <class... Args>
  void warning(fmt::format_string<Args...> format, Args&&... args) {
    warning(std::chrono::steady_clock::now(), fmt::format(format, std::forward<Args>(args)...));
  }
  // True: it was written.
  bool warning(TimePoint now, const std::string& line) {
    if (now >= second_ + std::chrono::seconds(1)) {
      second_ = now;
      written_ = 0;
    }
    if (written_ == kASecond) {
      ++left_out_;
      return false;
    }
    ++written_;
    const uint64_t left_out = std::exchange(left_out_, 0);
    log::warning("{}{}", line,
                 left_out == 0 ? "" : fmt::format(" ({} like it left out before)", left_out));
    return true;
  }

 private:
  TimePoint second_{};    // begins here
  uint32_t written_ = 0;  // in it
  uint64_t left_out_ = 0;
};

}  // namespace swiftness::iscsi
