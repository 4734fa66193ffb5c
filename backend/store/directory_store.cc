#include "backend/store/directory_store.h"

#include "backend/base/background.h"

namespace swiftness {
namespace {

// Enough to keep a disk's queue busy with the uploads of a volume.
constexpr size_t kWriters = 8;
constexpr size_t kReaders = 4;

}  // namespace

Result<std::unique_ptr<DirectoryStore>> DirectoryStore::open(const DirectoryStoreConfig& config) {
  Result<std::unique_ptr<DirectoryFiles>> files = DirectoryFiles::open(config.path, config.prefix);
  if (!files) return files.error();
  return std::make_unique<DirectoryStore>(std::move(*files));
}

DirectoryStore::DirectoryStore(std::unique_ptr<DirectoryFiles> files)
    : files_(std::move(files)), readers_(kReaders), writers_(background_threads(kWriters)) {}

DirectoryStore::~DirectoryStore() {
  readers_.join();
  writers_->join();
}

Async<void> DirectoryStore::create_container(std::string container) {
  auto work = [files = files_.get(), container = std::move(container)] {
    return files->create_container(container);
  };
  return offload<void>(*writers_, std::move(work));
}

Async<void> DirectoryStore::put(ObjectName object, BufferList data, PutOptions options) {
  auto work = [files = files_.get(), object = std::move(object), data = std::move(data), options] {
    return files->put(object, data, options);
  };
  return offload<void>(*writers_, std::move(work));
}

Async<Buffer> DirectoryStore::get(ObjectName object, ByteRange range, GetOptions) {
  auto work = [files = files_.get(), object = std::move(object), range] {
    return files->get(object, range);
  };
  // Nobody is in a hurry who wants a whole chunk.
  asio::thread_pool& pool = range.is_whole() ? *writers_ : readers_;
  return offload<Buffer>(pool, std::move(work));
}

Async<ObjectInfo> DirectoryStore::head(ObjectName object, GetOptions) {
  auto work = [files = files_.get(), object = std::move(object)] { return files->head(object); };
  return offload<ObjectInfo>(readers_, std::move(work));
}

asio::awaitable<std::vector<Presence>> DirectoryStore::presence(std::string container,
                                                                std::vector<std::string> names) {
  auto work = [files = files_.get(), container = std::move(container),
               names = std::move(names)]() -> Result<std::vector<Presence>> {
    return files->presence(container, names);
  };
  Result<std::vector<Presence>> answers =
      co_await offload<std::vector<Presence>>(readers_, std::move(work));
  co_return std::move(*answers);
}

Async<RemoveReport> DirectoryStore::remove(std::vector<ObjectName> objects) {
  auto work = [files = files_.get(), objects = std::move(objects)]() -> Result<RemoveReport> {
    return files->remove(objects);
  };
  return offload<RemoveReport>(*writers_, std::move(work));
}

Async<ListPage> DirectoryStore::list(std::string container, std::string prefix, std::string marker,
                                     size_t limit) {
  auto work = [files = files_.get(), container = std::move(container), prefix = std::move(prefix),
               marker = std::move(marker),
               limit] { return files->list(container, prefix, marker, limit); };
  return offload<ListPage>(readers_, std::move(work));
}

Async<void> DirectoryStore::copy(ObjectName from, ObjectName to) {
  auto work = [files = files_.get(), from = std::move(from), to = std::move(to)] {
    return files->copy(from, to);
  };
  return offload<void>(*writers_, std::move(work));
}

}  // namespace swiftness
