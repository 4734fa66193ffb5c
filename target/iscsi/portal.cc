#include "target/iscsi/portal.h"

#include <fmt/core.h>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/redirect_error.hpp>

#include "backend/base/log.h"
#include "target/iscsi/connection.h"

namespace swiftness::iscsi {

using boost::asio::ip::tcp;

Portal::Portal(std::shared_ptr<ServerState> server, PortalConfig config)
    : server_(std::move(server)), config_(std::move(config)), acceptor_(server_->executor) {}

Result<void> Portal::listen() {
  boost::system::error_code failure;
  auto failed = [&](std::string_view what) {
    return Error(ErrorCode::invalid, fmt::format("portal {} port {}: {}: {}", config_.address,
                                                 config_.port, what, failure.message()));
  };
  auto address = boost::asio::ip::make_address(config_.address, failure);
  if (failure) return failed("not an IP address");
  tcp::endpoint endpoint(address, config_.port);
  acceptor_.open(endpoint.protocol(), failure);
  if (failure) return failed("cannot open");
  acceptor_.set_option(tcp::acceptor::reuse_address(true), failure);
  // "::" is IPv6 alone: who wants both families names both portals.
  if (address.is_v6()) acceptor_.set_option(boost::asio::ip::v6_only(true), failure);
  acceptor_.bind(endpoint, failure);
  if (failure) return failed("cannot bind");
  acceptor_.listen(boost::asio::socket_base::max_listen_connections, failure);
  if (failure) return failed("cannot listen");
  config_.port = acceptor_.local_endpoint(failure).port();
  return {};
}

Task Portal::accept(std::shared_ptr<Portal> self) {
  while (self->acceptor_.is_open()) {
    boost::system::error_code failure;
    tcp::socket socket =
        co_await self->acceptor_.async_accept(asio::redirect_error(asio::use_awaitable, failure));
    if (!self->acceptor_.is_open()) co_return;
    if (!failure) {
      self->take(std::move(socket));
      continue;
    }
    if (failure == asio::error::connection_aborted) continue;
    // Out of descriptors or memory: the connections we have are more important than new ones.
    log::error("portal {} port {}: cannot accept: {}", self->config_.address, self->config_.port,
               failure.message());
    co_await sleep_for(std::chrono::milliseconds(100));
  }
}

void Portal::take(tcp::socket socket) {
  boost::system::error_code gone;
  auto remote = socket.remote_endpoint(gone);
  if (gone) return;
  if (!server_->admit_connection(remote.address().to_string())) {
    ++server_->counts.connections_refused;
    server_->refused_connections.warning(
        "connection from {} refused: too many from there, or in all, have not logged in",
        remote.address().to_string());
    return;
  }
  auto connection = std::make_shared<Connection>(server_, std::move(socket), remote, config_);
  server_->connections.spawn("connection", Connection::serve(connection));
}

void Portal::close() {
  boost::system::error_code ignored;
  acceptor_.close(ignored);
}

}  // namespace swiftness::iscsi
