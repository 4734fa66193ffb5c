// The commands of `swiftness`. Each prints its answer to standard output, or its error to standard
// error, and returns the exit code.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace swiftness::cli {

inline constexpr int kDone = 0, kFailed = 1, kUsage = 2;

// What every command may be told.
struct Common {
  std::string socket;  // empty: through `config`, or the default
  std::string config;  // empty: not given
  bool json = false;
  bool offline = false;  // ask the stores of `config` directly
};

struct VolumeToCreate {
  std::string name;
  std::string store;  // empty: the only one
  std::string size;   // "1GiB"
  uint32_t block_size = 512;
};

struct VolumeToCheck {
  std::string name;
  bool quick = false;
  bool repair = false;
  uint32_t repair_pause_s = 10;  // before the second look; tests do not wait that long
};

int status(const Common& common);
int sessions(const Common& common);
int drain(const Common& common, const std::string& to);
int resume(const Common& common);
int reload(const Common& common);
int target_list(const Common& common);
int volume_list(const Common& common);
int volume_show(const Common& common, const std::string& name);
int volume_create(const Common& common, const VolumeToCreate& wanted);
int volume_check(const Common& common, const VolumeToCheck& wanted);
int config_check(const std::string& file);
int config_example();

}  // namespace swiftness::cli
