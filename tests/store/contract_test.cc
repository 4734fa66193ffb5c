// The stores of backend/store under the contract all stores share.
#include "backend/store/directory_store.h"
#include "backend/store/faulty_store.h"
#include "backend/store/memory_store.h"
#include "tests/store/store_contract.h"

namespace swiftness::test {
namespace {

std::unique_ptr<ObjectStore> make_memory(Executor executor, const std::filesystem::path&) {
  return std::make_unique<MemoryStore>(std::move(executor));
}

std::unique_ptr<ObjectStore> make_directory(Executor, const std::filesystem::path& scratch) {
  DirectoryStoreConfig config{scratch / "made" / "on" / "demand", "gw"};
  return std::move(*DirectoryStore::open(config));
}

std::unique_ptr<ObjectStore> make_faulty_without_faults(Executor executor,
                                                        const std::filesystem::path&) {
  return std::make_unique<FaultyStore>(std::make_unique<MemoryStore>(executor), executor, 1);
}

std::unique_ptr<ObjectStore> make_faulty_with_delays(Executor executor,
                                                     const std::filesystem::path&) {
  FaultOptions options;
  options.delay_turns = 10;
  options.delay = std::chrono::microseconds(100);
  return std::make_unique<FaultyStore>(std::make_unique<MemoryStore>(executor), executor, 1,
                                       options);
}

INSTANTIATE_TEST_SUITE_P(Stores, StoreContract,
                         testing::Values(StoreKind{"memory", &make_memory},
                                         StoreKind{"directory", &make_directory},
                                         StoreKind{"faulty", &make_faulty_without_faults},
                                         StoreKind{"delayed", &make_faulty_with_delays}),
                         [](const auto& kind) { return kind.param.name; });

}  // namespace
}  // namespace swiftness::test
