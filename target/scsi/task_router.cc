#include "target/scsi/task_router.h"

#include <algorithm>
#include <utility>

#include "backend/base/check.h"
#include "target/scsi/absent_unit.h"
#include "target/scsi/cdb.h"
#include "target/scsi/commands.h"
#include "target/scsi/copy_manager.h"
#include "target/scsi/logical_unit.h"
#include "target/scsi/lun.h"
#include "target/scsi/sense.h"

namespace swiftness::scsi {
namespace {

bool may_use(const NexusOptions& nexus, uint16_t lun) noexcept {
  return nexus.luns.empty() || std::ranges::find(nexus.luns, lun) != nexus.luns.end();
}

asio::awaitable<ScsiResult> at_once(ScsiResult result) {
  co_return result;
}

enum SelectReport : uint8_t {  // SPC-5 6.34.1
  kNotWellKnown = 0x00,
  kWellKnown = 0x01,
  kAllAccessible = 0x02,
  kAdministrative = 0x10,
  kNotConglomerate = 0x11,  // those and what belongs to none of them
  kSubsidiary = 0x12,       // of the administrative logical unit that is asked
};

bool is_known(uint8_t select_report) {
  return select_report <= kAllAccessible ||
         (select_report >= kAdministrative && select_report <= kSubsidiary);
}

// Of well known, administrative and subsidiary logical units there are none.
bool lists_plain_units(uint8_t select_report) {
  return select_report == kNotWellKnown || select_report == kAllAccessible ||
         select_report == kNotConglomerate;
}

}  // namespace

TaskRouter::TaskRouter() : copy_manager_(std::make_unique<CopyManager>()) {}
TaskRouter::~TaskRouter() = default;

// ---- logical units and nexuses
// -------------------------------------------------------------------

void TaskRouter::add(uint16_t lun, std::unique_ptr<LogicalUnit> unit) {
  CHECK(unit && !units_.contains(lun) && lun <= kHighestLun);
  unit->join(*copy_manager_);
  copy_manager_->add(*unit);
  unit->on_tasks_aborted([this, lun](NexusId id) {
    const NexusOptions* nexus = find(id);
    if (nexus && nexus->listener) nexus->listener->on_tasks_cleared(lun_to_field(lun));
  });
  for (const auto& [id, nexus] : nexuses_) {
    if (!may_use(nexus, lun)) continue;
    unit->attach(NexusId(id), nexus.read_only, nexus.target_port, nexus.initiator_port);
    for (auto& [other_lun, other] : units_) other->raise(NexusId(id), asc::kReportedLunsChanged);
  }
  units_.emplace(lun, std::move(unit));
  for (const auto& [id, nexus] : nexuses_) {
    if (nexus.listener && may_use(nexus, lun)) nexus.listener->on_reported_luns_changed();
  }
}

std::unique_ptr<LogicalUnit> TaskRouter::remove(uint16_t lun, std::function<void()> idle) {
  auto found = units_.find(lun);
  CHECK(found != units_.end());
  std::unique_ptr<LogicalUnit> unit = std::move(found->second);
  units_.erase(found);
  copy_manager_->remove(*unit);
  unit->retire(std::move(idle));
  std::vector<NexusId> concerned;
  for (const auto& [id, nexus] : nexuses_) {
    if (!may_use(nexus, lun)) continue;
    for (auto& [other_lun, other] : units_) other->raise(NexusId(id), asc::kReportedLunsChanged);
    if (nexus.listener) concerned.push_back(NexusId(id));
  }
  for (NexusId id : concerned) {
    const NexusOptions* nexus = find(id);  // a listener may detach a nexus
    if (nexus) nexus->listener->on_unit_removed(lun);
    nexus = find(id);
    if (nexus) nexus->listener->on_reported_luns_changed();
  }
  return unit;
}

NexusId TaskRouter::attach(NexusOptions options) {
  NexusId id(++last_nexus_);
  for (auto& [lun, unit] : units_) {
    if (!may_use(options, lun)) continue;
    unit->attach(id, options.read_only, options.target_port, options.initiator_port);
  }
  nexuses_.emplace(id.value(), std::move(options));
  return id;
}

void TaskRouter::set_luns(NexusId id, std::vector<uint16_t> luns) {
  auto found = nexuses_.find(id.value());
  if (found == nexuses_.end()) return;
  NexusOptions& nexus = found->second;
  NexusOptions before = nexus;
  nexus.luns = std::move(luns);
  std::vector<uint16_t> gone;
  std::vector<LogicalUnit*> same;
  bool changed = false;
  for (auto& [lun, unit] : units_) {
    const bool had = may_use(before, lun), has = may_use(nexus, lun);
    if (had && has) same.push_back(unit.get());
    if (had == has) continue;
    changed = true;
    if (has) {
      unit->attach(id, nexus.read_only, nexus.target_port, nexus.initiator_port);
    } else {
      unit->detach(id);
      gone.push_back(lun);
    }
  }
  if (!changed) return;
  for (LogicalUnit* unit : same) unit->raise(id, asc::kReportedLunsChanged);
  NexusListener* listener = nexus.listener;
  if (!listener) return;
  for (uint16_t lun : gone) listener->on_unit_removed(lun);
  if (find(id)) listener->on_reported_luns_changed();
}

void TaskRouter::detach(NexusId id) {
  for (auto& [lun, unit] : units_) unit->detach(id);
  nexuses_.erase(id.value());
}

const NexusOptions* TaskRouter::find(NexusId id) const noexcept {
  auto found = nexuses_.find(id.value());
  return found == nexuses_.end() ? nullptr : &found->second;
}

LogicalUnit* TaskRouter::unit_for(const NexusOptions& nexus, LunField field) const noexcept {
  std::optional<uint16_t> lun = lun_from_field(field);
  if (!lun || !may_use(nexus, *lun)) return nullptr;
  auto found = units_.find(*lun);
  return found == units_.end() ? nullptr : found->second.get();
}

LogicalUnit* TaskRouter::unit_for(NexusId id, LunField field) const noexcept {
  const NexusOptions* nexus = find(id);
  return nexus ? unit_for(*nexus, field) : nullptr;
}

bool TaskRouter::has(LunField field) const noexcept {
  std::optional<uint16_t> lun = lun_from_field(field);
  return lun && units_.contains(*lun);
}

bool TaskRouter::has(LunField field, NexusId id) const noexcept {
  return unit_for(id, field) != nullptr;
}

// ---- commands
// ------------------------------------------------------------------------------------

TransferPlan TaskRouter::plan(const Command& command) noexcept {
  TransferPlan plan;
  const NexusOptions* nexus = find(command.nexus);
  if (!nexus) {
    plan.final = ended_with(Status::task_aborted);
    return plan;
  }
  LogicalUnit* unit = unit_for(*nexus, command.lun);
  if (answers_report_luns(unit, command)) {
    std::optional<Sense> wrong = check_report_luns(command.cdb);
    if (wrong) {
      plan.final = check_condition(*wrong);
    } else {
      plan.direction = TransferPlan::Direction::to_initiator;
      plan.bytes = decode_report_luns(command.cdb).allocation_length;
    }
    return plan;
  }
  return unit ? unit->plan(command) : plan_without_unit(command.cdb);
}

// Not a coroutine itself: the way to a logical unit costs no frame.
asio::awaitable<ScsiResult> TaskRouter::execute(Command command, BufferList data_out,
                                                TicketPtr ticket) {
  CHECK(ticket);
  const NexusOptions* nexus = find(command.nexus);
  if (!nexus) return at_once(ended_with(Status::task_aborted));
  LogicalUnit* unit = unit_for(*nexus, command.lun);
  if (answers_report_luns(unit, command)) return at_once(report_luns(*nexus, command));
  if (!unit) return at_once(answer_without_unit(command.cdb));
  return unit->execute(std::move(command), std::move(data_out), std::move(ticket));
}

// ---- REPORT LUNS, SPC-5 6.34
// ---------------------------------------------------------------------

// Every logical unit answers it, and LUN 0 does even where there is none: initiators ask there.
bool TaskRouter::answers_report_luns(const LogicalUnit* unit, const Command& command) {
  return command.cdb[0] == opcode::kReportLuns &&
         (unit || canonical(command.lun) == lun_to_field(0));
}

std::optional<Sense> TaskRouter::check_report_luns(const Cdb& cdb) {
  std::variant<const CommandDescriptor*, Sense> found = find_command(cdb);
  if (const Sense* sense = std::get_if<Sense>(&found)) return *sense;
  if (!is_known(decode_report_luns(cdb).select_report)) return invalid_field_in_cdb(2);
  return std::nullopt;
}

ScsiResult TaskRouter::report_luns(const NexusOptions& nexus, const Command& command) {
  std::optional<Sense> wrong = check_report_luns(command.cdb);
  if (wrong) return check_condition(*wrong);
  ReportLunsCdb cdb = decode_report_luns(command.cdb);
  std::vector<uint16_t> luns;
  if (lists_plain_units(cdb.select_report)) luns = luns_of(nexus);
  // Having seen the list the nexus need not be told that it has changed.
  for (auto& [lun, unit] : units_) unit->clear(command.nexus, asc::kReportedLunsChanged);
  return parameter_data(report_luns_data(luns), cdb.allocation_length);
}

std::vector<uint16_t> TaskRouter::luns_of(const NexusOptions& nexus) const {
  std::vector<uint16_t> luns;
  for (const auto& [lun, unit] : units_) {
    if (may_use(nexus, lun)) luns.push_back(lun);
  }
  return luns;
}

// ---- task management
// -----------------------------------------------------------------------------

void TaskRouter::reset(LunField lun, NexusId by) {
  LogicalUnit* unit = unit_for(by, lun);
  if (!unit) return;
  unit->reset();
  tell_cleared(lun, by);
}

bool TaskRouter::reset_all(NexusId by) {
  const NexusOptions* nexus = find(by);
  if (!nexus || nexus->read_only) return false;
  const std::vector<uint16_t> luns = luns_of(*nexus);
  if (luns.size() != units_.size()) return false;
  for (uint16_t lun : luns) reset(lun_to_field(lun), by);
  return true;
}

void TaskRouter::clear_task_set(LunField lun, NexusId by) {
  LogicalUnit* unit = unit_for(by, lun);
  if (!unit) return;
  unit->clear_task_set();
  for (NexusId other : tell_cleared(lun, by)) {
    unit->raise(other, asc::kCommandsClearedByAnotherInitiator);
  }
}

// The listeners of the others that may use the unit. Returns whose tasks there were.
std::vector<NexusId> TaskRouter::tell_cleared(LunField lun, NexusId by) {
  std::vector<NexusId> others, concerned;
  for (const auto& [id, nexus] : nexuses_) {
    if (NexusId(id) != by && nexus.listener && unit_for(nexus, lun)) others.push_back(NexusId(id));
  }
  for (NexusId id : others) {
    const NexusOptions* nexus = find(id);  // a listener may detach a nexus
    if (nexus && nexus->listener->on_tasks_cleared(lun)) concerned.push_back(id);
  }
  return concerned;
}

void TaskRouter::abort_task_set(LunField lun, NexusId id) {
  if (LogicalUnit* unit = unit_for(id, lun)) unit->abort_task_set(id);
}

void TaskRouter::reset_nexus(NexusId id) {
  const NexusOptions* nexus = find(id);
  if (!nexus) return;
  for (uint16_t lun : luns_of(*nexus)) units_.at(lun)->lose_nexus(id);
}

std::optional<AsynchronousEvent> TaskRouter::query_asynchronous_event(LunField lun, NexusId id) {
  LogicalUnit* unit = unit_for(id, lun);
  return unit ? unit->query_asynchronous_event(id) : std::nullopt;
}

bool TaskRouter::abort_task(LunField lun, NexusId id, TaskTag tag) {
  LogicalUnit* unit = unit_for(id, lun);
  return unit && unit->abort_task(id, tag);
}

void TaskRouter::clear_by_transport(LunField lun, NexusId id, TaskTag tag) {
  LogicalUnit* unit = unit_for(id, lun);
  if (!unit) return;
  unit->abort_task(id, tag);
  unit->raise(id, asc::kSomeCommandsClearedByIscsiProtocolEvent);
}

void TaskRouter::raise_again(LunField lun, NexusId id, AdditionalSense attention) {
  if (LogicalUnit* unit = unit_for(id, lun)) unit->raise(id, attention);
}

}  // namespace swiftness::scsi
