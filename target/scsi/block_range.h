// Arithmetic of block ranges.
#pragma once

#include <algorithm>
#include <vector>

#include "backend/block_device.h"

namespace swiftness::scsi {

constexpr bool overlap(const BlockRange& a, const BlockRange& b) noexcept {
  return a.first < b.first + b.count && b.first < a.first + a.count;
}

// The least range that covers all of these; there is at least one.
inline BlockRange hull_of(const std::vector<BlockRange>& ranges) {
  Lba first = ranges.front().first, end = first;
  for (const BlockRange& range : ranges) {
    first = std::min(first, range.first);
    end = std::max(end, range.first + range.count);
  }
  return {first, end - first};
}

}  // namespace swiftness::scsi
