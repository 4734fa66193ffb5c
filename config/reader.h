// Reads a YAML mapping key by key and remembers which keys it was asked for, so that finish() can
// name the ones nobody knows. Every problem goes to the Report with its line and key path; reading
// goes on, so that one run reports them all.
//
//   Section limits = file.section("limits");
//   limits.duration("command_timeout", out.command_timeout, {1s, 10min});
//   limits.unsupported("map_memory");
//   limits.finish();
#pragma once

#include <yaml-cpp/yaml.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/config.h"

namespace swiftness::config {

// A place in the file: what a message begins with.
struct Place {
  int line = 0;     // counted from 1; 0: the file as a whole
  std::string key;  // "volumes.vm-disk.size", "portals[0].port"; empty at the top
};

class Report {
 public:
  explicit Report(const std::filesystem::path& file) : file_(file), places_(file) {}

  void note(const Place& place) { places_.add(place.key, place.line); }
  Places take_places() { return std::move(places_); }

  void error(const Place& place, const std::string& text);
  void warning(const Place& place, const std::string& text);
  bool has_errors() const noexcept { return !errors_.empty(); }

  std::vector<std::string> take_errors();  // in the order of the file
  std::vector<std::string> take_warnings();

 private:
  using Line = std::pair<int, std::string>;
  std::string format(const Place& place, const std::string& text) const;

  std::filesystem::path file_;
  Places places_;
  std::vector<Line> errors_, warnings_;
};

class Section;

// One value and where it stands.
class Value {
 public:
  Value(YAML::Node node, Place place, Report& report)
      : node_(std::move(node)), place_(std::move(place)), report_(&report) {}

  const Place& place() const noexcept { return place_; }
  void error(const std::string& text) const { report_->error(place_, text); }
  void warning(const std::string& text) const { report_->warning(place_, text); }

  bool is_map() const { return node_.IsMap(); }
  bool is_list() const { return node_.IsSequence(); }

  // Each reports its own error and gives nothing when the value is of another kind.
  std::optional<std::string> text() const;  // a non-empty scalar
  std::optional<uint64_t> number(uint64_t least, uint64_t most) const;
  std::optional<bool> boolean() const;
  Section section() const;  // an empty one when it is no mapping
  std::vector<Value> items() const;

 private:
  YAML::Node node_;
  Place place_;
  Report* report_;
};

class Section {
 public:
  Section(const YAML::Node& node, Place place, Report& report);

  const Place& place() const noexcept { return place_; }
  void error(const std::string& text) const { report_->error(place_, text); }
  void warning(const std::string& text) const { report_->warning(place_, text); }

  std::optional<Value> find(std::string_view key);
  bool has(std::string_view key) { return find(key).has_value(); }
  std::optional<Value> required(std::string_view key);  // its absence is an error

  // The section of that name; an empty one when it is absent.
  Section section(std::string_view key);
  std::vector<Value> items(std::string_view key);

  // Each leaves `out` as it is when the key is absent or wrong.
  void text(std::string_view key, std::string& out);
  void boolean(std::string_view key, bool& out);
  void path(std::string_view key, std::filesystem::path& out,
            const std::filesystem::path& relative_to);
  void size(std::string_view key, ByteCount& out, std::pair<ByteCount, ByteCount> range);
  void duration(std::string_view key, std::chrono::milliseconds& out,
                std::pair<std::chrono::milliseconds, std::chrono::milliseconds> range);
  template <class Integer>
  void number(std::string_view key, Integer& out, std::pair<Integer, Integer> range) {
    std::optional<Value> value = find(key);
    if (!value) return;
    if (auto number = value->number(range.first, range.second)) out = static_cast<Integer>(*number);
  }

  // A key of the documented configuration whose feature does not exist yet.
  void unsupported(std::string_view key);
  // The same for a key of which only one value, or its absence, is what we do.
  void only(std::string_view key, std::string_view supported);

  // The entries of a mapping whose keys are names: name and value, as in the file.
  std::vector<std::pair<std::string, Value>> entries();

  void finish();  // reports every key that was not asked for

 private:
  struct Entry {
    std::string key;
    Value value;
    bool known = false;
  };

  Place place_;
  Report* report_;
  std::vector<Entry> entries_;
  std::vector<std::string> asked_for_;
};

}  // namespace swiftness::config
