#include "backend/base/posix_file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <limits.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

namespace swiftness {
namespace {

ErrorCode meaning_of(int code) {
  switch (code) {
    case ENOENT:
      return ErrorCode::not_found;
    case EEXIST:
      return ErrorCode::conflict;
    case ENOSPC:
    case EDQUOT:
      return ErrorCode::out_of_space;
    case EACCES:
    case EPERM:
      return ErrorCode::unauthorized;
    case EBADMSG:  // a file system's own checksums: ext4, XFS, Btrfs
    case EUCLEAN:
    case EILSEQ:
      return ErrorCode::corrupt;
    case ENAMETOOLONG:
    case EFBIG:
    case EISDIR:
    case ENOTDIR:
    case ELOOP:
      return ErrorCode::invalid;
    case ETIMEDOUT:
      return ErrorCode::timed_out;
    default:
      return ErrorCode::unavailable;
  }
}

// Moves the front of `pieces` on by what one writev took.
void advance(std::span<iovec>& pieces, size_t written) {
  while (!pieces.empty() && written >= pieces.front().iov_len) {
    written -= pieces.front().iov_len;
    pieces = pieces.subspan(1);
  }
  if (pieces.empty()) return;
  pieces.front().iov_base = static_cast<std::byte*>(pieces.front().iov_base) + written;
  pieces.front().iov_len -= written;
}

// In bytes. A system call is not preempted on many kernels (CONFIG_PREEMPT_NONE): of megabytes to
// copy, it would keep the event loop waiting for its processor.
constexpr size_t kMostAtOnce = 256 * 1024;

// `write(pieces)` is writev or one of its kind; it is called until all is written.
template <class Write>
Result<void> write_gathered(const BufferList& data, Write write) {
  std::array<iovec, IOV_MAX> batch;
  const std::vector<Buffer>& pieces = data.pieces();
  size_t piece = 0, offset = 0;  // what is next
  while (piece < pieces.size()) {
    size_t count = 0, bytes = 0;
    while (piece < pieces.size() && count < batch.size() && bytes < kMostAtOnce) {
      const std::span<const std::byte> rest = pieces[piece].bytes().subspan(offset);
      const size_t taken = std::min(rest.size(), kMostAtOnce - bytes);
      batch[count++] = {const_cast<std::byte*>(rest.data()), taken};
      bytes += taken;
      offset += taken;
      if (taken < rest.size()) break;
      ++piece;
      offset = 0;
    }
    std::span<iovec> left = std::span(batch).first(count);
    while (!left.empty()) {
      const ssize_t written = write(left);
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return system_error(errno, "write");
      if (written == 0) return system_error(EIO, "write");  // takes nothing, for no reason
      advance(left, static_cast<size_t>(written));
    }
  }
  return {};
}

}  // namespace

FileDescriptor::~FileDescriptor() {
  if (number_ >= 0) ::close(number_);  // nothing is lost by its error: what counts was synced
}

Error system_error(int code, std::string_view what) {
  return Error(meaning_of(code),
               fmt::format("{}: {}", what, std::generic_category().message(code)));
}

Error read_error(int code, std::string_view what) {
  if (code != EIO) return system_error(code, what);
  return Error(ErrorCode::corrupt, fmt::format("{}: the disk cannot read it back", what));
}

Result<FileDescriptor> open_at(int folder, const char* name, int flags, unsigned mode) {
  int number = -1;
  do {
    number = ::openat(folder, name, flags | O_CLOEXEC, mode);
  } while (number < 0 && errno == EINTR);
  if (number < 0) return system_error(errno, name);
  return FileDescriptor(number);
}

Result<void> write_all(int file, const BufferList& data) {
  return write_gathered(data, [file](std::span<iovec> pieces) {
    return ::writev(file, pieces.data(), static_cast<int>(pieces.size()));
  });
}

Result<void> write_at(int file, uint64_t offset, const BufferList& data) {
  return write_gathered(data, [file, offset](std::span<iovec> pieces) mutable {
    const ssize_t written =
        ::pwritev(file, pieces.data(), static_cast<int>(pieces.size()), static_cast<off_t>(offset));
    if (written > 0) offset += static_cast<size_t>(written);
    return written;
  });
}

Result<void> read_exactly(int file, uint64_t offset, std::span<std::byte> target) {
  while (!target.empty()) {
    const size_t wanted = std::min(target.size(), kMostAtOnce);
    ssize_t got = ::pread(file, target.data(), wanted, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return read_error(errno, "read");
    if (got == 0) return Error(ErrorCode::corrupt, "the file ended before its end");
    offset += static_cast<size_t>(got);
    target = target.subspan(static_cast<size_t>(got));
  }
  return {};
}

Result<void> copy_all(int from, int to, uint64_t size) {
  while (size > 0) {
    ssize_t copied = ::copy_file_range(from, nullptr, to, nullptr, size, 0);
    if (copied < 0 && errno == EINTR) continue;
    if (copied < 0) return system_error(errno, "copy");
    if (copied == 0) return Error(ErrorCode::corrupt, "the file ended before its end");
    size -= static_cast<uint64_t>(copied);
  }
  return {};
}

Result<void> sync(int file, std::string_view what) {
  // No second try: after a failed fsync the kernel may have dropped the data and would say "done".
  if (::fsync(file) == 0) return {};
  return system_error(errno, what);
}

Result<void> sync_data(int file, std::string_view what) {
  if (::fdatasync(file) == 0) return {};  // no second try here either
  return system_error(errno, what);
}

}  // namespace swiftness
