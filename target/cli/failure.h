// What all commands do alike when they cannot go on.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "backend/base/result.h"
#include "config/config.h"
#include "target/cli/commands.h"

namespace swiftness::cli {

// Prints why, and returns the exit code.
int fail(int code, const std::string& message);
int fail(const Error& error);  // kUsage when the request was wrong

// Prints what is wrong with a configuration; nothing comes back then.
std::optional<config::Config> load_config(const std::string& file);

// That of --config, without which `what` would not know where the stores are.
std::optional<config::Config> load_stores(const Common& common, std::string_view what);

}  // namespace swiftness::cli
