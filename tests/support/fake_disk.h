// FakeDisk: a disk in memory that fails as disks and their page caches do. FakeDisk is the
// hardware: it outlives crashes. open() gives the file as one run of a process sees it.
//
// The fault model
//   - A write is seen by reads when it completes. It is on the medium when a sync that began later
//     succeeded, or earlier, sector by sector, whenever it pleases the system.
//   - power_cut(): of what no sync covers each sector of 512 bytes is the new one or the one last
//     written back, independently of all others: writes are lost, torn and reordered. Of a sync
//     that was under way any part has reached the medium. A sector is never torn.
//   - process_crash(): completed writes stay and are as unsynced as before; of a write under way
//     any sectors were written.
//   - A failed write has written any of its sectors. A failed sync leaves on the medium any of the
//     sectors that it was to cover and forgets the others: reads show them until a power cut, but
//     no later sync brings them to the medium.
//   - Full: writes fail with out_of_space and write nothing.
//   - flip_bit(): a bit decays, in cache and medium.
//   - spoil(): a sector cannot be read (corrupt) until it is written again.
//   - Calls take time (sleep_for: a VirtualClock rules it); calls under way end in any order.
// After a crash calls of the files opened before it fail and change nothing. All of it is drawn
// from the seed: the same calls in the same order meet the same faults.
#pragma once

#include <list>
#include <memory>
#include <random>
#include <set>
#include <vector>

#include "backend/base/local_file.h"

namespace swiftness {

struct DiskFaults {
  struct Delay {
    Duration at_least{};
    Duration at_most{};
  };
  double write_fails = 0;  // chances, per call
  double sync_fails = 0;
  double read_fails = 0;  // with `unavailable`
  bool full = false;
  double cached = 0;          // chance that try_read() need not wait
  double written_back = 0.5;  // chance that a sector reached the medium before a power cut unasked
  Delay write;                // zero: the call suspends, but takes no time
  Delay sync;
  Delay read;
};

class FakeDisk {
 public:
  FakeDisk(uint64_t size, uint64_t seed, DiskFaults faults = {});
  FakeDisk(const FakeDisk&) = delete;
  FakeDisk& operator=(const FakeDisk&) = delete;
  ~FakeDisk();

  // The file; what was opened before counts as of a process that is gone.
  std::unique_ptr<LocalFile> open();

  void power_cut();
  void process_crash();

  // Another disk with what reads show now, all of it on the medium: a copy that somebody made.
  std::unique_ptr<FakeDisk> copy(uint64_t seed) const;

  void set_faults(const DiskFaults& faults) noexcept { faults_ = faults; }
  const DiskFaults& faults() const noexcept { return faults_; }

  void flip_bit(uint64_t bit);                         // counted from the disk's start
  void flip_bit_in(uint64_t offset, uint64_t length);  // one of these bytes'
  void spoil(uint64_t offset) { spoilt_.insert(offset / 512); }
  Buffer contents(uint64_t offset, size_t length) const;  // as reads show it

  uint64_t size() const noexcept { return size_; }
  uint64_t writes() const noexcept { return writes_; }  // calls so far
  uint64_t syncs() const noexcept { return syncs_; }

 private:
  class File;
  class Image;
  using Sectors = std::set<uint64_t>;
  struct Write {
    uint64_t offset;
    Buffer data;
    uint64_t end_sector() const;  // one behind the last it touches
  };

  bool chance(double probability);
  bool is_spoilt(uint64_t offset, uint64_t length) const;
  Duration draw(const DiskFaults::Delay& delay);
  void apply(const Write& write);
  void apply_some(const Write& write);
  void apply_sector(const Write& write, uint64_t sector);
  void write_back(uint64_t sector);
  void crash();

  const uint64_t size_;
  DiskFaults faults_;
  std::mt19937_64 random_;
  std::unique_ptr<Image> cache_;
  std::unique_ptr<Image> medium_;
  Sectors dirty_;               // in the cache, perhaps not on the medium
  Sectors forgotten_;           // the cache has them, but thinks that the medium has them too
  std::list<Sectors> syncing_;  // taken out of dirty_ by the syncs under way
  Sectors spoilt_;
  std::list<Write> writing_;       // under way
  std::shared_ptr<bool> process_;  // whether the open file's process lives
  uint64_t writes_ = 0;
  uint64_t syncs_ = 0;
};

}  // namespace swiftness
