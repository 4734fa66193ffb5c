// swiftness volume check.
#include <fmt/format.h>

#include "config/values.h"
#include "target/cli/check_report.h"
#include "target/cli/commands.h"
#include "target/cli/failure.h"
#include "target/cli/json_text.h"
#include "target/cli/offline.h"
#include "target/cli/progress.h"

namespace swiftness::cli {
namespace {

std::string line_of(const CheckProgress& progress) {
  constexpr size_t kWidth = 40;
  return progress_line(progress, kWidth);
}

}  // namespace

int volume_check(const Common& common, const VolumeToCheck& wanted) {
  if (std::optional<std::string> why = config::why_not_name(wanted.name)) {
    return fail(kUsage, fmt::format("\"{}\" {}", wanted.name, *why));
  }
  std::optional<config::Config> config = load_stores(common, "volume check");
  if (!config) return kUsage;
  CheckOptions options;
  options.quick = wanted.quick;
  options.repair = wanted.repair;
  options.repair_pause = std::chrono::seconds(wanted.repair_pause_s);
  options.although_served = common.offline;
  ProgressLine<CheckProgress> line(&line_of);
  Result<CheckReport> report = check_offline(*config, wanted.name, options,
                                             [&line](const CheckProgress& at) { line.show(at); });
  line.clear();
  if (!report) return fail(report.error());
  if (common.json) {
    fmt::print("{}", json_text(json_of(*report, wanted.name)));
  } else {
    fmt::print("{}", text_of(*report, wanted.name));
  }
  return exit_code_of(*report);
}

}  // namespace swiftness::cli
