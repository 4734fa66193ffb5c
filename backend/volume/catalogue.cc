#include "backend/volume/catalogue.h"

#include <fmt/format.h>

#include <algorithm>

#include "backend/volume/format.h"
#include "backend/volume/names.h"
#include "backend/volume/record_io.h"

namespace swiftness {
namespace {

constexpr uint64_t kSizeUnit = 4096;  // the physical block

Error invalid(std::string why) {
  return Error(ErrorCode::invalid, std::move(why));
}

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

Async<VolumeDescriptor> read_entry(ObjectStore& store, std::string name) {
  const ObjectName object = catalogue_entry(name);
  GetOptions newest{.newest = true};
  Result<Buffer> bytes = co_await store.get(object, ByteRange::whole(), newest);
  if (!bytes) co_return bytes.error().within("volume " + name);
  Result<VolumeDescriptor> descriptor = decode_descriptor(bytes->bytes());
  if (!descriptor) co_return descriptor.error().within(to_string(object));
  if (descriptor->name != name) {
    co_return Error(ErrorCode::corrupt, to_string(object) + " names another volume");
  }
  co_return descriptor;
}

}  // namespace

Result<void> check_descriptor(const VolumeDescriptor& descriptor) {
  const std::string& name = descriptor.name;
  const bool good_name = !name.empty() && name.size() <= 64 &&
                         std::all_of(name.begin(), name.end(), is_name_character) &&
                         std::isalnum(static_cast<unsigned char>(name.front()));
  if (!good_name) {
    return invalid(
        fmt::format("\"{}\" is no volume name: 1 to 64 of a-z 0-9 . _ -, "
                    "beginning with a letter or digit",
                    name));
  }
  if (descriptor.block_size != 512 && descriptor.block_size != 4096) {
    return invalid(fmt::format("block size {} is neither 512 nor 4096", descriptor.block_size));
  }
  const uint64_t size = descriptor.created_size.value();
  if (size == 0 || size % kSizeUnit != 0 || size > kMostDiskBytes) {
    return invalid(
        fmt::format("a volume of {} bytes cannot be: sizes are multiples of 4096 bytes "
                    "up to 64 TiB",
                    size));
  }
  return {};
}

Async<VolumeDescriptor> create_volume(ObjectStore& store, std::string name, ByteCount size,
                                      uint32_t block_size) {
  VolumeDescriptor descriptor{name, Uuid::random(), size, block_size, unix_seconds()};
  Result<void> possible = check_descriptor(descriptor);
  if (!possible) co_return possible.error();
  Result<void> made = co_await store.create_container(kCatalogue);
  if (!made) co_return made.error();
  const ObjectName entry = catalogue_entry(name);
  Presence found = co_await presence_of(store, entry);
  if (found == Presence::unknown) co_return in_doubt(entry);
  if (found == Presence::yes) {
    co_return Error(ErrorCode::conflict, "there is a volume " + name + " already");
  }
  // The volume's own container first: an entry in the catalogue is a promise that it can be
  // attached.
  made = co_await store.create_container(VolumeNames(descriptor.uuid).meta());
  if (!made) co_return made.error();
  BufferList data(Buffer::own(encode(descriptor)));
  PutOptions options{.create_only = true, .expire_after = std::nullopt};
  Result<void> put = co_await store.put(entry, std::move(data), options);
  if (!put) co_return put.error().within("volume " + name);
  // Create-only is best effort: whoever reads back its own UUID has created it.
  Result<VolumeDescriptor> seen = co_await read_entry(store, name);
  if (!seen) co_return seen.error();
  if (seen->uuid != descriptor.uuid) {
    co_return Error(ErrorCode::conflict, "another gateway created volume " + name + " just now");
  }
  co_return descriptor;
}

Async<VolumeDescriptor> find_volume(ObjectStore& store, std::string name) {
  Result<VolumeDescriptor> found = co_await read_entry(store, name);
  if (found || found.error().code() != ErrorCode::not_found) co_return found;
  // A store without any volume has no catalogue either, and nothing is certain in a container
  // without an anchor.
  Result<void> made = co_await store.create_container(kCatalogue);
  if (!made) co_return made.error();
  Presence presence = co_await presence_of(store, catalogue_entry(name));
  if (presence == Presence::no) co_return found;
  co_return in_doubt(catalogue_entry(name));
}

Async<std::vector<VolumeDescriptor>> list_volumes(ObjectStore& store) {
  constexpr size_t kPage = 1000;
  const std::string prefix = catalogue_entry("").name;
  std::vector<VolumeDescriptor> out;
  std::string marker;
  for (;;) {
    Result<ListPage> page = co_await store.list(kCatalogue, prefix, marker, kPage);
    if (!page && page.error().code() == ErrorCode::not_found) co_return out;  // no catalogue yet
    if (!page) co_return page.error();
    for (const ListPage::Entry& entry : page->entries) {
      Result<VolumeDescriptor> found = co_await read_entry(store, entry.name.substr(prefix.size()));
      if (!found && found.error().code() == ErrorCode::not_found) continue;  // a stale listing
      if (!found) co_return found.error();
      out.push_back(std::move(*found));
    }
    if (!page->next) co_return out;
    marker = *page->next;
  }
}

}  // namespace swiftness
