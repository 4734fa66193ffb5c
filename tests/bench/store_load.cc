// store_load --auth URL --container NAME WORKLOAD: what the Swift client does by itself, without a
// volume, beside what curl does with the same objects (tests/bench/client).
//
// Workloads: put, get (--count objects of 16 MiB), small (--count ranges of 4 KiB of the first
// one),
// --parallel at once. One line of key=value pairs; the clock begins after the log-in and a first
// request, and of small reads the first --warm-up do not count. --each FILE gets the latency of
// each that does, in us. Its memory is that of swiftnessd (tcmalloc, pages of 2 MiB), and touched
// before; the checksums of uploads are made before, too.
#include <fmt/core.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <memory>
#include <stdexcept>
#include <vector>

#include "backend/base/gate.h"
#include "backend/base/hash.h"
#include "backend/base/random.h"
#include "backend/swift/swift_store.h"
#include "target/huge_pages.h"
#include "tests/support/run.h"

namespace swiftness::test {
namespace {

constexpr size_t kObject = 16 << 20;
constexpr uint64_t kSmall = 4096;

struct Options {
  std::string auth, container = "bench", workload, prefix = "ours", each;
  std::vector<std::string> endpoints;
  uint64_t count = 16, warm_up = 1;
  size_t parallel = 4;
  bool no_hedging = false;
};

double cpu_seconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

template <class T>
void must(const Result<T>& result) {
  if (!result.ok()) throw std::runtime_error(result.error().message());
}

class Load {
 public:
  Load(const Options& options, asio::io_context& io, SwiftStore& store)
      : options_(options), io_(io), store_(store) {}

  void operator()() {
    if (options_.workload == "put") make_data();
    if (options_.workload == "get") touch_memory();
    must(run(io_, store_.list(options_.container, options_.prefix, "", 1)));
    const double cpu_before = cpu_seconds();
    const TimePoint began = now();
    run(io_, everything());
    const double seconds = std::chrono::duration<double>(now() - began).count();
    const double cpu = cpu_seconds() - cpu_before;
    if (!failure_.empty()) throw std::runtime_error(failure_);
    if (options_.workload == "small") {
      if (!options_.each.empty()) write_each();
      std::ranges::sort(latencies_);
      auto at = [this](size_t percent) {
        const Duration latency = latencies_[latencies_.size() * percent / 100];
        return std::chrono::duration<double, std::micro>(latency).count();
      };
      fmt::print("workload=small p50_us={:.0f} p95_us={:.0f} cpu_s={:.3f}\n", at(50), at(95), cpu);
    } else {
      const auto bytes = static_cast<double>(options_.count * kObject);
      fmt::print("workload={}{} seconds={:.3f} mb_s={:.1f} cpu_s_gb={:.3f}\n", options_.workload,
                 options_.parallel, seconds, bytes / seconds / 1e6, cpu / bytes * 1e9);
    }
  }

 private:
  void make_data() {
    Buffer data = Buffer::allocate(kObject);
    fill_random(data.writable());
    data_ = BufferList(data);
    put_options_.checksum = md5_hex(data_);
  }
  // A gateway that has been running for a while has done that before; the allocator keeps it.
  void touch_memory() {
    std::vector<Buffer> buffers;
    for (size_t i = 0; i < options_.parallel + 1; ++i) {
      buffers.push_back(Buffer::allocate(kObject));
      std::ranges::fill(buffers.back().writable(), std::byte{1});
    }
  }
  ObjectName object(uint64_t n) const {
    return {options_.container, fmt::format("{}-{}", options_.prefix, n)};
  }

  void write_each() const {
    std::unique_ptr<std::FILE, int (*)(std::FILE*)> out(std::fopen(options_.each.c_str(), "w"),
                                                        &std::fclose);
    if (!out) throw std::runtime_error("cannot write " + options_.each);
    for (Duration latency : latencies_) {
      fmt::print(out.get(), "{}\n", latency / std::chrono::microseconds(1));
    }
  }

  Task everything() {
    FanOut workers(io_.get_executor());
    for (size_t i = 0; i < options_.parallel; ++i) {
      if (options_.workload == "small") {
        workers.add(read_small());
      } else {
        workers.add(whole_objects());
      }
    }
    co_await workers.join();
  }

  Task whole_objects() {
    const GetOptions any;
    while (next_ < options_.count && failure_.empty()) {
      ObjectName object = this->object(next_++);
      if (options_.workload == "put") {
        Result<void> put = co_await store_.put(object, data_, put_options_);
        if (!put.ok()) failure_ = put.error().message();
      } else {
        Result<Buffer> got = co_await store_.get(object, {0, kObject}, any);
        if (!got.ok()) failure_ = got.error().message();
      }
    }
  }

  Task read_small() {
    const GetOptions any;
    const ObjectName first = object(0);
    while (next_ < options_.warm_up + options_.count && failure_.empty()) {
      const uint64_t i = next_++;
      const ByteRange range{i * 65536 % kObject, kSmall};
      const TimePoint began = now();
      Result<Buffer> got = co_await store_.get(first, range, any);
      if (!got.ok()) failure_ = got.error().message();
      if (i >= options_.warm_up) latencies_.push_back(now() - began);
    }
  }

  const Options& options_;
  asio::io_context& io_;
  SwiftStore& store_;
  BufferList data_;
  PutOptions put_options_;
  uint64_t next_ = 0;
  std::string failure_;
  std::vector<Duration> latencies_;
};

int load(const Options& options) {
  SwiftStoreConfig config;
  config.auth_urls = {options.auth};
  config.auth = AuthV1Config{"test:tester", "testing"};
  config.endpoints = options.endpoints;
  config.prefix = "";
  asio::io_context io(1);
  SwiftTuning tuning;
  tuning.hedging = !options.no_hedging;
  SwiftStore store(config, io.get_executor(), tuning);
  Load(options, io, store)();
  return 0;
}

}  // namespace
}  // namespace swiftness::test

int main(int argc, char** argv) {
#ifdef SWIFTNESS_TCMALLOC
  swiftness::use_huge_pages();
#endif
  swiftness::test::Options options;
  CLI::App app("Loads Swift through the Swift client alone.");
  app.add_option("workload", options.workload, "put, get, small")
      ->required()
      ->check(CLI::IsMember({"put", "get", "small"}));
  app.add_option("--auth", options.auth, "URL of the log-in")->required();
  app.add_option("--container", options.container, "which is there (bench)");
  app.add_option("--prefix", options.prefix, "of the names (ours)");
  app.add_option("--count", options.count, "objects, or ranges (16)");
  app.add_option("--parallel", options.parallel, "of them at once (4)");
  app.add_option("--endpoint", options.endpoints,
                 "proxy of the cluster, may be given several times");
  app.add_option("--warm-up", options.warm_up, "ranges that do not count, before the others (1)");
  app.add_option("--each", options.each, "file for the latency of each range");
  app.add_flag("--no-hedging", options.no_hedging, "slow ranges are not asked for twice");
  CLI11_PARSE(app, argc, argv);
  try {
    return swiftness::test::load(options);
  } catch (const std::exception& failure) {
    fmt::print(stderr, "store_load: {}\n", failure.what());
    return 1;
  }
}
