// ExtentMap: where each sector of the disk is (I7). Pure: no I/O; whoever asks about a page whose
// leaf is not in memory is told so, loads it and asks again.
//
// Paged by sector address, 32 MiB a page. A page is its leaf, as the last checkpoint that merged it
// wrote it, and the changes since, which win. Leaves are loaded on demand and leave memory again;
// changes stay until a checkpoint merges them. No extent crosses a page.
//
// Every change tells the ledger what died and what lives. Whatever of an unloaded leaf a write
// hides is told when the page is merged ("counted" marks what was told); leaves of erased pages are
// told one by one (detached()). So the ledger never has too little, and after all merges exactly
// what is.
#pragma once

#include <cstdint>
#include <list>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "backend/base/units.h"
#include "backend/volume/chunk_ledger.h"
#include "backend/volume/leaf.h"
#include "backend/volume/leaf_index.h"

namespace swiftness {

class ExtentMap {
 public:
  struct Piece {
    Sector first;
    SectorCount sectors;
    std::optional<Location> at;  // nothing: a hole
    bool unknown = false;        // its page's leaf has to be loaded first
  };

  ExtentMap(ChunkLedger& ledger, ByteCount leaf_memory)
      : ledger_(ledger), leaf_memory_limit_(leaf_memory) {}
  ExtentMap(const ExtentMap&) = delete;
  ExtentMap& operator=(const ExtentMap&) = delete;

  // The sectors are at `at` from now on, each further one further into it.
  void assign(Sector first, SectorCount sectors, Location at);

  // The sectors are a hole from now on. Costs by the pages with changes and segments it touches,
  // not by its length.
  void erase(Sector first, SectorCount sectors);

  // Moves to `to` whatever of these sectors is still where `from` says; a newer write stays (the
  // whole old location is compared), and what is not known stays as well.
  void repoint(Sector first, SectorCount sectors, Location from, Location to) {
    move(first, sectors, from, to, false);
  }

  // The same where the caller knows that what is not known is still at `from`: of a move in the
  // log, which gets there only while the map equals its source, and of a leaf that is the same as
  // when the caller looked.
  void repoint_known(Sector first, SectorCount sectors, Location from, Location to) {
    move(first, sectors, from, to, true);
  }

  // The range in order and without gaps; adjacent pieces of one frame come as one.
  std::vector<Piece> lookup(Sector first, SectorCount sectors);
  void lookup(Sector first, SectorCount sectors, std::vector<Piece>& out);  // out is cleared first

  // For one who asks in several turns of the event loop, and must know what changed in between:
  // from now on assign() and erase() note their ranges, until noted_changes() takes them.
  struct Changed {
    Sector first;
    SectorCount sectors;
  };
  void note_changes();
  std::vector<Changed> noted_changes();

  // Pages that have a leaf or changes, ascending: all of the disk that is not a hole.
  std::vector<uint64_t> pages() const;

  // --- leaves ----------------------------------------------------------------------------------
  MapPlace leaf_place(uint64_t page) const noexcept { return index_.at(page); }
  bool known(uint64_t page) const noexcept;  // it has no leaf, or one in memory
  // A leaf as it was read from `place`; dropped when the page has another by now.
  void load(MapPlace place, LeafPtr leaf);
  ByteCount leaf_memory() const noexcept { return ByteCount(leaf_memory_); }
  ByteCount change_memory() const noexcept;
  // To free the memory of many pages at once takes long: some of what was erased, less each time.
  // True: there is more.
  bool free_some();

  // Pages, at most so many, whose leaves writes have hidden parts of without knowing them: what
  // died there is not told yet. settle() tells it, when the page is known.
  std::vector<uint64_t> overcounted(size_t most);
  void settle(uint64_t page);

  // Leaves of erased pages. Whoever loaded one says so; the ledger learns what died with it.
  const std::vector<MapPlace>& detached() const noexcept { return detached_; }
  void bury(MapPlace place, const Leaf& leaf);

  // --- checkpoints ---------------------------------------------------------------------------
  // Pages with changes, those with the oldest first, until their leaves come to `most` bytes.
  std::vector<uint64_t> oldest_changed(ByteCount most) const;
  // The serial of the first run that is still needed; runs are counted from 1. Pinned pages are as
  // good as merged.
  uint64_t oldest_needed_run() const;
  uint64_t next_run() const noexcept { return runs_; }

  // Keeps a known page's leaf in memory until install() or unpin(), and tells the ledger what died
  // under its changes: from here on take_run() leaves it out.
  void pin(uint64_t page);
  void unpin(uint64_t page);

  // What changed since the last run, but for pinned pages; none of it is pending. Afterwards it is
  // in a run of serial next_run() - 1.
  Run take_run();

  // A pinned page as it is now: its leaf and the changes that merged() puts into it. Nothing: it
  // was erased since it was pinned.
  struct Capture {
    uint64_t page = 0;
    LeafPtr base;  // nothing: it has none
    std::vector<Change> changes;
  };
  std::optional<Capture> capture(uint64_t page) const;
  static LeafPtr merged(const Capture& capture);  // uses nothing of the map: may run later

  // The new leaf of a captured page is in the store. False: the page was erased meanwhile, and
  // stays as it is. Unpins it.
  bool install(const Capture& capture, MapPlace place, LeafPtr leaf);

  LeafIndex& index() noexcept { return index_; }
  const LeafIndex& index() const noexcept { return index_; }

  // --- recovery, into an empty map, without telling the ledger
  // ----------------------------------------- Runs oldest first, after the index.
  void restore(const Run& run, uint64_t object);
  void restore_detached(std::vector<MapPlace> leaves) { detached_ = std::move(leaves); }

  // --- what the disk holds
  // --------------------------------------------------------------------------- Mapped sectors:
  // never fewer than there are, exact once all is merged.
  SectorCount mapped() const noexcept { return ledger_.live() + ledger_.unsealed(); }

 private:
  // 16 bytes: there may be millions.
  struct Entry {
    uint32_t first = 0;
    uint32_t bits = 0;    // sectors, and two flags
    uint64_t packed = 0;  // 0: a hole

    static constexpr uint32_t kCounted = 1u << 31;
    static constexpr uint32_t kSaved = 1u << 30;  // a run has it
    static constexpr uint32_t kFlags = kCounted | kSaved;

    uint32_t sectors() const noexcept { return bits & ~kFlags; }
    uint32_t end() const noexcept { return first + sectors(); }
    bool counted() const noexcept { return (bits & kCounted) != 0; }
    bool saved() const noexcept { return (bits & kSaved) != 0; }
    void resize(uint32_t sectors) noexcept { bits = (bits & kFlags) | sectors; }
  };
  struct Page {
    std::vector<Entry> changes;  // ascending, not overlapping
    LeafPtr base;                // nothing: there is no leaf, or it is not in memory
    uint64_t since = 0;          // the serial of the run that gets the oldest of `changes`
    bool pinned = false;
    bool in_unsaved = false;
    std::list<uint64_t>::iterator used;  // in by_use_, when there is a base
  };

  // Replaces what `changes` have of [first, end) by `fresh`, which lies within it.
  static void splice(std::vector<Entry>& changes, uint32_t first, uint32_t end,
                     const std::vector<Entry>& fresh);

  // `hidden`: what the leaf has there, when the caller knows better; 0: it does not.
  void put(uint64_t number, uint32_t first, uint32_t sectors, uint64_t packed, uint64_t hidden = 0);
  void move(Sector first, SectorCount sectors, Location from, Location to, bool unknown_too);
  void note_change(uint64_t number, Page& page);
  void tell_died(uint64_t packed, uint64_t sectors);
  void tell_died(const Leaf& leaf, uint32_t first, uint32_t sectors);
  bool erase_page(uint64_t number, Page& page);
  void look(uint64_t number, uint32_t first, uint32_t sectors, std::vector<Piece>& out);
  void set_base(uint64_t number, Page& page, LeafPtr leaf);
  void drop_base(Page& page);
  void drop_changes(Page& page);
  void shrink();
  void forget_if_empty(uint64_t number);

  ChunkLedger& ledger_;
  LeafIndex index_;
  using Pages = std::unordered_map<uint64_t, Page>;
  Pages pages_;                          // those with changes or a loaded leaf
  std::vector<Pages::node_type> trash_;  // erased ones, to be freed
  std::vector<MapPlace> detached_;

  uint64_t leaf_memory_ = 0;
  const ByteCount leaf_memory_limit_;
  std::list<uint64_t> by_use_;  // pages with a loaded leaf, the last used first

  uint64_t entries_ = 0;                      // changes of all pages
  std::unordered_set<uint64_t> overcounted_;  // pages that have uncounted changes, and may be more
  uint64_t runs_ = 1;                         // the serial of the next
  std::vector<uint64_t> unsaved_;             // pages with changes that no run has
  std::vector<Run::Erased> erased_;           // since the last run

  std::optional<std::vector<Changed>> noted_;  // while somebody wants to know
};

}  // namespace swiftness
