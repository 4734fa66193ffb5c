// Timeline: what is going to happen in the simulated world outside the gateways, by its moment in
// virtual time: messages that arrive, servers that come and go.
#pragma once

#include <boost/asio/io_context.hpp>

#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "backend/base/async.h"

namespace swiftness::sim {

class Timeline {
 public:
  explicit Timeline(VirtualClock& clock) : clock_(clock) {}

  void after(Duration delay, std::function<void()> event) {
    const TimePoint at = clock_.now() + std::max(delay, Duration::zero());
    events_.emplace(at, std::move(event));
    watch_the_first();
  }

  // Lets the first event happen that is due by now. False: none is.
  bool run_one() {
    if (events_.empty() || events_.begin()->first > clock_.now()) return false;
    std::function<void()> event = std::move(events_.begin()->second);
    events_.erase(events_.begin());
    watch_the_first();
    event();
    return true;
  }

  TimePoint now() const noexcept { return clock_.now(); }

 private:
  // The clock stops where the first event is.
  void watch_the_first() {
    if (events_.empty()) {
      alarm_.reset();
      return;
    }
    const TimePoint at = events_.begin()->first;
    if (alarm_ && alarm_at_ == at && at > clock_.now()) return;
    alarm_at_ = at;
    alarm_.emplace(clock_, at - clock_.now(), timer_);
  }

  VirtualClock& clock_;
  std::multimap<TimePoint, std::function<void()>> events_;  // of one moment: as they were entered
  asio::io_context nobody_{1};
  asio::steady_timer timer_{nobody_};  // alarms need one; nobody waits on it
  std::optional<VirtualClock::Alarm> alarm_;
  TimePoint alarm_at_{};
};

}  // namespace swiftness::sim
