#include "backend/volume/garbage_collector.h"

#include <algorithm>
#include <cmath>

#include "backend/base/log.h"
#include "backend/volume/recovery.h"

namespace swiftness {
namespace {

constexpr size_t kDeletedAtOnce = 64;
constexpr double kMostLive = 0.85;   // of a chunk's bytes, beyond which moving them wins nothing
constexpr double kReadWhole = 0.25;  // live part of a chunk above which it is read as a whole
constexpr double kReadAtOnce = 4;    // chunks, when it is urgent
constexpr Duration kRetryPause = std::chrono::seconds(1);

// Visits the parts of a range page by page: (page, first sector, sectors).
template <class Visit>
void for_each_page_of(uint64_t first, uint64_t sectors, Visit visit) {
  for (uint64_t at = first; at < first + sectors;) {
    const uint64_t page = at / kPageSectors;
    const uint64_t stop = std::min(first + sectors, (page + 1) * kPageSectors);
    visit(page, at, stop - at);
    at = stop;
  }
}

// Drops every part that something changed in; the parts are ascending.
void leave_out(std::vector<ChunkPart>& parts, std::vector<ExtentMap::Changed> changed) {
  std::sort(changed.begin(), changed.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  auto range = changed.begin();
  Sector changed_end;  // of all ranges that begin before the part's end
  std::erase_if(parts, [&](const ChunkPart& part) {
    for (; range != changed.end() && range->first < part.first + part.sectors; ++range) {
      changed_end = std::max(changed_end, range->first + range->sectors);
    }
    return part.first < changed_end;
  });
}

// How far a value is on its way, from 0 to 1.
double progress(double value, double from, double to) {
  if (value <= from) return 0;
  return value >= to ? 1 : (value - from) / (to - from);
}

struct Wanted {
  Location at;
  SectorCount sectors;
};

// Stretches of a whole chunk object, verified. Copies: a few live sectors shall not keep all of it
// in memory.
Result<std::vector<Buffer>> cut_out(const Buffer& whole, const std::vector<Wanted>& wanted) {
  std::vector<Buffer> out;
  std::map<uint16_t, Buffer> frames;
  for (const auto& [at, sectors] : wanted) {
    auto frame = frames.find(at.frame_offset);
    if (frame == frames.end()) {
      const size_t begin = at.frame_offset * kSectorBytes;
      const size_t length = at.frame_length * kSectorBytes;
      if (begin + length > whole.size()) {
        return Error(ErrorCode::corrupt, "it ends inside a frame");
      }
      Result<Buffer> opened = open_frame(at.chunk, at.frame_offset, whole.slice(begin, length));
      if (!opened) return opened.error();
      frame = frames.emplace(at.frame_offset, std::move(*opened)).first;
    }
    const size_t skip = at.skip * kSectorBytes;
    const size_t length = sectors.value() * kSectorBytes;
    if (skip + length > frame->second.size()) {
      return Error(ErrorCode::corrupt, "it has a frame shorter than the map says");
    }
    out.push_back(Buffer::copy_of(frame->second.slice(skip, length).bytes()));
  }
  return out;
}

}  // namespace

std::vector<Victim> choose_victims(const ChunkLedger& ledger, Sequence durable,
                                   const std::set<Sequence>& excluded, size_t most) {
  std::vector<Victim> out;
  auto better = [](const Victim& a, const Victim& b) { return a.score > b.score; };
  ledger.visit([&](const LedgerEntry& entry) {
    if (entry.live == 0 || entry.chunk > durable || excluded.contains(entry.chunk)) return;
    const double used = static_cast<double>(entry.live) / entry.stored;
    if (used > kMostLive) return;
    const double age =
        static_cast<double>(durable.value() - std::min(durable, entry.birth).value()) + 1;
    const double score = (1 - used) * std::cbrt(age) / (1 + used);
    if (out.size() == most && score <= out.back().score) return;
    const Victim victim{entry.chunk, score};
    out.insert(std::upper_bound(out.begin(), out.end(), victim, better), victim);
    if (out.size() > most) out.pop_back();
  });
  return out;
}

GarbageCollector::GarbageCollector(
    Gate& gate, const VolumeObjects& objects, const EraHistory& eras, ExtentMap& map,
    ChunkLedger& ledger, LeafLoader& loader, ChunkReader& reader, CollectorOptions options,
    Executor workers, std::function<std::optional<Sequence>(std::vector<ChunkPart>)> seal,
    std::function<bool()> has_room)
    : gate_(gate),
      objects_(objects),
      eras_(eras),
      map_(map),
      ledger_(ledger),
      loader_(loader),
      reader_(reader),
      options_(options),
      workers_(std::move(workers)),
      seal_(std::move(seal)),
      has_room_(std::move(has_room)),
      wake_(gate.executor()) {}

void GarbageCollector::start() {
  ledger_.visit([this](const LedgerEntry& entry) { shares_known_ &= !entry.shared; });
  gate_.spawn("collect garbage", run());
}

void GarbageCollector::stop() {
  stopping_ = true;
  wake_.notify_all();
}

void GarbageCollector::durable(Sequence frontier) {
  frontier_ = frontier;
  on_their_way_.erase(on_their_way_.begin(), on_their_way_.upper_bound(frontier));
  look();
}

void GarbageCollector::look() {
  note_burst();
  wake_.notify_all();
}

void GarbageCollector::root_written(const std::vector<Sequence>& dead, Sequence oldest_covered,
                                    std::vector<ObjectName> map_garbage) {
  oldest_covered_ = oldest_covered;
  barren_.clear();
  for (Sequence chunk : dead) {
    const LedgerEntry* entry = ledger_.find(chunk);
    if (entry == nullptr) continue;
    const uint64_t bytes = entry->stored * kSectorBytes;
    if (condemned_.try_emplace(chunk, Condemned{now(), bytes}).second) {
      counters_.awaiting_bytes += bytes;
    }
  }
  for (ObjectName& name : map_garbage) map_garbage_.push_back(std::move(name));
  look();
}

Task GarbageCollector::run() {
  while (!stopping_) {
    // In turns with the cleaning: where much is written for long, that never ends.
    const bool deleted = co_await delete_some();
    if (stopping_) break;
    const bool has_room = may_move();
    if (has_room && wants_cleaning()) {
      const TimePoint begun = now();
      const bool cleaned = co_await clean_some();
      // Foreground I/O first: as long a rest as the work was; less, the nearer garbage is to
      // winning.
      Duration rest = kRetryPause;
      if (cleaned) {
        rest = std::chrono::duration_cast<Duration>((1 - urgency()) * (now() - begun));
      }
      if (rest > Duration::zero() && !stopping_) co_await wake_.wait_for(rest);
      continue;
    }
    // The chunks they came from stay until then, and they may be many.
    const bool may_seal = has_room && sealing_wins();
    if (may_seal && until_moving_is_due() <= Duration::zero()) {
      co_await seal_moving();
      continue;
    }
    if (deleted) continue;
    std::optional<Duration> next = next_deletion();
    if (may_seal) next = std::min(next.value_or(Duration::max()), until_moving_is_due());
    if (next) {
      co_await wake_.wait_for(std::max<Duration>(*next, std::chrono::milliseconds(1)));
    } else {
      co_await wake_.wait();
    }
  }
}

// ---- moving ------------------------------------------------------------------------------------

double GarbageCollector::used() const {
  return static_cast<double>((ledger_.stored() - ledger_.dead_stored()).value());
}

double GarbageCollector::allowed(double utilization, double slacks) const {
  const double slack =
      static_cast<double>(options_.slack_chunks * options_.chunk_bytes / kSectorBytes);
  return static_cast<double>(ledger_.needed().value()) / utilization + slacks * slack;
}

bool GarbageCollector::wants_cleaning() const {
  // What is being moved is garbage as soon as its new chunk is sealed.
  return used() - static_cast<double>(moving_stored_) > cleaned_space();
}

// What is in the queue before users' data makes them wait. When garbage does so already, a few go
// in all the same.
bool GarbageCollector::may_move() const {
  constexpr size_t kMostOnTheirWay = 8;  // chunks
  return has_room_() || (behind() > 0 && on_their_way_.size() < kMostOnTheirWay);
}

double GarbageCollector::behind() const {
  const double more = burst();
  return progress(used(), much_space() + more, most_space() + more);
}

double GarbageCollector::urgency() const {
  return progress(used(), cleaned_space(), much_space() + burst());
}

// In sectors.
double GarbageCollector::burst() const {
  const auto all = static_cast<double>(options_.burst.value() / kSectorBytes);
  if (!burst_since_) return all;
  const std::chrono::duration<double> lasted = now() - *burst_since_;
  const std::chrono::duration<double> most = options_.burst_time;
  return all * (1 - progress(lasted.count(), 0, most.count()));
}

// A burst begins with the garbage that makes writers give way, and ends when cleaning caught up.
void GarbageCollector::note_burst() {
  if (!wants_cleaning()) {
    burst_since_.reset();
  } else if (!burst_since_ && used() > much_space()) {
    burst_since_ = now();
  }
}

bool GarbageCollector::waits_for_root() const {
  if (!condemned_.empty() && condemned_.rbegin()->first > oldest_covered_) return true;
  return ledger_.dead_stored().value() * kSectorBytes > counters_.awaiting_bytes;
}

asio::awaitable<bool> GarbageCollector::clean_some() {
  std::set<Sequence> excluded = emptied_;
  excluded.insert(hopeless_.begin(), hopeless_.end());
  excluded.insert(barren_.begin(), barren_.end());
  const auto count = static_cast<size_t>(1 + urgency() * (kReadAtOnce - 1));
  const std::vector<Victim> victims = choose_victims(ledger_, frontier_, excluded, count);
  if (victims.empty()) {
    if (sealing_wins()) co_await seal_moving();
    co_return false;
  }
  const bool any_shared = std::ranges::any_of(victims, [this](const Victim& victim) {
    const LedgerEntry* entry = ledger_.find(victim.chunk);
    return entry != nullptr && entry->shared;
  });
  if (any_shared && !shares_known_) {
    Result<void> known = co_await find_shares();
    if (!known) {
      log::debug("volume {}: garbage collection, will try again: {}", objects_.descriptor.name,
                 known.error().message());
      co_return false;
    }
  }
  std::vector<ReadOut> found(victims.size());
  FanOut all(gate_.executor());
  for (size_t i = 0; i < victims.size(); ++i) {
    found[i].chunk = victims[i].chunk;
    all.add(read_out(found[i]));
  }
  co_await all.join();
  bool any = false;
  for (size_t i = 0; i < found.size() && !stopping_; ++i) {
    const Result<void>& outcome = found[i].outcome;
    if (outcome) {
      co_await move_out(found[i].chunk, std::move(found[i].parts));
      any = true;
    } else if (outcome.error().code() == ErrorCode::corrupt) {
      log::error("volume {}: garbage collection leaves chunk {} alone: {}",
                 objects_.descriptor.name, found[i].chunk.value(), outcome.error().message());
      hopeless_.insert(found[i].chunk);
    } else {
      log::debug("volume {}: garbage collection, will try again: {}", objects_.descriptor.name,
                 outcome.error().message());
    }
  }
  co_return any;
}

Task GarbageCollector::read_out(ReadOut& out) {
  Result<ChunkHead> head = co_await read_chunk_head(objects_, eras_.era_of(out.chunk), out.chunk);
  if (!head) {
    out.outcome = head.error();
    co_return;
  }
  Result<std::vector<ChunkPart>> parts = co_await live_parts(head->header);
  if (!parts) {
    out.outcome = parts.error();
    co_return;
  }
  out.parts = std::move(*parts);
  out.outcome = co_await fill(head->header, out.parts);
}

Task GarbageCollector::move_out(Sequence chunk, std::vector<ChunkPart> parts) {
  const LedgerEntry* entry = ledger_.find(chunk);
  if (entry == nullptr) co_return;
  const uint32_t stored = entry->stored;  // sealing moves the ledger's entries
  const size_t limit = std::min(options_.chunk_bytes, kChunkBytes);
  for (ChunkPart& part : parts) {
    const uint64_t sectors = part.sectors.value();
    const size_t bytes =
        chunk_bytes_bound(moving_.size() + 1, moving_.size() + 1, moving_sectors_ + sectors);
    if (bytes > limit && !moving_.empty()) co_await seal_moving();
    moving_sectors_ += sectors;
    counters_.moved_bytes += sectors * kSectorBytes;
    if (moving_.empty()) moving_since_ = now();
    moving_.push_back(std::move(part));
  }
  // Parts of it may have been sealed already; it counts as emptied until the last is.
  if (emptied_.insert(chunk).second) moving_stored_ += stored;
  if (moving_.empty()) co_await seal_moving();
}

// What the map still has in this chunk. Read page by page, each on the turn on which it is known.
Async<std::vector<ChunkPart>> GarbageCollector::live_parts(const ChunkHeader& header) {
  std::vector<Stretch> stretches;
  for (const ChunkExtent& extent : header.extents) {
    if (extent.has_data()) stretches.push_back({extent.first.value(), extent.sectors.value()});
  }
  if (auto shares = shares_.find(header.sequence); shares != shares_.end()) {
    stretches.insert(stretches.end(), shares->second.begin(), shares->second.end());
  }
  merge(stretches);
  std::map<uint64_t, std::vector<Stretch>> by_page;
  for (const Stretch& stretch : stretches) {
    for_each_page_of(stretch.first, stretch.sectors,
                     [&](uint64_t page, uint64_t first, uint64_t sectors) {
                       by_page[page].push_back({first, sectors});
                     });
  }
  std::vector<uint64_t> pages;
  for (const auto& [page, in_page] : by_page) pages.push_back(page);
  std::vector<ChunkPart> parts;
  auto visit = [&](uint64_t page) {
    for (const Stretch& stretch : by_page[page]) {
      for (const ExtentMap::Piece& piece :
           map_.lookup(Sector(stretch.first), SectorCount(stretch.sectors))) {
        if (!piece.at || piece.at->chunk != header.sequence) continue;
        parts.push_back(
            {ExtentKind::moved, piece.first, piece.sectors, *piece.at, {}, map_.leaf_place(page)});
      }
    }
  };
  Result<void> looked = co_await loader_.each(std::move(pages), visit);
  if (!looked) co_return looked.error();
  std::sort(parts.begin(), parts.end(),
            [](const ChunkPart& a, const ChunkPart& b) { return a.first < b.first; });
  co_return parts;
}

// Ascending, without overlaps.
void GarbageCollector::merge(std::vector<Stretch>& stretches) {
  std::sort(stretches.begin(), stretches.end(),
            [](const Stretch& a, const Stretch& b) { return a.first < b.first; });
  size_t kept = 0;
  for (const Stretch& next : stretches) {
    if (kept > 0 && next.first <= stretches[kept - 1].first + stretches[kept - 1].sectors) {
      Stretch& last = stretches[kept - 1];
      last.sectors = std::max(last.sectors, next.first + next.sectors - last.first);
    } else {
      stretches[kept++] = next;
    }
  }
  stretches.resize(kept);
}

void GarbageCollector::share(Sequence chunk, Sector first, SectorCount sectors) {
  std::vector<Stretch>& shares = shares_[chunk];
  // Copied to the same place again and again they are no more than they were. Room for as many
  // again keeps the next merge as far away as this one was dear.
  if (shares.size() == shares.capacity()) {
    merge(shares);
    shares.reserve(2 * shares.size() + 1);
  }
  shares.push_back({first.value(), sectors.value()});
}

Async<void> GarbageCollector::find_shares() {
  auto visit = [this](uint64_t page) {
    for (const ExtentMap::Piece& piece :
         map_.lookup(Sector(page * kPageSectors), SectorCount(kPageSectors))) {
      if (!piece.at) continue;
      const LedgerEntry* entry = ledger_.find(piece.at->chunk);
      if (entry != nullptr && entry->shared) share(entry->chunk, piece.first, piece.sectors);
    }
  };
  Result<void> looked = co_await loader_.each(map_.pages(), visit);
  if (looked) shares_known_ = true;
  co_return looked;
}

Async<void> GarbageCollector::fill(const ChunkHeader& header, std::vector<ChunkPart>& parts) {
  uint64_t sectors = 0;
  for (const ChunkPart& part : parts) sectors += part.sectors.value();
  if (static_cast<double>(sectors * kSectorBytes) <
      kReadWhole * static_cast<double>(header.object_size)) {
    std::vector<ChunkReader::Piece> pieces;
    std::vector<size_t> order(parts.size());
    for (size_t i = 0; i < parts.size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(), [&parts](size_t a, size_t b) {
      return pack(parts[a].source) < pack(parts[b].source);
    });
    for (size_t i : order) pieces.push_back({parts[i].source, parts[i].sectors.value(), {}});
    counters_.read_bytes += sectors * kSectorBytes;
    if (!reader_.try_read(pieces)) {
      Result<void> read = co_await reader_.read(pieces, false);
      if (!read) co_return read;
    }
    for (size_t i = 0; i < order.size(); ++i) {
      parts[order[i]].data = BufferList(Buffer::copy_of(pieces[i].data.bytes()));
    }
    co_return Result<void>();
  }
  const ObjectName name = objects_.names.chunk(header.era, header.sequence);
  GetOptions options;
  Result<Buffer> whole = co_await objects_.store.get(name, ByteRange::whole(), options);
  if (!whole) co_return whole.error();
  if (whole->size() != header.object_size) {
    co_return Error(ErrorCode::corrupt, to_string(name) + " is not as long as its header says");
  }
  counters_.read_bytes += whole->size();
  std::vector<Wanted> wanted;
  for (const ChunkPart& part : parts) wanted.push_back({part.source, part.sectors});
  auto work = [whole = std::move(*whole), wanted = std::move(wanted)] {
    return cut_out(whole, wanted);
  };
  Result<std::vector<Buffer>> data =
      co_await offload<std::vector<Buffer>>(workers_, std::move(work));
  if (!data) co_return data.error().within(to_string(name));
  for (size_t i = 0; i < parts.size(); ++i) parts[i].data = BufferList(std::move((*data)[i]));
  co_return Result<void>();
}

// Data that were moved wait for company as long as chunks wait for their deletion.
Duration GarbageCollector::until_moving_is_due() const {
  return moving_since_ + options_.deletion_delay - now();
}

// A chunk that is not full is made of moved data only where it takes less room than what they came
// from: else a small one would be moved again and again.
bool GarbageCollector::sealing_wins() const {
  if (moving_.empty()) return false;
  const size_t bytes = chunk_bytes_bound(moving_.size(), moving_.size(), moving_sectors_);
  return moving_stored_ * kSectorBytes * 3 / 4 > bytes;
}

Task GarbageCollector::seal_moving() {
  std::vector<ChunkPart> parts = std::exchange(moving_, {});
  moving_sectors_ = 0;
  map_.note_changes();
  std::vector<ChunkPart> wanted = co_await still_there(std::move(parts));
  leave_out(wanted, map_.noted_changes());
  if (stopping_) co_return;
  if (!wanted.empty()) {
    const std::optional<Sequence> sealed = seal_(std::move(wanted));
    if (sealed) on_their_way_.insert(*sealed);
  }
  // Whatever was live of these chunks is in the new one, or was overwritten meanwhile. What the
  // ledger still counts, it may learn of when the next checkpoint merges leaves: not before that is
  // the chunk chosen again.
  for (Sequence chunk : std::exchange(emptied_, {})) {
    const LedgerEntry* entry = ledger_.find(chunk);
    if (entry == nullptr) continue;
    if (entry->live == 0) {
      proven_.insert(chunk);
    } else {
      barren_.insert(chunk);
    }
  }
  moving_stored_ = 0;
}

// Of the parts, what the map still has where they come from, in the order of the disk. A little at
// a time: writers shall not wait for thousands of looks.
asio::awaitable<std::vector<ChunkPart>> GarbageCollector::still_there(
    std::vector<ChunkPart> parts) {
  std::sort(parts.begin(), parts.end(),
            [](const ChunkPart& a, const ChunkPart& b) { return a.first < b.first; });
  std::vector<ChunkPart> out;
  out.reserve(parts.size());
  std::vector<ExtentMap::Piece> pieces;
  for (size_t i = 0; i < parts.size() && !stopping_; ++i) {
    if (i % options_.looks_at_once == 0) co_await next_turn();
    ChunkPart& part = parts[i];
    const MapPlace leaf = map_.leaf_place(part.first.value() / kPageSectors);
    map_.lookup(part.first, part.sectors, pieces);
    for (const ExtentMap::Piece& piece : pieces) {
      const uint64_t offset = (piece.first - part.first).value();
      const Location at = part.source.advanced(offset);
      const bool unchanged = piece.unknown && leaf == part.leaf;
      if (!unchanged && (!piece.at || *piece.at != at)) continue;
      const uint64_t sectors = piece.sectors.value();
      const bool all = sectors == part.sectors.value();
      out.push_back({ExtentKind::moved, piece.first, piece.sectors, at,
                     all ? std::move(part.data)
                         : part.data.slice(offset * kSectorBytes, sectors * kSectorBytes),
                     leaf});
    }
  }
  co_return out;
}

// ---- deleting ----------------------------------------------------------------------------------

std::optional<Duration> GarbageCollector::next_deletion() const {
  if (!map_garbage_.empty()) return kRetryPause;
  std::optional<Duration> out;
  for (const auto& [chunk, condemned] : condemned_) {
    if (chunk > oldest_covered_) break;
    const bool crowded = counters_.awaiting_bytes > options_.most_awaiting.value();
    Duration left = crowded ? Duration::zero() : condemned.since + options_.deletion_delay - now();
    left = std::max(left, failed_until_ - now());
    if (!out || left < *out) out = left;
  }
  return out;
}

asio::awaitable<bool> GarbageCollector::delete_some() {
  if (now() < failed_until_) co_return false;
  std::vector<ObjectName> names = std::exchange(map_garbage_, {});
  std::map<ObjectName, Sequence> chunks;
  const bool crowded = counters_.awaiting_bytes > options_.most_awaiting.value();
  std::vector<Sequence> due;
  for (const auto& [chunk, condemned] : condemned_) {
    if (chunk > oldest_covered_ || due.size() == kDeletedAtOnce) break;
    if (crowded || condemned.since + options_.deletion_delay <= now()) due.push_back(chunk);
  }
  for (Sequence chunk : due) {
    Result<bool> dead = co_await prove_dead(chunk);
    if (!dead) {
      failed_until_ = now() + kRetryPause;
      break;
    }
    if (!*dead) continue;
    ObjectName name = objects_.names.chunk(eras_.era_of(chunk), chunk);
    chunks[name] = chunk;
    names.push_back(std::move(name));
  }
  if (names.empty() || stopping_) co_return false;
  Result<RemoveReport> report = co_await objects_.store.remove(names);
  if (!report) {
    failed_until_ = now() + kRetryPause;
    for (ObjectName& name : names) {
      if (!chunks.contains(name)) map_garbage_.push_back(std::move(name));
    }
    co_return false;
  }
  for (const RemoveReport::Failure& failure : report->failures) {
    log::debug("volume {}: cannot delete {}, will try again: {}", objects_.descriptor.name,
               to_string(failure.object), failure.error.message());
    failed_until_ = now() + kRetryPause;
    if (chunks.erase(failure.object) == 0) map_garbage_.push_back(failure.object);
  }
  for (const auto& [name, chunk] : chunks) {
    auto condemned = condemned_.find(chunk);
    counters_.awaiting_bytes -= condemned->second.bytes;
    counters_.deleted_bytes += condemned->second.bytes;
    ++counters_.deleted_chunks;
    condemned_.erase(condemned);
    proven_.erase(chunk);
    shares_.erase(chunk);
    ledger_.remove(chunk);
  }
  co_return true;
}

// The ledger says so; the chunk's own header and the map say it again.
Async<bool> GarbageCollector::prove_dead(Sequence chunk) {
  if (proven_.contains(chunk)) co_return true;
  Result<ChunkHead> head = co_await read_chunk_head(objects_, eras_.era_of(chunk), chunk);
  if (!head && head.error().code() == ErrorCode::not_found) {
    // Deleted before a crash that forgot it.
    const ObjectName name = objects_.names.chunk(eras_.era_of(chunk), chunk);
    Presence found = co_await presence_of(objects_.store, name);
    if (found == Presence::no) co_return true;
    co_return in_doubt(name);
  }
  if (!head) co_return head.error();
  Result<std::vector<ChunkPart>> parts = co_await live_parts(head->header);
  if (!parts) co_return parts.error();
  if (parts->empty()) {
    proven_.insert(chunk);
    co_return true;
  }
  log::error("volume {}: chunk {} counts as dead and is not; it is kept", objects_.descriptor.name,
             chunk.value());
  counters_.awaiting_bytes -= condemned_.at(chunk).bytes;
  condemned_.erase(chunk);
  co_return false;
}

}  // namespace swiftness
