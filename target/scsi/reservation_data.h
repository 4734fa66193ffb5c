// What PERSISTENT RESERVE OUT brings and PERSISTENT RESERVE IN answers, as bytes
// (SPC-5 6.15, 6.16). Pure.
#pragma once

#include <span>
#include <variant>

#include "target/scsi/cdb.h"
#include "target/scsi/reservations.h"

namespace swiftness::scsi {

// The action of a CDB and its parameter list, or what is wrong with them. `can_persist`: APTPL=1 is
// allowed.
std::variant<ReserveOut, Sense> parse_reserve_out(const PersistentReserveOutCdb& cdb,
                                                  std::span<const std::byte> list,
                                                  bool can_persist);

Bytes read_keys_data(const Reservations& reservations);
Bytes read_reservation_data(const Reservations& reservations);
Bytes report_capabilities_data(const Reservations& reservations, bool can_persist);
Bytes read_full_status_data(const Reservations& reservations);

}  // namespace swiftness::scsi
