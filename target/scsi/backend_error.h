// The one table that says how a failure of the device ends a command.
#pragma once

#include "backend/base/result.h"
#include "target/scsi/command.h"
#include "target/scsi/sense.h"

namespace swiftness::scsi {

enum class MediumAccess { read, write };  // anything that is not a read counts as a write

ScsiResult result_of_failure(ErrorCode code, MediumAccess access);

// Why a device that is not online does not serve its medium; nothing when it is online.
std::optional<ScsiResult> refusal_of_state(DeviceState state);

// The same for REQUEST SENSE, which reports it as data: NO SENSE when the device is ready.
Sense sense_of_state(DeviceState state);

}  // namespace swiftness::scsi
