#include "backend/base/local_disk.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace swiftness {

Async<std::unique_ptr<LocalDisk>> LocalDisk::open(std::filesystem::path path, uint64_t size) {
  std::unique_ptr<LocalDisk> disk(new LocalDisk(std::move(path)));
  auto work = [file = disk.get(), size] { return file->prepare(size); };
  Result<void> ready = co_await offload<void>(disk->pool_, work);
  if (!ready) co_return disk->within_path(ready.error());
  co_return disk;
}

Result<void> LocalDisk::prepare(uint64_t size) {
  Result<bool> made = open_or_create(size);
  if (!made) return made.error();
  Result<void> ready = lock();
  if (ready) ready = allocate(size);
  if (ready && *made) {
    // Its name, too, must survive a power cut.
    const std::filesystem::path folder = std::filesystem::absolute(path_).parent_path();
    Result<FileDescriptor> parent = open_at(AT_FDCWD, folder.c_str(), O_RDONLY | O_DIRECTORY);
    if (!parent) return parent.error();
    ready = swiftness::sync(parent->number(), "sync its folder");
  }
  // A file of our making that cannot be used would only hold space.
  if (!ready && *made) ::unlink(path_.c_str());
  return ready;
}

Result<bool> LocalDisk::open_or_create(uint64_t size) {
  struct stat found {};
  const bool exists = ::stat(path_.c_str(), &found) == 0;
  // O_EXCL without O_CREAT: a block device that is mounted, or used in any other way, is refused.
  const int exclusive = exists && S_ISBLK(found.st_mode) ? O_EXCL : 0;
  Result<FileDescriptor> file = open_at(AT_FDCWD, path_.c_str(), O_RDWR | exclusive);
  const bool missing = size > kDevice && !file && file.error().code() == ErrorCode::not_found;
  if (missing) file = open_at(AT_FDCWD, path_.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600);
  if (!file) return Error(file.error().code(), "open: " + file.error().message());
  file_ = std::move(*file);
  return missing;
}

Result<void> LocalDisk::lock() {
  if (::flock(file_.number(), LOCK_EX | LOCK_NB) == 0) return {};
  if (errno != EWOULDBLOCK) return system_error(errno, "lock");
  return Error(ErrorCode::unavailable,
               "in use: another process, or another volume of this one, has it locked");
}

Result<void> LocalDisk::allocate(uint64_t size) {
  struct stat found {};
  if (::fstat(file_.number(), &found) != 0) return system_error(errno, "stat");
  if (size == kDevice) {
    if (!S_ISBLK(found.st_mode)) return Error(ErrorCode::invalid, "not a block device");
    if (::ioctl(file_.number(), BLKGETSIZE64, &size_) != 0) return system_error(errno, "size");
    return {};
  }
  if (!S_ISREG(found.st_mode)) return Error(ErrorCode::invalid, "not a file");
  size_ = std::max(size, static_cast<uint64_t>(found.st_size));
  const int failed = ::posix_fallocate(file_.number(), 0, static_cast<off_t>(size_));
  if (failed != 0) return system_error(failed, fmt::format("allocate {} bytes", size_));
  return swiftness::sync(file_.number(), "sync its size");
}

Async<Buffer> LocalDisk::read(uint64_t offset, size_t length) {
  CHECK(offset <= size_ && length <= size_ - offset);
  auto work = [this, offset, length]() -> Result<Buffer> {
    Buffer data = Buffer::allocate(length);
    Result<void> done = read_exactly(file_.number(), offset, data.writable());
    if (!done) return within_path(done.error());
    return data;
  };
  return offload<Buffer>(pool_, work);
}

Async<void> LocalDisk::write(uint64_t offset, BufferList data) {
  CHECK(offset <= size_ && data.size() <= size_ - offset);
  auto work = [this, offset, bytes = std::move(data)]() -> Result<void> {
    Result<void> done = write_at(file_.number(), offset, bytes);
    if (!done) return within_path(done.error());
    return done;
  };
  return offload<void>(pool_, std::move(work));
}

Async<void> LocalDisk::sync() {
  auto work = [this]() -> Result<void> {
    Result<void> done = sync_data(file_.number(), "sync");
    if (!done) return within_path(done.error());
    return done;
  };
  return offload<void>(pool_, work);
}

}  // namespace swiftness
