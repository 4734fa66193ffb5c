// Session: an initiator's session with a target (RFC 7143 4.2), which is one I_T nexus: its command
// numbering, its tasks, their data and their deadlines. A discovery session is one without a
// nexus and without tasks.
//
// Connections hand it what they received and send what it answers. It runs on the Server's
// executor and never waits: a task that takes long is a coroutine of its own, a task that was
// given up is forgotten at once and its late result dropped.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>

#include <deque>
#include <memory>
#include <string>

#include "target/iscsi/command_window.h"
#include "target/iscsi/login.h"
#include "target/iscsi/task.h"
#include "target/scsi/task_router.h"

namespace swiftness::iscsi {

class Connection;
class ServerState;

// A PDU that is whole: what a connection received, or keeps until its CmdSN has its turn.
struct ReceivedPdu {
  Bhs header;
  Buffer data;       // of all but SCSI Command and Data-Out, whose data is in the task already
  ScsiTaskPtr task;  // of a SCSI Command that was not rejected
  std::optional<RejectReason> reject;
};

class Session final : public std::enable_shared_from_this<Session>, private scsi::NexusListener {
 public:
  Session(std::shared_ptr<ServerState> server, LoginResult login, uint16_t tsih,
          uint16_t portal_group);
  ~Session();

  void begin(std::shared_ptr<Connection> connection);  // full feature phase
  // Ends it at once: tasks are given up, the nexus is detached, the connection is closed.
  void end(const std::string& reason);
  bool ended() const noexcept { return ended_; }

  const LoginResult& login() const noexcept { return login_; }
  uint16_t tsih() const noexcept { return tsih_; }
  uint16_t portal_group() const noexcept { return portal_group_; }
  SessionParameters& parameters() noexcept { return login_.parameters; }
  const std::shared_ptr<Connection>& connection() const noexcept { return connection_; }
  SessionInfo info() const;

  // --- command numbering (session.cc)
  CommandWindow& window() noexcept { return window_; }
  void answers_left() noexcept { unsent_answers_ = 0; }  // the connection has sent all it had
  void admit_next();  // ExpCmdSN moves; a window that is used up grows, if it may
  bool is_superfluous(uint32_t cmd_sn) const {  // outside the window, or held already
    return window_.classify(cmd_sn) == CommandWindow::Arrival::outside || held_.contains(cmd_sn);
  }
  void hold(uint32_t cmd_sn, ReceivedPdu pdu) { held_.insert_or_assign(cmd_sn, std::move(pdu)); }
  std::optional<ReceivedPdu> take_held();  // the PDU whose turn is now

  // --- SCSI commands (session_commands.cc)
  // The header of a command came: its task, with a place for its immediate data; or no task and a
  // reason to reject it.
  ReceivedPdu prepare(const ScsiCommand& pdu);
  void start(ScsiTaskPtr task);  // its CmdSN has its turn
  // The header of a Data-Out came: the task it belongs to and the place of its data; no task when
  // it belongs to none any more (its data is dropped, 7143 has it rejected: DESIGN 7).
  ScsiTaskPtr expect_data(const DataOut& pdu, std::span<std::byte>& place);
  void data_arrived(ScsiTask& task);

  // Answers tasks that are over their deadline BUSY. When to look again.
  TimePoint expire(TimePoint now);

  // --- task management (task_management.cc)
  // The response (11.6.1); nothing after a TARGET COLD RESET, which ends the session.
  std::optional<uint8_t> manage(const TaskManagementRequest& request);

 private:
  bool on_tasks_cleared(scsi::LunField lun) override;

  void solicit(const ScsiTaskPtr& task);  // goes on with it once there is memory
  void serve_waiting();
  void grant(const ScsiTaskPtr& task);
  void request_data(ScsiTask& task);  // R2Ts
  void run(const ScsiTaskPtr& task);
  static Task execute(std::shared_ptr<Session> self, ScsiTaskPtr task);
  void finish(const ScsiTaskPtr& task, scsi::ScsiResult result);
  void fail_data(const ScsiTaskPtr& task);
  void answer(const ScsiTaskPtr& task, scsi::ScsiResult result);
  uint32_t send_data_in(const ScsiTaskPtr& task, const scsi::ScsiResult& result,
                        const Residual* residual);

  void forget(ScsiTask& task);   // no longer live: out of the table, its place in the window free
  void give_up(ScsiTask& task);  // forget it and cancel it
  // All of a logical unit, or of the session. How many there were.
  size_t give_up_all(std::optional<scsi::LunField> lun);
  void announce_window();

  uint8_t abort_task(const TaskManagementRequest& request);
  uint8_t reset_target();

  std::shared_ptr<ServerState> server_;
  LoginResult login_;
  const uint16_t tsih_;
  const uint16_t portal_group_;
  const std::chrono::system_clock::time_point since_ = std::chrono::system_clock::now();
  scsi::TaskRouter* router_ = nullptr;  // nullptr: a discovery session
  scsi::NexusId nexus_;
  std::shared_ptr<Connection> connection_;
  bool ended_ = false;

  uint64_t unsolicited_per_command_ = 0;  // bytes a granted command may bring unasked
  CommandWindow window_;
  boost::unordered_flat_map<uint32_t, ReceivedPdu> held_;  // early, by CmdSN; within the window

  boost::unordered_flat_map<uint32_t, ScsiTaskPtr> tasks_;  // live ones, by Initiator Task Tag
  boost::intrusive::list<ScsiTask, boost::intrusive::constant_time_size<false>> deadlines_;
  std::shared_ptr<MemoryBudget> memory_;
  std::deque<ScsiTaskPtr> waiting_;  // for memory, in order
  bool serving_posted_ = false;
  bool announcement_posted_ = false;
  uint32_t immediate_in_flight_ = 0;
  uint32_t unsent_answers_ = 0;
  uint32_t next_transfer_tag_ = 1;

  uint64_t commands_ = 0;
  uint64_t bytes_read_ = 0;
  uint64_t bytes_written_ = 0;
  uint64_t detached_ = 0;
};

}  // namespace swiftness::iscsi
