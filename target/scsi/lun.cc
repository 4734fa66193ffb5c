#include "target/scsi/lun.h"

#include "backend/base/endian.h"

namespace swiftness::scsi {
namespace {

constexpr unsigned kPeripheral = 0;  // ADDRESS METHOD, SAM-5 4.7.7.1
constexpr unsigned kFlatSpace = 1;
constexpr uint64_t kLowerLevels = 0x0000'ffff'ffff'ffff;

}  // namespace

std::optional<uint16_t> lun_from_field(LunField field) noexcept {
  uint64_t value = field.value();
  if ((value & kLowerLevels) != 0) return std::nullopt;  // we have one level
  auto method = static_cast<unsigned>(value >> 62);
  auto rest = static_cast<uint16_t>(value >> 48 & 0x3fff);
  if (method == kPeripheral && rest < 256) return rest;  // BUS IDENTIFIER 0
  if (method == kFlatSpace) return rest;
  return std::nullopt;
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
