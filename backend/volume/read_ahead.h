// ReadAhead: finds sequential streams among reads and says what to fetch before it is asked for.
// Pure; addresses are of any kind that counts up: sectors of the disk, or units of the log.
//
// The third read in a row makes a stream. What is fetched ahead of it doubles each time, up to a
// limit, and from then on goes on in steps of a quarter of it, so that several fetches are always
// under way. Reads that overtake each other a little (an initiator's queue) are still a stream.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

namespace swiftness {

class ReadAhead {
 public:
  struct Options {
    uint64_t first;  // ahead of a young stream, at least
    uint64_t most;   // ahead of any
    uint64_t all;    // ahead of all streams together: each gets its share
  };
  struct Range {
    uint64_t first;
    uint64_t count;
    friend bool operator==(const Range&, const Range&) = default;
  };
  struct Seen {
    bool in_stream = false;        // the read belongs to a stream
    std::optional<Range> fetch{};  // now
  };

  explicit ReadAhead(Options options) : options_(options) {}

  Seen read(uint64_t first, uint64_t count);

  // The same for a read that can continue a stream and never begins one.
  Seen follow(uint64_t first, uint64_t count);
  bool has_streams() const noexcept { return clock_ < streams_until_; }

 private:
  struct Stream {
    uint64_t next = 0;       // where its next read is expected
    uint64_t ahead_end = 0;  // fetched up to here
    uint64_t window = 0;
    uint64_t used_at = 0;  // 0: none
    uint32_t in_row = 0;   // reads that continued it
  };

  Stream* find(uint64_t first, uint64_t count);
  Stream& least_wanted();
  Seen go_on(Stream& stream, uint64_t first, uint64_t count);
  uint64_t limit() const;  // on the window of one stream

  // Half of them for streams, half for reads that may yet become one.
  static constexpr size_t kStreams = 16;

  Options options_;
  std::array<Stream, kStreams> streams_{};
  uint64_t clock_ = 0;          // reads so far
  uint64_t streams_until_ = 0;  // by then the last stream is forgotten
};

}  // namespace swiftness
