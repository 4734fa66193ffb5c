// TaskRouter: the SCSI side of one target (SAM-5 4.5.x): its logical units by LUN, and the I_T
// nexuses that see them. The transport calls it on the shard that owns its logical units; nothing
// here knows sockets or sessions.
//
// Life of a command: plan() says what it will transfer, the transport fetches that, execute() runs
// it. A command is given up by cancelling its ticket; its execute() still returns some time, and
// the transport drops what it returns. TaskRouter outlives every execute() it has started.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "target/scsi/command.h"
#include "target/scsi/identity.h"

namespace swiftness::scsi {

class CopyManager;
class LogicalUnit;
struct Sense;

// A transport's ear on its nexus. Called on the shard, never from inside a call of the same nexus.
class NexusListener {
 public:
  virtual ~NexusListener() = default;
  // Another nexus's task management ended all tasks of this unit: those of this nexus will not be
  // answered (TAS=0), also those that execute() was not called for yet. Were there any?
  virtual bool on_tasks_cleared(LunField lun) = 0;
  // This logical unit was taken away, for all or for this nexus: its tasks will not be answered by
  // it, also those that execute() was not called for yet.
  virtual void on_unit_removed(uint16_t /*lun*/) {}
  // There are other logical units than before; the next command will be told of it (3F/0E).
  virtual void on_reported_luns_changed() {}
};

struct NexusOptions {
  std::string initiator_port{};  // SCSI initiator port name, for logs and reservations
  std::vector<uint16_t> luns{};  // logical units it may use; empty: all
  bool read_only = false;
  NexusListener* listener = nullptr;  // outlives the nexus
  TargetPort target_port{};           // for VPD page 83h; what is unknown is left out there
};

class TaskRouter {
 public:
  TaskRouter();
  ~TaskRouter();

  // Nexuses that exist already and may use it see it at once, and are told of it (3F/0E) by the
  // other logical units.
  void add(uint16_t lun, std::unique_ptr<LogicalUnit> unit);

  // Takes one away, from now on there is none at this LUN; its nexuses are told as above. Whoever
  // gets it keeps it until it is idle (logical_unit.h).
  std::unique_ptr<LogicalUnit> remove(uint16_t lun, std::function<void()> idle);

  NexusId attach(NexusOptions options);  // queues POWER ON unit attentions (29/00) for it
  // It may use others than before (empty: all): it loses those, gets these, and is told (3F/0E).
  void set_luns(NexusId nexus, std::vector<uint16_t> luns);
  void detach(NexusId nexus);  // its tickets are cancelled first; I_T nexus loss

  // Never waits, never fails: a command that cannot run carries its final status in the plan.
  // Direction and bytes are set beside a final status only for a write whose initiator expects to
  // send less than its CDB asks for (0E/03): the residual overflow is computed from them. Reports,
  // and so uses up, unit attentions; see raise_again().
  TransferPlan plan(const Command& command) noexcept;

  // data_out has min(plan.bytes, expected_data_length) bytes for a command from the initiator.
  boost::asio::awaitable<ScsiResult> execute(Command command, BufferList data_out,
                                             TicketPtr ticket);

  bool has(LunField lun) const noexcept;  // for task management: does such a logical unit exist
  bool has(LunField lun, NexusId nexus) const noexcept;  // and may this nexus use it

  // LOGICAL UNIT RESET by `nexus`: cancels every task of the unit, of all nexuses (telling the
  // listeners of the others), and queues 29/03 for each nexus. Returns at once; never waits. Does
  // nothing when the nexus may not use the unit.
  void reset(LunField lun, NexusId by);
  // TARGET RESET: the same for every unit. False: it is not for a nexus that may not use, or not
  // write to, all of them.
  bool reset_all(NexusId by);
  // CLEAR TASK SET: cancels the same tasks; 2F/00 for the other nexuses that had any.
  void clear_task_set(LunField lun, NexusId by);
  void abort_task_set(LunField lun, NexusId nexus);  // cancels this nexus's tasks of the unit
  // I_T NEXUS RESET: the same for every unit it may use, and 29/07 for it there. It stays attached.
  void reset_nexus(NexusId nexus);
  // QUERY ASYNCHRONOUS EVENT: the unit attention this nexus would be told of next. Leaves it
  // pending.
  std::optional<AsynchronousEvent> query_asynchronous_event(LunField lun, NexusId nexus);

  // ABORT TASK: cancels the ticket of a task that execute() was called for, and lets those it held
  // up (ORDERED) go on. False: there is no such task any more. Cancelling the ticket alone is as
  // good, but those who wait behind it learn of it only with the next task that comes or ends.
  bool abort_task(LunField lun, NexusId nexus, TaskTag tag);
  // The same for a task that ends without an answer because the connection it came by is gone,
  // while its nexus lives on: 47/7F tells (RFC 7143 7.6).
  void clear_by_transport(LunField lun, NexusId nexus, TaskTag tag);
  // The unit attention of a result did not reach its initiator: it is pending again.
  void raise_again(LunField lun, NexusId nexus, AdditionalSense attention);

 private:
  LogicalUnit* unit_for(const NexusOptions& nexus, LunField lun) const noexcept;
  LogicalUnit* unit_for(NexusId nexus, LunField lun) const noexcept;
  std::vector<NexusId> tell_cleared(LunField lun, NexusId by);
  const NexusOptions* find(NexusId id) const noexcept;
  std::vector<uint16_t> luns_of(const NexusOptions& nexus) const;
  static bool answers_report_luns(const LogicalUnit* unit, const Command& command);
  static std::optional<Sense> check_report_luns(const Cdb& cdb);
  ScsiResult report_luns(const NexusOptions& nexus, const Command& command);

  std::unique_ptr<CopyManager> copy_manager_;               // outlives the units
  std::map<uint16_t, std::unique_ptr<LogicalUnit>> units_;  // by LUN
  std::unordered_map<uint64_t, NexusOptions> nexuses_;
  uint64_t last_nexus_ = 0;
};

}  // namespace swiftness::scsi
