// Volume: a log-structured thin disk in an object store. Implements BlockDevice.
//
// Lives on one shard (one executor); every call is made there. The store outlives the volume.
// docs/FORMAT.md has what it writes; the invariants named I1 to I13 are docs/ARCHITECTURE.md's.
#pragma once

#include <memory>
#include <string>

#include "backend/block_device.h"
#include "backend/object_store.h"
#include "backend/volume/catalogue.h"

namespace swiftness {

struct VolumeOptions {
  ByteCount dirty_memory{256 << 20};       // bytes not yet in the store; beyond it writes wait
  Duration seal_after = std::chrono::seconds(1);   // a chunk nobody adds to is sealed
  Duration claim_settle = std::chrono::milliseconds(500);  // between claiming and reading it back
  Duration claim_limit = std::chrono::seconds(10);  // a claim slower than this is abandoned
  Duration fence_interval = std::chrono::seconds(2);  // how often a gateway looks whether it was fenced
  uint32_t uploads_in_flight = 8;          // chunks on their way at once: 1 to 8
  uint32_t checkpoint_every = 128;         // chunks between two roots: 1 to 256
};

struct VolumeStatus {
  DeviceState state = DeviceState::attaching;
  Usage usage;
  uint64_t epoch = 0;             // 0 before the first attach
  uint64_t newest_sequence = 0;   // last chunk sealed
  uint64_t durable_sequence = 0;  // it and all before are in the store
  uint64_t chunks_in_flight = 0;
  std::string trouble;            // what the store answers at the moment, empty when all is well
};

class Volume final : public BlockDevice {
 public:
  Volume(Executor executor, ObjectStore& store, VolumeDescriptor descriptor, VolumeOptions options);
  ~Volume() override;  // after stop(), or without it: then as after a crash

  // Takes the volume over from whoever has it (I8) and recovers its log. One attempt; on an Error
  // nothing has changed but a claim number, and it may be called again.
  Async<void> attach();

  // Seals, uploads, checkpoints, and goes offline. An Error says what is left undone; what was
  // flushed is safe in any case. Waits as long as the store makes it wait.
  Async<void> stop();

  VolumeStatus status() const;

  Geometry geometry() const noexcept override;
  DeviceState state() const noexcept override;
  Async<BufferList> read(BlockRange range) override;
  Async<void> write(BlockRange range, BufferList data, Durability durability,
                    TicketPtr ticket) override;
  Async<void> unmap(std::vector<BlockRange> ranges, TicketPtr ticket) override;
  Async<void> flush() override;
  Usage usage() const override;
  void observe(BlockDeviceObserver* observer) override;

 private:
  class Engine;
  std::unique_ptr<Engine> engine_;
};

}  // namespace swiftness
