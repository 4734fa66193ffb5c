// The map's records: root, index segment, run, ledger, detached leaves (docs/FORMAT.md, section 6;
// a leaf has its own file). All but the root stand one behind the other in map objects.
#pragma once

#include <vector>

#include "backend/volume/format.h"

namespace swiftness {

inline constexpr uint32_t kSegmentPages = 2048;  // 64 GiB of the disk

// A record in a map object. Map objects are numbered on across eras, from 1.
struct MapPlace {
  uint64_t object = 0;  // 0: none
  uint32_t offset = 0;  // bytes
  uint32_t length = 0;  // bytes

  bool none() const noexcept { return object == 0; }
  friend bool operator==(const MapPlace&, const MapPlace&) = default;
};

// What an era wrote: the chunks [first, last], empty when last + 1 == first; and map objects from
// first_object on, up to the next era's.
struct EraSpan {
  Era era;
  Sequence first;
  Sequence last;
  uint64_t first_object = 1;
};

struct Root {
  RootName name;
  Sequence covered;
  Sha256 covered_hash{};
  LogPosition covered_position;
  ByteCount size;
  uint32_t block_size = 512;
  uint64_t next_object = 1;   // of map objects: the first number not used up to here
  std::vector<EraSpan> eras;  // oldest first
  struct Segment {
    uint32_t index = 0;  // pages from index * kSegmentPages on
    MapPlace at;
  };
  std::vector<Segment> segments;  // ascending by index
  std::vector<MapPlace> runs;     // oldest first; a newer one wins
  MapPlace ledger;
  MapPlace detached;  // none: there are none
  struct MapObject {
    uint64_t number = 0;
    uint64_t size = 0;  // bytes
  };
  std::vector<MapObject> objects;  // that hold anything of this map; ascending
};

// The leaves of kSegmentPages neighbouring pages.
struct IndexSegment {
  struct Entry {
    uint16_t slot = 0;
    MapPlace leaf;
  };
  uint32_t index = 0;
  std::vector<Entry> entries;  // ascending by slot
};

// A part of a page that changed since the page's leaf was written.
struct Change {
  uint32_t first = 0;  // sector within the page
  uint32_t sectors = 0;
  bool counted = false;  // the ledger knows already that what lies under it in the leaf died
  uint64_t packed = 0;   // location; 0: a hole
};

// What changed between two checkpoints: first the erased pages, then the changes.
struct Run {
  struct Erased {
    uint64_t page = 0;
    uint64_t pages = 0;
  };
  struct Page {
    uint64_t page = 0;
    std::vector<Change> changes;  // ascending, not overlapping
  };
  std::vector<Erased> erased;
  std::vector<Page> pages;
};

// A chunk in the store, and how much of it the map still refers to.
struct LedgerEntry {
  static constexpr uint32_t kUncounted = UINT32_MAX;  // or more

  Sequence chunk;
  uint32_t live = 0;    // sectors; never fewer than there are
  uint32_t stored = 0;  // 512-byte units of the object
  Sequence birth;       // age of the data: the chunk in which the youngest of them was written
  bool shared =
      false;  // the map may refer to it from sectors that its header does not name: copies
};
struct LedgerRecord {
  std::vector<LedgerEntry> entries;  // ascending by chunk
};

// Leaves of erased pages that the ledger has not been told of yet.
struct Detached {
  std::vector<MapPlace> leaves;
};

Bytes encode(const Uuid& volume, const Root& root);
Bytes encode(const Uuid& volume, const IndexSegment& segment);
Bytes encode(const Uuid& volume, const Run& run);
Bytes encode(const Uuid& volume, const LedgerRecord& ledger);
Bytes encode(const Uuid& volume, const Detached& detached);

Result<Root> decode_root(const Uuid& volume, std::span<const std::byte> bytes);
Result<IndexSegment> decode_segment(const Uuid& volume, std::span<const std::byte> bytes);
Result<Run> decode_run(const Uuid& volume, std::span<const std::byte> bytes);
Result<LedgerRecord> decode_ledger(const Uuid& volume, std::span<const std::byte> bytes);
Result<Detached> decode_detached(const Uuid& volume, std::span<const std::byte> bytes);

}  // namespace swiftness
