#include "backend/swift/auth.h"

#include "backend/swift/auth_v1.h"
#include "backend/swift/auth_v3.h"

namespace swiftness {
namespace {

std::unique_ptr<Authenticator> authenticator(const std::string& url, const AuthV1Config& config,
                                             const std::string& storage_url) {
  return std::make_unique<AuthV1>(url, config, storage_url);
}

std::unique_ptr<Authenticator> authenticator(const std::string& url, const AuthV3Config& config,
                                             const std::string& storage_url) {
  return std::make_unique<AuthV3>(url, config, storage_url);
}

}  // namespace

std::variant<Session, Failure> Authenticator::session(const HttpOutcome& outcome) const {
  if (const auto* failure = std::get_if<HttpFailure>(&outcome)) return failure_of(*failure);
  return session(std::get<HttpResponse>(outcome));
}

std::vector<std::unique_ptr<Authenticator>> make_authenticators(const SwiftStoreConfig& config) {
  std::vector<std::unique_ptr<Authenticator>> out;
  for (const std::string& url : config.auth_urls) {
    auto one = [&](const auto& auth) { return authenticator(url, auth, config.storage_url); };
    out.push_back(std::visit(one, config.auth));
  }
  return out;
}

}  // namespace swiftness
