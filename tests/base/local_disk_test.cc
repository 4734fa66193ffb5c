#include "backend/base/local_disk.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "tests/gateway/temporary_folder.h"
#include "tests/support/run.h"

namespace swiftness {
namespace {

namespace fs = std::filesystem;

struct LocalDiskTest : testing::Test {
  asio::io_context io;
  TemporaryFolder folder;
  const fs::path path = folder.path() / "journal";

  Result<std::unique_ptr<LocalDisk>> open(const fs::path& at, uint64_t size) {
    return run(io, LocalDisk::open(at, size));
  }
  std::unique_ptr<LocalDisk> opened(uint64_t size) {
    Result<std::unique_ptr<LocalDisk>> disk = open(path, size);
    CHECK(disk.ok());
    return std::move(*disk);
  }
};

TEST_F(LocalDiskTest, AllocatesEveryByteWhenItIsMade) {
  auto disk = opened(3 << 20);
  EXPECT_EQ(disk->size(), 3U << 20);
  struct stat found {};
  ASSERT_EQ(::stat(path.c_str(), &found), 0);
  EXPECT_EQ(found.st_size, 3 << 20);
  EXPECT_GE(found.st_blocks * 512, 3 << 20);
  EXPECT_EQ(found.st_mode & 0777, 0600U);
  Result<Buffer> end = run(io, disk->read((3 << 20) - 512, 512));
  ASSERT_TRUE(end.ok());
  EXPECT_EQ(BufferList(*end), BufferList(Buffer::zeros(512)));
}

TEST_F(LocalDiskTest, KeepsWhatWasWritten) {
  BufferList data;
  for (int i = 0; i < 3000; ++i) data.append(Buffer::copy_of(std::string(512, char('a' + i % 26))));
  for (const size_t size : {300'000, 7, 1'000'001, 262'144, 262'145}) {  // more than one call takes
    std::string text(size, ' ');
    for (size_t i = 0; i < size; ++i) text[i] = static_cast<char>((i + size) % 251);
    data.append(Buffer::copy_of(text));
  }
  {
    auto disk = opened(4 << 20);
    ASSERT_TRUE(run(io, disk->write(1024, data)).ok());
    ASSERT_TRUE(run(io, disk->sync()).ok());
    Result<Buffer> back = run(io, disk->read(1024, data.size()));
    ASSERT_TRUE(back.ok());
    EXPECT_EQ(BufferList(*back), data);
  }
  auto again = opened(4 << 20);
  Result<Buffer> back = run(io, again->read(1024, data.size()));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(BufferList(*back), data);
}

TEST_F(LocalDiskTest, GrowsButNeverShrinks) {
  {
    auto disk = opened(1 << 20);
    ASSERT_TRUE(run(io, disk->write(0, Buffer::copy_of(std::string(512, 'x')))).ok());
  }
  {
    auto grown = opened(2 << 20);
    EXPECT_EQ(grown->size(), 2U << 20);
    Result<Buffer> kept = run(io, grown->read(0, 512));
    ASSERT_TRUE(kept.ok());
    EXPECT_EQ(kept->text(), std::string(512, 'x'));
  }
  auto not_shrunk = opened(1 << 20);
  EXPECT_EQ(not_shrunk->size(), 2U << 20);
}

TEST_F(LocalDiskTest, IsLockedWhileItIsOpen) {
  auto disk = opened(1 << 20);
  Result<std::unique_ptr<LocalDisk>> second = open(path, 1 << 20);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code(), ErrorCode::unavailable);
  EXPECT_NE(second.error().message().find(path.native()), std::string::npos);
  EXPECT_NE(second.error().message().find("in use"), std::string::npos);
  disk.reset();
  EXPECT_TRUE(open(path, 1 << 20).ok());
}

TEST_F(LocalDiskTest, IsNotInheritedByChildren) {
  auto disk = opened(1 << 20);
  int seen = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator("/proc/self/fd")) {
    std::error_code ignored;
    if (fs::read_symlink(entry.path(), ignored) != path) continue;
    ++seen;
    const int number = std::stoi(entry.path().filename());
    EXPECT_NE(::fcntl(number, F_GETFD) & FD_CLOEXEC, 0);
  }
  EXPECT_EQ(seen, 1);
}

TEST_F(LocalDiskTest, SaysWhatFailedAndWhere) {
  Result<std::unique_ptr<LocalDisk>> no_folder = open(folder.path() / "none" / "journal", 4096);
  ASSERT_FALSE(no_folder.ok());
  EXPECT_NE(no_folder.error().message().find("/none/journal: open"), std::string::npos);
  EXPECT_NE(no_folder.error().message().find("No such file or directory"), std::string::npos);

  Result<std::unique_ptr<LocalDisk>> a_folder = open(folder.path(), 4096);
  ASSERT_FALSE(a_folder.ok());
  EXPECT_NE(a_folder.error().message().find("Is a directory"), std::string::npos);

  // Of its own folder: a bug in opening must find nothing of the machine's to spoil.
  const fs::path fifo = folder.path() / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  Result<std::unique_ptr<LocalDisk>> a_fifo = open(fifo, 4096);
  ASSERT_FALSE(a_fifo.ok());
  EXPECT_EQ(a_fifo.error().message(), fifo.native() + ": not a file");
}

TEST_F(LocalDiskTest, ADeviceIsNeverMadeNorIsAFileTakenForOne) {
  Result<std::unique_ptr<LocalDisk>> missing = open(path, LocalDisk::kDevice);
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code(), ErrorCode::not_found) << missing.error().message();
  EXPECT_FALSE(fs::exists(path));
  std::ofstream(path) << "somebody's";
  Result<std::unique_ptr<LocalDisk>> a_file = open(path, LocalDisk::kDevice);
  ASSERT_FALSE(a_file.ok());
  EXPECT_EQ(a_file.error().message(), path.native() + ": not a block device");
  EXPECT_EQ(fs::file_size(path), 10u);
}

TEST_F(LocalDiskTest, LeavesNothingBehindWhenThereIsNoSpace) {
  Result<std::unique_ptr<LocalDisk>> huge = open(path, uint64_t{1} << 60);
  ASSERT_FALSE(huge.ok());
  EXPECT_FALSE(fs::exists(path)) << huge.error().message();
}

TEST_F(LocalDiskTest, AnExistingFileThatCannotGrowStays) {
  std::ofstream(path) << "data";
  EXPECT_FALSE(open(path, uint64_t{1} << 60).ok());
  EXPECT_TRUE(fs::exists(path));
}

TEST_F(LocalDiskTest, ReadFailsWhereTheFileWasCut) {
  auto disk = opened(1 << 20);
  ASSERT_EQ(::truncate(path.c_str(), 4096), 0);
  Result<Buffer> cut = run(io, disk->read(8192, 512));
  ASSERT_FALSE(cut.ok());
  EXPECT_EQ(cut.error().code(), ErrorCode::corrupt);
  EXPECT_NE(cut.error().message().find(path.native()), std::string::npos);
}

}  // namespace
}  // namespace swiftness
