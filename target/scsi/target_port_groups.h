// Asymmetric logical unit access (SPC-5 5.18): REPORT TARGET PORT GROUPS parameter data. Pure.
#pragma once

#include <cstdint>
#include <span>

#include "backend/base/buffer.h"
#include "target/scsi/identity.h"

namespace swiftness::scsi {

inline constexpr uint8_t kLengthOnlyFormat = 0, kExtendedFormat = 1;  // PARAMETER DATA FORMAT

// All ports of one gateway reach the volume equally well: each group of `ports` is
// active/optimized. Access states change with nothing yet (implicit management, TPGS=01b).
Bytes target_port_groups_data(std::span<const TargetPort> ports, uint8_t format);

}  // namespace swiftness::scsi
