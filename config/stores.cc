// `stores:` and the secrets that open them.
#include <fmt/format.h>

#include "config/sections.h"
#include "config/values.h"

namespace swiftness::config {
namespace {

class StoreReader {
 public:
  StoreReader(const std::filesystem::path& folder, const SecretSources& secrets)
      : folder_(folder), secrets_(secrets) {}

  std::optional<StoreConfig> read(Section store);

 private:
  SwiftStoreConfig read_swift(Section& store);
  DirectoryStoreConfig read_directory(Section& store);
  void read_auth(Section auth, SwiftStoreConfig& store);
  std::string read_secret(Section& section, const std::string& key);
  std::string secret_from_file(const Value& source, const std::filesystem::path& file);

  const std::filesystem::path& folder_;
  const SecretSources& secrets_;
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
  store.path("path", out.path, folder_);
  read_prefix(store, out.prefix);
  return out;
}

SwiftStoreConfig StoreReader::read_swift(Section& store) {
  SwiftStoreConfig out;
  if (std::optional<Value> auth = store.required("auth")) read_auth(auth->section(), out);
  store.unsupported("region");
  std::filesystem::path ca_file;
  store.path("ca_file", ca_file, folder_);
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
  store.key = read_secret(auth, "key");
  for (const char* key :
       {"user_domain", "project", "project_domain", "password", "password_file", "password_env"}) {
    if (std::optional<Value> value = auth.find(key)) {
      value->error("belongs to auth version 3; version 1 has url, user and key");
    }
  }
  auth.finish();
}

// KEY_file, KEY_env or, with a warning, KEY itself.
std::string StoreReader::read_secret(Section& section, const std::string& key) {
  std::optional<Value> in_place = section.find(key);
  std::optional<Value> file = section.find(key + "_file");
  std::optional<Value> environment = section.find(key + "_env");
  int given = in_place.has_value() + file.has_value() + environment.has_value();
  if (given != 1) {
    section.error(given == 0 ? fmt::format("needs {0}_file or {0}_env", key)
                             : fmt::format("has more than one of {0}_file, {0}_env and {0}", key));
    return {};
  }
  const Value& source = file ? *file : environment ? *environment : *in_place;
  std::optional<std::string> text = source.text();
  if (!text) return {};
  if (file) return secret_from_file(source, folder_ / *text);
  if (environment) {
    std::optional<std::string> secret = secrets_.environment(*text);
    if (!secret || secret->empty()) {
      source.error(fmt::format("the environment variable {} is not set", *text));
    }
    return secret.value_or("");
  }
  source.warning(
      fmt::format("whoever may read this file learns the secret; use {0}_file or {0}_env", key));
  return *text;
}

std::string StoreReader::secret_from_file(const Value& source, const std::filesystem::path& file) {
  Result<std::string> contents = secrets_.read_file(file);
  if (!contents) {
    source.error(contents.error().message());
    return {};
  }
  std::string secret = *contents;
  while (!secret.empty() && (secret.back() == '\n' || secret.back() == '\r')) secret.pop_back();
  if (secret.empty()) source.error(fmt::format("{} is empty", file.native()));
  return secret;
}

}  // namespace

std::map<std::string, StoreConfig> read_stores(Section stores, const std::filesystem::path& folder,
                                               const SecretSources& secrets) {
  std::map<std::string, StoreConfig> out;
  StoreReader reader(folder, secrets);
  for (const auto& [name, value] : stores.entries()) {
    if (std::optional<std::string> why = why_not_name(name)) {
      value.error(fmt::format("\"{}\" {}", name, *why));
    }
    out[name] = reader.read(value.section()).value_or(MemoryStoreConfig{});
  }
  return out;
}

}  // namespace swiftness::config
