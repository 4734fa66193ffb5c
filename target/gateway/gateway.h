// Gateway: everything a configuration asks for, wired together on one shard, and taken apart again.
//
//   StateDir   Stores   ServedVolumes   TaskRouters (logical units)   iscsi::Server
//   admin::HttpServer
//
// Started in this order and stopped in the other one. The portals listen before any store has
// answered: until a volume is attached its logical unit says NOT READY by itself; one never seen
// before, whose size is therefore unknown, appears as a LUN once its store has told.
//
// It is also what the admin API asks. All calls are made on the executor's thread.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "backend/base/background.h"
#include "backend/base/gate.h"
#include "config/config.h"
#include "target/admin/http.h"
#include "target/gateway/served_volume.h"
#include "target/gateway/state_dir.h"
#include "target/iscsi/server.h"
#include "target/scsi/task_router.h"

namespace swiftness {

enum class StopOutcome {
  clean,       // nothing runs any more
  unfinished,  // something still waits for a store, but no acknowledged data depend on it
  data_lost,   // acknowledged data that were never flushed did not reach the store in time
};

class Gateway final : private admin::Service {
 public:
  // `forced`: names of volumes that are attached even though another gateway may hold data of them
  // that are not in the store.
  Gateway(Executor executor, config::Config config, std::set<std::string> forced = {});
  ~Gateway() override;  // if it was started, only after stop() was `clean`

  // Listens and begins to attach. An Error names what has to be put right; then nothing runs.
  Result<void> start();

  // Ends sessions, stores what is not yet stored, closes. Unless `clean`, the process has to end
  // without destroying the Gateway. Called once.
  asio::awaitable<StopOutcome> stop(Duration at_most);

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
  struct LunOf {
    const config::Target* target = nullptr;
    config::Lun lun;
  };

  Result<void> open_stores();
  void make_volumes();
  void make_targets();
  Result<void> listen();
  void add_logical_unit(const std::string& name, Volume& volume);
  LunOf lun_of(const std::string& volume) const;
  Task shut_down();
  bool has_unsafe_data() const;
  bool needs_stores() const;  // a volume that was attached is not stopped yet

  // admin::Service
  admin::StatusReport status() const override;
  std::vector<admin::SessionReport> sessions() const override;
  std::vector<admin::TargetReport> targets() const override;
  asio::awaitable<admin::VolumeList> volumes() override;
  Async<admin::VolumeReport> volume(std::string name) override;
  Async<admin::VolumeReport> create_volume(admin::CreateVolume request) override;
  Result<void> drain(admin::Drain request) override;
  void resume() override;

  admin::VolumeReport report(const ServedVolume& served) const;
  Result<std::string> store_to_create_in(const admin::CreateVolume& request) const;
  Task list(Store& store);
  asio::awaitable<admin::Response> answer(admin::Request request);

  Executor executor_;
  config::Config config_;
  const std::set<std::string> forced_;
  std::chrono::system_clock::time_point started_ = std::chrono::system_clock::now();
  std::unique_ptr<StateDir> state_dir_;
  // Of all volumes.
  std::unique_ptr<asio::thread_pool> workers_ = background_threads(2);
  std::map<std::string, Store> stores_;
  std::vector<std::unique_ptr<ServedVolume>> volumes_;
  std::map<std::string, std::unique_ptr<scsi::TaskRouter>> routers_;  // by target
  std::unique_ptr<iscsi::Server> server_;
  std::unique_ptr<admin::HttpServer> admin_;
  Gate listing_;   // listings of stores
  Gate stopping_;  // shut_down()
  AsyncEvent changed_;
  bool stopped_ = false;
};

}  // namespace swiftness
