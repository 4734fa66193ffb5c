// Commands that are about the logical unit and not its medium.
#include <algorithm>
#include <utility>

#include "target/scsi/backend_error.h"
#include "target/scsi/capacity.h"
#include "target/scsi/cdb.h"
#include "target/scsi/commands.h"
#include "target/scsi/inquiry.h"
#include "target/scsi/logical_unit.h"
#include "target/scsi/mode_pages.h"

namespace swiftness::scsi {
namespace {

constexpr uint64_t kReadCapacity10Size = 8;  // READ CAPACITY(10) has no allocation length

AccessManagement access_management(const LogicalUnit& unit, const LogicalUnit::Nexus* nexus) {
  if (unit.target_port_groups().empty()) return AccessManagement::none;
  return nexus && nexus->may_set_access_states() ? AccessManagement::implicit_and_explicit
                                                 : AccessManagement::only_implicit;
}

}  // namespace

ScsiResult parameter_data(Bytes data, uint64_t allocation_length) {
  if (data.size() > allocation_length) data.resize(allocation_length);
  return good(std::move(data));
}

// ---- TEST UNIT READY, SPC-5 6.51
// -----------------------------------------------------------------

Checked check_test_unit_ready(const LogicalUnit&, const Cdb&) {
  return Transfer{};
}

// What could be reported has been by now: that it got here is the answer.
ScsiResult answer_test_unit_ready(LogicalUnit&, const Command&) {
  return ScsiResult{};
}

// ---- INQUIRY, SPC-5 6.7
// --------------------------------------------------------------------------

Checked check_inquiry(const LogicalUnit& unit, const Cdb& cdb) {
  InquiryCdb inquiry = decode_inquiry(cdb);
  bool known =
      inquiry.evpd ? has_vpd_page(inquiry.page_code, unit.identity()) : inquiry.page_code == 0;
  if (!known) return invalid_field_in_cdb(2);
  return to_initiator(inquiry.allocation_length);
}

ScsiResult answer_inquiry(LogicalUnit& unit, const Command& command) {
  InquiryCdb inquiry = decode_inquiry(command.cdb);
  const LogicalUnit::Nexus* nexus = unit.nexus(command.nexus);
  if (!inquiry.evpd) {
    return parameter_data(standard_inquiry(unit.identity(), kDirectAccessDevice,
                                           access_management(unit, nexus), unit.is_removable()),
                          inquiry.allocation_length);
  }
  std::optional<Bytes> page =
      vpd_page(inquiry.page_code, unit.identity(), nexus ? nexus->port : TargetPort{},
               unit.geometry(), unit.target_ports());
  return parameter_data(std::move(*page), inquiry.allocation_length);
}

// ---- REQUEST SENSE, SPC-5 6.40
// -------------------------------------------------------------------

Checked check_request_sense(const LogicalUnit&, const Cdb& cdb) {
  return to_initiator(decode_request_sense(cdb).allocation_length);
}

// Sense data about the unit as parameter data, with GOOD status. A unit attention goes first and
// counts as reported.
ScsiResult answer_request_sense(LogicalUnit& unit, const Command& command) {
  RequestSenseCdb request = decode_request_sense(command.cdb);
  LogicalUnit::Nexus* nexus = unit.nexus(command.nexus);
  std::optional<Sense> attention = nexus ? unit.take_attention(*nexus) : std::nullopt;
  Sense sense = attention ? *attention : unit.sense_now(nexus);
  SenseFormat format = request.descriptor_format ? SenseFormat::descriptor : SenseFormat::fixed;
  ScsiResult result = parameter_data(encode(sense, format), request.allocation_length);
  if (attention) result.attention = attention->additional;
  return result;
}

// ---- MODE SENSE, SPC-5 6.15 and 6.16
// -------------------------------------------------------------

namespace {

ModeValues mode_values(const LogicalUnit& unit) {
  ModeValues values;
  values.current = unit.mode();
  values.defaults = unit.default_mode();
  if (unit.device().keeps_metadata()) values.saved = unit.saved_mode();
  return values;
}

}  // namespace

Checked check_mode_sense(const LogicalUnit& unit, const Cdb& cdb) {
  ModeSenseCdb mode_sense = decode_mode_sense(cdb);
  std::variant<Bytes, Sense> data = mode_sense_data(mode_sense, mode_values(unit), unit.geometry());
  if (const Sense* sense = std::get_if<Sense>(&data)) return *sense;
  return to_initiator(mode_sense.allocation_length);
}

ScsiResult answer_mode_sense(LogicalUnit& unit, const Command& command) {
  ModeSenseCdb mode_sense = decode_mode_sense(command.cdb);
  const LogicalUnit::Nexus* nexus = unit.nexus(command.nexus);
  ModeValues values = mode_values(unit);
  values.write_protected = nexus && unit.is_write_protected(*nexus);
  std::variant<Bytes, Sense> data = mode_sense_data(mode_sense, values, unit.geometry());
  return parameter_data(std::move(std::get<Bytes>(data)), mode_sense.allocation_length);
}

// ---- MODE SELECT, SPC-5 6.13 and 6.14
// ------------------------------------------------------------

Checked check_mode_select(const LogicalUnit& unit, const Cdb& cdb) {
  const ModeSelectCdb mode_select = decode_mode_select(cdb);
  if (!mode_select.page_format) return invalid_field_in_cdb(1, 4);  // vendor-specific lists
  // Without a place to save them, PS is 0 in every page.
  if (mode_select.save_pages && !unit.device().keeps_metadata()) return invalid_field_in_cdb(1, 0);
  return Transfer{TransferPlan::Direction::from_initiator, mode_select.parameter_list_length};
}

asio::awaitable<ScsiResult> run_mode_select(LogicalUnit& unit, Command command, BufferList data_out,
                                            TicketPtr ticket) {
  const ModeSelectCdb mode_select = decode_mode_select(command.cdb);
  const Buffer list = data_out.flatten();
  std::variant<ModeParameters, Sense> parsed =
      parse_mode_select_list(list.bytes(), mode_select.ten, unit.mode(), unit.geometry());
  if (const Sense* sense = std::get_if<Sense>(&parsed)) co_return check_condition(*sense);
  const ModeParameters wanted = std::get<ModeParameters>(parsed);
  const BlockRange everything{Lba(0), unit.geometry().blocks};
  std::optional<RangeLocks::Hold> hold;
  if (unit.write_cache() && !wanted.write_cache) {
    // What the cache holds goes to the medium first (SBC-4 6.5.6). Writes that were let into it end
    // before, later ones wait: none is told GOOD for data in a cache that is said to be off.
    hold.emplace(unit.range_locks(), everything, Sharing::exclusive, ticket);
    if (!hold->granted()) co_await hold->turn();
    if (ticket->cancelled) co_return ended_with(Status::task_aborted);
    Result<void> flushed = co_await unit.device().flush();
    if (!flushed) co_return failed(unit, command, flushed.error(), MediumAccess::write);
    if (ticket->cancelled) co_return ended_with(Status::task_aborted);
  }
  if (mode_select.save_pages) {
    Result<void> saved =
        co_await unit.device().store_metadata(MetadataKey::mode_pages, encode(wanted));
    if (!saved) co_return failed(unit, command, saved.error(), MediumAccess::write);
    unit.set_saved_mode(wanted);
  }
  unit.set_mode(wanted, command.nexus);
  co_return ScsiResult{};
}

// ---- READ CAPACITY, SBC-4 5.22 and 5.23
// ----------------------------------------------------------

Checked check_read_capacity10(const LogicalUnit&, const Cdb&) {
  return to_initiator(kReadCapacity10Size);
}

ScsiResult answer_read_capacity10(LogicalUnit& unit, const Command&) {
  return good(read_capacity10_data(unit.geometry()));
}

Checked check_read_capacity16(const LogicalUnit&, const Cdb& cdb) {
  return to_initiator(decode_read_capacity16(cdb).allocation_length);
}

ScsiResult answer_read_capacity16(LogicalUnit& unit, const Command& command) {
  return parameter_data(read_capacity16_data(unit.geometry()),
                        decode_read_capacity16(command.cdb).allocation_length);
}

}  // namespace swiftness::scsi
