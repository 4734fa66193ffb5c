// Disks: what a machine has on disks of its own: the journal of the volume, and the read cache's
// file. They outlive its processes.
//
// Fault model (what a disk does, says tests/support/fake_disk.h)
//   slow         calls take up to half a second
//   sick         for a while calls fail; syncs more often, because a failed one says the least
//   full         for a while writes fail and write nothing
//   power cut    what was not synced is there, or not, sector by sector
//   lost         the journal's disk is replaced by an empty one
//   went back    somebody puts a copy of the journal in place that was made a while ago, or one
//                that had been set aside
//   bit flips    in the cache's file, as often as you like. Never in the journal: that is damage,
//                and an attach has to refuse (tests/volume/journal_crash_test.cc)
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backend/volume/journal_home.h"
#include "tests/sim/world.h"
#include "tests/support/fake_disk.h"

namespace swiftness::sim {

struct DiskOptions {
  uint64_t journal_bytes = 0;  // 0: the machine has none
  uint64_t cache_bytes = 0;    // 0: none
  DiskFaults faults;           // on a good day
};

class Disks final : public JournalHome {
 public:
  Disks(World& world, std::string machine, Chance chance, DiskOptions options);

  JournalHome* journal() noexcept { return options_.journal_bytes > 0 ? this : nullptr; }
  DiskId journal_id() const noexcept { return journal_id_; }  // 0: there is none
  uint64_t cache_bytes() const noexcept { return options_.cache_bytes; }
  Async<std::unique_ptr<LocalFile>> open_cache();

  void process_crash();
  void power_cut();

  // Only while no process runs.
  void lose_journal();
  bool go_back();  // false: there is no old copy

  void keep_copy();  // of the journal as it is
  void flip_bits();  // in the cache's file
  void fall_sick(Duration how_long);
  void fill_up(Duration how_long);
  void clear_up();

  Async<std::unique_ptr<LocalFile>> open() override;
  Async<std::string> set_aside() override;

 private:
  void replace_journal(std::unique_ptr<FakeDisk> with);
  std::unique_ptr<FakeDisk> empty_journal();
  void set_faults(const DiskFaults& faults);
  void for_a_while(const DiskFaults& faults, Duration how_long);

  World& world_;
  const std::string machine_;
  Chance chance_;
  const DiskOptions options_;
  std::unique_ptr<FakeDisk> journal_;
  DiskId journal_id_ = 0;
  std::unique_ptr<FakeDisk> cache_;
  std::vector<std::unique_ptr<FakeDisk>> copies_;  // of the journal, of earlier times
  uint64_t troubles_ = 0;
};

}  // namespace swiftness::sim
