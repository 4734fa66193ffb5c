// What it takes to open a store. Filled by config/ from YAML (secrets already read from their
// files), used by open_store().
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <variant>

#include "backend/object_store.h"

namespace swiftness {

struct DirectoryStoreConfig {
  std::filesystem::path path;  // made when missing
  std::string prefix;          // of container names

  friend bool operator==(const DirectoryStoreConfig&, const DirectoryStoreConfig&) = default;
};

struct MemoryStoreConfig {  // gone with the process: unit tests
  friend bool operator==(const MemoryStoreConfig&, const MemoryStoreConfig&) = default;
};

struct SwiftStoreConfig {
  int auth_version = 1;  // 1: TempAuth and compatible
  std::string auth_url;
  std::string user;
  std::string key;      // a secret: never logged
  std::string ca_file;  // empty: the system's
  std::string prefix = "swiftness";
  std::string storage_policy;         // of containers we create; empty: the cluster's default
  std::chrono::seconds deadline{20};  // of one operation with all its retries

  friend bool operator==(const SwiftStoreConfig&, const SwiftStoreConfig&) = default;
};

using StoreConfig = std::variant<DirectoryStoreConfig, MemoryStoreConfig, SwiftStoreConfig>;

// Opens without contacting anything remote: a Swift that is down now may be up in a minute. Fails
// (invalid) only on what cannot get better by itself. The store lives on `executor`.
Result<std::unique_ptr<ObjectStore>> open_store(const StoreConfig& config, Executor executor);

}  // namespace swiftness
