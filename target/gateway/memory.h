// How much memory this process may use, and a volume of it.
#pragma once

#include <filesystem>

#include "backend/base/units.h"
#include "config/config.h"

namespace swiftness {

// Bytes: of the machine, or less where control groups (v2) limit this process, as systemd's
// MemoryMax and containers do. `root`: where /proc and /sys are.
ByteCount machine_memory(const std::filesystem::path& root = "/");

// What the volume, one of the configuration's, may hold that is not in the store: its share of
// limits.dirty_memory, or of a sixteenth of `machine`.
ByteCount dirty_memory_of(const config::Volume& volume, const config::Config& config,
                          ByteCount machine);

}  // namespace swiftness
