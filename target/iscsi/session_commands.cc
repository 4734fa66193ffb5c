// A SCSI command's way through a session, in order: prepare (its header), start (its CmdSN's turn),
// solicit and data_arrived (its data), run and execute (the task router), finish and answer.
#include <boost/asio/post.hpp>

#include <algorithm>

#include "target/iscsi/connection.h"
#include "target/iscsi/server_state.h"
#include "target/iscsi/session.h"
#include "target/scsi/lun.h"
#include "target/scsi/sense.h"

namespace swiftness::iscsi {
namespace {

using Direction = scsi::TransferPlan::Direction;

// RFC 7143 11.4.7.2
constexpr scsi::AdditionalSense kUnexpectedUnsolicitedData{0x0c, 0x0c};
constexpr scsi::AdditionalSense kIncorrectAmountOfData{0x0c, 0x0d};

scsi::TaskAttribute attribute_of(uint8_t flags) {  // 11.3.1
  switch (flags & ScsiCommand::kAttributeMask) {
    case 2:
      return scsi::TaskAttribute::ordered;
    case 3:
      return scsi::TaskAttribute::head_of_queue;
    case 4:
      return scsi::TaskAttribute::aca;
    default:
      return scsi::TaskAttribute::simple;
  }
}

scsi::Command to_command(const ScsiCommand& pdu, scsi::NexusId nexus) {
  scsi::Command command;
  command.nexus = nexus;
  command.tag = scsi::TaskTag(pdu.initiator_task_tag);
  command.lun = scsi::canonical(scsi::LunField(pdu.lun));
  command.attribute = attribute_of(pdu.flags);
  command.cdb = pdu.cdb;
  command.reads = (pdu.flags & ScsiCommand::kRead) != 0;
  command.writes = (pdu.flags & ScsiCommand::kWrite) != 0;
  command.expected_data_length = pdu.expected_data_transfer_length;
  return command;
}

// The initiator waits for data of a command that writes: nothing comes, so nothing may be written.
// (The other way round a read runs, and its data has nowhere to go: an overflow.)
bool waits_for_data_of_a_write(const scsi::Command& command, Direction direction) {
  return direction == Direction::from_initiator && !command.writes &&
         command.expected_data_length > 0;
}

// The memory a command needs beyond what came unasked: the rest of its data, or its answer.
uint64_t bytes_needed(const ScsiTask& task) {
  if (task.plan.direction == Direction::from_initiator) {
    return task.data_out.wanted() - task.data_out.received();
  }
  return std::min<uint64_t>(task.plan.bytes, task.command.expected_data_length);
}

}  // namespace

BufferList sense_segment(const Bytes& sense) {
  if (sense.empty()) return {};
  Bytes segment{static_cast<std::byte>(sense.size() >> 8), static_cast<std::byte>(sense.size())};
  segment.insert(segment.end(), sense.begin(), sense.end());
  return BufferList(Buffer::own(std::move(segment)));
}

ReceivedPdu Session::prepare(const ScsiCommand& pdu, Connection& connection) {
  ReceivedPdu received{pdu_cast<Bhs>(pdu), {}, {}, {}, &connection};
  uint32_t tag = pdu.initiator_task_tag;
  bool immediate = (pdu.opcode & kImmediate) != 0;
  if (router_ == nullptr) {
    received.reject = RejectReason::command_not_supported;
  } else if (tag == kReservedTag) {
    received.reject = RejectReason::invalid_pdu_field;
  } else if (tasks_.contains(tag)) {
    received.reject = RejectReason::task_in_progress;
  } else if (immediate && immediate_in_flight_ >= server_->limits.immediate_commands) {
    received.reject = RejectReason::too_many_immediate_commands;
  }
  if (received.reject) return received;

  auto task = std::make_shared<ScsiTask>();
  task->connection = &connection;
  task->cmd_sn = pdu.cmd_sn;
  task->immediate = immediate;
  task->deadline = std::chrono::steady_clock::now() + server_->limits.command_timeout;
  task->command = to_command(pdu, nexus_);
  const bool given_up = was_given_up_before_it_came(*task);
  if (!given_up) task->plan = router_->plan(task->command);  // may use up a unit attention
  scsi::TransferPlan& plan = task->plan;
  if (!plan.final && waits_for_data_of_a_write(task->command, plan.direction)) {
    plan.final = scsi::check_condition(
        scsi::illegal_request(scsi::asc::kInvalidFieldInCommandInformationUnit));
  }
  uint32_t expected = task->command.writes ? task->command.expected_data_length : 0;
  uint64_t unasked = std::min<uint64_t>(expected, unsolicited_per_command_);
  if (!plan.final && !memory_->has_room_unasked(unasked)) {
    ++server_->counts.commands_without_memory;
    server_->no_memory.warning(
        "a write of {} answered BUSY: limits.memory has no room for its data", login_.initiator);
    plan.final = scsi::ended_with(scsi::Status::busy);
  }

  bool takes_data = !plan.final && plan.direction == Direction::from_initiator;
  uint32_t wanted =
      takes_data ? static_cast<uint32_t>(std::min<uint64_t>(expected, plan.bytes)) : 0;
  task->data_out = DataOutPlan(expected, wanted, login_.parameters);
  DataOutPlan::Verdict verdict =
      task->data_out.begin(pdu.data_segment_length, (pdu.flags & kFinal) != 0);
  if (verdict == DataOutPlan::Verdict::accept) {
    uint32_t room = task->data_out.unsolicited_room();
    task->unsolicited = Buffer::allocate(room);  // within FirstBurstLength
    task->charge.add_unasked(memory_, room);
  } else {
    task->failure = verdict;
  }
  tasks_.emplace(tag, task);
  deadlines_.push_back(*task);
  if (given_up) give_up(*task);
  received.task = std::move(task);
  return received;
}

void Session::start(ScsiTaskPtr task) {
  ++commands_;
  ++server_->counts.commands;
  if (!task->live) {  // aborted before its turn came
    if (task->immediate) return;
    window_.release();
    return announce_window();
  }
  task->admitted = true;
  if (task->immediate) ++immediate_in_flight_;
  if (task->failure) {
    fail_data(task);
  } else if (task->plan.final) {
    scsi::ScsiResult result = std::move(*task->plan.final);
    finish(task, std::move(result));
  } else if (task->plan.direction == Direction::to_initiator) {
    solicit(task);
  } else {
    data_arrived(*task);
  }
}

ScsiTaskPtr Session::expect_data(const DataOut& pdu, const Connection& connection,
                                 std::span<std::byte>& place) {
  auto found = tasks_.find(pdu.initiator_task_tag);
  if (found == tasks_.end() || found->second->connection != &connection) return nullptr;
  ScsiTaskPtr task = found->second;
  if (task->failure) return nullptr;
  DataOutPlan::Verdict verdict = task->data_out.data_out(pdu);
  if (verdict == DataOutPlan::Verdict::drop) return nullptr;
  // A running command has all it wants: what still comes is the rest of an unsolicited burst.
  if (task->state != ScsiTask::State::receiving) return nullptr;
  if (verdict == DataOutPlan::Verdict::accept) {
    place = task->place(pdu.buffer_offset, pdu.data_segment_length);
  } else {
    task->failure = verdict;
  }
  return task;
}

void Session::data_arrived(ScsiTask& task) {
  if (!task.live || !task.admitted || task.state != ScsiTask::State::receiving) return;
  ScsiTaskPtr shared = tasks_.at(task.tag());
  if (task.failure) {
    fail_data(shared);
  } else if (task.data_out.complete()) {
    bytes_written_ += task.data_out.wanted();
    server_->counts.bytes_written += task.data_out.wanted();
    run(shared);
  } else if (!task.data_out.unsolicited_open()) {
    task.data_out.r2ts() == 0 ? solicit(shared) : request_data(task);
  }
}

void Session::solicit(const ScsiTaskPtr& task) {
  if (waiting_.empty() && memory_->may_take(bytes_needed(*task))) {
    grant(task);
  } else {
    task->state = ScsiTask::State::waiting;
    waiting_.push_back(task);
  }
}

void Session::serve_waiting() {
  serving_posted_ = false;
  while (!waiting_.empty()) {
    ScsiTaskPtr task = waiting_.front();
    if (task->live && !memory_->may_take(bytes_needed(*task))) return;
    waiting_.pop_front();
    if (task->live) grant(task);
  }
  memory_->leave_line();
}

void Session::grant(const ScsiTaskPtr& task) {
  uint64_t bytes = bytes_needed(*task);
  task->charge.add_asked(memory_, bytes);
  if (task->plan.direction == Direction::to_initiator) return run(task);
  task->state = ScsiTask::State::receiving;
  // An unsolicited burst may have ended early: the rest begins where it ended.
  task->unsolicited = task->unsolicited.slice(0, task->data_out.received());
  task->solicited = Buffer::allocate(bytes);
  request_data(*task);
}

void Session::request_data(ScsiTask& task) {
  while (true) {
    uint32_t tag = next_transfer_tag_;
    std::optional<DataOutPlan::Request> request = task.data_out.next_r2t(tag);
    if (!request) return;
    if (++next_transfer_tag_ == kReservedTag) next_transfer_tag_ = 1;
    R2t pdu;
    pdu.lun = task.command.lun.value();
    pdu.initiator_task_tag = task.tag();
    pdu.target_transfer_tag = tag;
    pdu.r2t_sn = request->r2t_sn;
    pdu.buffer_offset = request->offset;
    pdu.desired_data_transfer_length = request->length;
    task.connection->inform(pdu);
  }
}

void Session::run(const ScsiTaskPtr& task) {
  task->state = ScsiTask::State::running;
  server_->commands.spawn("command", execute(shared_from_this(), task));
}

Task Session::execute(std::shared_ptr<Session> self, ScsiTaskPtr task) {
  BufferList data(std::move(task->unsolicited));
  data.append(std::move(task->solicited));
  scsi::ScsiResult result =
      co_await self->router_->execute(task->command, std::move(data), task->ticket);
  self->finish(task, std::move(result));
}

void Session::finish(const ScsiTaskPtr& task, scsi::ScsiResult result) {
  if (!task->live) {  // given up long ago: nobody waits for this
    --detached_;
    return;
  }
  forget(*task);
  answer(task, std::move(result));
}

void Session::fail_data(const ScsiTaskPtr& task) {
  scsi::Sense sense;
  sense.key = scsi::SenseKey::aborted_command;
  sense.additional = *task->failure == DataOutPlan::Verdict::unexpected ? kUnexpectedUnsolicitedData
                                                                        : kIncorrectAmountOfData;
  finish(task, scsi::check_condition(sense));
}

// RFC 7143 11.4, 11.7: data, then status; a good status travels in the last Data-In.
void Session::answer(const ScsiTaskPtr& task, scsi::ScsiResult result) {
  if (result.attention) remember_attention(*task, *result.attention);
  bool for_other_direction =
      task->plan.direction == Direction::to_initiator && !task->plan.final && !task->command.reads;
  uint32_t expected = for_other_direction ? 0 : task->command.expected_data_length;
  // A write that was refused has moved nothing, but may have asked for more than was expected.
  bool refused = task->plan.final.has_value();
  bool write = task->plan.direction == Direction::from_initiator &&
               (!refused || task->plan.bytes > expected);
  Residual residual = residual_of(write ? task->plan.bytes : result.data_in.size(), expected);
  uint32_t data_pdus = 0;
  if (task->command.reads && !write) {
    bool collapse = result.sense.empty() && (result.status == scsi::Status::good ||
                                             result.status == scsi::Status::condition_met);
    data_pdus = send_data_in(task, result, collapse ? &residual : nullptr);
    if (data_pdus > 0 && collapse) return;
  }
  ScsiResponse pdu;
  pdu.initiator_task_tag = task->tag();
  pdu.flags = kFinal | residual.flag;
  pdu.status = static_cast<uint8_t>(result.status);
  pdu.residual_count = residual.count;
  pdu.exp_data_sn = task->data_out.r2ts() + data_pdus;
  task->connection->respond(pdu, sense_segment(result.sense), task);
}

// Its connection may be lost before the initiator has read the answer.
void Session::remember_attention(const ScsiTask& task, scsi::AdditionalSense attention) {
  constexpr size_t kMost = 16;
  std::erase_if(told_, [](const Told& told) {
    return serial_less(told.stat_sn, told.connection->acknowledged());
  });
  if (told_.size() == kMost) told_.erase(told_.begin());
  told_.push_back({task.connection, task.connection->stat_sn(), task.command.lun, attention});
}

// Returns how many PDUs it took. With `residual`, the last one carries the status.
uint32_t Session::send_data_in(const ScsiTaskPtr& task, const scsi::ScsiResult& result,
                               const Residual* residual) {
  uint32_t total = static_cast<uint32_t>(
      std::min<uint64_t>(result.data_in.size(), task->command.expected_data_length));
  DataInPlan plan(total, task->connection->parameters());
  uint32_t count = 0;
  for (; !plan.done(); ++count) {
    DataInPlan::Piece piece = plan.next();
    DataIn pdu;
    pdu.flags = piece.final ? kFinal : 0;
    pdu.initiator_task_tag = task->tag();
    pdu.data_sn = piece.data_sn;
    pdu.buffer_offset = piece.offset;
    bool whole = piece.length == result.data_in.size();
    BufferList data = whole ? result.data_in : result.data_in.slice(piece.offset, piece.length);
    if (piece.last && residual != nullptr) {
      pdu.flags |= DataIn::kStatus | residual->flag;
      pdu.status = static_cast<uint8_t>(result.status);
      pdu.residual_count = residual->count;
      task->connection->respond(pdu, std::move(data), task);
    } else {
      task->connection->inform(pdu, std::move(data), task);
    }
  }
  bytes_read_ += total;
  server_->counts.bytes_read += total;
  return count;
}

}  // namespace swiftness::iscsi
