// The command line waits for what it asks a store.
#pragma once

#include <boost/asio/io_context.hpp>

#include <utility>

#include "backend/base/gate.h"

namespace swiftness::cli {

template <class T>
Task keep_answer(Async<T> asked, Result<T>& answer) {
  Result<T> got = co_await std::move(asked);
  answer = std::move(got);
}

// Runs `io` until it has nothing left to do; `asked` is carried out on it.
template <class T>
Result<T> wait_for(asio::io_context& io, Async<T> asked) {
  Result<T> answer = Error(ErrorCode::unavailable, "no answer");
  Gate gate(io.get_executor());
  gate.spawn("command", keep_answer<T>(std::move(asked), answer));
  io.run();
  return answer;
}

}  // namespace swiftness::cli
