// I_T nexuses by name, as reservations know them (SPC-5 5.14): a name lives on when its session
// ends, and a later session of the same two ports has it again. TransportID on the wire: SPC-5
// 7.6.4.6. Pure.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "backend/base/buffer.h"

namespace swiftness::scsi {

struct NexusName {
  std::string initiator_port{};       // SCSI initiator port name: "<iqn>,i,0x<isid>"
  uint16_t relative_target_port = 0;  // RELATIVE TARGET PORT IDENTIFIER
  friend auto operator<=>(const NexusName&, const NexusName&) = default;
};

// iSCSI names compare without regard to case: names are kept in lower case.
NexusName nexus_name(std::string_view initiator_port, uint16_t relative_target_port);

// The iSCSI TransportID of an initiator port (format 01b).
Bytes transport_id_of(std::string_view initiator_port);

// The first TransportID in `bytes`, and how long it is; nothing when there is none of an iSCSI
// initiator port. Format 00b, a device without its port, names no nexus.
struct ParsedTransportId {
  std::string initiator_port;
  size_t size = 0;
};
std::optional<ParsedTransportId> parse_transport_id(std::span<const std::byte> bytes);

}  // namespace swiftness::scsi
