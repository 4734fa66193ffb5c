#include "backend/volume/cache_file.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include "tests/support/run.h"
#include "tests/volume/disk.h"

namespace swiftness {
namespace {

namespace fs = std::filesystem;

class CacheFileTest : public testing::Test {
 protected:
  CacheFileTest() {
    std::string path = fs::temp_directory_path() / "swiftness.XXXXXX";
    folder_ = ::mkdtemp(path.data());
  }
  ~CacheFileTest() override { fs::remove_all(folder_); }

  Result<std::unique_ptr<LocalFile>> open(uint64_t size) {
    return run(io_, CacheFile::open(folder_ / "cache" / "file", size));
  }

  asio::io_context io_;
  fs::path folder_;
};

TEST_F(CacheFileTest, KeepsWhatIsWritten) {
  {
    Result<std::unique_ptr<LocalFile>> file = open(1 << 20);
    ASSERT_TRUE(file.ok()) << file.error().message();
    EXPECT_EQ((*file)->size(), 1u << 20);
    BufferList data(pattern(0, 8, 1));
    data.append(pattern(8, 8, 1));
    ASSERT_TRUE(run(io_, (*file)->write(4096, data)).ok());
    ASSERT_TRUE(run(io_, (*file)->sync()).ok());
  }
  Result<std::unique_ptr<LocalFile>> again = open(1 << 20);
  ASSERT_TRUE(again.ok());
  Result<Buffer> data = run(io_, (*again)->read(4096, 8192));
  ASSERT_TRUE(data.ok());
  EXPECT_TRUE(BufferList(*data) == BufferList(pattern(0, 16, 1)));
  Buffer at_once = Buffer::allocate(4096);
  ASSERT_TRUE((*again)->try_read(8192, at_once.writable())) << "it was read just now";
  EXPECT_TRUE(BufferList(at_once) == BufferList(pattern(8, 8, 1)));
}

TEST_F(CacheFileTest, BelongsToOne) {
  Result<std::unique_ptr<LocalFile>> file = open(1 << 20);
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(open(1 << 20).error().code(), ErrorCode::conflict);
}

TEST_F(CacheFileTest, TakesItsNewSize) {
  ASSERT_TRUE(open(2 << 20).ok());
  ASSERT_TRUE(open(1 << 20).ok());
  EXPECT_EQ(fs::file_size(folder_ / "cache" / "file"), 1u << 20);
}

TEST_F(CacheFileTest, SaysWhyItCannotBeOpened) {
  fs::create_directories(folder_ / "cache" / "file");
  EXPECT_EQ(open(1 << 20).error().message(), "open: Is a directory");
}

TEST_F(CacheFileTest, ReadsBehindTheEndAreErrors) {
  Result<std::unique_ptr<LocalFile>> file = open(1 << 20);
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(run(io_, (*file)->read((1 << 20) - 512, 1024)).error().code(), ErrorCode::corrupt);
  Buffer target = Buffer::allocate(1024);
  EXPECT_FALSE((*file)->try_read((1 << 20) - 512, target.writable()));
}

}  // namespace
}  // namespace swiftness
