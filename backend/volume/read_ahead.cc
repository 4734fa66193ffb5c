#include "backend/volume/read_ahead.h"

#include <algorithm>

namespace swiftness {
namespace {

constexpr uint32_t kInRow = 2;  // reads that continue another, until it is a stream
// A stream is given up for a newcomer when it had no part in so many reads of others.
constexpr uint64_t kPatience = 1000;
constexpr uint64_t kReordered = 2;  // lengths of a read by which it may come too early or too late

}  // namespace

ReadAhead::Stream* ReadAhead::find(uint64_t first, uint64_t count) {
  const uint64_t slack = count * kReordered;
  Stream* best = nullptr;
  for (Stream& stream : streams_) {
    if (stream.used_at == 0) continue;
    // A young one may not jump: by chance some random read is always near another.
    const bool is_stream = stream.in_row >= kInRow;
    const uint64_t early = std::max(stream.next + (is_stream ? slack : 0), stream.ahead_end);
    const uint64_t late = stream.next - std::min(stream.next, is_stream ? slack : 0);
    if (first < late || first > early) continue;
    if (best == nullptr || stream.in_row > best->in_row) best = &stream;
  }
  return best;
}

ReadAhead::Stream& ReadAhead::least_wanted() {
  auto wanted = [](const Stream& stream) {
    return stream.used_at + (stream.in_row >= kInRow ? kPatience : 0);
  };
  return *std::min_element(
      streams_.begin(), streams_.end(),
      [wanted](const Stream& a, const Stream& b) { return wanted(a) < wanted(b); });
}

uint64_t ReadAhead::limit() const {
  uint64_t active = 0;
  for (const Stream& stream : streams_) {
    active += stream.in_row >= kInRow && clock_ - stream.used_at < kPatience ? 1 : 0;
  }
  return std::min(options_.most, options_.all / std::max<uint64_t>(active, 1));
}

ReadAhead::Seen ReadAhead::read(uint64_t first, uint64_t count) {
  ++clock_;
  Stream* stream = find(first, count);
  if (stream != nullptr) return go_on(*stream, first, count);
  least_wanted() = Stream{first + count, 0, 0, clock_, 0};
  return {};
}

ReadAhead::Seen ReadAhead::follow(uint64_t first, uint64_t count) {
  ++clock_;
  Stream* stream = find(first, count);
  if (stream == nullptr || stream->in_row < kInRow) return {};
  return go_on(*stream, first, count);
}

ReadAhead::Seen ReadAhead::go_on(Stream& stream, uint64_t first, uint64_t count) {
  stream.used_at = clock_;
  ++stream.in_row;
  stream.next = std::max(stream.next, first + count);
  if (stream.in_row < kInRow) return {};
  streams_until_ = clock_ + kPatience;

  const uint64_t most = limit();
  stream.ahead_end = std::max(stream.ahead_end, stream.next);
  const uint64_t ahead = stream.ahead_end - stream.next;
  const bool is_grown = stream.window * 2 > most;
  if (is_grown ? ahead > most - most / 4 : ahead > stream.window / 2) return {true, {}};
  stream.window = std::min(most, std::max({options_.first, count * 2, stream.window * 2}));
  const uint64_t stop = stream.next + stream.window;
  if (stop <= stream.ahead_end) return {true, {}};
  const Range fetch{stream.ahead_end, stop - stream.ahead_end};
  stream.ahead_end = stop;
  return {true, fetch};
}

}  // namespace swiftness
