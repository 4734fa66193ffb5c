// HttpEngine: HTTP/1.1 transfers on a thread of their own, so that no shard ever waits for a
// socket. libcurl does the work; http_engine.cc is the only file that knows it.
//
// perform() may be called from any thread; it resumes its caller on the caller's own executor,
// which must outlive the engine. Uploads are gathered from the request's buffers as they are,
// downloads land in one buffer of the right size. At most Options::connections transfers run at
// once, over kept-alive connections; the others wait their turn in order. A transfer ends with a
// response, or with the reason why there is none; nothing is retried here (see
// HttpRequest::fresh_connection for the one exception libcurl insists on). Redirects are not
// followed, proxies named by the environment are ignored. A body of a megabyte or more is announced
// first (Expect: 100-continue), so that a server that would refuse it can say so before it is sent;
// one that says nothing within a second gets it all the same.
#pragma once

#include <memory>
#include <string>

#include "backend/store_config.h"
#include "backend/swift/http_transport.h"

namespace swiftness {

class HttpEngine final : public HttpTransport {
 public:
  struct Options {
    TlsConfig tls{};
    HttpProxyConfig proxy{};
    size_t connections = 32;  // of all servers together
    Duration connect_timeout = std::chrono::seconds(4);
    Duration stall_timeout = std::chrono::seconds(12);
  };

  explicit HttpEngine(Options options);
  ~HttpEngine() override;  // stop()
  HttpEngine(const HttpEngine&) = delete;
  HttpEngine& operator=(const HttpEngine&) = delete;

  using HttpTransport::perform;
  asio::awaitable<HttpOutcome> perform(HttpRequest request, TransferId id) override;
  void abort(TransferId id) override;

  // Joins the thread as well. Not to be called from two threads at once.
  void stop() override;

 private:
  class Loop;
  std::shared_ptr<Loop> loop_;  // shared with calls not yet started
};

// As the configuration of a store has it.
std::unique_ptr<HttpTransport> open_engine(const SwiftStoreConfig& config);

}  // namespace swiftness
