// Checkpoint: the map as it was after one chunk, as a root object and its leaves. Bounds what an
// attach has to read. docs/FORMAT.md, section 6.
#pragma once

#include <map>
#include <vector>

#include "backend/volume/era_history.h"
#include "backend/volume/extent_map.h"
#include "backend/volume/record_io.h"

namespace swiftness {

// What a root says besides the map: the log up to and with one chunk.
struct CoveredLog {
  Sequence last;
  Sha256 header_hash{};
  LogPosition position;
  ByteCount size;
  uint32_t block_size = 512;
};

class Checkpointer {
 public:
  explicit Checkpointer(const VolumeObjects& objects) : objects_(objects) {}

  // A checkpoint taken but not yet written. Encoded at once, so that the map may go on changing.
  struct Snapshot {
    Root root;
    struct LeafObject {
      ObjectName name;
      Buffer data;
    };
    std::vector<LeafObject> leaves;
  };

  // Takes over a volume's newest root: names are given in `era` from now on.
  void begin(const Era& era, const Root& newest);

  // The map is exactly what the log up to `covered` makes it, and none of it is pending. Cleans it.
  Snapshot snapshot(ExtentMap& map, const EraHistory& eras, const CoveredLog& covered);

  // Writes the leaves, then the root, then the hint. The covered chunks are durable. One at a time,
  // in the order they were taken; after an Error the same snapshot is to be written again.
  Async<void> write(const Snapshot& snapshot);

 private:
  struct LeafName {
    Era era;
    uint64_t number;
  };

  const VolumeObjects& objects_;
  Era era_;
  uint64_t next_root_ = 1;
  uint64_t next_leaf_ = 1;
  std::map<uint64_t, LeafName> leaves_;  // of each page with any extent
};

// Puts a root's leaves into an empty map, in parallel.
Async<void> load_leaves(const VolumeObjects& objects, const Root& root, ExtentMap& map);

// `head` is a hint: what it costs to have it wrong is time.
Async<void> write_head(const VolumeObjects& objects, RootName root);

}  // namespace swiftness
