// Commands that read blocks and judge them, and those that read and write them as one step.
#include <utility>

#include "backend/base/check.h"
#include "target/scsi/commands.h"
#include "target/scsi/compare.h"
#include "target/scsi/limits.h"
#include "target/scsi/logical_unit.h"

namespace swiftness::scsi {
namespace {

// BYTCHK, SBC-4 5.36 table 103.
constexpr uint8_t kMediumOnly = 0;
constexpr uint8_t kCompare = 1;
constexpr uint8_t kCompareWithOneBlock = 3;

constexpr Sense kMiscompare{SenseKey::miscompare, asc::kMiscompareDuringVerify};

uint64_t bytes_of(const BlockRange& range, const LogicalUnit& unit) {
  return range.count.value() * unit.geometry().block_size;
}

Transfer from_initiator(uint64_t bytes) {
  return {bytes > 0 ? TransferPlan::Direction::from_initiator : TransferPlan::Direction::none,
          bytes};
}

std::optional<uint64_t> difference(const BufferList& data, const BufferList& expected,
                                   uint8_t byte_check) {
  if (byte_check == kMediumOnly) return std::nullopt;
  if (byte_check == kCompare) return first_difference(data, expected);
  const Buffer block = expected.flatten();
  return first_difference_from_repeated(data, block.bytes());
}

// The second half of what reads and writes as one step.
asio::awaitable<ScsiResult> write_back(LogicalUnit& unit, const Command& command,
                                       const BlockAccess& access, BufferList data,
                                       TicketPtr ticket) {
  unit.about_to_change(access.range);
  const Durability durability = durability_of(unit, access);
  Result<void> written =
      co_await unit.device().write(access.range, std::move(data), durability, std::move(ticket));
  if (!written) co_return failed(unit, command, written.error(), MediumAccess::write);
  co_return ScsiResult{};
}

}  // namespace

// ---- VERIFY, SBC-4 5.36 to 5.38
// ------------------------------------------------------------------

Checked check_verify(const LogicalUnit& unit, const Cdb& cdb) {
  const VerifyCdb verify = decode_verify(cdb);
  std::optional<Sense> wrong = check_access(unit, verify.access);
  if (wrong) return *wrong;
  const bool is_empty = verify.access.range.count.value() == 0;
  switch (verify.byte_check) {
    case kMediumOnly:
      return Transfer{};
    case kCompare:
      return from_initiator(bytes_of(verify.access.range, unit));
    case kCompareWithOneBlock:
      return from_initiator(is_empty ? 0 : unit.geometry().block_size);
    default:
      return invalid_field_in_cdb(1, 2);
  }
}

// Reading is verifying: every frame has a checksum, and what cannot be read with the right one is
// MEDIUM ERROR.
asio::awaitable<ScsiResult> run_verify(LogicalUnit& unit, Command command, BufferList data_out,
                                       TicketPtr) {
  const VerifyCdb verify = decode_verify(command.cdb);
  if (verify.access.range.count.value() == 0) co_return ScsiResult{};
  Result<BufferList> data = co_await unit.device().read(verify.access.range);
  if (!data) co_return failed(unit, command, data.error(), MediumAccess::read);
  if (difference(*data, data_out, verify.byte_check)) co_return check_condition(kMiscompare);
  co_return ScsiResult{};
}

// ---- WRITE AND VERIFY, SBC-4 5.49 to 5.51
// --------------------------------------------------------

Checked check_write_and_verify(const LogicalUnit& unit, const Cdb& cdb) {
  const VerifyCdb verify = decode_verify(cdb);
  if (verify.byte_check > kCompare) return invalid_field_in_cdb(1, 2);
  std::optional<Sense> wrong = check_access(unit, verify.access);
  if (wrong) return *wrong;
  return Transfer{TransferPlan::Direction::from_initiator, bytes_of(verify.access.range, unit)};
}

asio::awaitable<ScsiResult> run_write_and_verify(LogicalUnit& unit, Command command,
                                                 BufferList data_out, TicketPtr ticket) {
  const VerifyCdb verify = decode_verify(command.cdb);
  BlockRange range = verify.access.range;
  range.count = BlockCount(data_out.size() / unit.geometry().block_size);
  if (range.count.value() == 0) co_return ScsiResult{};
  // Exclusive: a write of somebody else must not look like a miscompare.
  RangeLocks::Hold hold(unit.range_locks(), range, Sharing::exclusive, ticket);
  if (!hold.granted()) co_await hold.turn();
  if (ticket->cancelled) co_return ended_with(Status::task_aborted);
  unit.about_to_change(range);
  // What is verified is on the medium.
  Result<void> written =
      co_await unit.device().write(range, data_out, Durability::flushed, std::move(ticket));
  if (!written) co_return failed(unit, command, written.error(), MediumAccess::write);
  Result<BufferList> data = co_await unit.device().read(range);
  if (!data) co_return failed(unit, command, data.error(), MediumAccess::read);
  if (difference(*data, data_out, verify.byte_check)) co_return check_condition(kMiscompare);
  co_return ScsiResult{};
}

// ---- COMPARE AND WRITE, SBC-4 5.3
// ----------------------------------------------------------------

Checked check_compare_and_write(const LogicalUnit& unit, const Cdb& cdb) {
  const BlockAccess access = decode_compare_and_write(cdb);
  std::optional<Sense> wrong = check_access(unit, access);
  if (wrong) return *wrong;
  if (access.range.count.value() > kMaximumCompareAndWriteBlocks) {
    return invalid_field_in_cdb(access.length_at);
  }
  return from_initiator(2 * bytes_of(access.range, unit));  // what is expected, then what to write
}

asio::awaitable<ScsiResult> run_compare_and_write(LogicalUnit& unit, Command command,
                                                  BufferList data_out, TicketPtr ticket) {
  const BlockAccess access = decode_compare_and_write(command.cdb);
  if (access.range.count.value() == 0) co_return ScsiResult{};
  RangeLocks::Hold hold(unit.range_locks(), access.range, Sharing::exclusive, ticket);
  if (!hold.granted()) co_await hold.turn();
  if (ticket->cancelled) co_return ended_with(Status::task_aborted);
  Result<BufferList> data = co_await unit.device().read(access.range);
  if (!data) co_return failed(unit, command, data.error(), MediumAccess::read);
  const size_t half = data->size();
  CHECK(data_out.size() == 2 * half);
  const BufferList expected = data_out.slice(0, half);
  std::optional<uint64_t> different = first_difference(*data, expected);
  if (different) {
    Sense sense = kMiscompare;
    sense.information = *different;  // the first byte of the Data-Out Buffer that did not match
    co_return check_condition(sense);
  }
  co_return co_await write_back(unit, command, access, data_out.slice(half, half),
                                std::move(ticket));
}

// ---- ORWRITE(16), SBC-4 5.10
// ---------------------------------------------------------------------

Checked check_or_write(const LogicalUnit& unit, const Cdb& cdb) {
  const BlockAccess access = decode_block_access(cdb);
  std::optional<Sense> wrong = check_access(unit, access);
  if (wrong) return *wrong;
  return from_initiator(bytes_of(access.range, unit));
}

asio::awaitable<ScsiResult> run_or_write(LogicalUnit& unit, Command command, BufferList data_out,
                                         TicketPtr ticket) {
  const BlockAccess access = decode_block_access(command.cdb);
  if (access.range.count.value() == 0) co_return ScsiResult{};
  RangeLocks::Hold hold(unit.range_locks(), access.range, Sharing::exclusive, ticket);
  if (!hold.granted()) co_await hold.turn();
  if (ticket->cancelled) co_return ended_with(Status::task_aborted);
  Result<BufferList> data = co_await unit.device().read(access.range);
  if (!data) co_return failed(unit, command, data.error(), MediumAccess::read);
  BufferList combined(or_of(*data, data_out));
  co_return co_await write_back(unit, command, access, std::move(combined), std::move(ticket));
}

}  // namespace swiftness::scsi
