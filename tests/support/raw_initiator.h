// RawInitiator: an iSCSI initiator for tests and the bench. It does what it is told, right or
// wrong: any PDU, any bytes, any login keys. On top of that it knows enough of the protocol to run
// commands, many at a time: it answers R2Ts, collects Data-In, keeps the numbers.
//
// It blocks, on a socket of its own, and belongs to one thread. What is queued leaves with the next
// flush() or receive() in one send, which takes in what comes meanwhile; one receive takes as many
// PDUs as are there.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "target/iscsi/pdu.h"

namespace swiftness::test {

using Octets = std::vector<std::byte>;
using KeyList = std::vector<std::pair<std::string, std::string>>;

Octets pattern(size_t size, uint32_t seed);  // bytes that tell their place

struct ReceivedPdu {
  iscsi::Bhs header;
  Octets data;

  iscsi::Opcode kind() const { return header.kind(); }
  template <class Pdu>
  Pdu as() const {
    return iscsi::pdu_cast<Pdu>(header);
  }
  std::string_view text() const {
    return {reinterpret_cast<const char*>(data.data()), data.size()};
  }
  // The value of a key in its text; nothing when the key is not there.
  std::optional<std::string> key(std::string_view name) const;
};

struct ScsiAnswer {
  uint32_t tag = 0;
  uint8_t status = 0xff;
  uint8_t flags = 0;  // kOverflow, kUnderflow
  uint32_t residual = 0;
  Octets sense;  // without its length
  Octets data;
  uint32_t data_in_pdus = 0;
  uint32_t r2ts = 0;
  uint32_t exp_data_sn = 0;
  bool collapsed = false;  // the status came in a Data-In

  uint8_t sense_key() const;
  std::pair<uint8_t, uint8_t> asc() const;
};

struct ScsiRequest {
  std::array<uint8_t, 16> cdb{};
  uint64_t lun = 0;
  uint32_t read_length = 0;          // Expected Data Transfer Length of a read
  Octets data_out;                   // of a write
  std::optional<uint32_t> expected;  // another Expected Data Transfer Length than these say
  std::optional<uint8_t> flags;      // other F, R, W and ATTR bits than these call for
  bool immediate = false;            // the I bit
};

ScsiRequest test_unit_ready();
ScsiRequest read10(uint32_t lba, uint16_t blocks, uint32_t block_size = 512);
ScsiRequest write10(uint32_t lba, Octets data, uint32_t block_size = 512);

struct LoginOptions {
  std::string initiator = "iqn.2026-11.org.swiftness.test:initiator";
  std::string target;  // empty: a discovery session
  iscsi::Isid isid{0x40, 0x00, 0x01, 0x37, 0x00, 0x01};
  uint16_t tsih = 0;  // of the session to join
  uint16_t cid = 1;
  KeyList keys;  // operational keys of the second stage, instead of the usual ones
  bool header_digest = false, data_digest = false;
};

// Task management functions (RFC 7143 11.5.1, RFC 7144)
inline constexpr uint8_t kAbortTask = 1, kAbortTaskSet = 2, kClearTaskSet = 4, kLunReset = 5,
                         kTargetWarmReset = 6, kTargetColdReset = 7, kQueryTask = 9,
                         kQueryTaskSet = 10, kItNexusReset = 11, kQueryAsynchronousEvent = 12;

class RawInitiator {
 public:
  using Timeout = std::chrono::milliseconds;
  static constexpr Timeout kPatience{5000};

  // Throws when it cannot connect. `receive_buffer`: of the kernel, bytes; 0: as it is.
  RawInitiator(const std::string& host, uint16_t port, int receive_buffer = 0);
  ~RawInitiator();
  RawInitiator(const RawInitiator&) = delete;
  RawInitiator& operator=(const RawInitiator&) = delete;

  // --- anything
  void queue_bytes(std::span<const std::byte> bytes);
  template <class Pdu>
  void queue(const Pdu& pdu, std::span<const std::byte> data = {}) {
    queue_pdu(iscsi::pdu_cast<iscsi::Bhs>(pdu), data);
  }
  bool flush();  // false: the target closed
  // Sends as long as the target takes something within so much time. False: not all was taken, and
  // goes with the next flush.
  bool flush_unless_stuck_for(Timeout timeout);
  void finish_sending();  // the target reads the end
  // The next PDU; nothing when the time is over or the target closed.
  std::optional<ReceivedPdu> receive(Timeout timeout = kPatience);
  bool closed_by_target(Timeout timeout = kPatience);  // PDUs on the way are skipped

  // --- login
  // One login request and its answer.
  std::optional<ReceivedPdu> login_step(uint8_t flags, const KeyList& keys,
                                        const LoginOptions& options);
  // Both stages. The answer that decided: the final one, or a refusal.
  std::optional<ReceivedPdu> login(const LoginOptions& options);
  static bool succeeded(const std::optional<ReceivedPdu>& answer);
  static uint16_t login_status(const std::optional<ReceivedPdu>& answer);  // class, detail

  // --- requests with the next numbers
  uint32_t queue_command(const ScsiRequest& request);  // its Initiator Task Tag
  std::optional<ScsiAnswer> complete(uint32_t tag, Timeout timeout = kPatience);
  std::optional<ScsiAnswer> complete_any(Timeout timeout = kPatience);
  std::optional<ScsiAnswer> run(const ScsiRequest& request, Timeout timeout = kPatience);
  void acknowledge();  // all it has received; asks for nothing
  std::optional<ReceivedPdu> nop(std::string_view payload, Timeout timeout = kPatience);
  std::optional<ReceivedPdu> text(const KeyList& keys, Timeout timeout = kPatience);
  // The response; information() has what came beside it.
  std::optional<uint8_t> task_management(uint8_t function, uint64_t lun, uint32_t tag = 0xffffffff,
                                         uint32_t ref_cmd_sn = 0, Timeout timeout = kPatience);
  const std::array<uint8_t, 3>& information() const { return information_; }
  std::optional<ReceivedPdu> logout(uint8_t reason = 0, uint16_t cid = 1,
                                    Timeout timeout = kPatience);

  // The next PDU of this kind; commands' PDUs on the way are looked after, others are skipped.
  std::optional<ReceivedPdu> receive_kind(iscsi::Opcode kind, Timeout timeout = kPatience);

  // --- numbers; a test may set them as it likes
  uint32_t cmd_sn = 1;
  uint32_t exp_stat_sn = 0;
  uint32_t next_tag = 1;
  uint32_t exp_cmd_sn = 0;  // as the target told last
  uint32_t max_cmd_sn = 0;
  bool answers_pings = true;
  bool answers_r2ts = true;

  // What the login agreed on, as far as sending goes.
  bool initial_r2t = true, immediate_data = true;
  uint32_t target_max_recv = 8192, first_burst = 65536, max_burst = 262144;

  size_t in_flight() const { return pending_.size(); }
  uint32_t window() const { return max_cmd_sn - cmd_sn + 1; }  // commands that may still be sent

 private:
  struct Pending {
    ScsiAnswer answer;
    Octets data_out;
  };

  void queue_pdu(iscsi::Bhs header, std::span<const std::byte> data);
  std::optional<ReceivedPdu> parse();
  bool fill(std::chrono::steady_clock::time_point deadline);
  // True: it belonged to a command or was a ping, and is dealt with.
  bool look_after(const ReceivedPdu& pdu);
  void answer_r2t(const iscsi::R2t& pdu, Pending& pending);
  void send_unsolicited(uint32_t tag, const Pending& pending, uint32_t from);
  void take_agreement(const ReceivedPdu& answer);

  int socket_ = -1;
  bool closed_ = false;
  bool header_digest_ = false, data_digest_ = false;
  std::array<uint8_t, 3> information_{};  // Additional Response Information
  Octets out_;
  std::vector<std::byte> in_;
  size_t in_begin_ = 0, in_end_ = 0;
  std::map<uint32_t, Pending> pending_;
  std::deque<ScsiAnswer> done_;
};

}  // namespace swiftness::test
