#include "config/config.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <system_error>

#include "config/reader.h"
#include "config/sections.h"
#include "config/values.h"

namespace swiftness::config {
namespace {

using namespace std::chrono_literals;

constexpr ByteCount kMiB{1ULL << 20}, kTiB{1ULL << 40};
constexpr ByteCount kLargestVolume{64ULL << 40};
constexpr ByteCount kLeastQuota{1ULL << 10};
constexpr ByteCount kLeastReadCache{64ULL << 20};
constexpr ByteCount kLeastJournal{64ULL << 20};
constexpr ByteCount kDefaultJournal{1ULL << 30};

void read_admin(Section admin, Config& config) {
  std::optional<Value> listen = admin.find("listen");
  std::optional<std::string> text = listen ? listen->text() : std::nullopt;
  if (text) {
    config.admin_listen = parse_endpoint(*text, std::nullopt);
    if (!config.admin_listen || !is_ip_address(config.admin_listen->host)) {
      listen->error(fmt::format("\"{}\" is not ADDRESS:PORT", *text));
    }
  }
  if (std::optional<Value> url = admin.find("url")) {
    config.admin_url = url->text().value_or("");
    const bool plain =
        std::ranges::all_of(config.admin_url, [](char c) { return c > ' ' && c < 0x7f; });
    if (!plain || config.admin_url.find("://") == std::string::npos ||
        config.admin_url.size() > 1024) {
      url->error(fmt::format("\"{}\" is not a URL (https://...)", config.admin_url));
    }
  }
  admin.finish();
}

void read_gateway(Section gateway, Config& config, const std::filesystem::path& folder) {
  gateway.text("name", config.name);
  gateway.path("state_dir", config.state_dir, folder);
  read_admin(gateway.section("admin"), config);
  gateway.finish();
}

Portal read_portal(Section section) {
  Portal portal;
  portal.listen.port = 3260;  // IANA's for iSCSI
  if (std::optional<Value> address = section.required("address")) {
    portal.listen.host = address->text().value_or("");
    if (!portal.listen.host.empty() && !is_ip_address(portal.listen.host)) {
      address->error(fmt::format("\"{}\" is not an IP address (0.0.0.0 listens on every IPv4 one)",
                                 portal.listen.host));
    }
  }
  section.number<uint16_t>("port", portal.listen.port, {1, 65535});
  section.number<uint16_t>("group", portal.group, {1, 65535});
  std::optional<Value> advertise = section.find("advertise");
  std::optional<std::string> text = advertise ? advertise->text() : std::nullopt;
  if (text) {
    portal.advertise = parse_endpoint(*text, portal.listen.port);
    if (!portal.advertise) advertise->error(fmt::format("\"{}\" is not HOST:PORT", *text));
  }
  section.finish();
  return portal;
}

std::vector<Portal> read_portals(Section& file) {
  std::vector<Portal> out;
  std::optional<Value> list = file.required("portals");
  if (!list) return out;
  std::vector<Value> items = list->items();
  if (items.empty()) list->error("needs at least one portal");
  for (const Value& item : items) {
    Portal portal = read_portal(item.section());
    for (const Portal& other : out) {
      if (other.listen != portal.listen) continue;
      item.error(fmt::format("another portal listens on {}", to_string(portal.listen)));
    }
    out.push_back(std::move(portal));
  }
  return out;
}

Limits read_limits(Section limits) {
  Limits out;
  limits.duration("command_timeout", out.command_timeout, {1s, 10min});
  limits.number<uint32_t>("sessions", out.sessions, {1, 65535});
  limits.size("memory", out.memory, {ByteCount(64 * kMiB.value()), kTiB});
  ByteCount dirty(0);
  limits.size("dirty_memory", dirty, {kLeastDirtyMemory, kTiB});
  if (dirty.value() > 0) out.dirty_memory = dirty;
  limits.size("map_memory", out.map_memory, {ByteCount(16 * kMiB.value()), kTiB});
  limits.size("read_memory", out.read_memory, {ByteCount(4 * kMiB.value()), kTiB});
  limits.finish();
  return out;
}

Chap read_discovery(Section discovery, const SecretReader& secrets) {
  Chap out = read_chap(discovery, secrets);
  discovery.finish();
  return out;
}

// The memory is shared out evenly.
void check_dirty_memory(Section limits, const Config& config) {
  const std::optional<ByteCount> has = config.limits.dirty_memory;
  if (!has || has->value() >= kLeastDirtyMemory.value() * config.volumes.size()) return;
  limits.find("dirty_memory")
      ->error(fmt::format("{} is too little for {} volumes, which need {} each", to_string(*has),
                          config.volumes.size(), to_string(kLeastDirtyMemory)));
}

// What refers to something else is read after it.
Config read_config(Section file, const std::filesystem::path& folder,
                   const SecretSources& sources) {
  const SecretReader secrets(folder, sources);
  Config config;
  read_gateway(file.section("gateway"), config, folder);
  config.portals = read_portals(file);
  config.limits = read_limits(file.section("limits"));
  config.discovery_chap = read_discovery(file.section("discovery"), secrets);
  config.stores = read_stores(file.section("stores"), secrets);
  config.volumes = read_volumes(file.section("volumes"), config);
  check_dirty_memory(file.section("limits"), config);
  config.targets = read_targets(file.items("targets"), config, secrets);
  file.finish();
  return config;
}

void read_size(Section& volume, Volume& out) {
  std::optional<Value> given = out.create ? volume.required("size") : volume.find("size");
  if (!given) return;
  ByteCount size;
  volume.size("size", size, {kMiB, kLargestVolume});
  if (size.value() % 4096 != 0) given->error("is not a multiple of 4KiB");
  out.size = size;
}

void read_block_size(Section& volume, Volume& out) {
  std::optional<Value> given = volume.find("block_size");
  std::optional<uint64_t> bytes = given ? given->number(512, 4096) : std::nullopt;
  if (!bytes) return;
  if (*bytes != 512 && *bytes != 4096)
    given->error(fmt::format("{} is neither 512 nor 4096", *bytes));
  out.block_size = static_cast<uint32_t>(*bytes);
}

bool is_in_memory(const Volume& volume, const Config& config) {
  auto store = config.stores.find(volume.store);
  return store != config.stores.end() && std::holds_alternative<MemoryStoreConfig>(store->second);
}

// durability: journal | store, journal: { size } | { device } | none. What a store in memory keeps
// is gone with the process: a journal of it would be of nothing.
void read_durability(Section& volume, Volume& out, const Config& config) {
  const bool in_memory = is_in_memory(out, config);
  std::string durability = in_memory ? "store" : "journal";
  volume.text("durability", durability);
  out.durable_in_journal = durability == "journal";
  std::optional<Value> given = volume.find("durability");
  if (given && durability != "journal" && durability != "store") {
    given->error(fmt::format("\"{}\" is neither journal nor store", durability));
  }
  std::optional<Value> journal = volume.find("journal");
  if (out.durable_in_journal) out.journal = Journal{kDefaultJournal, {}};
  if (journal && journal->is_map()) {
    Section section = journal->section();
    out.journal = Journal{kDefaultJournal, {}};
    section.size("size", out.journal->size, {kLeastJournal, kTiB});
    if (std::optional<Value> device = section.find("device")) {
      out.journal->device = device->text();
      if (section.has("size")) device->error("goes without a size: the journal takes all of it");
      if (out.journal->device && !out.journal->device->is_absolute()) {
        device->error("is not an absolute path");
      }
    }
    section.finish();
    if (in_memory) journal->error("is of no use to a store in memory: use none");
  } else if (journal) {
    std::optional<std::string> text = journal->text();
    if (text && *text != "none") {
      journal->error(
          fmt::format("\"{}\" is neither none nor a mapping with a size or a device", *text));
    } else if (out.durable_in_journal) {
      journal->error("none goes with durability: store only");
    }
    out.journal.reset();
  }
  if (given && out.durable_in_journal && in_memory) {
    given->error("journal is of no use to a store in memory: use store");
  }
}

void read_read_cache(Section& volume, const Config& config, Volume& out) {
  std::optional<Value> given = volume.find("read_cache");
  if (!given) return;
  Section cache = volume.section("read_cache");
  ByteCount size;
  if (cache.required("size")) cache.size("size", size, {kLeastReadCache, kLargestVolume});
  cache.finish();
  if (is_in_memory(out, config)) given->error("is of no use to a volume that is in memory");
  out.read_cache = size;
}

// quota: 500GiB, threshold: 90%
void read_quota(Section& volume, Volume& out) {
  if (volume.has("quota")) {
    ByteCount quota;
    volume.size("quota", quota, {kLeastQuota, kLargestVolume});
    out.quota = quota;
  }
  std::optional<Value> threshold = volume.find("threshold");
  std::optional<std::string> text = threshold ? threshold->text() : std::nullopt;
  if (!text) return;
  std::optional<uint32_t> percent = parse_percent(*text);
  if (!percent || *percent < 1 || *percent > 99) {
    threshold->error(fmt::format("\"{}\" is not from 1% to 99%", *text));
  } else if (!volume.has("quota")) {
    threshold->error("is a part of the quota, and there is none");
  }
  out.threshold = percent.value_or(out.threshold);
}

Volume read_volume(const std::string& name, Section volume, const Config& config) {
  Volume out;
  out.name = name;
  std::optional<Value> store = volume.required("store");
  out.store = store ? store->text().value_or("") : "";
  if (!out.store.empty() && !config.stores.contains(out.store)) {
    std::vector<std::string> names;
    for (const auto& entry : config.stores) names.push_back(entry.first);
    store->error(
        fmt::format("there is no store \"{}\"{}", out.store, did_you_mean(out.store, names)));
  }
  volume.boolean("create", out.create);
  read_size(volume, out);
  read_block_size(volume, out);
  read_durability(volume, out, config);
  read_read_cache(volume, config, out);
  volume.only("compression", "none");
  volume.unsupported("encryption");
  read_quota(volume, out);
  volume.finish();
  return out;
}

struct CloseFile {
  void operator()(std::FILE* file) const noexcept { std::fclose(file); }
};

Result<std::string> read_file(const std::filesystem::path& path) {
  std::unique_ptr<std::FILE, CloseFile> file(std::fopen(path.c_str(), "rb"));
  std::string contents;
  char piece[4096];
  while (file) {
    size_t got = std::fread(piece, 1, sizeof piece, file.get());
    contents.append(piece, got);
    if (got == sizeof piece) continue;
    if (std::ferror(file.get()) == 0) return contents;
    break;
  }
  std::string why = std::error_code(errno, std::generic_category()).message();
  return Error(ErrorCode::not_found, fmt::format("cannot read {}: {}", path.native(), why));
}

}  // namespace

void check_name(const std::string& name, const Value& value) {
  std::optional<std::string> why = why_not_name(name);
  if (why) value.error(fmt::format("\"{}\" {}", name, *why));
}

std::vector<Volume> read_volumes(Section volumes, const Config& config) {
  std::vector<Volume> out;
  for (const auto& [name, value] : volumes.entries()) {
    check_name(name, value);
    Volume volume = read_volume(name, value.section(), config);
    for (const Volume& other : out) {
      const bool on_device = volume.journal && volume.journal->device;
      if (on_device && other.journal && other.journal->device == volume.journal->device) {
        value.error(fmt::format("the journal of {} is on the same device", other.name));
      }
    }
    out.push_back(std::move(volume));
  }
  return out;
}

std::optional<ByteCount> Volume::soft_threshold() const noexcept {
  if (!quota) return std::nullopt;
  return ByteCount(quota->value() / 100 * threshold + quota->value() % 100 * threshold / 100);
}

AccessState Target::access_state(uint16_t portal_group) const noexcept {
  const auto found = alua.find(portal_group);
  return found == alua.end() ? AccessState::optimized : found->second;
}

const Volume* Config::find_volume(std::string_view name) const noexcept {
  for (const Volume& volume : volumes) {
    if (volume.name == name) return &volume;
  }
  return nullptr;
}

std::string Places::describe(const std::string& key) const {
  for (std::string at = key; !at.empty();) {
    auto found = lines_.find(at);
    if (found != lines_.end()) return fmt::format("{}:{}: {}", file_.native(), found->second, key);
    const size_t end = at.find_last_of(".[");
    at.resize(end == std::string::npos ? 0 : end);
  }
  return fmt::format("{}: {}", file_.native(), key);
}

SecretSources SecretSources::of_this_process() {
  auto environment = [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    return value ? std::optional<std::string>(value) : std::nullopt;
  };
  return {&config::read_file, environment};
}

Outcome parse(std::string_view text, const std::filesystem::path& file,
              const SecretSources& secrets) {
  Report report(file);
  Outcome outcome;
  try {
    std::vector<YAML::Node> documents = YAML::LoadAll(std::string(text));
    if (documents.size() > 1) {
      report.error({}, "has more than one YAML document");
    } else if (documents.empty() || documents[0].IsNull()) {
      report.error({}, "is empty; \"swiftness config example\" prints a start");
    } else {
      std::filesystem::path folder = std::filesystem::absolute(file).parent_path();
      outcome.config = read_config(Section(documents[0], {1, ""}, report), folder, secrets);
    }
  } catch (const YAML::Exception& e) {
    report.error({e.mark.is_null() ? 0 : e.mark.line + 1, ""}, "is not valid YAML: " + e.msg);
  }
  if (report.has_errors()) outcome.config.reset();
  outcome.errors = report.take_errors();
  outcome.places = report.take_places();
  outcome.warnings = report.take_warnings();
  return outcome;
}

Outcome load(const std::filesystem::path& file) {
  Result<std::string> text = read_file(file);
  if (text) return parse(*text, file, SecretSources::of_this_process());
  Outcome outcome;
  outcome.errors.push_back(text.error().message());
  return outcome;
}

}  // namespace swiftness::config
