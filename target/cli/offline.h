// What the command line learns from the stores of a configuration by itself, without a gateway.
// Only reads; safe while a gateway runs.
#pragma once

#include <string>

#include "backend/base/result.h"
#include "config/config.h"
#include "target/admin/api.h"

namespace swiftness::cli {

admin::VolumeList list_offline(const config::Config& config);
Result<admin::VolumeReport> find_offline(const config::Config& config, const std::string& name);

}  // namespace swiftness::cli
