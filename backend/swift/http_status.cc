#include "backend/swift/http_status.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace swiftness {
namespace {

struct StatusRow {
  int status;
  ErrorCode code;
  bool retriable;
  bool may_have_acted;
  std::string_view words;
};

using enum ErrorCode;

// What is refused for the moment may have been done all the same: a proxy's answer is that of most
// of its servers, one of which may have taken the data; and it need not be Swift that says so.
constexpr StatusRow kStatusTable[] = {
    {400, invalid, false, false, "the request is refused"},
    {401, unauthorized, false, false, "the token or the credentials are refused"},
    {403, unauthorized, false, false, "this user may not do that"},
    {404, not_found, false, false, "no such container or object"},
    {408, unavailable, true, true, "the request took too long to arrive"},
    {409, conflict, false, false, "conflict with what is there"},
    {412, conflict, false, false, "the object exists already"},
    {413, out_of_space, false, false, "too large, or over a quota"},
    {416, invalid, false, false, "the object is shorter than the range asked for"},
    {422, unavailable, true, true, "the data did not arrive as they were sent"},
    {425, unavailable, true, true, "too early"},
    {429, unavailable, true, true, "too many requests"},
    {498, unavailable, true, true, "rate limit"},
    {499, unavailable, true, true, "the connection ended before the data did"},
    {501, invalid, false, false, "Swift does not know this operation"},
    {507, out_of_space, true, true, "the store is full"},
};

StatusRow row_of(int status) {
  auto row = std::ranges::find(kStatusTable, status, &StatusRow::status);
  if (row != std::end(kStatusTable)) return *row;
  if (status >= 500) return {status, unavailable, true, true, "the server failed"};
  if (status >= 400) return {status, invalid, false, false, "the request is refused"};
  if (status >= 300) return {status, invalid, false, false, "redirected; check the URL"};
  return {status, unavailable, true, true, "unexpected answer"};
}

struct TransportRow {
  TransportFailure kind;
  ErrorCode code;
  bool retriable;
  bool may_have_acted;
};

constexpr TransportRow kTransportTable[] = {
    {TransportFailure::resolve, unavailable, true, false},
    {TransportFailure::connect, unavailable, true, false},
    {TransportFailure::tls, unavailable, false, false},
    {TransportFailure::broken, unavailable, true, true},
    {TransportFailure::malformed, unavailable, true, true},
    {TransportFailure::too_long, unavailable, true, true},
    {TransportFailure::stalled, timed_out, true, true},
    {TransportFailure::deadline, timed_out, true, true},
    {TransportFailure::request, invalid, false, false},
    {TransportFailure::aborted, unavailable, false, true},
    {TransportFailure::closed, unavailable, false, true},
};

}  // namespace

std::string excerpt_of(std::string_view html) {
  constexpr size_t kMost = 160;
  std::string text;
  bool in_tag = false;
  for (char c : html) {
    if (text.size() == kMost) break;
    if (c == '<') in_tag = true;
    bool printable = c > ' ' && c < '\x7f';
    if (!in_tag && printable) text.push_back(c);
    bool gap = c == '>' || !printable;
    if (gap && !text.empty() && text.back() != ' ') text.push_back(' ');
    if (c == '>') in_tag = false;
  }
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

std::string transaction_of(const HttpResponse& response) {
  std::string_view id = response.headers.find("X-Trans-Id");
  bool plain = std::ranges::all_of(id, [](char c) { return c > ' ' && c < '\x7f'; });
  if (id.empty() || id.size() > 128 || !plain) return " (no transaction id)";
  return fmt::format(" (transaction {})", id);
}

Failure failure_of(const HttpResponse& response) {
  StatusRow row = row_of(response.status);
  return failure_of(response, row.code, row.words);
}

Failure failure_of(const HttpResponse& response, ErrorCode code, std::string_view words) {
  StatusRow row = row_of(response.status);
  std::string excerpt = excerpt_of(response.body.text());
  if (!excerpt.empty()) excerpt = " \"" + excerpt + "\"";
  return {code, row.retriable, row.may_have_acted,
          parse_retry_after(response.headers.find("Retry-After")),
          fmt::format("answered {}, {}{}{}", response.status, words, excerpt,
                      transaction_of(response))};
}

Failure failure_of(const HttpFailure& failure) {
  auto row = std::ranges::find(kTransportTable, failure.kind, &TransportRow::kind);
  CHECK(row != std::end(kTransportTable));
  return {row->code, row->retriable, row->may_have_acted, std::nullopt, failure.message};
}

Failure broken_answer(const HttpResponse& response, std::string_view what) {
  return {unavailable, true, true, std::nullopt,
          fmt::format("answered {}, but {}{}", response.status, what, transaction_of(response))};
}

std::optional<Duration> parse_retry_after(std::string_view value) {
  constexpr uint32_t kMostSeconds = 86400;
  uint32_t seconds = 0;
  auto [end, failed] = std::from_chars(value.data(), value.data() + value.size(), seconds);
  if (failed == std::errc::result_out_of_range) return std::chrono::seconds(kMostSeconds);
  if (failed != std::errc() || end != value.data() + value.size()) return std::nullopt;
  return std::chrono::seconds(std::min(seconds, kMostSeconds));
}

}  // namespace swiftness
