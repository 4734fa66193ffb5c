#include "backend/swift/swift_store.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "backend/base/gate.h"
#include "backend/base/hash.h"
#include "backend/swift/http_engine.h"
#include "backend/swift/swift_client.h"

namespace swiftness {
namespace {

// The calls, one coroutine each. They share the client, so that they may end after the store.
using ClientPtr = std::shared_ptr<SwiftClient>;

constexpr uint64_t kMostWholeObject = uint64_t{256} << 20;  // bytes of a get without a range
constexpr uint64_t kMostListing = uint64_t{64} << 20;       // bytes of one page in JSON
constexpr uint64_t kSmallAnswer = 64 * 1024;         // bytes: for answers whose body is idle talk
constexpr uint64_t kMostHedged = uint64_t{8} << 20;  // bytes of a read asked for twice
constexpr size_t kHashedHere = 8 * 1024;  // bytes: below it the pool costs more than the checksum
constexpr size_t kHeadsAtOnce = 8;
constexpr size_t kDeletesAtOnce = 8;
constexpr std::string_view kAnchorContents = "anchor\n";

const HttpHeader kNewest{"X-Newest", "true"};

SwiftRequest request_for(const SwiftClient& client, std::string method, const ObjectName& object) {
  SwiftRequest request;
  request.method = std::move(method);
  request.container = client.container_name(object.container);
  request.name = object.name;
  request.most_body = kSmallAnswer;
  return request;
}

std::string where(const SwiftClient& client, const ObjectName& object) {
  return client.container_name(object.container) + "/" + object.name;
}

// ---------------------------------------------------------------- reading
Async<ObjectInfo> head_object(ClientPtr client, ObjectName object, GetOptions options,
                              TimePoint deadline) {
  SwiftRequest request = request_for(*client, "HEAD", object);
  if (options.newest) request.headers.push_back(kNewest);
  request.judge = judge_head;
  Result<SwiftAnswer> answer = co_await client->perform(std::move(request), deadline);
  if (!answer.ok()) co_return answer.error();
  co_return parse_object_info(answer->response);
}

// Nothing at all of an object: its existence and length are still to be seen.
Async<Buffer> get_nothing(ClientPtr client, ObjectName object, uint64_t offset, GetOptions options,
                          TimePoint deadline) {
  Result<ObjectInfo> info = co_await head_object(client, object, options, deadline);
  if (!info.ok()) co_return info.error();
  if (info->size < offset) {
    co_return Error(ErrorCode::invalid, fmt::format("GET {}: the object has {} bytes, less than {}",
                                                    where(*client, object), info->size, offset));
  }
  co_return Buffer();
}

Async<Buffer> get_object(ClientPtr client, ObjectName object, ByteRange range, GetOptions options,
                         TimePoint deadline) {
  if (range.length == 0) {
    Result<Buffer> nothing =
        co_await get_nothing(client, std::move(object), range.offset, options, deadline);
    co_return nothing;
  }
  SwiftRequest request = request_for(*client, "GET", object);
  if (options.newest) request.headers.push_back(kNewest);
  if (range.is_whole()) {
    request.most_body = kMostWholeObject;
    request.judge = judge_whole;
  } else {
    if (range.offset > UINT64_MAX - range.length) {
      co_return Error(ErrorCode::invalid,
                      fmt::format("GET {}: no such range", where(*client, object)));
    }
    request.most_body = range.length;
    request.hedge = !options.newest && range.length <= kMostHedged;
    request.headers.push_back({"Range", range_header(range)});
    request.judge = [range](const HttpResponse& response) { return judge_range(response, range); };
  }
  Result<SwiftAnswer> answer = co_await client->perform(std::move(request), deadline);
  if (!answer.ok()) co_return answer.error();
  co_return answer->response.body;
}

// ---------------------------------------------------------------- writing
struct Upload {
  ObjectName object;
  BufferList data;
  std::string etag;  // MD5 of the data
  PutOptions options;
};

Async<std::vector<std::string>> checksums_of(ClientPtr client, std::vector<BufferList> objects) {
  using Checksums = std::vector<std::string>;
  auto work = [objects = std::move(objects)] { return Result<Checksums>(md5_hex(objects)); };
  co_return co_await client->compute<Checksums>(std::move(work));
}

Async<std::string> checksum(ClientPtr client, BufferList data) {
  if (data.size() <= kHashedHere) co_return md5_hex(data);
  auto work = [data = std::move(data)] { return Result<std::string>(md5_hex(data)); };
  co_return co_await client->compute<std::string>(std::move(work));
}

SwiftRequest put_request(const SwiftClient& client, const Upload& upload, bool create_only) {
  SwiftRequest request = request_for(client, "PUT", upload.object);
  request.headers = {{"ETag", upload.etag}, {"Content-Type", "application/octet-stream"}};
  if (create_only) {
    request.headers.push_back({"If-None-Match", "*"});
    // Nobody but our own loop may send this twice: only it knows that a 412 may then be our doing.
    request.fresh_connection = true;
  }
  if (upload.options.expire_after) {
    request.headers.push_back(
        {"X-Delete-After", std::to_string(upload.options.expire_after->count())});
  }
  request.body = upload.data;
  request.judge = [etag = upload.etag](const HttpResponse& response) {
    return judge_put(response, etag);
  };
  return request;
}

// Reads the newest copy back: success when it is what we uploaded, byte for byte.
Async<void> confirm_ours(ClientPtr client, Upload upload, TimePoint deadline) {
  const GetOptions newest{.newest = true};
  const std::string context = fmt::format("PUT {}", where(*client, upload.object));
  const Error other(ErrorCode::conflict, context + ": another object of that name is there");

  Result<ObjectInfo> info = co_await head_object(client, upload.object, newest, deadline);
  if (!info.ok()) {
    // "not found" for what the PUT has just met is a contradiction, not an answer.
    ErrorCode code = info.error().code();
    if (code == ErrorCode::not_found) code = ErrorCode::unavailable;
    co_return Error(code, fmt::format("{}: cannot tell whether it was stored: {}", context,
                                      info.error().message()));
  }
  if (info->size != upload.data.size() || info->etag != upload.etag) co_return other;
  const ByteRange all{0, upload.data.size()};
  Result<Buffer> there = co_await get_object(client, upload.object, all, newest, deadline);
  if (!there.ok()) {
    co_return Error(ErrorCode::unavailable, fmt::format("{}: cannot tell whether it was stored: {}",
                                                        context, there.error().message()));
  }
  auto compare = [ours = upload.data, theirs = BufferList(*there)] {
    return Result<bool>(ours == theirs);
  };
  Result<bool> same = co_await client->compute<bool>(std::move(compare));
  if (!same.ok()) co_return same.error();
  if (!*same) co_return other;
  co_return Result<void>();
}

// Until enough servers have it: that it can be read says that one has.
Async<void> put_again(ClientPtr client, SwiftRequest request, std::string etag,
                      TimePoint deadline) {
  request.judge = [etag](const HttpResponse& response) { return judge_put_again(response, etag); };
  Result<SwiftAnswer> answer = co_await client->perform(std::move(request), deadline);
  if (!answer.ok()) co_return answer.error();
  co_return Result<void>();
}

Async<void> store_ours(ClientPtr client, Upload upload, TimePoint deadline) {
  Result<void> ours = co_await confirm_ours(client, upload, deadline);
  if (!ours.ok()) co_return ours;
  SwiftRequest again = put_request(*client, upload, /*create_only=*/false);
  Result<void> stored = co_await put_again(client, std::move(again), upload.etag, deadline);
  co_return stored;
}

// swift_store.h says what 202 and 412 mean.
Async<void> put_object(ClientPtr client, ObjectName object, BufferList data, PutOptions options,
                       TimePoint deadline) {
  if (options.checksum.empty()) {
    Result<std::string> made = co_await checksum(client, data);
    if (!made.ok()) co_return made.error();
    options.checksum = *std::move(made);
  }
  std::string etag = options.checksum;
  Upload upload{std::move(object), std::move(data), std::move(etag), std::move(options)};

  SwiftRequest first = put_request(*client, upload, options.create_only);
  Result<SwiftAnswer> answer = co_await client->perform(std::move(first), deadline);
  if (!answer.ok()) co_return answer.error();
  if (answer->response.status == 412) {
    if (!options.create_only || !answer->maybe_done_before) {
      co_return Error(ErrorCode::conflict, fmt::format("PUT {}: {}", where(*client, upload.object),
                                                       failure_of(answer->response).reason));
    }
    Result<void> stored = co_await store_ours(client, upload, deadline);
    co_return stored;
  }
  if (answer->response.status == 202) {
    Result<void> stored = co_await store_ours(client, upload, deadline);
    co_return stored;
  }
  co_return Result<void>();
}

Async<void> copy_object(ClientPtr client, ObjectName from, ObjectName to, TimePoint deadline) {
  SwiftRequest request = request_for(*client, "PUT", to);
  std::string source =
      "/" + escape_segment(client->container_name(from.container)) + "/" + escape_path(from.name);
  request.headers = {{"X-Copy-From", std::move(source)}};
  SwiftRequest first = request;
  Result<SwiftAnswer> answer = co_await client->perform(std::move(first), deadline);
  if (!answer.ok()) co_return answer.error().within("copy of " + where(*client, from));
  if (answer->response.status != 202) co_return Result<void>();

  // A newer object of the target's name exists: fine if it is the same.
  const GetOptions newest{.newest = true};
  Result<ObjectInfo> source_info = co_await head_object(client, from, newest, deadline);
  if (!source_info.ok()) co_return source_info.error();
  Result<ObjectInfo> target_info = co_await head_object(client, to, newest, deadline);
  if (!target_info.ok()) co_return target_info.error();
  if (source_info->size != target_info->size || source_info->etag != target_info->etag) {
    co_return Error(ErrorCode::conflict,
                    fmt::format("copy to {}: another object of that name won", where(*client, to)));
  }
  Result<void> stored = co_await put_again(client, std::move(request), source_info->etag, deadline);
  co_return stored;
}

Judgement judge_container_put(const HttpResponse& response, const std::string& policy) {
  Judgement judgement = judge_success(response);
  if (judgement && response.status == 409 && !policy.empty()) {
    judgement->reason += fmt::format(": it exists with a storage policy other than '{}'", policy);
  }
  return judgement;
}

// A container is not always seen at once by the server that is asked next.
Judgement judge_anchor_put(const HttpResponse& response, const std::string& etag) {
  Judgement judgement = judge_put_again(response, etag);
  if (judgement && response.status == 404) judgement->retriable = true;
  return judgement;
}

Async<void> make_container(ClientPtr client, std::string container, TimePoint deadline) {
  const std::string policy = client->config().storage_policy;
  SwiftRequest request = request_for(*client, "PUT", {container, ""});
  if (!policy.empty()) request.headers.push_back({"X-Storage-Policy", policy});
  request.judge = [policy](const HttpResponse& response) {
    return judge_container_put(response, policy);
  };
  Result<SwiftAnswer> made = co_await client->perform(std::move(request), deadline);
  if (!made.ok()) co_return made.error();

  // Not create-only, though its contents never change: a 412 would only say that some server has
  // it, perhaps the one that a lost attempt reached, and not that enough have.
  BufferList contents(Buffer::copy_of(kAnchorContents));
  std::string etag = md5_hex(contents);
  Upload anchor{{container, std::string(kAnchorName)}, std::move(contents), etag, {}};
  SwiftRequest put = put_request(*client, anchor, /*create_only=*/false);
  put.judge = [etag](const HttpResponse& response) { return judge_anchor_put(response, etag); };
  Result<SwiftAnswer> answer = co_await client->perform(std::move(put), deadline);
  if (!answer.ok()) co_return answer.error();
  co_return Result<void>();
}

// ---------------------------------------------------------------- presence (I2)
// The looks of one presence() call: every one of them must have been answered by the same server.
struct Look {
  size_t endpoint = 0;         // that is asked
  std::string storage_server;  // of the first answer
  bool doubtful = false;

  void saw(const HttpResponse& response) {
    if (storage_server.empty()) storage_server = response.peer;
    if (storage_server != response.peer) doubtful = true;
  }
};

Judgement judge_presence(const HttpResponse& response) {
  if (response.status == 200 || response.status == 404) return std::nullopt;
  return failure_of(response);
}

asio::awaitable<Presence> look_at(ClientPtr client, ObjectName object, Look& look,
                                  TimePoint deadline) {
  SwiftRequest request = request_for(*client, "HEAD", object);
  request.endpoint = look.endpoint;
  request.headers.push_back(kNewest);
  request.judge = judge_presence;
  Result<SwiftAnswer> answer = co_await client->perform(std::move(request), deadline);
  if (!answer.ok()) co_return Presence::unknown;
  look.saw(answer->response);
  co_return answer->response.status == 200 ? Presence::yes : Presence::no;
}

struct PresenceWork {
  ClientPtr client;
  std::string container;
  const std::vector<std::string>& names;
  std::vector<Presence>& found;
  Look look;
  TimePoint deadline;
  size_t next = 0;
};

Task look_at_the_next(PresenceWork& work) {
  while (work.next < work.names.size()) {
    const size_t mine = work.next++;
    ObjectName object{work.container, work.names[mine]};
    Presence seen = co_await look_at(work.client, std::move(object), work.look, work.deadline);
    work.found[mine] = seen;
  }
}

asio::awaitable<std::vector<Presence>> presence_of(ClientPtr client, Executor executor,
                                                   std::string container,
                                                   std::vector<std::string> names,
                                                   TimePoint deadline) {
  std::vector<Presence> found(names.size(), Presence::unknown);
  const ObjectName anchor{container, std::string(kAnchorName)};
  PresenceWork work{client, container, names, found, Look{client->endpoint(), {}}, deadline};

  Presence before = co_await look_at(client, anchor, work.look, deadline);
  if (before != Presence::yes) co_return found;
  FanOut looks(executor);
  for (size_t i = 0; i < std::min(kHeadsAtOnce, names.size()); ++i) {
    looks.add(look_at_the_next(work));
  }
  co_await looks.join();
  Presence after = co_await look_at(client, anchor, work.look, deadline);
  if (after != Presence::yes || work.look.doubtful) {
    std::ranges::replace(found, Presence::no, Presence::unknown);
  }
  co_return found;
}

// ---------------------------------------------------------------- removing and listing
struct RemoveWork {
  ClientPtr client;
  const std::vector<ObjectName>& objects;
  RemoveReport report;
  std::optional<Error> hopeless;  // the store does not answer, or not to us: no use going on
  size_t next = 0;
};

bool concerns_all(ErrorCode code) {
  return code == ErrorCode::unavailable || code == ErrorCode::timed_out ||
         code == ErrorCode::unauthorized;
}

Task remove_the_next(RemoveWork& work) {
  while (work.next < work.objects.size()) {
    const ObjectName& object = work.objects[work.next++];
    if (work.hopeless) {
      work.report.failures.push_back({object, *work.hopeless});
      continue;
    }
    SwiftRequest request = request_for(*work.client, "DELETE", object);
    request.judge = judge_delete;
    const TimePoint deadline = work.client->new_deadline();
    Result<SwiftAnswer> answer = co_await work.client->perform(std::move(request), deadline);
    if (answer.ok()) continue;
    work.report.failures.push_back({object, answer.error()});
    if (concerns_all(answer.error().code())) work.hopeless = answer.error();
  }
}

Async<RemoveReport> remove_objects(ClientPtr client, Executor executor,
                                   std::vector<ObjectName> objects) {
  RemoveWork work{client, objects, {}, {}};
  FanOut deletes(executor);
  for (size_t i = 0; i < std::min(kDeletesAtOnce, objects.size()); ++i) {
    deletes.add(remove_the_next(work));
  }
  co_await deletes.join();
  co_return std::move(work.report);
}

Async<ListPage> list_container(ClientPtr client, std::string container, std::string prefix,
                               std::string marker, size_t limit, TimePoint deadline) {
  SwiftRequest request = request_for(*client, "GET", {container, ""});
  if (limit == 0) {
    co_return Error(ErrorCode::invalid,
                    fmt::format("GET {}: a listing of no entries", request.container));
  }
  limit = std::min(limit, kMostListed - 1);  // one more is asked for: is there a next page?
  request.query = fmt::format("format=json&limit={}", limit + 1);
  if (!prefix.empty()) request.query += "&prefix=" + escape_segment(prefix);
  if (!marker.empty()) request.query += "&marker=" + escape_segment(marker);
  request.most_body = kMostListing;
  Result<SwiftAnswer> answer = co_await client->perform(std::move(request), deadline);
  if (!answer.ok()) co_return answer.error();

  auto parse = [json = answer->response.body, limit] { return parse_listing(json.text(), limit); };
  Result<ListPage> page = co_await client->compute<ListPage>(std::move(parse));
  if (!page.ok()) {
    co_return page.error().within(fmt::format("GET {}{}", client->container_name(container),
                                              transaction_of(answer->response)));
  }
  co_return page;
}

}  // namespace

namespace {

Error wrong(std::string words) {
  return Error(ErrorCode::invalid, std::move(words));
}

// A line end in a secret's file, for instance, would end the header it stands in.
bool has_control_character(std::string_view text) {
  return std::ranges::any_of(text, [](unsigned char c) { return c < ' ' || c == 0x7f; });
}

Result<void> validate_auth(const AuthV1Config& auth) {
  if (auth.user.empty()) return wrong("auth user is empty");
  if (auth.key.empty()) return wrong("auth key is empty");
  if (has_control_character(auth.user) || has_control_character(auth.key)) {
    return wrong("auth user or key holds a control character (a line end in its file?)");
  }
  return {};
}

Result<void> validate_auth(const AuthV3Config& auth) {
  using enum AuthV3Config::Method;
  if (auth.secret.empty()) return wrong("auth password, secret or token is empty");
  const bool by_name = auth.method == password || auth.application_credential.id.empty();
  if (auth.method != token && by_name) {
    if (auth.user.empty()) return wrong("auth user is empty");
    if (auth.user.id.empty() && auth.user_domain.empty()) return wrong("auth user_domain is empty");
  }
  if (auth.method == application_credential && auth.application_credential.empty()) {
    return wrong("auth application_credential is empty");
  }
  if (!auth.project.name.empty() && auth.project.id.empty() && auth.project_domain.empty()) {
    return wrong("auth project_domain is empty");
  }
  return {};
}

Result<void> validate_file(std::string_view key, const std::string& file) {
  if (file.empty() || access(file.c_str(), R_OK) == 0) return {};
  return wrong(fmt::format("{} {} cannot be read", key, file));
}

}  // namespace

// ---------------------------------------------------------------- the contract
Result<void> SwiftStore::validate(const SwiftStoreConfig& config) {
  Result<void> auth = std::visit([](const auto& kind) { return validate_auth(kind); }, config.auth);
  if (!auth) return auth;
  if (config.auth_urls.empty()) return wrong("auth url is missing");
  std::vector<std::string> urls = config.auth_urls;
  urls.insert(urls.end(), config.endpoints.begin(), config.endpoints.end());
  if (!config.storage_url.empty()) urls.push_back(config.storage_url);
  if (!config.http_proxy.url.empty()) urls.push_back(config.http_proxy.url);
  for (const std::string& url : urls) {
    if (!is_http_url(url) || has_control_character(url)) {
      return wrong(fmt::format("'{}' is no http:// or https:// URL", url));
    }
  }
  if (config.prefix.find('/') != std::string::npos) {
    return wrong(fmt::format("prefix '{}' holds a slash", config.prefix));
  }
  if (config.connections == 0) return wrong("connections is 0");
  Result<void> ca = validate_file("ca_file", config.tls.ca_file);
  if (!ca) return ca;
  Result<void> certificate = validate_file("certificate_file", config.tls.certificate_file);
  if (!certificate) return certificate;
  return validate_file("key_file", config.tls.key_file);
}

SwiftStore::SwiftStore(SwiftStoreConfig config, Executor executor, SwiftTuning tuning)
    : SwiftStore(config, executor, tuning, open_engine(config)) {}

SwiftStore::SwiftStore(SwiftStoreConfig config, Executor executor, SwiftTuning tuning,
                       std::unique_ptr<HttpTransport> transport)
    : executor_(executor),
      client_(std::make_shared<SwiftClient>(std::move(config), std::move(executor), tuning,
                                            std::move(transport))) {}

SwiftStore::~SwiftStore() {
  client_->close();
}

Async<void> SwiftStore::create_container(std::string container) {
  return make_container(client_, std::move(container), client_->new_deadline());
}

Async<void> SwiftStore::put(ObjectName object, BufferList data, PutOptions options) {
  return put_object(client_, std::move(object), std::move(data), std::move(options),
                    client_->new_deadline());
}

std::string SwiftStore::trouble() const {
  return client_->trouble();
}

Async<std::vector<std::string>> SwiftStore::checksums(std::vector<BufferList> objects) {
  return checksums_of(client_, std::move(objects));
}

Async<Buffer> SwiftStore::get(ObjectName object, ByteRange range, GetOptions options) {
  return get_object(client_, std::move(object), range, options, client_->new_deadline());
}

Async<ObjectInfo> SwiftStore::head(ObjectName object, GetOptions options) {
  return head_object(client_, std::move(object), options, client_->new_deadline());
}

asio::awaitable<std::vector<Presence>> SwiftStore::presence(std::string container,
                                                            std::vector<std::string> names) {
  return presence_of(client_, executor_, std::move(container), std::move(names),
                     client_->new_deadline());
}

Async<RemoveReport> SwiftStore::remove(std::vector<ObjectName> objects) {
  return remove_objects(client_, executor_, std::move(objects));
}

Async<ListPage> SwiftStore::list(std::string container, std::string prefix, std::string marker,
                                 size_t limit) {
  return list_container(client_, std::move(container), std::move(prefix), std::move(marker), limit,
                        client_->new_deadline());
}

Async<void> SwiftStore::copy(ObjectName from, ObjectName to) {
  return copy_object(client_, std::move(from), std::move(to), client_->new_deadline());
}

}  // namespace swiftness
