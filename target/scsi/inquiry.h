// INQUIRY data (SPC-5 6.7, 7.7; SBC-4 6.6): the standard data and the vital product data pages, as
// bytes. Pure. Nothing here truncates: cutting to the allocation length is the command's last step
// and always works.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "backend/base/buffer.h"
#include "backend/block_device.h"
#include "target/scsi/identity.h"

namespace swiftness::scsi {

// PERIPHERAL QUALIFIER and PERIPHERAL DEVICE TYPE (SPC-5 6.7.2).
inline constexpr std::byte kDirectAccessDevice{0x00};
inline constexpr std::byte kNoLogicalUnit{0x7f};  // 011b, 1Fh: no logical unit at this LUN

// TPGS: what changes the states of target port groups (SPC-5 table 145).
enum class AccessManagement : uint8_t { none = 0, only_implicit = 1, implicit_and_explicit = 3 };

Bytes standard_inquiry(const Identity& identity, std::byte peripheral,
                       AccessManagement management = AccessManagement::none,
                       bool removable = false);

namespace vpd {
inline constexpr uint8_t kSupportedPages = 0x00;
inline constexpr uint8_t kUnitSerialNumber = 0x80;
inline constexpr uint8_t kDeviceIdentification = 0x83;
inline constexpr uint8_t kManagementNetworkAddresses = 0x85;
inline constexpr uint8_t kExtendedInquiry = 0x86;
inline constexpr uint8_t kModePagePolicy = 0x87;
inline constexpr uint8_t kScsiPorts = 0x88;
inline constexpr uint8_t kThirdPartyCopy = 0x8f;
inline constexpr uint8_t kBlockLimits = 0xb0;
inline constexpr uint8_t kBlockDeviceCharacteristics = 0xb1;
inline constexpr uint8_t kLogicalBlockProvisioning = 0xb2;
}  // namespace vpd

bool has_vpd_page(uint8_t page_code, const Identity& identity) noexcept;

// A VPD page of a logical unit; nothing when there is no such page. `port` is the one the nexus
// came by, `ports` are all of its target.
std::optional<Bytes> vpd_page(uint8_t page_code, const Identity& identity, const TargetPort& port,
                              const Geometry& geometry, std::span<const TargetPort> ports = {});

// VPD page 00h where there is no logical unit: it lists itself.
Bytes vpd_supported_pages_of_nothing();

}  // namespace swiftness::scsi
