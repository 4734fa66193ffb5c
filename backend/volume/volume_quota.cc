// Volume: how much of the disk is mapped, and how much may be.
//
// The map's count is never too low, but it may be too high: what a write hides of a leaf that is
// not in memory counts until the two are merged. That is cheap, and good enough as long as a write
// fits even so. Otherwise it is looked at: at the write's own leaves, for what is new of it, and
// then at all others until it fits or the count is exact. A write finds its room and takes it in
// one turn of the event loop, so that of many at once none takes what another has.
#include "backend/volume/volume.h"

namespace swiftness {
namespace {

constexpr size_t kPagesAtOnce = 32;  // between two looks whether there is room by now
constexpr Sector kMetadata(kMetadataSector);

}  // namespace

void Volume::set_quota(std::optional<ByteCount> quota) {
  quota_ = quota;
  changed_.notify_all();
}

SectorCount Volume::mapped() const {
  return mapping_->map.mapped() - metadata_;
}

// False also when that is not known: a leaf has to be loaded first.
bool Volume::is_within_quota(SectorRange sectors) {
  if (!quota_ || sectors.first >= kMetadata) return true;
  const SectorCount most(quota_->value() / kSectorBytes);
  if (mapped() + sectors.count <= most) return true;
  SectorCount fresh;
  for (const ExtentMap::Piece& piece : mapping_->map.lookup(sectors.first, sectors.count)) {
    if (piece.unknown) return false;
    if (!piece.at) fresh += piece.sectors;
  }
  return fresh == SectorCount(0) || mapped() + fresh <= most;
}

Async<void> Volume::find_room(SectorRange sectors, TicketPtr ticket) {
  while (!is_within_quota(sectors)) {
    Result<void> online = check_online();
    if (!online) co_return online;
    if (ticket && ticket->cancelled) co_return given_up();
    Result<std::vector<ExtentMap::Piece>> known = co_await look_up(sectors);
    if (!known) co_return known.error();
    if (is_within_quota(sectors)) break;
    if (!mapping_->map.detached().empty()) {
      // What was erased is being counted, leaf by leaf.
      co_await changed_.wait_for(std::chrono::seconds(1));
      continue;
    }
    std::vector<uint64_t> pages = mapping_->map.overcounted(kPagesAtOnce);
    if (pages.empty()) co_return Error(ErrorCode::out_of_space, "the quota is used up");
    auto settle = [this](uint64_t page) { mapping_->map.settle(page); };
    Result<void> settled = co_await mapping_->loader.each(std::move(pages), settle);
    if (!settled) co_return settled;
  }
  co_return Result<void>();
}

Async<void> Volume::room_for(BlockRange range, TicketPtr ticket) {
  Result<void> online = check_online();
  if (!online) co_return online;
  Gate::Pass pass(gate_);
  co_return co_await find_room(sectors_of(range), std::move(ticket));
}

// What cannot be known counts as part of the disk.
Task Volume::count_metadata() {
  Gate::Pass pass(gate_);
  const SectorRange everything{kMetadata, SectorCount(kPageSectors)};
  Result<std::vector<ExtentMap::Piece>> pieces = co_await look_up(everything);
  if (!pieces) co_return;
  metadata_ = SectorCount(0);
  for (const ExtentMap::Piece& piece : *pieces) {
    if (piece.at) metadata_ += piece.sectors;
  }
}

}  // namespace swiftness
