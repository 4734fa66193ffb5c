// PduReader: bytes in, PDUs out. It says where the next bytes from the socket shall go, and finds
// the PDUs in them; it does no I/O itself, so tests and fuzzers feed it from memory.
//
// One receive takes many small PDUs: their bytes land in a slab of the connection's and the sink
// gets each data segment copied once, to where it wants it. Of a large data segment only what came
// along with its header is copied; the rest is received in place. Lengths are checked before
// anything is allocated for them.
#pragma once

#include <boost/asio/buffer.hpp>

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "target/iscsi/pdu.h"

namespace swiftness::iscsi {

class PduSink {
 public:
  // A header is whole and its lengths are within bounds. Returns where the data segment goes: up
  // to data_segment_length bytes that stay valid until on_pdu (or the reader's end); what does
  // not fit there is skipped.
  virtual std::span<std::byte> on_header(const Bhs& header) = 0;
  // The data segment is there, digests were right. False: read no further.
  virtual bool on_pdu(const Bhs& header) = 0;
  // False: the next PDU has to wait, commit(0) goes on with it.
  virtual bool has_room_for_more() { return true; }

 protected:
  ~PduSink() = default;
};

class PduReader {
 public:
  enum class Outcome {
    more,     // all bytes are used; receive again
    paused,   // the sink has no room for what follows
    stopped,  // the sink wants no more
    too_long,
    header_digest_error,
    data_digest_error,
  };

  // Before login: no AHS, no digests, data segments of at most `max_data_segment`.
  PduReader(PduSink& sink, uint32_t max_data_segment);

  struct Framing {
    uint32_t max_data_segment;
    bool ahs = false;
    bool header_digest = false;
    bool data_digest = false;
  };
  void set_framing(const Framing& framing) { framing_ = framing; }  // from the next PDU on

  // Where the next bytes go: the rest of a data segment, then the slab. The buffers stay valid
  // until commit().
  std::array<boost::asio::mutable_buffer, 2> prepare();
  Outcome commit(size_t received);

 private:
  enum class State { head, data, tail };
  static constexpr size_t kSlab = 64 * 1024;
  static constexpr size_t kSlabAmongLarge = 8 * 1024;  // see prepare()
  static constexpr size_t kLarge = 16 * 1024;

  std::span<const std::byte> unread() const { return {slab_.get() + begin_, end_ - begin_}; }
  void pass(std::span<const std::byte> data);  // data segment bytes that are where they belong
  std::optional<Outcome> step();               // nothing: made progress
  std::optional<Outcome> step_head();
  std::optional<Outcome> step_data();
  std::optional<Outcome> step_tail();

  PduSink& sink_;
  Framing framing_;
  State state_ = State::head;
  Bhs header_;
  std::unique_ptr<std::byte[]> slab_;
  size_t begin_ = 0, end_ = 0;        // unread bytes of the slab
  std::span<std::byte> destination_;  // what is still to be filled
  size_t data_left_ = 0;              // of the data segment, skipped part included
  size_t direct_ = 0;                 // size of the first buffer prepare() gave out
  uint32_t data_crc_ = 0;
};

std::string_view to_string(PduReader::Outcome outcome) noexcept;

}  // namespace swiftness::iscsi
