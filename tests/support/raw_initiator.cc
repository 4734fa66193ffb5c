#include "tests/support/raw_initiator.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "backend/base/crc32c.h"
#include "backend/base/endian.h"

namespace swiftness::test {

using namespace iscsi;
using Clock = std::chrono::steady_clock;

namespace {

constexpr size_t kInput = 1 << 20;
constexpr size_t kPdu = kBhsSize + 4 + 262144 + 8;

Octets encode(const KeyList& keys) {
  Octets out;
  for (const auto& [name, value] : keys) {
    std::string pair = name + "=" + value;
    auto bytes = std::as_bytes(std::span(pair.c_str(), pair.size() + 1));
    out.insert(out.end(), bytes.begin(), bytes.end());
  }
  return out;
}

void append(Octets& out, std::span<const std::byte> bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

// Of the kinds that come besides logins and answers of commands, which are looked after there.
bool takes_stat_sn(const Bhs& header) {
  switch (header.kind()) {
    case Opcode::nop_in:
      return header.initiator_task_tag != kReservedTag;
    case Opcode::task_management_response:
    case Opcode::text_response:
    case Opcode::logout_response:
    case Opcode::async_message:
    case Opcode::reject:
      return true;
    default:
      return false;
  }
}

void append_digest(Octets& out, uint32_t crc) {
  std::array<std::byte, 4> digest;
  store_le(digest.data(), crc);
  append(out, digest);
}

}  // namespace

Octets pattern(size_t size, uint32_t seed) {
  Octets out(size);
  uint32_t state = seed * 2654435761u + 1;
  for (std::byte& byte : out) {
    state = state * 1664525u + 1013904223u;
    byte = static_cast<std::byte>(state >> 24);
  }
  return out;
}

std::optional<std::string> ReceivedPdu::key(std::string_view name) const {
  std::string_view rest = text();
  while (!rest.empty()) {
    std::string_view pair = rest.substr(0, rest.find('\0'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    if (pair.size() > name.size() && pair.starts_with(name) && pair[name.size()] == '=') {
      return std::string(pair.substr(name.size() + 1));
    }
  }
  return std::nullopt;
}

uint8_t ScsiAnswer::sense_key() const {
  return sense.size() > 2 ? static_cast<uint8_t>(sense[2]) & 0x0f : 0;
}

std::pair<uint8_t, uint8_t> ScsiAnswer::asc() const {
  if (sense.size() < 14) return {0, 0};
  return {static_cast<uint8_t>(sense[12]), static_cast<uint8_t>(sense[13])};
}

ScsiRequest test_unit_ready() {
  return {};
}

ScsiRequest read10(uint32_t lba, uint16_t blocks, uint32_t block_size) {
  ScsiRequest request;
  request.cdb[0] = 0x28;
  boost::endian::store_big_u32(&request.cdb[2], lba);
  boost::endian::store_big_u16(&request.cdb[7], blocks);
  request.read_length = blocks * block_size;
  return request;
}

ScsiRequest write10(uint32_t lba, Octets data, uint32_t block_size) {
  ScsiRequest request;
  request.cdb[0] = 0x2a;
  boost::endian::store_big_u32(&request.cdb[2], lba);
  boost::endian::store_big_u16(&request.cdb[7], static_cast<uint16_t>(data.size() / block_size));
  request.data_out = std::move(data);
  return request;
}

// --- the socket ---------------------------------------------------------------------------------

RawInitiator::RawInitiator(const std::string& host, uint16_t port, int receive_buffer)
    : in_(kInput) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) {
    throw std::runtime_error("no such host: " + host);
  }
  socket_ = ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (receive_buffer > 0) {
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  }
  int result = ::connect(socket_, found->ai_addr, found->ai_addrlen);
  ::freeaddrinfo(found);
  if (result != 0) {
    ::close(socket_);
    throw std::runtime_error("cannot connect: " + std::string(std::strerror(errno)));
  }
  int on = 1;
  ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

RawInitiator::~RawInitiator() {
  ::close(socket_);
}

void RawInitiator::finish_sending() {
  ::shutdown(socket_, SHUT_WR);
}

void RawInitiator::queue_bytes(std::span<const std::byte> bytes) {
  append(out_, bytes);
}

void RawInitiator::queue_pdu(Bhs header, std::span<const std::byte> data) {
  if (!data.empty()) header.data_segment_length = static_cast<uint32_t>(data.size());
  auto head = std::as_bytes(std::span(&header, 1));
  append(out_, head);
  if (header_digest_) append_digest(out_, crc32c(head));
  append(out_, data);
  std::array<std::byte, 3> zeros{};
  auto padding = std::span(zeros).first((4 - data.size() % 4) % 4);
  append(out_, padding);
  if (data_digest_ && !data.empty()) append_digest(out_, crc32c(padding, crc32c(data)));
}

bool RawInitiator::flush() {
  size_t sent = 0;
  while (sent < out_.size() && !closed_) {
    ssize_t n =
        ::send(socket_, out_.data() + sent, out_.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0) {
      sent += static_cast<size_t>(n);
    } else if (errno == EAGAIN) {  // a target may want us to read first
      pollfd poll{socket_, POLLIN | POLLOUT, 0};
      ::poll(&poll, 1, -1);
      if (poll.revents & POLLIN) fill(Clock::now());
    } else if (errno != EINTR) {
      closed_ = true;
    }
  }
  out_.clear();
  return !closed_;
}

bool RawInitiator::flush_unless_stuck_for(Timeout timeout) {
  size_t sent = 0;
  pollfd poll{socket_, POLLOUT, 0};
  while (sent < out_.size() && ::poll(&poll, 1, static_cast<int>(timeout.count())) > 0) {
    ssize_t n =
        ::send(socket_, out_.data() + sent, out_.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0) sent += static_cast<size_t>(n);
    if (n >= 0 || errno == EINTR || errno == EAGAIN) continue;
    closed_ = true;
    break;
  }
  out_.erase(out_.begin(), out_.begin() + static_cast<ptrdiff_t>(sent));
  return out_.empty();
}

bool RawInitiator::fill(Clock::time_point deadline) {
  if (in_begin_ > 0 && in_.size() - in_end_ < kPdu) {
    std::memmove(in_.data(), in_.data() + in_begin_, in_end_ - in_begin_);
    in_end_ -= in_begin_;
    in_begin_ = 0;
  }
  if (in_.size() - in_end_ < kPdu) in_.resize(2 * in_.size());
  while (!closed_) {
    ssize_t n = ::recv(socket_, in_.data() + in_end_, in_.size() - in_end_, MSG_DONTWAIT);
    if (n > 0) {
      in_end_ += static_cast<size_t>(n);
      return true;
    }
    if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
      closed_ = true;
      return false;
    }
    auto left = std::chrono::ceil<Timeout>(deadline - Clock::now());
    if (left.count() <= 0) return false;
    pollfd poll{socket_, POLLIN, 0};
    ::poll(&poll, 1, static_cast<int>(left.count()));
  }
  return false;
}

std::optional<ReceivedPdu> RawInitiator::parse() {
  size_t have = in_end_ - in_begin_;
  if (have < kBhsSize) return std::nullopt;
  const std::byte* at = in_.data() + in_begin_;
  ReceivedPdu pdu;
  std::memcpy(&pdu.header, at, kBhsSize);
  size_t length = pdu.header.data_segment_length;
  size_t head = kBhsSize + 4u * pdu.header.total_ahs_length;
  size_t pad = (4 - length % 4) % 4;
  size_t data_at = head + (header_digest_ ? 4 : 0);
  bool data_digest = data_digest_ && length > 0;
  size_t whole = data_at + length + pad + (data_digest ? 4 : 0);
  if (have < whole) return std::nullopt;
  if (header_digest_ && load_le<uint32_t>(at + head) != crc32c({at, head})) {
    throw std::runtime_error("the target sent a wrong header digest");
  }
  if (data_digest &&
      load_le<uint32_t>(at + data_at + length + pad) != crc32c({at + data_at, length + pad})) {
    throw std::runtime_error("the target sent a wrong data digest");
  }
  pdu.data.assign(at + data_at, at + data_at + length);
  in_begin_ += whole;
  if (in_begin_ == in_end_) in_begin_ = in_end_ = 0;
  return pdu;
}

std::optional<ReceivedPdu> RawInitiator::receive(Timeout timeout) {
  flush();
  Clock::time_point deadline = Clock::now() + timeout;
  while (true) {
    std::optional<ReceivedPdu> pdu = parse();
    if (pdu) {
      auto numbers = pdu->as<NopIn>();
      exp_cmd_sn = numbers.exp_cmd_sn;
      max_cmd_sn = numbers.max_cmd_sn;
      if (takes_stat_sn(pdu->header)) exp_stat_sn = numbers.stat_sn + 1;
      return pdu;
    }
    if (!fill(deadline)) return std::nullopt;
  }
}

bool RawInitiator::closed_by_target(Timeout timeout) {
  Clock::time_point deadline = Clock::now() + timeout;
  while (receive(std::chrono::ceil<Timeout>(deadline - Clock::now()))) {
  }
  return closed_;
}

std::optional<ReceivedPdu> RawInitiator::receive_kind(Opcode kind, Timeout timeout) {
  Clock::time_point deadline = Clock::now() + timeout;
  while (true) {
    auto pdu = receive(std::chrono::ceil<Timeout>(deadline - Clock::now()));
    if (!pdu) return std::nullopt;
    bool dealt_with = look_after(*pdu);
    if (pdu->kind() == kind && !dealt_with) return pdu;
  }
}

// --- login --------------------------------------------------------------------------------------

std::optional<ReceivedPdu> RawInitiator::login_step(uint8_t flags, const KeyList& keys,
                                                    const LoginOptions& options) {
  LoginRequest request;
  request.flags = flags;
  request.isid = options.isid;
  request.tsih = options.tsih;
  request.initiator_task_tag = 0;
  request.cid = options.cid;
  request.cmd_sn = cmd_sn;
  request.exp_stat_sn = exp_stat_sn;
  queue(request, encode(keys));
  auto answer = receive();
  if (answer && answer->kind() == Opcode::login_response) {
    exp_stat_sn = answer->as<LoginResponse>().stat_sn + 1;
  }
  return answer;
}

std::optional<ReceivedPdu> RawInitiator::login(const LoginOptions& options) {
  KeyList who{{"InitiatorName", options.initiator}};
  if (options.target.empty()) {
    who.emplace_back("SessionType", "Discovery");
  } else {
    who.emplace_back("SessionType", "Normal");
    who.emplace_back("TargetName", options.target);
  }
  who.emplace_back("AuthMethod", "None");
  auto answer = login_step(0x81, who, options);
  if (!succeeded(answer)) return answer;
  KeyList keys = options.keys;
  if (keys.empty()) {
    keys = {{"HeaderDigest", options.header_digest ? "CRC32C" : "None"},
            {"DataDigest", options.data_digest ? "CRC32C" : "None"},
            {"InitialR2T", "No"},
            {"ImmediateData", "Yes"},
            {"MaxRecvDataSegmentLength", "262144"},
            {"MaxBurstLength", "1048576"},
            {"FirstBurstLength", "262144"},
            {"MaxOutstandingR2T", "4"}};
  }
  answer = login_step(0x87, keys, options);
  if (succeeded(answer)) take_agreement(*answer);
  return answer;
}

void RawInitiator::take_agreement(const ReceivedPdu& answer) {
  auto number = [&](std::string_view name, uint32_t& value) {
    auto text = answer.key(name);
    if (text && !text->empty() && text->find_first_not_of("0123456789") == std::string::npos) {
      value = static_cast<uint32_t>(std::stoul(*text));
    }
  };
  number("MaxRecvDataSegmentLength", target_max_recv);
  number("FirstBurstLength", first_burst);
  number("MaxBurstLength", max_burst);
  initial_r2t = answer.key("InitialR2T").value_or("Yes") == "Yes";
  immediate_data = answer.key("ImmediateData").value_or("Yes") == "Yes";
  header_digest_ = answer.key("HeaderDigest").value_or("None") == "CRC32C";
  data_digest_ = answer.key("DataDigest").value_or("None") == "CRC32C";
}

bool RawInitiator::succeeded(const std::optional<ReceivedPdu>& answer) {
  return answer && answer->kind() == Opcode::login_response && login_status(answer) == 0;
}

uint16_t RawInitiator::login_status(const std::optional<ReceivedPdu>& answer) {
  if (!answer) return 0xffff;
  auto response = answer->as<LoginResponse>();
  return static_cast<uint16_t>(response.status_class << 8 | response.status_detail);
}

// --- commands -----------------------------------------------------------------------------------

uint32_t RawInitiator::queue_command(const ScsiRequest& request) {
  uint32_t tag = next_tag++;
  bool writes = !request.data_out.empty();
  ScsiCommand pdu;
  if (request.immediate) pdu.opcode |= kImmediate;
  pdu.lun = request.lun;
  pdu.initiator_task_tag = tag;
  uint32_t length = static_cast<uint32_t>(request.data_out.size());
  pdu.expected_data_transfer_length =
      request.expected.value_or(writes ? length : request.read_length);
  pdu.cmd_sn = request.immediate ? cmd_sn : cmd_sn++;
  pdu.exp_stat_sn = exp_stat_sn;
  pdu.cdb = request.cdb;
  pdu.flags = 0x01;  // SIMPLE
  if (writes) pdu.flags |= ScsiCommand::kWrite;
  if (request.read_length > 0) pdu.flags |= ScsiCommand::kRead;
  uint32_t immediate = immediate_data ? std::min({length, first_burst, target_max_recv}) : 0;
  bool unsolicited = writes && !initial_r2t && immediate < std::min(length, first_burst);
  if (!unsolicited) pdu.flags |= kFinal;
  if (request.flags) pdu.flags = *request.flags;
  queue(pdu, std::span(request.data_out).first(immediate));
  Pending& pending = pending_[tag];
  pending.answer.tag = tag;
  pending.data_out = request.data_out;
  if (unsolicited) send_unsolicited(tag, pending, immediate);
  return tag;
}

void RawInitiator::send_unsolicited(uint32_t tag, const Pending& pending, uint32_t from) {
  uint32_t end = std::min(static_cast<uint32_t>(pending.data_out.size()), first_burst);
  uint32_t data_sn = 0;
  while (from < end) {
    uint32_t length = std::min(end - from, target_max_recv);
    DataOut pdu;
    pdu.initiator_task_tag = tag;
    pdu.data_sn = data_sn++;
    pdu.buffer_offset = from;
    pdu.exp_stat_sn = exp_stat_sn;
    if (from + length == end) pdu.flags = kFinal;
    queue(pdu, std::span(pending.data_out).subspan(from, length));
    from += length;
  }
}

void RawInitiator::answer_r2t(const R2t& r2t, Pending& pending) {
  uint32_t from = r2t.buffer_offset;
  uint32_t end = from + r2t.desired_data_transfer_length;
  if (end > pending.data_out.size()) throw std::runtime_error("the target asks for too much data");
  for (uint32_t data_sn = 0; from < end; ++data_sn) {
    uint32_t length = std::min(end - from, target_max_recv);
    DataOut pdu;
    pdu.initiator_task_tag = r2t.initiator_task_tag;
    pdu.target_transfer_tag = r2t.target_transfer_tag;
    pdu.data_sn = data_sn;
    pdu.buffer_offset = from;
    pdu.exp_stat_sn = exp_stat_sn;
    if (from + length == end) pdu.flags = kFinal;
    queue(pdu, std::span(pending.data_out).subspan(from, length));
    from += length;
  }
}

bool RawInitiator::look_after(const ReceivedPdu& pdu) {
  uint32_t tag = pdu.header.initiator_task_tag;
  if (pdu.kind() == Opcode::nop_in && tag == kReservedTag) {
    auto ping = pdu.as<NopIn>();
    if (ping.target_transfer_tag == kReservedTag) return false;
    if (!answers_pings) return true;
    NopOut pong;
    pong.opcode |= kImmediate;
    pong.lun = ping.lun;
    pong.target_transfer_tag = ping.target_transfer_tag;
    pong.cmd_sn = cmd_sn;
    pong.exp_stat_sn = exp_stat_sn;
    queue(pong);
    return true;
  }
  auto found = pending_.find(tag);
  if (found == pending_.end()) return false;
  Pending& pending = found->second;
  ScsiAnswer& answer = pending.answer;
  bool over = false;
  if (pdu.kind() == Opcode::r2t) {
    ++answer.r2ts;
    if (!answers_r2ts) return false;
    answer_r2t(pdu.as<R2t>(), pending);
  } else if (pdu.kind() == Opcode::data_in) {
    auto data_in = pdu.as<DataIn>();
    if (data_in.buffer_offset != answer.data.size() || data_in.data_sn != answer.data_in_pdus) {
      throw std::runtime_error("Data-In out of order");
    }
    append(answer.data, pdu.data);
    ++answer.data_in_pdus;
    if (data_in.flags & DataIn::kStatus) {
      answer.status = data_in.status;
      answer.flags = data_in.flags & 0x06;
      answer.residual = data_in.residual_count;
      answer.collapsed = over = true;
      exp_stat_sn = data_in.stat_sn + 1;
    }
  } else if (pdu.kind() == Opcode::scsi_response) {
    auto response = pdu.as<ScsiResponse>();
    answer.status = response.status;
    answer.flags = response.flags & 0x06;
    answer.residual = response.residual_count;
    answer.exp_data_sn = response.exp_data_sn;
    if (pdu.data.size() > 2) answer.sense.assign(pdu.data.begin() + 2, pdu.data.end());
    over = true;
    exp_stat_sn = response.stat_sn + 1;
  } else {
    return false;
  }
  if (over) {
    done_.push_back(std::move(answer));
    pending_.erase(found);
  }
  return true;
}

std::optional<ScsiAnswer> RawInitiator::complete_any(Timeout timeout) {
  Clock::time_point deadline = Clock::now() + timeout;
  while (done_.empty()) {
    auto pdu = receive(std::chrono::ceil<Timeout>(deadline - Clock::now()));
    if (!pdu) return std::nullopt;
    look_after(*pdu);
  }
  ScsiAnswer answer = std::move(done_.front());
  done_.pop_front();
  return answer;
}

std::optional<ScsiAnswer> RawInitiator::complete(uint32_t tag, Timeout timeout) {
  Clock::time_point deadline = Clock::now() + timeout;
  while (true) {
    auto found = std::ranges::find(done_, tag, &ScsiAnswer::tag);
    if (found != done_.end()) {
      ScsiAnswer answer = std::move(*found);
      done_.erase(found);
      return answer;
    }
    auto pdu = receive(std::chrono::ceil<Timeout>(deadline - Clock::now()));
    if (!pdu) return std::nullopt;
    look_after(*pdu);
  }
}

std::optional<ScsiAnswer> RawInitiator::run(const ScsiRequest& request, Timeout timeout) {
  return complete(queue_command(request), timeout);
}

void RawInitiator::acknowledge() {
  NopOut pdu;
  pdu.opcode |= kImmediate;
  pdu.cmd_sn = cmd_sn;
  pdu.exp_stat_sn = exp_stat_sn;
  queue(pdu);
  flush();
}

std::optional<ReceivedPdu> RawInitiator::nop(std::string_view payload, Timeout timeout) {
  NopOut pdu;
  pdu.opcode |= kImmediate;
  pdu.initiator_task_tag = next_tag++;
  pdu.cmd_sn = cmd_sn;
  pdu.exp_stat_sn = exp_stat_sn;
  queue(pdu, std::as_bytes(std::span(payload)));
  return receive_kind(Opcode::nop_in, timeout);
}

std::optional<ReceivedPdu> RawInitiator::text(const KeyList& keys, Timeout timeout) {
  TextRequest pdu;
  pdu.initiator_task_tag = next_tag++;
  pdu.cmd_sn = cmd_sn++;
  pdu.exp_stat_sn = exp_stat_sn;
  queue(pdu, encode(keys));
  return receive_kind(Opcode::text_response, timeout);
}

std::optional<uint8_t> RawInitiator::task_management(uint8_t function, uint64_t lun, uint32_t tag,
                                                     uint32_t ref_cmd_sn, Timeout timeout) {
  TaskManagementRequest pdu;
  pdu.function = kFinal | function;
  pdu.lun = lun;
  pdu.initiator_task_tag = next_tag++;
  pdu.referenced_task_tag = tag;
  pdu.cmd_sn = cmd_sn;
  pdu.exp_stat_sn = exp_stat_sn;
  pdu.ref_cmd_sn = ref_cmd_sn;
  queue(pdu);
  auto answer = receive_kind(Opcode::task_management_response, timeout);
  if (!answer) return std::nullopt;
  auto response = answer->as<TaskManagementResponse>();
  information_ = response.additional_response_information;
  return response.response;
}

std::optional<ReceivedPdu> RawInitiator::logout(uint8_t reason, uint16_t cid, Timeout timeout) {
  LogoutRequest pdu;
  pdu.reason = kFinal | reason;
  pdu.initiator_task_tag = next_tag++;
  pdu.cid = cid;
  pdu.cmd_sn = cmd_sn;
  pdu.exp_stat_sn = exp_stat_sn;
  queue(pdu);
  return receive_kind(Opcode::logout_response, timeout);
}

}  // namespace swiftness::test
