#include "tests/store/store_contract.h"

#include <fmt/core.h>

#include <cstdlib>
#include <stdexcept>

#include "backend/base/gate.h"
#include "backend/base/hash.h"

namespace swiftness {

std::ostream& operator<<(std::ostream& out, Presence presence) {
  constexpr const char* kWords[] = {"yes", "no", "unknown"};
  return out << kWords[static_cast<size_t>(presence)];
}

std::ostream& operator<<(std::ostream& out, ErrorCode code) {
  return out << to_string(code);
}

namespace test {

ScratchFolder::ScratchFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "swiftness-test-XXXXXX").native();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no folder for the test");
  path_ = pattern;
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

Result<void> StoreUser::create_container(const std::string& name) {
  return run(io_, store_.create_container(name));
}

Result<void> StoreUser::put(const ObjectName& object, std::string_view text) {
  return run(io_, store_.put(object, Buffer::copy_of(text), {}));
}

Result<void> StoreUser::put_new(const ObjectName& object, std::string_view text) {
  PutOptions options;
  options.create_only = true;
  return run(io_, store_.put(object, Buffer::copy_of(text), options));
}

Result<Buffer> StoreUser::get(const ObjectName& object, ByteRange range) {
  return run(io_, store_.get(object, range, {}));
}

std::string StoreUser::text(const ObjectName& object) {
  Result<Buffer> data = get(object);
  return data ? std::string(data->text()) : std::string(to_string(data.error().code()));
}

std::string StoreUser::newest_text(const ObjectName& object) {
  GetOptions options;
  options.newest = true;
  Result<Buffer> data = run(io_, store_.get(object, ByteRange::whole(), options));
  return data ? std::string(data->text()) : std::string(to_string(data.error().code()));
}

Result<ObjectInfo> StoreUser::head(const ObjectName& object) {
  return run(io_, store_.head(object, {}));
}

std::vector<Presence> StoreUser::presence(const std::string& container,
                                          std::vector<std::string> names) {
  return run(io_, store_.presence(container, std::move(names)));
}

Result<RemoveReport> StoreUser::remove(std::vector<ObjectName> objects) {
  return run(io_, store_.remove(std::move(objects)));
}

Result<ListPage> StoreUser::list(const std::string& container, const std::string& prefix,
                                 const std::string& marker, size_t limit) {
  return run(io_, store_.list(container, prefix, marker, limit));
}

std::vector<std::string> StoreUser::names(const std::string& container, const std::string& prefix,
                                          const std::string& marker, size_t page) {
  std::vector<std::string> all;
  std::optional<std::string> next = marker;
  while (next) {
    Result<ListPage> got = list(container, prefix, *next, page);
    if (!got) return {got.error().message()};
    EXPECT_LE(got->entries.size(), page);
    for (const ListPage::Entry& entry : got->entries) all.push_back(entry.name);
    next = got->next;
  }
  return all;
}

Result<void> StoreUser::copy(const ObjectName& from, const ObjectName& to) {
  return run(io_, store_.copy(from, to));
}

namespace {

using Names = std::vector<std::string>;
using Answers = std::vector<Presence>;

TEST_P(StoreContract, CreatesContainersWithTheirAnchorAndKeepsWhatIsInThem) {
  ASSERT_TRUE(user_.create_container("box").ok());
  EXPECT_TRUE(user_.head({"box", std::string(kAnchorName)}).ok());
  ASSERT_TRUE(user_.put(kA, "kept").ok());
  ASSERT_TRUE(user_.create_container("box").ok());
  EXPECT_EQ(user_.text(kA), "kept");
}

TEST_P(StoreContract, MakesAMissingAnchorAgain) {
  ASSERT_TRUE(user_.create_container("box").ok());
  ObjectName anchor{"box", std::string(kAnchorName)};
  ASSERT_TRUE(user_.remove({anchor})->failures.empty());
  EXPECT_EQ(user_.presence("box", {"a"}), Answers{Presence::unknown});
  ASSERT_TRUE(user_.create_container("box").ok());
  EXPECT_EQ(user_.presence("box", {"a"}), Answers{Presence::no});
}

TEST_P(StoreContract, NothingIsPutWhereThereIsNoContainer) {
  EXPECT_EQ(code_of(user_.put(kA, "lost")), ErrorCode::not_found);
  EXPECT_EQ(code_of(user_.put_new(kA, "lost")), ErrorCode::not_found);
  ASSERT_TRUE(user_.create_container("box").ok());
  EXPECT_EQ(user_.text(kA), "not found");
}

TEST_P(StoreContract, WhatIsAbsentIsNotFound) {
  EXPECT_EQ(code_of(user_.get(kA)), ErrorCode::not_found);
  EXPECT_EQ(code_of(user_.list("box")), ErrorCode::not_found);
  ASSERT_TRUE(user_.create_container("box").ok());
  EXPECT_EQ(code_of(user_.get(kA)), ErrorCode::not_found);
  EXPECT_EQ(code_of(user_.head(kA)), ErrorCode::not_found);
}

TEST_P(StoreContract, GetsExactlyTheRangeAskedFor) {
  ASSERT_TRUE(user_.create_container("box").ok());
  ASSERT_TRUE(user_.put(kA, "0123456789").ok());
  EXPECT_EQ(user_.text(kA), "0123456789");
  EXPECT_EQ(user_.get(kA, {3, 4})->text(), "3456");
  EXPECT_EQ(user_.get(kA, {0, 1})->text(), "0");
  EXPECT_EQ(user_.get(kA, {9, 1})->text(), "9");
  EXPECT_EQ(user_.get(kA, {0, 10})->text(), "0123456789");
}

TEST_P(StoreContract, NeverGivesFewerBytesThanAskedFor) {
  ASSERT_TRUE(user_.create_container("box").ok());
  ASSERT_TRUE(user_.put(kA, "0123456789").ok());
  EXPECT_FALSE(user_.get(kA, {0, 11}).ok());
  EXPECT_FALSE(user_.get(kA, {9, 2}).ok());
  EXPECT_FALSE(user_.get(kA, {11, 1}).ok());
  EXPECT_FALSE(user_.get(kA, {2, UINT64_MAX - 1}).ok()) << "the end of the range overflows";
}

TEST_P(StoreContract, GivesWhatThereIsWhereTheRangeMayEndEarly) {
  ASSERT_TRUE(user_.create_container("box").ok());
  ASSERT_TRUE(user_.put(kA, "0123456789").ok());
  EXPECT_EQ(user_.get(kA, {0, 11, true})->text(), "0123456789");
  EXPECT_EQ(user_.get(kA, {9, 1 << 20, true})->text(), "9");
  EXPECT_EQ(user_.get(kA, {3, 4, true})->text(), "3456");
  EXPECT_FALSE(user_.get(kA, {11, 1, true}).ok());
  EXPECT_EQ(code_of(user_.get({"box", "none"}, {0, 11, true})), ErrorCode::not_found);
}

TEST_P(StoreContract, KeepsEmptyObjects) {
  ASSERT_TRUE(user_.create_container("box").ok());
  ASSERT_TRUE(user_.put(kA, "").ok());
  EXPECT_EQ(user_.get(kA)->size(), 0u);
  EXPECT_EQ(user_.head(kA)->size, 0u);
  EXPECT_EQ(user_.presence("box", {"a"}), Answers{Presence::yes});
}

TEST_P(StoreContract, WritesManyPiecesAsOneObject) {
  ASSERT_TRUE(user_.create_container("box").ok());
  BufferList pieces;
  std::string whole;
  for (int i = 0; i < 3000; ++i) {  // more than one gathered write takes
    std::string piece = fmt::format("{}-", i);
    whole += piece;
    pieces.append(Buffer::copy_of(piece));
  }
  ASSERT_TRUE(run(io_, store_->put(kA, pieces, {})).ok());
  EXPECT_EQ(user_.text(kA), whole);
}

TEST_P(StoreContract, KeepsALargeObject) {
  ASSERT_TRUE(user_.create_container("box").ok());
  Bytes bytes(16 << 20);
  for (size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<std::byte>((i * 2654435761u) >> 13);
  Buffer data = Buffer::own(std::move(bytes));
  ASSERT_TRUE(run(io_, store_->put(kA, data, {})).ok());
  Result<Buffer> back = user_.get(kA);
  ASSERT_TRUE(back.ok());
  EXPECT_TRUE(BufferList(*back) == BufferList(data));
  Result<Buffer> middle = user_.get(kA, {5'000'001, 70'000});
  ASSERT_TRUE(middle.ok());
  EXPECT_TRUE(BufferList(*middle) == BufferList(data.slice(5'000'001, 70'000)));
}

TEST_P(StoreContract, PutReplacesUnlessItMayOnlyCreate) {
  ASSERT_TRUE(user_.create_container("box").ok());
  ASSERT_TRUE(user_.put(kA, "first and longer").ok());
  ASSERT_TRUE(user_.put(kA, "second").ok());
  EXPECT_EQ(user_.newest_text(kA), "second");
  EXPECT_EQ(code_of(user_.put_new(kA, "third")), ErrorCode::conflict);
  EXPECT_EQ(user_.newest_text(kA), "second");
  ASSERT_TRUE(user_.put_new(kB, "new").ok());
  EXPECT_EQ(user_.text(kB), "new");
}

TEST_P(StoreContract, HeadTellsSizeAndDigest) {
  ASSERT_TRUE(user_.create_container("box").ok());
  ASSERT_TRUE(user_.put(kA, "0123456789").ok());
  Result<ObjectInfo> info = user_.head(kA);
  ASSERT_TRUE(info.ok());
  EXPECT_EQ(info->size, 10u);
  if (info->etag.empty()) return;
  EXPECT_EQ(info->etag, md5_hex(Buffer::copy_of("0123456789")));
}

TEST_P(StoreContract, PresenceAnswersInTheOrderOfTheNames) {
  ASSERT_TRUE(user_.create_container("box").ok());
  ASSERT_TRUE(user_.put(kA, "a").ok());
  ASSERT_TRUE(user_.put({"box", "c/1"}, "c").ok());
  EXPECT_EQ(user_.presence("box", {"b", "a", "c", "c/1"}),
            (Answers{Presence::no, Presence::yes, Presence::no, Presence::yes}));
  EXPECT_EQ(user_.presence("box", {}), Answers{});
}

TEST_P(StoreContract, AbsenceIsInDoubtWithoutAContainerOrItsAnchor) {
  EXPECT_EQ(user_.presence("box", {"a", "b"}), (Answers{Presence::unknown, Presence::unknown}));
  ASSERT_TRUE(user_.create_container("box").ok());
  ASSERT_TRUE(user_.remove({{"box", std::string(kAnchorName)}})->failures.empty());
  EXPECT_EQ(user_.presence("box", {"a"}), Answers{Presence::unknown});
}

TEST_P(StoreContract, RemovesAndCountsTheAbsentAsGone) {
  ASSERT_TRUE(user_.create_container("box").ok());
  ASSERT_TRUE(user_.create_container("bin").ok());
  ASSERT_TRUE(user_.put(kA, "a").ok());
  ASSERT_TRUE(user_.put(kB, "b").ok());
  ASSERT_TRUE(user_.put({"bin", "a"}, "c").ok());
  Result<RemoveReport> report =
      user_.remove({kA, {"box", "never"}, {"bin", "a"}, {"nowhere", "a"}});
  ASSERT_TRUE(report.ok());
  EXPECT_TRUE(report->failures.empty());
  EXPECT_EQ(user_.presence("box", {"a", "b"}), (Answers{Presence::no, Presence::yes}));
  EXPECT_EQ(user_.presence("bin", {"a"}), Answers{Presence::no});
  EXPECT_TRUE(user_.remove({})->failures.empty());
}

// '-' and '.' sort before '/', digits after it: the order is that of the names, not of folders.
TEST_P(StoreContract, ListsByNamePrefixMarkerAndLimit) {
  ASSERT_TRUE(user_.create_container("box").ok());
  const Names kAll = {"a", "a-b", "a.b", "a/b", "a/b/c", "a0", "anchor", "b/1", "b/10", "b/2"};
  for (const char* name : {"b/2", "a/b/c", "a0", "a", "b/10", "a.b", "a/b", "b/1", "a-b"}) {
    ASSERT_TRUE(user_.put({"box", name}, name).ok());
  }
  for (size_t page : {1u, 3u, 10u, 1000u}) {
    EXPECT_EQ(user_.names("box", "", "", page), kAll) << page << " names a page";
    EXPECT_EQ(user_.names("box", "b/", "", page), (Names{"b/1", "b/10", "b/2"}));
    EXPECT_EQ(user_.names("box", "a/", "a/b", page), (Names{"a/b/c"}));
    EXPECT_EQ(user_.names("box", "", "b", page), (Names{"b/1", "b/10", "b/2"}));
    EXPECT_EQ(user_.names("box", "zz", "", page), Names{});
    EXPECT_EQ(user_.names("box", "a", "b", page), Names{});
  }
  EXPECT_EQ(user_.list("box", "b/10")->entries.at(0).size, 4u);
}

TEST_P(StoreContract, CopiesWithinAndBetweenContainers) {
  ASSERT_TRUE(user_.create_container("box").ok());
  ASSERT_TRUE(user_.create_container("bin").ok());
  ASSERT_TRUE(user_.put(kA, "original").ok());
  ASSERT_TRUE(user_.put(kB, "to be replaced").ok());
  EXPECT_TRUE(user_.copy(kA, kB).ok());
  EXPECT_TRUE(user_.copy(kA, kB).ok()) << "once more, onto its own copy";
  EXPECT_TRUE(user_.copy(kA, {"bin", "c/1"}).ok());
  ASSERT_TRUE(user_.put(kA, "changed").ok());
  EXPECT_EQ(user_.newest_text(kB), "original");
  EXPECT_EQ(user_.text({"bin", "c/1"}), "original");
  EXPECT_EQ(code_of(user_.copy({"box", "never"}, kB)), ErrorCode::not_found);
  EXPECT_EQ(code_of(user_.copy(kA, {"nowhere", "a"})), ErrorCode::not_found);
}

Task put_numbered(ObjectStore& store, int number, int& done) {
  ObjectName object{"box", fmt::format("n/{}", number)};
  BufferList data = Buffer::copy_of(fmt::format("text {}", number));
  PutOptions options;
  Result<void> put = co_await store.put(object, data, options);
  if (put) ++done;
}

Task put_side_by_side(ObjectStore& store, int count, int& done) {
  Executor executor = co_await asio::this_coro::executor;
  FanOut all(executor);
  for (int i = 0; i < count; ++i) all.add(put_numbered(store, i, done));
  co_await all.join();
}

TEST_P(StoreContract, DoesManyThingsAtOnce) {
  ASSERT_TRUE(user_.create_container("box").ok());
  int done = 0;
  run(io_, put_side_by_side(*store_, 40, done));
  EXPECT_EQ(done, 40);
  for (int i = 0; i < 40; ++i) {
    EXPECT_EQ(user_.text({"box", fmt::format("n/{}", i)}), fmt::format("text {}", i));
  }
}

Task note_before_and_after(ObjectStore& store, int& steps) {
  ObjectName object = kA;
  ByteRange range = ByteRange::whole();
  GetOptions options;
  steps = 1;
  Result<Buffer> got = co_await store.get(object, range, options);
  steps = got ? 3 : 2;
}

TEST_P(StoreContract, NeverCompletesInsideTheCall) {
  int steps = 0;
  spawn_or_throw(io_.get_executor(), note_before_and_after(*store_, steps));
  while (steps == 0) io_.run_one();
  EXPECT_EQ(steps, 1);
  io_.run();
  EXPECT_EQ(steps, 2);
}

}  // namespace

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(StoreContract);

}  // namespace test
}  // namespace swiftness
