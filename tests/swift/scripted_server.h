// ScriptedServer: an HTTP server for tests that can misbehave on purpose: wrong lengths, silence,
// resets. Blocking sockets, one thread per connection, loopback only (IPv4 or IPv6). What it
// answers is decided by a function of the test, called under a lock, one request at a time.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

namespace swiftness {

struct ServerRequest {
  std::string method;
  std::string target;                          // as sent: path and query
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
  int connection = 0;  // which one, counted from 1

  std::string header(const std::string& name) const {
    auto at = headers.find(name);
    return at == headers.end() ? "" : at->second;
  }
};

struct ServerReply {
  int status = 200;
  std::map<std::string, std::string> headers;
  std::string body;
  std::optional<uint64_t> announce;  // Content-Length; default: the body's size
  bool chunked = false;              // Transfer-Encoding instead of a length
  std::optional<size_t> stop_after;  // bytes of the body, then:
  enum class Then { keep, close, reset, silence } then = Then::keep;
  bool answer = true;  // false: not a byte, straight to `then`
};

class ScriptedServer {
 public:
  using Handler = std::function<ServerReply(const ServerRequest&)>;

  explicit ScriptedServer(
      Handler handler, boost::asio::ip::address address = boost::asio::ip::address_v4::loopback());
  ~ScriptedServer();

  uint16_t port() const noexcept { return port_; }
  std::string url() const {
    const auto address = acceptor_.local_endpoint().address();
    return (address.is_v6() ? "http://[::1]:" : "http://127.0.0.1:") + std::to_string(port_);
  }
  int connections();  // accepted so far

 private:
  using Socket = boost::asio::ip::tcp::socket;
  void accept();
  void serve(Socket& socket, int number);
  bool read_request(Socket& socket, std::string& pending, ServerRequest& request);
  bool send(Socket& socket, const ServerRequest& request, const ServerReply& reply);
  void stay_silent();

  Handler handler_;
  boost::asio::io_context io_;
  boost::asio::ip::tcp::acceptor acceptor_;
  uint16_t port_ = 0;

  std::mutex mutex_;
  std::condition_variable stopped_;
  bool stopping_ = false;
  int accepted_ = 0;
  std::list<Socket> sockets_;
  std::list<std::thread> threads_;
  std::mutex handler_mutex_;
  std::thread acceptor_thread_;
};

}  // namespace swiftness
