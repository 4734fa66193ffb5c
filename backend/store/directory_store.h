// DirectoryStore: objects as files in a folder of a local (or network) file system. The embedded
// default. As safe as the disk below it: how is told in directory_files.h.
//
// The blocking work is done on a few threads of the store's own; callers resume on their executor.
// The destructor waits for calls on their way to reach the disk; their callers resume afterwards,
// on an executor that must outlive the store. Expiry is not done: an object stays until it is
// removed. Presence: the anchor is read before and after through the same folder. Several
// processes may use one folder at the same time; create_only is exact (link(2)).
#pragma once

#include <boost/asio/thread_pool.hpp>

#include <memory>

#include "backend/object_store.h"
#include "backend/store/directory_files.h"
#include "backend/store_config.h"

namespace swiftness {

class DirectoryStore final : public ObjectStore {
 public:
  // Makes the folder where it is missing. invalid: it cannot be used; the message says why.
  static Result<std::unique_ptr<DirectoryStore>> open(const DirectoryStoreConfig& config);

  explicit DirectoryStore(std::unique_ptr<DirectoryFiles> files);
  ~DirectoryStore() override;

  Async<void> create_container(std::string container) override;
  Async<void> put(ObjectName object, BufferList data, PutOptions options) override;
  Async<Buffer> get(ObjectName object, ByteRange range, GetOptions options) override;
  Async<ObjectInfo> head(ObjectName object, GetOptions options) override;
  asio::awaitable<std::vector<Presence>> presence(std::string container,
                                                  std::vector<std::string> names) override;
  Async<RemoveReport> remove(std::vector<ObjectName> objects) override;
  Async<ListPage> list(std::string container, std::string prefix, std::string marker,
                       size_t limit) override;
  Async<void> copy(ObjectName from, ObjectName to) override;

 private:
  std::unique_ptr<DirectoryFiles> files_;
  asio::thread_pool readers_;
  std::unique_ptr<asio::thread_pool> writers_;
};

}  // namespace swiftness
