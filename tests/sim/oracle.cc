#include "tests/sim/oracle.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

namespace swiftness::sim {

Life::CommandId Life::issue(std::vector<Piece> pieces, Tag tag, Moment at) {
  const auto id = static_cast<CommandId>(commands_.size());
  for (const Piece& piece : pieces) {
    for (uint64_t i = 0; i < piece.count; ++i) {
      std::vector<CommandId>& commands = covering_[piece.first + i];
      if (commands.empty() || commands.back() != id) commands.push_back(id);
    }
  }
  Command command{tag, std::move(pieces), at};
  command.lost = over_;
  commands_.push_back(std::move(command));
  return id;
}

void Life::promise_all_before(Moment moment, Grade grade) {
  Moment& promised = promised_[static_cast<size_t>(grade)];
  promised = std::max(promised, moment);
  if (grade == Grade::store) base_stored_ = true;
}

void Life::promise(CommandId command, Grade grade) {
  std::optional<Grade>& promised = commands_[command].promised;
  promised = std::max(promised, std::optional<Grade>(grade));
  if (grade == Grade::store) base_stored_ = true;
}

// Tags grow with the commands.
std::optional<Life::CommandId> Life::writer_of(Tag tag) const {
  for (size_t id = commands_.size(); id-- > 0;) {
    if (commands_[id].tag == tag) return static_cast<CommandId>(id);
    if (commands_[id].tag != 0 && commands_[id].tag < tag) break;
  }
  return std::nullopt;
}

bool Life::covers(CommandId command, uint64_t sector) const {
  const std::vector<CommandId>& ids = covering_[sector];
  return std::binary_search(ids.begin(), ids.end(), command);
}

std::string Life::describe(CommandId id) const {
  const Command& c = commands_[id];
  std::string out = c.tag == 0 ? "trim" : fmt::format("write {}", c.tag);
  for (const Piece& piece : c.pieces) out += fmt::format(" {}+{}", piece.first, piece.count);
  out += fmt::format(" issued at {}", c.issued);
  if (c.answered != kNever) out += fmt::format(", answered at {}", c.answered);
  if (c.cancelled) out += ", cancelled";
  if (c.lost) out += ", lost";
  if (c.promised) out += fmt::format(", promised ({})", static_cast<int>(*c.promised));
  return out;
}

// ---- reads -------------------------------------------------------------------------------------

Verdict Life::judge_read(Piece piece, const Disk& seen, Moment issued, Moment answered) const {
  // Was it hidden before the read began, by something that surely came after it?
  auto hidden = [&](uint64_t sector, Moment written) -> std::optional<CommandId> {
    for (CommandId id : covering_[sector]) {
      if (written < commands_[id].issued && commands_[id].answered < issued) return id;
    }
    return std::nullopt;
  };
  for (uint64_t i = 0; i < piece.count; ++i) {
    const uint64_t sector = piece.first + i;
    const Tag tag = seen[i];
    std::string why = "nothing wrote that";
    bool possible = false;
    if (tag == base_[sector]) {
      std::optional<CommandId> by = hidden(sector, 0);
      possible = !by;
      if (by) why = "since overwritten by " + describe(*by);
    }
    for (CommandId id : covering_[sector]) {
      const Command& command = commands_[id];
      if (possible || command.tag != tag) continue;
      if (command.cancelled) {
        why = "of a cancelled command: " + describe(id);
        continue;
      }
      if (command.issued > answered) continue;
      std::optional<CommandId> by = hidden(sector, command.answered);
      possible = !by;
      if (by) why = describe(id) + " was overwritten by " + describe(*by);
    }
    if (!possible) {
      return fmt::format("{}, epoch {}: a read from {} to {} of sectors {}+{} saw tag {} in {}: {}",
                         origin_.gateway, origin_.epoch, issued, answered, piece.first, piece.count,
                         tag, sector, why);
    }
  }
  return std::nullopt;
}

// ---- images ------------------------------------------------------------------------------------

// The smallest set of commands that explains an image, and whether it can be put in order. What has
// to be in it grows with the latest moment at which one of its commands was issued: everything
// answered by then is in it too. A larger set only has more to explain.
class Life::Explanation {
 public:
  Explanation(const Life& life, const Disk& image, Grade kept)
      : life_(life),
        image_(image),
        kept_(kept),
        in_(life.commands_.size(), false),
        visible_(image.size(), kBase) {
    for (auto grade = static_cast<size_t>(kept); grade < life.promised_.size(); ++grade) {
      promised_ = std::max(promised_, life.promised_[grade]);
    }
    before_ = promised_;
  }

  Verdict judge() {
    Verdict wrong = find_writers();
    for (CommandId id = 0; id < in_.size(); ++id) {
      if (life_.commands_[id].promised >= kept_) take(id);
    }
    close();
    if (!wrong) wrong = find_trims();
    if (!wrong) wrong = find_lost();
    if (!wrong) wrong = find_order();
    return wrong;
  }

 private:
  static constexpr CommandId kBase = UINT32_MAX;

  const Command& command(CommandId id) const { return life_.commands_[id]; }

  void take(CommandId id) {
    in_[id] = true;
    later_than_.clear();
    before_ = std::max(before_, command(id).issued);
  }
  void close() {
    for (bool grown = true; grown;) {
      grown = false;
      for (CommandId id = 0; id < in_.size(); ++id) {
        if (in_[id] || command(id).answered >= before_) continue;
        take(id);
        grown = true;
      }
    }
  }

  Verdict find_writers() {
    for (uint64_t sector = 0; sector < image_.size(); ++sector) {
      const Tag tag = image_[sector];
      if (tag == 0 || tag == life_.base_[sector]) continue;
      std::optional<CommandId> id = life_.writer_of(tag);
      if (!id || !life_.covers(*id, sector)) {
        return fmt::format("sector {} holds tag {}, which is of no command there", sector, tag);
      }
      if (command(*id).cancelled) {
        return fmt::format("sector {} holds what was cancelled: {}", sector, life_.describe(*id));
      }
      if (command(*id).lost) {
        return fmt::format("sector {} holds what was lost: {}", sector, life_.describe(*id));
      }
      visible_[sector] = *id;
      take(*id);
      for (CommandId other : life_.covering_[sector]) {
        if (other != *id) covered_up_.insert({other, *id});
      }
    }
    return std::nullopt;
  }

  // Which of the trims it was that made a sector zero does not show: one that is in anyway, else
  // the earliest, which brings the least with it.
  Verdict find_trims() {
    for (bool grown = true; grown;) {
      grown = false;
      for (uint64_t sector = 0; sector < image_.size(); ++sector) {
        if (image_[sector] != 0) continue;
        if (!needs_trim(sector)) continue;
        std::optional<CommandId> best;
        for (CommandId id : life_.covering_[sector]) {
          if (command(id).tag != 0 || command(id).cancelled || command(id).lost) continue;
          if (!may_be_in(id) || !may_be_last(id, sector)) continue;
          if (!best || in_[id]) best = id;
        }
        if (!best) return fmt::format("sector {} is zero: {}", sector, history_of(sector));
        visible_[sector] = *best;
        if (in_[*best]) continue;
        take(*best);
        close();
        grown = true;
      }
    }
    return std::nullopt;
  }

  bool needs_trim(uint64_t sector) const {
    if (life_.base_[sector] != 0) return true;
    return std::ranges::any_of(life_.covering_[sector],
                               [&](CommandId id) { return in_[id] && command(id).tag != 0; });
  }

  // Does each sector of the trim show it, or a write that may have come later?
  bool may_be_in(CommandId trim) const {
    if (in_[trim]) return true;
    for (const Piece& piece : command(trim).pieces) {
      for (uint64_t sector = piece.first; sector < piece.first + piece.count; ++sector) {
        if (image_[sector] == 0) continue;
        const CommandId last = visible_[sector];
        if (last == kBase || life_.surely_before(last, trim)) return false;
      }
    }
    return true;
  }

  // With all that is in and covers the sector before it.
  bool may_be_last(CommandId last, uint64_t sector) {
    const std::vector<bool>& later = later_than(last);
    return std::ranges::none_of(life_.covering_[sector], [&](CommandId id) {
      return in_[id] && command(id).tag != 0 && later[id];
    });
  }

  // Of those that are in: what came after it by the moments, or by what shows in a sector of both,
  // or by one in between.
  const std::vector<bool>& later_than(CommandId first) {
    auto [known, fresh] = later_than_.try_emplace(first, in_.size(), false);
    std::vector<bool>& later = known->second;
    if (!fresh) return later;
    std::vector<CommandId> path{first};
    while (!path.empty()) {
      const CommandId at = path.back();
      path.pop_back();
      for (CommandId id = 0; id < in_.size(); ++id) {
        if (!in_[id] || later[id]) continue;
        if (!life_.surely_before(at, id) && !covered_up_.contains({at, id})) continue;
        later[id] = true;
        path.push_back(id);
      }
    }
    return later;
  }

  Verdict find_lost() {
    for (uint64_t sector = 0; sector < image_.size(); ++sector) {
      const CommandId last = visible_[sector];
      for (CommandId id : life_.covering_[sector]) {
        if (!in_[id] || id == last) continue;
        if (command(id).tag == 0 && image_[sector] == 0) continue;
        if (last == kBase || life_.surely_before(last, id)) {
          return fmt::format("sector {} holds tag {}, but {}; its history: {}", sector,
                             image_[sector], reason(id), history_of(sector));
        }
      }
    }
    return std::nullopt;
  }

  std::string reason(CommandId id) const {
    std::string out = life_.describe(id) + " must be there";
    if (command(id).promised >= kept_) return out + ": it was promised";
    if (command(id).answered < promised_) {
      return out + fmt::format(": it was flushed (promised before {})", promised_);
    }
    return out + ": a later command is";
  }

  std::string history_of(uint64_t sector) const {
    std::string out = fmt::format("base {}", life_.base_[sector]);
    for (CommandId id : life_.covering_[sector]) {
      out += fmt::format("; {}{}", life_.describe(id), in_[id] ? " (in)" : "");
    }
    return out;
  }

  // Every command before what hides it, and before what was issued after its answer: a circle is a
  // torn command.
  Verdict find_order() const {
    const size_t count = in_.size();
    std::vector<std::vector<CommandId>> later(count);
    for (uint64_t sector = 0; sector < image_.size(); ++sector) {
      const CommandId last = visible_[sector];
      if (last == kBase) continue;
      for (CommandId id : life_.covering_[sector]) {
        if (!in_[id] || id == last) continue;
        if (command(id).tag == 0 && command(last).tag == 0) continue;
        if (!life_.surely_before(id, last)) later[id].push_back(last);
      }
    }
    if (std::ranges::all_of(later, [](const auto& l) { return l.empty(); })) return std::nullopt;
    std::vector<uint32_t> waits_for(count, 0);
    for (CommandId id = 0; id < count; ++id) {
      std::ranges::sort(later[id]);
      later[id].erase(std::unique(later[id].begin(), later[id].end()), later[id].end());
      if (!in_[id]) continue;
      for (CommandId other = 0; other < count; ++other) {
        if (in_[other] && life_.surely_before(id, other)) later[id].push_back(other);
      }
      for (CommandId other : later[id]) ++waits_for[other];
    }
    std::vector<CommandId> free;
    size_t left = 0;
    for (CommandId id = 0; id < count; ++id) {
      if (!in_[id]) continue;
      ++left;
      if (waits_for[id] == 0) free.push_back(id);
    }
    while (!free.empty()) {
      const CommandId id = free.back();
      free.pop_back();
      --left;
      for (CommandId other : later[id]) {
        if (--waits_for[other] == 0) free.push_back(other);
      }
    }
    if (left == 0) return std::nullopt;
    return "no order makes it, one of these is torn: " + describe_circle(later, waits_for);
  }

  // Whoever is left waits for another one that is left: going back from any of them ends in a
  // circle.
  std::string describe_circle(const std::vector<std::vector<CommandId>>& later,
                              const std::vector<uint32_t>& waits_for) const {
    CommandId at = 0;
    while (!in_[at] || waits_for[at] == 0) ++at;
    std::vector<CommandId> path;
    while (std::ranges::find(path, at) == path.end()) {
      path.push_back(at);
      for (CommandId id = 0; id < in_.size(); ++id) {
        if (!in_[id] || waits_for[id] == 0) continue;
        if (std::ranges::find(later[id], at) == later[id].end()) continue;
        at = id;
        break;
      }
    }
    std::string out;
    for (auto it = std::ranges::find(path, at); it != path.end(); ++it) {
      out += fmt::format("[{}: {}", *it, life_.describe(*it));
      for (uint64_t sector = 0; sector < image_.size(); ++sector) {
        if (visible_[sector] == *it) out += fmt::format(" {}", sector);
      }
      out += "] after ";
    }
    return out + "the first";
  }

  const Life& life_;
  const Disk& image_;
  const Grade kept_;
  Moment promised_ = 0;
  std::vector<bool> in_;
  std::vector<CommandId> visible_;
  std::set<std::pair<CommandId, CommandId>> covered_up_;  // the first by the second, a write
  std::map<CommandId, std::vector<bool>> later_than_;     // as long as nothing else is in
  Moment before_;
};

Verdict Life::judge_successor(const Disk& image, Grade kept) const {
  Verdict wrong = Explanation(*this, image, kept).judge();
  if (!wrong) return wrong;
  return fmt::format("after {}, epoch {}: {}", origin_.gateway, origin_.epoch, *wrong);
}

// A command is lost when some sector of it shows what surely came before it; and so is all that
// surely came after it.
void Life::succeeded_by(const Disk& image) {
  over_ = true;
  Moment first_lost = kNever;
  for (uint64_t sector = 0; sector < image.size(); ++sector) {
    const std::vector<CommandId>& ids = covering_[sector];
    for (CommandId id : ids) {
      if (commands_[id].lost) continue;
      commands_[id].lost = std::ranges::none_of(ids, [&](CommandId other) {
        return commands_[other].tag == image[sector] && !surely_before(other, id);
      });
      if (commands_[id].lost) first_lost = std::min(first_lost, commands_[id].answered);
    }
  }
  for (Command& command : commands_) {
    if (command.issued > first_lost) command.lost = true;
  }
}

// ---- lives -------------------------------------------------------------------------------------

Verdict Oracle::begin(Life::Origin origin, Disk image, std::shared_ptr<Life>& life) {
  const uint64_t epoch = origin.epoch;
  life = std::make_shared<Life>(std::move(origin), std::move(image), next_moment());
  auto [place, fresh] = lives_.emplace(epoch, life);
  if (!fresh) return fmt::format("epoch {} has two owners", epoch);
  if (place == lives_.begin()) return std::nullopt;
  Lives::const_iterator explained_by = place;
  Verdict wrong = judge_image(place, explained_by);
  if (wrong) return "the image of epoch " + std::to_string(epoch) + ": " + *wrong;
  explained_by->second->succeeded_by(life->base());
  while (++explained_by != place) explained_by->second->is_over();
  if (std::next(place) != lives_.end()) life->succeeded_by(std::next(place)->second->base());
  return judge_promise(*life);
}

// What is left of the promises of `life` when `next` begins.
Grade Oracle::kept(const Life& life, const Life& next) const {
  for (size_t i = 0; i < forces_.size(); ++i) {
    const Force& force = forces_[i];
    const bool in_between = force.ended > life.origin().attaching && force.begun < next.begun();
    if (i + 1 == life.origin().force || !in_between) continue;
    if (force.journal != life.origin().journal) return Grade::store;
  }
  return life.kept();
}

// A base that was in the journal only may be gone with it: then the image goes on from an earlier
// life.
Verdict Oracle::judge_image(Lives::const_iterator at, Lives::const_iterator& by) const {
  const Life& next = *at->second;
  Verdict first;
  for (by = std::prev(at);; --by) {
    const Life& life = *by->second;
    const Grade kept = first ? Grade::store : this->kept(life, next);
    Verdict wrong = life.judge_successor(next.base(), kept);
    if (!wrong) return std::nullopt;
    if (!first) first = wrong;
    if (kept != Grade::store || life.base_stored()) return first;
  }
}

Verdict Oracle::judge_promise(const Life& life) const {
  const Lives::const_iterator next = lives_.upper_bound(life.epoch());
  if (next == lives_.end()) return std::nullopt;
  Lives::const_iterator explained_by = next;
  Verdict wrong = judge_image(next, explained_by);
  if (!wrong) return wrong;
  return fmt::format("epoch {} promised what epoch {}, online already, lacks: {}", life.epoch(),
                     next->first, *wrong);
}

Verdict Oracle::flushed(Life& life, Moment issued, Grade grade) {
  life.promise_all_before(issued, grade);
  return judge_promise(life);
}

Verdict Oracle::promised(Life& life, Life::CommandId command, Grade grade) {
  life.promise(command, grade);
  return judge_promise(life);
}

Verdict Oracle::stopped(Life& life) {
  life.promise_all_before(next_moment(), Grade::store);
  return judge_promise(life);
}

Verdict Oracle::stored(Life& life) {
  life.promise_all_before(next_moment(), Grade::store);
  return judge_promise(life);
}

ForceId Oracle::force_begins(DiskId journal) {
  forces_.push_back(Force{journal, next_moment()});
  return forces_.size();
}

void Oracle::has_kept(DiskId journal, Grade grade) {
  if (journal == 0) return;
  for (auto& [epoch, life] : lives_) {
    if (life->origin().journal == journal) life->has_kept(grade);
  }
}

}  // namespace swiftness::sim
