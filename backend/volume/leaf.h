// Leaf: a page of the map (32 MiB of the disk) as a checkpoint wrote it. Immutable, and in memory
// as compact as in the store: 12 bytes an extent, or, where that is smaller, 8 bytes for every 4
// KiB.
#pragma once

#include <memory>
#include <vector>

#include "backend/volume/format.h"

namespace swiftness {

// A part of a page that is in one frame.
struct LeafExtent {
  uint32_t first = 0;  // sector within the page
  uint32_t sectors = 0;
  Location at;
};

class Leaf {
 public:
  // Extents in order, not overlapping, none pending.
  Leaf(uint64_t page, const std::vector<LeafExtent>& extents);

  uint64_t page() const noexcept { return page_; }
  bool empty() const noexcept { return mapped_ == 0; }
  uint32_t mapped() const noexcept { return mapped_; }  // sectors
  size_t memory() const noexcept;                       // bytes

  // Calls visit(LeafExtent) for each mapped part of the range, in order and cut to it.
  template <class Visit>
  void visit(uint32_t first, uint32_t sectors, Visit visit) const;

 private:
  friend Bytes encode(const Uuid& volume, const Leaf& leaf);
  friend Result<std::shared_ptr<const Leaf>> decode_leaf(const Uuid& volume,
                                                         std::span<const std::byte> bytes);
  Leaf() = default;

  static constexpr uint32_t kSlotSectors = 8;
  static constexpr size_t kSlots = kPageSectors / kSlotSectors;

  uint32_t span_first(size_t i) const noexcept { return spans_[i] & 0xffff; }
  uint32_t span_end(size_t i) const noexcept { return span_first(i) + (spans_[i] >> 16) + 1; }

  uint64_t page_ = 0;
  uint32_t mapped_ = 0;
  std::vector<uint64_t> slots_;   // packed location of each 4 KiB, 0: see spans; empty: none
  std::vector<uint32_t> spans_;   // sectors - 1 (16 bits), first sector (16 bits); ascending
  std::vector<uint64_t> places_;  // packed location of each span
};
using LeafPtr = std::shared_ptr<const Leaf>;

Bytes encode(const Uuid& volume, const Leaf& leaf);
Result<LeafPtr> decode_leaf(const Uuid& volume, std::span<const std::byte> bytes);

template <class Visit>
void Leaf::visit(uint32_t first, uint32_t sectors, Visit visit) const {
  const uint32_t end = first + sectors;
  auto emit = [&](uint32_t from, uint32_t to, uint64_t packed) {
    const uint32_t a = std::max(from, first);
    const uint32_t b = std::min(to, end);
    if (a < b) visit(LeafExtent{a, b - a, unpack(packed).advanced(a - from)});
  };
  // The first span that ends behind `first`.
  size_t span = 0;
  size_t behind = spans_.size();
  while (span < behind) {
    const size_t middle = (span + behind) / 2;
    if (span_end(middle) <= first) {
      span = middle + 1;
    } else {
      behind = middle;
    }
  }
  if (!slots_.empty()) {
    for (uint32_t at = first / kSlotSectors * kSlotSectors; at < end; at += kSlotSectors) {
      for (; span < spans_.size() && span_first(span) < at; ++span) {
        emit(span_first(span), span_end(span), places_[span]);
      }
      const uint64_t packed = slots_[at / kSlotSectors];
      if (packed != 0) emit(at, at + kSlotSectors, packed);
    }
  }
  for (; span < spans_.size() && span_first(span) < end; ++span) {
    emit(span_first(span), span_end(span), places_[span]);
  }
}

}  // namespace swiftness
