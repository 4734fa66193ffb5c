// Volume: a log-structured thin disk in an object store. Implements BlockDevice.
//
// Lives on one shard (one executor); every call is made there. The store outlives the volume.
// docs/FORMAT.md has what it writes; the invariants named I1 to I13 are docs/ARCHITECTURE.md's.
#pragma once

#include <deque>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "backend/base/gate.h"
#include "backend/block_device.h"
#include "backend/volume/checkpoint.h"
#include "backend/volume/chunk_builder.h"
#include "backend/volume/chunk_reader.h"
#include "backend/volume/garbage_collector.h"
#include "backend/volume/journal.h"
#include "backend/volume/journal_home.h"
#include "backend/volume/read_ahead.h"
#include "backend/volume/read_cache.h"
#include "backend/volume/recovery.h"
#include "backend/volume/uploader.h"

namespace swiftness {

// A file on the gateway's own disk for data that were read from the store.
struct ReadCacheOptions {
  std::filesystem::path file;
  ByteCount size;
  ReadCache::Open open{};  // instead of a CacheFile, for tests that have a disk of their own
};

struct VolumeOptions {
  // Threads for what takes long, as checksums of chunks; none: the volume's own executor.
  Executor workers{};
  // Of data not yet in the store, as far as the journal does not have them for us; beyond it writes
  // wait.
  ByteCount dirty_memory{256 << 20};
  Duration seal_after = std::chrono::seconds(1);           // a chunk nobody adds to is sealed
  Duration claim_settle = std::chrono::milliseconds(500);  // between claiming and reading it back
  Duration claim_limit = std::chrono::seconds(10);         // a claim slower than this is abandoned
  Duration fence_interval =
      std::chrono::seconds(2);                   // how often a gateway looks whether it was fenced
  Duration sweep_every = std::chrono::hours(6);  // looks for objects that nothing refers to
  Duration retry_pause =
      std::chrono::milliseconds(200);  // first one, after the store's own retries
  uint32_t uploads_in_flight = 8;      // chunks on their way at once: 1 to 8
  uint32_t checkpoint_every = 128;     // most chunks between two roots: 1 to 256
  size_t chunk_bytes = kChunkBytes;    // a chunk is sealed when it would get bigger; at most 16 MiB
  ByteCount map_memory{256 << 20};  // of leaves and changes; the index comes on top (leaf_index.h)
  JournalHome* journal = nullptr;   // outlives the volume; nullptr: it has none
  bool durable_in_journal = false;  // a flush is answered by the journal's sync, not by the store
  // Instead of seal_after, while less than journaled_seal_bytes are gathered.
  Duration journaled_seal_after = std::chrono::seconds(30);
  ByteCount journaled_seal_bytes{1 << 20};
  bool force = false;  // attach without the journal of a gateway that did not release the volume
  CollectorOptions collector;       // its chunk_bytes is set to the one above
  ByteCount read_memory{64 << 20};  // data read lately and read ahead
  std::optional<ReadCacheOptions> read_cache;
  std::optional<ByteCount> quota;  // see set_quota()
  // A store that has said for so long that it is full is taken at its word: writes that do not fit
  // into the write buffer any more fail, instead of waiting for it.
  Duration full_for_good = std::chrono::seconds(20);
};

struct VolumeStatus {
  DeviceState state = DeviceState::attaching;
  Usage usage;
  uint64_t epoch = 0;             // 0 before the first attach
  uint64_t newest_sequence = 0;   // last chunk sealed
  uint64_t durable_sequence = 0;  // it and all before are in the store
  uint64_t chunks_in_flight = 0;
  uint64_t chunks = 0;  // in the store, with those that await deletion
  ByteCount stored;     // bytes of all chunks in the store
  ByteCount live;       // of them the map refers to; of each chunk at most what it stores
  ByteCount dead;       // in chunks that the map refers to nowhere
  ByteCount written;    // by users since the attach
  ByteCount put;        // in chunks and checkpoints since the attach, moved data included
  GarbageCollector::Counters garbage;
  uint64_t orphans_deleted = 0;  // objects, since the attach
  ByteCount write_memory;        // of what is not in the store; the journal alone has the rest
  uint64_t journal_bytes = 0;    // of its room; 0: there is none
  uint64_t journal_used = 0;
  std::string journal_trouble;  // why it is not used any more
  std::string trouble;          // what the store answers at the moment, empty when all is well
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

  // Makes the disk larger; the new part reads as zeros. It has the new size, for everyone who asks,
  // when a root that says so is in the store and the volume was ours after that. After an Error it
  // has the old one, but may have the new one at the next attach. Waits as long as the store does.
  Async<void> grow(ByteCount size);

  // Writes that would make more than this of the disk mapped fail with out_of_space. Less than is
  // mapped already is as good as no room.
  void set_quota(std::optional<ByteCount> quota);

  VolumeStatus status() const;

  Geometry geometry() const noexcept override;
  DeviceState state() const noexcept override { return state_; }
  Async<BufferList> read(BlockRange range) override;
  Async<void> write(BlockRange range, BufferList data, Durability durability,
                    TicketPtr ticket) override;
  Async<void> room_for(BlockRange range, TicketPtr ticket) override;
  Async<void> unmap(std::vector<BlockRange> ranges, TicketPtr ticket) override;
  bool copies() const noexcept override { return true; }
  bool copies_late() const noexcept override { return dirty_bytes_ > kStoredSoon; }
  Async<void> copy(BlockRange from, Lba to, TicketPtr ticket) override;
  Async<Prefetched> prefetch(BlockRange range) override;
  ByteCount prefetch_room() const override;
  Async<void> flush() override;
  Async<std::vector<AllocationPiece>> allocation(BlockRange range) override;
  bool keeps_metadata() const noexcept override { return true; }
  Async<Bytes> load_metadata(MetadataKey key) override;
  Async<void> store_metadata(MetadataKey key, Bytes record) override;  // at most kMostMetadata
  Usage usage() const override;
  void observe(BlockDeviceObserver* observer) override { observer_ = observer; }

 private:
  struct SectorRange {
    Sector first;
    SectorCount count;
  };
  SectorRange sectors_of(BlockRange range) const noexcept;
  Result<void> check_online() const;

  // The map and what works on it; made anew by each attempt to attach.
  struct Mapping {
    Mapping(Executor executor, Executor workers, const VolumeObjects& objects,
            const EraHistory& eras, ByteCount map_memory);
    ChunkLedger ledger;
    ExtentMap map;
    MapReader reader;
    LeafLoader loader;
    Checkpointer checkpointer;
  };

  Async<std::vector<ExtentMap::Piece>> look_up(SectorRange range);
  asio::awaitable<Error> damage_or_taken(Error error);
  Async<BufferList> read_online(SectorRange sectors);
  Async<BufferList> read_sectors(SectorRange sectors);
  Async<void> write_online(SectorRange sectors, BufferList data, Durability durability,
                           TicketPtr ticket);
  Async<void> admit(uint64_t bytes, size_t extents, TicketPtr ticket);

  void make_room_in_chunk(size_t bytes, size_t entries);
  void sequence_write(Sector first, const BufferList& data);
  void sequence_trims(const std::vector<Trim>& trims);
  Async<void> acknowledge(LogPosition position);
  Async<void> make_durable(LogPosition position);
  Async<void> make_durable_in_store(LogPosition position);
  Async<void> make_ours(Sequence chunk);
  Duration give_way() const;
  double garbage_ahead() const;
  bool no_space_left() const { return garbage_ahead() >= 1; }
  bool fits_in_buffer(uint64_t bytes, size_t extents) const;
  uint64_t buffered() const noexcept { return dirty_bytes_ - uploader_.parked_bytes(); }
  Duration seal_age() const;

  // volume_quota.cc
  SectorCount mapped() const;
  bool is_within_quota(SectorRange sectors);
  Async<void> find_room(SectorRange sectors, TicketPtr ticket);
  Task count_metadata();

  // volume_journal.cc
  Async<void> open_own_journal();
  Async<void> may_claim();
  Async<void> take_journal(Era era, std::optional<Start> highest, LogPosition log_end);
  Async<void> may_abandon(std::optional<Start> highest, std::string why);
  Async<void> replay_journal();
  Task drop_journal();
  bool journaling() const noexcept;
  void journal_newest(JournalRecord record);
  Task park_chunks();
  Async<SealedChunk> restore(const SealedChunk& parked);
  Async<BufferList> read_parked(std::shared_ptr<const SealedChunk> chunk, Location at,
                                uint64_t sectors);
  void on_journal_change();

  // volume_copy.cc
  Async<void> share(SectorRange from, Sector to, TicketPtr ticket);

  // volume_prefetch.cc
  Async<std::vector<Location>> frames_in_store(SectorRange sectors);
  Task read_ahead(SectorRange sectors);
  Async<Prefetched> bring_into_cache(SectorRange sectors);

  // volume_sweep.cc
  Task sweep_orphans();

  Async<void> verify_ownership();
  Async<void> verify_ownership_once();

  static Error given_up();
  void seal();
  void seal_if_due();
  Task seal_when_idle();
  Task watch_fence();
  void on_upload_progress(uint64_t released_bytes);

  std::optional<Sequence> seal_moved(std::vector<ChunkPart> parts);
  // Where the next chunk stands in the log; it holds so many log positions from `first` on.
  SealContext next_in_log(LogPosition first, uint64_t positions) const;
  void send(SealedChunk chunk);

  bool checkpoint_due() const;
  void start_checkpoint();
  Task checkpoint();
  void take_snapshot();
  Task bury_detached();

  void start_log(Era era, RecoveredLog log);
  void become(DeviceState state);
  void quit();
  Task pause_until(TimePoint time);
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
  RootName start_base_;  // of its start
  EraHistory eras_;
  ByteCount size_;
  ByteCount root_size_;  // what the next root says: larger than size_ while the disk grows
  std::optional<ByteCount> quota_;
  SectorCount metadata_;  // of what is mapped, that much is no part of the disk
  std::unique_ptr<Mapping> mapping_;
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
  uint32_t prefetches_ = 0;                      // under way
  std::unique_ptr<GarbageCollector> collector_;  // while online
  TimePoint log_moved_at_{};                     // the newest chunk or snapshot of this life
  uint32_t chunks_since_root_ = 0;
  uint64_t bytes_since_root_ = 0;  // of chunks
  bool checkpointing_ = false;
  bool snapshot_wanted_ = false;  // when the next chunk is sealed
  std::optional<Checkpointer::Snapshot> snapshot_;
  uint64_t written_bytes_ = 0;  // by users
  uint64_t put_bytes_ = 0;      // in chunks
  uint64_t orphans_deleted_ = 0;

  std::unique_ptr<Journal> journal_;
  bool dropping_journal_ = false;
  bool journal_alarm_ = false;
  uint64_t told_unsaved_ = 0;

  // What an entry costs of the write buffer besides its data: its places in map, builder and
  // header.
  static constexpr uint64_t kEntryCost = 128;

  // Flushes.
  bool seal_wanted_ = false;
  bool verifying_ = false;
  Sequence verified_;  // durable, and the volume was still ours afterwards

  // The write buffer.
  // About what a store takes in a second; a copy is answered behind it.
  static constexpr uint64_t kStoredSoon = 32 << 20;
  uint64_t dirty_bytes_ = 0;                  // not yet in the store, parked ones too
  std::deque<const void*> waiting_for_room_;  // writers, first come first served
};

}  // namespace swiftness
