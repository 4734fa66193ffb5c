// Response Fence (RFC 7143 4.2.2.3): in a session with several connections the response of a task
// management function waits until what other connections sent before it has arrived. With one
// connection TCP sees to that.
//
// The other half of the clause, holding back what comes after the response until that is
// acknowledged, is not done: nothing of the tasks that ended comes after it.
#include <algorithm>

#include "backend/base/log.h"
#include "target/iscsi/connection.h"
#include "target/iscsi/server_state.h"
#include "target/iscsi/session.h"

namespace swiftness::iscsi {

void Session::respond_fenced(Connection& connection, const TaskManagementResponse& response) {
  Fenced fenced{&connection, response, {}, {}};
  for (const auto& other : connections_) {
    if (other.get() == &connection || other->acknowledged() == other->stat_sn()) continue;
    fenced.awaited.push_back({other.get(), other->stat_sn()});
  }
  if (fenced.awaited.empty()) return connection.respond(response);
  for (const Fenced::Awaited& awaited : fenced.awaited) {
    awaited.connection->ask_for_acknowledgement();
  }
  fenced.no_later_than = std::chrono::steady_clock::now() + server_->limits.ping_timeout;
  fenced_.push_back(std::move(fenced));
}

bool Session::has_too_many_fenced() const {
  return fenced_.size() >= server_->limits.immediate_commands;
}

void Session::acknowledged() {
  if (!fenced_.empty()) release_fenced(std::chrono::steady_clock::now());
}

TimePoint Session::release_fenced(TimePoint now) {
  TimePoint next = TimePoint::max();
  std::erase_if(fenced_, [&](Fenced& fenced) {
    std::erase_if(fenced.awaited, [](const Fenced::Awaited& awaited) {
      return !serial_less(awaited.connection->acknowledged(), awaited.stat_sn);
    });
    bool late = now >= fenced.no_later_than;
    if (late) {
      log::warning("{} does not acknowledge what it was sent: its task management is answered",
                   login_.initiator);
    }
    if (fenced.awaited.empty() || late) {
      fenced.connection->respond(fenced.response);
      return true;
    }
    next = std::min(next, fenced.no_later_than);
    return false;
  });
  return next;
}

void Session::forget_fences_of(const Connection& connection) {
  std::erase_if(fenced_, [&](const Fenced& fenced) { return fenced.connection == &connection; });
  for (Fenced& fenced : fenced_) {
    std::erase_if(fenced.awaited, [&](const Fenced::Awaited& awaited) {
      return awaited.connection == &connection;
    });
  }
  acknowledged();
}

}  // namespace swiftness::iscsi
