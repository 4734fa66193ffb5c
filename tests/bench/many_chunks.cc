// many_chunks CONFIG VOLUME --chunks N [--chunk-bytes B] [--places even|scattered]: gives a volume
// of a configuration many chunks and much of a map in minutes, by the production engine itself,
// which is only told to seal chunks long before they have 16 MiB. What a gateway finds afterwards
// is what it would find after months: as many names, as large a ledger and index, the same kinds of
// records. For tests/bench/attach.
//
// `even`: a quarter of all writes (4 KiB each) goes over the disk from its beginning to its end in
// equal steps, the rest to random places. `scattered`: all of them to random places.
#include <fmt/core.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <boost/asio/io_context.hpp>

#include <chrono>
#include <cstdio>
#include <random>
#include <stdexcept>

#include "backend/base/gate.h"
#include "backend/store_config.h"
#include "backend/volume/catalogue.h"
#include "backend/volume/volume.h"
#include "config/config.h"

namespace swiftness::test {
namespace {

constexpr uint64_t kWrite = 4096;

struct Options {
  std::string config, volume, places = "even";
  uint64_t chunks = 65536, seed = 1;
  uint64_t chunk_bytes = 24 << 10;
};

class Places {
 public:
  Places(const Options& options, uint64_t disk_bytes)
      : even_(options.places == "even"),
        slots_(disk_bytes / kWrite),
        // About so many writes: four to a chunk of 24 KiB.
        step_(std::max<uint64_t>(slots_ / std::max<uint64_t>(options.chunks, 1), 1)),
        random_(options.seed) {}

  uint64_t next() {
    if (even_ && count_++ % 4 == 0) return (count_ / 4 * step_) % slots_;
    return random_() % slots_;
  }

 private:
  const bool even_;
  const uint64_t slots_, step_;
  uint64_t count_ = 0;
  std::mt19937_64 random_;
};

Async<void> fill(const Options& options, Executor executor, ObjectStore& store,
                 const config::Volume& wanted, uint64_t& writes) {
  Result<VolumeDescriptor> found = co_await find_volume(store, wanted.name);
  if (!found && found.error().code() == ErrorCode::not_found) {
    const ByteCount size = *wanted.size;
    found = co_await create_volume(store, wanted.name, size, 512);
  }
  if (!found) co_return found.error();
  VolumeOptions volume_options;
  volume_options.chunk_bytes = options.chunk_bytes;
  volume_options.checkpoint_every = 256;
  volume_options.dirty_memory = ByteCount(16 << 20);
  volume_options.collector.slack_chunks = UINT32_MAX;  // nothing is moved
  Volume volume(executor, store, *found, volume_options);
  Result<void> outcome = co_await volume.attach();
  if (!outcome) co_return outcome;
  Places places(options, found->created_size.value());
  auto told = now();
  while (outcome && volume.status().newest_sequence < options.chunks) {
    Buffer data = Buffer::allocate(kWrite);
    for (size_t i = 0; i < kWrite; i += sizeof writes) {
      std::memcpy(data.writable().data() + i, &writes, sizeof writes);
    }
    const BlockRange range{Lba(places.next() * (kWrite / 512)), BlockCount(kWrite / 512)};
    BufferList list(std::move(data));
    outcome = co_await volume.write(range, std::move(list), Durability::acknowledged, nullptr);
    ++writes;
    if (now() - told > std::chrono::seconds(20)) {
      told = now();
      fmt::print(stderr, "many_chunks: {} chunks\n", volume.status().durable_sequence);
    }
  }
  Result<void> stopped = co_await volume.stop();
  co_return outcome ? stopped : outcome;
}

Task fill_into(const Options& options, Executor executor, ObjectStore& store,
               const config::Volume& wanted, uint64_t& writes, Result<void>& outcome) {
  outcome = co_await fill(options, executor, store, wanted, writes);
}

void run(const Options& options) {
  const config::Outcome read = config::load(options.config);
  if (!read.config)
    throw std::runtime_error("the configuration has errors: " + read.errors.front());
  const config::Volume* wanted = read.config->find_volume(options.volume);
  if (wanted == nullptr || !wanted->size)
    throw std::runtime_error("it has no such volume, or no size");
  asio::io_context io(1);
  Result<std::unique_ptr<ObjectStore>> store =
      open_store(read.config->stores.at(wanted->store), io.get_executor());
  if (!store) throw std::runtime_error(store.error().message());
  Result<void> outcome;
  uint64_t writes = 0;
  const auto begun = std::chrono::steady_clock::now();
  Gate gate(io.get_executor());
  gate.spawn("fill", fill_into(options, io.get_executor(), **store, *wanted, writes, outcome));
  io.run();
  if (!outcome) throw std::runtime_error(outcome.error().message());
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begun;
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  fmt::print("chunks={} writes={} seconds={:.0f} peak_rss_mib={}\n", options.chunks, writes,
             seconds.count(), usage.ru_maxrss / 1024);
}

}  // namespace
}  // namespace swiftness::test

int main(int argc, char** argv) {
  swiftness::test::Options options;
  CLI::App app("Gives a volume many chunks.");
  app.add_option("config", options.config, "gateway.yaml")->required();
  app.add_option("volume", options.volume, "created when it is absent")->required();
  app.add_option("--chunks", options.chunks, "of the volume in the end (65536)");
  app.add_option("--chunk-bytes", options.chunk_bytes, "of each, at most (24KiB)")
      ->transform(CLI::AsSizeValue(false));
  app.add_option("--places", options.places, "of the writes (even)")
      ->check(CLI::IsMember({"even", "scattered"}));
  app.add_option("--seed", options.seed, "of the places");
  CLI11_PARSE(app, argc, argv);
  try {
    swiftness::test::run(options);
    return 0;
  } catch (const std::exception& failure) {
    fmt::print(stderr, "many_chunks: {}\n", failure.what());
    return 1;
  }
}
