#include "target/gateway/gateway.h"

#include <fmt/format.h>

#include <algorithm>

#include "backend/base/log.h"
#include "backend/store_config.h"
#include "config/values.h"
#include "target/gateway/memory.h"
#include "target/gateway/nodes.h"

namespace swiftness {
namespace {

// What stop() gives to work no acknowledged data depend on, such as an attach under way.
constexpr Duration kPatience = std::chrono::seconds(3);

}  // namespace

Gateway::Gateway(Executor executor, config::Config config, std::set<std::string> forced, Load load)
    : executor_(executor),
      config_(std::move(config)),
      forced_(std::move(forced)),
      load_(std::move(load)),
      listing_(executor),
      leaving_(executor),
      stopping_(executor),
      changed_(executor) {}

Gateway::~Gateway() = default;

Result<void> Gateway::start() {
  Result<std::unique_ptr<StateDir>> state_dir = StateDir::open(config_.state_dir);
  if (!state_dir) return state_dir.error();
  state_dir_ = std::move(*state_dir);
  Result<Stores> stores = open_stores(config_, nullptr, {}, executor_);
  if (!stores) return stores.error();
  stores_ = std::move(*stores);
  for (const config::Volume& volume : config_.volumes) {
    make_volume(volume, forced_.contains(volume.name));
  }
  std::vector<iscsi::PortalConfig> portals;
  for (const config::Portal& portal : config_.portals) portals.push_back(portal_of(portal));
  server_ =
      std::make_unique<iscsi::Server>(executor_, limits_of(config_.limits), std::move(portals),
                                      make_targets(), secrets_of(config_.discovery_chap));
  Result<void> listening = listen();
  if (!listening) return listening;
  for (auto& served : volumes_) served->volume->start();
  return {};
}

// Those that `before` has as well are taken from `opened`.
Result<Gateway::Stores> Gateway::open_stores(const config::Config& config,
                                             const config::Config* before, const Stores& opened,
                                             const Executor& executor) {
  Stores out;
  for (const auto& [name, wanted] : config.stores) {
    if (before != nullptr && before->stores.contains(name) && before->stores.at(name) == wanted) {
      out[name] = opened.at(name);
      continue;
    }
    Result<std::unique_ptr<ObjectStore>> store = open_store(wanted, executor);
    if (!store) return store.error().within(fmt::format("store {}", name));
    out[name] = std::make_shared<Store>();
    out[name]->objects = std::move(*store);
    out[name]->is_lasting = !std::holds_alternative<MemoryStoreConfig>(wanted);
  }
  return out;
}

Gateway::Served& Gateway::make_volume(const config::Volume& volume, bool force) {
  VolumeOptions options;
  options.workers = workers_->get_executor();
  options.map_memory = ByteCount(config_.limits.map_memory.value() / config_.volumes.size());
  options.read_memory = ByteCount(config_.limits.read_memory.value() / config_.volumes.size());
  options.force = force;
  options.dirty_memory = dirty_memory_of(volume, config_, machine_memory());
  Served& served = *volumes_.emplace_back(std::make_unique<Served>());
  served.store = stores_.at(volume.store);
  auto on_known = [this, &served](Volume&) { place(served); };
  served.volume = std::make_unique<ServedVolume>(
      executor_, volume, *served.store->objects,
      served.store->is_lasting ? state_dir_.get() : nullptr, options, std::move(on_known));
  return served;
}

std::vector<iscsi::TargetNode> Gateway::make_targets() {
  std::vector<iscsi::TargetNode> nodes;
  for (const config::Target& target : config_.targets) {
    auto& router = routers_[target.iqn];
    if (!router) router = std::make_unique<scsi::TaskRouter>();
    nodes.push_back(node_of(target, router.get()));
  }
  return nodes;
}

Result<void> Gateway::listen() {
  Result<void> listening = server_->listen();
  if (!listening) return listening;
  admin_ = std::make_unique<admin::HttpServer>(
      executor_, [this](admin::Request request) { return answer(std::move(request)); });
  Result<void> admin = admin_->listen_unix(config_.admin_socket());
  if (admin && config_.admin_listen) {
    admin = admin_->listen_tcp(config_.admin_listen->host, config_.admin_listen->port);
  }
  return admin;
}

Gateway::LunOf Gateway::lun_of(const std::string& volume) const {
  for (const config::Target& target : config_.targets) {
    for (const config::Lun& lun : target.luns) {
      if (lun.volume == volume) return {&target, lun};
    }
  }
  return {};
}

// Makes its logical unit, if there is to be one and there can be one by now.
void Gateway::place(Served& served) {
  if (served.leaving || served.unit || served.retired || shutting_down_) return;
  LunOf at = lun_of(served.volume->wanted().name);
  if (at.target == nullptr || !served.volume->is_known()) return;
  scsi::LogicalUnitOptions options;
  options.read_only = at.lun.read_only;
  options.removable = at.lun.removable;
  options.soft_threshold = served.volume->wanted().soft_threshold();
  options.management_url = config_.admin_url;
  // As sessions name the port they came by. Each is a target port group of its own, of the portal
  // group's number.
  for (uint16_t group : at.target->portal_groups) {
    options.target_ports.push_back(
        {fmt::format("{},t,0x{:04x}", at.target->iqn, group), group, group});
  }
  options.access_states = access_states_of(*at.target);
  auto unit = std::make_unique<scsi::LogicalUnit>(served.volume->device(), std::move(options));
  served.target = at.target->iqn;
  served.lun = at.lun.number;
  served.unit = unit.get();
  routers_.at(served.target)->add(served.lun, std::move(unit));
}

bool Gateway::is_ready() const {
  return std::all_of(volumes_.begin(), volumes_.end(), [](const auto& served) {
    return served->leaving || served->volume->is_online();
  });
}

bool Gateway::has_unsafe_data() const {
  return std::any_of(volumes_.begin(), volumes_.end(),
                     [](const auto& served) { return served->volume->has_unsafe_data(); });
}

bool Gateway::needs_stores() const {
  return std::any_of(volumes_.begin(), volumes_.end(), [](const auto& served) {
    return served->volume->is_online() || served->volume->is_draining();
  });
}

asio::awaitable<StopOutcome> Gateway::stop(Duration at_most) {
  const TimePoint begin = std::chrono::steady_clock::now();
  TimePoint needed = begin;  // when a store was last waited for on behalf of a volume's data
  shutting_down_ = true;
  stopping_.spawn("stop", shut_down());
  while (!stopped_) {
    const TimePoint now = std::chrono::steady_clock::now();
    if (needs_stores()) needed = now;
    const Duration left = std::min(begin + at_most, needed + kPatience) - now;
    if (left <= Duration::zero()) break;
    co_await changed_.wait_for(std::min<Duration>(left, std::chrono::milliseconds(100)));
  }
  if (has_unsafe_data()) {
    for (const auto& served : volumes_) {
      const ServedVolume* volume = served->volume.get();
      if (!volume->has_unsafe_data()) continue;
      log::error(
          "volume {}: {} written and never flushed did not reach the store; all that was "
          "flushed is safe",
          volume->wanted().name, config::to_string(volume->volume()->usage().unsafe));
    }
    co_return StopOutcome::data_lost;
  }
  if (!stopped_) co_return StopOutcome::unfinished;
  co_await stopping_.close();
  co_return StopOutcome::clean;
}

Task Gateway::shut_down() {
  co_await server_->stop();
  FanOut all(executor_);
  for (auto& served : volumes_) {
    if (!served->leaving) all.add(served->volume->stop());
  }
  co_await all.join();
  co_await leaving_.close();
  co_await server_->join();
  co_await admin_->stop();  // last: what is going on can be watched until then
  co_await listing_.close();
  stopped_ = true;
  changed_.notify_all();
}

asio::awaitable<admin::Response> Gateway::answer(admin::Request request) {
  admin::Service& service = *this;
  return admin::answer(service, std::move(request));
}

}  // namespace swiftness
