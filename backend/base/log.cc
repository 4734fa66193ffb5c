#include "backend/base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace swiftness::log {
namespace {

spdlog::logger& logger() {
  static const auto instance = [] {
    auto made = spdlog::stderr_logger_mt("swiftness");
    made->set_pattern("%Y-%m-%dT%H:%M:%S.%e %l: %v");
    made->flush_on(spdlog::level::debug);
    return made;
  }();
  return *instance;
}

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::debug:
      return spdlog::level::debug;
    case Level::info:
      return spdlog::level::info;
    case Level::warning:
      return spdlog::level::warn;
    case Level::error:
      return spdlog::level::err;
    case Level::nothing:
      return spdlog::level::off;
  }
  return spdlog::level::err;
}

}  // namespace

void set_level(Level least) {
  logger().set_level(to_spdlog(least));
}
bool wants(Level level) noexcept {
  return logger().should_log(to_spdlog(level));
}
void write(Level level, const std::string& line) {
  logger().log(to_spdlog(level), line);
}

}  // namespace swiftness::log
