// SwiftStore: the store contract (backend/object_store.h) on OpenStack Swift.
//
// Lives on one executor (a shard); every call is made there and resumes there. The transfers run on
// the HTTP engine's thread, checksums of uploads on a small pool: the shard never waits. Opening
// contacts nobody: the first call authenticates, and a Swift that is down is asked again by the
// next call. Each call is retried until SwiftStoreConfig::deadline; a transfer under way by then
// gets one second more for each 256 KiB, so that a slow line is slow and not dead. An Error names
// the method, the object, the answer and Swift's transaction id, which Swift's own logs carry too.
//
// Destroying the store ends what is under way: those calls complete with `unavailable`. The
// executor outlives the store.
//
// What Swift cannot promise, and what is done about it here:
//  - create_only is `If-None-Match: *`, and a lost answer makes our own object look like somebody
//    else's. A 412 that follows an attempt of ours which may have arrived is settled by reading the
//    newest copy back: other bytes are `conflict`; identical bytes are ours, and are then PUT once
//    more without the condition, because the lost attempt may have reached too few servers to be
//    durable. Two callers that create the same name with the same bytes may both succeed; claims
//    carry random ids, so that identical bytes mean one caller (I8).
//  - PUT answered 202: one server at least has a newer copy, and no server took ours. It is read
//    back: other bytes are `conflict`. Identical bytes are an earlier attempt of ours that a proxy
//    with a faster clock brought to too few servers, perhaps to a single one: they are PUT again
//    until that is answered 201.
//  - 404 proves nothing by itself: presence() is the only answer that counts (I2).
//  - remove() takes Swift's 404 for gone, which may leave an object behind; never the other way.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backend/object_store.h"
#include "backend/store_config.h"
#include "backend/swift/http_transport.h"
#include "backend/swift/swift_tuning.h"

namespace swiftness {

class SwiftClient;

class SwiftStore final : public ObjectStore {
 public:
  // What no retry can mend, in words: a bad URL, an unreadable CA file. Contacts nobody.
  static Result<void> validate(const SwiftStoreConfig& config);

  SwiftStore(SwiftStoreConfig config, Executor executor, SwiftTuning tuning = {});
  // Over another transport than an HTTP engine of its own.
  SwiftStore(SwiftStoreConfig config, Executor executor, SwiftTuning tuning,
             std::unique_ptr<HttpTransport> transport);
  ~SwiftStore() override;

  Async<void> create_container(std::string container) override;
  Async<void> put(ObjectName object, BufferList data, PutOptions options) override;
  Async<std::vector<std::string>> checksums(std::vector<BufferList> objects) override;
  Async<Buffer> get(ObjectName object, ByteRange range, GetOptions options) override;
  Async<ObjectInfo> head(ObjectName object, GetOptions options) override;
  asio::awaitable<std::vector<Presence>> presence(std::string container,
                                                  std::vector<std::string> names) override;
  Async<RemoveReport> remove(std::vector<ObjectName> objects) override;
  Async<ListPage> list(std::string container, std::string prefix, std::string marker,
                       size_t limit) override;
  Async<void> copy(ObjectName from, ObjectName to) override;
  std::string trouble() const override;

  // For what the contract has no word for (SwiftAccount).
  std::shared_ptr<SwiftClient> client() const { return client_; }

 private:
  Executor executor_;
  std::shared_ptr<SwiftClient> client_;  // shared with the calls under way
};

}  // namespace swiftness
