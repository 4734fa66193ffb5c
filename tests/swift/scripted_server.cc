#include "tests/swift/scripted_server.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include <algorithm>
#include <sstream>

namespace swiftness {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\r' || text.back() == ' ')) text.pop_back();
  text.erase(0, text.find_first_not_of(' '));
  return text;
}

}  // namespace

ScriptedServer::ScriptedServer(Handler handler, asio::ip::address address)
    : handler_(std::move(handler)),
      acceptor_(io_, {address, 0}),
      port_(acceptor_.local_endpoint().port()),
      acceptor_thread_([this] { accept(); }) {}

ScriptedServer::~ScriptedServer() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    for (Socket& socket : sockets_) ::shutdown(socket.native_handle(), SHUT_RDWR);
    ::shutdown(acceptor_.native_handle(), SHUT_RDWR);
  }
  stopped_.notify_all();
  acceptor_thread_.join();
  for (std::thread& thread : threads_) thread.join();
}

int ScriptedServer::connections() {
  std::lock_guard lock(mutex_);
  return accepted_;
}

void ScriptedServer::accept() {
  for (;;) {
    Socket socket(io_);
    error_code failed;
    acceptor_.accept(socket, failed);
    std::lock_guard lock(mutex_);
    if (failed || stopping_) return;
    sockets_.push_back(std::move(socket));
    threads_.emplace_back(
        [this, &mine = sockets_.back(), number = ++accepted_] { serve(mine, number); });
  }
}

void ScriptedServer::serve(Socket& socket, int number) {
  std::string pending;
  for (;;) {
    ServerRequest request;
    request.connection = number;
    if (!read_request(socket, pending, request)) break;
    ServerReply reply;
    {
      std::lock_guard lock(handler_mutex_);
      reply = handler_(request);
    }
    if (!send(socket, request, reply)) break;
  }
  std::lock_guard lock(mutex_);
  error_code ignored;
  socket.close(ignored);
}

bool ScriptedServer::read_request(Socket& socket, std::string& pending, ServerRequest& request) {
  char piece[65536];
  error_code failed;
  auto read_more = [&] {
    size_t got = socket.read_some(asio::buffer(piece), failed);
    pending.append(piece, got);
    return !failed;
  };
  size_t end;
  while ((end = pending.find("\r\n\r\n")) == std::string::npos) {
    if (!read_more()) return false;
  }
  std::istringstream head(pending.substr(0, end));
  pending.erase(0, end + 4);
  head >> request.method >> request.target;
  std::string line;
  std::getline(head, line);
  while (std::getline(head, line)) {
    size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    std::string name = line.substr(0, colon);
    std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
    request.headers[name] = trimmed(line.substr(colon + 1));
  }
  if (request.header("expect") == "100-continue") {
    asio::write(socket, asio::buffer(std::string("HTTP/1.1 100 Continue\r\n\r\n")), failed);
  }
  std::string announced = request.header("content-length");
  size_t length = announced.empty() ? 0 : std::stoull(announced);
  while (pending.size() < length) {
    if (!read_more()) return false;
  }
  request.body = pending.substr(0, length);
  pending.erase(0, length);
  return true;
}

bool ScriptedServer::send(Socket& socket, const ServerRequest& request, const ServerReply& reply) {
  error_code failed;
  if (reply.answer) {
    std::ostringstream out;
    out << "HTTP/1.1 " << reply.status << " Scripted\r\n";
    for (const auto& [name, value] : reply.headers) out << name << ": " << value << "\r\n";
    if (reply.chunked) {
      out << "Transfer-Encoding: chunked\r\n";
    } else if (!reply.headers.contains("Content-Length")) {
      out << "Content-Length: " << reply.announce.value_or(reply.body.size()) << "\r\n";
    }
    out << "\r\n";
    std::string body = reply.body.substr(0, reply.stop_after.value_or(std::string::npos));
    if (request.method == "HEAD") body.clear();
    if (reply.chunked) {
      if (!body.empty()) out << std::hex << body.size() << "\r\n" << body << "\r\n";
      out << "0\r\n\r\n";
    } else {
      out << body;
    }
    asio::write(socket, asio::buffer(out.str()), failed);
    if (failed) return false;
  }
  switch (reply.then) {
    case ServerReply::Then::keep:
      return true;
    case ServerReply::Then::close:
      return false;
    case ServerReply::Then::reset:
      socket.set_option(asio::socket_base::linger(true, 0), failed);
      return false;
    case ServerReply::Then::silence:
      stay_silent();
      return false;
  }
  return false;
}

void ScriptedServer::stay_silent() {
  std::unique_lock lock(mutex_);
  stopped_.wait(lock, [this] { return stopping_; });
}

}  // namespace swiftness
