// The commands themselves, as the command table refers to them.
#pragma once

#include <variant>

#include "target/scsi/command_table.h"

namespace swiftness::scsi {

using Checked = std::variant<Transfer, Sense>;

// ---- device_commands.cc: about the logical unit; they never wait, and work on any device type
// ----
Checked check_test_unit_ready(const LogicalUnit& unit, const Cdb& cdb);
ScsiResult answer_test_unit_ready(LogicalUnit& unit, const Command& command);

Checked check_inquiry(const LogicalUnit& unit, const Cdb& cdb);
ScsiResult answer_inquiry(LogicalUnit& unit, const Command& command);

Checked check_request_sense(const LogicalUnit& unit, const Cdb& cdb);
ScsiResult answer_request_sense(LogicalUnit& unit, const Command& command);

Checked check_mode_sense(const LogicalUnit& unit, const Cdb& cdb);
ScsiResult answer_mode_sense(LogicalUnit& unit, const Command& command);

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

// ---- shared ----------------------------------------------------------------------------------
// Parameter data as the command returns them: cut to the allocation length (SPC-5 4.2.5.6), which
// is never an error.
ScsiResult parameter_data(Bytes data, uint64_t allocation_length);

}  // namespace swiftness::scsi
