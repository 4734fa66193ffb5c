// The connections of a session (RFC 7143 4.2.3, 6.3.4, 7.6, 11.14): how one is added, takes the
// place of another, and goes.
#include <algorithm>

#include "backend/base/log.h"
#include "target/iscsi/connection.h"
#include "target/iscsi/server_state.h"
#include "target/iscsi/session.h"

namespace swiftness::iscsi {

bool Session::has_room_for(uint16_t cid) const {
  auto same = std::ranges::find(connections_, cid, &Connection::cid);
  return same != connections_.end() || connections_.size() < login_.parameters.max_connections;
}

void Session::add(std::shared_ptr<Connection> connection) {
  auto same = std::ranges::find(connections_, connection->cid(), &Connection::cid);
  std::shared_ptr<Connection> old = same != connections_.end() ? *same : nullptr;
  connections_.push_back(std::move(connection));  // first: the session shall not end with the old
  if (old) old->close("its initiator logged in again with its CID");
}

void Session::remove(const Connection& connection, const std::string& reason) {
  auto found = std::ranges::find(connections_, &connection, &std::shared_ptr<Connection>::get);
  if (found == connections_.end()) return;
  connections_.erase(found);
  if (connections_.empty()) return end(reason);

  // 7.6: nobody is told of their end, so the next command of each logical unit is (47/7F).
  auto is_of_it = [&](const ScsiTask& task) { return task.connection == &connection; };
  std::vector<ScsiTaskPtr> given_up = give_up_if(is_of_it);
  for (const ScsiTaskPtr& task : given_up) {
    router_->clear_by_transport(task->command.lun, nexus_, task->command.tag);
  }
  std::erase_if(told_, [&](const Told& told) {
    if (told.connection != &connection) return false;
    bool arrived = serial_less(told.stat_sn, connection.acknowledged());
    if (!arrived) router_->raise_again(told.lun, nexus_, told.attention);
    return true;
  });
  // What waited for its turn was not acknowledged, so its initiator may send it again (7.2.1).
  erase_if(held_, [&](const auto& entry) {
    if (entry.second.connection != &connection) return false;
    held_bytes_.remove(entry.second.data.size());
    return true;
  });
  log::info("connection {} of session {} of {} ended with {} commands, {} others live on: {}",
            connection.cid(), tsih_, login_.initiator, given_up.size(), connections_.size(),
            reason);
  if (!given_up.empty()) announce_window();
  forget_fences_of(connection);
}

void Session::announce_drop(const Connection& dropped) {
  for (const auto& connection : connections_) {
    if (connection.get() == &dropped) continue;
    AsyncMessage message;
    message.async_event = AsyncMessage::kDropsConnection;
    message.parameter1 = dropped.cid();
    return connection->respond(message);  // parameters 2 and 3: come at once, no task is retained
  }
}

bool Session::log_out_connection(uint16_t cid, const std::string& reason) {
  auto found = std::ranges::find(connections_, cid, &Connection::cid);
  if (found == connections_.end()) return false;
  std::shared_ptr<Connection> connection = *found;
  connection->close(reason);
  return true;
}

void Session::log_out(const Connection& last) {
  logged_out_ = true;
  auto connections = connections_;
  for (const auto& connection : connections) {
    if (connection.get() != &last) connection->close("its session was logged out");
  }
}

}  // namespace swiftness::iscsi
