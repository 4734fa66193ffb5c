#include "target/cli/failure.h"

#include <fmt/format.h>

#include <cstdio>

namespace swiftness::cli {

int fail(int code, const std::string& message) {
  fmt::print(stderr, "swiftness: {}\n", message);
  return code;
}

int fail(const Error& error) {
  return fail(error.code() == ErrorCode::invalid ? kUsage : kFailed, error.message());
}

std::optional<config::Config> load_config(const std::string& file) {
  config::Outcome outcome = config::load(file);
  for (const std::string& line : outcome.errors) fmt::print(stderr, "error: {}\n", line);
  return std::move(outcome.config);
}

std::optional<config::Config> load_stores(const Common& common, std::string_view what) {
  if (!common.config.empty()) return load_config(common.config);
  fail(kUsage, fmt::format("{} needs --config FILE, which says where the stores are", what));
  return std::nullopt;
}

}  // namespace swiftness::cli
