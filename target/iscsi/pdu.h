// iSCSI PDUs as they are on the wire (RFC 7143 clause 11): one struct per Basic Header Segment, in
// the RFC's words and order. All are 48 bytes without alignment and are copied in and out of
// buffers, never pointed into them.
//
// Numbers that many PDUs share are at the same place in all of them: Initiator Task Tag 16,
// StatSN 24, ExpCmdSN 28, MaxCmdSN 32 (to the initiator); CmdSN 24, ExpStatSN 28 (from it).
#pragma once

#include <boost/endian/arithmetic.hpp>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace swiftness::iscsi {

using boost::endian::big_uint16_t;
using boost::endian::big_uint24_t;
using boost::endian::big_uint32_t;
using boost::endian::big_uint64_t;

inline constexpr size_t kBhsSize = 48;
inline constexpr uint32_t kReservedTag = 0xffffffff;  // "no task", in ITT and TTT

enum class Opcode : uint8_t {  // 11.2.1.2
  nop_out = 0x00,
  scsi_command = 0x01,
  task_management_request = 0x02,
  login_request = 0x03,
  text_request = 0x04,
  data_out = 0x05,
  logout_request = 0x06,
  snack_request = 0x10,
  nop_in = 0x20,
  scsi_response = 0x21,
  task_management_response = 0x22,
  login_response = 0x23,
  text_response = 0x24,
  data_in = 0x25,
  logout_response = 0x26,
  r2t = 0x31,
  async_message = 0x32,
  reject = 0x3f,
};

inline constexpr uint8_t kOpcodeMask = 0x3f;
inline constexpr uint8_t kImmediate = 0x40;  // I bit of the opcode byte
inline constexpr uint8_t kFinal = 0x80;      // F (or T) bit of the flags byte
inline constexpr uint8_t kContinue = 0x40;   // C bit of text and login

constexpr uint8_t opcode_byte(Opcode opcode) {
  return static_cast<uint8_t>(opcode);
}

// 11.2.1: what every PDU begins with.
struct Bhs {
  uint8_t opcode = 0;
  uint8_t flags = 0;
  std::array<uint8_t, 2> specific{};
  uint8_t total_ahs_length = 0;  // in 4-byte words
  big_uint24_t data_segment_length{};
  big_uint64_t lun{};
  big_uint32_t initiator_task_tag{};
  std::array<uint8_t, 28> rest{};

  Opcode kind() const noexcept { return static_cast<Opcode>(opcode & kOpcodeMask); }
  bool immediate() const noexcept { return (opcode & kImmediate) != 0; }
  bool final() const noexcept { return (flags & kFinal) != 0; }
};

struct ScsiCommand {  // 11.3
  uint8_t opcode = opcode_byte(Opcode::scsi_command);
  uint8_t flags = kFinal;  // F R W . . ATTR
  std::array<uint8_t, 2> reserved{};
  uint8_t total_ahs_length = 0;
  big_uint24_t data_segment_length{};
  big_uint64_t lun{};
  big_uint32_t initiator_task_tag{};
  big_uint32_t expected_data_transfer_length{};
  big_uint32_t cmd_sn{};
  big_uint32_t exp_stat_sn{};
  std::array<uint8_t, 16> cdb{};

  static constexpr uint8_t kRead = 0x40;
  static constexpr uint8_t kWrite = 0x20;
  static constexpr uint8_t kAttributeMask = 0x07;
};

struct ScsiResponse {  // 11.4
  uint8_t opcode = opcode_byte(Opcode::scsi_response);
  uint8_t flags = kFinal;
  uint8_t response = 0;  // 0: command completed at target
  uint8_t status = 0;
  uint8_t total_ahs_length = 0;
  big_uint24_t data_segment_length{};
  big_uint64_t reserved{};
  big_uint32_t initiator_task_tag{};
  big_uint32_t snack_tag{};
  big_uint32_t stat_sn{};
  big_uint32_t exp_cmd_sn{};
  big_uint32_t max_cmd_sn{};
  big_uint32_t exp_data_sn{};
  big_uint32_t bidirectional_residual_count{};
  big_uint32_t residual_count{};

  static constexpr uint8_t kOverflow = 0x04;
  static constexpr uint8_t kUnderflow = 0x02;
};

struct TaskManagementRequest {  // 11.5
  uint8_t opcode = opcode_byte(Opcode::task_management_request) | kImmediate;
  uint8_t function = kFinal;
  std::array<uint8_t, 2> reserved{};
  uint8_t total_ahs_length = 0;
  big_uint24_t data_segment_length{};
  big_uint64_t lun{};
  big_uint32_t initiator_task_tag{};
  big_uint32_t referenced_task_tag{};
  big_uint32_t cmd_sn{};
  big_uint32_t exp_stat_sn{};
  big_uint32_t ref_cmd_sn{};
  big_uint32_t exp_data_sn{};
  big_uint64_t reserved2{};
};

struct TaskManagementResponse {  // 11.6
  uint8_t opcode = opcode_byte(Opcode::task_management_response);
  uint8_t flags = kFinal;
  uint8_t response = 0;
  uint8_t reserved = 0;
  uint8_t total_ahs_length = 0;
  big_uint24_t data_segment_length{};
  std::array<uint8_t, 3> additional_response_information{};  // RFC 7144
  std::array<uint8_t, 5> reserved2{};
  big_uint32_t initiator_task_tag{};
  big_uint32_t reserved3{};
  big_uint32_t stat_sn{};
  big_uint32_t exp_cmd_sn{};
  big_uint32_t max_cmd_sn{};
  std::array<uint8_t, 12> reserved4{};
};

struct DataOut {  // 11.7
  uint8_t opcode = opcode_byte(Opcode::data_out);
  uint8_t flags = 0;
  std::array<uint8_t, 2> reserved{};
  uint8_t total_ahs_length = 0;
  big_uint24_t data_segment_length{};
  big_uint64_t lun{};  // not looked at: Windows leaves it empty, the tags say everything
  big_uint32_t initiator_task_tag{};
  big_uint32_t target_transfer_tag{kReservedTag};
  big_uint32_t reserved2{};
  big_uint32_t exp_stat_sn{};
  big_uint32_t reserved3{};
  big_uint32_t data_sn{};
  big_uint32_t buffer_offset{};
  big_uint32_t reserved4{};
};

struct DataIn {  // 11.7
  uint8_t opcode = opcode_byte(Opcode::data_in);
  uint8_t flags = 0;  // F A . . . O U S
  uint8_t reserved = 0;
  uint8_t status = 0;
  uint8_t total_ahs_length = 0;
  big_uint24_t data_segment_length{};
  big_uint64_t lun{};
  big_uint32_t initiator_task_tag{};
  big_uint32_t target_transfer_tag{kReservedTag};
  big_uint32_t stat_sn{};
  big_uint32_t exp_cmd_sn{};
  big_uint32_t max_cmd_sn{};
  big_uint32_t data_sn{};
  big_uint32_t buffer_offset{};
  big_uint32_t residual_count{};

  static constexpr uint8_t kStatus = 0x01;  // S: carries the status
};

struct R2t {  // 11.8
  uint8_t opcode = opcode_byte(Opcode::r2t);
  uint8_t flags = kFinal;
  std::array<uint8_t, 2> reserved{};
  uint8_t total_ahs_length = 0;
  big_uint24_t data_segment_length{};
  big_uint64_t lun{};
  big_uint32_t initiator_task_tag{};
  big_uint32_t target_transfer_tag{};
  big_uint32_t stat_sn{};
  big_uint32_t exp_cmd_sn{};
  big_uint32_t max_cmd_sn{};
  big_uint32_t r2t_sn{};
  big_uint32_t buffer_offset{};
  big_uint32_t desired_data_transfer_length{};
};

struct AsyncMessage {  // 11.9
  uint8_t opcode = opcode_byte(Opcode::async_message);
  uint8_t flags = kFinal;
  std::array<uint8_t, 2> reserved{};
  uint8_t total_ahs_length = 0;
  big_uint24_t data_segment_length{};
  big_uint64_t lun{};
  big_uint32_t initiator_task_tag{kReservedTag};
  big_uint32_t reserved2{};
  big_uint32_t stat_sn{};
  big_uint32_t exp_cmd_sn{};
  big_uint32_t max_cmd_sn{};
  uint8_t async_event = 0;
  uint8_t async_vcode = 0;
  big_uint16_t parameter1{};
  big_uint16_t parameter2{};
  big_uint16_t parameter3{};
  big_uint32_t reserved3{};

  static constexpr uint8_t kScsiEvent = 0;        // its sense is in the data segment
  static constexpr uint8_t kRequestsLogout = 1;   // within Parameter3 seconds
  static constexpr uint8_t kDropsConnection = 2;  // of CID Parameter1
};

struct TextRequest {  // 11.10
  uint8_t opcode = opcode_byte(Opcode::text_request);
  uint8_t flags = kFinal;  // F C
  std::array<uint8_t, 2> reserved{};
  uint8_t total_ahs_length = 0;
  big_uint24_t data_segment_length{};
  big_uint64_t lun{};
  big_uint32_t initiator_task_tag{};
  big_uint32_t target_transfer_tag{kReservedTag};
  big_uint32_t cmd_sn{};
  big_uint32_t exp_stat_sn{};
  std::array<uint8_t, 16> reserved2{};
};

struct TextResponse {  // 11.11
  uint8_t opcode = opcode_byte(Opcode::text_response);
  uint8_t flags = kFinal;
  std::array<uint8_t, 2> reserved{};
  uint8_t total_ahs_length = 0;
  big_uint24_t data_segment_length{};
  big_uint64_t lun{};
  big_uint32_t initiator_task_tag{};
  big_uint32_t target_transfer_tag{kReservedTag};
  big_uint32_t stat_sn{};
  big_uint32_t exp_cmd_sn{};
  big_uint32_t max_cmd_sn{};
  std::array<uint8_t, 12> reserved2{};
};

using Isid = std::array<uint8_t, 6>;

struct LoginRequest {  // 11.12
  uint8_t opcode = opcode_byte(Opcode::login_request) | kImmediate;
  uint8_t flags = 0;  // T C . . CSG NSG
  uint8_t version_max = 0;
  uint8_t version_min = 0;
  uint8_t total_ahs_length = 0;
  big_uint24_t data_segment_length{};
  Isid isid{};
  big_uint16_t tsih{};
  big_uint32_t initiator_task_tag{};
  big_uint16_t cid{};
  big_uint16_t reserved{};
  big_uint32_t cmd_sn{};
  big_uint32_t exp_stat_sn{};
  std::array<uint8_t, 16> reserved2{};
};

struct LoginResponse {  // 11.13
  uint8_t opcode = opcode_byte(Opcode::login_response);
  uint8_t flags = 0;
  uint8_t version_max = 0;
  uint8_t version_active = 0;
  uint8_t total_ahs_length = 0;
  big_uint24_t data_segment_length{};
  Isid isid{};
  big_uint16_t tsih{};
  big_uint32_t initiator_task_tag{};
  big_uint32_t reserved{};
  big_uint32_t stat_sn{};
  big_uint32_t exp_cmd_sn{};
  big_uint32_t max_cmd_sn{};
  uint8_t status_class = 0;
  uint8_t status_detail = 0;
  big_uint16_t reserved2{};
  big_uint64_t reserved3{};
};

struct LogoutRequest {  // 11.14
  uint8_t opcode = opcode_byte(Opcode::logout_request) | kImmediate;
  uint8_t reason = kFinal;
  std::array<uint8_t, 2> reserved{};
  uint8_t total_ahs_length = 0;
  big_uint24_t data_segment_length{};
  big_uint64_t reserved2{};
  big_uint32_t initiator_task_tag{};
  big_uint16_t cid{};
  big_uint16_t reserved3{};
  big_uint32_t cmd_sn{};
  big_uint32_t exp_stat_sn{};
  std::array<uint8_t, 16> reserved4{};
};

struct LogoutResponse {  // 11.15
  uint8_t opcode = opcode_byte(Opcode::logout_response);
  uint8_t flags = kFinal;
  uint8_t response = 0;
  uint8_t reserved = 0;
  uint8_t total_ahs_length = 0;
  big_uint24_t data_segment_length{};
  big_uint64_t reserved2{};
  big_uint32_t initiator_task_tag{};
  big_uint32_t reserved3{};
  big_uint32_t stat_sn{};
  big_uint32_t exp_cmd_sn{};
  big_uint32_t max_cmd_sn{};
  big_uint32_t reserved4{};
  big_uint16_t time2wait{};
  big_uint16_t time2retain{};
  big_uint32_t reserved5{};
};

enum class RejectReason : uint8_t {  // 11.17.1
  data_digest_error = 0x02,
  snack = 0x03,
  protocol_error = 0x04,
  command_not_supported = 0x05,
  too_many_immediate_commands = 0x06,
  task_in_progress = 0x07,
  invalid_pdu_field = 0x09,
  long_op_out_of_resources = 0x0a,
  waiting_for_logout = 0x0c,
};

struct Reject {  // 11.17; its data segment is the header of the PDU it is about
  uint8_t opcode = opcode_byte(Opcode::reject);
  uint8_t flags = kFinal;
  uint8_t reason = 0;
  uint8_t reserved = 0;
  uint8_t total_ahs_length = 0;
  big_uint24_t data_segment_length{};
  big_uint64_t reserved2{};
  big_uint32_t initiator_task_tag{kReservedTag};
  big_uint32_t reserved3{};
  big_uint32_t stat_sn{};
  big_uint32_t exp_cmd_sn{};
  big_uint32_t max_cmd_sn{};
  big_uint32_t data_sn{};
  big_uint64_t reserved4{};
};

struct NopOut {  // 11.18
  uint8_t opcode = opcode_byte(Opcode::nop_out);
  uint8_t flags = kFinal;
  std::array<uint8_t, 2> reserved{};
  uint8_t total_ahs_length = 0;
  big_uint24_t data_segment_length{};
  big_uint64_t lun{};
  big_uint32_t initiator_task_tag{kReservedTag};
  big_uint32_t target_transfer_tag{kReservedTag};
  big_uint32_t cmd_sn{};
  big_uint32_t exp_stat_sn{};
  std::array<uint8_t, 16> reserved2{};
};

struct NopIn {  // 11.19
  uint8_t opcode = opcode_byte(Opcode::nop_in);
  uint8_t flags = kFinal;
  std::array<uint8_t, 2> reserved{};
  uint8_t total_ahs_length = 0;
  big_uint24_t data_segment_length{};
  big_uint64_t lun{};
  big_uint32_t initiator_task_tag{kReservedTag};
  big_uint32_t target_transfer_tag{kReservedTag};
  big_uint32_t stat_sn{};
  big_uint32_t exp_cmd_sn{};
  big_uint32_t max_cmd_sn{};
  std::array<uint8_t, 12> reserved2{};
};

template <class Pdu>
inline constexpr bool kIsBhs = sizeof(Pdu) == kBhsSize && alignof(Pdu) == 1;

static_assert(kIsBhs<Bhs> && kIsBhs<ScsiCommand> && kIsBhs<ScsiResponse>);
static_assert(kIsBhs<TaskManagementRequest> && kIsBhs<TaskManagementResponse>);
static_assert(kIsBhs<DataOut> && kIsBhs<DataIn> && kIsBhs<R2t> && kIsBhs<AsyncMessage>);
static_assert(kIsBhs<TextRequest> && kIsBhs<TextResponse>);
static_assert(kIsBhs<LoginRequest> && kIsBhs<LoginResponse>);
static_assert(kIsBhs<LogoutRequest> && kIsBhs<LogoutResponse>);
static_assert(kIsBhs<Reject> && kIsBhs<NopOut> && kIsBhs<NopIn>);

// The same 48 bytes under another name: Bhs to a PDU, a PDU to Bhs, either to bytes.
template <class To, class From>
To pdu_cast(const From& from) noexcept {
  static_assert(sizeof(To) == kBhsSize && sizeof(From) == kBhsSize);
  return std::bit_cast<To>(from);
}

// What requests of the initiator have at one place; Data-Out and SNACK have no CmdSN.
inline uint32_t cmd_sn_of(const Bhs& request) noexcept {
  return pdu_cast<NopOut>(request).cmd_sn;
}
inline uint32_t exp_stat_sn_of(const Bhs& request) noexcept {
  return pdu_cast<NopOut>(request).exp_stat_sn;
}

}  // namespace swiftness::iscsi
