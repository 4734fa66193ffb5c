#include "backend/base/async.h"

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>

#include <optional>

namespace swiftness {
namespace {

// Waits until the timer is cancelled, or so long. Cancelled and expired are the same to the waiter.
Task wait_on(asio::steady_timer& timer, Duration at_most) {
  std::optional<VirtualClock::Alarm> alarm;
  VirtualClock* clock = VirtualClock::of_this_thread();
  if (at_most == Duration::max() || clock != nullptr) {
    timer.expires_at(TimePoint::max());
  } else {
    timer.expires_after(at_most);
  }
  if (at_most != Duration::max() && clock != nullptr) alarm.emplace(*clock, at_most, timer);
  boost::system::error_code cancelled;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
}

}  // namespace

Task AsyncEvent::wait() {
  return wait_for(Duration::max());
}

Task AsyncEvent::wait_for(Duration at_most) {
  Waiter waiter(executor_);
  waiters_.push_back(waiter);
  co_await wait_on(waiter.timer, at_most);
}

void AsyncEvent::notify_all() noexcept {
  for (Waiter& waiter : waiters_) waiter.timer.cancel();
}

Task sleep_for(Duration duration) {
  Executor executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor);
  co_await wait_on(timer, duration);
}

Task next_turn() {
  if (VirtualClock::of_this_thread() != nullptr) {
    co_await sleep_for(std::chrono::microseconds(1));
  } else {
    Executor executor = co_await asio::this_coro::executor;
    co_await asio::post(executor, asio::use_awaitable);
  }
}

}  // namespace swiftness
