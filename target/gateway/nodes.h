// What the iSCSI and SCSI layers are told, made of the configuration. Pure.
#pragma once

#include "config/config.h"
#include "target/iscsi/target_node.h"
#include "target/scsi/target_port_groups.h"

namespace swiftness {

iscsi::IscsiLimits limits_of(const config::Limits& limits);
iscsi::PortalConfig portal_of(const config::Portal& portal);
iscsi::ChapSecrets secrets_of(const config::Chap& chap);
scsi::AccessStates access_states_of(const config::Target& target);
iscsi::TargetNode node_of(const config::Target& target, scsi::TaskRouter* router);

}  // namespace swiftness
