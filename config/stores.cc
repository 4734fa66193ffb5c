// `stores:`
#include <fmt/format.h>

#include "config/sections.h"
#include "config/values.h"

namespace swiftness::config {
namespace {

class StoreReader {
 public:
  explicit StoreReader(const SecretReader& secrets) : secrets_(secrets) {}

  std::optional<StoreConfig> read(Section store);

 private:
  SwiftStoreConfig read_swift(Section& store);
  DirectoryStoreConfig read_directory(Section& store);
  void read_auth(Section auth, SwiftStoreConfig& store);
  AuthV1Config read_auth_v1(Section& auth);
  AuthV3Config read_auth_v3(Section& auth);
  void read_transport(Section& store, SwiftStoreConfig& out);
  void read_file(Section& store, std::string_view key, std::string& file);

  const SecretReader& secrets_;
};

// A prefix begins the names of the store's containers.
void read_prefix(Section& store, std::string& prefix) {
  std::optional<Value> value = store.find("prefix");
  std::optional<std::string> text = value ? value->text() : std::nullopt;
  if (!text) return;
  prefix = *text;
  check_name(prefix, *value);
}

std::optional<StoreConfig> StoreReader::read(Section store) {
  std::optional<Value> type = store.required("type");
  std::optional<std::string> word = type ? type->text() : std::nullopt;
  if (!word) return std::nullopt;
  StoreConfig out;
  if (*word == "swift") {
    out = read_swift(store);
  } else if (*word == "directory") {
    out = read_directory(store);
  } else if (*word == "memory") {
    store.warning("a memory store is empty again after every start; it is for tests only");
    out = MemoryStoreConfig{};
  } else {
    type->error(fmt::format("\"{}\" is not a kind of store (swift, directory or memory)", *word));
    return std::nullopt;
  }
  store.finish();
  return out;
}

DirectoryStoreConfig StoreReader::read_directory(Section& store) {
  DirectoryStoreConfig out;
  store.required("path");
  store.path("path", out.path, secrets_.folder());
  read_prefix(store, out.prefix);
  return out;
}

std::string read_url(const Value& value) {
  std::optional<std::string> text = value.text();
  if (text && !is_http_url(*text)) {
    value.error(fmt::format("\"{}\" is not an http:// or https:// address", *text));
  }
  std::string url = text.value_or("");
  while (url.ends_with('/')) url.pop_back();
  return url;
}

// One URL, or a list of them.
std::vector<std::string> read_urls(const Value& value) {
  if (!value.is_list()) return {read_url(value)};
  std::vector<std::string> urls;
  for (const Value& item : value.items()) urls.push_back(read_url(item));
  if (urls.empty()) value.error("is empty");
  return urls;
}

// KEY is a name, KEY_id an id.
KeystoneName read_name(Section& section, const std::string& key) {
  KeystoneName out;
  section.text(key, out.name);
  section.text(key + "_id", out.id);
  if (!out.name.empty() && !out.id.empty()) {
    section.error(fmt::format("has both {0} and {0}_id", key));
  }
  return out;
}

// Where names count; ids need none.
KeystoneName read_domain(Section& section, const std::string& key, const KeystoneName& of) {
  KeystoneName out = read_name(section, key);
  if (out.empty() && !of.name.empty()) out.name = "Default";
  return out;
}

bool has_secret(Section& section, const std::string& key) {
  return section.has(key) || section.has(key + "_file") || section.has(key + "_env");
}

// Each of these keys is another version's.
void refuse_keys(Section& auth, std::initializer_list<const char*> keys, std::string_view why) {
  for (const char* key : keys) {
    if (std::optional<Value> value = auth.find(key)) value->error(std::string(why));
  }
}

SwiftStoreConfig StoreReader::read_swift(Section& store) {
  SwiftStoreConfig out;
  if (std::optional<Value> auth = store.required("auth")) read_auth(auth->section(), out);
  if (auto* v3 = std::get_if<AuthV3Config>(&out.auth)) {
    store.text("region", v3->region);
    if (std::optional<Value> value = store.find("interface")) {
      v3->interface = value->text().value_or("");
      if (v3->interface != "public" && v3->interface != "internal" && v3->interface != "admin") {
        value->error(fmt::format("\"{}\" is not public, internal or admin", v3->interface));
      }
    }
  } else {
    refuse_keys(store, {"region", "interface"},
                "belongs to auth version 3; version 1 has no service catalog");
  }
  if (std::optional<Value> url = store.find("storage_url")) out.storage_url = read_url(*url);
  if (std::optional<Value> urls = store.find("endpoints")) {
    out.endpoints = read_urls(*urls);
    for (const std::string& url : out.endpoints) {
      if (is_http_url(url) && url.find('/', url.find("://") + 3) != std::string::npos) {
        urls->error(fmt::format("\"{}\" has a path; only the proxy belongs here", url));
      }
    }
  }
  read_transport(store, out);
  read_prefix(store, out.prefix);
  store.text("storage_policy", out.storage_policy);
  return out;
}

void StoreReader::read_transport(Section& store, SwiftStoreConfig& out) {
  using namespace std::chrono_literals;
  read_file(store, "ca_file", out.tls.ca_file);
  read_file(store, "certificate_file", out.tls.certificate_file);
  read_file(store, "key_file", out.tls.key_file);
  if (!out.tls.key_file.empty() && out.tls.certificate_file.empty()) {
    store.find("key_file")->error("needs certificate_file");
  }
  if (store.has("http_proxy")) {
    Section proxy = store.section("http_proxy");
    if (std::optional<Value> url = proxy.required("url")) out.http_proxy.url = read_url(*url);
    proxy.text("user", out.http_proxy.user);
    if (!out.http_proxy.user.empty()) out.http_proxy.password = secrets_.read(proxy, "password");
    proxy.finish();
  }
  store.number("connections", out.connections, {1u, 1024u});
  store.duration("deadline", out.deadline, {1s, 10min});
  store.duration("connect_timeout", out.connect_timeout, {100ms, 1min});
  store.duration("stall_timeout", out.stall_timeout, {1s, 10min});
}

void StoreReader::read_file(Section& store, std::string_view key, std::string& file) {
  std::filesystem::path path;
  store.path(key, path, secrets_.folder());
  file = path.native();
}

void StoreReader::read_auth(Section auth, SwiftStoreConfig& store) {
  std::optional<Value> version = auth.required("version");
  std::optional<uint64_t> number = version ? version->number(1, 3) : std::nullopt;
  if (!number) return;
  if (*number == 2) {
    version->error("there is no version 2 any more (1 or 3)");
    return;  // the other keys are that version's
  }
  if (std::optional<Value> url = auth.required("url")) store.auth_urls = read_urls(*url);
  if (*number == 1) {
    store.auth = read_auth_v1(auth);
  } else {
    store.auth = read_auth_v3(auth);
  }
  auth.finish();
}

AuthV1Config StoreReader::read_auth_v1(Section& auth) {
  AuthV1Config out;
  auth.required("user");
  auth.text("user", out.user);
  out.key = secrets_.read(auth, "key");
  refuse_keys(auth,
              {"user_domain", "project", "project_domain", "password", "password_file",
               "password_env", "application_credential", "application_credential_id"},
              "belongs to auth version 3; version 1 has url, user and key");
  return out;
}

AuthV3Config StoreReader::read_auth_v3(Section& auth) {
  using enum AuthV3Config::Method;
  AuthV3Config out;
  refuse_keys(auth, {"key", "key_file", "key_env"},
              "belongs to auth version 1; version 3 has a password, an application_credential or "
              "a token");
  out.application_credential = read_name(auth, "application_credential");
  const bool credential = !out.application_credential.empty();
  const bool given_token = !credential && has_secret(auth, "token");
  out.method = credential ? application_credential : given_token ? token : password;
  if (out.method == password || (credential && out.application_credential.id.empty())) {
    out.user = read_name(auth, "user");
    if (out.user.empty()) auth.error("needs user or user_id");
    out.user_domain = read_domain(auth, "user_domain", out.user);
  }
  out.secret = secrets_.read(auth, credential ? "secret" : given_token ? "token" : "password");
  if (credential) {
    refuse_keys(auth, {"project", "project_id", "project_domain", "project_domain_id"},
                "an application credential has its project already");
    return out;
  }
  out.project = read_name(auth, "project");
  if (out.project.empty()) auth.error("needs project or project_id");
  out.project_domain = read_domain(auth, "project_domain", out.project);
  return out;
}

}  // namespace

std::map<std::string, StoreConfig> read_stores(Section stores, const SecretReader& secrets) {
  std::map<std::string, StoreConfig> out;
  StoreReader reader(secrets);
  for (const auto& [name, value] : stores.entries()) {
    check_name(name, value);
    out[name] = reader.read(value.section()).value_or(MemoryStoreConfig{});
  }
  return out;
}

}  // namespace swiftness::config
