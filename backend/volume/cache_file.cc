#include "backend/volume/cache_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace swiftness {
namespace {

// Reads that missed the page cache wait here; a disk is kept busy, processors are not.
constexpr size_t kThreads = 4;

Error failed(const char* what, int code) {
  ErrorCode meaning = ErrorCode::unavailable;
  if (code == ENOSPC || code == EDQUOT) meaning = ErrorCode::out_of_space;
  if (code == EIO) meaning = ErrorCode::corrupt;
  return Error(meaning, fmt::format("{}: {}", what, std::generic_category().message(code)));
}

Result<Buffer> read_blocking(int file, uint64_t offset, size_t length) {
  Buffer out = Buffer::allocate(length);
  for (size_t done = 0; done < length;) {
    ssize_t got = ::pread(file, out.writable().data() + done, length - done,
                          static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed("read", errno);
    if (got == 0) return Error(ErrorCode::corrupt, "the file ended before its end");
    done += static_cast<size_t>(got);
  }
  return out;
}

Result<void> write_blocking(int file, uint64_t offset, const Buffer& data) {
  for (size_t done = 0; done < data.size();) {
    ssize_t put =
        ::pwrite(file, data.data() + done, data.size() - done, static_cast<off_t>(offset + done));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return failed("write", errno);
    done += static_cast<size_t>(put);
  }
  return {};
}

}  // namespace

CacheFile::CacheFile() : pool_(kThreads) {}

CacheFile::~CacheFile() {
  pool_.join();
  if (file_ >= 0) ::close(file_);
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
  file_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file_ < 0) return failed("open", errno);
  if (::flock(file_, LOCK_EX | LOCK_NB) != 0) {
    return Error(ErrorCode::conflict, "another process uses it");
  }
  if (::ftruncate(file_, static_cast<off_t>(size)) != 0) return failed("truncate", errno);
  if (::fallocate(file_, 0, 0, static_cast<off_t>(size)) != 0 && errno != EOPNOTSUPP) {
    return failed("allocate", errno);
  }
  // Readers want the pages they ask for: reading ahead is done from the store, by the volume.
  (void)::posix_fadvise(file_, 0, 0, POSIX_FADV_RANDOM);
  size_ = size;
  return {};
}

bool CacheFile::try_read(uint64_t offset, std::span<std::byte> target) noexcept {
  if (!can_try_) return false;
  iovec piece{target.data(), target.size()};
  ssize_t got = ::preadv2(file_, &piece, 1, static_cast<off_t>(offset), RWF_NOWAIT);
  if (got < 0 && errno == EOPNOTSUPP) can_try_ = false;
  return got == static_cast<ssize_t>(target.size());
}

Async<Buffer> CacheFile::read(uint64_t offset, size_t length) {
  auto work = [file = file_, offset, length] { return read_blocking(file, offset, length); };
  return offload<Buffer>(pool_, std::move(work));
}

Async<void> CacheFile::write(uint64_t offset, BufferList data) {
  auto work = [file = file_, offset, data = std::move(data)]() -> Result<void> {
    uint64_t at = offset;
    for (const Buffer& piece : data.pieces()) {
      Result<void> written = write_blocking(file, at, piece);
      if (!written) return written;
      at += piece.size();
    }
    return {};
  };
  return offload<void>(pool_, std::move(work));
}

Async<void> CacheFile::sync() {
  auto work = [file = file_]() -> Result<void> {
    if (::fdatasync(file) == 0) return {};
    return failed("sync", errno);
  };
  return offload<void>(pool_, std::move(work));
}

}  // namespace swiftness
