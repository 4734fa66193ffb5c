#include "tests/sim/cluster.h"

#include <algorithm>
#include <charconv>

#include "backend/object_store.h"

namespace swiftness::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kShortestBlindness = seconds(45);
constexpr size_t kQuorum = 2;

std::string_view header_of(const HttpRequest& request, std::string_view name) {
  for (const HttpHeader& header : request.headers) {
    if (header.name == name) return header.value;
  }
  return {};
}

std::string unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%' || i + 2 >= text.size()) {
      out.push_back(text[i]);
      continue;
    }
    int value = 0;
    std::from_chars(text.data() + i + 1, text.data() + i + 3, value, 16);
    out.push_back(static_cast<char>(value));
    i += 2;
  }
  return out;
}

std::string query_value(std::string_view query, std::string_view key) {
  while (!query.empty()) {
    std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    if (pair.starts_with(key) && pair.substr(key.size()).starts_with("=")) {
      return unescape(pair.substr(key.size() + 1));
    }
  }
  return {};
}

uint64_t number_in(std::string_view text) {
  uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace

Cluster::Cluster(Timeline& timeline, Trace& trace, Chance chance, ClusterOptions options)
    : timeline_(timeline), trace_(trace), chance_(chance), options_(options) {
  for (Proxy& proxy : proxies_) {
    proxy.skew = chance_.between(-options_.clock_skew, options_.clock_skew);
  }
}

// ---- weather -----------------------------------------------------------------------------------

void Cluster::object_server_down(Duration how_long) {
  // Copies are made whole before the next one may go: see "never" above.
  if (now() < down_until_ + options_.replication * 2) return;
  down_server_ = unlucky_server();
  down_until_ = now() + how_long;
}

size_t Cluster::lone_holder(const Object& object) const {
  const Copy* newest = newest_copy(object, kNone);
  size_t holder = kNone;
  for (size_t server = 0; server < kServers; ++server) {
    const std::optional<Copy>& copy = object.copies[server];
    if (!copy || copy->stamp != newest->stamp) continue;
    if (holder != kNone) return kNone;
    holder = server;
  }
  return holder < kPrimaries ? holder : kNone;
}

size_t Cluster::unlucky_server() {
  std::vector<size_t> alone;  // who has what nobody else has, once for each such object
  for (const auto& [name, object] : objects_) {
    const size_t holder = lone_holder(object);
    if (holder != kNone) alone.push_back(holder);
  }
  if (alone.empty() || chance_.one_in(3)) return chance_.below(kPrimaries);
  return alone[chance_.below(alone.size())];
}

void Cluster::refuse_writes(Duration how_long) {
  if (now() < refusing_until_) return;
  writable_server_ = chance_.below(kPrimaries);
  refusing_until_ = now() + how_long;
}

bool Cluster::may_lose_disk() const noexcept {
  return now() >= down_until_ + options_.replication * 2 && now() >= refusing_until_;
}

void Cluster::lose_disk() {
  if (may_lose_disk()) lose_disk_of(unlucky_server());
}

void Cluster::lose_disk_of(size_t server) {
  trace_.note("object server {} loses its disk", server);
  std::vector<std::string> names;
  for (auto& [name, object] : objects_) {
    if (object.puts > 0) continue;
    object.copies[server].reset();
    names.push_back(name);
  }
  for (const std::string& name : names) replicate(name);
}

void Cluster::proxies_down(Duration how_long) {
  proxies_down_until_ = std::max(proxies_down_until_, now() + how_long);
}

// Each proxy sees on while its cache lasts.
void Cluster::go_blind(Duration how_long) {
  const size_t spared = chance_.one_in(2) ? chance_.below(kProxies) : kProxies;
  for (Proxy& proxy : proxies_) {
    if (now() < proxy.blind_until || &proxy == proxies_.data() + spared) continue;
    if (spared == kProxies && chance_.one_in(3)) continue;
    if (chance_.one_in(2)) {
      proxy.blind_after_anchor = std::max(how_long, kShortestBlindness);
      proxy.anchors_before = chance_.one_in(2) ? 0 : chance_.below(16);
      continue;
    }
    const Duration longest = chance_.one_in(2) ? seconds(3) : seconds(30);
    begin_blindness(proxy, chance_.between(Duration::zero(), longest), how_long);
  }
}

void Cluster::begin_blindness(Proxy& proxy, Duration in, Duration how_long) {
  proxy.blind_from = now() + in;
  proxy.blind_until = proxy.blind_from + std::max(how_long, kShortestBlindness);
  proxy.blindness_known = proxy.blind_from + chance_.between(Duration::zero(), seconds(2));
}

bool Cluster::is_blind(const Proxy& proxy) const noexcept {
  return now() >= proxy.blind_from && now() < proxy.blind_until;
}

bool Cluster::known_blind(size_t proxy) const noexcept {
  return is_blind(proxies_[proxy]) && now() >= proxies_[proxy].blindness_known;
}

void Cluster::lie_in_wait(Duration how_long) {
  constexpr Ambush kKinds[] = {Ambush::blindness, Ambush::blindness, Ambush::unreadable,
                               Ambush::unreadable, Ambush::lost_disk};
  ambush_ = kKinds[chance_.below(std::size(kKinds))];
  ambush_lasts_ = how_long;
  ambush_token_ = std::max(newest_token_ + 1, oldest_token_);
  constexpr const char* kReads[] = {"chunk/", "chunk/", "chunk/", "start/", "root/", ""};
  ambush_on_ = kReads[chance_.below(std::size(kReads))];
  reads_before_ = ambush_ == Ambush::lost_disk ? 0 : chance_.skewed(ambush_on_.empty() ? 30 : 6);
}

bool Cluster::is_readable(size_t proxy, uint64_t token, const std::string& name) {
  const auto found = objects_.find(name);
  const bool awaited = ambush_ != Ambush::none && token == ambush_token_ &&
                       name.find(ambush_on_) != std::string::npos && found != objects_.end() &&
                       found->second.is_there();
  if (awaited && reads_before_ > 0) {
    --reads_before_;
  } else if (awaited) {
    if (ambush_ == Ambush::blindness) {
      const Duration longest = milliseconds(chance_.one_in(2) ? 0 : 50);
      begin_blindness(proxies_[proxy], chance_.between(Duration::zero(), longest), ambush_lasts_);
      ambush_ = Ambush::none;
    } else if (ambush_ == Ambush::unreadable) {
      trace_.note("{} cannot be read", name);
      unreadable_ = name;
      unreadable_until_ = now() + ambush_lasts_;
      ambush_ = Ambush::none;
    } else if (may_lose_disk()) {
      const size_t server = lone_holder(found->second);
      if (server != kNone && found->second.puts == 0) {
        ambush_ = Ambush::none;
        timeline_.after(chance_.between(milliseconds(1), seconds(3)), [this, server] {
          if (may_lose_disk()) lose_disk_of(server);
        });
      }
    }
  }
  return name != unreadable_ || now() >= unreadable_until_;
}

void Cluster::full(Duration how_long) {
  full_until_ = std::max(full_until_, now() + how_long);
}

void Cluster::clear_up() {
  options_.missed = options_.error = options_.error_after = 0;
  options_.not_found_after = options_.bit_rot = 0;
  for (Proxy& proxy : proxies_) proxy.blind_after_anchor.reset();
  ambush_ = Ambush::none;
}

bool Cluster::settled() const noexcept {
  const bool will_see =
      std::ranges::all_of(proxies_, [](const Proxy& proxy) { return now() >= proxy.blind_until; });
  return will_see && reachable() && now() >= full_until_ && now() >= down_until_ &&
         now() >= refusing_until_ && now() >= unreadable_until_;
}

size_t Cluster::missing_server() {
  const size_t missed = chance_.below(kPrimaries);
  const bool misses = chance_.happens(options_.missed);
  if (now() < down_until_) return down_server_;
  return misses ? missed : kNone;
}

bool Cluster::Object::is_there() const {
  const auto newest = std::ranges::max_element(copies, {}, [](const std::optional<Copy>& copy) {
    return copy ? std::optional<Stamp>(copy->stamp) : std::nullopt;
  });
  return *newest && !(*newest)->tombstone;
}

// ---- requests ----------------------------------------------------------------------------------

HttpResponse Cluster::reply(size_t proxy, int status) const {
  HttpResponse response;
  response.status = status;
  response.peer = proxy == 0 ? "10.0.0.1:8080" : "10.0.0.2:8080";
  return response;
}

Cluster::Stamp Cluster::stamp(size_t proxy) {
  return Stamp{now().time_since_epoch() + proxies_[proxy].skew, ++next_stamp_};
}

std::optional<Cluster::Path> Cluster::parse(const std::string& url) {
  std::string_view rest(url);
  if (!rest.starts_with(kStorageUrl)) return std::nullopt;
  rest.remove_prefix(std::string_view(kStorageUrl).size() + 1);
  Path path;
  const size_t query = rest.find('?');
  if (query != std::string_view::npos) {
    path.query = rest.substr(query + 1);
    rest = rest.substr(0, query);
  }
  const size_t slash = rest.find('/');
  path.container = rest.substr(0, slash);
  if (slash != std::string_view::npos) path.object = rest.substr(slash + 1);
  return path;
}

void Cluster::handle(size_t proxy, const HttpRequest& request, Answer answer) {
  ++requests_;
  if (request.url == kAuthUrl) {
    HttpResponse response = reply(proxy, 200);
    newest_token_ = std::max(newest_token_ + 1, oldest_token_);
    response.headers.add("X-Storage-Url", kStorageUrl);
    response.headers.add("X-Auth-Token", std::to_string(newest_token_));
    return answer(std::move(response));
  }
  std::optional<Path> path = parse(request.url);
  if (!path) return answer(reply(proxy, 404));
  if (number_in(header_of(request, "X-Auth-Token")) < oldest_token_) {
    return answer(reply(proxy, 401));
  }
  if (chance_.happens(options_.error)) return answer(reply(proxy, 503));
  if (path->object.empty()) return on_container(proxy, request, *path, std::move(answer));
  if (request.method == "PUT") return put(proxy, request, *path, std::move(answer));
  if (request.method == "DELETE") return remove(proxy, *path, std::move(answer));
  read(proxy, request, *path, std::move(answer));
}

// ---- containers --------------------------------------------------------------------------------

bool Cluster::sees_container(size_t proxy, const std::string& container) {
  Proxy& p = proxies_[proxy];
  if (is_blind(p)) return false;
  auto missing = p.missing_until.find(container);
  if (missing != p.missing_until.end()) {
    if (now() < missing->second) return false;
    p.missing_until.erase(missing);
  }
  if (containers_.contains(container)) return true;
  p.missing_until[container] = now() + chance_.between(Duration::zero(), seconds(6));
  return false;
}

void Cluster::on_container(size_t proxy, const HttpRequest& request, const Path& path,
                           Answer answer) {
  Proxy& p = proxies_[proxy];
  if (request.method == "PUT") {
    if (is_blind(p)) return answer(reply(proxy, 503));
    const bool made = containers_.try_emplace(path.container).second;
    p.missing_until.erase(path.container);
    return answer(reply(proxy, made ? 201 : 202));
  }
  if (!sees_container(proxy, path.container)) return answer(reply(proxy, 404));
  if (request.method == "GET") return answer(listing(proxy, path));
  answer(reply(proxy, 204));
}

HttpResponse Cluster::listing(size_t proxy, const Path& path) {
  const std::string prefix = query_value(path.query, "prefix");
  const std::string marker = query_value(path.query, "marker");
  const uint64_t limit = number_in(query_value(path.query, "limit"));
  std::string json = "[";
  uint64_t count = 0;
  for (const auto& [name, row] : containers_.at(path.container).rows) {
    if (row.deleted || !name.starts_with(prefix) || name <= marker) continue;
    if (count++ == limit) break;
    if (json.size() > 1) json += ",";
    json += fmt::format("{{\"name\":\"{}\",\"bytes\":{}}}", name, row.size);
  }
  HttpResponse response = reply(proxy, 200);
  response.body = Buffer::copy_of(json + "]");
  return response;
}

void Cluster::update_listing(const Path& path, const Copy& copy) {
  const Row row{copy.stamp, copy.tombstone, copy.data.size()};
  timeline_.after(chance_.between(Duration::zero(), options_.listing_lag), [this, path, row] {
    Row& known = containers_.at(path.container).rows[path.object];
    if (known.stamp < row.stamp) known = row;
  });
}

// ---- writing -----------------------------------------------------------------------------------

void Cluster::put(size_t proxy, const HttpRequest& request, const Path& path, Answer answer) {
  if (!sees_container(proxy, path.container)) return answer(reply(proxy, 404));
  if (now() < full_until_) return answer(reply(proxy, 507));
  const std::string name = path.container + "/" + path.object;
  Copy copy;
  copy.data = request.body.flatten();
  copy.etag = header_of(request, "ETag");
  const std::string_view source = header_of(request, "X-Copy-From");
  if (!source.empty()) {
    auto from = objects_.find(unescape(source.substr(1)));
    const Copy* found = from == objects_.end() ? nullptr : newest_copy(from->second, kNone);
    if (found == nullptr || found->tombstone) return answer(reply(proxy, 404));
    copy.data = found->data;
    copy.etag = found->etag;
  }
  copy.stamp = stamp(proxy);

  const size_t missing = missing_server();
  std::vector<size_t> targets;
  for (size_t server = 0; server < kPrimaries; ++server) {
    if (server != missing) targets.push_back(server);
  }
  if (missing != kNone && chance_.happens(0.7)) {
    targets.push_back(kPrimaries + chance_.below(kServers - kPrimaries));
  }

  // The look: each server says what it has before any of them writes.
  const bool create_only = header_of(request, "If-None-Match") == "*";
  bool exists = false, newer = false;
  if (auto known = objects_.find(name); known != objects_.end()) {
    for (size_t server : targets) {
      const std::optional<Copy>& there = known->second.copies[server];
      if (!there) continue;
      exists = exists || !there->tombstone;
      newer = newer || there->stamp > copy.stamp;
    }
  }
  if (create_only && exists) return answer(reply(proxy, 412));
  if (newer) return answer(reply(proxy, 202));

  struct Write {
    Duration after;
    size_t server;
  };
  std::vector<Write> writes;
  for (size_t server : targets) {
    writes.push_back({chance_.between(milliseconds(1), options_.write_spread), server});
  }
  std::ranges::sort(writes, {}, &Write::after);
  const Duration quorum_at = writes[kQuorum - 1].after;
  const bool refused = now() < refusing_until_;
  const bool broken = chance_.happens(options_.error_after) || refused;
  size_t written = writes.size();
  if (refused) {
    std::erase_if(writes, [this](const Write& write) { return write.server != writable_server_; });
    written = writes.size();
  } else if (broken) {
    written = chance_.below(writes.size() + 1);
  } else if (missing == kNone && chance_.happens(options_.missed)) {
    written = kQuorum;  // the last one fails after the answer
  }
  if (written > 0) objects_[name].puts += static_cast<uint32_t>(written);
  for (size_t i = 0; i < written; ++i) {
    timeline_.after(writes[i].after, [this, name, server = writes[i].server, copy] {
      write(name, server, copy);
      --objects_[name].puts;
    });
  }
  if (written < kPrimaries || missing != kNone) {
    const Duration later = chance_.between(options_.write_spread, options_.replication);
    timeline_.after(later, [this, name] { replicate(name); });
  }
  if (written > 0) update_listing(path, copy);
  HttpResponse response = reply(proxy, broken ? 503 : 201);
  response.headers.add("Etag", copy.etag);
  timeline_.after(quorum_at,
                  [answer = std::move(answer), response = std::move(response)]() mutable {
                    answer(std::move(response));
                  });
}

void Cluster::write(const std::string& name, size_t server, const Copy& copy) {
  std::optional<Copy>& there = objects_[name].copies[server];
  if (there && there->stamp >= copy.stamp) return;
  there = copy;
  there->written = now();
}

void Cluster::remove(size_t proxy, const Path& path, Answer answer) {
  if (!sees_container(proxy, path.container)) return answer(reply(proxy, 404));
  const std::string name = path.container + "/" + path.object;
  Copy tombstone;
  tombstone.tombstone = true;
  tombstone.stamp = stamp(proxy);
  tombstone.written = now();
  const size_t missing = missing_server();
  const bool broken = chance_.happens(options_.error_after);
  auto found = objects_.find(name);
  if (found == objects_.end()) return answer(reply(proxy, 404));
  const Copy* newest = newest_copy(found->second, missing);
  if (newest != nullptr && newest->stamp > tombstone.stamp) return answer(reply(proxy, 409));
  const bool lived = newest != nullptr && !newest->tombstone;
  if (on_delete_) on_delete_(name);
  size_t left = broken ? chance_.below(kPrimaries) : kPrimaries;
  for (size_t server = 0; server < kPrimaries; ++server) {
    if (server == missing || left == 0) continue;
    write(name, server, tombstone);
    --left;
  }
  update_listing(path, tombstone);
  replicate_later(name, found->second, chance_.between(milliseconds(1), options_.replication));
  if (broken) return answer(reply(proxy, 503));
  answer(reply(proxy, lived ? 204 : 404));
}

// ---- reading -----------------------------------------------------------------------------------

const Cluster::Copy* Cluster::newest_copy(const Object& object, size_t missing) const {
  const Copy* newest = nullptr;
  for (size_t server = 0; server < kServers; ++server) {
    const std::optional<Copy>& copy = object.copies[server];
    if (server == missing || !copy) continue;
    if (newest == nullptr || newest->stamp < copy->stamp) newest = &*copy;
  }
  return newest;
}

// The first one that has it answers.
const Cluster::Copy* Cluster::some_copy(const Object& object, size_t missing) {
  const size_t first = chance_.below(kPrimaries);
  for (size_t i = 0; i < kServers; ++i) {
    const size_t server = i < kPrimaries ? (first + i) % kPrimaries : i;
    const std::optional<Copy>& copy = object.copies[server];
    if (server != missing && copy && !copy->tombstone) return &*copy;
  }
  return nullptr;
}

void Cluster::read(size_t proxy, const HttpRequest& request, const Path& path, Answer answer) {
  const std::string name = path.container + "/" + path.object;
  const bool readable = is_readable(proxy, number_in(header_of(request, "X-Auth-Token")), name);
  if (!sees_container(proxy, path.container)) return answer(reply(proxy, 404));
  if (!readable) return answer(reply(proxy, 503));
  const size_t missing = missing_server();
  const bool newest = header_of(request, "X-Newest") == "true";
  const bool unlucky = chance_.happens(options_.not_found_after);
  auto found = objects_.find(name);
  const Copy* copy = nullptr;
  if (found != objects_.end() && newest) copy = newest_copy(found->second, missing);
  if (found != objects_.end() && !newest && !unlucky) copy = some_copy(found->second, missing);
  if (copy == nullptr || copy->tombstone) return answer(reply(proxy, 404));
  Proxy& p = proxies_[proxy];
  if (p.blind_after_anchor && path.object == kAnchorName && p.anchors_before-- == 0) {
    begin_blindness(p, chance_.between(milliseconds(1), milliseconds(50)), *p.blind_after_anchor);
    p.blind_after_anchor.reset();
  }
  if (request.method == "HEAD") {
    HttpResponse response = reply(proxy, 200);
    response.headers.add("Content-Length", std::to_string(copy->data.size()));
    response.headers.add("Etag", copy->etag);
    return answer(std::move(response));
  }
  answer(body_of(proxy, request, *copy));
}

HttpResponse Cluster::body_of(size_t proxy, const HttpRequest& request, const Copy& copy) {
  const uint64_t size = copy.data.size();
  std::string_view range = header_of(request, "Range");
  uint64_t first = 0, last = size == 0 ? 0 : size - 1;
  if (!range.empty()) {
    range.remove_prefix(std::string_view("bytes=").size());
    first = number_in(range);
    last = std::min(last, number_in(range.substr(range.find('-') + 1)));
    if (first >= size) return reply(proxy, 416);
  }
  HttpResponse response = reply(proxy, range.empty() ? 200 : 206);
  response.body = copy.data.slice(first, size == 0 ? 0 : last - first + 1);
  response.headers.add("Content-Length", std::to_string(response.body.size()));
  response.headers.add("Etag", copy.etag);
  if (!range.empty()) {
    response.headers.add("Content-Range", fmt::format("bytes {}-{}/{}", first, last, size));
  }
  if (chance_.happens(options_.bit_rot) && !response.body.empty()) {
    trace_.note("bit rot in {}", request.url);
    Buffer rotten = Buffer::copy_of(response.body.bytes());
    // Headers are a small part of it and the better target.
    const uint64_t most =
        chance_.one_in(2) ? rotten.size() : std::min<uint64_t>(rotten.size(), 512);
    const uint64_t bit = chance_.below(most * 8);
    rotten.writable()[bit / 8] ^= std::byte{1} << (bit % 8);
    response.body = rotten;
  }
  return response;
}

// ---- replication -------------------------------------------------------------------------------

void Cluster::replicate_later(const std::string& name, Object& object, Duration delay) {
  if (object.replicating) return;
  object.replicating = true;
  timeline_.after(delay, [this, name] {
    auto found = objects_.find(name);
    if (found == objects_.end()) return;
    found->second.replicating = false;
    replicate(name);
  });
}

// Every server drops tombstones that are old enough, then the newest copy goes where it is missing.
void Cluster::replicate(const std::string& name) {
  auto found = objects_.find(name);
  if (found == objects_.end()) return;
  Object& object = found->second;
  bool any = false;
  for (std::optional<Copy>& copy : object.copies) {
    if (copy && copy->tombstone && now() - copy->written >= options_.reclaim_age) copy.reset();
    any = any || copy;
  }
  if (!any) {
    if (object.puts == 0) objects_.erase(found);
    return;
  }
  if (now() < refusing_until_) {
    return replicate_later(name, object, refusing_until_ - now() + options_.replication);
  }
  const size_t down = now() < down_until_ ? down_server_ : kNone;
  const Copy* newest = newest_copy(object, down);
  if (newest == nullptr) return replicate_later(name, object, options_.replication);
  const Copy source = *newest;
  for (size_t server = 0; server < kPrimaries; ++server) {
    if (server != down) write(name, server, source);
  }
  if (down != kNone) return replicate_later(name, object, options_.replication);
  for (size_t server = kPrimaries; server < kServers; ++server) object.copies[server].reset();
  if (source.tombstone) replicate_later(name, object, options_.reclaim_age);
}

bool Cluster::has_copy(const std::string& name) const {
  const auto found = objects_.find(name);
  if (found == objects_.end()) return false;
  return std::ranges::any_of(found->second.copies,
                             [](const auto& copy) { return copy && !copy->tombstone; });
}

uint64_t Cluster::count(std::string_view prefix) const {
  uint64_t out = 0;
  for (const auto& [container, contents] : containers_) {
    for (const auto& [name, row] : contents.rows) {
      if (row.deleted || !name.starts_with(prefix)) continue;
      const auto object = objects_.find(container + "/" + name);
      if (object != objects_.end() && object->second.is_there()) ++out;
    }
  }
  return out;
}

uint64_t Cluster::bytes_stored() const {
  uint64_t bytes = 0;
  for (const auto& [name, object] : objects_) {
    const Copy* copy = newest_copy(object, kNone);
    if (copy != nullptr && !copy->tombstone) bytes += copy->data.size();
  }
  return bytes;
}

}  // namespace swiftness::sim
