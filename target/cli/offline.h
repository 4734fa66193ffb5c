// What the command line learns from the stores of a configuration by itself, without a gateway.
// Only reads, but for a check that is to repair; safe while a gateway runs.
#pragma once

#include <functional>
#include <string>

#include "backend/base/result.h"
#include "backend/volume/check.h"
#include "config/config.h"
#include "target/admin/api.h"

namespace swiftness::cli {

admin::VolumeList list_offline(const config::Config& config);
Result<admin::VolumeReport> find_offline(const config::Config& config, const std::string& name);
Result<CheckReport> check_offline(const config::Config& config, const std::string& name,
                                  CheckOptions options,
                                  std::function<void(const CheckProgress&)> progress);

}  // namespace swiftness::cli
