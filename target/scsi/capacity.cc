#include "target/scsi/capacity.h"

#include <algorithm>
#include <limits>

#include "backend/base/endian.h"
#include "target/scsi/limits.h"

namespace swiftness::scsi {

Bytes read_capacity10_data(const Geometry& geometry) {
  Bytes data(8);
  uint64_t last = geometry.blocks.value() - 1;
  // FFFFFFFFh sends the initiator to READ CAPACITY(16).
  uint64_t shown = std::min<uint64_t>(last, std::numeric_limits<uint32_t>::max());
  store_be(&data[0], static_cast<uint32_t>(shown));
  store_be(&data[4], geometry.block_size);
  return data;
}

Bytes read_capacity16_data(const Geometry& geometry) {
  Bytes data(32);
  store_be(&data[0], geometry.blocks.value() - 1);
  store_be(&data[8], geometry.block_size);
  data[13] = std::byte{physical_block_exponent(geometry)};
  data[14] = std::byte{0x80 | 0x40};  // LBPME, LBPRZ; LOWEST ALIGNED LOGICAL BLOCK ADDRESS 0
  return data;
}

}  // namespace swiftness::scsi
