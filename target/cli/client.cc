#include "target/cli/client.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "target/admin/http.h"

namespace swiftness::cli {
namespace {

using nlohmann::json;

constexpr Duration kReadTime = std::chrono::seconds(60);
constexpr Duration kChangeTime = std::chrono::seconds(180);  // a store may be slow to promise

}  // namespace

Result<json> Client::get(const std::string& path) const {
  return call("GET", path, "", kReadTime);
}

Result<json> Client::post(const std::string& path, const json& body) const {
  return call("POST", path, body.dump(), kChangeTime);
}

Result<json> Client::call(const std::string& method, const std::string& path,
                          const std::string& body, Duration at_most) const {
  Result<admin::Response> response = admin::call(socket_, method, path, body, at_most);
  if (!response) return explain(response.error());
  json document = json::parse(response->body, nullptr, false);
  if (document.is_discarded()) {
    return Error(ErrorCode::corrupt,
                 fmt::format("{} does not answer like a gateway", socket_.native()));
  }
  if (response->status < 300) return document;
  std::string why = document.value("error", fmt::format("status {}", response->status));
  return Error(response->status == 400 ? ErrorCode::invalid : ErrorCode::unavailable, why);
}

Error Client::explain(const Error& error) const {
  if (error.code() != ErrorCode::unavailable) return error;
  return Error(error.code(),
               fmt::format("no gateway answers: {}\n"
                           "Start one with \"swiftnessd --config FILE\", or say where it is with "
                           "--socket PATH or --config FILE",
                           error.message()));
}

}  // namespace swiftness::cli
