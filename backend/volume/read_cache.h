// ReadCache: raw data of frames, so that they need not be fetched again. Frames are immutable and
// named for ever (FrameKey), so nothing in here is ever stale.
//
// Two stages. What was fetched lately is in memory (FrameMemory). With a file it is written there
// as well, behind the reads and without anybody waiting; what memory drops before its turn comes is
// not cached: so much for "too busy". The file is found again after a restart. Nothing of it is
// trusted: every 4 KiB that is read is compared with the checksum in the index, and what does not
// match is a miss. It is never synced, for the same reason. Any error of the file costs the file,
// once and for all, and never fails a read.
//
// Lives on one shard.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "backend/base/gate.h"
#include "backend/base/local_file.h"
#include "backend/volume/cache_index.h"
#include "backend/volume/frame_memory.h"
#include "backend/volume/replacement.h"

namespace swiftness {

class ReadCache {
 public:
  struct Status {
    ByteCount capacity;     // of the file; 0: there is none, or it is not used any more
    ByteCount used;         // of that, in slots of 64 KiB
    uint64_t waiting = 0;   // frames that are still to be written to the file
    bool is_ready = false;  // the file's index has been read
    std::string trouble;    // why the file is not used; empty: all is well, or there is none
  };

  // `volume_name` is for messages.
  ReadCache(Executor executor, std::string volume_name, Uuid volume, ByteCount memory);

  // Uses the file that `open` gives from now on. Returns at once: opening it and reading its index
  // go on behind. At most once.
  using Open = std::function<Async<std::unique_ptr<LocalFile>>()>;
  void start(Open open);

  // Without suspending: what is in memory, or in the file and in the kernel's page cache.
  std::optional<Buffer> try_read(const FrameKey& key, uint64_t skip, uint64_t sectors);
  // Waits for the disk. Nothing: it is not there, or not what it was.
  asio::awaitable<std::optional<Buffer>> read(FrameKey key, uint64_t skip, uint64_t sectors);
  bool contains(const FrameKey& key) const noexcept;

  // A frame as it was fetched, checked and opened.
  void insert(const FrameKey& key, Buffer raw);

  // Ends what runs behind; what is not written by then is not cached. From now on a cache without
  // a file.
  Task stop();

  // Frames that can be inserted one after the other without driving each other out.
  uint64_t room() const noexcept;
  // Waits until what was inserted is written, but for a quarter of what memory holds: for whoever
  // could fetch faster than the disk writes, and wants all of it to stay.
  Task catch_up();

  Status status() const;

 private:
  // The whole pages around a piece of a frame.
  struct Pages {
    size_t first;
    size_t last;      // one behind
    uint64_t offset;  // in the frame, bytes
    size_t length;    // bytes; the last page of a frame may be short
  };
  struct File {
    File(std::unique_ptr<LocalFile> opened, CacheLayout where)
        : file(std::move(opened)), layout(where), index(where.slots), replacement(where.slots) {}
    std::unique_ptr<LocalFile> file;
    CacheLayout layout;
    uint64_t life = 0;
    bool is_ready = false;
    CacheIndex index;
    Replacement replacement;
    std::unordered_map<uint32_t, uint32_t> readers;  // of slots, where a read waits for the disk
  };
  struct Writing {
    uint32_t slot;
    CachedFrame frame;
    Buffer raw;
  };

  Task run(Open open);
  Async<void> load();
  Async<void> load_entries();
  void take_over(uint32_t first_slot, const Buffer& entries);
  Async<void> write_behind();
  Task gather();                      // until there is a batch to write, or for a moment
  uint64_t backlog() const noexcept;  // frames that may wait without anybody waiting for them
  std::vector<Writing> next_batch();
  Async<void> write_frames(const std::vector<Writing>& batch);
  Async<void> write_entries(const std::vector<Writing>& batch);
  uint64_t waiting() const noexcept;  // frames
  void give_up(const Error& error);

  std::optional<Pages> pages_of(uint32_t slot, uint64_t skip, uint64_t sectors) const noexcept;
  bool matches(const PageChecksums& checksums, const Pages& pages, const Buffer& data) const;
  void drop(uint32_t slot);

  const std::string volume_name_;
  const Uuid volume_;
  Gate gate_;
  AsyncEvent changed_;
  FrameMemory memory_;
  uint64_t next_to_write_ = 0;  // number in memory_
  uint64_t writing_ = 0;        // frames of the batch under way
  std::unique_ptr<File> file_;  // stays while it is being closed
  bool in_use_ = false;         // the file is open and well
  bool stopping_ = false;
  std::string trouble_;
};

}  // namespace swiftness
