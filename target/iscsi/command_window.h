// Command numbering of a session (RFC 7143 4.2.2.1): which CmdSN comes next, how far the initiator
// may go, and what to do with one that arrives. Serial number arithmetic (RFC 1982), so it wraps.
//
// MaxCmdSN - ExpCmdSN + 1 is what the initiator may still send. A granted window is never taken
// back: a command that arrives moves ExpCmdSN, one that is answered or given up moves MaxCmdSN.
#pragma once

#include <cstdint>

#include "backend/base/check.h"

namespace swiftness::iscsi {

constexpr bool serial_less(uint32_t a, uint32_t b) noexcept {
  return static_cast<int32_t>(a - b) < 0;
}

class CommandWindow {
 public:
  // `first` is the CmdSN of the leading login: its first command in full feature phase has the
  // same.
  CommandWindow(uint32_t first, uint32_t size) noexcept
      : exp_cmd_sn_(first), max_cmd_sn_(first + size - 1), size_(size) {}

  enum class Arrival {
    next,     // execute it now
    early,    // inside the window behind a gap: keep it until the gap is filled
    outside,  // to be ignored silently, with its data
  };
  Arrival classify(uint32_t cmd_sn) const noexcept {
    if (serial_less(cmd_sn, exp_cmd_sn_) || serial_less(max_cmd_sn_, cmd_sn)) {
      return Arrival::outside;
    }
    return cmd_sn == exp_cmd_sn_ ? Arrival::next : Arrival::early;
  }

  void take() noexcept {  // the command with CmdSN == ExpCmdSN was admitted
    CHECK(!exhausted());
    ++exp_cmd_sn_;
    ++in_flight_;
  }
  void release() noexcept {  // an admitted command was answered or given up
    CHECK(in_flight_ > 0);
    --in_flight_;
    ++max_cmd_sn_;
  }
  void grow(uint32_t by) noexcept {
    size_ += by;
    max_cmd_sn_ += by;
  }

  uint32_t exp_cmd_sn() const noexcept { return exp_cmd_sn_; }
  uint32_t max_cmd_sn() const noexcept { return max_cmd_sn_; }
  uint32_t size() const noexcept { return size_; }
  uint32_t in_flight() const noexcept { return in_flight_; }
  bool exhausted() const noexcept { return in_flight_ == size_; }

 private:
  uint32_t exp_cmd_sn_;
  uint32_t max_cmd_sn_;
  uint32_t size_;
  uint32_t in_flight_ = 0;
};

}  // namespace swiftness::iscsi
