// What all commands do alike when they cannot go on.
#pragma once

#include <optional>
#include <string>

#include "backend/base/result.h"
#include "config/config.h"

namespace swiftness::cli {

// Prints why, and returns the exit code.
int fail(int code, const std::string& message);
int fail(const Error& error);  // kUsage when the request was wrong

// Prints what is wrong with a configuration; nothing comes back then.
std::optional<config::Config> load_config(const std::string& file);

}  // namespace swiftness::cli
