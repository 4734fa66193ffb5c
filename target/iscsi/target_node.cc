#include "target/iscsi/target_node.h"

#include <algorithm>

namespace swiftness::iscsi {

bool TargetNode::in_portal_group(uint16_t group) const noexcept {
  return portal_groups.empty() || std::ranges::find(portal_groups, group) != portal_groups.end();
}

bool same_iscsi_name(std::string_view a, std::string_view b) noexcept {
  auto fold = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::ranges::equal(a, b, {}, fold, fold);
}

const TargetNode* find_target(std::span<const TargetNode> targets, std::string_view name) noexcept {
  for (const TargetNode& target : targets) {
    if (same_iscsi_name(target.name, name)) return &target;
  }
  return nullptr;
}

namespace {

const AccessEntry* line_for(const TargetNode& target, std::string_view initiator) {
  const AccessEntry* for_all = nullptr;
  for (const AccessEntry& entry : target.access) {
    if (same_iscsi_name(entry.initiator, initiator)) return &entry;
    if (entry.initiator == "*" && for_all == nullptr) for_all = &entry;
  }
  return for_all;
}

}  // namespace

std::optional<AccessGrant> access_of(const TargetNode& target, std::string_view initiator) {
  const AccessEntry* line = line_for(target, initiator);
  if (line != nullptr) return AccessGrant{line->luns, line->read_only};
  if (target.open) return AccessGrant{};
  return std::nullopt;
}

ChapSecrets chap_of(const TargetNode& target, std::string_view initiator) {
  const AccessEntry* line = line_for(target, initiator);
  return line != nullptr ? line->chap : ChapSecrets{};
}

}  // namespace swiftness::iscsi
