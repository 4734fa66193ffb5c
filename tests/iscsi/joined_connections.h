// JoinedConnections: several raw initiators as the connections of one session. CmdSN is the
// session's: by(i) is connection i with the number that is next. Tags tell the connection they
// were used on: connection i has those from i * 1,000,000 on.
#pragma once

#include "target/iscsi/command_window.h"
#include "tests/iscsi/test_target.h"

namespace swiftness::test {

inline const KeyList kUsualKeys = {
    {"MaxConnections", "8"},       {"HeaderDigest", "None"},
    {"DataDigest", "None"},        {"InitialR2T", "No"},
    {"ImmediateData", "Yes"},      {"MaxRecvDataSegmentLength", "262144"},
    {"MaxBurstLength", "1048576"}, {"FirstBurstLength", "262144"},
    {"MaxOutstandingR2T", "4"}};

class JoinedConnections {
 public:
  // Logged in, and past the unit attention of a new nexus. `keys` are the leading connection's.
  JoinedConnections(const TestTarget& target, size_t count, KeyList keys = kUsualKeys)
      : target_(target) {
    options_.target = kTarget;
    options_.cid = cid_of(0);
    options_.keys = std::move(keys);
    connections_.push_back(connect());
    auto answer = leading().login(options_);
    CHECK(RawInitiator::succeeded(answer));
    tsih_ = answer->as<iscsi::LoginResponse>().tsih;
    leading().run(test_unit_ready());
    leading().nop("acknowledges that");
    while (connections_.size() < count) {
      CHECK(RawInitiator::succeeded(join(cid_of(connections_.size()))));
    }
  }

  // A login into the session. On success the connection is the last one, or in the place of the one
  // that had this CID.
  std::optional<ReceivedPdu> join(uint16_t cid,
                                  const KeyList& keys = {{"MaxRecvDataSegmentLength", "262144"}}) {
    LoginOptions options = options_;
    options.tsih = tsih_;
    options.cid = cid;
    options.keys = keys;
    auto joining = connect();
    uint32_t now = connections_.empty() ? 1 : by(0).cmd_sn;
    joining->cmd_sn = now;
    auto answer = joining->login(options);
    if (!RawInitiator::succeeded(answer)) return answer;
    const RawInitiator& first = leading();
    joining->initial_r2t = first.initial_r2t;
    joining->immediate_data = first.immediate_data;
    joining->first_burst = first.first_burst;
    joining->max_burst = first.max_burst;
    size_t index = cid - cid_of(0);
    joining->next_tag = static_cast<uint32_t>(index * 1'000'000 + ++logins_ * 10'000);
    if (index < connections_.size()) {
      replaced_.push_back(std::exchange(connections_[index], std::move(joining)));
    } else {
      connections_.push_back(std::move(joining));
    }
    last_ = index < connections_.size() ? index : connections_.size() - 1;
    return answer;
  }

  RawInitiator& by(size_t index) {
    RawInitiator& last = *connections_.at(last_);
    RawInitiator& next = *connections_.at(index);
    next.cmd_sn = last.cmd_sn;
    if (iscsi::serial_less(next.exp_cmd_sn, last.exp_cmd_sn)) next.exp_cmd_sn = last.exp_cmd_sn;
    if (iscsi::serial_less(next.max_cmd_sn, last.max_cmd_sn)) next.max_cmd_sn = last.max_cmd_sn;
    last_ = index;
    return next;
  }

  // Takes in what has come by all connections but one, and answers pings.
  void attend(const RawInitiator* but = nullptr) {
    for (const auto& connection : connections_) {
      while (connection && connection.get() != but &&
             connection->complete_any(RawInitiator::Timeout(0))) {
      }
    }
  }
  // By connection `index`, while the others are attended to: the response waits for
  // acknowledgements.
  std::optional<uint8_t> task_management(size_t index, uint8_t function,
                                         uint32_t task_tag = iscsi::kReservedTag,
                                         uint32_t ref_cmd_sn = 0) {
    RawInitiator& connection = by(index);
    iscsi::TaskManagementRequest request;
    request.function = iscsi::kFinal | function;
    request.initiator_task_tag = connection.next_tag++;
    request.referenced_task_tag = task_tag;
    request.cmd_sn = connection.cmd_sn;
    request.exp_stat_sn = connection.exp_stat_sn;
    request.ref_cmd_sn = ref_cmd_sn;
    connection.queue(request);
    for (int i = 0; i < 1000; ++i) {
      auto response = connection.receive_kind(iscsi::Opcode::task_management_response,
                                              RawInitiator::Timeout(5));
      if (response) return response->as<iscsi::TaskManagementResponse>().response;
      attend(&connection);
    }
    return std::nullopt;
  }

  // One that was replaced by a login with its CID.
  RawInitiator& replaced(size_t index = 0) { return *replaced_.at(index); }
  size_t size() const { return connections_.size(); }
  uint16_t tsih() const { return tsih_; }
  static uint16_t cid_of(size_t index) { return static_cast<uint16_t>(10 + index); }

  // The socket of a connection is closed without a word.
  void cut(size_t index) {
    uint32_t cmd_sn = by(index).cmd_sn;
    size_t other = index == 0 ? 1 : 0;
    by(other).cmd_sn = cmd_sn;
    connections_.at(index) = nullptr;
  }

 private:
  RawInitiator& leading() { return *connections_.front(); }
  std::unique_ptr<RawInitiator> connect() const {
    return std::make_unique<RawInitiator>("127.0.0.1", target_.port());
  }

  const TestTarget& target_;
  LoginOptions options_;
  std::vector<std::unique_ptr<RawInitiator>> connections_;
  std::vector<std::unique_ptr<RawInitiator>> replaced_;
  uint16_t tsih_ = 0;
  size_t last_ = 0;
  uint32_t logins_ = 0;
};

}  // namespace swiftness::test
