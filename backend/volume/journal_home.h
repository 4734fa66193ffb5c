// JournalHome: where a volume's journal file is, and what becomes of one that must not be used.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "backend/base/local_file.h"

namespace swiftness {

class JournalHome {
 public:
  virtual ~JournalHome() = default;

  // Makes the file where it is missing. unavailable: somebody else has it open.
  virtual Async<std::unique_ptr<LocalFile>> open() = 0;

  // Moves the file out of the way; the next open() makes a new one. Nobody has it open. Returns
  // where it is now, for an administrator.
  virtual Async<std::string> set_aside() = 0;
};

// A file `path` of `size` bytes in a folder that exists. Set aside it becomes path.aside-1, -2, ...
// A block device cannot be set aside.
class JournalFile final : public JournalHome {
 public:
  JournalFile(std::filesystem::path path, uint64_t size) : path_(std::move(path)), size_(size) {}
  Async<std::unique_ptr<LocalFile>> open() override;
  Async<std::string> set_aside() override;

 private:
  const std::filesystem::path path_;
  const uint64_t size_;  // bytes
};

}  // namespace swiftness
