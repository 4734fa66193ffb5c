// HttpTransport: who carries requests to their servers and brings the answers back. In the product
// that is the HTTP engine; tests put a network there that exists only in their imagination.
#pragma once

#include <atomic>

#include "backend/swift/http.h"

namespace swiftness {

// Names one transfer, for whoever may want to abort it.
enum class TransferId : uint64_t {};

class HttpTransport {
 public:
  virtual ~HttpTransport() = default;

  // Resumes on the caller's executor, at the request's deadline at the latest.
  virtual asio::awaitable<HttpOutcome> perform(HttpRequest request, TransferId id) = 0;
  asio::awaitable<HttpOutcome> perform(HttpRequest request) {
    return perform(std::move(request), reserve_id());
  }

  TransferId reserve_id() noexcept { return TransferId(next_id_++); }

  // The transfer completes with TransportFailure::aborted; what it did on the server is not known.
  // Aborting one that is over does nothing.
  virtual void abort(TransferId id) = 0;

  // Completes whatever is under way with TransportFailure::closed, as everything that comes later.
  virtual void stop() = 0;

 private:
  std::atomic<uint64_t> next_id_{1};
};

}  // namespace swiftness
