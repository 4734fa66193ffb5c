// Uploader: brings sealed chunks into the store, up to W beyond the durable frontier at once, and
// never gives one up. It serves their data to reads until they are there.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "backend/base/gate.h"
#include "backend/volume/chunk_builder.h"
#include "backend/volume/record_io.h"

namespace swiftness {

class Uploader {
 public:
  struct Options {
    uint32_t window;       // W, 1 to kMostUploadsInFlight
    Duration first_pause;  // between tries, on top of the store's own; doubles up to 5 s
  };

  // `on_progress` is called after every chunk that arrived, and when the trouble changes.
  // The gate's owner closes it; stop() first lets it empty soon.
  Uploader(const VolumeObjects& objects, Gate& gate, Options options,
           std::function<void(uint64_t released_bytes)> on_progress);

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

  // A chunk whose data are still in memory; nullptr when it is in the store.
  std::shared_ptr<const SealedChunk> find(Sequence sequence) const;
  std::shared_ptr<const SealedChunk> oldest() const {
    return chunks_.empty() ? nullptr : chunks_.begin()->second;
  }
  size_t in_memory() const noexcept { return chunks_.size(); }

  const std::string& trouble() const noexcept { return trouble_; }  // empty: all is well

  void stop();  // no more tries; chunks not yet there are left as a crash would leave them

 private:
  Task upload(std::shared_ptr<const SealedChunk> chunk);
  Async<void> put(const SealedChunk& chunk);
  void start_uploads();
  void arrived(Sequence sequence);

  const VolumeObjects& objects_;
  Gate& gate_;
  const Options options_;
  std::function<void(uint64_t)> on_progress_;
  AsyncEvent stopping_event_;
  bool stopping_ = false;

  std::map<Sequence, std::shared_ptr<const SealedChunk>> chunks_;  // not yet answered 201
  Sequence frontier_;
  LogPosition durable_position_;
  std::map<Sequence, LogPosition> positions_;  // the last one in each chunk above the frontier
  Sequence newest_;
  Sequence started_;  // uploads were started up to this one
  std::string trouble_;
};

}  // namespace swiftness
