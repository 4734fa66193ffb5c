// The disk contract: what a logical unit (target/scsi) asks of what keeps its data
// (backend/volume).
//
// All calls are made on the shard that owns the device and resume there.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/base/async.h"
#include "backend/base/buffer.h"
#include "backend/base/units.h"
#include "backend/base/uuid.h"

namespace swiftness {

struct Geometry {
  uint32_t block_size = 512;  // bytes of a logical block: 512 or 4096
  BlockCount blocks;          // capacity; the last LBA is blocks - 1
  Uuid identity;              // of the volume; SCSI identifiers derive from it and never change
};

// `count` logical blocks from `first`. Callers keep it inside the device.
struct BlockRange {
  Lba first;
  BlockCount count;
};

enum class Durability {
  acknowledged,  // as safe as the device's write cache (DESIGN words: docs/ARCHITECTURE.md)
  flushed,       // as if a flush followed at once (FUA, or WCE=0)
};

// Shared by a command and whoever may give it up. A command whose ticket is cancelled before the
// device has given it its place in the log fails with ErrorCode::cancelled and never takes effect;
// once sequenced, a cancel changes nothing (I13).
struct Ticket {
  bool cancelled = false;
};
using TicketPtr = std::shared_ptr<Ticket>;

// Part of a range that has data, or has none and reads as zeros.
struct AllocationPiece {
  BlockRange range;
  bool mapped = false;
};

struct Usage {
  ByteCount capacity;
  ByteCount mapped;  // of the disk's blocks written and not unmapped; never less than there are
  ByteCount unsafe;  // acknowledged, not yet in the store
  Duration unsafe_since{};           // age of the oldest such byte; zero when there is none
  std::optional<ByteCount> quota{};  // no more than this is to be mapped; nothing: no such limit

  ByteCount available() const noexcept {  // what may be mapped yet
    const ByteCount limit = quota ? std::min(*quota, capacity) : capacity;
    return limit - std::min(mapped, limit);
  }
};

// What came of a prefetch: the whole range is in the cache, or what of it there was room for.
enum class Prefetched { all, part };

// What a logical unit keeps with its volume, beside the data (I6): one small record for each key.
enum class MetadataKey : uint8_t {
  reservations,
  mode_pages,
  identifying_information,  // of the peripheral device
  text_identification,
  sanitize,  // one that is under way
};

enum class DeviceState {
  attaching,  // identity and geometry are known, data are not served yet
  online,
  fenced,  // another gateway owns the volume; final
  stopped,
};

// Told on the device's shard, never from inside a call the observer itself makes.
class BlockDeviceObserver {
 public:
  virtual ~BlockDeviceObserver() = default;
  virtual void on_state_changed(DeviceState state) = 0;
};

class BlockDevice {
 public:
  virtual ~BlockDevice() = default;

  virtual Geometry geometry() const noexcept = 0;
  virtual DeviceState state() const noexcept = 0;

  // Shares cached and pending buffers; blocks never written read as zeros. Data that should be
  // there and is not, or fails its checksum, is ErrorCode::corrupt, never zeros.
  virtual Async<BufferList> read(BlockRange range) = 0;

  // Takes the buffers over; nobody writes to them afterwards. May wait while the device's write
  // buffer is full. Atomic: after a crash all of it is there or none. ErrorCode::out_of_space: it
  // would have mapped more than the quota allows, or the store is full; nothing was written.
  virtual Async<void> write(BlockRange range, BufferList data, Durability durability,
                            TicketPtr ticket) = 0;

  // Is there room to write the whole range? For those who write it piece by piece; whoever maps
  // other blocks meanwhile may take it. Otherwise ErrorCode::out_of_space.
  virtual Async<void> room_for(BlockRange, TicketPtr) { co_return Result<void>(); }

  // The ranges read back as zeros; as durable as a write.
  virtual Async<void> unmap(std::vector<BlockRange> ranges, TicketPtr ticket) = 0;

  // May this device copy within itself without reading and writing? Otherwise it is not asked to.
  virtual bool copies() const noexcept { return false; }
  // Is there so much that it would have to wait for first that it takes seconds? Who has less time
  // had better read and write.
  virtual bool copies_late() const noexcept { return false; }
  // `to` and the blocks behind it read as `from` does, which they do not overlap; as durable as if
  // a flush had followed. After an Error any part of it was done.
  virtual Async<void> copy(BlockRange, Lba, TicketPtr) {
    co_return Error(ErrorCode::invalid, "this device copies nothing by itself");
  }

  // Brings the range into the device's cache, as far as there is room for it. An Error is that of a
  // read.
  virtual Async<Prefetched> prefetch(BlockRange range) = 0;
  virtual ByteCount prefetch_room() const = 0;  // about what fits in

  // Every write and unmap that completed before this call is durable when it returns.
  virtual Async<void> flush() = 0;

  // The range in order and without gaps; neighbours differ in `mapped`.
  virtual Async<std::vector<AllocationPiece>> allocation(BlockRange range) = 0;

  // Records that move with the volume. A device that has no place for them says so, and is not
  // asked.
  virtual bool keeps_metadata() const noexcept { return false; }
  virtual Async<Bytes> load_metadata(MetadataKey) {  // empty when there never was one
    co_return Error(ErrorCode::invalid, "this device keeps no metadata");
  }
  virtual Async<void> store_metadata(MetadataKey, Bytes) {  // durable when it returns
    co_return Error(ErrorCode::invalid, "this device keeps no metadata");
  }

  virtual Usage usage() const = 0;
  virtual void observe(BlockDeviceObserver* observer) = 0;  // at most one; nullptr to stop
};

}  // namespace swiftness
