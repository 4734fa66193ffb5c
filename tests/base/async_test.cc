#include "backend/base/async.h"

#include <gtest/gtest.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>

#include <thread>

#include "backend/base/gate.h"

namespace swiftness {
namespace {

Task wait_until(AsyncEvent& event, const bool& ready, int& woken) {
  while (!ready) co_await event.wait();
  ++woken;
}

TEST(AsyncEvent, WakesEveryWaiterOnceItsPredicateHolds) {
  asio::io_context io;
  AsyncEvent event(io.get_executor());
  bool ready = false;
  int woken = 0;
  for (int i = 0; i < 3; ++i) {
    asio::co_spawn(io, wait_until(event, ready, woken), asio::detached);
  }
  io.poll();
  event.notify_all();
  io.poll();
  EXPECT_EQ(woken, 0) << "a wake-up without the predicate must go on waiting";
  ready = true;
  event.notify_all();
  io.poll();
  EXPECT_EQ(woken, 3);
}

TEST(AsyncEvent, MayDieBeforeItsWaiters) {
  asio::io_context io;
  bool ready = false;
  int woken = 0;
  {
    AsyncEvent event(io.get_executor());
    asio::co_spawn(io, wait_until(event, ready, woken), asio::detached);
    io.poll();
  }
  EXPECT_EQ(woken, 0);
}

Task wait_briefly(AsyncEvent& event, bool& done) {
  co_await event.wait_for(std::chrono::milliseconds(1));
  done = true;
}

TEST(AsyncEvent, WaitForEndsByItself) {
  asio::io_context io;
  AsyncEvent event(io.get_executor());
  bool done = false;
  asio::co_spawn(io, wait_briefly(event, done), asio::detached);
  io.run();
  EXPECT_TRUE(done);
}

Task close_gate(Gate& gate, bool& closed) {
  co_await gate.close();
  closed = true;
}

TEST(Gate, ClosesWhenTheLastTaskIsDoneAndRefusesNewOnes) {
  asio::io_context io;
  AsyncEvent event(io.get_executor());
  Gate gate(io.get_executor());
  bool ready = false, closed = false;
  int woken = 0;
  gate.spawn("test", wait_until(event, ready, woken));
  asio::co_spawn(io, close_gate(gate, closed), asio::detached);
  io.poll();
  EXPECT_FALSE(closed);
  gate.spawn("test", wait_until(event, ready, woken));  // dropped
  ready = true;
  event.notify_all();
  io.poll();
  EXPECT_TRUE(closed);
  EXPECT_EQ(woken, 1);
}

Task run_offloaded(asio::thread_pool& pool, std::thread::id& worker, std::thread::id& resumed,
                   int& value) {
  Result<int> result = co_await offload<int>(pool, [&worker]() -> Result<int> {
    worker = std::this_thread::get_id();
    return 42;
  });
  resumed = std::this_thread::get_id();
  value = *result;
}

TEST(Offload, WorksElsewhereAndResumesHere) {
  asio::io_context io;
  asio::thread_pool pool(1);
  std::thread::id worker, resumed;
  int value = 0;
  asio::co_spawn(io, run_offloaded(pool, worker, resumed, value), asio::detached);
  io.run();
  pool.join();
  EXPECT_EQ(value, 42);
  EXPECT_EQ(resumed, std::this_thread::get_id());
  EXPECT_NE(worker, resumed);
}

}  // namespace
}  // namespace swiftness
