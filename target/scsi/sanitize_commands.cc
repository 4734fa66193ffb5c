// SANITIZE, SBC-4 4.11 and 5.30.
//
// A SANITIZE that was accepted is not forgotten: before the first block goes the volume keeps a
// record of it, which the log takes back after the last one. Whoever attaches the volume in between
// goes on, before it serves anything. Nothing but the loss of the logical unit ends it sooner.
#include <boost/asio/this_coro.hpp>

#include <memory>
#include <utility>

#include "backend/base/gate.h"
#include "backend/base/log.h"
#include "target/scsi/commands.h"
#include "target/scsi/erasure.h"
#include "target/scsi/logical_unit.h"

namespace swiftness::scsi {
namespace {

Async<void> keep_record(BlockDevice& device, Bytes record) {
  if (!device.keeps_metadata()) co_return Result<void>();
  Result<void> kept = co_await device.store_metadata(MetadataKey::sanitize, std::move(record));
  co_return kept;
}

Async<void> sanitize(BlockDevice& device, std::shared_ptr<Erasure> state, CompletionMode mode,
                     std::unique_ptr<RangeLocks::Hold>) {
  Result<void> done = co_await erase(device, state, state->ticket);
  if (done) done = co_await keep_record(device, {});
  state->failed = done ? std::nullopt : std::optional(mode);
  state->progress.reset();
  if (!done) {
    log::error("volume {}: SANITIZE failed: {}", to_string(device.geometry().identity),
               done.error().message());
  }
  co_return done;
}

Task sanitize_unwatched(BlockDevice& device, std::shared_ptr<Erasure> state, CompletionMode mode,
                        std::unique_ptr<RangeLocks::Hold> hold) {
  Result<void> done = co_await sanitize(device, std::move(state), mode, std::move(hold));
  (void)done;  // the unit's state tells
}

std::optional<Sense> check_fields(const Cdb& cdb) {
  for (uint16_t reserved = 2; reserved < 7; ++reserved) {
    if (cdb[reserved] != 0) return invalid_field_in_cdb(reserved);
  }
  const SanitizeCdb sanitize = decode_sanitize(cdb);
  if (sanitize.zoned_no_reset) return invalid_field_in_cdb(1, 6);  // there are no zones
  if (sanitize.parameter_list_length != 0) return invalid_field_in_cdb(7);
  return std::nullopt;
}

}  // namespace

Checked check_sanitize(const LogicalUnit& unit, const Cdb& cdb) {
  std::optional<Sense> wrong = check_fields(cdb);
  if (wrong) return *wrong;
  const bool must_succeed = unit.erasure()->failed == CompletionMode::restricted;
  if (must_succeed && decode_sanitize(cdb).unrestricted_exit) return invalid_field_in_cdb(1, 5);
  return Transfer{};
}

asio::awaitable<ScsiResult> run_sanitize(LogicalUnit& unit, Command command, BufferList,
                                         TicketPtr) {
  const SanitizeCdb cdb = decode_sanitize(command.cdb);
  const auto mode =
      cdb.unrestricted_exit ? CompletionMode::unrestricted : CompletionMode::restricted;
  const std::shared_ptr<Erasure> state = unit.erasure();
  const BlockRange everything{Lba(0), unit.geometry().blocks};
  state->begin(true);  // nobody may begin anything any more; who has begun is waited for
  auto hold = std::make_unique<RangeLocks::Hold>(unit.range_locks(), everything, Sharing::exclusive,
                                                 state->ticket);
  if (!hold->granted()) co_await hold->turn();
  if (state->ticket->cancelled) co_return ended_with(Status::task_aborted);
  state->begin(true);  // once more: a FORMAT UNIT that came before has ended meanwhile
  unit.about_to_change(everything);
  Bytes record{static_cast<std::byte>(mode)};
  Result<void> kept = co_await keep_record(unit.device(), std::move(record));
  if (!kept) {
    state->progress.reset();
    co_return failed(unit, command, kept.error(), MediumAccess::write);
  }
  if (cdb.immed) {
    Executor executor = co_await asio::this_coro::executor;
    spawn_logged(executor, "SANITIZE",
                 sanitize_unwatched(unit.device(), state, mode, std::move(hold)));
    co_return ScsiResult{};
  }
  Result<void> done = co_await sanitize(unit.device(), state, mode, std::move(hold));
  if (!done) co_return check_condition({SenseKey::medium_error, asc::kSanitizeCommandFailed});
  co_return ScsiResult{};
}

Checked check_exit_failure_mode(const LogicalUnit& unit, const Cdb& cdb) {
  std::optional<Sense> wrong = check_fields(cdb);
  if (wrong) return *wrong;
  if (unit.erasure()->failed == CompletionMode::restricted) return invalid_field_in_cdb(1, 4);
  return Transfer{};
}

// Where none has failed there is nothing to leave, which is no error.
asio::awaitable<ScsiResult> run_exit_failure_mode(LogicalUnit& unit, Command command, BufferList,
                                                  TicketPtr) {
  const std::shared_ptr<Erasure> state = unit.erasure();
  if (!state->failed) co_return ScsiResult{};
  Result<void> kept = co_await keep_record(unit.device(), {});
  if (!kept) co_return failed(unit, command, kept.error(), MediumAccess::write);
  state->failed.reset();
  co_return ScsiResult{};
}

std::optional<CompletionMode> decode_sanitize_record(const Bytes& record) {
  if (record.size() != 1) return std::nullopt;
  const auto mode = static_cast<CompletionMode>(record.front());
  const bool known = mode == CompletionMode::restricted || mode == CompletionMode::unrestricted;
  return known ? std::optional(mode) : std::nullopt;
}

void resume_sanitize(LogicalUnit& unit, const Executor& executor, CompletionMode mode) {
  log::info("volume {}: SANITIZE goes on", to_string(unit.geometry().identity));
  unit.erasure()->begin(true);
  spawn_logged(executor, "SANITIZE",
               sanitize_unwatched(unit.device(), unit.erasure(), mode, nullptr));
}

}  // namespace swiftness::scsi
