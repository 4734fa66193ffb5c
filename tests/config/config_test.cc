#include "config/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace swiftness::config {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

SecretSources secrets() {
  SecretSources sources;
  sources.read_file = [](const std::filesystem::path& path) -> Result<std::string> {
    if (path == "/etc/gw/swift.key") return std::string("testing\n");
    if (path == "/etc/gw/host1.secret") return std::string("secret-of-host1\n");
    if (path == "/etc/gw/gw1.secret") return std::string("secret-of-gw1\n");
    if (path == "/etc/gw/short.secret") return std::string("guess-me");
    if (path == "/etc/gw/empty") return std::string("\n");
    return Error(ErrorCode::not_found,
                 "cannot read " + path.native() + ": No such file or directory");
  };
  sources.environment = [](const std::string& name) -> std::optional<std::string> {
    return name == "SWIFT_KEY" ? std::optional<std::string>("from-environment") : std::nullopt;
  };
  return sources;
}

Outcome read(const std::string& text) {
  return parse(text, "/etc/gw/gateway.yaml", secrets());
}

// The errors of a file, without "/etc/gw/gateway.yaml:".
std::vector<std::string> errors(const std::string& text) {
  Outcome outcome = read(text);
  EXPECT_EQ(outcome.config.has_value(), outcome.errors.empty());
  std::vector<std::string> out;
  for (const std::string& line : outcome.errors) {
    const std::string file = "/etc/gw/gateway.yaml:";
    EXPECT_TRUE(line.starts_with(file)) << line;
    out.push_back(line.substr(file.size()));
  }
  return out;
}

// Lines 1 to 4 of a file; the test's own text begins on line 5.
const std::string kPortals = R"(portals:
  - { address: "0.0.0.0", port: 3260, group: 1 }
  - address: "::"
    group: 2
)";
// Lines 1 to 7.
const std::string kStores = kPortals + R"(stores:
  here: { type: directory, path: objects }
  scratch: { type: directory, path: /tmp/scratch }
)";
// Lines 1 to 10.
const std::string kVolumes = kStores + R"(volumes:
  vm-disk: { store: here, size: 1GiB, create: true }
  iso: { store: scratch }
)";

TEST(Config, TheExampleIsValidAndNeedsNoChange) {
  Outcome outcome = read(std::string(example()));
  EXPECT_THAT(outcome.errors, IsEmpty());
  EXPECT_THAT(outcome.warnings, IsEmpty());
  ASSERT_TRUE(outcome.config);
  EXPECT_EQ(outcome.config->state_dir, "/etc/gw/state");
  EXPECT_EQ(outcome.config->volumes.size(), 1u);
  EXPECT_EQ(outcome.config->targets.size(), 1u);
}

TEST(Config, ReadsEveryKey) {
  Outcome outcome = read(R"(
gateway: { name: gw1, state_dir: /var/lib/gw, admin: { listen: "127.0.0.1:9730", url: "https://gw1/" } }
portals:
  - { address: "0.0.0.0", port: 3261, group: 7, advertise: "gw1.example:4000" }
discovery: {}
limits: { command_timeout: 20s, sessions: 12, memory: 2GiB, dirty_memory: 512MiB, read_memory: 8MiB }
stores:
  cloud:
    type: swift
    auth: { version: 1, url: "http://swift:8080/auth/v1.0", user: "test:tester", key_file: swift.key }
    ca_file: ca.crt
    prefix: blocks
    storage_policy: gold
volumes:
  vm-disk:
    store: cloud
    size: 100GiB
    create: true
    block_size: 4096
    durability: store
    journal: none
    compression: none
    read_cache: { size: 8GiB }
targets:
  - iqn: "iqn.2026-11.org.swiftness:vm"
    portal_groups: [7]
    digests: { header: none, data: none }
    luns: { 1: { volume: vm-disk, read_only: true, removable: true } }
    access:
      - { initiator: "iqn.1993-08.org.debian:01:host1", luns: [1], read_only: true }
      - { initiator: "*" }
)");
  EXPECT_THAT(outcome.errors, IsEmpty());
  EXPECT_THAT(outcome.warnings, IsEmpty());
  ASSERT_TRUE(outcome.config);
  const Config& config = *outcome.config;
  EXPECT_EQ(config.name, "gw1");
  EXPECT_EQ(config.admin_socket(), "/var/lib/gw/admin.sock");
  EXPECT_EQ(config.admin_listen, (Endpoint{"127.0.0.1", 9730}));
  EXPECT_EQ(config.admin_url, "https://gw1/");
  ASSERT_EQ(config.portals.size(), 1u);
  EXPECT_EQ(config.portals[0].listen, (Endpoint{"0.0.0.0", 3261}));
  EXPECT_EQ(config.portals[0].group, 7);
  EXPECT_EQ(config.portals[0].advertise, (Endpoint{"gw1.example", 4000}));
  EXPECT_EQ(config.limits.command_timeout, std::chrono::seconds(20));
  EXPECT_EQ(config.limits.sessions, 12u);
  EXPECT_EQ(config.limits.memory, ByteCount(2ULL << 30));
  EXPECT_EQ(config.limits.dirty_memory, ByteCount(512ULL << 20));
  EXPECT_EQ(config.limits.read_memory, ByteCount(8ULL << 20));
  const auto& cloud = std::get<SwiftStoreConfig>(config.stores.at("cloud"));
  EXPECT_THAT(cloud.auth_urls, ElementsAre("http://swift:8080/auth/v1.0"));
  EXPECT_EQ(std::get<AuthV1Config>(cloud.auth), (AuthV1Config{"test:tester", "testing"}));
  EXPECT_EQ(cloud.tls.ca_file, "/etc/gw/ca.crt");
  EXPECT_EQ(cloud.prefix, "blocks");
  EXPECT_EQ(cloud.storage_policy, "gold");
  const Volume* volume = config.find_volume("vm-disk");
  ASSERT_NE(volume, nullptr);
  EXPECT_EQ(volume->store, "cloud");
  EXPECT_EQ(volume->size, ByteCount(100ULL << 30));
  EXPECT_TRUE(volume->create);
  EXPECT_EQ(volume->block_size, 4096u);
  EXPECT_EQ(volume->read_cache, ByteCount(8ULL << 30));
  const Target& target = config.targets.at(0);
  EXPECT_EQ(target.iqn, "iqn.2026-11.org.swiftness:vm");
  EXPECT_THAT(target.portal_groups, ElementsAre(7));
  EXPECT_FALSE(target.open);
  ASSERT_EQ(target.luns.size(), 1u);
  EXPECT_EQ(target.luns[0].number, 1);
  EXPECT_EQ(target.luns[0].volume, "vm-disk");
  EXPECT_TRUE(target.luns[0].read_only);
  EXPECT_TRUE(target.luns[0].removable);
  ASSERT_EQ(target.access.size(), 2u);
  EXPECT_EQ(target.access[0].initiator, "iqn.1993-08.org.debian:01:host1");
  EXPECT_THAT(target.access[0].luns, ElementsAre(1));
  EXPECT_TRUE(target.access[0].read_only);
  EXPECT_EQ(target.access[1].initiator, "*");
  EXPECT_THAT(target.access[1].luns, IsEmpty());
}

TEST(Config, HasDefaults) {
  Outcome outcome = read(kVolumes + R"(targets:
  - { iqn: "iqn.2026-11.org.swiftness:vm", open: true, luns: { 1: iso, 0: vm-disk } }
)");
  EXPECT_THAT(outcome.errors, IsEmpty());
  ASSERT_TRUE(outcome.config);
  const Config& config = *outcome.config;
  EXPECT_EQ(config.state_dir, "/var/lib/swiftness");
  EXPECT_FALSE(config.admin_listen);
  EXPECT_EQ(config.portals[1].listen, (Endpoint{"::", 3260}));
  EXPECT_EQ(config.limits.command_timeout, std::chrono::seconds(25));
  EXPECT_FALSE(config.limits.dirty_memory) << "by the machine's memory";
  EXPECT_EQ(std::get<DirectoryStoreConfig>(config.stores.at("here")).path, "/etc/gw/objects");
  EXPECT_EQ(std::get<DirectoryStoreConfig>(config.stores.at("scratch")).path, "/tmp/scratch");
  EXPECT_EQ(config.find_volume("iso")->size, std::nullopt);
  EXPECT_FALSE(config.find_volume("iso")->create);
  EXPECT_EQ(config.find_volume("iso")->block_size, std::nullopt);
  EXPECT_EQ(config.find_volume("iso")->read_cache, std::nullopt);
  EXPECT_THAT(config.targets[0].portal_groups, ElementsAre(1, 2));
  EXPECT_EQ(config.targets[0].luns[0].number, 0);
  EXPECT_EQ(config.targets[0].luns[1].number, 1);
}

TEST(Config, IsOneYamlMapping) {
  EXPECT_THAT(
      read("").errors,
      ElementsAre("/etc/gw/gateway.yaml: is empty; \"swiftness config example\" prints a start"));
  EXPECT_THAT(read("a: 1\n---\nb: 2\n").errors,
              ElementsAre("/etc/gw/gateway.yaml: has more than one YAML document"));
  EXPECT_THAT(errors("- 1\n"),
              ElementsAre("1: must be a mapping (key: value)", "1: portals: is missing"));
  std::vector<std::string> broken = errors("portals:\n  - { address: \"0.0.0.0\"\nstores:\n");
  ASSERT_EQ(broken.size(), 1u);
  EXPECT_THAT(broken[0], testing::HasSubstr("is not valid YAML: "));
}

TEST(Config, AFileThatIsNotThereIsAnError) {
  EXPECT_THAT(load("/nonexistent/gateway.yaml").errors,
              ElementsAre("cannot read /nonexistent/gateway.yaml: No such file or directory"));
  EXPECT_THAT(load("/").errors, ElementsAre("cannot read /: Is a directory"));
}

TEST(Config, UnknownKeysComeWithASuggestion) {
  EXPECT_THAT(errors(kStores + R"(volumes:
  vm-disk: { stroe: here, store: here, colour: blue }
gatewya: {}
limits: { sesions: 4 }
)"),
              ElementsAre("9: volumes.vm-disk.stroe: unknown key; did you mean \"store\"?",
                          "9: volumes.vm-disk.colour: unknown key",
                          "10: gatewya: unknown key; did you mean \"gateway\"?",
                          "11: limits.sesions: unknown key; did you mean \"sessions\"?"));
}

TEST(Config, AKeyIsGivenOnce) {
  EXPECT_THAT(errors(kStores + "limits: { sessions: 1 }\nlimits: { sessions: 2 }\n"),
              ElementsAre("9: limits: is given twice; the first is on line 8"));
}

TEST(Config, ValuesOfTheWrongKind) {
  EXPECT_THAT(
      errors(kStores + R"(limits:
  sessions: many
  memory: 1GB
  dirty_memory: 1KiB
  command_timeout: 25
volumes:
  a: { store: here, size: 100GB }
  b: { store: [here], create: yes, size: 1GiB }
  c: { store: , size: 1025KiB, block_size: 1024 }
  d: nothing
)"),
      ElementsAre(
          "9: limits.sessions: \"many\" is not a number from 1 to 65535",
          "10: limits.memory: \"1GB\" is not a size (use KiB, MiB, GiB or TiB)",
          "11: limits.dirty_memory: \"1KiB\" is not from 32MiB to 1TiB",
          "12: limits.command_timeout: \"25\" is not a duration (use ms, s, m or h)",
          "14: volumes.a.size: \"100GB\" is not a size (use KiB, MiB, GiB or TiB)",
          "15: volumes.b.store: must be a single value",
          "15: volumes.b.create: \"yes\" is neither true nor false",
          "16: volumes.c.store: has no value", "16: volumes.c.size: is not a multiple of 4KiB",
          "16: volumes.c.block_size: 1024 is neither 512 nor 4096",
          "17: volumes.d: must be a mapping (key: value)", "17: volumes.d.store: is missing"));
}

TEST(Config, PortalsAreAddresses) {
  EXPECT_THAT(errors("gateway: {}\n"), ElementsAre("1: portals: is missing"));
  EXPECT_THAT(errors("portals: []\n"), ElementsAre("1: portals: needs at least one portal"));
  EXPECT_THAT(errors("portals: 3260\n"),
              ElementsAre("1: portals: must be a list", "1: portals: needs at least one portal"));
  EXPECT_THAT(
      errors(R"(portals:
  - { address: gw1, port: 70000 }
  - { port: 3260, group: 0 }
  - { address: 10.0.0.1, advertise: "gw1:x" }
  - { address: 10.0.0.1, port: 3260, group: 2 }
gateway: { admin: { listen: "localhost:9730", url: "gw 1" } }
)"),
      ElementsAre("2: portals[0].address: \"gw1\" is not an IP address (0.0.0.0 listens on every "
                  "IPv4 one)",
                  "2: portals[0].port: \"70000\" is not a number from 1 to 65535",
                  "3: portals[1].address: is missing",
                  "3: portals[1].group: \"0\" is not a number from 1 to 65535",
                  "4: portals[2].advertise: \"gw1:x\" is not HOST:PORT",
                  "5: portals[3]: another portal listens on 10.0.0.1:3260",
                  "6: gateway.admin.listen: \"localhost:9730\" is not ADDRESS:PORT",
                  "6: gateway.admin.url: \"gw 1\" is not a URL (https://...)"));
}

TEST(Config, StoresHaveATypeAndWhatItNeeds) {
  EXPECT_THAT(
      errors(kPortals + R"(stores:
  a: {}
  b: { type: s3 }
  c: { type: directory }
  d: { type: swift }
  e: { type: swift, auth: { version: 1 } }
  f: { type: swift, auth: { version: 1, url: "swift:8080", user: u, key_env: SWIFT_KEY }, prefix: A/b }
  G: { type: directory, path: x }
)"),
      ElementsAre("6: stores.a.type: is missing",
                  "7: stores.b.type: \"s3\" is not a kind of store (swift, directory or memory)",
                  "8: stores.c.path: is missing", "9: stores.d.auth: is missing",
                  "10: stores.e.auth.url: is missing", "10: stores.e.auth.user: is missing",
                  "10: stores.e.auth: needs key_file or key_env",
                  "11: stores.f.auth.url: \"swift:8080\" is not an http:// or https:// address",
                  "11: stores.f.prefix: \"A/b\" is not a name (1 to 64 of a-z, 0-9, '.', '_' and "
                  "'-', beginning with a letter or digit)",
                  "12: stores.G: \"G\" is not a name (1 to 64 of a-z, 0-9, '.', '_' and '-', "
                  "beginning with a letter or digit)"));
}

std::string swift_with(const std::string& key) {
  return kPortals + R"(stores:
  cloud:
    type: swift
    auth: { version: 1, url: "http://swift/auth", user: u, )" +
         key + " }\n";
}

std::string key_of(const Outcome& outcome) {
  if (!outcome.config) return {};
  const auto& cloud = std::get<SwiftStoreConfig>(outcome.config->stores.at("cloud"));
  return std::get<AuthV1Config>(cloud.auth).key;
}

TEST(Config, SecretsComeFromFilesAndTheEnvironment) {
  EXPECT_EQ(key_of(read(swift_with("key_file: swift.key"))), "testing");
  EXPECT_EQ(key_of(read(swift_with("key_env: SWIFT_KEY"))), "from-environment");
  EXPECT_THAT(
      errors(swift_with("key_file: missing")),
      ElementsAre("8: stores.cloud.auth.key_file: cannot read /etc/gw/missing: No such file or "
                  "directory"));
  EXPECT_THAT(errors(swift_with("key_file: empty")),
              ElementsAre("8: stores.cloud.auth.key_file: /etc/gw/empty is empty"));
  EXPECT_THAT(
      errors(swift_with("key_env: NOTHING")),
      ElementsAre("8: stores.cloud.auth.key_env: the environment variable NOTHING is not set"));
  EXPECT_THAT(errors(swift_with("key: a, key_env: SWIFT_KEY")),
              ElementsAre("8: stores.cloud.auth: has more than one of key_file, key_env and key"));
}

TEST(Config, ASecretInTheFileIsWarnedAbout) {
  Outcome outcome = read(swift_with("key: testing"));
  EXPECT_EQ(key_of(outcome), "testing");
  EXPECT_THAT(
      outcome.warnings,
      ElementsAre("/etc/gw/gateway.yaml:8: stores.cloud.auth.key: whoever may read this file "
                  "learns the secret; use key_file or key_env"));
}

SwiftStoreConfig cloud_of(const Outcome& outcome) {
  EXPECT_THAT(outcome.errors, IsEmpty());
  if (!outcome.config) return {};
  return std::get<SwiftStoreConfig>(outcome.config->stores.at("cloud"));
}

SwiftStoreConfig keystone_with(const std::string& auth, const std::string& more = "") {
  return cloud_of(read(kPortals + R"(stores:
  cloud:
    type: swift
    auth: { version: 3, url: "https://keystone:5000/v3", )" +
                       auth + " }\n" + more));
}

TEST(Config, KeystoneTakesAPasswordACredentialOrAToken) {
  using enum AuthV3Config::Method;
  AuthV3Config by_password{.method = password,
                           .user = {.name = "gw", .id = {}},
                           .user_domain = {.name = "Default", .id = {}},
                           .application_credential = {},
                           .secret = "testing",
                           .project = {.name = {}, .id = "p1"},
                           .project_domain = {},
                           .region = "RegionOne",
                           .interface = "internal"};
  EXPECT_EQ(
      std::get<AuthV3Config>(keystone_with("user: gw, project_id: p1, password_file: swift.key",
                                           "    region: RegionOne\n    interface: internal\n")
                                 .auth),
      by_password);

  AuthV3Config by_credential{.method = application_credential,
                             .user = {},
                             .user_domain = {},
                             .application_credential = {.name = {}, .id = "c1"},
                             .secret = "from-environment",
                             .project = {},
                             .project_domain = {},
                             .region = {}};
  EXPECT_EQ(std::get<AuthV3Config>(
                keystone_with("application_credential_id: c1, secret_env: SWIFT_KEY").auth),
            by_credential);
  by_credential.application_credential = {.name = "c", .id = {}};
  by_credential.user = {.name = "gw", .id = {}};
  by_credential.user_domain = {.name = {}, .id = "d1"};
  EXPECT_EQ(std::get<AuthV3Config>(keystone_with("application_credential: c, user: gw, "
                                                 "user_domain_id: d1, secret_env: SWIFT_KEY")
                                       .auth),
            by_credential);

  AuthV3Config by_token{.method = token,
                        .user = {},
                        .user_domain = {},
                        .application_credential = {},
                        .secret = "testing",
                        .project = {.name = "storage", .id = {}},
                        .project_domain = {.name = "east", .id = {}},
                        .region = {}};
  EXPECT_EQ(
      std::get<AuthV3Config>(
          keystone_with("project: storage, project_domain: east, token_file: swift.key").auth),
      by_token);
}

TEST(Config, KeystoneSaysWhatIsMissingOrDoesNotBelong) {
  EXPECT_THAT(
      errors(kPortals + R"(stores:
  a: { type: swift, auth: { version: 3, url: "http://k", password_env: SWIFT_KEY } }
  b: { type: swift, auth: { version: 3, url: "http://k", user: u, project: p, key_env: SWIFT_KEY } }
  c: { type: swift, auth: { version: 3, url: "http://k", application_credential_id: c, project: p, secret_env: SWIFT_KEY } }
  d: { type: swift, auth: { version: 3, url: [], user: u, user_id: i, project: p, password_env: SWIFT_KEY }, interface: private }
  e: { type: swift, auth: { version: 1, url: "http://s", user: u, key_env: SWIFT_KEY, project: p }, region: r }
  f: { type: swift, auth: { version: 2, url: "http://s" } }
)"),
      ElementsAre(
          "6: stores.a.auth: needs user or user_id",
          "6: stores.a.auth: needs project or project_id",
          "7: stores.b.auth.key_env: belongs to auth version 1; version 3 has a password, an "
          "application_credential or a token",
          "7: stores.b.auth: needs password_file or password_env",
          "8: stores.c.auth.project: an application credential has its project already",
          "9: stores.d.auth.url: is empty", "9: stores.d.auth: has both user and user_id",
          "9: stores.d.interface: \"private\" is not public, internal or admin",
          "10: stores.e.auth.project: belongs to auth version 3; version 1 has url, user and key",
          "10: stores.e.region: belongs to auth version 3; version 1 has no service catalog",
          "11: stores.f.auth.version: there is no version 2 any more (1 or 3)"));
}

TEST(Config, TheWayToSwift) {
  using namespace std::chrono_literals;
  const SwiftStoreConfig cloud = cloud_of(read(kPortals + R"(stores:
  cloud:
    type: swift
    auth: { version: 1, url: ["http://a/auth/", "http://[::1]:8080/auth"], user: u, key_env: SWIFT_KEY }
    storage_url: "https://swift:8080/v1/AUTH_x"
    endpoints: ["https://swift1:8080/", "https://[2001:db8::1]:8080"]
    certificate_file: client.crt
    key_file: client.key
    http_proxy: { url: "http://proxy:3128", user: p, password_env: SWIFT_KEY }
    connections: 64
    deadline: 30s
    connect_timeout: 500ms
    stall_timeout: 20s
)"));
  EXPECT_THAT(cloud.auth_urls, ElementsAre("http://a/auth", "http://[::1]:8080/auth"));
  EXPECT_EQ(cloud.storage_url, "https://swift:8080/v1/AUTH_x");
  EXPECT_THAT(cloud.endpoints, ElementsAre("https://swift1:8080", "https://[2001:db8::1]:8080"));
  EXPECT_EQ(cloud.tls, (TlsConfig{"", "/etc/gw/client.crt", "/etc/gw/client.key"}));
  EXPECT_EQ(cloud.http_proxy, (HttpProxyConfig{"http://proxy:3128", "p", "from-environment"}));
  EXPECT_EQ(cloud.connections, 64u);
  EXPECT_EQ(cloud.deadline, 30s);
  EXPECT_EQ(cloud.connect_timeout, 500ms);
  EXPECT_EQ(cloud.stall_timeout, 20s);
  EXPECT_THAT(
      errors(kPortals + R"(stores:
  a:
    type: swift
    auth: { version: 1, url: "http://s", user: u, key_env: SWIFT_KEY }
    endpoints: ["http://swift1/v1"]
    key_file: client.key
    http_proxy: { user: p }
    deadline: 0s
)"),
      ElementsAre(
          "9: stores.a.endpoints: \"http://swift1/v1\" has a path; only the proxy belongs here",
          "10: stores.a.key_file: needs certificate_file",
          "11: stores.a.http_proxy.url: is missing",
          "11: stores.a.http_proxy: needs password_file or password_env",
          "12: stores.a.deadline: \"0s\" is not from 1s to 10m"));
}

TEST(Config, VolumesNeedAStoreAndASizeToBeCreatedWith) {
  EXPECT_THAT(
      errors(kStores + R"(volumes:
  a: { store: her }
  b: { size: 1GiB }
  c: { store: here, create: true }
  Disk: { store: here }
)"),
      ElementsAre("9: volumes.a.store: there is no store \"her\"; did you mean \"here\"?",
                  "10: volumes.b.store: is missing", "11: volumes.c.size: is missing",
                  "12: volumes.Disk: \"Disk\" is not a name (1 to 64 of a-z, 0-9, '.', '_' and "
                  "'-', beginning with a letter or digit)"));
}

TEST(Config, DirtyMemoryIsEnoughForEveryVolume) {
  std::string volumes = kStores + "volumes:\n";
  for (int i = 0; i < 9; ++i) volumes += "  v" + std::to_string(i) + ": { store: here }\n";
  EXPECT_THAT(errors(volumes + "limits: { dirty_memory: 288MiB }\n"), IsEmpty());
  EXPECT_THAT(
      errors(volumes + "limits: { dirty_memory: 256MiB }\n"),
      ElementsAre("18: limits.dirty_memory: 256MiB is too little for 9 volumes, which need 32MiB "
                  "each"));
}

TEST(Config, ATargetHasUpTo256Luns) {
  std::string luns;
  const auto with = [](const std::string& list) {
    return kVolumes + "targets:\n  - iqn: \"iqn.2026-11.org.swiftness:a\"\n    open: true\n" +
           "    luns: { " + list + " }\n";
  };
  for (int i = 0; i < 256; ++i) luns += std::to_string(i * 64) + ": iso, ";
  const char* too_many = "14: targets[0].luns: has 257 LUNs; the most are 256";
  EXPECT_THAT(errors(with(luns)), testing::Not(testing::Contains(testing::HasSubstr("most are"))));
  EXPECT_THAT(errors(with(luns + "16383: iso")), testing::Contains(too_many));
}

TEST(Config, TargetsReferToWhatIsThere) {
  EXPECT_THAT(
      errors(kVolumes + R"(targets:
  - iqn: "iqn.2026-11.org.swiftness:a"
    open: true
    portal_groups: [1, 3, 1]
    luns: { 0: vm-dsik, 16384: iso, x: iso }
  - iqn: "iqn.2026-11.org.swiftness:a"
    open: true
    luns: { 0: vm-disk, 1: { read_only: true } }
  - iqn: vm
    portal_groups: []
    luns: { 0: vm-disk, 0x1: iso, 01: iso, 1: vm-disk }
    access: [ { initiator: host1, luns: [7] }, { luns: [] }, { initiator: "*" }, { initiator: "*" } ]
  - luns: { 0: iso }
    open: true
)"),
      ElementsAre(
          "14: targets[0].portal_groups[1]: there is no portal of group 3",
          "14: targets[0].portal_groups[2]: group 1 is given twice",
          "15: targets[0].luns.0: there is no volume \"vm-dsik\"; did you mean \"vm-disk\"?",
          "15: targets[0].luns.16384: \"16384\" is not a LUN from 0 to 16383",
          "15: targets[0].luns.x: \"x\" is not a LUN from 0 to 16383",
          "16: targets[1]: there is another target \"iqn.2026-11.org.swiftness:a\"",
          "18: targets[1].luns.1.volume: is missing",
          "19: targets[2].iqn: \"vm\" is not an iSCSI name "
          "(iqn.YYYY-MM.reversed.domain:name, eui.... or naa....)",
          "20: targets[2].portal_groups: names no portal group; leave it out to use all",
          "21: targets[2].luns.0: volume \"vm-disk\" is LUN 0 of "
          "iqn.2026-11.org.swiftness:a already; a volume at two LUNs is not supported in "
          "this version",
          "21: targets[2].luns.0x1: \"0x1\" is not a LUN from 0 to 16383",
          "21: targets[2].luns.1: LUN 1 is given twice",
          "21: targets[2].luns.1: volume \"vm-disk\" is LUN 0 of "
          "iqn.2026-11.org.swiftness:a already; a volume at two LUNs is not supported in "
          "this version",
          "22: targets[2].access[0].initiator: \"host1\" is not an iSCSI name "
          "(iqn.YYYY-MM.reversed.domain:name, eui.... or naa....)",
          "22: targets[2].access[0].luns[0]: this target has no LUN 7",
          "22: targets[2].access[1].initiator: is missing",
          "22: targets[2].access[1].luns: names no LUN; leave it out to allow all",
          "22: targets[2].access[3]: there is another entry for \"*\"",
          "23: targets[3].iqn: is missing",
          "23: targets[3].luns.0: volume \"iso\" is LUN 1 of vm already; a volume at two "
          "LUNs is not supported in this version"));
}

TEST(Config, WhatNobodyCanUseIsWarnedAbout) {
  Outcome outcome = read(kVolumes + "targets:\n  - iqn: \"iqn.2026-11.org.swiftness:a\"\n");
  EXPECT_THAT(outcome.errors, IsEmpty());
  EXPECT_THAT(
      outcome.warnings,
      ElementsAre("/etc/gw/gateway.yaml:12: targets[0]: has no LUNs",
                  "/etc/gw/gateway.yaml:12: targets[0]: has neither access entries nor \"open: "
                  "true\": no initiator gets in"));
  outcome = read(kPortals + "stores: { m: { type: memory } }\n");
  EXPECT_THAT(outcome.warnings,
              ElementsAre("/etc/gw/gateway.yaml:5: stores.m: a memory store is empty "
                          "again after every start; it is for tests only"));
}

TEST(Config, FeaturesThatDoNotExistYetAreRefused) {
  const std::string no = "not supported in this version";
  EXPECT_THAT(errors(kPortals + R"(limits: { map_memory: 256MiB }
stores:
  here: { type: directory, path: objects }
volumes:
  vm-disk:
    store: here
    durability: journal
    journal: { size: 4GiB }
    compression: zstd
    encryption: { key_file: x }
targets:
  - iqn: "iqn.2026-11.org.swiftness:vm"
    open: true
    digests: { header: allow, data: require }
    luns: { 0: vm-disk }
)"),
              ElementsAre("13: volumes.vm-disk.compression: \"zstd\" is " + no + " (use none)",
                          "14: volumes.vm-disk.encryption: " + no,
                          "18: targets[0].digests.header: \"allow\" is " + no + " (use none)",
                          "18: targets[0].digests.data: \"require\" is " + no + " (use none)"));
}

TEST(Config, PortalGroupsHaveAccessStates) {
  const std::string start = R"(portals:
  - { address: "10.0.0.1", group: 1 }
  - { address: "10.0.0.2", group: 2 }
  - { address: "10.0.0.3", group: 30 }
stores: { m: { type: memory } }
volumes: { a: { store: m } }
targets:
  - iqn: "iqn.2026-11.org.swiftness:vm"
    open: true
    luns: { 0: a }
)";
  const Outcome outcome = read(start + "    alua: { 2: non_optimized, 30: unavailable }\n");
  ASSERT_TRUE(outcome.config);
  using enum AccessState;
  EXPECT_THAT(outcome.config->targets[0].alua,
              ElementsAre(std::pair{2, non_optimized}, std::pair{30, unavailable}));
  EXPECT_THAT(read(start).config->targets[0].alua, IsEmpty());
  EXPECT_THAT(
      errors(start + R"(    portal_groups: [1, 2]
    alua:
      1: optimised
      30: standby
      2: [standby]
      x: active
)"),
      ElementsAre("13: targets[0].alua.1: \"optimised\" is not a state (optimized, "
                  "non_optimized, standby, unavailable); did you mean \"optimized\"?",
                  "14: targets[0].alua.30: \"30\" is no portal group of this target (it has "
                  "1, 2)",
                  "15: targets[0].alua.2: must be a single value",
                  "16: targets[0].alua.x: \"x\" is no portal group of this target (it has "
                  "1, 2)",
                  "16: targets[0].alua.x: \"active\" is not a state (optimized, "
                  "non_optimized, standby, unavailable)"));
  EXPECT_THAT(errors(start + "    alua: standby\n"),
              ElementsAre("11: targets[0].alua: must be a mapping (key: value)"));
}

TEST(Config, AQuotaAndItsThreshold) {
  const std::string volumes = kPortals + R"(stores: { m: { type: memory } }
volumes:
)";
  const config::Outcome outcome = read(volumes + R"(  plain: { store: m }
  small: { store: m, quota: 5KiB }
  large: { store: m, quota: 64TiB, threshold: 75% }
)");
  ASSERT_TRUE(outcome.config);
  EXPECT_EQ(outcome.config->find_volume("plain")->quota, std::nullopt);
  EXPECT_EQ(outcome.config->find_volume("plain")->soft_threshold(), std::nullopt);
  EXPECT_EQ(outcome.config->find_volume("small")->quota, ByteCount(5 << 10));
  EXPECT_EQ(outcome.config->find_volume("small")->soft_threshold(), ByteCount(4608)) << "90 %";
  EXPECT_EQ(outcome.config->find_volume("large")->soft_threshold(), ByteCount(48ULL << 40));
  EXPECT_THAT(errors(volumes + R"(  a: { store: m, quota: 0GiB }
  b: { store: m, quota: much }
  c: { store: m, threshold: 80% }
  d: { store: m, quota: 1GiB, threshold: 100% }
  e: { store: m, quota: 1GiB, threshold: 80 }
)"),
              ElementsAre("7: volumes.a.quota: \"0GiB\" is not from 1KiB to 64TiB",
                          "8: volumes.b.quota: \"much\" is not a size (use KiB, MiB, GiB or TiB)",
                          "9: volumes.c.threshold: is a part of the quota, and there is none",
                          "10: volumes.d.threshold: \"100%\" is not from 1% to 99%",
                          "11: volumes.e.threshold: \"80\" is not from 1% to 99%"));
}

TEST(Config, ChapOfInitiatorsAndOfDiscovery) {
  const std::string target = kPortals + R"(targets:
  - iqn: "iqn.2026-11.org.swiftness:vm"
    access:
)";
  Outcome outcome = read(target + R"(      - initiator: "*"
        chap: { user: host1, secret_file: host1.secret }
        mutual_chap: { user: gw1, secret_file: gw1.secret }
discovery: { chap: { user: disco, secret_file: short.secret } }
)");
  ASSERT_TRUE(outcome.config) << outcome.errors.front();
  const Chap& chap = outcome.config->targets[0].access[0].chap;
  EXPECT_EQ(chap.initiator->user, "host1");
  EXPECT_EQ(chap.initiator->secret, "secret-of-host1");
  EXPECT_EQ(chap.target->user, "gw1");
  EXPECT_EQ(chap.target->secret, "secret-of-gw1");
  EXPECT_EQ(outcome.config->discovery_chap.initiator->user, "disco");
  EXPECT_THAT(outcome.warnings,
              testing::Contains("/etc/gw/gateway.yaml:11: discovery.chap: the secret has 8 bytes; "
                                "Windows takes 12 to 16 only, and fewer can be guessed"));

  EXPECT_THAT(errors(target + R"(      - initiator: "iqn.2000-01.org:a"
        mutual_chap: { user: gw1, secret_file: gw1.secret }
      - initiator: "iqn.2000-01.org:b"
        chap: { user: host1, secret_file: host1.secret }
        mutual_chap: { user: gw1, secret_file: host1.secret }
      - initiator: "iqn.2000-01.org:c"
        chap: { secret_file: missing, algorithm: 5 }
      - initiator: "iqn.2000-01.org:d"
        chap: { user: host1 }
)"),
              ElementsAre("9: targets[0].access[0].mutual_chap: needs chap as well: the initiator "
                          "proves itself first",
                          "12: targets[0].access[1].mutual_chap: has the secret of chap; each "
                          "direction needs its own (RFC 7143 9.2.1)",
                          "14: targets[0].access[2].chap.user: is missing",
                          "14: targets[0].access[2].chap.secret_file: cannot read /etc/gw/missing: "
                          "No such file or directory",
                          "14: targets[0].access[2].chap.algorithm: unknown key",
                          "16: targets[0].access[3].chap: needs secret_file or secret_env"));
}

TEST(Config, ADurabilityAndItsJournal) {
  EXPECT_THAT(
      errors(kPortals + R"(stores:
  here: { type: directory, path: objects }
  scratch: { type: memory }
volumes:
  a: { store: here, durability: both }
  b: { store: here, journal: none }
  c: { store: here, journal: { size: 1MiB } }
  d: { store: here, durability: store, journal: yes }
  e: { store: scratch, durability: journal }
  f: { store: scratch, journal: { size: 1GiB } }
  g: { store: here, durability: store, journal: { size: 1GiB } }
  h: { store: scratch }
  i: { store: here, journal: { size: 1GiB, device: /dev/sdx } }
  j: { store: here, journal: { device: sdx } }
  k: { store: here, journal: { device: /dev/sdy } }
  l: { store: here, durability: store, journal: { device: /dev/sdy } }
)"),
      ElementsAre(
          "9: volumes.a.durability: \"both\" is neither journal nor store",
          "10: volumes.b.journal: none goes with durability: store only",
          "11: volumes.c.journal.size: \"1MiB\" is not from 64MiB to 1TiB",
          "12: volumes.d.journal: \"yes\" is neither none nor a mapping with a size or a device",
          "13: volumes.e.durability: journal is of no use to a store in memory: use store",
          "14: volumes.f.journal: is of no use to a store in memory: use none",
          "17: volumes.i.journal.device: goes without a size: the journal takes all of it",
          "18: volumes.j.journal.device: is not an absolute path",
          "20: volumes.l: the journal of k is on the same device"));
}

TEST(Config, AReadCacheHasASensibleSize) {
  EXPECT_THAT(errors(kPortals + R"(stores:
  here: { type: directory, path: objects }
  scratch: { type: memory }
volumes:
  a: { store: here, read_cache: { size: 64MiB } }
  b: { store: here, read_cache: { size: 63MiB } }
  c: { store: here, read_cache: {} }
  d: { store: here, read_cache: { size: 1GiB, path: /tmp } }
  e: { store: scratch, read_cache: { size: 1GiB } }
)"),
              ElementsAre("10: volumes.b.read_cache.size: \"63MiB\" is not from 64MiB to 64TiB",
                          "11: volumes.c.read_cache.size: is missing",
                          "12: volumes.d.read_cache.path: unknown key",
                          "13: volumes.e.read_cache: is of no use to a volume that is in memory"));
}

}  // namespace
}  // namespace swiftness::config
