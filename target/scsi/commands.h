// The commands themselves, as the command table refers to them.
#pragma once

#include <variant>

#include "target/scsi/backend_error.h"
#include "target/scsi/cdb.h"
#include "target/scsi/command_table.h"

namespace swiftness::scsi {

using Checked = std::variant<Transfer, Sense>;

// ---- device_commands.cc: about the logical unit
// ----
Checked check_test_unit_ready(const LogicalUnit& unit, const Cdb& cdb);
ScsiResult answer_test_unit_ready(LogicalUnit& unit, const Command& command);

Checked check_inquiry(const LogicalUnit& unit, const Cdb& cdb);
ScsiResult answer_inquiry(LogicalUnit& unit, const Command& command);

Checked check_request_sense(const LogicalUnit& unit, const Cdb& cdb);
ScsiResult answer_request_sense(LogicalUnit& unit, const Command& command);

Checked check_mode_sense(const LogicalUnit& unit, const Cdb& cdb);
ScsiResult answer_mode_sense(LogicalUnit& unit, const Command& command);

Checked check_mode_select(const LogicalUnit& unit, const Cdb& cdb);
asio::awaitable<ScsiResult> run_mode_select(LogicalUnit& unit, Command command, BufferList data_out,
                                            TicketPtr ticket);

Checked check_read_capacity10(const LogicalUnit& unit, const Cdb& cdb);
ScsiResult answer_read_capacity10(LogicalUnit& unit, const Command& command);

Checked check_read_capacity16(const LogicalUnit& unit, const Cdb& cdb);
ScsiResult answer_read_capacity16(LogicalUnit& unit, const Command& command);

// ---- block_commands.cc: about the medium; they wait for the device
// -------------------------------
Checked check_read(const LogicalUnit& unit, const Cdb& cdb);
asio::awaitable<ScsiResult> run_read(LogicalUnit& unit, Command command, BufferList data_out,
                                     TicketPtr ticket);

Checked check_write(const LogicalUnit& unit, const Cdb& cdb);
asio::awaitable<ScsiResult> run_write(LogicalUnit& unit, Command command, BufferList data_out,
                                      TicketPtr ticket);

Checked check_synchronize_cache(const LogicalUnit& unit, const Cdb& cdb);
asio::awaitable<ScsiResult> run_synchronize_cache(LogicalUnit& unit, Command command,
                                                  BufferList data_out, TicketPtr ticket);

Checked check_pre_fetch(const LogicalUnit& unit, const Cdb& cdb);
asio::awaitable<ScsiResult> run_pre_fetch(LogicalUnit& unit, Command command, BufferList data_out,
                                          TicketPtr ticket);

Checked check_unmap(const LogicalUnit& unit, const Cdb& cdb);
asio::awaitable<ScsiResult> run_unmap(LogicalUnit& unit, Command command, BufferList data_out,
                                      TicketPtr ticket);

Checked check_get_lba_status(const LogicalUnit& unit, const Cdb& cdb);
asio::awaitable<ScsiResult> run_get_lba_status(LogicalUnit& unit, Command command,
                                               BufferList data_out, TicketPtr ticket);

Checked check_start_stop_unit(const LogicalUnit& unit, const Cdb& cdb);
asio::awaitable<ScsiResult> run_start_stop_unit(LogicalUnit& unit, Command command,
                                                BufferList data_out, TicketPtr ticket);

Checked check_write_atomic(const LogicalUnit& unit, const Cdb& cdb);
asio::awaitable<ScsiResult> run_write_atomic(LogicalUnit& unit, Command command,
                                             BufferList data_out, TicketPtr ticket);

// ---- identifying_information.cc: names that administrators give to a logical unit
// ----------------
Checked check_report_identifying_information(const LogicalUnit& unit, const Cdb& cdb);
asio::awaitable<ScsiResult> run_report_identifying_information(LogicalUnit& unit, Command command,
                                                               BufferList data_out,
                                                               TicketPtr ticket);
Checked check_set_identifying_information(const LogicalUnit& unit, const Cdb& cdb);
asio::awaitable<ScsiResult> run_set_identifying_information(LogicalUnit& unit, Command command,
                                                            BufferList data_out, TicketPtr ticket);

// ---- report_commands.cc: what the unit can do and has done, and by which ports it is reached ---
Checked check_report_operation_codes(const LogicalUnit& unit, const Cdb& cdb);
ScsiResult answer_report_operation_codes(LogicalUnit& unit, const Command& command);

Checked check_report_task_management(const LogicalUnit& unit, const Cdb& cdb);
ScsiResult answer_report_task_management(LogicalUnit& unit, const Command& command);

Checked check_report_target_port_groups(const LogicalUnit& unit, const Cdb& cdb);
ScsiResult answer_report_target_port_groups(LogicalUnit& unit, const Command& command);

Checked check_set_target_port_groups(const LogicalUnit& unit, const Cdb& cdb);
asio::awaitable<ScsiResult> run_set_target_port_groups(LogicalUnit& unit, Command command,
                                                       BufferList data_out, TicketPtr ticket);

Checked check_log_sense(const LogicalUnit& unit, const Cdb& cdb);
ScsiResult answer_log_sense(LogicalUnit& unit, const Command& command);

Checked check_receive_diagnostic(const LogicalUnit& unit, const Cdb& cdb);
ScsiResult answer_receive_diagnostic(LogicalUnit& unit, const Command& command);

Checked check_send_diagnostic(const LogicalUnit& unit, const Cdb& cdb);
asio::awaitable<ScsiResult> run_send_diagnostic(LogicalUnit& unit, Command command,
                                                BufferList data_out, TicketPtr ticket);

Checked check_read_buffer(const LogicalUnit& unit, const Cdb& cdb);
ScsiResult answer_read_buffer(LogicalUnit& unit, const Command& command);

Checked check_write_buffer(const LogicalUnit& unit, const Cdb& cdb);
asio::awaitable<ScsiResult> run_write_buffer(LogicalUnit& unit, Command command,
                                             BufferList data_out, TicketPtr ticket);

Checked check_read_defect_data(const LogicalUnit& unit, const Cdb& cdb);
ScsiResult answer_read_defect_data(LogicalUnit& unit, const Command& command);

Checked check_prevent_allow(const LogicalUnit& unit, const Cdb& cdb);
ScsiResult answer_prevent_allow(LogicalUnit& unit, const Command& command);

// ---- reservation_commands.cc -------------------------------------------------------------------
Checked check_persistent_reserve_in(const LogicalUnit& unit, const Cdb& cdb);
ScsiResult answer_persistent_reserve_in(LogicalUnit& unit, const Command& command);

Checked check_persistent_reserve_out(const LogicalUnit& unit, const Cdb& cdb);
asio::awaitable<ScsiResult> run_persistent_reserve_out(LogicalUnit& unit, Command command,
                                                       BufferList data_out, TicketPtr ticket);

Checked check_reserve(const LogicalUnit& unit, const Cdb& cdb);  // and RELEASE
ScsiResult answer_reserve(LogicalUnit& unit, const Command& command);
ScsiResult answer_release(LogicalUnit& unit, const Command& command);

// ---- verify_commands.cc: about the medium; what reads, compares and writes --------------------
Checked check_verify(const LogicalUnit& unit, const Cdb& cdb);
asio::awaitable<ScsiResult> run_verify(LogicalUnit& unit, Command command, BufferList data_out,
                                       TicketPtr ticket);

Checked check_write_and_verify(const LogicalUnit& unit, const Cdb& cdb);
asio::awaitable<ScsiResult> run_write_and_verify(LogicalUnit& unit, Command command,
                                                 BufferList data_out, TicketPtr ticket);

Checked check_compare_and_write(const LogicalUnit& unit, const Cdb& cdb);
asio::awaitable<ScsiResult> run_compare_and_write(LogicalUnit& unit, Command command,
                                                  BufferList data_out, TicketPtr ticket);

Checked check_or_write(const LogicalUnit& unit, const Cdb& cdb);
asio::awaitable<ScsiResult> run_or_write(LogicalUnit& unit, Command command, BufferList data_out,
                                         TicketPtr ticket);

// ---- erase_commands.cc: about the medium; what writes the same everywhere ---------------------
Checked check_write_same(const LogicalUnit& unit, const Cdb& cdb);
asio::awaitable<ScsiResult> run_write_same(LogicalUnit& unit, Command command, BufferList data_out,
                                           TicketPtr ticket);

Checked check_format_unit(const LogicalUnit& unit, const Cdb& cdb);
asio::awaitable<ScsiResult> run_format_unit(LogicalUnit& unit, Command command, BufferList data_out,
                                            TicketPtr ticket);

// ---- sanitize_commands.cc
// ----
Checked check_sanitize(const LogicalUnit& unit, const Cdb& cdb);
asio::awaitable<ScsiResult> run_sanitize(LogicalUnit& unit, Command command, BufferList data_out,
                                         TicketPtr ticket);

Checked check_exit_failure_mode(const LogicalUnit& unit, const Cdb& cdb);
asio::awaitable<ScsiResult> run_exit_failure_mode(LogicalUnit& unit, Command command,
                                                  BufferList data_out, TicketPtr ticket);

// ---- extended_copy_commands.cc, token_commands.cc: copy offload --------------------------------
Checked check_extended_copy(const LogicalUnit& unit, const Cdb& cdb);
asio::awaitable<ScsiResult> run_extended_copy(LogicalUnit& unit, Command command,
                                              BufferList data_out, TicketPtr ticket);

Checked check_copy_operation_abort(const LogicalUnit& unit, const Cdb& cdb);
asio::awaitable<ScsiResult> run_copy_operation_abort(LogicalUnit& unit, Command command,
                                                     BufferList data_out, TicketPtr ticket);

Checked check_third_party_copy_in(const LogicalUnit& unit, const Cdb& cdb);
ScsiResult answer_third_party_copy_in(LogicalUnit& unit, const Command& command);

Checked check_populate_token(const LogicalUnit& unit, const Cdb& cdb);
asio::awaitable<ScsiResult> run_populate_token(LogicalUnit& unit, Command command,
                                               BufferList data_out, TicketPtr ticket);

Checked check_write_using_token(const LogicalUnit& unit, const Cdb& cdb);
asio::awaitable<ScsiResult> run_write_using_token(LogicalUnit& unit, Command command,
                                                  BufferList data_out, TicketPtr ticket);

// ---- shared ----------------------------------------------------------------------------------
// A command that returns data, at most so many bytes.
inline Transfer to_initiator(uint64_t bytes) {
  return {TransferPlan::Direction::to_initiator, bytes};
}

// Parameter data as the command returns them: cut to the allocation length (SPC-5 4.2.5.6), which
// is never an error.
ScsiResult parameter_data(Bytes data, uint64_t allocation_length);

// What commands that move logical blocks check alike (SBC-4 5.18): protection information is not
// enabled, the range is on the medium, and the transfer is one we advertise.
std::optional<Sense> check_access(const LogicalUnit& unit, const BlockAccess& access);

// How a write of this command has to be: FUA, or no write cache.
Durability durability_of(const LogicalUnit& unit, const BlockAccess& access);

// A failure of the device as the command's result, with a line in the log where it is worth one.
ScsiResult failed(LogicalUnit& unit, const Command& command, const Error& error,
                  MediumAccess access);

}  // namespace swiftness::scsi
