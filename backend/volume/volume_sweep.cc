// What crashes and gateways that were taken over from left behind is deleted by the one that serves
// (orphans.h: what an orphan is, and why it is safe).
#include "backend/base/log.h"
#include "backend/volume/orphans.h"
#include "backend/volume/volume.h"

namespace swiftness {

Task Volume::sweep_orphans() {
  std::vector<Orphan> seen;
  TimePoint next = now() + options_.sweep_every;
  for (;;) {
    co_await pause_until(next);
    if (quitting_) co_return;
    next = now() + options_.sweep_every;
    // Our start lasts only when something of ours was answered after it.
    const uint64_t newest_root = mapping_->checkpointer.newest_root();
    if (newest_root == 0 || state_ != DeviceState::online) continue;
    OrphanView view{objects_,           era_,   start_base_, newest_root, eras_, mapping_->ledger,
                    uploader_.newest(), nullptr};
    OrphanLook look = co_await look_for_orphans(view);
    if (quitting_) co_return;
    for (const std::string& doubt : look.doubts) {
      log::debug("volume {}: looking for orphans: {}", objects_.descriptor.name, doubt);
    }
    std::vector<Orphan> due;
    if (look.damaged.empty() && look.lost.empty()) due = seen_twice(seen, look.orphans);
    seen = std::move(look.orphans);
    if (due.empty()) continue;
    std::function<Async<void>()> ours = [this] { return verify_ownership_once(); };
    OrphanRemoval removal =
        co_await drop_orphans(objects_.store, era_.epoch, std::move(due), std::move(ours));
    uint64_t bytes = 0;
    for (const Orphan& orphan : removal.removed) bytes += orphan.bytes;
    log::info("volume {}: {} objects of {} bytes that nothing refers to deleted, {} failures",
              objects_.descriptor.name, removal.removed.size(), bytes, removal.failures.size());
    orphans_deleted_ += removal.removed.size();
  }
}

}  // namespace swiftness
