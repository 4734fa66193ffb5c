#include "target/scsi/erasure.h"

#include <utility>

namespace swiftness::scsi {

std::optional<Sense> Erasure::sense() const {
  if (progress) {
    Sense sense{SenseKey::not_ready,
                is_sanitize ? asc::kSanitizeInProgress : asc::kFormatInProgress};
    sense.progress = progress;
    return sense;
  }
  if (failed) return Sense{SenseKey::medium_error, asc::kSanitizeCommandFailed};
  return std::nullopt;
}

Async<void> erase(BlockDevice& device, std::shared_ptr<Erasure> state, TicketPtr ticket) {
  constexpr uint16_t kHalfway = 0x8000;
  std::vector<BlockRange> everything{{Lba(0), device.geometry().blocks}};
  Result<void> unmapped = co_await device.unmap(std::move(everything), std::move(ticket));
  if (!unmapped) co_return unmapped;
  state->progress = kHalfway;
  Result<void> flushed = co_await device.flush();
  co_return flushed;
}

}  // namespace swiftness::scsi
