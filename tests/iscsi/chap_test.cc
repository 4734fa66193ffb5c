// CHAP through a whole login, and what a target makes of those that are not as they should be. The
// hashes were computed elsewhere (Python's hashlib).
#include "target/iscsi/chap.h"

#include <gtest/gtest.h>

#include "target/iscsi/login.h"

namespace swiftness::iscsi {
namespace {

using Kind = Login::Answer::Kind;

constexpr const char* kDisk = "iqn.2026-11.org.swiftness:secret";
constexpr const char* kAlice = "iqn.1993-08.org.debian:01:alice";
constexpr uint8_t kToOperational = 0x81;
constexpr uint8_t kInSecurity = 0x00;

// 00 01 02 ... as a challenge; 2a as an identifier.
void predictable(std::span<std::byte> bytes) {
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i);
  if (bytes.size() == 1) bytes[0] = std::byte{0x2a};
}

ChapSecrets one_way() {
  return {ChapSecret{"host1", "secret-of-host1"}, std::nullopt};
}
ChapSecrets mutual() {
  return {ChapSecret{"host1", "secret-of-host1"}, ChapSecret{"gw1", "secret-of-gw1"}};
}

std::string text(std::initializer_list<std::pair<std::string_view, std::string_view>> pairs) {
  std::string out;
  for (auto& [name, value] : pairs) append_key(out, name, value);
  return out;
}

class ChapLogin : public testing::Test {
 protected:
  explicit ChapLogin(ChapSecrets secrets = mutual()) { begin(std::move(secrets)); }

  void begin(ChapSecrets secrets) {
    TargetNode node;
    node.name = kDisk;
    node.access = {{"*", {}, false, std::move(secrets)}};
    login_.emplace(LoginEnvironment{
        .targets = std::make_shared<const std::vector<TargetNode>>(std::vector<TargetNode>{node}),
        .discovery_chap = one_way(),
        .session_exists = [](const Isid&, uint16_t) { return false; },
        .random = predictable});
  }
  Login::Answer send(uint8_t flags, const std::string& keys) {
    LoginRequest pdu;
    pdu.flags = flags;
    pdu.cid = 1;
    return login_->receive(pdu, keys);
  }
  Login::Answer offer(std::string_view methods, uint8_t flags = kInSecurity) {
    return send(flags, text({{"InitiatorName", kAlice},
                             {"SessionType", "Normal"},
                             {"TargetName", kDisk},
                             {"AuthMethod", methods}}));
  }
  Login::Answer choose(std::string_view algorithms) {
    return send(kInSecurity, text({{"CHAP_A", algorithms}}));
  }
  Login::Answer respond(std::string_view user, std::string_view response,
                        const std::string& more = {}) {
    return send(kToOperational, text({{"CHAP_N", user}, {"CHAP_R", response}}) + more);
  }
  static uint16_t status(const Login::Answer& answer) {
    return static_cast<uint16_t>(answer.header.status_class << 8 | answer.header.status_detail);
  }
  void expect_refusal(const Login::Answer& answer, std::string_view words) {
    EXPECT_EQ(answer.kind, Kind::failed);
    EXPECT_EQ(status(answer), 0x0201);
    EXPECT_EQ(answer.text, "");
    EXPECT_NE(answer.reason.find(words), std::string::npos) << answer.reason;
  }

  std::optional<Login> login_;
};

constexpr std::string_view kMd5 = "0x81b892b076ee838c8310912c59cb7e4f";

TEST_F(ChapLogin, OneWayAsOpenIscsiAndWindowsDoIt) {
  auto answer = offer("CHAP,None", kToOperational);
  EXPECT_EQ(answer.kind, Kind::more);
  EXPECT_EQ(answer.header.flags, 0) << "no transit before it proved who it is";
  EXPECT_EQ(answer.text, text({{"AuthMethod", "CHAP"}, {"TargetPortalGroupTag", "1"}}));
  answer = choose("5");
  EXPECT_EQ(answer.header.flags, 0);
  EXPECT_EQ(
      answer.text,
      text({{"CHAP_A", "5"}, {"CHAP_I", "42"}, {"CHAP_C", "0x000102030405060708090a0b0c0d0e0f"}}));
  answer = respond("host1", kMd5);
  ASSERT_EQ(answer.kind, Kind::more) << answer.reason;
  EXPECT_EQ(answer.header.flags, kToOperational);
  EXPECT_EQ(answer.text, "");
  answer = send(0x87, text({{"HeaderDigest", "None"}}));
  EXPECT_EQ(answer.kind, Kind::complete);
}

TEST_F(ChapLogin, EveryAlgorithmHasItsNumber) {
  const std::pair<const char*, const char*> cases[] = {
      {"5", kMd5.data()},
      {"6", "0x6c99acb56804c8ae7cff110e35d2602f7011449d"},
      {"7", "0xc0f9cac5785cfa48cd4327f9c1aaa6119ff26363840392924c131ef380e40a8d"},
      {"8", "0xe3f05a1bedde0f6d3da9e195b2852ef1565d4a35d31fcc5faa4bcc2f9632bf72"},
      {"5", "0bgbiSsHbug4yDEJEsWct+Tw=="},
      {"5", "0X81B892B076EE838C8310912C59CB7E4F"}};
  for (auto& [number, response] : cases) {
    begin(one_way());
    offer("CHAP");
    auto answer = choose(number);
    EXPECT_TRUE(answer.text.starts_with(text({{"CHAP_A", number}}))) << answer.text;
    EXPECT_EQ(respond("host1", response).header.flags, kToOperational) << number << " " << response;
  }
}

TEST_F(ChapLogin, TakesTheFirstAlgorithmItKnows) {
  offer("CHAP");
  EXPECT_TRUE(choose("9,7,5").text.starts_with(text({{"CHAP_A", "7"}})));
}

TEST_F(ChapLogin, ProvesItselfWhenAsked) {
  offer("CHAP");
  choose("5");
  auto answer =
      respond("host1", kMd5, text({{"CHAP_I", "7"}, {"CHAP_C", "0x" + std::string(40, 'f')}}));
  ASSERT_EQ(answer.kind, Kind::more) << answer.reason;
  EXPECT_EQ(answer.header.flags, kToOperational);
  EXPECT_EQ(answer.text,
            text({{"CHAP_N", "gw1"}, {"CHAP_R", "0x7ad975b451823219effaccd5b408ec40"}}));
}

TEST_F(ChapLogin, SaysInWordsWhatWasWrong) {
  struct Case {
    const char* user;
    std::string response, more;
    const char* words;
  };
  const std::string right(kMd5);
  const Case cases[] = {
      {"alice", right, "", "unknown user alice"},
      {"al\nice", right, "", "unknown user al?ice"},
      {"host1", "0x" + std::string(32, '0'), "", "wrong secret of user host1"},
      {"host1", "0x81b8", "", "is no hash"},
      {"host1", right + "00", "", "is no hash"},
      {"host1", right + "0", "", "is no hash"},
      {"host1", "81b892b076ee838c8310912c59cb7e4f", "", "is no hash"},
      {"host1", "0bgbiSsHbug4yDEJEsWct+Tw=", "", "is no hash"},
      {"host1", "0b" + std::string(6000, 'A'), "", "is no hash"},
      {"host1", right, text({{"CHAP_I", "7"}}), "belong together"},
      {"host1", right, text({{"CHAP_C", "0x00"}}), "belong together"},
      {"host1", right, text({{"CHAP_I", "256"}, {"CHAP_C", "0x00"}}), "no identifier"},
      {"host1", right, text({{"CHAP_I", "1"}, {"CHAP_C", "0x"}}), "no identifier or challenge"},
      {"host1", right, text({{"CHAP_I", "1"}, {"CHAP_C", "0x" + std::string(2050, '0')}}),
       "no identifier or challenge"},
      {"host1", right, text({{"CHAP_I", "42"}, {"CHAP_C", "0x000102030405060708090a0b0c0d0e0f"}}),
       "our own challenge"},
  };
  for (const Case& one : cases) {
    begin(mutual());
    offer("CHAP");
    choose("5");
    expect_refusal(respond(one.user, one.response, one.more), one.words);
  }
}

TEST_F(ChapLogin, CannotProveItselfWithoutASecret) {
  begin(one_way());
  offer("CHAP");
  choose("5");
  expect_refusal(respond("host1", kMd5, text({{"CHAP_I", "1"}, {"CHAP_C", "0x0102"}})),
                 "no mutual_chap");
}

TEST_F(ChapLogin, NobodyGetsAroundIt) {
  expect_refusal(offer("None", kToOperational), "CHAP is required");
  begin(mutual());
  expect_refusal(offer("KRB5,SRP"), "CHAP is required");
  begin(mutual());
  expect_refusal(send(0x87, text({{"InitiatorName", kAlice}, {"TargetName", kDisk}})),
                 "does not prove who it is");  // begins in the operational stage
  begin(mutual());
  expect_refusal(send(0x83, text({{"InitiatorName", kAlice}, {"TargetName", kDisk}})),
                 "does not prove who it is");  // no AuthMethod at all
  begin(mutual());
  offer("CHAP");
  EXPECT_EQ(send(0x83, "").header.flags, 0) << "asked once more, it still must not go on";
  begin(mutual());
  offer("CHAP");
  expect_refusal(respond("host1", kMd5), "do not follow");  // to a challenge it did not get
  begin(mutual());
  offer("CHAP");
  expect_refusal(choose("4,9"), "none of the algorithms");
  begin(mutual());
  offer("CHAP");
  choose("5");
  EXPECT_EQ(choose("5").kind, Kind::failed) << "a second challenge, please";
}

TEST_F(ChapLogin, IsOfferedToNobodyWhoHasNoSecret) {
  begin({});
  expect_refusal(offer("CHAP"), "no chap for it");
  begin({});
  EXPECT_EQ(offer("CHAP,None", kToOperational).header.flags, kToOperational);
}

TEST_F(ChapLogin, DiscoveryHasItsOwn) {
  auto first = text({{"InitiatorName", kAlice}, {"SessionType", "Discovery"}});
  expect_refusal(send(kToOperational, first + text({{"AuthMethod", "None"}})), "CHAP is required");
  begin({});
  send(kInSecurity, first + text({{"AuthMethod", "CHAP"}}));
  choose("5");
  EXPECT_EQ(respond("host1", kMd5).header.flags, kToOperational);
}

TEST(Chap, AChallengeIsNeverUsedTwice) {
  std::string seen[2];
  for (std::string& answers : seen) {
    Chap chap(one_way(), kernel_random);
    auto offered = TextKeys::parse(text({{"CHAP_A", "7"}}));
    ASSERT_TRUE(chap.receive(*offered, answers).ok());
  }
  EXPECT_NE(seen[0], seen[1]);
}

}  // namespace
}  // namespace swiftness::iscsi
