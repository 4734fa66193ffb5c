// Commands that tell what the logical unit can do and has done, and test it: MAINTENANCE IN, target
// port groups, LOG SENSE, diagnostics, the echo buffer, defect lists.
#include <utility>

#include "backend/base/endian.h"
#include "target/scsi/commands.h"
#include "target/scsi/log_pages.h"
#include "target/scsi/logical_unit.h"
#include "target/scsi/supported_commands.h"
#include "target/scsi/target_port_groups.h"

namespace swiftness::scsi {
namespace {

// READ BUFFER and WRITE BUFFER, MODE (SPC-5 6.18, 6.49).
constexpr uint8_t kEchoBuffer = 0x0a, kEchoBufferDescriptor = 0x0b;
constexpr uint32_t kEchoBufferBytes = 4096;

// SEND DIAGNOSTIC, SELF-TEST CODE (SPC-5 6.42).
constexpr uint8_t kForegroundShort = 5, kForegroundExtended = 6;

}  // namespace

// ---- REPORT SUPPORTED OPERATION CODES and TASK MANAGEMENT FUNCTIONS
// ------------------------------

Checked check_report_operation_codes(const LogicalUnit&, const Cdb& cdb) {
  const ReportOperationCodesCdb report = decode_report_operation_codes(cdb);
  std::variant<Bytes, Sense> data = supported_operation_codes_data(report);
  if (const Sense* sense = std::get_if<Sense>(&data)) return *sense;
  return to_initiator(report.allocation_length);
}

ScsiResult answer_report_operation_codes(LogicalUnit&, const Command& command) {
  const ReportOperationCodesCdb report = decode_report_operation_codes(command.cdb);
  std::variant<Bytes, Sense> data = supported_operation_codes_data(report);
  return parameter_data(std::move(std::get<Bytes>(data)), report.allocation_length);
}

Checked check_report_task_management(const LogicalUnit&, const Cdb& cdb) {
  return to_initiator(decode_report_task_management(cdb).allocation_length);
}

ScsiResult answer_report_task_management(LogicalUnit&, const Command& command) {
  const ReportTaskManagementCdb report = decode_report_task_management(command.cdb);
  return parameter_data(supported_task_management_data(report.extended), report.allocation_length);
}

// ---- REPORT TARGET PORT GROUPS, SPC-5 6.37
// -------------------------------------------------------

Checked check_report_target_port_groups(const LogicalUnit& unit, const Cdb& cdb) {
  const ReportTargetPortGroupsCdb report = decode_report_target_port_groups(cdb);
  if (unit.target_port_groups().empty()) return invalid_field_in_cdb(1, 4);  // TPGS=00b
  if (report.format > kExtendedFormat) return invalid_field_in_cdb(1, 7);
  return to_initiator(report.allocation_length);
}

ScsiResult answer_report_target_port_groups(LogicalUnit& unit, const Command& command) {
  const ReportTargetPortGroupsCdb report = decode_report_target_port_groups(command.cdb);
  return parameter_data(unit.target_port_groups().report(report.format), report.allocation_length);
}

// ---- SET TARGET PORT GROUPS, SPC-5 6.45
// ----------------------------------------------------------

Checked check_set_target_port_groups(const LogicalUnit& unit, const Cdb& cdb) {
  const uint32_t length = decode_set_target_port_groups(cdb).parameter_list_length;
  if (unit.target_port_groups().empty()) return invalid_field_in_cdb(1, 4);
  constexpr size_t kLongest =
      kSetGroupsHeaderBytes + kMaximumSetGroupDescriptors * kSetGroupDescriptorBytes;
  const bool is_whole = length >= kSetGroupsHeaderBytes &&
                        (length - kSetGroupsHeaderBytes) % kSetGroupDescriptorBytes == 0;
  if (length != 0 && (!is_whole || length > kLongest)) return invalid_field_in_cdb(6);
  return Transfer{TransferPlan::Direction::from_initiator, length};
}

// The states are everybody's: who may only read must not take the paths of those who write.
asio::awaitable<ScsiResult> run_set_target_port_groups(LogicalUnit& unit, Command command,
                                                       BufferList data_out, TicketPtr) {
  const LogicalUnit::Nexus* nexus = unit.nexus(command.nexus);
  if (!nexus) co_return ended_with(Status::task_aborted);
  if (!nexus->may_set_access_states()) {
    co_return check_condition({SenseKey::data_protect, asc::kWriteProtected});
  }
  const Buffer list = data_out.flatten();
  const std::optional<Sense> wrong = unit.set_target_port_groups(list.bytes(), command.nexus);
  if (wrong) co_return check_condition(*wrong);
  co_return ScsiResult{};
}

// ---- LOG SENSE, SPC-5 6.8
// ------------------------------------------------------------------------

Checked check_log_sense(const LogicalUnit& unit, const Cdb& cdb) {
  const LogSenseCdb log_sense = decode_log_sense(cdb);
  LogValues values;
  values.geometry = unit.geometry();
  std::variant<Bytes, Sense> data = log_sense_data(log_sense, values);
  if (const Sense* sense = std::get_if<Sense>(&data)) return *sense;
  return to_initiator(log_sense.allocation_length);
}

ScsiResult answer_log_sense(LogicalUnit& unit, const Command& command) {
  const LogSenseCdb log_sense = decode_log_sense(command.cdb);
  const LogValues values{unit.statistics(), unit.geometry(), unit.device().usage()};
  std::variant<Bytes, Sense> data = log_sense_data(log_sense, values);
  return parameter_data(std::move(std::get<Bytes>(data)), log_sense.allocation_length);
}

// ---- RECEIVE DIAGNOSTIC RESULTS, SPC-5 6.32
// ------------------------------------------------------

// The one page there is: the list of pages (SPC-5 7.2.3). Without PCV it is also what the last SEND
// DIAGNOSTIC has to say.
Checked check_receive_diagnostic(const LogicalUnit&, const Cdb& cdb) {
  const ReceiveDiagnosticCdb receive = decode_receive_diagnostic(cdb);
  if (receive.page_code_valid && receive.page_code != 0) return invalid_field_in_cdb(2);
  return to_initiator(receive.allocation_length);
}

ScsiResult answer_receive_diagnostic(LogicalUnit&, const Command& command) {
  return parameter_data({std::byte{0}, std::byte{0}, std::byte{0}, std::byte{1}, std::byte{0}},
                        decode_receive_diagnostic(command.cdb).allocation_length);
}

// ---- SEND DIAGNOSTIC, SPC-5 6.42
// -----------------------------------------------------------------

Checked check_send_diagnostic(const LogicalUnit&, const Cdb& cdb) {
  const SendDiagnosticCdb send = decode_send_diagnostic(cdb);
  const bool foreground =
      send.self_test_code == kForegroundShort || send.self_test_code == kForegroundExtended;
  if (send.self_test_code != 0 && (send.self_test || !foreground))
    return invalid_field_in_cdb(1, 7);
  if (send.parameter_list_length != 0) return invalid_field_in_cdb(3);  // no page can be sent
  return Transfer{};
}

// The self-test reads the first block: that goes all the way to where the data are.
asio::awaitable<ScsiResult> run_send_diagnostic(LogicalUnit& unit, Command command, BufferList,
                                                TicketPtr) {
  const SendDiagnosticCdb send = decode_send_diagnostic(command.cdb);
  if (!send.self_test && send.self_test_code == 0) co_return ScsiResult{};
  const BlockRange first{Lba(0), BlockCount(1)};
  Result<BufferList> data = co_await unit.device().read(first);
  if (data) co_return ScsiResult{};
  ScsiResult result = failed(unit, command, data.error(), MediumAccess::read);
  if (result.status != Status::check_condition) co_return result;
  co_return check_condition({SenseKey::hardware_error, asc::kLogicalUnitFailedSelfTest});
}

// ---- READ BUFFER and WRITE BUFFER, SPC-5 6.18 and 6.49
// -------------------------------------------

Checked check_read_buffer(const LogicalUnit&, const Cdb& cdb) {
  const BufferCdb buffer = decode_buffer(cdb);
  if (buffer.mode != kEchoBuffer && buffer.mode != kEchoBufferDescriptor) {
    return invalid_field_in_cdb(1, 4);
  }
  return to_initiator(buffer.length);  // BUFFER ID and OFFSET mean nothing in these modes
}

ScsiResult answer_read_buffer(LogicalUnit& unit, const Command& command) {
  const BufferCdb buffer = decode_buffer(command.cdb);
  if (buffer.mode == kEchoBufferDescriptor) {
    Bytes descriptor(4);
    descriptor[0] = std::byte{0x01};  // EBOS: each nexus has an echo buffer of its own
    store_be(&descriptor[2], static_cast<uint16_t>(kEchoBufferBytes));
    return parameter_data(std::move(descriptor), buffer.length);
  }
  const LogicalUnit::Nexus* nexus = unit.nexus(command.nexus);
  if (!nexus || nexus->echo_buffer.empty()) {
    return check_condition(illegal_request(asc::kCommandSequenceError));
  }
  const auto bytes = nexus->echo_buffer.bytes();
  return parameter_data({bytes.begin(), bytes.end()}, buffer.length);
}

Checked check_write_buffer(const LogicalUnit&, const Cdb& cdb) {
  const BufferCdb buffer = decode_buffer(cdb);
  if (buffer.mode != kEchoBuffer) return invalid_field_in_cdb(1, 4);
  if (buffer.length > kEchoBufferBytes) return invalid_field_in_cdb(6);
  return Transfer{TransferPlan::Direction::from_initiator, buffer.length};
}

asio::awaitable<ScsiResult> run_write_buffer(LogicalUnit& unit, Command command,
                                             BufferList data_out, TicketPtr) {
  LogicalUnit::Nexus* nexus = unit.nexus(command.nexus);
  // A copy: what comes may be a slice of something much larger.
  if (nexus) nexus->echo_buffer = Buffer::copy_of(data_out.flatten().bytes());
  co_return ScsiResult{};
}

// ---- READ DEFECT DATA, SBC-4 5.16 and 5.17
// -------------------------------------------------------

// There are no defects, in whatever format.
Checked check_read_defect_data(const LogicalUnit&, const Cdb& cdb) {
  return to_initiator(decode_read_defect_data(cdb).allocation_length);
}

ScsiResult answer_read_defect_data(LogicalUnit&, const Command& command) {
  const ReadDefectDataCdb read = decode_read_defect_data(command.cdb);
  Bytes data(read.twelve ? 8 : 4);
  data[1] = std::byte{read.lists_and_format};  // PLISTV, GLISTV and DEFECT LIST FORMAT as asked for
  return parameter_data(std::move(data), read.allocation_length);
}

// ---- PREVENT ALLOW MEDIUM REMOVAL, SBC-4 5.15
// ----------------------------------------------------

Checked check_prevent_allow(const LogicalUnit&, const Cdb& cdb) {
  if ((cdb[4] & 0x03) > 1) return invalid_field_in_cdb(4, 1);  // obsolete
  return Transfer{};
}

// Where the medium is not removable (RMB=0) this prevents what cannot happen.
ScsiResult answer_prevent_allow(LogicalUnit& unit, const Command& command) {
  LogicalUnit::Nexus* nexus = unit.nexus(command.nexus);
  if (nexus) nexus->prevents_removal = (command.cdb[4] & 0x01) != 0;
  return ScsiResult{};
}

}  // namespace swiftness::scsi
