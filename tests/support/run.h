// Runs coroutines to their end, as if they blocked, on an io_context that has other work as well.
// Under a VirtualClock time passes whenever nobody has anything else to do.
#pragma once

#include <boost/asio/io_context.hpp>

#include <memory>
#include <optional>
#include <utility>

#include "backend/base/async.h"
#include "backend/base/check.h"
#include "backend/base/clock.h"
#include "backend/base/gate.h"

namespace swiftness {

// One handler, or the wait for one. False: there is nothing left to do.
inline bool run_a_step(asio::io_context& io) {
  VirtualClock* clock = VirtualClock::of_this_thread();
  if (clock == nullptr) return io.run_one() > 0;
  return io.poll_one() > 0 || clock->advance();
}

// Runs what there is until the predicate holds, which it must before there is nothing left to do.
template <class Predicate>
void run_until(asio::io_context& io, Predicate predicate) {
  io.restart();
  while (!predicate() && run_a_step(io)) {
  }
  CHECK(predicate());  // otherwise it waits for something nobody will do
}

inline Task keep_done(Task work, bool& done) {
  co_await std::move(work);
  done = true;
}

inline void run(asio::io_context& io, Task work) {
  bool done = false;
  spawn_or_throw(io.get_executor(), keep_done(std::move(work), done));
  run_until(io, [&done] { return done; });
}

template <class T>
Task keep_outcome(asio::awaitable<T> work, std::optional<T>& outcome) {
  T result = co_await std::move(work);  // not as an argument: docs/ARCHITECTURE.md, Coroutines
  outcome.emplace(std::move(result));
}

template <class T>
T run(asio::io_context& io, asio::awaitable<T> work) {
  std::optional<T> outcome;
  spawn_or_throw(io.get_executor(), keep_outcome(std::move(work), outcome));
  run_until(io, [&outcome] { return outcome.has_value(); });
  return std::move(*outcome);
}

// A call that goes on while the test does other things.
template <class T>
class Started {
 public:
  Started(asio::io_context& io, asio::awaitable<T> call) : out_(new std::optional<T>) {
    spawn_or_throw(io.get_executor(), keep(out_, std::move(call)));
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

}  // namespace swiftness
