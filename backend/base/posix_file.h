// The few system calls that files are made of, with Results instead of errno. All of them block.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

#include "backend/base/buffer.h"
#include "backend/base/result.h"

namespace swiftness {

class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int number) : number_(number) {}
  FileDescriptor(FileDescriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~FileDescriptor();

  int number() const noexcept { return number_; }
  void release() noexcept { number_ = -1; }  // somebody else closes it

 private:
  int number_ = -1;
};

// What the system's error `code` means to whoever keeps data in files; `what` says what was tried.
// The same number may mean two things: a read that fails with EIO has lost data (corrupt), any
// other call that does has met a sick disk (unavailable).
Error system_error(int code, std::string_view what);
Error read_error(int code, std::string_view what);

Result<FileDescriptor> open_at(int folder, const char* name, int flags, unsigned mode = 0);
Result<void> write_all(int file, const BufferList& data);  // gathered, never flattened
Result<void> write_at(int file, uint64_t offset, const BufferList& data);
Result<void> read_exactly(int file, uint64_t offset, std::span<std::byte> target);
Result<void> copy_all(int from, int to, uint64_t size);
Result<void> sync(int file, std::string_view what);       // file or folder, to the medium
Result<void> sync_data(int file, std::string_view what);  // as far as reading them back needs

}  // namespace swiftness
