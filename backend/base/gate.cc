#include "backend/base/gate.h"

#include <boost/asio/co_spawn.hpp>

#include <exception>

#include "backend/base/log.h"

namespace swiftness {

void Gate::spawn(std::string name, Task task) {
  if (closed_) return;
  ++inside_;
  asio::co_spawn(executor_, std::move(task),
                 [this, name = std::move(name)](std::exception_ptr failure) {
                   if (failure) {
                     try {
                       std::rethrow_exception(failure);
                     } catch (const std::exception& e) {
                       log::error("{}: unexpected exception: {}", name, e.what());
                     }
                   }
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

}  // namespace swiftness
