#include "tests/sim/gateway.h"

#include <boost/asio/co_spawn.hpp>

#include <algorithm>

#include "tests/sim/contents.h"
#include "tests/sim/pieces.h"

namespace swiftness::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

}  // namespace

// The event loop goes first, with all coroutines in it; then what they worked on.
struct Gateway::Process {
  Process(World& world, Network& network, const std::string& name, VolumeOptions options_wanted,
          Workload load)
      : io(std::make_unique<asio::io_context>(BOOST_ASIO_CONCURRENCY_HINT_UNSAFE)),
        work(io->get_executor()),
        store(store_config(), io->get_executor(), store_tuning(),
              network.connect(io->get_executor(), name)),
        volume(io->get_executor(), store, world.descriptor, options_wanted),
        changed(io->get_executor()),
        clients(io->get_executor()),
        options(std::move(options_wanted)),
        workload(load) {}
  ~Process() {
    work.reset();
    io.reset();
  }

  std::unique_ptr<asio::io_context> io;
  asio::executor_work_guard<asio::io_context::executor_type> work;
  SwiftStore store;
  Volume volume;
  AsyncEvent changed;
  Gate clients;
  Pieces changing;  // by commands under way
  Pieces copied;    // from: nobody changes these meanwhile
  const VolumeOptions options;
  const Workload workload;
  ForceId force = 0;
  Moment attaching = 0;  // since then
  std::shared_ptr<Life> life;
  std::string stage = "attaching";
  uint64_t steps = 0;
  uint64_t crash_at = UINT64_MAX;
  Crash crash_how = Crash::process;
  bool crash_when_full = false;
  uint32_t busy_clients = 0;
  bool shutting_down = false;
  bool ended = false;
};

Gateway::Gateway(World& world, std::string name, DiskOptions disks)
    : world_(world),
      name_(std::move(name)),
      chance_(world.chance.apart()),
      network_(world.timeline, world.cluster, world.trace, chance_.apart(), world.network_options),
      disks_(world, name_, chance_.apart(), disks) {}

Gateway::~Gateway() = default;

void Gateway::boot(VolumeOptions options, Workload workload) {
  CHECK(!running());
  const std::string who = fmt::format("{}.{}", name_, ++processes_);
  world_.trace.note("{} boots{}", who, options.force ? ", by force" : "");
  ended_well_ = refused_ = false;
  options.full_for_good = std::chrono::hours(24);  // what is full here has room again
  options.journal = disks_.journal();
  if (disks_.cache_bytes() > 0) {
    options.read_cache = ReadCacheOptions{"", ByteCount(disks_.cache_bytes()),
                                          [this] { return disks_.open_cache(); }};
  }
  process_ = std::make_unique<Process>(world_, network_, who, options, workload);
  wake_up();
  if (options.force) process_->force = world_.oracle.force_begins(disks_.journal_id());
  process_->volume.observe(this);
  asio::co_spawn(*process_->io, serve(), [this](std::exception_ptr thrown) {
    if (thrown) world_.fail("a gateway threw an exception");
  });
}

void Gateway::shut_down(std::optional<Duration> patience) {
  if (!running() || process_->shutting_down) return;
  world_.trace.note("{} is asked to end", name_);
  process_->shutting_down = true;
  process_->changed.notify_all();
  if (!patience) return;
  world_.timeline.after(*patience, [this, process = processes_] {
    if (!running() || process != processes_ || process_->ended) return;
    world_.trace.note("{} is halted", name_);
    asio::co_spawn(*process_->io, process_->volume.halt(), [](std::exception_ptr) {});
  });
}

void Gateway::crash(Crash how) {
  if (!running()) return;
  world_.trace.note("{} {} after {} steps: {}", name_,
                    how == Crash::machine ? "loses power" : "crashes", process_->steps,
                    process_->stage);
  ++world_.counts.crashes;
  if (how == Crash::machine) {
    ++world_.counts.power_cuts;
    disks_.power_cut();
  } else {
    disks_.process_crash();
  }
  end_force();
  process_.reset();
}

void Gateway::crash_in(uint64_t steps, Crash how) {
  if (!running()) return;
  process_->crash_at = process_->steps + steps;
  process_->crash_how = how;
}

void Gateway::crash_when_full(Crash how) {
  if (!running()) return;
  process_->crash_when_full = true;
  process_->crash_how = how;
}

void Gateway::look_at_the_journal() {
  const VolumeStatus status = process_->volume.status();
  if (status.journal_bytes == 0 || status.journal_used < status.journal_bytes / 4 * 3) return;
  process_->crash_when_full = false;
  crash_in(chance_.below(chance_.one_in(2) ? 20 : 400), process_->crash_how);
}

// From now on what abandons a journal is not this process.
void Gateway::end_force() {
  if (process_->force != 0 && !process_->life) world_.oracle.force_ends(process_->force);
}

bool Gateway::run_one() {
  if (!running() || asleep_) return false;
  if (process_->ended) {
    end_force();
    process_.reset();
    return true;
  }
  if (process_->steps >= process_->crash_at) {
    crash(process_->crash_how);
    return true;
  }
  if (process_->io->poll_one() == 0) {
    asleep_ = true;
    return false;
  }
  ++process_->steps;
  constexpr uint64_t kNowAndThen = 16;
  if (process_->crash_when_full && process_->steps % kNowAndThen == 0) look_at_the_journal();
  return true;
}

bool Gateway::serving() const noexcept {
  return process_->volume.state() == DeviceState::online && !process_->shutting_down;
}

bool Gateway::idle() const noexcept {
  return running() && process_->life && serving() && process_->busy_clients == 0;
}

std::string Gateway::describe() const {
  if (!running()) return name_ + " is down";
  const VolumeStatus status = process_->volume.status();
  return fmt::format("{} is {}: epoch {}, chunks {} of {} durable, {} busy clients, trouble \"{}\"",
                     name_, process_->stage, status.epoch, status.durable_sequence,
                     status.newest_sequence, process_->busy_clients, status.trouble);
}

// Damage is a failure, unless answers are spoilt on purpose.
void Gateway::judge_damage(const Error& error, const char* where) {
  if (error.code() != ErrorCode::corrupt || world_.corruption_expected) return;
  world_.fail(name_ + where + error.message());
}

void Gateway::on_state_changed(DeviceState) {
  process_->changed.notify_all();
}

// ---- the life of a process ---------------------------------------------------------------------

Task Gateway::serve() {
  Process& process = *process_;
  bool up = co_await attach();
  if (up) up = co_await begin_life();
  if (up) {
    process.stage = "serving";
    process.busy_clients = process.workload.clients;
    for (uint32_t i = 0; i < process.workload.clients; ++i) {
      process.clients.spawn("client", client(i));
    }
    while (serving()) co_await process.changed.wait();
  }
  co_await end();
}

asio::awaitable<bool> Gateway::attach() {
  Process& process = *process_;
  while (!process.shutting_down && process.volume.state() == DeviceState::attaching) {
    process.attaching = world_.oracle.next_moment();
    Result<void> attached = co_await process.volume.attach();
    refused_ = !attached && attached.error().message().find("force") != std::string::npos;
    if (attached) co_return true;
    const Error& error = attached.error();
    world_.trace.note("{} cannot attach: {}", name_, error.message());
    if (refused_) {
      ++world_.counts.refused;
      if (chance_.one_in(2)) break;  // it will not help
    }
    judge_damage(error, " found damage when attaching: ");
    co_await process.changed.wait_for(chance_.between(milliseconds(100), seconds(3)));
  }
  co_return false;
}

// Reads the whole image and lets it be judged.
asio::awaitable<bool> Gateway::begin_life() {
  Process& process = *process_;
  process.stage = "reading the image";
  const uint64_t epoch = process.volume.status().epoch;
  world_.trace.note("{} is online in epoch {}", name_, epoch);
  Disk image;
  while (image.size() < world_.shape.sectors()) {
    const Piece piece{image.size(), world_.shape.stripe_sectors};
    Result<BufferList> data = co_await process.volume.read(blocks_of(piece));
    if (data) {
      Result<Disk> tags = tags_of(world_, piece, *data);
      if (!tags) {
        world_.fail(name_ + " begins with an image of which " + tags.error().message());
        co_return false;
      }
      image.insert(image.end(), tags->begin(), tags->end());
      continue;
    }
    judge_damage(data.error(), " cannot read its image: ");
    if (!serving()) co_return false;  // taken away again, unseen
    co_await sleep_for(milliseconds(200));
  }
  for (uint64_t i = 0; i < kRecords;) {
    Result<Bytes> record = co_await process.volume.load_metadata(MetadataKey(i));
    if (record) {
      Result<Tag> tag = tag_of(*record);
      if (!tag) {
        world_.fail(name_ + " begins with an image of which " + tag.error().message());
        co_return false;
      }
      image.push_back(*tag);
      ++i;
      continue;
    }
    judge_damage(record.error(), " cannot read its records: ");
    if (!serving()) co_return false;
    co_await sleep_for(milliseconds(200));
  }
  world_.judge(world_.growth.found(epoch, process.volume.status().usage.capacity.value()));
  // Even when it has been fenced meanwhile: what it read is what its epoch began with.
  end_force();
  epoch_ = epoch;
  Life::Origin origin{name_, epoch, process.attaching, disks_.journal_id(), process.force};
  Verdict wrong = world_.oracle.begin(std::move(origin), std::move(image), process.life);
  world_.judge(std::move(wrong));
  look_what_is_stored(*process.life);
  ++world_.counts.lives;
  if (process.force != 0) ++world_.counts.forced;
  co_return true;
}

Task Gateway::end() {
  Process& process = *process_;
  process.shutting_down = true;
  process.stage = "ending";
  if (chance_.one_in(2)) co_await process.clients.close();
  if (process.volume.state() == DeviceState::fenced) ++world_.counts.fenced;
  Result<void> stopped = co_await process.volume.stop();
  world_.trace.note("{} ends: {}", name_, stopped ? "well" : stopped.error().message());
  if (stopped && process.life) world_.judge(world_.oracle.stopped(*process.life));
  co_await process.clients.close();
  ended_well_ = stopped.ok();
  process.ended = true;
}

// ---- its clients -------------------------------------------------------------------------------

Task Gateway::client(uint32_t number) {
  Process& process = *process_;
  for (uint32_t i = 0; i < process.workload.commands; ++i) {
    Duration pause = chance_.between(Duration::zero(), process.workload.pause);
    if (chance_.happens(process.workload.long_pause)) pause = seconds(3);
    co_await sleep_for(pause);
    if (!serving()) break;
    const uint64_t dice = chance_.below(100);
    if (dice < 55) {
      co_await write_once();
    } else if (dice < 65) {
      co_await unmap_once();
    } else if (dice < 70 && process.workload.copies) {
      co_await copy_once();
    } else if (dice < 78) {
      co_await flush_once();
    } else if (dice < 80) {
      co_await store_record_once();
    } else if (dice < 81) {
      co_await load_record_once();
    } else if (dice < 83) {
      co_await look_at_allocation_once();
    } else if (dice < 97) {
      co_await read_once();
    } else if (dice < 99 || !process.workload.grows) {
      co_await prefetch_once();
    } else {
      co_await grow_once();
    }
  }
  if (process.workload.settles && number == 0) co_await settle();
  --process.busy_clients;
  world_.trace.note("{}: client {} leaves", name_, number);
}

// One block is written again and again, so that checkpoints go on; nothing else is asked for.
Task Gateway::settle() {
  constexpr int kMostRounds = 150;
  const Piece block{0, world_.block_size / kSectorBytes};
  std::string too_much = "it was not looked at";
  for (int i = 0; i < kMostRounds && serving() && !too_much.empty(); ++i) {
    if (!process_->copied.touch(block)) co_await write_to(block);
    co_await flush_once();
    co_await sleep_for(seconds(5));
    too_much = too_much_space();
    world_.trace.note("{}: too much: {}", name_, too_much);
  }
  if (serving() && !too_much.empty()) world_.fail("space in use does not come down: " + too_much);
  if (too_much.empty()) ++world_.counts.settled;
}

// I10, with room for what a root still has to come for.
std::string Gateway::too_much_space() const {
  const VolumeOptions& options = process_->options;
  const VolumeStatus status = process_->volume.status();
  const auto chunk = static_cast<double>(options.chunk_bytes);
  const auto live = static_cast<double>(status.live.value());
  const auto slack = static_cast<double>(options.collector.slack_chunks + 1) * chunk;
  const auto used = static_cast<double>((status.stored - status.dead).value());
  if (used > live / options.collector.utilization + slack) {
    return fmt::format("{} bytes used for {} live ones, of {} with dead ones; {} chunks, moved {}",
                       used, live, status.stored.value(), status.chunks,
                       status.garbage.moved_bytes);
  }
  // A chunk of one block for each round, until three roots are behind it.
  constexpr uint64_t kSmallChunk = 16 << 10;
  const uint64_t awaiting = 4 * (options.checkpoint_every + 8) * kSmallChunk;
  if (status.dead.value() > awaiting + 2 * options.chunk_bytes) {
    return fmt::format("{} bytes in dead chunks", status.dead.value());
  }
  const uint64_t chunks = world_.cluster.count("chunk/");
  if (chunks > status.chunks + status.chunks_in_flight) {
    return fmt::format("{} chunks in the store, {} are known", chunks, status.chunks);
  }
  // The last three, the start's, and what is on its way.
  const uint64_t roots = world_.cluster.count("root/");
  if (roots > 8) return fmt::format("{} roots", roots);
  const uint64_t map_objects = world_.cluster.count("map/");
  if (map_objects > 40) return fmt::format("{} map objects", map_objects);
  return {};
}

Piece Gateway::some_piece(uint64_t longest) {
  const uint64_t unit = world_.block_size / kSectorBytes;
  const uint64_t stripe = world_.shape.stripe_sectors;
  // Half of it all happens in one place, so that commands meet.
  const uint64_t places = chance_.one_in(2) ? stripe / 4 : world_.shape.sectors();
  Piece piece{chance_.below(places / unit) * unit, 0};
  const uint64_t room = stripe - piece.first % stripe;
  piece.count = std::min(chance_.skewed(std::max(longest / unit, uint64_t{1})) * unit, room);
  return piece;
}

BlockRange Gateway::blocks_of(Piece piece) const {
  const uint64_t unit = world_.block_size / kSectorBytes;
  return BlockRange{Lba(world_.shape.address(piece.first) / unit), BlockCount(piece.count / unit)};
}

TicketPtr Gateway::some_ticket() {
  if (chance_.one_in(2)) return nullptr;
  auto ticket = std::make_shared<Ticket>();
  if (chance_.happens(process_->workload.cancelled * 2)) {
    const Duration when =
        chance_.one_in(3) ? Duration::zero() : chance_.between(Duration::zero(), milliseconds(200));
    if (when == Duration::zero()) ticket->cancelled = true;
    world_.timeline.after(when, [ticket] { ticket->cancelled = true; });
  }
  return ticket;
}

std::optional<Grade> Gateway::grade(Durability durability) const {
  const bool flushed = durability == Durability::flushed;
  const bool journaling = process_->options.journal != nullptr;
  if (journaling && process_->volume.status().journal_trouble.empty()) {
    if (!flushed) return Grade::process;
    if (process_->options.durable_in_journal) return Grade::machine;
  } else if (!flushed && !journaling) {
    return std::nullopt;
  }
  return Grade::store;
}

// What is in the store before anybody claims the volume every attach will find.
void Gateway::look_what_is_stored(Life& life) {
  const VolumeStatus status = process_->volume.status();
  if (status.state != DeviceState::online || status.usage.unsafe > ByteCount(0)) return;
  if (status.durable_sequence < status.newest_sequence) return;
  const VolumeNames names(world_.descriptor.uuid);
  const ObjectName next_claim = names.claim(Epoch(status.epoch + 1));
  if (world_.cluster.has_copy(to_string(next_claim))) return;
  world_.judge(world_.oracle.stored(life));
}

// Within a quota it may depend on what is mapped already, and that may be out of reach.
bool Gateway::may_have_to_read(ErrorCode code) const {
  if (!process_->options.quota) return false;
  return code == ErrorCode::unavailable || code == ErrorCode::timed_out ||
         (code == ErrorCode::corrupt && world_.corruption_expected);
}

bool Gateway::ended(Life& life, Life::CommandId command, const Result<void>& done,
                    const TicketPtr& ticket, std::optional<Grade> promised) {
  if (done) {
    life.succeeded(command, world_.oracle.next_moment());
    ++world_.counts.commands;
    if (promised) world_.judge(world_.oracle.promised(life, command, *promised));
    look_what_is_stored(life);
    return true;
  }
  const ErrorCode code = done.error().code();
  world_.trace.note("{}: command {} fails: {}", name_, command, done.error().message());
  if (code == ErrorCode::cancelled) {
    if (!ticket || !ticket->cancelled) world_.fail("a command was cancelled without being asked");
    life.cancelled(command);
    ++world_.counts.cancelled;
  } else if (code == ErrorCode::out_of_space && process_->options.quota) {
    life.cancelled(command);
    ++world_.counts.refused_by_quota;
  } else if (serving() && !may_have_to_read(code)) {
    world_.fail("a command failed while the volume was online: " + done.error().message());
  }
  return false;
}

Task Gateway::write_once() {
  const Piece piece = some_piece(process_->workload.largest_write);
  if (!process_->copied.touch(piece)) co_await write_to(piece);
}

Task Gateway::write_to(Piece piece) {
  Process& process = *process_;
  const std::shared_ptr<Life> life = process.life;
  const Tag tag = world_.oracle.next_tag();
  const bool forced = chance_.happens(process.workload.forced);
  const TicketPtr ticket = some_ticket();
  const Durability durability = forced ? Durability::flushed : Durability::acknowledged;
  const std::optional<Grade> promised = grade(durability);
  BufferList data(contents(world_.shape, piece, tag));
  const Pieces::Hold changing(process.changing, {piece});
  const Moment issued = world_.oracle.next_moment();
  const Life::CommandId id = life->issue({piece}, tag, issued);
  world_.trace.note("{}: command {} writes {} to {}+{}{}", name_, id, tag, piece.first, piece.count,
                    forced ? ", forced" : "");
  Result<void> done =
      co_await process.volume.write(blocks_of(piece), std::move(data), durability, ticket);
  if (!done && done.error().code() == ErrorCode::out_of_space &&
      nothing_new(*life, piece, issued)) {
    world_.fail(fmt::format("{}: an overwrite, command {}, needs no room", name_, id));
  }
  if (!ended(*life, id, done, ticket, promised) || !forced) co_return;
  world_.trace.note("{}: command {} is safe", name_, id);
  ++world_.counts.flushes;
}

// Was there data in all of it, all the time since?
bool Gateway::nothing_new(const Life& life, Piece piece, Moment since) {
  const Moment until = world_.oracle.next_moment();
  for (uint64_t i = 0; i < piece.count; ++i) {
    const bool may_be_zeros = !life.judge_read({piece.first + i, 1}, Disk{0}, since, until);
    if (may_be_zeros) return false;
  }
  return true;
}

Task Gateway::unmap_once() {
  Process& process = *process_;
  const std::shared_ptr<Life> life = process.life;
  std::vector<Piece> pieces;
  std::vector<BlockRange> ranges;
  if (chance_.one_in(8)) {  // whole stripes and everything between them, or the whole disk
    const uint64_t from = chance_.below(world_.shape.stripes);
    const uint64_t stripes = 1 + chance_.below(world_.shape.stripes - from);
    const Piece piece{from * world_.shape.stripe_sectors, stripes * world_.shape.stripe_sectors};
    const uint64_t unit = world_.block_size / kSectorBytes;
    const uint64_t begin = world_.shape.address(piece.first) / unit;
    const uint64_t end = world_.shape.address(piece.first + piece.count - unit) / unit + 1;
    pieces.push_back(piece);
    ranges.push_back(BlockRange{Lba(begin), BlockCount(end - begin)});
    if (stripes == world_.shape.stripes) {
      ranges[0] = BlockRange{Lba(0), process.volume.geometry().blocks};
    }
  } else {
    const uint64_t count = 1 + chance_.below(4);
    for (uint64_t i = 0; i < count; ++i) {
      pieces.push_back(some_piece(world_.shape.stripe_sectors));
      ranges.push_back(blocks_of(pieces.back()));
    }
  }
  auto copied = [&](const Piece& piece) { return process.copied.touch(piece); };
  if (std::ranges::any_of(pieces, copied)) co_return;
  const Pieces::Hold changing(process.changing, pieces);
  const TicketPtr ticket = some_ticket();
  const Life::CommandId id = life->issue(pieces, 0, world_.oracle.next_moment());
  world_.trace.note("{}: command {} unmaps {} ranges from {}+{} on", name_, id, pieces.size(),
                    pieces[0].first, pieces[0].count);
  const std::optional<Grade> promised = grade(Durability::acknowledged);
  Result<void> done = co_await process.volume.unmap(std::move(ranges), ticket);
  (void)ended(*life, id, done, ticket, promised);
}

// Nobody else changes the source meanwhile, so that it is known what the target has to show. What
// could be taken for something older is written anew first.
Task Gateway::copy_once() {
  Process& process = *process_;
  const std::shared_ptr<Life> life = process.life;
  Piece from = some_piece(process.workload.largest_write);
  const Piece to = some_piece(from.count);
  from.count = to.count;
  if (overlap(from, to) || process.copied.touch(to)) co_return;
  if (process.changing.touch(from) || process.copied.touch(from)) co_return;
  const Pieces::Hold copied(process.copied, {from});
  const Pieces::Hold changing(process.changing, {to});
  std::optional<Copies::Origins> origins = co_await look_at(from);
  if (origins && !all_zeros(*origins) && !would_be_told(world_, *origins, to)) {
    co_await write_to(from);
    origins = co_await look_at(from);
  }
  if (!origins || !serving()) co_return;
  const bool zeros = all_zeros(*origins);
  if (!zeros && !would_be_told(world_, *origins, to)) co_return;
  const Tag tag = zeros ? 0 : world_.oracle.next_tag();
  if (!zeros) world_.copies.brought(*origins, to, tag);
  const TicketPtr ticket = some_ticket();
  const Life::CommandId id = life->issue({to}, tag, world_.oracle.next_moment());
  world_.trace.note("{}: command {} copies {}+{} to {}, {}", name_, id, from.first, from.count,
                    to.first, tag);
  const Lba target = blocks_of(to).first;
  Result<void> done = co_await process.volume.copy(blocks_of(from), target, ticket);
  const ErrorCode code = done ? ErrorCode::cancelled : done.error().code();
  if (code != ErrorCode::cancelled && code != ErrorCode::out_of_space) {  // it reads: that may fail
    world_.trace.note("{}: command {} fails: {}", name_, id, done.error().message());
    judge_damage(done.error(), ": a copy found damage: ");
    co_return;
  }
  if (ended(*life, id, done, ticket, Grade::store)) ++world_.counts.copies;
}

Task Gateway::flush_once() {
  Process& process = *process_;
  const std::shared_ptr<Life> life = process.life;
  const Moment issued = world_.oracle.next_moment();
  const Grade promised = *grade(Durability::flushed);
  world_.trace.note("{}: flush from {}", name_, issued);
  Result<void> done = co_await process.volume.flush();
  world_.trace.note("{}: flush from {}: {}", name_, issued, done ? "done" : done.error().message());
  if (done) {
    ++world_.counts.flushes;
    world_.judge(world_.oracle.flushed(*life, issued, promised));
  } else if (serving()) {
    world_.fail("a flush failed while the volume was online: " + done.error().message());
  }
}

Task Gateway::read_once() {
  (void)co_await look_at(some_piece(world_.shape.stripe_sectors));
}

// Reads, and lets it be judged. Nothing: it could not be read.
asio::awaitable<std::optional<Copies::Origins>> Gateway::look_at(Piece piece) {
  Process& process = *process_;
  const std::shared_ptr<Life> life = process.life;
  const Moment issued = world_.oracle.next_moment();
  Result<BufferList> data = co_await process.volume.read(blocks_of(piece));
  const Moment answered = world_.oracle.next_moment();
  if (!data) {
    world_.trace.note("{}: read of {}+{}: {}", name_, piece.first, piece.count,
                      data.error().message());
    judge_damage(data.error(), ": a read found damage: ");
    co_return std::nullopt;
  }
  Result<Copies::Origins> origins = origins_of(piece, *data);
  Result<Disk> tags = origins ? tags_of(world_, piece, *origins) : origins.error();
  if (!tags) {
    world_.fail(fmt::format("{}: a read of {}+{}: {}", name_, piece.first, piece.count,
                            tags.error().message()));
    co_return std::nullopt;
  }
  ++world_.counts.reads;
  world_.judge(life->judge_read(piece, *tags, issued, answered));
  co_return std::move(*origins);
}

// What is not mapped reads as zeros.
Task Gateway::look_at_allocation_once() {
  Process& process = *process_;
  const std::shared_ptr<Life> life = process.life;
  const Piece piece = some_piece(world_.shape.stripe_sectors);
  const Moment issued = world_.oracle.next_moment();
  Result<std::vector<AllocationPiece>> parts = co_await process.volume.allocation(blocks_of(piece));
  const Moment answered = world_.oracle.next_moment();
  if (!parts) {
    world_.trace.note("{}: allocation of {}+{}: {}", name_, piece.first, piece.count,
                      parts.error().message());
    judge_damage(parts.error(), ": a look at the allocation found damage: ");
    co_return;
  }
  Piece rest = piece;
  for (const AllocationPiece& part : *parts) {
    const uint64_t sectors = part.range.count.value() * (world_.block_size / kSectorBytes);
    const Piece here{rest.first, sectors};
    rest = {rest.first + sectors, rest.count - sectors};
    if (part.mapped) continue;
    world_.judge(life->judge_read(here, Disk(sectors, 0), issued, answered));
  }
  if (rest.count != 0) world_.fail(name_ + ": the allocation has not all of what was asked for");
}

Task Gateway::prefetch_once() {
  Result<Prefetched> done =
      co_await process_->volume.prefetch(blocks_of(some_piece(world_.shape.stripe_sectors)));
  if (!done) world_.trace.note("{}: prefetch: {}", name_, done.error().message());
}

Task Gateway::grow_once() {
  Process& process = *process_;
  const VolumeStatus before = process.volume.status();
  const ByteCount size = before.usage.capacity + ByteCount((1 + chance_.below(4)) << 25);
  world_.growth.asked(size.value());
  Result<void> done = co_await process.volume.grow(size);
  world_.trace.note("{}: growing to {}: {}", name_, size.value(),
                    done ? "done" : done.error().message());
  if (done) {
    ++world_.counts.grown;
    world_.judge(world_.growth.grown(before.epoch, size.value()));
  } else if (serving()) {
    world_.fail("the disk did not grow while the volume was online: " + done.error().message());
  }
}

Task Gateway::store_record_once() {
  Process& process = *process_;
  const std::shared_ptr<Life> life = process.life;
  const uint64_t number = chance_.below(kRecords);
  const Tag tag = world_.oracle.next_tag();
  const std::optional<Grade> promised = grade(Durability::flushed);
  const Piece place{world_.shape.sectors() + number, 1};
  const Life::CommandId id = life->issue({place}, tag, world_.oracle.next_moment());
  world_.trace.note("{}: command {} stores record {}, {}", name_, id, number, tag);
  Bytes record = record_of(tag, chance_.skewed(512));
  Result<void> done =
      co_await process.volume.store_metadata(MetadataKey(number), std::move(record));
  (void)ended(*life, id, done, nullptr, promised);
}

Task Gateway::load_record_once() {
  Process& process = *process_;
  const std::shared_ptr<Life> life = process.life;
  const uint64_t number = chance_.below(kRecords);
  const Moment issued = world_.oracle.next_moment();
  Result<Bytes> record = co_await process.volume.load_metadata(MetadataKey(number));
  const Moment answered = world_.oracle.next_moment();
  if (!record) {
    world_.trace.note("{}: load of record {}: {}", name_, number, record.error().message());
    co_return;
  }
  Result<Tag> tag = tag_of(*record);
  if (!tag) {
    world_.fail(name_ + ": " + tag.error().message());
    co_return;
  }
  const Piece place{world_.shape.sectors() + number, 1};
  world_.judge(life->judge_read(place, Disk{*tag}, issued, answered));
}

}  // namespace swiftness::sim
