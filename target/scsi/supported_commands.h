// REPORT SUPPORTED OPERATION CODES (SPC-5 6.35) and REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS
// (6.36), as bytes out of the command table. Pure.
#pragma once

#include <variant>

#include "target/scsi/cdb.h"
#include "target/scsi/sense.h"

namespace swiftness::scsi {

std::variant<Bytes, Sense> supported_operation_codes_data(const ReportOperationCodesCdb& cdb);
Bytes supported_task_management_data(bool extended);

}  // namespace swiftness::scsi
