// VolumeLock: one gateway of this machine at a time may attach a volume, whatever its state folder.
// A second machine that attaches it takes it over; a second process on the same one is a mistake.
//
// An abstract Unix socket named by the volume's UUID: it ends with the process, however that ends.
#pragma once

#include "backend/base/posix_file.h"
#include "backend/base/result.h"
#include "backend/base/uuid.h"

namespace swiftness {

// Held as long as the descriptor lives. conflict: another process of this machine holds it.
Result<FileDescriptor> lock_volume(const Uuid& volume);

}  // namespace swiftness
