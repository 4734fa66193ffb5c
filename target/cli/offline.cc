#include "target/cli/offline.h"

#include <fmt/format.h>

#include <functional>

#include "backend/store_config.h"
#include "backend/volume/catalogue.h"
#include "target/cli/wait.h"

namespace swiftness::cli {
namespace {

// What one store answers to one question.
template <class T>
using Question = std::function<Async<T>(ObjectStore&)>;

template <class T>
Result<T> ask_store(const StoreConfig& config, Question<T> question) {
  asio::io_context io(1);
  Result<std::unique_ptr<ObjectStore>> store = open_store(config, io.get_executor());
  if (!store) return store.error();
  return wait_for<T>(io, question(**store));
}

admin::VolumeReport report_of(const VolumeDescriptor& volume, const std::string& store,
                              const config::Config& config) {
  admin::VolumeReport out;
  out.name = volume.name;
  out.store = store;
  out.uuid = to_string(volume.uuid);
  out.size = volume.created_size.value();
  out.block_size = volume.block_size;
  const config::Volume* configured = config.find_volume(volume.name);
  out.configured = configured != nullptr && configured->store == store;
  out.state = "unknown";
  return out;
}

struct StoredVolume {
  std::string store;
  VolumeDescriptor descriptor;
};

// Where the configuration says it is; a volume it does not mention may be in any of its stores.
Result<StoredVolume> find_stored(const config::Config& config, const std::string& name) {
  const config::Volume* configured = config.find_volume(name);
  std::string looked;
  for (const auto& [store_name, store] : config.stores) {
    if (configured != nullptr && configured->store != store_name) continue;
    Result<VolumeDescriptor> found = ask_store<VolumeDescriptor>(
        store, [&name](ObjectStore& objects) { return find_volume(objects, name); });
    if (found) return StoredVolume{store_name, *found};
    looked += (looked.empty() ? "" : ", ") + store_name;
    if (found.error().code() != ErrorCode::not_found) {
      return found.error().within(fmt::format("store {}", store_name));
    }
  }
  return Error(ErrorCode::not_found, fmt::format("there is no volume \"{}\" in {}", name, looked));
}

Async<CheckReport> checked(ObjectStore& store, VolumeDescriptor volume, CheckOptions options,
                           std::function<void(const CheckProgress&)> progress) {
  CheckReport report =
      co_await check_volume(store, std::move(volume), options, std::move(progress));
  co_return report;
}

}  // namespace

admin::VolumeList list_offline(const config::Config& config) {
  admin::VolumeList out;
  for (const auto& [name, store] : config.stores) {
    Result<std::vector<VolumeDescriptor>> found =
        ask_store<std::vector<VolumeDescriptor>>(store, &list_volumes);
    if (!found) {
      out.problems.push_back(fmt::format("store {}: {}", name, found.error().message()));
      continue;
    }
    for (const VolumeDescriptor& volume : *found)
      out.volumes.push_back(report_of(volume, name, config));
  }
  return out;
}

Result<admin::VolumeReport> find_offline(const config::Config& config, const std::string& name) {
  Result<StoredVolume> found = find_stored(config, name);
  if (!found) return found.error();
  return report_of(found->descriptor, found->store, config);
}

Result<CheckReport> check_offline(const config::Config& config, const std::string& name,
                                  CheckOptions options,
                                  std::function<void(const CheckProgress&)> progress) {
  Result<StoredVolume> found = find_stored(config, name);
  if (!found) return found.error();
  return ask_store<CheckReport>(config.stores.at(found->store), [&](ObjectStore& objects) {
    return checked(objects, found->descriptor, options, progress);
  });
}

}  // namespace swiftness::cli
