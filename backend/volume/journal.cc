#include "backend/volume/journal.h"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <cstring>
#include <utility>

#include "backend/base/crc32c.h"
#include "backend/base/log.h"
#include "backend/base/random.h"
#include "backend/volume/journal_scan.h"

namespace swiftness {
namespace {

constexpr uint64_t kSmallestFile = kRingStart + (64 << 10);
constexpr uint64_t kMostBatchBytes = 4 << 20;  // of one write; a larger record goes alone
// A write takes longer to come and go between threads than to be done. While one does, the next
// gathers what came meanwhile.
constexpr size_t kMostWrites = 3;
constexpr uint64_t kRememberPart = 16;  // of the ring: released room that is worth a superblock

uint64_t random_number() {
  uint64_t out = 0;
  fill_random(std::as_writable_bytes(std::span(&out, 1)));
  return out;
}

bool is_zero(std::span<const std::byte> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

LogPosition before(LogPosition position) {
  return LogPosition(position.value() - 1);
}

}  // namespace

Journal::Journal(Executor executor, std::unique_ptr<LocalFile> file, Uuid volume)
    : executor_(executor),
      volume_(volume),
      file_(std::move(file)),
      gate_(executor),
      written_changed_(executor),
      synced_changed_(executor),
      superblock_free_(executor) {}

Journal::~Journal() = default;

// ---- opening -----------------------------------------------------------------------------------

Async<std::unique_ptr<Journal>> open_journal(Executor executor, std::unique_ptr<LocalFile> file,
                                             Uuid volume) {
  std::unique_ptr<Journal> journal(new Journal(executor, std::move(file), volume));
  Result<void> loaded = co_await journal->load();
  if (!loaded) co_return loaded.error().within("journal");
  co_return journal;
}

Async<void> Journal::load() {
  if (file_->size() < kSmallestFile) {
    co_return Error(ErrorCode::invalid, "its file is too small");
  }
  // File systems that leave the beginning of a device alone have something in its first MiB.
  const uint64_t blank = std::min<uint64_t>(file_->size(), 1 << 20);
  Result<Buffer> start = co_await file_->read(0, blank);
  if (start && is_zero(start->bytes())) co_return Result<void>();  // fresh
  SuperblockSlot slots[2];
  for (size_t i = 0; i < 2; ++i) {
    Result<Buffer> slot = co_await file_->read(kSuperblockPlaces[i], kSuperblockBytes);
    if (slot) {
      slots[i] = decode_superblock(slot->bytes());
    } else if (slot.error().code() == ErrorCode::corrupt) {
      slots[i] = {SuperblockSlot::State::unreadable, {}, slot.error().message()};
    } else {
      co_return slot.error();
    }
  }
  choose(slots[0], slots[1]);
  if (facts_.state != JournalFacts::State::usable) co_return Result<void>();
  co_return co_await scan();
}

void Journal::choose(const SuperblockSlot& a, const SuperblockSlot& b) {
  const auto sound = SuperblockSlot::State::sound;
  if (a.state != sound && b.state != sound) {
    facts_.state = JournalFacts::State::unreadable;
    facts_.damage = a.why.empty() ? b.why : a.why;
    if (facts_.damage.empty()) facts_.damage = "no journal of ours";
    return;
  }
  const bool second =
      a.state != sound || (b.state == sound && b.superblock.sequence > a.superblock.sequence);
  slot_ = second ? 1 : 0;
  superblock_ = second ? b.superblock : a.superblock;
  facts_.volume = superblock_.volume;
  facts_.stamp = superblock_.stamp;
  facts_.before = superblock_.before;
  facts_.retired = superblock_.retired;
  if (superblock_.volume != volume_) {
    facts_.state = JournalFacts::State::foreign;
  } else if (superblock_.ring_bytes > file_->size() - kRingStart) {
    facts_.state = JournalFacts::State::unreadable;
    facts_.damage = "the journal's file is shorter than the journal: its end was cut off";
  } else {
    facts_.state = JournalFacts::State::usable;
  }
}

Async<void> Journal::scan() {
  ring_ = JournalRing(*file_, superblock_.ring_bytes);
  reader_ = JournalReader(ring_);
  first_ = superblock_.tail_position;
  head_ = written_end_ = superblock_.tail_offset;
  written_ = synced_ = newest();
  if (superblock_.closed) co_return Result<void>();
  Result<ScannedRing> found = co_await scan_ring(ring_, superblock_);
  if (!found) co_return found.error();
  starts_ = std::move(found->starts);
  head_ = written_end_ = found->head;
  written_ = newest();
  synced_ = std::min(found->proven, newest());
  facts_.damage = std::move(found->damage);
  facts_.frontier = found->frontier;
  co_return Result<void>();
}

JournalFacts Journal::facts() const {
  JournalFacts out = facts_;
  out.oldest = oldest();
  out.newest = newest();
  out.frontier = std::max(out.frontier, before(oldest()));
  return out;
}

// ---- stamping ----------------------------------------------------------------------------------

Superblock Journal::next_superblock(Era era, Era last_started) const {
  Superblock next = superblock_;
  next.volume = volume_;
  next.stamp = era;
  next.before = last_started;
  next.begins = head_;
  next.tail_offset = tail();
  next.tail_position = first_;
  next.retired = false;
  next.closed = false;
  if (!starts_.empty()) return next;
  // Nothing to keep: a new ring, in which no byte of the old one means anything.
  next.generation = random_number();
  next.ring_bytes = (file_->size() - kRingStart) / kSectorBytes * kSectorBytes;
  next.begins = 0;
  next.tail_offset = 0;
  return next;
}

Async<void> Journal::stamp(Era era, Era last_started, LogPosition log_end) {
  CHECK(facts_.state == JournalFacts::State::fresh || facts_.state == JournalFacts::State::usable);
  CHECK(facts_.state == JournalFacts::State::fresh || facts_.damage.empty());
  CHECK(era.epoch > facts_.stamp.epoch && !enqueued_);
  if (failed_) co_return *failed_;
  if (gate_.closed()) co_return closed();
  Gate::Pass pass(gate_);
  while (!starts_.empty() && first_ <= log_end) {
    starts_.pop_front();
    first_ = first_.next();
  }
  if (starts_.empty()) first_ = log_end.next();
  CHECK(first_ <= log_end.next());  // as judged
  Result<void> safe = co_await write_again();
  if (!safe) co_return safe;

  // Into both places: a superblock that decays later leaves the other.
  const Superblock next = next_superblock(era, last_started);
  for (int i = 0; i < 2; ++i) {
    Result<void> put = co_await put_superblock(next);
    if (!put) co_return put;
  }
  if (starts_.empty()) head_ = written_end_ = 0;
  ring_ = JournalRing(*file_, superblock_.ring_bytes);
  reader_ = JournalReader(ring_);
  written_ = synced_ = newest();
  facts_.state = JournalFacts::State::usable;
  facts_.volume = volume_;
  facts_.stamp = era;
  facts_.before = last_started;
  facts_.retired = false;
  stamped_ = true;
  co_return Result<void>();
}

// Records that no sync vouches for may exist in the page cache only: if a sync of an earlier
// process failed, the system has forgotten that they are not on the medium, and no later sync would
// bring them there. Written again as they are they are safe like new ones. Synced before the
// superblock says so.
Async<void> Journal::write_again() {
  JournalReader reader(ring_);
  bool any = false;
  for (size_t i = 0; i < starts_.size(); ++i) {
    if (first_ + LogPosition(i) <= synced_) continue;
    Result<JournalReader::Found> found =
        co_await reader.read_record(superblock_.generation, starts_[i], head_);
    Result<void> done = found ? Result<void>() : found.error();
    if (found) {
      BufferList bytes(Buffer::own(encode(found->header)));
      bytes.append(found->data);
      done = co_await ring_.write(starts_[i], std::move(bytes));
    }
    if (!done) {
      fail(done.error());
      co_return *failed_;
    }
    any = true;
  }
  if (any) co_return co_await sync_once();
  co_return Result<void>();
}

// The one place that writes superblocks, always over the older one. One at a time.
// Over the older of the two; not synced.
Async<void> Journal::write_superblock(const Superblock& next) {
  BufferList bytes(Buffer::own(encode(next)));
  co_return co_await file_->write(kSuperblockPlaces[1 - slot_], std::move(bytes));
}

Async<void> Journal::put_superblock(Superblock next) {
  while (superblock_busy_) co_await superblock_free_.wait();
  if (failed_) co_return *failed_;
  superblock_busy_ = true;
  next.sequence = superblock_.sequence + 1;
  Result<void> done = co_await write_superblock(next);
  if (!done) fail(done.error());
  while (syncing_ && !failed_) co_await synced_changed_.wait();
  if (!failed_) done = co_await sync_once();
  if (failed_) {
    done = *failed_;
  } else {
    superblock_ = next;
    slot_ = 1 - slot_;
  }
  superblock_busy_ = false;
  superblock_free_.notify_all();
  co_return done;
}

// ---- reading back ------------------------------------------------------------------------------

LogPosition Journal::oldest() const noexcept {
  return first_;
}

LogPosition Journal::newest() const noexcept {
  return LogPosition(first_.value() + starts_.size() - 1);
}

Async<Journal::Replayed> Journal::replay(LogPosition position) {
  CHECK(facts_.state == JournalFacts::State::usable && facts_.damage.empty());
  CHECK(position >= oldest() && position <= newest() && position <= written_);
  if (gate_.closed()) co_return closed();
  Gate::Pass pass(gate_);
  const uint64_t offset = starts_[(position - first_).value()];
  Result<JournalReader::Found> found =
      co_await reader_.read_record(superblock_.generation, offset, written_end_);
  if (!found) co_return found.error().within("journal");
  JournalRecordHeader& header = found->header;
  if (header.offset != offset || header.position != position) {
    co_return Error(ErrorCode::corrupt, "journal: a record has changed since it was verified");
  }
  Replayed out;
  out.place = JournalPlace{header.data_offset(), header.data_bytes, header.data_checksum};
  out.record.position = position;
  out.record.is_trim = header.is_trim;
  out.record.extents = std::move(header.extents);
  out.record.data = std::move(found->data);
  co_return out;
}

Async<Buffer> Journal::read(JournalPlace place, uint64_t offset, uint64_t length) {
  CHECK(offset <= place.length && length <= place.length - offset);
  std::vector<JournalPlace> places{place};
  Result<std::vector<Buffer>> data = co_await read_unverified(std::move(places));
  if (!data) co_return data.error();
  if (crc32c(data->front().bytes()) != place.checksum) {
    co_return Error(ErrorCode::corrupt, "journal: a record's data fail their checksum");
  }
  co_return data->front().slice(offset, length);
}

Async<std::vector<Buffer>> Journal::read_unverified(std::vector<JournalPlace> places) {
  std::vector<Buffer> out;
  if (places.empty()) co_return out;
  const uint64_t limit = places.back().offset + places.back().length;
  CHECK(limit <= written_end_);
  if (gate_.closed()) co_return closed();
  Gate::Pass pass(gate_);
  JournalReader reader(ring_);
  for (const JournalPlace& place : places) {
    Result<Buffer> data = co_await reader.read(place.offset, place.length, limit);
    // Before the remembered tail somebody else's bytes may be by now.
    if (place.offset < superblock_.tail_offset) {
      co_return Error(ErrorCode::not_found, "journal: this record has been released");
    }
    if (!data) co_return data.error().within("journal");
    out.push_back(std::move(*data));
  }
  co_return out;
}

// ---- writing -----------------------------------------------------------------------------------

uint64_t Journal::record_bytes(uint64_t data_bytes, size_t extents) {
  return record_header_bytes(extents) + data_bytes;
}

uint64_t Journal::capacity() const noexcept {
  return superblock_.ring_bytes;
}

uint64_t Journal::used() const noexcept {
  return head_ - superblock_.tail_offset;
}

Result<JournalPlace> Journal::enqueue(JournalRecord record) {
  if (failed_) return *failed_;
  if (gate_.closed()) return closed();
  CHECK(stamped_ && record.position == newest().next());
  CHECK(has_room(record.data.size(), record.extents.size()));
  JournalRecordHeader header;
  header.generation = superblock_.generation;
  header.epoch = superblock_.stamp.epoch;
  header.offset = head_;
  header.position = record.position;
  header.synced = synced_;
  header.frontier = before(first_);
  header.is_trim = record.is_trim;
  header.extents = std::move(record.extents);
  header.data_bytes = static_cast<uint32_t>(record.data.size());
  header.data_checksum = checksum_of(record.data);
  BufferList bytes(Buffer::own(encode(header)));
  bytes.append(record.data);
  queue_.push_back(Queued{header.position, head_, std::move(bytes)});
  starts_.push_back(head_);
  head_ = header.end();
  enqueued_ = true;
  start_writing();
  return JournalPlace{header.data_offset(), header.data_bytes, header.data_checksum};
}

void Journal::start_writing() {
  if (starting_ || !may_write()) return;
  starting_ = true;
  gate_.spawn("journal", write_out());
}

// Of what was released before it was written there may be more than the ring holds: what is under
// way never overlaps.
bool Journal::may_write() const {
  if (queue_.empty() || failed_ || under_way_.size() >= kMostWrites) return false;
  const Queued& next = queue_.front();
  return under_way_.empty() ||
         next.offset + next.bytes.size() - under_way_.front().begin <= ring_.bytes();
}

Task Journal::write_out() {
  // Whatever else this turn enqueues comes along.
  co_await asio::post(executor_, asio::use_awaitable);
  starting_ = false;
  while (may_write()) {
    Result<void> done = co_await write_batch();
    if (!done) fail(done.error());
  }
}

Async<void> Journal::write_batch() {
  Batch batch{{}, queue_.front().offset, queue_.front().offset};
  const uint64_t begin = under_way_.empty() ? batch.begin : under_way_.front().begin;
  const uint64_t limit = std::min(batch.begin + kMostBatchBytes, begin + ring_.bytes());
  BufferList bytes;
  do {
    batch.last = queue_.front().position;
    batch.end += queue_.front().bytes.size();
    bytes.append(queue_.front().bytes);
    queue_.pop_front();
  } while (!queue_.empty() && batch.end + queue_.front().bytes.size() <= limit);
  under_way_.push_back(batch);
  Result<void> done = co_await ring_.write(batch.begin, std::move(bytes));
  if (!done) co_return done;
  std::find_if(under_way_.begin(), under_way_.end(), [&batch](const Batch& other) {
    return other.begin == batch.begin;
  })->written = true;
  // Records count as written in the order of the log, whichever write ends first.
  while (!under_way_.empty() && under_way_.front().written && !failed_) {
    written_ = under_way_.front().last;
    written_end_ = under_way_.front().end;
    under_way_.pop_front();
    written_changed_.notify_all();
  }
  co_return done;
}

Async<void> Journal::written(LogPosition position) {
  if (gate_.closed()) co_return closed();
  Gate::Pass pass(gate_);
  CHECK(failed_ || position <= newest());
  while (written_ < position && !failed_) co_await written_changed_.wait();
  if (failed_) co_return *failed_;
  co_return Result<void>();
}

Async<void> Journal::synced(LogPosition position) {
  Result<void> done = co_await written(position);
  if (!done) co_return done;
  if (gate_.closed()) co_return closed();
  Gate::Pass pass(gate_);
  while (synced_ < position && !failed_) {
    if (syncing_) {
      co_await synced_changed_.wait();
    } else {
      (void)co_await sync_once();  // its outcome shows in synced_ and failed_
    }
  }
  if (failed_) co_return *failed_;
  co_return Result<void>();
}

// Whoever finds no sync under way runs one, for all whose records are written by now.
Async<void> Journal::sync_once() {
  CHECK(!syncing_);
  syncing_ = true;
  const LogPosition covers = written_;
  Result<void> done = co_await file_->sync();
  syncing_ = false;
  if (!done) fail(done.error());
  if (failed_) {
    done = *failed_;
  } else {
    synced_ = std::max(synced_, covers);
  }
  synced_changed_.notify_all();
  co_return done;
}

// ---- releasing ---------------------------------------------------------------------------------

void Journal::release(LogPosition position) {
  CHECK(stamped_ && (failed_ || position <= newest()));
  while (first_ <= position && !starts_.empty()) {
    starts_.pop_front();
    first_ = first_.next();
  }
  const uint64_t forgotten = tail() - superblock_.tail_offset;
  if (forgotten < capacity() / kRememberPart || remembering_ || failed_ || gate_.closed()) return;
  remembering_ = true;
  gate_.spawn("journal", remember_tail());
}

// Until this superblock is synced a crash finds the one before, and scans from its tail: nothing
// from there on may be overwritten, released or not.
Task Journal::remember_tail() {
  co_await asio::post(executor_, asio::use_awaitable);
  while (!failed_ && tail() - superblock_.tail_offset >= capacity() / kRememberPart) {
    Superblock next = superblock_;
    next.tail_offset = tail();
    next.tail_position = first_;
    Result<void> put = co_await put_superblock(next);
    if (put && tell_) tell_();
  }
  remembering_ = false;
}

// ---- failing and closing -----------------------------------------------------------------------

void Journal::fail(const Error& error) {
  if (failed_) return;
  failed_ = error.within("journal");
  facts_.retired = true;
  written_changed_.notify_all();
  synced_changed_.notify_all();
  gate_.spawn("journal", mark_retired());
}

// As far as the disk still lets it; nothing depends on it.
Task Journal::mark_retired() {
  co_await asio::post(executor_, asio::use_awaitable);
  if (tell_) tell_();
  while (superblock_busy_) co_await superblock_free_.wait();
  if (!stamped_) co_return;
  superblock_busy_ = true;
  Superblock next = superblock_;
  next.sequence += 1;
  next.retired = true;
  Result<void> done = co_await write_superblock(next);
  if (done) done = co_await file_->sync();
  if (!done) log::debug("journal: cannot mark it as retired: {}", done.error().message());
  superblock_busy_ = false;
  superblock_free_.notify_all();
}

Error Journal::closed() const {
  return Error(ErrorCode::cancelled, "the journal is closed");
}

Task Journal::close() {
  co_await gate_.close();
  if (!stamped_ || failed_ || !starts_.empty() || superblock_.closed) co_return;
  Superblock next = superblock_;
  next.sequence += 1;
  next.tail_offset = head_;
  next.tail_position = first_;
  next.closed = true;
  Result<void> done = co_await write_superblock(next);
  if (done) done = co_await file_->sync();
  if (done) superblock_ = next;
  if (!done) log::debug("journal: cannot mark it as closed: {}", done.error().message());
}

}  // namespace swiftness
