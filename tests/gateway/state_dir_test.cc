#include "target/gateway/state_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/gateway/temporary_folder.h"

namespace swiftness {
namespace {

using testing::HasSubstr;

RememberedVolume disk() {
  RememberedVolume volume;
  volume.store = "here";
  volume.descriptor = {"disk", Uuid::random(), ByteCount(1ULL << 30), 4096, 1'790'000'000};
  return volume;
}

std::unique_ptr<StateDir> open(const std::filesystem::path& path) {
  Result<std::unique_ptr<StateDir>> opened = StateDir::open(path);
  EXPECT_TRUE(opened);
  return std::move(*opened);
}

TEST(StateDir, RemembersAVolumeAcrossRuns) {
  TemporaryFolder folder;
  RememberedVolume volume = disk();
  {
    auto state = open(folder.path() / "new" / "state");
    Result<std::optional<RememberedVolume>> nothing = state->recall("disk");
    ASSERT_TRUE(nothing);
    EXPECT_FALSE(*nothing);
    ASSERT_TRUE(state->remember(volume));
  }
  auto state = open(folder.path() / "new" / "state");
  Result<std::optional<RememberedVolume>> recalled = state->recall("disk");
  ASSERT_TRUE(recalled && *recalled);
  EXPECT_EQ((*recalled)->store, "here");
  EXPECT_EQ((*recalled)->descriptor.uuid, volume.descriptor.uuid);
  EXPECT_EQ((*recalled)->descriptor.created_size, volume.descriptor.created_size);
  EXPECT_EQ((*recalled)->descriptor.block_size, 4096u);
  EXPECT_EQ((*recalled)->descriptor.created_at, volume.descriptor.created_at);
}

TEST(StateDir, ADamagedMemoryIsNotAnEmptyOne) {
  TemporaryFolder folder;
  auto state = open(folder.path());
  for (const char* text : {"", "{", "{\"format\":1}", "{\"format\":2}", "[1]"}) {
    std::ofstream(state->file_of("disk")) << text;
    Result<std::optional<RememberedVolume>> recalled = state->recall("disk");
    ASSERT_FALSE(recalled) << text;
    EXPECT_EQ(recalled.error().code(), ErrorCode::corrupt);
    EXPECT_THAT(recalled.error().message(), HasSubstr("volumes/disk.json"));
  }
  ASSERT_TRUE(state->remember(disk()));
  std::filesystem::copy_file(state->file_of("disk"), state->file_of("other"));
  EXPECT_FALSE(state->recall("other")) << "the file is another volume's";
}

TEST(StateDir, IsOneGateways) {
  TemporaryFolder folder;
  auto first = open(folder.path());
  Result<std::unique_ptr<StateDir>> second = StateDir::open(folder.path());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), ErrorCode::conflict);
  EXPECT_THAT(second.error().message(),
              HasSubstr("another gateway (process " + std::to_string(::getpid()) + ")"));
  first.reset();
  EXPECT_TRUE(StateDir::open(folder.path()));
}

TEST(StateDir, SaysWhichFolderCannotBe) {
  TemporaryFolder folder;
  std::ofstream(folder.path() / "file") << "x";
  Result<std::unique_ptr<StateDir>> opened = StateDir::open(folder.path() / "file" / "state");
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message(), HasSubstr("gateway.state_dir"));
}

}  // namespace
}  // namespace swiftness
