// The check of a store against the small Swift in memory: an honest one, and one for each lie.
#include "backend/swift/store_check.h"

#include <gtest/gtest.h>

#include <thread>

#include "backend/swift/http_engine.h"
#include "tests/support/run.h"
#include "tests/swift/fake_swift.h"

namespace swiftness::test {
namespace {

using namespace std::chrono_literals;
using Ended = TrialFacts::Outcome;

constexpr const char* kCheckedInfo =
    R"({"swift": {"version": "2.30", "policies": [{"name": "gold", "default": true}]},
        "bulk_delete": {}})";

bool says(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

class StoreCheckTest : public testing::Test {
 protected:
  StoreCheckTest() {
    swift_.set_info(kCheckedInfo);
    config_.auth_urls = {swift_.auth_url()};
    config_.auth = AuthV1Config{FakeSwift::kUser, FakeSwift::kKey};
    config_.prefix = "gw";
    config_.deadline = 3s;
    config_.connect_timeout = 1s;
    config_.stall_timeout = 2s;
    options_.needs.object_bytes = 64 << 10;
    options_.trials = {1, 4, 4, 300ms};
    options_.measurement = {{4 << 10, 64 << 10}, {1, 4}, 20ms, 20ms, 1 << 20, 20, 8 << 20};
    options_.in_all = 5s;
    options_.tidy_up = 300ms;
  }

  // How fast this machine is at the moment is not the question.
  static StoreThresholds any_speed() {
    StoreThresholds limits;
    limits.read_median = limits.read_p99 = limits.unfit_read_p99 = 1h;
    limits.small_write_median = limits.remove_median = limits.listed_after = 1h;
    limits.bytes_a_second = limits.unfit_bytes_a_second = 0;
    return limits;
  }

  Result<StoreFacts> check() {
    check_ =
        std::make_unique<StoreCheck>(config_, io_.get_executor(), options_, open_engine(config_));
    return run(io_, check_->run([](const StoreCheckProgress&) {}));
  }
  // That trial's end, of a check that came through.
  TrialFacts trial(Trial which) {
    Result<StoreFacts> facts = check();
    EXPECT_TRUE(facts.ok()) << (facts.ok() ? "" : facts.error().message());
    EXPECT_EQ(swift_.faults_left(), 0u);
    EXPECT_EQ(swift_.containers(), 0u);
    if (!facts.ok()) return {};
    verdict_ = judge_store(*facts, options_.needs, any_speed());
    for (const TrialFacts& one : facts->trials) {
      if (one.trial == which) return one;
      EXPECT_TRUE(one.outcome == Ended::held || one.trial < which)
          << to_string(one.trial) << ": " << one.seen;
    }
    ADD_FAILURE() << to_string(which) << " was not tried";
    return {};
  }
  void expect(Trial which, Ended outcome, std::string_view seen) {
    const TrialFacts facts = trial(which);
    EXPECT_EQ(facts.outcome, outcome) << facts.seen;
    EXPECT_TRUE(says(facts.seen, seen)) << facts.seen;
  }
  // What that request with such a header would be answered, in place of what Swift would say.
  void lie_to(std::string method, std::string part, std::string header, ServerReply reply) {
    swift_.watch([=, this, told = false](const ServerRequest& request) mutable {
      if (told || request.method != method || !says(request.target, part)) return;
      if (request.header(header).empty()) return;
      told = true;
      swift_.plant_while_answering(method, part, reply);
    });
  }

  FakeSwift swift_;
  asio::io_context io_{1};
  SwiftStoreConfig config_;
  StoreCheckOptions options_;
  std::unique_ptr<StoreCheck> check_;
  StoreVerdict verdict_;
};

TEST_F(StoreCheckTest, AnHonestSwiftHoldsAllAndNothingStaysThere) {
  Result<StoreFacts> facts = check();
  ASSERT_TRUE(facts.ok()) << facts.error().message();
  EXPECT_EQ(facts->trials.size(), 15u);
  for (const TrialFacts& one : facts->trials) {
    EXPECT_EQ(one.outcome, Ended::held) << to_string(one.trial) << ": " << one.seen;
  }
  EXPECT_EQ(facts->race.winners, std::vector<unsigned>{1});
  EXPECT_EQ(facts->visibility.reads, 4u);
  EXPECT_TRUE(facts->visibility.listed_after.has_value());
  EXPECT_EQ(facts->user, FakeSwift::kUser);
  EXPECT_EQ(facts->info->version, "2.30");
  EXPECT_EQ(facts->hiccups, 0u);
  EXPECT_TRUE(facts->container.starts_with("gw-check-"));
  EXPECT_EQ(facts->left_behind, "");
  EXPECT_EQ(swift_.containers(), 0u);
}

TEST_F(StoreCheckTest, MeasuresEachSizeAndParallelism) {
  Result<StoreFacts> facts = check();
  ASSERT_TRUE(facts.ok()) << facts.error().message();
  ASSERT_EQ(facts->cells.size(), 8u);
  for (const CellFacts& cell : facts->cells) {
    EXPECT_GT(cell.latency.count, 0u);
    EXPECT_GE(cell.latency.count, cell.parallel);
    EXPECT_EQ(cell.failed + cell.wrong, 0u);
    EXPECT_GT(cell.bytes_a_second(), 0.0);
  }
  EXPECT_GT(facts->ranged_read.count, 0u);
  EXPECT_GT(facts->remove.count, 0u);
  EXPECT_EQ(facts->ranged_failed + facts->ranged_wrong + facts->remove_failed, 0u);
  EXPECT_EQ(facts->cells_left_out, 0u);
  EXPECT_LE(facts->bytes_written, options_.most_bytes());
}

TEST_F(StoreCheckTest, WritesNoMoreThanItSaid) {
  options_.measurement.most_bytes = 128 << 10;
  options_.measurement.cell = 500ms;
  Result<StoreFacts> facts = check();
  ASSERT_TRUE(facts.ok()) << facts.error().message();
  EXPECT_GT(facts->cells_left_out, 0u);
  EXPECT_LE(facts->bytes_written, options_.most_bytes());
}

TEST_F(StoreCheckTest, BeginsNothingAfterItsTime) {
  options_.in_all = 0s;
  Result<StoreFacts> facts = check();
  ASSERT_TRUE(facts.ok()) << facts.error().message();
  EXPECT_EQ(facts->cells_left_out, 4u);
  EXPECT_EQ(swift_.count("PUT", "/m-"), 0u);
}

TEST_F(StoreCheckTest, WithoutA412ItIsUnfit) {
  lie_to("PUT", "/once", "if-none-match", FakeSwift::status(201));
  expect(Trial::create_only, Ended::broken, "answered 201 (transaction tx201planted)");
  EXPECT_EQ(verdict_.fitness, Fitness::unfit);
}

TEST_F(StoreCheckTest, SeveralWinnersAreNotLinearizable) {
  swift_.plant("PUT", "/race-0", FakeSwift::status(201));
  swift_.plant("PUT", "/race-0", FakeSwift::status(201));
  expect(Trial::creators, Ended::broken, "1 had more than one winner (up to 3)");
  EXPECT_EQ(verdict_.fitness, Fitness::fit);
}

TEST_F(StoreCheckTest, ARefusedCreatorsDataMayBeThere) {
  swift_.plant("PUT", "/race-0", FakeSwift::status(412), FakeSwift::Act::yes);
  expect(Trial::creators, Ended::broken, "1 had none; in 1 a refused creator's data");
}

TEST_F(StoreCheckTest, AWrongETagIsALie) {
  swift_.plant("PUT", "/chunk", FakeSwift::status(201, {{"Etag", std::string(32, '0')}}),
               FakeSwift::Act::yes);
  expect(Trial::write, Ended::broken, "with the ETag 0000");
  EXPECT_EQ(verdict_.fitness, Fitness::unfit);
}

TEST_F(StoreCheckTest, DataWithAnotherMD5HaveToBeRefused) {
  swift_.plant("PUT", "/wrong", FakeSwift::status(201));
  expect(Trial::wrong_checksum, Ended::broken, "answered 201");
  EXPECT_EQ(verdict_.fitness, Fitness::unfit);
}

TEST_F(StoreCheckTest, ANameThatIsMissedAfterItsCreation) {
  swift_.plant("GET", "/new-1", FakeSwift::status(404));
  expect(Trial::read_after_create, Ended::broken, "1 of 4 reads right after a 201 found nothing");
  EXPECT_EQ(verdict_.fitness, Fitness::unfit);
}

TEST_F(StoreCheckTest, ANameThatNeverComes) {
  swift_.plant("PUT", "/new-0", FakeSwift::status(201));
  expect(Trial::read_after_create, Ended::broken, "after a 201, and for 300 ms more");
}

TEST_F(StoreCheckTest, OldContentsInSpiteOfNewest) {
  ServerReply old;
  old.body = "old";
  lie_to("GET", "/fence", "x-newest", old);
  expect(Trial::overwrite, Ended::broken, "X-Newest and older contents");
  EXPECT_EQ(verdict_.fitness, Fitness::unfit);
}

TEST_F(StoreCheckTest, OtherDataThanWereStored) {
  ServerReply other;
  other.body = std::string(64 << 10, 'x');
  swift_.plant("GET", "/chunk", other);
  expect(Trial::read, Ended::broken, "with other data than were stored");
  EXPECT_EQ(swift_.count("PUT", "/m-"), 0u);  // nothing to measure there
}

TEST_F(StoreCheckTest, ARangeThatIsIgnored) {
  lie_to("GET", "/chunk", "range", FakeSwift::status(200));
  expect(Trial::ranged_read, Ended::broken, "not with the bytes asked for");
}

TEST_F(StoreCheckTest, OtherSmallPrintIsLookedAt) {
  lie_to("GET", "/chunk", "if-none-match", FakeSwift::status(200));
  expect(Trial::conditional_read, Ended::broken, "not 304");
  EXPECT_EQ(verdict_.findings.back().weight, Fitness::fit);
  swift_.watch({});
  swift_.plant("HEAD", "/expires", FakeSwift::status(200));
  expect(Trial::expiry, Ended::broken, "without X-Delete-At");
  swift_.plant("COPY", "/chunk", FakeSwift::status(405));
  expect(Trial::copy_by_copy, Ended::failed, "answered 405");
  swift_.plant("PUT", "/copy-1", FakeSwift::status(403));
  expect(Trial::copy_by_put, Ended::failed, "answered 403");
  swift_.plant("PUT", "/listed", FakeSwift::status(201));
  expect(Trial::listing, Ended::broken, "in no listing for 300 ms");
  swift_.plant("DELETE", "/once", FakeSwift::status(204));
  expect(Trial::remove, Ended::broken, "for an object that was deleted");
}

TEST_F(StoreCheckTest, AQuotaThatIsReached) {
  swift_.plant("PUT", "/chunk", FakeSwift::status(413));
  expect(Trial::write, Ended::failed,
         "answered 413, too large, or over a quota (transaction tx413");
  EXPECT_EQ(verdict_.fitness, Fitness::unfit);
}

TEST_F(StoreCheckTest, WrongDataWhileItIsMeasured) {
  ServerReply other;
  other.body = std::string(4 << 10, 'x');
  swift_.plant("GET", "/m-0", other);
  Result<StoreFacts> facts = check();
  ASSERT_TRUE(facts.ok());
  EXPECT_EQ(facts->cells[1].wrong, 1u);
  EXPECT_EQ(judge_store(*facts, options_.needs).fitness, Fitness::unfit);
}

TEST_F(StoreCheckTest, SlowAnswersAreSeen) {
  swift_.watch([](const ServerRequest& request) {
    if (!request.header("range").empty()) std::this_thread::sleep_for(30ms);
  });
  Result<StoreFacts> facts = check();
  ASSERT_TRUE(facts.ok());
  EXPECT_GE(facts->ranged_read.median, 30ms);
  const StoreVerdict verdict = judge_store(*facts, options_.needs);
  bool said = false;
  for (const StoreFinding& finding : verdict.findings) said |= says(finding.what, "slow reads");
  EXPECT_TRUE(said);
}

TEST_F(StoreCheckTest, WhatPassesIsAskedAgainAndCounted) {
  swift_.plant("PUT", "/chunk", FakeSwift::status(503));
  Result<StoreFacts> facts = check();
  ASSERT_TRUE(facts.ok());
  EXPECT_EQ(facts->trials[0].outcome, Ended::held);
  EXPECT_EQ(facts->hiccups, 1u);
  EXPECT_TRUE(says(facts->first_failure, "answered 503")) << facts->first_failure;
}

TEST_F(StoreCheckTest, EachProxyAnswersForItself) {
  config_.endpoints = {swift_.url(), "http://127.0.0.1:1", swift_.url()};
  swift_.plant("HEAD", "/v1/AUTH_test",
               FakeSwift::status(204, {{"Date", "Thu, 01 Jan 1970 00:01:40 GMT"},
                                       {"X-Account-Meta-Quota-Bytes", "1000"}}));
  Result<StoreFacts> facts = check();
  ASSERT_TRUE(facts.ok()) << facts.error().message();
  ASSERT_EQ(facts->proxies.size(), 3u);
  EXPECT_LT(*facts->proxies[0].clock_ahead, -24h);
  EXPECT_NE(facts->proxies[1].failure, "");
  EXPECT_EQ(facts->proxies[2].failure, "");
  EXPECT_EQ(facts->account.quota_bytes, 1000u);
  EXPECT_EQ(facts->visibility.reads, 8u);  // through the two that answer
  EXPECT_EQ(facts->hiccups, 1u);           // of the one that does not
}

TEST_F(StoreCheckTest, OneAuthServiceIsEnough) {
  config_.auth_urls = {"http://127.0.0.1:1/auth/v1.0", swift_.auth_url()};
  Result<StoreFacts> facts = check();
  ASSERT_TRUE(facts.ok()) << facts.error().message();
  EXPECT_NE(facts->auth[0].failure, "");
  EXPECT_EQ(facts->auth[1].failure, "");
}

TEST_F(StoreCheckTest, AWrongKeyEndsItAtOnce) {
  config_.auth = AuthV1Config{FakeSwift::kUser, "guessed"};
  Result<StoreFacts> facts = check();
  ASSERT_FALSE(facts.ok());
  EXPECT_EQ(facts.error().code(), ErrorCode::unauthorized);
  EXPECT_TRUE(says(facts.error().message(), "check user and key")) << facts.error().message();
  EXPECT_TRUE(says(facts.error().message(), "(transaction tx")) << facts.error().message();
  EXPECT_EQ(swift_.requests().size(), 1u);
}

TEST_F(StoreCheckTest, NobodyThereEndsItAtOnce) {
  config_.auth_urls = {"http://127.0.0.1:1/auth/v1.0"};
  EXPECT_TRUE(says(check().error().message(), "127.0.0.1:1"));
  config_.auth_urls = {swift_.auth_url()};
  config_.endpoints = {"http://127.0.0.1:1"};
  const Result<StoreFacts> facts = check();
  ASSERT_FALSE(facts.ok());
  EXPECT_EQ(facts.error().code(), ErrorCode::unavailable) << facts.error().message();
}

TEST_F(StoreCheckTest, NoSuchPolicyAndNoLeaveToWrite) {
  config_.storage_policy = "tin";
  EXPECT_TRUE(says(check().error().message(), "there is no storage policy \"tin\""));
  EXPECT_EQ(swift_.count("PUT", "gw-check"), 0u);
  config_.storage_policy = "gold";
  swift_.plant("PUT", "gw-check", FakeSwift::status(403));
  const Result<StoreFacts> facts = check();
  ASSERT_FALSE(facts.ok());
  EXPECT_TRUE(says(facts.error().message(), "answered 403")) << facts.error().message();
}

TEST_F(StoreCheckTest, WhatCannotBeDeletedIsNamed) {
  check_ =
      std::make_unique<StoreCheck>(config_, io_.get_executor(), options_, open_engine(config_));
  swift_.refuse_deletes(check_->container() + "/chunk");
  Result<StoreFacts> facts = run(io_, check_->run([](const StoreCheckProgress&) {}));
  ASSERT_TRUE(facts.ok());
  EXPECT_TRUE(says(facts->left_behind, check_->container() + " and about 1 objects"))
      << facts->left_behind;
  EXPECT_EQ(swift_.containers(), 1u);
}

TEST_F(StoreCheckTest, ObjectsItDoesNotKnowOfAreFoundAndDeleted) {
  check_ =
      std::make_unique<StoreCheck>(config_, io_.get_executor(), options_, open_engine(config_));
  const std::string late = "/" + check_->container() + "/late";
  bool stored = false;
  Result<StoreFacts> facts = run(io_, check_->run([&](const StoreCheckProgress& at) {
    if (at.stage == StoreCheckProgress::Stage::tidy_up) swift_.store(late, "late");
    stored = true;
  }));
  ASSERT_TRUE(facts.ok());
  EXPECT_TRUE(stored);
  EXPECT_EQ(facts->left_behind, "");
  EXPECT_EQ(swift_.containers(), 0u);
}

TEST_F(StoreCheckTest, WhenItIsStoppedItTidiesUp) {
  for (const auto stage : {StoreCheckProgress::Stage::trials, StoreCheckProgress::Stage::measure}) {
    size_t steps = 0;
    check_ =
        std::make_unique<StoreCheck>(config_, io_.get_executor(), options_, open_engine(config_));
    Result<StoreFacts> facts = run(io_, check_->run([&](const StoreCheckProgress& at) {
      if (at.stage == stage && ++steps == 3) check_->stop();
    }));
    ASSERT_TRUE(facts.ok()) << facts.error().message();
    EXPECT_TRUE(facts->stopped);
    EXPECT_EQ(facts->left_behind, "");
    EXPECT_EQ(swift_.containers(), 0u);
  }
}

TEST_F(StoreCheckTest, WhatIsUnderWayEndsWhenItIsStopped) {
  swift_.plant("GET", "/new-2", FakeSwift::silence());
  swift_.watch([this](const ServerRequest& request) {
    if (says(request.target, "/new-2") && request.method == "GET") {
      asio::post(io_, [this] { check_->stop(); });
    }
  });
  const TimePoint began = now();
  Result<StoreFacts> facts = check();
  ASSERT_TRUE(facts.ok()) << facts.error().message();
  EXPECT_LT(now() - began, 1900ms);  // the stall timeout is 2 s
  EXPECT_EQ(facts->trials.back().trial, Trial::overwrite);
  EXPECT_EQ(facts->first_failure, "");
  EXPECT_EQ(swift_.containers(), 0u);
}

}  // namespace
}  // namespace swiftness::test
