// swiftness volume check.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "backend/base/clock.h"
#include "backend/base/log.h"
#include "config/values.h"
#include "target/cli/check_report.h"
#include "target/cli/commands.h"
#include "target/cli/failure.h"
#include "target/cli/offline.h"

namespace swiftness::cli {
namespace {

// One line on the terminal, written anew a few times a second; nothing when it is no terminal.
class ProgressBar {
 public:
  void show(const CheckProgress& progress) {
    const bool new_stage = !shown_ || progress.stage != stage_;
    if (!is_terminal_ || (!new_stage && now() < next_)) return;
    stage_ = progress.stage;
    shown_ = true;
    next_ = now() + std::chrono::milliseconds(200);
    fmt::print(stderr, "\r\033[K{}", progress_line(progress, kWidth));
    std::fflush(stderr);
  }
  void clear() {
    if (shown_) fmt::print(stderr, "\r\033[K");
    shown_ = false;
  }

 private:
  static constexpr size_t kWidth = 40;
  const bool is_terminal_ = isatty(STDERR_FILENO) == 1;
  bool shown_ = false;
  CheckProgress::Stage stage_ = CheckProgress::Stage::map;
  TimePoint next_{};
};

}  // namespace

int volume_check(const Common& common, const VolumeToCheck& wanted) {
  if (std::optional<std::string> why = config::why_not_name(wanted.name)) {
    return fail(kUsage, fmt::format("\"{}\" {}", wanted.name, *why));
  }
  if (common.config.empty()) {
    return fail(kUsage, "volume check needs --config FILE, which says where the stores are");
  }
  std::optional<config::Config> config = load_config(common.config);
  if (!config) return kUsage;
  CheckOptions options;
  options.quick = wanted.quick;
  options.repair = wanted.repair;
  options.repair_pause = std::chrono::seconds(wanted.repair_pause_s);
  options.although_served = common.offline;
  ProgressBar bar;
  Result<CheckReport> report = check_offline(*config, wanted.name, options,
                                             [&bar](const CheckProgress& at) { bar.show(at); });
  bar.clear();
  if (!report) return fail(report.error());
  if (common.json) {
    fmt::print("{}\n", json_of(*report, wanted.name).dump(2));
  } else {
    fmt::print("{}", text_of(*report, wanted.name));
  }
  return exit_code_of(*report);
}

}  // namespace swiftness::cli
