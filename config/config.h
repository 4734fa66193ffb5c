// The gateway's configuration: what gateway.yaml says, as plain structs (gateway.example.yaml shows
// the keys). Filled at start-up and by each reload, read by target/gateway and by the command line;
// nobody changes it.
//
// A configuration is all right or it is refused as a whole: every problem of a file is reported at
// once, each as one line `file:line: key: what is wrong and what would be right`. A key whose
// feature does not exist yet is refused too, never ignored.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backend/base/result.h"
#include "backend/base/units.h"
#include "backend/store_config.h"

namespace swiftness::config {

// Where something listens, or where initiators are told to go.
struct Endpoint {
  std::string host;  // an address without brackets; a name only where initiators resolve it
  uint16_t port = 0;

  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

struct Portal {
  Endpoint listen;                    // host is an IP address, possibly a wildcard
  uint16_t group = 1;                 // target portal group tag
  std::optional<Endpoint> advertise;  // what SendTargets says instead of `listen`
  friend bool operator==(const Portal&, const Portal&) = default;
};

// What one volume needs: a chunk being filled and one on its way.
inline constexpr ByteCount kLeastDirtyMemory{32ULL << 20};

struct Limits {
  std::chrono::milliseconds command_timeout{25'000};  // then a command is answered BUSY
  uint32_t sessions = 1024;
  ByteCount memory{1ULL << 30};  // buffers of commands under way
  // Acknowledged bytes not yet in a store, all volumes together; nothing: by the machine's memory.
  std::optional<ByteCount> dirty_memory;
  ByteCount map_memory{256ULL << 20};  // of where data are, all volumes together
  ByteCount read_memory{64ULL << 20};  // data read lately and ahead, all volumes together
  friend bool operator==(const Limits&, const Limits&) = default;
};

struct Journal {
  ByteCount size;                               // of its file in state_dir
  std::optional<std::filesystem::path> device;  // a block device, all of it, instead of the file
  friend bool operator==(const Journal&, const Journal&) = default;
};

struct Volume {
  std::string name;
  std::string store;              // a key of Config::stores
  std::optional<ByteCount> size;  // to create it with, or to compare; always there with `create`
  bool create = false;            // create it when it is absent; otherwise absence is an error
  std::optional<uint32_t> block_size;  // bytes; to create it with (512 if not given), or to compare
  bool durable_in_journal = true;      // durability: journal; otherwise store
  std::optional<Journal> journal;      // nothing: none
  std::optional<ByteCount> read_cache;  // size of its file in state_dir/cache; nothing: no file
  std::optional<ByteCount> quota;       // most of the disk that may be mapped; nothing: all of it
  uint32_t threshold = 90;              // percent of the quota: more is told to initiators

  // What of the disk that is, in bytes; nothing: there is no quota.
  std::optional<ByteCount> soft_threshold() const noexcept;
  friend bool operator==(const Volume&, const Volume&) = default;
};

struct Lun {
  uint16_t number = 0;
  std::string volume;  // the name of one of Config::volumes
  bool read_only = false;
  bool removable = false;
  friend bool operator==(const Lun&, const Lun&) = default;
};

struct ChapUser {
  std::string user;
  std::string secret;
  friend bool operator==(const ChapUser&, const ChapUser&) = default;
};

struct Chap {
  std::optional<ChapUser> initiator;  // chap: what an initiator has to prove; nothing: it need not
  std::optional<ChapUser> target;     // mutual_chap: what the gateway proves, if asked
  friend bool operator==(const Chap&, const Chap&) = default;
};

struct Access {
  std::string initiator;       // an iSCSI name, or "*" for every initiator
  std::vector<uint16_t> luns;  // empty: all
  bool read_only = false;
  Chap chap;
  friend bool operator==(const Access&, const Access&) = default;
};

// In which state the ports of a portal group are (SPC-5 5.18, asymmetric logical unit access).
enum class AccessState { optimized, non_optimized, standby, unavailable };

struct Target {
  std::string iqn;
  std::vector<uint16_t> portal_groups;   // never empty: all groups when the file names none
  std::map<uint16_t, AccessState> alua;  // by portal group; optimized when it is not named
  bool open = false;                     // anyone gets in; `access` still applies to whom it names
  std::vector<Lun> luns;                 // ascending by number
  std::vector<Access> access;

  AccessState access_state(uint16_t portal_group) const noexcept;
  friend bool operator==(const Target&, const Target&) = default;
};

struct Config {
  std::string name = "gateway";
  std::filesystem::path state_dir = "/var/lib/swiftness";
  std::optional<Endpoint> admin_listen;  // read-only TCP listener; the Unix socket is always there
  std::string admin_url;  // of what people manage this gateway with, told to initiators; or empty
  std::vector<Portal> portals;
  Chap discovery_chap;
  Limits limits;
  std::map<std::string, StoreConfig> stores;
  std::vector<Volume> volumes;
  std::vector<Target> targets;

  const Volume* find_volume(std::string_view name) const noexcept;
  std::filesystem::path admin_socket() const { return state_dir / "admin.sock"; }
};

// Where secrets come from. Tests bring their own.
struct SecretSources {
  std::function<Result<std::string>(const std::filesystem::path&)> read_file;
  std::function<std::optional<std::string>(const std::string&)> environment;

  static SecretSources of_this_process();
};

// Where the keys of a file stand, for messages about what they say.
class Places {
 public:
  explicit Places(std::filesystem::path file = {}) : file_(std::move(file)) {}
  void add(const std::string& key, int line) { lines_.insert_or_assign(key, line); }

  // "gateway.yaml:12: limits.memory". The line of a key that is not there is that of what it would
  // be in.
  std::string describe(const std::string& key) const;

 private:
  std::filesystem::path file_;
  std::map<std::string, int> lines_;
};

struct Outcome {
  std::optional<Config> config;  // there if and only if there are no errors
  Places places;
  std::vector<std::string> errors;  // one line each, in the order of the file
  std::vector<std::string> warnings;
};

// Pure but for the secrets. `file` names the text in messages; its folder is where relative paths
// start from.
Outcome parse(std::string_view text, const std::filesystem::path& file,
              const SecretSources& secrets);

Outcome load(const std::filesystem::path& file);

// gateway.example.yaml: valid, commented, and a working gateway without any change.
std::string_view example() noexcept;

}  // namespace swiftness::config
