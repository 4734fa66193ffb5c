#include "backend/volume/extent_map.h"

#include <algorithm>

#include "backend/base/check.h"

namespace swiftness {
namespace {

// The part of a range that lies in one page.
struct InPage {
  uint64_t page;
  uint32_t first;
  uint32_t sectors;
  uint64_t offset;  // of this part in the whole range, in sectors
};

// Calls visit(InPage) for each page that the range touches.
template <class Visit>
void for_each_page(Sector first, SectorCount sectors, Visit visit) {
  uint64_t at = first.value();
  const uint64_t end = at + sectors.value();
  while (at < end) {
    const uint64_t page = at / kPageSectors;
    const uint64_t stop = std::min(end, (page + 1) * kPageSectors);
    visit(InPage{page, static_cast<uint32_t>(at % kPageSectors), static_cast<uint32_t>(stop - at),
                 at - first.value()});
    at = stop;
  }
}

bool continues(const ExtentMap::Piece& piece, Sector first, const std::optional<Location>& at) {
  if (piece.first + piece.sectors != first) return false;
  if (!piece.at || !at) return !piece.at && !at;
  return piece.at->advanced(piece.sectors.value()) == *at;
}

}  // namespace

void ExtentMap::carve(Page& page, uint32_t first, uint32_t sectors) {
  const uint32_t end = first + sectors;
  auto it = page.extents.upper_bound(first);
  if (it != page.extents.begin()) --it;
  while (it != page.extents.end() && it->first < end) {
    const uint32_t it_first = it->first;
    const uint32_t it_end = it_first + it->second.sectors;
    if (it_end <= first) {
      ++it;
      continue;
    }
    const Location at = it->second.at;
    mapped_ -= SectorCount(std::min(it_end, end) - std::max(it_first, first));
    if (it_first < first) {
      it->second.sectors = first - it_first;
      ++it;
    } else {
      it = page.extents.erase(it);
    }
    if (it_end > end) {
      page.extents.emplace(end, Extent{it_end - end, at.advanced(end - it_first)});
      break;
    }
  }
}

void ExtentMap::assign(Sector first, SectorCount sectors, Location at) {
  for_each_page(first, sectors, [&](InPage part) {
    Page& page = pages_[part.page];
    carve(page, part.first, part.sectors);
    page.extents.emplace(part.first, Extent{part.sectors, at.advanced(part.offset)});
    page.dirty = true;
  });
  mapped_ += sectors;
}

void ExtentMap::erase(Sector first, SectorCount sectors) {
  // Only pages that exist: a trim of the whole disk costs what is mapped, not what is addressable.
  const uint64_t end = first.value() + sectors.value();
  for (auto it = pages_.lower_bound(first.value() / kPageSectors);
       it != pages_.end() && it->first * kPageSectors < end; ++it) {
    const uint64_t page_first = it->first * kPageSectors;
    const uint64_t from = std::max(first.value(), page_first);
    const uint64_t to = std::min(end, page_first + kPageSectors);
    carve(it->second, static_cast<uint32_t>(from - page_first), static_cast<uint32_t>(to - from));
    it->second.dirty = true;
  }
}

void ExtentMap::repoint(Sector first, SectorCount sectors, Location from, Location to) {
  for (const Piece& piece : lookup(first, sectors)) {
    const uint64_t offset = (piece.first - first).value();
    if (!piece.at || *piece.at != from.advanced(offset)) continue;
    assign(piece.first, piece.sectors, to.advanced(offset));
  }
}

std::vector<ExtentMap::Piece> ExtentMap::lookup(Sector first, SectorCount sectors) const {
  std::vector<Piece> pieces;
  auto add = [&pieces](uint64_t at, uint64_t count, std::optional<Location> location) {
    if (count == 0) return;
    if (!pieces.empty() && continues(pieces.back(), Sector(at), location)) {
      pieces.back().sectors += SectorCount(count);
    } else {
      pieces.push_back(Piece{Sector(at), SectorCount(count), location});
    }
  };
  for_each_page(first, sectors, [&](InPage part) {
    const uint64_t page_first = part.page * kPageSectors;
    uint32_t at = part.first;
    const uint32_t end = part.first + part.sectors;
    auto found = pages_.find(part.page);
    if (found != pages_.end()) {
      const auto& extents = found->second.extents;
      auto it = extents.upper_bound(at);
      if (it != extents.begin()) --it;
      for (; it != extents.end() && it->first < end; ++it) {
        const uint32_t it_end = it->first + it->second.sectors;
        if (it_end <= at) continue;
        if (it->first > at) {
          add(page_first + at, it->first - at, std::nullopt);
          at = it->first;
        }
        const uint32_t stop = std::min(it_end, end);
        add(page_first + at, stop - at, it->second.at.advanced(at - it->first));
        at = stop;
      }
    }
    add(page_first + at, end - at, std::nullopt);
  });
  return pieces;
}

std::vector<uint64_t> ExtentMap::pages() const {
  std::vector<uint64_t> out;
  for (const auto& [number, page] : pages_) {
    if (!page.extents.empty()) out.push_back(number);
  }
  return out;
}

std::vector<uint64_t> ExtentMap::dirty_pages() const {
  std::vector<uint64_t> out;
  for (const auto& [number, page] : pages_) {
    if (page.dirty) out.push_back(number);
  }
  return out;
}

void ExtentMap::mark_clean() {
  for (auto it = pages_.begin(); it != pages_.end();) {
    it->second.dirty = false;
    it = it->second.extents.empty() ? pages_.erase(it) : std::next(it);
  }
}

Leaf ExtentMap::leaf(uint64_t page) const {
  Leaf out;
  out.page = page;
  auto found = pages_.find(page);
  if (found == pages_.end()) return out;
  for (const auto& [first, extent] : found->second.extents) {
    out.extents.push_back(LeafExtent{first, extent.sectors, extent.at});
  }
  return out;
}

void ExtentMap::load(const Leaf& leaf) {
  Page& page = pages_[leaf.page];
  CHECK(page.extents.empty());
  for (const LeafExtent& extent : leaf.extents) {
    page.extents.emplace_hint(page.extents.end(), extent.first, Extent{extent.sectors, extent.at});
    mapped_ += SectorCount(extent.sectors);
  }
}

}  // namespace swiftness
