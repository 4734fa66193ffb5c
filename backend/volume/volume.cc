#include "backend/volume/volume.h"

#include <algorithm>

#include "backend/base/log.h"
#include "backend/volume/cache_file.h"
#include "backend/volume/epoch.h"
#include "backend/volume/parked_chunk.h"

namespace swiftness {
namespace {

// Ahead of sequential readers, in sectors: 256 KiB to 32 MiB of each, all of them together half of
// what memory holds, so that none drives out what another has not read yet.
ReadAhead::Options read_ahead_of(const VolumeOptions& options) {
  return {512, 65536, options.read_memory.value() / 2 / kSectorBytes};
}

VolumeOptions with_workers(VolumeOptions options, const Executor& otherwise) {
  if (!options.workers) options.workers = otherwise;
  return options;
}

Error offline(DeviceState state) {
  switch (state) {
    case DeviceState::fenced:
      return Error(ErrorCode::fenced, "the volume was taken over by another gateway");
    case DeviceState::stopped:
      return Error(ErrorCode::unavailable, "the volume is stopped");
    default:
      return Error(ErrorCode::unavailable, "the volume is not attached yet");
  }
}

}  // namespace

Error Volume::given_up() {
  return Error(ErrorCode::cancelled, "given up before it took effect");
}

Volume::Volume(Executor executor, ObjectStore& store, VolumeDescriptor descriptor,
               VolumeOptions options)
    : executor_(executor),
      objects_{store, descriptor, VolumeNames(descriptor.uuid)},
      options_(with_workers(std::move(options), executor)),
      gate_(executor),
      changed_(executor),
      size_(descriptor.created_size),
      root_size_(descriptor.created_size),
      quota_(options_.quota),
      uploader_(
          objects_, gate_,
          Uploader::Options{options_.uploads_in_flight, options_.retry_pause,
                            options_.dirty_memory.value() / 2, options_.workers},
          [this](uint64_t released) { on_upload_progress(released); },
          [this](const SealedChunk& parked) { return restore(parked); }),
      cache_(executor, descriptor.name, descriptor.uuid, options_.read_memory),
      reader_(objects_, eras_, gate_, cache_),
      sequential_(read_ahead_of(options_)) {}

Volume::Mapping::Mapping(Executor executor, Executor workers, const VolumeObjects& objects,
                         const EraHistory& eras, ByteCount map_memory)
    : map(ledger, ByteCount(map_memory.value() / 2)),
      reader(objects, eras),
      loader(executor, reader, map),
      checkpointer(executor, workers, objects, map, ledger, eras, loader) {}

Volume::~Volume() = default;

// ---- taking over -------------------------------------------------------------------------------

Async<void> Volume::attach() {
  CHECK(state_ == DeviceState::attaching);
  Gate::Pass pass(gate_);
  Result<void> allowed = co_await may_claim();
  if (!allowed) {
    co_await drop_journal();
    co_return allowed;
  }
  ClaimTimes times{options_.claim_settle, options_.claim_limit};
  Result<Era> era = co_await claim_epoch(objects_, times);
  if (!era) co_return era.error();
  Result<void> fenced = co_await raise_fence(objects_, *era);
  if (!fenced) co_return fenced;
  Result<std::optional<Start>> highest = co_await find_highest_start(objects_, era->epoch);
  if (!highest) co_return highest.error();
  mapping_ =
      std::make_unique<Mapping>(executor_, options_.workers, objects_, eras_, options_.map_memory);
  Result<RecoveredLog> log =
      co_await recover_log(objects_, *highest, mapping_->map, mapping_->ledger);
  Result<void> proven = log ? Result<void>() : Result<void>(log.error());
  if (proven) proven = co_await prove_tail(objects_, *log);
  if (proven || proven.error().code() == ErrorCode::corrupt) {
    // A gateway that attached after us deletes what it does not need: what was seen, or missed,
    // says something of the log and of our journal only if there is none.
    Result<void> ours = co_await check_ownership(objects_, *era);
    if (!ours) co_return ours;
  }
  if (!proven) co_return proven;

  Result<void> journal = co_await take_journal(*era, *highest, log->position);
  if (!journal) co_return journal;

  Start start;
  start.era = *era;
  start.predecessor = log->end;
  start.base = log->base.name;
  start.upload_window = options_.uploads_in_flight;
  start.started_at = unix_seconds();
  start.journaled = journal_ != nullptr;
  Result<void> published = co_await publish_start(objects_, start);
  Result<void> ours = published;
  if (ours) {
    // Only a hint: without it the next attach looks a little longer.
    Result<void> hinted = co_await write_head(objects_, RootName{*era, 0});
    if (!hinted) log::debug("volume {}: {}", objects_.descriptor.name, hinted.error().message());
    // Last, for all before it may have taken as long as a store can: nobody goes online who could
    // have seen that another gateway did.
    ours = co_await check_ownership(objects_, *era);
  }
  if (ours && quitting_) ours = offline(DeviceState::stopped);
  if (!ours) {
    co_await drop_journal();
    co_return ours;
  }
  start_log(*era, std::move(*log));
  Result<void> replayed = co_await replay_journal();
  if (!replayed) {
    // The log goes on already: there is no way back to try again.
    log::error("volume {}: {}; not served", objects_.descriptor.name, replayed.error().message());
    become(DeviceState::stopped);
    quit();
    co_return replayed;
  }
  // A replay may wait for uploads, and so for the store: the look before it may be old by now.
  while (journal_ && !quitting_) {
    Result<void> still_ours = co_await verify_ownership_once();
    if (still_ours) break;
  }
  co_await count_metadata();
  if (quitting_) co_return offline(state_);
  become(DeviceState::online);
  if (checkpoint_due()) start_checkpoint();
  co_return Result<void>();
}

void Volume::start_log(Era era, RecoveredLog log) {
  const uint64_t behind = (log.end.last - log.base.covered).value();
  log::info("volume {}: attached in epoch {}, {} chunks, {} of them since the last checkpoint",
            objects_.descriptor.name, era.epoch.value(), log.end.last.value(), behind);
  era_ = era;
  start_base_ = log.base.name;
  eras_ = std::move(log.eras);
  eras_.begin(era, log.end.last.next(), log.base.next_object);
  size_ = root_size_ = log.base.size;
  metadata_ = SectorCount(0);
  position_ = log.position;
  last_hash_ = log.end.header_hash;
  verified_ = log.end.last;
  builder_ = ChunkBuilder();
  uploader_.begin(log.end.last, log.position);
  mapping_->checkpointer.begin(era, log.base);
  chunks_since_root_ = static_cast<uint32_t>(behind);
  CollectorOptions collecting = options_.collector;
  collecting.chunk_bytes = options_.chunk_bytes;
  collector_ = std::make_unique<GarbageCollector>(
      gate_, objects_, eras_, mapping_->map, mapping_->ledger, mapping_->loader, reader_,
      collecting, options_.workers,
      [this](std::vector<ChunkPart> parts) { return seal_moved(std::move(parts)); },
      [this] { return uploader_.has_room(); });
  collector_->durable(uploader_.frontier());
  if (options_.read_cache) {
    ReadCache::Open open = options_.read_cache->open;
    if (!open) {
      open = [file = *options_.read_cache] {
        return CacheFile::open(file.file, file.size.value());
      };
    }
    cache_.start(std::move(open));
  }
  gate_.spawn("seal when idle", seal_when_idle());
  if (journal_) gate_.spawn("park chunks", park_chunks());
  gate_.spawn("watch the fence", watch_fence());
  gate_.spawn("count what was erased", bury_detached());
  if (log.damaged_roots.empty()) gate_.spawn("sweep orphans", sweep_orphans());
  collector_->start();
}

Async<void> Volume::stop() {
  Result<void> safe;
  const bool served = state_ == DeviceState::online;
  if (served) {
    become(DeviceState::stopped);
    collector_->stop();
    if (!builder_.empty()) seal();
    if (chunks_since_root_ > 0 && !checkpointing_) start_checkpoint();
    // Like a flush: what was uploaded after another gateway took the volume is lost.
    safe = co_await make_durable_in_store(position_);
    // One that was under way when the stop began may have ended meanwhile, short of the last
    // chunks.
    while (!quitting_ && (checkpointing_ || chunks_since_root_ > 0)) {
      if (!checkpointing_) start_checkpoint();
      co_await changed_.wait();
    }
  }
  // What was halted before the stop began may be uploaded to the end and still be nobody's.
  const bool complete = safe.ok() && verified_ >= uploader_.newest() && builder_.empty();
  while (served && complete && !quitting_) {
    // Only what is still ours can be given back.
    Result<void> released = co_await verify_ownership_once();
    if (released) released = co_await release_era(objects_, Released{era_, uploader_.newest()});
    if (released) break;
    log::warning("volume {}: not released: {}", objects_.descriptor.name,
                 released.error().message());
    if (!quitting_) co_await changed_.wait_for(options_.retry_pause);
  }
  const bool fenced = state_ == DeviceState::fenced;
  co_await halt();
  if (fenced) co_return offline(DeviceState::fenced);
  if (!complete) {
    co_return Error(ErrorCode::unavailable,
                    "stopped before all data were uploaded and known to be ours");
  }
  co_return Result<void>();
}

Task Volume::halt() {
  if (state_ != DeviceState::fenced) become(DeviceState::stopped);
  quit();
  co_await gate_.close();
  co_await drop_journal();
  co_await cache_.stop();
}

void Volume::become(DeviceState state) {
  if (state_ == state) return;
  state_ = state;
  changed_.notify_all();
  if (observer_ != nullptr) gate_.spawn("tell the observer", tell_observer(state));
}

Task Volume::tell_observer(DeviceState state) {
  if (observer_ != nullptr) observer_->on_state_changed(state);
  co_return;
}

// Or until the volume quits.
Task Volume::pause_until(TimePoint time) {
  while (!quitting_ && now() < time) co_await changed_.wait_for(time - now());
}

void Volume::quit() {
  quitting_ = true;
  uploader_.stop();
  if (collector_) collector_->stop();
  changed_.notify_all();
}

// ---- reading -----------------------------------------------------------------------------------

Volume::SectorRange Volume::sectors_of(BlockRange range) const noexcept {
  const uint64_t factor = objects_.descriptor.block_size / kSectorBytes;
  const uint64_t blocks = geometry().blocks.value();
  CHECK(range.first.value() <= blocks && range.count.value() <= blocks - range.first.value());
  return {Sector(range.first.value() * factor), SectorCount(range.count.value() * factor)};
}

Result<void> Volume::check_online() const {
  if (state_ == DeviceState::online) return {};
  return offline(state_);
}

// The pieces of a range, none of them unknown; what they say holds until something is awaited.
Async<std::vector<ExtentMap::Piece>> Volume::look_up(SectorRange range) {
  for (;;) {
    std::vector<ExtentMap::Piece> pieces = mapping_->map.lookup(range.first, range.count);
    const bool known = std::none_of(pieces.begin(), pieces.end(),
                                    [](const ExtentMap::Piece& piece) { return piece.unknown; });
    if (known) co_return pieces;
    Result<void> loaded = co_await mapping_->loader.ensure(range.first, range.count);
    if (!loaded) co_return co_await damage_or_taken(loaded.error());
  }
}

// Another gateway that took the volume over deletes what its map does not need. What is missing is
// damage only as long as the volume is ours.
asio::awaitable<Error> Volume::damage_or_taken(Error error) {
  if (error.code() != ErrorCode::corrupt) co_return error;
  Result<void> ours = co_await verify_ownership_once();
  co_return ours ? error : ours.error();
}

Async<BufferList> Volume::read(BlockRange range) {
  return read_online(sectors_of(range));
}

Async<BufferList> Volume::read_online(SectorRange sectors) {
  Result<void> online = check_online();
  if (!online) co_return online.error();
  Gate::Pass pass(gate_);
  Result<BufferList> data = co_await read_sectors(sectors);
  if (!data) co_return co_await damage_or_taken(data.error());
  co_return data;
}

Async<BufferList> Volume::read_sectors(SectorRange sectors) {
  const ReadAhead::Seen seen = sequential_.read(sectors.first.value(), sectors.count.value());
  if (seen.fetch) {
    const SectorRange ahead{Sector(seen.fetch->first), SectorCount(seen.fetch->count)};
    gate_.spawn("read ahead", read_ahead(ahead));
  }
  for (;;) {
    Result<std::vector<ExtentMap::Piece>> pieces = co_await look_up(sectors);
    if (!pieces) co_return pieces.error();

    // What is in memory is taken now, before anything can move; the rest is fetched.
    std::vector<BufferList> parts(pieces->size());
    struct Parked {
      size_t piece;
      std::shared_ptr<const SealedChunk> chunk;
    };
    std::vector<Parked> parked;
    std::vector<ChunkReader::Piece> wanted;
    std::vector<size_t> wanted_for;
    for (size_t i = 0; i < pieces->size(); ++i) {
      const ExtentMap::Piece& piece = (*pieces)[i];
      const uint64_t count = piece.sectors.value();
      if (!piece.at) {
        parts[i].append(Buffer::zeros(count * kSectorBytes));
      } else if (piece.at->pending()) {
        parts[i] = builder_.read(*piece.at, count);
      } else if (auto chunk = uploader_.find(piece.at->chunk)) {
        if (chunk->is_parked) {
          parked.push_back({i, std::move(chunk)});
        } else {
          parts[i] = chunk->read(*piece.at, count);
        }
      } else {
        wanted.push_back(ChunkReader::Piece{*piece.at, count, {}});
        wanted_for.push_back(i);
      }
    }
    if (!wanted.empty() && !reader_.try_read(wanted)) {
      Result<void> fetched = co_await reader_.read(wanted, seen.in_stream);
      if (!fetched && fetched.error().code() == ErrorCode::corrupt) {
        // Garbage collection may have moved the data and deleted the chunk meanwhile.
        const std::vector<ExtentMap::Piece> again =
            mapping_->map.lookup(sectors.first, sectors.count);
        bool moved = again.size() != pieces->size();
        for (size_t i = 0; !moved && i < again.size(); ++i) {
          moved = again[i].at != (*pieces)[i].at || again[i].first != (*pieces)[i].first;
        }
        if (moved) continue;
      }
      if (!fetched) co_return fetched.error();
    }
    for (size_t i = 0; i < wanted.size(); ++i) parts[wanted_for[i]].append(wanted[i].data);
    bool released = false;
    for (const Parked& at : parked) {
      const ExtentMap::Piece& piece = (*pieces)[at.piece];
      Result<BufferList> data = co_await read_parked(at.chunk, *piece.at, piece.sectors.value());
      released = !data && data.error().code() == ErrorCode::not_found;
      if (released) break;
      if (!data) co_return data.error();
      parts[at.piece] = std::move(*data);
    }
    if (released) continue;  // uploaded meanwhile
    BufferList out;
    for (const BufferList& part : parts) out.append(part);
    CHECK(out.size() == sectors.count.value() * kSectorBytes);
    co_return out;
  }
}

// ---- writing -----------------------------------------------------------------------------------

// Waits until write buffer and journal have room. Afterwards the caller goes on without suspending.
Async<void> Volume::admit(uint64_t bytes, size_t extents, TicketPtr ticket) {
  // Garbage or a slow store is winning: each write gives way.
  if (const Duration pause = give_way(); pause > Duration::zero()) {
    co_await pause_until(now() + pause);
  }
  // Garbage has won: what may be written is what cleaning gives back. For a while; what hinders the
  // cleaning must not end in a command's deadline.
  constexpr Duration kLongestWait = std::chrono::seconds(5);
  const TimePoint patience = now() + kLongestWait;
  while (no_space_left() && now() < patience && !quitting_ && !(ticket && ticket->cancelled)) {
    co_await changed_.wait_for(std::min<Duration>(patience - now(), std::chrono::seconds(1)));
  }
  auto has_room = [&] {
    if (journaling() && !journal_->has_room(bytes, extents)) return false;
    return fits_in_buffer(bytes, extents);
  };
  const void* me = &bytes;  // of this coroutine alone
  if (waiting_for_room_.empty() && has_room()) {
    if (ticket && ticket->cancelled) co_return given_up();
    co_return check_online();
  }
  waiting_for_room_.push_back(me);
  Result<void> outcome;
  for (;;) {
    outcome = check_online();
    if (!outcome) break;
    if (ticket && ticket->cancelled) {
      outcome = given_up();
      break;
    }
    if (bytes > 0 && uploader_.full_since() &&
        now() - *uploader_.full_since() >= options_.full_for_good) {
      outcome = Error(ErrorCode::out_of_space, uploader_.trouble());
      break;
    }
    if (waiting_for_room_.front() == me && has_room()) break;
    // Nothing makes room but what is uploaded.
    seal_wanted_ = true;
    seal_if_due();
    // A cancelled ticket tells nobody: look again now and then.
    co_await changed_.wait_for(std::chrono::seconds(1));
  }
  std::erase(waiting_for_room_, me);
  changed_.notify_all();  // the next one may fit as well
  co_return outcome;
}

// A write that is larger than the whole buffer gets it alone.
bool Volume::fits_in_buffer(uint64_t bytes, size_t extents) const {
  const uint64_t cost = bytes + extents * kEntryCost;
  return buffered() == 0 || buffered() + cost <= options_.dirty_memory.value();
}

// A write never spans two chunks: what does not fit begins the next.
void Volume::make_room_in_chunk(size_t bytes, size_t entries) {
  const uint64_t live = mapping_->ledger.unsealed().value();
  if (!builder_.has_room(bytes, entries, live, options_.chunk_bytes)) seal();
  if (builder_.empty()) {
    opened_at_ = now();
    builder_first_ = position_.next();
    changed_.notify_all();  // the idle sealer has something to wait for
  }
}

Async<void> Volume::write(BlockRange range, BufferList data, Durability durability,
                          TicketPtr ticket) {
  return write_online(sectors_of(range), std::move(data), durability, std::move(ticket));
}

Async<void> Volume::write_online(SectorRange sectors, BufferList data, Durability durability,
                                 TicketPtr ticket) {
  Result<void> online = check_online();
  if (!online) co_return online;
  Gate::Pass pass(gate_);
  CHECK(data.size() == sectors.count.value() * kSectorBytes);
  if (data.empty()) co_return Result<void>();
  if (data.size() > ChunkBuilder::kMostWriteBytes) {
    co_return Error(ErrorCode::invalid, "a single write of more than 8 MiB");
  }
  do {
    Result<void> room = co_await find_room(sectors, ticket);
    if (!room) co_return room;
    Result<void> admitted = co_await admit(data.size(), 1, ticket);
    if (!admitted) co_return admitted;
  } while (!is_within_quota(sectors));  // any more: others wrote while it waited

  sequence_write(sectors.first, data);
  const LogPosition position = position_;
  journal_newest({position, false, {{sectors.first, sectors.count}}, std::move(data)});
  if (durability == Durability::flushed) co_return co_await make_durable(position);
  co_return co_await acknowledge(position);
}

// Gives the write its place in the log.
void Volume::sequence_write(Sector first, const BufferList& data) {
  make_room_in_chunk(data.size(), 1);
  const Location at = builder_.append_write(first, data);
  mapping_->map.assign(first, SectorCount(data.size() / kSectorBytes), at);
  position_ = position_.next();
  const uint64_t cost = data.size() + kEntryCost;
  builder_memory_ += cost;
  dirty_bytes_ += cost;
  written_bytes_ += data.size();
}

void Volume::sequence_trims(const std::vector<Trim>& trims) {
  make_room_in_chunk(0, trims.size());
  builder_.append_trims(trims);
  // A whole disk comes as many ranges, one after the other: the map does them at once.
  for (size_t i = 0; i < trims.size();) {
    const Sector first = trims[i].first;
    SectorCount sectors(0);
    for (; i < trims.size() && trims[i].first == first + sectors; ++i) sectors += trims[i].sectors;
    mapping_->map.erase(first, sectors);
  }
  position_ = position_.next();
  const uint64_t cost = trims.size() * kEntryCost;
  builder_memory_ += cost;
  dirty_bytes_ += cost;
}

Async<void> Volume::unmap(std::vector<BlockRange> ranges, TicketPtr ticket) {
  Result<void> online = check_online();
  if (!online) co_return online;
  Gate::Pass pass(gate_);
  std::vector<Trim> trims;
  for (const BlockRange& range : ranges) {
    const SectorRange sectors = sectors_of(range);
    if (sectors.count.value() > 0) trims.push_back({sectors.first, sectors.count});
  }
  if (trims.empty()) co_return Result<void>();
  if (trims.size() > kMostRecordExtents) {
    co_return Error(ErrorCode::invalid, "a single unmap of more than 4096 ranges");
  }
  Result<void> admitted = co_await admit(0, trims.size(), ticket);
  if (!admitted) co_return admitted;

  sequence_trims(trims);
  const LogPosition position = position_;
  JournalRecord record{position, true, {}, {}};
  for (const Trim& trim : trims) record.extents.push_back({trim.first, trim.sectors});
  journal_newest(std::move(record));
  co_return co_await acknowledge(position);
}

// ---- sealing and uploading ---------------------------------------------------------------------

SealContext Volume::next_in_log(LogPosition first, uint64_t positions) const {
  return {objects_.uuid(), era_,     uploader_.newest().next(), last_hash_, uploader_.frontier(),
          first,           positions};
}

// What of the builder was overwritten meanwhile is left out: a chunk is there as a whole or not, so
// nobody can see the difference.
void Volume::seal() {
  CHECK(!builder_.empty());
  const SealContext context = next_in_log(builder_first_, builder_.positions());
  std::vector<Trim> trims;
  std::vector<ChunkPart> parts;
  parts.reserve(builder_.entries().size());
  std::vector<ExtentMap::Piece> pieces;
  uint64_t kept = 0;
  for (const ChunkBuilder::Entry& entry : builder_.entries()) {
    if (entry.kind == ExtentKind::trim) {
      trims.push_back(Trim{entry.first, entry.sectors});
      continue;
    }
    mapping_->map.lookup(entry.first, entry.sectors, pieces);
    for (const ExtentMap::Piece& piece : pieces) {
      const uint64_t offset = (piece.first - entry.first).value();
      const Location at = entry.at.advanced(offset);
      if (!piece.at || *piece.at != at) continue;
      kept += piece.sectors.value() * kSectorBytes;
      parts.push_back({ExtentKind::data,
                       piece.first,
                       piece.sectors,
                       at,
                       builder_.take(at, piece.sectors.value()),
                       {},
                       entry.record,
                       offset * kSectorBytes});
    }
  }
  std::shared_ptr<const ChunkRecipe> recipe;
  if (journaling()) recipe = ChunkRecipe::of(context, trims, parts);
  // In the order of the log: what was written together is often read together.
  SealedChunk chunk = assemble_chunk(context, trims, std::move(parts));
  chunk.recipe = std::move(recipe);
  chunk.memory = std::min(builder_memory_, kept + builder_.entries().size() * kEntryCost);
  chunk.opened_at = opened_at_;
  dirty_bytes_ -= builder_memory_ - chunk.memory;
  builder_ = ChunkBuilder();
  builder_memory_ = 0;
  seal_wanted_ = false;
  send(std::move(chunk));
  if (snapshot_wanted_) take_snapshot();
}

// Parts that the map has where they come from, as the log's readers take them to be: of a page
// whose leaf is not in memory nobody compares.
std::optional<Sequence> Volume::seal_moved(std::vector<ChunkPart> parts) {
  if (quitting_) return std::nullopt;
  // That takes a page that is known, or the leaf that was looked at.
  std::erase_if(parts, [this](const ChunkPart& part) {
    const uint64_t page = part.first.value() / kPageSectors;
    return !mapping_->map.known(page) && mapping_->map.leaf_place(page) != part.leaf;
  });
  if (parts.empty()) return std::nullopt;
  const LogPosition next = builder_.empty() ? position_.next() : builder_first_;
  SealedChunk chunk = assemble_chunk(next_in_log(next, 0), {}, std::move(parts));
  chunk.opened_at = now();
  send(std::move(chunk));
  if (snapshot_wanted_ && builder_.empty()) take_snapshot();
  return uploader_.newest();
}

// A chunk becomes part of the log.
void Volume::send(SealedChunk chunk) {
  const ChunkHeader& header = chunk.header;
  mapping_->ledger.add(header);
  for (const ChunkExtent& extent : header.extents) {
    if (extent.kind == ExtentKind::data) {
      mapping_->map.repoint(extent.first, extent.sectors, extent.source, extent.at);
    } else if (extent.kind == ExtentKind::moved) {
      mapping_->map.repoint_known(extent.first, extent.sectors, extent.source, extent.at);
    }
  }
  last_hash_ = chunk.header_hash;
  log_moved_at_ = now();
  ++chunks_since_root_;
  bytes_since_root_ += header.object_size;
  put_bytes_ += header.object_size;
  uploader_.add(std::move(chunk));
  collector_->look();
  changed_.notify_all();
  if (checkpoint_due()) start_checkpoint();
}

// Seals early only when the chunk can go out at once: what has to queue gathers more meanwhile.
void Volume::seal_if_due() {
  if (builder_.empty() || !uploader_.has_room() || quitting_) return;
  const Duration age = now() - opened_at_;
  if (seal_wanted_ || age >= seal_age()) seal();
}

// How old a chunk gets before it is sealed though it is not full. What is safe in the journal may
// wait for company: small chunks are many.
Duration Volume::seal_age() const {
  const bool patient = journaling() && builder_memory_ < options_.journaled_seal_bytes.value();
  return patient ? options_.journaled_seal_after : options_.seal_after;
}

Task Volume::seal_when_idle() {
  while (!quitting_) {
    if (builder_.empty()) {
      co_await changed_.wait();
      continue;
    }
    const Duration age = now() - opened_at_;
    if (age < seal_age()) {
      co_await changed_.wait_for(std::min(seal_age() - age, options_.seal_after));
    } else if (uploader_.has_room()) {
      seal();
    } else {
      co_await changed_.wait();
    }
  }
}

void Volume::on_upload_progress(uint64_t released_bytes) {
  dirty_bytes_ -= released_bytes;
  if (state_ == DeviceState::online) seal_if_due();
  collector_->durable(uploader_.frontier());
  if (journal_) journal_->release(uploader_.durable_position());
  changed_.notify_all();
}

// ---- flushing ----------------------------------------------------------------------------------

Async<void> Volume::flush() {
  Result<void> online = check_online();
  if (!online) co_return online;
  Gate::Pass pass(gate_);
  co_return co_await make_durable(position_);
}

Async<void> Volume::make_durable_in_store(LogPosition position) {
  while (!builder_.empty() && builder_first_ <= position) {
    if (state_ == DeviceState::fenced || quitting_) co_return offline(state_);
    seal_wanted_ = true;
    seal_if_due();
    if (!builder_.empty() && builder_first_ <= position) co_await changed_.wait();
  }
  // The chunk of that position, or one after it.
  co_return co_await make_ours(uploader_.newest());
}

// It is in the store, and the volume was ours afterwards.
Async<void> Volume::make_ours(Sequence needed) {
  while (verified_ < needed) {
    if (state_ == DeviceState::fenced || quitting_) co_return offline(state_);
    if (uploader_.frontier() >= needed && !verifying_) {
      (void)co_await verify_ownership();  // its outcome shows in verified_ and state_
    } else {
      co_await changed_.wait();
    }
  }
  co_return Result<void>();
}

// One look at fence and claims serves every flush whose chunks were durable when it began (I9).
Async<void> Volume::verify_ownership() {
  verifying_ = true;
  const Sequence durable = uploader_.frontier();
  Result<void> ours = co_await check_ownership(objects_, era_);
  if (!ours && ours.error().code() == ErrorCode::conflict) {
    log::warning("volume {}: {}", objects_.descriptor.name, ours.error().message());
    ours = co_await raise_fence(objects_, era_);
    if (ours) ours = co_await check_ownership(objects_, era_);
  }
  const bool in_doubt = !ours && ours.error().code() != ErrorCode::fenced;
  if (in_doubt) co_await sleep_for(options_.retry_pause);  // for all who wait, not for each
  verifying_ = false;
  if (ours) {
    verified_ = std::max(verified_, durable);
  } else if (!in_doubt && !quitting_) {
    log::error("volume {}: {}; no longer serving it", objects_.descriptor.name,
               ours.error().message());
    become(DeviceState::fenced);
    quit();
  }
  changed_.notify_all();
  co_return ours;
}

// Beside others who look.
Async<void> Volume::verify_ownership_once() {
  while (verifying_ && !quitting_) co_await changed_.wait();
  if (quitting_) co_return offline(state_);
  co_return co_await verify_ownership();
}

Task Volume::watch_fence() {
  TimePoint next = now() + options_.fence_interval;
  for (;;) {
    co_await pause_until(next);
    if (quitting_) co_return;
    if (checkpoint_due()) start_checkpoint();
    if (!verifying_) {
      Result<void> ours = co_await verify_ownership();
      if (!ours) log::debug("volume {}: {}", objects_.descriptor.name, ours.error().message());
    }
    const uint64_t unsaved = journal_ ? dirty_bytes_ : 0;
    if (unsaved != told_unsaved_ && !quitting_ && state_ == DeviceState::online) {
      // A hint for whoever has to decide about a forced attach; worth one try.
      Result<void> told = co_await tell_unsaved(objects_, Unsaved{era_, unsaved, unix_seconds()});
      if (told) told_unsaved_ = unsaved;
    }
    next = now() + options_.fence_interval;
  }
}

// ---- checkpoints -------------------------------------------------------------------------------

// Often enough that an attach reads few chunks, seldom enough that roots cost little beside them.
bool Volume::checkpoint_due() const {
  constexpr Duration kIdle = std::chrono::minutes(1);
  constexpr uint64_t kLeastChunks = 8;
  constexpr uint64_t kMostShare = 16;  // of what the ledger takes, which every root writes
  if (checkpointing_ || quitting_ || state_ != DeviceState::online) return false;
  if (chunks_since_root_ >= options_.checkpoint_every) return true;
  // In a volume that nobody writes to, roots are what lets garbage go.
  const bool idle = now() - log_moved_at_ >= kIdle;
  if (idle && (chunks_since_root_ > 0 || collector_->waits_for_root())) return true;
  if (chunks_since_root_ < std::min<uint64_t>(kLeastChunks, options_.checkpoint_every))
    return false;
  if (mapping_->map.change_memory().value() > options_.map_memory.value() / 4) return true;
  if (garbage_ahead() > 0 && collector_->has_barren()) return true;
  const uint64_t chunks = mapping_->ledger.chunks();
  if (bytes_since_root_ < kMostShare * (chunks * 16 + (64 << 10))) return false;
  return chunks_since_root_ >= chunks / 8;
}

void Volume::start_checkpoint() {
  CHECK(!checkpointing_);
  checkpointing_ = true;
  gate_.spawn("checkpoint", checkpoint());
}

// A checkpoint is the state after a chunk; right after a user's chunk nothing of the map is
// pending.
void Volume::take_snapshot() {
  CHECK(builder_.empty());
  snapshot_wanted_ = false;
  CoveredLog covered{uploader_.newest(), last_hash_, position_, root_size_,
                     objects_.descriptor.block_size};
  snapshot_ = mapping_->checkpointer.snapshot(covered);
  log_moved_at_ = now();
  chunks_since_root_ = 0;
  bytes_since_root_ = 0;
  changed_.notify_all();
}

Task Volume::checkpoint() {
  Checkpointer& checkpointer = mapping_->checkpointer;
  // What merging writes stays a small part of what the chunks were; unless memory is short.
  const bool short_of_memory =
      mapping_->map.change_memory().value() > options_.map_memory.value() / 4;
  const uint64_t share = std::max<uint64_t>(bytes_since_root_ / 20, 1 << 20);
  const ByteCount merge(short_of_memory ? UINT64_MAX / 2 : share);
  while (!quitting_) {
    Result<void> prepared = co_await checkpointer.prepare(merge);
    if (prepared) break;
    log::warning("volume {}: checkpoint, will try again: {}", objects_.descriptor.name,
                 prepared.error().message());
    co_await changed_.wait_for(options_.retry_pause);
  }
  // The next chunk that is sealed is the last one covered; when nobody writes, that is now.
  if (!quitting_) {
    snapshot_wanted_ = true;
    if (builder_.empty()) {
      take_snapshot();
    } else if (state_ != DeviceState::online) {
      seal();
    }
  }
  while (!quitting_ && !snapshot_) co_await changed_.wait();
  while (!quitting_ && uploader_.frontier() < snapshot_->root.covered) co_await changed_.wait();
  while (!quitting_) {
    Result<void> written = co_await checkpointer.write(*snapshot_);
    if (written) break;
    log::warning("volume {}: checkpoint, will try again: {}", objects_.descriptor.name,
                 written.error().message());
    co_await changed_.wait_for(options_.retry_pause);
  }
  // Nothing is deleted unless the volume was still ours after the root was answered (I9).
  while (!quitting_) {
    Result<void> ours = co_await verify_ownership_once();
    if (!ours) continue;
    size_ = std::max(size_, snapshot_->root.size);
    collector_->root_written(snapshot_->dead, checkpointer.oldest_covered(),
                             checkpointer.take_garbage());
    break;
  }
  snapshot_.reset();
  checkpointing_ = false;
  changed_.notify_all();
  if (checkpoint_due()) start_checkpoint();
}

// Erased pages are gone from the map at once; what died with them is counted leaf by leaf.
Task Volume::bury_detached() {
  while (!quitting_) {
    if (mapping_->map.free_some()) {
      co_await next_turn();
      continue;
    }
    if (mapping_->map.detached().empty()) {
      co_await changed_.wait();
      continue;
    }
    Result<void> buried = co_await mapping_->loader.bury_one();
    if (buried) {
      changed_.notify_all();  // there is more room in the quota
      continue;
    }
    log::warning("volume {}: counting what was erased, will try again: {}",
                 objects_.descriptor.name, buried.error().message());
    co_await changed_.wait_for(options_.retry_pause);
  }
}

// ---- what others ask ---------------------------------------------------------------------------

Geometry Volume::geometry() const noexcept {
  Geometry out;
  out.block_size = objects_.descriptor.block_size;
  out.blocks = BlockCount(size_.value() / out.block_size);
  out.identity = objects_.uuid();
  return out;
}

Async<std::vector<AllocationPiece>> Volume::allocation(BlockRange range) {
  Result<void> online = check_online();
  if (!online) co_return online.error();
  Gate::Pass pass(gate_);
  const uint64_t factor = objects_.descriptor.block_size / kSectorBytes;
  const SectorRange sectors = sectors_of(range);
  std::vector<AllocationPiece> out;
  Result<std::vector<ExtentMap::Piece>> pieces = co_await look_up(sectors);
  if (!pieces) co_return pieces.error();
  for (const ExtentMap::Piece& piece : *pieces) {
    const bool mapped = piece.at.has_value();
    if (out.empty() || out.back().mapped != mapped) {
      const BlockRange begun{Lba(piece.first.value() / factor), BlockCount(0)};
      out.push_back(AllocationPiece{begun, mapped});
    }
    // A block may lie in two frames. Where it is mapped and the next is not, or the other way round,
    // a piece ends with a block.
    const Lba end((piece.first + piece.sectors).value() / factor);
    out.back().range.count = end - out.back().range.first;
  }
  co_return out;
}

Usage Volume::usage() const {
  Usage out;
  out.capacity = size_;
  if (mapping_) out.mapped = ByteCount(mapped().value() * kSectorBytes);
  out.quota = quota_;
  out.unsafe = ByteCount(dirty_bytes_);
  const TimePoint at = now();
  if (auto oldest = uploader_.oldest()) {
    out.unsafe_since = at - oldest->opened_at;
  } else if (!builder_.empty()) {
    out.unsafe_since = at - opened_at_;
  }
  return out;
}

VolumeStatus Volume::status() const {
  VolumeStatus out;
  out.state = state_;
  out.usage = usage();
  out.epoch = era_.epoch.value();
  out.newest_sequence = uploader_.newest().value();
  out.durable_sequence = uploader_.frontier().value();
  out.chunks_in_flight = uploader_.pending();
  out.trouble = uploader_.trouble();
  if (mapping_) {
    out.chunks = mapping_->ledger.chunks();
    out.stored = ByteCount(mapping_->ledger.stored().value() * kSectorBytes);
    out.live = ByteCount(mapping_->ledger.needed().value() * kSectorBytes);
    out.dead = ByteCount(mapping_->ledger.dead_stored().value() * kSectorBytes);
    out.put = ByteCount(put_bytes_ + mapping_->checkpointer.bytes_written());
  }
  out.written = ByteCount(written_bytes_);
  out.write_memory = ByteCount(buffered());
  if (journal_) {
    out.journal_bytes = journal_->capacity();
    out.journal_used = journal_->used();
    if (journal_->failed()) out.journal_trouble = journal_->failed()->message();
  }
  if (collector_) out.garbage = collector_->counters();
  out.orphans_deleted = orphans_deleted_;
  out.reads = reader_.counts();
  out.read_cache = cache_.status();
  return out;
}

}  // namespace swiftness
