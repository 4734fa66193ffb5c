// SwiftAccount against a real OpenStack Swift (see live_swift.h): every operation, and every
// refusal in words.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <ctime>
#include <thread>

#include "backend/base/hash.h"
#include "backend/base/uuid.h"
#include "backend/swift/swift_account.h"
#include "tests/store/store_contract.h"
#include "tests/swift/live_swift.h"

namespace swiftness::test {
namespace {

using namespace std::chrono_literals;
using Names = std::vector<std::string>;

template <class T>
std::string words(const Result<T>& result) {
  return result.ok() ? "" : result.error().message();
}

bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

std::string http_date(int64_t seconds_from_now) {
  const std::time_t time = std::time(nullptr) + seconds_from_now;
  std::tm utc{};
  char text[64];
  gmtime_r(&time, &utc);
  return std::string(text, std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &utc));
}

// Each test has a container of its own, which stays behind.
class SwiftAccountLiveTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!have_swift()) GTEST_SKIP() << "SWIFTNESS_TEST_SWIFT_URL is not set: no Swift to test with";
    account_ = std::make_unique<SwiftAccount>(live_config(), io_.get_executor());
    Result<bool> made = wait(account_->create_container(box_, "", {}));
    ASSERT_TRUE(made.ok()) << words(made);
    EXPECT_TRUE(*made);
  }

  template <class T>
  Result<T> wait(Async<T> call) {
    return run(io_, std::move(call));
  }
  SwiftPath in_box(std::string name) const { return {box_, std::move(name)}; }
  Result<std::string> put(const std::string& name, std::string_view text,
                          WriteOptions options = {}) {
    Result<std::string> etag =
        wait(account_->put(in_box(name), Buffer::copy_of(text), std::move(options)));
    EXPECT_TRUE(etag.ok() || etag.error().code() != ErrorCode::unavailable) << words(etag);
    return etag;
  }
  Result<SwiftObject> get(const std::string& name, ReadOptions options = {}) {
    return wait(account_->get(in_box(name), std::move(options)));
  }
  std::string text(const std::string& name) {
    Result<SwiftObject> object = get(name);
    return object.ok() ? std::string(object->body.text()) : words(object);
  }
  std::string header(const SwiftPath& path, const char* name) {
    Result<HttpHeaders> headers = wait(account_->head(path, {}));
    return headers.ok() ? std::string(headers->find(name)) : words(headers);
  }
  Names list(const std::string& container, ListOptions options) {
    Names out;
    Result<std::vector<ListedEntry>> entries = wait(account_->list(container, std::move(options)));
    if (!entries.ok()) return {words(entries)};
    for (const ListedEntry& entry : *entries) {
      out.push_back(entry.is_subdir ? "subdir " + entry.name : entry.name);
    }
    return out;
  }

  asio::io_context io_{1};
  std::unique_ptr<SwiftAccount> account_;
  const std::string box_ = "live-" + to_string(Uuid::random());
};

TEST_F(SwiftAccountLiveTest, SwiftTellsItsLimits) {
  Result<SwiftInfo> info = wait(account_->info());
  ASSERT_TRUE(info.ok()) << words(info);
  EXPECT_FALSE(info->version.empty());
  EXPECT_EQ(info->max_object_name_length, 1024u);
  EXPECT_EQ(info->max_meta_count, 90u);
  ASSERT_TRUE(info->bulk_delete);
  EXPECT_EQ(info->bulk_delete->max_deletes_per_request, 10000u);
  ASSERT_TRUE(info->slo);
  EXPECT_EQ(info->slo->max_manifest_segments, 1000u);
  ASSERT_EQ(info->policies.size(), 2u);
  EXPECT_EQ(info->policies[0].name, "gold");
  EXPECT_TRUE(info->policies[0].is_default);
  EXPECT_TRUE(std::ranges::find(info->middleware, "tempurl") != info->middleware.end());
}

TEST_F(SwiftAccountLiveTest, ItsLimitsAreThoseWeHoldTo) {
  EXPECT_TRUE(put(std::string(1024, 'n'), "x").ok());
  EXPECT_TRUE(has(words(put(std::string(1025, 'n'), "x")), "max_object_name_length"));
  // On a container: an object's metadata are in extended attributes, of which ext4 has less room.
  const SwiftPath box{box_, ""};
  Metadata most;
  for (int i = 0; i < 90; ++i) most.emplace_back(fmt::format("k{:02}", i), std::string(40, 'v'));
  Result<void> many = wait(account_->post(box, {.metadata = most}));
  EXPECT_TRUE(many.ok()) << words(many);
  EXPECT_EQ(header(box, "X-Container-Meta-K89"), std::string(40, 'v'));
  most.emplace_back("one-more", "v");
  EXPECT_TRUE(has(words(wait(account_->post(box, {.metadata = most}))), "max_meta_count"));
  const Metadata longest{{std::string(128, 'k'), std::string(256, 'v')}};
  EXPECT_TRUE(put("long", "x", {.metadata = longest}).ok());
  ListOptions most_listed;
  most_listed.limit = 10000;
  EXPECT_EQ(list(box_, most_listed).size(), 2u);
  most_listed.limit = 10001;
  EXPECT_TRUE(has(list(box_, most_listed)[0], "container_listing_limit"));
}

TEST_F(SwiftAccountLiveTest, ContainersComeAndGo) {
  const std::string silver = box_ + "-silver";
  ASSERT_TRUE(wait(account_->create_container(silver, "silver", {{"Owner", "me"}})).ok());
  EXPECT_EQ(header({silver, ""}, "X-Storage-Policy"), "silver");
  EXPECT_EQ(header({silver, ""}, "X-Container-Meta-Owner"), "me");
  EXPECT_FALSE(*wait(account_->create_container(silver, "", {}))) << "it was there";
  Result<bool> gold = wait(account_->create_container(silver, "gold", {}));
  EXPECT_TRUE(has(words(gold), "another storage policy")) << words(gold);
  EXPECT_TRUE(has(words(wait(account_->create_container(box_, "tin", {}))), "gold, silver"));

  ListOptions ours;
  ours.prefix = box_;
  EXPECT_EQ(list("", ours), (Names{box_, silver}));
  ours.limit = 1;
  EXPECT_EQ(list("", ours), Names{box_});
  ours.marker = box_;
  EXPECT_EQ(list("", ours), Names{silver});

  ASSERT_TRUE(put("a", "x").ok());
  Result<void> full = wait(account_->delete_container(box_));
  EXPECT_EQ(code_of(full), ErrorCode::conflict);
  EXPECT_TRUE(has(words(full), "not empty")) << words(full);
  EXPECT_TRUE(wait(account_->delete_container(silver)).ok());
  EXPECT_EQ(code_of(wait(account_->delete_container(silver))), ErrorCode::not_found);
}

TEST_F(SwiftAccountLiveTest, ListingsMayBeCutAndComeInEveryFormat) {
  for (const char* name : {"a/1", "a/2", "b", "c d/\xc3\xa9"}) {
    ASSERT_TRUE(put(name, name, {.content_type = "text/x"}).ok());
  }
  EXPECT_EQ(list(box_, {}), (Names{"a/1", "a/2", "b", "c d/\xc3\xa9"}));
  auto entries = wait(account_->list(box_, {}));
  EXPECT_EQ(entries->at(0).bytes, 3u);
  EXPECT_EQ(entries->at(0).hash, md5_hex(Buffer::copy_of("a/1")));
  EXPECT_EQ(entries->at(0).content_type, "text/x");
  EXPECT_TRUE(entries->at(0).last_modified.starts_with("20"));
  ListOptions options;
  options.delimiter = "/";
  EXPECT_EQ(list(box_, options), (Names{"subdir a/", "b", "subdir c d/"}));
  options.marker = "b";
  EXPECT_EQ(list(box_, options), Names{"subdir c d/"});
  options = {};
  options.prefix = "c d/";
  EXPECT_EQ(list(box_, options), Names{"c d/\xc3\xa9"});
  options = {};
  options.marker = "a/1";
  options.end_marker = "c";
  EXPECT_EQ(list(box_, options), (Names{"a/2", "b"}));
  options.limit = 1;
  EXPECT_EQ(list(box_, options), Names{"a/2"});

  options = {};
  options.delimiter = "/";
  const auto json = wait(account_->list_document(box_, options, ListFormat::json));
  EXPECT_TRUE(has(json->text(), "{\"subdir\": \"a/\"}")) << json->text();
  const auto xml = wait(account_->list_document(box_, options, ListFormat::xml));
  EXPECT_TRUE(has(xml->text(), "<subdir name=\"a/\"><name>a/</name></subdir>")) << xml->text();
  const auto plain = wait(account_->list_document(box_, options, ListFormat::plain));
  EXPECT_EQ(plain->text(), "a/\nb\nc d/\n");
  EXPECT_EQ(code_of(wait(account_->list("no-" + box_, {}))), ErrorCode::not_found);
}

TEST_F(SwiftAccountLiveTest, ObjectsHaveMetadataAndExpire) {
  WriteOptions options{
      .content_type = "text/plain", .metadata = {{"Color", "blue"}}, .delete_after = 1000};
  Result<std::string> etag = put("a", "data", options);
  ASSERT_TRUE(etag.ok()) << words(etag);
  EXPECT_EQ(*etag, md5_hex(Buffer::copy_of("data")));
  EXPECT_EQ(header(in_box("a"), "X-Object-Meta-Color"), "blue");
  EXPECT_EQ(header(in_box("a"), "Content-Type"), "text/plain");
  EXPECT_NEAR(std::stod(header(in_box("a"), "X-Delete-At")),
              static_cast<double>(std::time(nullptr)) + 1000, 60);
  EXPECT_EQ(text("a"), "data");

  ASSERT_TRUE(put("soon", "x", {.delete_after = 1}).ok());
  ASSERT_TRUE(put("at", "x", {.delete_at = static_cast<uint64_t>(std::time(nullptr)) + 2}).ok());
  EXPECT_EQ(code_of(put("past", "x", {.delete_at = 1000})), ErrorCode::invalid);
  std::this_thread::sleep_for(3s);
  EXPECT_EQ(code_of(get("soon")), ErrorCode::not_found);
  EXPECT_EQ(code_of(get("at")), ErrorCode::not_found);
}

TEST_F(SwiftAccountLiveTest, CreateOnlyPutsReplaceNothing) {
  const WriteOptions create{.create_only = true};
  EXPECT_TRUE(put("a", "first", create).ok());
  Result<std::string> second = put("a", "second", create);
  EXPECT_EQ(code_of(second), ErrorCode::conflict);
  EXPECT_TRUE(has(words(second), "exists already")) << words(second);
  EXPECT_EQ(text("a"), "first");
}

TEST_F(SwiftAccountLiveTest, ReadsUnderConditionsAndInParts) {
  const std::string etag = *put("a", "0123456789");
  const auto expect = [&](ReadOptions options, const char* outcome) {
    Result<SwiftObject> object = get("a", options);
    const std::string got = object.ok() ? std::string(object->body.text()) : words(object);
    EXPECT_TRUE(has(got, outcome)) << got << " instead of " << outcome;
    EXPECT_TRUE(object.ok() || object.error().code() == ErrorCode::conflict);
  };
  constexpr const char* kAll = "0123456789";
  constexpr const char* kNoMatch = "412, the condition does not hold";
  constexpr const char* kSame = "304, the object has not changed";
  const std::string other(32, '0');
  expect({.newest = true}, kAll);
  expect({.if_match = etag}, kAll);
  expect({.if_match = other}, kNoMatch);
  expect({.if_none_match = other}, kAll);
  expect({.if_none_match = etag}, kSame);
  expect({.if_none_match = "*"}, kSame);
  expect({.if_modified_since = http_date(-1000)}, kAll);
  expect({.if_modified_since = http_date(1000)}, kSame);
  expect({.if_unmodified_since = http_date(1000)}, kAll);
  expect({.if_unmodified_since = http_date(-1000)}, kNoMatch);
  for (const auto& [range, part] : {std::pair{"2-4", "234"}, std::pair{"7-", "789"},
                                    std::pair{"-2", "89"}, std::pair{"8-99", "89"}}) {
    expect({.range = *RangeSpec::parse(range), .if_match = etag}, part);
  }
  EXPECT_EQ(code_of(get("a", {.range = *RangeSpec::parse("10-11")})), ErrorCode::invalid);
  ASSERT_TRUE(put("empty", "").ok());
  EXPECT_TRUE(get("empty").ok());
  EXPECT_TRUE(get("empty", {.range = *RangeSpec::parse("-5")}).ok());
}

TEST_F(SwiftAccountLiveTest, CopiesInBothWays) {
  ASSERT_TRUE(put("a b/%41\xc3\xa9", "data", {.metadata = {{"Color", "blue"}}}).ok());
  const SwiftPath from = in_box("a b/%41\xc3\xa9");
  for (CopyMethod method : {CopyMethod::put, CopyMethod::copy}) {
    const std::string name = fmt::format("to ?{}", method == CopyMethod::put);
    Result<std::string> etag =
        wait(account_->copy(from, in_box(name), method, {.metadata = {{"Size", "small"}}}));
    ASSERT_TRUE(etag.ok()) << words(etag);
    EXPECT_EQ(*etag, md5_hex(Buffer::copy_of("data")));
    EXPECT_EQ(text(name), "data");
    EXPECT_EQ(header(in_box(name), "X-Object-Meta-Color"), "blue");
    EXPECT_EQ(header(in_box(name), "X-Object-Meta-Size"), "small");
    EXPECT_EQ(code_of(wait(account_->copy(in_box("none"), in_box("x"), method, {}))),
              ErrorCode::not_found);
    EXPECT_EQ(code_of(wait(account_->copy(from, {"no-" + box_, "x"}, method, {}))),
              ErrorCode::not_found);
  }
}

TEST_F(SwiftAccountLiveTest, PostsMetadata) {
  ASSERT_TRUE(put("a", "x", {.metadata = {{"Color", "blue"}, {"Size", "big"}}}).ok());
  ASSERT_TRUE(wait(account_->post(in_box("a"), {.metadata = {{"Color", "red"}}})).ok());
  EXPECT_EQ(header(in_box("a"), "X-Object-Meta-Color"), "red");
  EXPECT_EQ(header(in_box("a"), "X-Object-Meta-Size"), "") << "replaced as a whole";
  ASSERT_TRUE(wait(account_->post(in_box("a"), {.delete_after = 1000})).ok());
  EXPECT_NE(header(in_box("a"), "X-Delete-At"), "");

  const SwiftPath box{box_, ""};
  ASSERT_TRUE(wait(account_->post(box, {.metadata = {{"Owner", "me"}, {"Use", "tests"}}})).ok());
  ASSERT_TRUE(wait(account_->post(box, {.metadata = {{"Owner", ""}}})).ok());
  EXPECT_EQ(header(box, "X-Container-Meta-Owner"), "");
  EXPECT_EQ(header(box, "X-Container-Meta-Use"), "tests") << "not replaced";

  ASSERT_TRUE(wait(account_->post({}, {.metadata = {{"Live-Test", box_}}})).ok());
  EXPECT_EQ(header({}, "X-Account-Meta-Live-Test"), box_);
  ASSERT_TRUE(wait(account_->post({}, {.metadata = {{"Live-Test", ""}}})).ok());
}

TEST_F(SwiftAccountLiveTest, DeletesOneByOneAndInBulk) {
  ASSERT_TRUE(put("one", "x").ok());
  EXPECT_TRUE(wait(account_->remove(in_box("one"))).ok());
  EXPECT_EQ(code_of(wait(account_->remove(in_box("one")))), ErrorCode::not_found);

  std::vector<SwiftPath> all;
  for (const std::string& name : {std::string("a b"), std::string("c\nd"), std::string("%41"),
                                  std::string("e//f/"), std::string("/"), std::string("\xc3\xa9"),
                                  std::string(1000, ' ')}) {  // too long for a bulk delete's line
    ASSERT_TRUE(put(name, "x").ok()) << name;
    all.push_back(in_box(name));
  }
  all.push_back(in_box("none"));
  Result<DeleteReport> report = wait(account_->remove(all));
  ASSERT_TRUE(report.ok()) << words(report);
  EXPECT_EQ(report->deleted, all.size() - 1);
  EXPECT_EQ(report->not_found, 1u);
  for (const auto& failure : report->failures) ADD_FAILURE() << failure.error.message();
  EXPECT_EQ(list(box_, {}), Names{});
  EXPECT_TRUE(wait(account_->delete_container(box_)).ok());
}

TEST_F(SwiftAccountLiveTest, ABulkDeleteSaysWhichOnesFailed) {
  ASSERT_TRUE(put("a", "x").ok());
  ASSERT_TRUE(put("b", "x").ok());
  const SwiftPath no_utf8 = in_box("\xff");
  Result<DeleteReport> report = wait(account_->remove({in_box("a"), no_utf8, in_box("b")}));
  ASSERT_TRUE(report.ok()) << words(report);
  EXPECT_EQ(report->deleted, 2u);
  ASSERT_EQ(report->failures.size(), 1u);
  EXPECT_EQ(report->failures[0].object.object, no_utf8.object);
  EXPECT_TRUE(has(report->failures[0].error.message(), "412"))
      << report->failures[0].error.message();
}

TEST_F(SwiftAccountLiveTest, HundredsOfDeletesAreAFewRequests) {
  std::vector<SwiftPath> all;
  for (int i = 0; i < 510; ++i) all.push_back(in_box(fmt::format("none/{}", i)));
  ASSERT_TRUE(put("none/7", "x").ok());
  Result<DeleteReport> report = wait(account_->remove(all));
  ASSERT_TRUE(report.ok()) << words(report);
  EXPECT_EQ(report->deleted, 1u);
  EXPECT_EQ(report->not_found, 509u);
  EXPECT_TRUE(report->failures.empty());
}

}  // namespace
}  // namespace swiftness::test
