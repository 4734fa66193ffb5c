#include "target/gateway/gateway.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include "target/admin/json.h"
#include "tests/gateway/running_gateway.h"
#include "tests/gateway/temporary_folder.h"

namespace swiftness {
namespace {

using nlohmann::json;
using test::RunningGateway;
using testing::HasSubstr;

const std::string kIqn = "iqn.2026-11.org.swiftness:test";

config::Config one_disk(const std::filesystem::path& folder) {
  config::Config config;
  config.name = "test";
  config.state_dir = folder / "state";
  config.portals.push_back({{"127.0.0.1", 0}, 1, {}});
  config.stores["here"] = DirectoryStoreConfig{folder / "objects", ""};
  config::Volume disk;
  disk.name = "disk";
  disk.store = "here";
  disk.size = ByteCount(1ULL << 30);
  disk.create = true;
  config.volumes.push_back(disk);
  config::Target target;
  target.iqn = kIqn;
  target.portal_groups = {1};
  target.open = true;
  target.luns.push_back({0, "disk", false});
  config.targets.push_back(target);
  return config;
}

TEST(Gateway, ServesItsVolumesAndTellsAboutThem) {
  TemporaryFolder folder;
  RunningGateway gateway(one_disk(folder.path()));
  ASSERT_TRUE(gateway.started()) << gateway.started().error().message();
  ASSERT_TRUE(gateway.becomes_ready());
  auto status = gateway.get("/status").get<admin::StatusReport>();
  EXPECT_EQ(status.name, "test");
  EXPECT_TRUE(status.ready);
  ASSERT_EQ(status.portals.size(), 1u);
  EXPECT_NE(status.portals[0].listen, "127.0.0.1:0");
  ASSERT_EQ(status.volumes.size(), 1u);
  EXPECT_EQ(status.volumes[0].state, "online");
  EXPECT_EQ(status.volumes[0].size, 1ULL << 30);
  EXPECT_EQ(status.volumes[0].target, kIqn);
  auto targets = gateway.get("/targets").get<std::vector<admin::TargetReport>>();
  ASSERT_EQ(targets.size(), 1u);
  EXPECT_EQ(targets[0].luns.at(0).volume, "disk");
  EXPECT_TRUE(gateway.get("/sessions").empty());
}

TEST(Gateway, CreatesVolumesInItsStores) {
  TemporaryFolder folder;
  RunningGateway gateway(one_disk(folder.path()));
  ASSERT_TRUE(gateway.becomes_ready());
  const std::string more = R"({"name":"more","size":1048576,"block_size":4096})";
  EXPECT_EQ(gateway.ask("POST", "/volumes", more).status, 201u);
  EXPECT_EQ(gateway.ask("POST", "/volumes", more).status, 409u);
  EXPECT_EQ(gateway.ask("POST", "/volumes", R"({"name":"disk","size":1048576})").status, 409u);
  EXPECT_EQ(gateway.ask("POST", "/volumes", R"({"name":"x","size":1000})").status, 400u);
  EXPECT_EQ(gateway.ask("POST", "/volumes", R"({"name":"x","size":4096,"store":"her"})").status,
            400u);
  auto list = gateway.get("/volumes").get<admin::VolumeList>();
  EXPECT_TRUE(list.problems.empty());
  ASSERT_EQ(list.volumes.size(), 2u);
  EXPECT_EQ(list.volumes[0].name, "disk");
  EXPECT_TRUE(list.volumes[0].configured);
  EXPECT_EQ(list.volumes[1].name, "more");
  EXPECT_EQ(list.volumes[1].state, "not served");
  EXPECT_EQ(gateway.get("/volumes/more").get<admin::VolumeReport>().block_size, 4096u);
  EXPECT_EQ(gateway.ask("GET", "/volumes/none").status, 404u);
}

TEST(Gateway, StartsAgainWhereItStopped) {
  TemporaryFolder folder;
  std::string uuid;
  for (int run = 0; run < 2; ++run) {
    RunningGateway gateway(one_disk(folder.path()));
    ASSERT_TRUE(gateway.becomes_ready());
    auto disk = gateway.get("/volumes/disk").get<admin::VolumeReport>();
    EXPECT_EQ(disk.epoch, static_cast<uint64_t>(run) + 1);
    EXPECT_TRUE(uuid.empty() || disk.uuid == uuid);
    uuid = disk.uuid;
    EXPECT_EQ(gateway.stop(), StopOutcome::clean);
  }
}

TEST(Gateway, RefusesAStateFolderInUse) {
  TemporaryFolder folder;
  RunningGateway first(one_disk(folder.path()));
  ASSERT_TRUE(first.started());
  RunningGateway second(one_disk(folder.path()));
  ASSERT_FALSE(second.started());
  EXPECT_THAT(second.started().error().message(), HasSubstr("another gateway"));
}

TEST(Gateway, SaysWhichPortalIsTaken) {
  TemporaryFolder folder;
  asio::io_context io;
  asio::ip::tcp::acceptor taken(io, {asio::ip::make_address("127.0.0.1"), 0});
  config::Config config = one_disk(folder.path());
  config.portals[0].listen.port = taken.local_endpoint().port();
  RunningGateway gateway(config);
  ASSERT_FALSE(gateway.started());
  EXPECT_THAT(gateway.started().error().message(),
              HasSubstr(std::to_string(config.portals[0].listen.port)));
}

TEST(Gateway, AnAdminPortOverTcpIsAskedForAndReadOnly) {
  TemporaryFolder folder;
  config::Config config = one_disk(folder.path());
  asio::io_context io;
  asio::ip::tcp::endpoint endpoint;
  {
    asio::ip::tcp::acceptor free(io, {asio::ip::make_address("127.0.0.1"), 0});
    endpoint = free.local_endpoint();
  }
  config.admin_listen = config::Endpoint{"127.0.0.1", endpoint.port()};
  RunningGateway gateway(config);
  ASSERT_TRUE(gateway.started()) << gateway.started().error().message();
  auto ask = [&](const std::string& request) {
    asio::ip::tcp::socket socket(io);
    socket.connect(endpoint);
    asio::write(socket, asio::buffer(request + "Connection: close\r\n\r\n"));
    std::string answer;
    boost::system::error_code end;
    asio::read(socket, asio::dynamic_buffer(answer), end);
    return answer.substr(0, answer.find('\r'));
  };
  EXPECT_EQ(ask("GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"), "HTTP/1.1 200 OK");
  EXPECT_EQ(ask("POST /volumes HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n"),
            "HTTP/1.1 403 Forbidden");
  EXPECT_EQ(ask("GET /status HTTP/1.1\r\nHost: evil.example\r\n"), "HTTP/1.1 403 Forbidden");
}

}  // namespace
}  // namespace swiftness
