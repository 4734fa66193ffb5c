// SwiftClient: one request to Swift, carried through: a token is put on it, it is sent to one of
// the cluster's proxies, judged, and sent again as the retry policy allows, perhaps to another,
// until its answer is what was asked for or an Error says why not. It holds the only retry loop
// there is. A read that is unusually slow is asked for twice. SwiftStore makes the store contract
// of it.
//
// Each request carries an id of ours (X-Trans-Id-Extra), which Swift puts at the end of its own
// transaction id: messages about a request that was never answered name it, and Swift's logs have
// it too.
//
// Lives on one executor. Calls under way share it; close() ends them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/base/background.h"
#include "backend/store_config.h"
#include "backend/swift/endpoints.h"
#include "backend/swift/hedging.h"
#include "backend/swift/http_transport.h"
#include "backend/swift/swift_protocol.h"
#include "backend/swift/swift_tuning.h"
#include "backend/swift/token_cache.h"

namespace swiftness {

struct SwiftRequest : ResourceRequest {
  bool hedge = false;              // may be asked for twice, for the first answer
  std::optional<size_t> endpoint;  // from endpoint(): this proxy and no other
  Judge judge = judge_success;
};

struct SwiftAnswer {
  HttpResponse response;  // one that the request's judge accepts
  // An earlier attempt failed in a way that leaves open whether Swift carried it out.
  bool maybe_done_before = false;
};

class SwiftClient {
 public:
  SwiftClient(SwiftStoreConfig config, Executor executor, SwiftTuning tuning,
              std::unique_ptr<HttpTransport> transport);
  ~SwiftClient();

  // Ends every call under way, and all later ones, with `unavailable`.
  void close();

  const SwiftStoreConfig& config() const noexcept { return config_; }
  std::string container_name(const std::string& container) const;
  TimePoint new_deadline() const { return now() + config_.deadline; }

  std::string trouble() const;  // object_store.h

  // A proxy for several requests that have to go to the same one.
  size_t endpoint() const noexcept { return endpoints_.well(); }

  Async<SwiftAnswer> perform(SwiftRequest request, TimePoint deadline);

  // Work that is too long for the shard, on the pool; see offload().
  template <class T, class Work>
  Async<T> compute(Work work);

 private:
  struct Sent;
  struct Race;
  static Task run(std::shared_ptr<HttpTransport> transport, HttpRequest request,
                  std::shared_ptr<Race> race, size_t runner);

  Async<size_t> choose(const SwiftRequest& request, std::optional<size_t> not_this,
                       TimePoint deadline);
  asio::awaitable<Sent> send(const SwiftRequest& request, const Session& session, size_t endpoint,
                             TimePoint deadline, bool again);
  asio::awaitable<Sent> send_hedged(const SwiftRequest& request, const Session& session,
                                    size_t endpoint, HttpRequest http, Duration patience);
  Failure why_not(const HttpFailure& failure, const Sent& sent) const;
  void report(size_t endpoint, const HttpOutcome& outcome);

  std::string base_url(const Session& session, size_t endpoint) const;
  HttpRequest to_http(const SwiftRequest& request, const Session& session, size_t endpoint,
                      TimePoint deadline, bool again);
  static Duration transfer_time(const SwiftRequest& request);
  void note(const std::optional<Failure>& failure);
  void tell_refusal(const Failure& failure);
  static Error closed();

  SwiftStoreConfig config_;
  RetryTiming retry_;
  RetryBudget budget_;
  Endpoints endpoints_;
  const bool hedges_;
  Hedging hedging_;
  bool closed_ = false;
  Executor executor_;
  AsyncEvent closing_;
  AsyncEvent circuit_closed_;
  std::shared_ptr<HttpTransport> transport_;  // shared with transfers nobody waits for any more
  std::shared_ptr<TokenCache> tokens_;
  std::unique_ptr<asio::thread_pool> pool_;

  std::string id_;  // what all our X-Trans-Id-Extra begin with
  uint64_t requests_ = 0;

  // Since when nothing but failures came back, what the last one was, and whether the log has been
  // told.
  std::optional<TimePoint> failing_since_;
  std::string last_failure_;
  bool told_ = false;
  std::string refusal_;        // by the last request, when that was refused
  TimePoint refusals_told_{};  // the last time
};

template <class T, class Work>
Async<T> SwiftClient::compute(Work work) {
  if (closed_) co_return closed();
  if (!pool_) co_return work();
  Result<T> result = co_await offload<T>(*pool_, std::move(work));
  co_return result;
}

}  // namespace swiftness
