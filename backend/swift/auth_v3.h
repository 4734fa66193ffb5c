// Keystone v3 (OpenStack Identity API): one POST, answered with a token in X-Subject-Token and with
// the service catalog, which says where the account is.
#pragma once

#include <string>

#include "backend/store_config.h"
#include "backend/swift/auth.h"

namespace swiftness {

class AuthV3 final : public Authenticator {
 public:
  // `url` with or without "/v3" at its end. With a `storage_url` the catalog does not matter.
  AuthV3(std::string url, AuthV3Config config, std::string storage_url);

  HttpRequest request() const override;
  using Authenticator::session;
  std::variant<Session, Failure> session(const HttpResponse& answer) const override;
  std::string where() const override;

 private:
  std::string tokens_url_;
  AuthV3Config config_;
  std::string storage_url_;
};

}  // namespace swiftness
