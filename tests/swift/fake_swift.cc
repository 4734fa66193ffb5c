#include "tests/swift/fake_swift.h"

#include <fmt/format.h>

#include "backend/base/buffer.h"
#include "backend/base/hash.h"

namespace swiftness {
namespace {

constexpr std::string_view kAccount = "/v1/AUTH_test";

std::string md5(const std::string& data) {
  return md5_hex(BufferList(Buffer::copy_of(data)));
}

int hex_value(char c) {
  return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

std::string unescape(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      out.push_back(static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2])));
      i += 2;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

std::string query_value(const std::string& target, const std::string& name) {
  size_t at = target.find('?');
  while (at != std::string::npos) {
    size_t end = target.find('&', at + 1);
    std::string pair = target.substr(at + 1, end - at - 1);
    if (pair.starts_with(name + "=")) return unescape(pair.substr(name.size() + 1));
    at = end;
  }
  return "";
}

}  // namespace

FakeSwift::FakeSwift() : server_([this](const ServerRequest& r) { return answer(r); }) {}

void FakeSwift::plant(std::string method, std::string part, ServerReply reply, Act act) {
  std::lock_guard lock(mutex_);
  faults_.push_back({std::move(method), std::move(part), std::move(reply), act});
}

void FakeSwift::plant_while_answering(std::string method, std::string part, ServerReply reply) {
  faults_.push_back({std::move(method), std::move(part), std::move(reply), Act::no});
}

ServerReply FakeSwift::status(int code, std::map<std::string, std::string> headers) {
  ServerReply reply;
  reply.status = code;
  reply.headers = std::move(headers);
  reply.headers["X-Trans-Id"] = fmt::format("tx{}planted", code);
  return reply;
}

ServerReply FakeSwift::reset() {
  ServerReply reply;
  reply.answer = false;
  reply.then = ServerReply::Then::reset;
  return reply;
}

ServerReply FakeSwift::silence() {
  ServerReply reply;
  reply.answer = false;
  reply.then = ServerReply::Then::silence;
  return reply;
}

void FakeSwift::watch(std::function<void(const ServerRequest&)> watcher) {
  std::lock_guard lock(mutex_);
  watcher_ = std::move(watcher);
}

void FakeSwift::expire_tokens() {
  std::lock_guard lock(mutex_);
  oldest_token_ = token_ + 1;
}

void FakeSwift::store(const std::string& path, std::string data) {
  std::lock_guard lock(mutex_);
  size_t slash = path.find('/', 1);
  containers_[path.substr(1, slash - 1)][path.substr(slash + 1)] = std::move(data);
}

std::string FakeSwift::stored(const std::string& path) {
  std::lock_guard lock(mutex_);
  size_t slash = path.find('/', 1);
  return containers_[path.substr(1, slash - 1)][path.substr(slash + 1)];
}

std::vector<ServerRequest> FakeSwift::requests() {
  std::lock_guard lock(mutex_);
  return requests_;
}

size_t FakeSwift::count(const std::string& method, const std::string& part) {
  size_t found = 0;
  for (const ServerRequest& request : requests()) {
    if (request.method == method && request.target.find(part) != std::string::npos) ++found;
  }
  return found;
}

size_t FakeSwift::faults_left() {
  std::lock_guard lock(mutex_);
  return faults_.size();
}

ServerReply FakeSwift::answer(const ServerRequest& request) {
  std::lock_guard lock(mutex_);
  ServerRequest remembered = request;
  remembered.body.clear();
  requests_.push_back(std::move(remembered));
  if (watcher_) watcher_(request);
  for (auto fault = faults_.begin(); fault != faults_.end(); ++fault) {
    if (fault->method != request.method) continue;
    if (request.target.find(fault->part) == std::string::npos) continue;
    Fault planted = std::move(*fault);
    faults_.erase(fault);
    if (planted.act == Act::yes) act_on(request);
    return planted.reply;
  }
  ServerReply reply = act_on(request);
  reply.headers["X-Trans-Id"] = fmt::format("tx{:06}", requests_.size());
  return reply;
}

ServerReply FakeSwift::act_on(const ServerRequest& request) {
  if (request.target.starts_with("/auth/")) return log_in(request);
  if (!request.target.starts_with(kAccount)) return status(404);
  std::string token = request.header("x-auth-token");
  if (!token.starts_with("token-") || std::stoi(token.substr(6)) < oldest_token_)
    return status(401);

  std::string path = request.target.substr(kAccount.size() + 1);
  path = unescape(path.substr(0, path.find('?')));
  if (path.find('/') == std::string::npos) return on_container(request, path);
  return on_object(request, path);
}

ServerReply FakeSwift::log_in(const ServerRequest& request) {
  if (request.header("x-auth-user") != kUser || request.header("x-auth-key") != kKey) {
    return status(401);
  }
  return status(200, {{"X-Storage-Url", "http://" + request.header("host") + std::string(kAccount)},
                      {"X-Auth-Token", fmt::format("token-{}", ++token_)}});
}

ServerReply FakeSwift::on_container(const ServerRequest& request, const std::string& container) {
  if (request.method == "PUT") {
    bool made = containers_.try_emplace(container).second;
    return status(made ? 201 : 202);
  }
  if (!containers_.contains(container)) return status(404);
  std::string prefix = query_value(request.target, "prefix");
  std::string marker = query_value(request.target, "marker");
  size_t limit = std::stoul(query_value(request.target, "limit"));
  std::string entries;
  for (const auto& [name, data] : containers_[container]) {
    if (!name.starts_with(prefix) || name <= marker || limit == 0) continue;
    --limit;
    if (!entries.empty()) entries += ", ";
    entries +=
        fmt::format(R"({{"name": "{}", "bytes": {}, "hash": "{}"}})", name, data.size(), md5(data));
  }
  ServerReply reply;
  reply.body = "[" + entries + "]";
  return reply;
}

ServerReply FakeSwift::on_object(const ServerRequest& request, const std::string& path) {
  size_t slash = path.find('/');
  auto container = containers_.find(path.substr(0, slash));
  if (container == containers_.end()) return status(404);
  if (request.method == "PUT") return put_object(request, path);
  auto object = container->second.find(path.substr(slash + 1));
  if (object == container->second.end()) return status(404);
  if (request.method == "DELETE") {
    container->second.erase(object);
    return status(204);
  }
  return read_object(request, object->second);
}

ServerReply FakeSwift::put_object(const ServerRequest& request, const std::string& path) {
  size_t slash = path.find('/');
  auto& objects = containers_[path.substr(0, slash)];
  std::string name = path.substr(slash + 1);
  std::string data = request.body;
  if (std::string from = request.header("x-copy-from"); !from.empty()) {
    from = unescape(from.substr(1));
    size_t cut = from.find('/');
    auto& source = containers_[from.substr(0, cut)];
    auto object = source.find(from.substr(cut + 1));
    if (object == source.end()) return status(404);
    data = object->second;
  }
  if (request.header("if-none-match") == "*" && objects.contains(name)) return status(412);
  std::string etag = request.header("etag");
  if (!etag.empty() && etag != md5(data)) return status(422);
  objects[name] = data;
  return status(201, {{"Etag", md5(data)}});
}

ServerReply FakeSwift::read_object(const ServerRequest& request, const std::string& data) {
  ServerReply reply;
  reply.headers["Etag"] = md5(data);
  reply.body = data;
  if (request.method == "HEAD") reply.announce = data.size();
  std::string range = request.header("range");
  if (range.empty()) return reply;
  size_t dash = range.find('-');
  size_t first = std::stoull(range.substr(6, dash - 6));
  size_t last = std::stoull(range.substr(dash + 1));
  if (first >= data.size()) return status(416);
  last = std::min(last, data.size() - 1);
  reply.status = 206;
  reply.body = data.substr(first, last - first + 1);
  reply.headers["Content-Range"] = fmt::format("bytes {}-{}/{}", first, last, data.size());
  return reply;
}

}  // namespace swiftness
