#include "target/scsi/unmap_list.h"

#include "backend/base/endian.h"
#include "target/scsi/limits.h"

namespace swiftness::scsi {
namespace {

constexpr size_t kHeaderSize = 8;
constexpr size_t kDescriptorSize = 16;

}  // namespace

std::variant<std::vector<BlockRange>, Sense> parse_unmap_list(std::span<const std::byte> list,
                                                              const Geometry& geometry) {
  if (list.empty()) return std::vector<BlockRange>();  // "shall not be considered an error"
  if (list.size() < kHeaderSize) return illegal_request(asc::kParameterListLengthError);

  // UNMAP BLOCK DESCRIPTOR DATA LENGTH; an incomplete descriptor at its end is ignored.
  size_t descriptor_bytes = load_be<uint16_t>(&list[2]);
  size_t count = descriptor_bytes / kDescriptorSize;
  if (kHeaderSize + count * kDescriptorSize > list.size()) {
    return illegal_request(asc::kParameterListLengthError);
  }
  // UNMAP DATA LENGTH covers all that follows it; a list that contradicts itself is not guessed at.
  size_t data_length = load_be<uint16_t>(&list[0]);
  if (data_length + 2 < kHeaderSize + count * kDescriptorSize) {
    return invalid_field_in_parameter_list(0);
  }
  if (count > kMaximumUnmapDescriptors) return invalid_field_in_parameter_list(2);

  std::vector<BlockRange> ranges;
  ranges.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    const std::byte* descriptor = &list[kHeaderSize + i * kDescriptorSize];
    BlockRange range{Lba(load_be<uint64_t>(descriptor)),
                     BlockCount(load_be<uint32_t>(descriptor + 8))};
    if (!is_inside(range, geometry)) return lba_out_of_range(range.first.value());
    if (range.count.value() != 0) ranges.push_back(range);
  }
  return ranges;
}

}  // namespace swiftness::scsi
