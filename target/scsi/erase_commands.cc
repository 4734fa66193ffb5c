// Commands that write the same to many blocks, or nothing at all.
#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "backend/base/gate.h"
#include "backend/base/log.h"
#include "target/scsi/commands.h"
#include "target/scsi/compare.h"
#include "target/scsi/erasure.h"
#include "target/scsi/limits.h"
#include "target/scsi/logical_unit.h"

namespace swiftness::scsi {
namespace {

constexpr uint64_t kRepeatedBytes = 1 << 20;  // of a pattern that one write of the device takes

// `block` over and over, up to `size` bytes or kRepeatedBytes.
Buffer repeat(std::span<const std::byte> block, uint64_t size) {
  Buffer out = Buffer::allocate(std::min(size, kRepeatedBytes));
  for (size_t at = 0; at < out.size(); at += block.size()) {
    std::memcpy(&out.writable()[at], block.data(), block.size());
  }
  return out;
}

// Piece by piece: after a failure some of the range has the new data, as with any WRITE SAME; but
// for one that finds no room from the first. The pieces share one buffer.
Async<void> write_repeated(BlockDevice& device, BlockRange range, std::span<const std::byte> block,
                           Durability durability, TicketPtr ticket) {
  Result<void> room = co_await device.room_for(range, ticket);
  if (!room) co_return room;
  const uint64_t total = range.count.value() * block.size();
  const Buffer piece = repeat(block, total);
  for (uint64_t done = 0; done < total;) {
    const uint64_t size = std::min<uint64_t>(piece.size(), total - done);
    const bool is_last = done + size == total;
    const BlockRange here{range.first + BlockCount(done / block.size()),
                          BlockCount(size / block.size())};
    BufferList data(piece.slice(0, size));
    // The log makes all pieces durable with the last.
    const Durability how = is_last ? durability : Durability::acknowledged;
    Result<void> written = co_await device.write(here, std::move(data), how, ticket);
    if (!written) co_return written;
    done += size;
  }
  co_return Result<void>();
}

Async<void> make_zero(BlockDevice& device, BlockRange range, Durability durability,
                      TicketPtr ticket) {
  std::vector<BlockRange> ranges{range};
  Result<void> unmapped = co_await device.unmap(std::move(ranges), std::move(ticket));
  if (!unmapped || durability == Durability::acknowledged) co_return unmapped;
  Result<void> flushed = co_await device.flush();
  co_return flushed;
}

// FORMAT UNIT parameter list header (SBC-4 5.4.2.2): 4 bytes, or 8 with LONGLIST.
std::optional<Sense> check_format_list(std::span<const std::byte> list) {
  const auto is_set = [&list](size_t at, uint8_t mask) {
    return (list[at] & std::byte{mask}) != std::byte{0};
  };
  if (is_set(0, 0x07)) return invalid_field_in_parameter_list(0, 2);  // PROTECTION FIELD USAGE
  if (is_set(1, 0x08)) return invalid_field_in_parameter_list(1, 3);  // IP: a pattern to write
  const size_t length_at = list.size() == 8 ? 4 : 2;
  const auto length = list.subspan(length_at);
  if (!is_all_zero(length))
    return invalid_field_in_parameter_list(static_cast<uint16_t>(length_at));
  return std::nullopt;
}

// While it lasts the unit is not ready; those who came before it are waited for, by its hold.
Async<void> format(BlockDevice& device, std::shared_ptr<Erasure> state,
                   std::unique_ptr<RangeLocks::Hold>, TicketPtr ticket) {
  state->begin(false);
  Result<void> done = co_await erase(device, state, std::move(ticket));
  state->progress.reset();
  co_return done;
}

Task format_unwatched(BlockDevice& device, std::shared_ptr<Erasure> state,
                      std::unique_ptr<RangeLocks::Hold> hold) {
  const std::string volume = to_string(device.geometry().identity);
  TicketPtr ticket = state->ticket;
  Result<void> done = co_await format(device, std::move(state), std::move(hold), std::move(ticket));
  if (!done) log::error("volume {}: FORMAT UNIT failed: {}", volume, done.error().message());
}

}  // namespace

// ---- FORMAT UNIT, SBC-4 5.4
// ----------------------------------------------------------------------

Checked check_format_unit(const LogicalUnit&, const Cdb& cdb) {
  const FormatUnitCdb format_unit = decode_format_unit(cdb);
  if (format_unit.protection != 0) return invalid_field_in_cdb(1, 7);
  if (!format_unit.has_parameters) return Transfer{};
  if (format_unit.defect_format != 0) return invalid_field_in_cdb(1, 2);  // there are no defects
  return Transfer{TransferPlan::Direction::from_initiator, format_unit.long_list ? 8u : 4u};
}

asio::awaitable<ScsiResult> run_format_unit(LogicalUnit& unit, Command command, BufferList data_out,
                                            TicketPtr ticket) {
  const Buffer list = data_out.flatten();
  bool immed = false;
  if (!list.empty()) {
    std::optional<Sense> wrong = check_format_list(list.bytes());
    if (wrong) co_return check_condition(*wrong);
    immed = (list.bytes()[1] & std::byte{0x02}) != std::byte{0};
  }
  // A format that has begun goes on when its command is given up; with IMMED there is none any
  // more.
  TicketPtr holds = immed ? unit.erasure()->ticket : ticket;
  const BlockRange everything{Lba(0), unit.geometry().blocks};
  auto hold = std::make_unique<RangeLocks::Hold>(unit.range_locks(), everything, Sharing::exclusive,
                                                 std::move(holds));
  if (!hold->granted()) co_await hold->turn();
  if (ticket->cancelled) co_return ended_with(Status::task_aborted);
  unit.about_to_change(everything);
  if (immed) {
    Executor executor = co_await asio::this_coro::executor;
    unit.erasure()->begin(false);  // from the next command on
    spawn_logged(executor, "FORMAT UNIT",
                 format_unwatched(unit.device(), unit.erasure(), std::move(hold)));
    co_return ScsiResult{};
  }
  Result<void> done =
      co_await format(unit.device(), unit.erasure(), std::move(hold), std::move(ticket));
  if (!done) co_return failed(unit, command, done.error(), MediumAccess::write);
  co_return ScsiResult{};
}

// ---- WRITE SAME, SBC-4 5.52 and 5.53
// -------------------------------------------------------------

Checked check_write_same(const LogicalUnit& unit, const Cdb& cdb) {
  const WriteSameCdb same = decode_write_same(cdb);
  const Geometry geometry = unit.geometry();
  if (same.access.protect != 0) return invalid_field_in_cdb(1, 7);
  if (same.anchor) return invalid_field_in_cdb(1, 4);  // ANC_SUP=0 in VPD page B2h
  if (same.physical_or_logical_block_data) return invalid_field_in_cdb(1, 2);
  if (!is_inside(same.access.range, geometry)) {
    return lba_out_of_range(same.access.range.first.value());
  }
  const uint64_t count = same.access.range.count.value();
  const bool too_many = count > blocks_in(kMaximumWriteSameBytes, geometry);
  if (count == 0 || too_many) return invalid_field_in_cdb(same.access.length_at);  // WSNZ=1
  if (same.no_data_out) return Transfer{};
  return Transfer{TransferPlan::Direction::from_initiator, geometry.block_size};
}

// Zeros are not written but unmapped, whether UNMAP=1 asks for it or not: they read back the same
// (LBPRZ), and a device may do so of its own accord (SBC-4 4.7.4.7). With UNMAP=1 other data cannot
// be unmapped, so they are written.
asio::awaitable<ScsiResult> run_write_same(LogicalUnit& unit, Command command, BufferList data_out,
                                           TicketPtr ticket) {
  const WriteSameCdb same = decode_write_same(command.cdb);
  const BlockRange range = same.access.range;
  const Buffer block = data_out.flatten();
  RangeLocks::Hold hold(unit.range_locks(), range, Sharing::shared, ticket);
  if (!hold.granted()) co_await hold.turn();
  if (ticket->cancelled) co_return ended_with(Status::task_aborted);
  unit.about_to_change(range);
  const Durability durability = durability_of(unit, same.access);
  const bool zeros = same.no_data_out || is_all_zero(block.bytes());
  Result<void> done;
  if (zeros) {
    done = co_await make_zero(unit.device(), range, durability, std::move(ticket));
  } else {
    done =
        co_await write_repeated(unit.device(), range, block.bytes(), durability, std::move(ticket));
  }
  if (!done) co_return failed(unit, command, done.error(), MediumAccess::write);
  co_return ScsiResult{};
}

}  // namespace swiftness::scsi
