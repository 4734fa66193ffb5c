#include "target/iscsi/pdu_reader.h"

#include <algorithm>
#include <cstring>

#include "backend/base/check.h"
#include "backend/base/crc32c.h"
#include "backend/base/endian.h"

namespace swiftness::iscsi {
namespace {

constexpr size_t kDigest = 4;
constexpr size_t padding(size_t length) {
  return (4 - length % 4) % 4;
}

// 13.1, RFC 3720 B.4: the digest goes on the wire with its least significant byte first.
bool digest_is(const std::byte* at, uint32_t crc) {
  return load_le<uint32_t>(at) == crc;
}

}  // namespace

std::string_view to_string(PduReader::Outcome outcome) noexcept {
  switch (outcome) {
    case PduReader::Outcome::more:
      return "more";
    case PduReader::Outcome::paused:
      return "paused";
    case PduReader::Outcome::stopped:
      return "stopped";
    case PduReader::Outcome::too_long:
      return "a PDU is longer than allowed";
    case PduReader::Outcome::header_digest_error:
      return "header digest error";
    case PduReader::Outcome::data_digest_error:
      return "data digest error";
  }
  return "?";
}

PduReader::PduReader(PduSink& sink, uint32_t max_data_segment)
    : sink_(sink),
      framing_{.max_data_segment = max_data_segment},
      slab_(std::make_unique_for_overwrite<std::byte[]>(kSlab)) {}

std::array<boost::asio::mutable_buffer, 2> PduReader::prepare() {
  // What is unread is less than a header or a tail: whole steps were taken by commit().
  if (begin_ > 0) {
    std::memmove(slab_.get(), slab_.get() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  // Among large data segments a full slab would mostly be filled with data to be copied.
  bool among_large = header_.data_segment_length > kLarge;
  size_t room = std::min(kSlab - end_, among_large ? kSlabAmongLarge : kSlab);
  direct_ = state_ == State::data ? destination_.size() : 0;
  if (direct_ > 0 && direct_ < data_left_) room = std::min(room, kSlabAmongLarge);
  return {boost::asio::buffer(destination_.data(), direct_),
          boost::asio::buffer(slab_.get() + end_, room)};
}

PduReader::Outcome PduReader::commit(size_t received) {
  size_t direct = std::min(received, direct_);
  if (direct > 0) {
    pass(destination_.first(direct));
    destination_ = destination_.subspan(direct);
    data_left_ -= direct;
  }
  direct_ = 0;
  end_ += received - direct;
  while (true) {
    std::optional<Outcome> outcome = step();
    if (outcome) return *outcome;
  }
}

std::optional<PduReader::Outcome> PduReader::step() {
  switch (state_) {
    case State::head:
      return step_head();
    case State::data:
      return step_data();
    case State::tail:
      return step_tail();
  }
  CHECK(false);
}

std::optional<PduReader::Outcome> PduReader::step_head() {
  std::span<const std::byte> bytes = unread();
  if (bytes.size() < kBhsSize) return Outcome::more;
  std::memcpy(&header_, bytes.data(), kBhsSize);
  if (header_.data_segment_length > framing_.max_data_segment) return Outcome::too_long;
  if (header_.total_ahs_length > 0 && !framing_.ahs) return Outcome::too_long;
  size_t covered = kBhsSize + 4u * header_.total_ahs_length;
  size_t whole = covered + (framing_.header_digest ? kDigest : 0);
  if (bytes.size() < whole) return Outcome::more;
  if (framing_.header_digest && !digest_is(bytes.data() + covered, crc32c(bytes.first(covered)))) {
    return Outcome::header_digest_error;
  }
  begin_ += whole;  // Additional Header Segments are for CDBs and transfers we do not have: skipped
  data_left_ = header_.data_segment_length;
  destination_ = sink_.on_header(header_);
  CHECK(destination_.size() <= data_left_);
  data_crc_ = 0;
  state_ = State::data;
  return std::nullopt;
}

std::optional<PduReader::Outcome> PduReader::step_data() {
  std::span<const std::byte> bytes = unread();
  size_t here = std::min(bytes.size(), data_left_);
  size_t wanted = std::min(here, destination_.size());
  if (wanted > 0) {
    std::memcpy(destination_.data(), bytes.data(), wanted);
    destination_ = destination_.subspan(wanted);
  }
  pass(bytes.first(here));
  begin_ += here;
  data_left_ -= here;
  if (data_left_ > 0) return Outcome::more;
  state_ = State::tail;
  return std::nullopt;
}

std::optional<PduReader::Outcome> PduReader::step_tail() {
  size_t length = header_.data_segment_length;
  size_t pad = padding(length);
  bool digest = framing_.data_digest && length > 0;
  size_t whole = pad + (digest ? kDigest : 0);
  std::span<const std::byte> bytes = unread();
  if (bytes.size() < whole) return Outcome::more;
  if (digest && !digest_is(bytes.data() + pad, crc32c(bytes.first(pad), data_crc_))) {
    return Outcome::data_digest_error;
  }
  begin_ += whole;
  state_ = State::head;
  destination_ = {};
  if (!sink_.on_pdu(header_)) return Outcome::stopped;
  if (!sink_.has_room_for_more()) return Outcome::paused;
  return std::nullopt;
}

void PduReader::pass(std::span<const std::byte> data) {
  if (framing_.data_digest) data_crc_ = crc32c(data, data_crc_);
}

}  // namespace swiftness::iscsi
