// PERSISTENT RESERVE IN and OUT, and RESERVE and RELEASE of SPC-2.
#include <utility>

#include "target/scsi/commands.h"
#include "target/scsi/logical_unit.h"
#include "target/scsi/reservation_data.h"

namespace swiftness::scsi {
namespace {

namespace reserve_in {
constexpr uint8_t kReadKeys = 0, kReadReservation = 1, kReportCapabilities = 2;
}

ScsiResult result_of(const Reservations::Outcome& outcome) {
  return outcome.sense ? check_condition(*outcome.sense) : ended_with(outcome.status);
}

}  // namespace

// ---- PERSISTENT RESERVE IN, SPC-5 6.15
// -----------------------------------------------------------

Checked check_persistent_reserve_in(const LogicalUnit&, const Cdb& cdb) {
  return to_initiator(decode_persistent_reserve_in(cdb).allocation_length);
}

ScsiResult answer_persistent_reserve_in(LogicalUnit& unit, const Command& command) {
  const PersistentReserveInCdb in = decode_persistent_reserve_in(command.cdb);
  const Reservations& reservations = unit.reservations();
  Bytes data;
  switch (in.service_action) {
    case reserve_in::kReadKeys:
      data = read_keys_data(reservations);
      break;
    case reserve_in::kReadReservation:
      data = read_reservation_data(reservations);
      break;
    case reserve_in::kReportCapabilities:
      data = report_capabilities_data(reservations, unit.device().keeps_metadata());
      break;
    default:
      data = read_full_status_data(reservations);
      break;
  }
  return parameter_data(std::move(data), in.allocation_length);
}

// ---- PERSISTENT RESERVE OUT, SPC-5 6.16
// ----------------------------------------------------------

Checked check_persistent_reserve_out(const LogicalUnit&, const Cdb& cdb) {
  return Transfer{TransferPlan::Direction::from_initiator,
                  decode_persistent_reserve_out(cdb).parameter_list_length};
}

// One at a time, also when one was given up: each begins with what the one before it has made
// durable.
asio::awaitable<ScsiResult> run_persistent_reserve_out(LogicalUnit& unit, Command command,
                                                       BufferList data_out, TicketPtr ticket) {
  const PersistentReserveOutCdb cdb = decode_persistent_reserve_out(command.cdb);
  const Buffer list = data_out.flatten();
  RangeLocks::Hold turn(unit.reserve_out_turns(), {Lba(0), BlockCount(1)}, Sharing::exclusive,
                        std::make_shared<Ticket>());
  if (!turn.granted()) co_await turn.turn();
  const LogicalUnit::Nexus* from = unit.nexus(command.nexus);
  if (ticket->cancelled || !from) co_return ended_with(Status::task_aborted);
  if (unit.is_reserved()) co_return ended_with(Status::reservation_conflict);

  const bool can_persist = unit.device().keeps_metadata();
  std::variant<ReserveOut, Sense> parsed = parse_reserve_out(cdb, list.bytes(), can_persist);
  if (const Sense* sense = std::get_if<Sense>(&parsed)) co_return check_condition(*sense);
  Reservations next = unit.reservations();
  Reservations::Outcome outcome =
      next.apply(std::get<ReserveOut>(parsed), from->name, unit.target_port_ids());
  if (outcome.status != Status::good) co_return result_of(outcome);
  if (next.persists() || unit.reservations().persists()) {
    Bytes record = next.encode();
    Result<void> stored =
        co_await unit.device().store_metadata(MetadataKey::reservations, std::move(record));
    if (!stored) co_return failed(unit, command, stored.error(), MediumAccess::write);
  }
  // Whether the command was given up meanwhile or not: it is durable, so it has happened.
  unit.set_reservations(std::move(next), outcome, command.nexus);
  co_return ScsiResult{};
}

// ---- RESERVE and RELEASE, SPC-2 7.21, 7.22, 7.16, 7.17
// -------------------------------------------

// Neither for others (3RDPTY, LONGID) nor of extents.
Checked check_reserve(const LogicalUnit&, const Cdb& cdb) {
  if ((cdb[1] & 0x1f) != 0) return invalid_field_in_cdb(1, 4);
  return Transfer{};
}

ScsiResult answer_reserve(LogicalUnit& unit, const Command& command) {
  return ended_with(unit.reserve(command.nexus) ? Status::good : Status::reservation_conflict);
}

ScsiResult answer_release(LogicalUnit& unit, const Command& command) {
  return ended_with(unit.release(command.nexus) ? Status::good : Status::reservation_conflict);
}

}  // namespace swiftness::scsi
