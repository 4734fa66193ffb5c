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

  const SecretReader& secrets_;
};

// A prefix begins the names of the store's containers.
void read_prefix(Section& store, std::string& prefix) {
  std::optional<Value> value = store.find("prefix");
  std::optional<std::string> text = value ? value->text() : std::nullopt;
  if (!text) return;
  prefix = *text;
  if (std::optional<std::string> why = why_not_name(prefix)) {
    value->error(fmt::format("\"{}\" {}", prefix, *why));
  }
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

SwiftStoreConfig StoreReader::read_swift(Section& store) {
  SwiftStoreConfig out;
  if (std::optional<Value> auth = store.required("auth")) read_auth(auth->section(), out);
  store.unsupported("region");
  std::filesystem::path ca_file;
  store.path("ca_file", ca_file, secrets_.folder());
  out.ca_file = ca_file.native();
  read_prefix(store, out.prefix);
  store.text("storage_policy", out.storage_policy);
  return out;
}

void StoreReader::read_auth(Section auth, SwiftStoreConfig& store) {
  std::optional<Value> version = auth.required("version");
  std::optional<uint64_t> number = version ? version->number(1, 3) : std::nullopt;
  if (!number) return;
  if (*number != 1) {
    version->error(fmt::format("version {} is {} (use 1)", *number, kNotSupported));
    return;  // the other keys are that version's
  }
  store.auth_version = 1;
  if (std::optional<Value> url = auth.required("url")) {
    std::optional<std::string> text = url->text();
    if (text && !text->starts_with("http://") && !text->starts_with("https://")) {
      url->error(fmt::format("\"{}\" is not an http:// or https:// address", *text));
    }
    store.auth_url = text.value_or("");
  }
  auth.required("user");
  auth.text("user", store.user);
  store.key = secrets_.read(auth, "key");
  for (const char* key :
       {"user_domain", "project", "project_domain", "password", "password_file", "password_env"}) {
    if (std::optional<Value> value = auth.find(key)) {
      value->error("belongs to auth version 3; version 1 has url, user and key");
    }
  }
  auth.finish();
}

}  // namespace

std::map<std::string, StoreConfig> read_stores(Section stores, const SecretReader& secrets) {
  std::map<std::string, StoreConfig> out;
  StoreReader reader(secrets);
  for (const auto& [name, value] : stores.entries()) {
    if (std::optional<std::string> why = why_not_name(name)) {
      value.error(fmt::format("\"{}\" {}", name, *why));
    }
    out[name] = reader.read(value.section()).value_or(MemoryStoreConfig{});
  }
  return out;
}

}  // namespace swiftness::config
