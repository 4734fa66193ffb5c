// The words of `swiftness store` and their help; store_commands.cc does the work.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

#include "target/cli/commands.h"
#include "target/cli/store_commands.h"

namespace swiftness::cli {

// Fills `common` and `request`, and says what is to be done then. All three outlive the parsing.
void add_store_commands(CLI::App& app, Common& common, StoreRequest& request,
                        std::function<int()>& chosen);

}  // namespace swiftness::cli
