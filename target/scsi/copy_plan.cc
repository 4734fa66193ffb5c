#include "target/scsi/copy_plan.h"

#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <list>
#include <utility>

#include "backend/base/check.h"
#include "backend/base/gate.h"
#include "backend/base/log.h"
#include "target/scsi/logical_unit.h"

namespace swiftness::scsi {
namespace {

CopyExtent extent_of(const CopyStep& step) {
  CopyExtent extent;
  extent.from = step.from ? &step.from->device() : nullptr;
  extent.from_first = step.from_first;
  extent.to = &step.to->device();
  extent.to_first = step.to_first;
  extent.bytes = step.bytes;
  return extent;
}

bool is_given_up(const CopyControl& control) {
  return control.ticket->cancelled || control.operation->abort_wanted;
}

asio::awaitable<CopyOutcome> run_step(CopyStep step, CopyControl control) {
  const CopyExtent extent = extent_of(step);
  const uint32_t block_size = extent.to->geometry().block_size;
  const BlockRange range{step.to_first, BlockCount(step.bytes / block_size)};
  RangeLocks::Hold hold(step.to->range_locks(), range, Sharing::shared, control.ticket);
  if (!hold.granted()) co_await hold.turn();
  if (is_given_up(control)) co_return CopyOutcome{CopyEnd::aborted};
  step.to->about_to_change(range);
  CopyOutcome outcome = co_await copy_blocks(extent, std::move(control));
  co_return outcome;
}

// Devices whose writes have to be durable when the command ends.
std::vector<BlockDevice*> to_be_flushed(const std::vector<CopyStep>& steps) {
  std::vector<BlockDevice*> devices;
  for (const CopyStep& step : steps) {
    if (!step.to->write_cache()) devices.push_back(&step.to->device());
  }
  std::ranges::sort(devices);
  devices.erase(std::ranges::unique(devices).begin(), devices.end());
  return devices;
}

asio::awaitable<CopyOutcome> flush_all(std::vector<BlockDevice*> devices, CopyOutcome outcome) {
  for (BlockDevice* device : devices) {
    Result<void> flushed = co_await device->flush();
    if (!flushed) {
      co_return CopyOutcome{CopyEnd::failed, 0, flushed.error(), MediumAccess::write};
    }
  }
  co_return outcome;
}

CopyStatus status_of(const CopyOutcome& outcome) {
  return outcome.end == CopyEnd::out_of_time ? CopyStatus::partly_done : CopyStatus::done;
}

asio::awaitable<ScsiResult> run_and_tell(CopyPlan plan) {
  const CopyControl control = plan.control;
  LogicalUnit* const delete_token_of = plan.delete_token_of;
  CopyOperationGuard guard(control.operation);
  CopyOutcome outcome = co_await run_copy(std::move(plan));
  if (control.token) control.token->used = now();
  if (delete_token_of && outcome.end == CopyEnd::done && !control.ticket->cancelled) {
    delete_token_of->rod_tokens().remove(*control.token);
  }
  ScsiResult result = result_of_copy(outcome, control);
  control.operation->end(result, status_of(outcome));
  co_return result;
}

Task run_in_background(CopyPlan plan) {
  ScsiResult result = co_await run_and_tell(std::move(plan));
  (void)result;  // its operation tells
}

}  // namespace

asio::awaitable<CopyOutcome> run_copy(CopyPlan plan) {
  const CopyControl control = plan.control;
  std::list<LogicalUnit::Visit> visits;
  for (const CopyStep& step : plan.steps) {
    visits.emplace_back(*step.to, plan.nexus, control.ticket);
    if (step.from) visits.emplace_back(*step.from, plan.nexus, control.ticket);
  }
  CopySlot slot(plan.slots);
  co_await slot.turn(control.ticket);
  CopyOutcome whole;
  for (const CopyStep& step : plan.steps) {
    if (is_given_up(control)) co_return CopyOutcome{CopyEnd::aborted, whole.bytes};
    // However small the steps are: the first of them is progress enough.
    if (whole.bytes > 0 && control.until && now() >= *control.until) {
      whole.end = CopyEnd::out_of_time;
      break;
    }
    const uint64_t before = whole.bytes;
    whole = co_await run_step(step, control);
    whole.bytes += before;
    control.operation->bytes = whole.bytes;
    if (whole.end != CopyEnd::done) break;
    ++control.operation->segments;
  }
  const bool worth_a_flush = whole.end == CopyEnd::done || whole.end == CopyEnd::out_of_time;
  if (!worth_a_flush || is_given_up(control)) co_return whole;
  std::vector<BlockDevice*> devices = to_be_flushed(plan.steps);
  whole = co_await flush_all(std::move(devices), std::move(whole));
  co_return whole;
}

Sense copy_aborted(AdditionalSense why, size_t segment) {
  Sense sense{SenseKey::copy_aborted, why};
  sense.command_specific = static_cast<uint32_t>(segment);
  return sense;
}

// What the devices themselves could do nothing about is the copy's failure; what another try, or
// space, or another path may mend is told as a WRITE would tell it.
ScsiResult result_of_copy(const CopyOutcome& outcome, const CopyControl& control) {
  switch (outcome.end) {
    case CopyEnd::done:
    case CopyEnd::out_of_time:
      return ScsiResult{};
    case CopyEnd::aborted:
      if (control.ticket->cancelled) return ended_with(Status::task_aborted);
      return check_condition(copy_aborted(asc::kNone, control.operation->segments));
    case CopyEnd::token_lost:
      return check_condition(illegal_request(why_not(control.token->state)));
    case CopyEnd::failed:
      break;
  }
  CHECK(outcome.error);
  ScsiResult result = result_of_failure(outcome.error->code(), outcome.access);
  const bool is_of_device = result.cause && (result.cause->key == SenseKey::medium_error ||
                                             result.cause->key == SenseKey::hardware_error);
  if (!is_of_device) return result;
  log::error("a copy failed: {} ({})", outcome.error->message(), to_string(outcome.error->code()));
  return check_condition(copy_aborted(asc::kThirdPartyDeviceFailure, control.operation->segments));
}

asio::awaitable<ScsiResult> run_plan(CopyPlan plan, bool immed) {
  if (!immed) {
    ScsiResult result = co_await run_and_tell(std::move(plan));
    co_return result;
  }
  CopyOperation& operation = *plan.control.operation;
  operation.status = CopyStatus::in_background;
  operation.background = plan.control.ticket = std::make_shared<Ticket>();
  plan.control.until.reset();  // nobody waits
  Executor executor = co_await asio::this_coro::executor;
  spawn_logged(executor, "a copy in the background", run_in_background(std::move(plan)));
  co_return ScsiResult{};
}

}  // namespace swiftness::scsi
