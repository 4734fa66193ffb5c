// TokenCache: the session that all requests of a store share. The first one to need it logs in;
// whoever comes meanwhile waits for the same answer, good or bad, so that a hundred requests that
// meet an expired token cause one log-in. It retries nothing: SwiftClient does.
//
// Lives on the store's executor.
#pragma once

#include <memory>
#include <optional>
#include <variant>

#include "backend/base/async.h"
#include "backend/swift/auth.h"
#include "backend/swift/http_transport.h"

namespace swiftness {

class TokenCache {
 public:
  using SessionPtr = std::shared_ptr<const Session>;  // shared, so that reject() knows which
  using LogIn = std::variant<SessionPtr, Failure>;

  TokenCache(std::unique_ptr<Authenticator> authenticator, HttpTransport& transport,
             Executor executor);

  // The session, made now if need be; or why there is none, at the deadline at the latest.
  asio::awaitable<LogIn> get(TimePoint deadline);

  // This session's token was answered 401. The next get() logs in again, unless somebody did.
  void reject(const SessionPtr& session);

 private:
  asio::awaitable<LogIn> log_in(TimePoint deadline);

  std::unique_ptr<Authenticator> authenticator_;
  HttpTransport& transport_;
  SessionPtr session_;
  bool logging_in_ = false;
  uint64_t log_ins_ = 0;                 // that have ended, well or not
  std::optional<Failure> last_failure_;  // of the last one
  AsyncEvent log_in_ended_;
};

}  // namespace swiftness
