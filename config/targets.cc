// `targets:`: which volumes are logical units of which target, and who may use them.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "config/sections.h"
#include "config/values.h"

namespace swiftness::config {
namespace {

constexpr uint16_t kHighestLun = 0x3fff;  // SAM-5 4.7.7.3, flat space addressing
constexpr size_t kMostLuns = 256;

class TargetReader {
 public:
  TargetReader(const Config& config, const SecretReader& secrets)
      : config_(config), secrets_(secrets) {}

  Target read(Section target);

 private:
  std::string read_name(Section& target);
  std::vector<uint16_t> read_portal_groups(Section& target);
  void read_alua(Section& target, Target& out);
  std::vector<Lun> read_luns(Section luns, const std::string& iqn);
  Lun read_lun(uint16_t number, const Value& value, const std::string& iqn);
  void check_volume(const Value& value, const Lun& lun, const std::string& iqn);
  void read_access(Section& target, Target& out);
  Access read_access_entry(Section entry, const Target& target);

  const Config& config_;
  const SecretReader& secrets_;
  std::map<std::string, std::string> lun_of_volume_;  // "LUN 0 of iqn...", by volume
};

std::optional<uint16_t> parse_lun(std::string_view text) {
  uint16_t lun = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), lun);
  if (error != std::errc() || end != text.data() + text.size() || lun > kHighestLun) return {};
  return lun;
}

bool has_lun(const std::vector<Lun>& luns, uint16_t number) {
  return std::any_of(luns.begin(), luns.end(),
                     [number](const Lun& lun) { return lun.number == number; });
}

Target TargetReader::read(Section target) {
  Target out;
  out.iqn = read_name(target);
  out.portal_groups = read_portal_groups(target);
  Section digests = target.section("digests");
  digests.only("header", "none");
  digests.only("data", "none");
  digests.finish();
  read_alua(target, out);
  out.luns = read_luns(target.section("luns"), out.iqn);
  if (out.luns.empty()) target.warning("has no LUNs");
  read_access(target, out);
  target.finish();
  return out;
}

std::string TargetReader::read_name(Section& target) {
  std::optional<Value> iqn = target.required("iqn");
  std::optional<std::string> text = iqn ? iqn->text() : std::nullopt;
  if (!text) return {};
  if (std::optional<std::string> why = why_not_iscsi_name(*text)) {
    iqn->error(fmt::format("\"{}\" {}", *text, *why));
  }
  return *text;
}

std::vector<uint16_t> TargetReader::read_portal_groups(Section& target) {
  std::set<uint16_t> known, chosen;
  for (const Portal& portal : config_.portals) known.insert(portal.group);
  std::optional<Value> list = target.find("portal_groups");
  if (!list) return {known.begin(), known.end()};
  std::vector<Value> items = list->items();
  if (items.empty()) list->error("names no portal group; leave it out to use all");
  for (const Value& item : items) {
    std::optional<uint64_t> group = item.number(1, 65535);
    if (!group) continue;
    auto number = static_cast<uint16_t>(*group);
    if (!known.contains(number)) item.error(fmt::format("there is no portal of group {}", number));
    if (!chosen.insert(number).second) item.error(fmt::format("group {} is given twice", number));
  }
  return {chosen.begin(), chosen.end()};
}

// `alua: { 1: optimized, 2: standby }`
void TargetReader::read_alua(Section& target, Target& out) {
  const std::vector<std::string>& states = access_state_names();
  for (const auto& [key, value] : target.section("alua").entries()) {
    std::vector<std::string> groups;
    for (uint16_t group : out.portal_groups) groups.push_back(std::to_string(group));
    const auto group = std::ranges::find(groups, key);
    if (group == groups.end()) {
      value.error(fmt::format("\"{}\" is no portal group of this target (it has {})", key,
                              fmt::join(groups, ", ")));
    }
    const std::string state = value.text().value_or(states[0]);
    const auto known = std::ranges::find(states, state);
    if (known == states.end()) {
      value.error(fmt::format("\"{}\" is not a state ({}){}", state, fmt::join(states, ", "),
                              did_you_mean(state, states)));
    }
    if (group == groups.end() || known == states.end()) continue;
    const uint16_t number = out.portal_groups[static_cast<size_t>(group - groups.begin())];
    out.alua[number] = static_cast<AccessState>(known - states.begin());
  }
}

std::vector<Lun> TargetReader::read_luns(Section luns, const std::string& iqn) {
  std::vector<Lun> out;
  for (const auto& [key, value] : luns.entries()) {
    std::optional<uint16_t> number = parse_lun(key);
    if (!number) {
      value.error(fmt::format("\"{}\" is not a LUN from 0 to {}", key, kHighestLun));
      continue;
    }
    if (has_lun(out, *number)) value.error(fmt::format("LUN {} is given twice", *number));
    out.push_back(read_lun(*number, value, iqn));
  }
  if (out.size() > kMostLuns) {
    luns.error(fmt::format("has {} LUNs; the most are {}", out.size(), kMostLuns));
  }
  std::sort(out.begin(), out.end(), [](const Lun& a, const Lun& b) { return a.number < b.number; });
  return out;
}

// `0: vm-disk` or `0: { volume: vm-disk, read_only: true }`
Lun TargetReader::read_lun(uint16_t number, const Value& value, const std::string& iqn) {
  Lun lun;
  lun.number = number;
  std::optional<Value> volume = value;
  if (value.is_map()) {
    Section section = value.section();
    volume = section.required("volume");
    section.boolean("read_only", lun.read_only);
    section.boolean("removable", lun.removable);
    section.finish();
  }
  std::optional<std::string> name = volume ? volume->text() : std::nullopt;
  if (name) {
    lun.volume = *name;
    check_volume(*volume, lun, iqn);
  }
  return lun;
}

void TargetReader::check_volume(const Value& value, const Lun& lun, const std::string& iqn) {
  if (config_.find_volume(lun.volume) == nullptr) {
    std::vector<std::string> names;
    for (const Volume& volume : config_.volumes) names.push_back(volume.name);
    value.error(
        fmt::format("there is no volume \"{}\"{}", lun.volume, did_you_mean(lun.volume, names)));
  }
  std::string here = fmt::format("LUN {} of {}", lun.number, iqn);
  auto [first, is_first] = lun_of_volume_.try_emplace(lun.volume, here);
  if (!is_first) {
    value.error(fmt::format("volume \"{}\" is {} already; a volume at two LUNs is {}", lun.volume,
                            first->second, kNotSupported));
  }
}

void TargetReader::read_access(Section& target, Target& out) {
  target.boolean("open", out.open);
  std::vector<Value> items = target.items("access");
  if (!out.open && items.empty()) {
    target.warning("has neither access entries nor \"open: true\": no initiator gets in");
  }
  for (const Value& item : items) {
    Access entry = read_access_entry(item.section(), out);
    for (const Access& other : out.access) {
      if (!entry.initiator.empty() && other.initiator == entry.initiator) {
        item.error(fmt::format("there is another entry for \"{}\"", entry.initiator));
      }
    }
    out.access.push_back(std::move(entry));
  }
}

Access TargetReader::read_access_entry(Section entry, const Target& target) {
  Access out;
  if (std::optional<Value> initiator = entry.required("initiator")) {
    out.initiator = initiator->text().value_or("");
    std::optional<std::string> why;
    if (!out.initiator.empty() && out.initiator != "*") why = why_not_iscsi_name(out.initiator);
    if (why) initiator->error(fmt::format("\"{}\" {}", out.initiator, *why));
  }
  if (std::optional<Value> luns = entry.find("luns")) {
    std::vector<Value> items = luns->items();
    if (items.empty()) luns->error("names no LUN; leave it out to allow all");
    for (const Value& item : items) {
      std::optional<uint64_t> number = item.number(0, kHighestLun);
      if (!number) continue;
      auto lun = static_cast<uint16_t>(*number);
      if (!has_lun(target.luns, lun)) item.error(fmt::format("this target has no LUN {}", lun));
      out.luns.push_back(lun);
    }
  }
  entry.boolean("read_only", out.read_only);
  out.chap = read_chap(entry, secrets_);
  entry.finish();
  return out;
}

}  // namespace

std::vector<Target> read_targets(std::vector<Value> targets, const Config& config,
                                 const SecretReader& secrets) {
  std::vector<Target> out;
  TargetReader reader(config, secrets);
  for (const Value& item : targets) {
    Target target = reader.read(item.section());
    bool is_second = std::any_of(out.begin(), out.end(), [&target](const Target& other) {
      return !target.iqn.empty() && other.iqn == target.iqn;
    });
    if (is_second) item.error(fmt::format("there is another target \"{}\"", target.iqn));
    out.push_back(std::move(target));
  }
  return out;
}

}  // namespace swiftness::config
