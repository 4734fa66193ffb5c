// Valid sessions with something wrong in them: a byte, a field, a PDU too many, too few, cut or in
// the wrong place. Whatever comes, the target ends that connection and nobody else's, and waits for
// nothing. SWIFTNESS_MUTANT=N plays case N alone; SWIFTNESS_MUTANTS says how many (1,000).
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "backend/base/endian.h"
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

// A session from its login to its logout, all of it sent without waiting for an answer.
class Script {
 public:
  Script() {
    LoginRequest login;
    login.flags = 0x81;
    login.isid = {0x40, 0, 1, 0x37, 0, 9};
    login.cid = 1;
    login.cmd_sn = cmd_sn_;
    pdus.push_back(wire(
        login, text({"InitiatorName=iqn.2026-11.org.swiftness.test:mutant", "SessionType=Normal",
                     "TargetName=iqn.2026-11.org.swiftness:disk", "AuthMethod=None"})));
    login.flags = 0x87;
    pdus.push_back(wire(
        login, text({"HeaderDigest=None", "DataDigest=None", "InitialR2T=Yes", "ImmediateData=Yes",
                     "MaxRecvDataSegmentLength=65536", "MaxBurstLength=262144",
                     "FirstBurstLength=65536", "MaxOutstandingR2T=4", "ErrorRecoveryLevel=0"})));
    command({0x12, 0, 0, 0, 255}, ScsiCommand::kRead, 255);
    command({0x00}, 0, 0);
    command({0x2a, 0, 0, 0, 0, 0, 0, 0, 8}, ScsiCommand::kWrite, 4096, pattern(4096, 1));
    command({0x2a, 0, 0, 0, 0, 8, 0, 0, 32}, ScsiCommand::kWrite, 16384, pattern(8192, 2));
    DataOut rest;  // the R2T for it has the first Target Transfer Tag of a session
    rest.flags = kFinal;
    rest.initiator_task_tag = tag_;
    rest.target_transfer_tag = 1;
    rest.buffer_offset = 8192;
    pdus.push_back(wire(rest, pattern(8192, 3)));
    command({0x28, 0, 0, 0, 0, 0, 0, 0, 64}, ScsiCommand::kRead, 32768);
    command({0x42, 0, 0, 0, 0, 0, 0, 0, 24}, ScsiCommand::kWrite, 24,
            Octets{std::byte{0}, std::byte{22}, std::byte{0}, std::byte{16}, std::byte{0},
                   std::byte{0}, std::byte{0},  std::byte{0}, std::byte{0},  std::byte{0},
                   std::byte{0}, std::byte{0},  std::byte{0}, std::byte{0},  std::byte{0},
                   std::byte{9}, std::byte{0},  std::byte{0}, std::byte{0},  std::byte{8},
                   std::byte{0}, std::byte{0},  std::byte{0}, std::byte{0}});
    command({0x35}, 0, 0);
    TaskManagementRequest abort;
    abort.function = kFinal | 1;
    abort.initiator_task_tag = ++tag_;
    abort.referenced_task_tag = 3;
    abort.cmd_sn = cmd_sn_;
    pdus.push_back(wire(abort));
    TextRequest discovery;
    discovery.initiator_task_tag = ++tag_;
    discovery.cmd_sn = cmd_sn_++;
    pdus.push_back(wire(discovery, text({"SendTargets="})));
    NopOut ping;
    ping.initiator_task_tag = ++tag_;
    ping.cmd_sn = cmd_sn_++;
    pdus.push_back(wire(ping, text({"are you there"})));
    LogoutRequest logout;
    logout.initiator_task_tag = ++tag_;
    logout.cmd_sn = cmd_sn_;
    pdus.push_back(wire(logout));
  }

  std::vector<Octets> pdus;

 private:
  void command(std::initializer_list<uint8_t> cdb, uint8_t flags, uint32_t length,
               const Octets& data = {}) {
    ScsiCommand pdu;
    pdu.flags = kFinal | flags;
    pdu.initiator_task_tag = ++tag_;
    pdu.expected_data_transfer_length = length;
    pdu.cmd_sn = cmd_sn_++;
    std::copy(cdb.begin(), cdb.end(), pdu.cdb.begin());
    pdus.push_back(wire(pdu, data));
  }

  uint32_t tag_ = 0;
  uint32_t cmd_sn_ = 1;
};

void break_something(std::vector<Octets>& pdus, std::mt19937& random) {
  auto below = [&random](size_t limit) { return static_cast<size_t>(random() % limit); };
  const size_t at = below(pdus.size());
  Octets& pdu = pdus[at];
  switch (below(9)) {
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
      pdus.erase(pdus.begin() + static_cast<ptrdiff_t>(at));
      return;
    case 4:
      pdus.insert(pdus.begin() + static_cast<ptrdiff_t>(below(pdus.size())), Octets(pdu));
      return;
    case 5:
      std::swap(pdu, pdus[below(pdus.size())]);
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
    case 8:  // data or text
      if (pdu.size() > kBhsSize) {
        pdu[kBhsSize + below(pdu.size() - kBhsSize)] = static_cast<std::byte>(random());
      }
      return;
  }
}

// Ends every session of the target, as it should: Hang.ATargetWarmReset... has it.
bool resets_the_target(const std::vector<Octets>& pdus) {
  return std::any_of(pdus.begin(), pdus.end(), [](const Octets& pdu) {
    if (pdu.size() < 2 || (static_cast<uint8_t>(pdu[0]) & 0x3f) != 2) return false;
    const int function = static_cast<uint8_t>(pdu[1]) & 0x7f;
    return function == 6 || function == 7;
  });
}

TEST(Mutants, TheScriptItselfIsAValidSession) {
  TestTarget target;
  RawInitiator initiator = target.connect();
  for (const Octets& pdu : Script().pdus) initiator.queue_bytes(pdu);
  ASSERT_TRUE(initiator.flush());
  size_t good = 0;
  while (auto pdu = initiator.receive()) {
    if (pdu->header.kind() == Opcode::scsi_response && pdu->as<ScsiResponse>().status == 0) ++good;
    EXPECT_NE(pdu->header.kind(), Opcode::reject);
    if (pdu->header.kind() != Opcode::logout_response) continue;
    // The first command is told of the power on; INQUIRY and READ end with their data.
    EXPECT_EQ(good, 4u);
    return;
  }
  FAIL() << "no answer to the logout";
}

TEST(Mutants, EndOnlyThemselves) {
  const uint64_t only = from_environment("SWIFTNESS_MUTANT", 0);
  const uint64_t count = from_environment("SWIFTNESS_MUTANTS", 1000);
  IscsiLimits limits;
  limits.login_timeout = milliseconds(60'000);  // nothing here may need it
  limits.half_open_per_address = 1000;
  TestTarget target(limits);
  auto good = logged_in(target);
  for (uint64_t number = only ? only : 1; number <= (only ? only : count); ++number) {
    std::mt19937 random(static_cast<uint32_t>(number));
    Script script;
    for (int i = 0; i < 1 + static_cast<int>(random() % 2); ++i)
      break_something(script.pdus, random);
    if (resets_the_target(script.pdus)) continue;
    RawInitiator mutant = target.connect();
    for (const Octets& pdu : script.pdus) mutant.queue_bytes(pdu);
    mutant.flush();
    mutant.finish_sending();
    ASSERT_TRUE(mutant.closed_by_target()) << "SWIFTNESS_MUTANT=" << number << " shows it again";
    if (number % 50 != 0 && !only) continue;
    ASSERT_TRUE(good->nop("undisturbed")) << "before SWIFTNESS_MUTANT=" << number;
  }
  EXPECT_TRUE(target.eventually([&target] { return target.server().sessions().size() == 1; }));
  EXPECT_TRUE(good->nop("undisturbed"));
}

}  // namespace
}  // namespace swiftness::test
