// What is different between the configuration that is served and one that was read anew, and
// whether a running gateway can go over to it. Pure.
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "config/config.h"
#include "target/admin/api.h"

namespace swiftness {

// What the gateway knows of its volumes and the configuration does not.
struct ServedFacts {
  std::map<std::string, ByteCount> sizes;  // of volumes that are online
  // What volumes that were taken out, and are not released yet, still use.
  std::set<std::string> leaving;                    // their names
  std::set<std::filesystem::path> leaving_devices;  // of their journals
};

struct Changes {
  // Why it cannot be done, each with file, line and key. If there is any, nothing is to be done.
  std::vector<std::string> refused;
  admin::ReloadReport report;
  bool access = false;  // who may log in to what is different
};

// `places` are those of `next`.
Changes compare(const config::Config& now, const config::Config& next, const config::Places& places,
                const ServedFacts& facts);

}  // namespace swiftness
