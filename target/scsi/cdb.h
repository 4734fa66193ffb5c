// Command descriptor blocks decoded into plain structs. Pure: no judgement here, any 16 bytes
// decode to something; what is allowed is checked by the commands (block_commands.cc,
// device_commands.cc).
#pragma once

#include <cstdint>

#include "backend/block_device.h"
#include "target/scsi/command.h"

namespace swiftness::scsi {

namespace opcode {
inline constexpr uint8_t kTestUnitReady = 0x00;
inline constexpr uint8_t kRequestSense = 0x03;
inline constexpr uint8_t kFormatUnit = 0x04;
inline constexpr uint8_t kRead6 = 0x08;
inline constexpr uint8_t kWrite6 = 0x0a;
inline constexpr uint8_t kInquiry = 0x12;
inline constexpr uint8_t kModeSelect6 = 0x15;
inline constexpr uint8_t kReserve6 = 0x16;
inline constexpr uint8_t kRelease6 = 0x17;
inline constexpr uint8_t kModeSense6 = 0x1a;
inline constexpr uint8_t kStartStopUnit = 0x1b;
inline constexpr uint8_t kReceiveDiagnosticResults = 0x1c;
inline constexpr uint8_t kSendDiagnostic = 0x1d;
inline constexpr uint8_t kPreventAllowMediumRemoval = 0x1e;
inline constexpr uint8_t kReadCapacity10 = 0x25;
inline constexpr uint8_t kRead10 = 0x28;
inline constexpr uint8_t kWrite10 = 0x2a;
inline constexpr uint8_t kWriteAndVerify10 = 0x2e;
inline constexpr uint8_t kVerify10 = 0x2f;
inline constexpr uint8_t kPreFetch10 = 0x34;
inline constexpr uint8_t kSynchronizeCache10 = 0x35;
inline constexpr uint8_t kReadDefectData10 = 0x37;
inline constexpr uint8_t kWriteBuffer = 0x3b;
inline constexpr uint8_t kReadBuffer = 0x3c;
inline constexpr uint8_t kWriteSame10 = 0x41;
inline constexpr uint8_t kUnmap = 0x42;
inline constexpr uint8_t kSanitize = 0x48;
inline constexpr uint8_t kLogSense = 0x4d;
inline constexpr uint8_t kModeSelect10 = 0x55;
inline constexpr uint8_t kReserve10 = 0x56;
inline constexpr uint8_t kRelease10 = 0x57;
inline constexpr uint8_t kModeSense10 = 0x5a;
inline constexpr uint8_t kPersistentReserveIn = 0x5e;
inline constexpr uint8_t kPersistentReserveOut = 0x5f;
inline constexpr uint8_t kThirdPartyCopyOut = 0x83;
inline constexpr uint8_t kThirdPartyCopyIn = 0x84;
inline constexpr uint8_t kRead16 = 0x88;
inline constexpr uint8_t kCompareAndWrite = 0x89;
inline constexpr uint8_t kWrite16 = 0x8a;
inline constexpr uint8_t kOrWrite16 = 0x8b;
inline constexpr uint8_t kWriteAndVerify16 = 0x8e;
inline constexpr uint8_t kVerify16 = 0x8f;
inline constexpr uint8_t kPreFetch16 = 0x90;
inline constexpr uint8_t kSynchronizeCache16 = 0x91;
inline constexpr uint8_t kWriteSame16 = 0x93;
inline constexpr uint8_t kWriteAtomic16 = 0x9c;
inline constexpr uint8_t kServiceActionIn16 = 0x9e;
inline constexpr uint8_t kReportLuns = 0xa0;
inline constexpr uint8_t kMaintenanceIn = 0xa3;
inline constexpr uint8_t kMaintenanceOut = 0xa4;
inline constexpr uint8_t kRead12 = 0xa8;
inline constexpr uint8_t kWrite12 = 0xaa;
inline constexpr uint8_t kWriteAndVerify12 = 0xae;
inline constexpr uint8_t kVerify12 = 0xaf;
inline constexpr uint8_t kReadDefectData12 = 0xb7;
}  // namespace opcode

namespace service_action {
inline constexpr uint8_t kBlockErase = 0x02;                      // of SANITIZE
inline constexpr uint8_t kExitFailureMode = 0x1f;                 // of SANITIZE
inline constexpr uint8_t kExtendedCopyLid1 = 0x00;                // of THIRD-PARTY COPY OUT
inline constexpr uint8_t kExtendedCopyLid4 = 0x01;                // of THIRD-PARTY COPY OUT
inline constexpr uint8_t kPopulateToken = 0x10;                   // of THIRD-PARTY COPY OUT
inline constexpr uint8_t kWriteUsingToken = 0x11;                 // of THIRD-PARTY COPY OUT
inline constexpr uint8_t kCopyOperationAbort = 0x1c;              // of THIRD-PARTY COPY OUT
inline constexpr uint8_t kReceiveCopyStatusLid1 = 0x00;           // of THIRD-PARTY COPY IN
inline constexpr uint8_t kReceiveCopyDataLid1 = 0x01;             // of THIRD-PARTY COPY IN
inline constexpr uint8_t kReceiveCopyOperatingParameters = 0x03;  // of THIRD-PARTY COPY IN
inline constexpr uint8_t kReceiveCopyFailureDetailsLid1 = 0x04;   // of THIRD-PARTY COPY IN
inline constexpr uint8_t kReceiveCopyStatusLid4 = 0x05;           // of THIRD-PARTY COPY IN
inline constexpr uint8_t kReceiveRodTokenInformation = 0x07;      // of THIRD-PARTY COPY IN
inline constexpr uint8_t kReadCapacity16 = 0x10;                  // of SERVICE ACTION IN(16)
inline constexpr uint8_t kGetLbaStatus = 0x12;                    // of SERVICE ACTION IN(16)
inline constexpr uint8_t kReportIdentifyingInformation = 0x05;    // of MAINTENANCE IN
inline constexpr uint8_t kSetIdentifyingInformation = 0x06;       // of MAINTENANCE OUT
inline constexpr uint8_t kReportTargetPortGroups = 0x0a;          // of MAINTENANCE IN
inline constexpr uint8_t kSetTargetPortGroups = 0x0a;             // of MAINTENANCE OUT
inline constexpr uint8_t kReportSupportedOperationCodes = 0x0c;   // of MAINTENANCE IN
inline constexpr uint8_t kReportSupportedTaskManagementFunctions = 0x0d;  // of MAINTENANCE IN
}  // namespace service_action

// READ and WRITE of 6, 10, 12 and 16 bytes (SBC-4 5.18 to 5.21, 5.45 to 5.48), ORWRITE(16), and the
// range of others.
struct BlockAccess {
  BlockRange range;
  uint8_t protect = 0;    // RDPROTECT or WRPROTECT
  bool dpo = false;       // disable page out
  bool fua = false;       // force unit access
  uint8_t length_at = 0;  // the CDB byte where the transfer length starts, for the field pointer
};
BlockAccess decode_block_access(const Cdb& cdb);

// VERIFY and WRITE AND VERIFY of 10, 12 and 16 bytes (SBC-4 5.36 to 5.39, 5.49 to 5.51).
struct VerifyCdb {
  BlockAccess access;
  uint8_t byte_check = 0;  // BYTCHK
};
VerifyCdb decode_verify(const Cdb& cdb);

BlockAccess decode_compare_and_write(const Cdb& cdb);  // SBC-4 5.3

struct WriteAtomicCdb {  // SBC-4 5.43
  BlockAccess access;
  uint16_t boundary = 0;
};
WriteAtomicCdb decode_write_atomic(const Cdb& cdb);

struct WriteSameCdb {  // SBC-4 5.52, 5.53
  BlockAccess access;
  bool anchor = false;
  bool unmap = false;
  bool physical_or_logical_block_data = false;  // PBDATA, LBDATA: obsolete
  bool no_data_out = false;                     // NDOB, only in WRITE SAME(16)
};
WriteSameCdb decode_write_same(const Cdb& cdb);

struct FormatUnitCdb {          // SBC-4 5.4
  uint8_t protection = 0;       // FMTPINFO
  bool long_list = false;       // LONGLIST
  bool has_parameters = false;  // FMTDATA
  uint8_t defect_format = 0;    // DEFECT LIST FORMAT
};
FormatUnitCdb decode_format_unit(const Cdb& cdb);

struct SanitizeCdb {  // SBC-4 5.30
  bool immed = false;
  bool zoned_no_reset = false;     // ZNR
  bool unrestricted_exit = false;  // AUSE
  uint16_t parameter_list_length = 0;
};
SanitizeCdb decode_sanitize(const Cdb& cdb);

struct SynchronizeCacheCdb {  // SBC-4 5.33, 5.34
  BlockRange range;           // a count of 0 means up to the last block
  bool immed = false;
};
SynchronizeCacheCdb decode_synchronize_cache(const Cdb& cdb);

struct PreFetchCdb {  // SBC-4 5.13, 5.14
  BlockRange range;   // a count of 0 means up to the last block
  bool immed = false;
};
PreFetchCdb decode_pre_fetch(const Cdb& cdb);

struct UnmapCdb {  // SBC-4 5.35
  bool anchor = false;
  uint16_t parameter_list_length = 0;
};
UnmapCdb decode_unmap(const Cdb& cdb);

struct InquiryCdb {  // SPC-5 6.7
  bool evpd = false;
  uint8_t page_code = 0;
  uint16_t allocation_length = 0;
};
InquiryCdb decode_inquiry(const Cdb& cdb);

struct ReportLunsCdb {  // SPC-5 6.34
  uint8_t select_report = 0;
  uint32_t allocation_length = 0;
};
ReportLunsCdb decode_report_luns(const Cdb& cdb);

struct RequestSenseCdb {  // SPC-5 6.40
  bool descriptor_format = false;
  uint8_t allocation_length = 0;
};
RequestSenseCdb decode_request_sense(const Cdb& cdb);

enum class PageControl : uint8_t { current, changeable, defaults, saved };  // SPC-5 6.15.1

struct ModeSenseCdb {  // SPC-5 6.15, 6.16
  bool ten = false;    // MODE SENSE(10)
  bool disable_block_descriptors = false;
  bool long_lba_accepted = false;
  PageControl page_control = PageControl::current;
  uint8_t page_code = 0;
  uint8_t subpage_code = 0;
  uint16_t allocation_length = 0;
};
ModeSenseCdb decode_mode_sense(const Cdb& cdb);

struct ModeSelectCdb {  // SPC-5 6.13, 6.14
  bool ten = false;     // MODE SELECT(10)
  bool page_format = false;
  bool save_pages = false;
  uint16_t parameter_list_length = 0;
};
ModeSelectCdb decode_mode_select(const Cdb& cdb);

struct ReportOperationCodesCdb {  // SPC-5 6.35
  bool with_timeouts = false;     // RCTD
  uint8_t reporting_options = 0;
  uint8_t operation_code = 0;
  uint16_t service_action = 0;
  uint32_t allocation_length = 0;
};
ReportOperationCodesCdb decode_report_operation_codes(const Cdb& cdb);

struct ReportTaskManagementCdb {  // SPC-5 6.36
  bool extended = false;          // REPD
  uint32_t allocation_length = 0;
};
ReportTaskManagementCdb decode_report_task_management(const Cdb& cdb);

struct ReportTargetPortGroupsCdb {  // SPC-5 6.37
  uint8_t format = 0;               // PARAMETER DATA FORMAT
  uint32_t allocation_length = 0;
};
ReportTargetPortGroupsCdb decode_report_target_port_groups(const Cdb& cdb);

struct SetTargetPortGroupsCdb {  // SPC-5 6.45
  uint32_t parameter_list_length = 0;
};
SetTargetPortGroupsCdb decode_set_target_port_groups(const Cdb& cdb);

struct IdentifyingInformationCdb {  // SPC-5 6.31 and 6.43
  uint8_t type = 0;
  uint32_t length = 0;  // ALLOCATION LENGTH or PARAMETER LIST LENGTH
};
IdentifyingInformationCdb decode_identifying_information(const Cdb& cdb);

struct LogSenseCdb {  // SPC-5 6.8
  bool save_parameters = false;
  uint8_t page_control = 0;
  uint8_t page_code = 0;
  uint8_t subpage_code = 0;
  uint16_t parameter_pointer = 0;
  uint16_t allocation_length = 0;
};
LogSenseCdb decode_log_sense(const Cdb& cdb);

struct ReceiveDiagnosticCdb {  // SPC-5 6.32
  bool page_code_valid = false;
  uint8_t page_code = 0;
  uint16_t allocation_length = 0;
};
ReceiveDiagnosticCdb decode_receive_diagnostic(const Cdb& cdb);

struct SendDiagnosticCdb {  // SPC-5 6.42
  uint8_t self_test_code = 0;
  bool self_test = false;
  uint16_t parameter_list_length = 0;
};
SendDiagnosticCdb decode_send_diagnostic(const Cdb& cdb);

struct BufferCdb {  // READ BUFFER(10) and WRITE BUFFER, SPC-5 6.18, 6.49
  uint8_t mode = 0;
  uint32_t length = 0;  // ALLOCATION LENGTH or PARAMETER LIST LENGTH
};
BufferCdb decode_buffer(const Cdb& cdb);

struct ReadDefectDataCdb {       // SBC-4 5.16, 5.17
  bool twelve = false;           // READ DEFECT DATA(12)
  uint8_t lists_and_format = 0;  // REQ_PLIST, REQ_GLIST, DEFECT LIST FORMAT
  uint32_t allocation_length = 0;
};
ReadDefectDataCdb decode_read_defect_data(const Cdb& cdb);

struct PersistentReserveInCdb {  // SPC-5 6.15
  uint8_t service_action = 0;
  uint16_t allocation_length = 0;
};
PersistentReserveInCdb decode_persistent_reserve_in(const Cdb& cdb);

struct PersistentReserveOutCdb {  // SPC-5 6.16
  uint8_t service_action = 0;
  uint8_t scope_and_type = 0;
  uint32_t parameter_list_length = 0;
};
PersistentReserveOutCdb decode_persistent_reserve_out(const Cdb& cdb);

struct ThirdPartyCopyOutCdb {  // SPC-5 6.5 to 6.7, SBC-4 5.11 and 5.54
  uint8_t service_action = 0;
  uint32_t list_identifier = 0;  // not of EXTENDED COPY: there it is in the parameter list
  uint32_t parameter_list_length = 0;
};
ThirdPartyCopyOutCdb decode_third_party_copy_out(const Cdb& cdb);

struct ThirdPartyCopyInCdb {  // SPC-5 6.22 to 6.28
  uint8_t service_action = 0;
  uint32_t list_identifier = 0;
  uint32_t allocation_length = 0;
};
ThirdPartyCopyInCdb decode_third_party_copy_in(const Cdb& cdb);

struct ReadCapacity16Cdb {  // SBC-4 5.23
  uint32_t allocation_length = 0;
};
ReadCapacity16Cdb decode_read_capacity16(const Cdb& cdb);

struct GetLbaStatusCdb {  // SBC-4 5.6
  Lba first;
  uint32_t allocation_length = 0;
};
GetLbaStatusCdb decode_get_lba_status(const Cdb& cdb);

struct StartStopUnitCdb {  // SBC-4 5.31
  bool immed = false;
  uint8_t power_condition = 0;
  bool no_flush = false;
  bool load_eject = false;
  bool start = false;
};
StartStopUnitCdb decode_start_stop_unit(const Cdb& cdb);

}  // namespace swiftness::scsi
