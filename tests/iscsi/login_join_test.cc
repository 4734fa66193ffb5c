// Logins with a TSIH, which add a connection to a session.
#include <gtest/gtest.h>

#include "tests/iscsi/login_words.h"

namespace swiftness::iscsi {
namespace {

using Kind = Login::Answer::Kind;
constexpr const char* kOther = "iqn.2026-11.org.swiftness:other";
constexpr uint16_t kTsih = 7;

class LoginJoin : public testing::Test {
 protected:
  LoginJoin() {
    leading_.initiator = kHost;
    leading_.target = kName;
    leading_.portal_group = 1;
    leading_.parameters.header_digest = true;
    leading_.parameters.initiator_max_recv = 65536;
    leading_.parameters.max_connections = 4;
    leading_.parameters.max_burst = 100000;
    leading_.parameters.initial_r2t = false;
  }

  Login login(ChapSecrets chap = {}) {
    TargetNode node, other;
    node.name = kName;
    other.name = kOther;
    node.access = other.access = {{"*", {}, false, std::move(chap)}};
    return Login({.targets = std::make_shared<const std::vector<TargetNode>>(
                      std::vector<TargetNode>{node, other}),
                  .portal_group = portal_group_,
                  .session_to_join = [this](const Isid&, uint16_t tsih) {
                    return tsih == kTsih ? &leading_ : nullptr;
                  }});
  }
  static LoginRequest joining(uint8_t flags) {
    LoginRequest pdu = request(flags);
    pdu.tsih = kTsih;
    pdu.cid = 2;
    return pdu;
  }
  static std::string who(std::string_view initiator = kHost, std::string_view target = kName) {
    return keys({{"InitiatorName", initiator},
                 {"SessionType", "Normal"},
                 {"TargetName", target},
                 {"AuthMethod", "None"}});
  }
  uint16_t refusal(const std::string& text) {
    return status(login().receive(joining(kSecurityToOperational), text));
  }

  LoginResult leading_;
  uint16_t portal_group_ = 1;
};

TEST_F(LoginJoin, NegotiatesTheConnectionAndKeepsWhatIsTheSessions) {
  Login machine = login();
  auto first = machine.receive(joining(kSecurityToOperational), who());
  ASSERT_EQ(first.kind, Kind::more) << first.reason;
  EXPECT_EQ(first.header.tsih, kTsih);
  auto second =
      machine.receive(joining(kOperationalToFull), keys({{"HeaderDigest", "None"},
                                                         {"DataDigest", "CRC32C"},
                                                         {"MaxRecvDataSegmentLength", "4096"},
                                                         {"MaxConnections", "8"},
                                                         {"InitialR2T", "Yes"},
                                                         {"ImmediateData", "No"},
                                                         {"MaxBurstLength", "512"},
                                                         {"FirstBurstLength", "512"},
                                                         {"DefaultTime2Wait", "9"},
                                                         {"DefaultTime2Retain", "9"},
                                                         {"ErrorRecoveryLevel", "0"}}));
  ASSERT_EQ(second.kind, Kind::complete) << second.reason;
  EXPECT_EQ(second.text, keys({{"HeaderDigest", "None"},
                               {"DataDigest", "CRC32C"},
                               {"MaxConnections", "Irrelevant"},
                               {"InitialR2T", "Irrelevant"},
                               {"ImmediateData", "Irrelevant"},
                               {"MaxBurstLength", "Irrelevant"},
                               {"DefaultTime2Wait", "Irrelevant"},
                               {"DefaultTime2Retain", "Irrelevant"},
                               {"ErrorRecoveryLevel", "Irrelevant"},
                               {"FirstBurstLength", "Irrelevant"},
                               {"MaxRecvDataSegmentLength", "262144"}}));
  SessionParameters expected = leading_.parameters;
  expected.header_digest = false;
  expected.data_digest = true;
  expected.initiator_max_recv = 4096;
  EXPECT_EQ(machine.result().parameters, expected);
  EXPECT_EQ(machine.result().tsih, kTsih);
  EXPECT_EQ(machine.result().cid, 2);
}

TEST_F(LoginJoin, StartsFromTheDefaultsOfAConnection) {
  Login machine = login();
  LoginRequest pdu = joining(kSecurityToFull);
  ASSERT_EQ(machine.receive(pdu, who()).kind, Kind::complete);
  EXPECT_FALSE(machine.result().parameters.header_digest);
  EXPECT_EQ(machine.result().parameters.initiator_max_recv, 8192u);
}

TEST_F(LoginJoin, OnlyTheInitiatorOfTheSessionToItsTarget) {
  EXPECT_EQ(refusal(who()), 0);
  EXPECT_EQ(refusal(who("IQN.1993-08.org.debian:01:HOST1")), 0) << "names have no case";
  EXPECT_EQ(refusal(who("iqn.1993-08.org.debian:01:host2")), 0x020a);
  EXPECT_EQ(refusal(who(kHost, kOther)), 0x020a);
  EXPECT_EQ(refusal(keys({{"InitiatorName", kHost}, {"SessionType", "Discovery"}})), 0x020a);
  leading_.discovery = true;
  EXPECT_EQ(refusal(who()), 0x020a);
  leading_.discovery = false;
  portal_group_ = 2;
  EXPECT_EQ(refusal(who()), 0x0208);
}

TEST_F(LoginJoin, EachConnectionProvesWhoItIs) {
  ChapSecrets chap;
  chap.initiator = ChapSecret{"user", "a secret of 16 b"};
  Login machine = login(chap);
  EXPECT_EQ(status(machine.receive(joining(kSecurityToOperational), who())), 0x0201);
  Login skips = login(chap);
  EXPECT_EQ(status(skips.receive(joining(kOperationalToFull), who())), 0x0201);
}

}  // namespace
}  // namespace swiftness::iscsi
