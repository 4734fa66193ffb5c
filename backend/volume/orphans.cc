#include "backend/volume/orphans.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

namespace swiftness {
namespace {

constexpr size_t kListed = 1000;   // names a page
constexpr size_t kConfirmed = 32;  // names a look
constexpr size_t kDeletedAtOnce = 64;
constexpr uint64_t kRootsThatStay = 3;  // of the highest era (checkpoint.cc)

// What of the metadata is kept though it is of a closed era.
struct Kept {
  RootName base;
  std::set<uint64_t> map_objects;
};

class Look {
 public:
  explicit Look(const OrphanView& view) : view_(view), objects_(view.objects) {}

  asio::awaitable<OrphanLook> run() {
    co_await read_kept_roots();
    const bool roots_known = out_.doubts.empty();
    co_await walk(objects_.names.meta(), "claim/");
    co_await walk(objects_.names.meta(), "start/");
    if (roots_known) {
      co_await walk(objects_.names.meta(), "map/");
      co_await walk(objects_.names.meta(), "root/");
    }
    const uint64_t last = view_.last.value() + kMostUploadsInFlight;
    for (uint64_t first = 0; first <= last; first += kChunksPerContainer) {
      co_await walk(objects_.names.data(Sequence(first)), "chunk/");
    }
    co_await look_for_lost_claims();
    co_await look_for_lost_starts();
    for (Epoch claim : claims_) {
      if (!starts_.contains(claim) && claim < closed_below()) out_.unfinished.push_back(claim);
    }
    co_return std::move(out_);
  }

 private:
  Epoch closed_below() const { return view_.highest.epoch; }

  Task read_kept_roots() {
    kept_.base = view_.base;
    std::vector<RootName> names;
    if (kept_.base.number > 0) names.push_back(kept_.base);
    for (uint64_t i = 0; i < kRootsThatStay && i < view_.newest_root; ++i) {
      names.push_back(RootName{view_.highest, view_.newest_root - i});
    }
    // That it may be gone by now does not matter.
    if (view_.root != nullptr) keep_objects_of(*view_.root);
    for (const RootName& name : names) {
      if (view_.root != nullptr && name == view_.root->name) continue;
      Result<Root> root = co_await read_root(objects_, name);
      if (root) {
        keep_objects_of(*root);
      } else if (root.error().code() == ErrorCode::corrupt) {
        // No attach can go back to it, so nothing has to be kept for it.
        out_.damaged.push_back(root.error().message());
      } else {
        const Presence found = co_await presence_of(objects_.store, objects_.names.root(name));
        if (found != Presence::no) out_.doubts.push_back(root.error().message());
      }
    }
  }

  void keep_objects_of(const Root& root) {
    for (const Root::MapObject& object : root.objects) kept_.map_objects.insert(object.number);
  }

  bool is_orphan(const EraObject& what) const {
    if (what.era.epoch >= closed_below()) return false;
    switch (what.kind) {
      case EraObject::Kind::root:
        return RootName{what.era, what.number} != kept_.base;
      case EraObject::Kind::map_object:
        return !(kept_.map_objects.contains(what.number) &&
                 view_.eras.era_of_object(what.number) == what.era);
      case EraObject::Kind::chunk: {
        const Sequence sequence(what.number);
        const bool known = view_.ledger.find(sequence) != nullptr;
        return !(known && view_.eras.era_of(sequence) == what.era);
      }
    }
    return false;
  }

  Task walk(std::string container, std::string prefix) {
    std::vector<Orphan> found;
    std::string marker;
    for (;;) {
      Result<ListPage> page = co_await objects_.store.list(container, prefix, marker, kListed);
      if (!page) {
        // A container may not have been made yet: then it holds nothing.
        if (page.error().code() != ErrorCode::not_found) {
          out_.doubts.push_back(page.error().message());
        }
        break;
      }
      for (const ListPage::Entry& entry : page->entries) {
        if (std::optional<Epoch> claim = parse_claim(entry.name)) claims_.insert(*claim);
        if (std::optional<Epoch> start = parse_start(entry.name)) starts_.insert(*start);
        const std::optional<EraObject> what = parse_era_object(entry.name);
        if (what && what->era.epoch > view_.highest.epoch) {
          above_.emplace(what->era.epoch, ObjectName{container, entry.name});
        }
        if (!what || !is_orphan(*what)) continue;
        if (out_.orphans.size() + found.size() == kMostOrphans) {
          ++out_.more;
          continue;
        }
        found.push_back({*what, {container, entry.name}, entry.size});
      }
      if (!page->next) break;
      marker = *page->next;
    }
    co_await confirm(std::move(container), std::move(found));
  }

  // A listing may still show what is long gone.
  Task confirm(std::string container, std::vector<Orphan> found) {
    uint64_t unknown = 0;
    for (size_t first = 0; first < found.size(); first += kConfirmed) {
      const size_t end = std::min(first + kConfirmed, found.size());
      std::vector<std::string> names;
      for (size_t i = first; i < end; ++i) names.push_back(found[i].object.name);
      std::vector<Presence> there = co_await objects_.store.presence(container, names);
      for (size_t i = first; i < end; ++i) {
        if (there[i - first] == Presence::yes) out_.orphans.push_back(std::move(found[i]));
        if (there[i - first] == Presence::unknown) ++unknown;
      }
    }
    if (unknown > 0) {
      out_.doubts.push_back(fmt::format(
          "the store cannot say for sure whether {} objects of {} exist", unknown, container));
    }
  }

  // What the listing has not shown of those up to the highest start.
  Task look_for_lost_claims() {
    std::vector<std::string> names;
    for (Epoch epoch(1); epoch <= view_.highest.epoch; epoch = epoch.next()) {
      if (!claims_.contains(epoch)) names.push_back(objects_.names.claim(epoch).name);
    }
    for (size_t first = 0; first < names.size(); first += kConfirmed) {
      const size_t end = std::min(first + kConfirmed, names.size());
      std::vector<std::string> some(names.begin() + static_cast<std::ptrdiff_t>(first),
                                    names.begin() + static_cast<std::ptrdiff_t>(end));
      std::vector<Presence> there = co_await objects_.store.presence(objects_.names.meta(), some);
      for (size_t i = 0; i < some.size(); ++i) {
        const ObjectName name{objects_.names.meta(), some[i]};
        if (there[i] == Presence::no) {
          out_.lost.push_back(to_string(name) + " is missing, though higher epochs were claimed");
        }
        if (there[i] == Presence::unknown) out_.doubts.push_back(in_doubt(name).message());
      }
    }
  }

  // The object first: when it is there, its start has been there for long.
  Task look_for_lost_starts() {
    for (const auto& [epoch, object] : above_) {
      const Presence found = co_await presence_of(objects_.store, object);
      if (found == Presence::no) continue;
      const ObjectName name = objects_.names.start(epoch);
      const Presence started = co_await presence_of(objects_.store, name);
      if (started == Presence::yes) continue;
      if (found == Presence::yes && started == Presence::no) {
        out_.lost.push_back(fmt::format("{} is missing, though its gateway wrote {}",
                                        to_string(name), to_string(object)));
      } else {
        out_.doubts.push_back(in_doubt(name).message());
      }
    }
  }

  const OrphanView view_;
  const VolumeObjects& objects_;
  OrphanLook out_;
  Kept kept_;
  std::set<Epoch> claims_;
  std::set<Epoch> starts_;
  std::map<Epoch, ObjectName> above_;  // of epochs above the highest start: an object each
};

}  // namespace

asio::awaitable<OrphanLook> look_for_orphans(OrphanView view) {
  Look look(view);
  co_return co_await look.run();
}

asio::awaitable<OrphanRemoval> drop_orphans(ObjectStore& store, Epoch highest,
                                            std::vector<Orphan> orphans,
                                            std::function<Async<void>()> still_highest) {
  OrphanRemoval out;
  for (size_t first = 0; first < orphans.size(); first += kDeletedAtOnce) {
    const size_t end = std::min(first + kDeletedAtOnce, orphans.size());
    Result<void> ours = co_await still_highest();
    if (!ours) {
      out.failures.push_back(ours.error().message());
      break;
    }
    std::vector<ObjectName> names;
    for (size_t i = first; i < end; ++i) {
      CHECK(orphans[i].what.era.epoch < highest);
      names.push_back(orphans[i].object);
    }
    Result<RemoveReport> report = co_await store.remove(names);
    if (!report) {
      out.failures.push_back(report.error().message());
      continue;
    }
    std::set<ObjectName> failed;
    for (const RemoveReport::Failure& failure : report->failures) {
      failed.insert(failure.object);
      out.failures.push_back(to_string(failure.object) + ": " + failure.error.message());
    }
    for (size_t i = first; i < end; ++i) {
      if (!failed.contains(orphans[i].object)) out.removed.push_back(std::move(orphans[i]));
    }
  }
  co_return out;
}

std::vector<Orphan> seen_twice(const std::vector<Orphan>& first, std::vector<Orphan> second) {
  std::set<ObjectName> known;
  for (const Orphan& orphan : first) known.insert(orphan.object);
  std::erase_if(second, [&known](const Orphan& orphan) { return !known.contains(orphan.object); });
  return second;
}

}  // namespace swiftness
