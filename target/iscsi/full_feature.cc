// Full feature phase: what a connection does with each PDU (RFC 7143 clause 11), and in which order
// (4.2.2.1).
#include <algorithm>

#include "backend/base/log.h"
#include "target/iscsi/connection.h"
#include "target/iscsi/discovery.h"
#include "target/iscsi/server_state.h"

namespace swiftness::iscsi {
namespace {

// All requests of the initiator have their CmdSN at one place; Data-Out and SNACK have none.
uint32_t cmd_sn_of(const Bhs& header) {
  return pdu_cast<NopOut>(header).cmd_sn;
}

bool is_numbered(Opcode kind) {
  switch (kind) {
    case Opcode::nop_out:
    case Opcode::scsi_command:
    case Opcode::task_management_request:
    case Opcode::text_request:
    case Opcode::logout_request:
      return true;
    default:
      return false;
  }
}

// 11.14.1
enum LogoutReason : uint8_t { kCloseSession = 0, kCloseConnection = 1, kRemoveForRecovery = 2 };
// 11.15.1
enum LogoutResult : uint8_t { kClosed = 0, kCidNotFound = 1, kRecoveryNotSupported = 2 };

}  // namespace

std::span<std::byte> Connection::on_header(const Bhs& header) {
  segment_ = {};
  command_ = {};
  receiver_.reset();
  ignored_ = false;
  if (phase_ != Phase::login) {
    if (is_numbered(header.kind()) && !header.immediate()) {
      ignored_ = session_->is_superfluous(cmd_sn_of(header));
      if (ignored_) return {};
    }
    if (header.kind() == Opcode::scsi_command) {
      command_ = session_->prepare(pdu_cast<ScsiCommand>(header));
      if (!command_.task) return {};
      uint32_t length = static_cast<uint32_t>(
          std::min<size_t>(command_.task->unsolicited.size(), header.data_segment_length));
      return command_.task->unsolicited.writable().first(length);
    }
    if (header.kind() == Opcode::data_out) {
      std::span<std::byte> place;
      receiver_ = session_->expect_data(pdu_cast<DataOut>(header), place);
      return place;
    }
    bool answer_repeats_it = header.kind() == Opcode::nop_out;
    if (!answer_repeats_it && header.data_segment_length > kMaximumText) return {};
  }
  segment_ = Buffer::allocate(header.data_segment_length);
  return segment_.writable();
}

bool Connection::on_pdu(const Bhs& header) {
  if (closed_) return false;
  if (phase_ == Phase::login) return on_login_pdu(header);
  if (ignored_) return true;
  if (header.kind() == Opcode::data_out) {
    ScsiTaskPtr task = std::move(receiver_);
    if (task) session_->data_arrived(*task);
    return !closed_;
  }
  ReceivedPdu pdu = header.kind() == Opcode::scsi_command
                        ? std::move(command_)
                        : ReceivedPdu{header, std::move(segment_), {}, {}};
  bool go_on = is_numbered(header.kind()) && !header.immediate() ? dispatch_in_order(std::move(pdu))
                                                                 : dispatch(std::move(pdu));
  return go_on && !closed_;
}

bool Connection::dispatch_in_order(ReceivedPdu pdu) {
  uint32_t cmd_sn = cmd_sn_of(pdu.header);
  if (session_->window().classify(cmd_sn) == CommandWindow::Arrival::early) {
    session_->hold(cmd_sn, std::move(pdu));
    return true;
  }
  return take_turn(std::move(pdu)) && dispatch_held();
}

// What arrived early and has its turn now.
bool Connection::dispatch_held() {
  while (std::optional<ReceivedPdu> pdu = session_->take_held()) {
    if (!take_turn(std::move(*pdu))) return false;
  }
  return true;
}

bool Connection::take_turn(ReceivedPdu pdu) {
  session_->admit_next();
  // A command keeps its place in the window until it is answered, everything else is done at once.
  if (!pdu.task) session_->window().release();
  return dispatch(std::move(pdu)) && !closed_;
}

bool Connection::dispatch(ReceivedPdu pdu) {
  if (pdu.reject) {
    reject(pdu.header, *pdu.reject);
    return true;
  }
  switch (pdu.header.kind()) {
    case Opcode::scsi_command:
      session_->start(std::move(pdu.task));
      return true;
    case Opcode::nop_out:
      on_nop_out(pdu);
      return true;
    case Opcode::text_request:
      return on_text(pdu);
    case Opcode::logout_request:
      return on_logout(pdu);
    case Opcode::task_management_request:
      return on_task_management(pdu);
    case Opcode::login_request:  // 6.3: not in full feature phase; ERL 0 knows one way out
      reject(pdu.header, RejectReason::protocol_error);
      finish_reason_ = "a login request in full feature phase";
      return false;
    case Opcode::snack_request:  // ErrorRecoveryLevel 0
    default:
      reject(pdu.header, RejectReason::command_not_supported);
      return true;
  }
}

void Connection::on_nop_out(const ReceivedPdu& pdu) {
  if (pdu.header.initiator_task_tag == kReservedTag) return;  // answers our ping, or asks nothing
  NopOut request = pdu_cast<NopOut>(pdu.header);
  NopIn answer;
  answer.lun = request.lun;
  answer.initiator_task_tag = request.initiator_task_tag;
  size_t echoed = std::min<size_t>(pdu.data.size(), session_->parameters().initiator_max_recv);
  respond(answer, BufferList(pdu.data.slice(0, echoed)));
}

bool Connection::on_text(const ReceivedPdu& pdu) {
  TextRequest request = pdu_cast<TextRequest>(pdu.header);
  bool whole = pdu.data.size() == pdu.header.data_segment_length;  // else longer than any text
  std::optional<TextExchange::Answer> answer;
  if (whole) {
    answer = text_.receive(request, pdu.data.text(), session_->parameters().initiator_max_recv,
                           [this](const TextKeys& keys) { return answer_text(keys); });
  }
  if (!answer) {
    reject(pdu.header, RejectReason::protocol_error);
    return true;
  }
  respond(answer->header, BufferList(Buffer::copy_of(answer->text)));
  return true;
}

std::string Connection::answer_text(const TextKeys& keys) {
  const LoginResult& login = session_->login();
  std::string text;
  if (const std::string* send_targets = keys.find("SendTargets")) {
    text = answer_send_targets({.send_targets = *send_targets,
                                .initiator = login.initiator,
                                .session_target = login.target,
                                .local_address = local_address_},
                               *server_->targets, server_->portals);
  }
  renegotiate_keys(keys, session_->parameters(), text);
  return text;
}

bool Connection::on_logout(const ReceivedPdu& pdu) {
  LogoutRequest request = pdu_cast<LogoutRequest>(pdu.header);
  uint8_t reason = request.reason & 0x7f;
  LogoutResponse answer;
  answer.initiator_task_tag = request.initiator_task_tag;
  if (reason > kRemoveForRecovery) {
    reject(pdu.header, RejectReason::invalid_pdu_field);
    return true;
  }
  if (reason == kRemoveForRecovery) {
    answer.response = kRecoveryNotSupported;  // ErrorRecoveryLevel 0
  } else if (reason == kCloseConnection && request.cid != session_->login().cid) {
    answer.response = kCidNotFound;
  } else {
    answer.response = kClosed;
  }
  respond(answer);
  finish_reason_ = "logged out";
  return answer.response != kClosed;
}

bool Connection::on_task_management(const ReceivedPdu& pdu) {
  TaskManagementRequest request = pdu_cast<TaskManagementRequest>(pdu.header);
  TaskManagementResponse answer;
  answer.initiator_task_tag = request.initiator_task_tag;
  std::optional<uint8_t> response = session_->manage(request);
  if (!response) return false;
  answer.response = *response;
  respond(answer);
  return dispatch_held();  // the abort of a command that never came may have filled a gap
}

void Connection::reject(const Bhs& header, RejectReason reason) {
  ++server_->counts.pdus_rejected;
  log::debug("{}: PDU {:02x}h rejected, reason {:02x}h", address_, header.opcode,
             static_cast<uint8_t>(reason));
  Reject pdu;
  pdu.reason = static_cast<uint8_t>(reason);
  respond(pdu, BufferList(Buffer::copy_of(std::as_bytes(std::span(&header, 1)))));
}

}  // namespace swiftness::iscsi
