// Auth version 1 (TempAuth and compatible services): one GET with user and key, answered with the
// storage URL, a token and, by most, the seconds it has left (X-Auth-Token-Expires).
#pragma once

#include <string>

#include "backend/store_config.h"
#include "backend/swift/auth.h"

namespace swiftness {

class AuthV1 final : public Authenticator {
 public:
  // With a `storage_url` the one that is answered does not matter.
  AuthV1(std::string url, AuthV1Config config, std::string storage_url)
      : url_(std::move(url)), config_(std::move(config)), storage_url_(std::move(storage_url)) {}

  HttpRequest request() const override;
  using Authenticator::session;
  std::variant<Session, Failure> session(const HttpResponse& answer) const override;
  std::string where() const override;

 private:
  std::string url_;
  AuthV1Config config_;
  std::string storage_url_;
};

}  // namespace swiftness
