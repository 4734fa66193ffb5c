// What the gateway tells the admin API.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "backend/base/log.h"
#include "backend/base/version.h"
#include "backend/volume/catalogue.h"
#include "config/values.h"
#include "target/gateway/gateway.h"
#include "target/gateway/nodes.h"

namespace swiftness {
namespace {

// How long a request waits for stores to list their volumes.
constexpr Duration kListingTime = std::chrono::seconds(5);

int64_t seconds_since_epoch(std::chrono::system_clock::time_point time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

std::string to_string(DeviceState state) {
  switch (state) {
    case DeviceState::attaching:
      return "attaching";
    case DeviceState::online:
      return "online";
    case DeviceState::fenced:
      return "fenced";
    case DeviceState::stopped:
      return "stopped";
  }
  CHECK(false);
}

admin::VolumeReport report_of(const VolumeDescriptor& volume, const std::string& store) {
  admin::VolumeReport out;
  out.name = volume.name;
  out.store = store;
  out.uuid = to_string(volume.uuid);
  out.size = volume.created_size.value();
  out.block_size = volume.block_size;
  out.state = "not served";
  return out;
}

}  // namespace

admin::VolumeReport Gateway::report(const Served& served) const {
  admin::VolumeReport out;
  out.name = served.volume->wanted().name;
  out.store = served.volume->wanted().store;
  out.configured = !served.leaving;
  out.state = served.leaving ? "releasing" : to_string(DeviceState::attaching);
  if (!served.leaving) out.trouble = served.volume->trouble();
  LunOf at = lun_of(out.name);
  if (at.target != nullptr) {
    out.target = at.target->iqn;
    out.lun = at.lun.number;
    if (served.unit != nullptr) {
      out.paths = paths_of(served.unit->target_port_groups().states(), *at.target);
    }
  }
  const Volume* volume = served.volume->volume();
  if (volume == nullptr) return out;
  const Geometry geometry = volume->geometry();
  out.uuid = to_string(geometry.identity);
  out.block_size = geometry.block_size;
  out.size = geometry.blocks.value() * geometry.block_size;
  const VolumeStatus status = volume->status();
  if (served.leaving) {
    out.trouble = status.trouble;
  } else {
    out.state = to_string(status.state);
  }
  out.mapped = status.usage.mapped.value();
  out.quota = status.usage.quota.value_or(ByteCount(0)).value();
  out.available = status.usage.available().value();
  out.unsafe = status.usage.unsafe.value();
  out.unsafe_seconds = std::chrono::duration<double>(status.usage.unsafe_since).count();
  out.epoch = status.epoch;
  out.newest_sequence = status.newest_sequence;
  out.durable_sequence = status.durable_sequence;
  out.chunks_in_flight = status.chunks_in_flight;
  out.journal_size = status.journal_bytes;
  out.journal_used = status.journal_used;
  out.chunks = status.chunks;
  out.stored = status.stored.value();
  out.live = status.live.value();
  out.awaiting_deletion = status.dead.value();
  out.written = status.written.value();
  out.put = status.put.value();
  out.moved = status.garbage.moved_bytes;
  out.read_hits = status.reads.hits;
  out.read_misses = status.reads.misses;
  out.read_from_cache = status.reads.from_cache.value();
  out.read_from_store = status.reads.from_store.value();
  out.store_gets = status.reads.gets;
  out.store_prefetches = status.reads.prefetches;
  out.read_cache_size = status.read_cache.capacity.value();
  out.read_cache_used = status.read_cache.used.value();
  out.read_cache_trouble = status.read_cache.trouble;
  return out;
}

admin::StatusReport Gateway::status() const {
  admin::StatusReport out;
  out.name = config_.name;
  out.version = kVersion;
  out.pid = ::getpid();
  out.started = seconds_since_epoch(started_);
  out.ready = is_ready();
  out.state_dir = config_.state_dir.native();
  for (const iscsi::PortalConfig& portal : server_->portals()) {
    config::Endpoint endpoint{portal.address, portal.port};
    out.portals.push_back({config::to_string(endpoint), portal.advertise, portal.group});
  }
  for (const auto& [name, store] : stores_) {
    out.stores.push_back({name, store->objects->trouble()});
  }
  for (const auto& served : volumes_) out.volumes.push_back(report(*served));
  out.sessions = server_->sessions().size();
  out.targets = config_.targets.size();
  if (const std::optional<iscsi::Drain>& drained = server_->drained()) {
    out.drained = true;
    out.moved_to = drained->moved_to;
  }
  const iscsi::ServerCounts counts = server_->counts();
  out.initiators = {counts.logins,
                    counts.logins_refused,
                    counts.connections_refused,
                    counts.connections_broken,
                    counts.pdus_rejected,
                    counts.commands_timed_out,
                    counts.commands_without_memory,
                    counts.connections_paused,
                    counts.commands,
                    counts.bytes_read,
                    counts.bytes_written,
                    counts.half_open,
                    counts.unread_answers};
  return out;
}

Result<void> Gateway::drain(admin::Drain request) {
  std::string to;
  if (!request.to.empty()) {
    std::optional<config::Endpoint> portal = config::parse_endpoint(request.to, 3260);
    if (!portal) {
      return Error(ErrorCode::invalid,
                   fmt::format("\"{}\" is not ADDRESS or ADDRESS:PORT", request.to));
    }
    to = config::to_string(*portal);
  }
  log::info("drained: initiators are asked to log out{}", to.empty() ? "" : " and sent to " + to);
  server_->drain({to});
  return {};
}

void Gateway::resume() {
  log::info("initiators may log in again");
  server_->resume();
}

std::vector<admin::SessionReport> Gateway::sessions() const {
  std::vector<admin::SessionReport> out;
  for (const iscsi::SessionInfo& session : server_->sessions()) {
    admin::SessionReport report;
    report.initiator = session.initiator;
    report.address = session.address;
    report.target = session.target;
    report.isid = session.isid;
    report.tsih = session.tsih;
    report.portal_group = session.portal_group;
    report.since = seconds_since_epoch(session.since);
    report.commands = session.commands;
    report.bytes_read = session.bytes_read;
    report.bytes_written = session.bytes_written;
    report.in_flight = session.in_flight;
    out.push_back(std::move(report));
  }
  return out;
}

std::vector<admin::TargetReport> Gateway::targets() const {
  std::vector<admin::TargetReport> out;
  const std::vector<iscsi::SessionInfo> sessions = server_->sessions();
  for (const config::Target& target : config_.targets) {
    admin::TargetReport report;
    report.iqn = target.iqn;
    report.open = target.open;
    report.portal_groups.assign(target.portal_groups.begin(), target.portal_groups.end());
    for (const config::Lun& lun : target.luns) {
      report.luns.push_back({lun.number, lun.volume, lun.read_only, lun.removable});
    }
    for (const config::Access& access : target.access) {
      report.access.push_back(
          {access.initiator, {access.luns.begin(), access.luns.end()}, access.read_only});
    }
    auto is_here = [&target](const iscsi::SessionInfo& s) { return s.target == target.iqn; };
    report.sessions =
        static_cast<uint64_t>(std::count_if(sessions.begin(), sessions.end(), is_here));
    out.push_back(std::move(report));
  }
  return out;
}

Task Gateway::list(std::shared_ptr<Store> store) {
  store->is_listing = true;
  Result<std::vector<VolumeDescriptor>> listed = co_await list_volumes(*store->objects);
  store->listed = std::move(listed);
  store->is_listing = false;
  ++store->listings;
  changed_.notify_all();
}

asio::awaitable<admin::VolumeList> Gateway::volumes() {
  const Stores stores = stores_;            // a reload may take some out meanwhile
  std::map<std::string, uint64_t> awaited;  // the number of the listing we wait for, by store
  for (const auto& [name, store] : stores) {
    awaited[name] = store->listings + 1;
    if (!store->is_listing) listing_.spawn("list volumes", list(store));
  }
  auto is_listed = [&stores](const auto& one) {
    return stores.at(one.first)->listings >= one.second;
  };
  const TimePoint deadline = std::chrono::steady_clock::now() + kListingTime;
  while (!std::all_of(awaited.begin(), awaited.end(), is_listed)) {
    const Duration left = deadline - std::chrono::steady_clock::now();
    if (left <= Duration::zero()) break;
    co_await changed_.wait_for(left);
  }
  admin::VolumeList out;
  for (const auto& served : volumes_) out.volumes.push_back(report(*served));
  const auto by_name = [](const auto& a, const auto& b) { return a.name < b.name; };
  std::sort(out.volumes.begin(), out.volumes.end(), by_name);
  for (const auto& one : awaited) {
    const Store& store = *stores.at(one.first);
    if (!is_listed(one)) {
      out.problems.push_back(fmt::format("store {}: no answer yet", one.first));
    } else if (!store.listed) {
      out.problems.push_back(
          fmt::format("store {}: {}", one.first, store.listed.error().message()));
    } else {
      for (const VolumeDescriptor& found : *store.listed) {
        const Served* served = find_served(found.name);
        if (served != nullptr && served->volume->wanted().store == one.first) continue;
        out.volumes.push_back(report_of(found, one.first));
      }
    }
  }
  co_return out;
}

const Gateway::Served* Gateway::find_served(const std::string& name) const {
  auto has_name = [&name](const auto& served) { return served->volume->wanted().name == name; };
  auto found = std::find_if(volumes_.begin(), volumes_.end(), has_name);
  return found == volumes_.end() ? nullptr : found->get();
}

Async<admin::VolumeReport> Gateway::volume(std::string name) {
  if (const Served* served = find_served(name)) co_return report(*served);
  const Stores stores = stores_;
  for (const auto& [store_name, store] : stores) {
    Result<VolumeDescriptor> found = co_await find_volume(*store->objects, name);
    if (found) co_return report_of(*found, store_name);
    if (found.error().code() != ErrorCode::not_found) {
      co_return found.error().within(fmt::format("store {}", store_name));
    }
  }
  co_return Error(ErrorCode::not_found, fmt::format("there is no volume \"{}\"", name));
}

Result<std::string> Gateway::store_to_create_in(const admin::CreateVolume& request) const {
  if (stores_.contains(request.store)) return request.store;
  if (request.store.empty() && stores_.size() == 1) return stores_.begin()->first;
  std::vector<std::string> names;
  for (const auto& entry : stores_) names.push_back(entry.first);
  if (request.store.empty()) {
    return Error(ErrorCode::invalid,
                 fmt::format("which store? There are: {}", fmt::join(names, ", ")));
  }
  return Error(ErrorCode::invalid, fmt::format("there is no store \"{}\"{}", request.store,
                                               config::did_you_mean(request.store, names)));
}

Async<admin::VolumeReport> Gateway::create_volume(admin::CreateVolume request) {
  Result<std::string> store = store_to_create_in(request);
  if (!store) co_return store.error();
  VolumeDescriptor wanted{request.name, Uuid{}, ByteCount(request.size), request.block_size, 0};
  Result<void> possible = check_descriptor(wanted);
  if (!possible) co_return possible.error();
  Result<std::optional<RememberedVolume>> remembered = state_dir_->recall(request.name);
  if (!remembered) co_return remembered.error();
  if (*remembered) {
    co_return Error(
        ErrorCode::conflict,
        fmt::format("this gateway has served a volume \"{}\" before (UUID {}, store \"{}\"); "
                    "{} remembers it",
                    request.name, to_string((*remembered)->descriptor.uuid), (*remembered)->store,
                    state_dir_->file_of(request.name).native()));
  }
  const std::shared_ptr<Store> where = stores_.at(*store);
  Result<VolumeDescriptor> created = co_await swiftness::create_volume(
      *where->objects, request.name, wanted.created_size, request.block_size);
  if (!created) co_return created.error();
  co_return report_of(*created, *store);
}

}  // namespace swiftness
