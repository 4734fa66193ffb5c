// GET /metrics: what a StatusReport counts, in Prometheus' text format. Names and meanings are in
// docs/OPERATIONS.md; once published they stay.
#pragma once

#include <string>

#include "target/admin/api.h"

namespace swiftness::admin {

inline constexpr const char* kMetricsType = "text/plain; version=0.0.4; charset=utf-8";

std::string metrics_text(const StatusReport& status);

}  // namespace swiftness::admin
