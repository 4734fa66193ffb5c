// When the client asks whom: log-ins, renewals, several proxies, outages, slow reads. Under a
// VirtualClock, against servers that are a function of the test.
#include "backend/swift/swift_client.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "backend/base/random.h"
#include "tests/support/run.h"
#include "tests/swift/imagined_network.h"

namespace swiftness::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using Reply = ImaginedNetwork::Reply;

class SwiftClientTest : public testing::Test {
 protected:
  SwiftClientTest() {
    config_.auth_urls = {"http://auth/v1.0"};
    config_.auth = AuthV1Config{"test:tester", "testing"};
    log_in_ = [this](const HttpRequest&) { return token(fmt::format("t{}", ++tokens_)); };
    serve_ = [](const HttpRequest&) { return Reply{http_answer(200)}; };
  }

  Reply token(std::string name, std::string life = "") {
    std::vector<HttpHeader> headers = {{"X-Storage-Url", "http://swift/v1/AUTH_x"},
                                       {"X-Auth-Token", name}};
    if (!life.empty()) headers.push_back({"X-Auth-Token-Expires", life});
    return Reply{http_answer(200, headers), 5ms};
  }

  SwiftClient& client() {
    if (client_) return *client_;
    auto servers = [this](const HttpRequest& request) {
      return request.url.find("/auth") != std::string::npos ||
                     request.url.starts_with("http://auth")
                 ? log_in_(request)
                 : serve_(request);
    };
    tuning_.pool_threads = 0;
    client_ = std::make_shared<SwiftClient>(
        config_, io_.get_executor(), tuning_,
        std::make_unique<ImaginedNetwork>(io_.get_executor(), servers, log_));
    return *client_;
  }

  static SwiftRequest request_for(std::string method, bool hedge = false) {
    SwiftRequest request;
    request.method = std::move(method);
    request.container = "box";
    request.name = "a";
    request.most_body = 4096;
    request.hedge = hedge;
    return request;
  }
  Result<SwiftAnswer> ask(SwiftRequest request = request_for("GET")) {
    return run(io_, client().perform(std::move(request), client().new_deadline()));
  }
  void pass(Duration duration) { run(io_, sleep_for(duration)); }

  std::vector<std::string> asked(std::string_view part) {
    std::vector<std::string> out;
    for (const auto& one : *log_) {
      if (one.url.find(part) != std::string::npos) out.push_back(one.url);
    }
    return out;
  }
  size_t log_ins() { return asked("//auth").size(); }

  VirtualClock clock_;
  SeededRandom random_{1};
  asio::io_context io_{1};
  SwiftStoreConfig config_;
  SwiftTuning tuning_;
  ImaginedNetwork::Servers log_in_, serve_;
  int tokens_ = 0;
  std::shared_ptr<ImaginedNetwork::Log> log_ = std::make_shared<ImaginedNetwork::Log>();
  std::shared_ptr<SwiftClient> client_;
};

// ---------------------------------------------------------------- tokens
TEST_F(SwiftClientTest, ATokenIsRenewedBeforeItsEndBesideTheRequests) {
  log_in_ = [this](const HttpRequest&) {
    Reply reply = token(fmt::format("t{}", ++tokens_), "100");
    if (tokens_ > 1) reply.after = 3s;  // a slow one
    return reply;
  };
  std::vector<std::string> used;
  serve_ = [&](const HttpRequest& request) {
    for (const HttpHeader& header : request.headers) {
      if (header.name == "X-Auth-Token") used.push_back(header.value);
    }
    return Reply{http_answer(200)};
  };
  ASSERT_TRUE(ask().ok());
  pass(79s);
  ASSERT_TRUE(ask().ok());
  EXPECT_EQ(log_ins(), 1u);
  pass(2s);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(ask().ok());
  EXPECT_EQ(log_ins(), 2u) << "one for all of them";
  pass(4s);
  ASSERT_TRUE(ask().ok());
  EXPECT_EQ(used, (std::vector<std::string>{"t1", "t1", "t1", "t1", "t1", "t1", "t1", "t2"}));
}

TEST_F(SwiftClientTest, AnExpiredTokenIsNotShown) {
  log_in_ = [this](const HttpRequest&) { return token(fmt::format("t{}", ++tokens_), "10"); };
  ASSERT_TRUE(ask().ok());
  pass(1h);
  const size_t before = log_->size();
  ASSERT_TRUE(ask().ok());
  EXPECT_EQ(log_->size() - before, 2u);
  EXPECT_EQ(log_ins(), 2u);
}

// As TempAuth does: the same token until its end, with what is left of its life.
TEST_F(SwiftClientTest, ATokenThatCannotBeHadAnewIsUsedToItsEnd) {
  TimePoint end{};
  log_in_ = [&](const HttpRequest&) {
    if (now() >= end) end = now() + 10s, ++tokens_;
    const auto left = std::chrono::floor<std::chrono::seconds>(end - now());
    return token(fmt::format("t{}", tokens_), fmt::format("{}", left.count()));
  };
  serve_ = [&](const HttpRequest& request) {
    bool good = false;
    for (const HttpHeader& header : request.headers) {
      good |= header.value == fmt::format("t{}", tokens_) && now() < end;
    }
    return Reply{http_answer(good ? 200 : 401)};
  };
  for (int i = 0; i < 1000; ++i) {  // 100 s
    ASSERT_TRUE(ask().ok()) << i;
    pass(100ms);
  }
  EXPECT_GE(tokens_, 10);
  EXPECT_LE(log_ins(), 4u * static_cast<size_t>(tokens_));
}

TEST_F(SwiftClientTest, WhileNobodyRenewsTheTokenItIsUsedOn) {
  log_in_ = [this](const HttpRequest&) {
    if (++tokens_ == 1) return token("t1", "100");
    return Reply{http_answer(503)};
  };
  ASSERT_TRUE(ask().ok());
  pass(81s);
  for (int i = 0; i < 15; ++i) {
    const TimePoint began = now();
    ASSERT_TRUE(ask().ok());
    EXPECT_EQ(now() - began, 1ms) << "nobody waits";
    pass(1s);
  }
  EXPECT_LE(log_ins(), 6u) << "and it is not asked for every second";
}

TEST_F(SwiftClientTest, RefusedCredentialsAreNotShownAgainAndAgain) {
  log_in_ = [](const HttpRequest&) { return Reply{http_answer(401)}; };
  for (int i = 0; i < 1000; ++i) {  // 100 s
    Result<SwiftAnswer> answer = ask();
    ASSERT_EQ(answer.error().code(), ErrorCode::unauthorized);
    EXPECT_THAT(answer.error().message(), HasSubstr("check user and key"));
    pass(100ms);
  }
  EXPECT_LE(log_ins(), 8u) << "after 1, 2, 4, ... 60 s";
  EXPECT_GE(log_ins(), 6u);
  log_in_ = [this](const HttpRequest&) { return token("t"); };
  pass(61s);
  EXPECT_TRUE(ask().ok()) << "somebody has changed something";
}

// As from a proxy that has lost its memcached: tokens are given, and nobody knows them.
TEST_F(SwiftClientTest, NewTokensThatAreRefusedAreNotAskedForWithoutAPause) {
  serve_ = [](const HttpRequest&) { return Reply{http_answer(401)}; };
  config_.deadline = 5s;
  const TimePoint began = now();
  while (now() - began < 100s) {
    EXPECT_EQ(ask().error().code(), ErrorCode::unauthorized);
    pass(100ms);
  }
  EXPECT_LE(log_ins(), 30u);
  EXPECT_GE(log_ins(), 20u) << "every 4 s";
  serve_ = [](const HttpRequest&) { return Reply{http_answer(200)}; };
  EXPECT_TRUE(ask().ok());
}

TEST_F(SwiftClientTest, ATokenRefusedTwiceIsRenewedTwice) {
  int refusals = 3;
  serve_ = [&refusals](const HttpRequest&) {
    return Reply{http_answer(refusals-- > 0 ? 401 : 200)};
  };
  const TimePoint before = now();
  ASSERT_TRUE(ask().ok());
  EXPECT_LT(now() - before, 6s);
  EXPECT_EQ(log_ins(), 4u);
}

TEST_F(SwiftClientTest, AnotherIdentityServiceIsAskedWhenOneIsSilent) {
  config_.auth_urls = {"http://auth1/v1.0", "http://auth2/v1.0"};
  log_in_ = [this](const HttpRequest& request) {
    if (request.url.starts_with("http://auth1")) return Reply{http_answer(200), 1h};
    return token("t");
  };
  const TimePoint began = now();
  ASSERT_TRUE(ask().ok());
  EXPECT_LE(now() - began, 11s) << "half of the 20 s";
}

// ---------------------------------------------------------------- several proxies
TEST_F(SwiftClientTest, ProxiesTakeTurnsAndOneThatIsGoneIsLeftOut) {
  config_.endpoints = {"http://p0:8080", "https://p1", "http://[::1]:81"};
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(ask().ok());
  for (const char* url : {"http://p0:8080/v1/AUTH_x/box/a", "https://p1/v1/AUTH_x/box/a",
                          "http://[::1]:81/v1/AUTH_x/box/a"}) {
    EXPECT_EQ(asked(url).size(), 2u) << url;
  }

  serve_ = [](const HttpRequest& request) {
    if (!request.url.starts_with("https://p1")) return Reply{http_answer(200)};
    return Reply{HttpFailure{TransportFailure::connect, "refused"}};
  };
  log_->clear();
  const TimePoint began = now();
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(ask().ok());
  EXPECT_LE(asked("https://p1").size(), 3u);
  EXPECT_LT(now() - began, 110ms) << "another one is asked at once";
  pass(3s);
  serve_ = [](const HttpRequest&) { return Reply{http_answer(200)}; };
  for (int i = 0; i < 9; ++i) ASSERT_TRUE(ask().ok());
  EXPECT_GE(asked("https://p1").size(), 3u) << "it is back";
}

TEST_F(SwiftClientTest, ABoundRequestGoesWhereItIsBoundTo) {
  config_.endpoints = {"http://p0", "http://p1"};
  for (int i = 0; i < 4; ++i) {
    SwiftRequest request = request_for("HEAD");
    request.endpoint = 1;
    ASSERT_TRUE(ask(std::move(request)).ok());
  }
  EXPECT_EQ(asked("http://p1").size(), 4u);
}

// ---------------------------------------------------------------- outages
TEST_F(SwiftClientTest, ASwiftThatIsDownIsNotHammered) {
  const TimePoint back = now() + 60s;
  serve_ = [back](const HttpRequest&) {
    if (now() >= back) return Reply{http_answer(200)};
    return Reply{HttpFailure{TransportFailure::connect, "refused"}};
  };
  config_.deadline = 100s;
  std::vector<Started<Result<SwiftAnswer>>> calls;
  for (int i = 0; i < 200; ++i) {
    calls.emplace_back(io_, client().perform(request_for("GET"), client().new_deadline()));
  }
  run_until(io_, [&] { return std::ranges::all_of(calls, &Started<Result<SwiftAnswer>>::done); });
  for (auto& call : calls) ASSERT_TRUE(call.result().ok()) << call.result().error().message();
  EXPECT_LE(now() - back, 2100ms) << "all of them go on when it is back";
  size_t late = 0;  // after the first second
  for (const auto& one : *log_) late += one.at > back - 59s && one.at < back ? 1 : 0;
  EXPECT_LE(late, 60u) << "about one in two seconds, of 200 that wait";
  EXPECT_GE(late, 25u);
}

TEST_F(SwiftClientTest, TroubleLastsUntilARequestIsAnswered) {
  config_.deadline = 3s;
  EXPECT_EQ(client().trouble(), "");
  serve_ = [](const HttpRequest&) { return Reply{http_answer(403, {}, "not you")}; };
  EXPECT_FALSE(ask().ok());
  pass(1h);
  EXPECT_THAT(client().trouble(), HasSubstr("answered 403"));
  serve_ = [](const HttpRequest&) { return Reply{http_answer(503, {}, "no luck")}; };
  EXPECT_FALSE(ask().ok());
  pass(1h);
  EXPECT_THAT(client().trouble(), HasSubstr("no luck"));
  serve_ = [](const HttpRequest&) { return Reply{http_answer(404)}; };
  EXPECT_FALSE(ask().ok());
  EXPECT_EQ(client().trouble(), "") << "that is an answer";
  log_in_ = [](const HttpRequest&) { return Reply{http_answer(401)}; };
  serve_ = log_in_;
  EXPECT_FALSE(ask().ok());
  EXPECT_THAT(client().trouble(), HasSubstr("check user and key"));
}

TEST_F(SwiftClientTest, WhoMayNotAskIsToldWhatFailedTheOthers) {
  config_.deadline = 3s;
  serve_ = [](const HttpRequest&) { return Reply{http_answer(503, {}, "no luck"), 100ms}; };
  std::vector<Started<Result<SwiftAnswer>>> calls;
  for (int i = 0; i < 40; ++i) {
    calls.emplace_back(io_, client().perform(request_for("PUT"), client().new_deadline()));
  }
  const TimePoint began = now();
  run_until(io_, [&] { return std::ranges::all_of(calls, &Started<Result<SwiftAnswer>>::done); });
  EXPECT_LE(now() - began, 4s);
  for (auto& call : calls) {
    EXPECT_EQ(call.result().error().code(), ErrorCode::unavailable);
    EXPECT_THAT(call.result().error().message(), HasSubstr("no luck"));
  }
}

TEST_F(SwiftClientTest, AnswersNobodyWantedAreNoOutage) {
  for (int status : {404, 429, 498, 507, 403}) {
    log_->clear();
    serve_ = [status](const HttpRequest&) { return Reply{http_answer(status)}; };
    SwiftRequest request = request_for("GET");
    request.judge = [](const HttpResponse&) { return Judgement(); };
    ASSERT_TRUE(ask(request).ok());  // with a log-in, the first time
    const TimePoint began = now();
    for (int i = 0; i < 50; ++i) ASSERT_TRUE(ask(request).ok());
    EXPECT_EQ(now() - began, 50ms) << status << ": nobody waits";
  }
}

TEST_F(SwiftClientTest, RetriesStayWithinTheirBudget) {
  config_.deadline = 30s;
  int answers = 0;  // every other one is a failure, so that no circuit opens
  serve_ = [&](const HttpRequest&) { return Reply{http_answer(++answers % 2 == 0 ? 200 : 503)}; };
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(ask().ok());
  serve_ = [&](const HttpRequest&) { return Reply{http_answer(++answers % 3 == 0 ? 200 : 503)}; };
  const TimePoint began = now();
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(ask().ok());
  EXPECT_GE(now() - began, 100s) << "two retries for each request are more than it earns";
}

TEST_F(SwiftClientTest, RetryAfterIsHonoured) {
  for (int status : {429, 498, 503}) {
    int answers = 0;
    serve_ = [&answers, status](const HttpRequest&) {
      return Reply{++answers == 1 ? http_answer(status, {{"Retry-After", "7"}}) : http_answer(200)};
    };
    const TimePoint began = now();
    ASSERT_TRUE(ask().ok());
    EXPECT_GE(now() - began, 7s);
    EXPECT_LT(now() - began, 8s);
  }
}

TEST_F(SwiftClientTest, FailuresWithoutAnAnswerNameTheRequest) {
  config_.deadline = 1s;
  std::string id;
  serve_ = [&id](const HttpRequest& request) {
    for (const HttpHeader& header : request.headers) {
      if (header.name == "X-Trans-Id-Extra") id = header.value;
    }
    return Reply{HttpFailure{TransportFailure::broken, "reset"}};
  };
  Result<SwiftAnswer> answer = ask();
  EXPECT_THAT(answer.error().message(), HasSubstr("http://swift/v1/AUTH_x: reset (request " + id));
  EXPECT_FALSE(id.empty());
}

// ---------------------------------------------------------------- slow reads
class HedgeTest : public SwiftClientTest {
 protected:
  // So many quick reads that the client knows what is usual: 20 ms.
  void learn() {
    serve_ = [](const HttpRequest&) { return Reply{http_answer(200), 20ms}; };
    for (int i = 0; i < 200; ++i) ASSERT_TRUE(ask(request_for("GET", true)).ok());
    log_->clear();
  }
  // Answers in this order.
  void then(std::vector<Reply> replies) {
    auto next = std::make_shared<size_t>(0);
    serve_ = [replies, next](const HttpRequest&) { return replies.at((*next)++); };
  }
};

TEST_F(HedgeTest, ASlowReadIsAskedForTwiceAndTheFirstAnswerCounts) {
  config_.endpoints = {"http://p0", "http://p1"};
  learn();
  then({Reply{http_answer(200, {}, "slow"), 5s}, Reply{http_answer(200, {}, "quick"), 20ms}});
  const TimePoint began = now();
  Result<SwiftAnswer> answer = ask(request_for("GET", true));
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->response.body.text(), "quick");
  EXPECT_EQ(now() - began, 40ms);
  ASSERT_EQ(log_->size(), 2u);
  EXPECT_NE((*log_)[0].url, (*log_)[1].url) << "another proxy";
  EXPECT_TRUE((*log_)[0].aborted);
}

TEST_F(HedgeTest, TheFirstRequestMayStillWin) {
  learn();
  then({Reply{http_answer(200, {}, "first"), 30ms}, Reply{http_answer(200, {}, "second"), 5s}});
  Result<SwiftAnswer> answer = ask(request_for("GET", true));
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->response.body.text(), "first");
  ASSERT_EQ(log_->size(), 2u);
  EXPECT_TRUE((*log_)[1].aborted);
}

TEST_F(HedgeTest, AFailureDoesNotWin) {
  learn();
  then({Reply{http_answer(200, {}, "good"), 60ms}, Reply{http_answer(503), 1ms}});
  Result<SwiftAnswer> answer = ask(request_for("GET", true));
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->response.body.text(), "good");
  EXPECT_EQ(log_->size(), 2u);
}

TEST_F(HedgeTest, WhenBothFailTheRetryPolicyGoesOn) {
  learn();
  then({Reply{http_answer(503), 60ms}, Reply{http_answer(404), 1ms}, Reply{http_answer(200), 1ms}});
  ASSERT_TRUE(ask(request_for("GET", true)).ok());
  EXPECT_EQ(log_->size(), 3u);
}

TEST_F(HedgeTest, QuickReadsAndOthersAreAskedForOnce) {
  learn();
  then({Reply{http_answer(200), 19ms}, Reply{http_answer(201), 5s}});
  ASSERT_TRUE(ask(request_for("GET", true)).ok());
  ASSERT_TRUE(ask(request_for("PUT")).ok());
  EXPECT_EQ(log_->size(), 2u);
}

// 3 reads of 100 hang for a second. The others vary, and two hundred of them in turns are half as
// slow again: many are just late, and must not use up what those that hang need.
TEST_F(HedgeTest, OfReadsThatHangNearlyAllAreAskedForAgain) {
  std::mt19937 random(1);
  std::lognormal_distribution<> usual_ms(std::log(10), 0.6);
  int reads = 0;
  serve_ = [&](const HttpRequest&) {
    if (random() % 100 < 3) return Reply{http_answer(200), 1s};
    const auto after =
        static_cast<int64_t>((reads / 200 % 2 == 0 ? 1000 : 1500) * usual_ms(random));
    return Reply{http_answer(200), std::chrono::microseconds(after)};
  };
  constexpr int kReads = 10000;
  int hung = 0;
  for (; reads < kReads; ++reads) {
    const TimePoint began = now();
    ASSERT_TRUE(ask(request_for("GET", true)).ok());
    if (reads >= 100 && now() - began > 500ms) ++hung;
  }
  EXPECT_LT(hung, kReads / 500) << "3 % of 3 % hang twice";
  EXPECT_LE(log_->size(), kReads * 1.05 + 1) << "the log-in, too";
}

TEST_F(HedgeTest, AReadThatMayNotBeAskedForAgainIsLater) {
  learn();
  serve_ = [](const HttpRequest&) { return Reply{http_answer(200), 100ms}; };
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(ask(request_for("GET", true)).ok());
  EXPECT_EQ(log_->size(), 10u + 8u) << "all that was saved up";
  log_->clear();

  serve_ = [](const HttpRequest&) { return Reply{http_answer(200), 10s}; };
  const TimePoint began = now();
  Started<Result<SwiftAnswer>> call(
      io_, client().perform(request_for("GET", true), client().new_deadline()));
  pass(100ms);
  EXPECT_EQ(log_->size(), 1u) << "there is nothing to hedge with";
  serve_ = [](const HttpRequest&) { return Reply{http_answer(200), 20ms}; };
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(ask(request_for("GET", true)).ok());
  run_until(io_, [&call] { return call.done(); });
  EXPECT_LT(now() - began, 1s) << "the others brought it another request";
}

TEST_F(HedgeTest, WithoutHedgingReadsAreAskedForOnce) {
  tuning_.hedging = false;
  learn();
  then({Reply{http_answer(200), 5s}});
  ASSERT_TRUE(ask(request_for("GET", true)).ok());
  EXPECT_EQ(log_->size(), 1u);
}

TEST_F(HedgeTest, AClosedClientEndsItAll) {
  learn();
  then({Reply{http_answer(200), 5s}, Reply{http_answer(200), 5s}});
  Started<Result<SwiftAnswer>> call(
      io_, client().perform(request_for("GET", true), client().new_deadline()));
  pass(1s);
  ASSERT_EQ(log_->size(), 2u);
  client().close();
  run_until(io_, [&call] { return call.done(); });
  EXPECT_EQ(call.result().error().code(), ErrorCode::unavailable);
}

}  // namespace
}  // namespace swiftness::test
