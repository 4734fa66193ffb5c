// Gateway: a machine that serves the volume: the production engine over the production Swift
// client, with clients of its own. Its process can be started, stopped, and killed between any two
// steps.
//
// Its disks (disks.h) outlive its processes.
//
// Each process has an event loop of its own. To crash is never to run it again: coroutines end
// where they stand. What they had sent lives on in the network.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/base/gate.h"
#include "backend/swift/swift_store.h"
#include "backend/volume/volume.h"
#include "tests/sim/disks.h"
#include "tests/sim/world.h"

namespace swiftness::sim {

// What the clients of a gateway do while it serves.
struct Workload {
  uint32_t clients = 2;
  uint32_t commands = 40;                          // of each client, then it leaves
  Duration pause = std::chrono::milliseconds(50);  // between two commands, at most
  uint64_t largest_write = 64;                     // sectors
  double long_pause = 0.02;                        // so long that everything idles
  double forced = 0.1;                             // of the writes
  double cancelled = 0.05;                         // of all commands
  bool copies = false;                             // some of them
  bool grows = false;
  bool settles = false;  // afterwards the space in use has to come down to what is due
};

enum class Crash {
  process,
  machine,  // a power cut
};

class Gateway final : public BlockDeviceObserver {
 public:
  Gateway(World& world, std::string name, DiskOptions disks);
  ~Gateway() override;

  // Starts the process: it attaches, however often it takes, has its image judged, and serves. It
  // ends by itself when it was fenced.
  void boot(VolumeOptions options, Workload workload);
  // Asks the process to end in good order; it may take its time. An impatient administrator makes
  // it halt after a while.
  void shut_down(std::optional<Duration> patience);
  void crash(Crash how);  // at once
  // As soon as the process has taken so many more steps.
  void crash_in(uint64_t steps, Crash how);
  // Soon after its journal has become nearly full, if it does.
  void crash_when_full(Crash how);

  bool running() const noexcept { return process_ != nullptr; }
  bool idle() const noexcept;                               // online, and its clients have left
  bool ended_well() const noexcept { return ended_well_; }  // the last process that ended by itself
  // Its last attempt to attach: it would abandon what is in another gateway's journal.
  bool refused() const noexcept { return refused_; }
  uint64_t epoch() const noexcept { return epoch_; }  // the last in which it was online

  Network& network() noexcept { return network_; }
  Disks& disks() noexcept { return disks_; }

  // Lets the process take a step. False: it has none to take; nor will it before wake_up().
  bool run_one();
  void wake_up() noexcept { asleep_ = false; }  // something happened around it
  std::string describe() const;                 // what it is at, for histories that do not end

 private:
  struct Process;

  void on_state_changed(DeviceState state) override;
  bool serving() const noexcept;
  void judge_damage(const Error& error, const char* where);
  void look_at_the_journal();

  Task serve();
  asio::awaitable<bool> attach();
  asio::awaitable<bool> begin_life();
  Task end();

  Task client(uint32_t number);
  Task write_once();
  Task write_to(Piece piece);
  Task unmap_once();
  Task copy_once();
  Task flush_once();
  Task read_once();
  asio::awaitable<std::optional<Copies::Origins>> look_at(Piece piece);
  Task look_at_allocation_once();
  Task prefetch_once();
  Task grow_once();
  Task store_record_once();
  Task load_record_once();
  Task settle();
  std::string too_much_space() const;
  Piece some_piece(uint64_t longest);
  TicketPtr some_ticket();
  bool nothing_new(const Life& life, Piece piece, Moment since);
  BlockRange blocks_of(Piece piece) const;
  // Records how a command ended. False: not with success.
  bool ended(Life& life, Life::CommandId command, const Result<void>& done, const TicketPtr& ticket,
             std::optional<Grade> promised);
  bool may_have_to_read(ErrorCode failed) const;
  // What the volume promises by an answer to what is asked now.
  std::optional<Grade> grade(Durability durability) const;
  void look_what_is_stored(Life& life);
  void end_force();

  World& world_;
  const std::string name_;
  Chance chance_;
  Network network_;
  Disks disks_;
  uint64_t epoch_ = 0;
  uint64_t processes_ = 0;  // so far
  bool ended_well_ = false;
  bool refused_ = false;
  bool asleep_ = false;
  std::unique_ptr<Process> process_;
};

}  // namespace swiftness::sim
