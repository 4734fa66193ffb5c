#include "backend/base/clock.h"

#include <algorithm>

#include "backend/base/check.h"

namespace swiftness {
namespace {

thread_local VirtualClock* virtual_clock = nullptr;

// A day of no importance: where a virtual calendar begins.
constexpr CalendarTime kVirtualEpoch{std::chrono::seconds(1'700'000'000)};

}  // namespace

TimePoint now() noexcept {
  return virtual_clock == nullptr ? std::chrono::steady_clock::now() : virtual_clock->now();
}

CalendarTime calendar_now() noexcept {
  return virtual_clock == nullptr ? std::chrono::system_clock::now()
                                  : virtual_clock->calendar_now();
}

VirtualClock::VirtualClock() {
  CHECK(virtual_clock == nullptr);
  virtual_clock = this;
}

VirtualClock::~VirtualClock() {
  CHECK(virtual_clock == this && alarms_.empty());
  virtual_clock = nullptr;
}

VirtualClock* VirtualClock::of_this_thread() noexcept {
  return virtual_clock;
}

CalendarTime VirtualClock::calendar_now() const noexcept {
  return kVirtualEpoch + std::chrono::duration_cast<CalendarTime::duration>(
                             now_.time_since_epoch() + calendar_offset_);
}

bool VirtualClock::advance() {
  if (alarms_.empty()) return false;
  now_ = std::max(now_, alarms_.begin()->at_);
  while (!alarms_.empty() && alarms_.begin()->at_ <= now_) {
    Alarm& alarm = *alarms_.begin();
    alarms_.erase(alarms_.begin());
    alarm.timer_.cancel();
  }
  return true;
}

VirtualClock::Alarm::Alarm(VirtualClock& clock, Duration at_most, boost::asio::steady_timer& timer)
    : at_(clock.now_ + std::max(at_most, Duration::zero())), timer_(timer) {
  clock.alarms_.insert(*this);
}

}  // namespace swiftness
