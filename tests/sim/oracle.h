// Oracle: a plain model of one disk that knows what its users may rely on, and judges every image
// and every read of it. Pure: it sees commands, answers and images, nothing of the engine.
//
// Each time a gateway comes online a Life begins, in an epoch. Commands are issued and answered at
// moments; a command takes effect at some point in between, all of it at once. So a command that
// was answered before another was issued comes first; two that overlap in time come in either
// order.
//
// What is asked of the image a later life begins with, given the life before it (by epoch):
//   prefix       it is the base of that life with some commands applied, in an order the moments
//                allow; with a command, all that surely came before it
//   promised     among them is whatever was answered before a flush was issued that was answered
//                with success, each forced (FUA) command answered so, and after a clean stop all
//   not torn     a command is there with all its sectors, as far as no later one covers them
//   no ghosts    nothing that was cancelled, overwritten, or never written
// A flush that is answered after the next life has begun is judged again against that life's image:
// so a gateway that lost the volume cannot acknowledge what the winner lacks.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/base/result.h"

namespace swiftness::sim {

// What a sector holds: the tag of the write it came from, 0 for zeros. Tags are never used twice.
using Tag = uint64_t;
using Disk = std::vector<Tag>;

// Order of what clients did and saw, in the whole history.
using Moment = uint64_t;
inline constexpr Moment kNever = UINT64_MAX;

struct Piece {
  uint64_t first;  // sector of the model
  uint64_t count;
};

using Verdict = std::optional<std::string>;  // what is wrong; nothing: all is well

class Life {
 public:
  Life(std::string gateway, uint64_t epoch, Disk base)
      : gateway_(std::move(gateway)),
        epoch_(epoch),
        base_(std::move(base)),
        covering_(base_.size()) {}

  using CommandId = uint32_t;
  CommandId issue(std::vector<Piece> pieces, Tag tag, Moment at);  // tag 0: a trim
  void succeeded(CommandId command, Moment at) { commands_[command].answered = at; }
  void cancelled(CommandId command) { commands_[command].cancelled = true; }
  // Failed: it may have taken effect or may yet. Nothing to record.

  // From now on whatever was answered before `moment` must survive.
  void promise_all_before(Moment moment) { promised_ = std::max(promised_, moment); }
  void promise(CommandId command) { commands_[command].forced = true; }

  // May a read of these sectors, issued and answered so, have seen this?
  Verdict judge_read(Piece piece, const Disk& seen, Moment issued, Moment answered) const;
  // May a later life begin with this image?
  Verdict judge_successor(const Disk& image) const;

  const std::string& gateway() const noexcept { return gateway_; }
  uint64_t epoch() const noexcept { return epoch_; }
  const Disk& base() const noexcept { return base_; }
  size_t commands() const noexcept { return commands_.size(); }

 private:
  struct Command {
    Tag tag;
    std::vector<Piece> pieces;
    Moment issued;
    Moment answered = kNever;
    bool cancelled = false;
    bool forced = false;
  };
  class Explanation;  // of one image

  bool surely_before(CommandId a, CommandId b) const {
    return commands_[a].answered < commands_[b].issued;
  }
  std::optional<CommandId> writer_of(Tag tag) const;
  bool covers(CommandId command, uint64_t sector) const;
  std::string describe(CommandId command) const;

  std::string gateway_;
  uint64_t epoch_;
  Disk base_;
  std::vector<Command> commands_;                 // as they were issued
  std::vector<std::vector<CommandId>> covering_;  // of each sector
  Moment promised_ = 0;
};

class Oracle {
 public:
  explicit Oracle(size_t sectors) { begin("(creation)", 0, Disk(sectors, 0), life_zero_); }

  Moment next_moment() noexcept { return ++moment_; }
  Tag next_tag() noexcept { return ++tag_; }

  // A gateway came online in `epoch` and read this image. `life` is filled in any case.
  Verdict begin(std::string gateway, uint64_t epoch, Disk image, std::shared_ptr<Life>& life);

  // Flushes that were answered with success; `issued` is when they were asked for.
  Verdict flushed(Life& life, Moment issued);
  Verdict forced(Life& life, Life::CommandId command);
  Verdict stopped(Life& life);  // cleanly: everything answered so far is safe

 private:
  Verdict judge_promise(const Life& life) const;

  std::map<uint64_t, std::shared_ptr<Life>> lives_;  // by epoch
  std::shared_ptr<Life> life_zero_;
  Moment moment_ = 0;
  Tag tag_ = 0;
};

}  // namespace swiftness::sim
