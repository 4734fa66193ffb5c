#include "backend/volume/chunk_ledger.h"

#include <algorithm>

#include "backend/base/check.h"

namespace swiftness {
namespace {

constexpr uint32_t kUncounted = LedgerEntry::kUncounted;

SectorCount needed_of(const LedgerEntry& entry) {
  return SectorCount(std::min(entry.live, entry.stored));
}
SectorCount dead_of(const LedgerEntry& entry) {
  return SectorCount(entry.live == 0 ? entry.stored : 0);
}

}  // namespace

void ChunkLedger::add(const ChunkHeader& header) {
  CHECK(entries_.empty() || entries_.back().chunk < header.sequence);
  const auto stored = static_cast<uint32_t>(padded_to_sector(header.object_size) / kSectorBytes);
  CHECK(stored > 0);
  // Data that were moved are as old as the youngest of the chunks they come from.
  Sequence birth = header.sequence;
  if (!header.extents.empty() && header.extents.front().kind == ExtentKind::moved) {
    birth = Sequence(0);
    for (const ChunkExtent& extent : header.extents) {
      const LedgerEntry* source = find(extent.source.chunk);
      birth = std::max(birth, source != nullptr ? source->birth : extent.source.chunk);
    }
  }
  entries_.push_back(LedgerEntry{header.sequence, 0, stored, birth});
  stored_ += SectorCount(stored);
  dead_ += SectorCount(stored);
}

void ChunkLedger::remove(Sequence chunk) {
  LedgerEntry* found = entry(chunk);
  CHECK(found != nullptr && found->live == 0);
  stored_ -= SectorCount(found->stored);
  dead_ -= SectorCount(found->stored);
  found->stored = 0;
  if (++removed_ * 2 < entries_.size()) return;
  std::erase_if(entries_, [](const LedgerEntry& old) { return old.stored == 0; });
  removed_ = 0;
}

void ChunkLedger::share(Sequence chunk) {
  LedgerEntry* found = entry(chunk);
  CHECK(found != nullptr);
  found->shared = true;
}

void ChunkLedger::lives(Sequence chunk, uint64_t sectors) {
  if (chunk == Sequence(0)) {
    unsealed_ += SectorCount(sectors);
    return;
  }
  LedgerEntry* found = entry(chunk);
  CHECK(found != nullptr);
  count(*found, static_cast<uint32_t>(std::min<uint64_t>(found->live + sectors, kUncounted)));
}

void ChunkLedger::died(Sequence chunk, uint64_t sectors) {
  if (chunk == Sequence(0)) {
    CHECK(unsealed_.value() >= sectors);
    unsealed_ -= SectorCount(sectors);
    return;
  }
  LedgerEntry* found = entry(chunk);
  CHECK(found != nullptr && found->live >= sectors);
  if (found->live != kUncounted) count(*found, found->live - static_cast<uint32_t>(sectors));
}

void ChunkLedger::count(LedgerEntry& entry, uint32_t live) {
  live_ -= SectorCount(entry.live);
  needed_ -= needed_of(entry);
  dead_ -= dead_of(entry);
  entry.live = live;
  live_ += SectorCount(entry.live);
  needed_ += needed_of(entry);
  dead_ += dead_of(entry);
}

const LedgerEntry* ChunkLedger::find(Sequence chunk) const {
  return const_cast<ChunkLedger*>(this)->entry(chunk);
}

LedgerEntry* ChunkLedger::entry(Sequence chunk) {
  auto it =
      std::lower_bound(entries_.begin(), entries_.end(), chunk,
                       [](const LedgerEntry& a, Sequence sequence) { return a.chunk < sequence; });
  if (it == entries_.end() || it->chunk != chunk || it->stored == 0) return nullptr;
  return &*it;
}

LedgerRecord ChunkLedger::record() const {
  LedgerRecord out;
  out.entries.reserve(chunks());
  visit([&out](const LedgerEntry& entry) { out.entries.push_back(entry); });
  return out;
}

void ChunkLedger::restore(LedgerRecord record) {
  CHECK(entries_.empty());
  entries_ = std::move(record.entries);
  for (const LedgerEntry& entry : entries_) {
    live_ += SectorCount(entry.live);
    needed_ += needed_of(entry);
    stored_ += SectorCount(entry.stored);
    dead_ += dead_of(entry);
  }
}

}  // namespace swiftness
