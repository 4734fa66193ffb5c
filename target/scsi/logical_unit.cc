#include "target/scsi/logical_unit.h"

#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <utility>
#include <variant>

#include "backend/base/check.h"
#include "backend/base/log.h"
#include "target/scsi/backend_error.h"
#include "target/scsi/cdb.h"
#include "target/scsi/command_table.h"
#include "target/scsi/limits.h"
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
  identity.management_url = options.management_url;
  if (!options.product.empty()) identity.product = options.product;
  return identity;
}

// What the transport will bring of a plan's data.
uint64_t comes(const TransferPlan& plan, const Command& command) {
  return command.writes ? std::min<uint64_t>(plan.bytes, command.expected_data_length) : 0;
}

// Whole blocks are written as far as they come, with a residual overflow for the rest (RFC 7143
// 11.4.5.1); part of a block or of a parameter list is worth less than none. What is more than was
// asked for is left out (residual underflow), unless it shows that CDB and data do not belong
// together.
bool sends_other_data(const TransferPlan& plan, const Command& command, unsigned traits,
                      uint32_t block_size) {
  if (plan.direction != TransferPlan::Direction::from_initiator) return false;
  if ((traits & kExactData) != 0 && command.writes && command.expected_data_length > plan.bytes) {
    return true;
  }
  const uint64_t bytes = comes(plan, command);
  if (bytes >= plan.bytes) return false;
  return (traits & kTakesBlocks) == 0 || !command.writes || bytes % block_size != 0;
}

// Beside what works on a unit that is not ready at all (SBC-4 4.11.2): log pages that are not about
// the medium.
bool works_during_sanitize(const Cdb& cdb) {
  if (cdb[0] != opcode::kLogSense) return false;
  const uint8_t page = decode_log_sense(cdb).page_code;
  return page == kSupportedLogPages || page == kInformationalExceptions;
}

uint64_t microseconds(Duration time) {
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(time).count());
}

}  // namespace

LogicalUnit::LogicalUnit(BlockDevice& device, LogicalUnitOptions options)
    : device_(device),
      options_(std::move(options)),
      identity_(identity_from(device, options_)),
      capacity_(device.geometry().blocks),
      mode_(default_mode()),
      saved_mode_(default_mode()),
      groups_(options_.target_ports, options_.access_states),
      has_loaded_metadata_(!device.keeps_metadata()),
      tasks_(options_.tasks) {
  CHECK(capacity_.value() > 0);
  for (const TargetPort& port : options_.target_ports) {
    target_port_ids_.push_back(port.relative_id);
  }
  device_.observe(this);
}

LogicalUnit::~LogicalUnit() {
  visits_.clear();  // of coroutines that outlive it
  if (!retired_) device_.observe(nullptr);
}

void LogicalUnit::retire(std::function<void()> idle) {
  retired_ = true;
  device_.observe(nullptr);
  tell_aborted_ = {};
  nexuses_.clear();
  reserved_by_.reset();
  erasure_->ticket->cancelled = true;
  clear_task_set();
  tell_idle_ = std::move(idle);
  tasks_.on_empty([this] { tell_if_idle(); });
}

void LogicalUnit::tell_if_idle() {
  if (tell_idle_ && is_idle()) tell_idle_();
}

void LogicalUnit::attach(NexusId id, bool read_only, TargetPort port,
                         std::string_view initiator_port) {
  notice_capacity();  // a newcomer is not told of changes before its time
  Nexus& nexus = nexuses_[id.value()];
  nexus.read_only = read_only;
  nexus.name = nexus_name(initiator_port, port.relative_id);
  nexus.port = std::move(port);
  for (const TargetPort& known : options_.target_ports) {
    if (known.relative_id == nexus.port.relative_id) nexus.port.group = known.group;
  }
  nexus.attentions.raise(asc::kPowerOnOrReset);
}

void LogicalUnit::detach(NexusId id) {
  abort_task_set(id);
  if (reserved_by_ == id) reserved_by_.reset();
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

  notice_changes();
  Examined examined = examine(command, *from);
  unsigned traits = examined.command ? examined.command->traits : kNone;
  if ((traits & kIgnoresUnitAttention) == 0) {
    std::optional<Sense> attention = take_attention(*from);
    if (attention) {
      TransferPlan plan = ends_with(in_sense_format(check_condition(*attention)));
      plan.final->attention = attention->additional;
      return plan;
    }
  }
  if (examined.plan.final) *examined.plan.final = in_sense_format(std::move(*examined.plan.final));
  if (!examined.plan.final && examined.command->run && tasks_.full()) {
    return ends_with(ended_with(Status::task_set_full));
  }
  return std::move(examined.plan);
}

asio::awaitable<ScsiResult> LogicalUnit::execute(Command command, BufferList data_out,
                                                 TicketPtr ticket) {
  if (command.cdb[0] == opcode::kSanitize) command.attribute = TaskAttribute::head_of_queue;
  TaskSet::Member task(tasks_, command, ticket);
  if (!task.may_start()) co_await task.turn();
  Nexus* from = nexus(command.nexus);
  if (ticket->cancelled || !from) co_return ended_with(Status::task_aborted);
  if (!has_loaded_metadata_ && needs_metadata(command)) {
    Result<void> loaded = co_await load_metadata();
    if (!loaded) co_return result_of_failure(loaded.error().code(), MediumAccess::read);
    from = nexus(command.nexus);
    if (ticket->cancelled || !from) co_return ended_with(Status::task_aborted);
  }

  Examined examined = examine(command, *from);
  if (examined.plan.final) co_return in_sense_format(std::move(*examined.plan.final));
  if (examined.command->answer) co_return in_sense_format(examined.command->answer(*this, command));

  if (tasks_.over_full()) co_return ended_with(Status::task_set_full);
  if (examined.plan.direction == TransferPlan::Direction::from_initiator) {
    CHECK(data_out.size() == comes(examined.plan, command));
  }
  const uint64_t bytes_out = data_out.size();
  const TimePoint begin = now();
  count_begin(begin);
  ScsiResult result = co_await examined.command->run(*this, std::move(command), std::move(data_out),
                                                     std::move(ticket));
  count_end(*examined.command, result, bytes_out, begin);
  co_return in_sense_format(std::move(result));
}

Sense LogicalUnit::sense_now(const Nexus* nexus) const {
  const std::optional<Sense> path = nexus ? inaccessible(*nexus, kNone) : std::nullopt;
  if (path) return *path;
  const Sense sense = sense_of_state(state());
  return sense.key == SenseKey::no_sense ? medium_unready().value_or(sense) : sense;
}

void LogicalUnit::count_begin(TimePoint begin) {
  if (running_++ == 0) statistics_.idle_us += microseconds(begin - idle_since_);
}

void LogicalUnit::count_end(const CommandDescriptor& descriptor, const ScsiResult& result,
                            uint64_t bytes_out, TimePoint begin) {
  const TimePoint end = now();
  if (--running_ == 0) idle_since_ = end;
  const uint32_t block_size = geometry().block_size;
  if ((descriptor.traits & kCountsAsRead) != 0) {
    ++statistics_.read_commands;
    statistics_.blocks_transmitted += result.data_in.size() / block_size;
    statistics_.read_us += microseconds(end - begin);
  } else if ((descriptor.traits & kCountsAsWrite) != 0) {
    ++statistics_.write_commands;
    statistics_.blocks_received += bytes_out / block_size;
    statistics_.write_us += microseconds(end - begin);
  }
}

ScsiResult LogicalUnit::in_sense_format(ScsiResult result) const {
  if (mode_.descriptor_sense) to_descriptor_format(result);
  return result;
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

  if (conflicts(command, *out.command, nexus)) {
    out.plan.final = ended_with(Status::reservation_conflict);
    return out;
  }
  out.plan.final = refusal(command.cdb, *out.command, nexus);
  if (out.plan.final) return out;

  std::variant<Transfer, Sense> checked = out.command->check(*this, command.cdb);
  if (const Sense* sense = std::get_if<Sense>(&checked)) {
    out.plan.final = check_condition(*sense);
    return out;
  }
  const Transfer& transfer = std::get<Transfer>(checked);
  out.plan.direction = transfer.direction;
  out.plan.bytes = transfer.bytes;
  const bool sends_data = command.writes && command.expected_data_length > 0;
  if ((out.command->traits & kExactData) != 0 && out.plan.bytes == 0 && sends_data) {
    // Such as a COMPARE AND WRITE of 256 blocks: its CDB has one byte for them.
    out.plan.final = check_condition(illegal_request(asc::kInvalidFieldInCdb));
    return out;
  }
  if (sends_other_data(out.plan, command, out.command->traits, geometry().block_size)) {
    out.plan.final = check_condition(illegal_request(asc::kInvalidFieldInCommandInformationUnit));
  }
  return out;
}

std::optional<ScsiResult> LogicalUnit::refusal(const Cdb& cdb, const CommandDescriptor& descriptor,
                                               const Nexus& nexus) const {
  const std::optional<Sense> path = inaccessible(nexus, descriptor.traits);
  if (path) return check_condition(*path);
  std::optional<ScsiResult> refused;
  if ((descriptor.traits & kWorksUnready) == 0) refused = unready_for(cdb, descriptor.traits);
  if (!refused && (descriptor.traits & kChangesMedium) != 0) refused = write_protected(nexus);
  return refused;
}

std::optional<ScsiResult> LogicalUnit::unready() const {
  std::optional<ScsiResult> refused = refusal_of_state(state());
  const std::optional<Sense> why = medium_unready();
  if (!refused && why) refused = check_condition(*why);
  return refused;
}

std::optional<Sense> LogicalUnit::medium_unready() const {
  std::optional<Sense> sense = erasure_->sense();
  if (!sense && !has_medium_) sense = Sense{SenseKey::not_ready, asc::kMediumNotPresent};
  return sense;
}

std::optional<ScsiResult> LogicalUnit::unready_for(const Cdb& cdb, unsigned traits) const {
  const bool sanitized = erasure_->progress ? erasure_->is_sanitize : erasure_->failed.has_value();
  const bool is_new_attempt = cdb[0] == opcode::kSanitize && !erasure_->progress;
  bool goes_on = sanitized && (is_new_attempt || works_during_sanitize(cdb));
  if (!erasure_->sense() && (traits & kWithoutMedium) != 0) goes_on = true;
  return goes_on ? refusal_of_state(state()) : unready();
}

bool LogicalUnit::is_removal_prevented() const {
  return std::ranges::any_of(nexuses_,
                             [](const auto& entry) { return entry.second.prevents_removal; });
}

void LogicalUnit::load(NexusId by) {
  if (has_medium_) return;
  has_medium_ = true;
  raise_for_others(by, asc::kMediumMayHaveChanged);
}

void LogicalUnit::set_removable(bool removable) {
  if (removable == options_.removable) return;
  options_.removable = removable;
  if (!has_medium_) raise(asc::kMediumMayHaveChanged);
  has_medium_ = true;
  for (auto& [id, nexus] : nexuses_) nexus.prevents_removal = false;
  raise(asc::kInquiryDataHasChanged);
}

std::optional<ScsiResult> LogicalUnit::write_protected(const Nexus& nexus) const {
  if (!is_write_protected(nexus)) return std::nullopt;
  const bool by_software = mode_.software_write_protect && !options_.read_only && !nexus.read_only;
  return check_condition(
      {SenseKey::data_protect, by_software ? asc::kSoftwareWriteProtected : asc::kWriteProtected});
}

std::optional<Sense> LogicalUnit::inaccessible(const Nexus& nexus, unsigned traits) const {
  switch (groups_.state_of(nexus.port.group)) {
    case AccessState::active_optimized:
    case AccessState::active_non_optimized:
      break;
    case AccessState::standby:
      if ((traits & kInStandby) != 0) break;
      return Sense{SenseKey::not_ready, asc::kTargetPortInStandbyState};
    case AccessState::unavailable:
      if ((traits & kInUnavailable) != 0) break;
      return Sense{SenseKey::not_ready, asc::kTargetPortInUnavailableState};
  }
  return std::nullopt;
}

void LogicalUnit::set_access_states(const AccessStates& configured) {
  if (groups_.configure(configured)) raise(asc::kAsymmetricAccessStateChanged);
}

std::optional<Sense> LogicalUnit::set_target_port_groups(std::span<const std::byte> list,
                                                         NexusId by) {
  const std::variant<bool, Sense> changed = groups_.set(list);
  if (const Sense* wrong = std::get_if<Sense>(&changed)) return *wrong;
  if (std::get<bool>(changed)) raise_for_others(by, asc::kAsymmetricAccessStateChanged);
  return std::nullopt;
}

LogicalUnit::Visit::Visit(LogicalUnit& unit, NexusId nexus, TicketPtr ticket)
    : unit_(unit), nexus_(nexus), ticket_(std::move(ticket)) {
  unit.visits_.push_back(*this);
}

LogicalUnit::Visit::~Visit() {
  if (!is_linked()) return;  // the unit went first
  unlink();
  unit_.tell_if_idle();
}

// Mode parameters go back to the defaults with it (SPC-5 6.13).
void LogicalUnit::reset() {
  clear_task_set();
  mode_ = saved_mode_;
  reserved_by_.reset();
  for (auto& [id, nexus] : nexuses_) {
    nexus.copies.give_up_background();
    nexus.prevents_removal = false;
  }

  range_locks_.notice_cancelled();
  raise(asc::kLogicalUnitReset);
}

void LogicalUnit::clear_task_set() {
  tasks_.cancel_all();
  for (Visit& visit : visits_) visit.ticket_->cancelled = true;
  range_locks_.notice_cancelled();
}

void LogicalUnit::abort_task_set(NexusId nexus) {
  tasks_.cancel_all_of(nexus);
  for (Visit& visit : visits_) {
    if (visit.nexus_ == nexus) visit.ticket_->cancelled = true;
  }
  range_locks_.notice_cancelled();
}

bool LogicalUnit::abort_task(NexusId nexus, TaskTag tag) {
  const bool there_was_one = tasks_.cancel(nexus, tag) > 0;
  range_locks_.notice_cancelled();
  return there_was_one;
}

void LogicalUnit::set_mode(const ModeParameters& mode, NexusId by) {
  if (mode == mode_) return;
  mode_ = mode;
  raise_for_others(by, asc::kModeParametersChanged);
}

// The WP bit of every mode page's header is another one (SPC-5 7.5.6).
void LogicalUnit::set_read_only(bool read_only) {
  if (read_only == options_.read_only) return;
  options_.read_only = read_only;
  raise(asc::kModeParametersChanged);
}

ModeParameters LogicalUnit::default_mode() const noexcept {
  ModeParameters mode{.write_cache = options_.write_cache};
  if (options_.soft_threshold) {
    const uint64_t sets = options_.soft_threshold->value() / geometry().block_size >>
                          provisioning_exponent(geometry());
    mode.thresholds[kConfiguredThreshold] = {true, static_cast<uint32_t>(sets)};
  }
  return mode;
}

void LogicalUnit::set_soft_threshold(std::optional<ByteCount> used) {
  options_.soft_threshold = used;
  const SoftThreshold threshold = default_mode().thresholds[kConfiguredThreshold];
  saved_mode_.thresholds[kConfiguredThreshold] = threshold;
  if (threshold == std::exchange(mode_.thresholds[kConfiguredThreshold], threshold)) return;
  raise(asc::kModeParametersChanged);
}

void LogicalUnit::raise_for_others(NexusId by, AdditionalSense condition) {
  for (auto& [id, nexus] : nexuses_) {
    if (NexusId(id) != by) nexus.attentions.raise(condition);
  }
}

// ---- reservations
// -------------------------------------------------------------------------------

bool LogicalUnit::conflicts(const Command& command, const CommandDescriptor& descriptor,
                            const Nexus& nexus) const {
  const bool always = (descriptor.traits & kUnderAnyReservation) != 0;
  if (reserved_by_) {
    const bool allowed = always && (descriptor.traits & kNotUnderReserve) == 0;
    return *reserved_by_ != command.nexus && !allowed;
  }
  if (!reservations_.reservation()) return false;
  UnderReservation how = UnderReservation::conflicts;
  if ((descriptor.traits & kUnderWriteExclusive) != 0) {
    how = UnderReservation::allowed_write_exclusive;
  }
  if (always || (descriptor.is_harmless && descriptor.is_harmless(command.cdb))) {
    how = UnderReservation::allowed;
  }
  return !reservations_.allows(nexus.name, how);
}

asio::awaitable<std::optional<ScsiResult>> LogicalUnit::refusal_of_copy(NexusId id,
                                                                        MediumAccess access) {
  if (!has_loaded_metadata_ && state() == DeviceState::online) {
    Result<void> loaded = co_await load_metadata();
    if (!loaded) co_return result_of_failure(loaded.error().code(), MediumAccess::read);
  }
  const Nexus* from = nexus(id);
  if (!from) co_return ended_with(Status::task_aborted);
  const UnderReservation how = access == MediumAccess::read
                                   ? UnderReservation::allowed_write_exclusive
                                   : UnderReservation::conflicts;
  const bool reserved = reserved_by_ ? *reserved_by_ != id
                                     : reservations_.reservation().has_value() &&
                                           !reservations_.allows(from->name, how);
  if (reserved) co_return ended_with(Status::reservation_conflict);
  const std::optional<Sense> path = inaccessible(*from, kNone);
  if (path) co_return check_condition(*path);
  std::optional<ScsiResult> refused = unready();
  if (!refused && access == MediumAccess::write) refused = write_protected(*from);
  co_return refused;
}

void LogicalUnit::set_reservations(Reservations next, const Reservations::Outcome& outcome,
                                   NexusId by) {
  reservations_ = std::move(next);
  std::vector<NexusId> aborted;
  for (auto& [id, nexus] : nexuses_) {
    for (const Reservations::Notice& notice : outcome.notices) {
      if (notice.nexus == nexus.name) nexus.attentions.raise(notice.condition);
    }
    // Not the command's own nexus: the command is one of its tasks.
    const bool ends = NexusId(id) != by &&
                      std::ranges::find(outcome.aborted, nexus.name) != outcome.aborted.end();
    if (!ends) continue;
    aborted.push_back(NexusId(id));
    nexus.prevents_removal = false;  // SPC-5 6.18
  }
  for (NexusId id : aborted) {
    abort_task_set(id);
    if (tell_aborted_) tell_aborted_(id);
  }
}

// SPC-5 5.14.3 (CRH=1): where there are persistent reservations, a nexus that may do all anyway is
// told GOOD and nothing is reserved; others conflict.
bool LogicalUnit::reserve(NexusId id) {
  if (reserved_by_ && *reserved_by_ != id) return false;
  if (!reservations_.registrations().empty()) {
    const Nexus* known = nexus(id);
    if (!known || !reservations_.find(known->name)) return false;
    return reservations_.is_holder(known->name) || reservations_.is_of_registrants();
  }
  reserved_by_ = id;
  return true;
}

// A nexus that has reserved nothing releases nothing, which is no error (SPC-2 7.16).
bool LogicalUnit::release(NexusId id) {
  if (!reservations_.registrations().empty()) {
    const Nexus* known = nexus(id);
    return known && reservations_.find(known->name) != nullptr;
  }
  if (reserved_by_ == id) reserved_by_.reset();
  return true;
}

bool LogicalUnit::needs_metadata(const Command& command) const {
  if (state() != DeviceState::online) return false;
  std::variant<const CommandDescriptor*, Sense> found = find_command(command.cdb);
  const CommandDescriptor* const* descriptor = std::get_if<const CommandDescriptor*>(&found);
  return descriptor && ((*descriptor)->traits & kWorksUnready) == 0;
}

// What the volume brought along from another gateway, or from before a restart. Nothing but
// INQUIRY and its like is answered before it is known.
Async<void> LogicalUnit::load_metadata() {
  Result<Bytes> record = co_await device_.load_metadata(MetadataKey::reservations);
  if (!record) co_return record.error();
  Result<Bytes> mode_record = co_await device_.load_metadata(MetadataKey::mode_pages);
  if (!mode_record) co_return mode_record.error();
  Result<Bytes> sanitize_record = co_await device_.load_metadata(MetadataKey::sanitize);
  if (!sanitize_record) co_return sanitize_record.error();
  if (has_loaded_metadata_) co_return Result<void>();  // another command was faster
  std::optional<Reservations> reservations = Reservations::decode(*record);
  if (!reservations) {
    co_return Error(ErrorCode::corrupt, "the record of persistent reservations is damaged");
  }
  std::optional<ModeParameters> mode = decode_mode(*mode_record, default_mode());
  if (!mode) co_return Error(ErrorCode::corrupt, "the record of saved mode pages is damaged");
  const std::optional<CompletionMode> sanitizing = decode_sanitize_record(*sanitize_record);
  if (!sanitizing && !sanitize_record->empty()) {
    co_return Error(ErrorCode::corrupt, "the record of a SANITIZE is damaged");
  }
  reservations_ = std::move(*reservations);
  mode_ = saved_mode_ = *mode;
  has_loaded_metadata_ = true;
  if (sanitizing) {
    const Executor executor = co_await asio::this_coro::executor;
    resume_sanitize(*this, executor, *sanitizing);
  }
  co_return Result<void>();
}

void LogicalUnit::lose_nexus(NexusId id) {
  if (reserved_by_ == id) reserved_by_.reset();
  abort_task_set(id);
  if (Nexus* known = nexus(id)) known->prevents_removal = false;
  raise(id, asc::kItNexusLossOccurred);
}

std::optional<AsynchronousEvent> LogicalUnit::query_asynchronous_event(NexusId id) {
  notice_changes();
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

void LogicalUnit::notice_changes() {
  notice_capacity();
  notice_provisioning();
}

void LogicalUnit::notice_provisioning() {
  const bool any = std::ranges::any_of(mode_.thresholds, &SoftThreshold::enabled);
  if (!any || state() != DeviceState::online) return;
  const Usage usage = device_.usage();
  const std::optional<size_t> passed = thresholds_.look(mode_, usage, geometry());
  if (!passed) return;
  log::warning("volume {}: a threshold is passed: {} MiB are used, {} MiB available",
               to_string(identity_.uuid), usage.mapped.value() >> 20,
               usage.available().value() >> 20);
  passed_threshold_ = *passed;
  if (mode_.provisioning_errors) raise(asc::kThinProvisioningSoftThresholdReached);
}

// A threshold is named by the place of its descriptor in the mode page (SBC-4 4.7.3.7).
std::optional<Sense> LogicalUnit::take_attention(Nexus& nexus) {
  std::optional<Sense> attention = nexus.attentions.take();
  if (attention && attention->additional == asc::kThinProvisioningSoftThresholdReached) {
    attention->information = threshold_descriptor_at(passed_threshold_);
  }
  return attention;
}

void LogicalUnit::notice_capacity() {
  BlockCount now = geometry().blocks;
  if (now == capacity_) return;
  capacity_ = now;
  raise(asc::kCapacityChanged);
}

}  // namespace swiftness::scsi
