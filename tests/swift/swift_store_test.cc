// SwiftStore against a small Swift in memory that fails as it is told to.
#include "backend/swift/swift_store.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>

#include "backend/base/hash.h"
#include "backend/base/uuid.h"
#include "tests/store/store_contract.h"
#include "tests/swift/fake_swift.h"

namespace swiftness::test {
namespace {

using namespace std::chrono_literals;
using Act = FakeSwift::Act;
using Answers = std::vector<Presence>;

const SwiftTuning kQuick{
    .retry = {.first_delay = 2ms, .longest_delay = 20ms},
    .breaker = {.failures_to_open = 12, .first_pause = 5ms, .longest_pause = 20ms}};

SwiftStoreConfig config_for(const FakeSwift& swift) {
  SwiftStoreConfig config;
  config.auth_urls = {swift.auth_url()};
  config.auth = AuthV1Config{FakeSwift::kUser, FakeSwift::kKey};
  config.connect_timeout = 1s;
  config.stall_timeout = 2s;
  config.prefix = "p";
  return config;
}

// ---------------------------------------------------------------- the contract
// One server for all tests; each has a prefix of its own.
std::unique_ptr<ObjectStore> make_on_fake(Executor executor, const std::filesystem::path&) {
  static FakeSwift swift;
  SwiftStoreConfig config = config_for(swift);
  config.prefix = to_string(Uuid::random());
  return std::make_unique<SwiftStore>(config, executor);
}

INSTANTIATE_TEST_SUITE_P(FakeSwift, StoreContract,
                         testing::Values(StoreKind{"fake_swift", &make_on_fake}));

// ---------------------------------------------------------------- faults
class SwiftStoreTest : public testing::Test {
 protected:
  SwiftStoreTest() { swift_.store("/p-box/anchor", "anchor\n"); }

  void plant(std::string method, std::string part, ServerReply reply, Act act = Act::no) {
    swift_.plant(std::move(method), std::move(part), std::move(reply), act);
  }
  SwiftStore& with(SwiftStoreConfig config) {
    store_ = std::make_unique<SwiftStore>(std::move(config), io_.get_executor(), kQuick);
    user_ = std::make_unique<StoreUser>(io_, *store_);
    return *store_;
  }
  SwiftStoreConfig impatient() const {
    SwiftStoreConfig config = config_for(swift_);
    config.deadline = 1s;
    return config;
  }

  FakeSwift swift_;
  asio::io_context io_{1};
  std::unique_ptr<SwiftStore> store_ =
      std::make_unique<SwiftStore>(config_for(swift_), io_.get_executor(), kQuick);
  std::unique_ptr<StoreUser> user_ = std::make_unique<StoreUser>(io_, *store_);
  const ObjectName object_{"box", "a/b"};
};

TEST_F(SwiftStoreTest, ContactsNobodyBeforeTheFirstCall) {
  EXPECT_EQ(swift_.connections(), 0);
  ASSERT_TRUE(user_->put(object_, "data").ok());
  EXPECT_EQ(swift_.stored("/p-box/a/b"), "data");
}

TEST_F(SwiftStoreTest, LogsInOnceForManyCallsAndOnceWhenTheTokenExpires) {
  for (int round = 1; round <= 3; ++round) {
    std::vector<Started<Result<void>>> puts;
    for (int i = 0; i < 40; ++i) {
      puts.emplace_back(io_, store_->put({"box", std::to_string(i)}, Buffer::copy_of("x"), {}));
    }
    io_.restart();
    io_.run();
    for (auto& put : puts) EXPECT_TRUE(put.result().ok());
    EXPECT_EQ(swift_.count("GET", "/auth/"), static_cast<size_t>(round));
    swift_.expire_tokens();
  }
}

TEST_F(SwiftStoreTest, ATokenMayExpireAgainDuringTheRetries) {
  plant("PUT", "a/b", FakeSwift::status(401));
  plant("PUT", "a/b", FakeSwift::status(503));
  plant("PUT", "a/b", FakeSwift::status(401));
  EXPECT_TRUE(user_->put(object_, "x").ok());
  EXPECT_EQ(swift_.count("GET", "/auth/"), 3u);
}

TEST_F(SwiftStoreTest, AWrongKeyIsSaidInWordsWithoutTheKey) {
  SwiftStoreConfig config = config_for(swift_);
  config.auth = AuthV1Config{FakeSwift::kUser, "wrong-key-of-the-test"};
  with(config);
  Result<void> put = user_->put(object_, "x");
  ASSERT_EQ(code_of(put), ErrorCode::unauthorized);
  EXPECT_NE(put.error().message().find("check user and key"), std::string::npos);
  EXPECT_NE(put.error().message().find("test:tester"), std::string::npos);
  EXPECT_EQ(put.error().message().find("wrong-key"), std::string::npos);
  EXPECT_EQ(swift_.count("GET", "/auth/"), 1u) << "no hammering";
}

TEST_F(SwiftStoreTest, EscapesNamesOnTheWayAndBack) {
  const ObjectName odd{"box", "a b/../%41?x=1&y#z"};
  ASSERT_TRUE(user_->put(odd, "odd").ok());
  EXPECT_EQ(swift_.stored("/p-box/a b/../%41?x=1&y#z"), "odd");
  EXPECT_EQ(user_->text(odd), "odd");
}

TEST_F(SwiftStoreTest, NamesMethodObjectAndTransactionInErrors) {
  plant("PUT", "a/b", FakeSwift::status(413));
  Result<void> put = user_->put(object_, "x");
  ASSERT_EQ(code_of(put), ErrorCode::out_of_space);
  for (const char* part : {"PUT", "p-box/a/b", "413", "tx413planted"}) {
    EXPECT_NE(put.error().message().find(part), std::string::npos) << put.error().message();
  }
}

TEST_F(SwiftStoreTest, RidesOutWhatPasses) {
  for (int code : {500, 502, 503, 504, 408, 429, 498, 422})
    plant("PUT", "a/b", FakeSwift::status(code));
  plant("PUT", "a/b", FakeSwift::reset());
  plant("PUT", "a/b", FakeSwift::silence());
  plant("GET", "/auth/", FakeSwift::status(503));
  plant("GET", "/auth/", FakeSwift::reset());
  EXPECT_TRUE(user_->put(object_, "x").ok());
  EXPECT_EQ(swift_.faults_left(), 0u);
  EXPECT_EQ(swift_.stored("/p-box/a/b"), "x");
}

TEST_F(SwiftStoreTest, WaitsAsLongAsRetryAfterSays) {
  plant("PUT", "a/b", FakeSwift::status(503, {{"Retry-After", "1"}}));
  auto began = std::chrono::steady_clock::now();
  EXPECT_TRUE(user_->put(object_, "x").ok());
  EXPECT_GE(std::chrono::steady_clock::now() - began, 1s);
}

TEST_F(SwiftStoreTest, GivesUpAtTheDeadlineAndSaysHowOftenItTried) {
  with(impatient());
  ASSERT_TRUE(user_->put(object_, "x").ok());
  for (int i = 0; i < 1000; ++i) plant("PUT", "a/b", FakeSwift::status(503));
  auto began = std::chrono::steady_clock::now();
  Result<void> put = user_->put(object_, "x");
  EXPECT_EQ(code_of(put), ErrorCode::unavailable);
  EXPECT_LT(std::chrono::steady_clock::now() - began, 3s);
  EXPECT_NE(put.error().message().find("given up after"), std::string::npos);
}

TEST_F(SwiftStoreTest, SilenceToTheEndIsTimedOut) {
  with(impatient());
  for (int i = 0; i < 20; ++i) plant("GET", "a/b", FakeSwift::silence());
  EXPECT_EQ(code_of(user_->get(object_)), ErrorCode::timed_out);
}

TEST_F(SwiftStoreTest, AClosedPortIsUnavailable) {
  SwiftStoreConfig config = impatient();
  {
    FakeSwift gone;
    config.auth_urls = {gone.auth_url()};
  }
  with(config);
  EXPECT_EQ(code_of(user_->get(object_)), ErrorCode::unavailable);
  EXPECT_EQ(user_->presence("box", {"a"}), Answers{Presence::unknown});
}

TEST_F(SwiftStoreTest, AWrongEtagIsNoSuccess) {
  plant("PUT", "a/b", FakeSwift::status(201, {{"Etag", "00000000000000000000000000000000"}}));
  EXPECT_TRUE(user_->put(object_, "right").ok());
  EXPECT_EQ(swift_.count("PUT", "a/b"), 2u);
  EXPECT_EQ(swift_.stored("/p-box/a/b"), "right");
}

// ---------------------------------------------------------------- reading
TEST_F(SwiftStoreTest, ReadsAgainWhatCameShortOrWrong) {
  swift_.store("/p-box/a/b", "0123456789");
  ServerReply cut;
  cut.status = 206;
  cut.body = "3456";
  cut.headers["Content-Range"] = "bytes 3-6/10";
  cut.stop_after = 2;
  cut.then = ServerReply::Then::close;
  plant("GET", "a/b", cut);  // truncated
  ServerReply whole;
  whole.body = "0123456789";
  plant("GET", "a/b", whole);  // 200, and longer than asked for
  ServerReply elsewhere;
  elsewhere.status = 206;
  elsewhere.body = "4567";
  elsewhere.headers["Content-Range"] = "bytes 4-7/10";
  plant("GET", "a/b", elsewhere);
  ServerReply few;
  few.status = 206;
  few.body = "345";
  few.headers["Content-Range"] = "bytes 3-5/10";
  plant("GET", "a/b", few);
  Result<Buffer> got = user_->get(object_, {3, 4});
  ASSERT_TRUE(got.ok());
  EXPECT_EQ(got->text(), "3456");
  EXPECT_EQ(swift_.faults_left(), 0u);
}

TEST_F(SwiftStoreTest, AsksAllReplicasWhenTheNewestIsWanted) {
  swift_.store("/p-box/a/b", "0123456789");
  EXPECT_EQ(user_->newest_text(object_), "0123456789");
  EXPECT_EQ(swift_.requests().back().header("x-newest"), "true");
  EXPECT_EQ(user_->text(object_), "0123456789");
  EXPECT_EQ(swift_.requests().back().header("x-newest"), "");
}

// ---------------------------------------------------------------- 202 and 412
TEST_F(SwiftStoreTest, A202IsReadBackAndCompared) {
  plant("PUT", "a/b", FakeSwift::status(202), Act::yes);
  EXPECT_TRUE(user_->put(object_, "ours").ok());
  EXPECT_EQ(swift_.count("GET", "a/b"), 1u);
  EXPECT_EQ(swift_.count("PUT", "a/b"), 2u);

  plant("PUT", "a/b", FakeSwift::status(202));
  swift_.store("/p-box/a/b", "other");
  EXPECT_EQ(code_of(user_->put(object_, "ours!")), ErrorCode::conflict);

  plant("PUT", "a/b", FakeSwift::status(202));
  plant("HEAD", "a/b", FakeSwift::status(404));
  EXPECT_EQ(code_of(user_->put(object_, "ours")), ErrorCode::unavailable) << "in doubt";
}

// What can be read back may be on a single server, and be lost with it.
TEST_F(SwiftStoreTest, OnlyA201SaysThatEnoughServersHaveIt) {
  for (int i = 0; i < 3; ++i) plant("PUT", "a/b", FakeSwift::status(202), Act::yes);
  EXPECT_TRUE(user_->put(object_, "ours").ok());
  EXPECT_EQ(swift_.count("PUT", "a/b"), 4u);
  EXPECT_EQ(swift_.count("GET", "a/b"), 1u) << "ours once, ours for ever";

  with(impatient());
  for (int i = 0; i < 1000; ++i) plant("PUT", "a/b", FakeSwift::status(202), Act::yes);
  Result<void> never = user_->put(object_, "ours");
  ASSERT_EQ(code_of(never), ErrorCode::unavailable);
  EXPECT_NE(never.error().message().find("clocks"), std::string::npos);
}

TEST_F(SwiftStoreTest, AConflictAtTheFirstAttemptIsOne) {
  swift_.store("/p-box/a/b", "same");
  EXPECT_EQ(code_of(user_->put_new(object_, "same")), ErrorCode::conflict);
  EXPECT_EQ(swift_.count("GET", "a/b"), 0u);
}

TEST_F(SwiftStoreTest, A412AfterOurOwnLostAnswerIsOurs) {
  plant("PUT", "a/b", FakeSwift::reset(), Act::yes);
  EXPECT_TRUE(user_->put_new(object_, "claim 1234").ok());
  EXPECT_EQ(swift_.stored("/p-box/a/b"), "claim 1234");
  std::vector<std::string> conditions;
  for (const ServerRequest& request : swift_.requests()) {
    if (request.method == "PUT") conditions.push_back(request.header("if-none-match"));
  }
  EXPECT_EQ(conditions, (std::vector<std::string>{"*", "*", ""}))
      << "proven ours, it is written once more, so that all servers have it";
}

// One of three servers took it, two did not; or a balancer before the proxies counts answers.
TEST_F(SwiftStoreTest, A412AfterARefusalForTheMomentIsLookedAt) {
  for (int status : {422, 429, 498}) {
    const ObjectName object{"box", fmt::format("claim/{}", status)};
    plant("PUT", object.name, FakeSwift::status(status), Act::yes);
    EXPECT_TRUE(user_->put_new(object, "claim 1234").ok()) << status;
  }
}

TEST_F(SwiftStoreTest, A412AfterOurOwnFailedAttemptMayStillBeAnothers) {
  plant("PUT", "a/b", FakeSwift::status(503));
  swift_.store("/p-box/a/b", "claim 9999");
  EXPECT_EQ(code_of(user_->put_new(object_, "claim 1234")), ErrorCode::conflict);
  EXPECT_EQ(swift_.stored("/p-box/a/b"), "claim 9999") << "never overwritten";
}

TEST_F(SwiftStoreTest, A412NobodyCanExplainIsInDoubt) {
  with(impatient());
  plant("PUT", "a/b", FakeSwift::reset(), Act::yes);
  for (int i = 0; i < 1000; ++i) plant("HEAD", "a/b", FakeSwift::status(503));
  EXPECT_EQ(code_of(user_->put_new(object_, "claim 1234")), ErrorCode::unavailable);
}

// libcurl sends a request once more, unasked, when a kept-alive connection turns out dead.
TEST_F(SwiftStoreTest, ACreateOnlyPutNeverRidesOnAUsedConnection) {
  ASSERT_TRUE(user_->put({"box", "warm-up"}, "x").ok());
  int before = swift_.connections();
  ASSERT_TRUE(user_->put_new(object_, "x").ok());
  EXPECT_EQ(swift_.connections(), before + 1);
}

// ---------------------------------------------------------------- presence (I2)
TEST_F(SwiftStoreTest, PresenceLooksAtTheAnchorBeforeAndAfter) {
  swift_.store("/p-box/a", "x");
  EXPECT_EQ(user_->presence("box", {"a", "b"}), (Answers{Presence::yes, Presence::no}));
  std::vector<std::string> looks;
  for (const ServerRequest& request : swift_.requests()) {
    if (request.method != "HEAD") continue;
    looks.push_back(request.target.substr(request.target.rfind('/') + 1));
    EXPECT_EQ(request.header("x-newest"), "true");
  }
  ASSERT_EQ(looks.size(), 4u);
  EXPECT_EQ(looks.front(), "anchor");
  EXPECT_EQ(looks.back(), "anchor");
}

TEST_F(SwiftStoreTest, PresenceIsUnknownWhenTheAnchorIsNotSeenTwice) {
  swift_.store("/p-box/a", "x");
  plant("HEAD", "anchor", FakeSwift::status(404));
  EXPECT_EQ(user_->presence("box", {"a", "b"}), (Answers{Presence::unknown, Presence::unknown}));

  // Gone between the two looks: what was seen stays seen, what was not is in doubt.
  swift_.watch([this, looks = 0](const ServerRequest& request) mutable {
    if (request.target.ends_with("/b") && ++looks == 1) {
      swift_.plant_while_answering("HEAD", "anchor", FakeSwift::status(404));
    }
  });
  EXPECT_EQ(user_->presence("box", {"a", "b"}), (Answers{Presence::yes, Presence::unknown}));
}

TEST_F(SwiftStoreTest, PresenceIsUnknownWhenTheObjectsAnswerIsNone) {
  with(impatient());
  for (int i = 0; i < 1000; ++i) plant("HEAD", "box/b", FakeSwift::status(503));
  plant("HEAD", "box/c", FakeSwift::status(403));
  EXPECT_EQ(user_->presence("box", {"a", "b", "c"}),
            (Answers{Presence::no, Presence::unknown, Presence::unknown}));
}

// ---------------------------------------------------------------- the rest
TEST_F(SwiftStoreTest, ReportsEachObjectThatCouldNotBeRemoved) {
  for (const char* name : {"a", "b", "c"}) swift_.store(std::string("/p-box/") + name, "x");
  plant("DELETE", "box/b", FakeSwift::status(409));
  auto report = user_->remove({{"box", "a"}, {"box", "b"}, {"box", "c"}, {"box", "absent"}});
  ASSERT_TRUE(report.ok());
  ASSERT_EQ(report->failures.size(), 1u);
  EXPECT_EQ(report->failures[0].object.name, "b");
  EXPECT_EQ(report->failures[0].error.code(), ErrorCode::conflict);
}

TEST_F(SwiftStoreTest, DoesNotTryEveryObjectOfAStoreThatIsAway) {
  SwiftStoreConfig config = impatient();
  {
    FakeSwift gone;
    config.auth_urls = {gone.auth_url()};
  }
  with(config);
  std::vector<ObjectName> many;
  for (int i = 0; i < 500; ++i) many.push_back({"box", std::to_string(i)});
  auto began = std::chrono::steady_clock::now();
  auto report = user_->remove(many);
  EXPECT_EQ(report->failures.size(), 500u);
  EXPECT_LT(std::chrono::steady_clock::now() - began, 4s);
}

TEST_F(SwiftStoreTest, CreatesContainersWithTheStoragePolicy) {
  SwiftStoreConfig config = config_for(swift_);
  config.storage_policy = "gold";
  with(config);
  ASSERT_TRUE(user_->create_container("new").ok());
  for (const ServerRequest& request : swift_.requests()) {
    if (request.target.ends_with("/p-new")) {
      EXPECT_EQ(request.header("x-storage-policy"), "gold");
    }
  }
  plant("PUT", "/p-new", FakeSwift::status(409));
  Result<void> other = user_->create_container("new");
  ASSERT_EQ(code_of(other), ErrorCode::conflict);
  EXPECT_NE(other.error().message().find("gold"), std::string::npos);
}

TEST_F(SwiftStoreTest, WaitsForTheNewContainerToBeSeen) {
  plant("PUT", "p-new/anchor", FakeSwift::status(404));
  EXPECT_TRUE(user_->create_container("new").ok());
}

// Their MD5s are computed together, off the shard.
std::string text_of(size_t i) {
  return std::string(10'000 + i * 7919, static_cast<char>('a' + i % 26));
}

TEST_F(SwiftStoreTest, ManyLargePutsAtOnceHaveEachItsOwnChecksum) {
  std::vector<std::unique_ptr<Started<Result<void>>>> puts;
  for (size_t i = 0; i < 30; ++i) {
    ObjectName name{"box", fmt::format("large-{}", i)};
    puts.push_back(std::make_unique<Started<Result<void>>>(
        io_, store_->put(name, Buffer::copy_of(text_of(i)), {})));
    if (i % 7 == 6) io_.run_for(5ms);
  }
  for (auto& put : puts) {
    run_until(io_, [&] { return put->done(); });
    EXPECT_TRUE(put->result().ok());
  }
  for (size_t i = 0; i < puts.size(); ++i) {
    const ObjectName name{"box", fmt::format("large-{}", i)};
    EXPECT_EQ(user_->text(name), text_of(i)) << i;
    for (const ServerRequest& request : swift_.requests()) {
      if (request.method != "PUT" || !request.target.ends_with(name.name)) continue;
      EXPECT_EQ(request.header("etag"), md5_hex(Buffer::copy_of(text_of(i)))) << i;
    }
  }
}

TEST_F(SwiftStoreTest, PassesExpiryOn) {
  PutOptions options;
  options.expire_after = 90s;
  ASSERT_TRUE(run(io_, store_->put(object_, Buffer::copy_of("x"), options)).ok());
  EXPECT_EQ(swift_.requests().back().header("x-delete-after"), "90");
}

TEST_F(SwiftStoreTest, ClosingEndsWhatIsUnderWay) {
  swift_.store("/p-box/a/b", "x");
  plant("GET", "a/b", FakeSwift::silence());
  plant("PUT", "a/b", FakeSwift::status(503, {{"Retry-After", "15"}}));
  Started<Result<Buffer>> get(io_, store_->get(object_, ByteRange::whole(), {}));
  Started<Result<void>> put(io_, store_->put(object_, Buffer::copy_of("x"), {}));
  while (swift_.faults_left() > 0) io_.run_one_for(10ms);
  io_.run_for(50ms);
  auto began = std::chrono::steady_clock::now();
  store_.reset();
  io_.run();
  EXPECT_EQ(code_of(get.result()), ErrorCode::unavailable);
  EXPECT_EQ(code_of(put.result()), ErrorCode::unavailable);
  EXPECT_LT(std::chrono::steady_clock::now() - began, 2s);
}

TEST(SwiftStore, SaysWhatNoRetryCanMend) {
  SwiftStoreConfig config;
  config.auth_urls = {"http://swift:8080/auth/v1.0"};
  config.auth = AuthV1Config{"test:tester", "testing"};
  EXPECT_TRUE(SwiftStore::validate(config).ok());
  auto refused = [&](auto change) {
    SwiftStoreConfig bad = config;
    change(bad);
    return code_of(SwiftStore::validate(bad)) == ErrorCode::invalid;
  };
  EXPECT_TRUE(refused([](auto& bad) { bad.auth_urls = {"swift:8080"}; }));
  EXPECT_TRUE(refused([](auto& bad) { bad.endpoints = {"swift:8080"}; }));
  EXPECT_TRUE(refused([](auto& bad) { bad.auth = AuthV1Config{"", "testing"}; }));
  EXPECT_TRUE(refused([](auto& bad) { bad.auth = AuthV1Config{"test:tester", "testing\n"}; }));
  EXPECT_TRUE(refused([](auto& bad) { bad.prefix = "a/b"; }));
  EXPECT_TRUE(refused([](auto& bad) { bad.tls.ca_file = "/nowhere/ca.pem"; }));
}

}  // namespace
}  // namespace swiftness::test
