#include "target/scsi/target_port_groups.h"

#include <map>
#include <vector>

#include "backend/base/endian.h"

namespace swiftness::scsi {
namespace {

constexpr std::byte kActiveOptimized{0};
// T_SUP, O_SUP, U_SUP, S_SUP, AN_SUP are 0: a group is never in another state than this one.
constexpr std::byte kOnlyActiveOptimized{0x01};  // AO_SUP

}  // namespace

Bytes target_port_groups_data(std::span<const TargetPort> ports, uint8_t format) {
  std::map<uint16_t, std::vector<uint16_t>> groups;
  for (const TargetPort& port : ports) groups[port.group].push_back(port.relative_id);

  Bytes out(4);
  if (format == kExtendedFormat) {
    out.resize(8);
    out[4] = std::byte{kExtendedFormat << 4};
  }
  for (const auto& [group, ids] : groups) {  // SPC-5 table 322
    const size_t at = out.size();
    out.resize(at + 8 + 4 * ids.size());
    out[at] = kActiveOptimized;
    out[at + 1] = kOnlyActiveOptimized;
    store_be(&out[at + 2], group);
    out[at + 7] = static_cast<std::byte>(ids.size());
    for (size_t i = 0; i < ids.size(); ++i) store_be(&out[at + 8 + 4 * i + 2], ids[i]);
  }
  store_be(&out[0], static_cast<uint32_t>(out.size() - 4));
  return out;
}

}  // namespace swiftness::scsi
