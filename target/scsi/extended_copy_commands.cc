// EXTENDED COPY, COPY OPERATION ABORT, and what THIRD-PARTY COPY IN tells about copies.
#include <boost/asio/this_coro.hpp>

#include <utility>

#include "target/scsi/cdb.h"
#include "target/scsi/commands.h"
#include "target/scsi/copy_plan.h"
#include "target/scsi/copy_results.h"
#include "target/scsi/limits.h"
#include "target/scsi/logical_unit.h"

namespace swiftness::scsi {
namespace {

ListIdentifierLength form_of(const Cdb& cdb) {
  const bool is_lid1 =
      decode_third_party_copy_out(cdb).service_action == service_action::kExtendedCopyLid1;
  return is_lid1 ? ListIdentifierLength::one : ListIdentifierLength::four;
}

// The logical unit that a segment's descriptor stands for.
std::variant<LogicalUnit*, Sense> find_target(const CopyManager& manager, const ExtendedCopy& copy,
                                              uint16_t index, NexusId nexus, size_t segment) {
  if (index >= copy.targets.size()) return copy_aborted(asc::kUnreachableCopyTarget, segment);
  const CopyTarget& target = copy.targets[index];
  LogicalUnit* unit = manager.find(target, nexus);
  if (!unit) return copy_aborted(asc::kCopyTargetDeviceNotReachable, segment);
  // Somebody who takes its blocks for others than they are does not mean this disk.
  const bool has_other_blocks =
      target.block_length != 0 && target.block_length != unit->geometry().block_size;
  if (target.device_type != 0 || has_other_blocks) {
    return copy_aborted(asc::kIncorrectCopyTargetDeviceType, segment);
  }
  return unit;
}

std::variant<CopyStep, Sense> step_of(const CopyManager& manager, const ExtendedCopy& copy,
                                      size_t number, NexusId nexus) {
  const CopySegment& segment = copy.segments[number];
  const auto from = find_target(manager, copy, segment.from, nexus, number);
  if (const Sense* sense = std::get_if<Sense>(&from)) return *sense;
  const auto to = find_target(manager, copy, segment.to, nexus, number);
  if (const Sense* sense = std::get_if<Sense>(&to)) return *sense;
  CopyStep step;
  step.from = std::get<LogicalUnit*>(from);
  step.to = std::get<LogicalUnit*>(to);
  step.from_first = segment.from_first;
  step.to_first = segment.to_first;
  const Geometry source = step.from->geometry(), destination = step.to->geometry();
  const Geometry& counted = segment.counts_destination_blocks ? destination : source;
  step.bytes = uint64_t{segment.blocks} * counted.block_size;
  if (step.bytes > kMaximumCopySegmentBytes) {
    return illegal_request(asc::kInvalidFieldInParameterList);
  }
  if (step.bytes % source.block_size != 0 || step.bytes % destination.block_size != 0) {
    return copy_aborted(asc::kUnexpectedInexactSegment, number);
  }
  const bool fits =
      is_inside({step.from_first, BlockCount(step.bytes / source.block_size)}, source) &&
      is_inside({step.to_first, BlockCount(step.bytes / destination.block_size)}, destination);
  if (!fits) return copy_aborted(asc::kNone, number);
  return step;
}

// All segments are looked at before the first is copied. Nothing is refused half-way that could be
// refused at once.
std::variant<std::vector<CopyStep>, Sense> steps_of(const CopyManager& manager,
                                                    const ExtendedCopy& copy, NexusId nexus) {
  std::vector<CopyStep> steps;
  for (size_t i = 0; i < copy.segments.size(); ++i) {
    const auto step = step_of(manager, copy, i, nexus);
    if (const Sense* sense = std::get_if<Sense>(&step)) return *sense;
    steps.push_back(std::get<CopyStep>(step));
  }
  return steps;
}

// A second look finds what came while the first waited for reservations to be loaded, and does not
// wait any more.
asio::awaitable<std::optional<ScsiResult>> refusal_of(std::vector<CopyStep> steps, NexusId nexus) {
  const size_t once = steps.size();
  for (size_t i = 0; i < 2 * once; ++i) {
    const CopyStep& step = steps[i % once];
    std::optional<ScsiResult> refused =
        co_await step.from->refusal_of_copy(nexus, MediumAccess::read);
    if (refused) co_return refused;
    refused = co_await step.to->refusal_of_copy(nexus, MediumAccess::write);
    if (refused) co_return refused;
  }
  co_return std::nullopt;
}

}  // namespace

// ---- EXTENDED COPY, SPC-5 6.6 and 6.7 ----------------------------------------------------------

Checked check_extended_copy(const LogicalUnit&, const Cdb& cdb) {
  const uint32_t length = decode_third_party_copy_out(cdb).parameter_list_length;
  if (length > longest_extended_copy_list(form_of(cdb))) {
    return illegal_request(asc::kParameterListLengthError);
  }
  return Transfer{TransferPlan::Direction::from_initiator, length};
}

asio::awaitable<ScsiResult> run_extended_copy(LogicalUnit& unit, Command command,
                                              BufferList data_out, TicketPtr ticket) {
  const Buffer list = data_out.flatten();
  if (list.empty()) co_return ScsiResult{};  // "shall not be considered an error"
  std::variant<ExtendedCopy, Sense> parsed =
      parse_extended_copy(list.bytes(), form_of(command.cdb));
  if (const Sense* sense = std::get_if<Sense>(&parsed)) co_return check_condition(*sense);
  const ExtendedCopy copy = std::get<ExtendedCopy>(std::move(parsed));

  Executor executor = co_await asio::this_coro::executor;
  LogicalUnit::Nexus* nexus = unit.nexus(command.nexus);
  if (!nexus) co_return ended_with(Status::task_aborted);
  const uint8_t action = decode_third_party_copy_out(command.cdb).service_action;
  CopyOperationPtr operation = nexus->copies.begin(copy.list_identifier, action, executor);
  if (!operation) co_return check_condition(illegal_request(asc::kOperationInProgress));

  CopyOperationGuard guard(operation);
  auto steps = steps_of(unit.copy_manager(), copy, command.nexus);
  std::optional<ScsiResult> refused;
  if (const Sense* sense = std::get_if<Sense>(&steps)) {
    refused = check_condition(*sense);
  } else {
    refused = co_await refusal_of(std::get<0>(steps), command.nexus);
    if (ticket->cancelled) co_return ended_with(Status::task_aborted);
  }
  if (refused) {
    operation->end(*refused);
    co_return std::move(*refused);
  }
  guard.release();
  CopyPlan plan{command.nexus,
                std::get<0>(std::move(steps)),
                {ticket, operation, nullptr, {}},
                unit.copy_manager().slots()};
  ScsiResult result = co_await run_plan(std::move(plan), copy.immed);
  co_return result;
}

// ---- COPY OPERATION ABORT, SPC-5 6.5 -----------------------------------------------------------

Checked check_copy_operation_abort(const LogicalUnit&, const Cdb&) {
  return Transfer{};
}

// Ends when the copy has: what it was writing is written, and nothing comes after it.
asio::awaitable<ScsiResult> run_copy_operation_abort(LogicalUnit& unit, Command command, BufferList,
                                                     TicketPtr) {
  const uint32_t identifier = decode_third_party_copy_out(command.cdb).list_identifier;
  LogicalUnit::Nexus* nexus = unit.nexus(command.nexus);
  CopyOperationPtr operation = nexus ? nexus->copies.find(identifier) : nullptr;
  if (!operation || !operation->runs()) co_return check_condition(invalid_field_in_cdb(2));
  operation->abort_wanted = true;
  while (operation->runs()) co_await operation->ended.wait();
  co_return ScsiResult{};
}

// ---- THIRD-PARTY COPY IN, SPC-5 6.22 to 6.28 ---------------------------------------------------

Checked check_third_party_copy_in(const LogicalUnit&, const Cdb& cdb) {
  return to_initiator(decode_third_party_copy_in(cdb).allocation_length);
}

ScsiResult answer_third_party_copy_in(LogicalUnit& unit, const Command& command) {
  const ThirdPartyCopyInCdb in = decode_third_party_copy_in(command.cdb);
  if (in.service_action == service_action::kReceiveCopyOperatingParameters) {
    return parameter_data(copy_operating_parameters_data(unit.geometry()), in.allocation_length);
  }
  const LogicalUnit::Nexus* nexus = unit.nexus(command.nexus);
  const CopyOperationPtr operation = nexus ? nexus->copies.find(in.list_identifier) : nullptr;
  if (!operation) return check_condition(invalid_field_in_cdb(2));
  const bool wants_an_end = in.service_action == service_action::kReceiveCopyDataLid1 ||
                            in.service_action == service_action::kReceiveCopyFailureDetailsLid1;
  if (wants_an_end && operation->runs()) return check_condition(invalid_field_in_cdb(2));
  Bytes data;
  switch (in.service_action) {
    case service_action::kReceiveCopyStatusLid1:
      data = copy_status_lid1_data(*operation);
      break;
    case service_action::kReceiveCopyDataLid1:
      data = copy_data_lid1_data();
      break;
    case service_action::kReceiveCopyFailureDetailsLid1:
      data = copy_failure_details_lid1_data(*operation);
      break;
    case service_action::kReceiveCopyStatusLid4:
      data = copy_status_lid4_data(*operation);
      break;
    default:
      data = rod_token_information_data(*operation);
      break;
  }
  return parameter_data(std::move(data), in.allocation_length);
}

}  // namespace swiftness::scsi
