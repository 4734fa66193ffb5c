// Volume: growing. The size of the disk is what the newest root says (docs/FORMAT.md, section 4),
// so a checkpoint makes it larger; nobody can write to the new part before that is durable.
#include <fmt/format.h>

#include "backend/volume/volume.h"

namespace swiftness {

Async<void> Volume::grow(ByteCount size) {
  Gate::Pass pass(gate_);
  VolumeDescriptor wanted = objects_.descriptor;
  wanted.created_size = size;
  Result<void> possible = check_descriptor(wanted);
  if (!possible) co_return possible;
  if (size < size_) {
    co_return Error(ErrorCode::invalid, fmt::format("a volume of {} bytes cannot become one of {}",
                                                    size_.value(), size.value()));
  }
  root_size_ = std::max(root_size_, size);
  while (size_ < size) {
    Result<void> online = check_online();
    if (!online) co_return online;
    if (!checkpointing_) start_checkpoint();
    co_await changed_.wait();
  }
  co_return Result<void>();
}

}  // namespace swiftness
