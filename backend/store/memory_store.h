// MemoryStore: objects in this process' memory, gone with it. For unit tests and experiments.
//
// The objects themselves are a MemoryContents, which several stores may share: two gateways on one
// store. All of them run on one thread. A call takes effect and completes on a later turn of the
// event loop, never inside the call. Expiry is not done: an object stays until it is removed.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "backend/object_store.h"

namespace swiftness {

// What the calls of ObjectStore mean, without waiting: the simplest store there is.
class MemoryContents {
 public:
  Result<void> create_container(const std::string& container);
  Result<void> put(const ObjectName& object, const BufferList& data, PutOptions options);
  Result<Buffer> get(const ObjectName& object, ByteRange range) const;
  Result<ObjectInfo> head(const ObjectName& object) const;
  std::vector<Presence> presence(const std::string& container,
                                 const std::vector<std::string>& names) const;
  RemoveReport remove(const std::vector<ObjectName>& objects);
  Result<ListPage> list(const std::string& container, const std::string& prefix,
                        const std::string& marker, size_t limit) const;
  Result<void> copy(const ObjectName& from, const ObjectName& to);

 private:
  using Container = std::map<std::string, Buffer>;  // contents by object name

  Result<const Buffer*> find(const ObjectName& object) const;

  std::map<std::string, Container> containers_;
};

class MemoryStore final : public ObjectStore {
 public:
  explicit MemoryStore(Executor executor, std::shared_ptr<MemoryContents> contents =
                                              std::make_shared<MemoryContents>())
      : executor_(std::move(executor)), contents_(std::move(contents)) {}

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
  Executor executor_;
  std::shared_ptr<MemoryContents> contents_;
};

}  // namespace swiftness
