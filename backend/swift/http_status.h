// The one table from what HTTP says to what our callers act on (ErrorCode), and whether trying
// again can help. Everything the Swift client decides about a failure is decided here.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "backend/base/result.h"
#include "backend/swift/http.h"

namespace swiftness {

// One attempt that did not do what was asked.
struct Failure {
  ErrorCode code;
  bool retriable;       // the same request again may succeed
  bool may_have_acted;  // the server may have carried it out, now or later, all the same
  std::optional<Duration> retry_after;  // asked for by the server
  std::string reason;                   // for people: what the server said, with its transaction id
};

Failure failure_of(const HttpResponse& response);  // any answer that is not what the caller wanted
// The same where the status means something of its own.
Failure failure_of(const HttpResponse& response, ErrorCode code, std::string_view words);
Failure failure_of(const HttpFailure& failure);

// A success by its status that is not one by its contents: it is read again.
Failure broken_answer(const HttpResponse& response, std::string_view what);

// The words of an answer's HTML or plain text, fit for one log line.
std::string excerpt_of(std::string_view html);

// " (transaction tx...)": what an administrator greps Swift's logs for.
std::string transaction_of(const HttpResponse& response);

// Retry-After in seconds. The form with a date is not understood: then our own backoff applies.
std::optional<Duration> parse_retry_after(std::string_view value);

}  // namespace swiftness
