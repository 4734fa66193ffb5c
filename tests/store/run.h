// Runs one call of a store to its end, as if it blocked.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <exception>
#include <optional>
#include <utility>

#include "backend/base/async.h"

namespace swiftness::test {

template <class T>
Task keep_result(std::optional<T>& out, asio::awaitable<T> call) {
  T result = co_await std::move(call);
  out.emplace(std::move(result));
}

inline void rethrow(std::exception_ptr failure) {
  if (failure) std::rethrow_exception(failure);
}

template <class T>
T run(asio::io_context& io, asio::awaitable<T> call) {
  std::optional<T> out;
  asio::co_spawn(io, keep_result(out, std::move(call)), rethrow);
  io.restart();
  while (!out && io.run_one() > 0) {
  }
  CHECK(out.has_value());  // or the call waits for something that never comes
  return std::move(*out);
}

inline Task keep_done(bool& done, Task task) {
  co_await std::move(task);
  done = true;
}

inline void run(asio::io_context& io, Task task) {
  bool done = false;
  asio::co_spawn(io, keep_done(done, std::move(task)), rethrow);
  io.restart();
  while (!done && io.run_one() > 0) {
  }
  CHECK(done);
}

// A call that goes on while the test does other things.
template <class T>
class Started {
 public:
  Started(asio::io_context& io, asio::awaitable<T> call) : out_(new std::optional<T>) {
    asio::co_spawn(io, keep(out_, std::move(call)), rethrow);
  }
  bool done() const { return out_->has_value(); }
  T& result() { return out_->value(); }

 private:
  static Task keep(std::shared_ptr<std::optional<T>> out, asio::awaitable<T> call) {
    T result = co_await std::move(call);
    out->emplace(std::move(result));
  }
  std::shared_ptr<std::optional<T>> out_;
};

}  // namespace swiftness::test
