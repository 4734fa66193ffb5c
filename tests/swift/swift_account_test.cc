// SwiftAccount against the small Swift in memory; and what its listings and bulk deletes look like.
#include "backend/swift/swift_account.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "backend/base/hash.h"
#include "backend/swift/bulk_delete.h"
#include "backend/swift/swift_protocol.h"
#include "tests/store/store_contract.h"
#include "tests/swift/fake_swift.h"

namespace swiftness::test {
namespace {

using namespace std::chrono_literals;
using Act = FakeSwift::Act;

constexpr const char* kBulkInfo =
    R"({"swift": {"max_object_name_length": 64, "max_container_name_length": 16,
                  "container_listing_limit": 100, "max_file_size": 64,
                  "policies": [{"name": "gold", "default": true}]},
        "bulk_delete": {"max_deletes_per_request": 3}})";

BufferList data_of(std::string_view text) {
  return Buffer::copy_of(text);
}

template <class T>
std::string words(const Result<T>& result) {
  return result.ok() ? "" : result.error().message();
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

class SwiftAccountTest : public testing::Test {
 protected:
  SwiftAccountTest() {
    swift_.store("/box/a/1", "one");
    swift_.store("/box/a/2", "two two");
    swift_.store("/box/b", "0123456789");
    SwiftStoreConfig config;
    config.auth_urls = {swift_.auth_url()};
    config.auth = AuthV1Config{FakeSwift::kUser, FakeSwift::kKey};
    config.deadline = 3s;
    config.connect_timeout = 1s;
    config.stall_timeout = 2s;
    const SwiftTuning quick{.retry = {.first_delay = 2ms, .longest_delay = 20ms}, .breaker = {}};
    account_ = std::make_unique<SwiftAccount>(config, io_.get_executor(), quick);
  }

  template <class T>
  Result<T> wait(Async<T> call) {
    return run(io_, std::move(call));
  }
  ServerRequest last_request() { return swift_.requests().back(); }
  Result<std::string> put(const SwiftPath& object, std::string_view text, WriteOptions options) {
    return wait(account_->put(object, data_of(text), std::move(options)));
  }
  Result<SwiftObject> get(const SwiftPath& object, ReadOptions options) {
    return wait(account_->get(object, std::move(options)));
  }
  std::vector<std::string> names(const std::string& container, ListOptions options) {
    std::vector<std::string> out;
    auto entries = wait(account_->list(container, std::move(options)));
    EXPECT_TRUE(entries.ok()) << words(entries);
    if (!entries.ok()) return out;
    for (const ListedEntry& entry : *entries) {
      out.push_back(entry.is_subdir ? "subdir " + entry.name : entry.name);
    }
    return out;
  }

  FakeSwift swift_;
  asio::io_context io_{1};
  std::unique_ptr<SwiftAccount> account_;
  const SwiftPath b_{"box", "b"};
};

using Names = std::vector<std::string>;

TEST(SwiftPath, IsACommandLinesWord) {
  EXPECT_EQ(SwiftPath::parse("box").container, "box");
  EXPECT_EQ(SwiftPath::parse("box").object, "");
  EXPECT_EQ(SwiftPath::parse("box/a/b").object, "a/b");
  EXPECT_EQ(SwiftPath::parse("").container, "");
  EXPECT_EQ(to_string(SwiftPath{"box", "a/b"}), "box/a/b");
}

TEST(RangeSpec, HasThreeForms) {
  EXPECT_EQ(RangeSpec::parse("0-99")->header(), "bytes=0-99");
  EXPECT_EQ(RangeSpec::parse("100-")->header(), "bytes=100-");
  EXPECT_EQ(RangeSpec::parse("-7")->header(), "bytes=-7");
  for (const char* wrong : {"", "-", "5", "a-b", "9-3", "-0", "1-2,5-6", "1-x"}) {
    EXPECT_FALSE(RangeSpec::parse(wrong).ok()) << wrong;
  }
}

TEST(BulkDelete, EscapesNamesAndReadsReports) {
  EXPECT_EQ(bulk_delete_line({"b x", "a/%\n"}), "b%20x/a/%25%0A");
  auto answer = parse_bulk_delete(
      "   \r\n\r\n{\"Number Deleted\": 2, \"Number Not Found\": 1, \"Response Status\": "
      "\"400 Bad Request\", \"Response Body\": \"why\", \"Errors\": "
      "[[\"/b%20x/a%25\", \"409 Conflict\"]]}");
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->status, 400);
  EXPECT_EQ(answer->words, "400 Bad Request: why");
  EXPECT_EQ(answer->accounted_for(), 4u);
  EXPECT_EQ(answer->failed[0].name, "b x/a%");
  EXPECT_EQ(answer->failed[0].status, 409);
  for (const char* broken :
       {"", "   ", "[]", "{\"Number Deleted\": 1}", "{\"Number Deleted\": 1"}) {
    EXPECT_FALSE(parse_bulk_delete(broken).ok()) << broken;
  }
}

TEST_F(SwiftAccountTest, AsksTheHostForItsLimitsAndOnce) {
  swift_.set_info(kBulkInfo);
  Result<SwiftInfo> info = wait(account_->info());
  ASSERT_TRUE(info.ok()) << words(info);
  EXPECT_EQ(last_request().target, "/info");
  EXPECT_EQ(info->max_file_size, 64u);
  ASSERT_TRUE(wait(account_->head(b_, {})).ok());
  ASSERT_TRUE(wait(account_->head(b_, {})).ok());
  EXPECT_EQ(swift_.count("GET", "/info"), 1u);
}

TEST_F(SwiftAccountTest, ASwiftThatDoesNotTellItsLimitsHasTheUsualOnes) {
  EXPECT_EQ(code_of(wait(account_->info())), ErrorCode::not_found);
  ASSERT_TRUE(wait(account_->head(b_, {})).ok());
  const SwiftPath longest{"box", std::string(1024, 'x')};
  const SwiftPath too_long{"box", std::string(1025, 'x')};
  EXPECT_EQ(code_of(wait(account_->head(longest, {}))), ErrorCode::not_found);
  EXPECT_EQ(code_of(wait(account_->head(too_long, {}))), ErrorCode::invalid);
  EXPECT_EQ(swift_.count("GET", "/info"), 2u);
}

TEST_F(SwiftAccountTest, NothingBeyondTheLimitsIsSent) {
  swift_.set_info(kBulkInfo);
  ASSERT_TRUE(wait(account_->info()).ok());
  const size_t before = swift_.requests().size();
  const std::string long_name(65, 'x');
  EXPECT_TRUE(has(words(put({"box", long_name}, "x", {})), "max_object_name_length"));
  EXPECT_TRUE(has(words(put(b_, std::string(65, 'x'), {})), "max_file_size"));
  EXPECT_TRUE(has(words(put(b_, "x", {.metadata = {{"k", std::string(257, 'v')}}})),
                  "max_meta_value_length"));
  EXPECT_TRUE(has(words(wait(account_->create_container(std::string(17, 'c'), "", {}))),
                  "max_container_name_length"));
  EXPECT_TRUE(has(words(wait(account_->create_container("c", "tin", {}))), "there are: gold"));
  ListOptions many;
  many.limit = 101;
  EXPECT_TRUE(has(words(wait(account_->list("box", many))), "container_listing_limit"));
  EXPECT_EQ(code_of(wait(account_->head({"", "x"}, {}))), ErrorCode::invalid);
  EXPECT_EQ(code_of(get({"box", ""}, {})), ErrorCode::invalid);
  EXPECT_EQ(code_of(wait(account_->remove(SwiftPath{"box", ""}))), ErrorCode::invalid);
  EXPECT_EQ(swift_.requests().size(), before);
}

// ---------------------------------------------------------------- listings
TEST_F(SwiftAccountTest, ListsContainersAndObjects) {
  swift_.store("/chest/x", "x");
  EXPECT_EQ(names("", {}), (Names{"box", "chest"}));
  EXPECT_EQ(names("box", {}), (Names{"a/1", "a/2", "b"}));
  auto entries = wait(account_->list("box", {}));
  EXPECT_EQ(entries->at(1).bytes, 7u);
  EXPECT_EQ(entries->at(1).hash, md5_hex(data_of("two two")));
  EXPECT_EQ(entries->at(1).content_type, "text/x");
  EXPECT_EQ(entries->at(1).last_modified, "2026-11-30T10:00:00.000000");
}

TEST_F(SwiftAccountTest, ListingsMayBeCut) {
  ListOptions options;
  options.limit = 2;
  EXPECT_EQ(names("box", options), (Names{"a/1", "a/2"}));
  options.marker = "a/1";
  EXPECT_EQ(names("box", options), (Names{"a/2", "b"}));
  options.end_marker = "b";
  EXPECT_EQ(names("box", options), (Names{"a/2"}));
  options = {};
  options.delimiter = "/";
  EXPECT_EQ(names("box", options), (Names{"subdir a/", "b"}));
  options.prefix = "a/";
  EXPECT_EQ(names("box", options), (Names{"a/1", "a/2"}));
  options.prefix = "& ?";
  EXPECT_EQ(names("box", options), Names{});
  EXPECT_TRUE(has(last_request().target, "prefix=%26%20%3F")) << last_request().target;
}

TEST_F(SwiftAccountTest, ListingDocumentsComeAsTheyAre) {
  auto xml = wait(account_->list_document("box", {}, ListFormat::xml));
  ASSERT_TRUE(xml.ok());
  EXPECT_EQ(xml->text(), "<name>a/1</name><name>a/2</name><name>b</name>");
  auto plain = wait(account_->list_document("box", {}, ListFormat::plain));
  EXPECT_EQ(plain->text(), "a/1\na/2\nb\n");
  ServerReply nonsense;
  nonsense.body = "[{\"bytes\": 1}]";
  swift_.plant("GET", "/box?", nonsense);
  EXPECT_EQ(code_of(wait(account_->list("box", {}))), ErrorCode::unavailable);
  EXPECT_EQ(code_of(wait(account_->list("nowhere", {}))), ErrorCode::not_found);
}

// ---------------------------------------------------------------- containers
TEST_F(SwiftAccountTest, ContainersComeAndGo) {
  Result<bool> made = wait(account_->create_container("new", "gold", {{"Owner", "me"}}));
  ASSERT_TRUE(made.ok()) << words(made);
  EXPECT_TRUE(*made);
  EXPECT_EQ(last_request().header("x-storage-policy"), "gold");
  EXPECT_EQ(last_request().header("x-container-meta-owner"), "me");
  EXPECT_FALSE(*wait(account_->create_container("new", "", {})));
  EXPECT_TRUE(wait(account_->delete_container("new")).ok());
  Result<void> again = wait(account_->delete_container("new"));
  EXPECT_EQ(code_of(again), ErrorCode::not_found);
  EXPECT_TRUE(has(words(again), "DELETE new: answered 404, there is no such container (tr"))
      << words(again);
}

TEST_F(SwiftAccountTest, ConflictsOfContainersAreSaidInWords) {
  Result<void> full = wait(account_->delete_container("box"));
  EXPECT_EQ(code_of(full), ErrorCode::conflict);
  EXPECT_TRUE(has(words(full), "DELETE box: ")) << words(full);
  EXPECT_TRUE(has(words(full), "the container is not empty (transaction tx")) << words(full);
  swift_.plant("PUT", "/box", FakeSwift::status(409));
  Result<bool> other = wait(account_->create_container("box", "silver", {}));
  EXPECT_EQ(code_of(other), ErrorCode::conflict);
  EXPECT_TRUE(has(words(other), "another storage policy")) << words(other);
}

// ---------------------------------------------------------------- reading
TEST_F(SwiftAccountTest, HeadGivesEveryHeader) {
  ReadOptions newest;
  newest.newest = true;
  Result<HttpHeaders> headers = wait(account_->head(b_, newest));
  ASSERT_TRUE(headers.ok());
  EXPECT_EQ(headers->find("Content-Length"), "10");
  EXPECT_EQ(last_request().header("x-newest"), "true");
  EXPECT_GE(headers->all().size(), 3u);
  EXPECT_TRUE(wait(account_->head({"box", ""}, {})).ok());
  EXPECT_TRUE(wait(account_->head({}, {})).ok());
  EXPECT_EQ(last_request().target, "/v1/AUTH_test");
  EXPECT_EQ(code_of(wait(account_->head({"nowhere", ""}, {}))), ErrorCode::not_found);
}

TEST_F(SwiftAccountTest, ReadsRanges) {
  for (const auto& [spec, text] : {std::pair{"2-4", "234"}, std::pair{"7-", "789"},
                                   std::pair{"-2", "89"}, std::pair{"8-100", "89"}}) {
    ReadOptions options;
    options.range = *RangeSpec::parse(spec);
    Result<SwiftObject> part = get(b_, options);
    ASSERT_TRUE(part.ok()) << words(part);
    EXPECT_EQ(part->body.text(), text);
  }
  ReadOptions behind;
  behind.range = *RangeSpec::parse("10-12");
  EXPECT_EQ(code_of(get(b_, behind)), ErrorCode::invalid);
  ServerReply empty;
  swift_.plant("GET", "/box/b", empty);
  behind.range = *RangeSpec::parse("-5");
  Result<SwiftObject> last_of_nothing = get(b_, behind);
  ASSERT_TRUE(last_of_nothing.ok()) << words(last_of_nothing);
  EXPECT_EQ(last_of_nothing->body.text(), "");
  EXPECT_EQ(swift_.faults_left(), 0u);
}

TEST_F(SwiftAccountTest, AWrongRangeIsReadAgain) {
  ServerReply wrong;
  wrong.status = 206;
  wrong.body = "345";
  wrong.headers["Content-Range"] = "bytes 3-5/10";
  swift_.plant("GET", "/box/b", wrong);
  ServerReply whole;
  whole.body = "0123456789";
  swift_.plant("GET", "/box/b", whole);
  ReadOptions options;
  options.range = *RangeSpec::parse("2-4");
  EXPECT_EQ(get(b_, options)->body.text(), "234");
  EXPECT_EQ(swift_.faults_left(), 0u);
}

TEST_F(SwiftAccountTest, ConditionsAreSentAndTheirAnswersSaidInWords) {
  const std::string etag = md5_hex(data_of("0123456789"));
  ReadOptions options;
  options.if_match = etag;
  EXPECT_TRUE(get(b_, options).ok());
  options.if_match = "other";
  Result<SwiftObject> object = get(b_, options);
  EXPECT_EQ(code_of(object), ErrorCode::conflict);
  EXPECT_TRUE(has(words(object), "the condition does not hold (If-Match: other)")) << words(object);
  options = {};
  options.if_none_match = etag;
  object = get(b_, options);
  EXPECT_EQ(code_of(object), ErrorCode::conflict);
  EXPECT_TRUE(has(words(object), "has not changed (If-None-Match: ")) << words(object);
  EXPECT_EQ(swift_.count("GET", "/box/b"), 3u) << "not asked again";
  options = {};
  options.if_modified_since = "Mon, 30 Nov 2026 10:00:00 GMT";
  options.if_unmodified_since = "Tue, 01 Dec 2026 10:00:00 GMT";
  EXPECT_TRUE(get(b_, options).ok());
  EXPECT_EQ(last_request().header("if-modified-since"), options.if_modified_since);
  EXPECT_EQ(last_request().header("if-unmodified-since"), options.if_unmodified_since);
}

TEST_F(SwiftAccountTest, ObjectsThatDoNotFitIntoMemoryAreNotFetched) {
  ServerReply huge;
  huge.announce = SwiftAccount::kMostObject + 1;
  swift_.plant("HEAD", "/box/b", huge);
  Result<SwiftObject> object = get(b_, {});
  EXPECT_EQ(code_of(object), ErrorCode::invalid);
  EXPECT_TRUE(has(words(object), "ask for a range")) << words(object);
  EXPECT_EQ(swift_.count("GET", "/box/b"), 0u);
  swift_.plant("HEAD", "/box/b", huge);
  ReadOptions rest;
  rest.range = *RangeSpec::parse("1-");
  EXPECT_EQ(get(b_, rest)->body.text(), "123456789") << "what is left of it fits";
  rest.range = *RangeSpec::parse(fmt::format("0-{}", SwiftAccount::kMostObject));
  swift_.plant("HEAD", "/box/b", huge);
  EXPECT_EQ(code_of(get(b_, rest)), ErrorCode::invalid);
}

TEST_F(SwiftAccountTest, DamagedDataAreNotHandedOut) {
  ServerReply damaged;
  damaged.body = "012345678X";
  damaged.headers["Etag"] = md5_hex(data_of("0123456789"));
  swift_.plant("GET", "/box/b", damaged);
  EXPECT_EQ(code_of(get(b_, {})), ErrorCode::corrupt);
  damaged.headers["X-Static-Large-Object"] = "True";
  swift_.plant("GET", "/box/b", damaged);
  EXPECT_TRUE(get(b_, {}).ok()) << "its ETag is of the segments' ETags";
}

// ---------------------------------------------------------------- writing
TEST_F(SwiftAccountTest, PutsWithEverythingThatMayBeSaid) {
  WriteOptions options{.content_type = "text/plain",
                       .metadata = {{"Color", "blue"}},
                       .delete_at = 4000000000,
                       .etag = "\"" + md5_hex(data_of("new")) + "\""};
  Result<std::string> etag = put({"box", "new"}, "new", options);
  ASSERT_TRUE(etag.ok()) << words(etag);
  EXPECT_EQ(*etag, md5_hex(data_of("new")));
  EXPECT_EQ(last_request().header("etag"), *etag);
  EXPECT_EQ(last_request().header("content-type"), "text/plain");
  EXPECT_EQ(last_request().header("x-object-meta-color"), "blue");
  EXPECT_EQ(last_request().header("x-delete-at"), "4000000000");
  EXPECT_EQ(last_request().header("if-none-match"), "");
  EXPECT_TRUE(put({"box", "soon"}, "x", {.delete_after = 60}).ok());
  EXPECT_EQ(last_request().header("x-delete-after"), "60");
  EXPECT_EQ(last_request().header("content-type"), "application/octet-stream");
}

TEST_F(SwiftAccountTest, OtherDataThanTheirEtagSaysAreNotSent) {
  Result<std::string> stored = put(b_, "x", {.etag = md5_hex(data_of("y"))});
  EXPECT_EQ(code_of(stored), ErrorCode::invalid);
  EXPECT_EQ(swift_.stored("/box/b"), "0123456789");
}

TEST_F(SwiftAccountTest, CreateOnlyPutsReplaceNothing) {
  const WriteOptions create{.create_only = true};
  EXPECT_TRUE(put({"box", "new"}, "x", create).ok());
  EXPECT_EQ(last_request().header("if-none-match"), "*");
  Result<std::string> again = put({"box", "new"}, "y", create);
  EXPECT_EQ(code_of(again), ErrorCode::conflict);
  EXPECT_TRUE(has(words(again), "the object exists already")) << words(again);
  EXPECT_EQ(swift_.stored("/box/new"), "x");

  swift_.plant("PUT", "/box/lost", FakeSwift::reset(), Act::yes);
  EXPECT_TRUE(has(words(put({"box", "lost"}, "x", create)), "whose answer was lost"));
}

TEST_F(SwiftAccountTest, An202IsReadBack) {
  swift_.plant("PUT", "/box/b", FakeSwift::status(202));
  EXPECT_TRUE(put(b_, "0123456789", {}).ok()) << "the very same data are there";
  swift_.plant("PUT", "/box/b", FakeSwift::status(202));
  Result<std::string> other = put(b_, "other", {});
  EXPECT_EQ(code_of(other), ErrorCode::conflict);
  EXPECT_TRUE(has(words(other), "a newer object")) << words(other);
}

TEST_F(SwiftAccountTest, CopiesInBothWays) {
  const WriteOptions colored{.metadata = {{"Color", "red"}}};
  Result<std::string> etag = wait(account_->copy(b_, {"box", "copy 1"}, CopyMethod::put, colored));
  ASSERT_TRUE(etag.ok()) << words(etag);
  EXPECT_EQ(*etag, md5_hex(data_of("0123456789")));
  EXPECT_EQ(last_request().method, "PUT");
  EXPECT_EQ(last_request().header("x-copy-from"), "/box/b");
  EXPECT_EQ(last_request().header("x-object-meta-color"), "red");
  ASSERT_TRUE(wait(account_->copy(b_, {"box", "copy 2"}, CopyMethod::copy, {})).ok());
  EXPECT_EQ(last_request().method, "COPY");
  EXPECT_EQ(last_request().target, "/v1/AUTH_test/box/b");
  EXPECT_EQ(last_request().header("destination"), "/box/copy%202");
  EXPECT_EQ(swift_.stored("/box/copy 1"), "0123456789");
  EXPECT_EQ(swift_.stored("/box/copy 2"), "0123456789");
  Result<std::string> none =
      wait(account_->copy({"box", "none"}, {"box", "c"}, CopyMethod::copy, {}));
  EXPECT_EQ(code_of(none), ErrorCode::not_found);
  EXPECT_TRUE(has(words(none), "copy of box/none to box/c")) << words(none);
}

TEST_F(SwiftAccountTest, PostsMetadataEverywhere) {
  WriteOptions options{.metadata = {{"Color", "blue"}}, .delete_at = 4000000000};
  ASSERT_TRUE(wait(account_->post(b_, options)).ok());
  auto headers = wait(account_->head(b_, {}));
  EXPECT_EQ(headers->find("X-Object-Meta-Color"), "blue");
  EXPECT_EQ(headers->find("X-Delete-At"), "4000000000");
  EXPECT_EQ(code_of(wait(account_->post({"box", ""}, options))), ErrorCode::invalid);
  options.delete_at.reset();
  ASSERT_TRUE(wait(account_->post({"box", ""}, options)).ok());
  EXPECT_EQ(wait(account_->head({"box", ""}, {}))->find("X-Container-Meta-Color"), "blue");
  ASSERT_TRUE(wait(account_->post({}, options)).ok());
  EXPECT_EQ(wait(account_->head({}, {}))->find("X-Account-Meta-Color"), "blue");
  EXPECT_EQ(code_of(wait(account_->post({"box", "none"}, options))), ErrorCode::not_found);
}

// ---------------------------------------------------------------- deleting
TEST_F(SwiftAccountTest, ADeleteOfNothingSaysSo) {
  EXPECT_TRUE(wait(account_->remove(b_)).ok());
  Result<void> again = wait(account_->remove(b_));
  EXPECT_EQ(code_of(again), ErrorCode::not_found);
  EXPECT_TRUE(has(words(again), "DELETE box/b: answered 404")) << words(again);
  swift_.plant("DELETE", "/box/a/1", FakeSwift::reset(), Act::yes);
  EXPECT_TRUE(wait(account_->remove(SwiftPath{"box", "a/1"})).ok()) << "the lost attempt did it";
}

class SwiftBulkDeleteTest : public SwiftAccountTest {
 protected:
  SwiftBulkDeleteTest() { swift_.set_info(kBulkInfo); }
  Result<DeleteReport> remove(std::vector<SwiftPath> objects) {
    return wait(account_->remove(std::move(objects)));
  }
  const std::vector<SwiftPath> all_{
      {"box", "a/1"}, {"box", "a/2"}, {"box", "b"}, {"box", "none"}, {"box", "c d"}};
};

TEST_F(SwiftBulkDeleteTest, DeletesInPartsOfTheSizeSwiftTakes) {
  swift_.store("/box/c d", "x");
  Result<DeleteReport> report = remove(all_);
  ASSERT_TRUE(report.ok()) << words(report);
  EXPECT_EQ(report->deleted, 4u);
  EXPECT_EQ(report->not_found, 1u);
  EXPECT_TRUE(report->failures.empty());
  EXPECT_EQ(swift_.count("POST", "?bulk-delete"), 2u);
  EXPECT_EQ(swift_.count("DELETE", ""), 0u);
  EXPECT_EQ(last_request().header("content-type"), "text/plain");
  EXPECT_EQ(names("box", {}), Names{});
}

TEST_F(SwiftBulkDeleteTest, ReportsEachObjectThatFailed) {
  swift_.refuse_deletes("box/a/2");
  Result<DeleteReport> report = remove(all_);
  ASSERT_TRUE(report.ok()) << words(report);
  EXPECT_EQ(report->deleted, 2u);
  EXPECT_EQ(report->not_found, 2u);
  ASSERT_EQ(report->failures.size(), 1u);
  EXPECT_EQ(to_string(report->failures[0].object), "box/a/2");
  EXPECT_EQ(report->failures[0].error.code(), ErrorCode::conflict);
  EXPECT_TRUE(has(report->failures[0].error.message(), "409"))
      << report->failures[0].error.message();
}

TEST_F(SwiftBulkDeleteTest, OneThatEndsEarlyCountsNothingAsDeleted) {
  ServerReply early;
  early.body = R"({"Number Deleted": 1, "Number Not Found": 0, "Response Body": "Max delete)"
               R"( failures exceeded", "Response Status": "400 Bad Request",)"
               R"( "Errors": [["/box/a/2", "503 Service Unavailable"]]})";
  swift_.plant("POST", "?bulk-delete", early);
  Result<DeleteReport> report = remove({all_[0], all_[1], all_[2]});
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->deleted, 0u);
  ASSERT_EQ(report->failures.size(), 3u);
  for (const auto& failure : report->failures) {
    const bool told = to_string(failure.object) == "box/a/2";
    EXPECT_EQ(failure.error.code(), ErrorCode::unavailable);
    EXPECT_TRUE(has(failure.error.message(), told ? "503" : "Max delete failures exceeded"));
  }
}

TEST_F(SwiftBulkDeleteTest, AFailureOfAnotherNameLeavesAllInDoubt) {
  ServerReply odd;
  odd.body = R"({"Number Deleted": 1, "Number Not Found": 0, "Response Body": "",)"
             R"( "Response Status": "400 Bad Request", "Errors": [["/box/odd", "409 Conflict"]]})";
  swift_.plant("POST", "?bulk-delete", odd);
  Result<DeleteReport> report = remove({all_[0], all_[1]});
  EXPECT_EQ(report->deleted, 0u);
  EXPECT_EQ(report->failures.size(), 2u);
}

TEST_F(SwiftBulkDeleteTest, ABrokenReportIsAskedForAgain) {
  ServerReply broken;
  broken.body = "    ";
  swift_.plant("POST", "?bulk-delete", broken, Act::yes);
  Result<DeleteReport> report = remove({all_[0], all_[1]});
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->not_found, 2u) << "the first attempt deleted them";
  EXPECT_TRUE(report->failures.empty());
}

TEST_F(SwiftBulkDeleteTest, RefusedItIsDoneOneByOne) {
  for (int i = 0; i < 2; ++i) swift_.plant("POST", "?bulk-delete", FakeSwift::status(405));
  Result<DeleteReport> report = remove(all_);
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->deleted, 3u);
  EXPECT_EQ(report->not_found, 2u);
  EXPECT_EQ(swift_.count("DELETE", "/box/"), 5u);
}

TEST_F(SwiftBulkDeleteTest, ItIsNotAskedForWhereItIsNotOfferedOrDoesNotFit) {
  const SwiftPath spaces{"box", std::string(50, ' ')};  // 150 bytes when escaped
  Result<DeleteReport> report = remove({all_[0], all_[1], spaces});
  EXPECT_EQ(report->deleted, 2u);
  EXPECT_EQ(swift_.count("POST", "?bulk-delete"), 1u);
  EXPECT_EQ(swift_.count("DELETE", "/box/"), 1u);

  swift_.set_info("{}");
  ASSERT_TRUE(wait(account_->info()).ok());
  report = remove({all_[2], all_[3]});
  EXPECT_EQ(report->deleted, 1u);
  EXPECT_EQ(report->not_found, 1u);
  EXPECT_EQ(swift_.count("POST", "?bulk-delete"), 1u);
}

TEST_F(SwiftBulkDeleteTest, ASwiftThatIsAwayFailsAllOfThem) {
  ASSERT_TRUE(wait(account_->info()).ok());
  for (int i = 0; i < 2000; ++i) swift_.plant("POST", "?bulk-delete", FakeSwift::status(503));
  Result<DeleteReport> report = remove(all_);
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->failures.size(), all_.size());
  EXPECT_EQ(swift_.count("DELETE", "/box/"), 0u);
  for (const char* part : {"POST of the account", "503", "tx503planted"}) {
    EXPECT_TRUE(has(report->failures[0].error.message(), part));
  }
}

}  // namespace
}  // namespace swiftness::test
