#include "target/iscsi/server_state.h"

#include <algorithm>

#include "target/iscsi/connection.h"
#include "target/iscsi/session.h"

namespace swiftness::iscsi {

ServerState::ServerState(Executor executor_, const IscsiLimits& limits_,
                         std::vector<TargetNode> targets_, ChapSecrets discovery_chap_)
    : executor(std::move(executor_)),
      limits(limits_),
      targets(std::make_shared<const std::vector<TargetNode>>(std::move(targets_))),
      discovery_chap(std::move(discovery_chap_)),
      memory(std::make_shared<TotalMemory>(limits.unsolicited_memory, limits.solicited_memory,
                                           limits.sessions)),
      answers(limits.connection_answers, limits.answer_memory),
      connections(executor),
      commands(executor) {}

ServerState::~ServerState() = default;

bool ServerState::admit_connection(const std::string& host) {
  if (counts.half_open >= limits.half_open) return false;
  size_t& here = half_open_[host];
  if (here >= limits.half_open_per_address) return false;
  ++here;
  ++counts.half_open;
  return true;
}

void ServerState::left_half_open(const std::string& host) {
  auto found = half_open_.find(host);
  CHECK(found != half_open_.end() && counts.half_open > 0);
  --counts.half_open;
  if (--found->second == 0) half_open_.erase(found);
}

std::weak_ptr<Connection> ServerState::connection_of(Connection& connection) {
  return connection.weak_from_this();
}

std::vector<std::shared_ptr<Connection>> ServerState::live_connections() const {
  std::vector<std::shared_ptr<Connection>> alive;
  for (const auto& [key, weak] : live_) {
    if (auto connection = weak.lock()) alive.push_back(std::move(connection));
  }
  return alive;
}

std::shared_ptr<Session> ServerState::find_session(const Isid& isid, uint16_t tsih) const {
  auto found = sessions.find(tsih);
  if (found == sessions.end() || found->second->login().isid != isid) return nullptr;
  return found->second;
}

std::shared_ptr<Session> ServerState::open_session(const LoginResult& login) {
  auto reinstated = std::ranges::find_if(sessions, [&](const auto& entry) {
    const LoginResult& other = entry.second->login();
    return !login.discovery && !other.discovery && other.isid == login.isid &&
           other.portal_group == login.portal_group && other.target == login.target &&
           same_iscsi_name(other.initiator, login.initiator);
  });
  if (reinstated != sessions.end()) {
    std::shared_ptr<Session> old = reinstated->second;
    old->end("its initiator logged in again");
  }
  if (stopping || sessions.size() >= limits.sessions) return nullptr;
  uint16_t tsih = free_tsih();
  auto session = std::make_shared<Session>(shared_from_this(), login, tsih);
  sessions.emplace(tsih, session);
  session->begin();
  return session;
}

void ServerState::end_sessions_of(std::string target, const std::string& reason) {
  std::vector<std::shared_ptr<Session>> chosen;
  for (const auto& [tsih, session] : sessions) {
    if (session->login().target == target) chosen.push_back(session);
  }
  for (const auto& session : chosen) session->end(reason);
}

uint16_t ServerState::free_tsih() {
  do {
    ++last_tsih_;
  } while (last_tsih_ == 0 || sessions.contains(last_tsih_));
  return last_tsih_;
}

uint32_t ServerState::grant_window(uint64_t bytes_each, uint32_t wanted) {
  uint32_t granted = grow_window(bytes_each, wanted);
  if (granted >= kLeastWindow) return granted;
  unsolicited_ += (kLeastWindow - granted) * bytes_each;
  return kLeastWindow;
}

uint32_t ServerState::grow_window(uint64_t bytes_each, uint32_t wanted) {
  if (bytes_each == 0) return wanted;
  uint64_t left = limits.unsolicited_memory - std::min(unsolicited_, limits.unsolicited_memory);
  uint32_t granted = static_cast<uint32_t>(std::min<uint64_t>(wanted, left / bytes_each));
  unsolicited_ += granted * bytes_each;
  return granted;
}

void ServerState::return_window(uint64_t bytes_each, uint32_t granted) {
  unsolicited_ -= granted * bytes_each;
}

}  // namespace swiftness::iscsi
