// Connection: one TCP connection, from accept through login into full feature phase to its end. Its
// login opens a session, or joins one (MC/S). Three things run for it, all on the Server's
// executor: the reader (serve), the watch (deadlines and pings) and the writer (pdu_writer.h). It
// numbers what it sends (StatSN).
//
// close() may be called at any time, from anything; whatever runs for the connection then ends.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include <memory>
#include <optional>
#include <string>

#include "target/iscsi/login.h"
#include "target/iscsi/pdu_reader.h"
#include "target/iscsi/pdu_writer.h"
#include "target/iscsi/session.h"
#include "target/iscsi/text_exchange.h"

namespace swiftness::iscsi {

class Connection final : public std::enable_shared_from_this<Connection>, private PduSink {
 public:
  using Socket = boost::asio::ip::tcp::socket;

  Connection(std::shared_ptr<ServerState> server, Socket socket,
             const boost::asio::ip::tcp::endpoint& remote, PortalConfig portal);
  ~Connection();

  // Its whole life. Runs inside the server's gate of connections.
  static Task serve(std::shared_ptr<Connection> self);

  void close(const std::string& reason);
  // Reads no more, and closes once what is queued was sent.
  void finish(const std::string& reason);
  // Asks the initiator to log out (RFC 7143 11.9.1) and closes when it has not after the grace.
  void ask_to_leave(const std::string& reason);

  // A PDU that takes a StatSN (a response), and one that does not (R2T, Data-In without status,
  // NOP-In that asks). `keep` lives until the PDU went to the kernel.
  template <class Pdu>
  void respond(Pdu pdu, BufferList data = {}, std::shared_ptr<const void> keep = {}) {
    pdu.stat_sn = stat_sn_++;
    ++unsent_answers_;
    stamp_and_queue(pdu, std::move(data), std::move(keep));
  }
  template <class Pdu>
  void inform(Pdu pdu, BufferList data = {}, std::shared_ptr<const void> keep = {}) {
    if constexpr (!std::is_same_v<Pdu, DataIn>) pdu.stat_sn = stat_sn_;  // 11.7.4, 11.8.1
    stamp_and_queue(pdu, std::move(data), std::move(keep));
  }

  const std::string& address() const noexcept { return address_; }  // of the initiator, with port
  const std::shared_ptr<Session>& session() const noexcept { return session_; }

  // --- in full feature phase
  uint16_t cid() const noexcept { return cid_; }
  // Digests and the initiator's MaxRecvDataSegmentLength are of this connection, the rest is the
  // session's.
  const SessionParameters& parameters() const noexcept { return parameters_; }
  uint32_t unsent_answers() const noexcept { return unsent_answers_; }  // PDUs with a StatSN
  uint32_t stat_sn() const noexcept { return stat_sn_; }                // of the next of them
  uint32_t acknowledged() const noexcept { return acknowledged_; }      // the ExpStatSN it was told
  // By a ping, also when one is under way: its answer may have left before the last response.
  void ask_for_acknowledgement();
  void dispatch(ReceivedPdu pdu);  // an immediate PDU, or one whose CmdSN has its turn

 private:
  enum class Phase { login, full_feature, leaving };

  // PduSink
  std::span<std::byte> on_header(const Bhs& header) override;
  bool on_pdu(const Bhs& header) override;
  bool has_room_for_more() override { return writer_.account().has_room_for(kAnswerBytes); }

  static Task until_room(std::shared_ptr<Connection> self);
  static Task watch(std::shared_ptr<Connection> self);
  TimePoint look_after(TimePoint now);  // what the watch does; when to look again
  void ping(TimePoint now);
  void take_acknowledgement(const Bhs& header);

  // login (connection.cc)
  bool on_login_pdu(const Bhs& header);
  bool answer_login(const LoginRequest& request, Login::Answer answer);
  const LoginResult* login_of_joined(const Isid& isid, uint16_t tsih);
  Login::Verdict enter_session();
  void begin_full_feature();
  void leave_half_open();

  // full feature phase (full_feature.cc)
  bool has_room_for(const Bhs& header) const;
  void on_nop_out(const ReceivedPdu& pdu);
  void on_text(const ReceivedPdu& pdu);
  void on_logout(const ReceivedPdu& pdu);
  void on_task_management(const ReceivedPdu& pdu);
  void reject(const Bhs& header, RejectReason reason);
  std::string answer_text(const TextKeys& keys);

  // What an answer holds in memory until it is sent, beside data: its place in the queue, and the
  // task it is of.
  static constexpr uint64_t kAnswerBytes = 1024;

  template <class Pdu>
  void stamp_and_queue(Pdu pdu, BufferList data, std::shared_ptr<const void> keep) {
    // What is kept for it, a task, has its data in another budget; a PDU in the midst of a task's
    // data is small beside them.
    uint64_t bytes = kAnswerBytes + (keep ? 0 : data.size());
    if constexpr (std::is_same_v<Pdu, DataIn>) {
      if ((pdu.flags & DataIn::kStatus) == 0) bytes = 0;
    }
    if (session_) {
      pdu.exp_cmd_sn = session_->window().exp_cmd_sn();
      pdu.max_cmd_sn = session_->window().max_cmd_sn();
    }
    writer_.queue(pdu_cast<Bhs>(pdu), std::move(data), std::move(keep), bytes);
  }

  std::shared_ptr<ServerState> server_;
  Socket socket_;
  const PortalConfig portal_;
  boost::asio::ip::address local_address_;
  std::string host_;     // of the initiator
  std::string address_;  // host:port
  Phase phase_ = Phase::login;
  bool closed_ = false;
  bool half_open_ = true;
  bool paused_ = false;  // until its initiator has read
  bool finish_ = false;  // close when everything queued is sent
  std::string finish_reason_;

  PduReader reader_;
  PduWriter writer_;
  AsyncEvent progressed_;  // bytes were sent, or it is closed
  uint32_t stat_sn_ = 1;
  uint32_t acknowledged_ = 1;
  uint32_t unsent_answers_ = 0;

  std::optional<Login> login_;
  std::weak_ptr<Session> joined_;  // the session its login wants to join
  std::shared_ptr<Session> session_;
  uint16_t cid_ = 0;
  SessionParameters parameters_;
  TextExchange text_;

  // The PDU that is being received.
  Buffer segment_;        // its data segment, where no task takes it
  ReceivedPdu command_;   // of a SCSI Command
  ScsiTaskPtr receiver_;  // of Data-Out
  bool ignored_ = false;  // outside the command window
  bool refused_ = false;  // there is no room for its data

  boost::asio::steady_timer watch_timer_;
  TimePoint last_heard_;
  TimePoint leave_by_;  // the end, when leaving or not logged in by then
  std::optional<TimePoint> pinged_;
  std::string leave_reason_;
};

}  // namespace swiftness::iscsi
