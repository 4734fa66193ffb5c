#include "backend/volume/recovery.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "backend/base/gate.h"
#include "backend/base/log.h"
#include "backend/volume/checkpoint.h"

namespace swiftness {

// Numbers are given without gaps from 1; old roots are
// deleted, but never a milestone (checkpoint.h). So the newest is above the last milestone that
// exists, and below the first that does not.
Async<uint64_t> newest_root_number(const VolumeObjects& objects, Era era) {
  uint64_t milestone = 0;
  GetOptions newest{.newest = true};
  Result<Head> head =
      co_await read_record<Head>(objects, objects.names.head(), decode_head, newest);
  if (head && head->root.era == era && head->root.number >= kMilestone) {
    const RootName hinted{era, head->root.number / kMilestone * kMilestone};
    Presence found = co_await presence_of(objects.store, objects.names.root(hinted));
    if (found == Presence::yes) milestone = hinted.number;
  }
  for (;;) {
    std::vector<std::string> names;
    for (uint64_t i = 1; i <= kMilestone; ++i) {
      names.push_back(objects.names.root(RootName{era, milestone + i}).name);
    }
    std::vector<Presence> found = co_await objects.store.presence(objects.names.meta(), names);
    if (found.back() == Presence::yes) {
      milestone += kMilestone;
      continue;
    }
    uint64_t last = milestone;
    for (uint64_t i = 1; i <= kMilestone; ++i) {
      if (found[i - 1] == Presence::unknown) {
        co_return in_doubt(objects.names.root(RootName{era, milestone + i}));
      }
      if (found[i - 1] == Presence::yes) last = milestone + i;
    }
    co_return last;
  }
}

Async<Root> read_root(const VolumeObjects& objects, RootName name) {
  const ObjectName object = objects.names.root(name);
  GetOptions newest{.newest = true};
  Result<Root> root = co_await read_record<Root>(objects, object, decode_root, newest);
  if (root && root->name != name) {
    co_return Error(ErrorCode::corrupt, to_string(object) + " is another root");
  }
  co_return root;
}

namespace {

constexpr uint64_t kHeaderGuess = 64 << 10;  // bytes; a longer header costs a second read
constexpr uint64_t kProbeBatch = 16;

// Chunk headers read ahead of where they are needed.
struct HeadSlot {
  Sequence sequence;
  Result<ChunkHead> head = Error(ErrorCode::unavailable, "not read");
};

Task read_head_into(const VolumeObjects& objects, Era era, HeadSlot& slot) {
  slot.head = co_await read_chunk_head(objects, era, slot.sequence);
}

asio::awaitable<std::vector<HeadSlot>> read_heads(const VolumeObjects& objects, Era era,
                                                  Sequence first, uint64_t count) {
  std::vector<HeadSlot> slots(count);
  Executor executor = co_await asio::this_coro::executor;
  FanOut reads(executor);
  for (uint64_t i = 0; i < count; ++i) {
    slots[i].sequence = Sequence(first.value() + i);
    reads.add(read_head_into(objects, era, slots[i]));
  }
  co_await reads.join();
  co_return slots;
}

// Step 4. A damaged root is passed over for the one before: they say the same of the past. But not
// for none: what the first root covers may be deleted by now.
Async<Root> find_root(const VolumeObjects& objects, const Start& start, RecoveredLog& log) {
  Result<uint64_t> number = co_await newest_root_number(objects, start.era);
  if (!number) co_return number.error();
  log.newest_root = *number;
  std::vector<RootName> candidates;
  for (uint64_t n = *number; n > 0; --n) candidates.push_back(RootName{start.era, n});
  if (start.base.number > 0) candidates.push_back(start.base);
  for (const RootName& candidate : candidates) {
    Result<Root> root = co_await read_root(objects, candidate);
    if (root) co_return root;
    if (root.error().code() != ErrorCode::corrupt) co_return root.error();
    log::error("volume {}: {}; going back to the root before it", objects.descriptor.name,
               root.error().message());
    log.damaged_roots.push_back(root.error().message());
    if (candidate == candidates.back()) co_return root.error();
  }
  Root none;
  none.size = objects.descriptor.created_size;
  none.block_size = objects.descriptor.block_size;
  co_return none;
}

// The eras from the root's on to the start's, by the chain of predecessors.
Async<EraHistory> chain_from(const VolumeObjects& objects, const Root& root, Start start) {
  std::vector<Start> newer{start};  // newest first
  while (newer.back().era != root.name.era && newer.back().predecessor.era.epoch != Epoch(0)) {
    const Era wanted = newer.back().predecessor.era;
    if (wanted == root.name.era) break;
    const ObjectName name = objects.names.start(wanted.epoch);
    GetOptions newest{.newest = true};
    Result<Start> before = co_await read_record<Start>(objects, name, decode_start, newest);
    if (!before) co_return before.error();
    if (before->era != wanted) {
      co_return Error(ErrorCode::corrupt,
                      to_string(name) + " is of another claim than its successor names");
    }
    newer.push_back(*before);
  }
  EraHistory eras(root.eras);
  for (auto it = newer.rbegin(); it != newer.rend(); ++it) {
    if (it->era == root.name.era) continue;  // the root's own era is in its list
    eras.begin(it->era, it->predecessor.last.next(), root.next_object);
  }
  co_return eras;
}

// Steps through the log, chunk by chunk.
class RollForward {
 public:
  RollForward(const VolumeObjects& objects, RecoveredLog& log, const Start& start, ExtentMap& map,
              ChunkLedger& ledger, LogReading reading)
      : objects_(objects),
        log_(log),
        start_(start),
        map_(map),
        ledger_(ledger),
        reading_(reading) {}

  Async<void> run() {
    // By index: the list may not change under us, but references into it are not worth the risk.
    const std::vector<EraSpan> spans = log_.eras.spans();
    for (size_t i = 0; i + 1 < spans.size(); ++i) {
      Result<void> done = co_await closed_era(spans[i]);
      if (!done) co_return done;
    }
    co_return co_await open_era(spans.back().era);
  }

 private:
  // Every chunk that the successor's start published must be there.
  Async<void> closed_era(EraSpan span) {
    while (log_.end.last < span.last) {
      const Sequence first = log_.end.last.next();
      const uint64_t count = std::min(kProbeBatch, (span.last - first).value() + 1);
      std::vector<HeadSlot> slots = co_await read_heads(objects_, span.era, first, count);
      for (const HeadSlot& slot : slots) {
        if (!slot.head && slot.head.error().code() == ErrorCode::not_found) {
          co_return co_await missing(span.era, slot.sequence);
        }
        if (!slot.head) co_return slot.head.error();
        Result<void> accepted = accept(span.era, *slot.head);
        if (!accepted) co_return accepted;
      }
    }
    // Its successor proved its tail before it published.
    log_.proven = std::max(log_.proven, span.last);
    co_return Result<void>();
  }

  // The era whose end nobody has published: it ends at the first chunk that is certainly absent.
  Async<void> open_era(Era era) {
    for (;;) {
      const Sequence first = log_.end.last.next();
      std::vector<HeadSlot> slots = co_await read_heads(objects_, era, first, kProbeBatch);
      for (const HeadSlot& slot : slots) {
        if (!slot.head && slot.head.error().code() == ErrorCode::not_found) {
          Result<bool> ended = co_await end_of_log(era, slot.sequence);
          if (!ended) co_return ended.error();
          if (*ended) co_return Result<void>();
          break;  // it came meanwhile: read on from there
        }
        if (!slot.head) co_return slot.head.error();
        Result<void> accepted = accept(era, *slot.head);
        if (!accepted) co_return accepted;
      }
    }
  }

  // A published chunk that one answer says is not there.
  Async<void> missing(Era era, Sequence sequence) {
    const ObjectName name = objects_.names.chunk(era, sequence);
    Presence found = co_await presence_of(objects_.store, name);
    if (found != Presence::no) co_return in_doubt(name);
    co_return Error(ErrorCode::corrupt,
                    to_string(name) + " is missing, although its era's successor published it");
  }

  // One answer said that `gap` is not there. It is the end only if that is certain, and if no chunk
  // the writer may have sent after it knew it to be durable. False: the gap has closed.
  Async<bool> end_of_log(Era era, Sequence gap) {
    const uint64_t window = start_.upload_window;
    std::map<std::string, std::vector<Sequence>> by_container;
    for (uint64_t i = 0; i <= window; ++i) {
      Sequence sequence(gap.value() + i);
      by_container[objects_.names.data(sequence)].push_back(sequence);
    }
    for (const auto& [container, sequences] : by_container) {
      if (!container_in_use(container)) {
        Result<bool> there = co_await ensure_container(container);
        if (!there) co_return there.error();
        if (!*there) continue;
      }
      std::vector<std::string> names;
      for (Sequence sequence : sequences) {
        names.push_back(objects_.names.chunk(era, sequence).name);
      }
      std::vector<Presence> found = co_await objects_.store.presence(container, names);
      for (size_t i = 0; i < sequences.size(); ++i) {
        const ObjectName name = objects_.names.chunk(era, sequences[i]);
        if (found[i] == Presence::unknown) co_return in_doubt(name);
        if (found[i] == Presence::no) continue;
        Result<bool> harmless = co_await check_behind_gap(era, gap, sequences[i]);
        if (!harmless || !*harmless) co_return harmless;
      }
    }
    co_return true;
  }

  // Absence is certain only in a container that is there. Whoever looks on makes none: what is not
  // there yet holds nothing. False: it is not there.
  Async<bool> ensure_container(std::string container) {
    if (reading_ == LogReading::attaching) {
      Result<void> made = co_await objects_.store.create_container(container);
      if (!made) co_return made.error();
      co_return true;
    }
    Result<ListPage> listed = co_await objects_.store.list(container, "", "", 1);
    if (listed) co_return true;
    if (listed.error().code() == ErrorCode::not_found) co_return false;
    co_return listed.error();
  }

  // False: the gap has closed meanwhile.
  Async<bool> check_behind_gap(Era era, Sequence gap, Sequence sequence) {
    const ObjectName missing = objects_.names.chunk(era, gap);
    if (sequence == gap) {
      if (reading_ == LogReading::looking_on && closed(gap)) co_return false;
      co_return Error(ErrorCode::unavailable, to_string(missing) + " was denied and then seen");
    }
    Result<ChunkHead> head = co_await read_chunk_head(objects_, era, sequence);
    if (!head) co_return head.error();
    if (head->header.frontier < gap) co_return true;
    // Two looks are two moments: only absence after the proof of durability is damage. The writer
    // may not have noticed yet that it was fenced, and have filled the gap meanwhile.
    Presence again = co_await presence_of(objects_.store, missing);
    if (again == Presence::unknown) co_return in_doubt(missing);
    if (again == Presence::yes) {
      if (reading_ == LogReading::looking_on && closed(gap)) co_return false;
      co_return Error(ErrorCode::unavailable,
                      to_string(missing) + " came, or may have, after it had been looked for");
    }
    co_return Error(ErrorCode::corrupt,
                    fmt::format("{} is missing, although it was durable when chunk {} was sealed",
                                to_string(missing), sequence.value()));
  }

  // A store that goes on denying what it has shall not keep us for ever.
  bool closed(Sequence gap) {
    constexpr int kMostDenials = 8;
    denials_ = gap == denied_ ? denials_ + 1 : 1;
    denied_ = gap;
    return denials_ <= kMostDenials;
  }

  // A container with no accepted chunk in it may not have been made yet.
  bool container_in_use(const std::string& container) const {
    return log_.end.last.value() > 0 && objects_.names.data(log_.end.last) == container;
  }

  Result<void> accept(const Era& era, const ChunkHead& head) {
    const ObjectName name = objects_.names.chunk(era, head.header.sequence);
    if (head.header.previous_hash != log_.end.header_hash) {
      return Error(ErrorCode::corrupt, to_string(name) + " does not follow the chunk before it");
    }
    if (head.header.first_position != log_.position.next()) {
      return Error(ErrorCode::corrupt,
                   to_string(name) + " does not go on at the next log position");
    }
    for (const ChunkExtent& extent : head.header.extents) {
      if (extent.kind != ExtentKind::shared || ledger_.find(extent.source.chunk) != nullptr)
        continue;
      return Error(ErrorCode::corrupt, fmt::format("{} shares data of chunk {}, which is not there",
                                                   to_string(name), extent.source.chunk.value()));
    }
    replay(head.header, map_, ledger_);
    log_.end.last = head.header.sequence;
    log_.end.header_hash = head.hash;
    log_.position =
        LogPosition(head.header.first_position.value() + head.header.position_count - 1);
    log_.proven = std::max(log_.proven, head.header.frontier);
    return {};
  }

  const VolumeObjects& objects_;
  RecoveredLog& log_;
  const Start& start_;
  ExtentMap& map_;
  ChunkLedger& ledger_;
  const LogReading reading_;
  Sequence denied_;  // a gap that closed after it was seen
  int denials_ = 0;
};

// Reads a whole chunk, verifies it to the last frame, and PUTs the same bytes again.
Task put_again(const VolumeObjects& objects, Era era, Sequence sequence, Result<void>& outcome) {
  const ObjectName name = objects.names.chunk(era, sequence);
  GetOptions newest{.newest = true};
  Result<Buffer> bytes = co_await objects.store.get(name, ByteRange::whole(), newest);
  if (!bytes) {
    outcome = bytes.error();
    co_return;
  }
  Result<ChunkHeader> header = decode_chunk_header(objects.uuid(), bytes->bytes());
  if (!header || header->object_size != bytes->size()) {
    outcome = Error(ErrorCode::corrupt, to_string(name) + " is not the chunk its header promises");
    co_return;
  }
  for (const ChunkExtent& extent : header->extents) {
    if (!extent.has_data()) continue;
    const uint64_t offset = extent.at.frame_offset * kSectorBytes;
    const uint64_t length = extent.at.frame_length * kSectorBytes;
    if (offset + length > bytes->size()) {
      outcome = Error(ErrorCode::corrupt, to_string(name) + " ends inside a frame");
      co_return;
    }
    Result<Buffer> frame =
        open_frame(sequence, extent.at.frame_offset, bytes->slice(offset, length));
    if (!frame) {
      outcome = frame.error().within(to_string(name));
      co_return;
    }
  }
  PutOptions options;
  outcome = co_await objects.store.put(name, BufferList(*bytes), options);
}

}  // namespace

Async<ChunkHead> read_chunk_head(const VolumeObjects& objects, Era era, Sequence sequence) {
  const ObjectName name = objects.names.chunk(era, sequence);
  const GetOptions newest{.newest = true};
  ByteRange range{0, kHeaderGuess, true};
  Result<Buffer> bytes = co_await objects.store.get(name, range, newest);
  if (!bytes) co_return bytes.error();
  const bool whole = bytes->size() < kHeaderGuess;
  Result<size_t> size = record_size(bytes->bytes());
  if (!size) co_return size.error().within(to_string(name));
  if (*size > bytes->size() && !whole) {
    range = ByteRange{0, *size};
    bytes = co_await objects.store.get(name, range, newest);
    if (!bytes) co_return bytes.error();
  }
  Result<ChunkHeader> header = decode_chunk_header(objects.uuid(), bytes->bytes());
  if (!header) co_return header.error().within(to_string(name));
  // Of a chunk that is longer than what was read the length is not known; whoever reads its data
  // finds out.
  const bool cut =
      whole ? header->object_size != bytes->size() : header->object_size < kHeaderGuess;
  if (header->era != era || header->sequence != sequence || cut) {
    co_return Error(ErrorCode::corrupt, to_string(name) + " is not the chunk its name says");
  }
  co_return ChunkHead{std::move(*header), sha256(bytes->bytes().first(*size))};
}

void replay(const ChunkHeader& header, ExtentMap& map, ChunkLedger& ledger) {
  ledger.add(header);
  for (const ChunkExtent& extent : header.extents) {
    switch (extent.kind) {
      case ExtentKind::trim:
        map.erase(extent.first, extent.sectors);
        break;
      case ExtentKind::data:
        map.assign(extent.first, extent.sectors, extent.at);
        break;
      case ExtentKind::moved:
        map.repoint_known(extent.first, extent.sectors, extent.source, extent.at);
        break;
      case ExtentKind::shared:
        map.assign(extent.first, extent.sectors, extent.source);
        ledger.share(extent.source.chunk);
        break;
    }
  }
}

Async<RecoveredLog> recover_log(const VolumeObjects& objects, std::optional<Start> highest,
                                ExtentMap& map, ChunkLedger& ledger, LogReading reading) {
  RecoveredLog log;
  log.base.size = objects.descriptor.created_size;
  log.base.block_size = objects.descriptor.block_size;
  if (!highest) co_return log;

  Result<Root> root = co_await find_root(objects, *highest, log);
  if (!root) co_return root.error();
  log.base = *root;
  const EraHistory map_eras(log.base.eras);
  const MapReader reader(objects, map_eras);
  Executor executor = co_await asio::this_coro::executor;
  Result<void> loaded = co_await load_map(executor, reader, log.base, map, ledger);
  if (!loaded) co_return loaded.error();
  Result<EraHistory> eras = co_await chain_from(objects, log.base, *highest);
  if (!eras) co_return eras.error();
  log.eras = *eras;
  log.end.last = log.base.covered;
  log.end.header_hash = log.base.covered_hash;
  log.position = log.base.covered_position;
  log.proven = log.base.covered;

  RollForward roll(objects, log, *highest, map, ledger, reading);
  Result<void> rolled = co_await roll.run();
  if (!rolled) co_return rolled.error();
  log.end.era = highest->era;
  log.eras.extend_to(log.end.last);
  co_return log;
}

Async<void> prove_tail(const VolumeObjects& objects, const RecoveredLog& log) {
  // A root of an era before was proven by whoever started from it.
  if (log.base.name.number > 0 && log.base.name.era == log.end.era) {
    const ObjectName name = objects.names.root(log.base.name);
    Result<Root> root = co_await prove_record<Root>(objects, name, decode_root);
    if (!root) co_return root.error();
  }
  Executor executor = co_await asio::this_coro::executor;
  for (Sequence next = log.proven.next(); next <= log.end.last;) {
    const uint64_t count = std::min<uint64_t>(4, (log.end.last - next).value() + 1);
    std::vector<Result<void>> outcomes(count);
    FanOut puts(executor);
    for (uint64_t i = 0; i < count; ++i) {
      Sequence sequence(next.value() + i);
      puts.add(put_again(objects, log.eras.era_of(sequence), sequence, outcomes[i]));
    }
    co_await puts.join();
    for (const Result<void>& outcome : outcomes) {
      if (!outcome) co_return outcome.error().within("repeating the end of the log");
    }
    next = Sequence(next.value() + count);
  }
  co_return Result<void>();
}

}  // namespace swiftness
