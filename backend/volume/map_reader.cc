#include "backend/volume/map_reader.h"

#include "backend/base/gate.h"

namespace swiftness {
namespace {

constexpr size_t kParallel = 8;  // leaves under way at once, for one caller

}  // namespace

Async<Buffer> MapReader::read_bytes(MapPlace at) const {
  const ObjectName object = name(at);
  ByteRange range{at.offset, at.length};
  GetOptions options;
  Result<Buffer> bytes = co_await objects_.store.get(object, range, options);
  if (bytes || bytes.error().code() != ErrorCode::not_found) co_return bytes;
  // The map refers to it, so it was there. Only certain absence is damage.
  Presence found = co_await presence_of(objects_.store, object);
  if (found == Presence::no) co_return Error(ErrorCode::corrupt, to_string(object) + " is missing");
  co_return in_doubt(object);
}

Async<void> LeafLoader::load(uint64_t page) {
  while (!map_.known(page)) {
    if (auto it = loading_.find(page); it != loading_.end()) {
      std::shared_ptr<Loading> other = it->second;
      while (!other->ended) co_await other->done.wait();
      if (other->failed) co_return *other->failed;
      continue;
    }
    auto mine = std::make_shared<Loading>(executor_);
    loading_[page] = mine;
    const MapPlace place = map_.leaf_place(page);
    Result<LeafPtr> leaf = co_await reader_.read<LeafPtr>(place, decode_leaf);
    loading_.erase(page);
    if (leaf && (*leaf)->page() != page) {
      leaf = Error(ErrorCode::corrupt, "the leaf of another page");
    }
    const bool current = map_.leaf_place(page) == place;  // otherwise a newer one is in place
    if (leaf) {
      map_.load(place, *leaf);
    } else if (current) {
      mine->failed = leaf.error();
    }
    mine->ended = true;
    mine->done.notify_all();
    if (mine->failed) co_return *mine->failed;
  }
  co_return Result<void>();
}

Async<void> LeafLoader::ensure(Sector first, SectorCount sectors) {
  const uint64_t last = (first.value() + sectors.value() - 1) / kPageSectors;
  for (uint64_t page = first.value() / kPageSectors; page <= last; ++page) {
    Result<void> loaded = co_await load(page);
    if (!loaded) co_return loaded;
  }
  co_return Result<void>();
}

Task LeafLoader::walk_on(Walk& walk) {
  while (walk.next < walk.pages.size() && !walk.failed) {
    const uint64_t page = walk.pages[walk.next++];
    Result<void> loaded = co_await load(page);
    if (loaded) {
      walk.visit(page);
      // Thousands of looks are many for one turn.
      co_await asio::post(executor_, asio::use_awaitable);
    } else {
      walk.failed = loaded.error();
    }
  }
}

Async<void> LeafLoader::each(std::vector<uint64_t> pages, std::function<void(uint64_t)> visit) {
  Walk walk{std::move(pages), std::move(visit), 0, {}};
  FanOut all(executor_);
  for (size_t i = 0; i < std::min(kParallel, walk.pages.size()); ++i) all.add(walk_on(walk));
  co_await all.join();
  if (walk.failed) co_return *walk.failed;
  co_return Result<void>();
}

Async<void> LeafLoader::bury_one() {
  CHECK(!map_.detached().empty());
  const MapPlace place = map_.detached().back();
  Result<LeafPtr> leaf = co_await reader_.read<LeafPtr>(place, decode_leaf);
  if (!leaf) co_return leaf.error();
  map_.bury(place, **leaf);
  co_return Result<void>();
}

}  // namespace swiftness
