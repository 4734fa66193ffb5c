// What is answered where there is no logical unit (SPC-5 6.7.1, 6.40; SAM-5 4.7.4): INQUIRY says so
// in its first byte, REQUEST SENSE in its data, everything else ends with 25h/00h. Pure.
#pragma once

#include "target/scsi/command.h"

namespace swiftness::scsi {

TransferPlan plan_without_unit(const Cdb& cdb);
ScsiResult answer_without_unit(const Cdb& cdb);

}  // namespace swiftness::scsi
