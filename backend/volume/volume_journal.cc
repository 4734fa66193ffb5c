// The volume's dealings with its journal (I11; the journal itself: journal.h).
#include <fmt/format.h>

#include "backend/base/log.h"
#include "backend/volume/epoch.h"
#include "backend/volume/parked_chunk.h"
#include "backend/volume/volume.h"

namespace swiftness {

Async<void> Volume::open_own_journal() {
  if (journal_ || options_.journal == nullptr) co_return Result<void>();
  Result<std::unique_ptr<LocalFile>> file = co_await options_.journal->open();
  if (!file) co_return file.error().within("journal");
  Result<std::unique_ptr<Journal>> opened =
      co_await open_journal(executor_, std::move(*file), objects_.uuid());
  if (!opened) co_return opened.error().within("journal");
  journal_ = std::move(*opened);
  co_return Result<void>();
}

// Asked before anything is claimed: a claim stops the gateway that serves the volume now, and
// nobody shall do that by an attach that is refused in the end.
Async<void> Volume::may_claim() {
  Result<void> opened = co_await open_own_journal();
  if (!opened) co_return opened;
  Result<std::optional<Start>> highest = co_await look_for_start(objects_);
  if (!highest) co_return highest.error();
  if (!*highest || !(*highest)->journaled) co_return Result<void>();
  const Era& era = (*highest)->era;
  if (!journal_) co_return co_await may_abandon(*highest, "this gateway has no journal");
  const JournalFacts facts = journal_->facts();
  const bool ours =
      facts.state == JournalFacts::State::usable && (facts.stamp == era || facts.before == era);
  if (ours) co_return Result<void>();
  Result<void> allowed =
      co_await may_abandon(*highest, "this gateway's journal of it is new, or of another time");
  co_return allowed;
}

// Finds out what the journal has that the store has not, and makes it ours. Afterwards journal_ is
// stamped, or there is none.
Async<void> Volume::take_journal(Era era, std::optional<Start> highest, LogPosition log_end) {
  StoreLog log;
  log.end = log_end;
  if (highest) {
    log.last_started = highest->era;
    log.last_started_by = co_await host_of(objects_, highest->era);
  }
  bool settled = false;  // all that was acknowledged is here, or given up
  if (options_.journal != nullptr) {
    Result<void> opened = co_await open_own_journal();
    if (!opened) co_return opened;
    const JournalFacts facts = journal_->facts();
    const JournalVerdict verdict = judge(facts, log);
    if (verdict.action == JournalVerdict::Action::refuse) {
      co_await drop_journal();
      co_return Error(ErrorCode::corrupt, "journal: " + verdict.why);
    }
    settled =
        verdict.action == JournalVerdict::Action::use && facts.state == JournalFacts::State::usable;
    if (verdict.action == JournalVerdict::Action::set_aside) {
      Result<void> allowed = co_await may_abandon(highest, verdict.why);
      co_await drop_journal();
      if (!allowed) co_return allowed;
      Result<std::string> aside = co_await options_.journal->set_aside();
      if (!aside) co_return aside.error().within("journal: " + verdict.why);
      log::warning("volume {}: {}; it was set aside as {}", objects_.descriptor.name, verdict.why,
                   *aside);
      opened = co_await open_own_journal();
      if (!opened) co_return opened;
      settled = true;
    }
  }
  if (!settled) {
    Result<void> allowed = co_await may_abandon(
        highest, journal_ ? "this gateway's journal of it is new" : "this gateway has no journal");
    if (!allowed) {
      co_await drop_journal();
      co_return allowed;
    }
  }
  if (!journal_) co_return Result<void>();
  Result<void> stamped = co_await journal_->stamp(era, log.last_started, log_end);
  if (!stamped) {
    co_await drop_journal();
    co_return stamped.error().within("journal");
  }
  journal_->on_change([this] { on_journal_change(); });
  co_return Result<void>();
}

// Whoever has no matching journal gives up what is only in another gateway's. Without a clean
// release that needs force.
Async<void> Volume::may_abandon(std::optional<Start> highest, std::string why) {
  if (!highest || !highest->journaled) co_return Result<void>();
  const ObjectName name = objects_.names.released(highest->era);
  Presence released = co_await presence_of(objects_.store, name);
  if (released == Presence::yes) co_return Result<void>();
  if (released == Presence::unknown) co_return in_doubt(name);
  const std::string host = co_await host_of(objects_, highest->era);
  const Unsaved left = co_await unsaved_of(objects_, highest->era);
  const std::string what = left.bytes == 0
                               ? "how much is not known"
                               : fmt::format("at least {} bytes when it last told", left.bytes);
  if (!options_.force) {
    co_return Error(
        ErrorCode::conflict,
        fmt::format("{}, and gateway {} (epoch {}) did not release the volume: what it has "
                    "acknowledged and not uploaded is in its journal only ({}). Attach it there, "
                    "or force the attach, which abandons that for good",
                    why, host.empty() ? "unknown" : host, highest->era.epoch.value(), what));
  }
  log::warning(
      "volume {}: attached by force: what gateway {} (epoch {}) had not uploaded is abandoned, {}",
      objects_.descriptor.name, host.empty() ? "unknown" : host, highest->era.epoch.value(), what);
  co_return Result<void>();
}

Task Volume::drop_journal() {
  // A halt may come while a stop is about it.
  while (journal_ && dropping_journal_) co_await changed_.wait();
  if (!journal_) co_return;
  dropping_journal_ = true;
  co_await journal_->close();
  journal_.reset();
  dropping_journal_ = false;
  changed_.notify_all();
}

// Brings what the journal has beyond the log into the map and on its way to the store.
Async<void> Volume::replay_journal() {
  if (!journal_) co_return Result<void>();
  const LogPosition last = journal_->newest();
  if (position_ < last) {
    log::info("volume {}: {} writes out of the journal are not in the store yet",
              objects_.descriptor.name, (last - position_).value());
  }
  while (position_ < last) {
    Result<Journal::Replayed> next = co_await journal_->replay(position_.next());
    if (!next) co_return next.error().within("journal");
    if (quitting_) co_return Error(ErrorCode::unavailable, "the volume is stopped");
    const JournalRecord& record = next->record;
    while (!fits_in_buffer(record.data.size(), record.extents.size())) {
      seal_wanted_ = true;
      seal_if_due();
      if (quitting_) co_return Error(ErrorCode::unavailable, "the volume is stopped");
      co_await changed_.wait();
    }
    if (record.is_trim) {
      std::vector<Trim> trims;
      for (const JournalRecord::Extent& extent : record.extents) {
        trims.push_back({extent.first, extent.sectors});
      }
      sequence_trims(trims);
    } else {
      sequence_write(record.extents.front().first, record.data);
      builder_.journaled(next->place);
    }
    CHECK(position_ == record.position);
  }
  co_return Result<void>();
}

void Volume::on_journal_change() {
  if (journal_->failed() && !journal_alarm_) {
    journal_alarm_ = true;
    log::error(
        "volume {}: the journal failed and is not used any more: {}; writes are acknowledged only "
        "when they are in the store",
        objects_.descriptor.name, journal_->failed()->message());
    seal_wanted_ = true;
    seal_if_due();
  }
  changed_.notify_all();
}

bool Volume::journaling() const noexcept {
  return journal_ && !journal_->failed();
}

// Enqueues what was just given the newest position.
void Volume::journal_newest(JournalRecord record) {
  if (!journaling()) return;
  record.position = position_;
  const bool has_data = !record.is_trim;
  Result<JournalPlace> place = journal_->enqueue(std::move(record));
  if (!place) {
    on_journal_change();
  } else if (has_data) {
    builder_.journaled(*place);
  }
}

// ---- parking -----------------------------------------------------------------------------------

// A store that is slow or away shall not stop writers while the journal has room: what waits for
// its turn leaves memory.
Task Volume::park_chunks() {
  while (!quitting_ && journaling()) {
    std::shared_ptr<const SealedChunk> chunk;
    if (buffered() > options_.dirty_memory.value() / 2) chunk = uploader_.parkable();
    if (!chunk) {
      co_await changed_.wait();
      continue;
    }
    Result<void> written = co_await journal_->written(chunk->recipe->last_position());
    if (!written) co_return;  // retired: what is not written there stays here
    const Sequence sequence = chunk->header.sequence;
    chunk.reset();
    co_await uploader_.park(sequence);
    changed_.notify_all();
  }
}

Async<SealedChunk> Volume::restore(const SealedChunk& parked) {
  const std::shared_ptr<const ChunkRecipe> recipe = parked.recipe;
  Result<std::vector<Buffer>> data = co_await journal_->read_unverified(recipe->records());
  if (!data) co_return data.error();
  auto work = [recipe, data = std::move(*data)] {
    return Result<SealedChunk>(recipe->assemble(data));
  };
  Result<SealedChunk> whole = co_await offload<SealedChunk>(options_.workers, std::move(work));
  if (!same_bytes(*whole, parked)) {
    co_return Error(ErrorCode::corrupt, "journal: what waits for its upload fails its checksum");
  }
  whole->checksum = parked.checksum;
  whole->memory = parked.memory;
  whole->opened_at = parked.opened_at;
  co_return whole;
}

// not_found: it was uploaded meanwhile.
Async<BufferList> Volume::read_parked(std::shared_ptr<const SealedChunk> chunk, Location at,
                                      uint64_t sectors) {
  BufferList out;
  for (const ChunkRecipe::Source& source : chunk->recipe->find(chunk->raw_sector(at), sectors)) {
    Result<Buffer> data = co_await journal_->read(source.record, source.offset, source.length);
    if (!data) co_return data.error();
    out.append(std::move(*data));
  }
  co_return out;
}

// As safe as an acknowledged write is to be: in the journal, when there is one.
Async<void> Volume::acknowledge(LogPosition position) {
  if (!journal_) co_return Result<void>();
  if (journaling()) {
    Result<void> written = co_await journal_->written(position);
    if (written) co_return written;
  }
  co_return co_await make_durable_in_store(position);
}

Async<void> Volume::make_durable(LogPosition position) {
  if (options_.durable_in_journal && journaling()) {
    Result<void> synced = co_await journal_->synced(position);
    if (synced) co_return synced;
  }
  co_return co_await make_durable_in_store(position);
}

// Writes slow down smoothly from half full on: the nearer the end, the longer each waits. With a
// journal, memory is kept at half by parking, and only the upper quarter counts.
Duration Volume::give_way() const {
  constexpr double kMostSeconds = 0.2;
  double over = static_cast<double>(buffered()) /
                static_cast<double>(std::max<uint64_t>(options_.dirty_memory.value(), 1));
  if (journaling()) {
    const double used =
        static_cast<double>(journal_->used()) / static_cast<double>(journal_->capacity());
    over = std::max(used * 2 - 1, over * 4 - 3);
  } else {
    over = over * 2 - 1;
  }
  Duration pause{};
  if (over > 0) {
    over = std::min(over, 1.0);
    pause = std::chrono::duration_cast<Duration>(
        std::chrono::duration<double>(kMostSeconds * over * over * over));
  }
  if (const double ahead = garbage_ahead(); ahead > 0) {
    const std::chrono::duration<double> to_garbage(kMostSeconds * ahead * ahead);
    pause = std::max(pause, std::chrono::duration_cast<Duration>(to_garbage));
  }
  return pause;
}

// As the collector has it. While the store is away nothing can be cleaned, and nothing more is
// taken of its space either: the journal's room is what counts.
double Volume::garbage_ahead() const {
  return uploader_.trouble().empty() ? collector_->behind() : 0;
}

}  // namespace swiftness
