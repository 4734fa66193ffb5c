// StateDir: what the gateway remembers on its own disk between runs, in `gateway.state_dir`:
//
//   lock                one gateway at a time; its process id is inside
//   volumes/NAME.json   identity and geometry of every volume this gateway has served
//   journal/UUID        writes that are not in the store yet (backend/volume/journal.h)
//   cache/UUID          the read cache of a volume that has one (backend/volume/read_cache.h)
//   admin.sock          the admin API (target/admin)
//
// The memory serves two ends: a volume's logical unit exists before its store has answered, and a
// volume that was served once is never created a second time (invariant I12): if the store says it
// is not there, something is wrong, and a fresh empty disk in its place would hide it.
//
// Calls block for as long as a small synced write takes.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "backend/base/result.h"
#include "backend/volume/catalogue.h"

namespace swiftness {

struct RememberedVolume {
  std::string store;  // its name in the configuration at that time
  VolumeDescriptor descriptor;
};

class StateDir {
 public:
  // Makes the folder where it is missing, and locks it. conflict: another gateway has it.
  static Result<std::unique_ptr<StateDir>> open(const std::filesystem::path& path);
  ~StateDir();
  StateDir(const StateDir&) = delete;
  StateDir& operator=(const StateDir&) = delete;

  const std::filesystem::path& path() const noexcept { return path_; }
  std::filesystem::path file_of(const std::string& volume) const;
  std::filesystem::path journal_of(const Uuid& volume) const;
  std::filesystem::path cache_of(const Uuid& volume) const;

  // corrupt: there is something that cannot be understood. It is not the same as nothing.
  Result<std::optional<RememberedVolume>> recall(const std::string& volume) const;
  Result<void> remember(const RememberedVolume& volume);  // on the disk when it returns

 private:
  StateDir(std::filesystem::path path, int lock) : path_(std::move(path)), lock_(lock) {}

  std::filesystem::path path_;
  int lock_;  // descriptor of the lock file; the lock ends with it, or with the process
};

}  // namespace swiftness
