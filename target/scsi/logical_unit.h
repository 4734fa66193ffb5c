// LogicalUnit: one disk as initiators see it (SAM-5 4.8, SBC-4). It decides which commands run and
// what they are told; the data are its BlockDevice's business.
//
// Road map, in the order a command goes:
//   plan       unit attention, then examine(): is the command known, allowed, well formed
//   execute    takes its place in the task set, is examined again (the device may have changed
//              meanwhile), then answered at once or run against the device
//   command_table.cc lists the commands; device_commands.cc and block_commands.cc are they.
//
// Lives on its device's shard. The device outlives it; it is the device's observer. It outlives
// every execute() it has started. Capacity changes are noticed at the next command.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "backend/base/async.h"
#include "backend/block_device.h"
#include "target/scsi/command.h"
#include "target/scsi/identity.h"
#include "target/scsi/task_set.h"
#include "target/scsi/unit_attention.h"

namespace swiftness::scsi {

struct CommandDescriptor;

struct LogicalUnitOptions {
  bool read_only = false;
  bool write_cache = true;  // WCE; without it every write is as durable as a flush
  std::string product{};    // empty: the default. Product and serial never change once in use.
  std::string serial{};     // empty: derived from the volume's UUID
  size_t tasks = 1024;      // most tasks at once, of all nexuses; then TASK SET FULL
};

class LogicalUnit final : private BlockDeviceObserver {
 public:
  // What the logical unit knows of a nexus.
  struct Nexus {
    bool read_only = false;
    TargetPort port;
    UnitAttentions attentions;
  };

  LogicalUnit(BlockDevice& device, LogicalUnitOptions options);
  ~LogicalUnit();

  void attach(NexusId id, bool read_only, TargetPort port);  // POWER ON is its first attention
  void detach(NexusId id);  // I_T nexus loss: its tasks are given up

  TransferPlan plan(const Command& command) noexcept;
  asio::awaitable<ScsiResult> execute(Command command, BufferList data_out, TicketPtr ticket);

  void reset();  // LOGICAL UNIT RESET (SAM-5 7.7): gives up all tasks
  void clear_task_set() { tasks_.cancel_all(); }
  void abort_task_set(NexusId nexus) { tasks_.cancel_all_of(nexus); }
  void lose_nexus(NexusId id);  // I_T nexus loss (SAM-5 6.3.4) of one that stays attached
  bool abort_task(NexusId nexus, TaskTag tag) { return tasks_.cancel(nexus, tag) > 0; }

  void raise(AdditionalSense condition);  // a unit attention for every nexus
  void raise(NexusId id, AdditionalSense condition);
  void clear(NexusId id, AdditionalSense condition);
  // QUERY ASYNCHRONOUS EVENT: what a unit attention would report, which stays pending.
  std::optional<AsynchronousEvent> query_asynchronous_event(NexusId id);

  // --- for the commands
  // ---------------------------------------------------------------------------
  BlockDevice& device() noexcept { return device_; }
  Geometry geometry() const noexcept { return device_.geometry(); }
  DeviceState state() const noexcept { return device_.state(); }
  const Identity& identity() const noexcept { return identity_; }
  bool write_cache() const noexcept { return options_.write_cache; }
  Nexus* nexus(NexusId id);  // null when it is not, or no longer, attached
  bool is_write_protected(const Nexus& nexus) const noexcept {
    return options_.read_only || nexus.read_only;
  }

 private:
  struct Examined {
    const CommandDescriptor* command = nullptr;
    TransferPlan plan;  // final when the command cannot run
  };

  void on_state_changed(DeviceState state) override;
  void notice_capacity();
  Examined examine(const Command& command, const Nexus& nexus) const;
  std::optional<ScsiResult> refusal(const CommandDescriptor& descriptor, const Nexus& nexus) const;

  BlockDevice& device_;
  LogicalUnitOptions options_;
  Identity identity_;
  BlockCount capacity_;  // as the initiators know it
  TaskSet tasks_;
  std::unordered_map<uint64_t, Nexus> nexuses_;
};

}  // namespace swiftness::scsi
