// How a command reaches the gateway: its Unix socket, found by --socket, through --config, or where
// it is by default. Failures are messages for the person at the terminal.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "backend/base/async.h"
#include "backend/base/result.h"

namespace swiftness::cli {

class Client {
 public:
  explicit Client(std::filesystem::path socket) : socket_(std::move(socket)) {}

  Result<nlohmann::json> get(const std::string& path) const;
  Result<nlohmann::json> post(const std::string& path, const nlohmann::json& body) const;

 private:
  Result<nlohmann::json> call(const std::string& method, const std::string& path,
                              const std::string& body, Duration at_most) const;
  Error explain(const Error& error) const;

  std::filesystem::path socket_;
};

}  // namespace swiftness::cli
