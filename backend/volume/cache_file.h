// CacheFile: the read cache's file on the gateway's own disk. Blocking calls are made on a few
// threads of its own.
#pragma once

#include <boost/asio/thread_pool.hpp>

#include <filesystem>
#include <memory>

#include "backend/base/local_file.h"
#include "backend/base/posix_file.h"

namespace swiftness {

class CacheFile final : public LocalFile {
 public:
  // The file with so many bytes allocated, made where it is missing, with its folder. conflict:
  // another process uses it.
  static Async<std::unique_ptr<LocalFile>> open(std::filesystem::path path, uint64_t size);
  ~CacheFile() override;

  uint64_t size() const noexcept override { return size_; }
  bool try_read(uint64_t offset, std::span<std::byte> target) noexcept override;
  Async<Buffer> read(uint64_t offset, size_t length) override;
  Async<void> write(uint64_t offset, BufferList data) override;
  Async<void> sync() override;

 private:
  CacheFile();
  Result<void> open_blocking(const std::filesystem::path& path, uint64_t size);

  asio::thread_pool pool_;
  FileDescriptor file_;
  FileDescriptor direct_;  // the same file without the page cache; not every file system has that
  uint64_t size_ = 0;
  bool can_try_ = true;  // the file system knows RWF_NOWAIT
};

}  // namespace swiftness
