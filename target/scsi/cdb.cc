#include "target/scsi/cdb.h"

#include "backend/base/endian.h"

namespace swiftness::scsi {
namespace {

template <class T>
T be(const Cdb& cdb, size_t at) {
  return load_be<T>(reinterpret_cast<const std::byte*>(cdb.data()) + at);
}

bool bit(const Cdb& cdb, size_t at, unsigned number) {
  return (cdb[at] >> number & 1) != 0;
}

enum class Shape { six, ten, twelve, sixteen };

// GROUP CODE: the operation code's upper three bits give the CDB's layout (SPC-5 4.2.5.1).
Shape shape_of(const Cdb& cdb) {
  switch (cdb[0] >> 5) {
    case 0:
      return Shape::six;
    case 4:
      return Shape::sixteen;
    case 5:
      return Shape::twelve;
    default:
      return Shape::ten;
  }
}

}  // namespace

BlockAccess decode_block_access(const Cdb& cdb) {
  BlockAccess access;
  switch (shape_of(cdb)) {
    case Shape::six: {
      uint32_t lba = be<uint32_t>(cdb, 0) & 0x1fffff;
      uint32_t blocks = cdb[4] == 0 ? 256 : cdb[4];  // this old form has no way to say zero
      access.range = {Lba(lba), BlockCount(blocks)};
      access.length_at = 4;
      return access;  // and no byte of flags
    }
    case Shape::ten:
      access.range = {Lba(be<uint32_t>(cdb, 2)), BlockCount(be<uint16_t>(cdb, 7))};
      access.length_at = 7;
      break;
    case Shape::twelve:
      access.range = {Lba(be<uint32_t>(cdb, 2)), BlockCount(be<uint32_t>(cdb, 6))};
      access.length_at = 6;
      break;
    case Shape::sixteen:
      access.range = {Lba(be<uint64_t>(cdb, 2)), BlockCount(be<uint32_t>(cdb, 10))};
      access.length_at = 10;
      break;
  }
  access.protect = cdb[1] >> 5;
  access.dpo = bit(cdb, 1, 4);
  access.fua = bit(cdb, 1, 3);
  return access;
}

VerifyCdb decode_verify(const Cdb& cdb) {
  return {decode_block_access(cdb), static_cast<uint8_t>(cdb[1] >> 1 & 0x03)};
}

BlockAccess decode_compare_and_write(const Cdb& cdb) {
  BlockAccess access = decode_block_access(cdb);
  access.range.count = BlockCount(cdb[13]);
  access.length_at = 13;
  return access;
}

WriteAtomicCdb decode_write_atomic(const Cdb& cdb) {
  BlockAccess access = decode_block_access(cdb);
  access.range.count = BlockCount(be<uint16_t>(cdb, 12));
  access.length_at = 12;
  return {access, be<uint16_t>(cdb, 10)};
}

WriteSameCdb decode_write_same(const Cdb& cdb) {
  WriteSameCdb out;
  out.access = decode_block_access(cdb);
  out.access.dpo = out.access.fua = false;  // these bits are ANCHOR and UNMAP here
  out.anchor = bit(cdb, 1, 4);
  out.unmap = bit(cdb, 1, 3);
  out.physical_or_logical_block_data = bit(cdb, 1, 2) || bit(cdb, 1, 1);
  out.no_data_out = shape_of(cdb) == Shape::sixteen && bit(cdb, 1, 0);
  return out;
}

FormatUnitCdb decode_format_unit(const Cdb& cdb) {
  return {static_cast<uint8_t>(cdb[1] >> 6), bit(cdb, 1, 5), bit(cdb, 1, 4),
          static_cast<uint8_t>(cdb[1] & 0x07)};
}

SanitizeCdb decode_sanitize(const Cdb& cdb) {
  return {bit(cdb, 1, 7), bit(cdb, 1, 6), bit(cdb, 1, 5), be<uint16_t>(cdb, 7)};
}

SynchronizeCacheCdb decode_synchronize_cache(const Cdb& cdb) {
  return {decode_block_access(cdb).range, bit(cdb, 1, 1)};
}

PreFetchCdb decode_pre_fetch(const Cdb& cdb) {
  return {decode_block_access(cdb).range, bit(cdb, 1, 1)};
}

UnmapCdb decode_unmap(const Cdb& cdb) {
  return {bit(cdb, 1, 0), be<uint16_t>(cdb, 7)};
}

InquiryCdb decode_inquiry(const Cdb& cdb) {
  return {bit(cdb, 1, 0), cdb[2], be<uint16_t>(cdb, 3)};
}

ReportLunsCdb decode_report_luns(const Cdb& cdb) {
  return {cdb[2], be<uint32_t>(cdb, 6)};
}

RequestSenseCdb decode_request_sense(const Cdb& cdb) {
  return {bit(cdb, 1, 0), cdb[4]};
}

ModeSenseCdb decode_mode_sense(const Cdb& cdb) {
  ModeSenseCdb out;
  out.ten = shape_of(cdb) == Shape::ten;
  out.disable_block_descriptors = bit(cdb, 1, 3);
  out.long_lba_accepted = out.ten && bit(cdb, 1, 4);
  out.page_control = static_cast<PageControl>(cdb[2] >> 6);
  out.page_code = cdb[2] & 0x3f;
  out.subpage_code = cdb[3];
  out.allocation_length = out.ten ? be<uint16_t>(cdb, 7) : cdb[4];
  return out;
}

ModeSelectCdb decode_mode_select(const Cdb& cdb) {
  ModeSelectCdb out;
  out.ten = shape_of(cdb) == Shape::ten;
  out.page_format = bit(cdb, 1, 4);
  out.save_pages = bit(cdb, 1, 0);
  out.parameter_list_length = out.ten ? be<uint16_t>(cdb, 7) : cdb[4];
  return out;
}

ReportOperationCodesCdb decode_report_operation_codes(const Cdb& cdb) {
  ReportOperationCodesCdb out;
  out.with_timeouts = bit(cdb, 2, 7);
  out.reporting_options = cdb[2] & 0x07;
  out.operation_code = cdb[3];
  out.service_action = be<uint16_t>(cdb, 4);
  out.allocation_length = be<uint32_t>(cdb, 6);
  return out;
}

ReportTaskManagementCdb decode_report_task_management(const Cdb& cdb) {
  return {bit(cdb, 2, 7), be<uint32_t>(cdb, 6)};
}

ReportTargetPortGroupsCdb decode_report_target_port_groups(const Cdb& cdb) {
  return {static_cast<uint8_t>(cdb[1] >> 5), be<uint32_t>(cdb, 6)};
}

SetTargetPortGroupsCdb decode_set_target_port_groups(const Cdb& cdb) {
  return {be<uint32_t>(cdb, 6)};
}

IdentifyingInformationCdb decode_identifying_information(const Cdb& cdb) {
  return {static_cast<uint8_t>(cdb[10] >> 1), be<uint32_t>(cdb, 6)};
}

LogSenseCdb decode_log_sense(const Cdb& cdb) {
  LogSenseCdb out;
  out.save_parameters = bit(cdb, 1, 0);
  out.page_control = cdb[2] >> 6;
  out.page_code = cdb[2] & 0x3f;
  out.subpage_code = cdb[3];
  out.parameter_pointer = be<uint16_t>(cdb, 5);
  out.allocation_length = be<uint16_t>(cdb, 7);
  return out;
}

ReceiveDiagnosticCdb decode_receive_diagnostic(const Cdb& cdb) {
  return {bit(cdb, 1, 0), cdb[2], be<uint16_t>(cdb, 3)};
}

SendDiagnosticCdb decode_send_diagnostic(const Cdb& cdb) {
  return {static_cast<uint8_t>(cdb[1] >> 5), bit(cdb, 1, 2), be<uint16_t>(cdb, 3)};
}

BufferCdb decode_buffer(const Cdb& cdb) {
  return {static_cast<uint8_t>(cdb[1] & 0x1f), be<uint32_t>(cdb, 5) & 0xffffff};
}

ReadDefectDataCdb decode_read_defect_data(const Cdb& cdb) {
  ReadDefectDataCdb out;
  out.twelve = shape_of(cdb) == Shape::twelve;
  out.lists_and_format = cdb[out.twelve ? 1 : 2] & 0x1f;
  out.allocation_length = out.twelve ? be<uint32_t>(cdb, 6) : be<uint16_t>(cdb, 7);
  return out;
}

PersistentReserveInCdb decode_persistent_reserve_in(const Cdb& cdb) {
  return {static_cast<uint8_t>(cdb[1] & 0x1f), be<uint16_t>(cdb, 7)};
}

PersistentReserveOutCdb decode_persistent_reserve_out(const Cdb& cdb) {
  return {static_cast<uint8_t>(cdb[1] & 0x1f), cdb[2], be<uint32_t>(cdb, 5)};
}

ThirdPartyCopyOutCdb decode_third_party_copy_out(const Cdb& cdb) {
  ThirdPartyCopyOutCdb out;
  out.service_action = cdb[1] & 0x1f;
  const bool is_abort = out.service_action == service_action::kCopyOperationAbort;
  out.list_identifier = be<uint32_t>(cdb, is_abort ? 2 : 6);
  if (!is_abort) out.parameter_list_length = be<uint32_t>(cdb, 10);
  return out;
}

ThirdPartyCopyInCdb decode_third_party_copy_in(const Cdb& cdb) {
  ThirdPartyCopyInCdb in;
  in.service_action = cdb[1] & 0x1f;
  const bool has_long_list_identifier =
      in.service_action == service_action::kReceiveCopyStatusLid4 ||
      in.service_action == service_action::kReceiveRodTokenInformation;
  in.list_identifier = has_long_list_identifier ? be<uint32_t>(cdb, 2) : cdb[2];
  in.allocation_length = be<uint32_t>(cdb, 10);
  return in;
}

ReadCapacity16Cdb decode_read_capacity16(const Cdb& cdb) {
  return {be<uint32_t>(cdb, 10)};
}

GetLbaStatusCdb decode_get_lba_status(const Cdb& cdb) {
  return {Lba(be<uint64_t>(cdb, 2)), be<uint32_t>(cdb, 10)};
}

StartStopUnitCdb decode_start_stop_unit(const Cdb& cdb) {
  StartStopUnitCdb out;
  out.immed = bit(cdb, 1, 0);
  out.power_condition = cdb[4] >> 4;
  out.no_flush = bit(cdb, 4, 2);
  out.load_eject = bit(cdb, 4, 1);
  out.start = bit(cdb, 4, 0);
  return out;
}

}  // namespace swiftness::scsi
