#include "target/admin/http.h"

// Boost.Beast is compiled once, here (BOOST_BEAST_SEPARATE_COMPILATION).
#include <fmt/format.h>
#include <sys/stat.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/src.hpp>
#include <list>

#include "backend/base/gate.h"
#include "backend/base/log.h"

namespace swiftness::admin {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;
using Unix = asio::local::stream_protocol;
using Tcp = asio::ip::tcp;

constexpr uint32_t kHeaderBytes = 8 * 1024;
constexpr uint64_t kBodyBytes = 64 * 1024;
constexpr uint64_t kAnswerBytes = 64ULL << 20;  // the client's bound
constexpr size_t kConnections = 64;
constexpr auto kRequestTime = std::chrono::seconds(30);

Request to_request(const http::request<http::string_body>& message, bool trusted) {
  Request request;
  request.method = std::string(message.method_string());
  request.path = std::string(message.target());
  request.body = message.body();
  request.host = std::string(message[http::field::host]);
  request.origin = std::string(message[http::field::origin]);
  request.trusted = trusted;
  return request;
}

http::response<http::string_body> to_message(Response response, unsigned version, bool keep_alive) {
  http::response<http::string_body> message(http::int_to_status(response.status), version);
  message.set(http::field::content_type, response.type);
  message.set(http::field::cache_control, "no-store");
  message.set("X-Content-Type-Options", "nosniff");
  message.keep_alive(keep_alive);
  message.body() = std::move(response.body);
  message.prepare_payload();
  return message;
}

Error system_error(ErrorCode code, const std::string& what, const error_code& ec) {
  return Error(code, fmt::format("{}: {}", what, ec.message()));
}

}  // namespace

class HttpServer::State : public std::enable_shared_from_this<HttpServer::State> {
 public:
  State(Executor executor, Handler handler)
      : handler_(std::move(handler)), gate_(executor), unix_(executor), tcp_(executor) {}

  Result<void> listen_unix(const std::filesystem::path& path);
  Result<void> listen_tcp(const std::string& address, uint16_t port);
  Task stop();

 private:
  // Closes one connection, of whatever kind.
  using Closer = std::function<void()>;
  // One that stop() can close while this lives.
  struct OpenConnection {
    OpenConnection(std::list<Closer>& list, Closer close)
        : all(list), entry(all.insert(all.end(), std::move(close))) {}
    OpenConnection(const OpenConnection&) = delete;
    OpenConnection& operator=(const OpenConnection&) = delete;
    ~OpenConnection() { all.erase(entry); }
    std::list<Closer>& all;
    std::list<Closer>::iterator entry;
  };

  template <class Protocol>
  Task accept(std::shared_ptr<State> self, typename Protocol::acceptor& acceptor, bool trusted);
  template <class Protocol>
  Task serve(std::shared_ptr<State> self, typename Protocol::socket socket, bool trusted);
  template <class Stream>
  Task serve_stream(Stream& stream, bool trusted);

  Handler handler_;
  Gate gate_;
  Unix::acceptor unix_;
  Tcp::acceptor tcp_;
  std::filesystem::path unix_path_;
  std::list<Closer> open_;
};

Result<void> HttpServer::State::listen_unix(const std::filesystem::path& path) {
  const std::string what = fmt::format("cannot listen on {}", path.native());
  if (path.native().size() >= sizeof(sockaddr_un::sun_path)) {
    return Error(ErrorCode::invalid,
                 fmt::format("{}: the path is too long for a Unix socket", what));
  }
  ::unlink(path.c_str());
  error_code ec;
  unix_.open(Unix(), ec);
  if (!ec) unix_.bind(Unix::endpoint(path.native()), ec);
  if (!ec && ::chmod(path.c_str(), 0660) != 0) ec.assign(errno, boost::system::system_category());
  if (!ec) unix_.listen(asio::socket_base::max_listen_connections, ec);
  if (ec) return system_error(ErrorCode::invalid, what, ec);
  unix_path_ = path;
  gate_.spawn("admin socket", accept<Unix>(shared_from_this(), unix_, true));
  return {};
}

Result<void> HttpServer::State::listen_tcp(const std::string& address, uint16_t port) {
  error_code ec;
  Tcp::endpoint endpoint(asio::ip::make_address(address, ec), port);
  if (!ec) tcp_.open(endpoint.protocol(), ec);
  if (!ec) tcp_.set_option(asio::socket_base::reuse_address(true), ec);
  if (!ec) tcp_.bind(endpoint, ec);
  if (!ec) tcp_.listen(asio::socket_base::max_listen_connections, ec);
  if (ec) {
    return system_error(ErrorCode::invalid,
                        fmt::format("cannot listen on {} port {}", address, port), ec);
  }
  gate_.spawn("admin port", accept<Tcp>(shared_from_this(), tcp_, false));
  return {};
}

template <class Protocol>
Task HttpServer::State::accept(std::shared_ptr<State> self, typename Protocol::acceptor& acceptor,
                               bool trusted) {
  while (acceptor.is_open()) {
    typename Protocol::socket socket(gate_.executor());
    error_code ec;
    co_await acceptor.async_accept(socket, asio::redirect_error(asio::use_awaitable, ec));
    if (gate_.closed()) co_return;
    if (ec) {  // out of descriptors, most likely: others may close some
      log::warning("admin: cannot accept a connection: {}", ec.message());
      co_await sleep_for(std::chrono::milliseconds(100));
    } else if (open_.size() < kConnections) {
      gate_.spawn("admin connection", serve<Protocol>(self, std::move(socket), trusted));
    }
  }
}

template <class Protocol>
Task HttpServer::State::serve(std::shared_ptr<State> /*keeps us alive*/,
                              typename Protocol::socket socket, bool trusted) {
  beast::basic_stream<Protocol> stream(std::move(socket));
  OpenConnection entry(open_, [&stream] { stream.close(); });
  co_await serve_stream(stream, trusted);
}

template <class Stream>
Task HttpServer::State::serve_stream(Stream& stream, bool trusted) {
  beast::flat_buffer buffer;
  for (bool keep_alive = true; keep_alive && !gate_.closed();) {
    http::request_parser<http::string_body> parser;
    parser.header_limit(kHeaderBytes);
    parser.body_limit(kBodyBytes);
    error_code ec;
    stream.expires_after(kRequestTime);
    co_await http::async_read(stream, buffer, parser,
                              asio::redirect_error(asio::use_awaitable, ec));
    if (ec) co_return;
    stream.expires_never();
    unsigned version = parser.get().version();
    keep_alive = parser.get().keep_alive();
    Request request = to_request(parser.get(), trusted);
    Response response = co_await handler_(std::move(request));
    http::response<http::string_body> message =
        to_message(std::move(response), version, keep_alive);
    stream.expires_after(kRequestTime);
    co_await http::async_write(stream, message, asio::redirect_error(asio::use_awaitable, ec));
    if (ec) co_return;
  }
}

Task HttpServer::State::stop() {
  error_code ignored;
  unix_.close(ignored);
  tcp_.close(ignored);
  if (!unix_path_.empty()) ::unlink(unix_path_.c_str());
  for (const Closer& close : open_) close();
  co_await gate_.close();
}

HttpServer::HttpServer(Executor executor, Handler handler)
    : state_(std::make_shared<State>(std::move(executor), std::move(handler))) {}
HttpServer::~HttpServer() = default;

Result<void> HttpServer::listen_unix(const std::filesystem::path& socket) {
  return state_->listen_unix(socket);
}
Result<void> HttpServer::listen_tcp(const std::string& address, uint16_t port) {
  return state_->listen_tcp(address, port);
}
Task HttpServer::stop() {
  return state_->stop();
}

namespace {

struct Exchange {
  std::filesystem::path socket;
  http::request<http::string_body> request;
  Duration at_most{};
  Result<Response> result = Error(ErrorCode::timed_out, "no answer");
};

Task exchange(Exchange& call) {
  Executor executor = co_await asio::this_coro::executor;
  beast::basic_stream<Unix> stream(executor);
  stream.expires_after(call.at_most);
  Unix::endpoint endpoint(call.socket.native());
  error_code ec;
  co_await stream.async_connect(endpoint, asio::redirect_error(asio::use_awaitable, ec));
  if (ec) {
    call.result = system_error(ErrorCode::unavailable, call.socket.native(), ec);
    co_return;
  }
  co_await http::async_write(stream, call.request, asio::redirect_error(asio::use_awaitable, ec));
  beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(kAnswerBytes);
  if (!ec) {
    co_await http::async_read(stream, buffer, parser,
                              asio::redirect_error(asio::use_awaitable, ec));
  }
  if (ec) {
    ErrorCode code = ec == beast::error::timeout ? ErrorCode::timed_out : ErrorCode::unavailable;
    call.result = system_error(code, call.socket.native(), ec);
    co_return;
  }
  call.result = Response{parser.get().result_int(), parser.get().body(),
                         std::string(parser.get()[http::field::content_type])};
}

}  // namespace

Result<Response> call(const std::filesystem::path& socket, const std::string& method,
                      const std::string& path, const std::string& body, Duration at_most) {
  if (socket.native().size() >= sizeof(sockaddr_un::sun_path)) {
    return Error(ErrorCode::invalid,
                 fmt::format("{} is too long for the path of a Unix socket", socket.native()));
  }
  Exchange one;
  one.socket = socket;
  one.at_most = at_most;
  one.request.method(http::string_to_verb(method));
  one.request.target(path);
  one.request.version(11);
  one.request.set(http::field::host, "gateway");
  one.request.keep_alive(false);
  one.request.body() = body;
  one.request.prepare_payload();
  asio::io_context io(1);
  asio::co_spawn(io, exchange(one), asio::detached);
  io.run();
  return std::move(one.result);
}

}  // namespace swiftness::admin
