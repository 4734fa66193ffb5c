// Task management functions (RFC 7143 11.5, 11.6). Each is answered at once: tasks are given up,
// not awaited, and missing Data-Out is not waited for either (initiators stop sending it).
#include "backend/base/log.h"
#include "target/iscsi/server_state.h"
#include "target/iscsi/session.h"

namespace swiftness::iscsi {
namespace {

enum Function : uint8_t {  // 11.5.1
  kAbortTask = 1,
  kAbortTaskSet = 2,
  kClearAca = 3,
  kClearTaskSet = 4,
  kLogicalUnitReset = 5,
  kTargetWarmReset = 6,
  kTargetColdReset = 7,
  kTaskReassign = 8,
};

enum Response : uint8_t {  // 11.6.1
  kComplete = 0,
  kTaskDoesNotExist = 1,
  kLunDoesNotExist = 2,
  kReassignmentNotSupported = 4,
  kNotSupported = 5,
  kNotAuthorized = 6,
  kRejected = 255,
};

}  // namespace

std::optional<uint8_t> Session::manage(const TaskManagementRequest& request) {
  if (router_ == nullptr) return kRejected;
  scsi::LunField lun(request.lun);
  uint8_t function = request.function & 0x7f;
  switch (function) {
    case kAbortTask:
      return abort_task(request);
    case kAbortTaskSet:
    case kClearTaskSet:
    case kLogicalUnitReset:
      if (!router_->has(lun, nexus_)) return kLunDoesNotExist;
      give_up_all(lun);
      if (function == kLogicalUnitReset) {
        router_->reset(lun, nexus_);
      } else if (function == kClearTaskSet) {
        router_->clear_task_set(lun, nexus_);
      } else {
        router_->abort_task_set(lun, nexus_);
      }
      return kComplete;
    case kTargetWarmReset:
      return reset_target();
    case kTargetColdReset:
      if (uint8_t refused = reset_target()) return refused;
      server_->end_sessions_of(login_.target, "TARGET COLD RESET by " + login_.initiator);
      return std::nullopt;
    case kTaskReassign:
      return kReassignmentNotSupported;  // ErrorRecoveryLevel 0
    case kClearAca:
      return kNotSupported;
    default:
      return kRejected;
  }
}

uint8_t Session::reset_target() {
  if (!router_->reset_all(nexus_)) return kNotAuthorized;
  give_up_all(std::nullopt);
  log::warning("{} has reset target {}", login_.initiator, login_.target);
  return kComplete;
}

uint8_t Session::abort_task(const TaskManagementRequest& request) {
  auto found = tasks_.find(request.referenced_task_tag);
  if (found != tasks_.end()) {
    ScsiTaskPtr task = found->second;
    if (task->command.lun != scsi::LunField(request.lun)) return kTaskDoesNotExist;
    give_up(*task);
    router_->abort_task(task->command.lun, nexus_, task->command.tag);
    return kComplete;
  }
  // 11.6.1 b): not here yet, but inside the window and sent before this request: from now on it
  // counts as received. What is next in order is skipped; what lies behind a gap is left to come.
  uint32_t referenced = request.ref_cmd_sn;
  if (window_.classify(referenced) == CommandWindow::Arrival::next &&
      serial_less(referenced, request.cmd_sn)) {
    window_.take();
    window_.release();
    return kComplete;
  }
  return kTaskDoesNotExist;
}

}  // namespace swiftness::iscsi
