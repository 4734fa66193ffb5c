// Commands that read, write, flush and unmap the medium.
#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <utility>

#include "backend/base/check.h"
#include "backend/base/endian.h"
#include "backend/base/gate.h"
#include "backend/base/log.h"
#include "target/scsi/backend_error.h"
#include "target/scsi/block_range.h"
#include "target/scsi/cdb.h"
#include "target/scsi/commands.h"
#include "target/scsi/limits.h"
#include "target/scsi/logical_unit.h"
#include "target/scsi/unmap_list.h"

namespace swiftness::scsi {
namespace {

// GET LBA STATUS parameter data, SBC-4 5.6.2.
constexpr size_t kLbaStatusHeader = 8;
constexpr size_t kLbaStatusDescriptor = 16;
constexpr uint8_t kMapped = 0;
constexpr uint8_t kDeallocated = 1;
constexpr uint32_t kAllocationLookBytes = 256 << 20;  // of the medium that is looked at, at once
constexpr int kMostLooks = 16;                        // of one command

std::string_view name_of(const Cdb& cdb) {
  std::variant<const CommandDescriptor*, Sense> found = find_command(cdb);
  const CommandDescriptor* const* command = std::get_if<const CommandDescriptor*>(&found);
  return command ? (*command)->name : "unknown command";
}

// Data lost, or a bug: worth a line for each command. The rest (the store away, full, taken over)
// the volume reports itself, once.
bool is_worth_a_line(ErrorCode code) {
  return code == ErrorCode::corrupt || code == ErrorCode::not_found ||
         code == ErrorCode::conflict || code == ErrorCode::invalid;
}

Checked check_block_access(const LogicalUnit& unit, const Cdb& cdb,
                           TransferPlan::Direction direction) {
  BlockAccess access = decode_block_access(cdb);
  std::optional<Sense> wrong = check_access(unit, access);
  if (wrong) return *wrong;
  return Transfer{direction, access.range.count.value() * unit.geometry().block_size};
}

// A flush nobody waits for. It holds on to the device only: the logical unit may be gone by its
// end.
Task flush_unwatched(BlockDevice& device) {
  Result<void> flushed = co_await device.flush();
  if (!flushed) {
    log::warning("volume {}: a flush with IMMED failed: {}", to_string(device.geometry().identity),
                 flushed.error().message());
  }
}

// The same for a prefetch. Whatever goes wrong, a READ will meet it again and report it.
Task prefetch_unwatched(BlockDevice& device, BlockRange range) {
  Result<Prefetched> fetched = co_await device.prefetch(range);
  if (!fetched) {
    log::debug("volume {}: a PRE-FETCH with IMMED failed: {}",
               to_string(device.geometry().identity), fetched.error().message());
  }
}

// Looks on as long as nothing is mapped, which is cheap.
Async<std::vector<AllocationPiece>> look_at_allocation(BlockDevice& device, Lba first) {
  const Geometry geometry = device.geometry();
  const uint64_t most = blocks_in(kAllocationLookBytes, geometry);
  std::vector<AllocationPiece> out;
  for (int looks = 0; looks < kMostLooks && first.value() < geometry.blocks.value(); ++looks) {
    const uint64_t left = geometry.blocks.value() - first.value();
    const BlockRange range{first, BlockCount(std::min(most, left))};
    Result<std::vector<AllocationPiece>> pieces = co_await device.allocation(range);
    if (!pieces) co_return pieces.error();
    for (const AllocationPiece& piece : *pieces) {
      if (!out.empty() && out.back().mapped == piece.mapped) {
        out.back().range.count += piece.range.count;
      } else {
        out.push_back(piece);
      }
    }
    if (out.size() > 1 || out.front().mapped) break;
    first = range.first + range.count;
  }
  co_return out;
}

asio::awaitable<ScsiResult> flush(LogicalUnit& unit, Command command, bool immed) {
  if (immed) {  // GOOD comes first, the flush goes on
    Executor executor = co_await asio::this_coro::executor;
    spawn_logged(executor, "a flush with IMMED", flush_unwatched(unit.device()));
    co_return ScsiResult{};
  }
  Result<void> flushed = co_await unit.device().flush();
  if (!flushed) co_return failed(unit, command, flushed.error(), MediumAccess::write);
  co_return ScsiResult{};
}

}  // namespace

// ---- shared
// --------------------------------------------------------------------------------------

ScsiResult failed(LogicalUnit& unit, const Command& command, const Error& error,
                  MediumAccess access) {
  if (is_worth_a_line(error.code())) {
    log::error("volume {}: {} failed: {} ({})", to_string(unit.identity().uuid),
               name_of(command.cdb), error.message(), to_string(error.code()));
  }
  return result_of_failure(error.code(), access);
}

std::optional<Sense> check_access(const LogicalUnit& unit, const BlockAccess& access) {
  if (access.protect != 0) return invalid_field_in_cdb(1, 7);
  Geometry geometry = unit.geometry();
  if (!is_inside(access.range, geometry)) return lba_out_of_range(access.range.first.value());
  if (access.range.count.value() > blocks_in(kMaximumTransferBytes, geometry)) {
    return invalid_field_in_cdb(access.length_at);
  }
  return std::nullopt;
}

Durability durability_of(const LogicalUnit& unit, const BlockAccess& access) {
  const bool through = access.fua || !unit.write_cache();
  return through ? Durability::flushed : Durability::acknowledged;
}

// ---- READ, SBC-4 5.18 to 5.21
// --------------------------------------------------------------------

Checked check_read(const LogicalUnit& unit, const Cdb& cdb) {
  return check_block_access(unit, cdb, TransferPlan::Direction::to_initiator);
}

asio::awaitable<ScsiResult> run_read(LogicalUnit& unit, Command command, BufferList, TicketPtr) {
  BlockAccess access = decode_block_access(command.cdb);
  if (access.range.count.value() == 0) co_return ScsiResult{};
  if (access
          .fua) {  // what is read must be on the medium, so a newer version in the cache goes first
    Result<void> flushed = co_await unit.device().flush();
    if (!flushed) co_return failed(unit, command, flushed.error(), MediumAccess::read);
  }
  Result<BufferList> data = co_await unit.device().read(access.range);
  if (!data) co_return failed(unit, command, data.error(), MediumAccess::read);
  ScsiResult result;
  result.data_in = std::move(*data);
  co_return result;
}

// ---- WRITE, SBC-4 5.45 to 5.48
// -------------------------------------------------------------------

Checked check_write(const LogicalUnit& unit, const Cdb& cdb) {
  return check_block_access(unit, cdb, TransferPlan::Direction::from_initiator);
}

namespace {

asio::awaitable<ScsiResult> write_blocks(LogicalUnit& unit, Command command, BlockAccess access,
                                         BufferList data_out, TicketPtr ticket) {
  if (access.range.count.value() == 0) co_return ScsiResult{};
  RangeLocks::Hold hold(unit.range_locks(), access.range, Sharing::shared, ticket);
  if (!hold.granted()) co_await hold.turn();
  if (ticket->cancelled) co_return ended_with(Status::task_aborted);
  unit.about_to_change(access.range);
  const Durability durability = durability_of(unit, access);
  Result<void> written = co_await unit.device().write(access.range, std::move(data_out), durability,
                                                      std::move(ticket));
  if (!written) co_return failed(unit, command, written.error(), MediumAccess::write);
  co_return ScsiResult{};
}

}  // namespace

asio::awaitable<ScsiResult> run_write(LogicalUnit& unit, Command command, BufferList data_out,
                                      TicketPtr ticket) {
  BlockAccess access = decode_block_access(command.cdb);
  access.range.count = BlockCount(data_out.size() / unit.geometry().block_size);
  return write_blocks(unit, std::move(command), access, std::move(data_out), std::move(ticket));
}

// ---- WRITE ATOMIC(16), SBC-4 5.43
// ----------------------------------------------------------------

// Any write of the device is atomic (BlockDevice::write), and a read sees all of it or nothing: it
// needs no more than a check of what VPD page B0h promises. Atomic boundaries are not supported.
Checked check_write_atomic(const LogicalUnit& unit, const Cdb& cdb) {
  const WriteAtomicCdb atomic = decode_write_atomic(cdb);
  if (atomic.boundary != 0) return invalid_field_in_cdb(10);
  std::optional<Sense> wrong = check_access(unit, atomic.access);
  if (wrong) return *wrong;
  return Transfer{TransferPlan::Direction::from_initiator,
                  atomic.access.range.count.value() * unit.geometry().block_size};
}

asio::awaitable<ScsiResult> run_write_atomic(LogicalUnit& unit, Command command,
                                             BufferList data_out, TicketPtr ticket) {
  const BlockAccess access = decode_write_atomic(command.cdb).access;
  return write_blocks(unit, std::move(command), access, std::move(data_out), std::move(ticket));
}

// ---- SYNCHRONIZE CACHE, SBC-4 5.33 and 5.34
// ------------------------------------------------------

Checked check_synchronize_cache(const LogicalUnit& unit, const Cdb& cdb) {
  SynchronizeCacheCdb synchronize = decode_synchronize_cache(cdb);
  if (!is_inside(synchronize.range, unit.geometry())) {
    return lba_out_of_range(synchronize.range.first.value());
  }
  return Transfer{};
}

// The whole cache whatever the range: the log makes everything before a write durable with it.
asio::awaitable<ScsiResult> run_synchronize_cache(LogicalUnit& unit, Command command, BufferList,
                                                  TicketPtr) {
  bool immed = decode_synchronize_cache(command.cdb).immed;
  ScsiResult result = co_await flush(unit, std::move(command), immed);
  co_return result;
}

// ---- PRE-FETCH, SBC-4 5.13 and 5.14
// --------------------------------------------------------------

Checked check_pre_fetch(const LogicalUnit& unit, const Cdb& cdb) {
  const BlockRange range = decode_pre_fetch(cdb).range;
  if (!is_inside(range, unit.geometry())) return lba_out_of_range(range.first.value());
  return Transfer{};
}

// CONDITION MET: all of the blocks are in the cache, or will fit there (IMMED); GOOD: not all.
asio::awaitable<ScsiResult> run_pre_fetch(LogicalUnit& unit, Command command, BufferList,
                                          TicketPtr) {
  PreFetchCdb pre_fetch = decode_pre_fetch(command.cdb);
  const Geometry geometry = unit.geometry();
  BlockRange range = pre_fetch.range;
  if (range.count.value() == 0) range.count = Lba(geometry.blocks.value()) - range.first;
  if (pre_fetch.immed) {
    const uint64_t bytes = range.count.value() * geometry.block_size;
    const bool fits = bytes <= unit.device().prefetch_room().value();
    Executor executor = co_await asio::this_coro::executor;
    spawn_logged(executor, "a PRE-FETCH with IMMED", prefetch_unwatched(unit.device(), range));
    co_return ended_with(fits ? Status::condition_met : Status::good);
  }
  Result<Prefetched> fetched = co_await unit.device().prefetch(range);
  if (!fetched) co_return failed(unit, command, fetched.error(), MediumAccess::read);
  co_return ended_with(*fetched == Prefetched::all ? Status::condition_met : Status::good);
}

// ---- UNMAP, SBC-4 5.35
// ---------------------------------------------------------------------------

Checked check_unmap(const LogicalUnit&, const Cdb& cdb) {
  UnmapCdb unmap = decode_unmap(cdb);
  if (unmap.anchor) return invalid_field_in_cdb(1, 0);  // ANC_SUP=0 in VPD page B2h
  return Transfer{TransferPlan::Direction::from_initiator, unmap.parameter_list_length};
}

asio::awaitable<ScsiResult> run_unmap(LogicalUnit& unit, Command command, BufferList data_out,
                                      TicketPtr ticket) {
  Buffer list = data_out.flatten();  // parameters, not data: at most 64 KiB
  std::variant<std::vector<BlockRange>, Sense> parsed =
      parse_unmap_list(list.bytes(), unit.geometry());
  if (const Sense* sense = std::get_if<Sense>(&parsed)) co_return check_condition(*sense);
  std::vector<BlockRange> ranges = std::get<std::vector<BlockRange>>(std::move(parsed));
  if (ranges.empty()) co_return ScsiResult{};
  RangeLocks::Hold hold(unit.range_locks(), hull_of(ranges), Sharing::shared, ticket);
  if (!hold.granted()) co_await hold.turn();
  if (ticket->cancelled) co_return ended_with(Status::task_aborted);
  for (const BlockRange& range : ranges) unit.about_to_change(range);
  Result<void> unmapped = co_await unit.device().unmap(std::move(ranges), std::move(ticket));
  if (!unmapped) co_return failed(unit, command, unmapped.error(), MediumAccess::write);
  co_return ScsiResult{};
}

// ---- GET LBA STATUS, SBC-4 5.6
// -------------------------------------------------------------------

Checked check_get_lba_status(const LogicalUnit& unit, const Cdb& cdb) {
  GetLbaStatusCdb get = decode_get_lba_status(cdb);
  if (get.first.value() >= unit.geometry().blocks.value()) {
    return lba_out_of_range(get.first.value());
  }
  return to_initiator(get.allocation_length);
}

// As many descriptors as there is room for, at least one; the initiator goes on behind the last.
asio::awaitable<ScsiResult> run_get_lba_status(LogicalUnit& unit, Command command, BufferList,
                                               TicketPtr) {
  GetLbaStatusCdb get = decode_get_lba_status(command.cdb);
  Result<std::vector<AllocationPiece>> pieces =
      co_await look_at_allocation(unit.device(), get.first);
  if (!pieces) co_return failed(unit, command, pieces.error(), MediumAccess::read);
  size_t room = get.allocation_length < kLbaStatusHeader
                    ? 0
                    : (get.allocation_length - kLbaStatusHeader) / kLbaStatusDescriptor;
  size_t count = std::min(std::max<size_t>(room, 1), pieces->size());
  Bytes data(kLbaStatusHeader + count * kLbaStatusDescriptor);
  store_be(data.data(), static_cast<uint32_t>(data.size() - 4));
  for (size_t i = 0; i < count; ++i) {
    std::byte* at = data.data() + kLbaStatusHeader + i * kLbaStatusDescriptor;
    const AllocationPiece& piece = (*pieces)[i];
    store_be(at, piece.range.first.value());
    store_be(at + 8, static_cast<uint32_t>(piece.range.count.value()));
    at[12] = std::byte{piece.mapped ? kMapped : kDeallocated};
  }
  co_return parameter_data(std::move(data), get.allocation_length);
}

// ---- START STOP UNIT, SBC-4 5.31
// -----------------------------------------------------------------

Checked check_start_stop_unit(const LogicalUnit& unit, const Cdb& cdb) {
  StartStopUnitCdb start_stop = decode_start_stop_unit(cdb);
  if (start_stop.power_condition != 0) return invalid_field_in_cdb(4, 7);  // there are none
  if (!start_stop.load_eject) {
    if (unit.has_medium()) return Transfer{};
    return Sense{SenseKey::not_ready, asc::kMediumNotPresent};
  }
  if (!unit.is_removable()) return invalid_field_in_cdb(4, 1);
  if (unit.is_removal_prevented()) return illegal_request(asc::kMediumRemovalPrevented);
  return Transfer{};
}

// Stopping flushes, and no more: a disk several hosts may share must not vanish for all of them
// because one of them shuts down. Ejecting is for those who mean it.
asio::awaitable<ScsiResult> run_start_stop_unit(LogicalUnit& unit, Command command, BufferList,
                                                TicketPtr) {
  StartStopUnitCdb start_stop = decode_start_stop_unit(command.cdb);
  if (start_stop.start) {
    if (start_stop.load_eject) unit.load(command.nexus);
    co_return ScsiResult{};
  }
  ScsiResult result;
  if (!start_stop.no_flush) result = co_await flush(unit, std::move(command), start_stop.immed);
  if (!start_stop.load_eject || result.status != Status::good) co_return result;
  if (unit.is_removal_prevented()) {  // meanwhile
    co_return check_condition(illegal_request(asc::kMediumRemovalPrevented));
  }
  unit.eject();
  co_return ScsiResult{};
}

}  // namespace swiftness::scsi
