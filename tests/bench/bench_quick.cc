// bench_quick HOST PORT IQN [SECONDS]: four short runs against logical unit 0 of a target, for the
// record: 4 KiB random write and read at queue depth 32, 256 KiB sequential write and read at 16.
// It overwrites the disk's beginning (at most 1 GiB of it).
#include <fmt/core.h>

#include <boost/endian/conversion.hpp>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <random>
#include <unordered_map>

#include "tests/support/raw_initiator.h"

namespace swiftness::test {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

struct Disk {
  uint64_t blocks = 0;
  uint32_t block_size = 0;
};

struct Workload {
  const char* name;
  bool write;
  bool random;
  uint32_t bytes;
  size_t depth;
};

Disk inquire(RawInitiator& initiator) {
  for (int i = 0; i < 10; ++i) {  // the first answers are unit attentions
    auto ready = initiator.run(test_unit_ready());
    if (ready && ready->status == 0) break;
  }
  ScsiRequest capacity;
  capacity.cdb[0] = 0x9e;
  capacity.cdb[1] = 0x10;
  capacity.cdb[13] = 32;
  capacity.read_length = 32;
  auto answer = initiator.run(capacity);
  if (!answer || answer->status != 0 || answer->data.size() < 12) {
    throw std::runtime_error("READ CAPACITY(16) failed");
  }
  auto* bytes = reinterpret_cast<const unsigned char*>(answer->data.data());
  return {boost::endian::load_big_u64(bytes) + 1, boost::endian::load_big_u32(bytes + 8)};
}

class Run {
 public:
  Run(RawInitiator& initiator, const Disk& disk, const Workload& workload)
      : initiator_(initiator), workload_(workload), block_size_(disk.block_size) {
    uint64_t bytes = std::min<uint64_t>(disk.blocks * disk.block_size, uint64_t{1} << 30);
    places_ = std::max<uint64_t>(1, bytes / workload.bytes);
    data_ = pattern(workload.bytes, 1);
  }

  void operator()(double seconds) {
    auto begin = Clock::now();
    auto end = begin + std::chrono::duration_cast<Clock::duration>(Seconds(seconds));
    for (size_t i = 0; i < workload_.depth; ++i) start_one();
    while (!started_.empty()) {
      auto answer = initiator_.complete_any(RawInitiator::Timeout(60000));
      if (!answer) throw std::runtime_error("no answer in 60 s");
      auto now = Clock::now();
      auto found = started_.find(answer->tag);
      latencies_.push_back(now - found->second);
      started_.erase(found);
      if (answer->status != 0) ++failures_;
      if (now < end) start_one();
    }
    report(Seconds(Clock::now() - begin).count());
  }

 private:
  void start_one() {
    uint64_t place = workload_.random ? random_() % places_ : next_++ % places_;
    uint32_t blocks = workload_.bytes / block_size_;
    uint32_t lba = static_cast<uint32_t>(place * blocks);
    ScsiRequest request = workload_.write ? write10(lba, data_, block_size_)
                                          : read10(lba, static_cast<uint16_t>(blocks), block_size_);
    started_.emplace(initiator_.queue_command(request), Clock::now());
  }

  void report(double seconds) {
    std::ranges::sort(latencies_);
    auto at = [&](double share) {
      size_t index = static_cast<size_t>(share * static_cast<double>(latencies_.size() - 1));
      return std::chrono::duration<double, std::micro>(latencies_[index]).count();
    };
    double count = static_cast<double>(latencies_.size());
    fmt::print("{:<28} {:>9.0f} IOPS {:>8.1f} MB/s   median {:>7.0f} us   p99 {:>7.0f} us{}\n",
               workload_.name, count / seconds, count * workload_.bytes / seconds / 1e6, at(0.5),
               at(0.99), failures_ ? fmt::format("   {} FAILED", failures_) : "");
    std::fflush(stdout);
  }

  RawInitiator& initiator_;
  const Workload workload_;
  const uint32_t block_size_;
  uint64_t places_ = 1;
  uint64_t next_ = 0;
  std::mt19937_64 random_{1};
  Octets data_;
  std::unordered_map<uint32_t, Clock::time_point> started_;
  std::vector<Clock::duration> latencies_;
  size_t failures_ = 0;
};

int bench(const std::string& host, uint16_t port, const std::string& iqn, double seconds) {
  RawInitiator initiator(host, port);
  LoginOptions options;
  options.initiator = "iqn.2026-11.org.swiftness:bench";
  options.target = iqn;
  auto answer = initiator.login(options);
  if (!RawInitiator::succeeded(answer)) {
    fmt::print(stderr, "login refused: status {:04x}\n", RawInitiator::login_status(answer));
    return 1;
  }
  Disk disk = inquire(initiator);
  const Workload workloads[] = {
      {"4 KiB random write QD32", true, true, 4096, 32},
      {"4 KiB random read QD32", false, true, 4096, 32},
      {"256 KiB sequential write QD16", true, false, 262144, 16},
      {"256 KiB sequential read QD16", false, false, 262144, 16},
  };
  for (const Workload& workload : workloads) Run(initiator, disk, workload)(seconds);
  initiator.logout();
  return 0;
}

}  // namespace
}  // namespace swiftness::test

int main(int argc, char** argv) {
  if (argc < 4 || argc > 5) {
    fmt::print(stderr, "usage: bench_quick HOST PORT IQN [SECONDS]\n");
    return 2;
  }
  try {
    double seconds = argc == 5 ? std::atof(argv[4]) : 3;
    return swiftness::test::bench(argv[1], static_cast<uint16_t>(std::atoi(argv[2])), argv[3],
                                  seconds);
  } catch (const std::exception& failure) {
    fmt::print(stderr, "bench_quick: {}\n", failure.what());
    return 1;
  }
}
