// HTTP/1.1 for the admin API: a small server on a Unix socket (and, where configured, on TCP), and
// the command line's client. The only place that knows Boost.Beast.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "backend/base/async.h"
#include "target/admin/routes.h"

namespace swiftness::admin {

// Lives on one executor. Requests are bounded (8 KiB of headers, 64 KiB of body, 64 connections, 30
// s to send one); answers take as long as the handler does.
class HttpServer {
 public:
  using Handler = std::function<asio::awaitable<Response>(Request)>;

  HttpServer(Executor executor, Handler handler);
  ~HttpServer();  // after stop()
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // The socket's mode is 0660. One that is there already is replaced: the caller holds the lock of
  // its folder.
  Result<void> listen_unix(const std::filesystem::path& socket);
  Result<void> listen_tcp(const std::string& address, uint16_t port);

  Task stop();  // closes every connection, answered or not, and removes the socket

 private:
  class State;
  std::shared_ptr<State> state_;
};

// One request over a Unix socket, waiting at most `at_most` for its answer. Blocks; for the command
// line only. unavailable: nobody listens there; timed_out: no answer.
Result<Response> call(const std::filesystem::path& socket, const std::string& method,
                      const std::string& path, const std::string& body, Duration at_most);

}  // namespace swiftness::admin
