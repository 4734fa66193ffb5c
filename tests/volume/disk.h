// A small vocabulary for tests of a volume: Gateway attaches one over a faulty store that it shares
// with other gateways, crashes it, stops it; pattern() makes data that tell where they belong.
#pragma once

#include <cstring>
#include <memory>

#include "backend/store/faulty_store.h"
#include "backend/store/memory_store.h"
#include "backend/volume/volume.h"
#include "tests/support/run.h"

namespace swiftness {

inline constexpr uint64_t kMiB = 1 << 20;

inline VolumeOptions quick_options() {
  VolumeOptions options;
  options.seal_after = std::chrono::milliseconds(1);
  options.claim_settle = Duration::zero();
  options.fence_interval = std::chrono::hours(1);
  options.retry_pause = std::chrono::milliseconds(1);
  return options;
}

// `sectors` of data, each filled with its own address and a tag.
inline Buffer pattern(uint64_t first_sector, uint64_t sectors, uint64_t tag) {
  Buffer data = Buffer::allocate(sectors * kSectorBytes);
  for (uint64_t i = 0; i < sectors * kSectorBytes / 16; ++i) {
    const uint64_t words[2] = {first_sector + i / (kSectorBytes / 16), tag};
    std::memcpy(data.writable().data() + i * 16, words, 16);
  }
  return data;
}

// The store as all gateways see it, and the volume in it.
struct SharedStore {
  asio::io_context io;
  std::shared_ptr<MemoryContents> contents = std::make_shared<MemoryContents>();

  VolumeDescriptor create(uint64_t bytes, uint32_t block_size = 512) {
    MemoryStore store(io.get_executor(), contents);
    Result<VolumeDescriptor> made =
        run(io, create_volume(store, "disk", ByteCount(bytes), block_size));
    CHECK(made.ok());
    return *made;
  }
  std::vector<ObjectName> objects(const std::string& container, const std::string& prefix) const {
    std::vector<ObjectName> out;
    Result<ListPage> page = contents->list(container, prefix, "", 100000);
    if (!page) return out;
    for (const ListPage::Entry& entry : page->entries) out.push_back({container, entry.name});
    return out;
  }
};

// One gateway's view: its own faults, its own volume.
struct Gateway {
  SharedStore& shared;
  FaultyStore store;
  Volume volume;

  Gateway(SharedStore& shared_store, const VolumeDescriptor& descriptor, uint64_t seed = 1,
          VolumeOptions options = quick_options(), FaultOptions faults = {})
      : shared(shared_store),
        store(std::make_unique<MemoryStore>(shared_store.io.get_executor(), shared_store.contents),
              shared_store.io.get_executor(), seed, faults),
        volume(shared_store.io.get_executor(), store, descriptor, options) {}

  ~Gateway() { run(shared.io, volume.halt()); }

  Result<void> attach() { return run(shared.io, volume.attach()); }
  Result<void> stop() { return run(shared.io, volume.stop()); }
  Result<void> flush() { return run(shared.io, volume.flush()); }
  void crash() {
    store.crash();
    run(shared.io, volume.halt());
  }

  // Addresses are in blocks of 512 bytes.
  Result<void> write(uint64_t lba, uint64_t blocks, uint64_t tag,
                     Durability durability = Durability::acknowledged) {
    return write_data(lba, BufferList(pattern(lba, blocks, tag)), durability);
  }
  Result<void> write_data(uint64_t lba, BufferList data,
                          Durability durability = Durability::acknowledged) {
    BlockRange range{Lba(lba), BlockCount(data.size() / kSectorBytes)};
    return run(shared.io, volume.write(range, data, durability, nullptr));
  }
  Result<void> unmap(uint64_t lba, uint64_t blocks) {
    std::vector<BlockRange> ranges{{Lba(lba), BlockCount(blocks)}};
    return run(shared.io, volume.unmap(ranges, nullptr));
  }
  Result<BufferList> read(uint64_t lba, uint64_t blocks) {
    return run(shared.io, volume.read(BlockRange{Lba(lba), BlockCount(blocks)}));
  }
  bool holds(uint64_t lba, uint64_t blocks, uint64_t tag) {
    Result<BufferList> data = read(lba, blocks);
    return data && *data == BufferList(pattern(lba, blocks, tag));
  }
  bool holds_zeros(uint64_t lba, uint64_t blocks) {
    Result<BufferList> data = read(lba, blocks);
    return data && *data == BufferList(Buffer::zeros(blocks * kSectorBytes));
  }
};

}  // namespace swiftness
