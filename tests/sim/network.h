// Network: what lies between the HTTP client of one machine and the cluster, as an HttpTransport.
//
// Fault model
//   latency       of each message; now and then up to ten seconds, so that many other things happen
//                 between a request and its answer
//   refused       no connection; nothing happened
//   lost          the request never arrives, or its answer is lost: silence until the client's
//                 timeout, or a connection that breaks; the effect may have happened
//   late          the request arrives after up to three minutes, long after the client gave it up
//                 or died, and then takes effect
//   duplicated    it arrives a second time, up to two minutes later; overwrites more often than
//                 others, because they matter most
//   proxies       from one request to the next it may be the other one that answers; for one
//   request
//                 only, more often one that decides, or from then on. A balancer may lead around
//                 one of which a health check says that it cannot serve
//   slow link     half of one machine's messages take up to ten seconds for a while, nobody else's
//   cut           nothing gets through for a while, and nobody says so; when it ends, some of what
//                 was sent meanwhile arrives
//   partial body  the connection ends in the middle of an answer
// Requests of a gateway that crashes live on: those on their way arrive, their answers go nowhere.
#pragma once

#include <memory>

#include "backend/store_config.h"
#include "backend/swift/http_transport.h"
#include "backend/swift/swift_tuning.h"
#include "tests/sim/cluster.h"

namespace swiftness::sim {

// Probabilities are for each request.
struct NetworkOptions {
  double refused = 0;
  double lost = 0;  // the request, or its answer
  double late = 0;
  double duplicated = 0;
  double partial_body = 0;
  Duration latency = std::chrono::milliseconds(4);  // of one message, at most, when all is well
  double other_proxy = 0;                           // from now on
  double stray = 0;                                 // the other proxy, for this request
  bool balanced = false;                            // around a proxy that is known to be blind
  double slow = 0;                                  // up to ten seconds instead
  Duration stall_timeout = std::chrono::seconds(12);
};

// What the production client is told of this network's Swift.
SwiftStoreConfig store_config();
SwiftTuning store_tuning();

class Network {
 public:
  Network(Timeline& timeline, Cluster& cluster, Trace& trace, Chance chance, NetworkOptions options)
      : timeline_(timeline), cluster_(cluster), trace_(trace), chance_(chance), options_(options) {}

  // The way of a process, `who`, for as long as it lives.
  std::unique_ptr<HttpTransport> connect(Executor executor, std::string who);

  void cut(Duration how_long) { cut_until_ = std::max(cut_until_, now() + how_long); }
  void slow_down(Duration how_long) { slow_until_ = std::max(slow_until_, now() + how_long); }
  void clear_up() {
    slow_until_ = now();
    options_.stray = 0;
    options_.refused = options_.lost = options_.late = options_.duplicated = 0;
    options_.partial_body = options_.other_proxy = options_.slow = 0;
  }
  uint64_t waiting() const noexcept { return waiting_; }  // requests without an outcome

 private:
  class Transport;
  struct Call;
  using CallPtr = std::shared_ptr<Call>;

  void send(HttpRequest request, CallPtr call, size_t proxy);
  void arrive(std::shared_ptr<const HttpRequest> request, CallPtr call, size_t proxy);
  void end(const CallPtr& call, HttpOutcome outcome);
  void fail(const CallPtr& call, TransportFailure kind);
  Duration latency();

  Timeline& timeline_;
  Cluster& cluster_;
  Trace& trace_;
  Chance chance_;
  NetworkOptions options_;
  uint64_t waiting_ = 0;
  TimePoint cut_until_{};
  TimePoint slow_until_{};
};

}  // namespace swiftness::sim
