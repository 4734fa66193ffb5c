#include "target/gateway/changes.h"

#include <fmt/format.h>

#include <algorithm>

#include "config/values.h"

namespace swiftness {
namespace {

constexpr const char* kNeedsRestart = "a change of this needs a restart";

class Comparison {
 public:
  Comparison(const config::Config& now, const config::Config& next, const config::Places& places,
             const ServedFacts& facts)
      : now_(now), next_(next), places_(places), facts_(facts) {}

  Changes run();

 private:
  void whole_gateway();
  void limits();
  void stores();
  void check_store_unused(const std::string& name);
  void volumes();
  void new_volume(const config::Volume& volume);
  void volume(const config::Volume& was, const config::Volume& is);
  void size(const config::Volume& was, const config::Volume& is);
  void targets();
  void target(const config::Target& was, const config::Target& is, const std::string& key);
  void luns(const config::Target& was, const config::Target& is, const std::string& key);

  void refuse(const std::string& key, const std::string& why) {
    out_.refused.push_back(fmt::format("{}: {}", places_.describe(key), why));
  }
  template <class T>
  void fixed(const T& was, const T& is, const std::string& key) {
    if (!(was == is)) refuse(key, kNeedsRestart);
  }
  void added(std::string what) { out_.report.added.push_back(std::move(what)); }
  void removed(std::string what) { out_.report.removed.push_back(std::move(what)); }
  void changed(std::string what) { out_.report.changed.push_back(std::move(what)); }

  const config::Config& now_;
  const config::Config& next_;
  const config::Places& places_;
  const ServedFacts& facts_;
  Changes out_;
  bool more_volumes_ = false;
};

Changes Comparison::run() {
  whole_gateway();
  limits();
  stores();
  volumes();
  targets();
  if (more_volumes_) {
    out_.report.warnings.push_back(
        "volumes that were there keep their share of limits.dirty_memory, map_memory and "
        "read_memory until a restart: with the new ones they may take more");
  }
  return std::move(out_);
}

void Comparison::whole_gateway() {
  fixed(now_.state_dir, next_.state_dir, "gateway.state_dir");
  fixed(now_.admin_listen, next_.admin_listen, "gateway.admin.listen");
  fixed(now_.admin_url, next_.admin_url, "gateway.admin.url");
  fixed(now_.portals, next_.portals, "portals");
  if (now_.name != next_.name) changed(fmt::format("gateway.name: {}", next_.name));
  if (now_.discovery_chap != next_.discovery_chap) {
    out_.access = true;
    changed("CHAP of discovery");
  }
}

void Comparison::limits() {
  const config::Limits &was = now_.limits, &is = next_.limits;
  fixed(was.command_timeout, is.command_timeout, "limits.command_timeout");
  fixed(was.sessions, is.sessions, "limits.sessions");
  fixed(was.memory, is.memory, "limits.memory");
  fixed(was.dirty_memory, is.dirty_memory, "limits.dirty_memory");
  fixed(was.map_memory, is.map_memory, "limits.map_memory");
  fixed(was.read_memory, is.read_memory, "limits.read_memory");
}

// ---- stores

void Comparison::stores() {
  for (const auto& [name, store] : now_.stores) {
    auto same = next_.stores.find(name);
    if (same == next_.stores.end()) {
      removed("store " + name);
    } else if (same->second != store) {
      check_store_unused(name);
      changed("store " + name);
    }
  }
  for (const auto& [name, store] : next_.stores) {
    if (!now_.stores.contains(name)) added("store " + name);
  }
}

void Comparison::check_store_unused(const std::string& name) {
  for (const config::Volume& volume : now_.volumes) {
    if (volume.store != name) continue;
    return refuse("stores." + name,
                  fmt::format("volume {} uses it; {}", volume.name, kNeedsRestart));
  }
}

// ---- volumes

void Comparison::volumes() {
  for (const config::Volume& was : now_.volumes) {
    const config::Volume* is = next_.find_volume(was.name);
    if (is != nullptr) {
      volume(was, *is);
    } else {
      removed("volume " + was.name);
    }
  }
  for (const config::Volume& volume : next_.volumes) {
    if (now_.find_volume(volume.name) == nullptr) new_volume(volume);
  }
}

void Comparison::new_volume(const config::Volume& volume) {
  const std::string key = "volumes." + volume.name;
  if (facts_.leaving.contains(volume.name)) {
    refuse(key, "it was taken out and is not released yet; try again in a while");
  }
  const bool on_device = volume.journal && volume.journal->device;
  if (on_device && facts_.leaving_devices.contains(*volume.journal->device)) {
    refuse(key + ".journal", "a volume that is not released yet uses this device; try again");
  }
  added("volume " + volume.name);
  more_volumes_ = true;
}

void Comparison::volume(const config::Volume& was, const config::Volume& is) {
  const std::string key = "volumes." + is.name;
  fixed(was.store, is.store, key + ".store");
  fixed(was.block_size, is.block_size, key + ".block_size");
  fixed(was.durable_in_journal, is.durable_in_journal, key + ".durability");
  fixed(was.journal, is.journal, key + ".journal");
  fixed(was.read_cache, is.read_cache, key + ".read_cache");
  if (was.create != is.create) changed(fmt::format("volume {}: create", is.name));
  if (was.size != is.size) size(was, is);
  if (was.quota != is.quota) {
    changed(fmt::format("volume {}: {}", is.name,
                        is.quota ? "quota " + config::to_string(*is.quota) : "no quota"));
  }
  if (was.threshold != is.threshold) {
    changed(fmt::format("volume {}: threshold {}%", is.name, is.threshold));
  }
}

void Comparison::size(const config::Volume& was, const config::Volume& is) {
  if (!is.size) return changed(fmt::format("volume {}: no size given", is.name));
  auto online = facts_.sizes.find(is.name);
  ByteCount has = was.size.value_or(ByteCount(0));  // or it is about to grow to that
  if (online != facts_.sizes.end()) has = std::max(has, online->second);
  if (*is.size < has) {
    refuse(fmt::format("volumes.{}.size", is.name),
           fmt::format("it has {}, and a volume cannot become smaller", config::to_string(has)));
  } else {
    changed(fmt::format("volume {}: {}{}", is.name, *is.size > has ? "grows to " : "",
                        config::to_string(*is.size)));
  }
}

// ---- targets

const config::Target* find_target(const config::Config& config, const std::string& iqn) {
  auto has_name = [&iqn](const config::Target& target) { return target.iqn == iqn; };
  auto found = std::ranges::find_if(config.targets, has_name);
  return found == config.targets.end() ? nullptr : &*found;
}

const config::Lun* find_lun(const config::Target& target, uint16_t number) {
  auto found = std::ranges::find(target.luns, number, &config::Lun::number);
  return found == target.luns.end() ? nullptr : &*found;
}

std::string to_string(const config::Target& target, const config::Lun& lun) {
  return fmt::format("LUN {} of {}: volume {}{}{}", lun.number, target.iqn, lun.volume,
                     lun.read_only ? ", read-only" : "", lun.removable ? ", removable" : "");
}

void Comparison::targets() {
  for (const config::Target& was : now_.targets) {
    if (find_target(next_, was.iqn) != nullptr) continue;
    removed("target " + was.iqn);
    out_.access = true;
  }
  for (size_t i = 0; i < next_.targets.size(); ++i) {
    const config::Target& is = next_.targets[i];
    const config::Target* was = find_target(now_, is.iqn);
    if (was != nullptr) {
      target(*was, is, fmt::format("targets[{}]", i));
      continue;
    }
    out_.access = true;
    added("target " + is.iqn);
    for (const config::Lun& lun : is.luns) added(to_string(is, lun));
  }
}

void Comparison::target(const config::Target& was, const config::Target& is,
                        const std::string& key) {
  fixed(was.portal_groups, is.portal_groups, key + ".portal_groups");
  for (uint16_t group : is.portal_groups) {
    const config::AccessState after = is.access_state(group);
    if (was.access_state(group) == after) continue;
    changed(fmt::format("portal group {} of {}: {}", group, is.iqn, config::to_string(after)));
  }
  if (was.open != is.open || was.access != is.access) {
    out_.access = true;
    changed("access to " + is.iqn);
  }
  luns(was, is, key);
}

void Comparison::luns(const config::Target& was, const config::Target& is, const std::string& key) {
  for (const config::Lun& lun : was.luns) {
    if (find_lun(is, lun.number) == nullptr) removed(to_string(was, lun));
  }
  for (const config::Lun& lun : is.luns) {
    const config::Lun* old = find_lun(was, lun.number);
    if (old == nullptr) {
      added(to_string(is, lun));
    } else if (old->volume != lun.volume) {
      // Initiators would go on with what they know of the old disk, on the new one.
      refuse(fmt::format("{}.luns.{}", key, lun.number),
             fmt::format("it is volume {}, and another one must not take its place unnoticed: take "
                         "the LUN out with one reload, and add it with the next",
                         old->volume));
    } else {
      if (old->read_only != lun.read_only) {
        changed(fmt::format("LUN {} of {}: {}", lun.number, is.iqn,
                            lun.read_only ? "read-only" : "no longer read-only"));
      }
      if (old->removable != lun.removable) {
        changed(fmt::format("LUN {} of {}: {}", lun.number, is.iqn,
                            lun.removable ? "removable" : "no longer removable"));
      }
    }
  }
}

}  // namespace

Changes compare(const config::Config& now, const config::Config& next, const config::Places& places,
                const ServedFacts& facts) {
  return Comparison(now, next, places, facts).run();
}

}  // namespace swiftness
