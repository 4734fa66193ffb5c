#include "backend/swift/store_probe.h"

#include <fmt/format.h>

#include <algorithm>

#include "backend/base/gate.h"
#include "backend/base/hash.h"
#include "backend/base/random.h"

namespace swiftness {
namespace {

constexpr Duration kMostForOneRequest = std::chrono::seconds(20);  // with one request
constexpr Duration kBeforeAnotherAttempt = std::chrono::milliseconds(300);
constexpr uint64_t kMostOfNames = uint64_t{16} << 20;
constexpr size_t kTidiedAtOnce = 8;

bool may_pass(const ProbeAnswer& answer) {
  if (const auto* failure = std::get_if<HttpFailure>(&answer.outcome)) {
    return failure_of(*failure).retriable;
  }
  const int status = answer.status();
  return (status >= 500 && status != 501) || status == 408 || status == 429 || status == 498;
}

}  // namespace

Error ProbeAnswer::error() const {
  if (const HttpResponse* answer = response()) {
    const Failure failure = failure_of(*answer);
    return Error(failure.code, fmt::format("{}: {} {}", what, url, failure.reason));
  }
  const Failure failure = failure_of(std::get<HttpFailure>(outcome));
  return Error(failure.code, fmt::format("{}: {}: {} (request {})", what, url, failure.reason, id));
}

StoreProbe::StoreProbe(const SwiftStoreConfig& config, Executor executor,
                       std::unique_ptr<HttpTransport> transport)
    : config_(config),
      executor_(std::move(executor)),
      transport_(std::move(transport)),
      authenticators_(make_authenticators(config)) {
  std::byte random[4];
  fill_random(random);
  id_ = "check-" + to_hex(random);
}

StoreProbe::~StoreProbe() {
  transport_->stop();
}

Async<void> StoreProbe::log_in(std::vector<AuthFacts>& facts) {
  std::optional<Error> why_not;
  bool logged_in = false;
  for (size_t i = 0; i < authenticators_.size() && !stopping_; ++i) {
    AuthFacts fact;
    fact.url = config_.auth_urls[i];
    HttpRequest request = authenticators_[i]->request();
    const TimePoint began = now();
    request.deadline = began + std::min<Duration>(config_.deadline, kMostForOneRequest);
    const TransferId transfer = transport_->reserve_id();
    under_way_.insert(transfer);
    HttpOutcome outcome = co_await transport_->perform(std::move(request), transfer);
    under_way_.erase(transfer);
    fact.took = now() - began;
    const std::variant<Session, Failure> answer = authenticators_[i]->session(outcome);
    if (const auto* failed = std::get_if<Failure>(&answer)) {
      fact.failure = failed->reason;
      const std::string words =
          fmt::format("log-in {}: {}", authenticators_[i]->where(), failed->reason);
      why_not = why_not ? Error(why_not->code(), why_not->message() + "; " + words)
                        : Error(failed->code, words);
    } else {
      fact.storage_url = std::get<Session>(answer).storage_url;
      if (!logged_in) session_ = std::get<Session>(answer);
      logged_in = true;
    }
    facts.push_back(std::move(fact));
  }
  if (!logged_in) co_return why_not.value_or(Error(ErrorCode::cancelled, "stopped"));
  proxies_ = config_.endpoints;
  if (proxies_.empty()) proxies_.push_back(origin_of(session_.storage_url));
  for (size_t i = 0; i < proxies_.size(); ++i) well_.push_back(i);
  co_return Result<void>();
}

void StoreProbe::keep_only(const std::vector<size_t>& well) {
  CHECK(!well.empty());
  well_ = well;
}

void StoreProbe::stop() {
  stopping_ = true;
  const std::set<TransferId> all = under_way_;
  for (const TransferId id : all) transport_->abort(id);
}

void StoreProbe::note_failure(const ProbeAnswer& answer) {
  if (first_failure_.empty() && !stopping_) first_failure_ = answer.words();
}

asio::awaitable<ProbeAnswer> StoreProbe::ask(size_t proxy, ProbeRequest request) {
  for (unsigned attempt = 1;; ++attempt) {
    ProbeAnswer answer = co_await ask_once(proxy, request);
    if (attempt >= request.attempts || stopping_ || !may_pass(answer)) co_return answer;
    ++hiccups_;
    note_failure(answer);
    co_await sleep_for(kBeforeAnotherAttempt);
  }
}

asio::awaitable<ProbeAnswer> StoreProbe::ask_once(size_t proxy, ProbeRequest request) {
  const std::string base = at_origin(proxies_[proxy], session_.storage_url);
  ProbeAnswer answer;
  answer.url = base;
  answer.what = describe(request);
  answer.id = fmt::format("{}-{}", id_, ++requests_);

  HttpRequest http = to_http(request, base, session_.token, answer.id);
  bytes_sent_ += http.body.size();
  const TransferId transfer = transport_->reserve_id();
  under_way_.insert(transfer);
  answer.sent = calendar_now();
  const TimePoint began = now();
  http.deadline = began + std::min<Duration>(config_.deadline, kMostForOneRequest);
  HttpOutcome outcome = co_await transport_->perform(std::move(http), transfer);
  answer.took = now() - began;
  answer.outcome = std::move(outcome);
  under_way_.erase(transfer);
  co_return answer;
}

// ---------------------------------------------------------------- the container
ProbeRequest CheckContainer::request(std::string method, std::string object) const {
  ProbeRequest request;
  request.method = std::move(method);
  request.container = name_;
  request.name = std::move(object);
  request.attempts = 2;
  return request;
}

ProbeRequest CheckContainer::newest(std::string method, std::string object) const {
  ProbeRequest read = request(std::move(method), std::move(object));
  read.headers.push_back({"X-Newest", "true"});
  return read;
}

asio::awaitable<ProbeAnswer> CheckContainer::create(std::string policy) {
  ProbeRequest make = request("PUT", "");
  if (!policy.empty()) make.headers.push_back({"X-Storage-Policy", std::move(policy)});
  created_ = true;  // perhaps
  const size_t proxy = probe_.next_proxy();
  ProbeAnswer answer = co_await probe_.ask(proxy, std::move(make));
  co_return answer;
}

asio::awaitable<ProbeAnswer> CheckContainer::put(size_t proxy, ProbeRequest request) {
  names_.insert(request.name);
  ProbeAnswer answer = co_await probe_.ask(proxy, std::move(request));
  co_return answer;
}

asio::awaitable<ProbeAnswer> CheckContainer::get(size_t proxy, std::string object, uint64_t most) {
  ProbeRequest read = request("GET", std::move(object));
  read.most_body = most;
  ProbeAnswer answer = co_await probe_.ask(proxy, std::move(read));
  co_return answer;
}

asio::awaitable<ProbeAnswer> CheckContainer::remove(size_t proxy, std::string object) {
  ProbeRequest remove = request("DELETE", object);
  remove.attempts = 1;
  ProbeAnswer answer = co_await probe_.ask(proxy, std::move(remove));
  if (answer.good() || answer.status() == 404) {
    names_.erase(object);
  } else {
    last_failure_ = answer.words();
  }
  co_return answer;
}

asio::awaitable<Result<std::vector<ListedEntry>>> CheckContainer::list(size_t proxy) {
  ProbeRequest read = request("GET", "");
  read.query = list_query({}, ListFormat::json);
  read.most_body = kMostOfNames;
  ProbeAnswer answer = co_await probe_.ask(proxy, std::move(read));
  if (!answer.good()) co_return answer.error();
  co_return parse_entries(answer.response()->body.text());
}

Task CheckContainer::remove_the_next(std::vector<std::string>& names) {
  while (!names.empty()) {
    std::string name = std::move(names.back());
    names.pop_back();
    const size_t proxy = probe_.next_proxy();
    co_await remove(proxy, std::move(name));
  }
}

// The container's count of objects and its listing may lag behind: they are asked again.
asio::awaitable<std::string> CheckContainer::clear(Duration patience) {
  if (!created_) co_return "";
  const TimePoint deadline = now() + patience;
  Duration pause = std::chrono::milliseconds(100);
  for (;;) {
    std::vector<std::string> names(names_.begin(), names_.end());
    FanOut all(probe_.executor());
    for (size_t i = 0; i < std::min(names.size(), kTidiedAtOnce); ++i) {
      all.add(remove_the_next(names));
    }
    co_await all.join();
    ProbeRequest drop = request("DELETE", "");
    drop.fresh_connection = true;
    const size_t proxy = probe_.next_proxy();
    ProbeAnswer answer = co_await probe_.ask(proxy, std::move(drop));
    if (answer.good() || answer.status() == 404) co_return "";
    if (last_failure_.empty() || names_.empty()) last_failure_ = answer.words();
    if (now() >= deadline) break;
    const size_t another = probe_.next_proxy();
    Result<std::vector<ListedEntry>> listed = co_await list(another);
    if (listed.ok()) {
      for (const ListedEntry& entry : *listed) names_.insert(entry.name);
    }
    co_await sleep_for(pause);
    pause = std::min<Duration>(pause * 2, std::chrono::seconds(2));
  }
  co_return fmt::format("left behind: the container {} and about {} objects in it ({})", name_,
                        names_.size(), last_failure_);
}

}  // namespace swiftness
