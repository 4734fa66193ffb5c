#include "target/scsi/compare.h"

#include <algorithm>
#include <cstring>

#include "backend/base/check.h"

namespace swiftness::scsi {
namespace {

std::optional<uint64_t> first_difference_of(std::span<const std::byte> a,
                                            std::span<const std::byte> b) {
  if (std::memcmp(a.data(), b.data(), a.size()) == 0) return std::nullopt;
  return static_cast<uint64_t>(std::ranges::mismatch(a, b).in1 - a.begin());
}

// Calls visit(offset, part of a, part of b) for the longest parts that are in one piece in both, as
// long as it returns true.
template <class Visit>
void walk(const BufferList& a, const BufferList& b, Visit visit) {
  CHECK(a.size() == b.size());
  uint64_t offset = 0;
  auto at_b = b.pieces().begin();
  size_t used_of_b = 0;
  for (const Buffer& piece : a.pieces()) {
    std::span<const std::byte> rest = piece.bytes();
    while (!rest.empty()) {
      std::span<const std::byte> other = at_b->bytes().subspan(used_of_b);
      const size_t size = std::min(rest.size(), other.size());
      if (!visit(offset, rest.first(size), other.first(size))) return;
      offset += size;
      used_of_b += size;
      rest = rest.subspan(size);
      if (used_of_b == at_b->size()) {
        ++at_b;
        used_of_b = 0;
      }
    }
  }
}

}  // namespace

std::optional<uint64_t> first_difference(const BufferList& a, const BufferList& b) {
  std::optional<uint64_t> found;
  walk(a, b, [&found](uint64_t offset, auto part, auto other) {
    found = first_difference_of(part, other);
    if (found) *found += offset;
    return !found;
  });
  return found;
}

std::optional<uint64_t> first_difference_from_repeated(const BufferList& data,
                                                       std::span<const std::byte> block) {
  CHECK(!block.empty());
  uint64_t offset = 0;
  for (const Buffer& piece : data.pieces()) {
    std::span<const std::byte> rest = piece.bytes();
    while (!rest.empty()) {
      std::span<const std::byte> expected = block.subspan(offset % block.size());
      const size_t size = std::min(rest.size(), expected.size());
      std::optional<uint64_t> found = first_difference_of(rest.first(size), expected.first(size));
      if (found) return offset + *found;
      offset += size;
      rest = rest.subspan(size);
    }
  }
  return std::nullopt;
}

Buffer or_of(const BufferList& a, const BufferList& b) {
  Buffer out = Buffer::allocate(a.size());
  std::span<std::byte> target = out.writable();
  walk(a, b, [target](uint64_t offset, auto part, auto other) {
    std::ranges::transform(part, other, target.begin() + static_cast<std::ptrdiff_t>(offset),
                           [](std::byte x, std::byte y) { return x | y; });
    return true;
  });
  return out;
}

bool is_all_zero(std::span<const std::byte> bytes) {
  return std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{0}; });
}

}  // namespace swiftness::scsi
