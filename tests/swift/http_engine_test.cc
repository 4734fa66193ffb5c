// The HTTP engine against a server that misbehaves.
#include "backend/swift/http_engine.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <mutex>

#include "tests/support/run.h"
#include "tests/swift/scripted_server.h"

namespace swiftness {
namespace {

using namespace std::chrono_literals;

class HttpEngineTest : public testing::Test {
 protected:
  HttpRequest request(std::string method = "GET", std::string path = "/") {
    publish();
    HttpRequest request;
    request.method = std::move(method);
    request.url = server_.url() + path;
    request.most_body = 1 << 20;
    request.deadline = std::chrono::steady_clock::now() + 20s;
    return request;
  }
  HttpOutcome perform(HttpRequest request) {
    publish();
    HttpOutcome outcome = run(io_, engine_.perform(std::move(request)));
    std::lock_guard lock(mutex_);
    seen_ = asked_;
    return outcome;
  }
  void publish() {
    std::lock_guard lock(mutex_);
    answer_ = reply_;
  }
  static TransportFailure kind(const HttpOutcome& outcome) {
    EXPECT_TRUE(std::holds_alternative<HttpFailure>(outcome));
    return std::get<HttpFailure>(outcome).kind;
  }

  asio::io_context io_{1};
  ServerReply reply_;   // what the next requests get
  ServerRequest seen_;  // what the last perform() sent
  std::mutex mutex_;    // between the server's threads and the test
  ServerReply answer_;
  ServerRequest asked_;
  ScriptedServer server_{[this](const ServerRequest& request) {
    std::lock_guard lock(mutex_);
    asked_ = request;
    return answer_;
  }};
  HttpEngine engine_{{.connections = 4, .connect_timeout = 1s, .stall_timeout = 10s}};
  HttpEngine hasty_{{.connections = 4, .connect_timeout = 1s, .stall_timeout = 500ms}};
};

TEST_F(HttpEngineTest, SpeaksIPv6) {
  ScriptedServer server(
      [](const ServerRequest&) {
        ServerReply reply;
        reply.body = "six";
        return reply;
      },
      asio::ip::address_v6::loopback());
  HttpRequest get = request();
  get.url = server.url() + "/x";
  HttpOutcome outcome = perform(std::move(get));
  ASSERT_TRUE(std::holds_alternative<HttpResponse>(outcome));
  EXPECT_EQ(std::get<HttpResponse>(outcome).body.text(), "six");
  EXPECT_EQ(std::get<HttpResponse>(outcome).peer, "::1:" + std::to_string(server.port()));
}

TEST_F(HttpEngineTest, GoesThroughAProxyWhenItIsToldTo) {
  HttpEngine engine{{.proxy = {server_.url(), "gw", "secret"}}};
  HttpRequest get = request();
  get.url = "http://swift.example/v1/AUTH_x";  // which nobody resolves here
  HttpOutcome outcome = run(io_, engine.perform(std::move(get)));
  ASSERT_TRUE(std::holds_alternative<HttpResponse>(outcome));
  std::lock_guard lock(mutex_);
  EXPECT_EQ(asked_.target, "http://swift.example/v1/AUTH_x");
  EXPECT_EQ(asked_.header("host"), "swift.example");
  EXPECT_EQ(asked_.header("proxy-authorization"), "Basic Z3c6c2VjcmV0");
}

TEST_F(HttpEngineTest, SaysWhoItIsAndAnnouncesLargeBodies) {
  HttpRequest put = request("PUT");
  put.body = BufferList(Buffer::zeros(2 << 20));
  perform(std::move(put));
  EXPECT_EQ(seen_.header("user-agent").rfind("swiftness/", 0), 0u) << seen_.header("user-agent");
  EXPECT_EQ(seen_.header("expect"), "100-continue");
  put = request("PUT");
  put.body = BufferList(Buffer::copy_of("small"));
  perform(std::move(put));
  EXPECT_EQ(seen_.header("expect"), "");
}

TEST_F(HttpEngineTest, GathersUploadsFromTheirPieces) {
  HttpRequest put = request("PUT");
  std::string whole;
  for (int i = 0; i < 500; ++i) {
    std::string piece(static_cast<size_t>(i * 37 % 9000), static_cast<char>('a' + i % 26));
    put.body.append(Buffer::copy_of(piece));
    whole += piece;
  }
  ASSERT_GT(whole.size(), 2u << 20) << "big enough for 100-continue";
  reply_.status = 201;
  HttpOutcome outcome = perform(std::move(put));
  ASSERT_TRUE(std::holds_alternative<HttpResponse>(outcome));
  EXPECT_EQ(std::get<HttpResponse>(outcome).status, 201);
  EXPECT_TRUE(seen_.body == whole);
}

TEST_F(HttpEngineTest, SendsAnEmptyBodyWithItsLength) {
  perform(request("PUT"));
  EXPECT_EQ(seen_.header("content-length"), "0");
}

TEST_F(HttpEngineTest, DownloadsWithAndWithoutALength) {
  reply_.body = std::string(700'000, 'x') + "end";
  for (bool chunked : {false, true}) {
    reply_.chunked = chunked;
    HttpOutcome outcome = perform(request());
    ASSERT_TRUE(std::holds_alternative<HttpResponse>(outcome));
    EXPECT_EQ(std::get<HttpResponse>(outcome).body.text(), reply_.body);
  }
}

TEST_F(HttpEngineTest, NeverTakesMoreThanAskedFor) {
  reply_.body = std::string(1000, 'x');
  for (bool chunked : {false, true}) {
    reply_.chunked = chunked;
    HttpRequest get = request();
    get.most_body = 999;
    EXPECT_EQ(kind(perform(get)), TransportFailure::too_long);
  }
  reply_.chunked = false;
  reply_.announce = uint64_t{1} << 60;  // and no memory is set aside for it
  EXPECT_EQ(kind(perform(request())), TransportFailure::too_long);
}

TEST_F(HttpEngineTest, KeepsTheBeginningOfAnErrorsBody) {
  reply_.status = 503;
  reply_.body = "busy" + std::string(100'000, ' ');
  HttpRequest get = request();
  get.most_body = 0;
  HttpOutcome outcome = perform(get);
  ASSERT_TRUE(std::holds_alternative<HttpResponse>(outcome));
  EXPECT_EQ(std::get<HttpResponse>(outcome).status, 503);
  EXPECT_EQ(std::get<HttpResponse>(outcome).body.text().substr(0, 4), "busy");
  EXPECT_LE(std::get<HttpResponse>(outcome).body.size(), 4096u);
}

TEST_F(HttpEngineTest, AHeadHasHeadersOnly) {
  reply_.announce = 123456;
  reply_.headers["X-Trans-Id"] = "tx1";
  HttpOutcome outcome = perform(request("HEAD"));
  ASSERT_TRUE(std::holds_alternative<HttpResponse>(outcome));
  EXPECT_EQ(std::get<HttpResponse>(outcome).headers.find("content-length"), "123456");
  EXPECT_EQ(std::get<HttpResponse>(outcome).headers.find("x-trans-id"), "tx1");
  EXPECT_EQ(std::get<HttpResponse>(outcome).peer, "127.0.0.1:" + std::to_string(server_.port()));
}

TEST_F(HttpEngineTest, ATruncatedBodyIsBroken) {
  reply_.body = std::string(1000, 'x');
  reply_.stop_after = 400;
  reply_.then = ServerReply::Then::close;
  EXPECT_EQ(kind(perform(request())), TransportFailure::broken);
}

TEST_F(HttpEngineTest, AResetIsBroken) {
  reply_.answer = false;
  reply_.then = ServerReply::Then::reset;
  EXPECT_EQ(kind(perform(request())), TransportFailure::broken);
}

TEST_F(HttpEngineTest, HeadersWithoutEndAreRefused) {
  for (int i = 0; i < 100; ++i) reply_.headers["X-" + std::to_string(i)] = std::string(1000, 'h');
  EXPECT_EQ(kind(perform(request())), TransportFailure::malformed);
}

TEST_F(HttpEngineTest, GivesUpOnSilenceBeforeAndWithinTheBody) {
  reply_.then = ServerReply::Then::silence;
  reply_.answer = false;
  auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(kind(run(io_, hasty_.perform(request()))), TransportFailure::stalled);
  reply_.answer = true;
  reply_.body = std::string(1000, 'x');
  reply_.stop_after = 10;
  EXPECT_EQ(kind(run(io_, hasty_.perform(request()))), TransportFailure::stalled);
  auto took = std::chrono::steady_clock::now() - began;
  EXPECT_GE(took, 1s);
  EXPECT_LT(took, 5s);
}

TEST_F(HttpEngineTest, GivesUpAtTheDeadline) {
  reply_.answer = false;
  reply_.then = ServerReply::Then::silence;
  HttpRequest get = request();
  get.deadline = std::chrono::steady_clock::now() + 50ms;
  EXPECT_EQ(kind(perform(get)), TransportFailure::deadline);
}

TEST_F(HttpEngineTest, SaysThatNobodyListens) {
  uint16_t free_port = 0;
  {
    ScriptedServer gone([](const ServerRequest&) { return ServerReply(); });
    free_port = gone.port();
  }
  HttpRequest get = request();
  get.url = "http://127.0.0.1:" + std::to_string(free_port) + "/";
  EXPECT_EQ(kind(perform(get)), TransportFailure::connect);
  get.url = "http://name.invalid/";
  EXPECT_EQ(kind(perform(get)), TransportFailure::resolve);
}

TEST_F(HttpEngineTest, RefusesToSmuggleHeadersAndOtherSchemes) {
  HttpRequest get = request();
  get.headers.push_back({"X-Auth-Key", "key\r\nX-Evil: yes"});
  EXPECT_EQ(kind(perform(get)), TransportFailure::request);
  HttpRequest file = request();
  file.url = "file:///etc/passwd";
  EXPECT_EQ(kind(perform(file)), TransportFailure::request);
}

TEST_F(HttpEngineTest, SendsPathsAsTheyAre) {
  perform(request("GET", "/v1/a/../b//c/./d"));
  EXPECT_EQ(seen_.target, "/v1/a/../b//c/./d");
}

TEST_F(HttpEngineTest, IgnoresProxiesOfTheEnvironment) {
  ::setenv("http_proxy", "http://127.0.0.1:1/", 1);
  HttpOutcome outcome = perform(request());
  ::unsetenv("http_proxy");
  EXPECT_TRUE(std::holds_alternative<HttpResponse>(outcome));
}

TEST_F(HttpEngineTest, KeepsConnectionsAndMakesFreshOnesWhenAsked) {
  for (int i = 0; i < 5; ++i) perform(request());
  EXPECT_EQ(server_.connections(), 1);
  HttpRequest fresh = request();
  fresh.fresh_connection = true;
  perform(fresh);
  EXPECT_EQ(server_.connections(), 2);
}

TEST_F(HttpEngineTest, RunsNoMoreThanItsConnectionsAtOnce) {
  std::vector<Started<HttpOutcome>> calls;
  for (int i = 0; i < 50; ++i) calls.emplace_back(io_, engine_.perform(request()));
  io_.run();
  for (auto& call : calls) {
    ASSERT_TRUE(call.done());
    EXPECT_TRUE(std::holds_alternative<HttpResponse>(call.result()));
  }
  EXPECT_LE(server_.connections(), 4);
}

TEST_F(HttpEngineTest, AWaitingTransferHasItsDeadlineToo) {
  reply_.answer = false;
  reply_.then = ServerReply::Then::silence;
  std::vector<Started<HttpOutcome>> calls;
  for (int i = 0; i < 5; ++i) {
    HttpRequest get = request();
    get.deadline = std::chrono::steady_clock::now() + 100ms;
    calls.emplace_back(io_, engine_.perform(std::move(get)));
  }
  io_.run();
  for (auto& call : calls) EXPECT_EQ(kind(call.result()), TransportFailure::deadline);
}

TEST_F(HttpEngineTest, AbortsOneTransferAndNoOther) {
  reply_.answer = false;
  reply_.then = ServerReply::Then::silence;
  auto victim = hasty_.reserve_id();
  Started<HttpOutcome> aborted(io_, hasty_.perform(request(), victim));
  Started<HttpOutcome> other(io_, hasty_.perform(request()));
  io_.poll();
  hasty_.abort(victim);
  while (!aborted.done()) io_.run_one();
  EXPECT_EQ(kind(aborted.result()), TransportFailure::aborted);
  EXPECT_FALSE(other.done());
  io_.run();
  EXPECT_EQ(kind(other.result()), TransportFailure::stalled);
  hasty_.abort(victim);  // long over: nothing happens
}

TEST_F(HttpEngineTest, StoppingEndsWhatIsUnderWay) {
  reply_.answer = false;
  reply_.then = ServerReply::Then::silence;
  std::vector<Started<HttpOutcome>> calls;
  for (int i = 0; i < 6; ++i) calls.emplace_back(io_, engine_.perform(request()));
  io_.poll();
  engine_.stop();
  io_.run();
  for (auto& call : calls) EXPECT_EQ(kind(call.result()), TransportFailure::closed);
  EXPECT_EQ(kind(perform(request())), TransportFailure::closed);
}

}  // namespace
}  // namespace swiftness
