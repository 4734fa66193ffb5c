// How a token is asked for, whatever the identity service: an Authenticator says what to send and
// reads the answer; it does no I/O. TokenCache keeps the token and renews it.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "backend/store_config.h"
#include "backend/swift/http.h"
#include "backend/swift/http_status.h"

namespace swiftness {

// What opens the store's doors. The token is a secret: it is never logged.
struct Session {
  std::string storage_url;  // without a slash at its end
  std::string token;
  std::optional<std::chrono::seconds> lifetime;  // of the token from now on, if it was told
};

class Authenticator {
 public:
  virtual ~Authenticator() = default;
  virtual HttpRequest request() const = 0;  // its deadline is the caller's to set
  virtual std::variant<Session, Failure> session(const HttpResponse& answer) const = 0;
  std::variant<Session, Failure> session(const HttpOutcome& outcome) const;
  virtual std::string where() const = 0;  // "as user gw at http://...", for messages
};

// One for each of the auth URLs, in their order.
std::vector<std::unique_ptr<Authenticator>> make_authenticators(const SwiftStoreConfig& config);

}  // namespace swiftness
