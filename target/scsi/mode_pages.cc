#include "target/scsi/mode_pages.h"

#include <algorithm>
#include <bit>
#include <iterator>
#include <limits>

#include "backend/base/check.h"
#include "backend/base/endian.h"

namespace swiftness::scsi {
namespace {

constexpr uint8_t kErrorRecoveryPage = 0x01;
constexpr uint8_t kCachingPage = 0x08;
constexpr uint8_t kControlPage = 0x0a;
constexpr uint8_t kBlockProvisioningPage = 0x1c;
constexpr uint8_t kBlockProvisioningSubpage = 0x02;
constexpr uint8_t kAllPages = 0x3f;
constexpr uint8_t kAllSubpages = 0xff;
constexpr size_t kErrorRecoveryPageSize = 12;
constexpr size_t kCachingPageSize = 20;
constexpr size_t kControlPageSize = 12;
constexpr size_t kBlockProvisioningPageSize = threshold_descriptor_at(kThresholdDescriptors);
constexpr std::byte kSubpageFormat{0x40};  // SPF

// A page with its header (SPC-5 7.5.8), the rest zero.
Bytes start_page(uint8_t code, size_t size) {
  Bytes page(size);
  page[0] = std::byte{code};
  page[1] = static_cast<std::byte>(size - 2);
  return page;
}

Bytes start_subpage(uint8_t code, uint8_t subpage, size_t size) {
  Bytes page(size);
  page[0] = std::byte{code} | kSubpageFormat;
  page[1] = std::byte{subpage};
  store_be(&page[2], static_cast<uint16_t>(size - 4));
  return page;
}

void set_bit(std::byte& at, uint8_t mask, bool on) {
  if (on) at |= std::byte{mask};
}

Bytes error_recovery_page(const ModeParameters& parameters) {  // SBC-4 6.5.10
  Bytes page = start_page(kErrorRecoveryPage, kErrorRecoveryPageSize);
  set_bit(page[7], 0x80, parameters.provisioning_errors);  // LBPERE
  return page;
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

// SITUA 0: every nexus is told. All are soft thresholds (THRESHOLD TYPE 000b).
Bytes provisioning_page(const ModeParameters& parameters) {  // SBC-4 6.5.9
  constexpr std::byte kArmedDecreasing{0x00}, kArmedIncreasing{0x01};
  constexpr std::byte kAvailable{0x01}, kUsed{0x02};  // THRESHOLD RESOURCE
  Bytes page =
      start_subpage(kBlockProvisioningPage, kBlockProvisioningSubpage, kBlockProvisioningPageSize);
  for (size_t i = 0; i < kThresholdDescriptors; ++i) {
    const SoftThreshold& threshold = parameters.thresholds[i];
    std::byte* at = &page[threshold_descriptor_at(i)];
    at[0] = i == kAvailableThreshold ? kArmedDecreasing : kArmedIncreasing;
    set_bit(at[0], 0x80, threshold.enabled);
    at[1] = i == kAvailableThreshold ? kAvailable : kUsed;
    store_be(at + 4, threshold.count);
  }
  return page;
}

using MakePage = Bytes (*)(const ModeParameters& parameters);

struct ModePage {
  uint8_t code;
  uint8_t subpage;
  size_t size;
  MakePage make;
};

constexpr ModePage kModePages[] = {
    {kErrorRecoveryPage, 0, kErrorRecoveryPageSize, error_recovery_page},
    {kCachingPage, 0, kCachingPageSize, caching_page},
    {kControlPage, 0, kControlPageSize, control_page},
    {kBlockProvisioningPage, kBlockProvisioningSubpage, kBlockProvisioningPageSize,
     provisioning_page},
};

const ModePage* find_page(uint8_t code, uint8_t subpage) {
  auto is_it = [&](const ModePage& page) { return page.code == code && page.subpage == subpage; };
  const auto* found = std::ranges::find_if(kModePages, is_it);
  return found == std::end(kModePages) ? nullptr : found;
}

size_t header_size(const ModePage& page) {
  return page.subpage == 0 ? 2 : 4;
}

// The bits of a page that differ between one set of parameters and its opposite are those that
// MODE SELECT can change; so the mask can never say anything else than what is done.
Bytes changeable_bits(const ModePage& page) {
  const SoftThreshold all_ones{true, std::numeric_limits<uint32_t>::max()};
  const ModeParameters none{false, false, false, false, {}};
  const ModeParameters all{true, true, true, true, {all_ones, all_ones, {}}};
  const Bytes off = page.make(none), on = page.make(all);
  Bytes mask = off;
  for (size_t i = header_size(page); i < page.size; ++i) mask[i] = off[i] ^ on[i];
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
  auto has_code = [&](const ModePage& page) {
    return cdb.page_code == kAllPages || page.code == cdb.page_code;
  };
  auto is_asked_for = [&](const ModePage& page) {
    const bool subpage = cdb.subpage_code == kAllSubpages || page.subpage == cdb.subpage_code;
    return has_code(page) && subpage;
  };
  if (std::ranges::none_of(kModePages, has_code)) return invalid_field_in_cdb(2, 5);
  const bool any_subpages =
      cdb.page_code != kAllPages || cdb.subpage_code == 0 || cdb.subpage_code == kAllSubpages;
  if (!any_subpages || std::ranges::none_of(kModePages, is_asked_for)) {
    return invalid_field_in_cdb(3);
  }

  Bytes pages;
  for (const ModePage& page : kModePages) {
    if (!is_asked_for(page)) continue;
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
  for (size_t i = header_size(page); i < page.size; ++i) {
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
  if (code == kErrorRecoveryPage) parameters.provisioning_errors = has(7, 0x80);
  if (code == kCachingPage) parameters.write_cache = has(2, 0x04);
  if (code == kControlPage) {
    parameters.descriptor_sense = has(2, 0x04);
    parameters.software_write_protect = has(4, 0x08);
  }
  for (size_t i = 0; code == kBlockProvisioningPage && i < kConfiguredThreshold; ++i) {
    const size_t at = threshold_descriptor_at(i);
    parameters.thresholds[i] = {has(at, 0x80), load_be<uint32_t>(&given[at + 4])};
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
    const auto here = static_cast<uint16_t>(at);
    const bool has_subpage = (list[at] & kSubpageFormat) != std::byte{0};
    if (list.size() - at < (has_subpage ? 4u : 2u)) {
      return illegal_request(asc::kParameterListLengthError);
    }
    const auto code = std::to_integer<uint8_t>(list[at] & std::byte{0x3f});
    const auto subpage = has_subpage ? std::to_integer<uint8_t>(list[at + 1]) : uint8_t{0};
    const ModePage* page = find_page(code, subpage);
    if (!page || has_subpage != (page->subpage != 0)) {
      return invalid_field_in_parameter_list(here, has_subpage ? 6 : 5);  // SPF, PAGE CODE
    }
    const size_t length = has_subpage ? load_be<uint16_t>(&list[at + 2])  // PAGE LENGTH
                                      : std::to_integer<size_t>(list[at + 1]);
    if (length + header_size(*page) != page->size) {
      return invalid_field_in_parameter_list(static_cast<uint16_t>(has_subpage ? at + 2 : at + 1));
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

// ---- saved ones: a version, a byte of flags, and two thresholds. The first version had neither
// the thresholds nor LBPERE, which was on.
// -----------------------------------------------------------

constexpr std::byte kFirstSavedVersion{1}, kSavedVersion{2};
constexpr uint8_t kSavedWriteCache = 1, kSavedDescriptorSense = 2, kSavedWriteProtect = 4;
constexpr uint8_t kSavedProvisioningErrors = 8, kSavedThresholdEnabled = 16;  // and 32
constexpr uint8_t kFirstSavedFlags = 7, kSavedFlags = 63;
constexpr size_t kFirstSavedSize = 2, kSavedSize = 2 + 4 * kConfiguredThreshold;

Bytes encode(const ModeParameters& mode) {
  Bytes out(kSavedSize);
  out[0] = kSavedVersion;
  set_bit(out[1], kSavedWriteCache, mode.write_cache);
  set_bit(out[1], kSavedDescriptorSense, mode.descriptor_sense);
  set_bit(out[1], kSavedWriteProtect, mode.software_write_protect);
  set_bit(out[1], kSavedProvisioningErrors, mode.provisioning_errors);
  for (size_t i = 0; i < kConfiguredThreshold; ++i) {
    const auto enabled = static_cast<uint8_t>(kSavedThresholdEnabled << i);
    set_bit(out[1], enabled, mode.thresholds[i].enabled);
    store_be(&out[2 + 4 * i], mode.thresholds[i].count);
  }
  return out;
}

std::optional<ModeParameters> decode_mode(std::span<const std::byte> record,
                                          const ModeParameters& defaults) {
  if (record.empty()) return defaults;
  const bool is_first = record[0] == kFirstSavedVersion;
  if (!is_first && record[0] != kSavedVersion) return std::nullopt;
  if (record.size() != (is_first ? kFirstSavedSize : kSavedSize)) return std::nullopt;
  const auto flags = std::to_integer<uint8_t>(record[1]);
  if ((flags & ~(is_first ? kFirstSavedFlags : kSavedFlags)) != 0) return std::nullopt;
  ModeParameters mode = defaults;
  mode.write_cache = (flags & kSavedWriteCache) != 0;
  mode.descriptor_sense = (flags & kSavedDescriptorSense) != 0;
  mode.software_write_protect = (flags & kSavedWriteProtect) != 0;
  if (is_first) return mode;
  mode.provisioning_errors = (flags & kSavedProvisioningErrors) != 0;
  for (size_t i = 0; i < kConfiguredThreshold; ++i) {
    mode.thresholds[i] = {(flags & (kSavedThresholdEnabled << i)) != 0,
                          load_be<uint32_t>(&record[2 + 4 * i])};
  }
  return mode;
}

}  // namespace swiftness::scsi
