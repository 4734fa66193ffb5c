// The order in which DirectoryStore asks the disk for things, and what it makes of a refusal.
//
// The system calls that matter are replaced for this whole program: they note what is done, fail or
// fall short when told to, and otherwise go to the kernel as ever.
#include <fcntl.h>
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <functional>
#include <mutex>
#include <utility>

#include "backend/store/directory_files.h"
#include "tests/store/store_contract.h"

namespace swiftness::test {
namespace {

class DiskCalls {
 public:
  void start() {
    std::lock_guard lock(mutex_);
    noted_.clear();
    noting_ = true;
  }
  std::vector<std::string> stop() {
    std::lock_guard lock(mutex_);
    noting_ = false;
    return noted_;
  }
  void note(std::string what) {
    std::lock_guard lock(mutex_);
    if (noting_) noted_.push_back(std::move(what));
  }

  std::atomic<int> file_sync_error{0};    // errno of fsync on a file
  std::atomic<int> folder_sync_error{0};  // on a folder
  std::atomic<int> read_error{0};
  std::atomic<size_t> most_at_once{SIZE_MAX};  // bytes one read or write does
  std::atomic<bool> file_ends_early{false};
  std::atomic<int> lose_before_lock{0};  // files to remove just before their writer locks them
  std::function<void()> after_next_read;

 private:
  std::mutex mutex_;
  bool noting_ = false;
  std::vector<std::string> noted_;
};

DiskCalls disk;

// Temporary files by a fixed name: their own is random.
std::string plain(const char* name) {
  return std::string_view(name).starts_with(".tmp-") ? "temporary" : name;
}

int failed_with(int code) {
  errno = code;
  return -1;
}

}  // namespace
}  // namespace swiftness::test

using swiftness::test::disk;

extern "C" int fsync(int file) {
  struct stat status;
  bool folder = ::fstat(file, &status) == 0 && S_ISDIR(status.st_mode);
  disk.note(folder ? "sync folder" : "sync file");
  int code = folder ? disk.folder_sync_error : disk.file_sync_error;
  if (code != 0) return swiftness::test::failed_with(code);
  return static_cast<int>(::syscall(SYS_fsync, file));
}

extern "C" int renameat(int from_folder, const char* from, int to_folder, const char* to) noexcept {
  disk.note(fmt::format("rename {} {}", swiftness::test::plain(from), to));
  return static_cast<int>(::syscall(SYS_renameat2, from_folder, from, to_folder, to, 0));
}

extern "C" int linkat(int from_folder, const char* from, int to_folder, const char* to,
                      int flags) noexcept {
  disk.note(fmt::format("link {} {}", swiftness::test::plain(from), to));
  return static_cast<int>(::syscall(SYS_linkat, from_folder, from, to_folder, to, flags));
}

extern "C" int unlinkat(int folder, const char* name, int flags) noexcept {
  disk.note(fmt::format("unlink {}", swiftness::test::plain(name)));
  return static_cast<int>(::syscall(SYS_unlinkat, folder, name, flags));
}

extern "C" int mkdirat(int folder, const char* name, mode_t mode) noexcept {
  disk.note(fmt::format("mkdir {}", name));
  return static_cast<int>(::syscall(SYS_mkdirat, folder, name, mode));
}

extern "C" int flock(int file, int operation) noexcept {
  if (disk.lose_before_lock > 0) {
    --disk.lose_before_lock;
    std::filesystem::remove(std::filesystem::read_symlink(fmt::format("/proc/self/fd/{}", file)));
  }
  return static_cast<int>(::syscall(SYS_flock, file, operation));
}

extern "C" ssize_t writev(int file, const iovec* pieces, int count) {
  if (disk.most_at_once == SIZE_MAX) return ::syscall(SYS_writev, file, pieces, count);
  size_t most = std::min(disk.most_at_once.load(), pieces->iov_len);
  return ::syscall(SYS_write, file, pieces->iov_base, most);
}

extern "C" ssize_t pread(int file, void* target, size_t size, off_t offset) {
  if (disk.read_error != 0) return swiftness::test::failed_with(disk.read_error);
  if (disk.file_ends_early && offset > 0) return 0;
  ssize_t got =
      ::syscall(SYS_pread64, file, target, std::min(size, disk.most_at_once.load()), offset);
  if (auto then = std::exchange(disk.after_next_read, nullptr)) then();
  return got;
}

namespace swiftness::test {
namespace {

using Answers = std::vector<Presence>;
using Steps = std::vector<std::string>;

class DirectoryDurability : public testing::Test {
 protected:
  DirectoryDurability() {
    files_ = std::move(*DirectoryFiles::open(root_, ""));
    EXPECT_TRUE(files_->create_container("box").ok());
  }
  ~DirectoryDurability() override {
    disk.file_sync_error = 0;
    disk.folder_sync_error = 0;
    disk.read_error = 0;
    disk.most_at_once = SIZE_MAX;
    disk.file_ends_early = false;
    disk.lose_before_lock = 0;
    disk.after_next_read = nullptr;
  }

  Result<void> put(const ObjectName& object, std::string_view text, bool create_only = false) {
    PutOptions options;
    options.create_only = create_only;
    return files_->put(object, Buffer::copy_of(text), options);
  }
  std::string text(const ObjectName& object) {
    Result<Buffer> data = files_->get(object, ByteRange::whole());
    return data ? std::string(data->text()) : std::string(to_string(data.error().code()));
  }
  size_t files_there() const {
    std::filesystem::directory_iterator entries(root_ / "box");
    return static_cast<size_t>(std::distance(begin(entries), end(entries)));
  }

  ScratchFolder scratch_;
  std::filesystem::path root_ = scratch_.path() / "store";
  std::unique_ptr<DirectoryFiles> files_;
};

TEST_F(DirectoryDurability, DataBeforeNameBeforeSuccess) {
  disk.start();
  ASSERT_TRUE(put(kA, "a").ok());
  EXPECT_EQ(disk.stop(), (Steps{"sync file", "rename temporary a", "sync folder"}));
  disk.start();
  ASSERT_TRUE(put(kB, "b", true).ok());
  EXPECT_EQ(disk.stop(),
            (Steps{"sync file", "link temporary b", "sync folder", "unlink temporary"}));
  disk.start();
  ASSERT_TRUE(files_->copy(kA, kB).ok());
  EXPECT_EQ(disk.stop(), (Steps{"sync file", "rename temporary b", "sync folder"}));
}

TEST_F(DirectoryDurability, AConflictIsAboutADurableObject) {
  ASSERT_TRUE(put(kA, "a").ok());
  disk.start();
  EXPECT_EQ(code_of(put(kA, "b", true)), ErrorCode::conflict);
  EXPECT_EQ(disk.stop(),
            (Steps{"sync file", "link temporary a", "sync folder", "unlink temporary"}));
}

TEST_F(DirectoryDurability, RemovalsAreSyncedOncePerContainer) {
  ASSERT_TRUE(put(kA, "a").ok());
  ASSERT_TRUE(put(kB, "b").ok());
  disk.start();
  EXPECT_TRUE(files_->remove({kA, kB}).failures.empty());
  EXPECT_EQ(disk.stop(), (Steps{"unlink a", "unlink b", "sync folder"}));
}

TEST_F(DirectoryDurability, FoldersAreSyncedInTheFolderTheyAreMadeIn) {
  disk.start();
  auto files = std::move(*DirectoryFiles::open(scratch_.path() / "one" / "two", ""));
  EXPECT_EQ(disk.stop(), (Steps{"mkdir one", "sync folder", "mkdir two", "sync folder"}));
  disk.start();
  ASSERT_TRUE(files->create_container("box").ok());
  EXPECT_EQ(disk.stop(),
            (Steps{"mkdir box", "sync folder",  // the container
                   "sync folder",               // its first use
                   "sync file", "link temporary anchor", "sync folder", "unlink temporary"}));
}

// A process that dies after its rename leaves an object everybody sees and no power cut respects.
TEST_F(DirectoryDurability, WhatADeadProcessLeftIsSyncedBeforeItIsSeen) {
  ASSERT_TRUE(put(kA, "a").ok());
  files_ = std::move(*DirectoryFiles::open(root_, ""));
  disk.start();
  EXPECT_EQ(text(kA), "a");
  EXPECT_EQ(text(kA), "a");
  EXPECT_EQ(disk.stop(), Steps{"sync folder"});

  files_ = std::move(*DirectoryFiles::open(root_, ""));
  disk.folder_sync_error = EIO;
  EXPECT_EQ(text(kA), "unavailable");
  EXPECT_EQ(files_->presence("box", {"a", "b"}), (Answers(2, Presence::unknown)));
}

TEST_F(DirectoryDurability, DataThatCannotBeSyncedIsNotStored) {
  ASSERT_TRUE(put(kA, "old").ok());
  disk.file_sync_error = EIO;
  EXPECT_EQ(code_of(put(kA, "new")), ErrorCode::unavailable);
  EXPECT_EQ(code_of(put(kB, "new", true)), ErrorCode::unavailable);
  EXPECT_EQ(code_of(files_->copy(kA, kB)), ErrorCode::unavailable);
  disk.file_sync_error = ENOSPC;  // delayed allocation tells late
  EXPECT_EQ(code_of(put(kA, "new")), ErrorCode::out_of_space);
  EXPECT_EQ(text(kA), "old");
  EXPECT_EQ(text(kB), "not found");
  EXPECT_EQ(files_there(), 2u);
}

TEST_F(DirectoryDurability, ANameThatCannotBeSyncedIsNoSuccess) {
  ASSERT_TRUE(put(kA, "a").ok());
  disk.folder_sync_error = EIO;
  EXPECT_EQ(code_of(put(kA, "a")), ErrorCode::unavailable);
  EXPECT_EQ(code_of(put(kB, "b", true)), ErrorCode::unavailable);
  EXPECT_EQ(code_of(put(kB, "b", true)), ErrorCode::unavailable) << "conflict would vouch for it";
  EXPECT_EQ(files_->remove({kA, kB}).failures.size(), 2u);
}

TEST_F(DirectoryDurability, WhatTheDiskCannotReadIsCorrupt) {
  ASSERT_TRUE(put(kA, "0123456789").ok());
  disk.read_error = EIO;
  EXPECT_EQ(text(kA), "corrupt");
  EXPECT_EQ(files_->presence("box", {"b"}), Answers{Presence::unknown}) << "nor can the anchor be";
  disk.read_error = 0;
  disk.most_at_once = 4;
  disk.file_ends_early = true;
  EXPECT_EQ(text(kA), "corrupt");
}

// Another process, starting, may take a file for a leftover that is not locked yet.
TEST_F(DirectoryDurability, ANewFileTakenAwayIsMadeAgain) {
  disk.lose_before_lock = 3;
  EXPECT_TRUE(put(kA, "a").ok());
  EXPECT_EQ(text(kA), "a");
  disk.lose_before_lock = 1000;
  EXPECT_EQ(code_of(put(kB, "b")), ErrorCode::unavailable);
  EXPECT_LT(1000 - disk.lose_before_lock, 20);
}

TEST_F(DirectoryDurability, AContainerThatVanishesDuringTheLookIsDoubt) {
  ASSERT_TRUE(put(kA, "a").ok());
  EXPECT_EQ(files_->presence("box", {"b"}), Answers{Presence::no});
  disk.after_next_read = [this] { std::filesystem::rename(root_ / "box", root_ / "aside"); };
  EXPECT_EQ(files_->presence("box", {"a", "b"}), (Answers(2, Presence::unknown)));
}

TEST_F(DirectoryDurability, ShortReadsAndWritesAreGoneOnWith) {
  BufferList pieces;
  for (const char* piece : {"0123456789", "a", "bcd", "efghijklmnop"}) {
    pieces.append(Buffer::copy_of(piece));
  }
  for (size_t most : {1u, 3u, 7u}) {
    disk.most_at_once = most;
    ASSERT_TRUE(files_->put(kA, pieces, {}).ok());
    EXPECT_EQ(text(kA), "0123456789abcdefghijklmnop");
  }
}

}  // namespace
}  // namespace swiftness::test
