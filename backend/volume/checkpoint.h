// Checkpoint: the map as it was after one chunk, as a root object and map objects with the records
// it refers to. Bounds what an attach has to read. docs/FORMAT.md, section 6.
//
// Three steps: prepare() chooses pages whose changes are to be merged into their leaves and loads
// those; snapshot(), on one turn, copies what the merging needs and takes all other changes as a
// run; write() merges, writes, and puts the new leaves into the map. One checkpoint at a time.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "backend/volume/map_reader.h"

namespace swiftness {

// Roots of these numbers are never deleted.
inline constexpr uint64_t kMilestone = 64;

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
  // `workers`: where leaves are merged.
  Checkpointer(Executor executor, Executor workers, const VolumeObjects& objects, ExtentMap& map,
               ChunkLedger& ledger, const EraHistory& eras, LeafLoader& loader)
      : executor_(std::move(executor)),
        workers_(std::move(workers)),
        objects_(objects),
        map_(map),
        ledger_(ledger),
        eras_(eras),
        loader_(loader) {}

  // Takes over a volume's newest root, which load_map() put into map and ledger: names are given in
  // `era` from now on.
  void begin(const Era& era, const Root& newest);

  // Leaves of up to `merge` bytes are chosen, oldest changes first. An Error changes nothing.
  Async<void> prepare(ByteCount merge);

  struct Snapshot {
    Root root;
    std::vector<Sequence> dead;  // chunks of which nothing was live

   private:
    friend class Checkpointer;
    struct Object {
      uint64_t number;
      BufferList data;
    };
    Run run;
    uint64_t run_serial = 0;
    std::vector<ExtentMap::Capture> captures;
    std::vector<LeafIndex::SegmentState> segments;
    LedgerRecord ledger;
    Detached detached;
    std::set<uint64_t> referenced;  // map objects
    // Of the merging:
    bool assembled = false;
    std::vector<LeafPtr> leaves;  // of the captures
    std::vector<MapPlace> leaf_places;
    std::vector<Object> objects;
  };

  // The map is exactly what the log up to `covered` makes it, and none of it is pending.
  Snapshot snapshot(const CoveredLog& covered);

  // Writes map objects, then the root, then the hint. The covered chunks are durable. After an
  // Error the same snapshot is to be written again: the same bytes under the same names.
  Async<void> write(Snapshot& snapshot);

  // Objects that none of the last roots refers to any more; whoever deletes them checks the
  // fence first. Each is told once.
  std::vector<ObjectName> take_garbage();

  // The covered sequence of the oldest root that stays: chunks behind it stay as well (I7).
  Sequence oldest_covered() const noexcept {
    return kept_.empty() ? Sequence(0) : kept_.front().covered;
  }
  // The number of the era's newest root that was answered; 0: none was.
  uint64_t newest_root() const noexcept {
    return kept_.empty() || kept_.back().name.era != era_ ? 0 : kept_.back().name.number;
  }
  uint64_t bytes_written() const noexcept { return bytes_written_; }

 private:
  class Assembly;
  Task assemble(Snapshot& snapshot);
  Async<void> put_objects(Snapshot& snapshot);
  void installed(Snapshot& snapshot);
  std::vector<uint64_t> pages_of_sparse_objects() const;

  Executor executor_;
  const Executor workers_;
  const VolumeObjects& objects_;
  ExtentMap& map_;
  ChunkLedger& ledger_;
  const EraHistory& eras_;
  LeafLoader& loader_;

  Era era_;
  uint64_t next_root_ = 1;
  uint64_t next_object_ = 1;
  struct SavedRun {
    uint64_t serial;
    MapPlace at;
  };
  std::deque<SavedRun> runs_;           // oldest first
  std::map<uint64_t, uint64_t> sizes_;  // of the objects the newest root refers to, bytes
  struct KeptRoot {
    RootName name;
    Sequence covered;
  };
  std::deque<KeptRoot> kept_;  // the last three, oldest first
  struct Garbage {
    ObjectName name;
    uint64_t since;  // how many roots were written with the first one without it
  };
  std::deque<Garbage> garbage_;
  std::vector<uint64_t> pinned_;
  uint64_t roots_written_ = 0;
  uint64_t bytes_written_ = 0;
};

// Fills an empty map and ledger as a root has them. The root's eras are in what `reader` reads by.
Async<void> load_map(Executor executor, const MapReader& reader, const Root& root, ExtentMap& map,
                     ChunkLedger& ledger);

// `head` is a hint: what it costs to have it wrong is time.
Async<void> write_head(const VolumeObjects& objects, RootName root);

}  // namespace swiftness
