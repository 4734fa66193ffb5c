#include "target/cli/paths.h"

#include <fmt/format.h>

#include <map>
#include <utility>

namespace swiftness::cli {

std::vector<std::string> unusual_paths(const std::vector<admin::VolumeReport>& volumes) {
  std::map<std::pair<std::string, std::string>, std::vector<uint32_t>> luns;  // by group, state
  for (const admin::VolumeReport& volume : volumes) {
    for (const admin::PathReport& path : volume.paths) {
      if (path.state == "optimized" && path.configured == "optimized") continue;
      std::string state = path.state;
      if (path.configured != path.state) {
        state += fmt::format(", set by an initiator (configured: {})", path.configured);
      }
      luns[{fmt::format("Portal group {} of {}", path.portal_group, volume.target), state}]
          .push_back(volume.lun);
    }
  }
  std::vector<std::string> lines;
  for (const auto& [what, of] : luns) {
    lines.push_back(fmt::format("{}, LUN {}: {}", what.first, fmt::join(of, ","), what.second));
  }
  return lines;
}

}  // namespace swiftness::cli
