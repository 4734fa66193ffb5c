// How much memory this process may use.
#pragma once

#include <filesystem>

#include "backend/base/units.h"

namespace swiftness {

// Bytes: of the machine, or less where control groups (v2) limit this process, as systemd's
// MemoryMax and containers do. `root`: where /proc and /sys are.
ByteCount machine_memory(const std::filesystem::path& root = "/");

}  // namespace swiftness
