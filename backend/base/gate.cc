#include "backend/base/gate.h"

#include <boost/asio/co_spawn.hpp>

#include <exception>

#include "backend/base/log.h"

namespace swiftness {
namespace {

void log_exception(const std::string& name, std::exception_ptr failure) {
  if (!failure) return;
  try {
    std::rethrow_exception(failure);
  } catch (const std::exception& e) {
    log::error("{}: unexpected exception: {}", name, e.what());
  }
}

void rethrow(std::exception_ptr failure) {
  if (failure) std::rethrow_exception(failure);
}

}  // namespace

void Gate::spawn(std::string name, Task task) {
  if (closed_) return;
  ++inside_;
  asio::co_spawn(executor_, std::move(task),
                 [this, name = std::move(name)](std::exception_ptr failure) {
                   log_exception(name, failure);
                   leave();
                 });
}

void Gate::leave() noexcept {
  if (--inside_ == 0) emptied_.notify_all();
}

Task Gate::close() {
  closed_ = true;
  while (inside_ > 0) co_await emptied_.wait();
}

void spawn_logged(const Executor& executor, std::string name, Task task) {
  asio::co_spawn(executor, std::move(task), [name = std::move(name)](std::exception_ptr failure) {
    log_exception(name, failure);
  });
}

void spawn_or_throw(const Executor& executor, Task task) {
  asio::co_spawn(executor, std::move(task), rethrow);
}

}  // namespace swiftness
