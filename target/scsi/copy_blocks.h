// The work of copy offload: bytes of one device become bytes of another, inside the gateway.
//
// A device that copies within itself does so, unless the time is short and it would be late
// (block_device.h). Else a copy goes in windows of 1 MiB, a few at a time: each asks the source
// what of it is mapped, reads that and writes it, and unmaps the rest, so that a thin disk stays
// thin. It ends early when its ticket is cancelled, its operation is to be aborted, the token it
// copies by has ended, or its time is over; what a window has written is then what it should be,
// and the windows before the first that is not done are all done.
#pragma once

#include <optional>

#include "backend/base/async.h"
#include "backend/block_device.h"
#include "target/scsi/backend_error.h"
#include "target/scsi/copy_operations.h"
#include "target/scsi/rod_tokens.h"

namespace swiftness::scsi {

// So many bytes from one place to another. They may be of one device, and overlap; multiples of the
// block sizes of both.
struct CopyExtent {
  BlockDevice* from = nullptr;  // null: zeros
  Lba from_first;
  BlockDevice* to = nullptr;
  Lba to_first;
  uint64_t bytes = 0;
};

// What may end a copy early.
struct CopyControl {
  TicketPtr ticket;
  CopyOperationPtr operation;
  RodTokenPtr token;               // null: whatever the source says is copied
  std::optional<TimePoint> until;  // no window is begun afterwards, but always the first few are
};

enum class CopyEnd {
  done,
  out_of_time,
  aborted,     // by its ticket or its operation
  token_lost,  // somebody changed the source
  failed,
};

struct CopyOutcome {
  CopyEnd end = CopyEnd::done;
  uint64_t bytes = 0;            // from the beginning, without a gap
  std::optional<Error> error{};  // with failed
  MediumAccess access = MediumAccess::read;
};

asio::awaitable<CopyOutcome> copy_blocks(CopyExtent extent, CopyControl control);

}  // namespace swiftness::scsi
