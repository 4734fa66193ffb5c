#include "backend/volume/check.h"

#include "backend/volume/map_examination.h"
#include "backend/volume/orphans.h"
#include "backend/volume/read_only_store.h"

namespace swiftness {
namespace {

constexpr int kMostRounds = 8;

using Kind = CheckFinding::Kind;
using Stage = CheckProgress::Stage;

OrphanView orphan_view(const VolumeView& view) {
  return {view.objects,  view.start->era, view.start->base,  view.log.newest_root,
          view.log.eras, view.ledger,     view.log.end.last, &view.log.base};
}

Async<void> still_highest(const VolumeView& view) {
  Result<std::optional<Start>> start = co_await look_for_start(view.objects);
  if (!start) co_return start.error();
  if (*start && (*start)->era == view.start->era) co_return Result<void>();
  co_return Error(ErrorCode::conflict,
                  "another gateway has started since; nothing more is deleted");
}

class Check {
 public:
  Check(ObjectStore& store, VolumeDescriptor volume, CheckOptions options,
        std::function<void(const CheckProgress&)> progress)
      : store_(store),
        reading_(store),
        objects_{reading_, volume, VolumeNames(volume.uuid)},
        options_(options),
        progress_(std::move(progress)) {}

  asio::awaitable<CheckReport> run() {
    report_.quick = options_.quick;
    Result<std::unique_ptr<VolumeView>> view = co_await look();
    if (!view) {
      const bool certain = view.error().code() == ErrorCode::corrupt;
      const char* what = certain ? "no gateway can attach it: " : "it cannot be told what it is: ";
      keep({Kind::log, {}, what + view.error().message(), 0}, certain);
      co_await look_for_anchors();
      if (options_.repair) report_.repair_refused = "the volume's log cannot be read";
      co_return std::move(report_);
    }
    report_.log_read = true;
    co_await describe(**view);
    if ((*view)->start) {
      co_await look_for_anchors();
      MapExamination examination(options_, **view, [this](CheckProgress at) { tell(at); });
      co_await examination.examine(report_);
      report_.unlisted = examination.unlisted();
      std::vector<Suspicion> suspicions = examination.take_suspicions();
      report_.looked_again = suspicions.size();
      co_await settle(std::move(suspicions));
      tell({Stage::orphans, 0, 0});
      OrphanLook orphans = co_await look_for_orphans(orphan_view(**view));
      note(orphans);
      report_.orphans = std::move(orphans.orphans);
      report_.more_orphans = orphans.more;
      for (Epoch epoch : orphans.unfinished) report_.unfinished_claims.push_back(epoch.value());
    }
    if (options_.repair) co_await repair();
    co_return std::move(report_);
  }

 private:
  void tell(CheckProgress at) const {
    if (progress_) progress_(at);
  }

  void keep(CheckFinding finding, bool certain) {
    (certain ? report_.damage : report_.in_doubt).push_back(std::move(finding));
  }

  Async<std::unique_ptr<VolumeView>> look() {
    co_return co_await take_view(objects_, options_.leaf_memory, options_.pause);
  }

  Task describe(VolumeView& view) {
    for (const std::string& what : view.log.damaged_roots) {
      keep({Kind::root, {}, what + "; the root before it serves", 0}, true);
    }
    report_.last_chunk = view.log.end.last.value();
    if (view.log.base.name.number > 0) {
      report_.root = to_string(objects_.names.root(view.log.base.name));
    }
    const Epoch started = view.start ? view.start->era.epoch : Epoch(0);
    report_.epoch = started.value();
    report_.attaching = view.claimed > started;
    if (!view.start) co_return;
    report_.host = co_await host_of(objects_, view.start->era);
    GetOptions newest;
    newest.newest = true;
    const ObjectName name = objects_.names.released(view.start->era);
    Result<Released> released =
        co_await read_record<Released>(objects_, name, decode_released, newest);
    report_.released = released && released->era == view.start->era;
    lasting_ = report_.released || view.log.newest_root > 0;
  }

  // Rounds over what is suspicious, each in a view of its own, until it is damage, doubt or
  // nothing.
  Task settle(std::vector<Suspicion> suspicions) {
    for (int round = 0; round < kMostRounds && !suspicions.empty(); ++round) {
      tell({Stage::again, 0, 0});
      if (round > 0) co_await sleep_for(options_.pause);
      Result<std::unique_ptr<VolumeView>> view = co_await look();
      if (!view) break;
      MapExamination examination(options_, **view, [this](CheckProgress at) { tell(at); });
      co_await examination.examine_again(suspicions);
      std::vector<Suspicion> ledger = of_one_view(suspicions);
      suspicions = examination.take_suspicions();
      report_.unlisted += examination.unlisted();
      for (Suspicion& suspicion : ledger) keep(std::move(suspicion.finding), true);
      Result<bool> newest = co_await is_newest(**view);
      if (!newest || !*newest) continue;
      for (Suspicion& suspicion : suspicions) {
        keep(std::move(suspicion.finding), suspicion.certain);
      }
      co_return;
    }
    for (Suspicion& suspicion : suspicions) keep(std::move(suspicion.finding), false);
  }

  // Those that a later view cannot clear.
  static std::vector<Suspicion> of_one_view(const std::vector<Suspicion>& suspicions) {
    std::vector<Suspicion> out;
    for (const Suspicion& suspicion : suspicions) {
      if (suspicion.finding.kind == Kind::ledger) out.push_back(suspicion);
    }
    return out;
  }

  // Without its anchor nothing is certainly absent from a container: all ends in doubt, and an
  // error names whatever was asked for. One answer is no proof that it is gone.
  Task look_for_anchors() {
    co_await look_for_anchor(objects_.names.meta());
    if (report_.log_read && report_.last_chunk == 0) co_return;  // the first chunk makes the others
    for (uint64_t first = 0;; first += kChunksPerContainer) {
      const std::string container = objects_.names.data(Sequence(first));
      Result<ListPage> listed = co_await reading_.list(container, "", "", 1);
      if (!listed && first > 0) co_return;
      co_await look_for_anchor(container);
      if (!listed) co_return;
    }
  }

  Task look_for_anchor(std::string container) {
    const ObjectName anchor{container, std::string(kAnchorName)};
    GetOptions newest;
    newest.newest = true;
    Result<ObjectInfo> info = co_await reading_.head(anchor, newest);
    if (info || info.error().code() != ErrorCode::not_found) co_return;
    keep({Kind::log, to_string(anchor),
          "is not seen: the container is gone, or its anchor, without which all ends in doubt", 0},
         false);
  }

  void note(const OrphanLook& orphans) {
    for (const std::string& what : orphans.lost) {
      keep({Kind::log, {}, what + ": a gateway would attach the volume as it was before", 0}, true);
    }
    for (const std::string& what : orphans.damaged) {
      bool known = false;
      for (const CheckFinding& finding : report_.damage) known |= finding.what.starts_with(what);
      if (!known) keep({Kind::root, {}, what, 0}, true);
    }
    for (const std::string& what : orphans.doubts) keep({Kind::orphan_look, {}, what, 0}, false);
  }

  std::string why_not_to_repair() const {
    if (!report_.clean()) {
      return "the volume is damaged or in doubt: orphans may be the only copy of what it lacks";
    }
    if (report_.epoch == 0) return {};
    if (!lasting_) return "its highest start has no root and was not released: it may not last";
    if (options_.although_served) return {};
    if (report_.attaching) return "a gateway has claimed the volume and not started it yet";
    if (!report_.released) {
      return "the volume was not released: gateway " +
             (report_.host.empty() ? "(unknown)" : report_.host) +
             " may be serving it; if it is gone for good, repeat this with --offline";
    }
    return {};
  }

  Task repair() {
    if (report_.clean() && report_.orphans.empty()) co_return;
    report_.repair_refused = why_not_to_repair();
    if (!report_.repair_refused.empty()) co_return;
    tell({Stage::repair, 0, report_.orphans.size()});
    co_await sleep_for(options_.repair_pause);
    Result<std::unique_ptr<VolumeView>> view = co_await look();
    if (!view) {
      report_.repair_refused = "the second look failed: " + view.error().message();
      co_return;
    }
    if (!(*view)->start || (*view)->start->era.epoch.value() != report_.epoch) {
      report_.repair_refused = "another gateway has started meanwhile";
      co_return;
    }
    OrphanLook again = co_await look_for_orphans(orphan_view(**view));
    const bool damaged = !again.damaged.empty() || !(*view)->log.damaged_roots.empty();
    if (damaged || !again.lost.empty() || !again.doubts.empty()) {
      report_.repair_refused = "the second look found damage or doubt";
      co_return;
    }
    const VolumeView* now = view->get();
    std::function<Async<void>()> still = [now] { return still_highest(*now); };
    std::vector<Orphan> both = seen_twice(report_.orphans, std::move(again.orphans));
    OrphanRemoval removal =
        co_await drop_orphans(store_, now->start->era.epoch, std::move(both), std::move(still));
    report_.removed = std::move(removal.removed);
    report_.repair_failures = std::move(removal.failures);
  }

  ObjectStore& store_;
  ReadOnlyStore reading_;
  const VolumeObjects objects_;
  const CheckOptions options_;
  std::function<void(const CheckProgress&)> progress_;
  CheckReport report_;
  bool lasting_ = false;  // the highest start was answered 201 (orphans.h)
};

}  // namespace

const char* to_string(CheckFinding::Kind kind) noexcept {
  switch (kind) {
    case Kind::root:
      return "root";
    case Kind::log:
      return "log";
    case Kind::map:
      return "map";
    case Kind::chunk:
      return "chunk";
    case Kind::missing:
      return "missing";
    case Kind::frame:
      return "frame";
    case Kind::reference:
      return "reference";
    case Kind::ledger:
      return "ledger";
    case Kind::orphan_look:
      return "orphan look";
  }
  return "?";
}

asio::awaitable<CheckReport> check_volume(ObjectStore& store, VolumeDescriptor volume,
                                          CheckOptions options,
                                          std::function<void(const CheckProgress&)> progress) {
  Check check(store, std::move(volume), options, std::move(progress));
  co_return co_await check.run();
}

}  // namespace swiftness
