#include "target/gateway/changes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace swiftness {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// A file, and what is replaced in it.
const std::string kFile = R"(gateway: { name: gw, state_dir: /state }
portals:
  - { address: "127.0.0.1", port: 3260, group: 1 }
  - { address: "127.0.0.2", port: 3260, group: 2 }
limits:
  sessions: 10
stores:
  here: { type: directory, path: /objects }
  there: { type: directory, path: /more }
volumes:
  a: { store: here, size: 1GiB, journal: { size: 64MiB } }
  b: { store: here }
targets:
  - iqn: "iqn.2026-11.org.swiftness:one"
    luns: { 0: a }
    access:
      - { initiator: "iqn.2026-11.org.swiftness:host", chap: { user: host, secret_file: secret } }
  - iqn: "iqn.2026-11.org.swiftness:two"
    open: true
    luns: { 3: b }
)";
constexpr const char* kOne = "iqn.2026-11.org.swiftness:one";

struct Edit {
  std::string before, after;
};

class ChangesTest : public testing::Test {
 protected:
  config::Outcome read(const std::string& text) {
    config::SecretSources sources;
    sources.read_file = [this](const std::filesystem::path&) -> Result<std::string> {
      return secret_;
    };
    config::Outcome outcome = config::parse(text, "/etc/gateway.yaml", sources);
    EXPECT_THAT(outcome.errors, IsEmpty());
    return outcome;
  }

  Changes after(const std::vector<Edit>& changes) {
    std::string text = kFile;
    if (now_edit_)
      text.replace(text.find(now_edit_->before), now_edit_->before.size(), now_edit_->after);
    const config::Outcome now = read(text);
    secret_ = next_secret_;
    for (const Edit& change : changes) {
      const size_t at = text.find(change.before);
      EXPECT_NE(at, std::string::npos) << change.before;
      text.replace(at, change.before.size(), change.after);
    }
    const config::Outcome next = read(text);
    return compare(*now.config, *next.config, next.places, facts_);
  }

  std::vector<std::string> refusals(const std::vector<Edit>& changes) {
    return after(changes).refused;
  }

  std::string secret_ = "secret-of-host", next_secret_ = secret_;
  ServedFacts facts_;
  std::optional<Edit> now_edit_;  // of the file the gateway runs with
};

TEST_F(ChangesTest, TheSameFileChangesNothing) {
  const Changes changes = after({});
  EXPECT_THAT(changes.refused, IsEmpty());
  EXPECT_THAT(changes.report.added, IsEmpty());
  EXPECT_THAT(changes.report.removed, IsEmpty());
  EXPECT_THAT(changes.report.changed, IsEmpty());
  EXPECT_FALSE(changes.access);
}

TEST_F(ChangesTest, WhatNeedsARestartIsNamedWithItsPlace) {
  const std::string restart = ": a change of this needs a restart";
  EXPECT_THAT(refusals({{"/state", "/other"}}),
              ElementsAre("/etc/gateway.yaml:1: gateway.state_dir" + restart));
  EXPECT_THAT(refusals({{"name: gw", "admin: { listen: \"127.0.0.1:9730\" }"}}),
              ElementsAre("/etc/gateway.yaml:1: gateway.admin.listen" + restart));
  EXPECT_THAT(refusals({{"name: gw", "admin: { url: \"https://gw/\" }"}}),
              ElementsAre("/etc/gateway.yaml:1: gateway.admin.url" + restart));
  EXPECT_THAT(refusals({{"port: 3260", "port: 3261"}}),
              ElementsAre("/etc/gateway.yaml:2: portals" + restart));
  EXPECT_THAT(refusals({{"sessions: 10", "memory: 2GiB"}}),
              ElementsAre("/etc/gateway.yaml:5: limits.sessions" + restart,
                          "/etc/gateway.yaml:6: limits.memory" + restart))
      << "one that is not there any more has the line of what it was in";
  EXPECT_THAT(refusals({{"store: here, size", "store: there, size"}}),
              ElementsAre("/etc/gateway.yaml:11: volumes.a.store" + restart));
  EXPECT_THAT(refusals({{"journal: { size: 64MiB }", "durability: store, journal: none"}}),
              ElementsAre("/etc/gateway.yaml:11: volumes.a.durability" + restart,
                          "/etc/gateway.yaml:11: volumes.a.journal" + restart));
  EXPECT_THAT(refusals({{"b: { store: here", "b: { store: here, block_size: 4096"}}),
              ElementsAre("/etc/gateway.yaml:12: volumes.b.block_size" + restart));
  EXPECT_THAT(refusals({{"b: { store: here", "b: { store: here, read_cache: { size: 1GiB }"}}),
              ElementsAre("/etc/gateway.yaml:12: volumes.b.read_cache" + restart));
  EXPECT_THAT(refusals({{"open: true", "open: true\n    portal_groups: [2]"}}),
              ElementsAre("/etc/gateway.yaml:20: targets[1].portal_groups" + restart));
}

TEST_F(ChangesTest, EveryReasonIsTold) {
  EXPECT_EQ(refusals({{"/state", "/other"}, {"port: 3260", "port: 3261"}}).size(), 2u);
}

TEST_F(ChangesTest, AStoreThatIsUsedStays) {
  EXPECT_THAT(refusals({{"/objects", "/elsewhere"}}),
              ElementsAre("/etc/gateway.yaml:8: stores.here: volume a uses it; a change of this "
                          "needs a restart"));
  const Changes changes =
      after({{"/more", "/elsewhere"}, {"stores:\n", "stores:\n  new: { type: memory }\n"}});
  EXPECT_THAT(changes.refused, IsEmpty());
  EXPECT_THAT(changes.report.changed, ElementsAre("store there"));
  EXPECT_THAT(changes.report.added, ElementsAre("store new"));
}

TEST_F(ChangesTest, VolumesAndLunsComeAndGo) {
  const Changes changes = after({{"  b: { store: here }\n", "  c: { store: there }\n"},
                                 {"3: b", "4: { volume: c, read_only: true }"}});
  EXPECT_THAT(changes.refused, IsEmpty());
  EXPECT_THAT(changes.report.removed,
              ElementsAre("volume b", "LUN 3 of iqn.2026-11.org.swiftness:two: volume b"));
  EXPECT_THAT(
      changes.report.added,
      ElementsAre("volume c", "LUN 4 of iqn.2026-11.org.swiftness:two: volume c, read-only"));
  EXPECT_FALSE(changes.access) << "sessions stay as they are";
}

TEST_F(ChangesTest, AVolumeThatIsNotReleasedYetCannotComeBack) {
  facts_.leaving = {"c"};
  facts_.leaving_devices = {"/dev/sdb"};
  EXPECT_THAT(refusals({{"  b:", "  c: { store: here }\n  b:"}}),
              ElementsAre("/etc/gateway.yaml:12: volumes.c: it was taken out and is not released "
                          "yet; try again in a while"));
  EXPECT_THAT(refusals({{"  b:", "  d: { store: here, journal: { device: /dev/sdb } }\n  b:"}}),
              ElementsAre("/etc/gateway.yaml:12: volumes.d.journal: a volume that is not released "
                          "yet uses this device; try again"));
}

TEST_F(ChangesTest, AVolumeOnlyGrows) {
  facts_.sizes["a"] = ByteCount(1ULL << 30);
  Changes changes = after({{"size: 1GiB", "size: 2GiB"}});
  EXPECT_THAT(changes.refused, IsEmpty());
  EXPECT_THAT(changes.report.changed, ElementsAre("volume a: grows to 2GiB"));
  EXPECT_THAT(refusals({{"size: 1GiB", "size: 512MiB"}}),
              ElementsAre("/etc/gateway.yaml:11: volumes.a.size: it has 1GiB, and a volume cannot "
                          "become smaller"));
  facts_.sizes["a"] = ByteCount(4ULL << 30);  // it has grown before
  EXPECT_EQ(refusals({{"size: 1GiB", "size: 2GiB"}}).size(), 1u);
  EXPECT_THAT(after({{"size: 1GiB", "size: 4GiB"}}).report.changed, ElementsAre("volume a: 4GiB"));
  facts_.sizes.clear();  // not attached yet
  EXPECT_EQ(refusals({{"size: 1GiB", "size: 512MiB"}}).size(), 1u);
  EXPECT_THAT(after({{"size: 1GiB, ", ""}}).report.changed, ElementsAre("volume a: no size given"));
}

TEST_F(ChangesTest, AQuotaMayChangeEitherWay) {
  Changes changes = after({{"size: 1GiB", "size: 1GiB, quota: 10MiB, threshold: 80%"}});
  EXPECT_THAT(changes.refused, IsEmpty());
  EXPECT_THAT(changes.report.changed,
              ElementsAre("volume a: quota 10MiB", "volume a: threshold 80%"));
  now_edit_ = {"size: 1GiB", "size: 1GiB, quota: 10MiB"};
  EXPECT_THAT(after({{"quota: 10MiB", "quota: 5MiB"}}).report.changed,
              ElementsAre("volume a: quota 5MiB"));
  EXPECT_THAT(after({{", quota: 10MiB", ""}}).report.changed, ElementsAre("volume a: no quota"));
}

TEST_F(ChangesTest, ALunDoesNotBecomeAnotherVolume) {
  const std::vector<std::string> refused = refusals({{"0: a", "0: b"}, {"3: b", "3: a"}});
  ASSERT_EQ(refused.size(), 2u);
  EXPECT_THAT(refused[0],
              testing::StartsWith("/etc/gateway.yaml:15: targets[0].luns.0: it is volume a, "));
}

TEST_F(ChangesTest, ReadOnlyAndCreateMayChange) {
  const Changes changes = after(
      {{"0: a", "0: { volume: a, read_only: true }"}, {"size: 1GiB", "size: 1GiB, create: true"}});
  EXPECT_THAT(changes.refused, IsEmpty());
  EXPECT_THAT(changes.report.changed,
              ElementsAre("volume a: create", std::string("LUN 0 of ") + kOne + ": read-only"));
}

TEST_F(ChangesTest, ALunMayBecomeRemovable) {
  const Changes changes = after({{"0: a", "0: { volume: a, removable: true }"}});
  EXPECT_THAT(changes.refused, IsEmpty());
  EXPECT_THAT(changes.report.changed, ElementsAre(std::string("LUN 0 of ") + kOne + ": removable"));
}

TEST_F(ChangesTest, PortalGroupsMayChangeTheirState) {
  const Edit standby{"luns: { 0: a }", "luns: { 0: a }\n    alua: { 1: optimized, 2: standby }"};
  const Changes changes = after({standby});
  EXPECT_THAT(changes.refused, IsEmpty());
  EXPECT_THAT(changes.report.changed,
              ElementsAre(std::string("portal group 2 of ") + kOne + ": standby"));
  EXPECT_FALSE(changes.access);
}

TEST_F(ChangesTest, TargetsComeAndGo) {
  const Changes changes = after({{":two", ":three"}});
  EXPECT_THAT(changes.refused, IsEmpty());
  EXPECT_THAT(changes.report.removed, ElementsAre("target iqn.2026-11.org.swiftness:two"));
  EXPECT_THAT(changes.report.added,
              ElementsAre("target iqn.2026-11.org.swiftness:three",
                          "LUN 3 of iqn.2026-11.org.swiftness:three: volume b"));
  EXPECT_TRUE(changes.access);
}

TEST_F(ChangesTest, AccessAndSecretsMayChange) {
  Changes changes = after({{"swiftness:host", "swiftness:guest"}});
  EXPECT_THAT(changes.report.changed, ElementsAre(std::string("access to ") + kOne));
  EXPECT_TRUE(changes.access);

  next_secret_ = "another-secret";
  changes = after({});
  EXPECT_THAT(changes.refused, IsEmpty());
  EXPECT_THAT(changes.report.changed, ElementsAre(std::string("access to ") + kOne))
      << "a file of a secret is read anew";
  EXPECT_TRUE(changes.access);
}

TEST_F(ChangesTest, DiscoveryMayAskForChap) {
  const Changes changes =
      after({{"limits:", "discovery: { chap: { user: disco, secret_file: secret } }\nlimits:"}});
  EXPECT_THAT(changes.refused, IsEmpty());
  EXPECT_THAT(changes.report.changed, ElementsAre("CHAP of discovery"));
  EXPECT_TRUE(changes.access);
}

}  // namespace
}  // namespace swiftness
