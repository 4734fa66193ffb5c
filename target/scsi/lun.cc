#include "target/scsi/lun.h"

#include "backend/base/endian.h"

namespace swiftness::scsi {
namespace {

constexpr unsigned kPeripheral = 0;  // ADDRESS METHOD, SAM-5 4.7.7.1
constexpr unsigned kFlatSpace = 1;
constexpr unsigned kExtendedFlatSpace = 0xd2;      // 11b, LENGTH 01b, EXTENDED ADDRESS METHOD 2h
constexpr unsigned kLongExtendedFlatSpace = 0xe2;  // the same with LENGTH 10b

}  // namespace

std::optional<uint16_t> lun_from_field(LunField field) noexcept {
  const uint64_t value = field.value();
  const auto first = static_cast<unsigned>(value >> 56);
  unsigned lun_bits = 14, size_bits = 16;  // of the LUN, and of the first level with it
  if (first == kExtendedFlatSpace) {
    lun_bits = 24;
    size_bits = 32;
  } else if (first == kLongExtendedFlatSpace) {
    lun_bits = 40;
    size_bits = 48;
  } else if (first >> 6 != kPeripheral && first >> 6 != kFlatSpace) {
    return std::nullopt;
  }
  if (value << size_bits != 0) return std::nullopt;  // we have one level
  const uint64_t lun = value >> (64 - size_bits) & ((uint64_t{1} << lun_bits) - 1);
  const uint64_t highest = first >> 6 == kPeripheral ? 0xff : kHighestLun;  // BUS IDENTIFIER 0
  if (lun > highest) return std::nullopt;
  return static_cast<uint16_t>(lun);
}

LunField canonical(LunField field) noexcept {
  const std::optional<uint16_t> lun = lun_from_field(field);
  return lun ? lun_to_field(*lun) : field;
}

LunField lun_to_field(uint16_t lun) noexcept {
  uint64_t method = lun < 256 ? kPeripheral : kFlatSpace;
  return LunField(method << 62 | static_cast<uint64_t>(lun & 0x3fff) << 48);
}

Bytes report_luns_data(std::span<const uint16_t> luns) {
  constexpr size_t kHeaderSize = 8;
  Bytes data(kHeaderSize + 8 * luns.size());
  store_be(&data[0], static_cast<uint32_t>(data.size() - kHeaderSize));  // LUN LIST LENGTH
  for (size_t i = 0; i < luns.size(); ++i) {
    store_be(&data[kHeaderSize + 8 * i], lun_to_field(luns[i]).value());
  }
  return data;
}

}  // namespace swiftness::scsi
