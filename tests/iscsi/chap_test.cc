// CHAP through a whole login, and what a target makes of those that are not as they should be. The
// hashes were computed elsewhere (Python's hashlib).
#include "target/iscsi/chap.h"

#include <gtest/gtest.h>

#include "backend/base/random.h"
#include "tests/iscsi/login_words.h"

namespace swiftness::iscsi {
namespace {

using Kind = Login::Answer::Kind;

constexpr const char* kDisk = "iqn.2026-11.org.swiftness:secret";
constexpr const char* kAlice = "iqn.1993-08.org.debian:01:alice";
constexpr uint8_t kToOperational = 0x81;
constexpr uint8_t kInSecurity = 0x00;

ChapSecrets one_way() {
  return {ChapSecret{"host1", "secret-of-host1"}, std::nullopt};
}
ChapSecrets mutual() {
  return {ChapSecret{"host1", "secret-of-host1"}, ChapSecret{"gw1", "secret-of-gw1"}};
}

class ChapLogin : public testing::Test {
 protected:
  explicit ChapLogin(ChapSecrets secrets = mutual()) { begin(std::move(secrets)); }

  void begin(ChapSecrets secrets) {
    random_.reset();
    random_.emplace(1);
    TargetNode node;
    node.name = kDisk;
    node.access = {{"*", {}, false, std::move(secrets)}};
    login_.emplace(LoginEnvironment{
        .targets = std::make_shared<const std::vector<TargetNode>>(std::vector<TargetNode>{node}),
        .discovery_chap = one_way(),
        .session_to_join = [](const Isid&, uint16_t) { return nullptr; }});
  }
  Login::Answer send(uint8_t flags, const std::string& text) {
    return login_->receive(request(flags), text);
  }
  Login::Answer offer(std::string_view methods, uint8_t flags = kInSecurity) {
    return send(flags, keys({{"InitiatorName", kAlice},
                             {"SessionType", "Normal"},
                             {"TargetName", kDisk},
                             {"AuthMethod", methods}}));
  }
  Login::Answer choose(std::string_view algorithms) {
    return send(kInSecurity, keys({{"CHAP_A", algorithms}}));
  }
  Login::Answer respond(std::string_view user, std::string_view response,
                        const std::string& more = {}) {
    return send(kToOperational, keys({{"CHAP_N", user}, {"CHAP_R", response}}) + more);
  }
  void expect_refusal(const Login::Answer& answer, std::string_view words) {
    EXPECT_EQ(answer.kind, Kind::failed);
    EXPECT_EQ(status(answer), 0x0201);
    EXPECT_EQ(answer.text, "");
    EXPECT_NE(answer.reason.find(words), std::string::npos) << answer.reason;
  }

  std::optional<SeededRandom> random_;  // the same challenges in every run
  std::optional<Login> login_;
};

constexpr std::string_view kMd5 = "0x1af633096eace7399d673e39b84e6e9b";

TEST_F(ChapLogin, OneWayAsOpenIscsiAndWindowsDoIt) {
  auto answer = offer("CHAP,None", kToOperational);
  EXPECT_EQ(answer.kind, Kind::more);
  EXPECT_EQ(answer.header.flags, 0) << "no transit before it proved who it is";
  EXPECT_EQ(answer.text, keys({{"AuthMethod", "CHAP"}, {"TargetPortalGroupTag", "1"}}));
  answer = choose("5");
  EXPECT_EQ(answer.header.flags, 0);
  EXPECT_EQ(
      answer.text,
      keys({{"CHAP_A", "5"}, {"CHAP_I", "99"}, {"CHAP_C", "0xc1675e0bb980a575a89661fec08aa83b"}}));
  answer = respond("host1", kMd5);
  ASSERT_EQ(answer.kind, Kind::more) << answer.reason;
  EXPECT_EQ(answer.header.flags, kToOperational);
  EXPECT_EQ(answer.text, "");
  answer = send(0x87, keys({{"HeaderDigest", "None"}}));
  EXPECT_EQ(answer.kind, Kind::complete);
}

TEST_F(ChapLogin, EveryAlgorithmHasItsNumber) {
  const std::pair<const char*, const char*> cases[] = {
      {"5", kMd5.data()},
      {"6", "0xdf6d890c7081847fee63b0f3e4e1bad397e51dec"},
      {"7", "0x70c91bff8d1719306b4be8a1f29dee4ee408544a9ec2af0a7ca36a7272e80087"},
      {"8", "0x45839c17aaa35196103c13c1dc48bb285acd7650088bc10185c69742c3e7f925"},
      {"5", "0bGvYzCW6s5zmdZz45uE5umw=="},
      {"5", "0X1AF633096EACE7399D673E39B84E6E9B"}};
  for (auto& [number, response] : cases) {
    begin(one_way());
    offer("CHAP");
    auto answer = choose(number);
    EXPECT_TRUE(answer.text.starts_with(keys({{"CHAP_A", number}}))) << answer.text;
    EXPECT_EQ(respond("host1", response).header.flags, kToOperational) << number << " " << response;
  }
}

TEST_F(ChapLogin, TakesTheFirstAlgorithmItKnows) {
  offer("CHAP");
  EXPECT_TRUE(choose("9,7,5").text.starts_with(keys({{"CHAP_A", "7"}})));
}

TEST_F(ChapLogin, ProvesItselfWhenAsked) {
  offer("CHAP");
  choose("5");
  auto answer =
      respond("host1", kMd5, keys({{"CHAP_I", "7"}, {"CHAP_C", "0x" + std::string(40, 'f')}}));
  ASSERT_EQ(answer.kind, Kind::more) << answer.reason;
  EXPECT_EQ(answer.header.flags, kToOperational);
  EXPECT_EQ(answer.text,
            keys({{"CHAP_N", "gw1"}, {"CHAP_R", "0x7ad975b451823219effaccd5b408ec40"}}));
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
      {"host1", "0x1af6", "", "is no hash"},
      {"host1", right + "00", "", "is no hash"},
      {"host1", right + "0", "", "is no hash"},
      {"host1", "1af633096eace7399d673e39b84e6e9b", "", "is no hash"},
      {"host1", "0bGvYzCW6s5zmdZz45uE5umw=", "", "is no hash"},
      {"host1", "0b" + std::string(6000, 'A'), "", "is no hash"},
      {"host1", right, keys({{"CHAP_I", "7"}}), "belong together"},
      {"host1", right, keys({{"CHAP_C", "0x00"}}), "belong together"},
      {"host1", right, keys({{"CHAP_I", "256"}, {"CHAP_C", "0x00"}}), "no identifier"},
      {"host1", right, keys({{"CHAP_I", "1"}, {"CHAP_C", "0x"}}), "no identifier or challenge"},
      {"host1", right, keys({{"CHAP_I", "1"}, {"CHAP_C", "0x" + std::string(2050, '0')}}),
       "no identifier or challenge"},
      {"host1", right, keys({{"CHAP_I", "99"}, {"CHAP_C", "0xc1675e0bb980a575a89661fec08aa83b"}}),
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
  expect_refusal(respond("host1", kMd5, keys({{"CHAP_I", "1"}, {"CHAP_C", "0x0102"}})),
                 "no mutual_chap");
}

TEST_F(ChapLogin, NobodyGetsAroundIt) {
  expect_refusal(offer("None", kToOperational), "CHAP is required");
  begin(mutual());
  expect_refusal(offer("KRB5,SRP"), "CHAP is required");
  begin(mutual());
  expect_refusal(send(0x87, keys({{"InitiatorName", kAlice}, {"TargetName", kDisk}})),
                 "does not prove who it is");  // begins in the operational stage
  begin(mutual());
  expect_refusal(send(0x83, keys({{"InitiatorName", kAlice}, {"TargetName", kDisk}})),
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
  auto first = keys({{"InitiatorName", kAlice}, {"SessionType", "Discovery"}});
  expect_refusal(send(kToOperational, first + keys({{"AuthMethod", "None"}})), "CHAP is required");
  begin({});
  send(kInSecurity, first + keys({{"AuthMethod", "CHAP"}}));
  choose("5");
  EXPECT_EQ(respond("host1", kMd5).header.flags, kToOperational);
}

TEST(Chap, AChallengeIsNeverUsedTwice) {
  std::string seen[2];
  for (std::string& answers : seen) {
    Chap chap(one_way());
    auto offered = TextKeys::parse(keys({{"CHAP_A", "7"}}));
    ASSERT_TRUE(chap.receive(*offered, answers).ok());
  }
  EXPECT_NE(seen[0], seen[1]);
}

}  // namespace
}  // namespace swiftness::iscsi
