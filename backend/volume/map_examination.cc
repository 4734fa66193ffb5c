#include "backend/volume/map_examination.h"

#include <fmt/format.h>

#include <algorithm>

#include "backend/base/gate.h"

namespace swiftness {
namespace {

constexpr size_t kLeavesAtOnce = 8;

}  // namespace

Task MapExamination::examine(CheckReport& report) {
  pages_ = view_.map.pages();
  co_await examine_windows();
  co_await read_detached(view_.map.detached());
  report.pages = pages_.size();
  report.extents = seen_.extents;
  report.mapped_bytes = seen_.mapped_bytes;
  report.chunks = seen_.chunks;
  report.chunk_bytes = seen_.chunk_bytes;
  report.frames = seen_.frames;
  report.deleted_chunks = seen_.deleted_chunks;
  report.overcounted_bytes = seen_.overcounted_bytes;
}

Task MapExamination::examine_again(const std::vector<Suspicion>& suspicions) {
  again_ = true;
  std::vector<MapPlace> detached;
  for (const Suspicion& suspicion : suspicions) {
    pages_.insert(pages_.end(), suspicion.pages.begin(), suspicion.pages.end());
    if (suspicion.chunk > Sequence(0)) chunks_.insert(suspicion.chunk);
    if (suspicion.chunk == Sequence(0)) {
      whole_pages_.insert(suspicion.pages.begin(), suspicion.pages.end());
    }
    if (!suspicion.leaf) continue;
    const std::vector<MapPlace>& there = view_.map.detached();
    const bool still = std::find(there.begin(), there.end(), *suspicion.leaf) != there.end();
    if (still) detached.push_back(*suspicion.leaf);
  }
  std::sort(pages_.begin(), pages_.end());
  pages_.erase(std::unique(pages_.begin(), pages_.end()), pages_.end());
  co_await examine_windows();
  co_await read_detached(detached);
}

Task MapExamination::examine_windows() {
  Window window;
  window.first = Sequence(1);
  chunks_total_ = again_ ? chunks_.size() : view_.ledger.chunks();
  for (;;) {
    window.end = Sequence(UINT64_MAX);
    window.references.clear();
    co_await walk_map(window);
    first_walk_ = false;
    co_await verify_chunks(window);
    if (window.end == Sequence(UINT64_MAX)) break;
    window.first = window.end;
  }
}

// ---- the map -----------------------------------------------------------------------------------

Task MapExamination::walk_map(Window& window) {
  Executor executor = co_await asio::this_coro::executor;
  size_t next = 0;
  FanOut walks(executor);
  for (size_t i = 0; i < std::min(kLeavesAtOnce, pages_.size()); ++i) {
    walks.add(walk_pages(window, next));
  }
  co_await walks.join();
  std::sort(window.references.begin(), window.references.end());
}

Task MapExamination::walk_pages(Window& window, size_t& next) {
  while (next < pages_.size()) {
    const uint64_t page = pages_[next++];
    const Sector first(page * kPageSectors);
    Result<void> loaded = co_await view_.loader.ensure(first, SectorCount(kPageSectors));
    if (loaded) {
      note_page(page, window);
    } else if (first_walk_) {
      suspect_page(page, CheckFinding::Kind::map, loaded.error());
    }
    if (!again_) tell_({CheckProgress::Stage::map, next, pages_.size()});
  }
}

bool MapExamination::wanted(uint64_t page, Sequence chunk) const {
  return !again_ || whole_pages_.contains(page) || chunks_.contains(chunk);
}

// Takes the page's references; on the turn on which its leaf is known.
void MapExamination::note_page(uint64_t page, Window& window) {
  const size_t most = options_.reference_memory.value() / sizeof(MapReference);
  const uint64_t end_of_disk = view_.log.base.size.value() / kSectorBytes;
  const Sector first(page * kPageSectors);
  for (const ExtentMap::Piece& piece : view_.map.lookup(first, SectorCount(kPageSectors))) {
    if (!piece.at) continue;
    const uint64_t sectors = piece.sectors.value();
    if (first_walk_) {
      ++seen_.extents;
      seen_.mapped_bytes += sectors * kSectorBytes;
      const char* wrong = nullptr;
      const bool is_metadata = page >= kMostDiskPages;
      if (!is_metadata && piece.first.value() + sectors > end_of_disk)
        wrong = "beyond the end of the disk";
      if (view_.ledger.find(piece.at->chunk) == nullptr) wrong = "in a chunk the ledger lacks";
      if (wrong != nullptr && wanted(page, piece.at->chunk)) {
        const Error error(
            ErrorCode::corrupt,
            fmt::format("the map has {} sectors from sector {} in chunk {}: {}", sectors,
                        piece.first.value(), piece.at->chunk.value(), wrong));
        suspect_page(page, CheckFinding::Kind::reference, error);
      }
    }
    const Sequence chunk = piece.at->chunk;
    if (chunk < window.first || chunk >= window.end || !wanted(page, chunk)) continue;
    window.references.push_back(
        {pack(*piece.at), piece.first.value(), static_cast<uint32_t>(sectors)});
  }
  while (window.references.size() > most) {
    const size_t before = window.references.size();
    shrink(window);
    if (window.references.size() == before) break;  // all of one chunk: that is not many
  }
}

// Puts off the upper half of the window.
void MapExamination::shrink(Window& window) const {
  std::vector<MapReference>& all = window.references;
  auto middle = all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2);
  std::nth_element(all.begin(), middle, all.end());
  Sequence end = middle->chunk();
  const Sequence lowest = std::min_element(all.begin(), all.end())->chunk();
  if (end == lowest) end = end.next();
  window.end = end;
  std::erase_if(all, [end](const MapReference& reference) { return reference.chunk() >= end; });
}

// The ledger is still to be told what died with them: garbage collection waits for that.
Task MapExamination::read_detached(const std::vector<MapPlace>& leaves) {
  for (const MapPlace& place : leaves) {
    Result<LeafPtr> leaf = co_await view_.reader.read<LeafPtr>(place, decode_leaf);
    if (leaf) continue;
    Suspicion suspicion;
    suspicion.finding.kind = CheckFinding::Kind::map;
    suspicion.finding.what = "the leaf of an erased page: " + leaf.error().message();
    suspicion.certain = leaf.error().code() == ErrorCode::corrupt;
    suspicion.leaf = place;
    suspect(std::move(suspicion));
  }
}

// ---- chunks ------------------------------------------------------------------------------------

Task MapExamination::verify_chunks(Window& window) {
  std::vector<LedgerEntry> entries;
  auto reference = window.references.begin();
  view_.ledger.visit([&](const LedgerEntry& entry) {
    if (entry.chunk < window.first || entry.chunk >= window.end) return;
    while (reference != window.references.end() && reference->chunk() < entry.chunk) ++reference;
    const bool referred = reference != window.references.end() && reference->chunk() == entry.chunk;
    if (again_ && !referred && !chunks_.contains(entry.chunk)) return;
    entries.push_back(entry);
  });
  Executor executor = co_await asio::this_coro::executor;
  size_t next = 0;
  FanOut all(executor);
  for (size_t i = 0; i < std::min(options_.parallel, entries.size()); ++i) {
    all.add(verify_next(window, entries, next));
  }
  co_await all.join();
}

Task MapExamination::verify_next(const Window& window, const std::vector<LedgerEntry>& entries,
                                 size_t& next) {
  while (next < entries.size()) {
    const LedgerEntry entry = entries[next++];
    const auto [from, to] = std::equal_range(
        window.references.begin(), window.references.end(),
        MapReference{entry.chunk.value() << 32, 0, 0},
        [](const MapReference& a, const MapReference& b) { return a.chunk() < b.chunk(); });
    co_await verify(entry, std::span<const MapReference>(from, to));
    ++chunks_done_;
    if (!again_) tell_({CheckProgress::Stage::chunks, chunks_done_, chunks_total_});
  }
}

Task MapExamination::verify(LedgerEntry entry, std::span<const MapReference> references) {
  using Kind = CheckFinding::Kind;
  uint64_t live = 0;
  for (const MapReference& reference : references) live += reference.sectors;
  if (!again_ && live > entry.live && entry.live != LedgerEntry::kUncounted) {
    // Of one view alone: no gateway can change that.
    suspect_chunk(entry, references, Kind::ledger,
                  fmt::format("{} sectors count as live, {} are", entry.live, live), live, true);
  }
  if (!again_ && live < entry.live) seen_.overcounted_bytes += (entry.live - live) * kSectorBytes;

  const ObjectName name =
      view_.objects.names.chunk(view_.log.eras.era_of(entry.chunk), entry.chunk);
  ChunkHeader header;
  Result<Buffer> whole = co_await read_chunk(name, entry, header);
  if (!whole && whole.error().code() == ErrorCode::not_found) {
    const Presence found = co_await presence_of(view_.objects.store, name);
    if (found == Presence::no && live == 0) {
      ++seen_.deleted_chunks;  // dead anyway; a crash forgot that it was deleted
    } else if (found == Presence::no) {
      suspect_chunk(entry, references, Kind::missing, "missing", live, true);
    } else {
      suspect_chunk(entry, references, Kind::missing, in_doubt(name).message(), live, false);
    }
    co_return;
  }
  if (!whole) {
    const bool certain = whole.error().code() == ErrorCode::corrupt;
    suspect_chunk(entry, references, Kind::chunk, whole.error().message(), live, certain);
    co_return;
  }
  ++seen_.chunks;
  seen_.chunk_bytes += header.object_size;
  std::vector<ChunkFault> faults = check_references(header, references, entry.shared);
  if (!options_.quick) {
    for (ChunkFault& fault : check_frames(header, *whole, references, seen_.frames)) {
      faults.push_back(std::move(fault));
    }
  }
  for (const ChunkFault& fault : faults) {
    const bool frame = fault.kind == ChunkFault::Kind::frame;
    const std::string count =
        fault.faults == 1 ? "" : fmt::format(", and {} more", fault.faults - 1);
    suspect_chunk(entry, references, frame ? Kind::frame : Kind::reference, fault.what + count,
                  fault.sectors, true);
  }
}

// The chunk's bytes (quick: none) and its header. corrupt: they are not what they should be.
Async<Buffer> MapExamination::read_chunk(ObjectName name, LedgerEntry entry, ChunkHeader& header) {
  const Era era = view_.log.eras.era_of(entry.chunk);
  Buffer whole;
  uint64_t size = 0;
  if (options_.quick) {
    Result<ChunkHead> head = co_await read_chunk_head(view_.objects, era, entry.chunk);
    if (!head) co_return head.error();
    header = std::move(head->header);
    GetOptions newest;
    newest.newest = true;
    Result<ObjectInfo> info = co_await view_.objects.store.head(name, newest);
    if (!info) co_return info.error();
    size = info->size;
  } else {
    // The first look asks any replica, the second for the newest answer of all.
    GetOptions options;
    options.newest = again_;
    Result<Buffer> bytes = co_await view_.objects.store.get(name, ByteRange::whole(), options);
    if (!bytes) co_return bytes.error();
    Result<ChunkHeader> decoded = decode_chunk_header(view_.objects.uuid(), bytes->bytes());
    if (!decoded) co_return decoded.error();
    header = std::move(*decoded);
    whole = std::move(*bytes);
    if (header.era != era || header.sequence != entry.chunk) {
      co_return Error(ErrorCode::corrupt, "it is not the chunk its name says");
    }
    size = whole.size();
  }
  if (header.object_size != size) {
    co_return Error(ErrorCode::corrupt,
                    fmt::format("its header says {} bytes, it has {}", header.object_size, size));
  }
  if (padded_to_sector(header.object_size) != entry.stored * kSectorBytes) {
    co_return Error(ErrorCode::corrupt,
                    fmt::format("the ledger says {} bytes, its header {}",
                                entry.stored * kSectorBytes, header.object_size));
  }
  co_return whole;
}

// ---- suspicions --------------------------------------------------------------------------------

void MapExamination::suspect_page(uint64_t page, CheckFinding::Kind kind, const Error& error) {
  Suspicion suspicion;
  suspicion.finding.kind = kind;
  suspicion.finding.what = kind == CheckFinding::Kind::map
                               ? fmt::format("the map of sectors {} to {}: {}", page * kPageSectors,
                                             (page + 1) * kPageSectors - 1, error.message())
                               : error.message();
  suspicion.certain = error.code() == ErrorCode::corrupt;
  suspicion.pages.push_back(page);
  suspect(std::move(suspicion));
}

void MapExamination::suspect_chunk(const LedgerEntry& entry,
                                   std::span<const MapReference> references,
                                   CheckFinding::Kind kind, std::string what, uint64_t sectors,
                                   bool certain) {
  Suspicion suspicion;
  suspicion.finding.kind = kind;
  suspicion.finding.object =
      to_string(view_.objects.names.chunk(view_.log.eras.era_of(entry.chunk), entry.chunk));
  suspicion.finding.what = std::move(what);
  suspicion.finding.sectors = sectors;
  suspicion.certain = certain;
  suspicion.chunk = entry.chunk;
  std::set<uint64_t> pages;
  for (const MapReference& reference : references) pages.insert(reference.first / kPageSectors);
  suspicion.pages.assign(pages.begin(), pages.end());
  suspect(std::move(suspicion));
}

void MapExamination::suspect(Suspicion suspicion) {
  if (suspicions_.size() < kMostFindings) {
    suspicions_.push_back(std::move(suspicion));
  } else {
    ++unlisted_;
  }
}

}  // namespace swiftness
