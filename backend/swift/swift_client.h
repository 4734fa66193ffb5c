// SwiftClient: one request to Swift, carried through: a token is put on it, it is sent, judged, and
// sent again as the retry policy allows, until its answer is what was asked for or an Error says
// why not. It holds the only retry loop there is. SwiftStore makes the store contract of it.
//
// Lives on one executor. Calls under way share it; close() ends them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/base/background.h"
#include "backend/store_config.h"
#include "backend/swift/http_transport.h"
#include "backend/swift/swift_protocol.h"
#include "backend/swift/swift_tuning.h"
#include "backend/swift/token_cache.h"

namespace swiftness {

struct SwiftRequest {
  std::string method;
  std::string container;  // as Swift knows it, prefix included; empty: the account
  std::string name;       // of the object; empty: the container itself
  std::string host_path;  // "/info": of the host; container and name do not count
  std::string query;      // escaped, without '?'
  std::vector<HttpHeader> headers;
  BufferList body;
  uint64_t most_body = 0;         // bytes of the answer's body
  bool fresh_connection = false;  // see HttpRequest
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

  Async<SwiftAnswer> perform(SwiftRequest request, TimePoint deadline);

  // Work that is too long for the shard, on the pool; see offload().
  template <class T, class Work>
  Async<T> compute(Work work);

 private:
  HttpRequest to_http(const SwiftRequest& request, const Session& session, TimePoint deadline,
                      bool again) const;
  static Duration transfer_time(const SwiftRequest& request);
  void note(const std::optional<Failure>& failure);
  static Error closed();

  SwiftStoreConfig config_;
  RetryTiming retry_;
  bool closed_ = false;
  AsyncEvent closing_;
  std::unique_ptr<HttpTransport> transport_;
  TokenCache tokens_;
  std::unique_ptr<asio::thread_pool> pool_;

  // Since when nothing but failures came back, and whether the log has been told.
  std::optional<TimePoint> failing_since_;
  bool told_ = false;
};

template <class T, class Work>
Async<T> SwiftClient::compute(Work work) {
  if (closed_) co_return closed();
  if (!pool_) co_return work();
  Result<T> result = co_await offload<T>(*pool_, std::move(work));
  co_return result;
}

}  // namespace swiftness
