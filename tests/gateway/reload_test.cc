// A running gateway and its configuration: files that change, initiators that notice or do not.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <fstream>
#include <future>
#include <map>

#include "target/admin/json.h"
#include "tests/gateway/running_gateway.h"
#include "tests/gateway/temporary_folder.h"
#include "tests/support/raw_initiator.h"

namespace swiftness::test {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using Asc = std::pair<uint8_t, uint8_t>;
constexpr Asc kLunsChanged{0x3f, 0x0e}, kPowerOn{0x29, 0x00}, kNoUnit{0x25, 0x00},
    kAccessStateChanged{0x2a, 0x06};

const std::string kIqn = "iqn.2026-11.org.swiftness:one";
const std::string kOtherIqn = "iqn.2026-11.org.swiftness:two";

uint64_t field_of(uint16_t lun) {
  return uint64_t{lun} << 48;
}

ScsiRequest at(uint16_t lun, ScsiRequest request) {
  request.lun = field_of(lun);
  return request;
}

ScsiRequest inquiry() {
  ScsiRequest request;
  request.cdb = {0x12, 0, 0, 0, 36};
  request.read_length = 36;
  return request;
}

ScsiRequest set_target_port_groups(std::array<uint8_t, 4> descriptor) {
  ScsiRequest request;
  request.cdb = {0xa4, 0x0a, 0, 0, 0, 0, 0, 0, 0, 8};
  request.data_out = Octets(8);
  for (size_t i = 0; i < 4; ++i) request.data_out[4 + i] = std::byte{descriptor[i]};
  return request;
}

// The configuration in pieces. Every volume is of one size, in one store.
struct File {
  std::vector<std::string> volumes{"a"};
  std::map<std::string, std::string> luns{{kIqn, "0: a"}};  // by target
  std::map<std::string, std::string> access;                // "open: true" where there is none
  std::string more;
  std::string size = "1GiB";
  std::string quota;  // none

  std::string text() const {
    std::string out = R"(gateway: { state_dir: state }
portals:
  - { address: "127.0.0.1", port: 3260 }
stores:
  here: { type: directory, path: objects }
volumes:
)";
    for (const std::string& volume : volumes) {
      out += "  " + volume + ": { store: here, size: " + size +
             (quota.empty() ? "" : ", quota: " + quota + ", threshold: 50%") +
             ", create: true, journal: { size: 64MiB } }\n";
    }
    out += "targets:\n";
    for (const auto& [iqn, list] : luns) {
      auto entry = access.find(iqn);
      out += "  - { iqn: \"" + iqn + "\", luns: { " + list + " }, " +
             (entry == access.end() ? "open: true" : entry->second) + " }\n";
    }
    return out + more;
  }
};

class ReloadTest : public testing::Test {
 protected:
  void start() {
    write();
    config::Outcome outcome = load();
    ASSERT_TRUE(outcome.config) << outcome.errors.at(0);
    gateway_ = std::make_unique<RunningGateway>(std::move(*outcome.config), [this] {
      if (before_load_) before_load_();
      return load();
    });
    ASSERT_TRUE(gateway_->started()) << gateway_->started().error().message();
    ASSERT_TRUE(gateway_->becomes_ready());
  }

  void write() { write(file_.text()); }
  void write(const std::string& text) { std::ofstream(folder_.path() / "gateway.yaml") << text; }

  // Any free port in the place of the file's.
  config::Outcome load() {
    config::Outcome outcome = config::load(folder_.path() / "gateway.yaml");
    if (!outcome.config) return outcome;
    for (config::Portal& portal : outcome.config->portals) {
      if (portal.listen.port == 3260) portal.listen.port = 0;
    }
    return outcome;
  }

  admin::Response post_reload() { return gateway_->ask("POST", "/reload", "{}"); }
  admin::ReloadReport reload() {
    write();
    const admin::Response answer = post_reload();
    EXPECT_EQ(answer.status, 200u) << answer.body;
    return json::parse(answer.body).get<admin::ReloadReport>();
  }
  std::string refusal() {
    const admin::Response answer = post_reload();
    EXPECT_EQ(answer.status, 409u) << answer.body;
    return json::parse(answer.body).value("error", "");
  }

  // Logged in to a target, and past the unit attention of a new nexus there.
  std::unique_ptr<RawInitiator> log_in(const std::string& iqn = kIqn, uint16_t lun = 0) {
    auto initiator = std::make_unique<RawInitiator>("127.0.0.1", gateway_->port());
    LoginOptions options;
    options.target = iqn;
    options.isid[5] = ++last_isid_;
    EXPECT_TRUE(RawInitiator::succeeded(initiator->login(options)));
    EXPECT_EQ(initiator->run(at(lun, test_unit_ready()))->asc(), kPowerOn);
    return initiator;
  }

  std::string state_of(const std::string& volume) {
    return gateway_->get("/volumes/" + volume).value("state", "");
  }

  // To the first volume, as the status tells: "portal group, state, what is configured".
  std::string paths() {
    std::string out;
    const json status = gateway_->get("/status");
    for (const json& path : status["volumes"][0]["paths"]) {
      out += fmt::format("{}{} {} {}", out.empty() ? "" : ", ", path.value("portal_group", 0),
                         path.value("state", ""), path.value("configured", ""));
    }
    return out;
  }

  File file_;
  TemporaryFolder folder_;
  std::function<void()> before_load_;
  std::unique_ptr<RunningGateway> gateway_;
  uint8_t last_isid_ = 0;
};

TEST_F(ReloadTest, NothingIsDifferent) {
  start();
  auto initiator = log_in();
  const admin::ReloadReport report = reload();
  EXPECT_THAT(report.added, IsEmpty());
  EXPECT_THAT(report.removed, IsEmpty());
  EXPECT_THAT(report.changed, IsEmpty());
  EXPECT_EQ(initiator->run(test_unit_ready())->status, 0);
}

TEST_F(ReloadTest, ANewLogicalUnitShowsUpInALiveSession) {
  start();
  auto initiator = log_in();
  file_.volumes = {"a", "b"};
  file_.luns[kIqn] = "0: a, 1: b";
  EXPECT_THAT(reload().added, ElementsAre("volume b", "LUN 1 of " + kIqn + ": volume b"));

  auto message = initiator->receive_kind(iscsi::Opcode::async_message);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->as<iscsi::AsyncMessage>().async_event, iscsi::AsyncMessage::kScsiEvent);
  EXPECT_EQ(initiator->run(test_unit_ready())->asc(), kLunsChanged);
  EXPECT_EQ(initiator->run(at(1, test_unit_ready()))->asc(), kPowerOn);
  ASSERT_TRUE(gateway_->becomes_ready());
  const Octets data = pattern(4096, 1);
  EXPECT_EQ(initiator->run(at(1, write10(8, data)))->status, 0);
  EXPECT_EQ(initiator->run(at(1, read10(8, 8)))->data, data);
}

TEST_F(ReloadTest, ALogicalUnitIsTakenAwayUnderIo) {
  file_.volumes = {"a", "b"};
  file_.luns[kIqn] = "0: a, 1: b";
  start();
  auto initiator = log_in();
  EXPECT_EQ(initiator->run(at(1, test_unit_ready()))->asc(), kPowerOn);
  std::vector<uint32_t> here, there;
  for (uint32_t i = 0; i < 12; ++i) {
    here.push_back(initiator->queue_command(write10(i * 8, pattern(4096, i))));
    there.push_back(initiator->queue_command(at(1, write10(i * 8, pattern(4096, i)))));
  }
  initiator->flush();
  file_.volumes = {"a"};
  file_.luns[kIqn] = "0: a";
  EXPECT_THAT(reload().removed, ElementsAre("volume b", "LUN 1 of " + kIqn + ": volume b"));

  size_t told = 0;
  for (uint32_t tag : here) {
    auto answer = initiator->complete(tag);
    ASSERT_TRUE(answer);
    if (answer->status != 0) {
      EXPECT_EQ(answer->asc(), kLunsChanged);
      ++told;
    }
  }
  EXPECT_LE(told, 1u) << "the other logical unit's commands are not disturbed";
  for (uint32_t tag : there) {
    auto answer = initiator->complete(tag);
    ASSERT_TRUE(answer) << "none is left without an answer";
    if (answer->status != 0) {
      EXPECT_EQ(answer->asc(), kNoUnit);
    }
  }
  EXPECT_EQ(initiator->run(at(1, test_unit_ready()))->asc(), kNoUnit);
  EXPECT_EQ(initiator->run(at(1, inquiry()))->data.at(0), std::byte{0x7f});
  if (told == 0) {
    EXPECT_EQ(initiator->run(test_unit_ready())->asc(), kLunsChanged);
  }
  EXPECT_EQ(initiator->run(read10(0, 1))->status, 0);
  EXPECT_TRUE(RunningGateway::eventually([this] { return state_of("b") == "not served"; }));
  EXPECT_EQ(gateway_->get("/readyz").value("ready", false), true);
}

TEST_F(ReloadTest, AVolumeThatWasTakenOutIsReleasedAndMayComeBack) {
  file_.volumes = {"a", "b"};
  file_.luns[kIqn] = "0: a, 1: b";
  start();
  const Octets data = pattern(4096, 1);
  auto initiator = log_in(kIqn, 1);
  ASSERT_EQ(initiator->run(at(1, write10(0, data)))->status, 0);
  const File both = file_;
  file_.volumes = {"a"};
  file_.luns[kIqn] = "0: a";
  reload();
  ASSERT_TRUE(RunningGateway::eventually([this] { return state_of("b") == "not served"; }));
  file_ = both;
  reload();
  ASSERT_TRUE(gateway_->becomes_ready());
  EXPECT_EQ(gateway_->get("/volumes/b").value("epoch", 0), 2);
  EXPECT_EQ(initiator->run(at(1, test_unit_ready()))->asc(), kPowerOn);
  EXPECT_EQ(initiator->run(at(1, read10(0, 8)))->data, data);
}

TEST_F(ReloadTest, ALogicalUnitMovesToAnotherTargetWithItsVolume) {
  file_.volumes = {"a", "b"};
  file_.luns[kIqn] = "0: a, 1: b";
  start();
  const Octets data = pattern(4096, 1);
  auto initiator = log_in(kIqn, 1);
  ASSERT_EQ(initiator->run(at(1, write10(0, data)))->status, 0);
  file_.luns = {{kIqn, "0: a"}, {kOtherIqn, "7: b"}};
  EXPECT_THAT(reload().added,
              ElementsAre("target " + kOtherIqn, "LUN 7 of " + kOtherIqn + ": volume b"));
  EXPECT_EQ(initiator->run(at(1, test_unit_ready()))->asc(), kNoUnit);
  auto there = log_in(kOtherIqn, 7);
  EXPECT_EQ(there->run(at(7, read10(0, 8)))->data, data);
  EXPECT_EQ(gateway_->get("/volumes/b").value("epoch", 0), 1) << "it stayed attached";
}

TEST_F(ReloadTest, ATargetGoesAndComesBack) {
  file_.volumes = {"a", "b"};
  file_.luns = {{kIqn, "0: a"}, {kOtherIqn, "0: b"}};
  start();
  auto stays = log_in();
  auto leaves = log_in(kOtherIqn);
  const File both = file_;
  file_.luns.erase(kOtherIqn);
  EXPECT_THAT(reload().removed, ElementsAre("target " + kOtherIqn));
  auto message = leaves->receive_kind(iscsi::Opcode::async_message);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->as<iscsi::AsyncMessage>().async_event, iscsi::AsyncMessage::kRequestsLogout);
  EXPECT_TRUE(leaves->closed_by_target());
  EXPECT_EQ(stays->run(test_unit_ready())->status, 0);
  RawInitiator stranger("127.0.0.1", gateway_->port());
  LoginOptions options;
  options.target = kOtherIqn;
  EXPECT_EQ(RawInitiator::login_status(stranger.login(options)), 0x0203);

  file_ = both;
  reload();
  EXPECT_EQ(log_in(kOtherIqn)->run(read10(0, 1))->status, 0);
}

TEST_F(ReloadTest, TakingAccessAwayEndsThoseSessionsOnly) {
  file_.volumes = {"a", "b"};
  file_.luns = {{kIqn, "0: a"}, {kOtherIqn, "0: b"}};
  start();
  auto stays = log_in();
  auto leaves = log_in(kOtherIqn);
  file_.access[kOtherIqn] = "access: [ { initiator: \"iqn.2026-11.org.swiftness.test:nobody\" } ]";
  EXPECT_THAT(reload().changed, ElementsAre("access to " + kOtherIqn));
  auto message = leaves->receive_kind(iscsi::Opcode::async_message);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->as<iscsi::AsyncMessage>().async_event, iscsi::AsyncMessage::kRequestsLogout);
  EXPECT_TRUE(leaves->closed_by_target());
  EXPECT_EQ(stays->run(test_unit_ready())->status, 0);
}

// Where each line of the access list names its LUNs, these are another matter than who gets in.
TEST_F(ReloadTest, ASessionThatMayUseOtherLunsGoesOn) {
  const std::string who = "access: [ { initiator: \"*\", luns: ";
  file_.volumes = {"a", "b"};
  file_.luns[kIqn] = "0: a, 1: b";
  file_.access[kIqn] = who + "[0, 1] } ]";
  start();
  auto initiator = log_in();
  EXPECT_EQ(initiator->run(at(1, test_unit_ready()))->asc(), kPowerOn);
  file_.volumes = {"a"};
  file_.luns[kIqn] = "0: a";
  file_.access[kIqn] = who + "[0] } ]";
  reload();
  EXPECT_EQ(initiator->run(at(1, test_unit_ready()))->asc(), kNoUnit);
  EXPECT_EQ(initiator->run(test_unit_ready())->asc(), kLunsChanged);
  EXPECT_EQ(initiator->run(test_unit_ready())->status, 0) << "told once";

  ASSERT_TRUE(RunningGateway::eventually([this] { return state_of("b") == "not served"; }));
  file_.volumes = {"a", "b"};
  file_.luns[kIqn] = "0: a, 1: b";
  file_.access[kIqn] = who + "[0, 1] } ]";
  reload();
  ASSERT_TRUE(gateway_->becomes_ready());
  EXPECT_EQ(initiator->run(at(1, test_unit_ready()))->asc(), kPowerOn);
  EXPECT_EQ(gateway_->get("/sessions").at(0).value("tsih", 0), 1) << "it is the same session";
}

TEST_F(ReloadTest, ALogicalUnitBecomesReadOnly) {
  start();
  auto initiator = log_in();
  file_.luns[kIqn] = "0: { volume: a, read_only: true }";
  EXPECT_THAT(reload().changed, ElementsAre("LUN 0 of " + kIqn + ": read-only"));
  EXPECT_EQ(initiator->run(test_unit_ready())->asc(), Asc(0x2a, 0x01));
  EXPECT_EQ(initiator->run(write10(0, pattern(512, 1)))->sense_key(), 7) << "DATA PROTECT";
}

TEST_F(ReloadTest, ALogicalUnitBecomesRemovable) {
  start();
  auto initiator = log_in();
  file_.luns[kIqn] = "0: { volume: a, removable: true }";
  EXPECT_THAT(reload().changed, ElementsAre("LUN 0 of " + kIqn + ": removable"));
  EXPECT_EQ(initiator->run(test_unit_ready())->asc(), Asc(0x3f, 0x03));
}

TEST_F(ReloadTest, APortalGroupGoesToStandbyAndBack) {
  start();
  auto initiator = log_in();
  file_.access[kIqn] = "open: true, alua: { 1: standby }";
  EXPECT_THAT(reload().changed, ElementsAre("portal group 1 of " + kIqn + ": standby"));
  EXPECT_EQ(initiator->run(test_unit_ready())->asc(), kAccessStateChanged);
  EXPECT_EQ(initiator->run(write10(0, pattern(512, 1)))->asc(), Asc(0x04, 0x0b));
  EXPECT_EQ(paths(), "1 standby standby");
  EXPECT_EQ(initiator->run(set_target_port_groups({0x01, 0, 0, 1}))->status, 0);
  EXPECT_EQ(paths(), "1 non_optimized standby") << "an initiator's";
  EXPECT_EQ(initiator->run(set_target_port_groups({0x02, 0, 0, 1}))->status, 0);
  EXPECT_THAT(reload().changed, IsEmpty());
  file_.access.clear();
  EXPECT_THAT(reload().changed, ElementsAre("portal group 1 of " + kIqn + ": optimized"));
  EXPECT_EQ(initiator->run(test_unit_ready())->asc(), kAccessStateChanged);
  EXPECT_EQ(initiator->run(write10(0, pattern(512, 1)))->status, 0);
  EXPECT_EQ(paths(), "1 optimized optimized");
}

TEST_F(ReloadTest, AVolumeGrowsUnderItsInitiators) {
  start();
  auto initiator = log_in(), other = log_in();
  file_.size = "2GiB";
  EXPECT_THAT(reload().changed, ElementsAre("volume a: grows to 2GiB"));
  auto size = [this] { return gateway_->get("/volumes/a").value("size", uint64_t{0}); };
  ASSERT_TRUE(RunningGateway::eventually([&] { return size() == 2ULL << 30; }));
  EXPECT_EQ(initiator->run(test_unit_ready())->asc(), Asc(0x2a, 0x09));
  EXPECT_EQ(other->run(test_unit_ready())->asc(), Asc(0x2a, 0x09));
  ScsiRequest read_capacity;
  read_capacity.cdb = {0x25};
  read_capacity.read_length = 8;
  const Octets capacity = initiator->run(read_capacity)->data;
  ASSERT_EQ(capacity.size(), 8u);
  EXPECT_EQ(capacity[1], std::byte{0x3f}) << "last LBA 003FFFFFh";
  const Octets data = pattern(4096, 1);
  const uint32_t last = (2U << 21) - 8;
  EXPECT_EQ(initiator->run(write10(last, data))->status, 0);
  EXPECT_EQ(initiator->run(read10(last, 8))->data, data);

  file_.size = "1GiB";
  write();
  EXPECT_THAT(refusal(),
              HasSubstr("volumes.a.size: it has 2GiB, and a volume cannot become smaller"));
}

TEST_F(ReloadTest, AQuotaFillsUpAndIsRaised) {
  constexpr Asc kThreshold{0x38, 0x07}, kNoRoom{0x27, 0x07};
  constexpr uint32_t kMiBBlocks = 2048;
  file_.quota = "4MiB";
  start();
  auto initiator = log_in(), other = log_in();
  auto write = [](RawInitiator& by, uint32_t mib, size_t bytes = 256 << 10) {
    return by.run(write10(mib * kMiBBlocks, pattern(bytes, mib)));
  };
  auto fill = [&](uint32_t quarters_from, uint32_t quarters_to) {
    for (uint32_t i = quarters_from; i < quarters_to; ++i) {
      EXPECT_EQ(initiator->run(write10(i * kMiBBlocks / 4, pattern(256 << 10, i)))->status, 0) << i;
    }
  };
  fill(0, 10);  // half, and half a threshold set more
  EXPECT_EQ(initiator->run(test_unit_ready())->asc(), kThreshold);
  EXPECT_EQ(other->run(test_unit_ready())->asc(), kThreshold);
  fill(10, 16);
  EXPECT_EQ(initiator->run(test_unit_ready())->status, 0) << "it is told once";
  const auto refused = write(*initiator, 8);
  EXPECT_EQ(refused->sense_key(), 7) << "DATA PROTECT";
  EXPECT_EQ(refused->asc(), kNoRoom);
  EXPECT_EQ(write(*other, 8)->asc(), kNoRoom);
  EXPECT_EQ(write(*initiator, 0)->status, 0) << "overwrites go on";

  json volume = gateway_->get("/volumes/a");
  EXPECT_EQ(volume.value("quota", 0), 4 << 20);
  EXPECT_EQ(volume.value("mapped", 0), 4 << 20);
  EXPECT_EQ(volume.value("available", 1), 0);

  ScsiRequest unmap;
  unmap.cdb = {0x42, 0, 0, 0, 0, 0, 0, 0, 24};
  unmap.data_out = Octets(24);
  unmap.data_out[1] = std::byte{22};
  unmap.data_out[3] = std::byte{16};
  unmap.data_out[18] = std::byte{2};  // 512 blocks from 0
  EXPECT_EQ(initiator->run(unmap)->status, 0);
  EXPECT_EQ(write(*initiator, 8)->status, 0) << "there is room for as much";
  EXPECT_EQ(write(*initiator, 9)->asc(), kNoRoom);

  file_.quota = "8MiB";
  EXPECT_THAT(reload().changed, ElementsAre("volume a: quota 8MiB"));
  EXPECT_EQ(initiator->run(test_unit_ready())->asc(), Asc(0x2a, 0x01)) << "the threshold is higher";
  EXPECT_EQ(write(*initiator, 9)->status, 0);
  EXPECT_EQ(gateway_->get("/volumes/a").value("available", 0), (4 << 20) - (256 << 10));
}

TEST_F(ReloadTest, ABadFileLeavesEverythingAsItWas) {
  start();
  auto initiator = log_in();
  const json targets = gateway_->get("/targets"), status = gateway_->get("/status");
  const std::string file = (folder_.path() / "gateway.yaml").native();

  file_.luns[kIqn] = "1: a";  // would be possible
  file_.more = "limts: {}\n";
  write();
  EXPECT_THAT(refusal(), HasSubstr(file + ":10: limts: unknown key"));
  file_.more = "limits: { sessions: 7 }\n";
  write();
  EXPECT_THAT(refusal(),
              HasSubstr(file + ":10: limits.sessions: a change of this needs a restart"));
  file_.more = "";
  write("targets: [");
  EXPECT_THAT(refusal(), HasSubstr("is not valid YAML"));
  std::filesystem::remove(file);
  EXPECT_THAT(refusal(), HasSubstr("cannot read " + file));

  EXPECT_EQ(gateway_->get("/targets"), targets);
  EXPECT_EQ(gateway_->get("/status")["volumes"].size(), status["volumes"].size());
  EXPECT_EQ(initiator->run(test_unit_ready())->status, 0) << "no unit attention either";
}

TEST_F(ReloadTest, AStoreThatCannotBeOpenedLeavesEverythingAsItWas) {
  start();
  const json targets = gateway_->get("/targets");
  std::ofstream(folder_.path() / "no-folder") << "a file";
  std::string text = file_.text();
  text.replace(text.find("0: a"), 4, "1: a");
  text.replace(text.find("stores:\n"), 8,
               "stores:\n  wrong: { type: directory, path: no-folder/objects }\n");
  write(text);
  EXPECT_THAT(refusal(), HasSubstr("store wrong"));
  EXPECT_EQ(gateway_->get("/targets"), targets);
}

TEST_F(ReloadTest, ASecondOneMeanwhileIsRefused) {
  start();
  std::promise<void> reading, go_on;
  before_load_ = [&] {
    reading.set_value();
    go_on.get_future().wait();
  };
  auto first = std::async(std::launch::async, [this] { return post_reload(); });
  reading.get_future().wait();
  EXPECT_THAT(refusal(), HasSubstr("another reload is under way"));
  go_on.set_value();
  EXPECT_EQ(first.get().status, 200u);
  before_load_ = {};
  EXPECT_EQ(post_reload().status, 200u);
}

TEST_F(ReloadTest, IsRefusedWhileDrained) {
  start();
  ASSERT_EQ(gateway_->ask("POST", "/drain", "{}").status, 200u);
  EXPECT_THAT(refusal(), HasSubstr("drained"));
  ASSERT_EQ(gateway_->ask("POST", "/resume", "{}").status, 200u);
  EXPECT_EQ(post_reload().status, 200u);
}

// It drops what it has read.
TEST_F(ReloadTest, AStopMeanwhileGoesFirst) {
  start();
  std::promise<void> reading, go_on;
  before_load_ = [&] {
    reading.set_value();
    go_on.get_future().wait();
  };
  file_.volumes = {"a", "b"};
  write();
  auto first = std::async(std::launch::async, [this] {
    return admin::call(folder_.path() / "state" / "admin.sock", "POST", "/reload", "{}",
                       std::chrono::seconds(10));
  });
  reading.get_future().wait();
  auto stopped = std::async(std::launch::async, [this] { return gateway_->stop(); });
  EXPECT_TRUE(RunningGateway::eventually(
      [this] { return post_reload().body.find("is stopping") != std::string::npos; }));
  go_on.set_value();
  EXPECT_EQ(stopped.get(), StopOutcome::clean);
  Result<admin::Response> answer = first.get();
  EXPECT_TRUE(!answer || answer->status == 409u);
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "state" / "volumes" / "b.json"));
}

}  // namespace
}  // namespace swiftness::test
