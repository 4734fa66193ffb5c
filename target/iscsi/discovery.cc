#include "target/iscsi/discovery.h"

#include <fmt/core.h>

#include "target/iscsi/negotiation.h"
#include "target/iscsi/text_keys.h"

namespace swiftness::iscsi {
namespace {

using Address = boost::asio::ip::address;

std::string with_port(const Address& address, uint16_t port) {
  return address.is_v6() ? fmt::format("[{}]:{}", address.to_string(), port)
                         : fmt::format("{}:{}", address.to_string(), port);
}

// "host", "host:port", "[v6]" or "[v6]:port"; a bare IPv6 address gets its brackets.
std::string advertised(const std::string& advertise, uint16_t port) {
  boost::system::error_code not_an_address;
  Address address = boost::asio::ip::make_address(advertise, not_an_address);
  if (!not_an_address) return with_port(address, port);
  size_t colon = advertise.rfind(':');
  bool has_port = colon != std::string::npos && advertise.find(']', colon) == std::string::npos;
  return has_port ? advertise : fmt::format("{}:{}", advertise, port);
}

// Empty: the portal cannot be reached the way this connection came (a wildcard of the other
// family).
std::string address_of(const PortalConfig& portal, const Address& local) {
  if (!portal.advertise.empty()) return advertised(portal.advertise, portal.port);
  boost::system::error_code failure;
  Address address = boost::asio::ip::make_address(portal.address, failure);
  if (failure) return {};
  if (!address.is_unspecified()) return with_port(address, portal.port);
  return address.is_v6() == local.is_v6() ? with_port(local, portal.port) : std::string();
}

void append_target(std::string& text, const TargetNode& target,
                   std::span<const PortalConfig> portals, const Address& local) {
  append_key(text, "TargetName", target.name);
  for (const PortalConfig& portal : portals) {
    if (!target.in_portal_group(portal.group)) continue;
    std::string address = address_of(portal, local);
    if (address.empty()) continue;
    append_key(text, "TargetAddress", fmt::format("{},{}", address, portal.group));
  }
}

}  // namespace

std::string answer_send_targets(const DiscoveryRequest& request,
                                std::span<const TargetNode> targets,
                                std::span<const PortalConfig> portals) {
  std::string text;
  bool discovery = request.session_target.empty();
  bool all = discovery && request.send_targets == "All";
  std::string_view wanted = request.send_targets;
  if (wanted.empty()) wanted = request.session_target;  // "the target I am logged in to"
  bool forbidden = !discovery && !same_iscsi_name(wanted, request.session_target);
  if (wanted.empty() || forbidden) {
    append_key(text, "SendTargets", kReject);
    return text;
  }
  for (const TargetNode& target : targets) {
    if (!all && !same_iscsi_name(target.name, wanted)) continue;
    if (!access_of(target, request.initiator)) continue;
    append_target(text, target, portals, request.local_address);
  }
  return text;
}

}  // namespace swiftness::iscsi
