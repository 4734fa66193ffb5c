// GarbageCollector: keeps the space in use in proportion to what is live (I10). Online, beside
// foreground I/O: moves what is still live out of chunks that are mostly dead into chunks of moved
// data, and deletes chunks of which nothing is live any more.
//
// A chunk is deleted only when
//   1. nothing of it was live in a root that was answered 201, as the ledger has it,
//   2. the volume was still ours after that answer (I9),
//   3. it is behind the oldest root that stays, so that no attach needs its header,
//   4. a while has passed, for reads under way, and
//   5. its header and the map prove that it is dead.
// Moved data count only where the map still equals their source when their chunk is sealed: a newer
// write always wins.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "backend/base/gate.h"
#include "backend/volume/chunk_builder.h"
#include "backend/volume/chunk_reader.h"
#include "backend/volume/map_reader.h"

namespace swiftness {

struct CollectorOptions {
  double utilization = 0.72;  // live to stored, below which data are moved: 0.5 to 0.84
  uint64_t slack_chunks = 4;  // full chunks that may be lost to garbage in any case
  // Garbage that a burst of writes may leave on top, less by and by: none after burst_time without
  // cleaning having caught up.
  ByteCount burst{uint64_t{512} << 20};
  Duration burst_time = std::chrono::seconds(60);
  Duration deletion_delay = std::chrono::seconds(60);
  ByteCount most_awaiting{uint64_t{1} << 30};  // beyond it, chunks are deleted without delay
  size_t chunk_bytes = kChunkBytes;
  size_t looks_at_once = 256;  // at the map, in one turn of the event loop: a fraction of a ms
};

// Which chunks to clean next, the best first: the benefit (space won, for as long as it stays won)
// to the cost (reading it, writing what is live), as LFS has it, but with the cube root of the
// age: as good for skewed writes, and near to greedy, which is the best, for uniform ones. Chunks
// that are almost all live are left alone: moved data are never smaller. Pure.
struct Victim {
  Sequence chunk;
  double score;
};
std::vector<Victim> choose_victims(const ChunkLedger& ledger, Sequence durable,
                                   const std::set<Sequence>& excluded, size_t most);

class GarbageCollector {
 public:
  struct Counters {
    uint64_t moved_bytes = 0;
    uint64_t read_bytes = 0;
    uint64_t deleted_chunks = 0;
    uint64_t deleted_bytes = 0;
    uint64_t awaiting_bytes = 0;  // of chunks that will be deleted
  };

  // `seal` makes a chunk of the parts, which were still where they came from a moment ago, and
  // gives its sequence, or nothing if none was left; it may be called from any step of the
  // collector. `has_room`: uploads keep up, so that moved data may join them. `workers`: where data
  // that were read are checked.
  GarbageCollector(Gate& gate, const VolumeObjects& objects, const EraHistory& eras, ExtentMap& map,
                   ChunkLedger& ledger, LeafLoader& loader, ChunkReader& reader,
                   CollectorOptions options, Executor workers,
                   std::function<std::optional<Sequence>(std::vector<ChunkPart>)> seal,
                   std::function<bool()> has_room);

  void start();
  void stop();  // what is under way ends soon; the gate's owner closes it

  // A root was written, and the volume was ours afterwards. `dead`: chunks it counts nothing live
  // of.
  void root_written(const std::vector<Sequence>& dead, Sequence oldest_covered,
                    std::vector<ObjectName> map_garbage);

  // A copy: the map refers to this chunk from these sectors, too.
  void share(Sequence chunk, Sector first, SectorCount sectors);

  void durable(Sequence frontier);  // chunks up to it are in the store
  void look();                      // something changed: is there anything to do?

  // More space is in use than should be, and cleaning does not keep up with the writers: 0 while it
  // does; at 1 there is no more to be had than what cleaning gives back (I10).
  double behind() const;
  // There are chunks without anything live which only a checkpoint will show to be so.
  bool has_barren() const noexcept { return !barren_.empty(); }
  // Dead chunks stay until further roots are written.
  bool waits_for_root() const;
  const Counters& counters() const noexcept { return counters_; }

 private:
  struct Condemned {
    TimePoint since;
    uint64_t bytes;
  };

  // What is live of a chunk.
  struct ReadOut {
    Sequence chunk;
    std::vector<ChunkPart> parts;
    Result<void> outcome;
  };

  Task run();
  // In sectors: what chunks take that are not all dead, and what they may take.
  double used() const;
  double allowed(double utilization, double slacks) const;
  double cleaned_space() const { return allowed(options_.utilization, 1); }  // above it, clean
  // Above it writers give way, the more the nearer they are to the next: 1.5 times what is live
  // (I10).
  double much_space() const { return allowed(options_.utilization - 0.03, 2); }
  double most_space() const { return allowed(options_.utilization - 0.05, 3); }
  double burst() const;  // what both are raised by
  void note_burst();
  bool wants_cleaning() const;
  bool may_move() const;
  double urgency() const;  // of cleaning: from 0, when it begins, to 1, when behind() does
  asio::awaitable<bool> clean_some();
  Task read_out(ReadOut& out);
  Task move_out(Sequence chunk, std::vector<ChunkPart> parts);
  Async<std::vector<ChunkPart>> live_parts(const ChunkHeader& header);
  Async<void> find_shares();
  Async<void> fill(const ChunkHeader& header, std::vector<ChunkPart>& parts);
  Task seal_moving();
  asio::awaitable<std::vector<ChunkPart>> still_there(std::vector<ChunkPart> parts);
  asio::awaitable<bool> delete_some();
  Async<bool> prove_dead(Sequence chunk);
  std::optional<Duration> next_deletion() const;
  Duration until_moving_is_due() const;
  bool sealing_wins() const;

  Gate& gate_;
  const VolumeObjects& objects_;
  const EraHistory& eras_;
  ExtentMap& map_;
  ChunkLedger& ledger_;
  LeafLoader& loader_;
  ChunkReader& reader_;
  const CollectorOptions options_;
  const Executor workers_;
  std::function<std::optional<Sequence>(std::vector<ChunkPart>)> seal_;
  std::function<bool()> has_room_;
  AsyncEvent wake_;
  bool stopping_ = false;

  Sequence frontier_;
  std::optional<TimePoint> burst_since_;  // when writers would have given way
  std::vector<ChunkPart> moving_;         // data on their way to a new chunk
  TimePoint moving_since_{};              // when the first of them came
  uint64_t moving_sectors_ = 0;
  uint64_t moving_stored_ = 0;       // 512-byte units of the chunks in emptied_
  std::set<Sequence> on_their_way_;  // chunks of moved data, not yet in the store
  std::set<Sequence> barren_;        // nothing to move, though the ledger counts something live
  std::set<Sequence> hopeless_;      // cannot be read
  TimePoint failed_until_{};         // no deletion before: the store has trouble
  std::set<Sequence> emptied_;       // their live data are in moving_
  std::set<Sequence> proven_;        // all that was live of them was moved or overwritten
  std::map<Sequence, Condemned> condemned_;
  Sequence oldest_covered_;
  std::vector<ObjectName> map_garbage_;
  Counters counters_;

  // Of chunks that are shared: where else than their headers say the map may refer to them. The
  // first cleaning of one after an attach looks through the whole map for them.
  struct Stretch {
    uint64_t first;
    uint64_t sectors;
  };
  static void merge(std::vector<Stretch>& stretches);
  std::map<Sequence, std::vector<Stretch>> shares_;
  bool shares_known_ = true;
};

}  // namespace swiftness
