// Data brought near before they are asked for: ahead of sequential readers, and by PRE-FETCH.
#include <algorithm>

#include "backend/volume/volume.h"

namespace swiftness {
namespace {

constexpr uint64_t kPrefetchStep = 8192;  // sectors of a prefetch that are looked up at once
// Prefetches at the same time, each of which keeps a few GETs under way; further ones do nothing.
constexpr uint32_t kMostPrefetches = 4;

}  // namespace

// Of the disk's part of the range: where its data are, as far as they are in the store.
Async<std::vector<Location>> Volume::frames_in_store(SectorRange sectors) {
  std::vector<Location> out;
  const uint64_t end = size_.value() / kSectorBytes;
  if (sectors.first.value() >= end) co_return out;
  const SectorCount count(std::min(sectors.count.value(), end - sectors.first.value()));
  const SectorRange inside{sectors.first, count};
  Result<std::vector<ExtentMap::Piece>> pieces = co_await look_up(inside);
  if (!pieces) co_return pieces.error();
  for (const ExtentMap::Piece& piece : *pieces) {
    const bool in_store = piece.at && !piece.at->pending() && !uploader_.find(piece.at->chunk);
    if (in_store) out.push_back(*piece.at);
  }
  co_return out;
}

Task Volume::read_ahead(SectorRange sectors) {
  Result<std::vector<Location>> frames = co_await frames_in_store(sectors);
  if (frames) reader_.prefetch(std::move(*frames));  // whoever reads there meets the Error himself
}

Async<Prefetched> Volume::prefetch(BlockRange range) {
  Result<void> online = check_online();
  if (!online) co_return online.error();
  Gate::Pass pass(gate_);
  if (prefetches_ == kMostPrefetches) co_return Prefetched::part;
  ++prefetches_;
  const SectorRange sectors = sectors_of(range);
  Result<Prefetched> fetched = co_await bring_into_cache(sectors);
  --prefetches_;
  co_return fetched;
}

Async<Prefetched> Volume::bring_into_cache(SectorRange sectors) {
  uint64_t room = cache_.room();
  for (uint64_t done = 0; done < sectors.count.value(); done += kPrefetchStep) {
    const uint64_t count = std::min(kPrefetchStep, sectors.count.value() - done);
    const SectorRange step{sectors.first + SectorCount(done), SectorCount(count)};
    Result<std::vector<Location>> found = co_await frames_in_store(step);
    if (!found) co_return found.error();
    std::vector<Location> frames = reader_.not_cached(std::move(*found));
    const bool fits = frames.size() <= room;
    if (!fits) frames.resize(room);
    room -= frames.size();
    Result<void> brought = co_await reader_.bring(std::move(frames));
    if (!brought) co_return brought.error();
    if (!fits) co_return Prefetched::part;
    Result<void> online = check_online();
    if (!online) co_return online.error();
  }
  co_return Prefetched::all;
}

ByteCount Volume::prefetch_room() const {
  return ByteCount(cache_.room() * kFrameRawBytes);
}

}  // namespace swiftness
