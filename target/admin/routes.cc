#include "target/admin/routes.h"

#include <fmt/format.h>

#include <boost/asio/ip/address.hpp>
#include <set>
#include <utility>

#include "backend/base/log.h"
#include "target/admin/json.h"
#include "target/admin/metrics.h"

namespace swiftness::admin {
namespace {

using nlohmann::json;

constexpr std::string_view kVolumes = "/volumes/";

Response reply(unsigned status, const json& body) {
  // Names and messages come from stores too: what is not UTF-8 is replaced, not thrown over.
  return {.status = status,
          .body = body.dump(-1, ' ', false, json::error_handler_t::replace) + "\n"};
}

Response failure(unsigned status, const std::string& message) {
  return reply(status, json{{"error", message}});
}

Response failure(const Error& error) {
  unsigned status = 503;
  if (error.code() == ErrorCode::invalid) status = 400;
  if (error.code() == ErrorCode::not_found) status = 404;
  if (error.code() == ErrorCode::conflict) status = 409;
  return failure(status, error.message());
}

// What a request says, exactly: a misspelt key must not become a default.
Result<json> parse_request(const std::string& body, const std::set<std::string>& texts,
                           const std::set<std::string>& numbers) {
  auto wrong = [](const std::string& what) { return Error(ErrorCode::invalid, what); };
  json request = json::parse(body, nullptr, false);
  if (!request.is_object()) return wrong("the request is not a JSON object");
  for (const auto& [key, value] : request.items()) {
    const bool is_text = texts.contains(key);
    if (!is_text && !numbers.contains(key)) return wrong(fmt::format("unknown key \"{}\"", key));
    if (is_text ? !value.is_string() : !value.is_number_unsigned()) {
      return wrong(fmt::format("\"{}\" must be a {}", key, is_text ? "string" : "number"));
    }
  }
  return request;
}

Result<CreateVolume> parse_creation(const std::string& body) {
  auto wrong = [](const std::string& what) { return Error(ErrorCode::invalid, what); };
  Result<json> parsed = parse_request(body, {"name", "store"}, {"size", "block_size"});
  if (!parsed) return parsed.error();
  const json& request = *parsed;
  if (!request.contains("name") || !request.contains("size")) {
    return wrong("\"name\" and \"size\" are needed");
  }
  if (request.value("block_size", uint64_t{512}) > UINT32_MAX)
    return wrong("\"block_size\" is too large");
  return request.get<CreateVolume>();
}

Response readiness(const StatusReport& status) {
  json waiting = json::array();
  for (const VolumeReport& volume : status.volumes) {
    if (volume.state == "online" || !volume.configured) continue;
    waiting.push_back(
        {{"name", volume.name}, {"state", volume.state}, {"trouble", volume.trouble}});
  }
  return reply(status.ready ? 200 : 503, {{"ready", status.ready}, {"not_online", waiting}});
}

asio::awaitable<Response> create(Service& service, std::string body) {
  Result<CreateVolume> request = parse_creation(body);
  if (!request) co_return failure(request.error());
  CreateVolume wanted = *request;
  Result<VolumeReport> created = co_await service.create_volume(std::move(wanted));
  if (!created) co_return failure(created.error());
  co_return reply(201, *created);
}

Response drain(Service& service, const std::string& body) {
  Result<json> request = parse_request(body, {"to"}, {});
  if (!request) return failure(request.error());
  Result<void> done = service.drain({request->value("to", "")});
  if (!done) return failure(done.error());
  return reply(200, service.status());
}

Response resume(Service& service) {
  service.resume();
  return reply(200, service.status());
}

asio::awaitable<Response> reload(Service& service, std::string body) {
  Result<json> request = parse_request(body, {}, {});
  if (!request) co_return failure(request.error());
  Result<ReloadReport> done = co_await service.reload();
  if (!done) co_return failure(done.error());
  co_return reply(200, *done);
}

asio::awaitable<Response> read(Service& service, std::string path) {
  if (path == "/healthz") co_return reply(200, {{"status", "ok"}});
  if (path == "/readyz") co_return readiness(service.status());
  if (path == "/status") co_return reply(200, service.status());
  if (path == "/metrics") {
    co_return Response{200, metrics_text(service.status()), kMetricsType};
  }
  if (path == "/sessions") co_return reply(200, service.sessions());
  if (path == "/targets") co_return reply(200, service.targets());
  if (path == "/volumes") {
    VolumeList list = co_await service.volumes();
    co_return reply(200, list);
  }
  if (path.starts_with(kVolumes)) {
    std::string name = path.substr(kVolumes.size());
    Result<VolumeReport> volume = co_await service.volume(std::move(name));
    if (!volume) co_return failure(volume.error());
    co_return reply(200, *volume);
  }
  co_return failure(404, fmt::format("there is no {}", path));
}

bool changes_something(const std::string& path) {
  return path == "/volumes" || path == "/drain" || path == "/resume" || path == "/reload";
}

asio::awaitable<Response> route(Service& service, Request request) {
  if (request.method == "GET") {
    Response response = co_await read(service, std::move(request.path));
    co_return response;
  }
  if (request.path == "/drain") co_return drain(service, request.body);
  if (request.path == "/resume") co_return resume(service);
  if (request.path == "/reload") {
    Response response = co_await reload(service, std::move(request.body));
    co_return response;
  }
  Response response = co_await create(service, std::move(request.body));
  co_return response;
}

// "[::1]:9730" -> "::1", "localhost:9730" -> "localhost"
std::string host_of(const std::string& header) {
  if (header.starts_with('[')) return header.substr(1, header.find(']') - 1);
  return header.substr(0, header.find(':'));
}

}  // namespace

std::string why_refused(const Request& request) {
  if (request.trusted) return {};
  if (request.method != "GET") return "only GET is possible here; use the Unix socket";
  std::string host = host_of(request.host);
  boost::system::error_code not_an_address;
  boost::asio::ip::make_address(host, not_an_address);
  if (not_an_address && host != "localhost")
    return "the Host is neither an IP address nor localhost";
  if (!request.origin.empty() && request.origin != "http://" + request.host) {
    return "requests of other sites are not answered";
  }
  return {};
}

asio::awaitable<Response> answer(Service& service, Request request) {
  std::string refused = why_refused(request);
  if (!refused.empty()) co_return failure(403, refused);
  bool changes = request.method == "POST" && changes_something(request.path);
  if (request.method != "GET" && !changes) {
    co_return failure(405, fmt::format("{} {} is not possible", request.method, request.path));
  }
  std::string what = request.method + " " + request.path;
  try {
    Response response = co_await route(service, std::move(request));
    co_return response;
  } catch (const std::exception& e) {
    log::error("admin: {}: {}", what, e.what());
  }
  co_return failure(500, "internal error; see the gateway's log");
}

}  // namespace swiftness::admin
