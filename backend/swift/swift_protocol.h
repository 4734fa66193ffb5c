// What Swift's API looks like on the wire, as pure functions: URLs, headers, listings, and the
// judgement whether an answer is the one that was asked for. No I/O.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "backend/object_store.h"
#include "backend/swift/http.h"
#include "backend/swift/http_status.h"

namespace swiftness {

inline constexpr size_t kMostListed = 10000;  // entries of one listing, Swift's default limit

// Percent-encodes all but RFC 3986's unreserved characters, and '/' where it separates.
std::string escape_path(std::string_view path);     // keeps '/'
std::string escape_segment(std::string_view text);  // encodes '/' too: containers, query values

// Of a container, of an object in it, or, when both are empty, of the account.
std::string resource_url(std::string_view storage_url, std::string_view container,
                         std::string_view object);
std::string origin_of(std::string_view url);  // "https://host:port" of it
// The same resource at another origin: the account at another of the cluster's proxies.
std::string at_origin(std::string_view origin, std::string_view url);

// A request to the account, whichever proxy gets it and with whichever token.
struct ResourceRequest {
  std::string method;
  std::string container;  // as Swift knows it, prefix included; empty: the account
  std::string name;       // of the object; empty: the container itself
  std::string host_path;  // "/info": of the host; container and name do not count
  std::string query;      // escaped, without '?'
  std::vector<HttpHeader> headers;
  BufferList body;
  uint64_t most_body = 0;         // bytes of the answer's body
  bool fresh_connection = false;  // see HttpRequest
};
std::string describe(const ResourceRequest& request);  // "GET container/object"
// At this URL of the account; `id` ends Swift's transaction id. The deadline is the caller's.
HttpRequest to_http(const ResourceRequest& request, std::string_view storage_url,
                    std::string_view token, std::string_view id);

struct ContentRange {
  uint64_t first = 0;
  uint64_t last = 0;   // inclusive
  uint64_t total = 0;  // bytes of the whole object
};
std::optional<ContentRange> parse_content_range(std::string_view value);  // "bytes 0-9/100"
std::string range_header(ByteRange range);                                // length > 0, not whole

std::optional<uint64_t> parse_size(std::string_view digits);
std::string parse_etag(std::string_view value);  // without quotes, lower case

Result<ObjectInfo> parse_object_info(const HttpResponse& response);

// A listing in JSON; `limit` entries at most, one more of them says that there is a next page.
Result<ListPage> parse_listing(std::string_view json, size_t limit);

// What an answer means: nothing, when it is what was asked for; else what went wrong.
using Judgement = std::optional<Failure>;
using Judge = std::function<Judgement(const HttpResponse&)>;

Judgement judge_success(const HttpResponse& response);                     // any 2xx
Judgement judge_put(const HttpResponse& response, std::string_view etag);  // 201, 202 or 412
// Of what can only be there as ours: 201. A 202 is worth another try.
Judgement judge_put_again(const HttpResponse& response, std::string_view etag);
Judgement judge_range(const HttpResponse& response, ByteRange range);  // 206 and all of it
Judgement judge_whole(const HttpResponse& response);                   // 200, all of it
Judgement judge_head(const HttpResponse& response);                    // 2xx with a size
Judgement judge_delete(const HttpResponse& response);                  // 2xx, or 404: gone as well

}  // namespace swiftness
