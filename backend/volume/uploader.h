// Uploader: brings sealed chunks into the store, up to W beyond the durable frontier at once, and
// never gives one up. It serves their data to reads until they are there.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "backend/base/gate.h"
#include "backend/volume/chunk_builder.h"
#include "backend/volume/record_io.h"

namespace swiftness {

class Uploader {
 public:
  struct Options {
    uint32_t window;       // W, 1 to kMostUploadsInFlight
    Duration first_pause;  // between tries, on top of the store's own; doubles up to 5 s
    uint64_t most_bytes;   // no chunk joins those on their way when they are so big together
    Executor workers;      // where frames are made
  };

  // `on_progress` is called after every chunk that arrived, and when the trouble changes. `restore`
  // makes a parked chunk whole again. The gate's owner closes it; stop() first lets it empty soon.
  Uploader(const VolumeObjects& objects, Gate& gate, Options options,
           std::function<void(uint64_t released_bytes)> on_progress,
           std::function<Async<SealedChunk>(const SealedChunk& parked)> restore);

  // The log so far, all of it durable.
  void begin(Sequence last, LogPosition position) {
    frontier_ = newest_ = last;
    durable_position_ = position;
  }

  void add(SealedChunk chunk);  // in the order of their sequences

  // Every chunk up to it was answered 201.
  Sequence frontier() const noexcept { return frontier_; }
  Sequence newest() const noexcept { return newest_; }  // last one added
  // The last log position in the chunks up to the frontier.
  LogPosition durable_position() const noexcept { return durable_position_; }
  // Would a chunk added now be sent at once?
  bool has_room() const noexcept { return newest_.value() < frontier_.value() + options_.window; }

  // A chunk that is not in the store yet, with its data in memory or parked; or nullptr.
  std::shared_ptr<const SealedChunk> find(Sequence sequence) const;
  std::shared_ptr<const SealedChunk> oldest() const {
    return chunks_.empty() ? nullptr : chunks_.begin()->second;
  }
  size_t pending() const noexcept { return chunks_.size(); }

  // A chunk that waits for its turn, has a recipe, and is not parked; or nullptr. The newest, but
  // one with a checksum first: it would have to be made later, from what is read back.
  std::shared_ptr<const SealedChunk> parkable() const;
  // Lets its data go, when it still waits for its turn.
  Task park(Sequence sequence);
  // What parked chunks do not take of the write buffer, though they count as not in the store.
  uint64_t parked_bytes() const noexcept { return parked_bytes_; }

  const std::string& trouble() const noexcept { return trouble_; }  // empty: all is well
  // Since when the store says that it is full; nothing: it does not.
  std::optional<TimePoint> full_since() const noexcept { return full_since_; }

  void stop();  // no more tries; chunks not yet there are left as a crash would leave them

 private:
  Task upload(Sequence sequence);
  Async<void> put(Sequence sequence);
  Task frame(std::shared_ptr<SealedChunk> chunk);
  Task prepare(Sequence sequence);
  Task prepare_ahead();
  Task prepare_some(std::vector<Sequence> sequences);
  std::vector<Sequence> next_unprepared(Sequence first) const;
  void start_uploads();
  void arrived(Sequence sequence);

  const VolumeObjects& objects_;
  Gate& gate_;
  const Options options_;
  std::function<void(uint64_t)> on_progress_;
  std::function<Async<SealedChunk>(const SealedChunk&)> restore_;
  AsyncEvent stopping_event_;
  AsyncEvent prepared_;
  bool preparing_ = false;
  bool preparing_ahead_ = false;
  bool stopping_ = false;

  std::map<Sequence, std::shared_ptr<SealedChunk>> chunks_;  // not yet answered 201
  std::set<Sequence> unprepared_;  // of them, those without checksum, but for parked ones
  Sequence frontier_;
  LogPosition durable_position_;
  std::map<Sequence, LogPosition> positions_;  // the last one in each chunk above the frontier
  Sequence newest_;
  Sequence started_;            // uploads were started up to this one
  uint64_t started_bytes_ = 0;  // of them, not yet there
  uint64_t parked_bytes_ = 0;
  std::string trouble_;
  std::optional<TimePoint> full_since_;
};

}  // namespace swiftness
