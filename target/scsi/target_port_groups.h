// Asymmetric logical unit access (SPC-5 5.18): in which state a logical unit's target port groups
// are, and what changes it: the configuration (implicit management) and SET TARGET PORT GROUPS
// (explicit). Every change is complete at once, so no group is ever transitioning. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <variant>
#include <vector>

#include "backend/base/buffer.h"
#include "target/scsi/identity.h"
#include "target/scsi/sense.h"

namespace swiftness::scsi {

enum class AccessState : uint8_t {  // ASYMMETRIC ACCESS STATE, SPC-5 table 323
  active_optimized = 0,
  active_non_optimized = 1,
  standby = 2,
  unavailable = 3,
};

// Of target port groups, by their number. Who is not named is active/optimized.
using AccessStates = std::map<uint16_t, AccessState>;

inline constexpr uint8_t kLengthOnlyFormat = 0, kExtendedFormat = 1;  // PARAMETER DATA FORMAT

// SET TARGET PORT GROUPS, PARAMETER LIST LENGTH in bytes: a header and whole descriptors, no more
// than so many.
inline constexpr size_t kSetGroupsHeaderBytes = 4, kSetGroupDescriptorBytes = 4;
inline constexpr size_t kMaximumSetGroupDescriptors = 256;

class TargetPortGroups {
 public:
  TargetPortGroups(std::span<const TargetPort> ports, const AccessStates& configured);

  bool empty() const noexcept { return groups_.empty(); }
  AccessState state_of(uint16_t group) const noexcept;  // active/optimized: there is no such group
  AccessStates states() const;                          // of every group

  // The configuration says this from now on. A group that it says something else of than before
  // takes that state, whatever was set meanwhile. Is any group in another state now?
  bool configure(const AccessStates& configured);

  // The parameter list of SET TARGET PORT GROUPS (SPC-5 6.45): all of it, or none and what is wrong
  // with it. Is any group in another state now?
  std::variant<bool, Sense> set(std::span<const std::byte> list);

  Bytes report(uint8_t format) const;  // REPORT TARGET PORT GROUPS parameter data (SPC-5 6.37)

 private:
  enum class StatusCode : uint8_t { none = 0, altered_by_set = 1, altered_implicitly = 2 };
  struct Group {
    AccessState state = AccessState::active_optimized;
    AccessState configured = AccessState::active_optimized;
    StatusCode status = StatusCode::none;  // why the state is what it is
    std::vector<uint16_t> ports{};         // relative target port identifiers
  };

  static bool change(Group& group, AccessState state, StatusCode why);

  std::map<uint16_t, Group> groups_;
};

}  // namespace swiftness::scsi
