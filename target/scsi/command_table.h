// The one table of the commands a logical unit knows. What REPORT SUPPORTED OPERATION CODES will
// say (SPC-5 6.35) and what plan() and execute() do come from the same lines.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>

#include "backend/base/async.h"
#include "target/scsi/command.h"
#include "target/scsi/sense.h"

namespace swiftness::scsi {

class LogicalUnit;

// What a well-formed CDB will transfer.
struct Transfer {
  TransferPlan::Direction direction = TransferPlan::Direction::none;
  uint64_t bytes = 0;
};

// Judges a CDB's fields against the logical unit: what it transfers, or what is wrong with it.
using CheckCdb = std::variant<Transfer, Sense> (*)(const LogicalUnit& unit, const Cdb& cdb);
// A command that never waits.
using Answer = ScsiResult (*)(LogicalUnit& unit, const Command& command);
// A command that asks the device. Only started with a CDB its CheckCdb has passed; data_out has all
// bytes of the Transfer.
using Run = asio::awaitable<ScsiResult> (*)(LogicalUnit& unit, Command command, BufferList data_out,
                                            TicketPtr ticket);

enum Trait : unsigned {
  kNone = 0,
  kIgnoresUnitAttention = 1,  // SAM-5 5.14: these neither report nor (but REQUEST SENSE) clear one
  kWorksUnready = 2,          // answered while the device attaches, and after it was fenced
  kChangesMedium = 4,         // refused when write protected
  kTakesBlocks = 8,  // its data are logical blocks: fewer whole ones are written as they are
  kExactData = 16,   // an initiator that means to send more than the CDB says is refused, too
  // How it fares under another nexus's persistent reservation (SPC-5 tables 70 and 71, SBC-4 table
  // 14); with neither it conflicts with every type.
  kUnderAnyReservation = 32,
  kUnderWriteExclusive = 64,
  // Allowed under a persistent reservation, yet not under RESERVE of SPC-2 (SPC-2 table 10), which
  // allows nothing else than kUnderAnyReservation.
  kNotUnderReserve = 128,
  kCountsAsRead = 256,  // in log page 19h
  kCountsAsWrite = 512,
  kWithoutMedium = 1024,  // answered while the medium of a removable logical unit is ejected
  // Answered through a target port whose group is in this state (SPC-5 5.18.2.4); what is not ends
  // with NOT READY.
  kInStandby = 2048,
  kInUnavailable = 4096,
};

struct CommandDescriptor {
  uint8_t opcode;
  std::optional<uint8_t> service_action;
  std::string_view name;
  unsigned traits;
  CheckCdb check;
  Answer answer;  // one of answer and run; neither: the task router's own (REPORT LUNS)
  Run run;
  uint8_t cdb_length;
  // CDB USAGE DATA: byte 0 is the operation code, then the bits that are looked at; the service
  // action field holds the service action.
  std::array<uint8_t, 16> usage;
  // CDBs of it that no persistent reservation forbids though others conflict.
  bool (*is_harmless)(const Cdb& cdb) = nullptr;
};

std::span<const CommandDescriptor> all_commands() noexcept;

// The command a CDB names, or what is wrong with it as far as any command's CDB goes: operation
// code 20h/00h, service action and NACA 24h/00h. The descriptor lives for ever.
std::variant<const CommandDescriptor*, Sense> find_command(const Cdb& cdb) noexcept;

}  // namespace swiftness::scsi
