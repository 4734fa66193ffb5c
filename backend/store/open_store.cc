// The one place that knows every kind of store.
#include "backend/store/directory_store.h"
#include "backend/store/memory_store.h"
#include "backend/store_config.h"
#include "backend/swift/swift_store.h"

namespace swiftness {
namespace {

using Opened = Result<std::unique_ptr<ObjectStore>>;

Opened open_kind(const DirectoryStoreConfig& config, Executor) {
  Result<std::unique_ptr<DirectoryStore>> store = DirectoryStore::open(config);
  if (!store) return store.error();
  return std::unique_ptr<ObjectStore>(std::move(*store));
}

Opened open_kind(const MemoryStoreConfig&, Executor executor) {
  return std::unique_ptr<ObjectStore>(std::make_unique<MemoryStore>(std::move(executor)));
}

Opened open_kind(const SwiftStoreConfig& config, Executor executor) {
  Result<void> usable = SwiftStore::validate(config);
  if (!usable) return usable.error();
  return std::unique_ptr<ObjectStore>(std::make_unique<SwiftStore>(config, std::move(executor)));
}

}  // namespace

Result<std::unique_ptr<ObjectStore>> open_store(const StoreConfig& config, Executor executor) {
  return std::visit([&executor](const auto& kind) { return open_kind(kind, executor); }, config);
}

}  // namespace swiftness
