// Gate: refuses new work once closed and waits for the old. Every owner of asynchronous work has
// one; its stop() closes the gate, after which nothing of the owner's runs any more.
#pragma once

#include <string>

#include "backend/base/async.h"

namespace swiftness {

class Gate {
 public:
  explicit Gate(Executor executor) : executor_(executor), emptied_(executor) {}

  // Starts `task`, or drops it when the gate is closed. An exception that leaves the task is logged
  // under `name`: it is a bug, but not one that may take the gateway down silently.
  void spawn(std::string name, Task task);

  // For work that somebody else started: inside while the pass lives. Ask closed() first.
  class Pass {
   public:
    explicit Pass(Gate& gate) : gate_(gate) { ++gate_.inside_; }
    Pass(const Pass&) = delete;
    Pass& operator=(const Pass&) = delete;
    ~Pass() { gate_.leave(); }

   private:
    Gate& gate_;
  };

  bool closed() const noexcept { return closed_; }
  Task close();  // refuses new work, returns when the old is done

  const Executor& executor() const noexcept { return executor_; }

 private:
  void leave() noexcept;

  Executor executor_;
  AsyncEvent emptied_;
  size_t inside_ = 0;
  bool closed_ = false;
};

// Runs tasks side by side and waits for all of them.
//   FanOut all(executor);
//   all.add(one()); all.add(two());
//   co_await all.join();
class FanOut {
 public:
  explicit FanOut(Executor executor) : gate_(std::move(executor)) {}
  void add(Task task) { gate_.spawn("parallel work", std::move(task)); }
  Task join() { return gate_.close(); }

 private:
  Gate gate_;
};

// For work that no gate can wait for: it has to own what it uses, and to end by itself. An
// exception that leaves it is a bug: it is logged under `name`, or, where nothing could go on
// without it, comes out of the event loop's run().
void spawn_logged(const Executor& executor, std::string name, Task task);
void spawn_or_throw(const Executor& executor, Task task);

}  // namespace swiftness
