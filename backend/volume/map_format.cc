#include "backend/volume/map_format.h"

#include "backend/volume/record_codec.h"

namespace swiftness {
namespace {

constexpr size_t kPlaceBytes = 16;
constexpr size_t kEraBytes = 24 + 8 + 8 + 8;
constexpr size_t kChangeBytes = 4 + 4 + 8;
constexpr size_t kLedgerEntryBytes = 16;
constexpr uint32_t kCountedBit = 1u << 31;
constexpr uint32_t kSharedBit = 1u << 31;
constexpr uint64_t kMostPages = kMostDiskPages + 1;  // the last one is for metadata
constexpr uint64_t kMostSegments = (kMostPages + kSegmentPages - 1) / kSegmentPages;

void put_place(Writer& out, const MapPlace& at) {
  out.number(at.object);
  out.number(at.offset);
  out.number(at.length);
}

MapPlace get_place(Reader& in) {
  MapPlace out;
  out.object = in.number<uint64_t>();
  out.offset = in.number<uint32_t>();
  out.length = in.number<uint32_t>();
  return out;
}

}  // namespace

Bytes encode(const Uuid& volume, const Root& root) {
  Writer out(RecordKind::root, volume);
  out.root_name(root.name);
  out.number(root.covered.value());
  out.raw(root.covered_hash);
  out.number(root.covered_position.value());
  out.number(root.size.value());
  out.number(root.block_size);
  out.number(root.next_object);
  out.number(static_cast<uint32_t>(root.eras.size()));
  for (const EraSpan& span : root.eras) {
    out.era(span.era);
    out.number(span.first.value());
    out.number(span.last.value());
    out.number(span.first_object);
  }
  out.number(static_cast<uint32_t>(root.segments.size()));
  for (const Root::Segment& segment : root.segments) {
    out.number(segment.index);
    put_place(out, segment.at);
  }
  out.number(static_cast<uint32_t>(root.runs.size()));
  for (const MapPlace& run : root.runs) put_place(out, run);
  put_place(out, root.ledger);
  put_place(out, root.detached);
  out.number(static_cast<uint32_t>(root.objects.size()));
  for (const Root::MapObject& object : root.objects) {
    out.number(object.number);
    out.number(object.size);
  }
  return std::move(out).finish();
}

Result<Root> decode_root(const Uuid& volume, std::span<const std::byte> bytes) {
  Result<Reader> in = open_record(RecordKind::root, volume, bytes);
  if (!in) return in.error();
  Root out;
  out.name = in->root_name();
  out.covered = Sequence(in->number<uint64_t>());
  out.covered_hash = in->raw<32>();
  out.covered_position = LogPosition(in->number<uint64_t>());
  out.size = ByteCount(in->number<uint64_t>());
  out.block_size = in->number<uint32_t>();
  out.next_object = in->number<uint64_t>();
  const size_t eras = in->count(kEraBytes);
  for (size_t i = 0; i < eras; ++i) {
    EraSpan span;
    span.era = in->era();
    span.first = Sequence(in->number<uint64_t>());
    span.last = Sequence(in->number<uint64_t>());
    span.first_object = in->number<uint64_t>();
    out.eras.push_back(span);
  }
  const size_t segments = in->count(4 + kPlaceBytes);
  for (size_t i = 0; i < segments; ++i) {
    Root::Segment segment;
    segment.index = in->number<uint32_t>();
    segment.at = get_place(*in);
    if (segment.index >= kMostSegments) in->fail();
    out.segments.push_back(segment);
  }
  const size_t runs = in->count(kPlaceBytes);
  for (size_t i = 0; i < runs; ++i) out.runs.push_back(get_place(*in));
  out.ledger = get_place(*in);
  out.detached = get_place(*in);
  const size_t objects = in->count(16);
  for (size_t i = 0; i < objects; ++i) {
    Root::MapObject object;
    object.number = in->number<uint64_t>();
    object.size = in->number<uint64_t>();
    out.objects.push_back(object);
  }
  if (out.eras.empty()) in->fail();
  return finished(*in, std::move(out));
}

Bytes encode(const Uuid& volume, const IndexSegment& segment) {
  Writer out(RecordKind::segment, volume);
  out.number(segment.index);
  out.number(static_cast<uint32_t>(segment.entries.size()));
  for (const IndexSegment::Entry& entry : segment.entries) {
    out.number(entry.slot);
    put_place(out, entry.leaf);
  }
  return std::move(out).finish();
}

Result<IndexSegment> decode_segment(const Uuid& volume, std::span<const std::byte> bytes) {
  Result<Reader> in = open_record(RecordKind::segment, volume, bytes);
  if (!in) return in.error();
  IndexSegment out;
  out.index = in->number<uint32_t>();
  if (out.index >= kMostSegments) in->fail();
  const size_t entries = in->count(2 + kPlaceBytes);
  for (size_t i = 0; i < entries; ++i) {
    IndexSegment::Entry entry;
    entry.slot = in->number<uint16_t>();
    entry.leaf = get_place(*in);
    if (entry.slot >= kSegmentPages || entry.leaf.none()) in->fail();
    out.entries.push_back(entry);
  }
  return finished(*in, std::move(out));
}

Bytes encode(const Uuid& volume, const Run& run) {
  Writer out(RecordKind::run, volume);
  out.number(static_cast<uint32_t>(run.erased.size()));
  for (const Run::Erased& erased : run.erased) {
    out.number(erased.page);
    out.number(erased.pages);
  }
  out.number(static_cast<uint32_t>(run.pages.size()));
  for (const Run::Page& page : run.pages) {
    out.number(page.page);
    out.number(static_cast<uint32_t>(page.changes.size()));
    for (const Change& change : page.changes) {
      out.number(change.first);
      out.number(change.sectors | (change.counted ? kCountedBit : 0));
      out.number(change.packed);
    }
  }
  return std::move(out).finish();
}

Result<Run> decode_run(const Uuid& volume, std::span<const std::byte> bytes) {
  Result<Reader> in = open_record(RecordKind::run, volume, bytes);
  if (!in) return in.error();
  Run out;
  const size_t erased = in->count(16);
  for (size_t i = 0; i < erased; ++i) {
    Run::Erased range;
    range.page = in->number<uint64_t>();
    range.pages = in->number<uint64_t>();
    if (range.page >= kMostPages || range.pages > kMostPages - range.page) in->fail();
    out.erased.push_back(range);
  }
  const size_t pages = in->count(12);
  for (size_t i = 0; i < pages; ++i) {
    Run::Page page;
    page.page = in->number<uint64_t>();
    if (page.page >= kMostPages) in->fail();
    const size_t changes = in->count(kChangeBytes);
    page.changes.reserve(changes);
    uint64_t end = 0;
    for (size_t c = 0; c < changes; ++c) {
      Change change;
      change.first = in->number<uint32_t>();
      const auto sectors = in->number<uint32_t>();
      change.sectors = sectors & ~kCountedBit;
      change.counted = (sectors & kCountedBit) != 0;
      change.packed = in->number<uint64_t>();
      const bool sound =
          change.sectors > 0 && change.first >= end &&
          uint64_t{change.first} + change.sectors <= kPageSectors &&
          (change.packed == 0 || fits_a_frame(unpack(change.packed), change.sectors));
      if (!sound) in->fail();
      end = uint64_t{change.first} + change.sectors;
      page.changes.push_back(change);
    }
    out.pages.push_back(std::move(page));
  }
  return finished(*in, std::move(out));
}

Bytes encode(const Uuid& volume, const LedgerRecord& ledger) {
  Writer out(RecordKind::ledger, volume);
  out.number(static_cast<uint32_t>(ledger.entries.size()));
  for (const LedgerEntry& entry : ledger.entries) {
    out.number(static_cast<uint32_t>(entry.chunk.value()));
    out.number(entry.live);
    out.number(entry.stored | (entry.shared ? kSharedBit : 0));
    out.number(static_cast<uint32_t>(entry.birth.value()));
  }
  return std::move(out).finish();
}

Result<LedgerRecord> decode_ledger(const Uuid& volume, std::span<const std::byte> bytes) {
  Result<Reader> in = open_record(RecordKind::ledger, volume, bytes);
  if (!in) return in.error();
  LedgerRecord out;
  const size_t entries = in->count(kLedgerEntryBytes);
  out.entries.reserve(entries);
  for (size_t i = 0; i < entries; ++i) {
    LedgerEntry entry;
    entry.chunk = Sequence(in->number<uint32_t>());
    entry.live = in->number<uint32_t>();
    const auto stored = in->number<uint32_t>();
    entry.stored = stored & ~kSharedBit;
    entry.shared = (stored & kSharedBit) != 0;
    entry.birth = Sequence(in->number<uint32_t>());
    if (!out.entries.empty() && entry.chunk <= out.entries.back().chunk) in->fail();
    out.entries.push_back(entry);
  }
  return finished(*in, std::move(out));
}

Bytes encode(const Uuid& volume, const Detached& detached) {
  Writer out(RecordKind::detached, volume);
  out.number(static_cast<uint32_t>(detached.leaves.size()));
  for (const MapPlace& leaf : detached.leaves) put_place(out, leaf);
  return std::move(out).finish();
}

Result<Detached> decode_detached(const Uuid& volume, std::span<const std::byte> bytes) {
  Result<Reader> in = open_record(RecordKind::detached, volume, bytes);
  if (!in) return in.error();
  Detached out;
  const size_t leaves = in->count(kPlaceBytes);
  out.leaves.reserve(leaves);
  for (size_t i = 0; i < leaves; ++i) out.leaves.push_back(get_place(*in));
  return finished(*in, std::move(out));
}

}  // namespace swiftness
