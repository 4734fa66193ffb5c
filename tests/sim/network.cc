#include "tests/sim/network.h"

#include "backend/object_store.h"

namespace swiftness::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

// Container and object, without the volume's UUID.
std::string_view short_name(std::string_view url) {
  constexpr size_t kUuidDigits = 36;
  const std::string_view before(kStorageUrl);
  if (!url.starts_with(before)) return url;
  url.remove_prefix(before.size() + 1);
  if (url.size() > kUuidDigits && url[kUuidDigits] == '-') url.remove_prefix(kUuidDigits + 1);
  return url;
}

// A question on whose answer an attach builds: where the log ends, which start is the highest.
bool decides(const HttpRequest& request) {
  const std::string_view name = short_name(request.url);
  if (request.method == "GET") return name.find("/chunk/") != std::string_view::npos;
  if (request.method != "HEAD") return false;
  return name.find("/start/") != std::string_view::npos || name.ends_with(kAnchorName);
}

}  // namespace

SwiftStoreConfig store_config() {
  SwiftStoreConfig config;
  config.auth_urls = {kAuthUrl};
  config.auth = AuthV1Config{"sim:sim", "key"};
  config.prefix = "";
  return config;
}

SwiftTuning store_tuning() {
  SwiftTuning tuning;
  tuning.pool_threads = 0;
  return tuning;
}

// What the caller and its messages share; the caller may die first.
struct Network::Call {
  Call(const Executor& executor, const std::string& caller) : done(executor), who(caller) {}
  std::optional<HttpOutcome> outcome;
  AsyncEvent done;
  std::string who;
};

class Network::Transport final : public HttpTransport {
 public:
  Transport(Network& network, Executor executor, std::string who)
      : network_(network), executor_(std::move(executor)), who_(std::move(who)) {}

  asio::awaitable<HttpOutcome> perform(HttpRequest request, TransferId id) override {
    if (stopped_) {
      HttpOutcome closed = HttpFailure{TransportFailure::closed, "closed"};
      co_return closed;
    }
    auto call = std::make_shared<Call>(executor_, who_);
    if (network_.chance_.happens(network_.options_.other_proxy))
      proxy_ = network_.chance_.below(kProxies);
    if (network_.options_.balanced && network_.cluster_.known_blind(proxy_)) proxy_ ^= 1;
    const bool strays =
        network_.chance_.happens(network_.options_.stray * (decides(request) ? 8 : 1));
    ++network_.waiting_;
    calls_.emplace(id, call);
    network_.send(std::move(request), call, strays ? proxy_ ^ 1 : proxy_);
    while (!call->outcome) co_await call->done.wait();
    calls_.erase(id);
    co_return std::move(*call->outcome);
  }

  void abort(TransferId id) override {
    auto call = calls_.find(id);
    if (call != calls_.end()) network_.fail(call->second, TransportFailure::aborted);
  }

  void stop() override { stopped_ = true; }

 private:
  Network& network_;
  Executor executor_;
  std::string who_;
  size_t proxy_ = 0;
  bool stopped_ = false;
  std::map<TransferId, CallPtr> calls_;  // without an outcome
};

std::unique_ptr<HttpTransport> Network::connect(Executor executor, std::string who) {
  return std::make_unique<Transport>(*this, std::move(executor), std::move(who));
}

Duration Network::latency() {
  const Duration all_well = chance_.between(milliseconds(1), options_.latency);
  const Duration long_way = chance_.between(milliseconds(100), seconds(10));
  const double slow = now() < slow_until_ ? 0.5 : options_.slow;
  return chance_.happens(slow) ? long_way : all_well;
}

void Network::end(const CallPtr& call, HttpOutcome outcome) {
  if (call->outcome) return;
  --waiting_;
  call->outcome = std::move(outcome);
  call->done.notify_all();
}

void Network::fail(const CallPtr& call, TransportFailure kind) {
  end(call, HttpFailure{kind, "simulated"});
}

void Network::send(HttpRequest request, CallPtr call, size_t proxy) {
  const bool refused = chance_.happens(options_.refused);
  const bool lost = chance_.happens(options_.lost);
  const bool late = chance_.happens(options_.late);
  const bool overwrite = request.method == "PUT" &&
                         (request.url.ends_with("/fence") || request.url.ends_with("/head"));
  const bool duplicated = chance_.happens(options_.duplicated * (overwrite ? 8 : 1));
  const bool silent = chance_.one_in(2);
  const Duration there = latency();
  const bool cut = now() < cut_until_;
  if (!cut && (refused || !cluster_.reachable())) {
    timeline_.after(there, [this, call] { fail(call, TransportFailure::connect); });
    return;
  }
  // The client hangs up after a silence, or at its deadline.
  const Duration left = request.deadline - now();
  const TransportFailure why =
      left < options_.stall_timeout ? TransportFailure::deadline : TransportFailure::stalled;
  const bool may_be_slow = cut || options_.slow > 0 || now() < slow_until_ || lost || late ||
                           left < seconds(5) || there > seconds(1);
  if (may_be_slow) {
    timeline_.after(std::min(left, options_.stall_timeout), [this, call, why] { fail(call, why); });
  }
  if (cut && chance_.one_in(2)) return;
  if (lost && silent) {
    trace_.note("{} lost {} {}", call->who, request.method, short_name(request.url));
    if (chance_.one_in(2)) return;
  }
  auto message = std::make_shared<const HttpRequest>(std::move(request));
  const bool answer_lost = lost;
  Duration arrival = late ? chance_.between(seconds(1), minutes(3)) : there;
  if (cut) arrival += cut_until_ - now();
  // An answer that is lost ends in silence, or in a connection that breaks at once.
  CallPtr asker = call;
  if (answer_lost) {
    if (!silent) timeline_.after(arrival, [this, call] { fail(call, TransportFailure::broken); });
    asker = nullptr;
  }
  timeline_.after(arrival, [this, message, asker, proxy] { arrive(message, asker, proxy); });
  if (duplicated) {
    const Duration again = chance_.between(there, minutes(2));
    timeline_.after(again, [this, message, proxy] { arrive(message, nullptr, proxy); });
  }
}

void Network::arrive(std::shared_ptr<const HttpRequest> request, CallPtr call, size_t proxy) {
  const Duration back = latency();
  const bool partial = request->method == "GET" && chance_.happens(options_.partial_body);
  auto answered = [this, request, call, back, partial](HttpOutcome outcome) {
    const auto* response = std::get_if<HttpResponse>(&outcome);
    trace_.note("{} {} {} -> {}{}", call ? std::string_view(call->who) : "(nobody)",
                request->method, short_name(request->url), response ? response->status : 0,
                partial ? " cut" : "");
    if (!call) return;
    if (partial) outcome = HttpFailure{TransportFailure::broken, "simulated"};
    timeline_.after(back, [this, call, outcome = std::move(outcome)] { end(call, outcome); });
  };
  if (!cluster_.reachable()) {
    if (call) fail(call, TransportFailure::broken);
    return;
  }
  cluster_.handle(proxy, *request, std::move(answered));
}

}  // namespace swiftness::sim
