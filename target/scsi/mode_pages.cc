#include "target/scsi/mode_pages.h"

#include <algorithm>
#include <limits>

#include "backend/base/endian.h"

namespace swiftness::scsi {
namespace {

constexpr uint8_t kCachingPage = 0x08;
constexpr uint8_t kControlPage = 0x0a;
constexpr uint8_t kAllPages = 0x3f;
constexpr uint8_t kAllSubpages = 0xff;

// A page as MODE SENSE shows it. Nothing can be changed (there is no MODE SELECT), so the mask of
// changeable values is zero behind the page's two header bytes, and the defaults are the current
// values.
Bytes start_page(uint8_t code, size_t size) {
  Bytes page(size);
  page[0] = std::byte{code};
  page[1] = static_cast<std::byte>(size - 2);
  return page;
}

Bytes caching_page(PageControl control, const ModeValues& values) {  // SBC-4 6.5.6
  Bytes page = start_page(kCachingPage, 20);
  if (control != PageControl::changeable && values.write_cache) page[2] = std::byte{0x04};  // WCE
  return page;
}

Bytes control_page(PageControl control) {  // SPC-5 7.5.10
  Bytes page = start_page(kControlPage, 12);
  if (control == PageControl::changeable) return page;
  // TST 000b: one task set for all nexuses. D_SENSE 0: fixed format. QERR 00b, TAS 0, SWP 0.
  page[3] = std::byte{0x10};             // QUEUE ALGORITHM MODIFIER 1h: unrestricted reordering
  store_be(&page[8], uint16_t{0xffff});  // BUSY TIMEOUT PERIOD: unlimited
  return page;
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
  bool all = cdb.page_code == kAllPages;
  if (!all && cdb.page_code != kCachingPage && cdb.page_code != kControlPage) {
    return invalid_field_in_cdb(2, 5);
  }
  // Neither page has subpages; FFh asks for the page and all it has.
  if (cdb.subpage_code != 0 && cdb.subpage_code != kAllSubpages) return invalid_field_in_cdb(3);

  Bytes pages;
  if (all || cdb.page_code == kCachingPage) append(pages, caching_page(cdb.page_control, values));
  if (all || cdb.page_code == kControlPage) append(pages, control_page(cdb.page_control));
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

}  // namespace

std::variant<Bytes, Sense> mode_sense_data(const ModeSenseCdb& cdb, const ModeValues& values,
                                           const Geometry& geometry) {
  if (cdb.page_control == PageControl::saved) return illegal_request(asc::kSavingNotSupported);

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

}  // namespace swiftness::scsi
