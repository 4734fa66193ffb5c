// FORMAT UNIT and SANITIZE (SBC-4 4.33, 4.11): all blocks unmapped, for good. While one of them is
// under way the logical unit is not ready, and says how far it is; after a SANITIZE that failed it
// serves nothing until another one succeeds, or EXIT FAILURE MODE where that is allowed.
#pragma once

#include <memory>
#include <optional>

#include "backend/block_device.h"
#include "target/scsi/command.h"
#include "target/scsi/sense.h"

namespace swiftness::scsi {

class LogicalUnit;

// SBC-4 4.11.3, the AUSE bit. The values are what a volume keeps of a SANITIZE under way.
enum class CompletionMode : uint8_t { restricted = 1, unrestricted = 2 };

// Shared by a logical unit and the coroutine that erases, which may outlive it.
struct Erasure {
  std::optional<uint16_t> progress;      // of 65,536; nothing when none is under way
  bool is_sanitize = false;              // what is under way
  std::optional<CompletionMode> failed;  // of the SANITIZE that failed
  // Of what goes on without its command. Cancelled when the unit is taken away.
  TicketPtr ticket = std::make_shared<Ticket>();

  void begin(bool sanitize) noexcept {
    is_sanitize = sanitize;
    progress = 0;
  }
  std::optional<Sense> sense() const;  // why the unit is not ready
};

Async<void> erase(BlockDevice& device, std::shared_ptr<Erasure> state, TicketPtr ticket);

// Of the SANITIZE that was under way when power was lost (MetadataKey::sanitize). Nothing: there
// was none and the record is empty, or the record is damaged.
std::optional<CompletionMode> decode_sanitize_record(const Bytes& record);
// In the background, for a unit that has just learnt of it.
void resume_sanitize(LogicalUnit& unit, const Executor& executor, CompletionMode mode);

}  // namespace swiftness::scsi
