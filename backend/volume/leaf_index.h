// LeafIndex: where in the store each page's leaf is. In memory whole: 16 bytes for each page of
// every 64 GiB with any leaf in it, 32 MiB for a volume of 64 TiB written everywhere. Pure.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <vector>

#include "backend/volume/map_format.h"

namespace swiftness {

class LeafIndex {
 public:
  MapPlace at(uint64_t page) const noexcept;  // none: the page has no leaf
  void set(uint64_t page, MapPlace leaf);     // none takes it out

  // Calls visit(page, leaf) for each leaf of these pages, ascending; takes it out where that is
  // true.
  template <class Visit>
  void clear(uint64_t page, uint64_t pages, Visit visit);

  // Upper bound of the leaves of these pages.
  uint64_t count(uint64_t page, uint64_t pages) const noexcept;

  // Some of what clear() left of memory; true: there is more.
  bool free_some();

  // Calls visit(page, leaf) for each leaf, ascending.
  template <class Visit>
  void visit(Visit visit) const;

  // Segments as they are now: those in the store by their place, those that changed since by value.
  struct SegmentState {
    uint32_t index = 0;
    uint64_t version = 0;
    MapPlace saved;        // when nothing changed since
    IndexSegment changed;  // otherwise
  };
  // Ascending, without empty ones. Those that `pages` (ascending) are of come by value in any case.
  std::vector<SegmentState> snapshot(const std::vector<uint64_t>& pages) const;

  uint64_t version(uint32_t index) const noexcept;  // 0: the segment is empty
  // The segment is in the store, as it was at `version`.
  void saved(uint32_t index, uint64_t version, MapPlace at);

  void restore(const IndexSegment& segment, MapPlace at);

 private:
  struct Segment {
    std::array<MapPlace, kSegmentPages> leaves;
    uint32_t used = 0;
    uint64_t version = 0;
    uint64_t saved_version = 0;  // 0: it is not in the store
    MapPlace saved_at;
  };

  std::map<uint32_t, std::unique_ptr<Segment>> segments_;  // none of them empty
  std::vector<std::unique_ptr<Segment>> trash_;            // cleared ones, to be freed
  uint64_t versions_ = 0;                                  // each change of any segment has its own
};

template <class Visit>
void LeafIndex::clear(uint64_t page, uint64_t pages, Visit visit) {
  const uint64_t end = page + pages;
  auto it = segments_.lower_bound(static_cast<uint32_t>(page / kSegmentPages));
  while (it != segments_.end() && uint64_t{it->first} * kSegmentPages < end) {
    const uint64_t base = uint64_t{it->first} * kSegmentPages;
    Segment& segment = *it->second;
    const uint64_t stop = std::min<uint64_t>(kSegmentPages, end - base);
    for (uint64_t slot = page > base ? page - base : 0; slot < stop; ++slot) {
      if (segment.leaves[slot].none()) continue;
      if (!visit(base + slot, segment.leaves[slot])) continue;
      segment.leaves[slot] = MapPlace{};
      --segment.used;
      segment.version = ++versions_;
    }
    if (segment.used == 0) {
      trash_.push_back(std::move(it->second));
      it = segments_.erase(it);
    } else {
      ++it;
    }
  }
}

template <class Visit>
void LeafIndex::visit(Visit visit) const {
  for (const auto& [index, segment] : segments_) {
    for (uint64_t slot = 0; slot < kSegmentPages; ++slot) {
      if (!segment->leaves[slot].none()) {
        visit(uint64_t{index} * kSegmentPages + slot, segment->leaves[slot]);
      }
    }
  }
}

}  // namespace swiftness
