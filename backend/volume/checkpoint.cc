#include "backend/volume/checkpoint.h"

#include <algorithm>
#include <numeric>
#include <tuple>
#include <utility>

#include "backend/base/gate.h"
#include "backend/base/log.h"

namespace swiftness {
namespace {

constexpr size_t kParallel = 8;                // objects or records under way at once
constexpr uint64_t kMapObjectBytes = 8 << 20;  // a map object is closed beyond this
constexpr uint64_t kSparseSlack = 32 << 20;    // bytes of dead records nobody minds
constexpr size_t kRootsKept = 3;

// Works through `next` .. `count` together with its siblings; stops at the first Error.
struct Progress {
  size_t next = 0;
  std::optional<Error> failed;
};

// Bytes of each map object that leaves take.
std::map<uint64_t, uint64_t> live_bytes(const LeafIndex& index) {
  std::map<uint64_t, uint64_t> out;
  index.visit([&out](uint64_t, MapPlace leaf) { out[leaf.object] += leaf.length; });
  return out;
}

}  // namespace

void Checkpointer::begin(const Era& era, const Root& newest) {
  era_ = era;
  next_root_ = 1;
  next_object_ = newest.next_object;
  runs_.clear();
  for (size_t i = 0; i < newest.runs.size(); ++i) runs_.push_back({i + 1, newest.runs[i]});
  sizes_.clear();
  for (const Root::MapObject& object : newest.objects) sizes_[object.number] = object.size;
  kept_.clear();
  if (newest.name.number > 0) kept_.push_back({newest.name, newest.covered});
}

// ---- prepare -----------------------------------------------------------------------------------

Async<void> Checkpointer::prepare(ByteCount merge) {
  std::vector<uint64_t> pages = map_.oldest_changed(merge);
  const std::vector<uint64_t> sparse = pages_of_sparse_objects();
  pages.insert(pages.end(), sparse.begin(), sparse.end());
  std::sort(pages.begin(), pages.end());
  pages.erase(std::unique(pages.begin(), pages.end()), pages.end());
  auto pin = [this](uint64_t page) {
    map_.pin(page);
    pinned_.push_back(page);
  };
  Result<void> loaded = co_await loader_.each(std::move(pages), pin);
  if (!loaded) {
    for (uint64_t page : std::exchange(pinned_, {})) map_.unpin(page);
    co_return loaded.error().within("loading leaves to merge");
  }
  std::sort(pinned_.begin(), pinned_.end());
  co_return Result<void>();
}

// When too much of the map objects is dead: the pages that the emptiest of them still hold.
std::vector<uint64_t> Checkpointer::pages_of_sparse_objects() const {
  const std::map<uint64_t, uint64_t> live = live_bytes(map_.index());
  uint64_t all = 0;
  uint64_t alive = 0;
  for (const auto& [number, size] : sizes_) all += size;
  for (const auto& [number, bytes] : live) alive += bytes;
  std::vector<uint64_t> out;
  if (all <= 2 * alive + kSparseSlack) return out;
  std::map<uint64_t, bool> chosen;
  uint64_t budget = kMapObjectBytes;
  for (const auto& [number, bytes] : live) {
    auto size = sizes_.find(number);
    if (size == sizes_.end() || bytes * 2 > size->second || bytes > budget) continue;
    budget -= bytes;
    chosen[number] = true;
  }
  map_.index().visit([&](uint64_t page, MapPlace leaf) {
    if (chosen.contains(leaf.object)) out.push_back(page);
  });
  return out;
}

// ---- snapshot ----------------------------------------------------------------------------------

Checkpointer::Snapshot Checkpointer::snapshot(const CoveredLog& covered) {
  Snapshot out;
  for (uint64_t page : pinned_) {
    if (auto capture = map_.capture(page)) out.captures.push_back(std::move(*capture));
  }
  out.segments = map_.index().snapshot(pinned_);
  out.run_serial = map_.next_run();
  out.run = map_.take_run();
  out.ledger = ledger_.record();
  out.detached.leaves = map_.detached();
  for (const LedgerEntry& entry : out.ledger.entries) {
    if (entry.live == 0 && entry.chunk <= covered.last) out.dead.push_back(entry.chunk);
  }
  Root& root = out.root;
  root.name = RootName{era_, next_root_++};
  root.covered = covered.last;
  root.covered_hash = covered.header_hash;
  root.covered_position = covered.position;
  root.size = covered.size;
  root.block_size = covered.block_size;
  root.eras = eras_.spans();
  root.eras.back().last = covered.last;
  const uint64_t needed = map_.oldest_needed_run();
  while (!runs_.empty() && runs_.front().serial < needed) runs_.pop_front();
  for (const SavedRun& run : runs_) root.runs.push_back(run.at);
  // Those of leaves that are merged just now are still counted; the next root does without them.
  for (const auto& [number, bytes] : live_bytes(map_.index())) out.referenced.insert(number);
  pinned_.clear();
  return out;
}

// ---- write -------------------------------------------------------------------------------------

namespace {

struct Merged {
  LeafPtr leaf;
  Bytes encoded;
};

std::vector<Merged> merge(const Uuid& volume, const std::vector<ExtentMap::Capture>& captures) {
  std::vector<Merged> out;
  for (const ExtentMap::Capture& capture : captures) {
    LeafPtr leaf = ExtentMap::merged(capture);
    Bytes encoded = encode(volume, *leaf);
    out.push_back({std::move(leaf), std::move(encoded)});
  }
  return out;
}

}  // namespace

// Puts records one behind the other into map objects.
class Checkpointer::Assembly {
 public:
  Assembly(uint64_t& next_object, std::vector<Snapshot::Object>& objects)
      : next_object_(next_object), objects_(objects) {}

  MapPlace add(Bytes record) {
    if (objects_.empty() || objects_.back().data.size() + record.size() > kMapObjectBytes) {
      objects_.push_back({next_object_++, {}});
    }
    Snapshot::Object& object = objects_.back();
    MapPlace at{object.number, static_cast<uint32_t>(object.data.size()),
                static_cast<uint32_t>(record.size())};
    object.data.append(Buffer::own(std::move(record)));
    return at;
  }

 private:
  uint64_t& next_object_;
  std::vector<Snapshot::Object>& objects_;
};

Task Checkpointer::assemble(Snapshot& snapshot) {
  Assembly assembly(next_object_, snapshot.objects);
  Root& root = snapshot.root;
  const Uuid& volume = objects_.uuid();
  // The run first: a leaf is newer than a run of no higher object number.
  if (!snapshot.run.pages.empty() || !snapshot.run.erased.empty()) {
    const MapPlace at = assembly.add(encode(volume, snapshot.run));
    root.runs.push_back(at);
    runs_.push_back({snapshot.run_serial, at});
    snapshot.run = {};
  }
  auto work = [&volume, &captures = snapshot.captures] {
    return Result<std::vector<Merged>>(merge(volume, captures));
  };
  Result<std::vector<Merged>> merged =
      co_await offload<std::vector<Merged>>(workers_, std::move(work));
  for (auto& [leaf, encoded] : *merged) {
    snapshot.leaves.push_back(std::move(leaf));
    snapshot.leaf_places.push_back(assembly.add(std::move(encoded)));
  }
  // The segments as they were, with the new leaves in them.
  std::map<uint32_t, std::map<uint16_t, MapPlace>> fresh;
  for (size_t i = 0; i < snapshot.captures.size(); ++i) {
    const uint64_t page = snapshot.captures[i].page;
    fresh[static_cast<uint32_t>(page / kSegmentPages)]
         [static_cast<uint16_t>(page % kSegmentPages)] = snapshot.leaf_places[i];
  }
  std::map<uint32_t, LeafIndex::SegmentState*> states;
  for (LeafIndex::SegmentState& state : snapshot.segments) states[state.index] = &state;
  for (const auto& [index, leaves] : fresh) {
    if (states.contains(index)) continue;
    snapshot.segments.push_back({index, 0, {}, {index, {}}});
  }
  std::sort(snapshot.segments.begin(), snapshot.segments.end(),
            [](const auto& a, const auto& b) { return a.index < b.index; });
  for (LeafIndex::SegmentState& state : snapshot.segments) {
    if (state.saved.none()) {
      std::map<uint16_t, MapPlace> entries = fresh[state.index];
      for (const IndexSegment::Entry& entry : state.changed.entries) {
        entries.emplace(entry.slot, entry.leaf);
      }
      state.changed.entries.clear();
      for (const auto& [slot, leaf] : entries) state.changed.entries.push_back({slot, leaf});
      state.saved = assembly.add(encode(volume, state.changed));
    }
    root.segments.push_back({state.index, state.saved});
  }
  root.ledger = assembly.add(encode(volume, snapshot.ledger));
  if (!snapshot.detached.leaves.empty()) {
    root.detached = assembly.add(encode(volume, snapshot.detached));
  }
  root.next_object = next_object_;

  std::set<uint64_t>& referenced = snapshot.referenced;
  for (const Root::Segment& segment : root.segments) referenced.insert(segment.at.object);
  for (const MapPlace& run : root.runs) referenced.insert(run.object);
  for (const MapPlace& leaf : snapshot.detached.leaves) referenced.insert(leaf.object);
  std::map<uint64_t, uint64_t> sizes = sizes_;
  for (const Snapshot::Object& object : snapshot.objects) {
    sizes[object.number] = object.data.size();
    referenced.insert(object.number);
  }
  for (uint64_t number : referenced) root.objects.push_back({number, sizes.at(number)});
  snapshot.assembled = true;
}

Async<void> Checkpointer::write(Snapshot& snapshot) {
  if (!snapshot.assembled) co_await assemble(snapshot);
  Result<void> put = co_await put_objects(snapshot);
  if (!put) co_return put.error().within("writing the map");
  BufferList data(Buffer::own(encode(objects_.uuid(), snapshot.root)));
  const uint64_t bytes = data.size();
  PutOptions options;
  ObjectName name = objects_.names.root(snapshot.root.name);
  put = co_await objects_.store.put(name, std::move(data), options);
  if (!put) co_return put.error().within("writing " + to_string(name));
  for (const Snapshot::Object& object : snapshot.objects) bytes_written_ += object.data.size();
  bytes_written_ += bytes;
  installed(snapshot);
  // Only a hint: without it the next attach looks a little longer.
  Result<void> hinted = co_await write_head(objects_, snapshot.root.name);
  if (!hinted) log::debug("volume {}: {}", objects_.descriptor.name, hinted.error().message());
  co_return Result<void>();
}

namespace {

Task put_next(const VolumeObjects& objects, const EraHistory& eras,
              const std::vector<std::pair<uint64_t, BufferList>>& what, Progress& progress) {
  while (progress.next < what.size() && !progress.failed) {
    const auto& [number, data] = what[progress.next++];
    const ObjectName name = objects.names.map_object(eras.era_of_object(number), number);
    PutOptions options;
    BufferList copy(data);
    Result<void> put = co_await objects.store.put(name, std::move(copy), options);
    if (!put) progress.failed = put.error();
  }
}

}  // namespace

Async<void> Checkpointer::put_objects(Snapshot& snapshot) {
  std::vector<std::pair<uint64_t, BufferList>> what;
  for (const Snapshot::Object& object : snapshot.objects) {
    what.emplace_back(object.number, object.data);
  }
  Progress progress;
  FanOut puts(executor_);
  for (size_t i = 0; i < std::min(kParallel, what.size()); ++i) {
    puts.add(put_next(objects_, eras_, what, progress));
  }
  co_await puts.join();
  if (progress.failed) co_return *progress.failed;
  co_return Result<void>();
}

// The root is in the store: the map goes on from it.
void Checkpointer::installed(Snapshot& snapshot) {
  LeafIndex& index = map_.index();
  std::map<uint32_t, const LeafIndex::SegmentState*> unchanged;  // since the snapshot
  for (const LeafIndex::SegmentState& state : snapshot.segments) {
    if (index.version(state.index) == state.version) unchanged[state.index] = &state;
  }
  for (size_t i = 0; i < snapshot.captures.size(); ++i) {
    const uint64_t page = snapshot.captures[i].page;
    const bool taken =
        map_.install(snapshot.captures[i], snapshot.leaf_places[i], snapshot.leaves[i]);
    if (!taken) unchanged.erase(static_cast<uint32_t>(page / kSegmentPages));
  }
  for (const auto& [number, state] : unchanged) {
    index.saved(number, index.version(number), state->saved);
  }

  ++roots_written_;
  std::map<uint64_t, uint64_t> sizes;
  for (const Root::MapObject& object : snapshot.root.objects) sizes[object.number] = object.size;
  for (const auto& [number, size] : sizes_) {
    if (sizes.contains(number)) continue;
    garbage_.push_back(
        {objects_.names.map_object(eras_.era_of_object(number), number), roots_written_});
  }
  sizes_ = std::move(sizes);
  kept_.push_back({snapshot.root.name, snapshot.root.covered});
  while (kept_.size() > kRootsKept) {
    const RootName old = kept_.front().name;
    kept_.pop_front();
    // Some stay, so that the newest can be found by probing (recovery.cc).
    if (old.number % kMilestone == 0 && old.era == era_) continue;
    garbage_.push_back({objects_.names.root(old), 0});
  }
}

std::vector<ObjectName> Checkpointer::take_garbage() {
  std::vector<ObjectName> out;
  std::erase_if(garbage_, [&](Garbage& garbage) {
    if (garbage.since + kRootsKept - 1 > roots_written_) return false;
    out.push_back(std::move(garbage.name));
    return true;
  });
  return out;
}

// ---- loading -----------------------------------------------------------------------------------

namespace {

// Records that one read brings: their numbers in the list of places.
using Neighbours = std::vector<size_t>;

// A volume of 64 TiB that is written all over has a thousand segments, of a kilobyte or so: a read
// for each would make its attach take seconds.
std::vector<Neighbours> neighbours(const std::vector<MapPlace>& places) {
  constexpr uint64_t kMostGap = 64 << 10;   // bytes that are read for nothing
  constexpr uint64_t kMostBytes = 4 << 20;  // of one read
  std::vector<size_t> order(places.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return std::tie(places[a].object, places[a].offset) <
           std::tie(places[b].object, places[b].offset);
  });
  std::vector<Neighbours> out;
  for (size_t i : order) {
    const MapPlace& at = places[i];
    if (!out.empty()) {
      const MapPlace& first = places[out.back().front()];
      const MapPlace& last = places[out.back().back()];
      const uint64_t end = uint64_t{last.offset} + last.length;
      const bool near = at.object == last.object && at.offset >= end &&
                        at.offset - end <= kMostGap &&
                        uint64_t{at.offset} + at.length - first.offset <= kMostBytes;
      if (near) {
        out.back().push_back(i);
        continue;
      }
    }
    out.push_back({i});
  }
  return out;
}

template <class T>
Task read_all(const MapReader& reader, const std::vector<MapPlace>& places,
              const std::vector<Neighbours>& groups, Decode<T> decode, std::vector<T>& out,
              Progress& progress) {
  while (progress.next < groups.size() && !progress.failed) {
    const Neighbours& group = groups[progress.next++];
    std::vector<MapPlace> wanted;
    for (size_t i : group) wanted.push_back(places[i]);
    Result<std::vector<T>> records = co_await reader.read_together<T>(wanted, decode);
    if (!records) {
      progress.failed = records.error();
      break;
    }
    for (size_t i = 0; i < group.size(); ++i) out[group[i]] = std::move((*records)[i]);
  }
}

template <class T>
Async<std::vector<T>> read_records(Executor executor, const MapReader& reader,
                                   std::vector<MapPlace> places, Decode<T> decode) {
  std::vector<T> out(places.size());
  const std::vector<Neighbours> groups = neighbours(places);
  Progress progress;
  FanOut all(executor);
  for (size_t i = 0; i < std::min(kParallel, groups.size()); ++i) {
    all.add(read_all<T>(reader, places, groups, decode, out, progress));
  }
  co_await all.join();
  if (progress.failed) co_return *progress.failed;
  co_return out;
}

}  // namespace

Async<void> load_map(Executor executor, const MapReader& reader, const Root& root, ExtentMap& map,
                     ChunkLedger& ledger) {
  std::vector<MapPlace> places;
  for (const Root::Segment& segment : root.segments) places.push_back(segment.at);
  Result<std::vector<IndexSegment>> segments =
      co_await read_records<IndexSegment>(executor, reader, places, decode_segment);
  if (!segments) co_return segments.error();
  for (size_t i = 0; i < segments->size(); ++i) map.index().restore((*segments)[i], places[i]);

  places = root.runs;
  Result<std::vector<Run>> runs = co_await read_records<Run>(executor, reader, places, decode_run);
  if (!runs) co_return runs.error();
  for (size_t i = 0; i < runs->size(); ++i) map.restore((*runs)[i], places[i].object);

  if (!root.ledger.none()) {
    Result<LedgerRecord> record = co_await reader.read<LedgerRecord>(root.ledger, decode_ledger);
    if (!record) co_return record.error();
    ledger.restore(std::move(*record));
  }
  if (!root.detached.none()) {
    Result<Detached> detached = co_await reader.read<Detached>(root.detached, decode_detached);
    if (!detached) co_return detached.error();
    map.restore_detached(std::move(detached->leaves));
  }
  co_return Result<void>();
}

Async<void> write_head(const VolumeObjects& objects, RootName root) {
  BufferList data(Buffer::own(encode(objects.uuid(), Head{root})));
  PutOptions options;
  Result<void> put = co_await objects.store.put(objects.names.head(), std::move(data), options);
  if (!put) co_return put.error().within("writing the hint");
  co_return put;
}

}  // namespace swiftness
