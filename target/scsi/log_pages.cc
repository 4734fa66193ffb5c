#include "target/scsi/log_pages.h"

#include <algorithm>
#include <bit>
#include <iterator>
#include <limits>

#include "backend/base/endian.h"
#include "target/scsi/limits.h"

namespace swiftness::scsi {
namespace {

constexpr uint8_t kProvisioningPage = 0x0c;
constexpr uint8_t kGeneralStatistics = 0x19;
constexpr uint8_t kAllLogSubpages = 0xff;
constexpr uint8_t kLogPages[] = {kSupportedLogPages, kProvisioningPage, kGeneralStatistics,
                                 kInformationalExceptions};
static_assert(std::ranges::is_sorted(kLogPages), "SPC-5 7.3.13: ascending order");

// FORMAT AND LINKING (SPC-5 7.3.2.2.2).
constexpr uint8_t kBinaryList = 0x03;
constexpr uint8_t kBoundedCounter = 0x00;

constexpr uint8_t kCumulative = 0x01;  // PC: current values

// Parameters below `from` are left out: it is the PARAMETER POINTER.
class PageBuilder {
 public:
  PageBuilder(uint8_t page_code, uint16_t from) : from_(from) {
    bytes_ = {std::byte{page_code} | std::byte{0x80}, std::byte{0}, std::byte{0},
              std::byte{0}};  // DS
  }

  void add(uint16_t code, uint8_t control, const Bytes& value) {
    last_ = code;
    if (code < from_) return;
    const size_t at = bytes_.size();
    bytes_.resize(at + 4);
    store_be(&bytes_[at], code);
    bytes_[at + 2] = std::byte{control};
    bytes_[at + 3] = static_cast<std::byte>(value.size());
    bytes_.insert(bytes_.end(), value.begin(), value.end());
  }

  std::variant<Bytes, Sense> finish() && {
    if (from_ > last_) return invalid_field_in_cdb(5);
    store_be(&bytes_[2], static_cast<uint16_t>(bytes_.size() - 4));
    return std::move(bytes_);
  }

 private:
  Bytes bytes_;
  uint16_t from_;
  uint16_t last_ = 0;
};

Bytes supported_log_pages(bool with_subpages) {  // SPC-5 7.3.13, 7.3.14
  Bytes page(4);
  if (with_subpages) {
    page[0] = std::byte{0x40};  // SPF
    page[1] = std::byte{kAllLogSubpages};
  }
  for (uint8_t code : kLogPages) {
    page.push_back(std::byte{code});
    if (!with_subpages) continue;
    page.push_back(std::byte{0});
    if (code == kSupportedLogPages)
      page.insert(page.end(), {std::byte{code}, std::byte{kAllLogSubpages}});
  }
  store_be(&page[2], static_cast<uint16_t>(page.size() - 4));
  return page;
}

// Counts are in the unit that VPD page B2h gives (SBC-4 6.4.5).
uint64_t provisioning_unit(const Geometry& geometry) {
  return uint64_t{geometry.block_size} << provisioning_exponent(geometry);
}

Bytes resource_count(uint64_t count) {
  Bytes value(8);
  store_be(&value[0],
           static_cast<uint32_t>(std::min<uint64_t>(count, std::numeric_limits<uint32_t>::max())));
  value[4] = std::byte{0x01};  // SCOPE: dedicated to this logical unit
  return value;
}

std::variant<Bytes, Sense> provisioning(const LogSenseCdb& cdb, const LogValues& values) {
  // Part of a unit counts as used, and as no room.
  const uint64_t unit = provisioning_unit(values.geometry);
  const uint64_t used = std::min(values.usage.mapped, values.usage.capacity).value();
  PageBuilder page(kProvisioningPage, cdb.parameter_pointer);
  page.add(0x0001, kBinaryList, resource_count(values.usage.available().value() / unit));
  page.add(0x0002, kBinaryList, resource_count((used + unit - 1) / unit));
  return std::move(page).finish();
}

std::variant<Bytes, Sense> statistics(const LogSenseCdb& cdb, const LogValues& values) {
  const CommandStatistics& counted = values.statistics;
  Bytes numbers(64);  // SPC-5 7.3.9.2; the last two, weighted ones, are not kept
  store_be(&numbers[0], counted.read_commands);
  store_be(&numbers[8], counted.write_commands);
  store_be(&numbers[16], counted.blocks_received);
  store_be(&numbers[24], counted.blocks_transmitted);
  store_be(&numbers[32], counted.read_us);
  store_be(&numbers[40], counted.write_us);
  Bytes idle(8);
  store_be(&idle[0], counted.idle_us);
  Bytes interval(8);  // EXPONENT, INTEGER: 1 times ten to the minus sixth seconds
  store_be(&interval[0], uint32_t{6});
  store_be(&interval[4], uint32_t{1});
  PageBuilder page(kGeneralStatistics, cdb.parameter_pointer);
  page.add(0x0001, kBoundedCounter, numbers);
  page.add(0x0002, kBoundedCounter, idle);
  page.add(0x0003, kBinaryList, interval);
  return std::move(page).finish();
}

std::variant<Bytes, Sense> exceptions(const LogSenseCdb& cdb) {  // SPC-5 7.3.11: there are none
  constexpr std::byte kNoTemperature{0xff};
  PageBuilder page(kInformationalExceptions, cdb.parameter_pointer);
  page.add(0x0000, kBinaryList, {std::byte{0}, std::byte{0}, kNoTemperature, std::byte{0}});
  return std::move(page).finish();
}

}  // namespace

std::variant<Bytes, Sense> log_sense_data(const LogSenseCdb& cdb, const LogValues& values) {
  if (cdb.save_parameters) return invalid_field_in_cdb(1, 0);
  const bool known = std::ranges::find(kLogPages, cdb.page_code) != std::end(kLogPages);
  if (!known) return invalid_field_in_cdb(2, 5);
  const bool all_subpages =
      cdb.page_code == kSupportedLogPages && cdb.subpage_code == kAllLogSubpages;
  if (cdb.subpage_code != 0 && !all_subpages) return invalid_field_in_cdb(3);
  if (cdb.page_code == kSupportedLogPages) {
    if (cdb.parameter_pointer != 0) return invalid_field_in_cdb(5);  // it has no parameters
    return supported_log_pages(all_subpages);
  }
  // Lists are the same whatever PC asks for (SPC-5 6.8); of counters there are only current values.
  if (cdb.page_code == kGeneralStatistics && cdb.page_control != kCumulative) {
    return invalid_field_in_cdb(2, 7);
  }
  switch (cdb.page_code) {
    case kProvisioningPage:
      return provisioning(cdb, values);
    case kGeneralStatistics:
      return statistics(cdb, values);
    default:
      return exceptions(cdb);
  }
}

}  // namespace swiftness::scsi
