#include "target/gateway/gateway.h"

#include <fmt/format.h>

#include <algorithm>

#include "backend/base/log.h"
#include "backend/store_config.h"
#include "config/values.h"
#include "target/gateway/memory.h"
#include "target/scsi/logical_unit.h"

namespace swiftness {
namespace {

// What stop() gives to work no acknowledged data depend on, such as an attach under way.
constexpr Duration kPatience = std::chrono::seconds(3);

iscsi::IscsiLimits limits_of(const config::Limits& limits) {
  iscsi::IscsiLimits out;
  out.sessions = limits.sessions;
  out.command_timeout = limits.command_timeout;
  out.unsolicited_memory = limits.memory.value() / 4;
  out.answer_memory = limits.memory.value() / 16;
  out.solicited_memory = limits.memory.value() - out.unsolicited_memory - out.answer_memory;
  out.session_memory = std::min(out.session_memory, limits.memory.value() / 8);
  return out;
}

iscsi::PortalConfig portal_of(const config::Portal& portal) {
  iscsi::PortalConfig out;
  out.address = portal.listen.host;
  out.port = portal.listen.port;
  out.group = portal.group;
  if (portal.advertise) out.advertise = config::to_string(*portal.advertise);
  return out;
}

iscsi::ChapSecrets secrets_of(const config::Chap& chap) {
  iscsi::ChapSecrets out;
  if (chap.initiator) out.initiator = {chap.initiator->user, chap.initiator->secret};
  if (chap.target) out.target = {chap.target->user, chap.target->secret};
  return out;
}

iscsi::TargetNode node_of(const config::Target& target, scsi::TaskRouter* router) {
  iscsi::TargetNode out;
  out.name = target.iqn;
  out.router = router;
  out.portal_groups = target.portal_groups;
  out.open = target.open;
  for (const config::Access& access : target.access) {
    out.access.push_back(
        {access.initiator, access.luns, access.read_only, secrets_of(access.chap)});
  }
  return out;
}

}  // namespace

Gateway::Gateway(Executor executor, config::Config config, std::set<std::string> forced)
    : executor_(executor),
      config_(std::move(config)),
      forced_(std::move(forced)),
      listing_(executor),
      stopping_(executor),
      changed_(executor) {}

Gateway::~Gateway() = default;

Result<void> Gateway::start() {
  Result<std::unique_ptr<StateDir>> state_dir = StateDir::open(config_.state_dir);
  if (!state_dir) return state_dir.error();
  state_dir_ = std::move(*state_dir);
  Result<void> opened = open_stores();
  if (!opened) return opened;
  make_volumes();
  make_targets();
  Result<void> listening = listen();
  if (!listening) return listening;
  for (auto& volume : volumes_) volume->start();
  return {};
}

Result<void> Gateway::open_stores() {
  for (const auto& [name, config] : config_.stores) {
    Result<std::unique_ptr<ObjectStore>> store = open_store(config, executor_);
    if (!store) return store.error().within(fmt::format("store {}", name));
    stores_[name].objects = std::move(*store);
    stores_[name].is_lasting = !std::holds_alternative<MemoryStoreConfig>(config);
  }
  return {};
}

void Gateway::make_volumes() {
  VolumeOptions options;
  options.workers = workers_->get_executor();
  const ByteCount machine = machine_memory();
  if (!config_.volumes.empty()) {
    options.map_memory = ByteCount(config_.limits.map_memory.value() / config_.volumes.size());
    options.read_memory = ByteCount(config_.limits.read_memory.value() / config_.volumes.size());
  }
  for (const config::Volume& volume : config_.volumes) {
    Store& store = stores_.at(volume.store);
    options.force = forced_.contains(volume.name);
    options.dirty_memory = dirty_memory_of(volume, config_, machine);
    auto on_known = [this, name = volume.name](Volume& known) { add_logical_unit(name, known); };
    volumes_.push_back(std::make_unique<ServedVolume>(executor_, volume, *store.objects,
                                                      store.is_lasting ? state_dir_.get() : nullptr,
                                                      options, std::move(on_known)));
  }
}

void Gateway::make_targets() {
  std::vector<iscsi::PortalConfig> portals;
  for (const config::Portal& portal : config_.portals) portals.push_back(portal_of(portal));
  std::vector<iscsi::TargetNode> nodes;
  for (const config::Target& target : config_.targets) {
    auto& router = routers_[target.iqn];
    router = std::make_unique<scsi::TaskRouter>();
    nodes.push_back(node_of(target, router.get()));
  }
  server_ =
      std::make_unique<iscsi::Server>(executor_, limits_of(config_.limits), std::move(portals),
                                      std::move(nodes), secrets_of(config_.discovery_chap));
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

void Gateway::add_logical_unit(const std::string& name, Volume& volume) {
  LunOf at = lun_of(name);
  if (at.target == nullptr) return;
  scsi::LogicalUnitOptions options;
  options.read_only = at.lun.read_only;
  // As sessions name the port they came by. All ports are one target port group: this gateway.
  for (uint16_t group : at.target->portal_groups) {
    options.target_ports.push_back({fmt::format("{},t,0x{:04x}", at.target->iqn, group), group, 1});
  }
  auto unit = std::make_unique<scsi::LogicalUnit>(volume, std::move(options));
  routers_.at(at.target->iqn)->add(at.lun.number, std::move(unit));
}

bool Gateway::is_ready() const {
  return std::all_of(volumes_.begin(), volumes_.end(),
                     [](const auto& volume) { return volume->is_online(); });
}

bool Gateway::has_unsafe_data() const {
  return std::any_of(volumes_.begin(), volumes_.end(),
                     [](const auto& volume) { return volume->has_unsafe_data(); });
}

bool Gateway::needs_stores() const {
  return std::any_of(volumes_.begin(), volumes_.end(), [](const auto& volume) {
    return volume->is_online() || volume->is_draining();
  });
}

asio::awaitable<StopOutcome> Gateway::stop(Duration at_most) {
  const TimePoint begin = std::chrono::steady_clock::now();
  TimePoint needed = begin;  // when a store was last waited for on behalf of a volume's data
  stopping_.spawn("stop", shut_down());
  while (!stopped_) {
    const TimePoint now = std::chrono::steady_clock::now();
    if (needs_stores()) needed = now;
    const Duration left = std::min(begin + at_most, needed + kPatience) - now;
    if (left <= Duration::zero()) break;
    co_await changed_.wait_for(std::min<Duration>(left, std::chrono::milliseconds(100)));
  }
  if (has_unsafe_data()) {
    for (const auto& volume : volumes_) {
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
  for (auto& volume : volumes_) all.add(volume->stop());
  co_await all.join();
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
