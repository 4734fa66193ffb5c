#include "target/scsi/copy_parameters.h"

#include <algorithm>
#include <utility>

#include "backend/base/endian.h"
#include "target/scsi/limits.h"
#include "target/scsi/rod_tokens.h"

namespace swiftness::scsi {
namespace {

constexpr size_t kLid1Header = 16;
constexpr size_t kLid4Header = 48;
constexpr size_t kTargetDescriptor = 32;
constexpr size_t kSegmentHeader = 4;  // of any type
constexpr size_t kBlockToBlock = 28;
constexpr size_t kLongestDesignator = 20;

constexpr uint8_t kIdentificationDescriptor = 0xe4;
constexpr uint8_t kBlockToBlockSegment = 0x02;

constexpr size_t kPopulateHeader = 16;
constexpr size_t kWriteUsingHeader = 536;
constexpr size_t kRangeDescriptor = 16;

uint8_t byte_at(std::span<const std::byte> list, size_t at) {
  return std::to_integer<uint8_t>(list[at]);
}

Sense wrong_at(size_t byte, std::optional<uint8_t> bit = std::nullopt) {
  return invalid_field_in_parameter_list(static_cast<uint16_t>(byte), bit);
}

// What the two forms of the header have in common.
struct Header {
  size_t size = 0;
  uint32_t list_identifier = 0;
  size_t list_identifier_at = 0;
  uint8_t list_id_usage = 0;
  bool immed = false;
  uint64_t targets_length = 0;
  uint64_t segments_length = 0;
  uint64_t inline_length = 0;
};

Header lid1_header(std::span<const std::byte> list) {  // SPC-5 6.6.2
  Header header;
  header.size = kLid1Header;
  header.list_identifier = byte_at(list, 0);
  header.list_id_usage = byte_at(list, 1) >> 3 & 0x03;
  header.targets_length = load_be<uint16_t>(&list[2]);
  header.segments_length = load_be<uint32_t>(&list[8]);
  header.inline_length = load_be<uint32_t>(&list[12]);
  return header;
}

Header lid4_header(std::span<const std::byte> list) {  // SPC-5 6.7
  Header header;
  header.size = kLid4Header;
  header.list_id_usage = byte_at(list, 1) >> 3 & 0x03;
  header.immed = (byte_at(list, 15) & 0x01) != 0;
  header.list_identifier = load_be<uint32_t>(&list[20]);
  header.list_identifier_at = 20;
  header.targets_length = load_be<uint16_t>(&list[42]);
  header.segments_length = load_be<uint16_t>(&list[44]);
  header.inline_length = load_be<uint16_t>(&list[46]);
  return header;
}

std::optional<Sense> check_lid4(std::span<const std::byte> list) {
  if (byte_at(list, 0) != 0x01) return wrong_at(0);               // PARAMETER LIST FORMAT
  if (load_be<uint16_t>(&list[2]) != 0x0020) return wrong_at(2);  // of the header's own descriptor
  if (byte_at(list, 16) != 0xff) return wrong_at(16);             // its type
  return std::nullopt;
}

enum ListIdUsage : uint8_t { kHold = 0, kReserved = 1, kDiscard = 2, kNoListIdentifier = 3 };

std::optional<Sense> check_header(const Header& header, size_t list_size) {
  // Whoever wants no answers says 0: another identifier would be one that means nothing.
  const bool contradicts = header.list_id_usage == kNoListIdentifier && header.list_identifier != 0;
  if (header.list_id_usage == kReserved) return wrong_at(1, 4);
  if (contradicts) return wrong_at(header.list_identifier_at);
  const uint64_t descriptors = header.targets_length + header.segments_length;
  if (descriptors > maximum_copy_descriptor_list_length()) {
    return illegal_request(asc::kParameterListLengthError);
  }
  if (header.inline_length > 0) return illegal_request(asc::kInlineDataLengthExceeded);
  if (header.size + descriptors > list_size) {
    return illegal_request(asc::kParameterListLengthError);
  }
  return std::nullopt;
}

// The NUL bit would ask for a copy from, or to, nothing: obsolete, and better refused than ignored.
std::variant<CopyTarget, Sense> parse_target(std::span<const std::byte> all, size_t at) {
  const std::span<const std::byte> bytes = all.subspan(at, kTargetDescriptor);
  if (byte_at(bytes, 0) != kIdentificationDescriptor) {
    return illegal_request(asc::kUnsupportedTargetDescriptorType);
  }
  if ((byte_at(bytes, 1) & 0x20) != 0) return wrong_at(at + 1, 5);
  CopyTarget target;
  target.device_type = byte_at(bytes, 1) & 0x1f;
  target.code_set = byte_at(bytes, 4) & 0x0f;
  target.association = byte_at(bytes, 5) >> 4 & 0x03;
  target.designator_type = byte_at(bytes, 5) & 0x0f;
  const size_t length = byte_at(bytes, 7);
  if (length == 0 || length > kLongestDesignator) return wrong_at(at + 7);
  const auto designator = bytes.subspan(8, length);
  target.designator.assign(designator.begin(), designator.end());
  target.block_length = load_be<uint32_t>(&bytes[28]) & 0xffffff;
  return target;
}

std::optional<Sense> parse_targets(std::span<const std::byte> all, const Header& header,
                                   std::vector<CopyTarget>& targets) {
  if (header.targets_length % kTargetDescriptor != 0)
    return wrong_at(header.size == kLid1Header ? 2 : 42);
  for (size_t at = header.size; at < header.size + header.targets_length; at += kTargetDescriptor) {
    std::variant<CopyTarget, Sense> target = parse_target(all, at);
    if (const Sense* sense = std::get_if<Sense>(&target)) return *sense;
    if (targets.size() == kMaximumCopyTargets) {
      return illegal_request(asc::kTooManyTargetDescriptors);
    }
    targets.push_back(std::get<CopyTarget>(std::move(target)));
  }
  return std::nullopt;
}

// CAT asks for something only where a segment leaves part of a block over, and none of ours does.
// FCO asks for a copy that moves no data (SPC-5), which we cannot do.
std::variant<CopySegment, Sense> parse_segment(std::span<const std::byte> all, size_t at) {
  const std::span<const std::byte> bytes = all.subspan(at, kBlockToBlock);
  if ((byte_at(bytes, 1) & 0x04) != 0) return wrong_at(at + 1, 2);
  CopySegment segment;
  segment.counts_destination_blocks = (byte_at(bytes, 1) & 0x02) != 0;
  segment.from = load_be<uint16_t>(&bytes[4]);
  segment.to = load_be<uint16_t>(&bytes[6]);
  segment.blocks = load_be<uint16_t>(&bytes[10]);
  segment.from_first = Lba(load_be<uint64_t>(&bytes[12]));
  segment.to_first = Lba(load_be<uint64_t>(&bytes[20]));
  return segment;
}

std::optional<Sense> parse_segments(std::span<const std::byte> all, const Header& header,
                                    std::vector<CopySegment>& segments) {
  const size_t begin = header.size + header.targets_length;
  const size_t end = begin + header.segments_length;
  for (size_t at = begin; at < end; at += kBlockToBlock) {
    if (end - at < kSegmentHeader) return illegal_request(asc::kParameterListLengthError);
    if (byte_at(all, at) != kBlockToBlockSegment) {
      return illegal_request(asc::kUnsupportedSegmentDescriptorType);
    }
    if (load_be<uint16_t>(&all[at + 2]) != kBlockToBlock - kSegmentHeader) return wrong_at(at + 2);
    if (end - at < kBlockToBlock) return illegal_request(asc::kParameterListLengthError);
    std::variant<CopySegment, Sense> segment = parse_segment(all, at);
    if (const Sense* sense = std::get_if<Sense>(&segment)) return *sense;
    if (segments.size() == kMaximumCopySegments) {
      return illegal_request(asc::kTooManySegmentDescriptors);
    }
    segments.push_back(std::get<CopySegment>(segment));
  }
  return std::nullopt;
}

}  // namespace

uint32_t maximum_copy_descriptor_list_length() noexcept {
  return kMaximumCopyTargets * kTargetDescriptor + kMaximumCopySegments * kBlockToBlock;
}

uint32_t longest_extended_copy_list(ListIdentifierLength form) noexcept {
  const size_t header = form == ListIdentifierLength::one ? kLid1Header : kLid4Header;
  return static_cast<uint32_t>(header) + maximum_copy_descriptor_list_length();
}

std::variant<ExtendedCopy, Sense> parse_extended_copy(std::span<const std::byte> list,
                                                      ListIdentifierLength form) {
  const bool is_lid1 = form == ListIdentifierLength::one;
  if (list.size() < (is_lid1 ? kLid1Header : kLid4Header)) {
    return illegal_request(asc::kParameterListLengthError);
  }
  std::optional<Sense> wrong = is_lid1 ? std::nullopt : check_lid4(list);
  const Header header = is_lid1 ? lid1_header(list) : lid4_header(list);
  if (!wrong) wrong = check_header(header, list.size());
  ExtendedCopy copy;
  if (!wrong) wrong = parse_targets(list, header, copy.targets);
  if (!wrong) wrong = parse_segments(list, header, copy.segments);
  if (wrong) return *wrong;
  if (header.list_id_usage != kNoListIdentifier) copy.list_identifier = header.list_identifier;
  copy.immed = header.immed;
  return copy;
}

// ---- tokens ------------------------------------------------------------------------------------

namespace {

bool any_overlap(std::vector<BlockRange> ranges) {
  std::ranges::sort(ranges, {}, &BlockRange::first);
  const auto joins = [](const BlockRange& a, const BlockRange& b) {
    return b.first < a.first + a.count;
  };
  return std::ranges::adjacent_find(ranges, joins) != ranges.end();
}

// BLOCK DEVICE RANGE DESCRIPTORS, their length in front of them (SBC-4 5.11.3). The first field of
// either parameter list is its own length.
std::variant<std::vector<BlockRange>, Sense> parse_ranges(std::span<const std::byte> list,
                                                          size_t header, const Geometry& geometry) {
  if (list.size() < header) return illegal_request(asc::kParameterListLengthError);
  const size_t length_at = header - 2;
  const size_t length = load_be<uint16_t>(&list[length_at]);
  const size_t count = length / kRangeDescriptor;  // an incomplete one at the end is ignored
  if (count == 0) return wrong_at(length_at);
  if (header + count * kRangeDescriptor > list.size()) {
    return illegal_request(asc::kParameterListLengthError);
  }
  if (load_be<uint16_t>(&list[0]) + size_t{2} < header + count * kRangeDescriptor) {
    return wrong_at(0);
  }
  if (count > kMaximumTokenRanges) return wrong_at(length_at);
  std::vector<BlockRange> ranges;
  for (size_t i = 0; i < count; ++i) {
    const std::byte* at = &list[header + i * kRangeDescriptor];
    const BlockRange range{Lba(load_be<uint64_t>(at)), BlockCount(load_be<uint32_t>(at + 8))};
    if (!is_inside(range, geometry)) return lba_out_of_range(range.first.value());
    if (range.count.value() != 0) ranges.push_back(range);
  }
  if (any_overlap(ranges)) return wrong_at(header);
  if (blocks_of(ranges) > blocks_in(kMaximumTokenBytes, geometry)) return wrong_at(header);
  return ranges;
}

bool is_offered(uint32_t type) {
  return type == rod_type::kPointInTime || type == rod_type::kPointInTimeChangeVulnerable ||
         type == rod_type::kPointInTimeAny;
}

}  // namespace

uint64_t blocks_of(std::span<const BlockRange> ranges) noexcept {
  uint64_t blocks = 0;
  for (const BlockRange& range : ranges) blocks += range.count.value();
  return blocks;
}

uint32_t longest_populate_token_list() noexcept {
  return kPopulateHeader + kMaximumTokenRanges * kRangeDescriptor;
}

uint32_t longest_write_using_token_list() noexcept {
  return kWriteUsingHeader + kMaximumTokenRanges * kRangeDescriptor;
}

std::variant<PopulateToken, Sense> parse_populate_token(std::span<const std::byte> list,
                                                        const Geometry& geometry) {
  auto ranges = parse_ranges(list, kPopulateHeader, geometry);
  if (const Sense* sense = std::get_if<Sense>(&ranges)) return *sense;
  PopulateToken populate;
  populate.ranges = std::get<std::vector<BlockRange>>(std::move(ranges));
  if (populate.ranges.empty()) return wrong_at(kPopulateHeader);  // a token of nothing
  populate.immed = (byte_at(list, 2) & 0x01) != 0;
  populate.inactivity_timeout_s = load_be<uint32_t>(&list[4]);
  if (populate.inactivity_timeout_s > kMaximumTokenInactivity_s) return wrong_at(4);
  const bool has_type = (byte_at(list, 2) & 0x02) != 0;  // RTV
  const uint32_t type = load_be<uint32_t>(&list[8]);
  if (has_type && !is_offered(type)) return wrong_at(8);
  if (has_type && type != rod_type::kPointInTimeAny) populate.type = type;
  return populate;
}

std::variant<WriteUsingToken, Sense> parse_write_using_token(std::span<const std::byte> list,
                                                             const Geometry& geometry) {
  auto ranges = parse_ranges(list, kWriteUsingHeader, geometry);
  if (const Sense* sense = std::get_if<Sense>(&ranges)) return *sense;
  WriteUsingToken write;
  write.ranges = std::get<std::vector<BlockRange>>(std::move(ranges));
  write.immed = (byte_at(list, 2) & 0x01) != 0;
  write.delete_token = (byte_at(list, 2) & 0x02) != 0;
  write.offset = load_be<uint64_t>(&list[8]);
  std::ranges::copy(list.subspan(16, kRodTokenBytes), write.token.begin());
  return write;
}

}  // namespace swiftness::scsi
