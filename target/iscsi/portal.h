// Portal: one listening address (RFC 7143 4.2.6). It takes connections and starts serving them;
// what becomes of them is connection.h's story.
#pragma once

#include <boost/asio/ip/tcp.hpp>

#include <memory>

#include "backend/base/result.h"
#include "target/iscsi/server_state.h"

namespace swiftness::iscsi {

class Portal : public std::enable_shared_from_this<Portal> {
 public:
  Portal(std::shared_ptr<ServerState> server, PortalConfig config);

  Result<void> listen();  // afterwards config().port is the real one
  const PortalConfig& config() const noexcept { return config_; }

  static Task accept(std::shared_ptr<Portal> self);  // until close()
  void close();

 private:
  void take(boost::asio::ip::tcp::socket socket);

  std::shared_ptr<ServerState> server_;
  PortalConfig config_;
  boost::asio::ip::tcp::acceptor acceptor_;
};

}  // namespace swiftness::iscsi
