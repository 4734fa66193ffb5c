// SendTargets (RFC 7143 Appendix C), pure: which targets and addresses an initiator is told.
#pragma once

#include <boost/asio/ip/tcp.hpp>

#include <span>
#include <string>
#include <string_view>

#include "target/iscsi/target_node.h"

namespace swiftness::iscsi {

struct DiscoveryRequest {
  std::string_view send_targets;  // value of the key: "All", a target's name, or empty
  std::string_view initiator;
  std::string_view session_target;         // of a normal session; empty in a discovery session
  boost::asio::ip::address local_address;  // of this connection: what a wildcard portal stands for
};

// The text of the answer: TargetName, then one TargetAddress=host:port,group for every portal that
// leads to it. Targets the initiator may not use are not there. "SendTargets=Reject" where the
// value is not allowed (All in a normal session, another target's name).
std::string answer_send_targets(const DiscoveryRequest& request,
                                std::span<const TargetNode> targets,
                                std::span<const PortalConfig> portals);

}  // namespace swiftness::iscsi
