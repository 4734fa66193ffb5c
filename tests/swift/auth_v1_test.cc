#include "backend/swift/auth_v1.h"

#include <gtest/gtest.h>

namespace swiftness {
namespace {

const AuthV1 kAuth("http://swift:8080/auth/v1.0", {"test:tester", "very-secret"}, "");

HttpResponse auth_answer(int status, std::vector<HttpHeader> headers = {}) {
  HttpResponse response;
  response.status = status;
  for (const HttpHeader& header : headers) response.headers.add(header.name, header.value);
  return response;
}

TEST(AuthV1, AsksWithUserAndKey) {
  HttpRequest request = kAuth.request();
  EXPECT_EQ(request.method, "GET");
  EXPECT_EQ(request.url, "http://swift:8080/auth/v1.0");
  ASSERT_EQ(request.headers.size(), 2u);
  EXPECT_EQ(request.headers[0].value, "test:tester");
  EXPECT_EQ(request.headers[1].value, "very-secret");
}

TEST(AuthV1, TakesTokenAndStorageUrl) {
  auto session = kAuth.session(auth_answer(
      200, {{"x-storage-url", "http://swift:8080/v1/AUTH_test/"}, {"X-Auth-Token", "t"}}));
  ASSERT_TRUE(std::holds_alternative<Session>(session));
  EXPECT_EQ(std::get<Session>(session).storage_url, "http://swift:8080/v1/AUTH_test");
  EXPECT_EQ(std::get<Session>(session).token, "t");
}

TEST(AuthV1, SaysWhyThereIsNoSession) {
  auto code = [](const HttpResponse& response) {
    auto session = kAuth.session(response);
    EXPECT_TRUE(std::holds_alternative<Failure>(session));
    return std::get<Failure>(session).code;
  };
  EXPECT_EQ(code(auth_answer(401)), ErrorCode::unauthorized);
  EXPECT_EQ(code(auth_answer(403)), ErrorCode::unauthorized);
  EXPECT_EQ(code(auth_answer(404)), ErrorCode::invalid) << "the URL is wrong";
  EXPECT_EQ(code(auth_answer(301)), ErrorCode::invalid);
  EXPECT_EQ(code(auth_answer(503)), ErrorCode::unavailable);
  EXPECT_EQ(code(auth_answer(200)), ErrorCode::invalid) << "no auth service";
}

TEST(AuthV1, TellsNoSecret) {
  auto session = kAuth.session(auth_answer(401));
  std::string reason = std::get<Failure>(session).reason + kAuth.where();
  EXPECT_EQ(reason.find("very-secret"), std::string::npos);
  EXPECT_NE(reason.find("test:tester"), std::string::npos);
}

}  // namespace
}  // namespace swiftness
