#include "backend/store/memory_store.h"

#include <fmt/core.h>

#include "backend/base/hash.h"
#include "backend/store/object_rules.h"

namespace swiftness {
namespace {

Error no_container(const std::string& container) {
  return Error(ErrorCode::not_found, fmt::format("no container {}", container));
}

}  // namespace

Result<void> MemoryContents::create_container(const std::string& container) {
  Result<void> valid = check_container(container);
  if (!valid) return valid;
  containers_[container].try_emplace(std::string(kAnchorName), Buffer::copy_of("anchor"));
  return {};
}

Result<void> MemoryContents::put(const ObjectName& object, const BufferList& data,
                                 PutOptions options) {
  Result<void> valid = check_object(object);
  if (!valid) return valid;
  auto container = containers_.find(object.container);
  if (container == containers_.end()) return no_container(object.container);
  auto [place, created] = container->second.try_emplace(object.name);
  if (options.create_only && !created) {
    return Error(ErrorCode::conflict, fmt::format("{} exists", to_string(object)));
  }
  place->second = data.flatten();
  return {};
}

Result<const Buffer*> MemoryContents::find(const ObjectName& object) const {
  Result<void> valid = check_object(object);
  if (!valid) return valid.error();
  auto container = containers_.find(object.container);
  if (container == containers_.end()) return no_container(object.container);
  auto found = container->second.find(object.name);
  if (found == container->second.end()) {
    return Error(ErrorCode::not_found, fmt::format("no object {}", to_string(object)));
  }
  return &found->second;
}

Result<Buffer> MemoryContents::get(const ObjectName& object, ByteRange range) const {
  Result<const Buffer*> found = find(object);
  if (!found) return found.error();
  const Buffer& whole = **found;
  Result<ByteRange> part = resolve(range, whole.size());
  if (!part) return part.error().within(to_string(object));
  return whole.slice(part->offset, part->length);
}

Result<ObjectInfo> MemoryContents::head(const ObjectName& object) const {
  Result<const Buffer*> found = find(object);
  if (!found) return found.error();
  return ObjectInfo{(*found)->size(), md5_hex(**found)};
}

std::vector<Presence> MemoryContents::presence(const std::string& container,
                                               const std::vector<std::string>& names) const {
  bool anchored = find({container, std::string(kAnchorName)}).ok();
  std::vector<Presence> answers;
  for (const std::string& name : names) {
    Result<const Buffer*> found = find({container, name});
    if (found) {
      answers.push_back(Presence::yes);
    } else {
      bool absent = anchored && found.error().code() == ErrorCode::not_found;
      answers.push_back(absent ? Presence::no : Presence::unknown);
    }
  }
  return answers;
}

RemoveReport MemoryContents::remove(const std::vector<ObjectName>& objects) {
  RemoveReport report;
  for (const ObjectName& object : objects) {
    Result<void> valid = check_object(object);
    if (!valid) {
      report.failures.push_back({object, valid.error()});
      continue;
    }
    auto container = containers_.find(object.container);
    if (container != containers_.end()) container->second.erase(object.name);
  }
  return report;
}

Result<ListPage> MemoryContents::list(const std::string& container, const std::string& prefix,
                                      const std::string& marker, size_t limit) const {
  CHECK(limit > 0);
  Result<void> valid = check_container(container);
  if (!valid) return valid.error();
  auto found = containers_.find(container);
  if (found == containers_.end()) return no_container(container);
  const Container& objects = found->second;
  ListPage page;
  auto at = marker < prefix ? objects.lower_bound(prefix) : objects.upper_bound(marker);
  for (; at != objects.end() && at->first.starts_with(prefix); ++at) {
    if (page.entries.size() == limit) {
      page.next = page.entries.back().name;
      break;
    }
    page.entries.push_back({at->first, at->second.size()});
  }
  return page;
}

Result<void> MemoryContents::copy(const ObjectName& from, const ObjectName& to) {
  Result<Buffer> data = get(from, ByteRange::whole());
  if (!data) return data.error();
  return put(to, *data, {});
}

// Each call holds the contents, not the store, while it waits: a test may drop a store with calls
// still on their way.

Async<void> MemoryStore::create_container(std::string container) {
  std::shared_ptr<MemoryContents> contents = contents_;
  co_await asio::post(executor_, asio::use_awaitable);
  co_return contents->create_container(container);
}

Async<void> MemoryStore::put(ObjectName object, BufferList data, PutOptions options) {
  std::shared_ptr<MemoryContents> contents = contents_;
  co_await asio::post(executor_, asio::use_awaitable);
  co_return contents->put(object, data, options);
}

Async<Buffer> MemoryStore::get(ObjectName object, ByteRange range, GetOptions) {
  std::shared_ptr<MemoryContents> contents = contents_;
  co_await asio::post(executor_, asio::use_awaitable);
  co_return contents->get(object, range);
}

Async<ObjectInfo> MemoryStore::head(ObjectName object, GetOptions) {
  std::shared_ptr<MemoryContents> contents = contents_;
  co_await asio::post(executor_, asio::use_awaitable);
  co_return contents->head(object);
}

asio::awaitable<std::vector<Presence>> MemoryStore::presence(std::string container,
                                                             std::vector<std::string> names) {
  std::shared_ptr<MemoryContents> contents = contents_;
  co_await asio::post(executor_, asio::use_awaitable);
  co_return contents->presence(container, names);
}

Async<RemoveReport> MemoryStore::remove(std::vector<ObjectName> objects) {
  std::shared_ptr<MemoryContents> contents = contents_;
  co_await asio::post(executor_, asio::use_awaitable);
  co_return contents->remove(objects);
}

Async<ListPage> MemoryStore::list(std::string container, std::string prefix, std::string marker,
                                  size_t limit) {
  std::shared_ptr<MemoryContents> contents = contents_;
  co_await asio::post(executor_, asio::use_awaitable);
  co_return contents->list(container, prefix, marker, limit);
}

Async<void> MemoryStore::copy(ObjectName from, ObjectName to) {
  std::shared_ptr<MemoryContents> contents = contents_;
  co_await asio::post(executor_, asio::use_awaitable);
  co_return contents->copy(from, to);
}

}  // namespace swiftness
