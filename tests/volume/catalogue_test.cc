#include "backend/volume/catalogue.h"

#include <gtest/gtest.h>

#include "tests/volume/disk.h"

namespace swiftness {
namespace {

class CatalogueTest : public testing::Test {
 protected:
  Result<VolumeDescriptor> create(std::string name, uint64_t size = 1 << 20,
                                  uint32_t block_size = 512) {
    return run(shared_.io, create_volume(store_, std::move(name), ByteCount(size), block_size));
  }
  Result<VolumeDescriptor> find(std::string name) {
    return run(shared_.io, find_volume(store_, std::move(name)));
  }

  SharedStore shared_;
  FaultyStore store_{std::make_unique<MemoryStore>(shared_.io.get_executor(), shared_.contents),
                     shared_.io.get_executor(), 1};
};

TEST_F(CatalogueTest, FindsWhatItCreated) {
  Result<VolumeDescriptor> made = create("vm-disk", 1 << 30, 4096);
  ASSERT_TRUE(made.ok());
  Result<VolumeDescriptor> found = find("vm-disk");
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->uuid, made->uuid);
  EXPECT_EQ(found->created_size, ByteCount(1 << 30));
  EXPECT_EQ(found->block_size, 4096u);
  EXPECT_EQ(find("other").error().code(), ErrorCode::not_found);
}

TEST_F(CatalogueTest, NeverCreatesTwice) {
  ASSERT_TRUE(create("vm").ok());
  EXPECT_EQ(create("vm").error().code(), ErrorCode::conflict);
}

TEST_F(CatalogueTest, DoubtNeitherCreatesNorDenies) {
  store_.fail_next(StoreCall::presence, "volume/", 2);
  EXPECT_EQ(create("vm").error().code(), ErrorCode::unavailable);
  EXPECT_EQ(find("vm").error().code(), ErrorCode::unavailable);
  EXPECT_EQ(find("vm").error().code(), ErrorCode::not_found);
}

TEST_F(CatalogueTest, RefusesWhatCannotBe) {
  for (const char* name : {"", "-x", "UPPER", "a/b", "a b"}) {
    EXPECT_EQ(create(name).error().code(), ErrorCode::invalid) << name;
  }
  EXPECT_EQ(create("a", 0).error().code(), ErrorCode::invalid);
  EXPECT_EQ(create("a", 4097).error().code(), ErrorCode::invalid);
  EXPECT_EQ(create("a", (uint64_t{64} << 40) + 4096).error().code(), ErrorCode::invalid);
  EXPECT_EQ(create("a", 4096, 1024).error().code(), ErrorCode::invalid);
}

TEST_F(CatalogueTest, ListsThemAll) {
  EXPECT_TRUE(run(shared_.io, list_volumes(store_))->empty());
  ASSERT_TRUE(create("b").ok());
  ASSERT_TRUE(create("a").ok());
  Result<std::vector<VolumeDescriptor>> all = run(shared_.io, list_volumes(store_));
  ASSERT_TRUE(all.ok());
  ASSERT_EQ(all->size(), 2u);
  EXPECT_EQ((*all)[0].name, "a");
  EXPECT_EQ((*all)[1].name, "b");
}

}  // namespace
}  // namespace swiftness
