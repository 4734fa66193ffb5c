// Logical unit numbers as they travel in eight bytes (SAM-5 4.7), and REPORT LUNS data. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "target/scsi/command.h"

namespace swiftness::scsi {

inline constexpr uint16_t kHighestLun = 0x3fff;  // of flat space addressing

// Peripheral, flat space and (long) extended flat space addressing at the first level; nothing for
// any other form.
std::optional<uint16_t> lun_from_field(LunField field) noexcept;

// Peripheral addressing below 256, as every initiator expects it, flat space above.
LunField lun_to_field(uint16_t lun) noexcept;

// The same logical unit in the form of lun_to_field(): initiators may name it in one form in a
// command and in another in a task management function. Fields of other forms stay as they are.
LunField canonical(LunField field) noexcept;

Bytes report_luns_data(std::span<const uint16_t> luns);  // SPC-5 6.34.2

}  // namespace swiftness::scsi
