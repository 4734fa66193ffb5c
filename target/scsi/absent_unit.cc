#include "target/scsi/absent_unit.h"

#include "target/scsi/cdb.h"
#include "target/scsi/commands.h"
#include "target/scsi/inquiry.h"
#include "target/scsi/sense.h"

namespace swiftness::scsi {
namespace {

ScsiResult inquiry(const InquiryCdb& cdb) {
  if (!cdb.evpd && cdb.page_code == 0) {
    return parameter_data(standard_inquiry(Identity{}, kNoLogicalUnit), cdb.allocation_length);
  }
  if (cdb.evpd && cdb.page_code == vpd::kSupportedPages) {
    return parameter_data(vpd_supported_pages_of_nothing(), cdb.allocation_length);
  }
  return check_condition(invalid_field_in_cdb(2));
}

ScsiResult request_sense(const RequestSenseCdb& cdb) {
  SenseFormat format = cdb.descriptor_format ? SenseFormat::descriptor : SenseFormat::fixed;
  Bytes sense = encode(illegal_request(asc::kLogicalUnitNotSupported), format);
  return parameter_data(std::move(sense), cdb.allocation_length);
}

uint64_t allocation_length(const Cdb& cdb) {
  return cdb[0] == opcode::kInquiry ? decode_inquiry(cdb).allocation_length
                                    : decode_request_sense(cdb).allocation_length;
}

}  // namespace

ScsiResult answer_without_unit(const Cdb& cdb) {
  if (cdb[0] == opcode::kInquiry || cdb[0] == opcode::kRequestSense) {
    std::variant<const CommandDescriptor*, Sense> found = find_command(cdb);
    if (const Sense* sense = std::get_if<Sense>(&found)) return check_condition(*sense);
  }
  switch (cdb[0]) {
    case opcode::kInquiry:
      return inquiry(decode_inquiry(cdb));
    case opcode::kRequestSense:
      return request_sense(decode_request_sense(cdb));
    default:
      return check_condition(illegal_request(asc::kLogicalUnitNotSupported));
  }
}

TransferPlan plan_without_unit(const Cdb& cdb) {
  TransferPlan plan;
  ScsiResult result = answer_without_unit(cdb);
  if (result.status != Status::good) {
    plan.final = std::move(result);
    return plan;
  }
  plan.direction = TransferPlan::Direction::to_initiator;
  plan.bytes = allocation_length(cdb);
  return plan;
}

}  // namespace swiftness::scsi
