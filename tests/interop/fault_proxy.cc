// fault_proxy --to HOST:PORT: an HTTP proxy in front of Swift that fails on purpose, as networks,
// load balancers and servers do. It looks at requests one by one and forwards bodies as they come.
//
// What may go wrong with a request (--faults), one of them, with the probability --rate:
//   latency    it, or its answer, comes up to a second later
//   stall      a pause of 0.2 to 6 s in the midst of its body, or of the answer
//   reset      both connections are reset, in the midst of the body or of the answer
//   truncate   the answer ends too early, in the midst of its body (which is shorter than its
//              Content-Length) or of its headers
//   etag       the answer to a PUT or GET has another ETag than Swift gave
//   429 ...    any status: the answer is this one. In half of the cases Swift never saw the
//   request,
//              in the others it has carried it out. With a body, half of those Swift never saw are
//              answered before the body comes. 429 and 498 come with Retry-After, or without.
// Log-ins fail like everything else.
//
// It is told what to do by requests for itself; each is answered with the counts so far:
//   /faults                 nothing
//   /faults/rate/PERCENT    from now on so many
//   /faults/kinds/A,B,...   from now on these
// The first line of its output is its port; at its end (SIGTERM) it prints the counts. They say as
// well how many log-ins it has seen at once.
#include <fmt/core.h>
#include <fmt/ranges.h>
#include <signal.h>
#include <sys/socket.h>

#include <CLI/CLI.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/write.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <map>
#include <memory>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "backend/base/async.h"

namespace swiftness::test {
namespace {

using namespace std::chrono_literals;
using asio::ip::tcp;

constexpr size_t kStep = 256 * 1024;  // bytes read and passed on at once
constexpr size_t kMostHead = 64 * 1024;

// ---------------------------------------------------------------- messages
// The first lines of a request or of an answer, up to its body.
struct Head {
  std::string text;

  std::string word(size_t n) const {  // of its first line
    std::istringstream words(text.substr(0, text.find("\r\n")));
    std::string word;
    for (size_t i = 0; i <= n; ++i) words >> word;
    return word;
  }
  // Where the value of a header begins and ends.
  std::optional<std::pair<size_t, size_t>> place_of(std::string_view name) const {
    for (size_t at = text.find("\r\n") + 2; at < text.size();) {
      const size_t end = text.find("\r\n", at);
      const size_t colon = text.find(':', at);
      auto same = [](char a, char b) { return std::tolower(a) == std::tolower(b); };
      if (colon < end && std::equal(text.begin() + static_cast<ptrdiff_t>(at),
                                    text.begin() + static_cast<ptrdiff_t>(colon), name.begin(),
                                    name.end(), same)) {
        const size_t begin = text.find_first_not_of(' ', colon + 1);
        return std::pair(std::min(begin, end), end);
      }
      at = end + 2;
    }
    return std::nullopt;
  }
  std::string find(std::string_view name) const {
    auto place = place_of(name);
    return place ? text.substr(place->first, place->second - place->first) : "";
  }
  uint64_t length() const {
    const std::string digits = find("Content-Length");
    return digits.empty() ? 0 : std::stoull(digits);
  }
  bool is_last() const { return find("Connection") == "close"; }
};

struct Link {
  explicit Link(tcp::socket connected) : socket(std::move(connected)) {
    socket.set_option(tcp::no_delay(true));
  }
  // So that the other end hears of it as a reset.
  void reset() {
    boost::system::error_code ignored;
    socket.set_option(asio::socket_base::linger(true, 0), ignored);
    socket.close(ignored);
  }
  bool has_left() {
    char byte;
    return ::recv(socket.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
  }

  tcp::socket socket;
  std::string ahead;  // what was read and not used yet
};

asio::awaitable<Head> read_head(Link& link) {
  auto buffer = asio::dynamic_buffer(link.ahead, kMostHead);
  const size_t size =
      co_await asio::async_read_until(link.socket, buffer, "\r\n\r\n", asio::use_awaitable);
  Head head{link.ahead.substr(0, size)};
  link.ahead.erase(0, size);
  co_return head;
}

Task write(Link& link, std::string_view text) {
  co_await asio::async_write(link.socket, asio::buffer(text), asio::use_awaitable);
}

// ---------------------------------------------------------------- faults
struct Fault {
  std::string kind;     // empty: none
  bool late = false;    // in the answer, or after Swift did what was asked for
  bool eager = false;   // answered before the body comes
  bool polite = false;  // with Retry-After
  double where = 0;     // in the body, or in what there is
  Duration pause{};

  int status() const {
    int number = 0;
    std::from_chars(kind.data(), kind.data() + kind.size(), number);
    return number;
  }
  bool is(std::string_view name) const { return kind == name; }
  bool interrupts() const { return is("stall") || is("reset") || is("truncate"); }
};

class Faults {
 public:
  explicit Faults(uint64_t seed) : random_(seed) {}

  void set_rate(const std::string& percent) {
    rate_ = std::stod(percent) / 100;
    if (!(rate_ >= 0 && rate_ <= 1)) throw std::runtime_error("no rate: " + percent);
  }
  void set_kinds(const std::string& list) {
    std::vector<std::string> kinds;
    std::istringstream in(list);
    for (std::string kind; std::getline(in, kind, ',');) {
      const bool known = std::ranges::find(kKnown, kind) != std::end(kKnown);
      const int status = Fault{.kind = kind}.status();
      if (!known && !(status >= 400 && status <= 599)) {
        throw std::runtime_error("no such fault: " + kind);
      }
      kinds.push_back(kind);
    }
    if (kinds.empty()) throw std::runtime_error("no faults");
    kinds_ = kinds;
  }

  Fault next(const std::string& method) {
    Fault fault;
    if (fraction() >= rate_) return fault;
    fault.kind = kinds_[below(kinds_.size())];
    fault.late = below(2) == 0;
    fault.eager = below(2) == 0;
    fault.polite = below(2) == 0;
    fault.where = fraction();
    const bool tagged = method == "PUT" || method == "GET";
    if (fault.is("etag") && !tagged) fault.kind = "latency";
    if (fault.is("latency")) fault.pause = ms(10 * std::pow(100, fraction()));
    if (fault.is("stall")) fault.pause = ms(200 + 5800 * fraction());
    if (fault.is("truncate")) fault.late = true;
    return fault;
  }

  void count(const Fault& fault) {
    if (!fault.kind.empty()) ++injected_[fault.kind];
  }
  std::string counts() const {
    std::vector<std::string> words;
    for (const auto& [kind, count] : injected_) words.push_back(fmt::format("{} {}", kind, count));
    return words.empty() ? "none" : fmt::format("{}", fmt::join(words, ", "));
  }

 private:
  static constexpr std::string_view kKnown[] = {"latency", "stall", "reset", "truncate", "etag"};
  static Duration ms(double count) {
    return std::chrono::microseconds(static_cast<int64_t>(1000 * count));
  }
  double fraction() { return std::uniform_real_distribution<>()(random_); }
  size_t below(size_t end) { return random_() % end; }

  std::mt19937_64 random_;
  double rate_ = 0;
  std::vector<std::string> kinds_;
  std::map<std::string, uint64_t> injected_;
};

// ---------------------------------------------------------------- the proxy
class Proxy {
 public:
  Proxy(asio::io_context& io, Faults& faults, tcp::endpoint swift)
      : io_(io), faults_(faults), swift_(std::move(swift)) {}

  Task accept(tcp::acceptor& acceptor);
  std::string counts() const {
    return fmt::format("{} requests, {} answered 401; {} log-ins, at most {} at once; faults: {}\n",
                       requests_, refused_, log_ins_, most_log_ins_, faults_.counts());
  }

 private:
  friend class Connection;

  asio::io_context& io_;
  Faults& faults_;
  const tcp::endpoint swift_;
  uint64_t requests_ = 0, refused_ = 0;
  uint64_t log_ins_ = 0, log_ins_now_ = 0, most_log_ins_ = 0;
};

// One connection of a client, and the one to Swift that goes with it. An exception ends both.
class Connection {
 public:
  Connection(Proxy& proxy, tcp::socket client) : proxy_(proxy), client_(std::move(client)) {}

  Task serve() {
    for (bool more = true; more;) {
      Head request = co_await read_head(client_);
      more = co_await serve(std::move(request));
    }
  }

 private:
  struct LogIn {
    explicit LogIn(Proxy& proxy) : proxy_(proxy) {
      ++proxy_.log_ins_;
      proxy_.most_log_ins_ = std::max(proxy_.most_log_ins_, ++proxy_.log_ins_now_);
    }
    ~LogIn() { --proxy_.log_ins_now_; }
    Proxy& proxy_;
  };

  // All return whether the connection can be used for more.
  asio::awaitable<bool> serve(Head request);
  asio::awaitable<bool> answer_ourselves(const Head& request, const Fault& fault);
  asio::awaitable<bool> pass_on(const Head& request, Fault fault);
  Task control(const std::string& target);

  Task pause(Duration how_long);
  Task transfer(Link& from, Link* to, std::string_view head, uint64_t body, const Fault* fault);
  Task interrupt(const Fault& fault);
  Task connect();

  Proxy& proxy_;
  Link client_;
  std::optional<Link> swift_;
};

asio::awaitable<bool> Connection::serve(Head request) {
  const std::string target = request.word(1);
  if (target.starts_with("/faults")) {
    co_await control(target);
    co_return !request.is_last();
  }
  ++proxy_.requests_;
  std::optional<LogIn> log_in;
  if (target.starts_with("/auth/") || target.ends_with("/auth/tokens")) log_in.emplace(proxy_);
  Fault fault = proxy_.faults_.next(request.word(0));
  if (fault.is("latency") && !fault.late) {
    proxy_.faults_.count(fault);
    co_await pause(fault.pause);
    fault = {};
  }
  bool more = false;
  if (fault.status() != 0 && !fault.late) {
    more = co_await answer_ourselves(request, fault);
  } else {
    more = co_await pass_on(request, std::move(fault));
  }
  co_return more && !request.is_last();
}

Task Connection::control(const std::string& target) {
  std::istringstream words(target);
  std::string nothing, faults, what, value;
  std::getline(words, nothing, '/');
  std::getline(words, faults, '/');
  std::getline(words, what, '/');
  std::getline(words, value);
  std::string text;
  try {
    if (what == "rate") {
      proxy_.faults_.set_rate(value);
    } else if (what == "kinds") {
      proxy_.faults_.set_kinds(value);
    } else if (!what.empty()) {
      throw std::runtime_error("no such command: " + what);
    }
  } catch (const std::exception& failure) {
    text = fmt::format("{}\n", failure.what());
  }
  const int status = text.empty() ? 200 : 400;
  if (text.empty()) text = proxy_.counts();
  const std::string answer =
      fmt::format("HTTP/1.1 {} -\r\nContent-Length: {}\r\n\r\n{}", status, text.size(), text);
  co_await write(client_, answer);
}

std::string answer_of(const Fault& fault, bool last, bool with_body) {
  const std::string body = fmt::format("<html><h1>{}</h1></html>", fault.kind);
  const bool waits = fault.is("429") || fault.is("498");
  return fmt::format(
      "HTTP/1.1 {} Fault\r\nContent-Type: text/html\r\nContent-Length: {}\r\n{}{}\r\n{}",
      fault.kind, body.size(), waits && fault.polite ? "Retry-After: 1\r\n" : "",
      last ? "Connection: close\r\n" : "", with_body ? body : "");
}

asio::awaitable<bool> Connection::answer_ourselves(const Head& request, const Fault& fault) {
  proxy_.faults_.count(fault);
  const uint64_t body = request.length();
  const bool last = body > 0 && fault.eager;
  if (body > 0 && !fault.eager) {
    if (!request.find("Expect").empty()) co_await write(client_, "HTTP/1.1 100 Continue\r\n\r\n");
    co_await transfer(client_, nullptr, {}, body, nullptr);
  }
  const std::string answer = answer_of(fault, last, request.word(0) != "HEAD");
  co_await write(client_, answer);
  co_return !last;
}

asio::awaitable<bool> Connection::pass_on(const Head& request, Fault fault) {
  const std::string method = request.word(0);
  const uint64_t body = request.length();
  const bool early = fault.interrupts() && !fault.late;
  if (early && body == 0) {
    proxy_.faults_.count(fault);
    co_await interrupt(fault);
  }
  if (!swift_) co_await connect();
  co_await write(*swift_, request.text);

  Head answer;
  if (!request.find("Expect").empty()) {
    answer = co_await read_head(*swift_);
    if (answer.word(1) == "100") {
      co_await write(client_, answer.text);
      answer.text.clear();
    }
  }
  const bool refused = !answer.text.empty();  // and nobody knows whether the body still comes
  if (!refused) {
    co_await transfer(client_, &*swift_, {}, body, early && body > 0 ? &fault : nullptr);
    answer = co_await read_head(*swift_);
  }
  if (!answer.find("Transfer-Encoding").empty()) throw std::runtime_error("a chunked answer");
  const bool bare = method == "HEAD" || answer.word(1) == "204" || answer.word(1) == "304";
  const uint64_t length = bare ? 0 : answer.length();
  const bool more = !refused && !answer.is_last();
  if (answer.word(1) == "401") ++proxy_.refused_;

  if (fault.status() != 0) {
    co_await transfer(*swift_, nullptr, {}, length, nullptr);
    proxy_.faults_.count(fault);
    const std::string instead = answer_of(fault, !more, method != "HEAD");
    co_await write(client_, instead);
    co_return more;
  }
  if (fault.is("latency")) {
    proxy_.faults_.count(fault);
    co_await pause(fault.pause);
  }
  if (fault.is("etag")) {
    if (auto etag = answer.place_of("Etag")) {
      proxy_.faults_.count(fault);
      answer.text.replace(etag->first, etag->second - etag->first, std::string(32, 'e'));
    }
  }
  co_await transfer(*swift_, &client_, answer.text, length,
                    fault.interrupts() && fault.late ? &fault : nullptr);
  co_return more;
}

// Passes on, or throws away. What is interrupted is so in its body, if there is one.
Task Connection::transfer(Link& from, Link* to, std::string_view head, uint64_t body,
                          const Fault* fault) {
  if (fault != nullptr) proxy_.faults_.count(*fault);
  if (fault != nullptr && body == 0) {
    const auto part = static_cast<size_t>(fault->where * static_cast<double>(head.size()));
    if (part > 0) co_await write(*to, head.substr(0, part));
    co_await interrupt(*fault);
    head.remove_prefix(part);
  }
  if (!head.empty()) co_await write(*to, head);

  uint64_t until_fault = UINT64_MAX;
  if (fault != nullptr && body > 0) {
    until_fault = static_cast<uint64_t>(fault->where * static_cast<double>(body));
  }
  std::vector<char> buffer(static_cast<size_t>(std::min<uint64_t>(body, kStep)));
  while (body > 0) {
    if (until_fault == 0) {
      co_await interrupt(*fault);
      until_fault = UINT64_MAX;
    }
    const auto most = static_cast<size_t>(std::min<uint64_t>({body, buffer.size(), until_fault}));
    size_t got = std::min(most, from.ahead.size());
    if (got > 0) {
      std::copy_n(from.ahead.begin(), got, buffer.begin());
      from.ahead.erase(0, got);
    } else {
      const auto room = asio::buffer(buffer.data(), most);
      got = co_await from.socket.async_read_some(room, asio::use_awaitable);
    }
    if (to != nullptr) co_await write(*to, std::string_view(buffer.data(), got));
    body -= got;
    if (until_fault != UINT64_MAX) until_fault -= got;
  }
}

Task Connection::interrupt(const Fault& fault) {
  if (fault.is("stall")) {
    co_await pause(fault.pause);
    co_return;
  }
  if (fault.is("reset")) {
    client_.reset();
    if (swift_) swift_->reset();
  }
  throw std::runtime_error("interrupted");
}

// A client that leaves meanwhile ends it.
Task Connection::pause(Duration how_long) {
  const TimePoint end = now() + how_long;
  while (now() < end) {
    co_await sleep_for(std::min<Duration>(10ms, end - now()));
    if (client_.has_left()) throw std::runtime_error("the client has left");
  }
}

Task Connection::connect() {
  tcp::socket socket(proxy_.io_);
  co_await socket.async_connect(proxy_.swift_, asio::use_awaitable);
  swift_.emplace(std::move(socket));
}

Task serve(Proxy& proxy, tcp::socket client) {
  try {
    Connection connection(proxy, std::move(client));
    co_await connection.serve();
  } catch (const std::exception&) {
    // A fault, or an end has gone; there is nobody to be told.
  }
}

Task Proxy::accept(tcp::acceptor& acceptor) {
  for (;;) {
    tcp::socket client = co_await acceptor.async_accept(asio::use_awaitable);
    asio::co_spawn(io_, serve(*this, std::move(client)), asio::detached);
  }
}

struct Options {
  std::string to, rate = "0", faults = "latency,stall,reset,truncate,etag,429,498,500,503,507";
  uint16_t port = 0;
  uint64_t seed = 1;
};

int run(const Options& options) {
  Faults faults(options.seed);
  faults.set_rate(options.rate);
  faults.set_kinds(options.faults);
  const size_t colon = options.to.rfind(':');
  if (colon == std::string::npos) throw std::runtime_error("not HOST:PORT: " + options.to);
  const auto port = static_cast<uint16_t>(std::stoul(options.to.substr(colon + 1)));

  asio::io_context io(1);
  Proxy proxy(io, faults, {asio::ip::make_address(options.to.substr(0, colon)), port});
  tcp::acceptor acceptor(io, {asio::ip::make_address("127.0.0.1"), options.port});
  asio::signal_set end(io, SIGTERM, SIGINT);
  end.async_wait([&](const boost::system::error_code&, int) { io.stop(); });
  asio::co_spawn(io, proxy.accept(acceptor), asio::detached);
  fmt::print("{}\n", acceptor.local_endpoint().port());
  std::fflush(stdout);
  io.run();
  fmt::print("fault_proxy: {}", proxy.counts());
  return 0;
}

}  // namespace
}  // namespace swiftness::test

int main(int argc, char** argv) {
  swiftness::test::Options options;
  CLI::App app("Stands between an HTTP client and Swift, and fails on purpose.");
  app.add_option("--to", options.to, "ADDRESS:PORT of Swift")->required();
  app.add_option("--listen", options.port, "port on 127.0.0.1; 0: a free one (0)");
  app.add_option("--rate", options.rate, "percentage of requests that fail (0)");
  app.add_option("--faults", options.faults, "what may go wrong: " + options.faults);
  app.add_option("--seed", options.seed, "of its dice (1)");
  CLI11_PARSE(app, argc, argv);
  try {
    return swiftness::test::run(options);
  } catch (const std::exception& failure) {
    fmt::print(stderr, "fault_proxy: {}\n", failure.what());
    return 2;
  }
}
