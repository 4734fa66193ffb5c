// What DirectoryStore leaves on the disk, and how it takes what the disk does to it.
#include "backend/store/directory_store.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "backend/base/posix_file.h"
#include "backend/store/file_name.h"
#include "tests/store/store_contract.h"

namespace swiftness::test {
namespace {

namespace fs = std::filesystem;
using Answers = std::vector<Presence>;
using Names = std::vector<std::string>;

class DirectoryStoreTest : public testing::Test {
 protected:
  DirectoryStoreTest() { reopen(); }

  void reopen() {
    user_.reset();
    store_.reset();
    store_ = std::move(*DirectoryStore::open({root_, "gw"}));
    user_.emplace(io_, *store_);
  }
  fs::path box() const { return root_ / "gw-box"; }

  static Names files_in(const fs::path& folder) {
    Names names;
    for (const auto& entry : fs::directory_iterator(folder))
      names.push_back(entry.path().filename());
    std::sort(names.begin(), names.end());
    return names;
  }
  static void write_file(const fs::path& path, std::string_view text) {
    std::ofstream(path, std::ios::binary) << text;
  }

  ScratchFolder scratch_;
  fs::path root_ = scratch_.path() / "store";
  asio::io_context io_{1};
  std::unique_ptr<DirectoryStore> store_;
  std::optional<StoreUser> user_;
};

TEST_F(DirectoryStoreTest, KeepsObjectsInOneFolderPerContainer) {
  ASSERT_TRUE(user_->create_container("box").ok());
  ASSERT_TRUE(user_->put({"box", "chunk/1-ab/7"}, "seven").ok());
  ASSERT_TRUE(user_->put_new({"box", "chunk/1-ab/8"}, "eight").ok());
  ASSERT_TRUE(user_->copy({"box", "chunk/1-ab/7"}, {"box", "copy"}).ok());
  EXPECT_EQ(files_in(root_), Names{"gw-box"});
  EXPECT_EQ(files_in(box()), (Names{"anchor", "chunk%2F1-ab%2F7", "chunk%2F1-ab%2F8", "copy"}))
      << "and no temporary file";
  reopen();
  EXPECT_EQ(user_->text({"box", "chunk/1-ab/7"}), "seven");
}

TEST_F(DirectoryStoreTest, NothingEscapesItsFolder) {
  ASSERT_TRUE(user_->create_container("box").ok());
  ASSERT_TRUE(user_->create_container("..").ok());
  const Names kTricky = {".",      "..",  "../escaped", "../../escaped", "/etc/escaped",
                         ".tmp-1", "a//b"};
  for (const std::string& name : kTricky) {
    ASSERT_TRUE(user_->put({"box", name}, name).ok()) << name;
    EXPECT_EQ(user_->text({"box", name}), name);
  }
  Names listed = user_->names("box");
  for (const std::string& name : kTricky) {
    EXPECT_TRUE(std::find(listed.begin(), listed.end(), name) != listed.end()) << name;
  }
  EXPECT_EQ(files_in(scratch_.path()), Names{"store"});
  EXPECT_EQ(files_in(root_), (Names{"gw-..", "gw-box"}));
  reopen();
  EXPECT_EQ(user_->text({"box", ".tmp-1"}), ".tmp-1") << "an object, not a leftover";
}

TEST_F(DirectoryStoreTest, RefusesNamesTheContractForbids) {
  ASSERT_TRUE(user_->create_container("box").ok());
  for (const char* name : {"", "a b", "a\\b", "a%2Fb", "\xc3\xbc", "a\n"}) {
    EXPECT_EQ(code_of(user_->put({"box", name}, "x")), ErrorCode::invalid) << name;
    EXPECT_EQ(code_of(user_->get({"box", name})), ErrorCode::invalid) << name;
    EXPECT_EQ(user_->remove({{"box", name}})->failures.size(), 1u) << name;
    EXPECT_EQ(user_->presence("box", {name}), Answers{Presence::unknown}) << name;
  }
  for (const char* container : {"", "a/b", "a b"}) {
    EXPECT_EQ(code_of(user_->create_container(container)), ErrorCode::invalid) << container;
    EXPECT_EQ(code_of(user_->list(container)), ErrorCode::invalid) << container;
  }
  EXPECT_EQ(code_of(user_->put({"box", std::string(256, 'a')}, "x")), ErrorCode::invalid);
  EXPECT_EQ(user_->presence("box", {std::string(256, 'a')}), Answers{Presence::unknown});
  EXPECT_TRUE(user_->put({"box", std::string(255, 'a')}, "x").ok());
}

TEST_F(DirectoryStoreTest, IgnoresFilesThatAreNoObjects) {
  ASSERT_TRUE(user_->create_container("box").ok());
  write_file(box() / ".hidden", "x");
  write_file(box() / "backup~", "x");
  write_file(box() / "a%2fb", "x");
  fs::create_directory(box() / "folder");
  EXPECT_EQ(user_->names("box"), Names{"anchor"});
}

TEST_F(DirectoryStoreTest, LeftoversOfACrashAreInvisibleAndRemovedAtTheNextStart) {
  ASSERT_TRUE(user_->create_container("box").ok());
  write_file(box() / ".tmp-0123456789abcdef", "half a chu");
  EXPECT_EQ(user_->names("box"), Names{"anchor"});
  reopen();
  EXPECT_EQ(user_->names("box"), Names{"anchor"});
  EXPECT_EQ(files_in(box()), Names{"anchor"});
}

TEST_F(DirectoryStoreTest, WhatAnotherProcessIsWritingIsNoLeftover) {
  ASSERT_TRUE(user_->create_container("box").ok());
  fs::path temporary = box() / ".tmp-0123456789abcdef";
  FileDescriptor writer(::open(temporary.c_str(), O_WRONLY | O_CREAT, 0600));
  ASSERT_EQ(::flock(writer.number(), LOCK_EX), 0);
  reopen();
  EXPECT_EQ(user_->names("box"), Names{"anchor"});
  EXPECT_TRUE(fs::exists(temporary));
}

TEST_F(DirectoryStoreTest, AFailedPutLeavesNothingBehind) {
  ASSERT_TRUE(user_->create_container("box").ok());
  fs::create_directory(box() / "a");  // in the way of a rename
  EXPECT_EQ(code_of(user_->put(kA, "x")), ErrorCode::invalid);
  EXPECT_EQ(code_of(user_->put_new(kA, "x")), ErrorCode::conflict);
  EXPECT_EQ(files_in(box()), (Names{"a", "anchor"}));
}

TEST_F(DirectoryStoreTest, OnlyOneOfManyCreates) {
  ASSERT_TRUE(user_->create_container("box").ok());
  constexpr int kRounds = 50;
  PutOptions create_only;
  create_only.create_only = true;
  auto one = std::move(*DirectoryFiles::open(root_, "gw"));
  auto two = std::move(*DirectoryFiles::open(root_, "gw"));
  auto race = [&create_only](DirectoryFiles& files, std::string_view text, std::vector<bool>& won) {
    for (int i = 0; i < kRounds; ++i) {
      ObjectName claim{"box", fmt::format("claim/{}", i)};
      Result<void> put = files.put(claim, Buffer::copy_of(text), create_only);
      EXPECT_TRUE(put.ok() || put.error().code() == ErrorCode::conflict);
      won.push_back(put.ok());
    }
  };
  std::vector<bool> won_one, won_two;
  std::thread other([&] { race(*two, "two", won_two); });
  race(*one, "one", won_one);
  other.join();
  for (int i = 0; i < kRounds; ++i) {
    EXPECT_NE(won_one[i], won_two[i]) << "round " << i;
    EXPECT_EQ(user_->text({"box", fmt::format("claim/{}", i)}), won_one[i] ? "one" : "two");
  }
}

TEST_F(DirectoryStoreTest, AVanishedContainerIsDoubtNotAbsence) {
  ASSERT_TRUE(user_->create_container("box").ok());
  ASSERT_TRUE(user_->put(kA, "a").ok());
  EXPECT_EQ(user_->presence("box", {"a", "b"}), (Answers{Presence::yes, Presence::no}));
  fs::rename(box(), scratch_.path() / "aside");
  EXPECT_EQ(user_->presence("box", {"a", "b"}), (Answers(2, Presence::unknown)));
  EXPECT_EQ(code_of(user_->put(kB, "b")), ErrorCode::not_found);
  fs::create_directory(box());  // as an empty mount point would be
  EXPECT_EQ(user_->presence("box", {"a", "b"}), (Answers(2, Presence::unknown)));
  fs::remove(box());
  fs::rename(scratch_.path() / "aside", box());
  EXPECT_EQ(user_->presence("box", {"a", "b"}), (Answers{Presence::yes, Presence::no}));
}

TEST_F(DirectoryStoreTest, AStrangeAnchorIsNoAnchor) {
  ASSERT_TRUE(user_->create_container("box").ok());
  write_file(box() / "anchor", "");  // what a power cut may do to a file nobody synced
  EXPECT_EQ(user_->presence("box", {"a"}), Answers{Presence::unknown});
}

TEST_F(DirectoryStoreTest, AVanishedStoreFolderIsNotMadeAgain) {
  ASSERT_TRUE(user_->create_container("box").ok());
  fs::remove_all(root_);
  EXPECT_FALSE(user_->create_container("box").ok());
  EXPECT_FALSE(user_->put(kA, "a").ok());
  EXPECT_EQ(user_->presence("box", {"a"}), Answers{Presence::unknown});
  EXPECT_FALSE(fs::exists(root_));
}

TEST_F(DirectoryStoreTest, WhatIsNoFileIsCorrupt) {
  ASSERT_TRUE(user_->create_container("box").ok());
  fs::create_directory(box() / "a");
  EXPECT_EQ(code_of(user_->get(kA)), ErrorCode::corrupt);
  EXPECT_EQ(user_->presence("box", {"a"}), Answers{Presence::unknown});
}

TEST_F(DirectoryStoreTest, ARangeOutsideTheObjectIsInvalid) {
  ASSERT_TRUE(user_->create_container("box").ok());
  ASSERT_TRUE(user_->put(kA, "0123456789").ok());
  EXPECT_EQ(code_of(user_->get(kA, {0, 11})), ErrorCode::invalid);
  EXPECT_EQ(user_->get(kA, {4, ByteRange::kToTheEnd})->text(), "456789");
  EXPECT_EQ(user_->get(kA, {10, ByteRange::kToTheEnd})->text(), "");
  EXPECT_EQ(user_->get(kA, {10, 0})->text(), "");
}

TEST_F(DirectoryStoreTest, OpensOnlyWhatCanBeAStore) {
  write_file(scratch_.path() / "file", "x");
  EXPECT_EQ(code_of(DirectoryStore::open({scratch_.path() / "file", ""})), ErrorCode::invalid);
  EXPECT_EQ(code_of(DirectoryStore::open({scratch_.path() / "file" / "x", ""})),
            ErrorCode::invalid);
  EXPECT_EQ(code_of(DirectoryStore::open({"", ""})), ErrorCode::invalid);
  EXPECT_EQ(code_of(DirectoryStore::open({root_, "a/b"})), ErrorCode::invalid);
  EXPECT_TRUE(DirectoryStore::open({scratch_.path() / "with" / "slash" / "", ""}).ok());
  EXPECT_TRUE(fs::is_directory(scratch_.path() / "with" / "slash"));
}

TEST_F(DirectoryStoreTest, WritesReachTheDiskThoughTheStoreIsDestroyed) {
  ASSERT_TRUE(user_->create_container("box").ok());
  Started<Result<void>> put(io_, store_->put(kA, Buffer::copy_of("a"), {}));
  io_.restart();
  io_.poll();
  user_.reset();
  store_.reset();
  io_.run();
  ASSERT_TRUE(put.done());
  EXPECT_TRUE(put.result().ok());
  EXPECT_TRUE(fs::exists(box() / "a"));
}

TEST_F(DirectoryStoreTest, PutsSurviveOthersStarting) {
  ASSERT_TRUE(user_->create_container("box").ok());
  auto files = std::move(*DirectoryFiles::open(root_, "gw"));
  std::atomic<bool> done = false;
  std::thread starting([&] {
    while (!done) {
      auto fresh = std::move(*DirectoryFiles::open(root_, "gw"));
      EXPECT_TRUE(fresh->head({"box", std::string(kAnchorName)}).ok());
    }
  });
  for (int i = 0; i < 100; ++i) {
    Result<void> put = files->put(kA, Buffer::copy_of("a"), {});
    EXPECT_TRUE(put.ok()) << put.error().message();
  }
  done = true;
  starting.join();
}

// Root may do everything: the calls are made as somebody else, on this thread alone.
class AsNobody {
 public:
  AsNobody() { good_ = ::geteuid() == 0 && ::seteuid(65534) == 0; }
  ~AsNobody() {
    if (good_) good_ = ::seteuid(0) == 0;
  }
  bool good() const { return good_; }

 private:
  bool good_ = false;
};

TEST_F(DirectoryStoreTest, PermissionDeniedIsUnauthorized) {
  ASSERT_TRUE(user_->create_container("box").ok());
  ASSERT_TRUE(user_->put(kA, "a").ok());
  auto files = std::move(*DirectoryFiles::open(root_, "gw"));
  if (::geteuid() != 0) ::chmod(box().c_str(), 0);
  AsNobody nobody;
  if (::geteuid() == 0) GTEST_SKIP() << "root cannot become anybody else here";
  EXPECT_EQ(code_of(files->get(kA, ByteRange::whole())), ErrorCode::unauthorized);
  EXPECT_EQ(code_of(files->put(kB, Buffer::copy_of("b"), {})), ErrorCode::unauthorized);
  EXPECT_EQ(files->presence("box", {"a", "b"}), (Answers(2, Presence::unknown)));
}

TEST_F(DirectoryStoreTest, AFullDiskIsOutOfSpace) {
  fs::path small = scratch_.path() / "small";
  fs::create_directory(small);
  if (::mount("tmpfs", small.c_str(), "tmpfs", 0, "size=256k") != 0) {
    GTEST_SKIP() << "no small tmpfs can be mounted here: "
                 << std::generic_category().message(errno);
  }
  {
    auto files = std::move(*DirectoryFiles::open(small, ""));
    ASSERT_TRUE(files->create_container("box").ok());
    ASSERT_TRUE(files->put(kA, Buffer::zeros(100 << 10), {}).ok());
    EXPECT_EQ(code_of(files->put(kB, Buffer::zeros(1 << 20), {})), ErrorCode::out_of_space);
    EXPECT_EQ(code_of(files->put(kA, Buffer::zeros(1 << 20), {})), ErrorCode::out_of_space);
    EXPECT_EQ(files_in(small / "box"), (Names{"a", "anchor"})) << "the space is free again";
    EXPECT_EQ(files->head(kA)->size, 100u << 10) << "the old object is untouched";
    EXPECT_TRUE(files->put(kB, Buffer::zeros(100 << 10), {}).ok());
  }
  EXPECT_EQ(::umount(small.c_str()), 0);
}

TEST(FileName, GoesThereAndBack) {
  for (const char* name : {"a", "a/b", ".", "..", ".a", "a.b", "/", "/a", "a/", "./a", "a/.b"}) {
    std::string file = file_name_of(name);
    EXPECT_EQ(file.find('/'), std::string::npos) << name;
    EXPECT_NE(file.front(), '.') << name;
    EXPECT_EQ(object_name_of(file), name);
  }
  for (const char* file : {"", ".", "..", ".a", "a%2E", "a%", "a%2f", "a b", "%41"}) {
    EXPECT_EQ(object_name_of(file), std::nullopt) << file;
  }
}

TEST(SystemError, SaysWhatTheCallerMayActOn) {
  EXPECT_EQ(system_error(ENOENT, "x").code(), ErrorCode::not_found);
  EXPECT_EQ(system_error(ENOSPC, "x").code(), ErrorCode::out_of_space);
  EXPECT_EQ(system_error(EDQUOT, "x").code(), ErrorCode::out_of_space);
  EXPECT_EQ(system_error(EIO, "x").code(), ErrorCode::unavailable);
  EXPECT_EQ(read_error(EIO, "x").code(), ErrorCode::corrupt);
  EXPECT_EQ(system_error(EROFS, "x").code(), ErrorCode::unavailable);
  EXPECT_EQ(system_error(ENOSPC, "write").message(), "write: No space left on device");
}

}  // namespace
}  // namespace swiftness::test
