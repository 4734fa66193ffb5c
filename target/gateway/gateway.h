// Gateway: everything a configuration asks for, wired together on one shard, and taken apart again.
//
//   StateDir   Stores   ServedVolumes   TaskRouters (logical units)   iscsi::Server
//   admin::HttpServer
//
// Started in this order and stopped in the other one. The portals listen before any store has
// answered: until a volume is attached its logical unit says NOT READY by itself; one never seen
// before, whose size is therefore unknown, appears as a LUN once its store has told. While it runs
// reload() goes over to another configuration (reload.cc).
//
// It is also what the admin API asks. All calls are made on the executor's thread.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "backend/base/background.h"
#include "backend/base/gate.h"
#include "config/config.h"
#include "target/admin/http.h"
#include "target/gateway/changes.h"
#include "target/gateway/served_volume.h"
#include "target/gateway/state_dir.h"
#include "target/iscsi/server.h"
#include "target/scsi/logical_unit.h"
#include "target/scsi/task_router.h"

namespace swiftness {

enum class StopOutcome {
  clean,       // nothing runs any more
  unfinished,  // something still waits for a store, but no acknowledged data depend on it
  data_lost,   // acknowledged data that were never flushed did not reach the store in time
};

class Gateway final : private admin::Service {
 public:
  using Load = std::function<config::Outcome()>;  // may block, and is called on another thread

  // `forced`: names of volumes that are attached even though another gateway may hold data of them
  // that are not in the store. `load`: reads the configuration anew; without it there is no reload.
  Gateway(Executor executor, config::Config config, std::set<std::string> forced = {},
          Load load = {});
  ~Gateway() override;  // if it was started, only after stop() was `clean`

  // Listens and begins to attach. An Error names what has to be put right; then nothing runs.
  Result<void> start();

  // Ends sessions, stores what is not yet stored, closes. Unless `clean`, the process has to end
  // without destroying the Gateway. Called once.
  asio::awaitable<StopOutcome> stop(Duration at_most);

  // Goes over to the configuration as it is now, all of it or, with an Error that says where and
  // why, none of it. What takes long, attaching and releasing volumes, goes on when it returns.
  Async<admin::ReloadReport> reload() override;

  // The portals with the ports they really have.
  std::vector<iscsi::PortalConfig> portals() const { return server_->portals(); }
  bool is_ready() const;  // every configured volume is online

 private:
  struct Store {
    std::unique_ptr<ObjectStore> objects;
    bool is_lasting = true;  // not so in memory
    // The newest listing of its catalogue. One at a time, shared by all who ask meanwhile.
    bool is_listing = false;
    uint64_t listings = 0;
    Result<std::vector<VolumeDescriptor>> listed = std::vector<VolumeDescriptor>();
  };
  using Stores = std::map<std::string, std::shared_ptr<Store>>;  // by name
  struct LunOf {
    const config::Target* target = nullptr;
    config::Lun lun;
  };
  // A volume, and its logical unit where it has one.
  struct Served {
    std::shared_ptr<Store> store;
    std::unique_ptr<ServedVolume> volume;
    std::string target;  // that its logical unit is of; empty: there is none
    uint16_t lun = 0;
    scsi::LogicalUnit* unit = nullptr;           // of that target's router
    std::unique_ptr<scsi::LogicalUnit> retired;  // taken away; until its last command has returned
    bool leaving = false;                        // the configuration does not have it any more
  };

  static Result<Stores> open_stores(const config::Config& config, const config::Config* before,
                                    const Stores& opened, const Executor& executor);
  Served& make_volume(const config::Volume& volume, bool force);
  std::vector<iscsi::TargetNode> make_targets();
  Result<void> listen();
  void place(Served& served);
  LunOf lun_of(const std::string& volume) const;
  Task shut_down();
  bool has_unsafe_data() const;
  bool needs_stores() const;  // a volume that was attached is not stopped yet

  // reload.cc
  Async<admin::ReloadReport> reload_once();
  Result<void> may_reload() const;
  ServedFacts facts() const;
  void take_over(config::Config next, Stores stores, bool access);
  void update(Served& served);
  void take_away(Served& served);
  Task end_unit(Served& served);
  Task release(Served& served);

  // admin::Service
  admin::StatusReport status() const override;
  std::vector<admin::SessionReport> sessions() const override;
  std::vector<admin::TargetReport> targets() const override;
  asio::awaitable<admin::VolumeList> volumes() override;
  Async<admin::VolumeReport> volume(std::string name) override;
  Async<admin::VolumeReport> create_volume(admin::CreateVolume request) override;
  Result<void> drain(admin::Drain request) override;
  void resume() override;

  admin::VolumeReport report(const Served& served) const;
  const Served* find_served(const std::string& name) const;  // nullptr: there is none
  Result<std::string> store_to_create_in(const admin::CreateVolume& request) const;
  Task list(std::shared_ptr<Store> store);
  asio::awaitable<admin::Response> answer(admin::Request request);

  Executor executor_;
  config::Config config_;
  const std::set<std::string> forced_;
  const Load load_;
  std::chrono::system_clock::time_point started_ = std::chrono::system_clock::now();
  std::unique_ptr<StateDir> state_dir_;
  // Of all volumes.
  std::unique_ptr<asio::thread_pool> workers_ = background_threads(2);
  Stores stores_;
  std::vector<std::unique_ptr<Served>> volumes_;
  // By target. One that was taken out keeps its router, empty: its sessions may still know it.
  std::map<std::string, std::unique_ptr<scsi::TaskRouter>> routers_;
  std::unique_ptr<iscsi::Server> server_;
  std::unique_ptr<admin::HttpServer> admin_;
  Gate listing_;   // listings of stores
  Gate leaving_;   // what a reload has taken out
  Gate stopping_;  // shut_down()
  AsyncEvent changed_;
  bool reloading_ = false;
  bool shutting_down_ = false;
  bool stopped_ = false;
};

}  // namespace swiftness
