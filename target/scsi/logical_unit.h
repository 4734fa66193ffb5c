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
// every execute() it has started. Capacity changes and soft thresholds that are passed are noticed
// at the next command, whoever's it is.
#pragma once

#include <boost/intrusive/list.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "backend/base/async.h"
#include "backend/block_device.h"
#include "target/scsi/backend_error.h"
#include "target/scsi/command.h"
#include "target/scsi/copy_operations.h"
#include "target/scsi/erasure.h"
#include "target/scsi/identity.h"
#include "target/scsi/log_pages.h"
#include "target/scsi/mode_pages.h"
#include "target/scsi/range_locks.h"
#include "target/scsi/reservations.h"
#include "target/scsi/rod_tokens.h"
#include "target/scsi/soft_thresholds.h"
#include "target/scsi/target_port_groups.h"
#include "target/scsi/task_set.h"
#include "target/scsi/unit_attention.h"

namespace swiftness::scsi {

class CopyManager;
struct CommandDescriptor;

struct LogicalUnitOptions {
  bool read_only = false;
  bool removable = false;   // RMB: its medium can be ejected
  bool write_cache = true;  // WCE; without it every write is as durable as a flush
  std::string product{};    // empty: the default. Product and serial never change once in use.
  std::string serial{};     // empty: derived from the volume's UUID
  std::string management_url{};  // VPD page 85h; empty: there is no such page
  std::optional<ByteCount> soft_threshold{};  // of what is used: the administrator's
  size_t tasks = 1024;                     // most tasks at once, of all nexuses; then TASK SET FULL
  std::vector<TargetPort> target_ports{};  // all of its target, for who asks about the others
  AccessStates access_states{};            // of their groups, as the configuration says
};

class LogicalUnit final : private BlockDeviceObserver {
 public:
  // What the logical unit knows of a nexus.
  struct Nexus {
    bool read_only = false;
    NexusName name;
    TargetPort port;
    UnitAttentions attentions;
    Buffer echo_buffer;             // of WRITE BUFFER
    bool prevents_removal = false;  // PREVENT ALLOW MEDIUM REMOVAL
    CopyOperations copies;

    bool may_set_access_states() const noexcept { return !read_only; }
  };

  LogicalUnit(BlockDevice& device, LogicalUnitOptions options);
  ~LogicalUnit();

  // POWER ON is its first attention.
  void attach(NexusId id, bool read_only, TargetPort port, std::string_view initiator_port = {});
  void detach(NexusId id);  // I_T nexus loss: its tasks are given up

  // It is taken away: its tasks are given up, its nexuses are forgotten with what they reserved,
  // and the device is free for another unit. It has to live until it is idle, which `idle` tells
  // when it is not so already.
  void retire(std::function<void()> idle);
  bool is_idle() const noexcept { return tasks_.size() == 0 && visits_.empty(); }

  TransferPlan plan(const Command& command) noexcept;
  asio::awaitable<ScsiResult> execute(Command command, BufferList data_out, TicketPtr ticket);

  void reset();  // LOGICAL UNIT RESET (SAM-5 7.7): gives up all tasks
  void clear_task_set();
  void abort_task_set(NexusId nexus);
  void lose_nexus(NexusId id);  // I_T nexus loss (SAM-5 6.3.4) of one that stays attached
  bool abort_task(NexusId nexus, TaskTag tag);

  // Told of each nexus whose tasks PREEMPT AND ABORT has ended.
  void on_tasks_aborted(std::function<void(NexusId)> tell) { tell_aborted_ = std::move(tell); }

  void raise(AdditionalSense condition);  // a unit attention for every nexus
  void raise(NexusId id, AdditionalSense condition);
  void raise_for_others(NexusId by, AdditionalSense condition);
  void clear(NexusId id, AdditionalSense condition);
  // QUERY ASYNCHRONOUS EVENT: what a unit attention would report, which stays pending.
  std::optional<AsynchronousEvent> query_asynchronous_event(NexusId id);

  // --- for the commands
  // ---------------------------------------------------------------------------
  BlockDevice& device() noexcept { return device_; }
  const BlockDevice& device() const noexcept { return device_; }
  Geometry geometry() const noexcept { return device_.geometry(); }
  DeviceState state() const noexcept { return device_.state(); }
  const Identity& identity() const noexcept { return identity_; }
  RangeLocks& range_locks() noexcept { return range_locks_; }

  // Every command that changes blocks says so when it has its hold on them, before the device hears
  // of it: no token names them any more.
  void about_to_change(const BlockRange& range) {
    if (!rod_tokens_.empty()) rod_tokens_.revoke(range);
  }
  RodTokens& rod_tokens() noexcept { return rod_tokens_; }

  // With the other logical units of its target, which a copy may go to and come from.
  void join(CopyManager& manager) noexcept { copy_manager_ = &manager; }
  CopyManager& copy_manager() noexcept { return *copy_manager_; }
  // Would a READ, or a WRITE, of this nexus be refused now, whatever its blocks? For copies that
  // another logical unit was asked for.
  asio::awaitable<std::optional<ScsiResult>> refusal_of_copy(NexusId id, MediumAccess access);

  // A copy that reads or writes here though another logical unit was asked for it: what ends its
  // nexus's tasks here gives it up, too. A local of the coroutine that copies.
  class Visit : public boost::intrusive::list_base_hook<
                    boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
   public:
    Visit(LogicalUnit& unit, NexusId nexus, TicketPtr ticket);
    Visit(const Visit&) = delete;
    Visit& operator=(const Visit&) = delete;
    ~Visit();

   private:
    friend class LogicalUnit;
    LogicalUnit& unit_;
    NexusId nexus_;
    TicketPtr ticket_;
  };

  const std::shared_ptr<Erasure>& erasure() const noexcept { return erasure_; }
  Sense sense_now(const Nexus* nexus) const;  // what REQUEST SENSE tells without unit attention

  // --- the medium, of a removable logical unit (SBC-4 4.4)
  bool is_removable() const noexcept { return options_.removable; }
  bool has_medium() const noexcept { return has_medium_; }
  bool is_removal_prevented() const;  // by any nexus
  void eject() noexcept { has_medium_ = false; }
  void load(NexusId by);               // the other nexuses are told (28/00)
  void set_removable(bool removable);  // every nexus is told (3F/03)

  const Reservations& reservations() const noexcept { return reservations_; }
  // Takes the state over and does what the outcome asks for: unit attentions, tasks to abort.
  void set_reservations(Reservations next, const Reservations::Outcome& outcome, NexusId by);
  std::span<const TargetPort> target_ports() const noexcept { return options_.target_ports; }
  // --- asymmetric access (SPC-5 5.18)
  const TargetPortGroups& target_port_groups() const noexcept { return groups_; }
  void set_access_states(const AccessStates& configured);  // every nexus is told (2A/06)
  // SET TARGET PORT GROUPS: what is wrong with it, or it is done and the other nexuses are told.
  std::optional<Sense> set_target_port_groups(std::span<const std::byte> list, NexusId by);
  const CommandStatistics& statistics() const noexcept { return statistics_; }
  RangeLocks& reserve_out_turns() noexcept { return reserve_out_turns_; }
  std::span<const uint16_t> target_port_ids() const noexcept { return target_port_ids_; }
  // RESERVE and RELEASE of SPC-2. False: RESERVATION CONFLICT.
  bool reserve(NexusId id);
  bool release(NexusId id);
  bool is_reserved() const noexcept { return reserved_by_.has_value(); }

  const ModeParameters& mode() const noexcept { return mode_; }
  ModeParameters default_mode() const noexcept;
  const ModeParameters& saved_mode() const noexcept { return saved_mode_; }
  void set_saved_mode(const ModeParameters& mode) { saved_mode_ = mode; }
  void set_mode(const ModeParameters& mode, NexusId by);  // tells the other nexuses (2A/01)
  bool write_cache() const noexcept { return mode_.write_cache; }
  void set_read_only(bool read_only);                      // every nexus is told (2A/01)
  void set_soft_threshold(std::optional<ByteCount> used);  // so, too
  std::optional<Sense> take_attention(Nexus& nexus);       // the next to report, if there is one
  Nexus* nexus(NexusId id);  // null when it is not, or no longer, attached
  bool is_write_protected(const Nexus& nexus) const noexcept {
    return options_.read_only || nexus.read_only || mode_.software_write_protect;
  }

 private:
  void tell_if_idle();
  struct Examined {
    const CommandDescriptor* command = nullptr;
    TransferPlan plan;  // final when the command cannot run
  };

  void on_state_changed(DeviceState state) override;
  void notice_changes();
  void notice_capacity();
  void notice_provisioning();
  ScsiResult in_sense_format(ScsiResult result) const;
  Examined examine(const Command& command, const Nexus& nexus) const;
  bool conflicts(const Command& command, const CommandDescriptor& descriptor,
                 const Nexus& nexus) const;
  std::optional<Sense> medium_unready() const;
  std::optional<ScsiResult> unready() const;
  std::optional<ScsiResult> unready_for(const Cdb& cdb, unsigned traits) const;
  std::optional<ScsiResult> write_protected(const Nexus& nexus) const;
  std::optional<Sense> inaccessible(const Nexus& nexus, unsigned traits) const;
  void count_begin(TimePoint begin);
  void count_end(const CommandDescriptor& descriptor, const ScsiResult& result, uint64_t bytes_out,
                 TimePoint begin);
  bool needs_metadata(const Command& command) const;
  Async<void> load_metadata();
  std::optional<ScsiResult> refusal(const Cdb& cdb, const CommandDescriptor& descriptor,
                                    const Nexus& nexus) const;

  BlockDevice& device_;
  LogicalUnitOptions options_;
  Identity identity_;
  BlockCount capacity_;  // as the initiators know it
  ModeParameters mode_;
  ModeParameters saved_mode_;  // what a reset goes back to; the defaults where none were saved
  SoftThresholds thresholds_;
  size_t passed_threshold_ = 0;  // the newest: its descriptor in the mode page
  Reservations reservations_;
  std::optional<NexusId> reserved_by_;  // by RESERVE of SPC-2
  std::vector<uint16_t> target_port_ids_;
  TargetPortGroups groups_;
  bool has_loaded_metadata_;
  bool retired_ = false;
  bool has_medium_ = true;
  CommandStatistics statistics_;
  size_t running_ = 0;  // commands that the device has to answer
  TimePoint idle_since_ = now();
  std::function<void(NexusId)> tell_aborted_;
  std::function<void()> tell_idle_;
  TaskSet tasks_;
  RangeLocks range_locks_;
  RangeLocks reserve_out_turns_;
  RodTokens rod_tokens_;
  CopyManager* copy_manager_ = nullptr;
  boost::intrusive::list<Visit, boost::intrusive::constant_time_size<false>> visits_;
  std::shared_ptr<Erasure> erasure_ = std::make_shared<Erasure>();
  std::unordered_map<uint64_t, Nexus> nexuses_;
};

}  // namespace swiftness::scsi
