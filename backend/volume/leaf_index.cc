#include "backend/volume/leaf_index.h"

#include <algorithm>

namespace swiftness {

MapPlace LeafIndex::at(uint64_t page) const noexcept {
  auto it = segments_.find(static_cast<uint32_t>(page / kSegmentPages));
  return it == segments_.end() ? MapPlace{} : it->second->leaves[page % kSegmentPages];
}

void LeafIndex::set(uint64_t page, MapPlace leaf) {
  auto it = segments_.find(static_cast<uint32_t>(page / kSegmentPages));
  if (it == segments_.end()) {
    if (leaf.none()) return;
    const auto index = static_cast<uint32_t>(page / kSegmentPages);
    it = segments_.emplace(index, std::make_unique<Segment>()).first;
  }
  Segment& segment = *it->second;
  MapPlace& slot = segment.leaves[page % kSegmentPages];
  segment.used += slot.none() && !leaf.none() ? 1 : 0;
  segment.used -= !slot.none() && leaf.none() ? 1 : 0;
  slot = leaf;
  segment.version = ++versions_;
  if (segment.used == 0) segments_.erase(it);
}

uint64_t LeafIndex::count(uint64_t page, uint64_t pages) const noexcept {
  uint64_t out = 0;
  auto it = segments_.lower_bound(static_cast<uint32_t>(page / kSegmentPages));
  for (; it != segments_.end() && uint64_t{it->first} * kSegmentPages < page + pages; ++it) {
    out += it->second->used;
  }
  return out;
}

bool LeafIndex::free_some() {
  constexpr size_t kAtOnce = 32;  // segments
  trash_.resize(trash_.size() - std::min(trash_.size(), kAtOnce));
  return !trash_.empty();
}

std::vector<LeafIndex::SegmentState> LeafIndex::snapshot(const std::vector<uint64_t>& pages) const {
  std::vector<SegmentState> out;
  for (const auto& [index, segment] : segments_) {
    SegmentState state;
    state.index = index;
    state.version = segment->version;
    const uint64_t first = uint64_t{index} * kSegmentPages;
    auto wanted = std::lower_bound(pages.begin(), pages.end(), first);
    const bool by_value = wanted != pages.end() && *wanted < first + kSegmentPages;
    if (segment->version == segment->saved_version && !by_value) {
      state.saved = segment->saved_at;
    } else {
      state.changed.index = index;
      for (uint16_t slot = 0; slot < kSegmentPages; ++slot) {
        if (!segment->leaves[slot].none()) {
          state.changed.entries.push_back({slot, segment->leaves[slot]});
        }
      }
    }
    out.push_back(std::move(state));
  }
  return out;
}

uint64_t LeafIndex::version(uint32_t index) const noexcept {
  auto it = segments_.find(index);
  return it == segments_.end() ? 0 : it->second->version;
}

void LeafIndex::saved(uint32_t index, uint64_t version, MapPlace at) {
  auto it = segments_.find(index);
  if (it == segments_.end()) return;
  it->second->saved_version = version;
  it->second->saved_at = at;
}

void LeafIndex::restore(const IndexSegment& segment, MapPlace at) {
  auto made = std::make_unique<Segment>();
  for (const IndexSegment::Entry& entry : segment.entries) {
    made->leaves[entry.slot] = entry.leaf;
    ++made->used;
  }
  made->version = ++versions_;
  made->saved_version = made->version;
  made->saved_at = at;
  if (made->used > 0) segments_[segment.index] = std::move(made);
}

}  // namespace swiftness
