#include "backend/swift/auth_v1.h"

#include <fmt/format.h>

namespace swiftness {
namespace {

constexpr uint64_t kMostBody = 64 * 1024;  // nothing of it is of use

}  // namespace

HttpRequest AuthV1::request() const {
  HttpRequest request;
  request.method = "GET";
  request.url = url_;
  request.headers = {{"X-Auth-User", config_.user}, {"X-Auth-Key", config_.key}};
  request.most_body = kMostBody;
  return request;
}

std::variant<Session, Failure> AuthV1::session(const HttpResponse& answer) const {
  Failure failure = failure_of(answer);
  if (answer.status == 401 || answer.status == 403) {
    failure.reason += ": check user and key";
    return failure;
  }
  if (answer.status == 404 || answer.status / 100 == 3) {
    failure.code = ErrorCode::invalid;  // not_found would speak of an object
    failure.reason += ": check the auth URL";
    return failure;
  }
  if (answer.status / 100 != 2) return failure;

  Session session;
  session.storage_url = answer.headers.find("X-Storage-Url");
  if (!storage_url_.empty()) session.storage_url = storage_url_;
  session.token = answer.headers.find("X-Auth-Token");
  if (session.token.empty()) session.token = answer.headers.find("X-Storage-Token");
  while (session.storage_url.ends_with('/')) session.storage_url.pop_back();
  if (session.storage_url.empty() || session.token.empty()) {
    return Failure{ErrorCode::invalid, false, false, std::nullopt,
                   fmt::format("answered {} without X-Storage-Url and X-Auth-Token: no auth "
                               "service of version 1{}",
                               answer.status, transaction_of(answer))};
  }
  if (auto seconds = parse_retry_after(answer.headers.find("X-Auth-Token-Expires"))) {
    session.lifetime = std::chrono::floor<std::chrono::seconds>(*seconds);
  }
  return session;
}

std::string AuthV1::where() const {
  return fmt::format("as user {} at {}", config_.user, url_);
}

}  // namespace swiftness
