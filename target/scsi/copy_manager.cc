#include "target/scsi/copy_manager.h"

#include <boost/asio/this_coro.hpp>

#include <algorithm>

#include "backend/base/random.h"
#include "target/scsi/logical_unit.h"

namespace swiftness::scsi {
namespace {

constexpr uint8_t kBinary = 1, kLogicalUnit = 0, kEui64 = 2, kNaa = 3;  // SPC-5 7.7.6.1

}  // namespace

CopySlot::~CopySlot() {
  if (!taken_) return;
  ++slots_->free;
  if (slots_->freed) slots_->freed->notify_all();
}

Task CopySlot::turn(TicketPtr ticket) {
  Executor executor = co_await asio::this_coro::executor;
  if (!slots_->freed) slots_->freed = std::make_unique<AsyncEvent>(executor);
  while (slots_->free == 0 && !ticket->cancelled) co_await slots_->freed->wait();
  if (ticket->cancelled) co_return;
  --slots_->free;
  taken_ = true;
}

CopyManager::CopyManager() {
  fill_random(key_);
}

LogicalUnit* CopyManager::find(const CopyTarget& target, NexusId nexus) const {
  if (target.association != kLogicalUnit || target.code_set != kBinary) return nullptr;
  for (LogicalUnit* unit : units_) {
    const Uuid& uuid = unit->identity().uuid;
    const bool is_it =
        (target.designator_type == kNaa && std::ranges::equal(target.designator, naa6_of(uuid))) ||
        (target.designator_type == kEui64 && std::ranges::equal(target.designator, eui64_of(uuid)));
    if (is_it && unit->nexus(nexus)) return unit;
  }
  return nullptr;
}

LogicalUnit* CopyManager::find(const Naa6& name, NexusId nexus) const {
  CopyTarget target;
  target.code_set = kBinary;
  target.designator_type = kNaa;
  target.designator.assign(name.begin(), name.end());
  return find(target, nexus);
}

}  // namespace swiftness::scsi
