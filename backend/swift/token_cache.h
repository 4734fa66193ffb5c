// TokenCache: the session that all requests of a store share. Whoever needs one while there is none
// starts a log-in; whoever comes meanwhile waits for the same answer, good or bad, so that a
// hundred requests that meet an expired token cause one log-in. A token whose life is known is
// renewed before its end, beside the requests that still use it.
//
// It retries nothing: SwiftClient does. But credentials that were refused are not shown again and
// again, nor is one new token after the other asked for when each is refused: for a while, longer
// each time, the refusal is answered from here.
//
// Lives on the store's executor, on the heap: a log-in under way shares it.
#pragma once

#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "backend/base/async.h"
#include "backend/swift/auth.h"
#include "backend/swift/http_transport.h"

namespace swiftness {

class TokenCache : public std::enable_shared_from_this<TokenCache> {
 public:
  using SessionPtr = std::shared_ptr<const Session>;  // shared, so that reject() knows which
  using LogIn = std::variant<SessionPtr, Failure>;
  using Authenticators = std::vector<std::unique_ptr<Authenticator>>;

  // All of `services` know the same users; one that does not answer is followed by the next.
  // `patience`: for one log-in.
  TokenCache(Authenticators services, std::shared_ptr<HttpTransport> transport, Executor executor,
             Duration patience);

  // The session, made now if need be; or why there is none, at the deadline at the latest.
  asio::awaitable<LogIn> get(TimePoint deadline);

  // This session's token was answered something else than 401.
  void accept(const SessionPtr& session);

  // This session's token was answered 401. The next get() logs in again, unless somebody did; not
  // at once where new tokens are refused one after the other, as by a Swift that cannot reach its
  // memcached.
  void reject(const SessionPtr& session);

 private:
  void start_log_in();
  static Task log_in(std::shared_ptr<TokenCache> self);
  asio::awaitable<std::variant<Session, Failure>> ask();
  void keep(Session session);
  void refuse(Failure failure);

  Authenticators services_;
  size_t service_ = 0;  // that is asked next
  std::shared_ptr<HttpTransport> transport_;
  Executor executor_;
  Duration patience_;

  SessionPtr session_;
  TimePoint renew_at_ = TimePoint::max();
  TimePoint expires_ = TimePoint::max();

  bool logging_in_ = false;
  uint64_t log_ins_ = 0;                 // that have ended, well or not
  std::optional<Failure> last_failure_;  // of the last one
  AsyncEvent log_in_ended_;

  bool accepted_ = false;        // the session's token was, once
  unsigned refused_tokens_ = 0;  // in a row, none of them ever accepted
  bool told_ = false;            // the log, of refused tokens

  Duration pause_{};                            // after log-ins that failed; zero: all is well
  TimePoint refused_until_ = TimePoint::min();  // no log-in before: it would be refused again
};

}  // namespace swiftness
