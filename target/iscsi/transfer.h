// What data a command moves, and in which PDUs: immediate, unsolicited and solicited Data-Out
// (RFC 7143 4.2.5.2, 11.7, 11.8), Data-In (11.7), residuals (11.4.5). Pure arithmetic on numbers
// the initiator sent, all of them hostile until checked here.
#pragma once

#include <cstdint>
#include <optional>

#include <boost/container/small_vector.hpp>

#include "target/iscsi/negotiation.h"
#include "target/iscsi/pdu.h"

namespace swiftness::iscsi {

// 11.4.5: how far the bytes a command would move are from those the initiator expects.
struct Residual {
  uint8_t flag = 0;  // ScsiResponse::kOverflow, kUnderflow or neither
  uint32_t count = 0;
  friend bool operator==(const Residual&, const Residual&) = default;
};
Residual residual_of(uint64_t would_move, uint32_t expected) noexcept;

// The data of one write command: what may still come, what to ask for, whether all is there.
// Offsets are those of the initiator's buffer. DataPDUInOrder=DataSequenceInOrder=Yes, so data
// arrives in one ascending run, and received() is its length.
class DataOutPlan {
 public:
  enum class Verdict {
    accept,
    drop,        // not ours any more (a dead Target Transfer Tag): ignore it with its data
    unexpected,  // 11.4.7.2: unexpected unsolicited data
    amount,      // 11.4.7.2: incorrect amount of data, out of order, or outside its burst
  };

  DataOutPlan() = default;  // moves nothing
  // expected: Expected Data Transfer Length of a command with W, else 0. wanted: how much of it
  // the command really takes (the rest is received where it must be, and ignored).
  DataOutPlan(uint32_t expected, uint32_t wanted, const SessionParameters& parameters);

  // The command's own PDU, with so much immediate data; `final` is its F bit.
  Verdict begin(uint32_t immediate_length, bool final);
  // A Data-Out PDU of this task. On accept its data belongs at `buffer_offset`.
  Verdict data_out(const DataOut& pdu);

  struct Request {
    uint32_t r2t_sn, offset, length;
  };
  // The next R2T, as far as MaxOutstandingR2T allows one now; it is outstanding under this tag.
  std::optional<Request> next_r2t(uint32_t target_transfer_tag);

  bool complete() const noexcept { return received_ >= wanted_; }
  bool unsolicited_open() const noexcept { return unsolicited_open_; }
  uint32_t wanted() const noexcept { return wanted_; }
  uint32_t received() const noexcept { return received_; }
  uint32_t r2ts() const noexcept { return r2t_sn_; }
  // At most this much of `wanted` arrives without being asked for.
  uint32_t unsolicited_room() const noexcept { return unsolicited_room_; }

 private:
  struct Burst {
    uint32_t target_transfer_tag, end, data_sn;
  };
  Verdict take(uint32_t offset, uint32_t length, uint32_t end);

  uint32_t expected_ = 0;
  uint32_t wanted_ = 0;
  uint32_t first_burst_ = 0;
  uint32_t max_burst_ = 0;
  uint32_t max_outstanding_ = 0;
  bool initial_r2t_ = true;
  bool immediate_data_ = false;

  uint32_t unsolicited_room_ = 0;
  uint32_t received_ = 0;   // bytes so far, without a gap
  uint32_t requested_ = 0;  // end of the last R2T
  uint32_t r2t_sn_ = 0;
  uint32_t unsolicited_data_sn_ = 0;
  bool unsolicited_open_ = false;                    // an unsolicited sequence has not ended yet
  boost::container::small_vector<Burst, 2> bursts_;  // outstanding R2Ts, oldest first
};

// Cuts `total` bytes into Data-In PDUs: each within the initiator's MaxRecvDataSegmentLength, a
// sequence (F bit) within MaxBurstLength.
class DataInPlan {
 public:
  DataInPlan(uint32_t total, const SessionParameters& parameters) noexcept
      : total_(total), max_recv_(parameters.initiator_max_recv), max_burst_(parameters.max_burst) {}

  struct Piece {
    uint32_t data_sn, offset, length;
    bool final;  // ends a sequence
    bool last;   // ends the data
  };
  bool done() const noexcept { return offset_ == total_; }
  Piece next() noexcept;

 private:
  uint32_t total_;
  uint32_t max_recv_;
  uint32_t max_burst_;
  uint32_t offset_ = 0;
  uint32_t in_burst_ = 0;
  uint32_t data_sn_ = 0;
};

}  // namespace swiftness::iscsi
