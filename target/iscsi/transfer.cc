#include "target/iscsi/transfer.h"

#include <algorithm>

#include "backend/base/check.h"

namespace swiftness::iscsi {

Residual residual_of(uint64_t would_move, uint32_t expected) noexcept {
  if (would_move == expected) return {};
  if (would_move < expected) {
    return {ScsiResponse::kUnderflow, static_cast<uint32_t>(expected - would_move)};
  }
  uint64_t excess = std::min<uint64_t>(would_move - expected, 0xffffffff);
  return {ScsiResponse::kOverflow, static_cast<uint32_t>(excess)};
}

DataOutPlan::DataOutPlan(uint32_t expected, uint32_t wanted, const SessionParameters& parameters)
    : expected_(expected),
      wanted_(wanted),
      first_burst_(std::min(parameters.first_burst, expected)),
      max_burst_(parameters.max_burst),
      max_outstanding_(parameters.max_outstanding_r2t),
      initial_r2t_(parameters.initial_r2t),
      immediate_data_(parameters.immediate_data) {
  CHECK(wanted <= expected);
}

DataOutPlan::Verdict DataOutPlan::begin(uint32_t immediate_length, bool final) {
  if (immediate_length > 0 && !immediate_data_) return Verdict::unexpected;
  if (!final && initial_r2t_) return Verdict::unexpected;
  if (immediate_length > first_burst_) return Verdict::amount;
  received_ = requested_ = immediate_length;
  unsolicited_open_ = !final;
  unsolicited_room_ = std::min(wanted_, final ? immediate_length : first_burst_);
  return Verdict::accept;
}

DataOutPlan::Verdict DataOutPlan::data_out(const DataOut& pdu) {
  bool final = (pdu.flags & kFinal) != 0;
  uint32_t length = pdu.data_segment_length;
  if (pdu.target_transfer_tag == kReservedTag) {
    if (!unsolicited_open_) return Verdict::unexpected;
    if (pdu.data_sn != unsolicited_data_sn_) return Verdict::amount;
    Verdict verdict = take(pdu.buffer_offset, length, first_burst_);
    if (verdict != Verdict::accept) return verdict;
    ++unsolicited_data_sn_;
    requested_ = received_;
    unsolicited_open_ = !final;
    return verdict;
  }

  auto burst = std::ranges::find(bursts_, static_cast<uint32_t>(pdu.target_transfer_tag),
                                 &Burst::target_transfer_tag);
  if (burst == bursts_.end()) return Verdict::drop;
  // DataSequenceInOrder: the oldest R2T is answered first.
  if (burst != bursts_.begin() || pdu.data_sn != burst->data_sn) return Verdict::amount;
  Verdict verdict = take(pdu.buffer_offset, length, burst->end);
  if (verdict != Verdict::accept) return verdict;
  ++burst->data_sn;
  bool whole = received_ == burst->end;
  if (final != whole) return Verdict::amount;  // 11.7.1: F ends the burst, the whole burst
  if (whole) bursts_.erase(burst);
  return verdict;
}

DataOutPlan::Verdict DataOutPlan::take(uint32_t offset, uint32_t length, uint32_t end) {
  if (offset != received_ || length > end - received_) return Verdict::amount;
  received_ += length;
  return Verdict::accept;
}

std::optional<DataOutPlan::Request> DataOutPlan::next_r2t(uint32_t target_transfer_tag) {
  if (unsolicited_open_ || requested_ >= wanted_ || bursts_.size() >= max_outstanding_) {
    return std::nullopt;
  }
  Request request{r2t_sn_++, requested_, std::min(max_burst_, wanted_ - requested_)};
  requested_ += request.length;
  bursts_.push_back({target_transfer_tag, requested_, 0});
  return request;
}

DataInPlan::Piece DataInPlan::next() noexcept {
  uint32_t length = std::min({total_ - offset_, max_recv_, max_burst_ - in_burst_});
  Piece piece{data_sn_++, offset_, length, false, false};
  offset_ += length;
  in_burst_ += length;
  piece.last = offset_ == total_;
  piece.final = piece.last || in_burst_ == max_burst_;
  if (piece.final) in_burst_ = 0;
  return piece;
}

}  // namespace swiftness::iscsi
