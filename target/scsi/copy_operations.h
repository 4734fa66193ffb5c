// Copy operations as THIRD-PARTY COPY IN tells about them (SPC-5 5.17.4): those that run and those
// that have ended, of one I_T nexus at one logical unit, by list identifier. They go with the
// nexus.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "backend/base/async.h"
#include "target/scsi/command.h"
#include "target/scsi/copy_parameters.h"

namespace swiftness::scsi {

// COPY OPERATION STATUS, SPC-5 table 243.
enum class CopyStatus : uint8_t {
  done = 0x01,
  failed = 0x02,
  partly_done = 0x03,  // without errors, but not all that the token has
  in_foreground = 0x11,
  in_background = 0x12,
  terminated = 0x60,  // by COPY OPERATION ABORT
};

struct CopyOperation {
  explicit CopyOperation(Executor executor) : ended(std::move(executor)) {}

  std::optional<uint32_t> list_identifier;
  uint8_t service_action = 0;
  CopyStatus status = CopyStatus::in_foreground;
  bool abort_wanted = false;  // nothing more is begun
  TicketPtr background;       // of one whose command has ended
  AsyncEvent ended;

  // How far it has come.
  uint64_t bytes = 0;
  uint16_t segments = 0;
  uint32_t block_size = 512;  // TRANSFER COUNT of the token commands is in these

  // How it ended.
  Status completion = Status::good;
  Bytes sense;
  std::optional<RodTokenData> token;

  bool runs() const noexcept {
    return status == CopyStatus::in_foreground || status == CopyStatus::in_background;
  }
  // With good status `as` says how; otherwise it has failed. Only the first end counts.
  void end(const ScsiResult& result, CopyStatus as = CopyStatus::done);
};
using CopyOperationPtr = std::shared_ptr<CopyOperation>;

// Ends an operation whose coroutine goes away before it said how: its command was given up.
class CopyOperationGuard {
 public:
  explicit CopyOperationGuard(CopyOperationPtr operation) : operation_(std::move(operation)) {}
  CopyOperationGuard(const CopyOperationGuard&) = delete;
  CopyOperationGuard& operator=(const CopyOperationGuard&) = delete;
  ~CopyOperationGuard();

  void release() noexcept { operation_ = nullptr; }  // somebody else answers for its end

 private:
  CopyOperationPtr operation_;
};

class CopyOperations {
 public:
  static constexpr size_t kMostEnded = 64;  // that are remembered

  CopyOperations() = default;
  CopyOperations(const CopyOperations&) = delete;
  CopyOperations& operator=(const CopyOperations&) = delete;
  ~CopyOperations();  // what runs in the background is given up

  // Null: one of this list identifier runs. One that has ended is forgotten.
  CopyOperationPtr begin(std::optional<uint32_t> list_identifier, uint8_t service_action,
                         Executor executor);
  CopyOperationPtr find(uint32_t list_identifier) const noexcept;  // null: there is none
  void give_up_background() noexcept;

 private:
  std::vector<CopyOperationPtr> operations_;  // by age
};

}  // namespace swiftness::scsi
