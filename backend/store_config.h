// What it takes to open a store. Filled by config/ from YAML (secrets already read from their
// files), used by open_store().
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "backend/object_store.h"

namespace swiftness {

struct DirectoryStoreConfig {
  std::filesystem::path path;  // made when missing
  std::string prefix;          // of container names

  friend bool operator==(const DirectoryStoreConfig&, const DirectoryStoreConfig&) = default;
};

struct MemoryStoreConfig {  // gone with the process: unit tests
  friend bool operator==(const MemoryStoreConfig&, const MemoryStoreConfig&) = default;
};

// Auth version 1: TempAuth and compatible services.
struct AuthV1Config {
  std::string user;
  std::string key;  // a secret: never logged

  friend bool operator==(const AuthV1Config&, const AuthV1Config&) = default;
};

// Keystone v3. A user, project or domain is given by its name or by its id; names of users and
// projects count within a domain.
struct KeystoneName {
  std::string name;
  std::string id;  // goes before the name

  bool empty() const noexcept { return name.empty() && id.empty(); }
  const std::string& text() const noexcept { return id.empty() ? name : id; }  // for messages
  friend bool operator==(const KeystoneName&, const KeystoneName&) = default;
};

struct AuthV3Config {
  enum class Method { password, application_credential, token };

  Method method = Method::password;
  KeystoneName user;         // password; application_credential when that is given by its name
  KeystoneName user_domain;  // of a user given by its name
  KeystoneName application_credential;
  std::string secret;  // password, the credential's secret, or the token: never logged
  KeystoneName project;
  KeystoneName project_domain;

  // Which endpoint of the service catalog is meant. Empty region: the only one there is.
  std::string region;
  std::string interface = "public";  // public, internal or admin

  friend bool operator==(const AuthV3Config&, const AuthV3Config&) = default;
};

struct HttpProxyConfig {
  std::string url;  // http:// or https://; empty: none, whatever the environment says
  std::string user;
  std::string password;  // a secret

  friend bool operator==(const HttpProxyConfig&, const HttpProxyConfig&) = default;
};

struct TlsConfig {
  std::string ca_file;           // empty: the system's
  std::string certificate_file;  // our own, PEM; empty: none
  std::string key_file;          // of that certificate; empty: it is in the same file

  friend bool operator==(const TlsConfig&, const TlsConfig&) = default;
};

struct SwiftStoreConfig {
  std::variant<AuthV1Config, AuthV3Config> auth;
  std::vector<std::string> auth_urls;  // at least one; the next is asked when one does not answer
  // The account's URL, instead of what the identity service says: "https://swift:8080/v1/AUTH_x".
  std::string storage_url;
  // Proxies of the same cluster ("https://swift1:8080"), all as good as the one in the account's
  // URL, whose place they take. Empty: that one only.
  std::vector<std::string> endpoints;
  TlsConfig tls;
  HttpProxyConfig http_proxy;
  std::string prefix = "swiftness";
  std::string storage_policy;  // of containers we create; empty: the cluster's default
  std::chrono::milliseconds deadline{20'000};  // of one operation with all its retries
  std::chrono::milliseconds connect_timeout{4'000};
  // A silent transfer is given up. Just above Swift's own node_timeout (10 s), so that the proxy
  // can give up on a storage server, and say so, before we give up on the proxy.
  std::chrono::milliseconds stall_timeout{12'000};
  uint32_t connections = 32;  // at most, to all endpoints together

  friend bool operator==(const SwiftStoreConfig&, const SwiftStoreConfig&) = default;
};

// What every URL above has to be.
inline bool is_http_url(std::string_view text) {
  return text.starts_with("http://") || text.starts_with("https://");
}

using StoreConfig = std::variant<DirectoryStoreConfig, MemoryStoreConfig, SwiftStoreConfig>;

// Opens without contacting anything remote: a Swift that is down now may be up in a minute. Fails
// (invalid) only on what cannot get better by itself. The store lives on `executor`.
Result<std::unique_ptr<ObjectStore>> open_store(const StoreConfig& config, Executor executor);

}  // namespace swiftness
