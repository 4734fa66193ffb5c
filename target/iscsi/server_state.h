// What the portals, connections and sessions of one Server share. It lives as long as any of them.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "backend/base/gate.h"
#include "target/iscsi/answer_memory.h"
#include "target/iscsi/limited_log.h"
#include "target/iscsi/login.h"
#include "target/iscsi/memory_budget.h"
#include "target/iscsi/target_node.h"

namespace swiftness::iscsi {

class Connection;
class Session;

class ServerState : public std::enable_shared_from_this<ServerState> {
 public:
  ServerState(Executor executor, const IscsiLimits& limits, std::vector<TargetNode> targets,
              ChapSecrets discovery_chap);
  ~ServerState();

  const Executor executor;
  const IscsiLimits limits;
  TargetList targets;                                     // replaced as a whole on reload
  ChapSecrets discovery_chap;                             // the same
  std::vector<PortalConfig> portals;                      // with the ports they really have
  std::map<uint16_t, std::shared_ptr<Session>> sessions;  // by TSIH
  bool stopping = false;
  std::optional<Drain> drain;
  ServerCounts counts;
  LimitedLog refused_logins, refused_connections, broken_connections, rejected_pdus, no_memory;
  const std::shared_ptr<TotalMemory> memory;
  AnswerMemory answers;

  Gate connections;  // portals and connections: none of them waits for a store
  Gate commands;     // commands inside a task router

  // --- connections before login (server_state.cc)
  bool admit_connection(const std::string& host);  // counts it as half open; false: too many
  void left_half_open(const std::string& host);
  void add(Connection& connection) { live_.emplace(&connection, connection_of(connection)); }
  void remove(Connection& connection) { live_.erase(&connection); }
  std::vector<std::shared_ptr<Connection>> live_connections() const;

  // --- sessions
  // The session a completed login asks for, in place of the one it reinstates (RFC 7143 6.3.5),
  // which ends at once. nullptr: no room.
  std::shared_ptr<Session> open_session(const LoginResult& login);
  void end_sessions_of(std::string target, const std::string& reason);
  std::shared_ptr<Session> find_session(const Isid& isid, uint16_t tsih) const;  // or nullptr

  // --- the budget of unsolicited data (DESIGN 7): commands granted x bytes each may bring
  static constexpr uint32_t kLeastWindow = 2;  // a session that may send nothing would be none
  uint32_t grant_window(uint64_t bytes_each, uint32_t wanted);  // at least that
  uint32_t grow_window(uint64_t bytes_each, uint32_t wanted);   // 0 when there is no more
  void return_window(uint64_t bytes_each, uint32_t granted);

 private:
  static std::weak_ptr<Connection> connection_of(Connection& connection);
  uint16_t free_tsih();

  std::unordered_map<std::string, size_t> half_open_;  // by address; counts has how many in all
  std::unordered_map<Connection*, std::weak_ptr<Connection>> live_;
  uint64_t unsolicited_ = 0;
  uint16_t last_tsih_ = 0;
};

}  // namespace swiftness::iscsi
