#include "backend/swift/token_cache.h"

#include <fmt/format.h>

#include "backend/base/log.h"

namespace swiftness {

TokenCache::TokenCache(std::unique_ptr<Authenticator> authenticator, HttpTransport& transport,
                       Executor executor)
    : authenticator_(std::move(authenticator)),
      transport_(transport),
      log_in_ended_(std::move(executor)) {}

asio::awaitable<TokenCache::LogIn> TokenCache::get(TimePoint deadline) {
  if (session_) co_return session_;
  if (!logging_in_) {
    logging_in_ = true;
    LogIn made = co_await log_in(deadline);
    logging_in_ = false;
    ++log_ins_;
    last_failure_.reset();
    if (auto* failure = std::get_if<Failure>(&made)) {
      last_failure_ = *failure;
    } else {
      session_ = std::get<SessionPtr>(made);
    }
    log_in_ended_.notify_all();
    co_return made;
  }

  const uint64_t ended_before = log_ins_;
  while (log_ins_ == ended_before) {
    Duration left = deadline - now();
    if (left <= Duration::zero()) {
      co_return Failure{
          ErrorCode::timed_out, true, false, std::nullopt,
          fmt::format("log-in as {}: no answer within the deadline", authenticator_->where())};
    }
    co_await log_in_ended_.wait_for(left);
  }
  if (session_) co_return session_;
  if (last_failure_) co_return *last_failure_;
  co_return Failure{
      ErrorCode::unavailable, true, false, std::nullopt,
      fmt::format("log-in as {}: the new token was refused at once", authenticator_->where())};
}

asio::awaitable<TokenCache::LogIn> TokenCache::log_in(TimePoint deadline) {
  HttpRequest request = authenticator_->request();
  request.deadline = deadline;
  HttpOutcome outcome = co_await transport_.perform(std::move(request));

  const std::string context = fmt::format("log-in as {}: ", authenticator_->where());
  if (auto* no_answer = std::get_if<HttpFailure>(&outcome)) {
    Failure failure = failure_of(*no_answer);
    failure.reason = context + failure.reason;
    co_return failure;
  }
  auto session = authenticator_->session(std::get<HttpResponse>(outcome));
  if (auto* failure = std::get_if<Failure>(&session)) {
    failure->reason = context + failure->reason;
    co_return std::move(*failure);
  }
  log::debug("{}token received, storage at {}", context, std::get<Session>(session).storage_url);
  co_return std::make_shared<const Session>(std::get<Session>(std::move(session)));
}

void TokenCache::reject(const SessionPtr& session) {
  if (session_ == session) session_.reset();
}

}  // namespace swiftness
