// LocalDisk: the LocalFile of production: a preallocated file, or a block device as a whole.
//
// It is locked (flock) against everybody who does the same, in this process and others, as long as
// it is open. Two threads of its own do the work, so that writes go on beside a sync.
#pragma once

#include <boost/asio/thread_pool.hpp>

#include <string>

#include "backend/base/local_file.h"
#include "backend/base/posix_file.h"

namespace swiftness {

class LocalDisk final : public LocalFile {
 public:
  static constexpr uint64_t kDevice = 0;  // the size of whatever is there, a block device

  // Makes the file where it is missing, in a folder that exists, and allocates every byte: later
  // writes cannot run out of space. A shorter file is made longer; a longer one keeps its size.
  // With kDevice it must be a block device, without only a file will do. unavailable: somebody else
  // has it open.
  static Async<std::unique_ptr<LocalDisk>> open(std::filesystem::path path, uint64_t size);

  uint64_t size() const noexcept override { return size_; }
  Async<Buffer> read(uint64_t offset, size_t length) override;
  Async<void> write(uint64_t offset, BufferList data) override;
  Async<void> sync() override;

 private:
  explicit LocalDisk(std::filesystem::path path) : path_(std::move(path)), pool_(4) {}
  Result<void> prepare(uint64_t size);
  Result<bool> open_or_create(uint64_t size);  // whether it was made
  Result<void> lock();
  Result<void> allocate(uint64_t size);
  Error within_path(const Error& error) const { return error.within(path_.native()); }

  const std::filesystem::path path_;
  FileDescriptor file_;
  uint64_t size_ = 0;
  asio::thread_pool pool_;
};

}  // namespace swiftness
