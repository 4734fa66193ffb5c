#include <gtest/gtest.h>

#include "backend/store_config.h"
#include "tests/store/store_contract.h"

namespace swiftness::test {
namespace {

TEST(OpenStore, OpensEveryKind) {
  asio::io_context io(1);
  ScratchFolder scratch;
  DirectoryStoreConfig directory{scratch.path() / "objects", "gw"};
  SwiftStoreConfig swift;
  swift.auth_urls = {"http://127.0.0.1:1/auth/v1.0"};  // nobody is there, and nobody is asked
  swift.auth = AuthV1Config{"test:tester", "testing"};
  for (const StoreConfig& config :
       {StoreConfig(directory), StoreConfig(MemoryStoreConfig{}), StoreConfig(swift)}) {
    Result<std::unique_ptr<ObjectStore>> store = open_store(config, io.get_executor());
    ASSERT_TRUE(store.ok()) << store.error().message();
    EXPECT_NE(*store, nullptr);
  }
  EXPECT_TRUE(std::filesystem::is_directory(directory.path));
}

TEST(OpenStore, SaysWhatCannotGetBetter) {
  asio::io_context io(1);
  EXPECT_EQ(code_of(open_store(DirectoryStoreConfig{"/dev/null/objects", ""}, io.get_executor())),
            ErrorCode::invalid);
  SwiftStoreConfig swift;
  swift.auth_urls = {"no URL"};
  EXPECT_EQ(code_of(open_store(swift, io.get_executor())), ErrorCode::invalid);
}

}  // namespace
}  // namespace swiftness::test
