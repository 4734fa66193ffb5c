// Copies within the volume: the map refers to the same data from other sectors, and nothing moves.
//
// A copy is a chunk of its own without data, whose header says which sectors are where (FORMAT.md,
// "shared"). Like moved data it takes no log position, so no journal needs to know of it, and it is
// answered when the chunk is in the store. Garbage collection finds data by what chunk headers
// name; of a chunk that was copied from it knows, or looks for, the other sectors
// (GarbageCollector).
#include <algorithm>

#include "backend/volume/volume.h"

namespace swiftness {

Async<void> Volume::copy(BlockRange from, Lba to, TicketPtr ticket) {
  Result<void> online = check_online();
  if (!online) co_return online;
  Gate::Pass pass(gate_);
  const SectorRange source = sectors_of(from);
  const Sector target = sectors_of(BlockRange{to, BlockCount(0)}).first;
  // A page's worth at a time: thousands of extents in one turn.
  for (uint64_t done = 0; done < source.count.value(); done += kPageSectors) {
    const uint64_t count = std::min(source.count.value() - done, kPageSectors);
    const SectorRange piece{source.first + SectorCount(done), SectorCount(count)};
    Result<void> shared = co_await share(piece, target + SectorCount(done), ticket);
    if (!shared) co_return shared;
  }
  co_return co_await make_ours(uploader_.newest());
}

Async<void> Volume::share(SectorRange from, Sector to, TicketPtr ticket) {
  const SectorRange target{to, from.count};
  Result<void> room = co_await find_room(target, ticket);
  if (!room) co_return room;
  Result<void> admitted = co_await admit(0, 1, ticket);
  if (!admitted) co_return admitted;
  auto pending = [](const ExtentMap::Piece& piece) { return piece.at && piece.at->pending(); };
  Result<std::vector<ExtentMap::Piece>> pieces = co_await look_up(from);
  for (;;) {
    if (!pieces) co_return pieces.error();
    Result<void> online = check_online();
    if (!online) co_return online;
    if (is_within_quota(target) && std::ranges::none_of(*pieces, pending)) break;
    if (!builder_.empty()) seal();
    room = co_await find_room(target, ticket);
    if (!room) co_return room;
    pieces = co_await look_up(from);
  }
  // From here on nothing waits. What was written before stays before it in the log.
  if (!builder_.empty()) seal();
  std::vector<Trim> trims;
  std::vector<SharedPart> parts;
  for (const ExtentMap::Piece& piece : *pieces) {
    const Sector first = to + (piece.first - from.first);
    if (piece.at) {
      parts.push_back({first, piece.sectors, *piece.at});
    } else {
      trims.push_back({first, piece.sectors});
    }
  }
  SealedChunk chunk = assemble_copy(next_in_log(position_.next(), 0), trims, parts);
  chunk.opened_at = now();
  // The map has it before the log does: a checkpoint may begin with this chunk.
  for (const Trim& trim : trims) mapping_->map.erase(trim.first, trim.sectors);
  for (const SharedPart& part : parts) {
    mapping_->map.assign(part.first, part.sectors, part.source);
    mapping_->ledger.share(part.source.chunk);
    collector_->share(part.source.chunk, part.first, part.sectors);
  }
  send(std::move(chunk));
  if (snapshot_wanted_) take_snapshot();
  co_return Result<void>();
}

}  // namespace swiftness
