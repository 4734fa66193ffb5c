// TaskRouter: the SCSI side of one target (SAM-5 4.5.x): its logical units by LUN, and the I_T
// nexuses that see them. The transport calls it on the shard that owns its logical units; nothing
// here knows sockets or sessions.
//
// Life of a command: plan() says what it will transfer, the transport fetches that, execute() runs
// it. A command is given up by cancelling its ticket; its execute() still returns some time, and the
// transport drops what it returns. TaskRouter outlives every execute() it has started.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "target/scsi/command.h"

namespace swiftness::scsi {

class LogicalUnit;

// A transport's ear on its nexus. Called on the shard, never from inside a call of the same nexus.
class NexusListener {
 public:
  virtual ~NexusListener() = default;
  // Another nexus's task management ended this task: it will not be answered (TAS=0). Its ticket is
  // cancelled already.
  virtual void on_task_aborted(TaskTag tag) = 0;
};

struct NexusOptions {
  std::string initiator_port;         // SCSI initiator port name, for logs and reservations
  std::vector<uint16_t> luns;         // logical units it may use; empty: all
  bool read_only = false;
  NexusListener* listener = nullptr;  // outlives the nexus
};

class TaskRouter {
 public:
  TaskRouter();
  ~TaskRouter();

  void add(uint16_t lun, std::unique_ptr<LogicalUnit> unit);

  NexusId attach(NexusOptions options);  // queues POWER ON unit attentions (29/00) for it
  void detach(NexusId nexus);            // its tickets are cancelled first; I_T nexus loss

  // Never waits, never fails: a command that cannot run carries its final status in the plan.
  TransferPlan plan(const Command& command) noexcept;

  // data_out has min(plan.bytes, expected_data_length) bytes for a command from the initiator.
  boost::asio::awaitable<ScsiResult> execute(Command command, BufferList data_out,
                                             TicketPtr ticket);

  bool has(LunField lun) const noexcept;  // for task management: does such a logical unit exist

  // LOGICAL UNIT RESET by `nexus`: cancels every task of the unit, of all nexuses (telling the
  // listeners of the others), and queues 29/03 for each nexus. Returns at once; never waits.
  void reset(LunField lun, NexusId by);
  void abort_task_set(LunField lun, NexusId nexus);  // cancels this nexus's tasks of the unit

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace swiftness::scsi
