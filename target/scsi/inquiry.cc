#include "target/scsi/inquiry.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <span>
#include <string>
#include <string_view>

#include "backend/base/endian.h"
#include "backend/base/hash.h"
#include "target/scsi/copy_results.h"
#include "target/scsi/limits.h"

namespace swiftness::scsi {
namespace {

constexpr size_t kStandardSize = 96;
constexpr size_t kVpdHeaderSize = 4;

// SPC-5 6.7.2, table 151. SPC-4 and SBC-3 are the newest that every initiator in use knows.
constexpr std::array<uint16_t, 4> kVersionDescriptors{0x00a0,   // SAM-5
                                                      0x0960,   // iSCSI
                                                      0x0460,   // SPC-4
                                                      0x04c0};  // SBC-3

constexpr uint8_t kPages[] = {vpd::kSupportedPages,
                              vpd::kUnitSerialNumber,
                              vpd::kDeviceIdentification,
                              vpd::kManagementNetworkAddresses,
                              vpd::kExtendedInquiry,
                              vpd::kModePagePolicy,
                              vpd::kScsiPorts,
                              vpd::kThirdPartyCopy,
                              vpd::kBlockLimits,
                              vpd::kBlockDeviceCharacteristics,
                              vpd::kLogicalBlockProvisioning};
static_assert(std::ranges::is_sorted(kPages), "SPC-5 7.7.16: ascending order");

// Left-aligned ASCII, padded with spaces (SPC-5 4.3.1).
void put_padded(std::span<std::byte> field, std::string_view text) {
  std::ranges::fill(field, std::byte{' '});
  size_t size = std::min(field.size(), text.size());
  std::transform(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(size), field.begin(),
                 [](char c) { return static_cast<std::byte>(c); });
}

void append(Bytes& out, std::span<const std::byte> bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

void append_text(Bytes& out, std::string_view text) {
  append(out, std::as_bytes(std::span(text)));
}

Bytes start_page(uint8_t page_code, std::byte peripheral = kDirectAccessDevice) {
  return Bytes{peripheral, std::byte{page_code}, std::byte{0}, std::byte{0}};
}

Bytes finish_page(Bytes page) {  // PAGE LENGTH
  store_be(&page[2], static_cast<uint16_t>(page.size() - kVpdHeaderSize));
  return page;
}

Bytes supported_pages(const Identity& identity) {  // SPC-5 7.7.16
  Bytes page = start_page(vpd::kSupportedPages);
  for (uint8_t code : kPages) {
    if (has_vpd_page(code, identity)) page.push_back(std::byte{code});
  }
  return finish_page(std::move(page));
}

std::string serial_number(const Identity& identity) {
  return identity.serial.empty() ? serial_of(identity.uuid) : identity.serial;
}

Bytes unit_serial_number(const Identity& identity) {  // SPC-5 7.7.19
  Bytes page = start_page(vpd::kUnitSerialNumber);
  append_text(page, serial_number(identity));
  return finish_page(std::move(page));
}

// ---- designation descriptors, SPC-5 7.7.6.1
// ------------------------------------------------------

enum class CodeSet : uint8_t { binary = 1, ascii = 2, utf8 = 3 };
enum class Association : uint8_t { logical_unit = 0, target_port = 1, target_device = 2 };
enum class DesignatorType : uint8_t {
  t10_vendor_id = 1,
  eui64 = 2,
  naa = 3,
  relative_target_port = 4,
  target_port_group = 5,
  scsi_name_string = 8,
};
constexpr uint8_t kIscsi = 5;  // PROTOCOL IDENTIFIER, of ports and of the device (PIV)

void append_designator(Bytes& page, CodeSet code_set, Association association, DesignatorType type,
                       std::span<const std::byte> designator) {
  const bool of_iscsi = association != Association::logical_unit;
  uint8_t first = static_cast<uint8_t>(code_set);
  uint8_t second =
      static_cast<uint8_t>(static_cast<uint8_t>(association) << 4 | static_cast<uint8_t>(type));
  if (of_iscsi) {
    first |= kIscsi << 4;
    second |= 0x80;  // PIV
  }
  page.push_back(std::byte{first});
  page.push_back(std::byte{second});
  page.push_back(std::byte{0});
  page.push_back(static_cast<std::byte>(designator.size()));
  append(page, designator);
}

// A SCSI name string is UTF-8, ends with a NUL and is padded to a multiple of four
// (SPC-5 7.7.6.11).
Bytes name_string(std::string_view name) {
  constexpr size_t kLongest = 252;
  Bytes out;
  append_text(out, name.substr(0, kLongest - 1));
  do out.push_back(std::byte{0});
  while (out.size() % 4 != 0);
  return out;
}

std::string upper_case_hex(std::span<const std::byte> bytes) {
  std::string hex = to_hex(bytes);
  std::ranges::transform(hex, hex.begin(),
                         [](char c) { return c >= 'a' ? static_cast<char>(c - 'a' + 'A') : c; });
  return hex;
}

void append_port_number(Bytes& page, DesignatorType type, uint16_t number) {
  std::array<std::byte, 4> designator{};
  store_be(&designator[2], number);
  append_designator(page, CodeSet::binary, Association::target_port, type, designator);
}

void append_name(Bytes& page, Association association, std::string_view name) {
  append_designator(page, CodeSet::utf8, association, DesignatorType::scsi_name_string,
                    name_string(name));
}

// The iSCSI name of the target: what is before ",t,0x..." of its port's name.
std::string_view device_name(const TargetPort& port) {
  return std::string_view(port.name).substr(0, port.name.find(",t,"));
}

Bytes device_identification(const Identity& identity, const TargetPort& port) {
  Bytes page = start_page(vpd::kDeviceIdentification);
  const auto unit = Association::logical_unit;

  // NAA first: initiators that look at one designator only take the first (Windows, multipath).
  Naa6 naa = naa6_of(identity.uuid);
  append_designator(page, CodeSet::binary, unit, DesignatorType::naa, naa);

  Bytes t10;
  append_text(t10, kVendor);
  append_text(t10, serial_of(identity.uuid));
  append_designator(page, CodeSet::ascii, unit, DesignatorType::t10_vendor_id, t10);

  append_designator(page, CodeSet::binary, unit, DesignatorType::eui64, eui64_of(identity.uuid));
  append_designator(page, CodeSet::utf8, unit, DesignatorType::scsi_name_string,
                    name_string("naa." + upper_case_hex(naa)));

  if (port.relative_id != 0) {
    append_port_number(page, DesignatorType::relative_target_port, port.relative_id);
  }
  if (port.group != 0) append_port_number(page, DesignatorType::target_port_group, port.group);
  if (!port.name.empty()) {
    append_name(page, Association::target_port, port.name);
    append_name(page, Association::target_device, device_name(port));
  }
  return finish_page(std::move(page));
}

Bytes extended_inquiry() {  // SPC-5 7.7.7
  Bytes page = start_page(vpd::kExtendedInquiry);
  page.resize(64);
  page[5] = std::byte{0x04 | 0x02 | 0x01};  // HEADSUP, ORDSUP, SIMPSUP
  page[6] = std::byte{0x01};                // V_SUP: there is a volatile cache
  page[7] = std::byte{0x01};                // LUICLR: REPORT LUNS clears 3F/0E on all logical units
  return finish_page(std::move(page));
}

Bytes mode_page_policy() {  // SPC-5 7.7.9
  Bytes page = start_page(vpd::kModePagePolicy);
  // All pages and subpages: one set for all nexuses, of this logical unit alone.
  page.insert(page.end(), {std::byte{0x3f}, std::byte{0xff}, std::byte{0x00}, std::byte{0}});
  return finish_page(std::move(page));
}

Bytes scsi_ports(std::span<const TargetPort> ports) {  // SPC-5 7.7.14
  Bytes page = start_page(vpd::kScsiPorts);
  for (const TargetPort& port : ports) {
    const size_t at = page.size();
    page.resize(at + 12);  // no initiator port TransportID
    store_be(&page[at + 2], port.relative_id);
    const size_t designators = page.size();
    append_name(page, Association::target_port, port.name);
    store_be(&page[at + 10], static_cast<uint16_t>(page.size() - designators));
  }
  return finish_page(std::move(page));
}

Bytes management_network_addresses(const Identity& identity) {  // SPC-5 7.7.10
  constexpr std::byte kTargetDevice{0b10 << 5};                 // ASSOCIATION
  constexpr std::byte kStorageConfiguration{0x01};              // SERVICE TYPE
  Bytes page = start_page(vpd::kManagementNetworkAddresses);
  // The URL ends with a zero, and its field with a multiple of four.
  const size_t length = (identity.management_url.size() + 1 + 3) / 4 * 4;
  page.resize(page.size() + 4);
  page[4] = kTargetDevice | kStorageConfiguration;
  store_be(&page[6], static_cast<uint16_t>(length));
  append_text(page, identity.management_url);
  page.resize(kVpdHeaderSize + 4 + length);
  return finish_page(std::move(page));
}

Bytes third_party_copy(const Geometry& geometry) {  // SPC-5 7.7.18
  Bytes page = start_page(vpd::kThirdPartyCopy);
  append(page, third_party_copy_descriptors(geometry));
  return finish_page(std::move(page));
}

// ---- block device pages, SBC-4 6.6
// ---------------------------------------------------------------

Bytes block_limits(const Geometry& geometry) {  // SBC-4 6.6.4
  Bytes page = start_page(vpd::kBlockLimits);
  page.resize(64);
  page[4] = std::byte{0x01};  // WSNZ: no WRITE SAME of 0 blocks, which would mean "to the end"
  page[5] = std::byte{kMaximumCompareAndWriteBlocks};
  store_be(&page[6], static_cast<uint16_t>(blocks_in(kPhysicalBlockBytes, geometry)));
  store_be(&page[8], blocks_in(kMaximumTransferBytes, geometry));
  store_be(&page[12], blocks_in(kOptimalTransferBytes, geometry));
  store_be(&page[20], kMaximumUnmapBlocks);
  store_be(&page[24], kMaximumUnmapDescriptors);
  store_be(&page[28], blocks_in(kUnmapGranularityBytes, geometry));
  store_be(&page[32], uint32_t{0x80000000});  // UGAVALID, UNMAP GRANULARITY ALIGNMENT 0
  store_be(&page[36], uint64_t{blocks_in(kMaximumWriteSameBytes, geometry)});
  // Any write is atomic, wherever it begins and ends; there are no atomic boundaries.
  store_be(&page[44], blocks_in(kMaximumTransferBytes, geometry));
  return finish_page(std::move(page));
}

Bytes block_device_characteristics() {  // SBC-4 6.6.2
  Bytes page = start_page(vpd::kBlockDeviceCharacteristics);
  page.resize(64);
  store_be(&page[4], uint16_t{1});  // MEDIUM ROTATION RATE: non-rotating
  page[7] = std::byte{0x40};        // WABEREQ 01b: after a SANITIZE every block can be read
  return finish_page(std::move(page));
}

Bytes logical_block_provisioning(const Geometry& geometry) {  // SBC-4 6.6.6
  Bytes page = start_page(vpd::kLogicalBlockProvisioning);
  page.resize(8);
  // LBPU, LBPWS, LBPWS10: UNMAP and both WRITE SAME unmap. LBPRZ 001b: unmapped blocks read as
  // zeros.
  page[4] = std::byte{provisioning_exponent(geometry)};  // the unit of log page 0Ch
  page[5] = std::byte{0x80 | 0x40 | 0x20 | 0x04};
  page[6] = std::byte{0x02};  // PROVISIONING TYPE: thin
  return finish_page(std::move(page));
}

}  // namespace

Bytes standard_inquiry(const Identity& identity, std::byte peripheral, AccessManagement management,
                       bool removable) {
  Bytes data(kStandardSize);
  data[0] = peripheral;
  if (removable) data[1] = std::byte{0x80};  // RMB
  data[2] = std::byte{0x06};                 // VERSION: SPC-4
  data[3] = std::byte{0x10 | 0x02};          // HISUP; RESPONSE DATA FORMAT 2
  data[4] = std::byte{kStandardSize - 5};
  if (peripheral == kDirectAccessDevice) data[5] = std::byte{0x08};          // 3PC
  data[5] |= static_cast<std::byte>(static_cast<uint8_t>(management) << 4);  // TPGS
  data[7] = std::byte{0x02};                                                 // CMDQUE
  std::span<std::byte> all(data);
  put_padded(all.subspan(8, 8), kVendor);
  put_padded(all.subspan(16, 16), identity.product);
  put_padded(all.subspan(32, 4), identity.revision);
  for (size_t i = 0; i < kVersionDescriptors.size(); ++i) {
    store_be(&data[58 + 2 * i], kVersionDescriptors[i]);
  }
  return data;
}

bool has_vpd_page(uint8_t page_code, const Identity& identity) noexcept {
  if (page_code == vpd::kManagementNetworkAddresses) return !identity.management_url.empty();
  return std::ranges::find(kPages, page_code) != std::end(kPages);
}

std::optional<Bytes> vpd_page(uint8_t page_code, const Identity& identity, const TargetPort& port,
                              const Geometry& geometry, std::span<const TargetPort> ports) {
  if (!has_vpd_page(page_code, identity)) return std::nullopt;
  switch (page_code) {
    case vpd::kSupportedPages:
      return supported_pages(identity);
    case vpd::kUnitSerialNumber:
      return unit_serial_number(identity);
    case vpd::kDeviceIdentification:
      return device_identification(identity, port);
    case vpd::kManagementNetworkAddresses:
      return management_network_addresses(identity);
    case vpd::kExtendedInquiry:
      return extended_inquiry();
    case vpd::kModePagePolicy:
      return mode_page_policy();
    case vpd::kScsiPorts:
      return scsi_ports(ports);
    case vpd::kThirdPartyCopy:
      return third_party_copy(geometry);
    case vpd::kBlockLimits:
      return block_limits(geometry);
    case vpd::kBlockDeviceCharacteristics:
      return block_device_characteristics();
    case vpd::kLogicalBlockProvisioning:
      return logical_block_provisioning(geometry);
    default:
      return std::nullopt;
  }
}

Bytes vpd_supported_pages_of_nothing() {
  Bytes page = start_page(vpd::kSupportedPages, kNoLogicalUnit);
  page.push_back(std::byte{vpd::kSupportedPages});
  return finish_page(std::move(page));
}

}  // namespace swiftness::scsi
