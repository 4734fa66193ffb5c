#include "target/iscsi/server.h"

#include "backend/base/log.h"
#include "target/iscsi/connection.h"
#include "target/iscsi/portal.h"
#include "target/iscsi/server_state.h"
#include "target/iscsi/session.h"

namespace swiftness::iscsi {

Server::Server(Executor executor, IscsiLimits limits, std::vector<PortalConfig> portals,
               std::vector<TargetNode> targets, ChapSecrets discovery_chap)
    : state_(std::make_shared<ServerState>(std::move(executor), limits, std::move(targets),
                                           std::move(discovery_chap))) {
  for (PortalConfig& config : portals) {
    portals_.push_back(std::make_shared<Portal>(state_, std::move(config)));
  }
}

Server::~Server() = default;

Result<void> Server::listen() {
  for (const auto& portal : portals_) {
    Result<void> listening = portal->listen();
    if (listening) continue;
    for (const auto& other : portals_) other->close();
    return listening.error();
  }
  state_->portals = portals();
  for (const auto& portal : portals_) {
    state_->connections.spawn("portal", Portal::accept(portal));
    log::info("listening on {} port {}, portal group {}", portal->config().address,
              portal->config().port, portal->config().group);
  }
  return {};
}

std::vector<PortalConfig> Server::portals() const {
  std::vector<PortalConfig> configs;
  for (const auto& portal : portals_) configs.push_back(portal->config());
  return configs;
}

void Server::replace_targets(std::vector<TargetNode> targets, ChapSecrets discovery_chap) {
  state_->discovery_chap = std::move(discovery_chap);
  state_->targets = std::make_shared<const std::vector<TargetNode>>(std::move(targets));
  for (const auto& connection : state_->live_connections()) {
    const auto& session = connection->session();
    if (!session) {  // it negotiates with the old list: it shall begin anew
      connection->close("the configuration changed during its login");
      continue;
    }
    const LoginResult& login = session->login();
    if (login.discovery) continue;
    const TargetNode* target = find_target(*state_->targets, login.target);
    bool there = target != nullptr && target->in_portal_group(login.portal_group);
    std::optional<AccessGrant> grant = there ? access_of(*target, login.initiator) : std::nullopt;
    if (grant && grant->read_only == login.grant.read_only) {
      if (grant->luns != login.grant.luns) session->change_luns(grant->luns);
    } else {
      connection->ask_to_leave("its access to the target changed");
    }
  }
}

ServerCounts Server::counts() const {
  ServerCounts counts = state_->counts;
  counts.unread_answers = state_->answers.in_use();
  return counts;
}

std::vector<SessionInfo> Server::sessions() const {
  std::vector<SessionInfo> list;
  for (const auto& [tsih, session] : state_->sessions) list.push_back(session->info());
  return list;
}

bool Server::drop_session(uint16_t tsih) {
  auto found = state_->sessions.find(tsih);
  if (found == state_->sessions.end()) return false;
  std::shared_ptr<Session> session = found->second;
  session->end("dropped by an administrator");
  return true;
}

void Server::drain(Drain drain) {
  state_->drain = std::move(drain);
  for (const auto& connection : state_->live_connections()) {
    const auto& session = connection->session();
    if (session && !session->login().discovery) connection->ask_to_leave("the gateway is drained");
  }
}

void Server::resume() {
  state_->drain.reset();
}

const std::optional<Drain>& Server::drained() const noexcept {
  return state_->drain;
}

Task Server::stop() {
  state_->stopping = true;
  for (const auto& portal : portals_) portal->close();
  for (const auto& connection : state_->live_connections()) {
    connection->ask_to_leave("the gateway stops");
  }
  co_await state_->connections.close();
}

Task Server::join() {
  return state_->commands.close();
}

}  // namespace swiftness::iscsi
