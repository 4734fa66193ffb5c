#include "backend/volume/journal_ring.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace swiftness {

Async<void> JournalRing::write(uint64_t offset, BufferList data) const {
  CHECK(data.size() <= bytes_);
  const uint64_t place = offset % bytes_;
  const size_t before_end = std::min<uint64_t>(data.size(), bytes_ - place);
  if (before_end == data.size()) {
    co_return co_await file_->write(kRingStart + place, std::move(data));
  }
  BufferList first = data.slice(0, before_end);
  BufferList rest = data.slice(before_end, data.size() - before_end);
  Result<void> done = co_await file_->write(kRingStart + place, std::move(first));
  if (!done) co_return done;
  co_return co_await file_->write(kRingStart, std::move(rest));
}

Async<Buffer> JournalRing::read(uint64_t offset, size_t length) const {
  CHECK(length <= bytes_);
  const uint64_t place = offset % bytes_;
  const size_t before_end = std::min<uint64_t>(length, bytes_ - place);
  Result<Buffer> first = co_await file_->read(kRingStart + place, before_end);
  if (!first || before_end == length) co_return first;
  Result<Buffer> rest = co_await file_->read(kRingStart, length - before_end);
  if (!rest) co_return rest;
  BufferList both(std::move(*first));
  both.append(std::move(*rest));
  co_return both.flatten();
}

Async<Buffer> JournalReader::read(uint64_t offset, size_t length, uint64_t limit) {
  CHECK(offset <= limit && length <= limit - offset);
  const uint64_t window_end = window_start_ + window_.size();
  if (offset >= window_start_ && offset + length <= window_end) {
    co_return window_.slice(offset - window_start_, length);
  }
  uint64_t ahead = std::min<uint64_t>({limit - offset, kRingWindowBytes, ring_.bytes()});
  if (ahead < length || offset < sick_until_) ahead = length;
  Result<Buffer> window = co_await ring_.read(offset, ahead);
  if (!window && window.error().code() == ErrorCode::corrupt && ahead > length) {
    // The sector that cannot be read may be one that nobody needs.
    sick_until_ = offset + ahead;
    ahead = length;
    window = co_await ring_.read(offset, ahead);
  }
  if (!window) co_return window;
  window_start_ = offset;
  window_ = std::move(*window);
  co_return window_.slice(0, length);
}

Async<JournalRecordHeader> JournalReader::read_header(uint64_t generation, uint64_t offset,
                                                      uint64_t limit) {
  if (limit < offset || limit - offset < kSectorBytes) {
    co_return Error(ErrorCode::corrupt, "the ring is full");
  }
  Result<Buffer> bytes = co_await read(offset, kSectorBytes, limit);
  if (!bytes) co_return bytes.error();
  Result<size_t> size = record_header_size(generation, bytes->bytes());
  if (!size) co_return size.error();
  if (*size > limit - offset) co_return Error(ErrorCode::corrupt, "record is cut");
  if (*size > bytes->size()) {
    bytes = co_await read(offset, *size, limit);
    if (!bytes) co_return bytes.error();
  }
  co_return decode_record_header(bytes->bytes());
}

Async<JournalReader::Found> JournalReader::read_record(uint64_t generation, uint64_t offset,
                                                       uint64_t limit) {
  Result<JournalRecordHeader> header = co_await read_header(generation, offset, limit);
  if (!header) co_return header.error();
  const uint64_t data_offset = offset + record_header_bytes(header->extents.size());
  if (header->data_bytes > limit - data_offset) {
    co_return Error(ErrorCode::corrupt, "record is cut");
  }
  Found found;
  if (header->data_bytes > 0) {
    Result<Buffer> data = co_await read(data_offset, header->data_bytes, limit);
    if (!data) co_return data.error();
    found.data.append(std::move(*data));
  }
  if (checksum_of(found.data) != header->data_checksum) {
    co_return Error(ErrorCode::corrupt, "record's data fail their checksum");
  }
  found.header = std::move(*header);
  co_return found;
}

}  // namespace swiftness
