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
inline constexpr uint8_t kRead6 = 0x08;
inline constexpr uint8_t kWrite6 = 0x0a;
inline constexpr uint8_t kInquiry = 0x12;
inline constexpr uint8_t kModeSense6 = 0x1a;
inline constexpr uint8_t kStartStopUnit = 0x1b;
inline constexpr uint8_t kReadCapacity10 = 0x25;
inline constexpr uint8_t kRead10 = 0x28;
inline constexpr uint8_t kWrite10 = 0x2a;
inline constexpr uint8_t kPreFetch10 = 0x34;
inline constexpr uint8_t kSynchronizeCache10 = 0x35;
inline constexpr uint8_t kUnmap = 0x42;
inline constexpr uint8_t kModeSense10 = 0x5a;
inline constexpr uint8_t kRead16 = 0x88;
inline constexpr uint8_t kWrite16 = 0x8a;
inline constexpr uint8_t kPreFetch16 = 0x90;
inline constexpr uint8_t kSynchronizeCache16 = 0x91;
inline constexpr uint8_t kServiceActionIn16 = 0x9e;
inline constexpr uint8_t kReportLuns = 0xa0;
inline constexpr uint8_t kRead12 = 0xa8;
inline constexpr uint8_t kWrite12 = 0xaa;
}  // namespace opcode

namespace service_action {
inline constexpr uint8_t kReadCapacity16 = 0x10;  // of SERVICE ACTION IN(16)
inline constexpr uint8_t kGetLbaStatus = 0x12;    // of SERVICE ACTION IN(16)
}  // namespace service_action

// READ and WRITE of 6, 10, 12 and 16 bytes (SBC-4 5.18 to 5.21, 5.45 to 5.48), and the range of
// SYNCHRONIZE CACHE.
struct BlockAccess {
  BlockRange range;
  uint8_t protect = 0;    // RDPROTECT or WRPROTECT
  bool dpo = false;       // disable page out
  bool fua = false;       // force unit access
  uint8_t length_at = 0;  // the CDB byte where the transfer length starts, for the field pointer
};
BlockAccess decode_block_access(const Cdb& cdb);

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
