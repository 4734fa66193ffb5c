// Recovery: a volume's state out of its log (I8; docs/FORMAT.md, section 7, steps 4 to 6). Reads
// and repeats; decides nothing by a missing answer and deletes nothing.
#pragma once

#include <optional>

#include "backend/volume/era_history.h"
#include "backend/volume/extent_map.h"
#include "backend/volume/map_format.h"
#include "backend/volume/record_io.h"

namespace swiftness {

struct RecoveredLog {
  Root base;                 // the root it began from; number 0: none, the volume was empty
  uint64_t newest_root = 0;  // number of the highest era's newest root, sound or not; 0: none
  std::vector<std::string> damaged_roots;  // newer than `base`: what is wrong with each
  EraHistory eras;                         // up to and with the era that ends here
  LogEnd end;                              // epoch 0: the volume is new
  LogPosition position;                    // the last one in the log
  Sequence proven;  // every accepted chunk up to it was answered 201 to its writer
};

enum class LogReading {
  attaching,   // the highest started era is fenced: what is absent stays absent
  looking_on,  // its gateway may go on writing meanwhile; nothing at all is written by us
};

// `highest` is the highest start below our epoch; nothing: the volume is new. Fills map and ledger,
// which are empty. Looking on, an Error may come of what the gateway that serves the volume has
// deleted meanwhile: it counts only if the newest root is the same afterwards.
Async<RecoveredLog> recover_log(const VolumeObjects& objects, std::optional<Start> highest,
                                ExtentMap& map, ChunkLedger& ledger,
                                LogReading reading = LogReading::attaching);

// The number of an era's newest root, sound or not; 0: it has none.
Async<uint64_t> newest_root_number(const VolumeObjects& objects, Era era);

// corrupt: it is not the root its name says. not_found is what one answer says.
Async<Root> read_root(const VolumeObjects& objects, RootName name);

// Step 6: accepted chunks that no frontier proves are PUT again as they are, and so is the root.
Async<void> prove_tail(const VolumeObjects& objects, const RecoveredLog& log);

// A chunk's header. not_found is what one answer says.
struct ChunkHead {
  ChunkHeader header;
  Sha256 hash{};
};
Async<ChunkHead> read_chunk_head(const VolumeObjects& objects, Era era, Sequence sequence);

// Applies a chunk's extents, in their order.
void replay(const ChunkHeader& header, ExtentMap& map, ChunkLedger& ledger);

}  // namespace swiftness
