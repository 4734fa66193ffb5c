// Log lines for administrators. One line per event, in words, with the names they configured.
// Usable from any thread. Secrets and tokens never go in.
#pragma once

#include <fmt/core.h>

#include <string>
#include <utility>

namespace swiftness::log {

enum class Level { debug, info, warning, error, nothing };  // nothing: of set_level() alone

void set_level(Level least);  // default: info
void write(Level level, const std::string& line);
bool wants(Level level) noexcept;

template <class... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
  if (wants(Level::debug)) write(Level::debug, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  if (wants(Level::info)) write(Level::info, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void warning(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::warning, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::error, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace swiftness::log
