#include "backend/store/directory_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <optional>

#include "backend/base/hash.h"
#include "backend/base/log.h"
#include "backend/base/random.h"
#include "backend/store/file_name.h"
#include "backend/store/object_rules.h"

namespace swiftness {
namespace {

constexpr std::string_view kTemporaryPrefix = ".tmp-";
constexpr std::string_view kAnchorText = "swiftness container\n";
constexpr int kTemporaryAttempts = 8;
constexpr unsigned kFolderMode = 0700;  // what is inside is somebody's disk
constexpr unsigned kFileMode = 0600;

Result<FileDescriptor> open_folder(int base, const std::string& name) {
  return open_at(base, name.c_str(), O_RDONLY | O_DIRECTORY);
}

// Opens `path`; makes it, and what it lies in, where missing. A new entry is synced before anything
// is made in it. Folders that were there need only be searchable, not readable.
Result<FileDescriptor> open_or_make(const std::filesystem::path& path) {
  Result<FileDescriptor> folder = open_folder(AT_FDCWD, path.empty() ? "." : path.native());
  if (folder || folder.error().code() != ErrorCode::not_found) return folder;
  Result<FileDescriptor> above = open_or_make(path.parent_path());
  if (!above || path.filename().empty()) return above;  // "a/" is "a"
  if (::mkdirat(above->number(), path.filename().c_str(), kFolderMode) != 0 && errno != EEXIST) {
    return system_error(errno, path.native());
  }
  Result<void> synced = sync(above->number(), path.native());
  if (!synced) return synced.error();
  return open_folder(above->number(), path.filename().native());
}

// The names in a folder; files that are no objects too.
Result<std::vector<std::string>> names_in(int folder) {
  Result<FileDescriptor> own = open_folder(folder, ".");  // a position of our own
  if (!own) return own.error();
  DIR* directory = ::fdopendir(own->number());
  if (directory == nullptr) return system_error(errno, "open folder");
  own->release();  // closedir() closes it
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(directory)) names.emplace_back(entry->d_name);
  int failed = errno;
  ::closedir(directory);
  if (failed != 0) return read_error(failed, "read folder");
  return names;
}

// A temporary file is abandoned when its writer no longer locks it. To be wrong here is harmless:
// a put whose temporary file is taken away fails and changes nothing.
void remove_if_abandoned(int folder, const std::string& name) {
  Result<FileDescriptor> file = open_at(folder, name.c_str(), O_WRONLY | O_NOFOLLOW);
  if (!file || ::flock(file->number(), LOCK_EX | LOCK_NB) != 0) return;
  if (::unlinkat(folder, name.c_str(), 0) == 0) log::info("removed the unfinished file {}", name);
}

}  // namespace

// A file that is not an object yet. Removed unless it was renamed to its place.
class DirectoryFiles::Temporary {
 public:
  Temporary(int folder, std::string name, FileDescriptor file)
      : folder_(folder), name_(std::move(name)), file_(std::move(file)) {}
  Temporary(Temporary&& other) noexcept
      : folder_(other.folder_),
        name_(std::exchange(other.name_, {})),
        file_(std::move(other.file_)) {}
  ~Temporary() {
    if (!name_.empty()) ::unlinkat(folder_, name_.c_str(), 0);
  }

  int file() const noexcept { return file_.number(); }
  const char* name() const noexcept { return name_.c_str(); }
  void renamed() noexcept { name_.clear(); }

 private:
  int folder_;
  std::string name_;
  FileDescriptor file_;
};

Result<std::unique_ptr<DirectoryFiles>> DirectoryFiles::open(const std::filesystem::path& path,
                                                             std::string prefix) {
  if (path.empty()) return Error(ErrorCode::invalid, "the store's path is empty");
  if (!prefix.empty()) {
    Result<void> valid = check_container(prefix);
    if (!valid) return Error(ErrorCode::invalid, fmt::format("bad prefix '{}'", prefix));
  }
  Result<FileDescriptor> root = open_or_make(path);
  if (!root) return Error(ErrorCode::invalid, root.error().message());
  return std::unique_ptr<DirectoryFiles>(new DirectoryFiles(std::move(*root), std::move(prefix)));
}

std::string DirectoryFiles::folder_name(const std::string& container) const {
  return file_name_of(prefix_.empty() ? container : prefix_ + "-" + container);
}

Result<FileDescriptor> DirectoryFiles::open_container(const std::string& container) {
  Result<void> valid = check_container(container);
  if (!valid) return valid.error();
  Result<FileDescriptor> folder = open_folder(root_.number(), folder_name(container));
  if (!folder) return folder;
  Result<void> tidied = tidy_once(container, folder->number());
  if (!tidied) return tidied.error();
  return folder;
}

Result<void> DirectoryFiles::tidy_once(const std::string& container, int folder) {
  std::lock_guard lock(tidy_mutex_);
  if (tidied_.contains(container)) return {};
  Result<std::vector<std::string>> names = names_in(folder);
  if (!names) return names.error();
  for (const std::string& name : *names) {
    if (name.starts_with(kTemporaryPrefix)) remove_if_abandoned(folder, name);
  }
  Result<void> synced = sync(folder, "sync of the container's folder");
  if (synced) tidied_.insert(container);
  return synced;
}

Result<void> DirectoryFiles::create_container(const std::string& container) {
  Result<void> valid = check_container(container);
  if (!valid) return valid;
  std::string name = folder_name(container);
  if (::mkdirat(root_.number(), name.c_str(), kFolderMode) != 0 && errno != EEXIST) {
    return system_error(errno, name);
  }
  Result<void> synced = sync(root_.number(), "sync of the store's folder");
  if (!synced) return synced;
  PutOptions create_only;
  create_only.create_only = true;
  Result<void> anchored =
      put({container, std::string(kAnchorName)}, Buffer::copy_of(kAnchorText), create_only);
  if (!anchored && anchored.error().code() != ErrorCode::conflict) return anchored;
  return {};
}

// --- Writing ------------------------------------------------------------------------------------

Result<DirectoryFiles::Temporary> DirectoryFiles::make_temporary(int folder) {
  for (int attempt = 0; attempt < kTemporaryAttempts; ++attempt) {
    std::array<std::byte, 8> number;
    fill_random(number);
    std::string name = std::string(kTemporaryPrefix) + to_hex(number);
    Result<FileDescriptor> file =
        open_at(folder, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, kFileMode);
    if (!file && file.error().code() == ErrorCode::conflict) continue;
    if (!file) return file.error();
    Temporary temporary(folder, std::move(name), std::move(*file));
    // Another process that starts right now may have taken it for a leftover before the lock.
    static_cast<void>(::flock(temporary.file(), LOCK_EX));  // no locks here: no leftovers removed
    struct stat status;
    if (::fstat(temporary.file(), &status) != 0) return system_error(errno, "new file");
    if (status.st_nlink > 0) return temporary;
  }
  return Error(ErrorCode::unavailable, "new files are removed as soon as they are made");
}

Result<void> DirectoryFiles::publish(Temporary temporary, int folder, const ObjectName& object,
                                     bool create_only) {
  Result<void> synced = sync(temporary.file(), "sync of the data");
  if (!synced) return synced;
  std::string name = file_name_of(object.name);
  int done = create_only ? ::linkat(folder, temporary.name(), folder, name.c_str(), 0)
                         : ::renameat(folder, temporary.name(), folder, name.c_str());
  int failed = done == 0 ? 0 : errno;
  if (failed == ENOENT) {
    return Error(ErrorCode::unavailable, "the container's folder or its files were removed");
  }
  if (failed != 0 && failed != EEXIST) return system_error(failed, to_string(object));
  if (failed == 0 && !create_only) temporary.renamed();
  // A conflict is an answer about the object that is there: it must not vanish afterwards either.
  synced = sync(folder, "sync of the container's folder");
  if (!synced) return synced;
  if (failed == EEXIST) {
    return Error(ErrorCode::conflict, fmt::format("{} exists", to_string(object)));
  }
  return {};
}

Result<void> DirectoryFiles::put(const ObjectName& object, const BufferList& data,
                                 PutOptions options) {
  Result<void> valid = check_object(object);
  if (!valid) return valid;
  Result<FileDescriptor> folder = open_container(object.container);
  if (!folder) return folder.error();
  Result<Temporary> temporary = make_temporary(folder->number());
  if (!temporary) return temporary.error();
  Result<void> written = write_all(temporary->file(), data);
  if (!written) return written;
  return publish(std::move(*temporary), folder->number(), object, options.create_only);
}

Result<void> DirectoryFiles::copy(const ObjectName& from, const ObjectName& to) {
  Result<void> valid = check_object(to);
  if (!valid) return valid;
  Result<OpenObject> source = open_object(from);
  if (!source) return source.error();
  Result<FileDescriptor> folder = open_container(to.container);
  if (!folder) return folder.error();
  Result<Temporary> temporary = make_temporary(folder->number());
  if (!temporary) return temporary.error();
  Result<void> copied = copy_all(source->file.number(), temporary->file(), source->size);
  if (!copied) return copied;
  return publish(std::move(*temporary), folder->number(), to, false);
}

RemoveReport DirectoryFiles::remove(const std::vector<ObjectName>& objects) {
  RemoveReport report;
  std::map<std::string, std::vector<ObjectName>> by_container;  // one sync each
  for (const ObjectName& object : objects) by_container[object.container].push_back(object);
  for (const auto& [container, its_objects] : by_container) {
    remove_from(container, its_objects, report);
  }
  return report;
}

void DirectoryFiles::remove_from(const std::string& container,
                                 const std::vector<ObjectName>& objects, RemoveReport& report) {
  Result<FileDescriptor> folder = open_container(container);
  if (!folder && folder.error().code() == ErrorCode::not_found) return;  // so are its objects
  std::vector<RemoveReport::Failure> failures;
  for (const ObjectName& object : objects) {
    Result<void> valid = check_object(object);
    if (!valid) {
      failures.push_back({object, valid.error()});
    } else if (folder && ::unlinkat(folder->number(), file_name_of(object.name).c_str(), 0) != 0 &&
               errno != ENOENT) {
      failures.push_back({object, system_error(errno, to_string(object))});
    }
  }
  Result<void> synced = folder ? sync(folder->number(), "sync of the container's folder")
                               : Result<void>(folder.error());
  if (!synced) {
    failures.clear();
    for (const ObjectName& object : objects) failures.push_back({object, synced.error()});
  }
  report.failures.insert(report.failures.end(), failures.begin(), failures.end());
}

// --- Reading ------------------------------------------------------------------------------------

Result<DirectoryFiles::OpenObject> DirectoryFiles::open_object(const ObjectName& object) {
  Result<void> valid = check_object(object);
  if (!valid) return valid.error();
  Result<FileDescriptor> folder = open_container(object.container);
  if (!folder) return folder.error();
  std::string name = file_name_of(object.name);
  Result<FileDescriptor> file = open_at(folder->number(), name.c_str(), O_RDONLY | O_NOFOLLOW);
  if (!file) return file.error();
  struct stat status;
  if (::fstat(file->number(), &status) != 0) return read_error(errno, to_string(object));
  if (!S_ISREG(status.st_mode)) {
    return Error(ErrorCode::corrupt, fmt::format("{} is not a file", to_string(object)));
  }
  return OpenObject{std::move(*file), static_cast<uint64_t>(status.st_size)};
}

Result<Buffer> DirectoryFiles::get(const ObjectName& object, ByteRange range) {
  Result<OpenObject> opened = open_object(object);
  if (!opened) return opened.error();
  Result<ByteRange> part = resolve(range, opened->size);
  if (!part) return part.error().within(to_string(object));
  Buffer target = Buffer::allocate(part->length);
  Result<void> read = read_exactly(opened->file.number(), part->offset, target.writable());
  if (!read) return read.error().within(to_string(object));
  return target;
}

Result<ObjectInfo> DirectoryFiles::head(const ObjectName& object) {
  Result<OpenObject> opened = open_object(object);
  if (!opened) return opened.error();
  return ObjectInfo{opened->size, {}};
}

bool DirectoryFiles::anchor_is_readable(const std::string& container) {
  Result<Buffer> anchor = get({container, std::string(kAnchorName)}, ByteRange::whole());
  return anchor && anchor->text() == kAnchorText;
}

std::vector<Presence> DirectoryFiles::presence(const std::string& container,
                                               const std::vector<std::string>& names) {
  bool anchored = anchor_is_readable(container);
  std::vector<Presence> answers;
  for (const std::string& name : names) {
    Result<OpenObject> found = open_object({container, name});
    if (found) {
      answers.push_back(Presence::yes);
    } else {
      bool absent = found.error().code() == ErrorCode::not_found;
      answers.push_back(absent ? Presence::no : Presence::unknown);
    }
  }
  if (!anchored || !anchor_is_readable(container)) {
    std::replace(answers.begin(), answers.end(), Presence::no, Presence::unknown);
  }
  return answers;
}

Result<ListPage> DirectoryFiles::list(const std::string& container, const std::string& prefix,
                                      const std::string& marker, size_t limit) {
  CHECK(limit > 0);
  Result<FileDescriptor> folder = open_container(container);
  if (!folder) return folder.error();
  Result<std::vector<std::string>> files = names_in(folder->number());
  if (!files) return files.error();
  std::vector<std::string> names;
  for (const std::string& file : *files) {
    std::optional<std::string> name = object_name_of(file);
    if (name && name->starts_with(prefix) && *name > marker) names.push_back(std::move(*name));
  }
  std::sort(names.begin(), names.end());
  ListPage page;
  for (const std::string& name : names) {
    struct stat status;
    std::string file = file_name_of(name);
    bool there = ::fstatat(folder->number(), file.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
    if (!there || !S_ISREG(status.st_mode)) continue;  // removed meanwhile, or not ours
    if (page.entries.size() == limit) {
      page.next = page.entries.back().name;
      break;
    }
    page.entries.push_back({name, static_cast<uint64_t>(status.st_size)});
  }
  return page;
}

}  // namespace swiftness
