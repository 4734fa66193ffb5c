#include "backend/volume/cache_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace swiftness {
namespace {

// Reads that missed the page cache wait here; a disk is kept busy, processors are not.
constexpr size_t kThreads = 4;

}  // namespace

CacheFile::CacheFile() : pool_(kThreads) {}

CacheFile::~CacheFile() {
  pool_.join();
}

Async<std::unique_ptr<LocalFile>> CacheFile::open(std::filesystem::path path, uint64_t size) {
  std::unique_ptr<CacheFile> file(new CacheFile());
  auto work = [self = file.get(), path = std::move(path), size] {
    return self->open_blocking(path, size);
  };
  Result<void> opened = co_await offload<void>(file->pool_, std::move(work));
  if (!opened) co_return opened.error();
  co_return std::unique_ptr<LocalFile>(std::move(file));
}

Result<void> CacheFile::open_blocking(const std::filesystem::path& path, uint64_t size) {
  std::error_code failure;
  std::filesystem::create_directories(path.parent_path(), failure);  // open() tells what is wrong
  file_ = FileDescriptor(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  const int file = file_.number();
  if (file < 0) return system_error(errno, "open");
  if (::flock(file, LOCK_EX | LOCK_NB) != 0) {
    return Error(ErrorCode::conflict, "another process uses it");
  }
  if (::ftruncate(file, static_cast<off_t>(size)) != 0) return system_error(errno, "truncate");
  if (::fallocate(file, 0, 0, static_cast<off_t>(size)) != 0 && errno != EOPNOTSUPP) {
    return system_error(errno, "allocate");
  }
  // Readers want the pages they ask for: reading ahead is done from the store, by the volume.
  (void)::posix_fadvise(file, 0, 0, POSIX_FADV_RANDOM);
  size_ = size;
  return {};
}

bool CacheFile::try_read(uint64_t offset, std::span<std::byte> target) noexcept {
  if (!can_try_) return false;
  iovec piece{target.data(), target.size()};
  ssize_t got = ::preadv2(file_.number(), &piece, 1, static_cast<off_t>(offset), RWF_NOWAIT);
  if (got < 0 && errno == EOPNOTSUPP) can_try_ = false;
  return got == static_cast<ssize_t>(target.size());
}

Async<Buffer> CacheFile::read(uint64_t offset, size_t length) {
  auto work = [file = file_.number(), offset, length]() -> Result<Buffer> {
    Buffer data = Buffer::allocate(length);
    Result<void> done = read_exactly(file, offset, data.writable());
    if (!done) return done.error();
    return data;
  };
  return offload<Buffer>(pool_, std::move(work));
}

Async<void> CacheFile::write(uint64_t offset, BufferList data) {
  auto work = [file = file_.number(), offset, data = std::move(data)] {
    return write_at(file, offset, data);
  };
  return offload<void>(pool_, std::move(work));
}

Async<void> CacheFile::sync() {
  auto work = [file = file_.number()] { return sync_data(file, "sync"); };
  return offload<void>(pool_, std::move(work));
}

}  // namespace swiftness
