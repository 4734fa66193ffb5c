// The parts of the file, each read by one function. They are read in the order below: what refers
// to something else comes after it and is checked on the spot. Private to config/.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "config/reader.h"

namespace swiftness::config {

inline constexpr std::string_view kNotSupported = "not supported in this version";

// `folder` is where relative paths start from. A store that is wrong is in the result too, so that
// volumes may refer to it.
std::map<std::string, StoreConfig> read_stores(Section stores, const std::filesystem::path& folder,
                                               const SecretSources& secrets);

// `config` has its stores.
std::vector<Volume> read_volumes(Section volumes, const Config& config);

// `config` has its portals and volumes.
std::vector<Target> read_targets(std::vector<Value> targets, const Config& config);

}  // namespace swiftness::config
