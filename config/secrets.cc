// Secrets, and the users they belong to.
#include <fmt/format.h>

#include "config/sections.h"

namespace swiftness::config {

// KEY_file, KEY_env or, with a warning, KEY itself.
std::string SecretReader::read(Section& section, const std::string& key) const {
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
  if (file) return from_file(source, folder_ / *text);
  if (environment) {
    std::optional<std::string> secret = sources_.environment(*text);
    if (!secret || secret->empty()) {
      source.error(fmt::format("the environment variable {} is not set", *text));
    }
    return secret.value_or("");
  }
  source.warning(
      fmt::format("whoever may read this file learns the secret; use {0}_file or {0}_env", key));
  return *text;
}

std::string SecretReader::from_file(const Value& source, const std::filesystem::path& file) const {
  Result<std::string> contents = sources_.read_file(file);
  if (!contents) {
    source.error(contents.error().message());
    return {};
  }
  std::string secret = *contents;
  while (!secret.empty() && (secret.back() == '\n' || secret.back() == '\r')) secret.pop_back();
  if (secret.empty()) source.error(fmt::format("{} is empty", file.native()));
  return secret;
}

namespace {

std::optional<ChapUser> read_user(Section& section, const char* key, const SecretReader& secrets) {
  if (!section.has(key)) return std::nullopt;
  Section chap = section.section(key);
  ChapUser out;
  if (chap.required("user")) chap.text("user", out.user);
  out.secret = secrets.read(chap, "secret");
  const size_t bytes = out.secret.size();
  if (bytes > 0 && (bytes < 12 || bytes > 16)) {
    chap.warning(fmt::format("the secret has {} bytes; Windows takes 12 to 16 only{}", bytes,
                             bytes < 12 ? ", and fewer can be guessed" : ""));
  }
  chap.finish();
  return out;
}

}  // namespace

Chap read_chap(Section& section, const SecretReader& secrets) {
  Chap out;
  out.initiator = read_user(section, "chap", secrets);
  out.target = read_user(section, "mutual_chap", secrets);
  if (!out.target) return out;
  Section mutual = section.section("mutual_chap");
  if (!out.initiator) {
    mutual.error("needs chap as well: the initiator proves itself first");
  } else if (out.target->secret == out.initiator->secret && !out.target->secret.empty()) {
    mutual.error("has the secret of chap; each direction needs its own (RFC 7143 9.2.1)");
  }
  return out;
}

}  // namespace swiftness::config
