#include "backend/volume/cache_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace swiftness {
namespace {

// Reads that missed the page cache wait here; a disk is kept busy, processors are not.
constexpr size_t kThreads = 4;

// What is put into the cache is seldom wanted again at once: large writes go past the page cache,
// which spares the kernel memory, a copy, and writing back.
constexpr size_t kPage = 4096;
constexpr size_t kLarge = 32 * 1024;
constexpr size_t kDirectAtOnce = 1024 * 1024;

// The disk wants its data in whole pages of memory; buffers begin anywhere.
Result<void> write_direct(int file, uint64_t offset, const BufferList& data) {
  thread_local Buffer room = Buffer::allocate(kDirectAtOnce + kPage);
  const size_t skip = (kPage - reinterpret_cast<uintptr_t>(room.data()) % kPage) % kPage;
  for (size_t done = 0; done < data.size();) {
    Buffer pages = room.slice(skip, std::min(kDirectAtOnce, data.size() - done));
    const size_t length = pages.size();
    data.slice(done, length).copy_to(pages.writable());
    Result<void> written = write_at(file, offset + done, std::move(pages));
    if (!written) return written;
    done += length;
  }
  return {};
}

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
  Result<FileDescriptor> direct = open_at(AT_FDCWD, path.c_str(), O_RDWR | O_DIRECT);
  if (direct) direct_ = std::move(*direct);
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
  const bool whole_pages = offset % kPage == 0 && data.size() % kPage == 0;
  if (direct_.number() >= 0 && whole_pages && data.size() >= kLarge) {
    auto work = [file = direct_.number(), offset, data = std::move(data)] {
      return write_direct(file, offset, data);
    };
    return offload<void>(pool_, std::move(work));
  }
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
