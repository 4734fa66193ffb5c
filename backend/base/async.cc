#include "backend/base/async.h"

#include <boost/asio/redirect_error.hpp>

namespace swiftness {

Task AsyncEvent::wait() {
  return wait_for(Duration::max());
}

Task AsyncEvent::wait_for(Duration at_most) {
  Waiter waiter(executor_);
  if (at_most == Duration::max()) {
    waiter.timer.expires_at(TimePoint::max());
  } else {
    waiter.timer.expires_after(at_most);
  }
  waiters_.push_back(waiter);
  boost::system::error_code cancelled;  // both ways of waking up are the same to the waiter
  co_await waiter.timer.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
}

void AsyncEvent::notify_all() noexcept {
  for (Waiter& waiter : waiters_) waiter.timer.cancel();
}

Task sleep_for(Duration duration) {
  Executor executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor);
  timer.expires_after(duration);
  boost::system::error_code cancelled;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
}

}  // namespace swiftness
