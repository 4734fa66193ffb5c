#include "backend/swift/http_status.h"

#include <gtest/gtest.h>

namespace swiftness {
namespace {

HttpResponse response(int status, std::string_view body = {},
                      std::string_view transaction = "tx42") {
  HttpResponse response;
  response.status = status;
  response.body = Buffer::copy_of(body);
  if (!transaction.empty()) response.headers.add("X-Trans-Id", transaction);
  return response;
}

TEST(HttpStatus, MapsEveryAnswerToOneErrorCode) {
  struct Expected {
    int status;
    ErrorCode code;
    bool retriable;
  };
  const Expected kExpected[] = {
      {301, ErrorCode::invalid, false},      {400, ErrorCode::invalid, false},
      {401, ErrorCode::unauthorized, false}, {403, ErrorCode::unauthorized, false},
      {404, ErrorCode::not_found, false},    {405, ErrorCode::invalid, false},
      {408, ErrorCode::unavailable, true},   {409, ErrorCode::conflict, false},
      {412, ErrorCode::conflict, false},     {413, ErrorCode::out_of_space, false},
      {416, ErrorCode::invalid, false},      {422, ErrorCode::unavailable, true},
      {429, ErrorCode::unavailable, true},   {498, ErrorCode::unavailable, true},
      {499, ErrorCode::unavailable, true},   {500, ErrorCode::unavailable, true},
      {502, ErrorCode::unavailable, true},   {503, ErrorCode::unavailable, true},
      {504, ErrorCode::unavailable, true},   {507, ErrorCode::out_of_space, true},
      {599, ErrorCode::unavailable, true},
  };
  for (const Expected& expected : kExpected) {
    Failure failure = failure_of(response(expected.status));
    EXPECT_EQ(failure.code, expected.code) << expected.status;
    EXPECT_EQ(failure.retriable, expected.retriable) << expected.status;
  }
}

TEST(HttpStatus, KnowsWhichFailuresMayHaveActed) {
  EXPECT_TRUE(failure_of(response(503)).may_have_acted);
  EXPECT_TRUE(failure_of(response(408)).may_have_acted);
  EXPECT_FALSE(failure_of(response(401)).may_have_acted);
  EXPECT_FALSE(failure_of(response(404)).may_have_acted);
  for (int status : {422, 425, 429, 498}) {
    EXPECT_TRUE(failure_of(response(status)).may_have_acted) << status;
  }
  EXPECT_FALSE(failure_of(HttpFailure{TransportFailure::connect, ""}).may_have_acted);
  EXPECT_TRUE(failure_of(HttpFailure{TransportFailure::broken, ""}).may_have_acted);
  EXPECT_TRUE(failure_of(HttpFailure{TransportFailure::stalled, ""}).may_have_acted);
}

TEST(HttpStatus, SilenceIsTimedOutAndABrokenLineUnavailable) {
  EXPECT_EQ(failure_of(HttpFailure{TransportFailure::stalled, ""}).code, ErrorCode::timed_out);
  EXPECT_EQ(failure_of(HttpFailure{TransportFailure::deadline, ""}).code, ErrorCode::timed_out);
  EXPECT_EQ(failure_of(HttpFailure{TransportFailure::broken, ""}).code, ErrorCode::unavailable);
  EXPECT_EQ(failure_of(HttpFailure{TransportFailure::connect, ""}).code, ErrorCode::unavailable);
  EXPECT_FALSE(failure_of(HttpFailure{TransportFailure::tls, ""}).retriable);
}

TEST(HttpStatus, QuotesTheServerInOneLineWithItsTransaction) {
  Failure failure = failure_of(response(
      400, "<html><h1>Bad Request</h1><p>Invalid X-Storage-Policy\n&#x27;x&#x27;</p></html>"));
  EXPECT_EQ(failure.reason,
            "answered 400, the request is refused \"Bad Request Invalid X-Storage-Policy "
            "&#x27;x&#x27;\" (transaction tx42)");
}

TEST(HttpStatus, NeverLetsTheServerForgeLogLines) {
  EXPECT_EQ(failure_of(response(500, "a\r\nERROR b\x1b[2J")).reason.find_first_of("\r\n\x1b"),
            std::string::npos);
  EXPECT_EQ(transaction_of(response(500, "", "tx 1\x07")), " (no transaction id)");
  EXPECT_EQ(transaction_of(response(500, "", "")), " (no transaction id)");
}

TEST(HttpStatus, ReadsRetryAfterInSeconds) {
  EXPECT_EQ(parse_retry_after("7"), Duration(std::chrono::seconds(7)));
  EXPECT_EQ(parse_retry_after("0"), Duration::zero());
  EXPECT_EQ(parse_retry_after("99999999999999999999"), Duration(std::chrono::hours(24)));
  EXPECT_FALSE(parse_retry_after(""));
  EXPECT_FALSE(parse_retry_after("-5"));
  EXPECT_FALSE(parse_retry_after("Wed, 21 Oct 2026 07:28:00 GMT"));
}

}  // namespace
}  // namespace swiftness
