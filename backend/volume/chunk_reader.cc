#include "backend/volume/chunk_reader.h"

#include <algorithm>

namespace swiftness {
namespace {

// 8 MiB, and its frames' headers: a request costs Swift as much as one or two MiB of data.
constexpr uint32_t kMostGetUnits = (8 << 20) / kSectorBytes + 64;
constexpr size_t kMostPrefetches = 16;  // under way at once, of all streams
constexpr size_t kGetsOfBring = 4;      // under way at once, of one bring()
constexpr size_t kMostLogWalks = 256;   // chunks in which it is known where frames begin
// Ahead of reads in log order: 256 KiB at first and 2 MiB at most, in units.
constexpr ReadAhead::Options kLogOrder{512, 4096, 8192};
constexpr uint64_t kUnitsOfChunk = 1 << 16;
constexpr uint32_t kMostFrameUnits = (kFrameRawBytes + kFrameHeaderBytes) / kSectorBytes + 1;

bool is_before_in_log(const Location& a, const Location& b) {
  return std::pair(a.chunk, a.frame_offset) < std::pair(b.chunk, b.frame_offset);
}

}  // namespace

ChunkReader::ChunkReader(const VolumeObjects& objects, const EraHistory& eras, Gate& gate,
                         ReadCache& cache)
    : objects_(objects), eras_(eras), gate_(gate), cache_(cache), log_order_(kLogOrder) {}

FrameKey ChunkReader::key_of(const Location& at) const {
  return FrameKey(eras_.era_of(at.chunk), at.chunk, at.frame_offset);
}

// ---- reading ---------------------------------------------------------------------------------

bool ChunkReader::try_read(std::vector<Piece>& pieces) {
  bool all = true;
  for (Piece& piece : pieces) {
    if (!piece.data.empty()) continue;
    std::optional<Buffer> data = cache_.try_read(key_of(piece.at), piece.at.skip, piece.sectors);
    if (!data) {
      all = false;
      continue;
    }
    ++counts_.hits;
    counts_.from_cache += ByteCount(data->size());
    piece.data = std::move(*data);
    if (log_order_.has_streams()) {
      const uint64_t place = piece.at.chunk.value() * kUnitsOfChunk + piece.at.frame_offset;
      go_along_log(log_order_.follow(place, piece.at.frame_length));
    }
  }
  return all;
}

Async<void> ChunkReader::read(std::vector<Piece>& pieces, bool in_stream) {
  Plan plan = make_plan(pieces, Sharing::yes);
  if (!in_stream) look_along_log(pieces);
  co_await carry_out(plan, pieces);
  bool is_complete = true;
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (!pieces[i].data.empty()) continue;
    Result<bool> filled = false;
    if (plan.fetch_of[i]) filled = fill(pieces[i], *plan.fetch_of[i]);
    if (!filled && plan.is_own[i]) co_return filled.error();
    is_complete = is_complete && filled && *filled;
  }
  if (is_complete) co_return Result<void>();

  // What somebody else's GET did not bring, or the disk did not have after all, is fetched alone:
  // so nobody fails by an error that is not his own.
  plan = make_plan(pieces, Sharing::no);
  co_await carry_out(plan, pieces);
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (!pieces[i].data.empty()) continue;
    Result<bool> filled = fill(pieces[i], *plan.fetch_of[i]);
    if (!filled) co_return filled.error();
    CHECK(*filled);
  }
  co_return Result<void>();
}

ChunkReader::Plan ChunkReader::make_plan(const std::vector<Piece>& pieces, Sharing sharing) {
  Plan plan;
  plan.fetch_of.resize(pieces.size());
  plan.is_own.resize(pieces.size());
  std::vector<size_t> missing;
  for (size_t i = 0; i < pieces.size(); ++i) {
    const Piece& piece = pieces[i];
    if (!piece.data.empty()) continue;
    if (sharing == Sharing::no) {
      missing.push_back(i);
    } else if (is_cached(piece.at)) {
      plan.on_disk.push_back(i);
    } else {
      ++counts_.misses;
      plan.fetch_of[i] = find_fetch(piece.at);
      if (plan.fetch_of[i]) {
        plan.others.push_back(plan.fetch_of[i]);
      } else {
        missing.push_back(i);
      }
    }
  }
  if (!missing.empty()) add_own_fetches(pieces, missing, plan);
  return plan;
}

void ChunkReader::add_own_fetches(const std::vector<Piece>& pieces,
                                  const std::vector<size_t>& missing, Plan& plan) {
  std::vector<Location> frames;
  for (size_t i : missing) frames.push_back(pieces[i].at);
  plan.own = make_fetches(std::move(frames));
  auto is_before = [](const Location& at, const FetchPtr& fetch) {
    return std::pair(at.chunk, uint32_t{at.frame_offset}) <
           std::pair(fetch->chunk, fetch->begin_unit);
  };
  for (size_t i : missing) {
    auto behind = std::upper_bound(plan.own.begin(), plan.own.end(), pieces[i].at, is_before);
    plan.fetch_of[i] = *std::prev(behind);
    plan.is_own[i] = true;
  }
}

Task ChunkReader::carry_out(Plan& plan, std::vector<Piece>& pieces) {
  if (plan.on_disk.size() + plan.own.size() > 1) {
    Executor executor = co_await asio::this_coro::executor;
    FanOut all(executor);
    for (const FetchPtr& fetch : plan.own) all.add(run(fetch));
    for (size_t i : plan.on_disk) all.add(read_from_disk(pieces[i]));
    co_await all.join();
  } else if (!plan.own.empty()) {
    co_await run(plan.own.front());
  } else if (!plan.on_disk.empty()) {
    co_await read_from_disk(pieces[plan.on_disk.front()]);
  }
  for (const FetchPtr& fetch : plan.others) {
    while (!fetch->done) co_await fetch->landed.wait();
  }
}

Task ChunkReader::read_from_disk(Piece& piece) {
  const FrameKey key = key_of(piece.at);
  std::optional<Buffer> data = co_await cache_.read(key, piece.at.skip, piece.sectors);
  if (!data) {
    ++counts_.misses;
    co_return;
  }
  ++counts_.hits;
  counts_.from_cache += ByteCount(data->size());
  piece.data = std::move(*data);
}

// False: the fetch does not have it, which says nothing.
Result<bool> ChunkReader::fill(Piece& piece, const Fetch& fetch) const {
  if (!fetch.outcome) return fetch.outcome.error();
  auto found = fetch.opened.find(piece.at.frame_offset);
  if (found == fetch.opened.end()) return false;
  const ObjectName name = objects_.names.chunk(eras_.era_of(fetch.chunk), fetch.chunk);
  if (!found->second) return found->second.error().within(to_string(name));
  const Buffer& raw = *found->second;
  const size_t skip = piece.at.skip * kSectorBytes;
  const size_t length = piece.sectors * kSectorBytes;
  if (skip + length > raw.size()) {
    return Error(ErrorCode::corrupt, to_string(name) + " has a frame shorter than the map says");
  }
  piece.data = raw.slice(skip, length);
  return true;
}

// ---- fetching --------------------------------------------------------------------------------

ChunkReader::FetchPtr ChunkReader::find_fetch(const Location& at) const {
  // Only GETs that begin at most their greatest length before can reach it.
  auto it = under_way_.upper_bound({at.chunk, at.frame_offset});
  while (it != under_way_.begin()) {
    --it;
    const Fetch& fetch = *it->second;
    if (fetch.chunk != at.chunk || fetch.begin_unit + 2 * kMostGetUnits < at.frame_offset) break;
    if (uint32_t{at.frame_offset} + at.frame_length <= fetch.end_unit) return it->second;
  }
  return nullptr;
}

// The fewest GETs that bring these frames; on record from now on.
std::vector<ChunkReader::FetchPtr> ChunkReader::make_fetches(std::vector<Location> frames) {
  std::sort(frames.begin(), frames.end(), is_before_in_log);
  std::vector<FetchPtr> out;
  for (const Location& at : frames) {
    const uint32_t end = uint32_t{at.frame_offset} + at.frame_length;
    if (!out.empty() && out.back()->chunk == at.chunk) {
      Fetch& last = *out.back();
      if (last.frames.back().first == at.frame_offset) continue;
      if (at.frame_offset == last.end_unit && end - last.begin_unit <= kMostGetUnits) {
        last.end_unit = end;
        last.frames.emplace_back(at.frame_offset, at.frame_length);
        continue;
      }
    }
    out.push_back(std::make_shared<Fetch>(gate_.executor(), at.chunk, at.frame_offset, end));
    out.back()->frames.emplace_back(at.frame_offset, at.frame_length);
  }
  for (const FetchPtr& fetch : out) {
    under_way_.emplace(std::pair(fetch->chunk, fetch->begin_unit), fetch);
  }
  return out;
}

Task ChunkReader::run(FetchPtr fetch) {
  ByteRange range{fetch->begin_unit * kSectorBytes,
                  (fetch->end_unit - fetch->begin_unit) * kSectorBytes};
  Result<Buffer> bytes = co_await get(fetch->chunk, range);
  if (bytes) {
    open_frames(*fetch, *bytes);
  } else {
    fetch->outcome = bytes.error();
  }
  auto [it, end] = under_way_.equal_range({fetch->chunk, fetch->begin_unit});
  while (it != end && it->second != fetch) ++it;
  CHECK(it != end);
  under_way_.erase(it);
  fetch->done = true;
  fetch->landed.notify_all();
}

Async<Buffer> ChunkReader::get(Sequence chunk, ByteRange range) {
  const ObjectName name = objects_.names.chunk(eras_.era_of(chunk), chunk);
  GetOptions options;
  ++counts_.gets;
  Result<Buffer> bytes = co_await objects_.store.get(name, range, options);
  if (bytes) {
    counts_.from_store += ByteCount(bytes->size());
    co_return bytes;
  }
  if (bytes.error().code() != ErrorCode::not_found) co_return bytes.error();
  // The map has it, so it was there. Only certain absence is damage; doubt is the store's trouble.
  Presence found = co_await presence_of(objects_.store, name);
  if (found == Presence::no) co_return Error(ErrorCode::corrupt, to_string(name) + " is missing");
  co_return in_doubt(name);
}

// Sound frames go into the cache. Damaged ones are known as such to those who want them.
void ChunkReader::open_frames(Fetch& fetch, const Buffer& bytes) {
  const bool tell_themselves = fetch.frames.empty();
  uint32_t at = fetch.begin_unit;
  for (size_t i = 0; tell_themselves ? at < fetch.end_unit : i < fetch.frames.size(); ++i) {
    uint32_t length = 0;
    if (tell_themselves) {
      length = frame_units(bytes.bytes().subspan((at - fetch.begin_unit) * kSectorBytes));
      if (length == 0 || at + length > fetch.end_unit) break;
    } else {
      at = fetch.frames[i].first;
      length = fetch.frames[i].second;
    }
    const auto offset = static_cast<uint16_t>(at);
    Buffer stored = bytes.slice((at - fetch.begin_unit) * kSectorBytes, length * kSectorBytes);
    Result<Buffer> raw = open_frame(fetch.chunk, offset, std::move(stored));
    if (raw) cache_.insert(FrameKey(eras_.era_of(fetch.chunk), fetch.chunk, offset), *raw);
    fetch.opened.emplace(offset, std::move(raw));
    at += length;
  }
  fetch.walked_to = at;
}

// ---- fetching ahead --------------------------------------------------------------------------

void ChunkReader::prefetch(const std::vector<Location>& frames) {
  // Cut in the order in which the frames are wanted, so that it is the later ones that are left
  // out.
  size_t gets = prefetches_under_way_;
  std::vector<Location> missing;
  for (const Location& at : frames) {
    if (is_cached(at) || find_fetch(at)) continue;
    const bool goes_on =
        !missing.empty() && missing.back().chunk == at.chunk &&
        (missing.back().frame_offset == at.frame_offset ||
         missing.back().frame_offset + missing.back().frame_length == at.frame_offset);
    if (!goes_on && ++gets > kMostPrefetches) break;
    missing.push_back(at);
  }
  if (missing.empty() || gate_.closed()) return;
  for (FetchPtr& fetch : make_fetches(std::move(missing))) {
    ++prefetches_under_way_;
    gate_.spawn("read ahead", run_prefetch(std::move(fetch)));
  }
}

Task ChunkReader::run_prefetch(FetchPtr fetch) {
  ++counts_.prefetches;
  co_await run(fetch);
  --prefetches_under_way_;
}

std::vector<Location> ChunkReader::not_cached(std::vector<Location> frames) const {
  std::erase_if(frames, [this](const Location& at) { return is_cached(at) || find_fetch(at); });
  std::sort(frames.begin(), frames.end(), is_before_in_log);
  auto is_same = [](const Location& a, const Location& b) {
    return !is_before_in_log(a, b) && !is_before_in_log(b, a);
  };
  frames.erase(std::unique(frames.begin(), frames.end(), is_same), frames.end());
  return frames;
}

Async<void> ChunkReader::bring(std::vector<Location> frames) {
  std::vector<FetchPtr> fetches = make_fetches(std::move(frames));
  size_t next = 0;
  Executor executor = co_await asio::this_coro::executor;
  FanOut all(executor);
  for (size_t i = 0; i < kGetsOfBring; ++i) all.add(run_some(fetches, next));
  co_await all.join();
  for (const FetchPtr& fetch : fetches) {
    if (!fetch->outcome) co_return fetch->outcome;
    for (const auto& [offset, raw] : fetch->opened) {
      if (!raw) co_return raw.error();
    }
  }
  co_return Result<void>();
}

Task ChunkReader::run_some(std::vector<FetchPtr>& fetches, size_t& next) {
  while (next < fetches.size()) {
    FetchPtr fetch = fetches[next++];
    co_await cache_.catch_up();
    co_await run(fetch);
  }
}

// Frames that are missed in the order in which they were written tell that the next ones in the
// log will be wanted as well, wherever on the disk they are. Neighbours that one read misses are
// one piece of evidence.
void ChunkReader::look_along_log(const std::vector<Piece>& pieces) {
  for (size_t i = 0; i < pieces.size();) {
    const Location& first = pieces[i].at;
    uint32_t end = first.frame_offset + first.frame_length;
    const bool is_missed = pieces[i].data.empty();
    while (++i < pieces.size() && pieces[i].data.empty() && pieces[i].at.chunk == first.chunk &&
           pieces[i].at.frame_offset <= end && pieces[i].at.frame_offset >= first.frame_offset) {
      end = std::max(end, uint32_t{pieces[i].at.frame_offset} + pieces[i].at.frame_length);
    }
    const uint64_t place = first.chunk.value() * kUnitsOfChunk + first.frame_offset;
    if (is_missed) go_along_log(log_order_.read(place, end - first.frame_offset));
  }
}

void ChunkReader::go_along_log(const ReadAhead::Seen& seen) {
  if (!seen.fetch || gate_.closed() || prefetches_under_way_ >= kMostPrefetches) return;
  const Sequence chunk(seen.fetch->first / kUnitsOfChunk);
  const auto begin = static_cast<uint32_t>(seen.fetch->first % kUnitsOfChunk);
  const auto end = static_cast<uint32_t>(std::min(begin + seen.fetch->count, kUnitsOfChunk));
  ++prefetches_under_way_;
  gate_.spawn("read ahead in the log", prefetch_log(chunk, begin, end));
}

Task ChunkReader::prefetch_log(Sequence chunk, uint32_t begin_unit, uint32_t end_unit) {
  if (log_walks_.size() >= kMostLogWalks) log_walks_.clear();
  // One after the other: where frames begin is known when those before them are there.
  FetchPtr before = log_walks_[chunk.value()].newest;
  while (before && !before->done) {
    co_await before->landed.wait();
    before = log_walks_[chunk.value()].newest;
  }
  if (log_walks_[chunk.value()].object_units == 0) {
    const ObjectName name = objects_.names.chunk(eras_.era_of(chunk), chunk);
    GetOptions options;
    Result<ObjectInfo> info = co_await objects_.store.head(name, options);
    if (info) log_walks_[chunk.value()].object_units = info->size / kSectorBytes;
  }
  LogWalk& walk = log_walks_[chunk.value()];
  const bool goes_on = begin_unit > walk.end_unit && begin_unit - walk.end_unit < kMostFrameUnits;
  if (goes_on) begin_unit = walk.end_unit;
  end_unit = static_cast<uint32_t>(std::min<uint64_t>(end_unit, walk.object_units));
  // Others may have come here meanwhile.
  const Location first{chunk, static_cast<uint16_t>(begin_unit), 1, 0};
  if (begin_unit < end_unit && !is_cached(first) && !find_fetch(first) && !gate_.closed()) {
    auto fetch = std::make_shared<Fetch>(gate_.executor(), chunk, begin_unit, end_unit);
    under_way_.emplace(std::pair(chunk, begin_unit), fetch);
    walk.newest = fetch;
    ++counts_.prefetches;
    co_await run(fetch);
    LogWalk& now = log_walks_[chunk.value()];
    if (!fetch->opened.empty()) now.end_unit = fetch->walked_to;
    if (now.newest == fetch) now.newest = nullptr;  // its data are not to be held on to
  }
  --prefetches_under_way_;
}

}  // namespace swiftness
