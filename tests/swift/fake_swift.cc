#include "tests/swift/fake_swift.h"

#include <fmt/format.h>

#include <sstream>

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

size_t FakeSwift::containers() {
  std::lock_guard lock(mutex_);
  return containers_.size();
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

void FakeSwift::set_info(std::string json) {
  std::lock_guard lock(mutex_);
  info_ = std::move(json);
}

void FakeSwift::refuse_deletes(std::string name) {
  std::lock_guard lock(mutex_);
  undeletable_ = std::move(name);
}

ServerReply FakeSwift::act_on(const ServerRequest& request) {
  if (request.target.starts_with("/auth/")) return log_in(request);
  if (request.target == "/info") {
    ServerReply reply;
    reply.body = info_;
    return info_.empty() ? status(404) : reply;
  }
  if (!request.target.starts_with(kAccount)) return status(404);
  std::string token = request.header("x-auth-token");
  if (!token.starts_with("token-") || std::stoi(token.substr(6)) < oldest_token_)
    return status(401);

  std::string path = request.target.substr(kAccount.size());
  path = unescape(path.substr(0, path.find('?')));
  if (path.empty()) return on_account(request);
  path.erase(0, 1);
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

ServerReply FakeSwift::on_account(const ServerRequest& request) {
  if (request.method == "POST" && request.target.ends_with("?bulk-delete")) {
    return delete_in_bulk(request);
  }
  if (request.method == "POST") {
    keep_metadata(request, "");
    return status(204);
  }
  if (request.method == "HEAD") return status(204, metadata_[""]);
  std::vector<ServerListed> names;
  for (const auto& [name, objects] : containers_) names.push_back({name, 0, ""});
  return list_names(request, names);
}

// With its white space before the report, and its report in the body of a 200.
ServerReply FakeSwift::delete_in_bulk(const ServerRequest& request) {
  size_t deleted = 0;
  size_t not_found = 0;
  std::string errors;
  std::istringstream lines(request.body);
  for (std::string line; std::getline(lines, line);) {
    switch (int code = delete_object(unescape(line)).status) {
      case 204:
        ++deleted;
        break;
      case 404:
        ++not_found;
        break;
      default:
        errors += fmt::format(R"({}["{}", "{} Conflict"])", errors.empty() ? "" : ", ", line, code);
    }
  }
  ServerReply reply;
  reply.body = fmt::format(
      "  \r\n\r\n"
      R"({{"Number Not Found": {}, "Response Status": "{}", )"
      R"("Response Body": "", "Errors": [{}], "Number Deleted": {}}})",
      not_found, errors.empty() ? "200 OK" : "400 Bad Request", errors, deleted);
  return reply;
}

ServerReply FakeSwift::list_names(const ServerRequest& request,
                                  const std::vector<ServerListed>& names) {
  auto asked = [&request](const char* name) { return query_value(request.target, name); };
  const std::string prefix = asked("prefix");
  const std::string end_marker = asked("end_marker");
  const std::string delimiter = asked("delimiter");
  const std::string format = asked("format");
  size_t limit = asked("limit").empty() ? 10000 : std::stoul(asked("limit"));
  std::string entries;
  std::string last_subdir;
  auto add = [&](const std::string& entry) {
    --limit;
    if (!entries.empty() && format == "json") entries += ", ";
    entries += entry;
  };
  for (const ServerListed& one : names) {
    if (limit == 0 || !one.name.starts_with(prefix) || one.name <= asked("marker")) continue;
    if (!end_marker.empty() && one.name >= end_marker) continue;
    size_t cut = delimiter.empty() ? std::string::npos : one.name.find(delimiter, prefix.size());
    if (cut != std::string::npos) {
      std::string subdir = one.name.substr(0, cut + delimiter.size());
      if (std::exchange(last_subdir, subdir) == subdir) continue;
      add(fmt::format(R"({{"subdir": "{}"}})", subdir));
    } else if (format == "json") {
      add(fmt::format(R"({{"name": "{}", "bytes": {}, "hash": "{}", "content_type": "text/x", )"
                      R"("last_modified": "2026-11-30T10:00:00.000000"}})",
                      one.name, one.bytes, one.hash));
    } else {
      add(format == "xml" ? "<name>" + one.name + "</name>" : one.name + "\n");
    }
  }
  ServerReply reply;
  reply.body = format == "json" ? "[" + entries + "]" : entries;
  return reply;
}

ServerReply FakeSwift::on_container(const ServerRequest& request, const std::string& container) {
  if (request.method == "PUT") {
    bool made = containers_.try_emplace(container).second;
    if (made) keep_metadata(request, container);
    return status(made ? 201 : 202);
  }
  if (!containers_.contains(container)) return status(404);
  if (request.method == "DELETE") {
    if (!containers_[container].empty()) return status(409);
    containers_.erase(container);
    return status(204);
  }
  if (request.method == "POST") keep_metadata(request, container);
  if (request.method != "GET") return status(204, metadata_[container]);
  std::vector<ServerListed> names;
  for (const auto& [name, data] : containers_[container]) {
    names.push_back({name, data.size(), md5(data)});
  }
  return list_names(request, names);
}

void FakeSwift::keep_metadata(const ServerRequest& request, const std::string& path) {
  if (path.find('/') != std::string::npos) metadata_[path].clear();
  for (const auto& [name, value] : request.headers) {
    if (name.find("-meta-") != std::string::npos || name == "x-delete-at") {
      metadata_[path][name] = value;
    }
    if (name == "x-delete-after") metadata_[path]["x-delete-at"] = "1900000000";
  }
}

ServerReply FakeSwift::on_object(const ServerRequest& request, const std::string& path) {
  size_t slash = path.find('/');
  auto container = containers_.find(path.substr(0, slash));
  if (container == containers_.end()) return status(404);
  if (request.method == "PUT") return put_object(request, path);
  auto object = container->second.find(path.substr(slash + 1));
  if (object == container->second.end()) return status(404);
  if (request.method == "DELETE") return delete_object(path);
  if (request.method == "COPY") return copy_object(request, path);
  if (request.method == "POST") {
    keep_metadata(request, path);
    return status(202);
  }
  return read_object(request, path, object->second);
}

ServerReply FakeSwift::delete_object(const std::string& path) {
  size_t slash = path.find('/');
  auto container = containers_.find(path.substr(0, slash));
  if (path == undeletable_) return status(409);
  if (container == containers_.end()) return status(404);
  return status(container->second.erase(path.substr(slash + 1)) == 1 ? 204 : 404);
}

ServerReply FakeSwift::copy_object(const ServerRequest& request, const std::string& path) {
  ServerRequest put = request;
  put.method = "PUT";
  put.headers["x-copy-from"] = "/" + path;  // unescaped names in these tests' copies
  return put_object(put, unescape(request.header("destination")).substr(1));
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
  keep_metadata(request, path);
  return status(201, {{"Etag", md5(data)}});
}

ServerReply FakeSwift::read_object(const ServerRequest& request, const std::string& path,
                                   const std::string& data) {
  if (request.method == "GET") {
    std::string etag = md5(data);
    std::string wanted = request.header("if-match");
    std::string unwanted = request.header("if-none-match");
    if (!wanted.empty() && wanted != etag) return status(412);
    if (!unwanted.empty() && unwanted == etag) return status(304);
  }
  ServerReply reply;
  reply.headers = metadata_[path];
  reply.headers["Etag"] = md5(data);
  reply.body = data;
  if (request.method == "HEAD") reply.announce = data.size();
  std::string range = request.header("range");
  if (range.empty()) return reply;
  size_t dash = range.find('-');
  std::string from = range.substr(6, dash - 6);
  std::string to = range.substr(dash + 1);
  size_t first = from.empty() ? data.size() - std::min(data.size(), size_t{std::stoull(to)})
                              : size_t{std::stoull(from)};
  size_t last = from.empty() || to.empty() ? data.size() - 1 : size_t{std::stoull(to)};
  if (first >= data.size()) return status(416);
  last = std::min(last, data.size() - 1);
  reply.status = 206;
  reply.body = data.substr(first, last - first + 1);
  reply.headers["Content-Range"] = fmt::format("bytes {}-{}/{}", first, last, data.size());
  return reply;
}

}  // namespace swiftness
