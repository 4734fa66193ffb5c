#include "backend/base/background.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <thread>

namespace swiftness {
namespace {

struct SchedulingAttributes {  // sched_setattr(2); the C library does not have it
  uint32_t size = sizeof(SchedulingAttributes);
  uint32_t policy = SCHED_OTHER;
  uint64_t flags = 0;
  int32_t nice = 0;
  uint32_t priority = 0;
  uint64_t runtime = 0;  // ns of a slice; since Linux 6.12
  uint64_t deadline = 0;
  uint64_t period = 0;
};

// Of this thread. Nobody needs the outcome: without it all works, with longer waits.
void give_way() {
  SchedulingAttributes attributes;
  attributes.nice = 19;
  attributes.runtime = 100'000;  // the least
  (void)::syscall(SYS_sched_setattr, 0, &attributes, 0);
}

}  // namespace

std::unique_ptr<boost::asio::thread_pool> background_threads(size_t count) {
  std::unique_ptr<boost::asio::thread_pool> pool;
  // Threads inherit how they are scheduled.
  std::thread([&pool, count] {
    give_way();
    pool = std::make_unique<boost::asio::thread_pool>(count);
  }).join();
  return pool;
}

}  // namespace swiftness
