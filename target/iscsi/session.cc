#include "target/iscsi/session.h"

#include <fmt/core.h>
#include <boost/asio/post.hpp>

#include <algorithm>

#include "backend/base/hash.h"
#include "backend/base/log.h"
#include "target/iscsi/connection.h"
#include "target/iscsi/server_state.h"
#include "target/scsi/lun.h"
#include "target/scsi/sense.h"

namespace swiftness::iscsi {
namespace {

// What one granted command may make us hold without being asked for it (DESIGN 7).
uint64_t unsolicited_bytes(const LoginResult& login) {
  const SessionParameters& p = login.parameters;
  return login.discovery || (p.initial_r2t && !p.immediate_data) ? 0 : p.first_burst;
}

}  // namespace

Session::Session(std::shared_ptr<ServerState> server, LoginResult leading_login, uint16_t tsih)
    : server_(std::move(server)),
      login_(std::move(leading_login)),
      tsih_(tsih),
      unsolicited_per_command_(unsolicited_bytes(login_)),
      window_(login_.cmd_sn,
              server_->grant_window(unsolicited_per_command_, server_->limits.initial_window)),
      held_bytes_(server_->answers),
      memory_(std::make_shared<MemoryBudget>(server_->limits.session_memory,
                                             ServerState::kLeastWindow * unsolicited_per_command_,
                                             server_->memory)) {}

Session::~Session() {
  memory_->leave_line();
  server_->return_window(unsolicited_per_command_, window_.size());
}

void Session::begin() {
  memory_->on_room([weak = weak_from_this()] {
    auto self = weak.lock();
    if (!self || self->waiting_.empty() || self->serving_posted_) return;
    self->serving_posted_ = true;
    asio::post(self->server_->executor, [self] { self->serve_waiting(); });
  });
  if (login_.discovery) return;
  const TargetNode* target = find_target(*server_->targets, login_.target);
  CHECK(target != nullptr);  // the login found it in this turn of the event loop
  router_ = target->router;
  std::string port =
      fmt::format("{},i,0x{}", login_.initiator, to_hex(std::as_bytes(std::span(login_.isid))));
  nexus_ = router_->attach(
      {.initiator_port = std::move(port),
       .luns = login_.grant.luns,
       .read_only = login_.grant.read_only,
       .listener = this,
       .target_port = {fmt::format("{},t,0x{:04x}", login_.target, login_.portal_group),
                       login_.portal_group, 0}});
}

void Session::end(const std::string& reason) {
  if (ended_) return;
  ended_ = true;
  auto self = shared_from_this();  // the registry may hold the last reference
  server_->sessions.erase(tsih_);
  auto tasks = std::move(tasks_);
  tasks_.clear();
  for (auto& [tag, task] : tasks) give_up(*task);
  held_.clear();
  held_bytes_.remove(held_bytes_.bytes());
  waiting_.clear();
  memory_->leave_line();
  fenced_.clear();
  if (router_ != nullptr) router_->detach(nexus_);
  if (!login_.discovery) {
    log::info("session {} of {} with {} ended: {}", tsih_, login_.initiator, login_.target, reason);
  }
  auto connections = std::move(connections_);
  connections_.clear();
  for (const auto& connection : connections) connection->close(reason);
}

void Session::change_luns(std::vector<uint16_t> luns) {
  login_.grant.luns = luns;
  router_->set_luns(nexus_, std::move(luns));
}

SessionInfo Session::info() const {
  SessionInfo info;
  info.initiator = login_.initiator;
  for (const auto& connection : connections_) {
    if (!info.address.empty()) info.address += ", ";
    info.address += connection->address();
  }
  info.target = login_.target;
  info.isid = to_hex(std::as_bytes(std::span(login_.isid)));
  info.tsih = tsih_;
  info.portal_group = login_.portal_group;
  info.since = since_;
  info.commands = commands_;
  info.bytes_read = bytes_read_;
  info.bytes_written = bytes_written_;
  info.in_flight = tasks_.size();
  info.detached = detached_;
  return info;
}

// --- command numbering (RFC 7143 4.2.2.1) --------------------------------------------------------

void Session::deliver(ReceivedPdu pdu) {
  uint32_t cmd_sn = cmd_sn_of(pdu.header);
  if (is_superfluous(cmd_sn)) {  // another connection has brought it since its header came
    if (pdu.task && pdu.task->live) give_up(*pdu.task);
    return;
  }
  if (window_.classify(cmd_sn) == CommandWindow::Arrival::early) {
    hold(cmd_sn, std::move(pdu));
    return;
  }
  take_turn(std::move(pdu));
  deliver_held();
}

void Session::hold(uint32_t cmd_sn, ReceivedPdu pdu) {
  if (held_.empty()) gap_since_ = std::chrono::steady_clock::now();
  held_bytes_.add(pdu.data.size());
  held_.emplace(cmd_sn, std::move(pdu));
}

void Session::deliver_held() {
  while (!held_.empty()) {
    auto found = held_.find(window_.exp_cmd_sn());
    if (found == held_.end()) return;
    ReceivedPdu pdu = std::move(found->second);
    held_.erase(found);
    held_bytes_.remove(pdu.data.size());
    take_turn(std::move(pdu));
  }
}

void Session::take_turn(ReceivedPdu pdu) {
  admit_next();
  if (!held_.empty()) gap_since_ = std::chrono::steady_clock::now();
  // A command keeps its place in the window until it is answered, everything else is done at once.
  if (!pdu.task) window_.release();
  if (Connection* connection = pdu.connection) {
    connection->dispatch(std::move(pdu));
  } else {
    announce_window();
  }
}

void Session::admit_next() {
  window_.take();
  // As the initiator sees it a command is in flight until its answer has left.
  if (window_.in_flight() + unsent_answers() < window_.size()) return;
  uint32_t most = server_->limits.window;
  if (window_.size() >= most) return;
  uint32_t wanted = std::min(window_.size(), most - window_.size());
  uint32_t granted = server_->grow_window(unsolicited_per_command_, wanted);
  window_.grow(granted);
}

uint32_t Session::unsent_answers() const {
  uint32_t sum = 0;
  for (const auto& connection : connections_) sum += connection->unsent_answers();
  return sum;
}

// --- tasks that end before their time ------------------------------------------------------------

TimePoint Session::expire(TimePoint now) {
  while (!deadlines_.empty() && deadlines_.front().deadline <= now) {
    // Give the initiator its answer; what it was waiting for goes on without it (DESIGN 7).
    ScsiTask& late = deadlines_.front();
    ScsiTaskPtr task = tasks_.at(late.tag());
    give_up(late);
    router_->abort_task(late.command.lun, nexus_, late.command.tag);
    ++server_->counts.commands_timed_out;
    log::warning("command {:02x}h of {} not done in time: answered BUSY", late.command.cdb[0],
                 login_.initiator);
    scsi::ScsiResult busy;
    busy.status = scsi::Status::busy;
    answer(task, std::move(busy));
  }
  const Duration timeout = server_->limits.command_timeout;
  TimePoint next = deadlines_.empty() ? now + timeout : deadlines_.front().deadline;
  next = std::min(next, release_fenced(now));
  if (held_.empty()) return next;  // no task that is yet to come can be due before this
  // The missing command went down with a connection, and its initiator does not send it again:
  // numbered requests would never have their turn any more.
  if (now >= gap_since_ + timeout) {
    end(fmt::format("its command {} is missing, and later ones wait for it", window_.exp_cmd_sn()));
    return now;
  }
  return std::min(next, gap_since_ + timeout);
}

void Session::forget(ScsiTask& task) {
  CHECK(task.live);
  task.live = false;
  task.unlink();
  tasks_.erase(task.tag());
  if (!task.admitted) return;  // it gives its place back when its CmdSN has its turn
  if (task.immediate) {
    --immediate_in_flight_;
  } else {
    window_.release();
  }
}

void Session::give_up(ScsiTask& task) {
  task.ticket->cancelled = true;
  // It would have been told in the answer that it does not get.
  const auto& untold = task.plan.final;
  if (untold && untold->attention) {
    router_->raise_again(task.command.lun, nexus_, *untold->attention);
  }
  forget(task);
  if (task.state == ScsiTask::State::running) ++detached_;
}

// Another nexus's task management ended them, without an answer (TAS=0). If that opened the window
// again, nothing else may come to say so: an initiator with all its commands aborted would be
// stuck.
bool Session::on_tasks_cleared(scsi::LunField lun) {
  auto is_of_it = [lun](const ScsiTask& task) { return task.command.lun == lun; };
  if (give_up_if(is_of_it).empty()) return false;
  announce_window();
  return true;
}

// Its commands end as later ones do. Without an answer the initiator would begin to reset things,
// and hold up what it does with other logical units meanwhile.
void Session::on_unit_removed(uint16_t lun) {
  const scsi::ScsiResult gone =
      scsi::check_condition(scsi::illegal_request(scsi::asc::kLogicalUnitNotSupported));
  auto is_of_it = [lun](const ScsiTask& task) {
    return scsi::lun_from_field(task.command.lun) == lun;
  };
  for (const auto& [tag, task] : tasks_) {  // whose turn is to come
    if (!task->admitted && is_of_it(*task)) task->plan.final = gone;
  }
  auto is_at_work = [is_of_it](const ScsiTask& task) { return task.admitted && is_of_it(task); };
  for (const ScsiTaskPtr& task : give_up_if(is_at_work)) answer(task, gone);
}

// 11.9, event 0. One at work is told with its next command; one that is idle may not send any for
// long, so it is told at once, too.
void Session::on_reported_luns_changed() {
  if (ended_ || connections_.empty() || !tasks_.empty()) return;
  AsyncMessage message;  // of LUN 0, which answers REPORT LUNS
  message.async_event = AsyncMessage::kScsiEvent;
  connections_.front()->respond(
      message, sense_segment(scsi::encode({.key = scsi::SenseKey::unit_attention,
                                           .additional = scsi::asc::kReportedLunsChanged},
                                          scsi::SenseFormat::fixed)));
}

void Session::announce_window() {
  if (announcement_posted_) return;
  announcement_posted_ = true;
  asio::post(server_->executor, [self = shared_from_this()] {
    self->announcement_posted_ = false;
    // By all of them: one may be dead without our knowing it yet.
    for (const auto& connection : self->connections_) connection->inform(NopIn{});
  });
}

}  // namespace swiftness::iscsi
