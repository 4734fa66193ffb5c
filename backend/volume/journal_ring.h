// The ring of a journal as an endless stream of bytes: offset in the stream to place in the file,
// and reading it from one record to the next.
#pragma once

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

inline constexpr size_t kRingWindowBytes = 1 << 20;

// Reads ahead, for whoever goes through the ring in ascending order.
class JournalReader {
 public:
  JournalReader() = default;
  explicit JournalReader(JournalRing ring) : ring_(ring) {}

  // The record that begins at `offset`: everything checked but that it belongs there. corrupt:
  // there is none that ends at or before `limit`, or the disk cannot read it back.
  struct Found {
    JournalRecordHeader header;
    BufferList data;
  };
  Async<Found> read_record(uint64_t generation, uint64_t offset, uint64_t limit);

  // Just bytes. What is read ahead ends at `limit`, which is at least offset + length.
  Async<Buffer> read(uint64_t offset, size_t length, uint64_t limit);

 private:
  Async<JournalRecordHeader> read_header(uint64_t generation, uint64_t offset, uint64_t limit);

  JournalRing ring_;
  uint64_t window_start_ = 0;
  Buffer window_;
  uint64_t sick_until_ = 0;  // before this offset nothing is read ahead
};

}  // namespace swiftness
