// Task management functions (RFC 7143 11.5, 11.6). Each is answered at once: tasks are given up,
// not awaited, and missing Data-Out is not waited for either (initiators stop sending it).
#include <algorithm>

#include "backend/base/log.h"
#include "target/iscsi/server_state.h"
#include "target/iscsi/session.h"
#include "target/scsi/lun.h"

namespace swiftness::iscsi {
namespace {

// Initiators may name a logical unit in another form here than in its commands.
scsi::LunField lun_of(const TaskManagementRequest& request) {
  return scsi::canonical(scsi::LunField(request.lun));
}

enum Function : uint8_t {  // 11.5.1; from 9 on RFC 7144
  kAbortTask = 1,
  kAbortTaskSet = 2,
  kClearAca = 3,
  kClearTaskSet = 4,
  kLogicalUnitReset = 5,
  kTargetWarmReset = 6,
  kTargetColdReset = 7,
  kTaskReassign = 8,
  kQueryTask = 9,
  kQueryTaskSet = 10,
  kItNexusReset = 11,
  kQueryAsynchronousEvent = 12,
};

enum Response : uint8_t {  // 11.6.1
  kComplete = 0,
  kTaskDoesNotExist = 1,
  kLunDoesNotExist = 2,
  kReassignmentNotSupported = 4,
  kNotSupported = 5,
  kNotAuthorized = 6,
  kSucceeded = 7,  // RFC 7144
  kRejected = 255,
};

uint8_t function_of(const TaskManagementRequest& request) {
  return request.function & 0x7f;
}

bool is_of_level_2(uint8_t function) {
  return function >= kQueryTask && function <= kQueryAsynchronousEvent;
}

}  // namespace

std::optional<TaskManagementResponse> Session::manage(const TaskManagementRequest& request,
                                                      const Connection& connection) {
  TaskManagementResponse answer;
  answer.initiator_task_tag = request.initiator_task_tag;
  if (router_ == nullptr) {
    answer.response = kRejected;
  } else if (login_.parameters.protocol_level >= 2 && is_of_level_2(function_of(request))) {
    perform_level_2(request, connection, answer);
  } else {
    std::optional<uint8_t> response = perform(request, connection);
    if (!response) return std::nullopt;
    answer.response = *response;
  }
  return answer;
}

std::optional<uint8_t> Session::perform(const TaskManagementRequest& request,
                                        const Connection& connection) {
  scsi::LunField lun = lun_of(request);
  uint8_t function = function_of(request);
  switch (function) {
    case kAbortTask:
      return abort_task(request);
    case kAbortTaskSet:
    case kClearTaskSet:
    case kLogicalUnitReset:
      if (!router_->has(lun, nexus_)) return kLunDoesNotExist;
      give_up_set(lun, request, connection);
      if (function == kLogicalUnitReset) {
        router_->reset(lun, nexus_);
      } else if (function == kClearTaskSet) {
        router_->clear_task_set(lun, nexus_);
      } else {
        router_->abort_task_set(lun, nexus_);
      }
      return kComplete;
    case kTargetWarmReset:
      return reset_target(request, connection);
    case kTargetColdReset:
      if (uint8_t refused = reset_target(request, connection)) return refused;
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

// RFC 7144, SAM-5 7. The queries are answered from what is here now: a command that was sent before
// them by another connection and has not come is not in the task set yet.
void Session::perform_level_2(const TaskManagementRequest& request, const Connection& connection,
                              TaskManagementResponse& answer) {
  const scsi::LunField lun = lun_of(request);
  const uint8_t function = function_of(request);
  if (function == kItNexusReset) {  // its LUN is reserved
    give_up_set(std::nullopt, request, connection);
    router_->reset_nexus(nexus_);
    answer.response = kComplete;
  } else if (!router_->has(lun, nexus_)) {
    answer.response = kLunDoesNotExist;
  } else if (function == kQueryTask) {
    answer.response = has_task(request) ? kSucceeded : kComplete;
  } else if (function == kQueryTaskSet) {
    answer.response = has_task_of(lun) ? kSucceeded : kComplete;
  } else {
    std::optional<scsi::AsynchronousEvent> event = router_->query_asynchronous_event(lun, nexus_);
    answer.response = event ? kSucceeded : kComplete;
    if (event) answer.additional_response_information = *event;
  }
}

bool Session::has_task(const TaskManagementRequest& request) const {
  auto found = tasks_.find(request.referenced_task_tag);
  return found != tasks_.end() && found->second->command.lun == lun_of(request);
}

bool Session::has_task_of(scsi::LunField lun) const {
  return std::ranges::any_of(tasks_,
                             [lun](const auto& entry) { return entry.second->command.lun == lun; });
}

uint8_t Session::reset_target(const TaskManagementRequest& request, const Connection& connection) {
  if (!router_->reset_all(nexus_)) {
    server_->rejected_pdus.warning(
        "a reset of target {} by {} refused: it may not use and write all of its logical units",
        login_.target, login_.initiator);
    return kNotAuthorized;
  }
  give_up_set(std::nullopt, request, connection);
  log::warning("{} has reset target {}", login_.initiator, login_.target);
  return kComplete;
}

// 4.2.3.3: what its initiator sent before the request. Of what came by the request's connection
// that is all; what came by others, or comes by them only now, tells by its CmdSN.
void Session::give_up_set(std::optional<scsi::LunField> lun, const TaskManagementRequest& request,
                          const Connection& connection) {
  const uint32_t before = request.cmd_sn;
  give_up_if([&](const ScsiTask& task) {
    bool sent_before =
        task.connection == &connection || task.immediate || serial_less(task.cmd_sn, before);
    return sent_before && (!lun || task.command.lun == *lun);
  });
  forget_what_came();
  std::erase_if(given_up_, [&](const GivenUp& old) { return old.lun == lun; });
  bool may_come = connections_.size() > 1 && serial_less(window_.exp_cmd_sn(), before);
  bool possible = !serial_less(window_.max_cmd_sn() + 1, before);
  if (may_come && possible) given_up_.push_back({lun, before});
}

void Session::forget_what_came() {
  std::erase_if(given_up_,
                [&](const GivenUp& old) { return !serial_less(window_.exp_cmd_sn(), old.before); });
}

bool Session::was_given_up_before_it_came(const ScsiTask& task) {
  if (given_up_.empty()) return false;
  forget_what_came();
  return !task.immediate && std::ranges::any_of(given_up_, [&](const GivenUp& set) {
    return serial_less(task.cmd_sn, set.before) && (!set.lun || task.command.lun == *set.lun);
  });
}

uint8_t Session::abort_task(const TaskManagementRequest& request) {
  auto found = tasks_.find(request.referenced_task_tag);
  if (found != tasks_.end()) {
    ScsiTaskPtr task = found->second;
    if (task->command.lun != lun_of(request)) return kTaskDoesNotExist;
    give_up(*task);
    router_->abort_task(task->command.lun, nexus_, task->command.tag);
    return kComplete;
  }
  // 11.6.1 b): not here yet, but inside the window and sent before this request: from now on it
  // counts as received.
  uint32_t referenced = request.ref_cmd_sn;
  if (is_superfluous(referenced) || !serial_less(referenced, request.cmd_sn)) {
    return kTaskDoesNotExist;
  }
  if (window_.classify(referenced) == CommandWindow::Arrival::next) {
    window_.take();
    window_.release();
  } else {
    hold(referenced, {});
  }
  return kComplete;
}

}  // namespace swiftness::iscsi
