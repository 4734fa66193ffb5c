// HttpEngine: HTTP/1.1 transfers on a thread of their own, so that no shard ever waits for a
// socket. libcurl does the work; http_engine.cc is the only file that knows it.
//
// perform() may be called from any thread; it resumes its caller on the caller's own executor,
// which must outlive the engine. Uploads are gathered from the request's buffers as they are,
// downloads land in one buffer of the right size. At most Options::connections transfers run at
// once, over kept-alive connections; the others wait their turn in order. A transfer ends with a
// response, or with the reason why there is none; nothing is retried here (see
// HttpRequest::fresh_connection for the one exception libcurl insists on). Redirects are not
// followed, proxies named by the environment are ignored.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "backend/swift/http_transport.h"

namespace swiftness {

class HttpEngine final : public HttpTransport {
 public:
  struct Options {
    std::string ca_file{};  // trusted certificates; empty: the system's
    size_t connections = 32;
    Duration connect_timeout = std::chrono::seconds(4);
    Duration stall_timeout = std::chrono::seconds(12);
  };

  enum class TransferId : uint64_t {};

  explicit HttpEngine(Options options);
  ~HttpEngine() override;  // stop()
  HttpEngine(const HttpEngine&) = delete;
  HttpEngine& operator=(const HttpEngine&) = delete;

  asio::awaitable<HttpOutcome> perform(HttpRequest request) override;

  // The same for a transfer that somebody may want to abort: reserve an id, start, abort. The
  // aborted transfer completes with TransportFailure::aborted; what it did on the server is not
  // known. Aborting one that is over does nothing.
  TransferId reserve_id() noexcept { return TransferId(next_id_++); }
  asio::awaitable<HttpOutcome> perform(HttpRequest request, TransferId id);
  void abort(TransferId id);

  // Joins the thread as well. Not to be called from two threads at once.
  void stop() override;

 private:
  class Loop;
  std::shared_ptr<Loop> loop_;  // shared with calls not yet started
  std::atomic<uint64_t> next_id_{1};
};

}  // namespace swiftness
