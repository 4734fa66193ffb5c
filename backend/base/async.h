// The few things our coroutines share. A coroutine belongs to one executor (a shard: one thread);
// nothing here but offload() may be used from another thread.
//
// House rules for GCC 12 and Asio 1.26: docs/ARCHITECTURE.md, "Coroutines".
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/intrusive/list.hpp>

#include <utility>

#include "backend/base/clock.h"
#include "backend/base/result.h"

namespace swiftness {

namespace asio = boost::asio;
using Executor = asio::any_io_executor;

template <class T>
using Async = asio::awaitable<Result<T>>;
using Task = asio::awaitable<void>;

// Wakes whoever waits. It carries no state: waiters re-test their predicate in a loop.
//   while (!ready) co_await event.wait();
// Event and waiters may be destroyed in any order.
class AsyncEvent {
 public:
  explicit AsyncEvent(Executor executor) : executor_(std::move(executor)) {}
  AsyncEvent(const AsyncEvent&) = delete;
  AsyncEvent& operator=(const AsyncEvent&) = delete;
  ~AsyncEvent() { waiters_.clear(); }

  Task wait();                      // until the next notify_all
  Task wait_for(Duration at_most);  // until the next notify_all, or so long
  void notify_all() noexcept;

 private:
  struct Waiter : boost::intrusive::list_base_hook<
                      boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
    explicit Waiter(const Executor& executor) : timer(executor) {}
    asio::steady_timer timer;
  };

  Executor executor_;
  boost::intrusive::list<Waiter, boost::intrusive::constant_time_size<false>> waiters_;
};

Task sleep_for(Duration duration);

// Lets everybody run who is ready. Under a VirtualClock a moment passes, so that waits may end
// meanwhile, as they may in real life.
Task next_turn();

// Runs a blocking `work()` on `pool` and resumes the caller with its Result on the caller's own
// executor. The pool must be joined before the caller's io_context is destroyed.
template <class T, class Pool, class Work>
Async<T> offload(Pool& pool, Work work) {
  auto initiate = [&pool](auto handler, Work job) {
    auto executor = asio::get_associated_executor(handler);
    asio::post(pool, [handler = std::move(handler), job = std::move(job), executor]() mutable {
      Result<T> result = job();
      asio::post(executor, [handler = std::move(handler), result = std::move(result)]() mutable {
        std::move(handler)(std::move(result));
      });
    });
  };
  return asio::async_initiate<const asio::use_awaitable_t<>, void(Result<T>)>(
      std::move(initiate), asio::use_awaitable, std::move(work));
}

}  // namespace swiftness
