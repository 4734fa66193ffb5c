#include "target/iscsi/session.h"

#include <fmt/core.h>
#include <boost/asio/post.hpp>

#include <algorithm>

#include "backend/base/hash.h"
#include "backend/base/log.h"
#include "target/iscsi/connection.h"
#include "target/iscsi/server_state.h"

namespace swiftness::iscsi {
namespace {

// What one granted command may make us hold without being asked for it (DESIGN 7).
uint64_t unsolicited_bytes(const LoginResult& login) {
  const SessionParameters& p = login.parameters;
  return login.discovery || (p.initial_r2t && !p.immediate_data) ? 0 : p.first_burst;
}

}  // namespace

Session::Session(std::shared_ptr<ServerState> server, LoginResult login, uint16_t tsih,
                 uint16_t portal_group)
    : server_(std::move(server)),
      login_(std::move(login)),
      tsih_(tsih),
      portal_group_(portal_group),
      unsolicited_per_command_(unsolicited_bytes(login_)),
      window_(login_.cmd_sn,
              server_->grant_window(unsolicited_per_command_, server_->limits.initial_window)),
      memory_(std::make_shared<MemoryBudget>(server_->limits.session_memory)) {}

Session::~Session() {
  server_->return_window(unsolicited_per_command_, window_.size());
}

void Session::begin(std::shared_ptr<Connection> connection) {
  connection_ = std::move(connection);
  memory_->on_release([weak = weak_from_this()] {
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
  nexus_ =
      router_->attach({.initiator_port = std::move(port),
                       .luns = login_.grant.luns,
                       .read_only = login_.grant.read_only,
                       .listener = this,
                       .target_port = {fmt::format("{},t,0x{:04x}", login_.target, portal_group_),
                                       portal_group_, 0}});
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
  waiting_.clear();
  if (router_ != nullptr) router_->detach(nexus_);
  if (!login_.discovery) {
    log::info("session {} of {} with {} ended: {}", tsih_, login_.initiator, login_.target, reason);
  }
  if (connection_) std::exchange(connection_, nullptr)->close(reason);
}

SessionInfo Session::info() const {
  SessionInfo info;
  info.initiator = login_.initiator;
  info.address = connection_ ? connection_->address() : std::string();
  info.target = login_.target;
  info.isid = to_hex(std::as_bytes(std::span(login_.isid)));
  info.tsih = tsih_;
  info.portal_group = portal_group_;
  info.since = since_;
  info.commands = commands_;
  info.bytes_read = bytes_read_;
  info.bytes_written = bytes_written_;
  info.in_flight = tasks_.size();
  info.detached = detached_;
  return info;
}

void Session::admit_next() {
  window_.take();
  // As the initiator sees it a command is in flight until its answer has left.
  if (window_.in_flight() + unsent_answers_ < window_.size()) return;
  uint32_t most = server_->limits.window;
  if (window_.size() >= most) return;
  uint32_t wanted = std::min(window_.size(), most - window_.size());
  uint32_t granted = server_->grow_window(unsolicited_per_command_, wanted);
  window_.grow(granted);
}

std::optional<ReceivedPdu> Session::take_held() {
  if (held_.empty()) return std::nullopt;
  auto found = held_.find(window_.exp_cmd_sn());
  if (found == held_.end()) return std::nullopt;
  ReceivedPdu pdu = std::move(found->second);
  held_.erase(found);
  return pdu;
}

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
  // No task that is yet to come can be due before this.
  return deadlines_.empty() ? now + server_->limits.command_timeout : deadlines_.front().deadline;
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
  forget(task);
  if (task.state == ScsiTask::State::running) ++detached_;
}

size_t Session::give_up_all(std::optional<scsi::LunField> lun) {
  std::vector<ScsiTaskPtr> chosen;
  for (auto& [tag, task] : tasks_) {
    if (!lun || task->command.lun == *lun) chosen.push_back(task);
  }
  for (const ScsiTaskPtr& task : chosen) give_up(*task);
  return chosen.size();
}

// Another nexus's task management ended them, without an answer (TAS=0). If that opened the window
// again, nothing else may come to say so: an initiator with all its commands aborted would be
// stuck.
bool Session::on_tasks_cleared(scsi::LunField lun) {
  if (give_up_all(lun) == 0) return false;
  announce_window();
  return true;
}

void Session::announce_window() {
  if (announcement_posted_) return;
  announcement_posted_ = true;
  asio::post(server_->executor, [self = shared_from_this()] {
    self->announcement_posted_ = false;
    if (self->connection_) self->connection_->inform(NopIn{});
  });
}

}  // namespace swiftness::iscsi
