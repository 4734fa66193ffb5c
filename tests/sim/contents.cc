#include "tests/sim/contents.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace swiftness::sim {

Buffer contents(const Shape& shape, Piece piece, Tag tag) {
  Buffer data = Buffer::allocate(piece.count * kSectorBytes);
  std::byte* at = data.writable().data();
  for (uint64_t i = 0; i < piece.count; ++i) {
    const uint64_t words[2] = {shape.address(piece.first + i), tag};
    for (size_t n = 0; n < kSectorBytes; n += sizeof(words), at += sizeof(words)) {
      std::memcpy(at, words, sizeof(words));
    }
  }
  return data;
}

Result<Copies::Origins> origins_of(Piece piece, const BufferList& data) {
  Copies::Origins origins(piece.count);
  const Buffer flat = data.flatten();
  for (uint64_t i = 0; i < piece.count; ++i) {
    const std::byte* sector = flat.data() + i * kSectorBytes;
    uint64_t words[2];
    std::memcpy(words, sector, sizeof(words));
    origins[i] = {words[0], words[1]};
    for (size_t n = sizeof(words); n < kSectorBytes; n += sizeof(words)) {
      if (std::memcmp(sector + n, words, sizeof(words)) == 0) continue;
      return Error(ErrorCode::invalid,
                   fmt::format("sector {} (tag {}) is torn", piece.first + i, words[1]));
    }
  }
  return origins;
}

Result<Disk> tags_of(const World& world, Piece piece, const Copies::Origins& origins) {
  Disk tags(piece.count);
  for (uint64_t i = 0; i < piece.count; ++i) {
    const uint64_t sector = piece.first + i;
    const Copies::Origin& origin = origins[i];
    const bool zeros = origin.tag == 0 && origin.address == 0;
    if (zeros || (origin.tag != 0 && origin.address == world.shape.address(sector))) {
      tags[i] = origin.tag;
    } else if (std::optional<Tag> copy = world.copies.who_brought(origin, sector)) {
      tags[i] = *copy;
    } else {
      return Error(ErrorCode::invalid, fmt::format("sector {} (tag {}) is of another place, {}",
                                                   sector, origin.tag, origin.address));
    }
  }
  return tags;
}

Result<Disk> tags_of(const World& world, Piece piece, const BufferList& data) {
  Result<Copies::Origins> origins = origins_of(piece, data);
  if (!origins) return origins.error();
  return tags_of(world, piece, *origins);
}

Bytes record_of(Tag tag, size_t words) {
  Bytes record(words * sizeof(tag));
  for (size_t n = 0; n < record.size(); n += sizeof(tag)) {
    std::memcpy(record.data() + n, &tag, sizeof(tag));
  }
  return record;
}

Result<Tag> tag_of(const Bytes& record) {
  Tag tag = 0;
  if (record.size() >= sizeof(tag)) std::memcpy(&tag, record.data(), sizeof(tag));
  if (record == record_of(tag, record.size() / sizeof(tag))) return tag;
  return Error(ErrorCode::invalid, fmt::format("a record (tag {}) is torn", tag));
}

bool all_zeros(const Copies::Origins& origins) {
  return std::ranges::all_of(origins, [](const auto& origin) { return origin.tag == 0; });
}

bool would_be_told(const World& world, const Copies::Origins& origins, Piece to) {
  for (uint64_t i = 0; i < to.count; ++i) {
    const uint64_t sector = to.first + i;
    if (origins[i].tag == 0 || origins[i].address == world.shape.address(sector)) return false;
    if (world.copies.who_brought(origins[i], sector)) return false;
  }
  return true;
}

}  // namespace swiftness::sim
