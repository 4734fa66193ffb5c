#include "backend/volume/journal_scan.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace swiftness {
namespace {

// Whether this record is the one that belongs at `offset`. From `begins` on there is one epoch
// only: what an earlier gateway wrote behind a torn tail may have survived there, and would else
// join on to what was written over the tear.
bool belongs(const JournalRecordHeader& header, const Superblock& superblock, uint64_t offset,
             LogPosition position) {
  if (header.offset != offset || header.position != position) return false;
  const bool is_own = header.epoch == superblock.stamp.epoch;
  return is_own == (offset >= superblock.begins);
}

// The second half of a scan: what do later records tell about the one that is missing at out.head?
class Evidence {
 public:
  Evidence(JournalRing ring, const Superblock& superblock, ScannedRing& out)
      : ring_(ring),
        superblock_(superblock),
        out_(out),
        missing_(superblock.tail_position.value() + out.starts.size()),
        limit_(superblock.tail_offset + ring.bytes()) {}

  // Every place of the ring that holds no accepted record is looked at.
  Async<void> collect() {
    if (out_.head < superblock_.begins) {
      out_.damage = fmt::format(
          "the journal is damaged: record {} cannot be read, but epoch {} began behind it",
          missing_.value(), superblock_.stamp.epoch.value());
    }
    for (uint64_t at = out_.head; at < limit_ && out_.damage.empty(); at += kRingWindowBytes) {
      const uint64_t length = std::min<uint64_t>(kRingWindowBytes, limit_ - at);
      Result<void> looked = co_await look_at(at, length);
      if (!looked) co_return looked;
    }
    co_return Result<void>();
  }

 private:
  Async<void> look_at(uint64_t at, uint64_t length) {
    Result<Buffer> window = co_await ring_.read(at, length);
    if (!window && window.error().code() == ErrorCode::corrupt && length > kSectorBytes) {
      // Some sector cannot be read; the others can.
      for (uint64_t i = 0; i < length; i += kSectorBytes) {
        Result<void> looked = co_await look_at(at + i, kSectorBytes);
        if (!looked) co_return looked;
      }
      co_return Result<void>();
    }
    if (!window) co_return unless_corrupt(window.error());
    for (uint64_t i = 0; i < length; i += kSectorBytes) {
      const std::span<const std::byte> sector = window->bytes().subspan(i, kSectorBytes);
      Result<size_t> size = record_header_size(superblock_.generation, sector);
      if (!size) continue;
      Result<void> weighed = co_await weigh(at + i, *size);
      if (!weighed) co_return weighed;
    }
    co_return Result<void>();
  }

  // The header alone: it has a checksum of its own, and data may be torn.
  Async<void> weigh(uint64_t at, size_t size) {
    if (size > ring_.bytes()) co_return Result<void>();
    Result<Buffer> bytes = co_await ring_.read(at, size);
    if (!bytes) co_return unless_corrupt(bytes.error());
    Result<JournalRecordHeader> header = decode_record_header(bytes->bytes());
    if (header && is_later(*header, at)) weigh(*header);
    co_return Result<void>();
  }

  bool is_later(const JournalRecordHeader& header, uint64_t at) const {
    return header.offset > out_.head && header.position > missing_ &&
           header.offset % ring_.bytes() == at % ring_.bytes();
  }

  void weigh(const JournalRecordHeader& header) {
    out_.frontier = std::max(out_.frontier, header.frontier);
    if (header.synced >= missing_) {
      out_.damage = fmt::format(
          "the journal is damaged: record {} cannot be read, but was on the medium when record {} "
          "was written",
          missing_.value(), header.position.value());
    } else if (header.end() > limit_ || header.epoch > superblock_.stamp.epoch) {
      out_.damage =
          fmt::format("the journal is damaged: record {} is younger than both superblocks allow",
                      header.position.value());
    }
  }

  static Result<void> unless_corrupt(const Error& error) {
    if (error.code() == ErrorCode::corrupt) return {};
    return error;
  }

  const JournalRing ring_;
  const Superblock& superblock_;
  ScannedRing& out_;
  const LogPosition missing_;
  const uint64_t limit_;
};

}  // namespace

Async<ScannedRing> scan_ring(JournalRing ring, Superblock superblock) {
  ScannedRing out;
  out.head = superblock.tail_offset;
  out.frontier = LogPosition(superblock.tail_position.value() - 1);
  const uint64_t limit = superblock.tail_offset + ring.bytes();
  JournalReader reader(ring);
  LogPosition position = superblock.tail_position;
  for (;;) {
    Result<JournalReader::Found> found =
        co_await reader.read_record(superblock.generation, out.head, limit);
    if (!found && found.error().code() != ErrorCode::corrupt) co_return found.error();
    if (!found || !belongs(found->header, superblock, out.head, position)) break;
    out.starts.push_back(out.head);
    out.head = found->header.end();
    out.proven = std::max(out.proven, found->header.synced);
    out.frontier = std::max(out.frontier, found->header.frontier);
    if (out.head <= superblock.begins) out.proven = position;  // the stamp saw to it
    position = position.next();
  }
  Evidence evidence(ring, superblock, out);
  Result<void> collected = co_await evidence.collect();
  if (!collected) co_return collected.error();
  co_return out;
}

}  // namespace swiftness
