#include "backend/swift/swift_account.h"

#include <fmt/format.h>

#include <algorithm>

#include "backend/base/hash.h"
#include "backend/swift/swift_client.h"
#include "backend/swift/swift_protocol.h"
#include "backend/swift/swift_store.h"

namespace swiftness {
namespace {

constexpr uint64_t kShortAnswer = 64 * 1024;             // bytes
constexpr uint64_t kMostOfListing = uint64_t{64} << 20;  // bytes of one page
constexpr uint64_t kMostInfo = 1 << 20;                  // bytes

void add_header(SwiftRequest& request, const char* name, const std::string& value) {
  if (!value.empty()) request.headers.push_back({name, value});
}

void add_metadata(SwiftRequest& request, const char* kind, const Metadata& metadata) {
  for (const auto& [key, value] : metadata) {
    request.headers.push_back({fmt::format("X-{}-Meta-{}", kind, key), value});
  }
}

void add_object_options(SwiftRequest& request, const WriteOptions& options) {
  add_header(request, "Content-Type", options.content_type);
  add_metadata(request, "Object", options.metadata);
  if (options.delete_at) {
    request.headers.push_back({"X-Delete-At", std::to_string(*options.delete_at)});
  }
  if (options.delete_after) {
    request.headers.push_back({"X-Delete-After", std::to_string(*options.delete_after)});
  }
}

std::string escaped(const SwiftPath& object) {
  return "/" + escape_segment(object.container) + "/" + escape_path(object.object);
}

template <class... Checks>
Result<void> first_failure(Checks... checks) {
  Result<void> first;
  ((first = first.ok() ? checks : first), ...);
  return first;
}

// ---------------------------------------------------------------- judgements
Judgement judge_precondition(const HttpResponse& response) {
  if (response.status != 412) return judge_success(response);
  return failure_of(response, ErrorCode::invalid, "Swift does not take this request");
}

Judgement judge_new_container(const HttpResponse& response) {
  if (response.status != 409) return judge_precondition(response);
  return failure_of(response, ErrorCode::conflict,
                    "the container is there, with another storage policy");
}

Judgement judge_container_gone(const HttpResponse& response) {
  if (response.status != 409) return judge_delete(response);
  return failure_of(response, ErrorCode::conflict, "the container is not empty");
}

std::string conditions_of(const ReadOptions& options) {
  std::string words;
  auto add = [&words](const char* name, const std::string& value) {
    if (!value.empty()) words += fmt::format("{}{}: {}", words.empty() ? "" : ", ", name, value);
  };
  add("If-Match", options.if_match);
  add("If-None-Match", options.if_none_match);
  add("If-Modified-Since", options.if_modified_since);
  add("If-Unmodified-Since", options.if_unmodified_since);
  return words;
}

Judgement judge_part(const HttpResponse& response, const RangeSpec& range) {
  // The last bytes of an object that has none are all of it.
  if (!range.first && response.status == 200 && response.body.empty()) return judge_whole(response);
  auto got = parse_content_range(response.headers.find("Content-Range"));
  if (response.status != 206 || !got) {
    return broken_answer(response, fmt::format("not with the range {}", range.header()));
  }
  uint64_t first = range.first.value_or(0);
  uint64_t last = std::min(range.last.value_or(got->total - 1), got->total - 1);
  if (!range.first) {
    first = got->total - std::min(got->total, *range.last);
    last = got->total - 1;
  }
  if (got->first != first || got->last != last || response.body.size() != last - first + 1) {
    return broken_answer(response, fmt::format("with range {}-{} and {} bytes for {}", got->first,
                                               got->last, response.body.size(), range.header()));
  }
  return std::nullopt;
}

Judgement judge_get(const HttpResponse& response, const ReadOptions& options) {
  const std::string conditions = conditions_of(options);
  if (response.status == 304) {
    return failure_of(response, ErrorCode::conflict,
                      fmt::format("the object has not changed ({})", conditions));
  }
  if (response.status == 412 && !conditions.empty()) {
    return failure_of(response, ErrorCode::conflict,
                      fmt::format("the condition does not hold ({})", conditions));
  }
  if (response.status / 100 != 2) return judge_precondition(response);
  if (options.range) return judge_part(response, *options.range);
  return judge_whole(response);
}

Judgement judge_stored(const HttpResponse& response, const std::string& etag, bool conditional) {
  if (response.status == 412 && !conditional) return judge_precondition(response);
  if (response.status == 201 && etag.empty()) return std::nullopt;
  return judge_put(response, etag);
}

// Large objects are many: their ETag is not the MD5 of what is read.
bool etag_is_md5(const HttpHeaders& headers) {
  return headers.find("X-Static-Large-Object").empty() &&
         headers.find("X-Object-Manifest").empty() && headers.find("Etag").size() == 32;
}

}  // namespace

// ---------------------------------------------------------------- words
SwiftPath SwiftPath::parse(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return {std::string(text), ""};
  return {std::string(text.substr(0, slash)), std::string(text.substr(slash + 1))};
}

std::string to_string(const SwiftPath& path) {
  return path.object.empty() ? path.container : path.container + "/" + path.object;
}

Result<RangeSpec> RangeSpec::parse(std::string_view text) {
  const Error wrong(ErrorCode::invalid,
                    fmt::format("\"{}\" is no range of bytes (0-99, 100- or -100)", text));
  const size_t dash = text.find('-');
  if (dash == std::string_view::npos) return wrong;
  const std::string_view before = text.substr(0, dash);
  const std::string_view after = text.substr(dash + 1);
  RangeSpec range{parse_size(before), parse_size(after)};
  if ((!before.empty() && !range.first) || (!after.empty() && !range.last)) return wrong;
  if (!range.first && range.last.value_or(0) == 0) return wrong;
  if (range.first && range.last && *range.first > *range.last) return wrong;
  return range;
}

std::string RangeSpec::header() const {
  return fmt::format("bytes={}-{}", first ? std::to_string(*first) : "",
                     last ? std::to_string(*last) : "");
}

Result<std::unique_ptr<SwiftAccount>> SwiftAccount::open(SwiftStoreConfig config,
                                                         Executor executor) {
  Result<void> usable = SwiftStore::validate(config);
  if (!usable.ok()) return usable.error();
  return std::make_unique<SwiftAccount>(std::move(config), std::move(executor));
}

SwiftAccount::SwiftAccount(SwiftStoreConfig config, Executor executor, SwiftTuning tuning)
    : executor_(executor),
      store_(std::make_unique<SwiftStore>(std::move(config), std::move(executor), tuning)),
      client_(store_->client()) {}

SwiftAccount::~SwiftAccount() = default;

SwiftRequest SwiftAccount::request_for(std::string method, const SwiftPath& path) {
  SwiftRequest request;
  request.method = std::move(method);
  request.container = path.container;
  request.name = path.object;
  request.most_body = kShortAnswer;
  return request;
}

Result<void> SwiftAccount::check_path(const SwiftInfo& info, const SwiftPath& path) {
  if (path.container.empty() && path.object.empty()) return {};
  Result<void> container = check_container_name(info, path.container);
  if (!container.ok() || path.object.empty()) return container;
  return check_object_name(info, path.object);
}

Error SwiftAccount::no_object(const SwiftPath& path) {
  return Error(ErrorCode::invalid,
               fmt::format("\"{}\" names no object (CONTAINER/OBJECT)", to_string(path)));
}

Async<SwiftAnswer> SwiftAccount::perform(SwiftRequest request) {
  const TimePoint deadline = client_->new_deadline();
  Result<SwiftAnswer> answer = co_await client_->perform(std::move(request), deadline);
  co_return answer;
}

// ---------------------------------------------------------------- the cluster
Async<SwiftInfo> SwiftAccount::info() {
  SwiftRequest request;
  request.method = "GET";
  request.host_path = "/info";
  request.most_body = kMostInfo;
  Result<SwiftAnswer> answer = co_await perform(std::move(request));
  if (!answer.ok()) co_return answer.error();
  Result<SwiftInfo> info = parse_info(answer->response.body.text());
  if (!info.ok()) co_return info.error().within("GET /info");
  limits_ = *info;
  co_return info;
}

// Asked for once. A Swift that does not tell them has its usual ones; one that does not answer at
// all would not answer the next question either.
Async<SwiftInfo> SwiftAccount::limits() {
  if (limits_) co_return *limits_;
  Result<SwiftInfo> told = co_await info();
  if (told.ok()) co_return told;
  const ErrorCode code = told.error().code();
  if (code == ErrorCode::unavailable || code == ErrorCode::timed_out) co_return told;
  limits_.emplace();
  co_return *limits_;
}

Async<SwiftInfo> SwiftAccount::check(SwiftPath path) {
  Result<SwiftInfo> info = co_await limits();
  if (!info.ok()) co_return info;
  Result<void> fits = check_path(*info, path);
  if (!fits.ok()) co_return fits.error();
  co_return info;
}

// ---------------------------------------------------------------- listings
Async<Buffer> SwiftAccount::list_document(std::string container, ListOptions options,
                                          ListFormat format) {
  const SwiftPath place{container, ""};
  SwiftRequest request = request_for("GET", place);
  Result<SwiftInfo> info = co_await check(place);
  if (!info.ok()) co_return info.error();
  const uint64_t most =
      container.empty() ? info->account_listing_limit : info->container_listing_limit;
  if (options.limit.value_or(0) > most) {
    co_return Error(
        ErrorCode::invalid,
        fmt::format("a limit of {} entries, Swift takes {} ({})", *options.limit, most,
                    container.empty() ? "account_listing_limit" : "container_listing_limit"));
  }
  request.query = list_query(options, format);
  request.most_body = kMostOfListing;
  request.judge = judge_precondition;
  Result<SwiftAnswer> answer = co_await perform(std::move(request));
  if (!answer.ok()) co_return answer.error();
  co_return answer->response.body;
}

Async<std::vector<ListedEntry>> SwiftAccount::list(std::string container, ListOptions options) {
  Result<Buffer> page = co_await list_document(container, std::move(options), ListFormat::json);
  if (!page.ok()) co_return page.error();
  Result<std::vector<ListedEntry>> entries = parse_entries(page->text());
  if (!entries.ok()) co_return entries.error().within("GET " + container);
  co_return entries;
}

// ---------------------------------------------------------------- containers
Async<bool> SwiftAccount::create_container(std::string container, std::string policy,
                                           Metadata metadata) {
  Result<SwiftInfo> info = co_await limits();
  if (!info.ok()) co_return info.error();
  Result<void> fits = first_failure(check_container_name(*info, container),
                                    check_policy(*info, policy), check_metadata(*info, metadata));
  if (!fits.ok()) co_return fits.error();
  SwiftRequest request = request_for("PUT", {container, ""});
  add_header(request, "X-Storage-Policy", policy);
  add_metadata(request, "Container", metadata);
  request.judge = judge_new_container;
  Result<SwiftAnswer> answer = co_await perform(std::move(request));
  if (!answer.ok()) co_return answer.error();
  co_return answer->response.status == 201 || answer->maybe_done_before;
}

Async<void> SwiftAccount::delete_container(std::string container) {
  Result<SwiftInfo> info = co_await limits();
  if (!info.ok()) co_return info.error();
  Result<void> fits = check_container_name(*info, container);
  if (!fits.ok()) co_return fits;
  SwiftRequest request = request_for("DELETE", {container, ""});
  request.judge = judge_container_gone;
  request.fresh_connection = true;  // as in remove()
  Result<SwiftAnswer> answer = co_await perform(std::move(request));
  if (!answer.ok()) co_return answer.error();
  if (answer->response.status == 404 && !answer->maybe_done_before) {
    const Failure none =
        failure_of(answer->response, ErrorCode::not_found, "there is no such container");
    co_return Error(none.code, fmt::format("DELETE {}: {}", container, none.reason));
  }
  co_return Result<void>();
}

// ---------------------------------------------------------------- reading
Async<HttpHeaders> SwiftAccount::head(SwiftPath path, ReadOptions options) {
  Result<SwiftInfo> info = co_await check(path);
  if (!info.ok()) co_return info.error();
  SwiftRequest request = request_for("HEAD", path);
  if (options.newest) request.headers.push_back({"X-Newest", "true"});
  request.judge = judge_precondition;
  Result<SwiftAnswer> answer = co_await perform(std::move(request));
  if (!answer.ok()) co_return answer.error();
  co_return answer->response.headers;
}

// Whether what is asked for can be held in memory. Of an object that is not there GET speaks
// itself.
Async<void> SwiftAccount::check_room(const SwiftPath& object, const ReadOptions& options) {
  const RangeSpec range = options.range.value_or(RangeSpec{0, std::nullopt});
  uint64_t bytes = 0;
  if (range.last && !range.first) {
    bytes = *range.last;
  } else if (range.last) {
    bytes = *range.last - *range.first;
  }
  if (!range.last || bytes >= kMostObject) {
    Result<HttpHeaders> headers = co_await head(object, options);
    if (!headers.ok()) {
      if (headers.error().code() == ErrorCode::not_found) co_return Result<void>();
      co_return headers.error();
    }
    const uint64_t size = parse_size(headers->find("Content-Length")).value_or(0);
    const uint64_t first = range.first.value_or(0);
    bytes = std::min(range.last ? bytes + 1 : size, size - std::min(size, first));
  }
  if (bytes <= kMostObject) co_return Result<void>();
  co_return Error(ErrorCode::invalid,
                  fmt::format("GET {}: these are {} bytes; at most {} are read at once, so ask for "
                              "a range",
                              to_string(object), bytes, kMostObject));
}

Async<SwiftObject> SwiftAccount::get(SwiftPath object, ReadOptions options) {
  if (object.object.empty()) co_return no_object(object);
  Result<SwiftInfo> info = co_await check(object);
  if (!info.ok()) co_return info.error();
  Result<void> room = co_await check_room(object, options);
  if (!room.ok()) co_return room.error();

  SwiftRequest request = request_for("GET", object);
  if (options.newest) request.headers.push_back({"X-Newest", "true"});
  if (options.range) add_header(request, "Range", options.range->header());
  add_header(request, "If-Match", options.if_match);
  add_header(request, "If-None-Match", options.if_none_match);
  add_header(request, "If-Modified-Since", options.if_modified_since);
  add_header(request, "If-Unmodified-Since", options.if_unmodified_since);
  request.most_body = kMostObject;
  request.judge = [options](const HttpResponse& response) { return judge_get(response, options); };
  Result<SwiftAnswer> answer = co_await perform(std::move(request));
  if (!answer.ok()) co_return answer.error();

  SwiftObject out{answer->response.headers, answer->response.body};
  if (options.range || !etag_is_md5(out.headers)) co_return out;
  auto hash = [body = BufferList(out.body)] { return Result<std::string>(md5_hex(body)); };
  Result<std::string> md5 = co_await client_->compute<std::string>(std::move(hash));
  if (!md5.ok()) co_return md5.error();
  const std::string etag = parse_etag(out.headers.find("Etag"));
  if (*md5 != etag) {
    co_return Error(ErrorCode::corrupt,
                    fmt::format("GET {}: the data have MD5 {}, their ETag is {}{}",
                                to_string(object), *md5, etag, transaction_of(answer->response)));
  }
  co_return out;
}

// ---------------------------------------------------------------- writing
// Sends what makes an object; `etag` is what its data must have, empty: not known here.
Async<std::string> SwiftAccount::stored(SwiftRequest request, std::string etag) {
  const SwiftPath target{request.container, request.name};
  const std::string what = fmt::format("{} {}", request.method, to_string(target));
  const bool conditional = request.fresh_connection;
  request.judge = [etag, conditional](const HttpResponse& response) {
    return judge_stored(response, etag, conditional);
  };
  Result<SwiftAnswer> answer = co_await perform(std::move(request));
  if (!answer.ok()) co_return answer.error();
  const HttpResponse& response = answer->response;
  if (response.status == 412) {
    const char* maybe = answer->maybe_done_before
                            ? "; an earlier attempt, whose answer was lost, may have stored it"
                            : "";
    co_return Error(ErrorCode::conflict,
                    fmt::format("{}: {}{}", what, failure_of(response).reason, maybe));
  }
  if (response.status == 201) co_return parse_etag(response.headers.find("Etag"));

  // 202: some server has a copy with a later time. It may be this very object.
  if (!etag.empty()) {
    ReadOptions newest;
    newest.newest = true;
    Result<HttpHeaders> there = co_await head(target, newest);
    if (there.ok() && parse_etag(there->find("Etag")) == etag) co_return etag;
  }
  co_return Error(ErrorCode::conflict,
                  fmt::format("{}: answered 202, a newer object of that name is there{}", what,
                              transaction_of(response)));
}

Async<std::string> SwiftAccount::put(SwiftPath object, BufferList data, WriteOptions options) {
  if (object.object.empty()) co_return no_object(object);
  if (data.size() > kMostObject) {
    co_return Error(ErrorCode::invalid, fmt::format("PUT {}: {} bytes; at most {} are sent at once",
                                                    to_string(object), data.size(), kMostObject));
  }
  Result<SwiftInfo> info = co_await check(object);
  if (!info.ok()) co_return info.error();
  Result<void> fits =
      first_failure(check_object_size(*info, data.size()), check_metadata(*info, options.metadata));
  if (!fits.ok()) co_return fits.error();
  auto hash = [data] { return Result<std::string>(md5_hex(data)); };
  Result<std::string> md5 = co_await client_->compute<std::string>(std::move(hash));
  if (!md5.ok()) co_return md5.error();
  if (!options.etag.empty() && parse_etag(options.etag) != *md5) {
    co_return Error(ErrorCode::invalid, fmt::format("PUT {}: the data have MD5 {}, not {}",
                                                    to_string(object), *md5, options.etag));
  }

  SwiftRequest request = request_for("PUT", object);
  add_header(request, "ETag", *md5);
  if (options.content_type.empty()) options.content_type = "application/octet-stream";
  add_object_options(request, options);
  if (options.create_only) {
    request.headers.push_back({"If-None-Match", "*"});
    request.fresh_connection = true;  // nobody but our own loop may send this twice
  }
  request.body = std::move(data);
  Result<std::string> etag = co_await stored(std::move(request), *md5);
  co_return etag;
}

Async<std::string> SwiftAccount::copy(SwiftPath from, SwiftPath to, CopyMethod method,
                                      WriteOptions options) {
  if (from.object.empty()) co_return no_object(from);
  if (to.object.empty()) co_return no_object(to);
  Result<SwiftInfo> info = co_await check(from);
  if (!info.ok()) co_return info.error();
  Result<void> fits = first_failure(check_path(*info, to), check_metadata(*info, options.metadata));
  if (!fits.ok()) co_return fits.error();
  const bool put = method == CopyMethod::put;
  SwiftRequest request = put ? request_for("PUT", to) : request_for("COPY", from);
  add_header(request, put ? "X-Copy-From" : "Destination", escaped(put ? from : to));
  add_object_options(request, options);
  Result<std::string> etag = co_await stored(std::move(request), "");
  if (!etag.ok()) {
    co_return etag.error().within(fmt::format("copy of {} to {}", to_string(from), to_string(to)));
  }
  co_return etag;
}

Async<void> SwiftAccount::post(SwiftPath path, WriteOptions options) {
  Result<SwiftInfo> info = co_await check(path);
  if (!info.ok()) co_return info.error();
  Result<void> fits = check_metadata(*info, options.metadata);
  if (!fits.ok()) co_return fits;
  SwiftRequest request = request_for("POST", path);
  if (!path.object.empty()) {
    add_object_options(request, options);
  } else {
    if (options.delete_at || options.delete_after || !options.content_type.empty()) {
      co_return Error(ErrorCode::invalid, "only objects have a content type and expire");
    }
    add_metadata(request, path.container.empty() ? "Account" : "Container", options.metadata);
  }
  request.judge = judge_precondition;
  Result<SwiftAnswer> answer = co_await perform(std::move(request));
  if (!answer.ok()) co_return answer.error();
  co_return Result<void>();
}

}  // namespace swiftness
