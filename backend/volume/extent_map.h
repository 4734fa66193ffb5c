// ExtentMap: where each sector of the disk is. Pure and in memory; holes are what is not in it.
//
// Paged by sector address (32 MiB a page): a checkpoint writes the pages that changed as leaves and
// keeps the others'. No extent crosses a page.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "backend/base/units.h"
#include "backend/volume/format.h"

namespace swiftness {

class ExtentMap {
 public:
  struct Piece {
    Sector first;
    SectorCount sectors;
    std::optional<Location> at;  // nothing: a hole
  };

  // The sectors are at `at` from now on, each further one further into it.
  void assign(Sector first, SectorCount sectors, Location at);

  // The sectors are a hole from now on.
  void erase(Sector first, SectorCount sectors);

  // Moves to `to` whatever of these sectors is still where `from` says; a newer write stays (the
  // whole old location is compared). Used when a pending chunk gets its frames.
  void repoint(Sector first, SectorCount sectors, Location from, Location to);

  // The range in order and without gaps; adjacent pieces of one frame come as one.
  std::vector<Piece> lookup(Sector first, SectorCount sectors) const;

  SectorCount mapped() const noexcept { return mapped_; }

  // Pages with any extent, ascending.
  std::vector<uint64_t> pages() const;
  // Pages changed since mark_clean, ascending; one may have become empty.
  std::vector<uint64_t> dirty_pages() const;
  void mark_clean();
  Leaf leaf(uint64_t page) const;
  // Puts a page in as a leaf has it, clean. The page is empty before.
  void load(const Leaf& leaf);

 private:
  struct Extent {
    uint32_t sectors;
    Location at;
  };
  struct Page {
    std::map<uint32_t, Extent> extents;  // by first sector within the page
    bool dirty = false;
  };

  // Cuts what overlaps [first, first + sectors) out of the page.
  void carve(Page& page, uint32_t first, uint32_t sectors);

  std::map<uint64_t, Page> pages_;
  SectorCount mapped_;
};

}  // namespace swiftness
