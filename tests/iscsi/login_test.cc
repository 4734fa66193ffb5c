#include "target/iscsi/login.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>

#include "tests/iscsi/login_words.h"

namespace swiftness::iscsi {
namespace {

using Kind = Login::Answer::Kind;

TargetList targets() {
  TargetNode open;
  open.name = kName;
  open.open = true;
  TargetNode closed;
  closed.name = "iqn.2026-11.org.swiftness:closed";
  closed.access = {{kHost, {0, 2}, true}};
  TargetNode elsewhere;
  elsewhere.name = "iqn.2026-11.org.swiftness:elsewhere";
  elsewhere.open = true;
  elsewhere.portal_groups = {2};
  return std::make_shared<const std::vector<TargetNode>>(
      std::vector<TargetNode>{open, closed, elsewhere});
}

Login login() {
  return Login({.targets = targets(),
                .portal_group = 1,
                .session_to_join = [](const Isid&, uint16_t) { return nullptr; }});
}

std::string who(std::string_view target = kName) {
  return keys({{"InitiatorName", kHost},
               {"SessionType", "Normal"},
               {"TargetName", target},
               {"AuthMethod", "None"}});
}

// What the target answers to these operational keys, and the parameters that result.
struct Negotiated {
  std::map<std::string, std::string> answers;
  SessionParameters parameters;
};
Negotiated negotiate(const std::string& offered, bool discovery = false) {
  Login machine = login();
  std::string first =
      discovery ? keys({{"InitiatorName", kHost}, {"SessionType", "Discovery"}}) : who();
  auto begun = machine.receive(request(kSecurityToOperational), first);
  EXPECT_EQ(status(begun), 0);
  auto answer = machine.receive(request(kOperationalToFull), offered);
  EXPECT_EQ(answer.kind, Kind::complete) << answer.reason;
  auto parsed = TextKeys::parse(answer.text);
  EXPECT_TRUE(parsed.ok());
  Negotiated result;
  for (const TextKey& key : parsed->all()) result.answers[key.name] = key.value;
  result.parameters = machine.result().parameters;
  return result;
}

TEST(Login, WindowsInTwoStages) {
  Login machine = login();
  auto first = machine.receive(request(kSecurityToOperational), who());
  ASSERT_EQ(first.kind, Kind::more);
  EXPECT_EQ(first.header.flags, kSecurityToOperational);
  EXPECT_EQ(first.text, keys({{"AuthMethod", "None"}, {"TargetPortalGroupTag", "1"}}))
      << "TargetPortalGroupTag in the first response, nothing that was not asked for";
  auto second =
      machine.receive(request(kOperationalToFull), keys({{"HeaderDigest", "None,CRC32C"},
                                                         {"DataDigest", "None,CRC32C"},
                                                         {"ErrorRecoveryLevel", "2"},
                                                         {"InitialR2T", "No"},
                                                         {"ImmediateData", "Yes"},
                                                         {"MaxRecvDataSegmentLength", "65536"},
                                                         {"MaxBurstLength", "262144"},
                                                         {"FirstBurstLength", "65536"},
                                                         {"MaxConnections", "32"},
                                                         {"MaxOutstandingR2T", "16"},
                                                         {"DefaultTime2Wait", "0"},
                                                         {"DefaultTime2Retain", "60"}}));
  ASSERT_EQ(second.kind, Kind::complete) << second.reason;
  EXPECT_EQ(second.header.flags, kOperationalToFull);
  EXPECT_EQ(second.text, keys({{"HeaderDigest", "None"},
                               {"DataDigest", "None"},
                               {"ErrorRecoveryLevel", "0"},
                               {"InitialR2T", "No"},
                               {"ImmediateData", "Yes"},
                               {"MaxBurstLength", "262144"},
                               {"MaxConnections", "8"},
                               {"MaxOutstandingR2T", "16"},
                               {"DefaultTime2Wait", "0"},
                               {"DefaultTime2Retain", "0"},
                               {"FirstBurstLength", "65536"},
                               {"MaxRecvDataSegmentLength", "262144"}}));
  const SessionParameters& p = machine.result().parameters;
  EXPECT_EQ(p.initiator_max_recv, 65536u);
  EXPECT_EQ(p.first_burst, 65536u);
  EXPECT_FALSE(p.initial_r2t);
}

TEST(Login, DiscoveryDeclaresOnlyWhatItMust) {
  auto result = negotiate(keys({{"HeaderDigest", "None,CRC32C"},
                                {"DataDigest", "None,CRC32C"},
                                {"MaxRecvDataSegmentLength", "65536"},
                                {"DefaultTime2Wait", "0"},
                                {"DefaultTime2Retain", "60"}}),
                          true);
  EXPECT_EQ(result.answers.size(), 5u);
  EXPECT_EQ(result.answers["HeaderDigest"], "None");
  EXPECT_FALSE(result.answers.contains("TargetPortalGroupTag"));
}

TEST(Login, ResultFunctions) {
  struct Case {
    const char* key;
    const char* offered;
    const char* answer;
  };
  const Case cases[] = {
      {"HeaderDigest", "CRC32C,None", "CRC32C"},
      {"HeaderDigest", "None,CRC32C", "None"},
      {"HeaderDigest", "X-own,CRC32C", "CRC32C"},
      {"DataDigest", "X-own", "Reject"},
      {"MaxConnections", "1", "1"},
      {"MaxConnections", "8", "8"},
      {"MaxConnections", "65535", "8"},
      {"MaxConnections", "0", "Reject"},
      {"InitialR2T", "Yes", "Yes"},
      {"InitialR2T", "No", "No"},
      {"InitialR2T", "maybe", "Reject"},
      {"ImmediateData", "No", "No"},
      {"ImmediateData", "Yes", "Yes"},
      {"MaxBurstLength", "16776192", "1048576"},
      {"MaxBurstLength", "511", "Reject"},
      {"MaxBurstLength", "16777216", "Reject"},
      {"MaxBurstLength", "0x10000", "65536"},
      {"FirstBurstLength", "1048576", "262144"},
      {"FirstBurstLength", "512", "512"},
      {"DefaultTime2Wait", "5", "5"},
      {"DefaultTime2Wait", "3601", "Reject"},
      {"DefaultTime2Retain", "20", "0"},
      {"MaxOutstandingR2T", "1", "1"},
      {"MaxOutstandingR2T", "65535", "16"},
      {"MaxOutstandingR2T", "65536", "Reject"},
      {"DataPDUInOrder", "No", "Yes"},
      {"DataSequenceInOrder", "No", "Yes"},
      {"ErrorRecoveryLevel", "2", "0"},
      {"ErrorRecoveryLevel", "3", "Reject"},
      {"TaskReporting", "ResponseFence,RFC3720", "RFC3720"},
      {"TaskReporting", "FastAbort", "Reject"},
      {"iSCSIProtocolLevel", "1", "1"},
      {"iSCSIProtocolLevel", "2", "2"},
      {"iSCSIProtocolLevel", "31", "2"},
      {"iSCSIProtocolLevel", "32", "Reject"},
      {"IFMarker", "Yes", "No"},
      {"OFMarker", "No", "No"},
      {"IFMarkInt", "2048~8192", "Reject"},
      {"X-com.example.key", "1", "NotUnderstood"},
      {"RDMAExtensions", "Yes", "NotUnderstood"},
      {"SendTargets", "All", "Reject"},
      {"TargetAddress", "10.0.0.1", "Reject"},
      {"TargetPortalGroupTag", "1", "Reject"},
  };
  for (const Case& c : cases) {
    auto result = negotiate(keys({{c.key, c.offered}}));
    EXPECT_EQ(result.answers[c.key], c.answer) << c.key << "=" << c.offered;
  }
  for (const char* silent : {"InitiatorAlias", "X#NodeArchitecture"}) {
    EXPECT_FALSE(negotiate(keys({{silent, "x"}})).answers.contains(silent));
  }
}

TEST(Login, FirstBurstDependsOnTheOthersWhateverTheirOrder) {
  auto result = negotiate(
      keys({{"FirstBurstLength", "65536"}, {"InitialR2T", "Yes"}, {"ImmediateData", "No"}}));
  EXPECT_EQ(result.answers["FirstBurstLength"], "Irrelevant");
  result = negotiate(keys({{"FirstBurstLength", "65536"}, {"MaxBurstLength", "8192"}}));
  EXPECT_EQ(result.answers["FirstBurstLength"], "8192");
  EXPECT_EQ(result.parameters.first_burst, 8192u);
  result = negotiate(keys({{"MaxBurstLength", "4096"}}));
  EXPECT_EQ(result.parameters.first_burst, 4096u) << "the default must fit too";
}

TEST(Login, KeysOfNormalSessionsAreIrrelevantInDiscovery) {
  auto result = negotiate(keys({{"InitialR2T", "No"},
                                {"ImmediateData", "Yes"},
                                {"MaxBurstLength", "262144"},
                                {"FirstBurstLength", "65536"},
                                {"MaxConnections", "1"},
                                {"MaxOutstandingR2T", "1"},
                                {"DataPDUInOrder", "Yes"},
                                {"TaskReporting", "RFC3720"},
                                {"iSCSIProtocolLevel", "2"}}),
                          true);
  for (auto& [key, answer] : result.answers) {
    if (key != "MaxRecvDataSegmentLength") {
      EXPECT_EQ(answer, "Irrelevant") << key;
    }
  }
}

TEST(Login, ThereAreNoDigestsInDiscovery) {
  auto result = negotiate(keys({{"HeaderDigest", "CRC32C,None"}, {"DataDigest", "CRC32C"}}), true);
  EXPECT_EQ(result.answers["HeaderDigest"], "None");
  EXPECT_EQ(result.answers["DataDigest"], "Reject");
  EXPECT_FALSE(result.parameters.header_digest || result.parameters.data_digest);
}

TEST(Login, StraightFromSecurityToFullFeature) {
  Login machine = login();
  auto answer = machine.receive(request(kSecurityToFull), who());
  EXPECT_EQ(answer.kind, Kind::complete);
  EXPECT_EQ(machine.result().parameters, SessionParameters{});
}

TEST(Login, BeginsInTheOperationalStage) {
  Login machine = login();
  auto answer = machine.receive(
      request(kOperationalToFull),
      keys({{"InitiatorName", kHost}, {"TargetName", kName}, {"InitialR2T", "No"}}));
  EXPECT_EQ(answer.kind, Kind::complete);
  EXPECT_NE(answer.text.find("TargetPortalGroupTag=1"), std::string::npos);
}

TEST(Login, TextOverSeveralPdus) {
  Login machine = login();
  std::string text = who();
  auto first = machine.receive(request(kContinue), text.substr(0, 20));
  EXPECT_EQ(first.kind, Kind::more);
  EXPECT_TRUE(first.text.empty());
  EXPECT_EQ(first.header.flags, 0);
  auto second = machine.receive(request(kSecurityToOperational), text.substr(20));
  EXPECT_EQ(second.kind, Kind::more);
  EXPECT_EQ(machine.result().target, kName);
}

TEST(Login, GrantsWhatTheAccessListSays) {
  Login machine = login();
  auto answer = machine.receive(request(kSecurityToFull), who("IQN.2026-11.org.swiftness:CLOSED"));
  ASSERT_EQ(answer.kind, Kind::complete);
  EXPECT_EQ(machine.result().target, "iqn.2026-11.org.swiftness:closed");
  EXPECT_TRUE(machine.result().grant.read_only);
  EXPECT_EQ(machine.result().grant.luns, (std::vector<uint16_t>{0, 2}));
}

TEST(Login, OfADrainedGatewayGoesElsewhereBeforeAnythingIsProven) {
  auto drained = [](Drain drain, const std::string& text) {
    Login machine({.targets = targets(),
                   .portal_group = 1,
                   .drain = std::move(drain),
                   .session_to_join = [](const Isid&, uint16_t) { return nullptr; }});
    return machine.receive(request(kSecurityToOperational), text);
  };
  auto moved = drained({"[2001:db8::7]:3260"}, who());
  EXPECT_EQ(status(moved), 0x0101);
  EXPECT_EQ(moved.kind, Kind::failed);
  EXPECT_EQ(moved.text, keys({{"TargetAddress", "[2001:db8::7]:3260"}}));
  EXPECT_EQ(status(drained({}, who())), 0x0301);
  EXPECT_EQ(status(drained({"192.0.2.7:3260"}, who("iqn.2026-11.org.swiftness:none"))), 0x0203)
      << "nobody learns of it who may not log in";
  EXPECT_EQ(status(drained({"192.0.2.7:3260"},
                           keys({{"InitiatorName", kHost}, {"SessionType", "Discovery"}}))),
            0);
}

TEST(Login, RefusalsHaveTheRightStatus) {
  auto no_name = keys({{"TargetName", kName}});
  auto no_target = keys({{"InitiatorName", kHost}});
  auto stranger = keys({{"InitiatorName", "iqn.2000-01.org.evil:x"},
                        {"TargetName", "iqn.2026-11.org.swiftness:closed"}});
  auto bad_type = keys({{"InitiatorName", kHost}, {"SessionType", "Party"}});
  auto only_chap = keys({{"InitiatorName", kHost}, {"TargetName", kName}, {"AuthMethod", "CHAP"}});
  auto control = keys({{"InitiatorName", "iqn.evil\nlogin ok"}, {"TargetName", kName}});
  std::string many;
  for (int i = 0; i < 65; ++i) append_key(many, "X-" + std::to_string(i), "1");
  struct Case {
    const char* what;
    uint8_t flags;
    std::string text;
    uint16_t status;
  };
  const Case cases[] = {
      {"unknown target", 0x81, who("iqn.2026-11.org.swiftness:none"), 0x0203},
      {"target of another portal group", 0x81, who("iqn.2026-11.org.swiftness:elsewhere"), 0x0203},
      {"not in the access list", 0x81, stranger, 0x0202},
      {"no InitiatorName", 0x81, no_name, 0x0207},
      {"no TargetName", 0x81, no_target, 0x0207},
      {"no keys at all", 0x81, "", 0x0207},
      {"unknown session type", 0x81, bad_type, 0x0209},
      {"CHAP only", 0x81, only_chap, 0x0201},
      {"control characters", 0x81, control, 0x0200},
      {"repeated key", 0x81, who() + "AuthMethod=None", 0x0200},
      {"65 keys", 0x81, many, 0x0200},
      {"MaxRecvDataSegmentLength of 1", 0x81, who() + "MaxRecvDataSegmentLength=1", 0x0200},
      {"garbage text", 0x81, "GET / HTTP/1.1", 0x0200},
      {"T and C", 0xc1, who(), 0x0200},
      {"transit to itself", 0x80, who(), 0x0200},
      {"transit to stage 2", 0x82, who(), 0x0200},
      {"backwards", 0x84, who(), 0x0200},
      {"stage 2", 0x8b, who(), 0x0200},
      {"stage 3", 0x0c, who(), 0x0200},
  };
  for (const Case& c : cases) {
    Login machine = login();
    auto answer = machine.receive(request(c.flags), c.text);
    EXPECT_EQ(answer.kind, Kind::failed) << c.what;
    EXPECT_EQ(status(answer), c.status) << c.what << ": " << answer.reason;
    EXPECT_FALSE(answer.reason.empty());
  }
}

TEST(Login, VersionAndSessionRefusals) {
  LoginRequest pdu = request(kSecurityToOperational);
  pdu.version_min = 1;
  pdu.version_max = 1;
  EXPECT_EQ(status(login().receive(pdu, who())), 0x0205);
  pdu = request(kSecurityToOperational);
  pdu.tsih = 7;
  EXPECT_EQ(status(login().receive(pdu, who())), 0x020a);
}

TEST(Login, LaterRequestsMustAgreeWithTheFirst) {
  for (int field = 0; field < 4; ++field) {
    Login machine = login();
    ASSERT_EQ(machine.receive(request(kSecurityToOperational), who()).kind, Kind::more);
    LoginRequest second = request(kOperationalToFull);
    if (field == 0) second.isid[5] = 9;
    if (field == 1) second.cid = 2;
    if (field == 2) second.initiator_task_tag = 5;
    if (field == 3) second.flags = kSecurityToOperational;  // the stage is over
    EXPECT_EQ(status(machine.receive(second, "")), 0x0200) << field;
  }
  Login machine = login();
  ASSERT_EQ(machine.receive(request(0x04), who()).kind, Kind::more);
  EXPECT_EQ(status(machine.receive(request(0x04), keys({{"AuthMethod", "None"}}))), 0x0200)
      << "a key a second time";
}

TEST(Login, TextAndKeysAreBoundedOverAllRequests) {
  Login endless = login();
  Login::Answer answer;
  for (int i = 0; i < 3; ++i) {
    answer = endless.receive(request(kContinue), "X-" + std::string(4000, 'a'));
  }
  EXPECT_EQ(status(answer), 0x0200);
  Login machine = login();
  ASSERT_EQ(machine.receive(request(0x04), who()).kind, Kind::more);
  int refused_at = 0;
  for (int i = 0; i < 100 && refused_at == 0; ++i) {
    std::string key;
    append_key(key, "X-" + std::to_string(i), "1");
    if (status(machine.receive(request(0x04), key)) == 0x0200) refused_at = i;
  }
  EXPECT_EQ(refused_at, 60) << "four keys came before";
}

TEST(Access, TheLineThatNamesTheInitiatorDecides) {
  TargetNode node;
  node.name = kName;
  EXPECT_FALSE(access_of(node, kHost)) << "no entry and not open: nobody gets in";
  node.access = {{"*", {}, true}, {kHost, {3}, false}};
  ASSERT_TRUE(access_of(node, kHost));
  EXPECT_FALSE(access_of(node, kHost)->read_only);
  EXPECT_EQ(access_of(node, kHost)->luns, std::vector<uint16_t>{3});
  EXPECT_TRUE(access_of(node, "iqn.2000-01.org.other:x")->read_only);
  node.access = {{kHost, {3}, false}};
  EXPECT_FALSE(access_of(node, "iqn.2000-01.org.other:x"));
  node.open = true;
  EXPECT_TRUE(access_of(node, "iqn.2000-01.org.other:x"));
  std::string upper(kHost);
  std::ranges::transform(upper, upper.begin(),
                         [](char c) { return static_cast<char>(toupper(c)); });
  for (const std::string& name : {std::string(kHost), upper}) {
    EXPECT_EQ(access_of(node, name)->luns, std::vector<uint16_t>{3}) << "also where all may come";
  }
}

}  // namespace
}  // namespace swiftness::iscsi
