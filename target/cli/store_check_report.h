// What `swiftness store check` prints.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "backend/swift/store_check.h"
#include "backend/swift/store_facts.h"
#include "backend/swift/store_judgement.h"

namespace swiftness::cli {

nlohmann::json json_of(const StoreFacts& facts, const StoreVerdict& verdict, bool quick);
std::string text_of(const StoreFacts& facts, const StoreVerdict& verdict);  // for people
int exit_code_of(const StoreFacts& facts, const StoreVerdict& verdict) noexcept;
std::string progress_line(const StoreCheckProgress& progress);

}  // namespace swiftness::cli
