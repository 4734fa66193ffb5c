// HTTP as values: what goes to the HTTP engine and what comes back. No I/O, no libcurl.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "backend/base/async.h"
#include "backend/base/buffer.h"

namespace swiftness {

struct HttpHeader {
  std::string name;
  std::string value;
};

class HttpHeaders {
 public:
  void add(std::string_view name, std::string_view value);
  void clear() { headers_.clear(); }

  // The last of that name, case ignored; empty when there is none or its value is empty.
  std::string_view find(std::string_view name) const noexcept;

  const std::vector<HttpHeader>& all() const noexcept { return headers_; }  // as they came

 private:
  std::vector<HttpHeader> headers_;
};

struct HttpRequest {
  std::string method;  // GET, HEAD, PUT, DELETE, ... as it goes on the wire
  std::string url;
  std::vector<HttpHeader> headers;
  BufferList body;         // sent with a Content-Length by PUT and POST only
  uint64_t most_body = 0;  // bytes: a longer body of a 2xx answer ends the transfer
  TimePoint deadline;      // of everything, waiting for a connection included
  // Never on a connection used before. libcurl sends a request again, unasked, when a kept-alive
  // connection turns out dead; on a fresh one it never does.
  bool fresh_connection = false;
};

struct HttpResponse {
  int status = 0;
  HttpHeaders headers;
  Buffer body;       // of a 2xx answer, whole; of any other, its beginning
  std::string peer;  // address:port of the server that answered
};

// Why there is no response.
enum class TransportFailure {
  resolve,    // the server's name has no address
  connect,    // nobody accepts connections there
  tls,        // the server's certificate is not to be trusted, or our TLS set-up is wrong
  broken,     // the connection ended in the middle
  malformed,  // not HTTP, or beyond the bounds on headers
  too_long,   // more body than most_body
  stalled,    // nothing moved for the stall timeout
  deadline,   // HttpRequest::deadline passed
  request,    // the request cannot be sent as it is: URL or header
  aborted,    // by HttpEngine::abort
  closed,     // the engine has stopped
};

struct HttpFailure {
  TransportFailure kind;
  std::string message;  // for people; carries no header of the request
};

using HttpOutcome = std::variant<HttpResponse, HttpFailure>;

}  // namespace swiftness
