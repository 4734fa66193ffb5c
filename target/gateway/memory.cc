#include "target/gateway/memory.h"

#include <algorithm>
#include <fstream>
#include <string>

namespace swiftness {
namespace {

uint64_t installed(const std::filesystem::path& root) {
  std::ifstream file(root / "proc/meminfo");
  std::string name;
  uint64_t kib = 0;
  file >> name >> kib;  // the first line: MemTotal
  return kib * 1024;
}

// The process's own group, below the mount point.
std::filesystem::path control_group(const std::filesystem::path& root) {
  std::ifstream file(root / "proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("0::/")) return line.substr(4);
  }
  return {};
}

}  // namespace

ByteCount machine_memory(const std::filesystem::path& root) {
  uint64_t out = installed(root);
  const std::filesystem::path mounted = root / "sys/fs/cgroup";
  for (std::filesystem::path group = control_group(root);; group = group.parent_path()) {
    std::ifstream file(mounted / group / "memory.max");
    uint64_t limit = 0;
    if (file >> limit) out = std::min(out, limit);  // "max" is no number
    if (group.empty()) break;
  }
  return ByteCount(out);
}

ByteCount dirty_memory_of(const config::Volume& volume, const config::Config& config,
                          ByteCount machine) {
  constexpr uint64_t kLeast = 256 << 20;
  const uint64_t volumes = config.volumes.size();
  if (config.limits.dirty_memory) return ByteCount(config.limits.dirty_memory->value() / volumes);
  const uint64_t all = std::clamp(machine.value() / 16, kLeast, uint64_t{4} << 30);
  uint64_t out = std::max(all / volumes, config::kLeastDirtyMemory.value());
  // A flush that has to wait for the store shall not wait for long.
  if (!volume.journal || !volume.durable_in_journal) out = std::min(out, kLeast);
  return ByteCount(out);
}

}  // namespace swiftness
