#include "backend/swift/auth_v3.h"

#include <fmt/format.h>
#include <time.h>

#include <nlohmann/json.hpp>
#include <set>

#include "backend/base/clock.h"

namespace swiftness {
namespace {

using Json = nlohmann::json;

constexpr uint64_t kMostToken = 16 * 1024 * 1024;  // catalogs of big clouds have megabytes

Json name_or_id(const KeystoneName& who) {
  return who.id.empty() ? Json{{"name", who.name}} : Json{{"id", who.id}};
}

// Names count within a domain, ids everywhere.
Json within_domain(const KeystoneName& who, const KeystoneName& domain) {
  Json out = name_or_id(who);
  if (who.id.empty()) out["domain"] = name_or_id(domain);
  return out;
}

Json identity_of(const AuthV3Config& config) {
  using enum AuthV3Config::Method;
  switch (config.method) {
    case password: {
      Json user = within_domain(config.user, config.user_domain);
      user["password"] = config.secret;
      return {{"methods", {"password"}}, {"password", {{"user", user}}}};
    }
    case application_credential: {
      Json credential = name_or_id(config.application_credential);
      if (config.application_credential.id.empty()) {
        credential["user"] = within_domain(config.user, config.user_domain);
      }
      credential["secret"] = config.secret;
      return {{"methods", {"application_credential"}}, {"application_credential", credential}};
    }
    case token:
      return {{"methods", {"token"}}, {"token", {{"id", config.secret}}}};
  }
  CHECK(false);
}

// The text at `key`; empty when there is none.
std::string text_at(const Json& object, const char* key) {
  if (!object.is_object()) return {};
  auto at = object.find(key);
  return at == object.end() || !at->is_string() ? std::string() : at->get<std::string>();
}

const Json& child(const Json& object, const char* key) {
  static const Json kNothing;
  if (!object.is_object()) return kNothing;
  auto at = object.find(key);
  return at == object.end() ? kNothing : *at;
}

// "2026-11-30T10:00:00.000000Z", always UTC.
std::optional<std::chrono::sys_seconds> parse_time(const std::string& text) {
  std::tm parts{};
  if (text.empty() || strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts) == nullptr) return {};
  return std::chrono::sys_seconds(std::chrono::seconds(timegm(&parts)));
}

// By the server's clock alone, so that ours need not agree with it.
std::optional<std::chrono::seconds> lifetime_of(const Json& token) {
  auto expires = parse_time(text_at(token, "expires_at"));
  auto issued = parse_time(text_at(token, "issued_at"));
  if (!expires) return std::nullopt;
  if (!issued) issued = std::chrono::floor<std::chrono::seconds>(calendar_now());
  return std::max(*expires - *issued, std::chrono::seconds(0));
}

struct Catalog {
  std::string url;  // of the endpoint that is meant; empty: there is none
  std::string why;  // then: what is there instead
};

// `regions`: those that have object storage, as far as the interface fits.
Catalog endpoint_in(const Json& token, const AuthV3Config& config) {
  if (!child(token, "catalog").is_array()) {
    return {{}, "the token has no service catalog: it needs a project"};
  }
  std::set<std::string> regions;
  std::set<std::string> interfaces;
  std::string url;
  for (const Json& service : child(token, "catalog")) {
    if (text_at(service, "type") != "object-store") continue;
    for (const Json& endpoint : child(service, "endpoints")) {
      std::string region = text_at(endpoint, "region_id");
      if (region.empty()) region = text_at(endpoint, "region");
      interfaces.insert(text_at(endpoint, "interface"));
      if (text_at(endpoint, "interface") != config.interface) continue;
      regions.insert(region);
      if (!config.region.empty() && region != config.region) continue;
      if (url.empty()) url = text_at(endpoint, "url");
    }
  }
  if (interfaces.empty()) return {{}, "the service catalog has no object-store"};
  if (regions.empty()) {
    return {{},
            fmt::format("the object-store has no {} endpoint (but {})", config.interface,
                        fmt::join(interfaces, ", "))};
  }
  if (config.region.empty() && regions.size() > 1) {
    return {
        {},
        fmt::format("object-store is in several regions; name one ({})", fmt::join(regions, ", "))};
  }
  if (url.empty()) {
    return {{},
            fmt::format("there is no object-store in region {} (but in {})", config.region,
                        fmt::join(regions, ", "))};
  }
  return {url, {}};
}

Failure unusable(const HttpResponse& answer, std::string_view what) {
  return Failure{ErrorCode::invalid, false, false, std::nullopt,
                 fmt::format("answered {}, but {}", answer.status, what)};
}

// Keystone says in JSON what is wrong.
Failure refused(const HttpResponse& answer) {
  Failure failure = failure_of(answer);
  Json body = Json::parse(answer.body.text(), nullptr, /*allow_exceptions=*/false);
  std::string message = text_at(child(body, "error"), "message");
  std::string id(answer.headers.find("X-Openstack-Request-Id"));
  if (!message.empty()) {
    failure.reason = fmt::format("answered {}: {}{}", answer.status, excerpt_of(message),
                                 id.empty() ? "" : " (request " + excerpt_of(id) + ")");
  }
  return failure;
}

}  // namespace

AuthV3::AuthV3(std::string url, AuthV3Config config, std::string storage_url)
    : config_(std::move(config)), storage_url_(std::move(storage_url)) {
  while (url.ends_with('/')) url.pop_back();
  if (!url.ends_with("/v3")) url += "/v3";
  tokens_url_ = url + "/auth/tokens";
}

HttpRequest AuthV3::request() const {
  Json auth = {{"identity", identity_of(config_)}};
  // An application credential has its project already.
  if (config_.method != AuthV3Config::Method::application_credential && !config_.project.empty()) {
    auth["scope"] = {{"project", within_domain(config_.project, config_.project_domain)}};
  }
  HttpRequest request;
  request.method = "POST";
  request.url = tokens_url_ + (storage_url_.empty() ? "" : "?nocatalog");
  request.headers = {{"Content-Type", "application/json"}, {"Accept", "application/json"}};
  request.body = BufferList(Buffer::copy_of(Json{{"auth", auth}}.dump()));
  request.most_body = kMostToken;
  return request;
}

std::variant<Session, Failure> AuthV3::session(const HttpResponse& answer) const {
  if (answer.status / 100 != 2) {
    Failure failure = refused(answer);
    // A token that Keystone does not know, or no more, is "not found".
    const bool no_token =
        config_.method == AuthV3Config::Method::token && failure.code == ErrorCode::not_found;
    if (no_token) failure.code = ErrorCode::unauthorized;
    if (failure.code == ErrorCode::unauthorized) {
      failure.reason += ": check the credentials";
    } else if (answer.status == 404 || answer.status / 100 == 3) {
      failure.code = ErrorCode::invalid;  // not_found would speak of an object
      failure.reason += ": check the auth URL";
    }
    return failure;
  }
  Session session;
  session.token = answer.headers.find("X-Subject-Token");
  Json body = Json::parse(answer.body.text(), nullptr, /*allow_exceptions=*/false);
  const Json& token = child(body, "token");
  if (session.token.empty() || !token.is_object()) {
    return unusable(answer, "without X-Subject-Token and a token: no Keystone of version 3");
  }
  session.lifetime = lifetime_of(token);
  session.storage_url = storage_url_;
  if (session.storage_url.empty()) {
    Catalog catalog = endpoint_in(token, config_);
    if (catalog.url.empty()) return unusable(answer, catalog.why);
    session.storage_url = catalog.url;
  }
  while (session.storage_url.ends_with('/')) session.storage_url.pop_back();
  return session;
}

std::string AuthV3::where() const {
  using enum AuthV3Config::Method;
  std::string who = "with a given token";
  if (config_.method == password) who = "as user " + config_.user.text();
  if (config_.method == application_credential) {
    who = "with application credential " + config_.application_credential.text();
  }
  if (!config_.project.empty()) who += " for project " + config_.project.text();
  return fmt::format("{} at {}", who, tokens_url_);
}

}  // namespace swiftness
