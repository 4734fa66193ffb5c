#include "target/gateway/state_dir.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <system_error>

namespace swiftness {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

constexpr int kFormat = 1;

Error system_error(const std::string& what, int code) {
  return Error(ErrorCode::unavailable,
               fmt::format("{}: {}", what, std::generic_category().message(code)));
}

Result<void> sync_folder(const fs::path& folder) {
  int file = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  bool synced = file >= 0 && ::fsync(file) == 0;
  int code = errno;
  if (file >= 0) ::close(file);
  if (synced) return {};
  return system_error(fmt::format("cannot sync {}", folder.native()), code);
}

// Writes all of `text` to a new file and syncs it.
Result<void> write_new(const fs::path& path, const std::string& text) {
  int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
  bool written = file >= 0;
  for (size_t done = 0; written && done < text.size();) {
    ssize_t more = ::write(file, text.data() + done, text.size() - done);
    if (more < 0 && errno == EINTR) continue;
    written = more > 0;
    if (written) done += static_cast<size_t>(more);
  }
  written = written && ::fsync(file) == 0;
  int code = errno;
  if (file >= 0) ::close(file);
  if (written) return {};
  return system_error(fmt::format("cannot write {}", path.native()), code);
}

// The old contents or the new are there after a crash, never a mix.
Result<void> replace_file(const fs::path& path, const std::string& text) {
  fs::path temporary = path;
  temporary += ".new";
  Result<void> written = write_new(temporary, text);
  if (!written) return written;
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    return system_error(fmt::format("cannot replace {}", path.native()), errno);
  }
  return sync_folder(path.parent_path());
}

std::optional<RememberedVolume> parse(const std::string& text) {
  json document = json::parse(text, nullptr, false);
  if (!document.is_object() || document.value("format", 0) != kFormat) return std::nullopt;
  try {
    RememberedVolume volume;
    volume.store = document.at("store");
    volume.descriptor.name = document.at("name");
    std::optional<Uuid> uuid = Uuid::parse(document.at("uuid").get<std::string>());
    if (!uuid) return std::nullopt;
    volume.descriptor.uuid = *uuid;
    volume.descriptor.created_size = ByteCount(document.at("size").get<uint64_t>());
    volume.descriptor.block_size = document.at("block_size");
    volume.descriptor.created_at = document.at("created_at");
    return volume;
  } catch (const json::exception&) {
    return std::nullopt;
  }
}

std::string to_text(const RememberedVolume& volume) {
  json document = {{"format", kFormat},
                   {"name", volume.descriptor.name},
                   {"store", volume.store},
                   {"uuid", to_string(volume.descriptor.uuid)},
                   {"size", volume.descriptor.created_size.value()},
                   {"block_size", volume.descriptor.block_size},
                   {"created_at", volume.descriptor.created_at}};
  return document.dump(2) + "\n";
}

std::string read_line(int file) {
  char text[32] = {};
  ssize_t got = ::pread(file, text, sizeof text - 1, 0);
  std::string line(text, got > 0 ? static_cast<size_t>(got) : 0);
  return line.substr(0, line.find('\n'));
}

}  // namespace

Result<std::unique_ptr<StateDir>> StateDir::open(const fs::path& path) {
  std::error_code failure;
  fs::create_directories(path / "volumes", failure);
  if (!failure) fs::create_directories(path / "journal", failure);
  if (failure) {
    return Error(ErrorCode::invalid,
                 fmt::format("cannot create the state folder {}: {} (gateway.state_dir names it)",
                             path.native(), failure.message()));
  }
  fs::path lock_file = path / "lock";
  int lock = ::open(lock_file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
  if (lock < 0) return system_error(fmt::format("cannot open {}", lock_file.native()), errno);
  if (::flock(lock, LOCK_EX | LOCK_NB) != 0) {
    int code = errno;
    std::string owner = read_line(lock);
    ::close(lock);
    if (code != EWOULDBLOCK)
      return system_error(fmt::format("cannot lock {}", lock_file.native()), code);
    return Error(ErrorCode::conflict,
                 fmt::format("another gateway (process {}) uses {}; stop it, or give this one a "
                             "gateway.state_dir of its own",
                             owner.empty() ? "unknown" : owner, path.native()));
  }
  std::string pid = fmt::format("{}\n", ::getpid());
  bool noted = ::ftruncate(lock, 0) == 0 &&
               ::pwrite(lock, pid.data(), pid.size(), 0) == static_cast<ssize_t>(pid.size());
  if (!noted) {
    int code = errno;
    ::close(lock);
    return system_error(fmt::format("cannot write {}", lock_file.native()), code);
  }
  return std::unique_ptr<StateDir>(new StateDir(path, lock));
}

fs::path StateDir::journal_of(const Uuid& volume) const {
  return path_ / "journal" / to_string(volume);
}

StateDir::~StateDir() {
  ::close(lock_);
}

fs::path StateDir::file_of(const std::string& volume) const {
  return path_ / "volumes" / (volume + ".json");
}

fs::path StateDir::cache_of(const Uuid& volume) const {
  return path_ / "cache" / to_string(volume);
}

Result<std::optional<RememberedVolume>> StateDir::recall(const std::string& volume) const {
  fs::path path = file_of(volume);
  std::error_code failure;
  bool exists = fs::exists(path, failure);
  if (!failure && !exists) return std::optional<RememberedVolume>();
  std::ifstream in(path);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  std::optional<RememberedVolume> out = in.good() ? parse(text) : std::nullopt;
  if (out && out->descriptor.name == volume) return out;
  return Error(ErrorCode::corrupt, fmt::format("{} cannot be read; it says which volume \"{}\" is",
                                               path.native(), volume));
}

Result<void> StateDir::remember(const RememberedVolume& volume) {
  return replace_file(file_of(volume.descriptor.name), to_text(volume));
}

}  // namespace swiftness
