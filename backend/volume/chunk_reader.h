// ChunkReader: data out of chunks that are in the store, through the read cache. Only frames that
// are not cached are fetched: neighbouring ones with one ranged GET, different places in parallel,
// and nothing twice at the same time. Every frame is verified before a byte of it is used (I4).
#pragma once

#include <map>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "backend/base/gate.h"
#include "backend/volume/era_history.h"
#include "backend/volume/read_ahead.h"
#include "backend/volume/read_cache.h"
#include "backend/volume/record_io.h"

namespace swiftness {

class ChunkReader {
 public:
  struct Piece {
    Location at;       // in a chunk that is in the store
    uint64_t sectors;  // within one frame
    Buffer data;       // filled by try_read() and read()
  };

  struct Counts {
    uint64_t hits = 0;    // pieces that came out of the cache
    uint64_t misses = 0;  // pieces that had to wait for the store
    ByteCount from_cache;
    ByteCount from_store;     // of all GETs, those nobody waited for included
    uint64_t gets = 0;        // all
    uint64_t prefetches = 0;  // GETs that nobody waited for
  };

  // What runs behind the reads is inside the gate, whose owner closes it.
  ChunkReader(const VolumeObjects& objects, const EraHistory& eras, Gate& gate, ReadCache& cache);

  // Fills what is at hand without suspending. True: that was everything.
  bool try_read(std::vector<Piece>& pieces);

  // Fills what try_read() left, or says what could not be read. corrupt: it is not there, or not
  // what it should be; never a matter of trying again. `in_stream`: somebody looks ahead of this
  // read already.
  Async<void> read(std::vector<Piece>& pieces, bool in_stream);

  // Begins to bring these frames into the cache. Does less when much is under way.
  void prefetch(const std::vector<Location>& frames);

  // Those of the frames that are neither cached nor being fetched; each once, in log order.
  std::vector<Location> not_cached(std::vector<Location> frames) const;
  // Fetches frames of not_cached() and waits. The first error, when there is one.
  Async<void> bring(std::vector<Location> frames);
  bool is_cached(const Location& at) const { return cache_.contains(key_of(at)); }

  const Counts& counts() const noexcept { return counts_; }

 private:
  // One GET, and what came of it. Shared by all who wait for it.
  struct Fetch {
    Fetch(const Executor& executor, Sequence sequence, uint32_t begin, uint32_t end)
        : chunk(sequence), begin_unit(begin), end_unit(end), landed(executor) {}

    Sequence chunk;
    uint32_t begin_unit;
    uint32_t end_unit;
    // Where frames are, and how long, ascending; empty: they tell themselves, one by one.
    std::vector<std::pair<uint16_t, uint16_t>> frames;
    bool done = false;
    Result<void> outcome;
    std::map<uint16_t, Result<Buffer>> opened;  // by offset
    uint32_t walked_to = 0;                     // end of the last of them
    AsyncEvent landed;
  };
  using FetchPtr = std::shared_ptr<Fetch>;
  // What a read has to wait for.
  struct Plan {
    std::vector<size_t> on_disk;     // pieces that are in the cache's file
    std::vector<FetchPtr> own;       // GETs to make, in log order
    std::vector<FetchPtr> others;    // GETs that somebody else makes
    std::vector<FetchPtr> fetch_of;  // of each piece; null: none
    std::vector<bool> is_own;        // of each piece: its GET is one of `own`
  };
  enum class Sharing { yes, no };

  FrameKey key_of(const Location& at) const;
  FetchPtr find_fetch(const Location& at) const;
  std::vector<FetchPtr> make_fetches(std::vector<Location> frames);
  Plan make_plan(const std::vector<Piece>& pieces, Sharing sharing);
  void add_own_fetches(const std::vector<Piece>& pieces, const std::vector<size_t>& missing,
                       Plan& plan);
  Task carry_out(Plan& plan, std::vector<Piece>& pieces);
  Task read_from_disk(Piece& piece);
  Result<bool> fill(Piece& piece, const Fetch& fetch) const;

  Task run(FetchPtr fetch);
  Async<Buffer> get(Sequence chunk, ByteRange range);
  void open_frames(Fetch& fetch, const Buffer& bytes);
  Task run_prefetch(FetchPtr fetch);
  Task run_some(std::vector<FetchPtr>& fetches, size_t& next);

  void look_along_log(const std::vector<Piece>& pieces);
  void go_along_log(const ReadAhead::Seen& seen);
  Task prefetch_log(Sequence chunk, uint32_t begin_unit, uint32_t end_unit);

  const VolumeObjects& objects_;
  const EraHistory& eras_;
  Gate& gate_;
  ReadCache& cache_;
  Counts counts_;
  size_t prefetches_under_way_ = 0;
  std::multimap<std::pair<Sequence, uint32_t>, FetchPtr> under_way_;  // by chunk and begin

  // Reading ahead in the log, by sequence of the chunk.
  struct LogWalk {
    uint64_t object_units = 0;  // the chunk's length; 0: not known yet
    uint32_t end_unit = 0;      // of the last frame that was fetched so
    FetchPtr newest;
  };
  ReadAhead log_order_;  // of frames that had to be fetched
  std::unordered_map<uint64_t, LogWalk> log_walks_;
};

}  // namespace swiftness
