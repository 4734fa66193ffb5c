// Several connections in one session (MC/S): who may join, in which order commands run, by which
// connection data and answers come, and how connections are logged out.
#include <gtest/gtest.h>

#include "tests/iscsi/joined_connections.h"

namespace swiftness::test {
namespace {

using namespace iscsi;
using std::chrono::milliseconds;

constexpr uint8_t kCloseSession = 0, kCloseConnection = 1, kRemoveForRecovery = 2;

uint8_t response_of(const std::optional<ReceivedPdu>& logout) {
  return logout ? logout->as<LogoutResponse>().response : 0xff;
}

// Nothing came by it: the next PDU is the answer to a NOP.
void expect_silence(RawInitiator& connection) {
  NopOut nop;
  nop.opcode |= kImmediate;
  nop.initiator_task_tag = 0x1234567;
  nop.cmd_sn = connection.cmd_sn;
  connection.queue(nop);
  auto first = connection.receive();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->kind(), Opcode::nop_in);
  EXPECT_EQ(first->header.initiator_task_tag, 0x1234567u);
}

TEST(Connections, UpToEightInOneSession) {
  TestTarget target;
  JoinedConnections session(target, 8);
  EXPECT_EQ(RawInitiator::login_status(session.join(99)), 0x0206);
  ASSERT_EQ(target.sessions().size(), 1u);
  for (uint32_t i = 0; i < 8; ++i) {
    EXPECT_EQ(session.by(i).run(write10(i * 8, pattern(4096, i)))->status, 0);
  }
  for (uint32_t i = 0; i < 8; ++i) {
    EXPECT_EQ(session.by(7 - i).run(read10(i * 8, 8))->data, pattern(4096, i));
  }
  std::string addresses = target.sessions()[0].address;
  EXPECT_EQ(std::ranges::count(addresses, ','), 7) << addresses;
}

TEST(Connections, NoMoreThanTheLeadingLoginAgreedOn) {
  TestTarget target;
  KeyList two = kUsualKeys, none = kUsualKeys;
  two[0].second = "2";
  none.erase(none.begin());
  JoinedConnections pair(target, 2, two);
  EXPECT_EQ(RawInitiator::login_status(pair.join(99)), 0x0206);
  JoinedConnections alone(target, 1, none);
  EXPECT_EQ(RawInitiator::login_status(alone.join(99)), 0x0206);
  EXPECT_TRUE(alone.by(0).nop("alive"));
}

TEST(Connections, OnlyTheInitiatorOfTheSessionMayJoin) {
  TestTarget target;
  JoinedConnections session(target, 1);
  LoginOptions options;
  options.target = kTarget;
  options.tsih = session.tsih();
  options.cid = 2;
  auto status = [&](const LoginOptions& attempt) {
    auto initiator = target.connect();
    return RawInitiator::login_status(initiator.login(attempt));
  };
  LoginOptions stranger = options, other_isid = options, other_tsih = options;
  stranger.initiator = "iqn.2026-11.org.swiftness.test:stranger";
  other_isid.isid[5] = 77;
  other_tsih.tsih = static_cast<uint16_t>(session.tsih() + 1);
  EXPECT_EQ(status(stranger), 0x020a);
  EXPECT_EQ(status(other_isid), 0x020a);
  EXPECT_EQ(status(other_tsih), 0x020a);
  EXPECT_EQ(status(options), 0x0000);
}

TEST(Connections, ALoginThatJoinsTellsTheNumbersOfTheSession) {
  TestTarget target;
  JoinedConnections session(target, 1);
  for (int i = 0; i < 5; ++i) session.by(0).run(read10(0, 1));
  uint32_t next = session.by(0).cmd_sn;
  auto answer = session.join(11);
  ASSERT_TRUE(RawInitiator::succeeded(answer));
  auto response = answer->as<LoginResponse>();
  EXPECT_EQ(response.tsih, session.tsih());
  EXPECT_EQ(response.exp_cmd_sn, next);
  EXPECT_EQ(response.max_cmd_sn, next + 31);

  LoginOptions options;
  options.target = kTarget;
  options.tsih = session.tsih();
  options.cid = 12;
  auto joining = target.connect();  // its own number is old
  answer = joining.login_step(
      0x81, {{"InitiatorName", options.initiator}, {"TargetName", options.target}}, options);
  ASSERT_TRUE(RawInitiator::succeeded(answer));
  EXPECT_EQ(answer->as<LoginResponse>().exp_cmd_sn, next) << "before the last stage, too";
  EXPECT_EQ(answer->as<LoginResponse>().max_cmd_sn, next + 31);
}

TEST(Connections, CommandsRunInTheOrderOfCmdSnAcrossThem) {
  TestTarget target;
  JoinedConnections session(target, 3);
  uint32_t first = session.by(0).cmd_sn;
  session.by(2).cmd_sn = first + 2;
  RawInitiator& third = session.by(2);
  uint32_t last = third.queue_command(write10(0, pattern(512, 3)));
  EXPECT_TRUE(third.nop("sent"));
  session.by(1).cmd_sn = first + 1;
  RawInitiator& second = session.by(1);
  uint32_t middle = second.queue_command(write10(0, pattern(512, 2)));
  EXPECT_TRUE(second.nop("sent"));
  EXPECT_EQ(target.sessions()[0].commands, 1u) << "neither has its turn";
  session.by(0).cmd_sn = first;
  EXPECT_EQ(session.by(0).run(write10(0, pattern(512, 1)))->status, 0);
  EXPECT_EQ(second.complete(middle)->status, 0);
  EXPECT_EQ(third.complete(last)->status, 0);
  session.by(0).cmd_sn = first + 3;
  EXPECT_EQ(session.by(0).run(read10(0, 1))->data, pattern(512, 3));
}

TEST(Connections, OfTwoCommandsWithOneCmdSnTheFirstThatIsWholeCounts) {
  TestTarget target;
  JoinedConnections session(target, 2);
  ScsiCommand slow;
  slow.flags = kFinal | ScsiCommand::kWrite;
  slow.initiator_task_tag = 777;
  slow.expected_data_transfer_length = 512;
  slow.data_segment_length = 512;
  slow.cmd_sn = session.by(0).cmd_sn;
  slow.cdb = write10(0, Octets(512)).cdb;
  Octets data = pattern(512, 1);
  RawInitiator& first = session.by(0);
  first.queue_bytes(std::as_bytes(std::span(&slow, 1)));
  first.queue_bytes(std::span(data).first(100));
  first.flush();
  ASSERT_TRUE(target.eventually([&] { return target.server().sessions()[0].in_flight == 1; }));
  EXPECT_EQ(session.by(1).run(write10(0, pattern(512, 2)))->status, 0);
  first.queue_bytes(std::span(data).subspan(100));
  expect_silence(first);
  EXPECT_EQ(target.sessions()[0].in_flight, 0u);
  EXPECT_EQ(session.by(1).run(read10(0, 1))->data, pattern(512, 2));
  EXPECT_EQ(session.by(0).run(read10(0, 1))->status, 0);
}

TEST(Connections, DataAndAnswersComeByTheConnectionOfTheCommand) {
  TestTarget target;
  KeyList solicited = kUsualKeys;
  solicited[3].second = "Yes";
  solicited[4].second = "No";
  JoinedConnections session(target, 3, solicited);
  for (uint32_t i : {1u, 2u, 0u}) {
    Octets data = pattern(64 * 512, i);
    auto written = session.by(i).run(write10(i * 64, data));
    ASSERT_TRUE(written);
    EXPECT_EQ(written->status, 0);
    EXPECT_EQ(written->r2ts, 1u);
    EXPECT_EQ(session.by(i).run(read10(i * 64, 64))->data, data);
  }
  for (uint32_t i = 0; i < 3; ++i) expect_silence(session.by(i));
}

TEST(Connections, DataOutByAnotherConnectionIsNotTaken) {
  TestTarget target;
  KeyList solicited = kUsualKeys;
  solicited[3].second = "Yes";
  solicited[4].second = "No";
  JoinedConnections session(target, 2, solicited);
  RawInitiator& own = session.by(1);
  own.answers_r2ts = false;
  uint32_t tag = own.queue_command(write10(0, pattern(512, 1)));
  auto r2t = own.receive_kind(Opcode::r2t);
  ASSERT_TRUE(r2t);
  DataOut data;
  data.flags = kFinal;
  data.initiator_task_tag = tag;
  data.target_transfer_tag = r2t->as<R2t>().target_transfer_tag;
  session.by(0).queue(data, pattern(512, 66));
  expect_silence(session.by(0));
  EXPECT_EQ(target.sessions()[0].in_flight, 1u);
  own.queue(data, pattern(512, 1));
  EXPECT_EQ(own.complete(tag)->status, 0);
  EXPECT_EQ(session.by(0).run(read10(0, 1))->data, pattern(512, 1));
}

TEST(Connections, DigestsAndSegmentLengthAreOfEachConnection) {
  TestTarget target;
  JoinedConnections session(target, 1);
  ASSERT_TRUE(RawInitiator::succeeded(session.join(11, {{"HeaderDigest", "CRC32C"},
                                                        {"DataDigest", "CRC32C"},
                                                        {"MaxRecvDataSegmentLength", "512"}})));
  for (size_t i : {1, 0, 1}) {
    Octets data = pattern(4096, static_cast<uint32_t>(i));
    EXPECT_EQ(session.by(i).run(write10(0, data))->status, 0);
    auto read = session.by(i).run(read10(0, 8));
    EXPECT_EQ(read->data, data);
    EXPECT_EQ(read->data_in_pdus, i == 1 ? 8u : 1u);
  }
  auto renegotiated = session.by(0).text({{"MaxRecvDataSegmentLength", "1024"}});
  ASSERT_TRUE(renegotiated);
  EXPECT_EQ(session.by(0).run(read10(0, 8))->data_in_pdus, 4u);
  EXPECT_EQ(session.by(1).run(read10(0, 8))->data_in_pdus, 8u);
}

TEST(Connections, StatSnIsOfEachConnection) {
  TestTarget target;
  JoinedConnections session(target, 2);
  uint32_t first = session.by(0).exp_stat_sn;
  uint32_t second = session.by(1).exp_stat_sn;
  for (uint32_t i = 0; i < 3; ++i) {
    auto by_first = session.by(0).nop("1");
    ASSERT_TRUE(by_first);
    EXPECT_EQ(by_first->as<NopIn>().stat_sn, first + i);
  }
  EXPECT_EQ(session.by(1).nop("2")->as<NopIn>().stat_sn, second);
}

TEST(Connections, LogoutOfOneLeavesTheOthers) {
  TestTarget target;
  JoinedConnections session(target, 3);
  for (size_t leaving : {0, 2}) {  // the leading one first
    uint16_t cid = JoinedConnections::cid_of(leaving);
    EXPECT_EQ(response_of(session.by(leaving).logout(kCloseConnection, cid)), 0);
    EXPECT_TRUE(session.by(leaving).closed_by_target());
    EXPECT_EQ(session.by(1).run(write10(0, pattern(512, 5)))->status, 0);
  }
  EXPECT_EQ(response_of(session.by(1).logout(kCloseConnection, 11)), 0);
  EXPECT_TRUE(session.by(1).closed_by_target());
  EXPECT_TRUE(target.sessions().empty()) << "the last one was the session";
}

TEST(Connections, LogoutOfAnotherByItsCid) {
  TestTarget target;
  JoinedConnections session(target, 3);
  EXPECT_EQ(response_of(session.by(1).logout(kCloseConnection, 99)), 1) << "no such CID";
  EXPECT_EQ(response_of(session.by(1).logout(kRemoveForRecovery, 10)), 2);
  EXPECT_EQ(response_of(session.by(1).logout(kCloseConnection, 10)), 0);
  EXPECT_TRUE(session.by(0).closed_by_target());
  EXPECT_EQ(response_of(session.by(1).logout(kCloseConnection, 10)), 1) << "it is gone";
  EXPECT_EQ(session.by(2).run(read10(0, 1))->status, 0);
  ASSERT_TRUE(RawInitiator::succeeded(session.join(10))) << "its CID is free again";
  EXPECT_EQ(session.by(0).run(read10(0, 1))->status, 0);
}

TEST(Connections, LogoutOfTheSessionClosesAll) {
  TestTarget target;
  JoinedConnections session(target, 3);
  target.hang();
  session.by(2).queue_command(write10(0, pattern(512, 1)));
  session.by(2).flush();
  ASSERT_TRUE(target.wait_for_hanging(1));
  EXPECT_EQ(response_of(session.by(1).logout(kCloseSession, 11)), 0);
  for (size_t i = 0; i < 3; ++i) EXPECT_TRUE(session.by(i).closed_by_target());
  EXPECT_TRUE(target.sessions().empty());
}

// The connection it came by stays until its initiator has read all; the session is over.
TEST(Connections, NobodyJoinsASessionThatWasLoggedOut) {
  IscsiLimits limits;
  limits.connection_answers = limits.answer_memory = 64 << 20;
  limits.logout_grace = std::chrono::seconds(20);
  TestTarget target(limits);
  JoinedConnections session(target, 2);
  RawInitiator& last = session.by(0);
  for (uint32_t i = 0; i < 500; ++i) {  // 32 MiB, more than a kernel takes
    NopOut ping;
    ping.opcode |= kImmediate;
    ping.initiator_task_tag = last.next_tag++;
    ping.cmd_sn = last.cmd_sn;
    last.queue(ping, pattern(64 * 1024, i));
  }
  LogoutRequest logout;
  logout.opcode |= kImmediate;
  logout.reason = kFinal | kCloseSession;
  logout.cmd_sn = last.cmd_sn;
  last.queue(logout);
  ASSERT_TRUE(last.flush_unless_stuck_for(milliseconds(5000)));
  EXPECT_TRUE(session.by(1).closed_by_target());
  EXPECT_EQ(target.sessions().size(), 1u);
  EXPECT_EQ(RawInitiator::login_status(session.join(12)), 0x020a);
}

TEST(Connections, ALogoutWaitsForItsTurnAndEndsTheConnectionItCameBy) {
  TestTarget target;
  JoinedConnections session(target, 2);
  uint32_t first = session.by(0).cmd_sn;
  LogoutRequest logout;
  logout.opcode = opcode_byte(Opcode::logout_request);  // numbered
  logout.reason = kFinal | kCloseConnection;
  logout.initiator_task_tag = 4711;
  logout.cid = 11;
  logout.cmd_sn = first + 1;
  session.by(1).queue(logout);
  EXPECT_TRUE(session.by(1).nop("still open"));
  session.by(0).cmd_sn = first;
  EXPECT_EQ(session.by(0).run(read10(0, 1))->status, 0);
  EXPECT_TRUE(session.by(1).receive_kind(Opcode::logout_response));
  EXPECT_TRUE(session.by(1).closed_by_target());
  session.by(0).cmd_sn = first + 2;
  EXPECT_EQ(session.by(0).run(read10(0, 1))->status, 0);
}

TEST(Connections, ALoginWithoutATsihTakesThePlaceOfTheWholeSession) {
  TestTarget target;
  JoinedConnections old(target, 3);
  JoinedConnections session(target, 2);
  for (size_t i = 0; i < 3; ++i) EXPECT_TRUE(old.by(i).closed_by_target());
  ASSERT_EQ(target.sessions().size(), 1u);
  EXPECT_EQ(session.by(1).run(read10(0, 1))->status, 0);
}

TEST(Connections, AllAreAskedToLeaveWhenTheGatewayStops) {
  IscsiLimits limits;
  limits.logout_grace = milliseconds(200);
  TestTarget target(limits);
  JoinedConnections session(target, 3);
  target.stop_server();
  for (size_t i = 0; i < 3; ++i) {
    auto message = session.by(i).receive_kind(Opcode::async_message);
    ASSERT_TRUE(message) << i;
    EXPECT_EQ(message->as<AsyncMessage>().async_event, AsyncMessage::kRequestsLogout);
    EXPECT_TRUE(session.by(i).closed_by_target());
  }
}

// A replay, from what is known of the Microsoft initiator: its leading login, then one that adds a
// connection, both in two stages, then I/O by both in turns (its round robin) and the logout.

}  // namespace
}  // namespace swiftness::test
