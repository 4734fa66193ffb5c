// What a logical unit keeps with its volume, beside the data: each record is data behind the end of
// every disk, where no command reaches. So it is as atomic, durable and fenced as a write, and
// moves with the volume; journal, map, checkpoints and garbage collection know nothing of it.
#include <fmt/core.h>

#include "backend/base/endian.h"
#include "backend/volume/volume.h"

namespace swiftness {
namespace {

constexpr size_t kLengthBytes = 4;

Sector place_of(MetadataKey key) {
  return Sector(kMetadataSector + static_cast<uint64_t>(key) * kMetadataKeySectors);
}

SectorCount sectors_for(size_t record) {
  return SectorCount((kLengthBytes + record + kSectorBytes - 1) / kSectorBytes);
}

}  // namespace

Async<Bytes> Volume::load_metadata(MetadataKey key) {
  for (size_t known = 0;;) {
    Result<BufferList> read = co_await read_online({place_of(key), sectors_for(known)});
    if (!read) co_return read.error().within("metadata");
    const Buffer stored = read->flatten();
    const size_t length = load_le<uint32_t>(stored.data());
    if (length > kMostMetadata)
      co_return Error(ErrorCode::corrupt, "metadata of no possible length");
    if (sectors_for(length) <= sectors_for(known)) {
      co_await count_metadata();
      std::span<const std::byte> record = stored.bytes().subspan(kLengthBytes, length);
      co_return Bytes(record.begin(), record.end());
    }
    known = length;  // a longer one may be stored meanwhile: then once more
  }
}

Async<void> Volume::store_metadata(MetadataKey key, Bytes record) {
  if (record.size() > kMostMetadata) {
    co_return Error(ErrorCode::invalid, fmt::format("metadata of {} bytes: more than {}",
                                                    record.size(), kMostMetadata));
  }
  Result<void> online = check_online();
  if (!online) co_return online;
  const SectorCount sectors = sectors_for(record.size());
  Bytes stored(sectors.value() * kSectorBytes);
  store_le<uint32_t>(stored.data(), static_cast<uint32_t>(record.size()));
  std::ranges::copy(record, stored.begin() + kLengthBytes);
  BufferList data(Buffer::own(std::move(stored)));
  co_await count_metadata();  // its leaf is known then, and what the write replaces
  Result<void> stored_it = co_await write_online({place_of(key), sectors}, std::move(data),
                                                 Durability::flushed, nullptr);
  co_await count_metadata();
  co_return stored_it;
}

}  // namespace swiftness
