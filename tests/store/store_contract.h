// What every ObjectStore must do, as tests. A program adds store_contract.cc to its sources and
//   INSTANTIATE_TEST_SUITE_P(Memory, StoreContract, testing::Values(StoreKind{"memory", &make}));
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>

#include "backend/object_store.h"
#include "tests/support/run.h"

namespace swiftness::test {

inline const ObjectName kA{"box", "a"};
inline const ObjectName kB{"box", "b"};

struct StoreKind {
  std::string name;
  // An empty store; `scratch` is an empty folder that goes when the test is over.
  std::unique_ptr<ObjectStore> (*make)(Executor executor, const std::filesystem::path& scratch);

  friend void PrintTo(const StoreKind& kind, std::ostream* out) { *out << kind.name; }
};

class ScratchFolder {
 public:
  ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ~ScratchFolder();
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// The vocabulary of store tests: each word is one call, waited for.
class StoreUser {
 public:
  StoreUser(asio::io_context& io, ObjectStore& store) : io_(io), store_(store) {}

  Result<void> create_container(const std::string& name);
  Result<void> put(const ObjectName& object, std::string_view text);
  Result<void> put_new(const ObjectName& object, std::string_view text);  // create-only
  Result<Buffer> get(const ObjectName& object, ByteRange range = ByteRange::whole());
  std::string text(const ObjectName& object);  // or the error in words
  std::string newest_text(const ObjectName& object);
  Result<ObjectInfo> head(const ObjectName& object);
  std::vector<Presence> presence(const std::string& container, std::vector<std::string> names);
  Result<RemoveReport> remove(std::vector<ObjectName> objects);
  Result<ListPage> list(const std::string& container, const std::string& prefix = {},
                        const std::string& marker = {}, size_t limit = 1000);
  std::vector<std::string> names(const std::string& container, const std::string& prefix = {},
                                 const std::string& marker = {}, size_t page = 1000);
  Result<void> copy(const ObjectName& from, const ObjectName& to);

 private:
  asio::io_context& io_;
  ObjectStore& store_;
};

// The error's code, or nothing where there is none.
template <class T>
std::optional<ErrorCode> code_of(const Result<T>& result) {
  if (result.ok()) return std::nullopt;
  return result.error().code();
}

class StoreContract : public testing::TestWithParam<StoreKind> {
 protected:
  StoreContract()
      : store_(GetParam().make(io_.get_executor(), scratch_.path())), user_(io_, *store_) {}

  ScratchFolder scratch_;
  asio::io_context io_{1};
  std::unique_ptr<ObjectStore> store_;
  StoreUser user_;
};

}  // namespace swiftness::test

namespace swiftness {
std::ostream& operator<<(std::ostream& out, Presence presence);
std::ostream& operator<<(std::ostream& out, ErrorCode code);
}  // namespace swiftness
