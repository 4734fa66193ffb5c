// A check's report and progress as people and programs read them. The JSON form is documented in
// docs/OPERATIONS.md: keys are added, never changed.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "backend/volume/check.h"

namespace swiftness::cli {

nlohmann::json json_of(const CheckReport& report, const std::string& volume);
std::string text_of(const CheckReport& report, const std::string& volume);

// kDone: sound, and what was to be repaired is. kFailed: damaged, in doubt, or not repaired.
int exit_code_of(const CheckReport& report) noexcept;

// "chunks   [#########           ]  45 %  4500 of 10000"; `width`: of the bar between brackets.
std::string progress_line(const CheckProgress& progress, size_t width);

}  // namespace swiftness::cli
