// Many sessions that work, and many connections that never log in. SWIFTNESS_SCALE=full is the size
// that tests/nightly runs: 1,000 sessions, 10,000 half-open connections.
#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "tests/iscsi/test_target.h"

namespace swiftness::test {
namespace {

using namespace iscsi;
using std::chrono::steady_clock;

bool full_size() {
  const char* size = std::getenv("SWIFTNESS_SCALE");
  return size != nullptr && std::string_view(size) == "full";
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;  // and so uses more memory
#else
constexpr bool kSanitized = false;
#endif

// Resident, of the whole process: target and initiators.
size_t memory_mib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) return std::stoul(line.substr(6)) / 1024;
  }
  return 0;
}

// A connection from an address of its own, that says nothing.
class SilentConnection {
 public:
  SilentConnection(uint32_t source, uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    CHECK(socket_ >= 0);
    sockaddr_in from{}, to{};
    from.sin_family = to.sin_family = AF_INET;
    from.sin_addr.s_addr = htonl(source);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(port);
    CHECK(::bind(socket_, reinterpret_cast<sockaddr*>(&from), sizeof from) == 0);
    connected_ = ::connect(socket_, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0;
  }
  SilentConnection(SilentConnection&& other) noexcept
      : socket_(std::exchange(other.socket_, -1)), connected_(other.connected_) {}
  SilentConnection& operator=(SilentConnection&& other) noexcept {
    std::swap(socket_, other.socket_);
    connected_ = other.connected_;
    return *this;
  }
  SilentConnection(const SilentConnection&) = delete;
  ~SilentConnection() {
    if (socket_ >= 0) ::close(socket_);
  }
  // Refused, or closed by the target.
  bool is_closed() const {
    pollfd state{socket_, POLLIN, 0};
    return !connected_ || ::poll(&state, 1, 0) > 0;
  }

 private:
  int socket_;
  bool connected_ = false;
};

LoginOptions session_number(uint32_t number) {
  LoginOptions options;
  options.initiator += std::to_string(number);
  options.isid[4] = static_cast<uint8_t>(number >> 8);
  options.isid[5] = static_cast<uint8_t>(number);
  return options;
}

TEST(Scale, ManySessionsAtOnceEachDoingIo) {
  const uint32_t count = full_size() ? 1000 : 100;
  IscsiLimits limits;
  limits.half_open_per_address = 1024;
  limits.ping_after = std::chrono::minutes(5);  // one thread is all of them: most are silent
  TestTarget target(limits);
  const size_t before = memory_mib();
  std::vector<std::unique_ptr<RawInitiator>> initiators;
  for (uint32_t i = 0; i < count; ++i) {
    initiators.push_back(logged_in(target, session_number(i)));
  }
  EXPECT_EQ(target.sessions().size(), count);
  const auto begun = steady_clock::now();
  constexpr uint32_t kRounds = 10;
  for (uint32_t round = 0; round < kRounds; ++round) {
    std::vector<uint32_t> tags;
    for (uint32_t i = 0; i < count; ++i) {
      tags.push_back(initiators[i]->queue_command(write10(i * 8, pattern(4096, i + round))));
      initiators[i]->flush();
    }
    for (uint32_t i = 0; i < count; ++i) {
      auto answer = initiators[i]->complete(tags[i]);
      ASSERT_TRUE(answer) << i;
      EXPECT_EQ(answer->status, 0);
    }
    for (uint32_t i = 0; i < count; ++i) {
      auto answer = initiators[i]->run(read10((count - 1 - i) * 8, 8));
      ASSERT_TRUE(answer) << i;
      EXPECT_EQ(answer->data, pattern(4096, count - 1 - i + round));
    }
  }
  const auto took = std::chrono::duration<double>(steady_clock::now() - begun).count();
  const size_t memory = memory_mib() - before;
  if (!kSanitized) {
    EXPECT_LT(memory, count + 200) << "MiB; each initiator has a buffer of one";
  }
  std::printf("%u sessions: %.0f commands a second, %zu MiB with their initiators\n", count,
              2 * kRounds * count / took, memory);
}

// Each session has a write under way for so long. Commands a second.
double rate_of(std::vector<std::unique_ptr<RawInitiator>>& initiators,
               std::chrono::milliseconds time) {
  const auto begun = steady_clock::now();
  uint64_t done = 0;
  while (steady_clock::now() - begun < time) {
    std::vector<uint32_t> tags;
    for (uint32_t i = 0; i < initiators.size(); ++i) {
      tags.push_back(initiators[i]->queue_command(write10(i * 8, pattern(4096, i))));
      initiators[i]->flush();
    }
    for (uint32_t i = 0; i < initiators.size(); ++i) {
      auto answer = initiators[i]->complete(tags[i]);
      EXPECT_TRUE(answer && answer->status == 0) << i;
      if (!answer) return 0;
      ++done;
    }
  }
  return static_cast<double>(done) /
         std::chrono::duration<double>(steady_clock::now() - begun).count();
}

// No session is lost while the store says nothing; every one is answered, and goes on when it is
// back.
TEST(Scale, AStoreThatIsSilentForAWhile) {
  using std::chrono::milliseconds;
  using std::chrono::seconds;
  constexpr uint32_t kSessions = 32;
  IscsiLimits limits;
  limits.command_timeout = full_size() ? milliseconds(25000) : milliseconds(500);
  const auto silence = full_size() ? seconds(120) : seconds(3);
  TestTarget target(limits);
  std::vector<std::unique_ptr<RawInitiator>> initiators;
  std::vector<uint32_t> tags(kSessions);
  for (uint32_t i = 0; i < kSessions; ++i) {
    initiators.push_back(logged_in(target, session_number(i)));
  }
  auto write_again = [&](uint32_t i) {
    tags[i] = initiators[i]->queue_command(write10(i * 8, pattern(4096, i)));
    initiators[i]->flush();
  };
  const double before = rate_of(initiators, milliseconds(500));
  target.hang();
  for (uint32_t i = 0; i < kSessions; ++i) write_again(i);
  const auto until = steady_clock::now() + silence;
  std::vector<double> latencies_ms;
  uint64_t busy = 0;
  while (steady_clock::now() < until) {
    for (uint32_t i = 0; i < kSessions; ++i) {
      const auto asked = steady_clock::now();
      ASSERT_TRUE(initiators[i]->nop("are you there")) << i;
      latencies_ms.push_back(
          std::chrono::duration<double, std::milli>(steady_clock::now() - asked).count());
      auto answer = initiators[i]->complete(tags[i], milliseconds(1));
      if (!answer) continue;
      EXPECT_EQ(answer->status, 8) << "BUSY";
      ++busy;
      write_again(i);
    }
  }
  EXPECT_GE(busy, kSessions);
  target.release();
  const auto back = steady_clock::now();
  for (uint32_t i = 0; i < kSessions; ++i) {
    for (;;) {
      auto answer = initiators[i]->complete(tags[i]);
      ASSERT_TRUE(answer) << i;
      if (answer->status == 0) break;
      write_again(i);
    }
  }
  double after = 0;
  while (after < before / 2 && steady_clock::now() - back < seconds(5)) {
    after = rate_of(initiators, milliseconds(500));
  }
  EXPECT_GE(after, before / 2) << "commands a second; full speed, on a machine that others use";
  EXPECT_EQ(target.sessions().size(), kSessions);
  for (uint32_t i = 0; i < kSessions; ++i) {
    auto answer = initiators[i]->run(read10(i * 8, 8));
    ASSERT_TRUE(answer) << i;
    EXPECT_EQ(answer->data, pattern(4096, i));
  }
  std::sort(latencies_ms.begin(), latencies_ms.end());
  EXPECT_LT(latencies_ms[latencies_ms.size() / 2], 10);
  std::printf(
      "%lld s of silence, %u sessions: NOP answered in %.2f ms (median of %zu), %.2f ms at most; "
      "%llu times BUSY; %.0f commands a second before, %.0f within 5 s after\n",
      static_cast<long long>(silence.count()), kSessions, latencies_ms[latencies_ms.size() / 2],
      latencies_ms.size(), latencies_ms.back(), static_cast<unsigned long long>(busy), before,
      after);
}

// A target that is flooded keeps its sessions: what has not logged in is bounded, per address and
// in all.
TEST(Scale, HalfOpenConnectionsDoNotDisturbSessions) {
  const uint32_t count = full_size() ? 10000 : 1000;
  IscsiLimits limits;
  limits.half_open = 200;
  limits.half_open_per_address = 10;
  TestTarget target(limits);
  auto good = logged_in(target);
  const size_t before = memory_mib();
  std::vector<SilentConnection> flood;
  std::vector<double> latencies_ms;
  for (uint32_t i = 0; i < count; ++i) {
    // Half of them from one address, the others from as many as there are.
    const uint32_t source = i % 2 == 0 ? 0x7f010101 : 0x7f020000 + i;
    flood.emplace_back(source, target.port());
    if (i % 50 != 0) continue;
    const auto asked = steady_clock::now();
    auto answer = good->run(write10(0, pattern(4096, i)));
    ASSERT_TRUE(answer && answer->status == 0);
    latencies_ms.push_back(
        std::chrono::duration<double, std::milli>(steady_clock::now() - asked).count());
    // Those that were refused are gone; or this process runs out of descriptors.
    std::erase_if(flood, [](const SilentConnection& one) { return one.is_closed(); });
  }
  EXPECT_TRUE(target.eventually([&flood, &limits] {
    size_t open = 0;
    for (const SilentConnection& one : flood) open += one.is_closed() ? 0 : 1;
    return open <= limits.half_open;
  }));
  std::sort(latencies_ms.begin(), latencies_ms.end());
  EXPECT_LT(latencies_ms[latencies_ms.size() / 2], 50);
  if (!kSanitized) {
    EXPECT_LT(memory_mib() - before, 64u);
  }
  std::printf(
      "%u half-open connections, %zu of them held: a write took %.2f ms (median), %.2f ms at most; "
      "%zu MiB\n",
      count, flood.size(), latencies_ms[latencies_ms.size() / 2], latencies_ms.back(),
      memory_mib() - before);
  flood.clear();
  EXPECT_TRUE(good->nop("still here"));
}

}  // namespace
}  // namespace swiftness::test
