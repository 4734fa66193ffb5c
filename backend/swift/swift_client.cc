#include "backend/swift/swift_client.h"

#include <fmt/format.h>

#include <algorithm>

#include "backend/base/gate.h"
#include "backend/base/hash.h"
#include "backend/base/log.h"
#include "backend/base/random.h"
#include "backend/swift/auth.h"

namespace swiftness {
namespace {

constexpr uint64_t kSlowestLine = 256 * 1024;  // bytes a second; slower ones do not serve
constexpr auto kMostPatience = std::chrono::minutes(2);
constexpr auto kWorthTelling = std::chrono::seconds(2);     // shorter troubles are not logged
constexpr auto kBetweenRefusals = std::chrono::minutes(1);  // in the log

uint64_t random_seed() {
  uint64_t seed = 0;
  fill_random(std::as_writable_bytes(std::span(&seed, 1)));
  return seed;
}

double seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

Error give_up(const SwiftRequest& request, const Failure& failure, const RetryPolicy& policy) {
  std::string tries;
  if (policy.failures() > 1) {
    tries = fmt::format("; given up after {} attempts in {:.1f} s", policy.failures(),
                        seconds(policy.elapsed(now())));
  }
  return Error(failure.code, fmt::format("{}: {}{}", describe(request), failure.reason, tries));
}

bool is_refusal(const HttpFailure& failure) {
  return failure.kind == TransportFailure::connect || failure.kind == TransportFailure::resolve ||
         failure.kind == TransportFailure::tls;
}

}  // namespace

SwiftClient::SwiftClient(SwiftStoreConfig config, Executor executor, SwiftTuning tuning,
                         std::unique_ptr<HttpTransport> transport)
    : config_(std::move(config)),
      retry_(tuning.retry),
      endpoints_(std::max<size_t>(config_.endpoints.size(), 1), tuning.breaker),
      hedges_(tuning.hedging),
      executor_(executor),
      closing_(executor),
      circuit_closed_(executor),
      transport_(std::move(transport)),
      tokens_(std::make_shared<TokenCache>(make_authenticators(config_), transport_, executor,
                                           config_.deadline)),
      id_(fmt::format("{:08x}", random_seed() & 0xffffffff)) {
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
  circuit_closed_.notify_all();
}

Error SwiftClient::closed() {
  return Error(ErrorCode::unavailable, "the store has been closed");
}

std::string SwiftClient::container_name(const std::string& container) const {
  return config_.prefix.empty() ? container : config_.prefix + "-" + container;
}

// The account's URL at one of the proxies.
std::string SwiftClient::base_url(const Session& session, size_t endpoint) const {
  if (config_.endpoints.empty()) return session.storage_url;
  return at_origin(config_.endpoints[endpoint], session.storage_url);
}

HttpRequest SwiftClient::to_http(const SwiftRequest& request, const Session& session,
                                 size_t endpoint, TimePoint deadline, bool again) {
  HttpRequest http = swiftness::to_http(request, base_url(session, endpoint), session.token,
                                        fmt::format("{}-{}", id_, ++requests_));
  http.deadline = deadline;
  // When a connection went silent the others in the pool may be as dead.
  if (again) http.fresh_connection = true;
  return http;
}

// Retries end at the deadline, but a transfer that is on the move then is let finish: on a slow
// line a big chunk would otherwise be begun again and again, and never arrive.
Duration SwiftClient::transfer_time(const SwiftRequest& request) {
  const uint64_t bytes = request.body.size() + request.most_body;
  return std::min<Duration>(std::chrono::milliseconds(1000 * bytes / kSlowestLine), kMostPatience);
}

// Waits while all circuits are open, until the deadline.
Async<size_t> SwiftClient::choose(const SwiftRequest& request, std::optional<size_t> not_this,
                                  TimePoint deadline) {
  if (request.endpoint) co_return *request.endpoint;
  for (;;) {
    if (closed_) co_return closed();
    const TimePoint at = now();
    auto choice = endpoints_.choose(at, not_this);
    if (auto* index = std::get_if<size_t>(&choice)) co_return *index;
    if (at >= deadline) {
      co_return Error(ErrorCode::unavailable,
                      fmt::format("not asked, for Swift fails: {}", last_failure_));
    }
    co_await circuit_closed_.wait_for(std::min(std::get<TimePoint>(choice), deadline) - at);
  }
}

// ---------------------------------------------------------------- one attempt
struct SwiftClient::Sent {
  HttpOutcome outcome;
  std::string url;  // of the account, at the proxy that was asked
  std::string id;   // of the request
};

namespace {

std::string id_of(const HttpRequest& request) {
  return request.headers.back().value;
}

}  // namespace

asio::awaitable<SwiftClient::Sent> SwiftClient::send(const SwiftRequest& request,
                                                     const Session& session, size_t endpoint,
                                                     TimePoint deadline, bool again) {
  HttpRequest http = to_http(request, session, endpoint, deadline, again);
  if (!request.hedge || !hedges_) {
    Sent sent{{}, base_url(session, endpoint), id_of(http)};
    sent.outcome = co_await transport_->perform(std::move(http));
    report(endpoint, sent.outcome);
    co_return sent;
  }
  const TimePoint began = now();
  const std::optional<Duration> patience = hedging_.patience(request.most_body);
  Sent sent = co_await send_hedged(request, session, endpoint, std::move(http),
                                   patience.value_or(Duration::max()));
  const auto* response = std::get_if<HttpResponse>(&sent.outcome);
  if (response != nullptr && response->status / 100 == 2) {
    hedging_.answered(request.most_body, now() - began);
  }
  co_return sent;
}

struct SwiftClient::Race {
  struct Runner {
    TransferId id;
    size_t endpoint;
    Sent sent;
    bool ended = false;
  };
  explicit Race(const Executor& executor) : moved(executor) {}

  std::vector<Runner> runners;
  AsyncEvent moved;
};

Task SwiftClient::run(std::shared_ptr<HttpTransport> transport, HttpRequest request,
                      std::shared_ptr<Race> race, size_t runner) {
  const TransferId id = race->runners[runner].id;
  HttpOutcome outcome = co_await transport->perform(std::move(request), id);
  race->runners[runner].sent.outcome = std::move(outcome);
  race->runners[runner].ended = true;
  race->moved.notify_all();
}

asio::awaitable<SwiftClient::Sent> SwiftClient::send_hedged(const SwiftRequest& request,
                                                            const Session& session, size_t endpoint,
                                                            HttpRequest http, Duration patience) {
  auto race = std::make_shared<Race>(executor_);
  auto start = [&](HttpRequest what, size_t where) {
    Race::Runner runner{
        transport_->reserve_id(), where, {{}, base_url(session, where), id_of(what)}};
    race->runners.push_back(std::move(runner));
    spawn_or_throw(executor_, run(transport_, std::move(what), race, race->runners.size() - 1));
  };
  auto good = [&](const Race::Runner& runner) {
    const auto* response = std::get_if<HttpResponse>(&runner.sent.outcome);
    return runner.ended && response != nullptr && !request.judge(*response);
  };

  const TimePoint began = now();
  const TimePoint deadline = http.deadline;
  bool may_hedge = patience < deadline - began;
  bool very_late = false;
  start(std::move(http), endpoint);
  std::optional<size_t> first;  // that counts
  while (!first) {
    std::vector<Race::Runner>& runners = race->runners;
    auto winner = std::ranges::find_if(runners, good);
    const bool all_ended = std::ranges::all_of(runners, &Race::Runner::ended);
    if (winner != runners.end() || all_ended) {
      if (winner == runners.end()) winner = runners.begin();
      first = static_cast<size_t>(winner - runners.begin());
      break;
    }
    if (!may_hedge) {
      co_await race->moved.wait();
      continue;
    }
    const Duration left = began + patience - now();
    if (left > Duration::zero()) {
      co_await race->moved.wait_for(left);
      continue;
    }
    if (!hedging_.may_hedge(very_late)) {
      very_late = true;
      patience *= 2;
      may_hedge = patience < deadline - began;
      continue;
    }
    may_hedge = false;
    auto other = endpoints_.choose(now(), endpoint);
    auto* index = std::get_if<size_t>(&other);
    if (index != nullptr) start(to_http(request, session, *index, deadline, false), *index);
  }
  for (Race::Runner& runner : race->runners) {
    if (runner.ended) {
      report(runner.endpoint, runner.sent.outcome);
    } else {
      transport_->abort(runner.id);
      endpoints_.unknown(runner.endpoint);
    }
  }
  co_return std::move(race->runners[*first].sent);
}

// What an outcome says of the proxy, and of what is behind it.
void SwiftClient::report(size_t endpoint, const HttpOutcome& outcome) {
  if (const auto* failure = std::get_if<HttpFailure>(&outcome)) {
    using enum TransportFailure;
    if (failure->kind == request || failure->kind == aborted || failure->kind == closed) {
      endpoints_.unknown(endpoint);
    } else {
      endpoints_.failed(endpoint, now(), is_refusal(*failure));
    }
    return;
  }
  const int status = std::get<HttpResponse>(outcome).status;
  if (status >= 500 && status != 501 && status != 507) {
    endpoints_.failed(endpoint, now(), /*refused=*/false);
  } else if (endpoints_.succeeded(endpoint)) {
    circuit_closed_.notify_all();
  }
}

Failure SwiftClient::why_not(const HttpFailure& failure, const Sent& sent) const {
  Failure out = failure_of(failure);
  out.reason = fmt::format("{}: {} (request {})", sent.url, out.reason, sent.id);
  return out;
}

// ---------------------------------------------------------------- until it is done
Async<SwiftAnswer> SwiftClient::perform(SwiftRequest request, TimePoint deadline) {
  const TimePoint started = now();
  RetryPolicy policy(started, deadline - started, random_seed(), retry_);
  budget_.earn();
  SwiftAnswer answer;
  bool token_renewed = false;
  std::optional<size_t> failed_endpoint;
  for (;;) {
    if (closed_) co_return closed();
    TokenCache::LogIn log_in = co_await tokens_->get(deadline);
    std::optional<Failure> failure;
    if (auto* no_session = std::get_if<Failure>(&log_in)) {
      failure = std::move(*no_session);
    } else {
      auto session = std::get<TokenCache::SessionPtr>(log_in);
      Result<size_t> endpoint = co_await choose(request, failed_endpoint, deadline);
      if (!endpoint) {
        const Failure not_asked{endpoint.error().code(), false, false, std::nullopt,
                                endpoint.error().message()};
        co_return give_up(request, not_asked, policy);
      }
      const TimePoint at_most = deadline + transfer_time(request);
      Sent sent =
          co_await send(request, *session, *endpoint, at_most, /*again=*/policy.failures() > 0);
      if (auto* no_answer = std::get_if<HttpFailure>(&sent.outcome)) {
        failure = why_not(*no_answer, sent);
      } else {
        answer.response = std::get<HttpResponse>(std::move(sent.outcome));
        if (answer.response.status == 401) {
          tokens_->reject(session);
          if (!std::exchange(token_renewed, true)) continue;
        } else {
          tokens_->accept(session);
          token_renewed = false;  // this token was good; it may still expire during our retries
        }
        failure = request.judge(answer.response);
        // Proxies whose clocks differ may not agree whether a token is over, and one that has lost
        // its memcached knows none.
        if (failure && answer.response.status == 401) failure->retriable = true;
        if (failure) failure->reason = fmt::format("{} {}", sent.url, failure->reason);
        if (failure && answer.response.status == 403) tell_refusal(*failure);
      }
      failed_endpoint = *endpoint;
    }
    note(failure);
    if (!failure) co_return answer;
    if (failure->may_have_acted) answer.maybe_done_before = true;
    std::optional<Duration> at_least = failure->retry_after;
    const bool within_budget = !failure->retriable || budget_.spend();
    if (!within_budget) {
      at_least = std::max(at_least.value_or(Duration::zero()), retry_.longest_delay);
    }
    auto delay = policy.after_failure(now(), failure->retriable, at_least);
    if (!delay) co_return give_up(request, *failure, policy);
    // Another proxy may know better at once.
    if (policy.failures() == 1 && endpoints_.count() > 1 && !at_least) delay = Duration::zero();
    log::debug("{}: {}; again in {:.3f} s", describe(request), failure->reason, seconds(*delay));
    co_await closing_.wait_for(*delay);
  }
}

// Not for each request: some containers may be closed to us, and others not.
void SwiftClient::tell_refusal(const Failure& failure) {
  if (now() - refusals_told_ < kBetweenRefusals) return;
  refusals_told_ = now();
  log::error("Swift refuses us: {}", failure.reason);
}

std::string SwiftClient::trouble() const {
  if (!refusal_.empty()) return refusal_;
  const bool away = failing_since_ && now() - *failing_since_ >= kWorthTelling;
  return away ? last_failure_ : std::string();
}

// Tells the log when Swift goes away and when it comes back, once each.
void SwiftClient::note(const std::optional<Failure>& failure) {
  const TimePoint at = now();
  bool away =
      failure && (failure->code == ErrorCode::unavailable || failure->code == ErrorCode::timed_out);
  const bool refused = failure && failure->code == ErrorCode::unauthorized;
  refusal_ = refused ? failure->reason : "";
  if (!away) {
    if (told_) log::info("Swift answers again after {:.1f} s", seconds(at - *failing_since_));
    failing_since_.reset();
    told_ = false;
    return;
  }
  if (!failing_since_) failing_since_ = at;
  last_failure_ = failure->reason;
  if (told_ || at - *failing_since_ < kWorthTelling) return;
  told_ = true;
  log::warning("Swift fails: {}; trying again", failure->reason);
}

}  // namespace swiftness
