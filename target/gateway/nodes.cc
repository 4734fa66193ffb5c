#include "target/gateway/nodes.h"

#include <algorithm>

#include "config/values.h"

namespace swiftness {

iscsi::IscsiLimits limits_of(const config::Limits& limits) {
  iscsi::IscsiLimits out;
  out.sessions = limits.sessions;
  out.command_timeout = limits.command_timeout;
  out.unsolicited_memory = limits.memory.value() / 4;
  out.answer_memory = limits.memory.value() / 16;
  out.solicited_memory = limits.memory.value() - out.unsolicited_memory - out.answer_memory;
  out.session_memory = std::min(out.session_memory, limits.memory.value() / 8);
  return out;
}

iscsi::PortalConfig portal_of(const config::Portal& portal) {
  iscsi::PortalConfig out;
  out.address = portal.listen.host;
  out.port = portal.listen.port;
  out.group = portal.group;
  if (portal.advertise) out.advertise = config::to_string(*portal.advertise);
  return out;
}

iscsi::ChapSecrets secrets_of(const config::Chap& chap) {
  iscsi::ChapSecrets out;
  if (chap.initiator) out.initiator = {chap.initiator->user, chap.initiator->secret};
  if (chap.target) out.target = {chap.target->user, chap.target->secret};
  return out;
}

namespace {

// Both layers have the same states, in the same order.
constexpr config::AccessState access_state_of(scsi::AccessState state) {
  return static_cast<config::AccessState>(state);
}
static_assert(access_state_of(scsi::AccessState::active_optimized) ==
              config::AccessState::optimized);
static_assert(access_state_of(scsi::AccessState::active_non_optimized) ==
              config::AccessState::non_optimized);
static_assert(access_state_of(scsi::AccessState::standby) == config::AccessState::standby);
static_assert(access_state_of(scsi::AccessState::unavailable) == config::AccessState::unavailable);

}  // namespace

// Portal groups are target port groups, by the same numbers.
scsi::AccessStates access_states_of(const config::Target& target) {
  scsi::AccessStates out;
  for (const auto& [group, state] : target.alua) {
    out.emplace(group, static_cast<scsi::AccessState>(state));
  }
  return out;
}

std::vector<admin::PathReport> paths_of(const scsi::AccessStates& states,
                                        const config::Target& target) {
  std::vector<admin::PathReport> out;
  for (const auto& [group, state] : states) {
    out.push_back({group, config::to_string(access_state_of(state)),
                   config::to_string(target.access_state(group))});
  }
  return out;
}

iscsi::TargetNode node_of(const config::Target& target, scsi::TaskRouter* router) {
  iscsi::TargetNode out;
  out.name = target.iqn;
  out.router = router;
  out.portal_groups = target.portal_groups;
  out.open = target.open;
  for (const config::Access& access : target.access) {
    out.access.push_back(
        {access.initiator, access.luns, access.read_only, secrets_of(access.chap)});
  }
  return out;
}

}  // namespace swiftness
