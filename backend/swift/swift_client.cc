#include "backend/swift/swift_client.h"

#include <fmt/format.h>

#include <algorithm>

#include "backend/base/hash.h"
#include "backend/base/log.h"
#include "backend/base/random.h"
#include "backend/swift/auth_v1.h"

namespace swiftness {
namespace {

constexpr uint64_t kSlowestLine = 256 * 1024;  // bytes a second; slower ones do not serve
constexpr auto kMostPatience = std::chrono::minutes(2);
constexpr auto kWorthTelling = std::chrono::seconds(2);  // shorter troubles are not logged

uint64_t random_seed() {
  uint64_t seed = 0;
  fill_random(std::as_writable_bytes(std::span(&seed, 1)));
  return seed;
}

double seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

std::string describe(const SwiftRequest& request) {
  if (!request.host_path.empty()) return fmt::format("{} {}", request.method, request.host_path);
  if (request.container.empty()) return fmt::format("{} of the account", request.method);
  if (request.name.empty()) return fmt::format("{} {}", request.method, request.container);
  return fmt::format("{} {}/{}", request.method, request.container, request.name);
}

Error give_up(const SwiftRequest& request, const Failure& failure, const RetryPolicy& policy) {
  std::string tries;
  if (policy.failures() > 1) {
    tries = fmt::format("; given up after {} attempts in {:.1f} s", policy.failures(),
                        seconds(policy.elapsed(now())));
  }
  return Error(failure.code, fmt::format("{}: {}{}", describe(request), failure.reason, tries));
}

}  // namespace

SwiftClient::SwiftClient(SwiftStoreConfig config, Executor executor, SwiftTuning tuning,
                         std::unique_ptr<HttpTransport> transport)
    : config_(std::move(config)),
      retry_(tuning.retry),
      closing_(executor),
      transport_(std::move(transport)),
      tokens_(std::make_unique<AuthV1>(config_.auth_url, config_.user, config_.key), *transport_,
              executor) {
  if (tuning.pool_threads > 0) pool_ = std::make_unique<asio::thread_pool>(tuning.pool_threads);
}

SwiftClient::~SwiftClient() {
  close();
}

void SwiftClient::close() {
  if (closed_) return;
  closed_ = true;
  transport_->stop();
  if (pool_) pool_->join();
  closing_.notify_all();
}

Error SwiftClient::closed() {
  return Error(ErrorCode::unavailable, "the store has been closed");
}

std::string SwiftClient::container_name(const std::string& container) const {
  return config_.prefix.empty() ? container : config_.prefix + "-" + container;
}

HttpRequest SwiftClient::to_http(const SwiftRequest& request, const Session& session,
                                 TimePoint deadline, bool again) const {
  HttpRequest http;
  http.method = request.method;
  http.url = request.host_path.empty()
                 ? resource_url(session.storage_url, request.container, request.name)
                 : origin_of(session.storage_url) + request.host_path;
  if (!request.query.empty()) http.url.append("?").append(request.query);
  http.headers = request.headers;
  http.headers.push_back({"X-Auth-Token", session.token});
  http.body = request.body;
  http.most_body = request.most_body;
  http.deadline = deadline;
  // When a connection went silent the others in the pool may be as dead.
  http.fresh_connection = request.fresh_connection || again;
  return http;
}

// Retries end at the deadline, but a transfer that is on the move then is let finish: on a slow
// line a big chunk would otherwise be begun again and again, and never arrive.
Duration SwiftClient::transfer_time(const SwiftRequest& request) {
  const uint64_t bytes = request.body.size() + request.most_body;
  return std::min<Duration>(std::chrono::milliseconds(1000 * bytes / kSlowestLine), kMostPatience);
}

Async<SwiftAnswer> SwiftClient::perform(SwiftRequest request, TimePoint deadline) {
  const TimePoint started = now();
  RetryPolicy policy(started, deadline - started, random_seed(), retry_);
  SwiftAnswer answer;
  bool token_renewed = false;
  for (;;) {
    if (closed_) co_return closed();
    TokenCache::LogIn log_in = co_await tokens_.get(deadline);
    std::optional<Failure> failure;
    if (auto* no_session = std::get_if<Failure>(&log_in)) {
      failure = std::move(*no_session);
    } else {
      auto session = std::get<TokenCache::SessionPtr>(log_in);
      HttpRequest http =
          to_http(request, *session, deadline + transfer_time(request), policy.failures() > 0);
      HttpOutcome outcome = co_await transport_->perform(std::move(http));
      if (auto* no_answer = std::get_if<HttpFailure>(&outcome)) {
        failure = failure_of(*no_answer);
        failure->reason = fmt::format("{}: {}", session->storage_url, failure->reason);
      } else {
        answer.response = std::get<HttpResponse>(std::move(outcome));
        if (answer.response.status == 401) {
          tokens_.reject(session);
          if (!std::exchange(token_renewed, true)) continue;
        } else {
          token_renewed = false;  // this token was good; it may still expire during our retries
        }
        failure = request.judge(answer.response);
        if (failure) failure->reason = fmt::format("{} {}", session->storage_url, failure->reason);
      }
    }
    note(failure);
    if (!failure) co_return answer;
    if (failure->may_have_acted) answer.maybe_done_before = true;
    auto delay = policy.after_failure(now(), failure->retriable, failure->retry_after);
    if (!delay) co_return give_up(request, *failure, policy);
    log::debug("{}: {}; again in {:.3f} s", describe(request), failure->reason, seconds(*delay));
    co_await closing_.wait_for(*delay);
  }
}

// Tells the log when Swift goes away and when it comes back, once each.
void SwiftClient::note(const std::optional<Failure>& failure) {
  const TimePoint at = now();
  bool away =
      failure && (failure->code == ErrorCode::unavailable || failure->code == ErrorCode::timed_out);
  if (!away) {
    if (told_) log::info("Swift answers again after {:.1f} s", seconds(at - *failing_since_));
    failing_since_.reset();
    told_ = false;
    return;
  }
  if (!failing_since_) failing_since_ = at;
  if (told_ || at - *failing_since_ < kWorthTelling) return;
  told_ = true;
  log::warning("Swift fails: {}; trying again", failure->reason);
}

}  // namespace swiftness
