// The ring of a journal as an endless stream of bytes: offset in the stream to place in the file,
// and reading it from one record to the next.
#pragma once

#include <deque>
#include <string>

#include "backend/base/local_file.h"
#include "backend/volume/journal_format.h"

namespace swiftness {

class JournalRing {
 public:
  JournalRing() = default;
  JournalRing(LocalFile& file, uint64_t bytes) : file_(&file), bytes_(bytes) {}

  uint64_t bytes() const noexcept { return bytes_; }

  // At most bytes() at once. What reaches over the ring's end goes on at its start.
  Async<void> write(uint64_t offset, BufferList data) const;
  Async<Buffer> read(uint64_t offset, size_t length) const;

 private:
  LocalFile* file_ = nullptr;
  uint64_t bytes_ = 0;
};

// Reads ahead, for whoever goes through the ring in ascending order.
class JournalReader {
 public:
  JournalReader() = default;
  explicit JournalReader(JournalRing ring) : ring_(ring) {}

  // Bytes from `offset` on; what is read ahead ends at `limit`, which is at least offset + length.
  Async<Buffer> read(uint64_t offset, size_t length, uint64_t limit);

  // The record that begins at `offset`: everything checked but that it belongs there. corrupt: there
  // is none that ends at or before `limit`.
  struct Found {
    JournalRecordHeader header;
    BufferList data;
  };
  Async<Found> read_record(uint64_t generation, uint64_t offset, uint64_t limit);
  // Its header alone.
  Async<JournalRecordHeader> read_header(uint64_t generation, uint64_t offset, uint64_t limit);

 private:
  JournalRing ring_;
  uint64_t window_start_ = 0;
  Buffer window_;
};

// What the ring holds, beginning at the superblock's tail.
struct ScannedRing {
  std::deque<uint64_t> starts;  // offset of each record, without a gap
  uint64_t head = 0;            // where the last of them ends
  LogPosition proven;           // highest position that a record says was synced
  LogPosition frontier;         // highest position known durable in the store
  std::string damage;           // why the end of the records is no torn tail; empty: it is
};
Async<ScannedRing> scan_ring(JournalRing ring, Superblock superblock);

}  // namespace swiftness
