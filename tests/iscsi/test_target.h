// TestTarget: a whole iSCSI target on loopback over a disk in memory, on a thread of its own. Tests
// talk to it with RawInitiator and tell the disk to hang.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>

#include <future>
#include <memory>
#include <thread>

#include "target/iscsi/server.h"
#include "target/scsi/logical_unit.h"
#include "tests/support/memory_device.h"
#include "tests/support/raw_initiator.h"

namespace swiftness::test {

inline constexpr std::string_view kTarget = "iqn.2026-11.org.swiftness:disk";
inline constexpr uint64_t kBlocks = 64 * 1024;  // of 512 bytes: 32 MiB

class TestTarget {
 public:
  explicit TestTarget(iscsi::IscsiLimits limits = {}) : TestTarget(limits, open_target()) {}

  TestTarget(iscsi::IscsiLimits limits, iscsi::TargetNode node,
             iscsi::ChapSecrets discovery_chap = {},
             std::vector<iscsi::PortalConfig> portals = {{.address = "127.0.0.1", .port = 0}})
      : guard_(asio::make_work_guard(io_)), device_(io_.get_executor(), kBlocks) {
    router_.add(0, std::make_unique<scsi::LogicalUnit>(device_, scsi::LogicalUnitOptions{}));
    node.router = &router_;
    server_ = std::make_unique<iscsi::Server>(io_.get_executor(), limits, std::move(portals),
                                              std::vector<iscsi::TargetNode>{node},
                                              std::move(discovery_chap));
    Result<void> listening = server_->listen();
    CHECK(listening.ok());
    port_ = server_->portals().front().port;
    thread_ = std::thread([this] { io_.run(); });
  }

  // Runs `work` on the target's thread and returns what it returns.
  template <class Work>
  std::invoke_result_t<Work> on_shard(Work work) {
    std::packaged_task<std::invoke_result_t<Work>()> task(std::move(work));
    auto done = task.get_future();
    asio::post(io_, [&task] { task(); });
    return done.get();
  }

  ~TestTarget() {
    stop_server();
    on_shard([this] { device_.release(); });
    if (!more_.empty()) release_unit();
    asio::co_spawn(io_, server_->join(), asio::use_future).get();
    guard_.reset();
    thread_.join();
  }

  static iscsi::TargetNode open_target() {
    iscsi::TargetNode node;
    node.name = kTarget;
    node.open = true;
    return node;
  }

  void stop_server() { asio::co_spawn(io_, server_->stop(), asio::use_future).get(); }

  uint16_t port() const { return port_; }
  RawInitiator connect() const { return RawInitiator("127.0.0.1", port_); }

  MemoryDevice& device() { return device_; }      // on the shard only
  iscsi::Server& server() { return *server_; }    // on the shard only
  scsi::TaskRouter& router() { return router_; }  // on the shard only

  // One more logical unit, with a disk of its own.
  void add_unit(uint16_t lun) {
    on_shard([this, lun] {
      more_.push_back(std::make_unique<MemoryDevice>(io_.get_executor(), kBlocks));
      router_.add(lun,
                  std::make_unique<scsi::LogicalUnit>(*more_.back(), scsi::LogicalUnitOptions{}));
    });
  }

  // Takes it away; `hang_unit` has made its commands hang until then.
  void remove_unit(uint16_t lun) {
    on_shard([this, lun] { removed_.push_back(router_.remove(lun, [] {})); });
  }
  void hang_unit() {
    on_shard([this] { more_.back()->hang(); });
  }
  void release_unit() {
    on_shard([this] { more_.back()->release(); });
  }

  void hang() {
    on_shard([this] { device_.hang(); });
  }
  void release() {
    on_shard([this] { device_.release(); });
  }
  size_t hanging() {  // operations, in the device
    return on_shard([this] { return device_.waiting(); });
  }
  // Waits until so many operations hang in the device.
  bool wait_for_hanging(size_t count) {
    return eventually([this, count] { return device_.waiting() == count; });
  }
  template <class Predicate>
  bool eventually(Predicate predicate) {
    for (int i = 0; i < 500; ++i) {
      if (on_shard(predicate)) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }
  iscsi::ServerCounts counts() {
    return on_shard([this] { return server_->counts(); });
  }
  std::vector<iscsi::SessionInfo> sessions() {
    return on_shard([this] { return server_->sessions(); });
  }

 private:
  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> guard_;
  MemoryDevice device_;
  std::vector<std::unique_ptr<MemoryDevice>> more_;
  std::vector<std::unique_ptr<scsi::LogicalUnit>> removed_;
  scsi::TaskRouter router_;
  std::unique_ptr<iscsi::Server> server_;
  uint16_t port_ = 0;
  std::thread thread_;
};

// Logged in, and past the unit attention of a new nexus.
inline std::unique_ptr<RawInitiator> logged_in(const TestTarget& target,
                                               LoginOptions options = {}) {
  auto initiator = std::make_unique<RawInitiator>("127.0.0.1", target.port());
  if (options.target.empty()) options.target = kTarget;
  auto answer = initiator->login(options);
  CHECK(RawInitiator::succeeded(answer));
  auto attention = initiator->run(test_unit_ready());
  CHECK(attention && attention->status == 0x02);
  return initiator;
}

}  // namespace swiftness::test
