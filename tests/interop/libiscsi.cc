#include "tests/interop/libiscsi.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <random>
#include <stdexcept>
#include <thread>

#include "backend/base/endian.h"
#include "target/admin/http.h"

namespace swiftness::test {
namespace {

constexpr int kLun = 0;
constexpr uint32_t kMebibyte = 1 << 20;
constexpr auto kPatience = std::chrono::seconds(60);

bool is_free(uint16_t port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  const int on = 1;
  ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  const bool free = ::bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  ::close(socket);
  return free;
}

// Below the range of outgoing connections, which could otherwise take it while the gateway is
// restarted.
uint16_t free_port() {
  std::random_device random;
  std::uniform_int_distribution<uint16_t> ports(10000, 30000);
  for (;;) {
    const uint16_t port = ports(random);
    if (is_free(port)) return port;
  }
}

Bytes mebibyte_of(uint64_t place, int seed) {
  Bytes out(kMebibyte);
  for (size_t at = 0; at < out.size(); at += 8) {
    const uint64_t word =
        (place * kMebibyte + at + static_cast<uint64_t>(seed)) * 0x9e3779b97f4a7c15;
    store_be(&out[at], word);
  }
  return out;
}

}  // namespace

Cdb cdb(std::initializer_list<int> bytes) {
  Cdb out{};
  std::ranges::transform(bytes, out.begin(), [](int byte) { return static_cast<uint8_t>(byte); });
  return out;
}

namespace {

Cdb access16(int opcode, uint64_t lba, uint32_t blocks) {
  Cdb out = cdb({opcode});
  auto* bytes = reinterpret_cast<std::byte*>(out.data());
  store_be(bytes + 2, lba);
  store_be(bytes + 10, blocks);
  return out;
}

}  // namespace

Cdb read16(uint64_t lba, uint32_t blocks) {
  return access16(0x88, lba, blocks);
}
Cdb write16(uint64_t lba, uint32_t blocks) {
  return access16(0x8a, lba, blocks);
}

// ---- the gateway -------------------------------------------------------------------------------

GatewayProcess::GatewayProcess() : port_(free_port()) {
  configure("");
}

void GatewayProcess::configure(const std::string& keys) {
  std::ofstream(folder_.path() / "gateway.yaml") << fmt::format(
      R"(gateway: {{ state_dir: state }}
portals:
  - {{ address: "127.0.0.1", port: {0}, group: 1 }}
  - {{ address: "127.0.0.2", port: {0}, group: 2 }}
stores: {{ here: {{ type: directory, path: objects }} }}
volumes:
  one: {{ store: here, size: 2GiB, create: true, journal: {{ size: 256MiB }} }}
  two: {{ store: here, size: 2GiB, create: true, journal: {{ size: 256MiB }} }}
targets:
  - {{ iqn: "{1}", open: true, luns: {{ 0: one }}{2}{3} }}
  - {{ iqn: "{4}", open: true, luns: {{ 0: two }} }}
)",
      port_, kIqn, keys.empty() ? "" : ", ", keys, kOtherIqn);
}

void GatewayProcess::start() {
  const std::string file = folder_.path() / "gateway.yaml", log = folder_.path() / "log";
  const char* program = std::getenv("SWIFTNESSD");
  if (!program) program = SWIFTNESSD_BUILT;
  pid_ = ::fork();
  if (pid_ == 0) {
    if (!::freopen(log.c_str(), "a", stdout) || !::freopen(log.c_str(), "a", stderr)) ::_exit(126);
    ::execl(program, program, "--config", file.c_str(), nullptr);
    ::_exit(127);
  }
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  for (;;) {
    const Result<admin::Response> answer =
        admin::call(socket(), "GET", "/readyz", "", std::chrono::seconds(5));
    if (answer && answer->status == 200) return;
    const bool ended = ::waitpid(pid_, nullptr, WNOHANG) == pid_;
    if (ended) pid_ = -1;
    if (ended || std::chrono::steady_clock::now() > deadline) {
      std::ifstream text(log);
      throw std::runtime_error("the gateway does not become ready:\n" +
                               std::string(std::istreambuf_iterator<char>(text), {}));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

void GatewayProcess::kill() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void GatewayProcess::reload() {
  const Result<admin::Response> answer =
      admin::call(socket(), "POST", "/reload", "{}", std::chrono::seconds(10));
  if (!answer || answer->status != 200) throw std::runtime_error("the reload failed");
}

void GatewayProcess::wait_until_stored() {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  for (const char* volume : {"one", "two"}) {
    for (;;) {
      const Result<admin::Response> answer = admin::call(
          socket(), "GET", std::string("/volumes/") + volume, "", std::chrono::seconds(10));
      if (answer && nlohmann::json::parse(answer->body).at("unsafe") == 0) break;
      if (std::chrono::steady_clock::now() > deadline) {
        throw std::runtime_error(std::string(volume) + " does not get into the store");
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  }
}

// ---- an initiator ------------------------------------------------------------------------------

std::string Answer::outcome() const {
  if (status == SCSI_STATUS_GOOD) return "good";
  if (status == SCSI_STATUS_RESERVATION_CONFLICT) return "reservation conflict";
  return status == SCSI_STATUS_CHECK_CONDITION ? sense : fmt::format("status {}", status);
}

Initiator::Initiator(const GatewayProcess& gateway, const InitiatorOptions& options)
    : context_(iscsi_create_context(options.name.c_str())) {
  signal(SIGPIPE, SIG_IGN);  // libiscsi writes to connections that have just been lost
  iscsi_set_isid_oui(context_, 1, static_cast<uint32_t>(options.port));
  iscsi_set_targetname(context_, std::string(options.target).c_str());
  iscsi_set_session_type(context_, ISCSI_SESSION_NORMAL);
  iscsi_set_noautoreconnect(context_, 1);
  iscsi_set_timeout(context_, 30);
  const std::string portal = fmt::format("{}:{}", options.portal, gateway.port());
  if (iscsi_connect_sync(context_, portal.c_str()) != 0 || iscsi_login_sync(context_) != 0) {
    const std::string why = iscsi_get_error(context_);
    iscsi_destroy_context(context_);
    throw std::runtime_error("cannot log in: " + why);
  }
  EXPECT_EQ(ready(), "06/29/00");
}

Initiator::~Initiator() {
  iscsi_logout_sync(context_);
  iscsi_destroy_context(context_);
}

Answer Initiator::send(const Cdb& cdb) {
  return run(cdb, SCSI_XFER_NONE, 0, {});
}
Answer Initiator::ask(const Cdb& cdb, uint32_t length) {
  return run(cdb, SCSI_XFER_READ, length, {});
}
Answer Initiator::give(const Cdb& cdb, Bytes data) {
  const auto length = static_cast<uint32_t>(data.size());
  return run(cdb, SCSI_XFER_WRITE, length, std::move(data));
}

Answer Initiator::run(const Cdb& cdb, int direction, uint32_t length, Bytes data) {
  const auto begin = std::chrono::steady_clock::now();
  Cdb sent = cdb;
  scsi_task* task = scsi_create_task(static_cast<int>(sent.size()), sent.data(), direction,
                                     static_cast<int>(length));
  iscsi_data out{data.size(), reinterpret_cast<unsigned char*>(data.data())};
  Answer answer;
  if (iscsi_scsi_command_sync(context_, kLun, task, data.empty() ? nullptr : &out)) {
    answer.status = task->status;
    if (answer.status == SCSI_STATUS_CHECK_CONDITION) {
      answer.sense = fmt::format("{:02x}/{:02x}/{:02x}", static_cast<int>(task->sense.key),
                                 task->sense.ascq >> 8, task->sense.ascq & 0xff);
    } else if (task->datain.size > 0) {
      const auto* bytes = reinterpret_cast<const std::byte*>(task->datain.data);
      answer.data.assign(bytes, bytes + task->datain.size);
    }
  }
  scsi_free_scsi_task(task);
  answer.took = std::chrono::steady_clock::now() - begin;
  return answer;
}

std::string Initiator::fill(uint64_t mebibyte, uint32_t mebibytes, int seed) {
  constexpr uint32_t kBlocks = kMebibyte / kBlockBytes;
  for (uint64_t i = mebibyte; i < mebibyte + mebibytes; ++i) {
    const std::string outcome = give(write16(i * kBlocks, kBlocks), mebibyte_of(i, seed)).outcome();
    if (outcome != "good") return outcome;
  }
  return "good";
}

bool Initiator::has(uint64_t mebibyte, uint32_t mebibytes, int seed, uint64_t filled_from) {
  constexpr uint32_t kBlocks = kMebibyte / kBlockBytes;
  for (uint64_t i = 0; i < mebibytes; ++i) {
    const Answer answer = ask(read16((mebibyte + i) * kBlocks, kBlocks), kMebibyte);
    if (answer.data != mebibyte_of(filled_from + i, seed)) return false;
  }
  return true;
}

bool Initiator::is_zero(uint64_t mebibyte, uint32_t mebibytes) {
  constexpr uint32_t kBlocks = kMebibyte / kBlockBytes;
  for (uint64_t i = mebibyte; i < mebibyte + mebibytes; ++i) {
    if (ask(read16(i * kBlocks, kBlocks), kMebibyte).data != Bytes(kMebibyte)) return false;
  }
  return true;
}

}  // namespace swiftness::test
