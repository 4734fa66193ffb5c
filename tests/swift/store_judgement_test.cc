// From facts to words: when a store is fit, slow, unfit, or lies.
#include "backend/swift/store_judgement.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "backend/swift/store_check.h"

namespace swiftness::test {
namespace {

using namespace std::chrono_literals;
using End = TrialFacts::Outcome;

constexpr uint64_t kMiBs = 1 << 20;

CellFacts cell(bool write, uint64_t bytes, unsigned parallel, double bytes_a_second) {
  CellFacts out;
  out.write = write;
  out.bytes = bytes;
  out.parallel = parallel;
  const double seconds = 100 * static_cast<double>(bytes) / bytes_a_second;
  out.elapsed = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
  out.latency = {100, 5ms, 6ms, 7ms, 8ms};
  return out;
}

StoreFacts good_store() {
  StoreFacts facts;
  facts.storage_url = "http://swift/v1/AUTH_a";
  facts.auth = {{"http://auth", "", "http://swift/v1/AUTH_a", 1ms}};
  facts.proxies = {{"http://swift", "", 1ms, Duration(100ms), 500ms}};
  facts.info = SwiftInfo{};
  facts.info->bulk_delete.emplace();
  facts.trials = {{Trial::write, End::held, "", 1ms}};
  facts.cells = {cell(true, kMiBs, 1, 100e6), cell(true, 4 * kMiBs, 4, 185e6),
                 cell(true, 16 * kMiBs, 4, 200e6), cell(false, kMiBs, 4, 290e6),
                 cell(false, 16 * kMiBs, 8, 300e6)};
  facts.ranged_read = {100, 5ms, 8ms, 9ms, 20ms};
  facts.remove = {100, 5ms, 8ms, 9ms, 20ms};
  return facts;
}

std::string in_words(const StoreVerdict& verdict) {
  std::string out = to_string(verdict.fitness);
  for (const StoreFinding& finding : verdict.findings) {
    out += fmt::format("\n{}: {}", to_string(finding.weight), finding.what);
  }
  return out;
}

// The verdict, and that one finding of that weight says so.
void expect_verdict(const StoreFacts& facts, Fitness fitness, std::string_view part) {
  const StoreVerdict verdict = judge_store(facts, StoreNeeds());
  EXPECT_EQ(verdict.fitness, fitness) << in_words(verdict);
  bool said = false;
  for (const StoreFinding& finding : verdict.findings) {
    said = said || (finding.weight == fitness && finding.what.find(part) != std::string::npos);
  }
  EXPECT_TRUE(said) << part << " is not in: " << in_words(verdict);
}

StoreFacts with(Trial trial, End outcome) {
  StoreFacts facts = good_store();
  facts.trials.push_back({trial, outcome, "seen so", 1ms});
  return facts;
}

TEST(StoreJudgement, AGoodStoreIsFitAndNothingIsSaidOfIt) {
  const StoreVerdict verdict = judge_store(good_store(), StoreNeeds());
  EXPECT_EQ(verdict.fitness, Fitness::fit);
  EXPECT_TRUE(verdict.findings.empty()) << in_words(verdict);
}

TEST(StoreJudgement, RecommendsTheLeastThatIsNearTheBest) {
  const StoreVerdict verdict = judge_store(good_store(), StoreNeeds());
  ASSERT_TRUE(verdict.write && verdict.read);
  EXPECT_EQ(verdict.write->bytes, 4 * kMiBs);
  EXPECT_EQ(verdict.write->parallel, 4u);
  EXPECT_NEAR(verdict.write->best, 200e6, 1e3);
  EXPECT_EQ(verdict.read->bytes, kMiBs);
  EXPECT_EQ(verdict.read->parallel, 4u);
}

TEST(StoreJudgement, OfTheSameBytesUnderWayTheFewerRequests) {
  StoreFacts facts = good_store();
  facts.cells = {cell(true, kMiBs, 16, 200e6), cell(true, 4 * kMiBs, 4, 200e6),
                 cell(true, 16 * kMiBs, 1, 199e6)};
  EXPECT_EQ(judge_store(facts, StoreNeeds()).write->parallel, 1u);
}

TEST(StoreJudgement, ASlowStoreHasReservations) {
  StoreFacts facts = good_store();
  facts.ranged_read = {100, 30ms, 40ms, 50ms, 60ms};
  expect_verdict(facts, Fitness::reservations, "slow reads: 4 KiB take 30.0 ms at the median");
  facts = good_store();
  facts.ranged_read.p99 = 700ms;
  expect_verdict(facts, Fitness::reservations, "one 4 KiB read in a hundred takes 700 ms");
  facts = good_store();
  facts.remove.median = 300ms;
  expect_verdict(facts, Fitness::reservations, "slow deletes: 300 ms");
  facts = good_store();
  facts.cells[0].latency.median = 150ms;
  expect_verdict(facts, Fitness::reservations, "slow small writes");
  facts = good_store();
  facts.cells = {cell(true, 4 * kMiBs, 1, 20e6), cell(false, 4 * kMiBs, 1, 100e6)};
  expect_verdict(facts, Fitness::reservations, "slow writes: 20.0 MB/s at best");
  facts = good_store();
  facts.visibility.listed_after = 6s;
  expect_verdict(facts, Fitness::reservations, "a listing showed a new object only after 6000 ms");
}

TEST(StoreJudgement, AVerySlowStoreIsUnfit) {
  StoreFacts facts = good_store();
  facts.ranged_read.p99 = 6s;
  expect_verdict(facts, Fitness::unfit, "initiators give up");
  facts = good_store();
  facts.cells = {cell(true, 4 * kMiBs, 1, 100e6), cell(false, 4 * kMiBs, 1, 3e6)};
  expect_verdict(facts, Fitness::unfit, "slow reads: 3.0 MB/s at best");
}

TEST(StoreJudgement, SmallObjectsAloneSayNothingOfThroughput) {
  StoreFacts facts = good_store();
  facts.cells = {cell(true, kMiBs, 1, 3e6), cell(false, kMiBs, 1, 3e6)};
  EXPECT_EQ(judge_store(facts, StoreNeeds()).fitness, Fitness::fit);
}

TEST(StoreJudgement, AStoreThatLiesIsUnfit) {
  for (const Trial trial :
       {Trial::write, Trial::read, Trial::ranged_read, Trial::create_only, Trial::wrong_checksum,
        Trial::newest, Trial::overwrite, Trial::read_after_create}) {
    expect_verdict(with(trial, End::broken), Fitness::unfit,
                   fmt::format("{}: seen so", to_string(trial)));
  }
  StoreFacts facts = good_store();
  facts.cells[1].wrong = 1;
  expect_verdict(facts, Fitness::unfit, "1 answers had other data");
  facts = good_store();
  facts.ranged_wrong = 2;
  expect_verdict(facts, Fitness::unfit, "2 answers had other data");
}

TEST(StoreJudgement, WhatVolumesCanLiveWithIsAReservation) {
  for (const Trial trial : {Trial::listing, Trial::remove}) {
    expect_verdict(with(trial, End::broken), Fitness::reservations, "seen so");
  }
}

TEST(StoreJudgement, WhatVolumesDoNotNeedIsWorthKnowing) {
  for (const Trial trial :
       {Trial::conditional_read, Trial::copy_by_put, Trial::copy_by_copy, Trial::expiry}) {
    expect_verdict(with(trial, End::failed), Fitness::fit, "volumes do not need it");
  }
}

TEST(StoreJudgement, SeveralCreatorsAreWhatEverySwiftLetsPass) {
  expect_verdict(with(Trial::creators, End::broken), Fitness::fit, "not linearizable");
}

TEST(StoreJudgement, LimitsHaveToHoldWhatVolumesWrite) {
  StoreFacts facts = good_store();
  facts.info->max_file_size = (16 << 20) - 1;
  expect_verdict(facts, Fitness::unfit, "max_file_size is 16777215, volumes need 16777216");
  facts = good_store();
  facts.info->max_object_name_length = 64;
  expect_verdict(facts, Fitness::unfit, "max_object_name_length");
  facts = good_store();
  facts.info->max_container_name_length = 64;
  expect_verdict(facts, Fitness::unfit, "max_container_name_length");
  facts = good_store();
  facts.info->max_header_size = 4000;
  facts.token_bytes = 4000;
  expect_verdict(facts, Fitness::unfit, "max_header_size is 4000");
  facts = good_store();
  facts.info->bulk_delete.reset();
  expect_verdict(facts, Fitness::fit, "bulk delete is not offered");
  facts = good_store();
  facts.info.reset();
  facts.info_failure = "answered 403";
  expect_verdict(facts, Fitness::reservations, "does not tell its limits: answered 403");
}

TEST(StoreJudgement, RateLimitsCountWhereVolumesMeetThem) {
  StoreFacts facts = good_store();
  facts.rate_limits = {{100000, 5}};
  EXPECT_EQ(judge_store(facts, StoreNeeds()).fitness, Fitness::fit);
  facts.rate_limits.push_back({100, 50});
  expect_verdict(facts, Fitness::reservations, "containers of 100 objects or more to 50 a second");
}

TEST(StoreJudgement, AQuotaThatIsNear) {
  StoreFacts facts = good_store();
  facts.account.quota_bytes = 1000;
  facts.account.bytes_used = 899;
  EXPECT_EQ(judge_store(facts, StoreNeeds()).fitness, Fitness::fit);
  facts.account.bytes_used = 900;
  expect_verdict(facts, Fitness::reservations, "uses 900 of its quota of 1000 bytes");
  facts.account.bytes_used = 1000;
  expect_verdict(facts, Fitness::unfit, "a full store stops all writes");
}

TEST(StoreJudgement, ServersThatDoNotServe) {
  StoreFacts facts = good_store();
  facts.auth.push_back({"http://auth2", "connection refused", "", 1ms});
  expect_verdict(facts, Fitness::reservations, "auth http://auth2 does not let us in");
  facts = good_store();
  facts.auth.push_back({"http://auth2", "", "http://swift/v1/AUTH_b", 1ms});
  expect_verdict(facts, Fitness::unfit, "names another account");
  facts = good_store();
  facts.proxies.push_back({"http://swift2", "answered 503", 1ms, {}, {}});
  expect_verdict(facts, Fitness::reservations,
                 "proxy http://swift2 does not serve us: answered 503");
}

TEST(StoreJudgement, Clocks) {
  StoreFacts facts = good_store();
  facts.proxies.push_back({"http://swift2", "", 1ms, Duration(3000ms), 500ms});
  EXPECT_EQ(judge_store(facts, StoreNeeds()).fitness, Fitness::fit);  // within what Date tells
  facts.proxies.back().clock_ahead = -4s;
  expect_verdict(facts, Fitness::reservations, "clocks of the proxies are 4 s apart");
  facts = good_store();
  facts.proxies[0].clock_ahead = -90s;
  expect_verdict(facts, Fitness::reservations, "the clock of http://swift is 90 s behind ours");
}

TEST(StoreJudgement, FailuresCountByTheirPart) {
  StoreFacts facts = good_store();
  facts.first_failure = "GET a: answered 503 (transaction tx1)";
  facts.cells[0].failed = 1;
  facts.cells[0].latency.count = 2000;
  expect_verdict(facts, Fitness::fit, "requests failed while it was measured; the first: GET a");
  facts.cells[0].latency.count = 100;
  expect_verdict(facts, Fitness::reservations, "1 of 701 requests failed");
  facts.cells[0].failed = 100;
  expect_verdict(facts, Fitness::unfit, "100 of 800 requests failed");
  facts = good_store();
  facts.hiccups = 1;
  expect_verdict(facts, Fitness::reservations, "1 requests had to be sent again");
}

TEST(StoreJudgement, WhatStaysBehindIsSaidAndTheWorstComesFirst) {
  StoreFacts facts = with(Trial::read_after_create, End::broken);
  facts.left_behind = "left behind: the container c";
  facts.stopped = true;
  const StoreVerdict verdict = judge_store(facts, StoreNeeds());
  ASSERT_EQ(verdict.findings.size(), 3u);
  EXPECT_EQ(verdict.findings[0].weight, Fitness::unfit);
  EXPECT_EQ(verdict.findings[1].what, facts.left_behind);
}

TEST(StoreFacts, PercentilesAreOfTheTimesThatWere) {
  std::vector<Duration> times;
  for (int i = 100; i >= 1; --i) times.push_back(i * 1ms);
  const Latencies all = latencies_of(times);
  EXPECT_EQ(all.median, 50ms);
  EXPECT_EQ(all.p95, 95ms);
  EXPECT_EQ(all.p99, 99ms);
  EXPECT_EQ(all.longest, 100ms);
  EXPECT_EQ(latencies_of({7ms}).p99, 7ms);
  EXPECT_EQ(latencies_of({}).count, 0u);
}

TEST(StoreFacts, DatesAndRateLimits) {
  EXPECT_EQ(parse_http_date("Thu, 01 Jan 1970 00:01:40 GMT"), CalendarTime(100s));
  EXPECT_FALSE(parse_http_date("").has_value());
  EXPECT_FALSE(parse_http_date("Thu, 01 Jan 1970").has_value());
  const auto limits = parse_rate_limits(
      R"({"ratelimit": {"container_ratelimits": [[100, 50.0], "x", [1], [500, 0.5]]}})");
  ASSERT_EQ(limits.size(), 2u);
  EXPECT_EQ(limits[1].objects, 500u);
  EXPECT_EQ(limits[1].writes_a_second, 0.5);
  for (const char* none : {"", "[]", "{}", R"({"ratelimit": 1})", R"({"ratelimit": {}})"}) {
    EXPECT_TRUE(parse_rate_limits(none).empty()) << none;
  }
}

}  // namespace
}  // namespace swiftness::test
