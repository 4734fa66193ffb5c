// Who a logical unit is: every name an initiator may know it by, derived from the volume's UUID and
// the same for ever, on every gateway and every path. MPIO, cluster software and hardware ids
// depend on these bytes: changing how they are made would orphan every disk in the field.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "backend/base/buffer.h"
#include "backend/base/uuid.h"

namespace swiftness::scsi {

inline constexpr std::string_view kVendor = "SWIFTNES";       // T10 VENDOR IDENTIFICATION, 8 bytes
inline constexpr std::string_view kProduct = "VIRTUAL DISK";  // padded to 16
inline constexpr std::string_view kRevision = "0001";

// We own no company id (OUI). This one has the locally administered bit set: 02h 'S' 'W'.
inline constexpr uint32_t kCompanyId = 0x025357;

using Naa6 = std::array<std::byte, 16>;
using Eui64 = std::array<std::byte, 8>;

// NAA IEEE Registered Extended (SPC-5 7.7.6.6.5): 6h, company id, 100 bits of SHA-256 of the UUID.
Naa6 naa6_of(const Uuid& identity);
// EUI-64 (SPC-5 7.7.6.5.2): company id, 40 other bits of the same hash.
Eui64 eui64_of(const Uuid& identity);
// PRODUCT SERIAL NUMBER (VPD 80h): the UUID's 32 hexadecimal digits.
std::string serial_of(const Uuid& identity);

// The SCSI target port a nexus came in through (SPC-5 7.7.6.7 to 7.7.6.11). Unknown parts are
// left out of VPD page 83h.
struct TargetPort {
  std::string name;          // SCSI port name: for iSCSI "<iqn>,t,0x<tag>"
  uint16_t relative_id = 0;  // RELATIVE TARGET PORT IDENTIFIER; 0: unknown
  uint16_t group = 0;        // TARGET PORT GROUP; 0: unknown
};

// What INQUIRY answers from.
struct Identity {
  Uuid uuid;
  std::string product{kProduct};
  std::string revision{kRevision};
  std::string serial;          // empty: serial_of(uuid)
  std::string management_url;  // ASCII, at most 1024 bytes; empty: none is told
};

}  // namespace swiftness::scsi
