#include "target/scsi/supported_commands.h"

#include <algorithm>

#include "backend/base/endian.h"
#include "target/scsi/command_table.h"

namespace swiftness::scsi {
namespace {

enum ReportingOptions : uint8_t {  // SPC-5 6.35.1, table 309
  kAll = 0,
  kOneWithoutServiceAction = 1,
  kOneWithServiceAction = 2,
  kOneOfEither = 3,
};

constexpr uint8_t kSupported = 3, kNotSupported = 1;  // SUPPORT

// A command ends within the gateway's limits.command_timeout, 25 s unless configured, with BUSY at
// the latest; so there is one recommendation for all. A nominal time would be a guess.
constexpr uint32_t kRecommendedTimeout_s = 30;

void append_timeouts(Bytes& out) {  // SPC-5 6.35.4
  const size_t at = out.size();
  out.resize(at + 12);
  store_be(&out[at], uint16_t{10});
  store_be(&out[at + 8], kRecommendedTimeout_s);
}

Bytes all_commands_data(bool with_timeouts) {
  Bytes out(4);
  for (const CommandDescriptor& command : all_commands()) {
    const size_t at = out.size();
    out.resize(at + 8);
    out[at] = std::byte{command.opcode};
    store_be(&out[at + 2], uint16_t{command.service_action.value_or(0)});
    if (command.service_action) out[at + 5] |= std::byte{0x01};  // SERVACTV
    if (with_timeouts) out[at + 5] |= std::byte{0x02};           // CTDP
    store_be(&out[at + 6], uint16_t{command.cdb_length});
    if (with_timeouts) append_timeouts(out);
  }
  store_be(&out[0], static_cast<uint32_t>(out.size() - 4));
  return out;
}

Bytes one_command_data(const CommandDescriptor* command, bool with_timeouts) {
  Bytes out(4);
  out[1] = std::byte{command ? kSupported : kNotSupported};
  if (!command) return out;
  store_be(&out[2], uint16_t{command->cdb_length});
  const auto usage = std::as_bytes(std::span(command->usage)).first(command->cdb_length);
  out.insert(out.end(), usage.begin(), usage.end());
  if (with_timeouts) {
    out[1] |= std::byte{0x80};  // CTDP
    append_timeouts(out);
  }
  return out;
}

}  // namespace

std::variant<Bytes, Sense> supported_operation_codes_data(const ReportOperationCodesCdb& cdb) {
  if (cdb.reporting_options == kAll) return all_commands_data(cdb.with_timeouts);
  if (cdb.reporting_options > kOneOfEither) return invalid_field_in_cdb(2, 2);

  const auto commands = all_commands();
  const auto same_opcode =
      std::ranges::find(commands, cdb.operation_code, &CommandDescriptor::opcode);
  const bool known = same_opcode != commands.end();
  const bool has_service_actions = known && same_opcode->service_action.has_value();
  // An option that does not fit the command is an error, a command that is not there is none.
  const bool misfits =
      known && ((cdb.reporting_options == kOneWithoutServiceAction && has_service_actions) ||
                (cdb.reporting_options == kOneWithServiceAction && !has_service_actions));
  if (misfits) return invalid_field_in_cdb(2, 2);

  const bool asks_for_action = cdb.reporting_options != kOneWithoutServiceAction;
  const uint16_t wanted = asks_for_action ? cdb.service_action : 0;
  const auto found = std::ranges::find_if(commands, [&](const CommandDescriptor& command) {
    return command.opcode == cdb.operation_code && command.service_action.value_or(0) == wanted;
  });
  const CommandDescriptor* command = found == commands.end() ? nullptr : &*found;
  return one_command_data(command, cdb.with_timeouts);
}

Bytes supported_task_management_data(bool extended) {
  Bytes out(extended ? 16 : 4);
  // ABORT TASK, ABORT TASK SET, CLEAR TASK SET, LOGICAL UNIT RESET, QUERY TASK, TARGET RESET; CLEAR
  // ACA and WAKEUP are not there. Those of RFC 7144 are for who negotiates iSCSIProtocolLevel 2.
  out[0] = std::byte{0x80 | 0x40 | 0x10 | 0x08 | 0x04 | 0x02};
  out[1] =
      std::byte{0x04 | 0x02 | 0x01};  // QUERY ASYNCHRONOUS EVENT, QUERY TASK SET, I_T NEXUS RESET
  if (extended) out[3] = std::byte{12};  // the timeouts behind are not valid: functions never wait
  return out;
}

}  // namespace swiftness::scsi
