// POPULATE TOKEN and WRITE USING TOKEN: what Windows calls offloaded data transfer (ODX).
#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <utility>

#include "target/scsi/block_range.h"
#include "target/scsi/cdb.h"
#include "target/scsi/commands.h"
#include "target/scsi/copy_plan.h"
#include "target/scsi/limits.h"
#include "target/scsi/logical_unit.h"

namespace swiftness::scsi {
namespace {

// Windows gives each of its commands 4 s. What is not written by then it asks for again, from where
// the transfer count says.
constexpr Duration kWriteTime = std::chrono::seconds(3);

Checked check_list_length(const Cdb& cdb, uint32_t longest) {
  const uint32_t length = decode_third_party_copy_out(cdb).parameter_list_length;
  if (length > longest) return illegal_request(asc::kParameterListLengthError);
  return Transfer{TransferPlan::Direction::from_initiator, length};
}

// Goes along a list of ranges, in bytes.
class Walk {
 public:
  Walk(std::span<const BlockRange> ranges, uint32_t block_size)
      : ranges_(ranges), block_size_(block_size) {}

  bool at_end() const { return next_ == ranges_.size(); }
  uint64_t left() const { return ranges_[next_].count.value() * block_size_ - inside_; }  // of this
  Lba place() const { return ranges_[next_].first + BlockCount(inside_ / block_size_); }
  void go(uint64_t bytes) {  // at most left()
    inside_ += bytes;
    if (left() > 0) return;
    ++next_;
    inside_ = 0;
  }

 private:
  std::span<const BlockRange> ranges_;
  uint32_t block_size_;
  size_t next_ = 0;
  uint64_t inside_ = 0;  // of the range that is next
};

void skip(Walk& walk, uint64_t bytes) {
  while (bytes > 0 && !walk.at_end()) {
    const uint64_t here = std::min(bytes, walk.left());
    walk.go(here);
    bytes -= here;
  }
}

std::vector<CopyStep> zero_steps(LogicalUnit& to, std::span<const BlockRange> ranges) {
  std::vector<CopyStep> steps;
  Walk walk(ranges, to.geometry().block_size);
  while (!walk.at_end()) {
    steps.push_back({nullptr, Lba(0), &to, walk.place(), walk.left()});
    walk.go(walk.left());
  }
  return steps;
}

// The token's data from `offset` on, until one of the two has no more. Nothing when blocks of the
// two do not begin together (512 and 4096 bytes).
std::optional<std::vector<CopyStep>> steps_between(LogicalUnit& from, const RodToken& token,
                                                   uint64_t offset, LogicalUnit& to,
                                                   std::span<const BlockRange> ranges) {
  const uint32_t from_size = from.geometry().block_size, to_size = to.geometry().block_size;
  Walk source(token.ranges, from_size), destination(ranges, to_size);
  if (offset % from_size != 0) return std::nullopt;
  skip(source, offset);
  std::vector<CopyStep> steps;
  while (!source.at_end() && !destination.at_end()) {
    const uint64_t bytes = std::min(source.left(), destination.left());
    if (bytes % from_size != 0 || bytes % to_size != 0) return std::nullopt;
    steps.push_back({&from, source.place(), &to, destination.place(), bytes});
    source.go(bytes);
    destination.go(bytes);
  }
  return steps;
}

// What a WRITE USING TOKEN will do, or why it cannot.
struct Prepared {
  std::optional<ScsiResult> refused;
  std::vector<CopyStep> steps;
  LogicalUnit* from = nullptr;  // null: zeros
  RodTokenPtr token;
};

ScsiResult refuse(AdditionalSense why) {
  return check_condition(illegal_request(why));
}

asio::awaitable<Prepared> prepare(LogicalUnit& unit, NexusId nexus, WriteUsingToken write) {
  Prepared out;
  const auto read = read_token(write.token, unit.copy_manager().key());
  if (const Sense* sense = std::get_if<Sense>(&read)) {
    out.refused = check_condition(*sense);
    co_return out;
  }
  const TokenName name = std::get<TokenName>(read);
  if (name.is_zero) {
    out.steps = zero_steps(unit, write.ranges);
    co_return out;
  }
  out.from = unit.copy_manager().find(name.creator, nexus);
  if (!out.from) {  // a token does not open what the nexus has no access to
    out.refused = refuse(asc::kTokenUnknown);
    co_return out;
  }
  out.refused = co_await out.from->refusal_of_copy(nexus, MediumAccess::read);
  if (out.refused) co_return out;
  out.token = out.from->rod_tokens().find(name.id, now());
  if (!out.token || !out.token->is_live()) {
    out.refused = refuse(out.token ? why_not(out.token->state) : asc::kTokenUnknown);
    co_return out;
  }
  const uint32_t block_size = unit.geometry().block_size;
  if (write.offset >= (out.token->bytes + block_size - 1) / block_size) {
    out.refused = check_condition(invalid_field_in_parameter_list(8));
    co_return out;
  }
  auto steps = steps_between(*out.from, *out.token, write.offset * block_size, unit, write.ranges);
  if (steps) {
    out.steps = std::move(*steps);
  } else {
    out.refused = check_condition(invalid_field_in_parameter_list(8));
  }
  co_return out;
}

CopyOperationPtr begin_operation(LogicalUnit& unit, const Command& command, Executor executor) {
  LogicalUnit::Nexus* nexus = unit.nexus(command.nexus);
  const ThirdPartyCopyOutCdb cdb = decode_third_party_copy_out(command.cdb);
  CopyOperationPtr operation =
      nexus->copies.begin(cdb.list_identifier, cdb.service_action, std::move(executor));
  if (operation) operation->block_size = unit.geometry().block_size;
  return operation;
}

}  // namespace

// ---- POPULATE TOKEN, SBC-4 5.11 ----------------------------------------------------------------

Checked check_populate_token(const LogicalUnit&, const Cdb& cdb) {
  return check_list_length(cdb, longest_populate_token_list());
}

// With the blocks to itself for a moment: writes that came before are in the device's log by then,
// and every later one revokes the token.
asio::awaitable<ScsiResult> run_populate_token(LogicalUnit& unit, Command command,
                                               BufferList data_out, TicketPtr ticket) {
  const Buffer list = data_out.flatten();
  if (list.empty()) co_return ScsiResult{};
  const auto parsed = parse_populate_token(list.bytes(), unit.geometry());
  if (const Sense* sense = std::get_if<Sense>(&parsed)) co_return check_condition(*sense);
  const PopulateToken& populate = std::get<PopulateToken>(parsed);
  Executor executor = co_await asio::this_coro::executor;
  const CopyOperationPtr operation = begin_operation(unit, command, executor);
  if (!operation) co_return refuse(asc::kOperationInProgress);
  CopyOperationGuard guard(operation);

  RangeLocks::Hold hold(unit.range_locks(), hull_of(populate.ranges), Sharing::exclusive, ticket);
  if (!hold.granted()) co_await hold.turn();
  if (ticket->cancelled) co_return ended_with(Status::task_aborted);
  const Geometry geometry = unit.geometry();
  const RodTokenPtr token = unit.rod_tokens().add(populate, geometry.block_size, now());
  operation->token = encode_token(*token, unit.identity(), geometry, unit.copy_manager().key());
  operation->bytes = token->bytes;
  ScsiResult result;
  operation->end(result);
  co_return result;
}

// ---- WRITE USING TOKEN, SBC-4 5.54 -------------------------------------------------------------

Checked check_write_using_token(const LogicalUnit&, const Cdb& cdb) {
  return check_list_length(cdb, longest_write_using_token_list());
}

asio::awaitable<ScsiResult> run_write_using_token(LogicalUnit& unit, Command command,
                                                  BufferList data_out, TicketPtr ticket) {
  const Buffer list = data_out.flatten();
  if (list.empty()) co_return ScsiResult{};
  const auto parsed = parse_write_using_token(list.bytes(), unit.geometry());
  if (const Sense* sense = std::get_if<Sense>(&parsed)) co_return check_condition(*sense);
  const WriteUsingToken& write = std::get<WriteUsingToken>(parsed);
  Executor executor = co_await asio::this_coro::executor;
  const CopyOperationPtr operation = begin_operation(unit, command, executor);
  if (!operation) co_return refuse(asc::kOperationInProgress);
  CopyOperationGuard guard(operation);
  const TimePoint until = now() + kWriteTime;

  Prepared prepared = co_await prepare(unit, command.nexus, write);
  if (ticket->cancelled) co_return ended_with(Status::task_aborted);
  if (prepared.refused) {
    operation->end(*prepared.refused);
    co_return std::move(*prepared.refused);
  }
  guard.release();
  CopyPlan plan{command.nexus,
                std::move(prepared.steps),
                {ticket, operation, prepared.token, until},
                unit.copy_manager().slots()};
  if (write.delete_token) plan.delete_token_of = prepared.from;
  ScsiResult result = co_await run_plan(std::move(plan), write.immed);
  co_return result;
}

}  // namespace swiftness::scsi
