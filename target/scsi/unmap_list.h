// The UNMAP parameter list (SBC-4 5.35.2). Pure.
#pragma once

#include <variant>
#include <vector>

#include "backend/base/buffer.h"
#include "backend/block_device.h"
#include "target/scsi/sense.h"

namespace swiftness::scsi {

// The ranges to unmap, in the order of the list and without the empty ones; or why it is refused. A
// list is refused as a whole: nothing of it has been done then.
std::variant<std::vector<BlockRange>, Sense> parse_unmap_list(std::span<const std::byte> list,
                                                              const Geometry& geometry);

}  // namespace swiftness::scsi
