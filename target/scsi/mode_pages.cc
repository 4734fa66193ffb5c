#include "target/scsi/mode_pages.h"

#include <algorithm>
#include <bit>
#include <iterator>
#include <limits>

#include "backend/base/check.h"
#include "backend/base/endian.h"

namespace swiftness::scsi {
namespace {

constexpr uint8_t kCachingPage = 0x08;
constexpr uint8_t kControlPage = 0x0a;
constexpr uint8_t kAllPages = 0x3f;
constexpr uint8_t kAllSubpages = 0xff;
constexpr size_t kCachingPageSize = 20;
constexpr size_t kControlPageSize = 12;

// A page with its header (SPC-5 7.5.8), the rest zero.
Bytes start_page(uint8_t code, size_t size) {
  Bytes page(size);
  page[0] = std::byte{code};
  page[1] = static_cast<std::byte>(size - 2);
  return page;
}

void set_bit(std::byte& at, uint8_t mask, bool on) {
  if (on) at |= std::byte{mask};
}

Bytes caching_page(const ModeParameters& parameters) {  // SBC-4 6.5.6
  Bytes page = start_page(kCachingPage, kCachingPageSize);
  set_bit(page[2], 0x04, parameters.write_cache);  // WCE
  return page;
}

Bytes control_page(const ModeParameters& parameters) {  // SPC-5 7.5.10
  Bytes page = start_page(kControlPage, kControlPageSize);
  // TST 000b: one task set for all nexuses. QERR 00b, TAS 0.
  set_bit(page[2], 0x04, parameters.descriptor_sense);        // D_SENSE
  page[3] = std::byte{0x10};                                  // QUEUE ALGORITHM MODIFIER 1h:
                                                              // unrestricted reordering
  set_bit(page[4], 0x08, parameters.software_write_protect);  // SWP
  store_be(&page[8], uint16_t{0xffff});                       // BUSY TIMEOUT PERIOD: unlimited
  return page;
}

using MakePage = Bytes (*)(const ModeParameters& parameters);

struct ModePage {
  uint8_t code;
  size_t size;
  MakePage make;
};

constexpr ModePage kModePages[] = {
    {kCachingPage, kCachingPageSize, caching_page},
    {kControlPage, kControlPageSize, control_page},
};

const ModePage* find_page(uint8_t code) {
  const auto* found = std::ranges::find(kModePages, code, &ModePage::code);
  return found == std::end(kModePages) ? nullptr : found;
}

// The bits of a page that differ between one set of parameters and its opposite are those that
// MODE SELECT can change; so the mask can never say anything else than what is done.
Bytes changeable_bits(const ModePage& page) {
  const Bytes off = page.make({false, false, false}), on = page.make({true, true, true});
  Bytes mask = start_page(page.code, page.size);
  for (size_t i = 2; i < page.size; ++i) mask[i] = off[i] ^ on[i];
  return mask;
}

Bytes page_as_asked(const ModePage& page, PageControl control, const ModeValues& values) {
  switch (control) {
    case PageControl::current:
      return page.make(values.current);
    case PageControl::changeable:
      return changeable_bits(page);
    case PageControl::defaults:
      return page.make(values.defaults);
    case PageControl::saved:
      return page.make(values.saved.value_or(values.defaults));
  }
  CHECK(false);
}

void append(Bytes& out, const Bytes& page) {
  out.insert(out.end(), page.begin(), page.end());
}

// The block descriptor says size and number of blocks (SBC-4 6.5.2).
Bytes block_descriptor(const Geometry& geometry, bool long_lba) {
  uint64_t blocks = geometry.blocks.value();
  if (long_lba) {
    Bytes descriptor(16);
    store_be(&descriptor[0], blocks);
    store_be(&descriptor[12], geometry.block_size);
    return descriptor;
  }
  Bytes descriptor(8);
  uint64_t shown = std::min<uint64_t>(blocks, std::numeric_limits<uint32_t>::max());
  store_be(&descriptor[0], static_cast<uint32_t>(shown));
  store_be(&descriptor[4], geometry.block_size);  // LOGICAL BLOCK LENGTH has three of these bytes
  return descriptor;
}

std::variant<Bytes, Sense> pages_asked_for(const ModeSenseCdb& cdb, const ModeValues& values) {
  const bool all = cdb.page_code == kAllPages;
  if (!all && !find_page(cdb.page_code)) return invalid_field_in_cdb(2, 5);
  // No page has subpages; FFh asks for the page and all it has.
  if (cdb.subpage_code != 0 && cdb.subpage_code != kAllSubpages) return invalid_field_in_cdb(3);

  Bytes pages;
  for (const ModePage& page : kModePages) {
    if (!all && page.code != cdb.page_code) continue;
    Bytes bytes = page_as_asked(page, cdb.page_control, values);
    set_bit(bytes[0], 0x80, values.saved.has_value());  // PS
    append(pages, bytes);
  }
  return pages;
}

Bytes header(const ModeSenseCdb& cdb, const ModeValues& values, size_t descriptors, size_t pages) {
  uint8_t device_specific = 0x10;  // DPOFUA
  if (values.write_protected) device_specific |= 0x80;
  size_t size = cdb.ten ? 8 : 4;
  size_t data_length = size + descriptors + pages;  // MODE DATA LENGTH leaves itself out
  Bytes out(size);
  if (cdb.ten) {  // SPC-5 7.5.6, table 444
    store_be(&out[0], static_cast<uint16_t>(data_length - 2));
    out[3] = std::byte{device_specific};
    if (descriptors == 16) out[4] = std::byte{0x01};  // LONGLBA
    store_be(&out[6], static_cast<uint16_t>(descriptors));
  } else {
    out[0] = static_cast<std::byte>(data_length - 1);
    out[2] = std::byte{device_specific};
    out[3] = static_cast<std::byte>(descriptors);
  }
  return out;
}

// ---- MODE SELECT, SPC-5 6.13 and 6.14
// ------------------------------------------------------------

// The size of the mode parameter header and the block descriptor behind it.
struct ListStart {
  size_t header = 0;
  size_t descriptor = 0;
};

// A block descriptor may only say what is so already: neither length nor number of blocks can be
// changed (SBC-4 6.5.2; a number of 0 or all ones asks for no change).
std::optional<Sense> check_block_descriptor(std::span<const std::byte> descriptor, size_t at,
                                            const Geometry& geometry) {
  const bool long_lba = descriptor.size() == 16;
  const uint64_t none =
      long_lba ? std::numeric_limits<uint64_t>::max() : std::numeric_limits<uint32_t>::max();
  const uint64_t blocks =
      long_lba ? load_be<uint64_t>(descriptor.data()) : load_be<uint32_t>(descriptor.data());
  if (blocks != 0 && blocks != none && blocks != geometry.blocks.value()) {
    return invalid_field_in_parameter_list(static_cast<uint16_t>(at));
  }
  const size_t length_at = long_lba ? 12 : 4;
  uint32_t length = load_be<uint32_t>(&descriptor[length_at]);
  if (!long_lba) length &= 0xffffff;
  if (length != geometry.block_size) {
    return invalid_field_in_parameter_list(static_cast<uint16_t>(at + length_at));
  }
  return std::nullopt;
}

// MODE DATA LENGTH and the device-specific parameter are reserved in MODE SELECT (SPC-5 7.5.6).
std::variant<ListStart, Sense> check_list_start(std::span<const std::byte> list, bool ten,
                                                const Geometry& geometry) {
  ListStart start{ten ? 8u : 4u, 0};
  if (list.size() < start.header) return illegal_request(asc::kParameterListLengthError);
  const size_t medium_type_at = ten ? 2 : 1, length_at = ten ? 6 : 3;
  if (list[medium_type_at] != std::byte{0}) {
    return invalid_field_in_parameter_list(static_cast<uint16_t>(medium_type_at));
  }
  start.descriptor =
      ten ? load_be<uint16_t>(&list[length_at]) : std::to_integer<size_t>(list[length_at]);
  if (start.descriptor == 0) return start;
  const bool long_lba = ten && (list[4] & std::byte{0x01}) != std::byte{0};
  if (start.descriptor != (long_lba ? 16u : 8u)) {
    return invalid_field_in_parameter_list(static_cast<uint16_t>(length_at));
  }
  if (list.size() < start.header + start.descriptor) {
    return illegal_request(asc::kParameterListLengthError);
  }
  const auto descriptor = list.subspan(start.header, start.descriptor);
  std::optional<Sense> wrong = check_block_descriptor(descriptor, start.header, geometry);
  if (wrong) return *wrong;
  return start;
}

// A page may differ from the current one in what is changeable, and nowhere else. The first bit
// that does is named.
std::optional<Sense> check_page(std::span<const std::byte> given, const ModePage& page, size_t at,
                                const ModeParameters& current) {
  const Bytes now = page.make(current), changeable = changeable_bits(page);
  for (size_t i = 2; i < page.size; ++i) {
    const auto wrong = std::to_integer<unsigned>((given[i] ^ now[i]) & ~changeable[i]);
    if (wrong == 0) continue;
    const auto bit = static_cast<uint8_t>(std::bit_width(wrong) - 1);
    return invalid_field_in_parameter_list(static_cast<uint16_t>(at + i), bit);
  }
  return std::nullopt;
}

void take_page(std::span<const std::byte> given, uint8_t code, ModeParameters& parameters) {
  auto has = [given](size_t byte, uint8_t mask) {
    return (given[byte] & std::byte{mask}) != std::byte{0};
  };
  if (code == kCachingPage) parameters.write_cache = has(2, 0x04);
  if (code == kControlPage) {
    parameters.descriptor_sense = has(2, 0x04);
    parameters.software_write_protect = has(4, 0x08);
  }
}

}  // namespace

std::variant<Bytes, Sense> mode_sense_data(const ModeSenseCdb& cdb, const ModeValues& values,
                                           const Geometry& geometry) {
  if (cdb.page_control == PageControl::saved && !values.saved) {
    return illegal_request(asc::kSavingNotSupported);
  }

  std::variant<Bytes, Sense> pages = pages_asked_for(cdb, values);
  if (std::holds_alternative<Sense>(pages)) return pages;

  Bytes descriptors;
  if (!cdb.disable_block_descriptors) {
    descriptors = block_descriptor(geometry, cdb.long_lba_accepted);
  }
  Bytes out = header(cdb, values, descriptors.size(), std::get<Bytes>(pages).size());
  append(out, descriptors);
  append(out, std::get<Bytes>(pages));
  return out;
}

std::variant<ModeParameters, Sense> parse_mode_select_list(std::span<const std::byte> list,
                                                           bool ten, const ModeParameters& current,
                                                           const Geometry& geometry) {
  if (list.empty()) return current;  // "shall not be considered an error"
  std::variant<ListStart, Sense> start = check_list_start(list, ten, geometry);
  if (const Sense* sense = std::get_if<Sense>(&start)) return *sense;

  ModeParameters parameters = current;
  size_t at = std::get<ListStart>(start).header + std::get<ListStart>(start).descriptor;
  while (at < list.size()) {
    if (list.size() - at < 2) return illegal_request(asc::kParameterListLengthError);
    const auto here = static_cast<uint16_t>(at);
    const std::byte first = list[at];
    if ((first & std::byte{0x40}) != std::byte{0}) {  // SPF: no page has subpages
      return invalid_field_in_parameter_list(here, 6);
    }
    const ModePage* page = find_page(std::to_integer<uint8_t>(first & std::byte{0x3f}));
    if (!page) return invalid_field_in_parameter_list(here, 5);
    if (std::to_integer<size_t>(list[at + 1]) + 2 != page->size) {  // PAGE LENGTH
      return invalid_field_in_parameter_list(static_cast<uint16_t>(at + 1));
    }
    if (list.size() - at < page->size) return illegal_request(asc::kParameterListLengthError);
    const auto given = list.subspan(at, page->size);
    std::optional<Sense> wrong = check_page(given, *page, at, current);
    if (wrong) return *wrong;
    take_page(given, page->code, parameters);
    at += page->size;
  }
  return parameters;
}

// ---- saved ones: a version and a byte of flags ------------------------------------------------

constexpr std::byte kSavedVersion{1};
constexpr uint8_t kSavedWriteCache = 1, kSavedDescriptorSense = 2, kSavedWriteProtect = 4;
constexpr uint8_t kSavedFlags = kSavedWriteCache | kSavedDescriptorSense | kSavedWriteProtect;

Bytes encode(const ModeParameters& mode) {
  uint8_t flags = 0;
  if (mode.write_cache) flags |= kSavedWriteCache;
  if (mode.descriptor_sense) flags |= kSavedDescriptorSense;
  if (mode.software_write_protect) flags |= kSavedWriteProtect;
  return {kSavedVersion, std::byte{flags}};
}

std::optional<ModeParameters> decode_mode(std::span<const std::byte> record,
                                          const ModeParameters& defaults) {
  if (record.empty()) return defaults;
  if (record.size() != 2 || record[0] != kSavedVersion) return std::nullopt;
  const auto flags = std::to_integer<uint8_t>(record[1]);
  if ((flags & ~kSavedFlags) != 0) return std::nullopt;
  return ModeParameters{(flags & kSavedWriteCache) != 0, (flags & kSavedDescriptorSense) != 0,
                        (flags & kSavedWriteProtect) != 0};
}

}  // namespace swiftness::scsi
