// CopyManager: what the logical units of one target share for copy offload (the standard's copy
// manager, SPC-5 5.17): who of them goes by which name, the key their tokens are signed with, and
// how many copies run at once. A copy stays within its target: an I_T nexus reaches the logical
// units that it may use and no others, and it has proven who it is to this target only.
#pragma once

#include <memory>
#include <vector>

#include "backend/base/async.h"
#include "target/scsi/command.h"
#include "target/scsi/copy_parameters.h"
#include "target/scsi/limits.h"
#include "target/scsi/rod_tokens.h"

namespace swiftness::scsi {

class LogicalUnit;

// Copies that run; shared with them, as a copy in the background may see the end of its target.
struct CopySlots {
  size_t free = kConcurrentCopies;
  std::unique_ptr<AsyncEvent> freed;  // made by the first that waits
};

// A local of the coroutine that copies.
class CopySlot {
 public:
  explicit CopySlot(std::shared_ptr<CopySlots> slots) : slots_(std::move(slots)) {}
  CopySlot(const CopySlot&) = delete;
  CopySlot& operator=(const CopySlot&) = delete;
  ~CopySlot();

  Task turn(TicketPtr ticket);  // returns when there is one, or was given up: look at the ticket

 private:
  std::shared_ptr<CopySlots> slots_;
  bool taken_ = false;
};

class CopyManager {
 public:
  CopyManager();  // with a key that nobody knows

  void add(LogicalUnit& unit) { units_.push_back(&unit); }
  void remove(LogicalUnit& unit) { std::erase(units_, &unit); }

  // The logical unit of that name that the nexus may use; null: it may use none.
  LogicalUnit* find(const CopyTarget& target, NexusId nexus) const;
  LogicalUnit* find(const Naa6& name, NexusId nexus) const;

  const TokenKey& key() const noexcept { return key_; }
  const std::shared_ptr<CopySlots>& slots() const noexcept { return slots_; }

 private:
  std::vector<LogicalUnit*> units_;
  TokenKey key_;
  std::shared_ptr<CopySlots> slots_ = std::make_shared<CopySlots>();
};

}  // namespace swiftness::scsi
