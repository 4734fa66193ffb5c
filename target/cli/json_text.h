// JSON as the command line prints it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace swiftness::cli {

// Names and messages come from stores, too: what is not UTF-8 is replaced, not thrown over.
inline std::string json_text(const nlohmann::json& document) {
  return document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace swiftness::cli
