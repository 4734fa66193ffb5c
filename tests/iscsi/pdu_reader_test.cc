// Framing from memory: every way bytes can be cut, digests, lengths that lie.
#include "target/iscsi/pdu_reader.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "backend/base/crc32c.h"
#include "backend/base/endian.h"

namespace swiftness::iscsi {
namespace {

using Octets = std::vector<std::byte>;
using Outcome = PduReader::Outcome;

class Sink : public PduSink {
 public:
  std::span<std::byte> on_header(const Bhs& header) override {
    segment_.assign(header.data_segment_length, std::byte{0xee});
    return std::span(segment_).first(std::min<size_t>(keep, segment_.size()));
  }
  bool on_pdu(const Bhs& header) override {
    headers.push_back(header);
    segments.emplace_back(reinterpret_cast<const char*>(segment_.data()), segment_.size());
    return headers.size() != stop_after;
  }
  bool has_room_for_more() override { return headers.size() != pause_after; }
  size_t keep = SIZE_MAX;
  size_t pause_after = SIZE_MAX;
  size_t stop_after = SIZE_MAX;
  std::vector<Bhs> headers;
  std::vector<std::string> segments;

 private:
  Octets segment_;
};

void add(Octets& out, std::span<const std::byte> bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}
void add_crc(Octets& out, uint32_t crc) {
  std::byte digest[4];
  store_le(digest, crc);
  add(out, digest);
}

Octets wire(std::string_view data, bool header_digest = false, bool data_digest = false,
            uint8_t ahs_words = 0) {
  NopOut pdu;
  pdu.initiator_task_tag = static_cast<uint32_t>(data.size());
  pdu.data_segment_length = static_cast<uint32_t>(data.size());
  pdu.total_ahs_length = ahs_words;
  Octets out;
  add(out, std::as_bytes(std::span(&pdu, 1)));
  out.resize(out.size() + 4u * ahs_words, std::byte{0xaa});
  if (header_digest) add_crc(out, crc32c(out));
  Octets segment;
  add(segment, std::as_bytes(std::span(data)));
  segment.resize((segment.size() + 3) / 4 * 4);
  add(out, segment);
  if (data_digest && !data.empty()) add_crc(out, crc32c(segment));
  return out;
}

Outcome feed(PduReader& reader, std::span<const std::byte> bytes, size_t at_once) {
  Outcome outcome = Outcome::more;
  while (!bytes.empty() && outcome == Outcome::more) {
    auto buffers = reader.prepare();
    size_t budget = std::min(at_once, bytes.size());
    size_t given = 0;
    for (auto& buffer : buffers) {
      size_t part = std::min(buffer.size(), budget - given);
      if (part > 0) std::memcpy(buffer.data(), bytes.data() + given, part);
      given += part;
    }
    EXPECT_GT(given, 0u);
    bytes = bytes.subspan(given);
    outcome = reader.commit(given);
  }
  return outcome;
}

TEST(PduReader, FindsPdusHoweverTheBytesAreCut) {
  std::string large(100000, 'x');
  for (size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>(i * 7);
  for (bool digests : {false, true}) {
    Octets bytes;
    for (std::string_view data : {"", "a", "four", "seventeen bytes!!"}) {
      add(bytes, wire(data, digests, digests));
    }
    add(bytes, wire(large, digests, digests, 3));
    add(bytes, wire("end", digests, digests));
    for (size_t at_once : {1ul, 3ul, 47ul, 48ul, 49ul, 1000ul, 70000ul, 1000000ul}) {
      Sink sink;
      PduReader reader(sink, 8192);
      reader.set_framing({.max_data_segment = 262144,
                          .ahs = true,
                          .header_digest = digests,
                          .data_digest = digests});
      ASSERT_EQ(feed(reader, bytes, at_once), Outcome::more) << at_once;
      ASSERT_EQ(sink.segments.size(), 6u) << at_once;
      EXPECT_EQ(sink.segments[1], "a");
      EXPECT_EQ(sink.segments[3], "seventeen bytes!!");
      EXPECT_EQ(sink.segments[4], large);
      EXPECT_EQ(sink.segments[5], "end");
    }
  }
}

TEST(PduReader, SkipsWhatTheSinkDoesNotWant) {
  std::string large(200000, 'y');
  Octets bytes = wire(large);
  add(bytes, wire("next"));
  for (size_t keep : {0ul, 1ul, 5000ul, 150000ul}) {
    Sink sink;
    sink.keep = keep;
    PduReader reader(sink, 262144);
    ASSERT_EQ(feed(reader, bytes, 65536), Outcome::more);
    ASSERT_EQ(sink.segments.size(), 2u);
    EXPECT_EQ(sink.segments[0].substr(0, keep), large.substr(0, keep));
    EXPECT_TRUE(keep == large.size() || sink.segments[0][keep] == '\xee');
  }
}

TEST(PduReader, ChecksLengthsBeforeAnythingElse) {
  Sink sink;
  PduReader before_login(sink, 8192);
  EXPECT_EQ(feed(before_login, wire(std::string(8193, 'x')), 1000000), Outcome::too_long);
  PduReader no_ahs(sink, 8192);
  EXPECT_EQ(feed(no_ahs, wire("x", false, false, 1), 1000000), Outcome::too_long);
  EXPECT_TRUE(sink.headers.empty());
  Octets garbage(48, std::byte{0xff});
  PduReader reader(sink, 8192);
  EXPECT_EQ(feed(reader, garbage, 48), Outcome::too_long);
}

TEST(PduReader, NoticesDigestErrors) {
  for (bool in_header : {true, false}) {
    Octets bytes = wire("some data", true, true);
    bytes[in_header ? 20 : 54] ^= std::byte{1};
    Sink sink;
    PduReader reader(sink, 8192);
    reader.set_framing({.max_data_segment = 8192, .header_digest = true, .data_digest = true});
    EXPECT_EQ(feed(reader, bytes, 1000),
              in_header ? Outcome::header_digest_error : Outcome::data_digest_error);
    EXPECT_TRUE(sink.headers.empty());
  }
}

TEST(PduReader, PausesWhenThereIsNoRoomAndGoesOn) {
  Octets bytes;
  for (const char* data : {"one", "two", "three"}) add(bytes, wire(data));
  Sink sink;
  sink.pause_after = 2;
  PduReader reader(sink, 8192);
  EXPECT_EQ(feed(reader, bytes, bytes.size()), Outcome::paused);
  EXPECT_EQ(sink.segments.size(), 2u);
  EXPECT_EQ(reader.commit(0), Outcome::more);
  EXPECT_EQ(sink.segments, (std::vector<std::string>{"one", "two", "three"}));
}

TEST(PduReader, StopsWhenTold) {
  Octets bytes = wire("one");
  add(bytes, wire("two"));
  Sink sink;
  sink.stop_after = 1;
  PduReader reader(sink, 8192);
  EXPECT_EQ(feed(reader, bytes, 1000), Outcome::stopped);
  EXPECT_EQ(sink.headers.size(), 1u);
}

}  // namespace
}  // namespace swiftness::iscsi
