#include "backend/volume/journal_home.h"

#include <fmt/format.h>

#include <system_error>

#include "backend/base/local_disk.h"

namespace swiftness {

Async<std::unique_ptr<LocalFile>> JournalFile::open() {
  const uint64_t size = size_ ? size_->value() : LocalDisk::kDevice;
  Result<std::unique_ptr<LocalDisk>> disk = co_await LocalDisk::open(path_, size);
  if (!disk) co_return disk.error();
  co_return std::unique_ptr<LocalFile>(std::move(*disk));
}

Async<std::string> JournalFile::set_aside() {
  std::error_code failed;
  if (!size_) {
    co_return Error(
        ErrorCode::invalid,
        fmt::format("device {0} is not overwritten. If nobody needs what it holds, clear "
                    "its beginning (blkdiscard --zeroout --length 1MiB {0})",
                    path_.native()));
  }
  for (int i = 1;; ++i) {
    const std::filesystem::path aside = fmt::format("{}.aside-{}", path_.native(), i);
    if (std::filesystem::exists(aside, failed)) continue;
    std::filesystem::rename(path_, aside, failed);
    if (failed) {
      co_return Error(ErrorCode::unavailable,
                      fmt::format("cannot rename {}: {}", path_.native(), failed.message()));
    }
    co_return aside.native();
  }
}

}  // namespace swiftness
