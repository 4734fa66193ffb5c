// What takes long tells how far it is: one line on the terminal, written anew a few times a second
// and at each stage; nothing when it is no terminal.
#pragma once

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <optional>
#include <string>

#include "backend/base/clock.h"

namespace swiftness::cli {

template <class Progress>  // which has a stage
class ProgressLine {
 public:
  explicit ProgressLine(std::string (*text)(const Progress&)) : text_(text) {}

  void show(const Progress& progress) {
    if (!is_terminal_ || (stage_ == progress.stage && now() < next_)) return;
    stage_ = progress.stage;
    next_ = now() + std::chrono::milliseconds(200);
    fmt::print(stderr, "\r\033[K{}", text_(progress));
    std::fflush(stderr);
  }
  void clear() {
    if (stage_) fmt::print(stderr, "\r\033[K");
    stage_.reset();
  }

 private:
  std::string (*text_)(const Progress&);
  const bool is_terminal_ = isatty(STDERR_FILENO) == 1;
  std::optional<decltype(Progress::stage)> stage_;  // on the line; nothing: it is empty
  TimePoint next_{};
};

}  // namespace swiftness::cli
