// ReadOnlyStore: an ObjectStore through which nothing can be changed. Whoever only looks at a
// volume is given one, so that no code it shares with a gateway can write, by mistake or by design.
#pragma once

#include <utility>

#include "backend/object_store.h"

namespace swiftness {

class ReadOnlyStore final : public ObjectStore {
 public:
  explicit ReadOnlyStore(ObjectStore& inner) : inner_(inner) {}

  Async<Buffer> get(ObjectName object, ByteRange range, GetOptions options) override {
    return inner_.get(std::move(object), range, options);
  }
  Async<ObjectInfo> head(ObjectName object, GetOptions options) override {
    return inner_.head(std::move(object), options);
  }
  asio::awaitable<std::vector<Presence>> presence(std::string container,
                                                  std::vector<std::string> names) override {
    return inner_.presence(std::move(container), std::move(names));
  }
  Async<ListPage> list(std::string container, std::string prefix, std::string marker,
                       size_t limit) override {
    return inner_.list(std::move(container), std::move(prefix), std::move(marker), limit);
  }

  Async<void> create_container(std::string) override { co_return refused(); }
  Async<void> put(ObjectName, BufferList, PutOptions) override { co_return refused(); }
  Async<RemoveReport> remove(std::vector<ObjectName>) override { co_return refused(); }
  Async<void> copy(ObjectName, ObjectName) override { co_return refused(); }

 private:
  static Error refused() {
    return Error(ErrorCode::invalid, "a change through a store that is only read");
  }

  ObjectStore& inner_;
};

}  // namespace swiftness
