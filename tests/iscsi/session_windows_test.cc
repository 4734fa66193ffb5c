// Replays of the Microsoft iSCSI Initiator, byte for byte, and what the target answers, byte for
// byte. They were written from what is known of that initiator (published traces, vendors' guides,
// its driver's documentation), not recorded from a Windows machine.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <charconv>

#include "backend/base/hash.h"
#include "target/iscsi/chap.h"
#include "tests/iscsi/login_words.h"
#include "tests/iscsi/test_target.h"

namespace swiftness::test {
namespace {

using namespace iscsi;

constexpr std::string_view kWindows = "iqn.1991-05.com.microsoft:win-host";
constexpr std::string_view kHostSecret = "secret-of-host1", kTargetSecret = "secret-of-gate1";
using Asc = std::pair<uint8_t, uint8_t>;
constexpr Asc kPowerOn{0x29, 0x00}, kReset{0x29, 0x03};
constexpr std::string_view kFirstIsid = "400001370000", kSecondIsid = "400001370001";

std::string operational_keys() {
  return keys({{"HeaderDigest", "None,CRC32C"},
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
               {"DefaultTime2Retain", "60"}});
}
std::string operational_answers() {
  return keys({{"HeaderDigest", "None"},
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
               {"MaxRecvDataSegmentLength", "262144"}});
}

// Hexadecimal digits; blanks are for the eye.
Octets octets(std::string_view hex) {
  std::string digits;
  std::copy_if(hex.begin(), hex.end(), std::back_inserter(digits), [](char c) { return c != ' '; });
  Octets out(digits.size() / 2);
  for (size_t i = 0; i < out.size(); ++i) {
    uint8_t value = 0;
    std::from_chars(&digits[2 * i], &digits[2 * i] + 2, value, 16);
    out[i] = static_cast<std::byte>(value);
  }
  return out;
}

class Windows {
 public:
  explicit Windows(const TestTarget& target, std::string_view isid = kFirstIsid)
      : initiator("127.0.0.1", target.port()), isid_(isid) {}

  void send(const std::string& header, const std::string& text = {}) {
    Octets bytes = octets(header);
    ASSERT_EQ(bytes.size(), kBhsSize) << header;
    for (char c : text) bytes.push_back(static_cast<std::byte>(c));
    bytes.resize((bytes.size() + 3) / 4 * 4);
    initiator.queue_bytes(bytes);
  }
  // The header of what comes next is this, to the last byte. Its text is returned.
  std::string expect(const std::string& header) {
    std::optional<ReceivedPdu> pdu = initiator.receive();
    if (!pdu) {
      ADD_FAILURE() << "nothing came; expected " << header;
      return {};
    }
    EXPECT_EQ(to_hex(std::as_bytes(std::span(&pdu->header, 1))), to_hex(octets(header)));
    return std::string(pdu->text());
  }

  // A login request, and the answer of success to it.
  void send_login(std::string_view flags, const std::string& text) {
    send(fmt::format("43{} 0000 00{:06x} {} {:04x} 00000000 {:04x}0000 {:08x} {:08x} {:032x}",
                     flags, text.size(), isid_, tsih, cid, cmd_sn, stat_sn_, 0),
         text);
  }
  std::string expect_login(std::string_view flags, size_t length, uint32_t max_cmd_sn,
                           uint16_t its_tsih) {
    const uint32_t stat_sn = stat_sn_ == 0 ? 1 : stat_sn_;
    stat_sn_ = stat_sn + 1;
    initiator.exp_stat_sn = stat_sn_;
    return expect(
        fmt::format("23{} 0000 00{:06x} {} {:04x} 00000000 00000000 {:08x} {:08x} {:08x} 00000000 "
                    "{:016x}",
                    flags, length, isid_, its_tsih, stat_sn, cmd_sn, max_cmd_sn, 0));
  }

  // Stage 1 of a normal session.
  std::string who(std::string_view method) const {
    return keys({{"InitiatorName", kWindows},
                 {"SessionType", "Normal"},
                 {"TargetName", kTarget},
                 {"AuthMethod", method}});
  }
  std::string who_in_discovery(std::string_view method) const {
    return keys(
        {{"InitiatorName", kWindows}, {"SessionType", "Discovery"}, {"AuthMethod", method}});
  }
  void stage_1() {
    send_login("81", who("None"));
    const std::string accepted = keys({{"AuthMethod", "None"}, {"TargetPortalGroupTag", "1"}});
    EXPECT_EQ(expect_login("81", accepted.size(), 1, 0), accepted)
        << "TargetPortalGroupTag has to be in it, or Windows waits";
  }
  void stage_2(uint16_t its_tsih) {
    send_login("87", operational_keys());
    const std::string answers = operational_answers();
    EXPECT_EQ(expect_login("87", answers.size(), 32, its_tsih), answers);
    take_agreement();
  }
  void stage_2_of_discovery(uint16_t its_tsih) {
    send_login("87", keys({{"HeaderDigest", "None,CRC32C"},
                           {"DataDigest", "None,CRC32C"},
                           {"MaxRecvDataSegmentLength", "65536"},
                           {"DefaultTime2Wait", "0"},
                           {"DefaultTime2Retain", "60"}}));
    const std::string answers = keys({{"HeaderDigest", "None"},
                                      {"DataDigest", "None"},
                                      {"DefaultTime2Wait", "0"},
                                      {"DefaultTime2Retain", "0"},
                                      {"MaxRecvDataSegmentLength", "262144"}});
    EXPECT_EQ(expect_login("87", answers.size(), 32, its_tsih), answers);
  }
  // CHAP, between AuthMethod and stage 2; `mutual`: the target has to prove itself, too.
  void chap(std::string_view first_text, bool discovery, bool mutual) {
    send_login("81", std::string(first_text));
    const std::string chosen = discovery
                                   ? keys({{"AuthMethod", "CHAP"}})
                                   : keys({{"AuthMethod", "CHAP"}, {"TargetPortalGroupTag", "1"}});
    EXPECT_EQ(expect_login("00", chosen.size(), 1, 0), chosen) << "no transit before the proof";

    send_login("00", keys({{"CHAP_A", "5"}}));
    ReceivedPdu asked;
    const std::string text = expect_challenge(asked);
    const std::string identifier = asked.key("CHAP_I").value_or("");
    const std::string challenge = asked.key("CHAP_C").value_or("");
    EXPECT_EQ(text, keys({{"CHAP_A", "5"}, {"CHAP_I", identifier}, {"CHAP_C", challenge}}));
    EXPECT_EQ(challenge.size(), 2 + 2 * 16u) << "0x and 16 bytes";

    const uint8_t id = static_cast<uint8_t>(std::stoul(identifier));
    const Octets bytes = octets(std::string_view(challenge).substr(2));
    const std::string proof =
        "0x" + to_hex(chap_response(ChapAlgorithm::md5, id, kHostSecret, bytes));
    std::string response = keys({{"CHAP_N", kWindows}, {"CHAP_R", proof}});
    std::string proven;
    if (mutual) {
      const Octets ours = pattern(16, 7);
      response += keys({{"CHAP_I", "23"}, {"CHAP_C", "0x" + to_hex(ours)}});
      proven = keys(
          {{"CHAP_N", "gate1"},
           {"CHAP_R", "0x" + to_hex(chap_response(ChapAlgorithm::md5, 23, kTargetSecret, ours))}});
    }
    send_login("81", response);
    EXPECT_EQ(expect_login("81", proven.size(), 1, 0), proven);
  }

  uint32_t next_stat_sn() const { return stat_sn_; }

  RawInitiator initiator;
  uint16_t tsih = 0, cid = 1;
  uint32_t cmd_sn = 1;

 private:
  std::string expect_challenge(ReceivedPdu& pdu) {
    // Its length is not known before; the number of the identifier has one to three digits.
    auto answer = initiator.receive();
    if (!answer) return {};
    pdu = *answer;
    EXPECT_EQ(pdu.header.flags, 0);
    EXPECT_EQ(pdu.as<LoginResponse>().stat_sn, stat_sn_);
    ++stat_sn_;
    return std::string(pdu.text());
  }
  void take_agreement() {
    initiator.initial_r2t = false;
    initiator.immediate_data = true;
    initiator.target_max_recv = 262144;
    initiator.first_burst = 65536;
    initiator.max_burst = 262144;
  }

  const std::string isid_;
  uint32_t stat_sn_ = 0;  // the next; it begins with the target's first answer
};

ChapSecrets secrets(bool mutual) {
  ChapSecrets out{ChapSecret{std::string(kWindows), std::string(kHostSecret)}, std::nullopt};
  if (mutual) out.target = ChapSecret{"gate1", std::string(kTargetSecret)};
  return out;
}

TargetNode target_with(ChapSecrets chap) {
  TargetNode node = TestTarget::open_target();
  node.open = false;
  node.access = {{"*", {}, false, std::move(chap)}};
  return node;
}

// The list of targets, then the end.
void expect_list_and_leave(Windows& windows, const TestTarget& target) {
  std::string list = keys({{"SendTargets", "All"}});
  windows.send(fmt::format("0480 0000 00{:06x} 0000000000000000 00000001 ffffffff 00000001 {:08x} "
                           "{:032x}",
                           list.size(), windows.next_stat_sn(), 0),
               list);
  list = keys(
      {{"TargetName", kTarget}, {"TargetAddress", fmt::format("127.0.0.1:{},1", target.port())}});
  EXPECT_EQ(windows.expect(fmt::format("2480 0000 00{:06x} 0000000000000000 00000001 ffffffff "
                                       "{:08x} 00000002 00000021 {:024x}",
                                       list.size(), windows.next_stat_sn(), 0)),
            list)
      << "one NUL behind each pair, and the portal group, without which it takes no address";
  windows.send(
      fmt::format("4680 0000 00000000 0000000000000000 00000002 00010000 00000002 {:08x} "
                  "{:032x}",
                  windows.next_stat_sn() + 1, 0));
  windows.expect(
      fmt::format("2680 0000 00000000 0000000000000000 00000002 00000000 {:08x} "
                  "00000002 00000021 00000000 00000000 00000000",
                  windows.next_stat_sn() + 1));
  EXPECT_TRUE(windows.initiator.closed_by_target());
}

TEST(WindowsReplay, Discovery) {
  TestTarget target;
  Windows windows(target);
  windows.send_login("81", windows.who_in_discovery("None"));
  EXPECT_EQ(windows.expect_login("81", 16, 1, 0), keys({{"AuthMethod", "None"}}));
  windows.stage_2_of_discovery(1);
  expect_list_and_leave(windows, target);
}

TEST(WindowsReplay, DiscoveryWithChap) {
  for (bool mutual : {false, true}) {
    TestTarget target({}, TestTarget::open_target(), secrets(mutual));
    Windows windows(target);
    windows.chap(windows.who_in_discovery("CHAP"), true, mutual);
    windows.stage_2_of_discovery(1);
    expect_list_and_leave(windows, target);
  }
}

TEST(WindowsReplay, LoginInTwoStages) {
  TestTarget target;
  Windows windows(target);
  windows.stage_1();
  windows.stage_2(1);
  EXPECT_EQ(windows.initiator.run(test_unit_ready())->asc(), kPowerOn);
  EXPECT_EQ(windows.initiator.run(test_unit_ready())->status, 0);
}

TEST(WindowsReplay, LoginWithChap) {
  for (bool mutual : {false, true}) {
    TestTarget target({}, target_with(secrets(mutual)));
    Windows windows(target);
    windows.chap(windows.who("CHAP"), false, mutual);
    windows.stage_2(1);
    EXPECT_EQ(windows.initiator.run(test_unit_ready())->asc(), kPowerOn);
  }
}

// MaxCmdSN opens at once, R2T has 80h in its second byte, Data-Out says nothing about the LUN, and
// a read of 1 MiB comes as four of 256 KiB.
TEST(WindowsReplay, WritesAndReads) {
  TestTarget target;
  Windows windows(target);
  windows.stage_1();
  windows.stage_2(1);
  RawInitiator& initiator = windows.initiator;
  initiator.run(test_unit_ready());
  EXPECT_EQ(initiator.window(), 32u);
  initiator.answers_r2ts = false;
  const Octets data = pattern(262144, 1);
  const uint32_t tag = initiator.queue_command(write10(0, data));
  auto r2t = initiator.receive_kind(Opcode::r2t);
  ASSERT_TRUE(r2t);
  EXPECT_EQ(to_hex(std::as_bytes(std::span(&r2t->header, 1))),
            to_hex(octets(fmt::format("3180 0000 00000000 0000000000000000 {:08x} 00000001 {:08x} "
                                      "{:08x} {:08x} 00000000 00010000 00030000",
                                      tag, windows.initiator.exp_stat_sn, initiator.cmd_sn,
                                      initiator.max_cmd_sn))));
  DataOut pdu;
  pdu.lun = 0xffff000000000000;  // it does not set it: whatever is there does not matter
  pdu.initiator_task_tag = tag;
  pdu.target_transfer_tag = 1;
  pdu.buffer_offset = 65536;
  pdu.flags = kFinal;
  initiator.queue(pdu, std::span(data).subspan(65536));
  EXPECT_EQ(initiator.complete(tag)->status, 0);

  std::vector<uint32_t> reads;
  for (uint32_t i = 0; i < 4; ++i) reads.push_back(initiator.queue_command(read10(i * 512, 512)));
  for (uint32_t i = 0; i < 4; ++i) {
    auto answer = initiator.complete(reads[i]);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->data_in_pdus, 4u) << "of 64 KiB, as it said";
    EXPECT_TRUE(answer->collapsed);
    EXPECT_EQ(answer->data, i == 0 ? data : Octets(262144));
  }
}

// "Enable multi-path": a second session, which differs by its ISID.
TEST(WindowsReplay, SecondSessionForMultiPath) {
  TestTarget target;
  Windows first(target), second(target, kSecondIsid);
  first.stage_1();
  first.stage_2(1);
  second.stage_1();
  second.stage_2(2);
  for (Windows* path : {&first, &second}) {
    EXPECT_EQ(path->initiator.run(test_unit_ready())->asc(), kPowerOn) << "a nexus of its own";
  }
  EXPECT_EQ(first.initiator.run(write10(0, pattern(4096, 1)))->status, 0);
  EXPECT_EQ(second.initiator.run(read10(0, 8))->data, pattern(4096, 1));
  EXPECT_EQ(first.initiator.logout()->as<LogoutResponse>().response, 0);
  EXPECT_TRUE(first.initiator.closed_by_target());
  EXPECT_EQ(second.initiator.run(write10(8, pattern(4096, 2)))->status, 0) << "the other lives on";
  Windows again(target);
  again.stage_1();
  again.stage_2(3);
  EXPECT_EQ(again.initiator.run(test_unit_ready())->asc(), kPowerOn);
  EXPECT_EQ(again.initiator.run(read10(8, 8))->data, pattern(4096, 2));
}

// After 60 s without an answer Windows resets the logical unit, and about 20 s later begins anew
// with the same ISID. What hung in the store never lands, and the window is open each time.
TEST(WindowsReplay, LunResetThenLoginWithTheSameIsidWhile64WritesHang) {
  TestTarget target;
  auto other = logged_in(target);  // another host
  target.hang();
  auto hang_64 = [&](RawInitiator& initiator, size_t in_all) {
    for (uint32_t i = 0; i < 64; ++i) initiator.queue_command(write10(i * 8, pattern(4096, i)));
    initiator.flush();
    ASSERT_TRUE(target.wait_for_hanging(in_all));
  };
  std::unique_ptr<Windows> before;
  for (uint16_t round = 1; round <= 3; ++round) {
    auto windows = std::make_unique<Windows>(target);
    windows->stage_1();
    windows->stage_2(static_cast<uint16_t>(1 + round));
    if (before) {
      EXPECT_TRUE(before->initiator.closed_by_target());
    }
    before = std::move(windows);
    RawInitiator& initiator = before->initiator;
    EXPECT_EQ(initiator.window(), 32u);
    EXPECT_EQ(initiator.run(test_unit_ready())->asc(), kPowerOn);
    hang_64(initiator, 64u * round);
    EXPECT_EQ(initiator.task_management(kLunReset, 0), 0);
    EXPECT_GE(initiator.window(), 64u) << "MaxCmdSN is not stuck";
    EXPECT_EQ(initiator.run(test_unit_ready())->asc(), kReset);
    EXPECT_EQ(other->run(test_unit_ready())->asc(), kReset) << "everybody is told";
  }
  Windows last(target);
  last.stage_1();
  last.stage_2(5);
  EXPECT_EQ(last.initiator.run(test_unit_ready())->asc(), kPowerOn);
  target.release();
  EXPECT_EQ(last.initiator.run(read10(0, 512))->data, Octets(262144)) << "none of them landed";
  std::vector<uint32_t> tags;
  for (uint32_t i = 0; i < 64; ++i) {
    tags.push_back(last.initiator.queue_command(write10(i * 8, pattern(4096, 100 + i))));
  }
  for (uint32_t tag : tags) EXPECT_EQ(last.initiator.complete(tag)->status, 0);
  EXPECT_EQ(last.initiator.run(read10(8, 8))->data, pattern(4096, 101));
}

// Another connection of the same session (MCS in its control panel).
TEST(WindowsReplay, McsInOneSession) {
  TestTarget target;
  LoginOptions options;
  options.initiator = "iqn.1991-05.com.microsoft:win-host";
  options.target = kTarget;
  options.isid = {0x40, 0x00, 0x01, 0x37, 0x00, 0x00};
  const KeyList who{{"InitiatorName", options.initiator},
                    {"SessionType", "Normal"},
                    {"TargetName", options.target},
                    {"AuthMethod", "None"}};
  const KeyList operational{{"HeaderDigest", "None,CRC32C"}, {"DataDigest", "None,CRC32C"},
                            {"ErrorRecoveryLevel", "2"},     {"InitialR2T", "No"},
                            {"ImmediateData", "Yes"},        {"MaxRecvDataSegmentLength", "65536"},
                            {"MaxBurstLength", "262144"},    {"FirstBurstLength", "65536"},
                            {"MaxConnections", "32"},        {"MaxOutstandingR2T", "16"},
                            {"DefaultTime2Wait", "0"},       {"DefaultTime2Retain", "60"}};
  auto leading = target.connect();
  auto first = leading.login_step(0x81, who, options);
  ASSERT_TRUE(RawInitiator::succeeded(first));
  EXPECT_EQ(first->key("TargetPortalGroupTag"), "1");
  auto second = leading.login_step(0x87, operational, options);
  ASSERT_TRUE(RawInitiator::succeeded(second));
  EXPECT_EQ(second->key("MaxConnections"), "8");
  EXPECT_EQ(second->key("ErrorRecoveryLevel"), "0");
  EXPECT_EQ(second->key("DefaultTime2Retain"), "0");
  EXPECT_EQ(leading.run(test_unit_ready())->asc(), (std::pair<uint8_t, uint8_t>{0x29, 0x00}));

  // It may offer the keys of the session again: they are answered, and change nothing.
  options.tsih = second->as<LoginResponse>().tsih;
  options.cid = 2;
  auto added = target.connect();
  added.cmd_sn = leading.cmd_sn;
  added.next_tag = 0x10000;
  first = added.login_step(0x81, who, options);
  ASSERT_TRUE(RawInitiator::succeeded(first));
  EXPECT_EQ(first->header.flags, 0x81);
  EXPECT_EQ(first->key("TargetPortalGroupTag"), "1");
  second = added.login_step(0x87, operational, options);
  ASSERT_TRUE(RawInitiator::succeeded(second));
  EXPECT_EQ(second->header.flags, 0x87);
  EXPECT_EQ(second->key("HeaderDigest"), "None");
  EXPECT_EQ(second->key("MaxConnections"), "Irrelevant");
  EXPECT_EQ(second->key("InitialR2T"), "Irrelevant");
  auto response = second->as<LoginResponse>();
  EXPECT_EQ(response.tsih, options.tsih);
  EXPECT_EQ(response.exp_cmd_sn, leading.cmd_sn);

  added.initial_r2t = leading.initial_r2t = false;
  added.immediate_data = leading.immediate_data = true;
  for (uint32_t i = 0; i < 20; ++i) {
    RawInitiator& turn = i % 2 == 0 ? added : leading;
    RawInitiator& other = i % 2 == 0 ? leading : added;
    turn.cmd_sn = other.cmd_sn = std::max(turn.cmd_sn, other.cmd_sn);
    EXPECT_EQ(turn.run(write10(i, pattern(512, i)))->status, 0);
  }
  added.cmd_sn = leading.cmd_sn = std::max(added.cmd_sn, leading.cmd_sn);
  EXPECT_EQ(added.run(read10(19, 1))->data, pattern(512, 19));
  leading.cmd_sn = added.cmd_sn;
  EXPECT_EQ(leading.logout(0, 1)->as<LogoutResponse>().response, 0);
  EXPECT_TRUE(added.closed_by_target());
}

}  // namespace
}  // namespace swiftness::test
