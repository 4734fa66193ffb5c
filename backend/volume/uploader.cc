#include "backend/volume/uploader.h"

#include <algorithm>

#include "backend/base/log.h"
#include "backend/volume/parked_chunk.h"

namespace swiftness {
namespace {

constexpr Duration kLongestPause = std::chrono::seconds(5);
constexpr size_t kPreparedAtOnce = 16;  // chunks

// What of the write buffer a chunk does not need while it is parked.
uint64_t parked_saving(const SealedChunk& chunk) {
  return chunk.memory - std::min(chunk.memory, chunk.recipe->memory());
}

}  // namespace

Uploader::Uploader(const VolumeObjects& objects, Gate& gate, Options options,
                   std::function<void(uint64_t)> on_progress,
                   std::function<Async<SealedChunk>(const SealedChunk&)> restore)
    : objects_(objects),
      gate_(gate),
      options_(options),
      on_progress_(std::move(on_progress)),
      restore_(std::move(restore)),
      stopping_event_(gate.executor()),
      prepared_(gate.executor()) {
  CHECK(options.window >= 1 && options.window <= kMostUploadsInFlight);
}

void Uploader::add(SealedChunk chunk) {
  CHECK(chunk.header.sequence == newest_.next());
  newest_ = chunk.header.sequence;
  positions_[newest_] =
      LogPosition(chunk.header.first_position.value() + chunk.header.position_count - 1);
  chunks_.emplace(newest_, std::make_shared<SealedChunk>(std::move(chunk)));
  unprepared_.insert(newest_);
  start_uploads();
  gate_.spawn("prepare", prepare_ahead());
}

std::shared_ptr<const SealedChunk> Uploader::find(Sequence sequence) const {
  auto it = chunks_.find(sequence);
  return it == chunks_.end() ? nullptr : it->second;
}

void Uploader::start_uploads() {
  started_ = std::max(started_, frontier_);
  while (started_ < newest_ && started_.value() < frontier_.value() + options_.window) {
    if (started_ > frontier_ && started_bytes_ >= options_.most_bytes) return;
    started_ = started_.next();
    started_bytes_ += chunks_.at(started_)->memory;
    gate_.spawn("upload", upload(started_));
  }
}

std::shared_ptr<const SealedChunk> Uploader::parkable() const {
  std::shared_ptr<const SealedChunk> unprepared;
  for (auto it = chunks_.rbegin(); it != chunks_.rend() && it->first > started_; ++it) {
    const std::shared_ptr<SealedChunk>& chunk = it->second;
    if (!chunk->recipe || chunk->is_parked) continue;
    if (chunk->checksum) return chunk;
    if (!unprepared) unprepared = chunk;
  }
  return unprepared;
}

Task Uploader::park(Sequence sequence) {
  if (sequence <= started_) co_return;
  std::shared_ptr<SealedChunk>& chunk = chunks_.at(sequence);  // until its upload was started
  if (chunk->is_parked) co_return;
  co_await frame(chunk);
  if (sequence <= started_) co_return;
  chunk = std::make_shared<SealedChunk>(parked(*chunk));
  unprepared_.erase(sequence);
  parked_bytes_ += parked_saving(*chunk);
}

void Uploader::stop() {
  stopping_ = true;
  stopping_event_.notify_all();
}

Task Uploader::upload(Sequence sequence) {
  Duration pause = options_.first_pause;
  while (!stopping_) {
    Result<void> done = co_await put(sequence);
    if (stopping_) co_return;
    if (done) {
      arrived(sequence);
      co_return;
    }
    if (trouble_.empty()) {
      log::warning("volume {}: cannot upload, will keep trying: {}", objects_.descriptor.name,
                   done.error().message());
    }
    trouble_ = done.error().message();
    if (done.error().code() != ErrorCode::out_of_space) {
      full_since_.reset();
    } else if (!full_since_) {
      full_since_ = now();
    }
    on_progress_(0);
    co_await stopping_event_.wait_for(pause);
    pause = std::min(pause * 2, kLongestPause);
  }
}

Async<void> Uploader::put(Sequence sequence) {
  std::shared_ptr<SealedChunk>& chunk = chunks_.at(sequence);
  if (chunk->is_parked) {
    Result<SealedChunk> whole = co_await restore_(*chunk);
    if (!whole) co_return whole.error();
    parked_bytes_ -= parked_saving(*chunk);
    chunk = std::make_shared<SealedChunk>(std::move(*whole));
    if (!chunk->checksum) unprepared_.insert(sequence);
  }
  co_await prepare(sequence);
  const ObjectName name = objects_.names.chunk(chunk->header.era, sequence);
  // The first chunks of a container find none, or one that somebody could not finish: with its
  // anchor missing no attach could tell where the log ends, so no chunk goes in before it. A
  // container that held chunks of ours and is gone is trouble, not to be papered over with an empty
  // one.
  const bool first = frontier_.value() == 0 || objects_.names.data(frontier_) != name.container;
  if (first) {
    Result<void> made = co_await objects_.store.create_container(name.container);
    if (!made) co_return made;
  }
  PutOptions options;
  options.checksum = *chunk->checksum;
  Result<void> done = co_await objects_.store.put(name, chunk->frames->object, std::move(options));
  if (!first && !done && done.error().code() == ErrorCode::not_found) {
    co_return done.error().within("container " + name.container + " has vanished");
  }
  co_return done;
}

Task Uploader::frame(std::shared_ptr<SealedChunk> chunk) {
  if (chunk->frames) co_return;
  auto work = [chunk] { return Result<Frames>(make_frames(*chunk)); };
  Result<Frames> made = co_await offload<Frames>(options_.workers, std::move(work));
  if (!chunk->frames) chunk->frames = std::move(*made);
}

Task Uploader::prepare(Sequence sequence) {
  const std::shared_ptr<SealedChunk>& chunk = chunks_.at(sequence);
  while (!chunk->frames || !chunk->checksum) {
    if (preparing_) {
      co_await prepared_.wait();
    } else {
      co_await prepare_some(next_unprepared(sequence));
    }
  }
}

// While others are on their way, so that the next begin without delay; not before there are many.
Task Uploader::prepare_ahead() {
  if (preparing_ahead_) co_return;
  preparing_ahead_ = true;
  while (!stopping_ && unprepared_.size() >= kPreparedAtOnce) {
    if (preparing_) {
      co_await prepared_.wait();
    } else {
      co_await prepare_some(next_unprepared(*unprepared_.begin()));
    }
  }
  preparing_ahead_ = false;
}

std::vector<Sequence> Uploader::next_unprepared(Sequence first) const {
  std::vector<Sequence> out{first};
  for (Sequence other : unprepared_) {
    if (out.size() == kPreparedAtOnce) break;
    if (other != first) out.push_back(other);
  }
  return out;
}

// Several checksums at once take less time.
Task Uploader::prepare_some(std::vector<Sequence> sequences) {
  preparing_ = true;
  std::vector<std::shared_ptr<SealedChunk>> chunks;
  for (Sequence sequence : sequences) chunks.push_back(chunks_.at(sequence));
  FanOut framing(gate_.executor());
  for (const std::shared_ptr<SealedChunk>& chunk : chunks) framing.add(frame(chunk));
  co_await framing.join();
  std::vector<BufferList> objects;
  for (const std::shared_ptr<SealedChunk>& chunk : chunks) objects.push_back(chunk->frames->object);
  Result<std::vector<std::string>> checksums = co_await objects_.store.checksums(objects);
  for (size_t i = 0; i < chunks.size(); ++i) {
    chunks[i]->checksum = checksums ? std::move((*checksums)[i]) : std::string();
    unprepared_.erase(sequences[i]);
  }
  preparing_ = false;
  prepared_.notify_all();
}

void Uploader::arrived(Sequence sequence) {
  auto it = chunks_.find(sequence);
  const uint64_t released = it->second->memory;
  started_bytes_ -= released;
  // To let thousands of buffers go takes a millisecond, too.
  asio::post(options_.workers, [chunk = std::move(it->second)] {});
  chunks_.erase(it);
  frontier_ = chunks_.empty() ? newest_ : Sequence(chunks_.begin()->first.value() - 1);
  while (!positions_.empty() && positions_.begin()->first <= frontier_) {
    durable_position_ = std::max(durable_position_, positions_.begin()->second);
    positions_.erase(positions_.begin());
  }
  if (!trouble_.empty()) log::info("volume {}: uploads go on", objects_.descriptor.name);
  trouble_.clear();
  full_since_.reset();
  start_uploads();
  on_progress_(released);
}

}  // namespace swiftness
