// Time, as everything in the backend asks for it: the monotonic clock and the calendar's. A test may
// put a VirtualClock in their place for its thread: then time stands still until the test moves it,
// and every wait of backend/base/async.h ends by it.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <boost/intrusive/set.hpp>

#include <chrono>

namespace swiftness {

using Duration = std::chrono::steady_clock::duration;
using TimePoint = std::chrono::steady_clock::time_point;
using CalendarTime = std::chrono::system_clock::time_point;

TimePoint now() noexcept;
CalendarTime calendar_now() noexcept;

// Rules the thread it was made on until it is destroyed; at most one a thread. All timers of the
// thread are gone by then.
class VirtualClock {
 public:
  VirtualClock();
  VirtualClock(const VirtualClock&) = delete;
  VirtualClock& operator=(const VirtualClock&) = delete;
  ~VirtualClock();

  static VirtualClock* of_this_thread() noexcept;

  TimePoint now() const noexcept { return now_; }
  // The calendar's clock goes with the monotonic one, off by so much: what clock skew is.
  void set_calendar_offset(Duration offset) noexcept { calendar_offset_ = offset; }
  CalendarTime calendar_now() const noexcept;

  // Moves to the earliest end of a wait and ends all waits that are over by then. False, and
  // nothing moved: nobody waits for time. To be called when no handler is ready to run.
  bool advance();

  // The end of one wait; registered while it lives. Ending means that the timer is cancelled.
  class Alarm : public boost::intrusive::set_base_hook<
                    boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
   public:
    Alarm(VirtualClock& clock, Duration at_most, boost::asio::steady_timer& timer);
    friend bool operator<(const Alarm& a, const Alarm& b) noexcept { return a.at_ < b.at_; }

   private:
    friend class VirtualClock;
    TimePoint at_;
    boost::asio::steady_timer& timer_;
  };

 private:
  using Alarms =
      boost::intrusive::multiset<Alarm, boost::intrusive::constant_time_size<false>>;

  TimePoint now_{std::chrono::hours(1)};
  Duration calendar_offset_{};
  Alarms alarms_;  // those of one moment end in the order in which they began
};

}  // namespace swiftness
