#include "target/scsi/logical_unit.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "backend/base/check.h"
#include "target/scsi/backend_error.h"
#include "target/scsi/command_table.h"
#include "target/scsi/sense.h"

namespace swiftness::scsi {
namespace {

TransferPlan ends_with(ScsiResult result) {
  TransferPlan plan;
  plan.final = std::move(result);
  return plan;
}

Identity identity_from(const BlockDevice& device, const LogicalUnitOptions& options) {
  Identity identity;
  identity.uuid = device.geometry().identity;
  identity.serial = options.serial;
  if (!options.product.empty()) identity.product = options.product;
  return identity;
}

// What the transport will bring of a plan's data.
uint64_t comes(const TransferPlan& plan, const Command& command) {
  return command.writes ? std::min<uint64_t>(plan.bytes, command.expected_data_length) : 0;
}

// Whole blocks are written as far as they come, with a residual overflow for the rest (RFC 7143
// 11.4.5.1); part of a block or of a parameter list is worth less than none.
bool sends_too_little(const TransferPlan& plan, const Command& command, unsigned traits,
                      uint32_t block_size) {
  if (plan.direction != TransferPlan::Direction::from_initiator) return false;
  const uint64_t bytes = comes(plan, command);
  if (bytes >= plan.bytes) return false;
  return (traits & kTakesBlocks) == 0 || !command.writes || bytes % block_size != 0;
}

}  // namespace

LogicalUnit::LogicalUnit(BlockDevice& device, LogicalUnitOptions options)
    : device_(device),
      options_(std::move(options)),
      identity_(identity_from(device, options_)),
      capacity_(device.geometry().blocks),
      tasks_(options_.tasks) {
  CHECK(capacity_.value() > 0);
  device_.observe(this);
}

LogicalUnit::~LogicalUnit() {
  device_.observe(nullptr);
}

void LogicalUnit::attach(NexusId id, bool read_only, TargetPort port) {
  notice_capacity();  // a newcomer is not told of changes before its time
  Nexus& nexus = nexuses_[id.value()];
  nexus.read_only = read_only;
  nexus.port = std::move(port);
  nexus.attentions.raise(asc::kPowerOnOrReset);
}

void LogicalUnit::detach(NexusId id) {
  tasks_.cancel_all_of(id);
  nexuses_.erase(id.value());
}

LogicalUnit::Nexus* LogicalUnit::nexus(NexusId id) {
  auto found = nexuses_.find(id.value());
  return found == nexuses_.end() ? nullptr : &found->second;
}

TransferPlan LogicalUnit::plan(const Command& command) noexcept {
  Nexus* from = nexus(command.nexus);
  if (!from) return ends_with(ended_with(Status::task_aborted));
  // We never establish an ACA condition, so no task may belong to one (SAM-5 8.6.5).
  if (command.attribute == TaskAttribute::aca) {
    return ends_with(check_condition(illegal_request(asc::kInvalidMessage)));
  }

  notice_capacity();
  Examined examined = examine(command, *from);
  unsigned traits = examined.command ? examined.command->traits : kNone;
  if ((traits & kIgnoresUnitAttention) == 0) {
    std::optional<Sense> attention = from->attentions.take();
    if (attention) {
      TransferPlan plan = ends_with(check_condition(*attention));
      plan.attention = attention->additional;
      return plan;
    }
  }
  if (!examined.plan.final && examined.command->run && tasks_.full()) {
    return ends_with(ended_with(Status::task_set_full));
  }
  return std::move(examined.plan);
}

asio::awaitable<ScsiResult> LogicalUnit::execute(Command command, BufferList data_out,
                                                 TicketPtr ticket) {
  TaskSet::Member task(tasks_, command, ticket);
  if (!task.may_start()) co_await task.turn();
  Nexus* from = nexus(command.nexus);
  if (ticket->cancelled || !from) co_return ended_with(Status::task_aborted);

  Examined examined = examine(command, *from);
  if (examined.plan.final) co_return std::move(*examined.plan.final);
  if (examined.command->answer) co_return examined.command->answer(*this, command);

  if (tasks_.over_full()) co_return ended_with(Status::task_set_full);
  if (examined.plan.direction == TransferPlan::Direction::from_initiator) {
    CHECK(data_out.size() == comes(examined.plan, command));
  }
  ScsiResult result = co_await examined.command->run(*this, std::move(command), std::move(data_out),
                                                     std::move(ticket));
  co_return result;
}

// All that is known without asking the device. Both plan() and execute() call it: between them the
// device may have been fenced or the nexus's access withdrawn.
LogicalUnit::Examined LogicalUnit::examine(const Command& command, const Nexus& nexus) const {
  Examined out;
  std::variant<const CommandDescriptor*, Sense> found = find_command(command.cdb);
  if (const Sense* sense = std::get_if<Sense>(&found)) {
    out.plan.final = check_condition(*sense);
    return out;
  }
  out.command = std::get<const CommandDescriptor*>(found);
  CHECK(out.command->answer || out.command->run);  // the task router keeps its own commands

  out.plan.final = refusal(*out.command, nexus);
  if (out.plan.final) return out;

  std::variant<Transfer, Sense> checked = out.command->check(*this, command.cdb);
  if (const Sense* sense = std::get_if<Sense>(&checked)) {
    out.plan.final = check_condition(*sense);
    return out;
  }
  const Transfer& transfer = std::get<Transfer>(checked);
  out.plan.direction = transfer.direction;
  out.plan.bytes = transfer.bytes;
  if (sends_too_little(out.plan, command, out.command->traits, geometry().block_size)) {
    out.plan.final = check_condition(illegal_request(asc::kInvalidFieldInCommandInformationUnit));
  }
  return out;
}

std::optional<ScsiResult> LogicalUnit::refusal(const CommandDescriptor& descriptor,
                                               const Nexus& nexus) const {
  if ((descriptor.traits & kWorksUnready) == 0) {
    std::optional<ScsiResult> unready = refusal_of_state(state());
    if (unready) return unready;
  }
  if ((descriptor.traits & kChangesMedium) != 0 && is_write_protected(nexus)) {
    return check_condition({SenseKey::data_protect, asc::kWriteProtected});
  }
  return std::nullopt;
}

void LogicalUnit::reset() {
  tasks_.cancel_all();
  raise(asc::kLogicalUnitReset);
}

void LogicalUnit::lose_nexus(NexusId id) {
  tasks_.cancel_all_of(id);
  raise(id, asc::kItNexusLossOccurred);
}

std::optional<AsynchronousEvent> LogicalUnit::query_asynchronous_event(NexusId id) {
  notice_capacity();
  const Nexus* known = nexus(id);
  if (!known || known->attentions.pending().empty()) return std::nullopt;
  const std::vector<AdditionalSense>& pending = known->attentions.pending();
  constexpr uint8_t kOneIsPending = 0x10, kMoreArePending = 0x20;  // UADE DEPTH
  const auto depth = pending.size() == 1 ? kOneIsPending : kMoreArePending;
  return AsynchronousEvent{
      static_cast<uint8_t>(depth | static_cast<uint8_t>(SenseKey::unit_attention)),
      pending.front().code, pending.front().qualifier};
}

void LogicalUnit::raise(AdditionalSense condition) {
  for (auto& [id, nexus] : nexuses_) nexus.attentions.raise(condition);
}

void LogicalUnit::raise(NexusId id, AdditionalSense condition) {
  if (Nexus* known = nexus(id)) known->attentions.raise(condition);
}

void LogicalUnit::clear(NexusId id, AdditionalSense condition) {
  if (Nexus* known = nexus(id)) known->attentions.clear(condition);
}

void LogicalUnit::on_state_changed(DeviceState state) {
  if (state == DeviceState::online) notice_capacity();
}

void LogicalUnit::notice_capacity() {
  BlockCount now = geometry().blocks;
  if (now == capacity_) return;
  capacity_ = now;
  raise(asc::kCapacityChanged);
}

}  // namespace swiftness::scsi
