// Full feature phase: what a connection does with each PDU (RFC 7143 clause 11). The session puts
// what is numbered in its order.
#include <algorithm>

#include "backend/base/log.h"
#include "target/iscsi/connection.h"
#include "target/iscsi/discovery.h"
#include "target/iscsi/server_state.h"

namespace swiftness::iscsi {
namespace {

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

// In words for the log.
std::string_view to_string(Opcode kind) {
  switch (kind) {
    case Opcode::nop_out:
      return "a NOP-Out";
    case Opcode::scsi_command:
      return "a SCSI command";
    case Opcode::task_management_request:
      return "a task management request";
    case Opcode::login_request:
      return "a login request in a session";
    case Opcode::text_request:
      return "a text request";
    case Opcode::logout_request:
      return "a logout request";
    case Opcode::snack_request:
      return "a SNACK request";
    default:
      return "a PDU of unknown kind";
  }
}

std::string_view to_string(RejectReason reason) {
  switch (reason) {
    case RejectReason::data_digest_error:
      return "data digest error";
    case RejectReason::snack:
    case RejectReason::command_not_supported:
      return "it is not supported here";
    case RejectReason::protocol_error:
      return "it breaks the protocol";
    case RejectReason::too_many_immediate_commands:
      return "too many immediate commands at once";
    case RejectReason::task_in_progress:
      return "its task tag is in use";
    case RejectReason::invalid_pdu_field:
      return "a field of it is invalid";
    case RejectReason::long_op_out_of_resources:
      return "no memory for its data";
    case RejectReason::waiting_for_logout:
      return "a logout is awaited";
  }
  return "?";
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
  ignored_ = refused_ = false;
  if (phase_ != Phase::login) {
    if (is_numbered(header.kind()) && !header.immediate()) {
      ignored_ = session_->is_superfluous(cmd_sn_of(header));
      if (ignored_) return {};
    }
    if (header.kind() == Opcode::scsi_command) {
      command_ = session_->prepare(pdu_cast<ScsiCommand>(header), *this);
      if (!command_.task) return {};
      uint32_t length = static_cast<uint32_t>(
          std::min<size_t>(command_.task->unsolicited.size(), header.data_segment_length));
      return command_.task->unsolicited.writable().first(length);
    }
    if (header.kind() == Opcode::data_out) {
      std::span<std::byte> place;
      receiver_ = session_->expect_data(pdu_cast<DataOut>(header), *this, place);
      return place;
    }
    bool answer_repeats_it = header.kind() == Opcode::nop_out;
    if (!answer_repeats_it && header.data_segment_length > kMaximumText) return {};
    refused_ = !has_room_for(header);
    if (refused_) return {};
  }
  segment_ = Buffer::allocate(header.data_segment_length);
  return segment_.writable();
}

// Its data will be held until its turn has come, and a ping's until its answer was read.
bool Connection::has_room_for(const Bhs& header) const {
  const uint64_t bytes = header.data_segment_length;
  if (bytes == 0) return true;
  bool numbered = is_numbered(header.kind()) && !header.immediate();
  if (numbered && !session_->has_room_to_hold(cmd_sn_of(header), bytes)) return false;
  // Not more than one goes over the connection's own limit.
  return header.kind() != Opcode::nop_out || writer_.account().is_within_total(bytes);
}

bool Connection::on_pdu(const Bhs& header) {
  if (closed_) return false;
  if (phase_ == Phase::login) return on_login_pdu(header);
  take_acknowledgement(header);
  if (ignored_) return true;
  if (header.kind() == Opcode::data_out) {
    ScsiTaskPtr task = std::move(receiver_);
    if (task) session_->data_arrived(*task);
    return !closed_;
  }
  ReceivedPdu pdu = header.kind() == Opcode::scsi_command
                        ? std::move(command_)
                        : ReceivedPdu{header, std::move(segment_), {}, {}, this};
  if (refused_) pdu.reject = RejectReason::long_op_out_of_resources;
  if (is_numbered(header.kind()) && !header.immediate()) {
    session_->deliver(std::move(pdu));
  } else {
    dispatch(std::move(pdu));
  }
  return !closed_ && !finish_;
}

void Connection::take_acknowledgement(const Bhs& header) {
  uint32_t exp_stat_sn = exp_stat_sn_of(header);
  if (!serial_less(acknowledged_, exp_stat_sn) || serial_less(stat_sn_, exp_stat_sn)) return;
  acknowledged_ = exp_stat_sn;
  session_->acknowledged();
}

void Connection::dispatch(ReceivedPdu pdu) {
  if (pdu.reject) {
    return reject(pdu.header, *pdu.reject);
  }
  switch (pdu.header.kind()) {
    case Opcode::scsi_command:
      return session_->start(std::move(pdu.task));
    case Opcode::nop_out:
      return on_nop_out(pdu);
    case Opcode::text_request:
      return on_text(pdu);
    case Opcode::logout_request:
      return on_logout(pdu);
    case Opcode::task_management_request:
      return on_task_management(pdu);
    case Opcode::login_request:  // 6.3: not in full feature phase; ERL 0 knows one way out
      reject(pdu.header, RejectReason::protocol_error);
      return finish("a login request in full feature phase");
    case Opcode::snack_request:  // ErrorRecoveryLevel 0
    default:
      return reject(pdu.header, RejectReason::command_not_supported);
  }
}

void Connection::on_nop_out(const ReceivedPdu& pdu) {
  if (pdu.header.initiator_task_tag == kReservedTag) return;  // answers our ping, or asks nothing
  NopOut request = pdu_cast<NopOut>(pdu.header);
  NopIn answer;
  answer.lun = request.lun;
  answer.initiator_task_tag = request.initiator_task_tag;
  size_t echoed = std::min<size_t>(pdu.data.size(), parameters_.initiator_max_recv);
  respond(answer, BufferList(pdu.data.slice(0, echoed)));
}

void Connection::on_text(const ReceivedPdu& pdu) {
  TextRequest request = pdu_cast<TextRequest>(pdu.header);
  bool whole = pdu.data.size() == pdu.header.data_segment_length;  // else longer than any text
  std::optional<TextExchange::Answer> answer;
  if (whole) {
    answer = text_.receive(request, pdu.data.text(), parameters_.initiator_max_recv,
                           [this](const TextKeys& keys) { return answer_text(keys); });
  }
  if (!answer) {
    return reject(pdu.header, RejectReason::protocol_error);
  }
  respond(answer->header, BufferList(Buffer::copy_of(answer->text)));
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
  renegotiate_keys(keys, parameters_, text);
  return text;
}

void Connection::on_logout(const ReceivedPdu& pdu) {
  LogoutRequest request = pdu_cast<LogoutRequest>(pdu.header);
  uint8_t reason = request.reason & 0x7f;
  LogoutResponse answer;
  answer.initiator_task_tag = request.initiator_task_tag;
  if (reason > kRemoveForRecovery) return reject(pdu.header, RejectReason::invalid_pdu_field);
  if (reason == kRemoveForRecovery) {
    answer.response = kRecoveryNotSupported;  // ErrorRecoveryLevel 0
    return respond(answer);
  }
  if (reason == kCloseConnection && request.cid != cid_) {
    bool found = session_->log_out_connection(request.cid, "logged out by another connection");
    answer.response = found ? kClosed : kCidNotFound;
    return respond(answer);
  }
  if (reason == kCloseSession) session_->log_out(*this);
  answer.response = kClosed;
  respond(answer);
  finish("logged out");
}

void Connection::on_task_management(const ReceivedPdu& pdu) {
  TaskManagementRequest request = pdu_cast<TaskManagementRequest>(pdu.header);
  if (session_->has_too_many_fenced()) {
    return reject(pdu.header, RejectReason::too_many_immediate_commands);
  }
  std::optional<TaskManagementResponse> answer = session_->manage(request, *this);
  if (!answer) return;
  session_->respond_fenced(*this, *answer);
  session_->deliver_held();  // the abort of a command that never came may have filled a gap
}

void Connection::reject(const Bhs& header, RejectReason reason) {
  ++server_->counts.pdus_rejected;
  server_->rejected_pdus.warning("{} of {} from {} rejected: {}", to_string(header.kind()),
                                 session_->login().initiator, address_, to_string(reason));
  Reject pdu;
  pdu.reason = static_cast<uint8_t>(reason);
  respond(pdu, BufferList(Buffer::copy_of(std::as_bytes(std::span(&header, 1)))));
}

}  // namespace swiftness::iscsi
