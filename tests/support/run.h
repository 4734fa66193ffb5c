// Runs a coroutine to its end on an io_context that has other work as well.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <exception>
#include <optional>

#include "backend/base/async.h"

namespace swiftness {

// Runs what there is until the predicate holds, which it must before there is nothing left to do.
template <class Predicate>
void run_until(asio::io_context& io, Predicate predicate) {
  io.restart();
  while (!predicate() && io.run_one() > 0) {
  }
  CHECK(predicate());  // otherwise it waits for something nobody will do
}

inline void run(asio::io_context& io, Task work) {
  bool done = false;
  asio::co_spawn(io, std::move(work), [&done](std::exception_ptr failure) {
    if (failure) std::rethrow_exception(failure);
    done = true;
  });
  run_until(io, [&done] { return done; });
}

template <class T>
Task keep_outcome(asio::awaitable<T> work, std::optional<T>& outcome) {
  outcome.emplace(co_await std::move(work));
}

template <class T>
T run(asio::io_context& io, asio::awaitable<T> work) {
  std::optional<T> outcome;
  run(io, keep_outcome(std::move(work), outcome));
  return std::move(*outcome);
}

}  // namespace swiftness
