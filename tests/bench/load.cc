// bench_load URL [options] WORKLOAD...: loads one logical unit of any iSCSI target from one session
// and one thread, and prints a line of key=value pairs for each workload (docs/BENCHMARKS.md).
//
// Every 4 KiB block that it writes begins with a stamp: the block's number, and the number of the
// write. A read must find the stamp of the last write, and one block in 16 is compared as a whole:
// a target cannot win by answers that are wrong. Blocks under way are not touched by a second
// command, so it is always clear what the last write was. `--stamps FILE` keeps that knowledge for
// the next run. It overwrites the beginning of the disk.
#include <fmt/core.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <boost/endian/conversion.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <fstream>
#include <random>
#include <span>
#include <stdexcept>
#include <unordered_map>

#include "tests/support/raw_initiator.h"

namespace swiftness::test {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

constexpr uint32_t kBlock = 4096;                    // what a stamp is for
constexpr RawInitiator::Timeout kPatience{300'000};  // a store behind the target may be slow

struct Url {
  std::string host, target;
  uint16_t port = 0, lun = 0;
};

Url parse_url(const std::string& text) {
  constexpr std::string_view kScheme = "iscsi://";
  size_t slash = text.find('/', kScheme.size());
  size_t colon = text.rfind(':', slash);
  size_t last = text.rfind('/');
  if (!text.starts_with(kScheme) || slash == text.npos || last == slash || colon < kScheme.size()) {
    throw std::runtime_error("not iscsi://HOST:PORT/IQN/LUN: " + text);
  }
  return {text.substr(kScheme.size(), colon - kScheme.size()),
          text.substr(slash + 1, last - slash - 1),
          static_cast<uint16_t>(std::stoul(text.substr(colon + 1, slash - colon - 1))),
          static_cast<uint16_t>(std::stoul(text.substr(last + 1)))};
}

struct Workload {
  const char* name;
  bool write;
  bool random;
  bool one_pass;  // ends with the span; otherwise with the time
  uint32_t bytes;
  size_t depth;
  uint32_t most = 1;  // times `bytes`, of one command; how many is random
};

constexpr std::array kWorkloads{
    Workload{"random-write", true, true, false, 4096, 32},
    Workload{"random-read", false, true, false, 4096, 32},
    Workload{"overwrite", true, true, false, 4096, 32, 16},
    Workload{"sequential-write", true, false, false, 262144, 16},
    Workload{"sequential-read", false, false, false, 262144, 16},
    Workload{"fill", true, false, true, 262144, 16},
    Workload{"scan", false, false, true, 262144, 16},
};

// What each block of the span holds: the number of its last write, 0 for never.
class Stamps {
 public:
  explicit Stamps(uint64_t blocks) : last_(blocks) {
    std::mt19937_64 random(7);
    for (uint64_t& word : noise_) word = random();
  }

  uint64_t next_write() { return ++writes_; }
  void written(uint64_t block, uint64_t write) { last_[block] = write; }

  void make(uint64_t block, uint64_t write, std::byte* out) const {
    std::memcpy(out, &block, sizeof block);
    std::memcpy(out + 8, &write, sizeof write);
    std::memcpy(out + 16, noise(block, write), kBlock - 16);
  }

  bool matches(uint64_t block, const std::byte* in) {
    uint64_t write = last_[block];
    uint64_t found[2];
    std::memcpy(found, in, sizeof found);
    if (write == 0) return found[0] == 0 && found[1] == 0;
    if (found[0] != block || found[1] != write) return false;
    return ++looks_ % 16 != 0 || std::memcmp(in + 16, noise(block, write), kBlock - 16) == 0;
  }

  void load(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) return;  // the first run
    file.read(reinterpret_cast<char*>(&writes_), sizeof writes_);
    file.read(reinterpret_cast<char*>(last_.data()), bytes());
    if (!file || file.peek() != EOF) throw std::runtime_error(path + " is of another span");
  }
  void save(const std::string& path) const {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file.write(reinterpret_cast<const char*>(&writes_), sizeof writes_);
    file.write(reinterpret_cast<const char*>(last_.data()), bytes());
    file.close();
    if (!file) throw std::runtime_error("cannot write " + path);
  }

 private:
  std::streamsize bytes() const {
    return static_cast<std::streamsize>(last_.size() * sizeof last_[0]);
  }
  // Bytes that do not compress and differ from write to write.
  const std::byte* noise(uint64_t block, uint64_t write) const {
    uint64_t at = (block * 0x9e3779b97f4a7c15u + write * 0xc2b2ae3d27d4eb4fu) >> 48;
    return reinterpret_cast<const std::byte*>(noise_.data()) + at;
  }

  std::vector<uint64_t> last_;
  std::array<uint64_t, (65536 + kBlock) / 8> noise_{};
  uint64_t writes_ = 0, looks_ = 0;
};

struct Disk {
  uint64_t lun;  // as it stands in a PDU
  uint64_t bytes = 0;
  uint32_t block_size = 0;
};

Disk inquire(RawInitiator& initiator, uint16_t lun) {
  Disk disk{.lun = uint64_t{lun} << 48};
  ScsiRequest ready = test_unit_ready();
  ready.lun = disk.lun;
  for (int i = 0; i < 10; ++i) {  // the first answers are unit attentions
    auto answer = initiator.run(ready, kPatience);
    if (answer && answer->status == 0) break;
  }
  ScsiRequest capacity;
  capacity.lun = disk.lun;
  capacity.cdb[0] = 0x9e;
  capacity.cdb[1] = 0x10;
  capacity.cdb[13] = 32;
  capacity.read_length = 32;
  auto answer = initiator.run(capacity, kPatience);
  if (!answer || answer->status != 0 || answer->data.size() < 12) {
    throw std::runtime_error("READ CAPACITY(16) failed");
  }
  auto* bytes = reinterpret_cast<const unsigned char*>(answer->data.data());
  disk.block_size = boost::endian::load_big_u32(bytes + 8);
  disk.bytes = (boost::endian::load_big_u64(bytes) + 1) * disk.block_size;
  return disk;
}

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// When a run ends that is no pass over the span, and how often it tells of itself until then.
struct Course {
  double seconds = 3;
  double passes = 0;  // ends when so many times the span was written or read; 0: by time
  double every = 0;   // seconds; 0: it tells nothing until its end
};

class Run {
 public:
  Run(RawInitiator& initiator, const Disk& disk, const Workload& workload, Stamps& stamps,
      uint64_t span, uint64_t seed)
      : initiator_(initiator),
        disk_(disk),
        workload_(workload),
        stamps_(stamps),
        places_(span / workload.bytes),
        busy_(places_),
        random_(seed) {
    if (places_ <= workload.depth) throw std::runtime_error("the span is too small");
  }

  // False: a command failed, or wrong data were read.
  bool operator()(const Course& course) {
    double cpu = cpu_seconds();
    auto begin = Clock::now();
    auto end = begin + std::chrono::duration_cast<Clock::duration>(Seconds(course.seconds));
    const double most_bytes = course.passes * static_cast<double>(places_) * workload_.bytes;
    auto goes_on = [&](Clock::time_point now) {
      if (workload_.one_pass) return next_ < places_;
      return course.passes > 0 ? static_cast<double>(bytes_) < most_bytes : now < end;
    };
    auto tell_at = begin + std::chrono::duration_cast<Clock::duration>(Seconds(course.every));
    for (size_t i = 0; i < workload_.depth; ++i) start_one();
    while (!started_.empty()) {
      auto answer = initiator_.complete_any(kPatience);
      if (!answer)
        throw std::runtime_error(fmt::format("no answer in {} s", kPatience.count() / 1000));
      auto now = Clock::now();
      finish_one(*answer, now);
      if (goes_on(now)) start_one();
      if (course.every > 0 && now >= tell_at) {
        tell(Seconds(now - begin).count());
        tell_at += std::chrono::duration_cast<Clock::duration>(Seconds(course.every));
      }
    }
    report(Seconds(Clock::now() - begin).count(), cpu_seconds() - cpu);
    return failures_ == 0 && wrong_ == 0;
  }

 private:
  struct Started {
    Clock::time_point at;
    uint64_t place;
    uint64_t count;  // of places
    uint64_t write;
  };

  uint64_t blocks() const { return workload_.bytes / kBlock; }  // of a place

  uint64_t choose_place(uint64_t count) {
    if (!workload_.random) return next_++ % places_;
    while (true) {
      uint64_t place = random_() % (places_ - count + 1);
      auto begin = busy_.begin() + static_cast<ptrdiff_t>(place);
      auto end = begin + static_cast<ptrdiff_t>(count);
      if (std::find(begin, end, true) == end) return place;
    }
  }

  void mark(uint64_t place, uint64_t count, bool busy) {
    auto begin = busy_.begin() + static_cast<ptrdiff_t>(place);
    std::fill(begin, begin + static_cast<ptrdiff_t>(count), busy);
  }

  void start_one() {
    uint64_t count = workload_.most == 1 ? 1 : 1 + random_() % workload_.most;
    uint64_t place = choose_place(count);
    mark(place, count, true);
    uint32_t sectors = static_cast<uint32_t>(count * workload_.bytes / disk_.block_size);
    uint32_t lba = static_cast<uint32_t>(place * workload_.bytes / disk_.block_size);
    uint64_t write = 0;
    ScsiRequest request;
    if (workload_.write) {
      write = stamps_.next_write();
      Octets data(count * workload_.bytes);
      for (uint64_t i = 0; i < count * blocks(); ++i) {
        stamps_.make(place * blocks() + i, write, data.data() + i * kBlock);
      }
      request = write10(lba, std::move(data), disk_.block_size);
    } else {
      request = read10(lba, static_cast<uint16_t>(sectors), disk_.block_size);
    }
    request.lun = disk_.lun;
    started_.emplace(initiator_.queue_command(request), Started{Clock::now(), place, count, write});
  }

  void finish_one(const ScsiAnswer& answer, Clock::time_point now) {
    auto found = started_.find(answer.tag);
    Started started = found->second;
    started_.erase(found);
    mark(started.place, started.count, false);
    latencies_.push_back(now - started.at);
    bytes_ += started.count * workload_.bytes;
    if (answer.status != 0) {
      if (failures_++ == 0) fmt::print(stderr, "bench_load: status {:#x}\n", answer.status);
    } else if (workload_.write) {
      for (uint64_t i = 0; i < started.count * blocks(); ++i) {
        stamps_.written(started.place * blocks() + i, started.write);
      }
    } else {
      check(started, answer.data);
    }
  }

  void check(const Started& started, const Octets& data) {
    bool right = data.size() == started.count * workload_.bytes;
    for (uint64_t i = 0; right && i < started.count * blocks(); ++i) {
      right = stamps_.matches(started.place * blocks() + i, data.data() + i * kBlock);
    }
    if (right || wrong_++ > 0) return;
    fmt::print(stderr, "bench_load: wrong data at byte {}\n", started.place * workload_.bytes);
  }

  // In us.
  static double latency(std::span<const Clock::duration> sorted, double share) {
    size_t index = static_cast<size_t>(share * static_cast<double>(sorted.size() - 1));
    return std::chrono::duration<double, std::micro>(sorted[index]).count();
  }

  // What came since it told last.
  void tell(double seconds) {
    std::vector<Clock::duration> latest(latencies_.begin() + static_cast<ptrdiff_t>(told_),
                                        latencies_.end());
    if (latest.empty()) return;
    told_ = latencies_.size();
    std::ranges::sort(latest);
    fmt::print("so_far={} seconds={:.1f} bytes={} p50_us={:.0f} p99_us={:.0f} most_us={:.0f}\n",
               workload_.name, seconds, bytes_, latency(latest, 0.5), latency(latest, 0.99),
               latency(latest, 1));
    std::fflush(stdout);
  }

  void report(double seconds, double cpu) {
    std::ranges::sort(latencies_);
    double count = static_cast<double>(latencies_.size());
    fmt::print(
        "workload={} ops={} seconds={:.3f} iops={:.0f} mb_s={:.1f} p50_us={:.0f} p99_us={:.0f} "
        "client_cpu_s={:.2f} failed={} wrong={}\n",
        workload_.name, latencies_.size(), seconds, count / seconds,
        static_cast<double>(bytes_) / seconds / 1e6, latency(latencies_, 0.5),
        latency(latencies_, 0.99), cpu, failures_, wrong_);
    std::fflush(stdout);
  }

  RawInitiator& initiator_;
  const Disk disk_;
  const Workload workload_;
  Stamps& stamps_;
  const uint64_t places_;
  uint64_t next_ = 0;
  std::vector<bool> busy_;
  std::mt19937_64 random_;
  std::unordered_map<uint32_t, Started> started_;
  std::vector<Clock::duration> latencies_;
  uint64_t bytes_ = 0;
  size_t told_ = 0;  // latencies
  size_t failures_ = 0, wrong_ = 0;
};

bool flush(RawInitiator& initiator, const Disk& disk) {
  ScsiRequest request;
  request.lun = disk.lun;
  request.cdb[0] = 0x35;  // SYNCHRONIZE CACHE(10) of everything
  auto begin = Clock::now();
  auto answer = initiator.run(request, kPatience);
  if (!answer) throw std::runtime_error("no answer to SYNCHRONIZE CACHE");
  fmt::print("workload=flush seconds={:.3f} failed={}\n", Seconds(Clock::now() - begin).count(),
             answer->status == 0 ? 0 : 1);
  std::fflush(stdout);
  return answer->status == 0;
}

// Everything, in one command: descriptors of just under 2 TiB.
bool unmap_all(RawInitiator& initiator, const Disk& disk, Stamps& stamps, uint64_t span) {
  const uint64_t most = 0xffffffff / (kBlock / disk.block_size) * (kBlock / disk.block_size);
  Octets list(8);
  for (uint64_t first = 0, blocks = disk.bytes / disk.block_size; first < blocks; first += most) {
    std::array<std::byte, 16> descriptor{};
    auto* bytes = reinterpret_cast<unsigned char*>(descriptor.data());
    boost::endian::store_big_u64(bytes, first);
    boost::endian::store_big_u32(bytes + 8, static_cast<uint32_t>(std::min(most, blocks - first)));
    list.insert(list.end(), descriptor.begin(), descriptor.end());
  }
  auto* head = reinterpret_cast<unsigned char*>(list.data());
  boost::endian::store_big_u16(head, static_cast<uint16_t>(list.size() - 2));
  boost::endian::store_big_u16(head + 2, static_cast<uint16_t>(list.size() - 8));
  ScsiRequest request;
  request.lun = disk.lun;
  request.cdb[0] = 0x42;
  boost::endian::store_big_u16(&request.cdb[7], static_cast<uint16_t>(list.size()));
  request.data_out = std::move(list);
  auto begin = Clock::now();
  auto answer = initiator.run(request, kPatience);
  if (!answer) throw std::runtime_error("no answer to UNMAP");
  fmt::print("workload=unmap seconds={:.3f} failed={}\n", Seconds(Clock::now() - begin).count(),
             answer->status == 0 ? 0 : 1);
  std::fflush(stdout);
  for (uint64_t block = 0; block < span / kBlock; ++block) stamps.written(block, 0);
  return answer->status == 0;
}

struct Options {
  std::string url, stamps;
  uint64_t span = uint64_t{1} << 30;
  Course course;
  std::vector<std::string> workloads;
};

int load(const Options& options) {
  Url url = parse_url(options.url);
  RawInitiator initiator(url.host, url.port);
  LoginOptions login;
  login.initiator = "iqn.2026-11.org.swiftness:bench";
  login.target = url.target;
  auto answer = initiator.login(login);
  if (!RawInitiator::succeeded(answer)) {
    throw std::runtime_error(
        fmt::format("login refused: status {:04x}", RawInitiator::login_status(answer)));
  }
  Disk disk = inquire(initiator, url.lun);
  if (disk.bytes < options.span) throw std::runtime_error("the disk is smaller than the span");
  Stamps stamps(options.span / kBlock);
  if (!options.stamps.empty()) stamps.load(options.stamps);
  bool good = true;
  for (const std::string& name : options.workloads) {
    if (name == "flush") {
      good = flush(initiator, disk) && good;
      continue;
    }
    if (name == "unmap") {
      good = unmap_all(initiator, disk, stamps, options.span) && good;
      continue;
    }
    auto workload = std::ranges::find(kWorkloads, name, &Workload::name);
    if (workload == kWorkloads.end()) throw std::runtime_error("no such workload: " + name);
    uint64_t seed = stamps.next_write();  // another row of places in each run
    good = Run(initiator, disk, *workload, stamps, options.span, seed)(options.course) && good;
  }
  if (!options.stamps.empty()) stamps.save(options.stamps);
  initiator.logout();
  return good ? 0 : 1;
}

}  // namespace
}  // namespace swiftness::test

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // libiscsi writes to connections that have just been lost
  swiftness::test::Options options;
  CLI::App app("Loads one logical unit of an iSCSI target; overwrites its beginning.");
  app.add_option("url", options.url, "iscsi://HOST:PORT/IQN/LUN")->required();
  app.add_option(
         "workload", options.workloads,
         "random-write, random-read (4 KiB, queue depth 32), overwrite (4 to 64 KiB at random, "
         "32), sequential-write, "
         "sequential-read (256 KiB, 16), fill, scan (the same, the whole span once), flush, "
         "unmap (the whole disk)")
      ->required();
  app.add_option("--span", options.span, "bytes of the disk to use (1GiB)")
      ->transform(CLI::AsSizeValue(false));
  app.add_option("--seconds", options.course.seconds, "of each workload that ends by time (3)");
  app.add_option("--passes", options.course.passes,
                 "instead of time: how many times the span, in bytes");
  app.add_option("--every", options.course.every, "a line each so many seconds; 0: none (0)");
  app.add_option("--stamps", options.stamps, "file that keeps what was written");
  CLI11_PARSE(app, argc, argv);
  try {
    return swiftness::test::load(options);
  } catch (const std::exception& failure) {
    fmt::print(stderr, "bench_load: {}\n", failure.what());
    return 1;
  }
}
