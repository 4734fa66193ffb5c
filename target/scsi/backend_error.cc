#include "target/scsi/backend_error.h"

#include "backend/base/check.h"

namespace swiftness::scsi {
namespace {

// Fenced is final: another gateway owns the volume and only an administrator can change that. This
// sense key is not retried on the same path (BUSY and 04h/01h would be, for minutes), so multipath
// software moves on at once and nobody hopes in vain.
constexpr Sense kFenced{SenseKey::not_ready, asc::kManualInterventionRequired};
constexpr Sense kAttaching{SenseKey::not_ready, asc::kBecomingReady};

}  // namespace

ScsiResult result_of_failure(ErrorCode code, MediumAccess access) {
  switch (code) {
    // The store will come back, or its credentials will be put right, and nothing is lost
    // meanwhile: BUSY is what initiators retry without telling their file system.
    case ErrorCode::unavailable:
    case ErrorCode::timed_out:
    case ErrorCode::unauthorized:
      return ended_with(Status::busy);

    case ErrorCode::out_of_space:
      return check_condition({SenseKey::data_protect, asc::kSpaceAllocationFailed});

    // Data that should be there are not, or are not what was written: never answered with zeros
    // (I4).
    case ErrorCode::corrupt:
    case ErrorCode::not_found:
      return check_condition({SenseKey::medium_error, access == MediumAccess::read
                                                          ? asc::kUnrecoveredReadError
                                                          : asc::kWriteError});

    case ErrorCode::fenced:
      return check_condition(kFenced);

    case ErrorCode::cancelled:  // its transport has given the command up and drops this
      return ended_with(Status::task_aborted);

    // Not the initiator's doing: every range was checked before the device was called.
    case ErrorCode::conflict:
    case ErrorCode::invalid:
      return check_condition({SenseKey::hardware_error, asc::kInternalTargetFailure});
  }
  CHECK(false);
}

std::optional<ScsiResult> refusal_of_state(DeviceState state) {
  switch (state) {
    case DeviceState::online:
      return std::nullopt;
    case DeviceState::attaching:
    case DeviceState::fenced:
      return check_condition(sense_of_state(state));
    case DeviceState::stopped:  // the gateway drains: whoever retries finds its successor
      return ended_with(Status::busy);
  }
  CHECK(false);
}

Sense sense_of_state(DeviceState state) {
  switch (state) {
    case DeviceState::online:
      return Sense{};
    case DeviceState::fenced:
      return kFenced;
    case DeviceState::attaching:
    case DeviceState::stopped:
      return kAttaching;
  }
  CHECK(false);
}

}  // namespace swiftness::scsi
