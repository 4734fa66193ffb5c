#include "target/scsi/target_port_groups.h"

#include <utility>

#include "backend/base/endian.h"

namespace swiftness::scsi {
namespace {

// U_SUP, S_SUP, AN_SUP, AO_SUP; T_SUP, O_SUP and LBD_SUP are 0.
constexpr std::byte kSupportedStates{0x08 | 0x04 | 0x02 | 0x01};

AccessState state_in(const AccessStates& states, uint16_t group) {
  const auto found = states.find(group);
  return found == states.end() ? AccessState::active_optimized : found->second;
}

}  // namespace

TargetPortGroups::TargetPortGroups(std::span<const TargetPort> ports,
                                   const AccessStates& configured) {
  for (const TargetPort& port : ports) groups_[port.group].ports.push_back(port.relative_id);
  for (auto& [number, group] : groups_)
    group.state = group.configured = state_in(configured, number);
}

AccessState TargetPortGroups::state_of(uint16_t group) const noexcept {
  const auto found = groups_.find(group);
  return found == groups_.end() ? AccessState::active_optimized : found->second.state;
}

AccessStates TargetPortGroups::states() const {
  AccessStates out;
  for (const auto& [number, group] : groups_) out.emplace(number, group.state);
  return out;
}

bool TargetPortGroups::change(Group& group, AccessState state, StatusCode why) {
  if (state == group.state) return false;
  group.state = state;
  group.status = why;
  return true;
}

bool TargetPortGroups::configure(const AccessStates& configured) {
  bool changed = false;
  for (auto& [number, group] : groups_) {
    const AccessState state = state_in(configured, number);
    if (state == std::exchange(group.configured, state)) continue;
    changed |= change(group, state, StatusCode::altered_implicitly);
  }
  return changed;
}

std::variant<bool, Sense> TargetPortGroups::set(std::span<const std::byte> list) {
  AccessStates wanted;
  for (size_t at = kSetGroupsHeaderBytes; at + kSetGroupDescriptorBytes <= list.size();
       at += kSetGroupDescriptorBytes) {
    const auto state = std::to_integer<uint8_t>(list[at] & std::byte{0x0f});
    const auto number = load_be<uint16_t>(&list[at + 2]);
    // Offline is a state of ports, which ours are never in; nobody may ask for transitioning.
    if (state > static_cast<uint8_t>(AccessState::unavailable)) {
      return invalid_field_in_parameter_list(static_cast<uint16_t>(at), 3);
    }
    const bool is_new = wanted.emplace(number, AccessState{state}).second;
    if (!is_new || !groups_.contains(number)) {
      return invalid_field_in_parameter_list(static_cast<uint16_t>(at + 2));
    }
  }
  bool changed = false;
  for (const auto& [number, state] : wanted) {
    changed |= change(groups_.at(number), state, StatusCode::altered_by_set);
  }
  return changed;
}

Bytes TargetPortGroups::report(uint8_t format) const {
  Bytes out(4);
  if (format == kExtendedFormat) {
    out.resize(8);
    out[4] = std::byte{kExtendedFormat << 4};  // IMPLICIT TRANSITION TIME 0: none takes any
  }
  for (const auto& [number, group] : groups_) {  // SPC-5 table 322
    const size_t at = out.size();
    out.resize(at + 8 + 4 * group.ports.size());
    out[at] = static_cast<std::byte>(group.state);
    out[at + 1] = kSupportedStates;
    store_be(&out[at + 2], number);
    out[at + 5] = static_cast<std::byte>(group.status);
    out[at + 7] = static_cast<std::byte>(group.ports.size());
    for (size_t i = 0; i < group.ports.size(); ++i) {
      store_be(&out[at + 8 + 4 * i + 2], group.ports[i]);
    }
  }
  store_be(&out[0], static_cast<uint32_t>(out.size() - 4));
  return out;
}

}  // namespace swiftness::scsi
