// What the iSCSI and SCSI layers are told, made of the configuration. Pure.
#pragma once

#include <vector>

#include "config/config.h"
#include "target/admin/api.h"
#include "target/iscsi/target_node.h"
#include "target/scsi/target_port_groups.h"

namespace swiftness {

iscsi::IscsiLimits limits_of(const config::Limits& limits);
iscsi::PortalConfig portal_of(const config::Portal& portal);
iscsi::ChapSecrets secrets_of(const config::Chap& chap);
scsi::AccessStates access_states_of(const config::Target& target);
// And back, for the admin API: the states that groups of this target are in.
std::vector<admin::PathReport> paths_of(const scsi::AccessStates& states,
                                        const config::Target& target);
iscsi::TargetNode node_of(const config::Target& target, scsi::TaskRouter* router);

}  // namespace swiftness
