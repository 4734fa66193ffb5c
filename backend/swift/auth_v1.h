// Auth version 1 (TempAuth and compatible services): one GET with user and key, answered with the
// storage URL and a token.
#pragma once

#include <string>

#include "backend/swift/auth.h"

namespace swiftness {

class AuthV1 final : public Authenticator {
 public:
  AuthV1(std::string url, std::string user, std::string key)
      : url_(std::move(url)), user_(std::move(user)), key_(std::move(key)) {}

  HttpRequest request() const override;
  std::variant<Session, Failure> session(const HttpResponse& answer) const override;
  std::string where() const override;

 private:
  std::string url_;
  std::string user_;
  std::string key_;
};

}  // namespace swiftness
