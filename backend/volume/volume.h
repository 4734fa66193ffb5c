// Volume: a log-structured thin disk in an object store. Implements BlockDevice.
//
// Lives on one shard (one executor); every call is made there. The store outlives the volume.
// docs/FORMAT.md has what it writes; the invariants named I1 to I13 are docs/ARCHITECTURE.md's.
#pragma once

#include <deque>
#include <filesystem>
#include <optional>
#include <string>

#include "backend/base/gate.h"
#include "backend/block_device.h"
#include "backend/volume/checkpoint.h"
#include "backend/volume/chunk_builder.h"
#include "backend/volume/chunk_reader.h"
#include "backend/volume/read_ahead.h"
#include "backend/volume/read_cache.h"
#include "backend/volume/recovery.h"
#include "backend/volume/uploader.h"

namespace swiftness {

// A file on the gateway's own disk for data that were read from the store.
struct ReadCacheOptions {
  std::filesystem::path file;
  ByteCount size;
};

struct VolumeOptions {
  ByteCount dirty_memory{256 << 20};  // bytes not yet in the store; beyond it writes wait
  Duration seal_after = std::chrono::seconds(1);           // a chunk nobody adds to is sealed
  Duration claim_settle = std::chrono::milliseconds(500);  // between claiming and reading it back
  Duration claim_limit = std::chrono::seconds(10);         // a claim slower than this is abandoned
  Duration fence_interval =
      std::chrono::seconds(2);      // how often a gateway looks whether it was fenced
  Duration retry_pause = std::chrono::milliseconds(200);  // first one, after the store's own retries
  uint32_t uploads_in_flight = 8;   // chunks on their way at once: 1 to 8
  uint32_t checkpoint_every = 128;  // chunks between two roots: 1 to 256
  ByteCount read_memory{16 << 20};  // data read lately and read ahead
  std::optional<ReadCacheOptions> read_cache;
};

struct VolumeStatus {
  DeviceState state = DeviceState::attaching;
  Usage usage;
  uint64_t epoch = 0;             // 0 before the first attach
  uint64_t newest_sequence = 0;   // last chunk sealed
  uint64_t durable_sequence = 0;  // it and all before are in the store
  uint64_t chunks_in_flight = 0;
  std::string trouble;  // what the store answers at the moment, empty when all is well
  ChunkReader::Counts reads;
  ReadCache::Status read_cache;
};

class Volume final : public BlockDevice {
 public:
  Volume(Executor executor, ObjectStore& store, VolumeDescriptor descriptor, VolumeOptions options);
  ~Volume() override;  // after stop() or halt(), or before any attach()

  // Takes the volume over from whoever has it (I8) and recovers its log. One attempt; after an
  // Error it may be called again: nothing has changed but claim numbers and the fence.
  Async<void> attach();

  // Seals, uploads, checkpoints, and goes offline. Waits as long as the store makes it wait; halt()
  // ends that. After an Error what was flushed is safe, and what was not may be lost.
  Async<void> stop();

  // Goes offline at once, leaving the store as a crash would. Returns when nothing of the volume
  // runs any more: as soon as the store has answered what is under way.
  Task halt();

  VolumeStatus status() const;

  Geometry geometry() const noexcept override;
  DeviceState state() const noexcept override { return state_; }
  Async<BufferList> read(BlockRange range) override;
  Async<void> write(BlockRange range, BufferList data, Durability durability,
                    TicketPtr ticket) override;
  Async<void> unmap(std::vector<BlockRange> ranges, TicketPtr ticket) override;
  Async<Prefetched> prefetch(BlockRange range) override;
  ByteCount prefetch_room() const override;
  Async<void> flush() override;
  Async<std::vector<AllocationPiece>> allocation(BlockRange range) override;
  Usage usage() const override;
  void observe(BlockDeviceObserver* observer) override { observer_ = observer; }

 private:
  struct SectorRange {
    Sector first;
    SectorCount count;
  };
  SectorRange sectors_of(BlockRange range) const noexcept;
  Result<void> check_online() const;

  std::vector<Location> frames_in_store(SectorRange sectors) const;
  Task read_ahead(SectorRange sectors);
  Async<Prefetched> bring_into_cache(SectorRange sectors);

  Async<void> admit(uint64_t bytes, TicketPtr ticket);
  void make_room_in_chunk(size_t bytes, size_t entries);
  Async<void> make_durable(LogPosition position);
  Async<void> verify_ownership();

  void seal();
  void seal_if_due();
  Task seal_when_idle();
  Task watch_fence();
  void on_upload_progress(uint64_t released_bytes);

  void start_checkpoint();
  Task write_checkpoint(Checkpointer::Snapshot snapshot);

  void go_online(Era era, RecoveredLog log);
  void become(DeviceState state);
  void quit();
  Task tell_observer(DeviceState state);

  Executor executor_;
  VolumeObjects objects_;
  const VolumeOptions options_;
  Gate gate_;
  AsyncEvent changed_;  // anything that somebody may wait for has moved
  BlockDeviceObserver* observer_ = nullptr;
  DeviceState state_ = DeviceState::attaching;
  bool quitting_ = false;  // background work ends, whatever is left undone

  // The log.
  Era era_;
  EraHistory eras_;
  ByteCount size_;
  ExtentMap map_;
  ChunkBuilder builder_;
  TimePoint opened_at_{};        // when the first entry of the builder came
  uint64_t builder_memory_ = 0;  // bytes of the budget
  LogPosition position_;         // last one given out
  LogPosition builder_first_;    // first one in the builder, when it is not empty
  Sha256 last_hash_{};           // of the newest sealed chunk's header
  Uploader uploader_;
  ReadCache cache_;
  ChunkReader reader_;
  ReadAhead sequential_;
  uint32_t prefetches_ = 0;  // under way
  Checkpointer checkpointer_;
  uint32_t chunks_since_root_ = 0;
  bool checkpointing_ = false;

  // Flushes.
  bool seal_wanted_ = false;
  bool verifying_ = false;
  Sequence verified_;  // durable, and the volume was still ours afterwards

  // The write buffer.
  uint64_t dirty_bytes_ = 0;
  std::deque<const void*> waiting_for_room_;  // writers, first come first served
};

}  // namespace swiftness
