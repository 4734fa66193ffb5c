#include "backend/volume/leaf.h"

#include <algorithm>

#include "backend/volume/record_codec.h"

namespace swiftness {
namespace {

constexpr size_t kSpanBytes = 4 + 8;

}  // namespace

Leaf::Leaf(uint64_t page, const std::vector<LeafExtent>& extents) : page_(page) {
  // Each extent is what of it fills whole slots, and the rest.
  size_t whole = 0;
  size_t rest = 0;
  for (const LeafExtent& extent : extents) {
    CHECK(extent.sectors > 0 && extent.first + extent.sectors <= kPageSectors);
    CHECK(!extent.at.pending());
    mapped_ += extent.sectors;
    const uint32_t begin = (extent.first + kSlotSectors - 1) / kSlotSectors;
    const uint32_t end = (extent.first + extent.sectors) / kSlotSectors;
    if (begin >= end) {
      ++rest;
      continue;
    }
    whole += end - begin;
    rest +=
        (extent.first % kSlotSectors != 0) + ((extent.first + extent.sectors) % kSlotSectors != 0);
  }
  auto add_span = [this](uint32_t first, uint32_t sectors, const Location& at) {
    spans_.push_back((sectors - 1) << 16 | first);
    places_.push_back(pack(at));
  };
  const bool dense = kSlots * sizeof(uint64_t) + rest * kSpanBytes < extents.size() * kSpanBytes;
  if (dense) slots_.resize(kSlots);
  for (const LeafExtent& extent : extents) {
    const uint32_t stop = extent.first + extent.sectors;
    const uint32_t begin = (extent.first + kSlotSectors - 1) / kSlotSectors;
    const uint32_t end = stop / kSlotSectors;
    if (!dense || begin >= end) {
      add_span(extent.first, extent.sectors, extent.at);
      continue;
    }
    const uint32_t head = begin * kSlotSectors - extent.first;
    if (head > 0) add_span(extent.first, head, extent.at);
    for (uint32_t slot = begin; slot < end; ++slot) {
      slots_[slot] = pack(extent.at.advanced(slot * kSlotSectors - extent.first));
    }
    const uint32_t tail = stop - end * kSlotSectors;
    if (tail > 0) add_span(stop - tail, tail, extent.at.advanced(extent.sectors - tail));
  }
}

size_t Leaf::memory() const noexcept {
  return sizeof(Leaf) + slots_.capacity() * sizeof(slots_[0]) +
         spans_.capacity() * sizeof(spans_[0]) + places_.capacity() * sizeof(places_[0]);
}

Bytes encode(const Uuid& volume, const Leaf& leaf) {
  Writer out(RecordKind::leaf, volume);
  out.number(leaf.page_);
  out.number(uint32_t{leaf.slots_.empty() ? 1u : 2u});
  out.number(static_cast<uint32_t>(leaf.spans_.size()));
  out.numbers(leaf.slots_);
  out.numbers(leaf.spans_);
  out.numbers(leaf.places_);
  return std::move(out).finish();
}

Result<LeafPtr> decode_leaf(const Uuid& volume, std::span<const std::byte> bytes) {
  Result<Reader> in = open_record(RecordKind::leaf, volume, bytes);
  if (!in) return in.error();
  std::shared_ptr<Leaf> out(new Leaf);
  out->page_ = in->number<uint64_t>();
  const auto form = in->number<uint32_t>();
  if (form != 1 && form != 2) in->fail();
  const size_t spans = in->count(kSpanBytes);
  out->slots_ = in->numbers<uint64_t>(form == 2 ? Leaf::kSlots : 0);
  out->spans_ = in->numbers<uint32_t>(spans);
  out->places_ = in->numbers<uint64_t>(spans);
  if (!in->done()) return corrupt("leaf does not have the fields of its kind");

  uint32_t end = 0;
  bool sound = true;
  for (size_t i = 0; i < spans; ++i) {
    sound &= out->span_first(i) >= end && out->span_end(i) <= kPageSectors;
    end = out->span_end(i);
    out->mapped_ += out->span_end(i) - out->span_first(i);
    sound &= fits_a_frame(unpack(out->places_[i]), out->span_end(i) - out->span_first(i));
    for (uint32_t slot = out->span_first(i) / Leaf::kSlotSectors;
         sound && form == 2 && slot * Leaf::kSlotSectors < out->span_end(i); ++slot) {
      sound &= out->slots_[slot] == 0;
    }
  }
  for (uint64_t packed : out->slots_) {
    if (packed == 0) continue;
    out->mapped_ += Leaf::kSlotSectors;
    sound &= fits_a_frame(unpack(packed), Leaf::kSlotSectors);
  }
  if (!sound) return corrupt("leaf with extents that cannot be");
  return LeafPtr(std::move(out));
}

}  // namespace swiftness
