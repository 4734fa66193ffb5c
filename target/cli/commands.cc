#include "target/cli/commands.h"

#include <fmt/format.h>

#include <cstdio>
#include <ctime>
#include <optional>
#include <variant>
#include <vector>

#include "config/config.h"
#include "config/values.h"
#include "target/admin/json.h"
#include "target/cli/client.h"
#include "target/cli/failure.h"
#include "target/cli/json_text.h"
#include "target/cli/offline.h"
#include "target/cli/paths.h"
#include "target/cli/table.h"

namespace swiftness::cli {
namespace {

using nlohmann::json;

// The client, or an exit code.
std::variant<Client, int> connect(const Common& common) {
  if (!common.socket.empty()) return Client(common.socket);
  if (common.config.empty()) return Client(config::Config().admin_socket());
  std::optional<config::Config> config = load_config(common.config);
  if (!config) return kUsage;
  return Client(config->admin_socket());
}

// Prints what `ask(client)` is answered, as JSON or through `print`, which returns the exit code.
template <class Ask, class Answer>
int print_answer(const Common& common, Ask ask, int (*print)(const Answer&)) {
  std::variant<Client, int> client = connect(common);
  if (const int* code = std::get_if<int>(&client)) return *code;
  Result<json> answer = ask(std::get<Client>(client));
  if (!answer) return fail(answer.error());
  if (common.json) {
    fmt::print("{}", json_text(*answer));
    return kDone;
  }
  return print(answer->get<Answer>());
}

template <class Answer>
int show(const Common& common, const std::string& path, int (*print)(const Answer&)) {
  return print_answer(
      common, [&path](const Client& client) { return client.get(path); }, print);
}

template <class Answer>
int change(const Common& common, const std::string& path, const json& request,
           int (*print)(const Answer&)) {
  auto ask = [&](const Client& client) { return client.post(path, request); };
  return print_answer(common, ask, print);
}

std::string lun_of(const admin::VolumeReport& volume) {
  return volume.target.empty() ? "" : fmt::format("{} LUN {}", volume.target, volume.lun);
}

std::string size_of(const admin::VolumeReport& volume) {
  return volume.size == 0 ? "" : human_size(volume.size);
}

std::string used_of(const admin::VolumeReport& volume) {
  return volume.state == "online" ? human_size(volume.mapped) : "";
}

std::string reads_of(const admin::VolumeReport& volume) {
  const uint64_t all = volume.read_hits + volume.read_misses;
  if (all == 0) return "none yet";
  return fmt::format("{:.1f} % hits; {} from the cache, {} from the store in {} GETs",
                     100.0 * static_cast<double>(volume.read_hits) / static_cast<double>(all),
                     human_size(volume.read_from_cache), human_size(volume.read_from_store),
                     volume.store_gets);
}

std::string read_cache_of(const admin::VolumeReport& volume) {
  if (!volume.read_cache_trouble.empty()) return "not used: " + volume.read_cache_trouble;
  if (volume.read_cache_size == 0) return "";
  return fmt::format("{} of {}", human_size(volume.read_cache_used),
                     human_size(volume.read_cache_size));
}

std::string join(const std::vector<uint32_t>& numbers, const char* otherwise) {
  return numbers.empty() ? otherwise : fmt::format("{}", fmt::join(numbers, ","));
}

std::string time_text(int64_t seconds) {
  const std::time_t time = seconds;
  std::tm local{};
  char text[32];
  localtime_r(&time, &local);
  return std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &local) > 0 ? text : "";
}

int print_status(const admin::StatusReport& status) {
  fmt::print("Gateway {} is {}: version {}, process {}, up {}\n", status.name,
             status.ready ? "ready" : "running, but not every volume is online", status.version,
             status.pid, human_age(std::time(nullptr) - status.started));
  fmt::print("State folder {}, {} targets, {} sessions\n", status.state_dir, status.targets,
             status.sessions);
  if (status.drained) {
    fmt::print("Drained: no initiator may log in{}\n",
               status.moved_to.empty() ? "" : ", they are sent to " + status.moved_to);
  }
  const admin::InitiatorCounts& counts = status.initiators;
  fmt::print("Since then {} logins, {} refused", counts.logins, counts.logins_refused);
  if (counts.connections_refused > 0) {
    fmt::print(", {} connections refused (too many without a login)", counts.connections_refused);
  }
  if (counts.connections_broken > 0) {
    fmt::print(", {} connections closed (no iSCSI, or damaged)", counts.connections_broken);
  }
  if (counts.pdus_rejected > 0) fmt::print(", {} PDUs rejected", counts.pdus_rejected);
  if (counts.commands_timed_out > 0) {
    fmt::print(", {} commands answered BUSY for a store too slow", counts.commands_timed_out);
  }
  if (counts.commands_without_memory > 0) {
    fmt::print(", {} commands answered BUSY for lack of memory", counts.commands_without_memory);
  }
  if (counts.connections_paused > 0) {
    fmt::print(", {} times an initiator did not read its answers", counts.connections_paused);
  }
  fmt::print("\n");
  for (const admin::PortalReport& portal : status.portals) {
    fmt::print("Portal {}, group {}{}\n", portal.listen, portal.group,
               portal.advertise.empty() ? "" : ", advertised as " + portal.advertise);
  }
  for (const std::string& line : unusual_paths(status.volumes)) fmt::print("{}\n", line);
  for (const admin::StoreReport& store : status.stores) {
    if (!store.trouble.empty()) fmt::print("Store {} fails: {}\n", store.name, store.trouble);
  }
  if (status.volumes.empty()) return kDone;
  std::vector<std::vector<std::string>> rows = {
      {"VOLUME", "STATE", "SIZE", "USED", "NOT STORED YET", "SINCE"}};
  for (const admin::VolumeReport& volume : status.volumes) {
    const std::string age =
        volume.unsafe == 0 ? "" : fmt::format("{:.1f} s", volume.unsafe_seconds);
    rows.push_back({volume.name, volume.state, size_of(volume), used_of(volume),
                    human_size(volume.unsafe), age});
  }
  fmt::print("\n{}", table(std::move(rows)));
  for (const admin::VolumeReport& volume : status.volumes) {
    if (!volume.trouble.empty()) fmt::print("\n{}: {}\n", volume.name, volume.trouble);
  }
  return kDone;
}

int print_reload(const admin::ReloadReport& report) {
  for (const std::string& line : report.warnings) fmt::print(stderr, "warning: {}\n", line);
  for (const std::string& what : report.added) fmt::print("added    {}\n", what);
  for (const std::string& what : report.removed) fmt::print("removed  {}\n", what);
  for (const std::string& what : report.changed) fmt::print("changed  {}\n", what);
  const bool same = report.added.empty() && report.removed.empty() && report.changed.empty();
  if (same) fmt::print("Nothing is different.\n");
  return kDone;
}

int print_sessions(const std::vector<admin::SessionReport>& sessions) {
  std::vector<std::vector<std::string>> rows = {
      {"INITIATOR", "ADDRESS", "TARGET", "SINCE", "COMMANDS", "READ", "WRITTEN", "IN FLIGHT"}};
  for (const admin::SessionReport& session : sessions) {
    rows.push_back({session.initiator, session.address,
                    session.target.empty() ? "(discovery)" : session.target,
                    time_text(session.since), std::to_string(session.commands),
                    human_size(session.bytes_read), human_size(session.bytes_written),
                    std::to_string(session.in_flight)});
  }
  fmt::print("{}", sessions.empty() ? "No sessions.\n" : table(std::move(rows)));
  return kDone;
}

int print_targets(const std::vector<admin::TargetReport>& targets) {
  if (targets.empty()) fmt::print("No targets.\n");
  for (const admin::TargetReport& target : targets) {
    fmt::print("{}\n  portal groups {}, {} sessions{}\n", target.iqn,
               join(target.portal_groups, "-"), target.sessions,
               target.open ? ", open to any initiator" : "");
    for (const admin::LunReport& lun : target.luns) {
      fmt::print("  LUN {}: {}{}{}\n", lun.number, lun.volume, lun.read_only ? " (read-only)" : "",
                 lun.removable ? " (removable)" : "");
    }
    for (const admin::AccessReport& access : target.access) {
      fmt::print("  allowed: {}, LUNs {}{}\n", access.initiator, join(access.luns, "all"),
                 access.read_only ? " (read-only)" : "");
    }
  }
  return kDone;
}

// Some stores may not have answered: what they have is missing, so the command has failed.
int finish_list(const admin::VolumeList& list) {
  for (const std::string& problem : list.problems) fmt::print(stderr, "swiftness: {}\n", problem);
  return list.problems.empty() ? kDone : kFailed;
}

int print_volumes(const admin::VolumeList& list) {
  std::vector<std::vector<std::string>> rows = {
      {"VOLUME", "STORE", "SIZE", "USED", "STATE", "SERVED AS"}};
  for (const admin::VolumeReport& volume : list.volumes) {
    rows.push_back({volume.name, volume.store, size_of(volume), used_of(volume), volume.state,
                    lun_of(volume)});
  }
  fmt::print("{}", list.volumes.empty() ? "No volumes.\n" : table(std::move(rows)));
  return finish_list(list);
}

int print_volume(const admin::VolumeReport& volume) {
  std::vector<std::vector<std::string>> rows = {
      {"Volume", volume.name},
      {"State", volume.state},
      {"Store", volume.store},
      {"UUID", volume.uuid},
      {"Size",
       volume.size == 0 ? "" : fmt::format("{} ({} bytes)", human_size(volume.size), volume.size)},
      {"Block size", volume.block_size == 0 ? "" : fmt::format("{} bytes", volume.block_size)},
      {"Served as", lun_of(volume)}};
  if (volume.state == "online") {
    rows.push_back({"Quota", volume.quota == 0 ? "none" : human_size(volume.quota)});
    rows.push_back({"Used", human_size(volume.mapped)});
    rows.push_back({"Available", human_size(volume.available)});
    rows.push_back({"Not stored yet", fmt::format("{}, for {:.1f} s", human_size(volume.unsafe),
                                                  volume.unsafe_seconds)});
    rows.push_back(
        {"Chunks", fmt::format("{} written, {} durable, {} in flight", volume.newest_sequence,
                               volume.durable_sequence, volume.chunks_in_flight)});
    rows.push_back({"Journal", volume.journal_size == 0
                                   ? "none"
                                   : fmt::format("{} of {} in use", human_size(volume.journal_used),
                                                 human_size(volume.journal_size))});
    rows.push_back({"In the store",
                    fmt::format("{} in {} chunks, {} of it live, {} about to be deleted",
                                human_size(volume.stored), volume.chunks, human_size(volume.live),
                                human_size(volume.awaiting_deletion))});
    if (volume.written > 0) {
      rows.push_back(
          {"Amplification",
           fmt::format("{:.2f} ({} put for {} written; {} moved by garbage collection)",
                       static_cast<double>(volume.put) / static_cast<double>(volume.written),
                       human_size(volume.put), human_size(volume.written),
                       human_size(volume.moved))});
    }
    rows.push_back({"Reads", reads_of(volume)});
    rows.push_back({"Read cache", read_cache_of(volume)});
    rows.push_back({"Epoch", std::to_string(volume.epoch)});
  }
  if (!volume.trouble.empty()) rows.push_back({"Trouble", volume.trouble});
  fmt::print("{}", table(std::move(rows)));
  return kDone;
}

// The same for an answer that the stores gave.
template <class Answer>
int show_offline(const Common& common, const Answer& answer, int (*print)(const Answer&)) {
  if (!common.json) return print(answer);
  fmt::print("{}", json_text(answer));
  return kDone;
}

int print_created(const admin::VolumeReport& volume) {
  fmt::print(R"(Created volume {0} in store {1}: {2}, blocks of {3} bytes, UUID {4}.
It is in the store, but not served yet. To serve it, add it to the gateway's configuration:

volumes:
  {0}: {{ store: {1} }}
targets:
  - iqn: ...
    luns: {{ ..., LUN: {0} }}

and tell the gateway: swiftness reload
)",
             volume.name, volume.store, human_size(volume.size), volume.block_size, volume.uuid);
  return kDone;
}

}  // namespace

int status(const Common& common) {
  return show(common, "/status", &print_status);
}
int sessions(const Common& common) {
  return show(common, "/sessions", &print_sessions);
}
int drain(const Common& common, const std::string& to) {
  return change(common, "/drain", {{"to", to}}, &print_status);
}
int resume(const Common& common) {
  return change(common, "/resume", json::object(), &print_status);
}
int reload(const Common& common) {
  return change(common, "/reload", json::object(), &print_reload);
}
int target_list(const Common& common) {
  return show(common, "/targets", &print_targets);
}

int volume_list(const Common& common) {
  if (!common.offline) return show(common, "/volumes", &print_volumes);
  std::optional<config::Config> config = load_stores(common, "--offline");
  if (!config) return kUsage;
  const admin::VolumeList list = list_offline(*config);
  return show_offline(common, list, &print_volumes);
}

int volume_show(const Common& common, const std::string& name) {
  if (std::optional<std::string> why = config::why_not_name(name)) {
    return fail(kUsage, fmt::format("\"{}\" {}", name, *why));
  }
  if (!common.offline) return show(common, "/volumes/" + name, &print_volume);
  std::optional<config::Config> config = load_stores(common, "--offline");
  if (!config) return kUsage;
  Result<admin::VolumeReport> volume = find_offline(*config, name);
  if (!volume) return fail(volume.error());
  return show_offline(common, *volume, &print_volume);
}

int volume_create(const Common& common, const VolumeToCreate& wanted) {
  std::optional<ByteCount> size = config::parse_size(wanted.size);
  if (!size) {
    return fail(kUsage, fmt::format("--size: \"{}\" is not a size (use KiB, MiB, GiB or TiB)",
                                    wanted.size));
  }
  const admin::CreateVolume request{wanted.name, wanted.store, size->value(), wanted.block_size};
  return change(common, "/volumes", request, &print_created);
}

int config_check(const std::string& file) {
  config::Outcome outcome = config::load(file);
  for (const std::string& line : outcome.warnings) fmt::print(stderr, "warning: {}\n", line);
  for (const std::string& line : outcome.errors) fmt::print(stderr, "error: {}\n", line);
  if (!outcome.config) return kUsage;
  fmt::print("{} is right: {} portals, {} stores, {} volumes, {} targets\n", file,
             outcome.config->portals.size(), outcome.config->stores.size(),
             outcome.config->volumes.size(), outcome.config->targets.size());
  return kDone;
}

int config_example() {
  fmt::print("{}", config::example());
  return kDone;
}

}  // namespace swiftness::cli
