// Server: the iSCSI side of the gateway as a whole. It listens on the portals, takes connections
// through login into sessions, and lists them. This and target_node.h is what target/gateway uses.
//
//   Server server(executor, limits, portals, targets);
//   Result<void> listening = server.listen();      // before anything is attached (DESIGN 7)
//   ...
//   co_await server.stop();                        // never waits for a store
//   (stop the volumes)
//   co_await server.join();                        // the last detached commands have returned
//
// Everything runs on one executor, the shard that owns the targets' logical units. The Server is
// destroyed only after join() has returned, the task routers only after the Server.
#pragma once

#include <memory>
#include <vector>

#include "backend/base/async.h"
#include "backend/base/result.h"
#include "target/iscsi/target_node.h"

namespace swiftness::iscsi {

class Portal;
class ServerState;

class Server {
 public:
  Server(Executor executor, IscsiLimits limits, std::vector<PortalConfig> portals,
         std::vector<TargetNode> targets, ChapSecrets discovery_chap = {});
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Opens every portal, or none of them.
  Result<void> listen();

  // The portals with the ports they really have.
  std::vector<PortalConfig> portals() const;

  // New targets, access lists and secrets (reload). Sessions of a target that is gone, or whose
  // initiator may no longer use it as it did, are asked to log out, then closed. One that may only
  // use other logical units than before goes on, and is told of them.
  void replace_targets(std::vector<TargetNode> targets, ChapSecrets discovery_chap);

  std::vector<SessionInfo> sessions() const;
  ServerCounts counts() const;
  bool drop_session(uint16_t tsih);  // closes it at once; false: no such session

  // From now on a login to a target is refused, and sent to `drain.moved_to` if that says where
  // (11.13.5); sessions are asked to log out, then closed. Discovery goes on.
  void drain(Drain drain);
  void resume();
  const std::optional<Drain>& drained() const noexcept;

  // Stops listening, asks initiators to log out, closes what is left after limits.logout_grace.
  // Commands are given up, not awaited.
  Task stop();
  // Returns when no command of any session is inside a task router any more.
  Task join();

 private:
  std::shared_ptr<ServerState> state_;
  std::vector<std::shared_ptr<Portal>> portals_;
};

}  // namespace swiftness::iscsi
