// Valid sessions with something wrong in them: a byte, a field, a PDU too many, too few, cut or in
// the wrong place. There are plain ones, those of iSCSIProtocolLevel 2, with digests (which are
// right for what is wrong), with CHAP, and of two connections. Whatever comes, the target ends that
// connection and nobody else's, and waits for nothing. SWIFTNESS_MUTANT=N plays case N alone;
// SWIFTNESS_MUTANTS says how many (1,000).
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "backend/base/crc32c.h"
#include "backend/base/endian.h"
#include "backend/base/hash.h"
#include "target/iscsi/chap.h"
#include "tests/iscsi/test_target.h"

namespace swiftness::test {
namespace {

using namespace iscsi;
using std::chrono::milliseconds;

uint64_t from_environment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

template <class Pdu>
Octets wire(Pdu pdu, const Octets& data = {}) {
  pdu.data_segment_length = static_cast<uint32_t>(data.size());
  auto header = std::as_bytes(std::span(&pdu, 1));
  Octets out(header.begin(), header.end());
  out.insert(out.end(), data.begin(), data.end());
  out.resize((out.size() + 3) / 4 * 4);
  return out;
}

Octets text(std::initializer_list<std::string_view> pairs) {
  Octets out;
  for (std::string_view pair : pairs) {
    for (char c : pair) out.push_back(static_cast<std::byte>(c));
    out.push_back(std::byte{0});
  }
  return out;
}

enum class Kind { plain, level_2, digests, chap, joined };
constexpr Kind kKinds[] = {Kind::plain, Kind::level_2, Kind::digests, Kind::chap, Kind::joined};

constexpr std::string_view kSecret = "secret-of-mutant";
// Stand in for what only the target's answers tell.
constexpr uint16_t kTsihToCome = 0xfedc;
constexpr std::string_view kResponseToCome = "0x????????????????????????????????";

struct Step {
  Octets bytes;   // a PDU, without digests
  size_t by = 0;  // which of the connections
};

// A session from its login to its logout.
class Script {
 public:
  explicit Script(Kind kind) : kind_(kind) {
    log_in(0);
    if (kind == Kind::joined) log_in(1);
    command({0x12, 0, 0, 0, 255}, ScsiCommand::kRead, 255);
    command({0x00}, 0, 0);
    command({0x2a, 0, 0, 0, 0, 0, 0, 0, 8}, ScsiCommand::kWrite, 4096, pattern(4096, 1));
    command({0x2a, 0, 0, 0, 0, 8, 0, 0, 32}, ScsiCommand::kWrite, 16384, pattern(8192, 2));
    DataOut rest;  // the R2T for it has the first Target Transfer Tag of a session
    rest.flags = kFinal;
    rest.initiator_task_tag = tag_;
    rest.target_transfer_tag = 1;
    rest.buffer_offset = 8192;
    steps.push_back({wire(rest, pattern(8192, 3)), steps.back().by});
    command({0x28, 0, 0, 0, 0, 0, 0, 0, 64}, ScsiCommand::kRead, 32768);
    command({0x42, 0, 0, 0, 0, 0, 0, 0, 24}, ScsiCommand::kWrite, 24, unmap_list());
    command({0x35}, 0, 0);
    task_management(kAbortTask, 3);
    if (kind == Kind::level_2) {
      for (uint8_t function : {kQueryTask, kQueryTaskSet, kQueryAsynchronousEvent, kItNexusReset}) {
        task_management(function, 5);
      }
    }
    TextRequest discovery;
    discovery.initiator_task_tag = ++tag_;
    discovery.cmd_sn = cmd_sn_++;
    add(wire(discovery, text({"SendTargets="})));
    NopOut ping;
    ping.initiator_task_tag = ++tag_;
    ping.cmd_sn = cmd_sn_++;
    add(wire(ping, text({"are you there"})));
    LogoutRequest logout;
    if (kind == Kind::joined) logout.opcode = opcode_byte(Opcode::logout_request);  // the last
    logout.initiator_task_tag = ++tag_;
    logout.cmd_sn = cmd_sn_;
    steps.push_back({wire(logout)});
  }

  std::vector<Step> steps;

 private:
  void log_in(size_t by) {
    LoginRequest login;
    login.isid = {0x40, 0, 1, 0x37, 0, 9};
    login.tsih = by == 0 ? 0 : kTsihToCome;
    login.cid = static_cast<uint16_t>(1 + by);
    login.cmd_sn = cmd_sn_;
    auto send = [&](uint8_t flags, std::initializer_list<std::string_view> pairs) {
      login.flags = flags;
      steps.push_back({wire(login, text(pairs)), by});
    };
    const bool chap = kind_ == Kind::chap;
    send(0x81, {chap ? "InitiatorName=iqn.2026-11.org.swiftness.test:chap"
                     : "InitiatorName=iqn.2026-11.org.swiftness.test:mutant",
                "SessionType=Normal", "TargetName=iqn.2026-11.org.swiftness:disk",
                chap ? "AuthMethod=CHAP" : "AuthMethod=None"});
    if (chap) {
      send(0x00, {"CHAP_A=5"});
      send(0x81, {"CHAP_N=mutant", "CHAP_R=" + std::string(kResponseToCome)});
    }
    const bool digests = kind_ == Kind::digests;
    send(0x87, {digests ? "HeaderDigest=CRC32C" : "HeaderDigest=None",
                digests ? "DataDigest=CRC32C" : "DataDigest=None", "InitialR2T=Yes",
                "ImmediateData=Yes", "MaxRecvDataSegmentLength=65536", "MaxBurstLength=262144",
                "FirstBurstLength=65536", "MaxOutstandingR2T=4", "ErrorRecoveryLevel=0",
                kind_ == Kind::joined ? "MaxConnections=2" : "MaxConnections=1",
                kind_ == Kind::level_2 ? "iSCSIProtocolLevel=2" : "iSCSIProtocolLevel=1"});
  }
  void add(Octets pdu) {
    steps.push_back({std::move(pdu), kind_ == Kind::joined ? steps.size() % 2 : 0});
  }
  void command(std::initializer_list<uint8_t> cdb, uint8_t flags, uint32_t length,
               const Octets& data = {}) {
    ScsiCommand pdu;
    pdu.flags = kFinal | flags;
    pdu.initiator_task_tag = ++tag_;
    pdu.expected_data_transfer_length = length;
    pdu.cmd_sn = cmd_sn_++;
    std::copy(cdb.begin(), cdb.end(), pdu.cdb.begin());
    add(wire(pdu, data));
  }
  void task_management(uint8_t function, uint32_t about) {
    TaskManagementRequest pdu;
    pdu.function = kFinal | function;
    pdu.initiator_task_tag = ++tag_;
    pdu.referenced_task_tag = about;
    pdu.cmd_sn = cmd_sn_;
    add(wire(pdu));
  }
  static Octets unmap_list() {  // 8 blocks from 9 on
    Octets out(24);
    out[1] = std::byte{22};
    out[3] = std::byte{16};
    out[15] = std::byte{9};
    out[19] = std::byte{8};
    return out;
  }

  const Kind kind_;
  uint32_t tag_ = 0;
  uint32_t cmd_sn_ = 1;
};

// Sends a script, and waits for answers only where they say what comes next.
class Play {
 public:
  // `patience`: what is wrong may be why no answer comes.
  Play(const TestTarget& target, Kind kind, milliseconds patience)
      : kind_(kind), patience_(patience) {
    const size_t count = kind == Kind::joined ? 2 : 1;
    for (size_t i = 0; i < count; ++i) {
      connections.push_back(std::make_unique<RawInitiator>("127.0.0.1", target.port()));
    }
  }

  void send(const std::vector<Step>& steps) {
    size_t sent = 0;
    for (const Step& step : steps) {
      RawInitiator& connection = *connections[step.by];
      Octets bytes = step.bytes;
      if (kind_ == Kind::chap && contains(bytes, kResponseToCome)) put_response(bytes);
      if (kind_ == Kind::joined && step.by == 1 && sent_by_[1]++ == 0) learn_tsih();
      if (kind_ == Kind::joined && step.by == 1) put_tsih(bytes);
      connection.queue_bytes(kind_ == Kind::digests && sent >= 2 ? with_digests(bytes) : bytes);
      ++sent;
    }
    for (auto& connection : connections) connection->flush();
    // What waits for its turn ends with its connection.
    if (kind_ == Kind::joined) connections[0]->receive_kind(Opcode::logout_response, patience_);
    for (auto& connection : connections) connection->finish_sending();
  }
  bool all_closed() {
    return std::ranges::all_of(connections, [](auto& one) { return one->closed_by_target(); });
  }

  std::vector<std::unique_ptr<RawInitiator>> connections;

 private:
  static bool contains(const Octets& bytes, std::string_view text) {
    return find(bytes, text) != bytes.end();
  }
  static Octets::const_iterator find(const Octets& bytes, std::string_view text) {
    auto wanted = std::as_bytes(std::span(text));
    return std::search(bytes.begin(), bytes.end(), wanted.begin(), wanted.end());
  }
  void put_response(Octets& bytes) {
    while (auto pdu = connections[0]->receive(patience_)) {
      auto challenge = pdu->key("CHAP_C");
      auto identifier = pdu->key("CHAP_I");
      if (!challenge || !identifier) continue;
      auto decoded = parse_binary(*challenge, 1024);
      if (!decoded) return;
      const std::string response =
          "0x" +
          to_hex(chap_response(ChapAlgorithm::md5, static_cast<uint8_t>(std::stoul(*identifier)),
                               kSecret, *decoded));
      const ptrdiff_t at = find(bytes, kResponseToCome) - bytes.begin();
      auto digits = std::as_bytes(std::span(response));
      std::copy(digits.begin(), digits.end(), bytes.begin() + at);
      return;
    }
  }
  void learn_tsih() {
    while (auto pdu = connections[0]->receive(patience_)) {
      if (pdu->kind() == Opcode::login_response) tsih_ = pdu->as<LoginResponse>().tsih;
      if (tsih_ != 0) return;
    }
  }
  void put_tsih(Octets& bytes) const {
    if (bytes.size() < 16 || load_be<uint16_t>(&bytes[14]) != kTsihToCome) return;
    store_be<uint16_t>(&bytes[14], tsih_);
  }
  static Octets with_digests(const Octets& pdu) {
    if (pdu.size() < kBhsSize) return pdu;
    Octets out;
    auto add = [&out](std::span<const std::byte> bytes) {
      if (bytes.empty()) return;
      out.insert(out.end(), bytes.begin(), bytes.end());
      out.resize(out.size() + 4);
      store_le<uint32_t>(&out[out.size() - 4], crc32c(bytes));
    };
    add(std::span(pdu).first(kBhsSize));
    add(std::span(pdu).subspan(kBhsSize));
    return out;
  }

  const Kind kind_;
  const milliseconds patience_;
  uint16_t tsih_ = 0;
  size_t sent_by_[2] = {0, 0};
};

TargetNode target_of_mutants() {
  TargetNode node = TestTarget::open_target();
  node.access = {{"iqn.2026-11.org.swiftness.test:chap",
                  {},
                  false,
                  {ChapSecret{"mutant", std::string(kSecret)}, std::nullopt}}};
  return node;
}

void break_something(std::vector<Step>& steps, std::mt19937& random) {
  auto below = [&random](size_t limit) { return static_cast<size_t>(random() % limit); };
  const size_t at = below(steps.size());
  Octets& pdu = steps[at].bytes;
  if (pdu.size() < kBhsSize) return;  // it was cut before
  switch (below(10)) {
    case 0:  // a byte of the header
      pdu[below(kBhsSize)] = static_cast<std::byte>(random());
      return;
    case 1:  // a bit, anywhere
      pdu[below(pdu.size())] ^= static_cast<std::byte>(1 << below(8));
      return;
    case 2: {  // a field of four bytes
      const size_t field = 4 * below(kBhsSize / 4);
      const uint32_t old = load_be<uint32_t>(&pdu[field]);
      const uint32_t values[] = {0,          1,       0xffffffff, 0x7fffffff,
                                 0x80000000, old + 1, old - 1,    old << 8};
      store_be<uint32_t>(&pdu[field], values[below(std::size(values))]);
      return;
    }
    case 3:
      steps.erase(steps.begin() + static_cast<ptrdiff_t>(at));
      return;
    case 4:
      steps.insert(steps.begin() + static_cast<ptrdiff_t>(below(steps.size())), Step(steps[at]));
      return;
    case 5:
      std::swap(pdu, steps[below(steps.size())].bytes);
      return;
    case 6:  // cut
      pdu.resize(below(pdu.size()));
      return;
    case 7: {  // bytes that belong to nothing
      Octets noise(1 + below(200));
      for (std::byte& byte : noise) byte = static_cast<std::byte>(random());
      pdu.insert(pdu.begin() + static_cast<ptrdiff_t>(below(pdu.size())), noise.begin(),
                 noise.end());
      return;
    }
    case 8:  // by another connection; of one, at another time
      std::swap(steps[at], steps[below(steps.size())]);
      std::swap(steps[at].by, steps[below(steps.size())].by);
      return;
    case 9:  // data or text
      if (pdu.size() > kBhsSize) {
        pdu[kBhsSize + below(pdu.size() - kBhsSize)] = static_cast<std::byte>(random());
      }
      return;
  }
}

// Ends every session of the target, as it should: Hang.ATargetWarmReset... has it.
bool resets_the_target(const std::vector<Step>& steps) {
  return std::any_of(steps.begin(), steps.end(), [](const Step& step) {
    const Octets& pdu = step.bytes;
    if (pdu.size() < 2 || (static_cast<uint8_t>(pdu[0]) & 0x3f) != 2) return false;
    const int function = static_cast<uint8_t>(pdu[1]) & 0x7f;
    return function == 6 || function == 7;
  });
}

TEST(Mutants, TheScriptsThemselvesAreValidSessions) {
  TestTarget target({}, target_of_mutants());
  for (Kind kind : kKinds) {
    Play play(target, kind, milliseconds(5000));
    play.send(Script(kind).steps);
    size_t rejects = 0, logouts = 0, answers = 0;
    for (auto& connection : play.connections) {
      // Of those with digests the PDUs are not taken apart: their bytes are in a row with others.
      while (auto pdu = connection->receive(milliseconds(kind == Kind::digests ? 500 : 5000))) {
        rejects += pdu->kind() == Opcode::reject;
        logouts += pdu->kind() == Opcode::logout_response;
        answers += pdu->kind() == Opcode::scsi_response || pdu->kind() == Opcode::data_in;
      }
    }
    EXPECT_TRUE(play.all_closed());
    if (kind == Kind::digests) continue;
    EXPECT_EQ(rejects, 0u) << static_cast<int>(kind);
    if (kind == Kind::joined) continue;  // play has taken them
    EXPECT_EQ(logouts, 1u) << static_cast<int>(kind);
    EXPECT_GE(answers, 6u) << static_cast<int>(kind);
  }
  EXPECT_EQ(target.counts().logins, std::size(kKinds) + 1);
  EXPECT_EQ(target.counts().commands, 7 * std::size(kKinds)) << "all have come to their turn";
  EXPECT_EQ(target.counts().logins_refused, 0u);
  EXPECT_EQ(target.counts().connections_broken, 0u) << "digests are right";
}

TEST(Mutants, EndOnlyThemselves) {
  const uint64_t only = from_environment("SWIFTNESS_MUTANT", 0);
  const uint64_t count = from_environment("SWIFTNESS_MUTANTS", 1000);
  IscsiLimits limits;
  limits.login_timeout = milliseconds(60'000);  // nothing here may need it
  limits.half_open_per_address = 1000;
  TestTarget target(limits, target_of_mutants());
  auto good = logged_in(target);
  for (uint64_t number = only ? only : 1; number <= (only ? only : count); ++number) {
    std::mt19937 random(static_cast<uint32_t>(number));
    const Kind kind = kKinds[number % std::size(kKinds)];
    Script script(kind);
    for (int i = 0; i < 1 + static_cast<int>(random() % 2); ++i)
      break_something(script.steps, random);
    if (resets_the_target(script.steps)) continue;
    Play mutant(target, kind, milliseconds(50));
    mutant.send(script.steps);
    ASSERT_TRUE(mutant.all_closed()) << "SWIFTNESS_MUTANT=" << number << " shows it again";
    if (number % 50 != 0 && !only) continue;
    ASSERT_TRUE(good->nop("undisturbed")) << "before SWIFTNESS_MUTANT=" << number;
  }
  EXPECT_TRUE(target.eventually([&target] { return target.server().sessions().size() == 1; }));
  EXPECT_TRUE(good->nop("undisturbed"));
}

}  // namespace
}  // namespace swiftness::test
