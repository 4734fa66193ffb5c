#include "target/scsi/command_table.h"

#include <algorithm>
#include <span>

#include "target/scsi/cdb.h"
#include "target/scsi/commands.h"

namespace swiftness::scsi {
namespace {

constexpr auto kNoServiceAction = std::nullopt;
constexpr uint8_t kNaca = 0x04;  // in CONTROL, the CDB's last byte (SAM-5 5.2)

// Persistent reservations judge these themselves, by their keys.
constexpr unsigned kReserveCommand =
    kUnderAnyReservation | kNotUnderReserve | kWithoutMedium | kInStandby;
constexpr unsigned kThroughAnyPort = kInStandby | kInUnavailable;

bool is_plain_start(const Cdb& cdb) {
  const StartStopUnitCdb start_stop = decode_start_stop_unit(cdb);
  return start_stop.start && start_stop.power_condition == 0;
}

bool is_allow(const Cdb& cdb) {
  return (cdb[4] & 0x03) == 0;
}

// clang-format off
constexpr CommandDescriptor kCommands[] = {
  {opcode::kTestUnitReady, kNoServiceAction, "TEST UNIT READY", kUnderAnyReservation | kNotUnderReserve,
   check_test_unit_ready, answer_test_unit_ready, nullptr,
   6, {0x00, 0, 0, 0, 0, kNaca}},
  {opcode::kRequestSense, kNoServiceAction, "REQUEST SENSE", kIgnoresUnitAttention | kWorksUnready | kUnderAnyReservation | kThroughAnyPort,
   check_request_sense, answer_request_sense, nullptr,
   6, {0x03, 0x01, 0, 0, 0xff, kNaca}},
  {opcode::kFormatUnit, kNoServiceAction, "FORMAT UNIT", kChangesMedium,
   check_format_unit, nullptr, run_format_unit,
   6, {0x04, 0xf7, 0, 0, 0, kNaca}},
  {opcode::kRead6, kNoServiceAction, "READ(6)", kUnderWriteExclusive | kCountsAsRead,
   check_read, nullptr, run_read,
   6, {0x08, 0x1f, 0xff, 0xff, 0xff, kNaca}},
  {opcode::kWrite6, kNoServiceAction, "WRITE(6)", kChangesMedium | kTakesBlocks | kCountsAsWrite,
   check_write, nullptr, run_write,
   6, {0x0a, 0x1f, 0xff, 0xff, 0xff, kNaca}},
  {opcode::kInquiry, kNoServiceAction, "INQUIRY", kIgnoresUnitAttention | kWorksUnready | kUnderAnyReservation | kThroughAnyPort,
   check_inquiry, answer_inquiry, nullptr,
   6, {0x12, 0x01, 0xff, 0xff, 0xff, kNaca}},
  {opcode::kModeSelect6, kNoServiceAction, "MODE SELECT(6)", kWithoutMedium | kInStandby,
   check_mode_select, nullptr, run_mode_select,
   6, {0x15, 0x11, 0, 0, 0xff, kNaca}},
  {opcode::kReserve6, kNoServiceAction, "RESERVE(6)", kUnderAnyReservation | kWithoutMedium,
   check_reserve, answer_reserve, nullptr,
   6, {0x16, 0x1f, 0, 0, 0, kNaca}},
  {opcode::kRelease6, kNoServiceAction, "RELEASE(6)", kUnderAnyReservation | kWithoutMedium,
   check_reserve, answer_release, nullptr,
   6, {0x17, 0x1f, 0, 0, 0, kNaca}},
  {opcode::kModeSense6, kNoServiceAction, "MODE SENSE(6)", kUnderWriteExclusive | kWithoutMedium | kInStandby,
   check_mode_sense, answer_mode_sense, nullptr,
   6, {0x1a, 0x08, 0xff, 0xff, 0xff, kNaca}},
  {opcode::kStartStopUnit, kNoServiceAction, "START STOP UNIT", kWithoutMedium,
   check_start_stop_unit, nullptr, run_start_stop_unit,
   6, {0x1b, 0x01, 0, 0, 0xf7, kNaca}, is_plain_start},
  {opcode::kReceiveDiagnosticResults, kNoServiceAction, "RECEIVE DIAGNOSTIC RESULTS", kUnderWriteExclusive | kWithoutMedium | kInStandby,
   check_receive_diagnostic, answer_receive_diagnostic, nullptr,
   6, {0x1c, 0x01, 0xff, 0xff, 0xff, kNaca}},
  {opcode::kSendDiagnostic, kNoServiceAction, "SEND DIAGNOSTIC", kInStandby,
   check_send_diagnostic, nullptr, run_send_diagnostic,
   6, {0x1d, 0xe4, 0, 0xff, 0xff, kNaca}},
  {opcode::kPreventAllowMediumRemoval, kNoServiceAction, "PREVENT ALLOW MEDIUM REMOVAL", kWithoutMedium,
   check_prevent_allow, answer_prevent_allow, nullptr,
   6, {0x1e, 0, 0, 0, 0x03, kNaca}, is_allow},
  {opcode::kReadCapacity10, kNoServiceAction, "READ CAPACITY(10)", kUnderAnyReservation | kInStandby,
   check_read_capacity10, answer_read_capacity10, nullptr,
   10, {0x25, 0, 0, 0, 0, 0, 0, 0, 0, kNaca}},
  {opcode::kRead10, kNoServiceAction, "READ(10)", kUnderWriteExclusive | kCountsAsRead,
   check_read, nullptr, run_read,
   10, {0x28, 0xf8, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, kNaca}},
  {opcode::kWrite10, kNoServiceAction, "WRITE(10)", kChangesMedium | kTakesBlocks | kCountsAsWrite,
   check_write, nullptr, run_write,
   10, {0x2a, 0xf8, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, kNaca}},
  {opcode::kWriteAndVerify10, kNoServiceAction, "WRITE AND VERIFY(10)", kChangesMedium | kTakesBlocks | kCountsAsWrite,
   check_write_and_verify, nullptr, run_write_and_verify,
   10, {0x2e, 0xf6, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, kNaca}},
  {opcode::kVerify10, kNoServiceAction, "VERIFY(10)", kUnderWriteExclusive,
   check_verify, nullptr, run_verify,
   10, {0x2f, 0xf6, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, kNaca}},
  {opcode::kPreFetch10, kNoServiceAction, "PRE-FETCH(10)", kUnderWriteExclusive,
   check_pre_fetch, nullptr, run_pre_fetch,
   10, {0x34, 0x02, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, kNaca}},
  {opcode::kSynchronizeCache10, kNoServiceAction, "SYNCHRONIZE CACHE(10)", kNone,
   check_synchronize_cache, nullptr, run_synchronize_cache,
   10, {0x35, 0x02, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, kNaca}},
  {opcode::kReadDefectData10, kNoServiceAction, "READ DEFECT DATA(10)", kUnderWriteExclusive,
   check_read_defect_data, answer_read_defect_data, nullptr,
   10, {0x37, 0, 0x1f, 0, 0, 0, 0, 0xff, 0xff, kNaca}},
  {opcode::kWriteBuffer, kNoServiceAction, "WRITE BUFFER", kWithoutMedium | kInStandby,
   check_write_buffer, nullptr, run_write_buffer,
   10, {0x3b, 0x1f, 0, 0, 0, 0, 0xff, 0xff, 0xff, kNaca}},
  {opcode::kReadBuffer, kNoServiceAction, "READ BUFFER(10)", kUnderWriteExclusive | kWithoutMedium | kInStandby,
   check_read_buffer, answer_read_buffer, nullptr,
   10, {0x3c, 0x1f, 0, 0, 0, 0, 0xff, 0xff, 0xff, kNaca}},
  {opcode::kWriteSame10, kNoServiceAction, "WRITE SAME(10)", kChangesMedium | kExactData,
   check_write_same, nullptr, run_write_same,
   10, {0x41, 0xf8, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, kNaca}},
  {opcode::kUnmap, kNoServiceAction, "UNMAP", kChangesMedium,
   check_unmap, nullptr, run_unmap,
   10, {0x42, 0x01, 0, 0, 0, 0, 0, 0xff, 0xff, kNaca}},
  {opcode::kSanitize, service_action::kBlockErase, "SANITIZE BLOCK ERASE", kChangesMedium,
   check_sanitize, nullptr, run_sanitize,
   10, {0x48, 0xa2, 0, 0, 0, 0, 0, 0xff, 0xff, kNaca}},
  {opcode::kSanitize, service_action::kExitFailureMode, "SANITIZE EXIT FAILURE MODE", kNone,
   check_exit_failure_mode, nullptr, run_exit_failure_mode,
   10, {0x48, 0x1f, 0, 0, 0, 0, 0, 0xff, 0xff, kNaca}},
  {opcode::kLogSense, kNoServiceAction, "LOG SENSE", kUnderAnyReservation | kWithoutMedium | kInStandby,
   check_log_sense, answer_log_sense, nullptr,
   10, {0x4d, 0x01, 0xff, 0xff, 0, 0xff, 0xff, 0xff, 0xff, kNaca}},
  {opcode::kModeSelect10, kNoServiceAction, "MODE SELECT(10)", kWithoutMedium | kInStandby,
   check_mode_select, nullptr, run_mode_select,
   10, {0x55, 0x11, 0, 0, 0, 0, 0, 0xff, 0xff, kNaca}},
  {opcode::kReserve10, kNoServiceAction, "RESERVE(10)", kUnderAnyReservation | kWithoutMedium,
   check_reserve, answer_reserve, nullptr,
   10, {0x56, 0x1f, 0, 0, 0, 0, 0, 0, 0, kNaca}},
  {opcode::kRelease10, kNoServiceAction, "RELEASE(10)", kUnderAnyReservation | kWithoutMedium,
   check_reserve, answer_release, nullptr,
   10, {0x57, 0x1f, 0, 0, 0, 0, 0, 0, 0, kNaca}},
  {opcode::kModeSense10, kNoServiceAction, "MODE SENSE(10)", kUnderWriteExclusive | kWithoutMedium | kInStandby,
   check_mode_sense, answer_mode_sense, nullptr,
   10, {0x5a, 0x18, 0xff, 0xff, 0, 0, 0, 0xff, 0xff, kNaca}},
  {opcode::kPersistentReserveIn, 0x00, "READ KEYS", kReserveCommand,
   check_persistent_reserve_in, answer_persistent_reserve_in, nullptr,
   10, {0x5e, 0x00, 0, 0, 0, 0, 0, 0xff, 0xff, kNaca}},
  {opcode::kPersistentReserveIn, 0x01, "READ RESERVATION", kReserveCommand,
   check_persistent_reserve_in, answer_persistent_reserve_in, nullptr,
   10, {0x5e, 0x01, 0, 0, 0, 0, 0, 0xff, 0xff, kNaca}},
  {opcode::kPersistentReserveIn, 0x02, "REPORT CAPABILITIES", kReserveCommand,
   check_persistent_reserve_in, answer_persistent_reserve_in, nullptr,
   10, {0x5e, 0x02, 0, 0, 0, 0, 0, 0xff, 0xff, kNaca}},
  {opcode::kPersistentReserveIn, 0x03, "READ FULL STATUS", kReserveCommand,
   check_persistent_reserve_in, answer_persistent_reserve_in, nullptr,
   10, {0x5e, 0x03, 0, 0, 0, 0, 0, 0xff, 0xff, kNaca}},
  {opcode::kPersistentReserveOut, 0x00, "REGISTER", kReserveCommand,
   check_persistent_reserve_out, nullptr, run_persistent_reserve_out,
   10, {0x5f, 0x00, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, kNaca}},
  {opcode::kPersistentReserveOut, 0x01, "RESERVE", kReserveCommand,
   check_persistent_reserve_out, nullptr, run_persistent_reserve_out,
   10, {0x5f, 0x01, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff, kNaca}},
  {opcode::kPersistentReserveOut, 0x02, "RELEASE", kReserveCommand,
   check_persistent_reserve_out, nullptr, run_persistent_reserve_out,
   10, {0x5f, 0x02, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff, kNaca}},
  {opcode::kPersistentReserveOut, 0x03, "CLEAR", kReserveCommand,
   check_persistent_reserve_out, nullptr, run_persistent_reserve_out,
   10, {0x5f, 0x03, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, kNaca}},
  {opcode::kPersistentReserveOut, 0x04, "PREEMPT", kReserveCommand,
   check_persistent_reserve_out, nullptr, run_persistent_reserve_out,
   10, {0x5f, 0x04, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff, kNaca}},
  {opcode::kPersistentReserveOut, 0x05, "PREEMPT AND ABORT", kReserveCommand,
   check_persistent_reserve_out, nullptr, run_persistent_reserve_out,
   10, {0x5f, 0x05, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff, kNaca}},
  {opcode::kPersistentReserveOut, 0x06, "REGISTER AND IGNORE EXISTING KEY", kReserveCommand,
   check_persistent_reserve_out, nullptr, run_persistent_reserve_out,
   10, {0x5f, 0x06, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, kNaca}},
  {opcode::kPersistentReserveOut, 0x07, "REGISTER AND MOVE", kReserveCommand,
   check_persistent_reserve_out, nullptr, run_persistent_reserve_out,
   10, {0x5f, 0x07, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, kNaca}},
  {opcode::kThirdPartyCopyOut, service_action::kExtendedCopyLid1, "EXTENDED COPY(LID1)", kNone,
   check_extended_copy, nullptr, run_extended_copy,
   16, {0x83, 0x00, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, kNaca}},
  {opcode::kThirdPartyCopyOut, service_action::kExtendedCopyLid4, "EXTENDED COPY(LID4)", kNone,
   check_extended_copy, nullptr, run_extended_copy,
   16, {0x83, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, kNaca}},
  {opcode::kThirdPartyCopyOut, service_action::kPopulateToken, "POPULATE TOKEN", kUnderWriteExclusive,
   check_populate_token, nullptr, run_populate_token,
   16, {0x83, 0x10, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, kNaca}},
  {opcode::kThirdPartyCopyOut, service_action::kWriteUsingToken, "WRITE USING TOKEN", kChangesMedium,
   check_write_using_token, nullptr, run_write_using_token,
   16, {0x83, 0x11, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, kNaca}},
  {opcode::kThirdPartyCopyOut, service_action::kCopyOperationAbort, "COPY OPERATION ABORT", kWithoutMedium,
   check_copy_operation_abort, nullptr, run_copy_operation_abort,
   16, {0x83, 0x1c, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, kNaca}},
  {opcode::kThirdPartyCopyIn, service_action::kReceiveCopyStatusLid1, "RECEIVE COPY STATUS(LID1)", kWithoutMedium,
   check_third_party_copy_in, answer_third_party_copy_in, nullptr,
   16, {0x84, 0x00, 0xff, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, kNaca}},
  {opcode::kThirdPartyCopyIn, service_action::kReceiveCopyDataLid1, "RECEIVE COPY DATA(LID1)", kWithoutMedium,
   check_third_party_copy_in, answer_third_party_copy_in, nullptr,
   16, {0x84, 0x01, 0xff, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, kNaca}},
  {opcode::kThirdPartyCopyIn, service_action::kReceiveCopyOperatingParameters, "RECEIVE COPY OPERATING PARAMETERS", kWithoutMedium,
   check_third_party_copy_in, answer_third_party_copy_in, nullptr,
   16, {0x84, 0x03, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, kNaca}},
  {opcode::kThirdPartyCopyIn, service_action::kReceiveCopyFailureDetailsLid1, "RECEIVE COPY FAILURE DETAILS(LID1)", kWithoutMedium,
   check_third_party_copy_in, answer_third_party_copy_in, nullptr,
   16, {0x84, 0x04, 0xff, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, kNaca}},
  {opcode::kThirdPartyCopyIn, service_action::kReceiveCopyStatusLid4, "RECEIVE COPY STATUS(LID4)", kWithoutMedium,
   check_third_party_copy_in, answer_third_party_copy_in, nullptr,
   16, {0x84, 0x05, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, kNaca}},
  {opcode::kThirdPartyCopyIn, service_action::kReceiveRodTokenInformation, "RECEIVE ROD TOKEN INFORMATION", kWithoutMedium,
   check_third_party_copy_in, answer_third_party_copy_in, nullptr,
   16, {0x84, 0x07, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, kNaca}},
  {opcode::kRead16, kNoServiceAction, "READ(16)", kUnderWriteExclusive | kCountsAsRead,
   check_read, nullptr, run_read,
   16, {0x88, 0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, kNaca}},
  {opcode::kCompareAndWrite, kNoServiceAction, "COMPARE AND WRITE", kChangesMedium | kExactData | kCountsAsWrite,
   check_compare_and_write, nullptr, run_compare_and_write,
   16, {0x89, 0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0xff, 0, kNaca}},
  {opcode::kWrite16, kNoServiceAction, "WRITE(16)", kChangesMedium | kTakesBlocks | kCountsAsWrite,
   check_write, nullptr, run_write,
   16, {0x8a, 0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, kNaca}},
  {opcode::kOrWrite16, kNoServiceAction, "ORWRITE(16)", kChangesMedium | kCountsAsWrite,
   check_or_write, nullptr, run_or_write,
   16, {0x8b, 0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, kNaca}},
  {opcode::kWriteAndVerify16, kNoServiceAction, "WRITE AND VERIFY(16)", kChangesMedium | kTakesBlocks | kCountsAsWrite,
   check_write_and_verify, nullptr, run_write_and_verify,
   16, {0x8e, 0xf6, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, kNaca}},
  {opcode::kVerify16, kNoServiceAction, "VERIFY(16)", kUnderWriteExclusive,
   check_verify, nullptr, run_verify,
   16, {0x8f, 0xf6, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, kNaca}},
  {opcode::kPreFetch16, kNoServiceAction, "PRE-FETCH(16)", kUnderWriteExclusive,
   check_pre_fetch, nullptr, run_pre_fetch,
   16, {0x90, 0x02, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, kNaca}},
  {opcode::kSynchronizeCache16, kNoServiceAction, "SYNCHRONIZE CACHE(16)", kNone,
   check_synchronize_cache, nullptr, run_synchronize_cache,
   16, {0x91, 0x02, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, kNaca}},
  {opcode::kWriteSame16, kNoServiceAction, "WRITE SAME(16)", kChangesMedium | kExactData,
   check_write_same, nullptr, run_write_same,
   16, {0x93, 0xf9, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, kNaca}},
  {opcode::kWriteAtomic16, kNoServiceAction, "WRITE ATOMIC(16)", kChangesMedium | kCountsAsWrite,
   check_write_atomic, nullptr, run_write_atomic,
   16, {0x9c, 0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, kNaca}},
  {opcode::kServiceActionIn16, service_action::kReadCapacity16, "READ CAPACITY(16)", kUnderAnyReservation | kInStandby,
   check_read_capacity16, answer_read_capacity16, nullptr,
   16, {0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, kNaca}},
  {opcode::kServiceActionIn16, service_action::kGetLbaStatus, "GET LBA STATUS(16)", kUnderWriteExclusive,
   check_get_lba_status, nullptr, run_get_lba_status,
   16, {0x9e, 0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, kNaca}},
  {opcode::kReportLuns, kNoServiceAction, "REPORT LUNS", kIgnoresUnitAttention | kWorksUnready | kUnderAnyReservation | kThroughAnyPort,
   nullptr, nullptr, nullptr,  // TaskRouter's: it works where there is no logical unit
   12, {0xa0, 0, 0xff, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, kNaca}},
  {opcode::kMaintenanceIn, service_action::kReportIdentifyingInformation, "REPORT IDENTIFYING INFORMATION", kUnderAnyReservation | kWithoutMedium,
   check_report_identifying_information, nullptr, run_report_identifying_information,
   12, {0xa3, 0x05, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xfe, kNaca}},
  {opcode::kMaintenanceIn, service_action::kReportTargetPortGroups, "REPORT TARGET PORT GROUPS", kUnderAnyReservation | kWithoutMedium | kThroughAnyPort,
   check_report_target_port_groups, answer_report_target_port_groups, nullptr,
   12, {0xa3, 0xea, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, kNaca}},
  {opcode::kMaintenanceIn, service_action::kReportSupportedOperationCodes, "REPORT SUPPORTED OPERATION CODES", kUnderWriteExclusive | kWithoutMedium,
   check_report_operation_codes, answer_report_operation_codes, nullptr,
   12, {0xa3, 0x0c, 0x87, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, kNaca}},
  {opcode::kMaintenanceIn, service_action::kReportSupportedTaskManagementFunctions, "REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS", kUnderWriteExclusive | kWithoutMedium,
   check_report_task_management, answer_report_task_management, nullptr,
   12, {0xa3, 0x0d, 0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, kNaca}},
  {opcode::kMaintenanceOut, service_action::kSetIdentifyingInformation, "SET IDENTIFYING INFORMATION", kWithoutMedium,
   check_set_identifying_information, nullptr, run_set_identifying_information,
   12, {0xa4, 0x06, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xfe, kNaca}},
  {opcode::kMaintenanceOut, service_action::kSetTargetPortGroups, "SET TARGET PORT GROUPS", kWithoutMedium | kThroughAnyPort,
   check_set_target_port_groups, nullptr, run_set_target_port_groups,
   12, {0xa4, 0x0a, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, kNaca}},
  {opcode::kRead12, kNoServiceAction, "READ(12)", kUnderWriteExclusive | kCountsAsRead,
   check_read, nullptr, run_read,
   12, {0xa8, 0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, kNaca}},
  {opcode::kWrite12, kNoServiceAction, "WRITE(12)", kChangesMedium | kTakesBlocks | kCountsAsWrite,
   check_write, nullptr, run_write,
   12, {0xaa, 0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, kNaca}},
  {opcode::kWriteAndVerify12, kNoServiceAction, "WRITE AND VERIFY(12)", kChangesMedium | kTakesBlocks | kCountsAsWrite,
   check_write_and_verify, nullptr, run_write_and_verify,
   12, {0xae, 0xf6, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, kNaca}},
  {opcode::kVerify12, kNoServiceAction, "VERIFY(12)", kUnderWriteExclusive,
   check_verify, nullptr, run_verify,
   12, {0xaf, 0xf6, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, kNaca}},
  {opcode::kReadDefectData12, kNoServiceAction, "READ DEFECT DATA(12)", kUnderWriteExclusive,
   check_read_defect_data, answer_read_defect_data, nullptr,
   12, {0xb7, 0x1f, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, kNaca}},
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
