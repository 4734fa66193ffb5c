#include "target/scsi/copy_operations.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace swiftness::scsi {

void CopyOperation::end(const ScsiResult& result, CopyStatus as) {
  if (!runs()) return;
  completion = result.status;
  sense = result.sense;
  status = result.status == Status::good ? as : CopyStatus::failed;
  if (abort_wanted && result.status != Status::good) status = CopyStatus::terminated;
  ended.notify_all();
}

CopyOperationGuard::~CopyOperationGuard() {
  if (operation_) operation_->end(ended_with(Status::task_aborted));
}

CopyOperations::~CopyOperations() {
  give_up_background();
}

CopyOperationPtr CopyOperations::begin(std::optional<uint32_t> list_identifier,
                                       uint8_t service_action, Executor executor) {
  if (list_identifier) {
    const CopyOperationPtr same = find(*list_identifier);
    if (same && same->runs()) return nullptr;
    std::erase(operations_, same);
  }
  const auto runs = [](const CopyOperationPtr& operation) { return operation->runs(); };
  const auto ended = std::ranges::count_if(operations_, std::not_fn(runs));
  if (static_cast<size_t>(ended) >= kMostEnded) {
    operations_.erase(std::ranges::find_if_not(operations_, runs));
  }
  auto operation = std::make_shared<CopyOperation>(std::move(executor));
  operation->list_identifier = list_identifier;
  operation->service_action = service_action;
  operations_.push_back(operation);
  return operation;
}

CopyOperationPtr CopyOperations::find(uint32_t list_identifier) const noexcept {
  const auto found = std::ranges::find(
      operations_, std::optional(list_identifier),
      [](const CopyOperationPtr& operation) { return operation->list_identifier; });
  return found == operations_.end() ? nullptr : *found;
}

void CopyOperations::give_up_background() noexcept {
  for (const CopyOperationPtr& operation : operations_) {
    if (operation->background) operation->background->cancelled = true;
  }
}

}  // namespace swiftness::scsi
