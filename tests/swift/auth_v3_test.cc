#include "backend/swift/auth_v3.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace swiftness {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using testing::HasSubstr;
using testing::Not;
using enum AuthV3Config::Method;

AuthV3Config with_password() {
  AuthV3Config config;
  config.user = {.name = "gw", .id = {}};
  config.user_domain = {.name = "Default", .id = {}};
  config.secret = "very-secret";
  config.project = {.name = "storage", .id = {}};
  config.project_domain = {.name = {}, .id = "d1"};
  return config;
}

json body_of(const AuthV3Config& config) {
  HttpRequest request = AuthV3("http://keystone:5000/v3/", config, "").request();
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.url, "http://keystone:5000/v3/auth/tokens");
  return json::parse(request.body.pieces().at(0).text());
}

TEST(AuthV3, AsksWithAPassword) {
  EXPECT_EQ(body_of(with_password()), json::parse(R"({"auth": {
    "identity": {"methods": ["password"], "password": {"user":
      {"name": "gw", "domain": {"name": "Default"}, "password": "very-secret"}}},
    "scope": {"project": {"name": "storage", "domain": {"id": "d1"}}}}})"));
  AuthV3Config by_id = with_password();
  by_id.user.id = "u1";
  by_id.project.id = "p1";
  EXPECT_EQ(body_of(by_id), json::parse(R"({"auth": {
    "identity": {"methods": ["password"], "password": {"user": {"id": "u1", "password": "very-secret"}}},
    "scope": {"project": {"id": "p1"}}}})"));
}

TEST(AuthV3, AsksWithAnApplicationCredential) {
  AuthV3Config config;
  config.method = application_credential;
  config.application_credential = {.name = {}, .id = "c1"};
  config.secret = "very-secret";
  EXPECT_EQ(body_of(config), json::parse(R"({"auth": {"identity": {
    "methods": ["application_credential"],
    "application_credential": {"id": "c1", "secret": "very-secret"}}}})"));
  config.application_credential = {.name = "c", .id = {}};
  config.user = {.name = "gw", .id = {}};
  config.user_domain = {.name = "Default", .id = {}};
  EXPECT_EQ(body_of(config), json::parse(R"({"auth": {"identity": {
    "methods": ["application_credential"],
    "application_credential": {"name": "c", "secret": "very-secret",
      "user": {"name": "gw", "domain": {"name": "Default"}}}}}})"));
}

TEST(AuthV3, AsksWithAToken) {
  AuthV3Config config = with_password();
  config.method = token;
  EXPECT_EQ(body_of(config), json::parse(R"({"auth": {
    "identity": {"methods": ["token"], "token": {"id": "very-secret"}},
    "scope": {"project": {"name": "storage", "domain": {"id": "d1"}}}}})"));
}

constexpr const char* kToken = R"({"token": {
  "issued_at": "2026-11-30T10:00:00.000000Z", "expires_at": "2026-11-30T11:00:10.000000Z",
  "catalog": [
    {"type": "identity", "endpoints": [{"interface": "public", "region_id": "east", "url": "http://no"}]},
    {"type": "object-store", "endpoints": [
      {"interface": "public", "region_id": "east", "url": "http://east/v1/AUTH_p/"},
      {"interface": "internal", "region_id": "east", "url": "http://inside/v1/AUTH_p"},
      {"interface": "public", "region": "west", "url": "http://west/v1/AUTH_p"}]}]}})";

HttpResponse answer(int status, const char* body, bool token = true) {
  HttpResponse response;
  response.status = status;
  if (token) response.headers.add("X-Subject-Token", "t");
  response.body = Buffer::copy_of(body);
  return response;
}

std::variant<Session, Failure> asked(AuthV3Config config, const HttpResponse& response,
                                     std::string storage_url = "") {
  return AuthV3("http://keystone", std::move(config), std::move(storage_url)).session(response);
}

TEST(AuthV3, FindsTheAccountByRegionAndInterface) {
  auto url = [](const char* region, const char* interface) {
    AuthV3Config config = with_password();
    config.region = region;
    config.interface = interface;
    auto session = asked(config, answer(201, kToken));
    return std::holds_alternative<Session>(session) ? std::get<Session>(session).storage_url
                                                    : std::get<Failure>(session).reason;
  };
  EXPECT_EQ(url("east", "public"), "http://east/v1/AUTH_p");
  EXPECT_EQ(url("west", "public"), "http://west/v1/AUTH_p");
  EXPECT_EQ(url("", "internal"), "http://inside/v1/AUTH_p");
  EXPECT_THAT(url("", "public"), HasSubstr("several regions; name one (east, west)"));
  EXPECT_THAT(url("north", "public"),
              HasSubstr("no object-store in region north (but in east, west)"));
  EXPECT_THAT(url("east", "admin"), HasSubstr("no admin endpoint (but internal, public)"));
}

TEST(AuthV3, TakesTokenAndItsLifeByTheServersClock) {
  AuthV3Config config = with_password();
  config.region = "east";
  auto session = std::get<Session>(asked(config, answer(201, kToken)));
  EXPECT_EQ(session.token, "t");
  EXPECT_EQ(session.lifetime, 3610s);
}

TEST(AuthV3, AGivenStorageUrlGoesBeforeTheCatalog) {
  auto session = asked(with_password(), answer(201, R"({"token": {}})"), "http://swift/v1/AUTH_x");
  ASSERT_TRUE(std::holds_alternative<Session>(session));
  EXPECT_EQ(std::get<Session>(session).storage_url, "http://swift/v1/AUTH_x");
  EXPECT_EQ(std::get<Session>(session).lifetime, std::nullopt);
}

TEST(AuthV3, SaysWhyThereIsNoSession) {
  auto failure = [](const HttpResponse& response) {
    return std::get<Failure>(asked(with_password(), response));
  };
  Failure refused = failure(answer(
      401,
      R"({"error": {"code": 401, "message": "The request you have made\nrequires authentication."}})"));
  EXPECT_EQ(refused.code, ErrorCode::unauthorized);
  EXPECT_THAT(refused.reason, HasSubstr("answered 401: The request you have made requires"));
  EXPECT_THAT(refused.reason, HasSubstr("check the credentials"));
  EXPECT_EQ(failure(answer(404, "")).code, ErrorCode::invalid) << "the URL is wrong";
  EXPECT_EQ(failure(answer(300, "")).code, ErrorCode::invalid);
  AuthV3Config by_token = with_password();
  by_token.method = token;
  EXPECT_EQ(std::get<Failure>(asked(by_token, answer(404, ""))).code, ErrorCode::unauthorized);
  EXPECT_EQ(failure(answer(503, "")).code, ErrorCode::unavailable);
  EXPECT_EQ(failure(answer(201, "<html>")).code, ErrorCode::invalid);
  EXPECT_EQ(failure(answer(201, kToken, /*token=*/false)).code, ErrorCode::invalid);
  EXPECT_THAT(failure(answer(201, R"({"token": {}})")).reason, HasSubstr("needs a project"));
  EXPECT_THAT(failure(answer(201, R"({"token": {"catalog": []}})")).reason,
              HasSubstr("has no object-store"));
  // What no Keystone sends breaks nothing.
  for (const char* odd :
       {R"({"token": {"catalog": [1, {"type": "object-store", "endpoints": 5}]}})",
        R"({"token": {"catalog": [{"type": "object-store", "endpoints": [3, {}]}]}})", "[]",
        "null"}) {
    EXPECT_FALSE(failure(answer(201, odd)).retriable) << odd;
  }
}

TEST(AuthV3, TellsNoSecret) {
  AuthV3 auth("http://keystone", with_password(), "");
  EXPECT_EQ(auth.where(), "as user gw for project storage at http://keystone/v3/auth/tokens");
  Failure refused = std::get<Failure>(auth.session(answer(401, "{}")));
  EXPECT_THAT(refused.reason, Not(HasSubstr("very-secret")));
}

}  // namespace
}  // namespace swiftness
