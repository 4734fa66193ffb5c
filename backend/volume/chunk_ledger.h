// ChunkLedger: how much of each chunk the map still refers to. What garbage collection chooses by.
// Pure and in memory (16 bytes a chunk); a checkpoint keeps it.
//
// Upper bounds: a chunk never has more live sectors than it says. Whoever deletes a chunk proves it
// dead by its header and the map first. With copies the map may refer to a sector many times, and
// each counts; where they are so many that 32 bits do not hold them, the chunk stays for good.
#pragma once

#include <vector>

#include "backend/volume/map_format.h"

namespace swiftness {

class ChunkLedger {
 public:
  // A sealed chunk; ascending. Nothing of it is live yet.
  void add(const ChunkHeader& header);
  void remove(Sequence chunk);  // it is gone from the store

  // The map refers to it from other sectors than its header names.
  void share(Sequence chunk);

  // Sectors that the map refers to from now on, or no more. Chunk 0 stands for what is not sealed.
  void lives(Sequence chunk, uint64_t sectors);
  void died(Sequence chunk, uint64_t sectors);

  const LedgerEntry* find(Sequence chunk) const;
  size_t chunks() const noexcept { return entries_.size() - removed_; }
  SectorCount live() const noexcept { return live_; }          // in sealed chunks
  SectorCount needed() const noexcept { return needed_; }      // of each at most what it stores
  SectorCount unsealed() const noexcept { return unsealed_; }  // live, chunk 0
  SectorCount stored() const noexcept { return stored_; }      // 512-byte units of all objects
  SectorCount dead_stored() const noexcept { return dead_; }   // of those without anything live

  // Calls visit(const LedgerEntry&) for each chunk, ascending.
  template <class Visit>
  void visit(Visit visit) const {
    for (const LedgerEntry& entry : entries_) {
      if (entry.stored > 0) visit(entry);
    }
  }

  LedgerRecord record() const;
  void restore(LedgerRecord record);  // into an empty one

 private:
  LedgerEntry* entry(Sequence chunk);
  void count(LedgerEntry& entry, uint32_t live);

  std::vector<LedgerEntry> entries_;  // ascending; stored == 0: removed, swept out now and then
  size_t removed_ = 0;
  SectorCount live_;
  SectorCount needed_;
  SectorCount unsealed_;
  SectorCount stored_;
  SectorCount dead_;
};

}  // namespace swiftness
