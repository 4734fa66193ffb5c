// Crash test. For each seed: several gateways in turn, each over a store that refuses, forgets,
// delays, reorders and lies as FaultyStore can; random writes, unmaps and flushes by three clients;
// a crash at a random point. After each attach the whole disk must be
//   - the state after some prefix of the acknowledged changes, sector by sector, and
//   - a prefix that has every change acknowledged before a flush that succeeded.
// A failing seed is run again alone with SWIFTNESS_CRASH_SEED=<seed>; SWIFTNESS_CRASH_SEEDS=<count>
// sets how many.
#include <gtest/gtest.h>
#include <boost/asio/detached.hpp>

#include <cstdlib>
#include <random>

#include "backend/base/log.h"
#include "tests/volume/disk.h"

namespace swiftness {
namespace {

constexpr uint64_t kSectors = 4096;
constexpr uint64_t kPageStride = 40000;  // spreads the disk's used sectors over several map pages

// One changed piece of the disk: every sector of it carries `tag`; 0 is zeros.
struct Piece {
  uint64_t first;
  uint64_t count;
  uint64_t tag;
};
using Change = std::vector<Piece>;  // of one command

using Disk = std::vector<uint64_t>;  // the tag of each used sector

// The used sectors lie in 16 stripes far apart.
uint64_t address(uint64_t sector) {
  constexpr uint64_t kStripe = kSectors / 16;
  return sector / kStripe * kPageStride + sector % kStripe + 65000;
}

struct History {
  Disk base = Disk(kSectors, 0);  // before the first change
  std::vector<Change> acknowledged;
  size_t flushed = 0;  // of them are certainly durable
};

class Clients {
 public:
  Clients(Volume& volume, History& history, std::mt19937_64& random, uint64_t& next_tag)
      : volume_(volume), history_(history), random_(random), next_tag_(next_tag) {}

  Task work(int steps) {
    for (int i = 0; i < steps && !stopped_; ++i) {
      const uint64_t dice = random_() % 100;
      if (dice < 70) {
        co_await write_once();
      } else if (dice < 85) {
        co_await unmap_once();
      } else {
        co_await flush_once();
      }
    }
    ++finished_;
  }
  void stop() { stopped_ = true; }
  int finished() const { return finished_; }

 private:
  Piece random_piece(uint64_t longest) {
    const uint64_t stripe = kSectors / 16;
    Piece piece{random_() % kSectors, random_() % longest + 1, 0};
    piece.count = std::min(piece.count, stripe - piece.first % stripe);
    return piece;
  }

  Task write_once() {
    Piece piece = random_piece(200);
    piece.tag = next_tag_++;
    BlockRange range{Lba(address(piece.first)), BlockCount(piece.count)};
    BufferList data(pattern(address(piece.first), piece.count, piece.tag));
    Result<void> done =
        co_await volume_.write(range, std::move(data), Durability::acknowledged, nullptr);
    // A write resumes its caller on the turn that gave it its place in the log: the order here is
    // the order there.
    if (done && !stopped_) history_.acknowledged.push_back({piece});
  }

  Task unmap_once() {
    std::vector<BlockRange> ranges;
    Change change;
    const uint64_t count = random_() % 4 + 1;
    for (uint64_t i = 0; i < count; ++i) {
      Piece piece = random_piece(600);
      change.push_back(piece);
      ranges.push_back({Lba(address(piece.first)), BlockCount(piece.count)});
    }
    Result<void> done = co_await volume_.unmap(std::move(ranges), nullptr);
    if (done && !stopped_) history_.acknowledged.push_back(change);
  }

  Task flush_once() {
    const size_t before = history_.acknowledged.size();
    Result<void> done = co_await volume_.flush();
    if (done && !stopped_) history_.flushed = std::max(history_.flushed, before);
  }

  Volume& volume_;
  History& history_;
  std::mt19937_64& random_;
  uint64_t& next_tag_;
  bool stopped_ = false;
  int finished_ = 0;
};

void apply(const Change& change, Disk& disk) {
  for (const Piece& piece : change) {
    std::fill_n(disk.begin() + static_cast<ptrdiff_t>(piece.first), piece.count, piece.tag);
  }
}

// What the disk holds now; fails on a sector that is torn or in the wrong place.
Disk read_disk(Gateway& gateway) {
  Disk disk(kSectors, 0);
  constexpr uint64_t kStripe = kSectors / 16;
  for (uint64_t first = 0; first < kSectors; first += kStripe) {
    Result<BufferList> data = Error(ErrorCode::unavailable, "");
    for (int tries = 0; tries < 50 && !data; ++tries) data = gateway.read(address(first), kStripe);
    if (!data) {
      ADD_FAILURE() << "cannot read: " << data.error().message();
      return disk;
    }
    Buffer flat = data->flatten();
    for (uint64_t i = 0; i < kStripe; ++i) {
      uint64_t words[kSectorBytes / 8];
      std::memcpy(words, flat.data() + i * kSectorBytes, kSectorBytes);
      disk[first + i] = words[1];
      for (size_t w = 0; w < kSectorBytes / 8; w += 2) {
        const bool sound =
            words[w + 1] == words[1] && words[w] == (words[1] == 0 ? 0 : address(first + i));
        if (!sound) {
          ADD_FAILURE() << "sector " << first + i << " is torn or of another place";
          return disk;
        }
      }
    }
  }
  return disk;
}

// The prefix of the history that the disk is in; fails when there is none at or after the flush.
void expect_prefix(const History& history, const Disk& disk) {
  Disk model = history.base;
  size_t best = SIZE_MAX;
  for (size_t n = 0; n <= history.acknowledged.size(); ++n) {
    if (n > 0) apply(history.acknowledged[n - 1], model);
    if (n < history.flushed) continue;
    size_t wrong = 0;
    for (uint64_t i = 0; i < kSectors; ++i) wrong += model[i] != disk[i];
    if (wrong == 0) return;
    best = std::min(best, wrong);
  }
  ADD_FAILURE() << "the disk is in no state between the last flush (" << history.flushed
                << ") and the last acknowledged change (" << history.acknowledged.size()
                << "); the nearest differs in " << best << " sectors";
}

VolumeOptions random_options(std::mt19937_64& random) {
  VolumeOptions options = quick_options();
  options.seal_after = std::chrono::microseconds(random() % 2000);
  options.uploads_in_flight = static_cast<uint32_t>(random() % 8 + 1);
  options.checkpoint_every = static_cast<uint32_t>(random() % 12 + 1);
  options.dirty_memory = ByteCount((64 << 10) + random() % (1 << 20));
  options.fence_interval = std::chrono::milliseconds(random() % 20 + 1);
  options.retry_pause = std::chrono::microseconds(100);
  return options;
}

FaultOptions random_faults(std::mt19937_64& random) {
  if (random() % 4 == 0) return {};
  FaultOptions faults = FaultOptions::rough();
  const double scale = static_cast<double>(random() % 100) / 100;
  faults.refuse *= scale;
  faults.lose_answer *= scale;
  faults.late *= scale;
  faults.presence_unknown *= scale;
  return faults;
}

// Attaching is many steps, each of which a bad day can spoil: it is tried until it works.
bool attach(Gateway& gateway, std::mt19937_64& random) {
  for (int tries = 0; tries < 200; ++tries) {
    gateway.store.set_options(tries < 5 ? random_faults(random) : FaultOptions{});
    Result<void> attached = gateway.attach();
    if (attached) return true;
    const ErrorCode code = attached.error().code();
    if (code == ErrorCode::corrupt) {
      ADD_FAILURE() << "attach found damage: " << attached.error().message();
      return false;
    }
  }
  ADD_FAILURE() << "attach never succeeded";
  return false;
}

void run_seed(uint64_t seed) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  SharedStore shared;
  VolumeDescriptor descriptor = shared.create(512 << 20);
  History history;
  uint64_t next_tag = 1;
  std::unique_ptr<Gateway> previous;
  const uint64_t rounds = random() % 3 + 2;
  for (uint64_t round = 0; round < rounds; ++round) {
    auto gateway = std::make_unique<Gateway>(shared, descriptor, random(), random_options(random));
    // What the dead gateway had in the air lands before, during or after this attach.
    const uint64_t landing = random() % 3;
    if (previous && landing == 0) run(shared.io, previous->store.settle());
    if (previous && landing == 1)
      asio::co_spawn(shared.io, previous->store.settle(), asio::detached);
    if (!attach(*gateway, random)) return;
    if (previous && landing == 2) run(shared.io, previous->store.settle());

    const Disk disk = read_disk(*gateway);
    expect_prefix(history, disk);
    if (testing::Test::HasFailure()) return;
    history = History{disk, {}, 0};

    gateway->store.set_options(random_faults(random));
    Clients clients(gateway->volume, history, random, next_tag);
    constexpr int kClients = 3;
    const int steps = static_cast<int>(random() % 60);
    for (int i = 0; i < kClients; ++i) {
      asio::co_spawn(shared.io, clients.work(steps), asio::detached);
    }
    // Crash somewhere in the middle, or once the clients are done; now and then a clean stop.
    const uint64_t turns = random() % 3 == 0 ? UINT64_MAX : random() % 4000;
    for (uint64_t i = 0; i < turns && clients.finished() < kClients; ++i) shared.io.run_one();
    if (clients.finished() == kClients && random() % 3 == 0) {
      gateway->store.set_options({});
      ASSERT_TRUE(gateway->stop().ok());
      history.flushed = history.acknowledged.size();
    }
    clients.stop();
    gateway->crash();
    run_until(shared.io, [&] { return clients.finished() == kClients; });
    if (previous) run(shared.io, previous->store.settle());
    previous = std::move(gateway);
  }
}

TEST(Crash, EveryFlushedWriteIsThereAndTheStateIsAPrefix) {
  if (const char* one = std::getenv("SWIFTNESS_CRASH_SEED")) {
    run_seed(std::strtoull(one, nullptr, 10));
    return;
  }
  log::set_level(log::Level::error);  // rough days make many lines
  const char* many = std::getenv("SWIFTNESS_CRASH_SEEDS");
  const uint64_t seeds = many != nullptr ? std::strtoull(many, nullptr, 10) : 300;
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    run_seed(seed);
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace swiftness
