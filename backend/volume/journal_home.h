// JournalHome: where a volume's journal file is, and what becomes of one that must not be used.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "backend/base/local_file.h"
#include "backend/base/units.h"

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

// A file in a folder that exists; set aside it becomes path.aside-1, -2, ... Or a block device, all
// of it, which cannot be set aside: that is an Error that says what to do.
class JournalFile final : public JournalHome {
 public:
  JournalFile(std::filesystem::path file, ByteCount size) : path_(std::move(file)), size_(size) {}
  explicit JournalFile(std::filesystem::path device) : path_(std::move(device)) {}
  Async<std::unique_ptr<LocalFile>> open() override;
  Async<std::string> set_aside() override;

 private:
  const std::filesystem::path path_;
  const std::optional<ByteCount> size_;  // nothing: a device
};

}  // namespace swiftness
