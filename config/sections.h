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

// Of a volume, a store, or its containers; `value` is told when it is none.
void check_name(const std::string& name, const Value& value);

class SecretReader {
 public:
  // `folder` is where relative paths start from.
  SecretReader(const std::filesystem::path& folder, const SecretSources& sources)
      : folder_(folder), sources_(sources) {}

  const std::filesystem::path& folder() const noexcept { return folder_; }
  std::string read(Section& section, const std::string& key) const;

 private:
  std::string from_file(const Value& source, const std::filesystem::path& file) const;

  const std::filesystem::path& folder_;
  const SecretSources& sources_;
};

// The keys `chap` and `mutual_chap` of a section.
Chap read_chap(Section& section, const SecretReader& secrets);

// A store that is wrong is in the result too, so that volumes may refer to it.
std::map<std::string, StoreConfig> read_stores(Section stores, const SecretReader& secrets);

// `config` has its stores.
std::vector<Volume> read_volumes(Section volumes, const Config& config);

// `config` has its portals and volumes.
std::vector<Target> read_targets(std::vector<Value> targets, const Config& config,
                                 const SecretReader& secrets);

}  // namespace swiftness::config
