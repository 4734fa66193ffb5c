// Endpoints: which of the cluster's proxies is asked next, and whether any may be asked at all.
//
// Requests take turns over those that are well. One that failed several times in a row is left
// alone for a while, longer each time (its circuit is open); then a single request finds out how it
// is, and while that one is under way nobody else goes there. With all circuits open everybody
// waits: a cluster that is down gets a request or two a second from us, however many wait.
//
// Pure: the time comes in. What counts as a failure here says that the proxy, or what is behind it,
// does not work; an answer nobody wanted to hear (404, 429, 507) is an answer.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "backend/base/clock.h"

namespace swiftness {

struct BreakerTiming {
  unsigned failures_to_open = 12;  // in a row; a refused connection counts as half of them
  Duration first_pause = std::chrono::milliseconds(250);
  Duration longest_pause = std::chrono::seconds(2);
};

class Endpoints {
 public:
  explicit Endpoints(size_t count, BreakerTiming timing);

  size_t count() const noexcept { return circuits_.size(); }

  // Whom to ask now; or, when nobody may be asked, when to come again. `not_this`: it has just
  // failed the one who asks, who would rather have another. Each index that was given is to be
  // followed by one succeeded(), failed() or unknown().
  std::variant<size_t, TimePoint> choose(TimePoint now, std::optional<size_t> not_this = {});

  // One that would be chosen, or the first: for several requests that must go to the same one.
  size_t well() const noexcept;

  // Besides choose(), for a request that was bound to `index`.
  bool succeeded(size_t index);  // true: its circuit was open
  void failed(size_t index, TimePoint now, bool refused);
  void unknown(size_t index);  // given up without an outcome

 private:
  struct Circuit {
    unsigned failures = 0;  // in a row
    Duration pause{};       // of this outage; zero: closed
    TimePoint open_until{};
    bool probing = false;
  };
  bool is_open(const Circuit& circuit) const noexcept { return circuit.pause > Duration::zero(); }

  std::vector<Circuit> circuits_;
  BreakerTiming timing_;
  size_t next_ = 0;
};

}  // namespace swiftness
