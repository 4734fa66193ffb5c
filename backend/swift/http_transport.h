// HttpTransport: who carries requests to their servers and brings the answers back. In the product
// that is the HTTP engine; tests put a network there that exists only in their imagination.
#pragma once

#include "backend/swift/http.h"

namespace swiftness {

class HttpTransport {
 public:
  virtual ~HttpTransport() = default;

  // Resumes on the caller's executor, at the request's deadline at the latest.
  virtual asio::awaitable<HttpOutcome> perform(HttpRequest request) = 0;

  // Completes whatever is under way with TransportFailure::closed, as everything that comes later.
  virtual void stop() = 0;
};

}  // namespace swiftness
