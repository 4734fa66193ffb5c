#include "backend/volume/extent_map.h"

#include <algorithm>
#include <utility>

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

// The place so many sectors further on; a hole stays one.
uint64_t further(uint64_t packed, uint64_t sectors) {
  return packed == 0 || sectors == 0 ? packed : pack(unpack(packed).advanced(sectors));
}

// Does the extent that is `sectors` long at `packed` go on at `next`?
bool goes_on(uint64_t packed, uint64_t sectors, uint64_t next) {
  if (packed == 0 || next == 0) return packed == next;
  const Location a = unpack(packed);
  const Location b = unpack(next);
  if (a.chunk != b.chunk || a.pending() != b.pending()) return false;
  if (!a.pending() && (a.frame_offset != b.frame_offset || a.frame_length != b.frame_length)) {
    return false;
  }
  return a.pending() ? a.frame_offset + sectors == b.frame_offset : a.skip + sectors == b.skip;
}

}  // namespace

// ---- changing ----------------------------------------------------------------------------------

void ExtentMap::assign(Sector first, SectorCount sectors, Location at) {
  if (noted_) noted_->push_back({first, sectors});
  for_each_page(first, sectors, [&](const InPage& part) {
    put(part.page, part.first, part.sectors, pack(at.advanced(part.offset)));
  });
}

void ExtentMap::erase(Sector first, SectorCount sectors) {
  if (noted_) noted_->push_back({first, sectors});
  uint64_t whole_first = (first.value() + kPageSectors - 1) / kPageSectors;
  uint64_t whole_end = (first.value() + sectors.value()) / kPageSectors;
  if (whole_first >= whole_end) {
    for_each_page(first, sectors,
                  [&](const InPage& part) { put(part.page, part.first, part.sectors, 0); });
    return;
  }
  const uint64_t head = whole_first * kPageSectors - first.value();
  if (head > 0) erase(first, SectorCount(head));
  const uint64_t stop = first.value() + sectors.value();
  const uint64_t tail = stop - whole_end * kPageSectors;
  if (tail > 0) erase(Sector(stop - tail), SectorCount(tail));

  erased_.push_back(Run::Erased{whole_first, whole_end - whole_first});
  std::vector<uint64_t> kept;  // see erase_page()
  auto erase_one = [&](Pages::iterator it) {
    const auto next = std::next(it);
    if (erase_page(it->first, it->second)) {
      trash_.push_back(pages_.extract(it));
    } else {
      kept.push_back(it->first);
    }
    return next;
  };
  if (whole_end - whole_first < pages_.size()) {
    for (uint64_t page = whole_first; page < whole_end; ++page) {
      auto it = pages_.find(page);
      if (it != pages_.end()) erase_one(it);
    }
  } else {
    for (auto it = pages_.begin(); it != pages_.end();) {
      const bool here = it->first >= whole_first && it->first < whole_end;
      it = here ? erase_one(it) : std::next(it);
    }
  }
  std::sort(kept.begin(), kept.end());
  const uint64_t leaves = detached_.size() + index_.count(whole_first, whole_end - whole_first);
  if (leaves > detached_.capacity()) detached_.reserve(leaves + leaves / 2);
  index_.clear(whole_first, whole_end - whole_first, [&](uint64_t number, MapPlace place) {
    if (std::binary_search(kept.begin(), kept.end(), number)) return false;
    detached_.push_back(place);
    return true;
  });
  for (uint64_t number : kept) put(number, 0, kPageSectors, 0);
}

bool ExtentMap::free_some() {
  constexpr size_t kAtOnce = 4096;  // pages: about a millisecond
  const size_t pages = std::min(trash_.size(), kAtOnce);
  trash_.resize(trash_.size() - pages);
  const bool more = index_.free_some();
  if (trash_.empty()) trash_.shrink_to_fit();
  return more || !trash_.empty();
}

// True: nothing of the page is needed any more. False: its leaf is not in memory and was counted in
// part; it has to stay, hidden by holes, until it is merged.
bool ExtentMap::erase_page(uint64_t number, Page& page) {
  if (page.base) {
    uint32_t at = 0;
    for (const Entry& entry : page.changes) {
      if (!entry.counted()) continue;
      tell_died(*page.base, at, entry.first - at);
      at = entry.end();
    }
    tell_died(*page.base, at, kPageSectors - at);
    index_.set(number, MapPlace{});
  } else {
    const bool any_counted = std::any_of(page.changes.begin(), page.changes.end(),
                                         [](const Entry& entry) { return entry.counted(); });
    if (any_counted && !index_.at(number).none()) return false;
  }
  for (const Entry& entry : page.changes) tell_died(entry.packed, entry.sectors());
  drop_base(page);
  drop_changes(page);
  return true;
}

void ExtentMap::note_changes() {
  CHECK(!noted_);
  noted_.emplace();
}

std::vector<ExtentMap::Changed> ExtentMap::noted_changes() {
  CHECK(noted_);
  return *std::exchange(noted_, std::nullopt);
}

void ExtentMap::move(Sector first, SectorCount sectors, Location from, Location to,
                     bool unknown_too) {
  for_each_page(first, sectors, [&](const InPage& part) {
    const uint64_t old = pack(from.advanced(part.offset));
    if (auto it = pages_.find(part.page); it != pages_.end()) {
      Page& page = it->second;
      auto entry = std::lower_bound(page.changes.begin(), page.changes.end(), part.first,
                                    [](const Entry& e, uint32_t at) { return e.first < at; });
      if (entry != page.changes.end() && entry->first == part.first &&
          entry->sectors() == part.sectors && entry->packed == old) {  // mostly so
        tell_died(old, part.sectors);
        entry->packed = pack(to.advanced(part.offset));
        entry->bits &= ~Entry::kSaved;
        ledger_.lives(to.chunk, part.sectors);
        note_change(part.page, page);
        return;
      }
    }
    std::vector<Piece> pieces;
    look(part.page, part.first, part.sectors, pieces);
    for (const Piece& piece : pieces) {
      const auto at = static_cast<uint32_t>(piece.first.value() % kPageSectors);
      const uint64_t offset = part.offset + (at - part.first);
      const bool same = piece.at && *piece.at == from.advanced(offset);
      const bool hidden = piece.unknown && unknown_too;
      if (!same && !hidden) continue;
      put(part.page, at, static_cast<uint32_t>(piece.sectors.value()), pack(to.advanced(offset)),
          hidden ? old : 0);
    }
  });
}

void ExtentMap::splice(std::vector<Entry>& changes, uint32_t first, uint32_t end,
                       const std::vector<Entry>& fresh) {
  auto begin = std::partition_point(changes.begin(), changes.end(),
                                    [&](const Entry& entry) { return entry.end() <= first; });
  auto stop = begin;
  std::optional<Entry> left;
  std::optional<Entry> right;
  for (; stop != changes.end() && stop->first < end; ++stop) {
    if (stop->first < first) {
      left = *stop;
      left->resize(first - stop->first);
    }
    if (stop->end() > end) {
      right = *stop;
      right->first = end;
      right->resize(stop->end() - end);
      right->packed = further(stop->packed, end - stop->first);
    }
  }
  const size_t before = static_cast<size_t>(stop - begin);
  const size_t after = fresh.size() + left.has_value() + right.has_value();
  if (after > before) {
    begin = changes.insert(begin, after - before, Entry{});
  } else if (after < before) {
    begin = changes.erase(begin, begin + static_cast<ptrdiff_t>(before - after));
  }
  if (left) *begin++ = *left;
  begin = std::copy(fresh.begin(), fresh.end(), begin);
  if (right) *begin = *right;
}

// packed == 0: a hole.
void ExtentMap::put(uint64_t number, uint32_t first, uint32_t sectors, uint64_t packed,
                    uint64_t hidden) {
  const bool has_leaf = !index_.at(number).none();
  auto found = pages_.find(number);
  if (found == pages_.end()) {
    if (packed == 0 && !has_leaf) return;
    found = pages_.try_emplace(number).first;
  }
  Page& page = found->second;
  const bool known = page.base != nullptr || !has_leaf;
  const uint32_t end = first + sectors;

  std::vector<Entry> fresh;
  auto add = [&](uint32_t from, uint32_t to, bool counted) {
    if (!fresh.empty() && fresh.back().counted() == counted) {
      fresh.back().resize(fresh.back().sectors() + (to - from));
    } else {
      const uint32_t flags = counted ? Entry::kCounted : 0;
      fresh.push_back(Entry{from, (to - from) | flags, further(packed, from - first)});
    }
  };
  auto hide_leaf = [&](uint32_t from, uint32_t to) {
    if (from >= to) return;
    if (page.base) {
      tell_died(*page.base, from, to - from);
    } else {
      tell_died(hidden, to - from);
    }
    if (!known && hidden == 0) overcounted_.insert(number);
    add(from, to, known || hidden != 0);
  };
  uint32_t at = first;
  auto entry = std::partition_point(page.changes.begin(), page.changes.end(),
                                    [&](const Entry& e) { return e.end() <= first; });
  for (; entry != page.changes.end() && entry->first < end; ++entry) {
    const uint32_t from = std::max(entry->first, first);
    const uint32_t to = std::min(entry->end(), end);
    hide_leaf(at, from);
    tell_died(entry->packed, to - from);
    add(from, to, entry->counted());
    at = to;
  }
  hide_leaf(at, end);

  entries_ -= page.changes.size();
  splice(page.changes, first, end, fresh);
  // Sequential writes become one entry.
  auto next = std::partition_point(page.changes.begin(), page.changes.end(),
                                   [&](const Entry& e) { return e.first < first; });
  if (next != page.changes.begin()) {
    auto before = std::prev(next);
    if (before->end() == first && before->counted() == next->counted() && !before->saved() &&
        goes_on(before->packed, before->sectors(), next->packed)) {
      before->resize(before->sectors() + next->sectors());
      page.changes.erase(next);
    }
  }
  entries_ += page.changes.size();
  if (packed != 0) ledger_.lives(Sequence(packed >> 32), sectors);
  note_change(number, page);
}

void ExtentMap::note_change(uint64_t number, Page& page) {
  if (page.since == 0) page.since = runs_;
  if (page.in_unsaved) return;
  page.in_unsaved = true;
  unsaved_.push_back(number);
}

void ExtentMap::tell_died(uint64_t packed, uint64_t sectors) {
  if (packed != 0) ledger_.died(Sequence(packed >> 32), sectors);
}

void ExtentMap::tell_died(const Leaf& leaf, uint32_t first, uint32_t sectors) {
  leaf.visit(first, sectors,
             [this](const LeafExtent& extent) { ledger_.died(extent.at.chunk, extent.sectors); });
}

// ---- looking -----------------------------------------------------------------------------------

std::vector<ExtentMap::Piece> ExtentMap::lookup(Sector first, SectorCount sectors) {
  std::vector<Piece> out;
  lookup(first, sectors, out);
  return out;
}

void ExtentMap::lookup(Sector first, SectorCount sectors, std::vector<Piece>& out) {
  out.clear();
  for_each_page(first, sectors,
                [&](const InPage& part) { look(part.page, part.first, part.sectors, out); });
}

std::vector<uint64_t> ExtentMap::pages() const {
  std::vector<uint64_t> out;
  index_.visit([&out](uint64_t page, MapPlace) { out.push_back(page); });
  for (const auto& [number, page] : pages_) out.push_back(number);
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

void ExtentMap::look(uint64_t number, uint32_t first, uint32_t sectors, std::vector<Piece>& out) {
  auto emit = [&](uint32_t from, uint32_t to, uint64_t packed, bool unknown) {
    if (from >= to) return;
    if (!out.empty() && out.back().unknown == unknown &&
        out.back().at.has_value() == (packed != 0)) {
      Piece& last = out.back();
      if (packed == 0 || goes_on(pack(*last.at), last.sectors.value(), packed)) {
        last.sectors += SectorCount(to - from);
        return;
      }
    }
    Piece piece{Sector(number * kPageSectors + from), SectorCount(to - from), {}, unknown};
    if (packed != 0) piece.at = unpack(packed);
    out.push_back(piece);
  };
  const uint32_t end = first + sectors;
  auto it = pages_.find(number);
  if (it == pages_.end()) {
    emit(first, end, 0, !index_.at(number).none());
    return;
  }
  Page& page = it->second;
  const bool unknown = !known(number);
  if (page.base) by_use_.splice(by_use_.begin(), by_use_, page.used);
  auto emit_leaf = [&](uint32_t from, uint32_t to) {
    if (from >= to) return;
    uint32_t at = from;
    if (page.base) {
      page.base->visit(from, to - from, [&](const LeafExtent& extent) {
        emit(at, extent.first, 0, false);
        at = extent.first + extent.sectors;
        emit(extent.first, at, pack(extent.at), false);
      });
    }
    emit(at, to, 0, unknown);
  };
  uint32_t at = first;
  auto entry = std::partition_point(page.changes.begin(), page.changes.end(),
                                    [&](const Entry& e) { return e.end() <= first; });
  for (; entry != page.changes.end() && entry->first < end; ++entry) {
    const uint32_t from = std::max(entry->first, first);
    const uint32_t to = std::min(entry->end(), end);
    emit_leaf(at, from);
    emit(from, to, further(entry->packed, from - entry->first), false);
    at = to;
  }
  emit_leaf(at, end);
}

// ---- leaves ------------------------------------------------------------------------------------

bool ExtentMap::known(uint64_t page) const noexcept {
  auto it = pages_.find(page);
  return (it != pages_.end() && it->second.base) || index_.at(page).none();
}

void ExtentMap::load(MapPlace place, LeafPtr leaf) {
  const uint64_t number = leaf->page();
  if (index_.at(number) != place) return;
  Page& page = pages_[number];
  if (!page.base) set_base(number, page, std::move(leaf));
  shrink();
}

void ExtentMap::set_base(uint64_t number, Page& page, LeafPtr leaf) {
  drop_base(page);
  leaf_memory_ += leaf->memory();
  page.base = std::move(leaf);
  by_use_.push_front(number);
  page.used = by_use_.begin();
}

void ExtentMap::drop_base(Page& page) {
  if (!page.base) return;
  leaf_memory_ -= page.base->memory();
  page.base = nullptr;
  by_use_.erase(page.used);
}

void ExtentMap::drop_changes(Page& page) {
  entries_ -= page.changes.size();
  page.changes.clear();
  page.since = 0;
}

// The few used last stay whatever they cost: whoever loaded two for one look needs both.
void ExtentMap::shrink() {
  constexpr size_t kLeast = 16;
  size_t looked_at = 0;
  const size_t loaded = by_use_.size();
  auto it = by_use_.end();
  while (leaf_memory_ > leaf_memory_limit_.value() && by_use_.size() > kLeast &&
         ++looked_at + kLeast <= loaded) {
    const uint64_t number = *--it;
    Page& page = pages_.at(number);
    if (page.pinned) continue;
    ++it;
    drop_base(page);
    forget_if_empty(number);
  }
}

void ExtentMap::forget_if_empty(uint64_t number) {
  auto it = pages_.find(number);
  if (it != pages_.end() && !it->second.base && it->second.changes.empty()) pages_.erase(it);
}

std::vector<uint64_t> ExtentMap::overcounted(size_t most) {
  std::vector<uint64_t> out;
  for (auto it = overcounted_.begin(); it != overcounted_.end() && out.size() < most;) {
    auto page = pages_.find(*it);
    const bool is_so = page != pages_.end() && !index_.at(*it).none() &&
                       std::ranges::any_of(page->second.changes,
                                           [](const Entry& entry) { return !entry.counted(); });
    if (is_so) out.push_back(*it);
    it = is_so ? std::next(it) : overcounted_.erase(it);
  }
  return out;
}

// A run that has an entry has it as not counted: it goes into the next one again, for what is told
// now must not be told once more after a crash.
void ExtentMap::settle(uint64_t number) {
  auto it = pages_.find(number);
  if (it == pages_.end() || !known(number)) return;
  Page& page = it->second;
  bool any = false;
  for (Entry& entry : page.changes) {
    if (entry.counted()) continue;
    if (page.base) tell_died(*page.base, entry.first, entry.sectors());
    entry.bits |= Entry::kCounted;
    entry.bits &= ~Entry::kSaved;
    any = true;
  }
  if (any) note_change(number, page);
  overcounted_.erase(number);
}

void ExtentMap::bury(MapPlace place, const Leaf& leaf) {
  auto it = std::find(detached_.begin(), detached_.end(), place);
  CHECK(it != detached_.end());
  *it = detached_.back();
  detached_.pop_back();
  tell_died(leaf, 0, kPageSectors);
}

ByteCount ExtentMap::change_memory() const noexcept {
  constexpr uint64_t kPerPage = 160;  // its place in the table, and half-used vectors
  return ByteCount(entries_ * sizeof(Entry) * 3 / 2 + pages_.size() * kPerPage);
}

// ---- checkpoints -------------------------------------------------------------------------------

std::vector<uint64_t> ExtentMap::oldest_changed(ByteCount most) const {
  struct Candidate {
    uint64_t since;
    uint64_t page;
    uint64_t bytes;
  };
  std::vector<Candidate> candidates;
  for (const auto& [number, page] : pages_) {
    if (page.changes.empty() || page.pinned) continue;
    const uint64_t bytes = index_.at(number).length + page.changes.size() * 12;
    candidates.push_back({page.since, number, std::min<uint64_t>(bytes, 68 << 10)});
  }
  std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
    return a.since != b.since ? a.since < b.since : a.page < b.page;
  });
  std::vector<uint64_t> out;
  uint64_t bytes = 0;
  for (const Candidate& candidate : candidates) {
    bytes += candidate.bytes;
    if (bytes > most.value() && !out.empty()) break;
    out.push_back(candidate.page);
  }
  return out;
}

uint64_t ExtentMap::oldest_needed_run() const {
  uint64_t oldest = runs_;
  for (const auto& [number, page] : pages_) {
    if (!page.changes.empty() && !page.pinned) oldest = std::min(oldest, page.since);
  }
  return oldest;
}

void ExtentMap::pin(uint64_t number) {
  CHECK(known(number));
  Page& page = pages_[number];
  page.pinned = true;
  for (Entry& entry : page.changes) {
    if (entry.counted()) continue;
    if (page.base) tell_died(*page.base, entry.first, entry.sectors());
    entry.bits |= Entry::kCounted;
  }
}

void ExtentMap::unpin(uint64_t number) {
  auto it = pages_.find(number);
  if (it == pages_.end()) return;
  it->second.pinned = false;
  forget_if_empty(number);
}

Run ExtentMap::take_run() {
  Run out;
  out.erased = std::exchange(erased_, {});
  std::vector<uint64_t> left;
  for (uint64_t number : unsaved_) {
    auto it = pages_.find(number);
    if (it == pages_.end() || !it->second.in_unsaved) continue;
    Page& page = it->second;
    if (page.pinned) {
      left.push_back(number);
      continue;
    }
    page.in_unsaved = false;
    Run::Page changed{number, {}};
    for (Entry& entry : page.changes) {
      if (entry.saved()) continue;
      CHECK((entry.packed & kPendingBit) == 0);
      changed.changes.push_back(
          Change{entry.first, entry.sectors(), entry.counted(), entry.packed});
      entry.bits |= Entry::kSaved;
    }
    if (!changed.changes.empty()) out.pages.push_back(std::move(changed));
  }
  unsaved_ = std::move(left);
  std::sort(out.pages.begin(), out.pages.end(),
            [](const Run::Page& a, const Run::Page& b) { return a.page < b.page; });
  ++runs_;
  return out;
}

std::optional<ExtentMap::Capture> ExtentMap::capture(uint64_t number) const {
  auto it = pages_.find(number);
  if (it == pages_.end() || !it->second.pinned) return std::nullopt;
  const Page& page = it->second;
  Capture out{number, page.base, {}};
  out.changes.reserve(page.changes.size());
  for (const Entry& entry : page.changes) {
    out.changes.push_back(Change{entry.first, entry.sectors(), true, entry.packed});
  }
  return out;
}

LeafPtr ExtentMap::merged(const Capture& capture) {
  std::vector<LeafExtent> extents;
  auto add = [&extents](const LeafExtent& extent) {
    constexpr uint32_t kFrameSectors = kFrameRawBytes / kSectorBytes;
    if (!extents.empty()) {
      LeafExtent& last = extents.back();
      if (last.first + last.sectors == extent.first &&
          last.sectors + extent.sectors <= kFrameSectors &&
          goes_on(pack(last.at), last.sectors, pack(extent.at))) {
        last.sectors += extent.sectors;
        return;
      }
    }
    extents.push_back(extent);
  };
  auto add_base = [&](uint32_t from, uint32_t to) {
    if (capture.base && from < to) capture.base->visit(from, to - from, add);
  };
  uint32_t at = 0;
  for (const Change& change : capture.changes) {
    add_base(at, change.first);
    if (change.packed != 0) add(LeafExtent{change.first, change.sectors, unpack(change.packed)});
    at = change.first + change.sectors;
  }
  add_base(at, kPageSectors);
  return std::make_shared<const Leaf>(capture.page, extents);
}

bool ExtentMap::install(const Capture& capture, MapPlace place, LeafPtr leaf) {
  auto it = pages_.find(capture.page);
  if (it == pages_.end() || !it->second.pinned || it->second.base != capture.base) return false;
  Page& page = it->second;
  page.pinned = false;
  index_.set(capture.page, place);
  entries_ -= page.changes.size();
  std::erase_if(page.changes, [&leaf](const Entry& entry) {
    uint32_t at = entry.first;
    bool same = true;
    leaf->visit(entry.first, entry.sectors(), [&](const LeafExtent& extent) {
      same &= entry.packed != 0 && extent.first == at &&
              pack(extent.at) == further(entry.packed, at - entry.first);
      at = extent.first + extent.sectors;
    });
    return same && (entry.packed == 0 || at == entry.end());
  });
  entries_ += page.changes.size();
  page.since = page.changes.empty() ? 0 : runs_;
  set_base(capture.page, page, std::move(leaf));
  shrink();
  return true;
}

// ---- recovery ----------------------------------------------------------------------------------

void ExtentMap::restore(const Run& run, uint64_t object) {
  for (const Run::Erased& erased : run.erased) {
    for (auto it = pages_.begin(); it != pages_.end();) {
      if (it->first < erased.page || it->first - erased.page >= erased.pages) {
        ++it;
        continue;
      }
      drop_changes(it->second);
      it = pages_.erase(it);
    }
  }
  for (const Run::Page& changed : run.pages) {
    if (index_.at(changed.page).object >= object) continue;  // the leaf is newer
    Page& page = pages_[changed.page];
    entries_ -= page.changes.size();
    for (const Change& change : changed.changes) {
      const uint32_t flags = Entry::kSaved | (change.counted ? Entry::kCounted : 0);
      splice(page.changes, change.first, change.first + change.sectors,
             {Entry{change.first, change.sectors | flags, change.packed}});
      if (!change.counted) overcounted_.insert(changed.page);
    }
    entries_ += page.changes.size();
    if (page.since == 0) page.since = runs_;
  }
  ++runs_;
}

}  // namespace swiftness
