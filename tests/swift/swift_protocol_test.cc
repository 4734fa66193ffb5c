#include "backend/swift/swift_protocol.h"

#include <gtest/gtest.h>

namespace swiftness {
namespace {

HttpResponse answer(int status, std::string_view body = {}, std::vector<HttpHeader> headers = {}) {
  HttpResponse response;
  response.status = status;
  response.body = Buffer::copy_of(body);
  for (const HttpHeader& header : headers) response.headers.add(header.name, header.value);
  return response;
}

TEST(SwiftProtocol, EscapesAllButUnreservedCharacters) {
  EXPECT_EQ(escape_path("chunk/1-ab/00.x_~"), "chunk/1-ab/00.x_~");
  EXPECT_EQ(escape_path("a b?c#d%\xc3\xa9"), "a%20b%3Fc%23d%25%C3%A9");
  EXPECT_EQ(escape_segment("a/b&c=d"), "a%2Fb%26c%3Dd");
}

TEST(SwiftProtocol, FindsHeadersWhateverTheirCase) {
  HttpHeaders headers;
  headers.add("content-LENGTH", "5");
  EXPECT_EQ(headers.find("Content-Length"), "5");
  EXPECT_EQ(headers.find("Content-Lengt"), "");
}

TEST(SwiftProtocol, ReadsContentRangeStrictly) {
  auto range = parse_content_range("bytes 10-19/100");
  ASSERT_TRUE(range);
  EXPECT_EQ(range->first, 10u);
  EXPECT_EQ(range->last, 19u);
  EXPECT_EQ(range->total, 100u);
  for (const char* bad :
       {"", "bytes", "bytes 10-19", "bytes 10-19/*", "bytes */100", "bytes 5-4/9", "bytes 5-9/9",
        "bytes -5-9/99", "bytes 1-2/3x", "octets 1-2/3", "bytes 1-99999999999999999999/3"}) {
    EXPECT_FALSE(parse_content_range(bad)) << bad;
  }
}

TEST(SwiftProtocol, AcceptsExactlyTheRangeAskedFor) {
  const ByteRange kRange{10, 5};
  auto judged = [&](int status, std::string_view body, std::string content_range) {
    return judge_range(answer(status, body, {{"Content-Range", content_range}}), kRange);
  };
  EXPECT_FALSE(judged(206, "abcde", "bytes 10-14/100"));
  EXPECT_TRUE(judged(206, "abcd", "bytes 10-14/100")->retriable) << "short body";
  EXPECT_TRUE(judged(206, "abcdef", "bytes 10-14/100")->retriable) << "long body";
  EXPECT_TRUE(judged(206, "abcde", "bytes 11-15/100")->retriable) << "another range";
  EXPECT_TRUE(judged(206, "abcde", "")->retriable) << "no range";
  EXPECT_TRUE(judged(200, "abcde", "bytes 10-14/100")->retriable) << "the whole object";
  EXPECT_EQ(judged(206, "abcd", "bytes 10-13/14")->code, ErrorCode::invalid) << "a short object";
  EXPECT_FALSE(judged(206, "abcd", "bytes 10-13/14")->retriable);
  EXPECT_EQ(judged(416, "", "")->code, ErrorCode::invalid);
  EXPECT_EQ(judged(404, "", "")->code, ErrorCode::not_found);
}

TEST(SwiftProtocol, AcceptsLessOnlyWhereTheRangeMayEndEarly) {
  const ByteRange kRange{10, 5, true};
  auto judged = [&](std::string_view body, std::string content_range) {
    return judge_range(answer(206, body, {{"Content-Range", content_range}}), kRange);
  };
  EXPECT_FALSE(judged("abcde", "bytes 10-14/100"));
  EXPECT_FALSE(judged("abcd", "bytes 10-13/14")) << "all there is";
  EXPECT_TRUE(judged("abcd", "bytes 10-13/100")->retriable) << "there is more";
  EXPECT_TRUE(judged("abc", "bytes 10-13/14")->retriable) << "short body";
}

TEST(SwiftProtocol, AWholeObjectComesWithItsLength) {
  EXPECT_FALSE(judge_whole(answer(200, "abc", {{"Content-Length", "3"}})));
  EXPECT_FALSE(judge_whole(answer(200, "", {{"Content-Length", "0"}})));
  EXPECT_TRUE(judge_whole(answer(200, "abc", {{"Content-Length", "4"}}))->retriable);
  EXPECT_TRUE(judge_whole(answer(200, "abc"))->retriable);
  EXPECT_TRUE(judge_whole(answer(206, "abc", {{"Content-Length", "3"}}))->retriable);
}

TEST(SwiftProtocol, Only201WithOurEtagIsAPlainPut) {
  EXPECT_FALSE(judge_put(answer(201, "", {{"Etag", "\"ABCDEF\""}}), "abcdef"));
  EXPECT_FALSE(judge_put(answer(201), "abcdef"));
  EXPECT_TRUE(judge_put(answer(201, "", {{"Etag", "123456"}}), "abcdef")->retriable);
  EXPECT_TRUE(judge_put(answer(200), "abcdef").has_value());
  EXPECT_TRUE(judge_put(answer(422), "abcdef")->retriable);
  EXPECT_EQ(judge_put(answer(404), "abcdef")->code, ErrorCode::not_found);
}

TEST(SwiftProtocol, AnAbsentObjectCountsAsDeleted) {
  EXPECT_FALSE(judge_delete(answer(204)));
  EXPECT_FALSE(judge_delete(answer(404)));
  EXPECT_TRUE(judge_delete(answer(409)).has_value());
}

TEST(SwiftProtocol, ReadsListingsAndKnowsWhetherMoreFollows) {
  const char* kThree = R"([{"name": "a", "bytes": 1, "hash": "x"}, {"name": "b/\u00e9", "bytes": 2},
                           {"name": "c", "bytes": 5000000000}])";
  auto all = parse_listing(kThree, 3);
  ASSERT_TRUE(all.ok());
  ASSERT_EQ(all->entries.size(), 3u);
  EXPECT_EQ(all->entries[1].name, "b/\xc3\xa9");
  EXPECT_EQ(all->entries[2].size, 5000000000u);
  EXPECT_FALSE(all->next);

  auto two = parse_listing(kThree, 2);
  ASSERT_EQ(two->entries.size(), 2u);
  EXPECT_EQ(two->next, "b/\xc3\xa9");
  EXPECT_TRUE(parse_listing("", 2)->entries.empty());
  EXPECT_TRUE(parse_listing("[]", 2)->entries.empty());
}

TEST(SwiftProtocol, RefusesListingsThatAreNone) {
  for (const char* bad : {"{", "{}", "[1]", "[{}]", R"([{"name": 1, "bytes": 1}])",
                          R"([{"name": "a", "bytes": -1}])", "<html></html>", "[[]]"}) {
    EXPECT_FALSE(parse_listing(bad, 10).ok()) << bad;
  }
}

}  // namespace
}  // namespace swiftness
