#include "backend/volume/volume.h"

#include <algorithm>

#include "backend/base/log.h"
#include "backend/volume/epoch.h"

namespace swiftness {
namespace {

// What an entry costs of the write buffer besides its data: its places in map, builder and header.
constexpr uint64_t kEntryCost = 128;

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

Error given_up() {
  return Error(ErrorCode::cancelled, "given up before it took effect");
}

}  // namespace

Volume::Volume(Executor executor, ObjectStore& store, VolumeDescriptor descriptor,
               VolumeOptions options)
    : executor_(executor),
      objects_{store, descriptor, VolumeNames(descriptor.uuid)},
      options_(options),
      gate_(executor),
      changed_(executor),
      size_(descriptor.created_size),
      builder_(Sequence(1)),
      uploader_(objects_, gate_, Uploader::Options{options.uploads_in_flight, options.retry_pause},
                [this](uint64_t released) { on_upload_progress(released); }),
      reader_(objects_, eras_),
      checkpointer_(objects_) {}

Volume::~Volume() = default;

// ---- taking over -------------------------------------------------------------------------------

Async<void> Volume::attach() {
  CHECK(state_ == DeviceState::attaching);
  Gate::Pass pass(gate_);
  ClaimTimes times{options_.claim_settle, options_.claim_limit};
  Result<Era> era = co_await claim_epoch(objects_, times);
  if (!era) co_return era.error();
  Result<void> fenced = co_await raise_fence(objects_, *era);
  if (!fenced) co_return fenced;
  Result<std::optional<Start>> highest = co_await find_highest_start(objects_, era->epoch);
  if (!highest) co_return highest.error();
  Result<RecoveredLog> log = co_await recover_log(objects_, *highest);
  if (!log) co_return log.error();
  Result<void> proven = co_await prove_tail(objects_, *log);
  if (!proven) co_return proven;

  Start start;
  start.era = *era;
  start.predecessor = log->end;
  start.base = log->base.name;
  start.upload_window = options_.uploads_in_flight;
  start.started_at = unix_seconds();
  Result<void> published = co_await publish_start(objects_, start);
  if (!published) co_return published;
  Result<void> ours = co_await check_ownership(objects_, *era);
  if (!ours) co_return ours;
  RootName none{*era, 0};
  Result<void> hinted = co_await write_head(objects_, none);
  if (!hinted) co_return hinted;
  if (quitting_) co_return offline(DeviceState::stopped);
  go_online(*era, std::move(*log));
  co_return Result<void>();
}

void Volume::go_online(Era era, RecoveredLog log) {
  const uint64_t behind = (log.end.last - log.base.covered).value();
  log::info("volume {}: attached in epoch {}, {} chunks, {} of them since the last checkpoint",
            objects_.descriptor.name, era.epoch.value(), log.end.last.value(), behind);
  era_ = era;
  eras_ = std::move(log.eras);
  eras_.begin(era, log.end.last.next());
  size_ = log.base.size;
  map_ = std::move(log.map);
  position_ = log.position;
  last_hash_ = log.end.header_hash;
  verified_ = log.end.last;
  builder_ = ChunkBuilder(log.end.last.next());
  uploader_.begin(log.end.last);
  checkpointer_.begin(era, log.base);
  chunks_since_root_ = static_cast<uint32_t>(behind);
  become(DeviceState::online);
  gate_.spawn("seal when idle", seal_when_idle());
  gate_.spawn("watch the fence", watch_fence());
  if (chunks_since_root_ >= options_.checkpoint_every) start_checkpoint();
}

Async<void> Volume::stop() {
  Result<void> safe;
  if (state_ == DeviceState::online) {
    become(DeviceState::stopped);
    if (!builder_.empty()) seal();
    if (chunks_since_root_ > 0 && !checkpointing_) start_checkpoint();
    // Like a flush: what was uploaded after another gateway took the volume is lost.
    safe = co_await make_durable(position_);
    while (!quitting_ && checkpointing_) {
      co_await changed_.wait();
      if (chunks_since_root_ > 0 && !checkpointing_ && !quitting_) start_checkpoint();
    }
  }
  const bool complete = safe.ok() && uploader_.frontier() == uploader_.newest() && builder_.empty();
  const bool fenced = state_ == DeviceState::fenced;
  co_await halt();
  if (fenced) co_return offline(DeviceState::fenced);
  if (!complete) co_return Error(ErrorCode::unavailable, "stopped before all data were uploaded");
  co_return Result<void>();
}

Task Volume::halt() {
  if (state_ != DeviceState::fenced) become(DeviceState::stopped);
  quit();
  co_await gate_.close();
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

void Volume::quit() {
  quitting_ = true;
  uploader_.stop();
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

Async<BufferList> Volume::read(BlockRange range) {
  Result<void> online = check_online();
  if (!online) co_return online.error();
  Gate::Pass pass(gate_);
  const SectorRange sectors = sectors_of(range);
  const std::vector<ExtentMap::Piece> pieces = map_.lookup(sectors.first, sectors.count);

  // What is in memory is taken now, before anything can move; the rest is fetched.
  std::vector<BufferList> parts(pieces.size());
  std::vector<ChunkReader::Piece> wanted;
  std::vector<size_t> wanted_for;
  for (size_t i = 0; i < pieces.size(); ++i) {
    const uint64_t count = pieces[i].sectors.value();
    if (!pieces[i].at) {
      parts[i].append(Buffer::zeros(count * kSectorBytes));
    } else if (pieces[i].at->pending()) {
      parts[i] = builder_.read(*pieces[i].at, count);
    } else if (auto chunk = uploader_.find(pieces[i].at->chunk)) {
      parts[i] = chunk->raw.read(chunk->raw_sector(*pieces[i].at), count);
    } else {
      wanted.push_back(ChunkReader::Piece{*pieces[i].at, count, {}});
      wanted_for.push_back(i);
    }
  }
  if (!wanted.empty()) {
    Result<void> fetched = co_await reader_.read(wanted);
    if (!fetched) co_return fetched.error();
    for (size_t i = 0; i < wanted.size(); ++i) parts[wanted_for[i]].append(wanted[i].data);
  }
  BufferList out;
  for (const BufferList& part : parts) out.append(part);
  CHECK(out.size() == sectors.count.value() * kSectorBytes);
  co_return out;
}

// ---- writing -----------------------------------------------------------------------------------

// Waits until the write buffer has room. Afterwards the caller goes on without suspending.
Async<void> Volume::admit(uint64_t bytes, TicketPtr ticket) {
  const uint64_t limit = options_.dirty_memory.value();
  const void* me = &bytes;  // of this coroutine alone
  if (waiting_for_room_.empty() && (dirty_bytes_ + bytes <= limit || dirty_bytes_ == 0)) {
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
    const bool first = waiting_for_room_.front() == me;
    if (first && (dirty_bytes_ + bytes <= limit || dirty_bytes_ == 0)) break;
    // A cancelled ticket tells nobody: look again now and then.
    co_await changed_.wait_for(std::chrono::seconds(1));
  }
  std::erase(waiting_for_room_, me);
  changed_.notify_all();  // the next one may fit as well
  co_return outcome;
}

// A write never spans two chunks: what does not fit begins the next.
void Volume::make_room_in_chunk(size_t bytes, size_t entries) {
  if (!builder_.empty() && !builder_.has_room(bytes, entries)) seal();
  CHECK(builder_.has_room(bytes, entries));
  if (builder_.empty()) {
    opened_at_ = now();
    builder_first_ = position_.next();
    changed_.notify_all();  // the idle sealer has something to wait for
  }
}

Async<void> Volume::write(BlockRange range, BufferList data, Durability durability,
                          TicketPtr ticket) {
  Result<void> online = check_online();
  if (!online) co_return online;
  Gate::Pass pass(gate_);
  const SectorRange sectors = sectors_of(range);
  CHECK(data.size() == sectors.count.value() * kSectorBytes);
  if (data.empty()) co_return Result<void>();
  if (data.size() > ChunkBuilder::kMostWriteBytes) {
    co_return Error(ErrorCode::invalid, "a single write of more than 8 MiB");
  }
  const uint64_t cost = data.size() + kEntryCost;
  Result<void> admitted = co_await admit(cost, ticket);
  if (!admitted) co_return admitted;

  make_room_in_chunk(data.size(), 1);
  const Location at = builder_.append_write(sectors.first, data);
  map_.assign(sectors.first, sectors.count, at);
  position_ = position_.next();
  builder_memory_ += cost;
  dirty_bytes_ += cost;
  if (durability == Durability::flushed) co_return co_await make_durable(position_);
  co_return Result<void>();
}

Async<void> Volume::unmap(std::vector<BlockRange> ranges, TicketPtr ticket) {
  Result<void> online = check_online();
  if (!online) co_return online;
  Gate::Pass pass(gate_);
  std::vector<ChunkBuilder::Trim> trims;
  for (const BlockRange& range : ranges) {
    const SectorRange sectors = sectors_of(range);
    if (sectors.count.value() > 0) trims.push_back({sectors.first, sectors.count});
  }
  if (trims.empty()) co_return Result<void>();
  const uint64_t cost = trims.size() * kEntryCost;
  Result<void> admitted = co_await admit(cost, ticket);
  if (!admitted) co_return admitted;

  make_room_in_chunk(0, trims.size());
  builder_.append_trims(trims);
  for (const ChunkBuilder::Trim& trim : trims) map_.erase(trim.first, trim.sectors);
  position_ = position_.next();
  builder_memory_ += cost;
  dirty_bytes_ += cost;
  co_return Result<void>();
}

// ---- sealing and uploading ---------------------------------------------------------------------

void Volume::seal() {
  CHECK(!builder_.empty());
  const std::vector<ChunkBuilder::Entry> entries = builder_.entries();
  const Sequence sequence = builder_.sequence();
  ChunkBuilder::SealContext context{objects_.uuid(), era_, last_hash_, uploader_.frontier(),
                                    builder_first_};
  SealedChunk chunk = std::move(builder_).seal(context);
  chunk.memory = builder_memory_;
  chunk.opened_at = opened_at_;
  for (const ChunkBuilder::Entry& entry : entries) {
    if (entry.kind != ExtentKind::data) continue;
    const Location pending{sequence, static_cast<uint16_t>(entry.raw_first), 0, 0};
    uint64_t done = 0;
    for (const SealedChunk::Placed& placed : chunk.place(entry.raw_first, entry.sectors.value())) {
      map_.repoint(entry.first + SectorCount(done), SectorCount(placed.sectors),
                   pending.advanced(done), placed.at);
      done += placed.sectors;
    }
  }
  last_hash_ = chunk.header_hash;
  builder_ = ChunkBuilder(sequence.next());
  builder_memory_ = 0;
  seal_wanted_ = false;
  uploader_.add(std::move(chunk));
  ++chunks_since_root_;
  if (chunks_since_root_ >= options_.checkpoint_every && !checkpointing_) start_checkpoint();
}

// Seals early only when the chunk can go out at once: what has to queue gathers more meanwhile.
void Volume::seal_if_due() {
  if (builder_.empty() || !uploader_.has_room() || quitting_) return;
  const Duration age = now() - opened_at_;
  if (seal_wanted_ || age >= options_.seal_after) seal();
}

Task Volume::seal_when_idle() {
  while (!quitting_) {
    if (builder_.empty()) {
      co_await changed_.wait();
      continue;
    }
    const Duration age = now() - opened_at_;
    if (age < options_.seal_after) {
      co_await changed_.wait_for(options_.seal_after - age);
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
  changed_.notify_all();
}

// ---- flushing ----------------------------------------------------------------------------------

Async<void> Volume::flush() {
  Result<void> online = check_online();
  if (!online) co_return online;
  Gate::Pass pass(gate_);
  co_return co_await make_durable(position_);
}

Async<void> Volume::make_durable(LogPosition position) {
  Sequence needed = uploader_.newest();
  if (!builder_.empty() && builder_first_ <= position) {
    needed = builder_.sequence();
    seal_wanted_ = true;
    seal_if_due();
  }
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

Task Volume::watch_fence() {
  TimePoint next = now() + options_.fence_interval;
  while (!quitting_) {
    const Duration left = next - now();
    if (left > Duration::zero()) {
      co_await changed_.wait_for(left);
      continue;
    }
    if (!verifying_) {
      Result<void> ours = co_await verify_ownership();
      if (!ours) log::debug("volume {}: {}", objects_.descriptor.name, ours.error().message());
    }
    next = now() + options_.fence_interval;
  }
}

// ---- checkpoints -------------------------------------------------------------------------------

// Right after a seal nothing of the map is pending, so it is the state after that chunk.
void Volume::start_checkpoint() {
  if (!builder_.empty()) seal();
  CoveredLog covered{uploader_.newest(), last_hash_, position_, size_,
                     objects_.descriptor.block_size};
  checkpointing_ = true;
  chunks_since_root_ = 0;
  gate_.spawn("checkpoint", write_checkpoint(checkpointer_.snapshot(map_, eras_, covered)));
}

Task Volume::write_checkpoint(Checkpointer::Snapshot snapshot) {
  while (!quitting_ && uploader_.frontier() < snapshot.root.covered) co_await changed_.wait();
  while (!quitting_) {
    Result<void> written = co_await checkpointer_.write(snapshot);
    if (written) break;
    log::warning("volume {}: checkpoint, will try again: {}", objects_.descriptor.name,
                 written.error().message());
    co_await changed_.wait_for(options_.retry_pause);
  }
  checkpointing_ = false;
  changed_.notify_all();
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
  const uint64_t factor = objects_.descriptor.block_size / kSectorBytes;
  const SectorRange sectors = sectors_of(range);
  std::vector<AllocationPiece> out;
  // Data are written in whole blocks: no piece begins or ends inside one.
  for (const ExtentMap::Piece& piece : map_.lookup(sectors.first, sectors.count)) {
    const BlockCount blocks(piece.sectors.value() / factor);
    if (!out.empty() && out.back().mapped == piece.at.has_value()) {
      out.back().range.count += blocks;
    } else {
      const BlockRange part{Lba(piece.first.value() / factor), blocks};
      out.push_back(AllocationPiece{part, piece.at.has_value()});
    }
  }
  co_return out;
}

Usage Volume::usage() const {
  Usage out;
  out.capacity = size_;
  out.mapped = ByteCount(map_.mapped().value() * kSectorBytes);
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
  out.chunks_in_flight = uploader_.in_memory();
  out.trouble = uploader_.trouble();
  return out;
}

}  // namespace swiftness
