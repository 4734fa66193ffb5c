// The paths to logical units, for people.
#pragma once

#include <string>
#include <vector>

#include "target/admin/api.h"

namespace swiftness::cli {

// A line for each portal group of a target that is not simply optimized, as the configuration has
// it; logical units of which the same is true share one.
std::vector<std::string> unusual_paths(const std::vector<admin::VolumeReport>& volumes);

}  // namespace swiftness::cli
