#include "backend/swift/swift_protocol.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

namespace swiftness {
namespace {

bool is_unreserved(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

std::string escape(std::string_view text, bool keep_slashes) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (char c : text) {
    if (is_unreserved(c) || (keep_slashes && c == '/')) {
      out.push_back(c);
      continue;
    }
    auto byte = static_cast<unsigned char>(c);
    out.push_back('%');
    out.push_back(kDigits[byte >> 4]);
    out.push_back(kDigits[byte & 15]);
  }
  return out;
}

}  // namespace

std::string escape_path(std::string_view path) {
  return escape(path, true);
}
std::string escape_segment(std::string_view text) {
  return escape(text, false);
}

std::string resource_url(std::string_view storage_url, std::string_view container,
                         std::string_view object) {
  std::string url(storage_url);
  if (!container.empty()) url.append("/").append(escape_segment(container));
  if (!object.empty()) url.append("/").append(escape_path(object));
  return url;
}

std::string origin_of(std::string_view url) {
  const size_t scheme = url.find("://");
  const size_t host = scheme == std::string_view::npos ? 0 : scheme + 3;
  return std::string(url.substr(0, url.find('/', host)));
}

std::string at_origin(std::string_view origin, std::string_view url) {
  return std::string(origin).append(url.substr(origin_of(url).size()));
}

std::string describe(const ResourceRequest& request) {
  if (!request.host_path.empty()) return fmt::format("{} {}", request.method, request.host_path);
  if (request.container.empty()) return fmt::format("{} of the account", request.method);
  if (request.name.empty()) return fmt::format("{} {}", request.method, request.container);
  return fmt::format("{} {}/{}", request.method, request.container, request.name);
}

HttpRequest to_http(const ResourceRequest& request, std::string_view storage_url,
                    std::string_view token, std::string_view id) {
  HttpRequest http;
  http.method = request.method;
  http.url = request.host_path.empty() ? resource_url(storage_url, request.container, request.name)
                                       : origin_of(storage_url) + request.host_path;
  if (!request.query.empty()) http.url.append("?").append(request.query);
  http.headers = request.headers;
  http.headers.push_back({"X-Auth-Token", std::string(token)});
  http.headers.push_back({"X-Trans-Id-Extra", std::string(id)});
  http.body = request.body;
  http.most_body = request.most_body;
  http.fresh_connection = request.fresh_connection;
  return http;
}

std::optional<uint64_t> parse_size(std::string_view digits) {
  uint64_t value = 0;
  auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (digits.empty() || failed != std::errc() || end != digits.data() + digits.size()) {
    return std::nullopt;
  }
  return value;
}

std::optional<ContentRange> parse_content_range(std::string_view value) {
  constexpr std::string_view kUnit = "bytes ";
  if (!value.starts_with(kUnit)) return std::nullopt;
  value.remove_prefix(kUnit.size());
  size_t dash = value.find('-');
  size_t slash = value.find('/');
  if (dash == std::string_view::npos || slash == std::string_view::npos || dash > slash) {
    return std::nullopt;
  }
  auto first = parse_size(value.substr(0, dash));
  auto last = parse_size(value.substr(dash + 1, slash - dash - 1));
  auto total = parse_size(value.substr(slash + 1));
  if (!first || !last || !total || *first > *last || *last >= *total) return std::nullopt;
  return ContentRange{*first, *last, *total};
}

std::string range_header(ByteRange range) {
  CHECK(!range.is_whole() && range.length > 0 && range.offset <= UINT64_MAX - range.length);
  return fmt::format("bytes={}-{}", range.offset, range.offset + range.length - 1);
}

std::string parse_etag(std::string_view value) {
  if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
    value = value.substr(1, value.size() - 2);
  }
  std::string etag(value);
  for (char& c : etag) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return etag;
}

Result<ObjectInfo> parse_object_info(const HttpResponse& response) {
  auto size = parse_size(response.headers.find("Content-Length"));
  if (!size) return Error(ErrorCode::unavailable, "the answer does not tell the object's size");
  return ObjectInfo{*size, parse_etag(response.headers.find("Etag"))};
}

Result<ListPage> parse_listing(std::string_view json, size_t limit) {
  const Error malformed(ErrorCode::unavailable, "the listing is not what Swift sends");
  ListPage page;
  if (json.empty()) return page;  // 204: nothing there
  auto listing = nlohmann::json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!listing.is_array()) return malformed;
  for (const auto& item : listing) {
    auto name = item.find("name");
    auto bytes = item.find("bytes");
    if (!item.is_object() || name == item.end() || !name->is_string() || bytes == item.end() ||
        !bytes->is_number_unsigned()) {
      return malformed;
    }
    if (page.entries.size() == limit) {
      page.next = page.entries.back().name;
      return page;
    }
    page.entries.push_back({name->get<std::string>(), bytes->get<uint64_t>()});
  }
  return page;
}

Judgement judge_success(const HttpResponse& response) {
  if (response.status / 100 == 2) return std::nullopt;
  return failure_of(response);
}

Judgement judge_put(const HttpResponse& response, std::string_view etag) {
  // 202 and 412 are no failures yet: what they mean depends on what is there (see SwiftStore).
  if (response.status == 202 || response.status == 412) return std::nullopt;
  if (response.status != 201) return failure_of(response);
  std::string stored = parse_etag(response.headers.find("Etag"));
  if (!stored.empty() && stored != etag) {
    return broken_answer(response, fmt::format("with ETag {} where {} was sent", stored, etag));
  }
  return std::nullopt;
}

Judgement judge_put_again(const HttpResponse& response, std::string_view etag) {
  if (response.status == 412) return failure_of(response);
  if (response.status != 202) return judge_put(response, etag);
  return Failure{ErrorCode::unavailable, true, true, std::nullopt,
                 "a copy with a later time is there, perhaps on one server only: the clocks of "
                 "Swift's proxies differ" +
                     transaction_of(response)};
}

Judgement judge_range(const HttpResponse& response, ByteRange range) {
  if (response.status / 100 != 2) return failure_of(response);
  std::string_view header = response.headers.find("Content-Range");
  auto got = parse_content_range(header);
  if (response.status != 206 || !got) {
    return broken_answer(response,
                         fmt::format("not with the range asked for ({})", range_header(range)));
  }
  uint64_t length = range.length;
  if (got->first == range.offset && got->total - range.offset < range.length) {
    if (!range.may_end_early) {
      return Failure{ErrorCode::invalid, false, false, std::nullopt,
                     fmt::format("the object has {} bytes, shorter than the range asked for ({}){}",
                                 got->total, range_header(range), transaction_of(response))};
    }
    length = got->total - range.offset;
  }
  if (got->first != range.offset || got->last - got->first + 1 != length) {
    return broken_answer(
        response, fmt::format("with range {} where {} was asked for", header, range_header(range)));
  }
  if (response.body.size() != length) {
    return broken_answer(response, fmt::format("with {} bytes where {} were asked for",
                                               response.body.size(), length));
  }
  return std::nullopt;
}

Judgement judge_whole(const HttpResponse& response) {
  if (response.status / 100 != 2) return failure_of(response);
  // A 204 or 206 is not the object; without a length nobody knows whether this is all of it.
  auto size = parse_size(response.headers.find("Content-Length"));
  if (response.status != 200 || !size) {
    return broken_answer(response, "not with the whole object and its length");
  }
  if (response.body.size() != *size) {
    return broken_answer(response, fmt::format("with {} bytes where {} were announced",
                                               response.body.size(), *size));
  }
  return std::nullopt;
}

Judgement judge_head(const HttpResponse& response) {
  if (response.status / 100 != 2) return failure_of(response);
  if (!parse_object_info(response).ok())
    return broken_answer(response, "without the object's size");
  return std::nullopt;
}

Judgement judge_delete(const HttpResponse& response) {
  if (response.status == 404) return std::nullopt;
  return judge_success(response);
}

}  // namespace swiftness
