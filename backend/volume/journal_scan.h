// Reading a journal that somebody else wrote: which of its records count, and whether what comes
// behind the last of them is a torn tail or damage (pitfall: records behind a hole, and records of
// an earlier lap of the ring, must never be taken).
#pragma once

#include <deque>
#include <string>

#include "backend/volume/journal_ring.h"

namespace swiftness {

struct ScannedRing {
  std::deque<uint64_t>
      starts;            // offset of each record from the superblock's tail on, without a gap
  uint64_t head = 0;     // where the last of them ends
  LogPosition proven;    // up to here everything is on the medium: a later record says so
  LogPosition frontier;  // up to here everything was durable in the store
  std::string damage;    // why the end of the records is no torn tail; empty: it is one
};

Async<ScannedRing> scan_ring(JournalRing ring, Superblock superblock);

}  // namespace swiftness
