// Session: an initiator's session with a target (RFC 7143 4.2), which is one I_T nexus: its command
// numbering, its tasks, their data and their deadlines. A discovery session is one without a
// nexus and without tasks.
//
// It has one connection, or several (MC/S). They hand it what they received; it puts that in the
// order of CmdSN, and answers each task by the connection it came by (4.2.5.1). A connection that
// goes takes its tasks with it, the last one the session. It runs on the Server's executor and
// never waits: a task that takes long is a coroutine of its own, a task that was given up is
// forgotten at once and its late result dropped.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "target/iscsi/answer_memory.h"
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
  // It came by this one, which is there as long as the PDU is kept. nullptr: it never came, and
  // counts as received because it was aborted.
  Connection* connection = nullptr;
};

class Session final : public std::enable_shared_from_this<Session>, private scsi::NexusListener {
 public:
  Session(std::shared_ptr<ServerState> server, LoginResult leading_login, uint16_t tsih);
  ~Session();

  void begin();  // once, before its first connection
  // Ends it at once: tasks are given up, the nexus is detached, the connections are closed.
  void end(const std::string& reason);
  bool lives() const noexcept { return !ended_ && !logged_out_; }

  const LoginResult& login() const noexcept { return login_; }  // the leading one
  uint16_t tsih() const noexcept { return tsih_; }
  SessionInfo info() const;

  // Its initiator may use other logical units of the target than before.
  void change_luns(std::vector<uint16_t> luns);

  // --- connections in full feature phase (session_connections.cc)
  // May one more join, or take the place of the one with this CID?
  bool has_room_for(uint16_t cid) const;
  // One with the same CID is closed for it, without a word (6.3.4, connection reinstatement).
  void add(std::shared_ptr<Connection> connection);
  // It is closed. Its tasks are given up; what it brought before its turn is as if it never came.
  void remove(const Connection& connection, const std::string& reason);
  // Logout (11.14). False: there is no such connection.
  bool log_out_connection(uint16_t cid, const std::string& reason);
  void log_out(const Connection& last);  // closes all others; with the last one the session ends
  // We are about to drop this one: tells the initiator by another (11.9, event 2).
  void announce_drop(const Connection& dropped);

  // --- command numbering (session.cc)
  const CommandWindow& window() const noexcept { return window_; }
  bool is_superfluous(uint32_t cmd_sn) const {  // outside the window, or held already
    return window_.classify(cmd_sn) == CommandWindow::Arrival::outside || held_.contains(cmd_sn);
  }
  // It may have to wait for its turn, with so much data (of a command: is in another budget).
  bool has_room_to_hold(uint32_t cmd_sn, uint64_t bytes) const {
    return window_.classify(cmd_sn) == CommandWindow::Arrival::next ||
           held_bytes_.has_room_for(bytes);
  }
  // A numbered PDU is whole. Its connection's dispatch() is called when its CmdSN has its turn:
  // now, or when the gap before it is filled. Of two with the same CmdSN the first counts.
  void deliver(ReceivedPdu pdu);
  void deliver_held();  // what came early and has its turn now

  // --- SCSI commands (session_commands.cc)
  // The header of a command came: its task, with a place for its immediate data; or no task and a
  // reason to reject it.
  ReceivedPdu prepare(const ScsiCommand& pdu, Connection& connection);
  void start(ScsiTaskPtr task);  // its CmdSN has its turn
  // The header of a Data-Out came: the task it belongs to and the place of its data; no task when
  // it belongs to none of this connection any more (its data is dropped, 7143 has it rejected:
  // DESIGN 7).
  ScsiTaskPtr expect_data(const DataOut& pdu, const Connection& connection,
                          std::span<std::byte>& place);
  void data_arrived(ScsiTask& task);

  // Answers tasks that are over their deadline BUSY, and ends a session whose commands wait that
  // long for one that does not come. When to look again.
  TimePoint expire(TimePoint now);

  // --- task management (task_management.cc)
  // The response (11.6); nothing after a TARGET COLD RESET, which ends the session.
  std::optional<TaskManagementResponse> manage(const TaskManagementRequest& request,
                                               const Connection& connection);

  // --- response fence (4.2.2.3; response_fence.cc)
  // Sends the response by `connection` when the initiator has acknowledged all that went to it by
  // the others before: it shall not find the status of a task behind the word that it is aborted.
  void respond_fenced(Connection& connection, const TaskManagementResponse& response);
  bool has_too_many_fenced() const;
  void acknowledged();  // an ExpStatSN has moved

 private:
  bool on_tasks_cleared(scsi::LunField lun) override;
  void on_unit_removed(uint16_t lun) override;
  void on_reported_luns_changed() override;

  void hold(uint32_t cmd_sn, ReceivedPdu pdu);
  void take_turn(ReceivedPdu pdu);
  void admit_next();  // ExpCmdSN moves; a window that is used up grows, if it may
  uint32_t unsent_answers() const;

  void solicit(const ScsiTaskPtr& task);  // goes on with it once there is memory
  void serve_waiting();
  void grant(const ScsiTaskPtr& task);
  void request_data(ScsiTask& task);  // R2Ts
  void run(const ScsiTaskPtr& task);
  static Task execute(std::shared_ptr<Session> self, ScsiTaskPtr task);
  void finish(const ScsiTaskPtr& task, scsi::ScsiResult result);
  void fail_data(const ScsiTaskPtr& task);
  void answer(const ScsiTaskPtr& task, scsi::ScsiResult result);
  void remember_attention(const ScsiTask& task, scsi::AdditionalSense attention);
  uint32_t send_data_in(const ScsiTaskPtr& task, const scsi::ScsiResult& result,
                        const Residual* residual);

  void forget(ScsiTask& task);   // no longer live: out of the table, its place in the window free
  void give_up(ScsiTask& task);  // forget it and cancel it
  // All that `chosen` is true for.
  template <class Predicate>
  std::vector<ScsiTaskPtr> give_up_if(Predicate chosen);
  void announce_window();

  // The tasks a function for a set of tasks is about: a logical unit's, or all.
  void give_up_set(std::optional<scsi::LunField> lun, const TaskManagementRequest& request,
                   const Connection& connection);
  void forget_what_came();  // sets of which nothing can come any more
  bool was_given_up_before_it_came(const ScsiTask& task);
  TimePoint release_fenced(TimePoint now);  // when to look again
  void forget_fences_of(const Connection& connection);

  std::optional<uint8_t> perform(const TaskManagementRequest& request,
                                 const Connection& connection);
  // Functions of iSCSIProtocolLevel 2 (RFC 7144).
  void perform_level_2(const TaskManagementRequest& request, const Connection& connection,
                       TaskManagementResponse& answer);
  bool has_task(const TaskManagementRequest& request) const;
  bool has_task_of(scsi::LunField lun) const;
  uint8_t abort_task(const TaskManagementRequest& request);
  uint8_t reset_target(const TaskManagementRequest& request, const Connection& connection);

  std::shared_ptr<ServerState> server_;
  LoginResult login_;
  const uint16_t tsih_;
  const std::chrono::system_clock::time_point since_ = std::chrono::system_clock::now();
  scsi::TaskRouter* router_ = nullptr;  // nullptr: a discovery session
  scsi::NexusId nexus_;
  std::vector<std::shared_ptr<Connection>> connections_;  // at most MaxConnections; oldest first
  bool ended_ = false;
  bool logged_out_ = false;  // its last connection is about to close

  uint64_t unsolicited_per_command_ = 0;  // bytes a granted command may bring unasked
  CommandWindow window_;
  boost::unordered_flat_map<uint32_t, ReceivedPdu> held_;  // early, by CmdSN; within the window
  AnswerMemory::Account held_bytes_;
  TimePoint gap_since_;  // what is held waits since then for a CmdSN that has not come
  // Task sets that were given up while commands of theirs were still on the way by other
  // connections: those before this CmdSN end as they come. Of all logical units: the first.
  struct GivenUp {
    std::optional<scsi::LunField> lun;
    uint32_t before;
  };
  std::vector<GivenUp> given_up_;
  struct Fenced {
    struct Awaited {
      Connection* connection;
      uint32_t stat_sn;
    };
    Connection* connection;
    TaskManagementResponse response;
    std::vector<Awaited> awaited;
    TimePoint no_later_than;
  };
  std::vector<Fenced> fenced_;  // oldest first; of connections that are there

  // Unit attentions in responses that were not acknowledged, so far as is known; the last few.
  struct Told {
    const Connection* connection;
    uint32_t stat_sn;
    scsi::LunField lun;
    scsi::AdditionalSense attention;
  };
  std::vector<Told> told_;

  boost::unordered_flat_map<uint32_t, ScsiTaskPtr> tasks_;  // live ones, by Initiator Task Tag
  boost::intrusive::list<ScsiTask, boost::intrusive::constant_time_size<false>> deadlines_;
  std::shared_ptr<MemoryBudget> memory_;
  std::deque<ScsiTaskPtr> waiting_;  // for memory, in order
  bool serving_posted_ = false;
  bool announcement_posted_ = false;
  uint32_t immediate_in_flight_ = 0;
  uint32_t next_transfer_tag_ = 1;

  uint64_t commands_ = 0;
  uint64_t bytes_read_ = 0;
  uint64_t bytes_written_ = 0;
  uint64_t detached_ = 0;
};

template <class Predicate>
std::vector<ScsiTaskPtr> Session::give_up_if(Predicate chosen) {
  std::vector<ScsiTaskPtr> tasks;
  for (const auto& [tag, task] : tasks_) {
    if (chosen(std::as_const(*task))) tasks.push_back(task);
  }
  for (const ScsiTaskPtr& task : tasks) give_up(*task);
  return tasks;
}

}  // namespace swiftness::iscsi
