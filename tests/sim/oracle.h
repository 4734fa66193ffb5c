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
//   promised     among them is what was promised: whatever was answered before a flush was issued
//                that was answered with success, each forced (FUA) command answered so, and after
//                a clean stop all; with a journal each command that was answered with success
//   not torn     a command is there with all its sectors, as far as no later one covers them
//   no ghosts    nothing that was cancelled, overwritten, or never written; nothing that an image
//                in between has shown to be lost
// A flush that is answered after the next life has begun is judged again against that life's image:
// so a gateway that lost the volume cannot acknowledge what the winner lacks.
//
// What a promise is worth says its grade. A journal's promises die with its disk, and when the
// volume is attached by force without it; then the image may be an earlier one, of this life or,
// where its base was in that journal only, of a life before. But it is a prefix still, with
// everything that was in the store.
#pragma once

#include <array>
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

// What a promise survives.
enum class Grade {
  process,  // a crash of the process
  machine,  // and a power cut
  store,    // and the loss of the machine with its journal
};

// A journal's disk, of the whole history; 0: none.
using DiskId = uint64_t;

// An attempt to attach by force, in the order of their beginnings; 0: none.
using ForceId = uint64_t;

class Life {
 public:
  struct Origin {
    std::string gateway;
    uint64_t epoch = 0;
    Moment attaching = 0;  // since then
    DiskId journal = 0;
    ForceId force = 0;  // what brought it online
  };

  Life(Origin origin, Disk base, Moment begun)
      : origin_(std::move(origin)),
        begun_(begun),
        base_(std::move(base)),
        covering_(base_.size()),
        base_stored_(origin_.journal == 0) {}

  using CommandId = uint32_t;
  CommandId issue(std::vector<Piece> pieces, Tag tag, Moment at);  // tag 0: a trim
  void succeeded(CommandId command, Moment at) { commands_[command].answered = at; }
  void cancelled(CommandId command) { commands_[command].cancelled = true; }
  // Failed: it may have taken effect or may yet. Nothing to record.

  // From now on whatever was answered before `moment` must survive.
  void promise_all_before(Moment moment, Grade grade);
  void promise(CommandId command, Grade grade);

  // May a read of these sectors, issued and answered so, have seen this?
  Verdict judge_read(Piece piece, const Disk& seen, Moment issued, Moment answered) const;
  // May a later life begin with this image, when promises below this grade are worth nothing?
  Verdict judge_successor(const Disk& image, Grade kept) const;
  // One did. What it shows to be lost must never show again, nor what is issued from now on.
  void succeeded_by(const Disk& image);
  void is_over() noexcept { over_ = true; }

  // The journal's disk had a power cut, or was replaced by an old copy of itself.
  void has_kept(Grade grade) noexcept { kept_ = std::max(kept_, grade); }
  Grade kept() const noexcept { return kept_; }

  const Origin& origin() const noexcept { return origin_; }
  Moment begun() const noexcept { return begun_; }
  uint64_t epoch() const noexcept { return origin_.epoch; }
  const Disk& base() const noexcept { return base_; }
  // Is all of the base in the store? What a journal brought into it perhaps is not yet.
  bool base_stored() const noexcept { return base_stored_; }
  size_t commands() const noexcept { return commands_.size(); }

 private:
  struct Command {
    Tag tag;
    std::vector<Piece> pieces;
    Moment issued;
    Moment answered = kNever;
    bool cancelled = false;
    bool lost = false;
    std::optional<Grade> promised{};
  };
  class Explanation;  // of one image

  bool surely_before(CommandId a, CommandId b) const {
    return commands_[a].answered < commands_[b].issued;
  }
  std::optional<CommandId> writer_of(Tag tag) const;
  bool covers(CommandId command, uint64_t sector) const;
  std::string describe(CommandId command) const;

  const Origin origin_;
  const Moment begun_;
  const Disk base_;
  std::vector<Command> commands_;                 // as they were issued
  std::vector<std::vector<CommandId>> covering_;  // of each sector
  std::array<Moment, 3> promised_{};              // all before, by grade
  Grade kept_ = Grade::process;
  bool base_stored_;
  bool over_ = false;  // a later life has begun
};

class Oracle {
 public:
  explicit Oracle(size_t sectors) {
    begin(Life::Origin{.gateway = "(creation)"}, Disk(sectors, 0), life_zero_);
  }

  Moment next_moment() noexcept { return ++moment_; }
  Tag next_tag() noexcept { return ++tag_; }

  // A gateway came online and read this image. `life` is filled in any case.
  Verdict begin(Life::Origin origin, Disk image, std::shared_ptr<Life>& life);

  // A flush was answered with success; `issued` is when it was asked for.
  Verdict flushed(Life& life, Moment issued, Grade grade);
  // A command was answered with success.
  Verdict promised(Life& life, Life::CommandId command, Grade grade);
  Verdict stopped(Life& life);  // cleanly: everything answered so far is safe
  // Everything answered so far is in the store, and nobody has claimed the volume yet.
  Verdict stored(Life& life);

  // A gateway tries to attach by force, with this journal or with none.
  ForceId force_begins(DiskId journal);
  void force_ends(ForceId force) { forces_[force - 1].ended = next_moment(); }

  void power_cut(DiskId journal) { has_kept(journal, Grade::machine); }
  void went_back(DiskId journal) { has_kept(journal, Grade::store); }

 private:
  struct Force {
    DiskId journal;
    Moment begun;
    Moment ended = kNever;
  };
  using Lives = std::map<uint64_t, std::shared_ptr<Life>>;  // by epoch

  Verdict judge_promise(const Life& life) const;
  Verdict judge_image(Lives::const_iterator at, Lives::const_iterator& by) const;
  Grade kept(const Life& life, const Life& next) const;
  void has_kept(DiskId journal, Grade grade);

  Lives lives_;
  std::vector<Force> forces_;
  std::shared_ptr<Life> life_zero_;
  Moment moment_ = 0;
  Tag tag_ = 0;
};

}  // namespace swiftness::sim
