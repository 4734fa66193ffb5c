// asio's event loops without their system calls. After every other handler a loop asks the kernel
// whether a descriptor is ready or a timer over, though nothing is watched here and no timer ever
// ends by itself: messages, disks and timers come by the timeline and the VirtualClock. To ask for
// nothing took more than half of the time of a history. These come before those of libc.
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include "backend/base/check.h"

extern "C" int epoll_wait(int, epoll_event*, int, int timeout_ms) {
  CHECK(timeout_ms == 0);  // nobody sleeps: nothing would wake him up
  return 0;
}

extern "C" int timerfd_settime(int, int, const itimerspec*, itimerspec*) noexcept {
  return 0;
}
