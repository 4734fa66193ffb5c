#include "backend/swift/token_cache.h"

#include <fmt/format.h>

#include <algorithm>

#include "backend/base/gate.h"
#include "backend/base/log.h"

namespace swiftness {
namespace {

using namespace std::chrono_literals;

constexpr Duration kLongestMargin = 10min;  // before its end a token is renewed
constexpr Duration kLeastLife = 1s;         // as services count whole seconds
constexpr Duration kFirstPause = 1s;
constexpr Duration kLongestPause = 60s;
constexpr Duration kLongestTokenPause = 4s;  // while new tokens are refused

}  // namespace

TokenCache::TokenCache(Authenticators services, std::shared_ptr<HttpTransport> transport,
                       Executor executor, Duration patience)
    : services_(std::move(services)),
      transport_(std::move(transport)),
      executor_(executor),
      patience_(patience),
      log_in_ended_(std::move(executor)) {
  CHECK(!services_.empty());
}

asio::awaitable<TokenCache::LogIn> TokenCache::get(TimePoint deadline) {
  if (session_ && now() >= expires_) session_.reset();
  if (session_) {
    if (now() >= renew_at_ && !logging_in_) start_log_in();
    co_return session_;
  }
  if (!logging_in_) {
    if (now() < refused_until_) co_return *last_failure_;
    start_log_in();
  }

  const uint64_t ended_before = log_ins_;
  while (log_ins_ == ended_before) {
    Duration left = deadline - now();
    if (left <= Duration::zero()) {
      co_return Failure{
          ErrorCode::timed_out, true, false, std::nullopt,
          fmt::format("log-in {}: no answer within the deadline", services_[service_]->where())};
    }
    co_await log_in_ended_.wait_for(left);
  }
  if (session_) co_return session_;
  if (last_failure_) co_return *last_failure_;
  co_return Failure{
      ErrorCode::unavailable, true, false, std::nullopt,
      fmt::format("log-in {}: the new token was refused at once", services_[service_]->where())};
}

void TokenCache::start_log_in() {
  logging_in_ = true;
  spawn_or_throw(executor_, log_in(shared_from_this()));
}

Task TokenCache::log_in(std::shared_ptr<TokenCache> self) {
  auto answer = co_await self->ask();
  self->logging_in_ = false;
  ++self->log_ins_;
  if (auto* failure = std::get_if<Failure>(&answer)) {
    self->refuse(std::move(*failure));
  } else {
    self->keep(std::get<Session>(std::move(answer)));
  }
  self->log_in_ended_.notify_all();
}

// One round over the services, as long as they do not answer.
asio::awaitable<std::variant<Session, Failure>> TokenCache::ask() {
  const TimePoint deadline = now() + patience_;
  std::variant<Session, Failure> answer;
  for (size_t i = 0; i < services_.size(); ++i) {
    const Authenticator& service = *services_[service_];
    HttpRequest request = service.request();
    // The last one may take what is left; each other one leaves something to those that follow.
    request.deadline = now() + (deadline - now()) / static_cast<int>(services_.size() - i);
    HttpOutcome outcome = co_await transport_->perform(std::move(request));
    answer = service.session(outcome);
    auto* failure = std::get_if<Failure>(&answer);
    if (failure == nullptr) {
      log::debug("log-in {}: token received, storage at {}", service.where(),
                 std::get<Session>(answer).storage_url);
      break;
    }
    failure->reason = fmt::format("log-in {}: {}", service.where(), failure->reason);
    if (!failure->retriable) break;  // another one would say the same
    service_ = (service_ + 1) % services_.size();
  }
  co_return answer;
}

void TokenCache::keep(Session session) {
  if (pause_ > Duration::zero()) log::info("Swift's identity service lets us in again");
  pause_ = Duration::zero();
  refused_until_ = TimePoint::min();
  accepted_ = false;
  last_failure_.reset();
  expires_ = renew_at_ = TimePoint::max();
  if (session.lifetime) {
    expires_ = now() + std::max<Duration>(*session.lifetime, kLeastLife);
    renew_at_ = expires_ - std::min<Duration>(*session.lifetime / 5, kLongestMargin);
    // TempAuth gives the same token to all until its end: then there is nothing to be had earlier.
    if (session_ && session_->token == session.token) renew_at_ = expires_;
  }
  session_ = std::make_shared<const Session>(std::move(session));
}

void TokenCache::refuse(Failure failure) {
  if (pause_ == Duration::zero()) {
    if (!failure.retriable) {
      log::error("Swift is closed to us until somebody changes something: {}", failure.reason);
    } else if (session_) {
      log::warning("the token for Swift cannot be renewed yet: {}", failure.reason);
    }
  }
  if (session_ || !failure.retriable) {
    pause_ = std::clamp(2 * pause_, kFirstPause, kLongestPause);
    renew_at_ = now() + pause_;  // the old token is good for a while
    if (!failure.retriable) refused_until_ = now() + pause_;
  }
  last_failure_ = std::move(failure);
}

void TokenCache::accept(const SessionPtr& session) {
  if (session_ != session) return;
  accepted_ = true;
  refused_tokens_ = 0;
  if (std::exchange(told_, false)) log::info("Swift takes our tokens again");
}

void TokenCache::reject(const SessionPtr& session) {
  if (session_ != session) return;
  session_.reset();
  if (accepted_ || ++refused_tokens_ == 1) return;  // it was over, or about to be
  const Duration pause =
      std::min(kFirstPause * (1 << std::min(refused_tokens_ - 2, 4u)), kLongestTokenPause);
  if (pause == kLongestTokenPause && !std::exchange(told_, true)) {
    log::error("Swift refuses the tokens that it has just given; trying again");
  }
  refused_until_ = now() + pause;
  last_failure_ =
      Failure{ErrorCode::unauthorized, true, false, std::nullopt,
              fmt::format("log-in {}: the new tokens are refused", services_[service_]->where())};
}

}  // namespace swiftness
