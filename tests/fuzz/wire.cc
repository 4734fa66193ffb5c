// The wire: PDU framing, login, text. The first byte of an input says how the rest is read.
#include <algorithm>
#include <cstring>
#include <string>

#include "backend/base/check.h"
#include "backend/base/hash.h"
#include "target/iscsi/chap.h"
#include "target/iscsi/login.h"
#include "target/iscsi/negotiation.h"
#include "target/iscsi/pdu_reader.h"
#include "target/iscsi/text_exchange.h"
#include "tests/fuzz/targets.h"

namespace swiftness::fuzz {
namespace {

using namespace iscsi;

struct Pdu {
  Bhs header;
  std::string data;
  bool operator==(const Pdu& other) const {
    return std::memcmp(&header, &other.header, sizeof(header)) == 0 && data == other.data;
  }
};

class Sink final : public PduSink {
 public:
  explicit Sink(uint32_t longest) : longest_(longest) {}
  std::span<std::byte> on_header(const Bhs& header) override {
    CHECK(header.data_segment_length <= longest_);
    data_.assign(header.data_segment_length, '\0');
    return std::as_writable_bytes(std::span(data_));
  }
  bool on_pdu(const Bhs& header) override {
    pdus.push_back({header, data_});
    return true;
  }
  std::vector<Pdu> pdus;

 private:
  uint32_t longest_;
  std::string data_;
};

struct Reading {
  std::vector<Pdu> pdus;
  PduReader::Outcome outcome = PduReader::Outcome::more;
  bool operator==(const Reading&) const = default;
};

// As if the socket gave at most `piece` bytes at once.
Reading read_pdus(std::span<const std::byte> bytes, const PduReader::Framing& framing,
                  size_t piece) {
  Sink sink(framing.max_data_segment);
  PduReader reader(sink, framing.max_data_segment);
  reader.set_framing(framing);
  PduReader::Outcome outcome = PduReader::Outcome::more;
  while (!bytes.empty() && outcome == PduReader::Outcome::more) {
    size_t received = 0;
    for (const auto& buffer : reader.prepare()) {
      const size_t count = std::min({buffer.size(), bytes.size(), piece - received});
      if (count > 0) std::memcpy(buffer.data(), bytes.data(), count);
      bytes = bytes.subspan(count);
      received += count;
      if (count < buffer.size()) break;
    }
    CHECK(received > 0);  // otherwise it would never come to an end
    outcome = reader.commit(received);
  }
  return {std::move(sink.pdus), outcome};
}

template <class Header>
void append_pdu(Bytes& out, Header header, std::string_view data) {
  header.data_segment_length = static_cast<uint32_t>(data.size());
  const auto bytes = std::as_bytes(std::span(&header, 1));
  out.insert(out.end(), bytes.begin(), bytes.end());
  const Bytes segment = bytes_of(data);
  out.insert(out.end(), segment.begin(), segment.end());
  out.resize((out.size() - 1 + 3) / 4 * 4 + 1);  // one byte stands before the PDUs
}

std::string pairs(std::initializer_list<std::pair<std::string_view, std::string_view>> keys) {
  std::string text;
  for (const auto& [name, value] : keys) append_key(text, name, value);
  return text;
}

// ---- framing -----------------------------------------------------------------------------------

void run_pdu(std::span<const std::byte> input) {
  if (input.empty()) return;
  const auto how = std::to_integer<uint8_t>(input[0]);
  const PduReader::Framing framing{.max_data_segment = (how & 8) != 0 ? 262144u : 8192u,
                                   .ahs = (how & 1) != 0,
                                   .header_digest = (how & 2) != 0,
                                   .data_digest = (how & 4) != 0};
  const std::span<const std::byte> stream = input.subspan(1);
  const Reading whole = read_pdus(stream, framing, SIZE_MAX);
  const Reading pieces = read_pdus(stream, framing, 1 + how / 16u * 7);
  CHECK(whole == pieces);  // how a stream is cut changes nothing
}

std::vector<Bytes> pdu_seeds() {
  std::vector<Bytes> seeds;
  for (const unsigned how : {0x00u, 0x08u, 0x19u, 0xf9u}) {
    Bytes stream{static_cast<std::byte>(how)};
    append_pdu(stream, NopOut{}, "ping");
    append_pdu(stream, ScsiCommand{}, std::string(512, 'w'));
    append_pdu(stream, DataOut{}, std::string(8192, 'd'));
    append_pdu(stream, LogoutRequest{}, "");
    seeds.push_back(std::move(stream));
  }
  return seeds;
}

// ---- login -------------------------------------------------------------------------------------

constexpr const char* kOpenTarget = "iqn.2026-11.org.swiftness:open";
constexpr const char* kChapTarget = "iqn.2026-11.org.swiftness:chap";
constexpr const char* kInitiator = "iqn.1993-08.org.debian:01:host1";
constexpr const char* kSecret = "secret-of-host1";

TargetList targets() {
  TargetNode open;
  open.name = kOpenTarget;
  open.open = true;
  TargetNode closed;
  closed.name = kChapTarget;
  AccessEntry entry;
  entry.initiator = "*";
  entry.chap = {ChapSecret{"host1", kSecret}, ChapSecret{"gw1", "secret-of-gw1!"}};
  closed.access = {entry};
  return std::make_shared<const std::vector<TargetNode>>(std::vector<TargetNode>{open, closed});
}

// An initiator that knows the secret: no fuzzer guesses a response. "CHAP_R=?" in an input becomes
// the right one.
class Proof {
 public:
  void challenge(const std::string& answer) {
    Result<TextKeys> keys = TextKeys::parse(answer);
    CHECK(keys.ok());  // what we send is text
    const std::string* algorithm = keys->find("CHAP_A");
    const std::string* identifier = keys->find("CHAP_I");
    const std::string* challenge = keys->find("CHAP_C");
    if (algorithm == nullptr || identifier == nullptr || challenge == nullptr) return;
    const std::optional<Bytes> bytes = parse_binary(*challenge, 1024);
    CHECK(bytes);
    response_ =
        "0x" + to_hex(chap_response(static_cast<ChapAlgorithm>(parse_number(*algorithm).value()),
                                    static_cast<uint8_t>(parse_number(*identifier).value()),
                                    kSecret, *bytes));
  }
  std::string put_into(std::string text) {
    const size_t at = text.find("CHAP_R=?");
    if (at == std::string::npos || response_.empty()) return text;
    given_ = true;
    return text.replace(at + 7, 1, response_);
  }
  bool given() const { return given_; }

 private:
  std::string response_;
  bool given_ = false;
};

void run_login(std::span<const std::byte> input) {
  if (input.empty()) return;
  const auto how = std::to_integer<uint8_t>(input[0]);
  LoginResult leading;  // of a session that a login with a TSIH may join
  leading.portal_group = 1;
  leading.initiator = kInitiator;
  leading.target = kOpenTarget;
  leading.parameters.max_connections = 8;
  Login login({.targets = targets(),
               .discovery_chap = {ChapSecret{"host1", kSecret}, {}},
               .portal_group = 1,
               .session_to_join = [&](const Isid&, uint16_t) {
                 return (how & 1) != 0 ? &leading : nullptr;
               }});
  Proof proof;
  const Reading reading =
      read_pdus(input.subspan(1), {.max_data_segment = kLoginMaxRecv}, SIZE_MAX);
  for (const Pdu& pdu : reading.pdus) {
    if (pdu.header.kind() != Opcode::login_request) return;
    const Login::Answer answer =
        login.receive(pdu_cast<LoginRequest>(pdu.header), proof.put_into(pdu.data));
    CHECK(answer.text.size() <= 2 * kMaximumText);
    proof.challenge(answer.text);
    if (answer.kind == Login::Answer::Kind::failed) return;
    if (answer.kind != Login::Answer::Kind::complete) continue;
    const LoginResult& result = login.result();
    CHECK(proof.given() || result.target == kOpenTarget);  // nobody gets around it
    CHECK(result.parameters.first_burst <= result.parameters.max_burst);
    CHECK(result.parameters.initiator_max_recv >= 512);
    return;
  }
}

std::vector<Bytes> login_seeds() {
  const auto request = [](uint8_t flags) {
    LoginRequest out;
    out.flags = flags;
    out.isid = {0x40, 0, 1, 0x37, 0, 1};
    out.cmd_sn = 1;
    return out;
  };
  const std::string operational = pairs({{"HeaderDigest", "CRC32C,None"},
                                         {"DataDigest", "None"},
                                         {"InitialR2T", "No"},
                                         {"ImmediateData", "Yes"},
                                         {"MaxBurstLength", "16776192"},
                                         {"FirstBurstLength", "262144"},
                                         {"MaxRecvDataSegmentLength", "262144"},
                                         {"MaxConnections", "1"},
                                         {"ErrorRecoveryLevel", "0"},
                                         {"DefaultTime2Wait", "2"},
                                         {"DefaultTime2Retain", "0"},
                                         {"MaxOutstandingR2T", "1"},
                                         {"IFMarker", "No"},
                                         {"OFMarker", "No"},
                                         {"TaskReporting", "RFC3720"},
                                         {"X-org.unknown", "1"}});
  const std::string chap = pairs({{"InitiatorName", kInitiator},
                                  {"SessionType", "Normal"},
                                  {"TargetName", kChapTarget},
                                  {"AuthMethod", "CHAP,None"}});
  Bytes open{std::byte{0}};
  append_pdu(open, request(0x81),
             pairs({{"InitiatorName", kInitiator},
                    {"SessionType", "Normal"},
                    {"TargetName", kOpenTarget},
                    {"AuthMethod", "None"}}));
  append_pdu(open, request(0x87), operational);
  Bytes mutual{std::byte{0}};
  append_pdu(mutual, request(0x00), chap);
  append_pdu(mutual, request(0x00), pairs({{"CHAP_A", "7,5"}}));
  append_pdu(mutual, request(0x81),
             pairs({{"CHAP_N", "host1"},
                    {"CHAP_R", "?"},
                    {"CHAP_I", "7"},
                    {"CHAP_C", "0x0123456789abcdef0123456789abcdef"}}));
  append_pdu(mutual, request(0x87), operational);
  Bytes discovery{std::byte{1}};
  append_pdu(
      discovery, request(0x00),
      pairs({{"InitiatorName", kInitiator}, {"SessionType", "Discovery"}, {"AuthMethod", "CHAP"}}));
  append_pdu(discovery, request(0x00), pairs({{"CHAP_A", "5"}}));
  append_pdu(discovery, request(0x83), pairs({{"CHAP_N", "host1"}, {"CHAP_R", "?"}}));
  Bytes pieces{std::byte{0}};
  append_pdu(pieces, request(0x40), chap.substr(0, 70));
  append_pdu(pieces, request(0x00), chap.substr(70));
  Bytes joining{std::byte{1}};
  LoginRequest another = request(0x87);
  another.tsih = 1;
  another.cid = 2;
  append_pdu(joining, another,
             pairs({{"InitiatorName", kInitiator},
                    {"SessionType", "Normal"},
                    {"TargetName", kOpenTarget},
                    {"AuthMethod", "None"},
                    {"MaxConnections", "8"},
                    {"DataDigest", "CRC32C"}}));
  Bytes around{std::byte{0}};  // without the proof, which is refused
  append_pdu(around, request(0x87), chap);
  return {open, mutual, discovery, pieces, joining, around};
}

// ---- text --------------------------------------------------------------------------------------

void check_text(std::string_view text) {
  Result<TextKeys> keys = TextKeys::parse(text);
  if (!keys) return;
  CHECK(keys->all().size() <= kMaximumKeys);
  std::string again;
  for (const TextKey& key : keys->all()) {
    append_key(again, key.name, key.value);
    (void)parse_number(key.value);
    (void)parse_boolean(key.value);
    (void)split_list(key.value);
    const std::optional<Bytes> binary = parse_binary(key.value, 1024);
    CHECK(!binary || binary->size() <= 1024);
    CHECK(for_log(key.value).find('\n') == std::string::npos);
  }
  Result<TextKeys> same = TextKeys::parse(again);
  CHECK(same && same->all().size() == keys->all().size());
}

void run_text(std::span<const std::byte> input) {
  if (input.empty()) return;
  check_text(text_of(input.subspan(1)));
  SessionParameters parameters;
  TextExchange exchange;
  const auto respond = [&](const TextKeys& keys) {
    std::string answers;
    renegotiate_keys(keys, parameters, answers);
    return answers + std::string(std::to_integer<size_t>(input[0]) * 16, 'x');
  };
  const Reading reading = read_pdus(
      input.subspan(1), {.max_data_segment = kMaxRecvDataSegmentLength, .ahs = true}, SIZE_MAX);
  for (const Pdu& pdu : reading.pdus) {
    const auto answer = exchange.receive(pdu_cast<TextRequest>(pdu.header), pdu.data,
                                         parameters.initiator_max_recv, respond);
    CHECK(parameters.initiator_max_recv >= 512);
    if (answer) CHECK(answer->text.size() <= parameters.initiator_max_recv || pdu.data.size() > 0);
  }
}

std::vector<Bytes> text_seeds() {
  Bytes exchange{std::byte{255}};
  TextRequest request;
  append_pdu(exchange, request,
             pairs({{"MaxRecvDataSegmentLength", "512"}, {"SendTargets", "All"}}));
  request.target_transfer_tag = 1u;  // goes on with what we did not send yet
  append_pdu(exchange, request, "");
  append_pdu(exchange, request, "");
  Bytes keys{std::byte{0}};
  const Bytes text = bytes_of(pairs({{"CHAP_C", "0bAAECAwQFBgc="},
                                     {"CHAP_R", "0x00ff"},
                                     {"InitialR2T", "Yes"},
                                     {"HeaderDigest", "CRC32C,None"},
                                     {"MaxBurstLength", "0x40000"}}));
  keys.insert(keys.end(), text.begin(), text.end());
  return {exchange, keys};
}

}  // namespace

const Target kPdu{"pdu", &run_pdu, &pdu_seeds};
const Target kLogin{"login", &run_login, &login_seeds};
const Target kText{"text", &run_text, &text_seeds};

}  // namespace swiftness::fuzz
