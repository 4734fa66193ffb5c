#include "target/scsi/command_table.h"

#include <algorithm>
#include <span>

#include "target/scsi/cdb.h"
#include "target/scsi/commands.h"

namespace swiftness::scsi {
namespace {

constexpr auto kNoServiceAction = std::nullopt;
constexpr uint8_t kNaca = 0x04;  // in CONTROL, the CDB's last byte (SAM-5 5.2)

// clang-format off
constexpr CommandDescriptor kCommands[] = {
  {opcode::kTestUnitReady, kNoServiceAction, "TEST UNIT READY", kNone,
   check_test_unit_ready, answer_test_unit_ready, nullptr,
   6, {0x00, 0, 0, 0, 0, kNaca}},
  {opcode::kRequestSense, kNoServiceAction, "REQUEST SENSE", kIgnoresUnitAttention | kWorksUnready,
   check_request_sense, answer_request_sense, nullptr,
   6, {0x03, 0x01, 0, 0, 0xff, kNaca}},
  {opcode::kRead6, kNoServiceAction, "READ(6)", kNone,
   check_read, nullptr, run_read,
   6, {0x08, 0x1f, 0xff, 0xff, 0xff, kNaca}},
  {opcode::kWrite6, kNoServiceAction, "WRITE(6)", kChangesMedium | kTakesBlocks,
   check_write, nullptr, run_write,
   6, {0x0a, 0x1f, 0xff, 0xff, 0xff, kNaca}},
  {opcode::kInquiry, kNoServiceAction, "INQUIRY", kIgnoresUnitAttention | kWorksUnready,
   check_inquiry, answer_inquiry, nullptr,
   6, {0x12, 0x01, 0xff, 0xff, 0xff, kNaca}},
  {opcode::kModeSense6, kNoServiceAction, "MODE SENSE(6)", kNone,
   check_mode_sense, answer_mode_sense, nullptr,
   6, {0x1a, 0x08, 0xff, 0xff, 0xff, kNaca}},
  {opcode::kStartStopUnit, kNoServiceAction, "START STOP UNIT", kNone,
   check_start_stop_unit, nullptr, run_start_stop_unit,
   6, {0x1b, 0x01, 0, 0, 0xf7, kNaca}},
  {opcode::kReadCapacity10, kNoServiceAction, "READ CAPACITY(10)", kNone,
   check_read_capacity10, answer_read_capacity10, nullptr,
   10, {0x25, 0, 0, 0, 0, 0, 0, 0, 0, kNaca}},
  {opcode::kRead10, kNoServiceAction, "READ(10)", kNone,
   check_read, nullptr, run_read,
   10, {0x28, 0xf8, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, kNaca}},
  {opcode::kWrite10, kNoServiceAction, "WRITE(10)", kChangesMedium | kTakesBlocks,
   check_write, nullptr, run_write,
   10, {0x2a, 0xf8, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, kNaca}},
  {opcode::kPreFetch10, kNoServiceAction, "PRE-FETCH(10)", kNone,
   check_pre_fetch, nullptr, run_pre_fetch,
   10, {0x34, 0x02, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, kNaca}},
  {opcode::kSynchronizeCache10, kNoServiceAction, "SYNCHRONIZE CACHE(10)", kNone,
   check_synchronize_cache, nullptr, run_synchronize_cache,
   10, {0x35, 0x02, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, kNaca}},
  {opcode::kUnmap, kNoServiceAction, "UNMAP", kChangesMedium,
   check_unmap, nullptr, run_unmap,
   10, {0x42, 0x01, 0, 0, 0, 0, 0, 0xff, 0xff, kNaca}},
  {opcode::kModeSense10, kNoServiceAction, "MODE SENSE(10)", kNone,
   check_mode_sense, answer_mode_sense, nullptr,
   10, {0x5a, 0x18, 0xff, 0xff, 0, 0, 0, 0xff, 0xff, kNaca}},
  {opcode::kRead16, kNoServiceAction, "READ(16)", kNone,
   check_read, nullptr, run_read,
   16, {0x88, 0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, kNaca}},
  {opcode::kWrite16, kNoServiceAction, "WRITE(16)", kChangesMedium | kTakesBlocks,
   check_write, nullptr, run_write,
   16, {0x8a, 0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, kNaca}},
  {opcode::kPreFetch16, kNoServiceAction, "PRE-FETCH(16)", kNone,
   check_pre_fetch, nullptr, run_pre_fetch,
   16, {0x90, 0x02, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, kNaca}},
  {opcode::kSynchronizeCache16, kNoServiceAction, "SYNCHRONIZE CACHE(16)", kNone,
   check_synchronize_cache, nullptr, run_synchronize_cache,
   16, {0x91, 0x02, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, kNaca}},
  {opcode::kServiceActionIn16, service_action::kReadCapacity16, "READ CAPACITY(16)", kNone,
   check_read_capacity16, answer_read_capacity16, nullptr,
   16, {0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, kNaca}},
  {opcode::kServiceActionIn16, service_action::kGetLbaStatus, "GET LBA STATUS(16)", kNone,
   check_get_lba_status, nullptr, run_get_lba_status,
   16, {0x9e, 0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, kNaca}},
  {opcode::kReportLuns, kNoServiceAction, "REPORT LUNS", kIgnoresUnitAttention | kWorksUnready,
   nullptr, nullptr, nullptr,  // TaskRouter's: it works where there is no logical unit
   12, {0xa0, 0, 0xff, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, kNaca}},
  {opcode::kRead12, kNoServiceAction, "READ(12)", kNone,
   check_read, nullptr, run_read,
   12, {0xa8, 0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, kNaca}},
  {opcode::kWrite12, kNoServiceAction, "WRITE(12)", kChangesMedium | kTakesBlocks,
   check_write, nullptr, run_write,
   12, {0xaa, 0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, kNaca}},
};
// clang-format on

static_assert(std::ranges::is_sorted(kCommands, {}, &CommandDescriptor::opcode));

// First line of each operation code in kCommands, plus one; 0: not supported.
constexpr std::array<uint8_t, 256> kFirst = [] {
  std::array<uint8_t, 256> first{};
  for (size_t i = std::size(kCommands); i-- > 0;) {
    first[kCommands[i].opcode] = static_cast<uint8_t>(i + 1);
  }
  return first;
}();

// The service action is in byte 1 of every CDB we know that has one (SPC-5 4.2.5.2).
const CommandDescriptor* with_service_action(size_t first, uint8_t service_action) noexcept {
  for (size_t i = first; i < std::size(kCommands) && kCommands[i].opcode == kCommands[first].opcode;
       ++i) {
    if (kCommands[i].service_action == service_action) return &kCommands[i];
  }
  return nullptr;
}

}  // namespace

std::span<const CommandDescriptor> all_commands() noexcept {
  return kCommands;
}

std::variant<const CommandDescriptor*, Sense> find_command(const Cdb& cdb) noexcept {
  uint8_t first = kFirst[cdb[0]];
  if (first == 0) return illegal_request(asc::kInvalidOperationCode);
  const CommandDescriptor* command = &kCommands[first - 1];
  if (command->service_action) {
    command = with_service_action(first - 1u, cdb[1] & 0x1f);
    if (!command) return invalid_field_in_cdb(1, 4);
  }
  size_t control = command->cdb_length - 1u;
  if ((cdb[control] & kNaca) != 0) {  // NORMACA=0 in our INQUIRY data
    return invalid_field_in_cdb(static_cast<uint16_t>(control), 2);
  }
  return command;
}

}  // namespace swiftness::scsi
