#include "backend/base/crc32c.h"

#include <isa-l/crc.h>

#include <algorithm>

namespace swiftness {

uint32_t crc32c(std::span<const std::byte> bytes, uint32_t crc) noexcept {
  // ISA-L takes and returns the register without the final inversion, and an int length.
  uint32_t state = ~crc;
  while (!bytes.empty()) {
    size_t step = std::min<size_t>(bytes.size(), size_t{1} << 30);
    auto* data = reinterpret_cast<unsigned char*>(const_cast<std::byte*>(bytes.data()));
    state = crc32_iscsi(data, static_cast<int>(step), state);
    bytes = bytes.subspan(step);
  }
  return ~state;
}

}  // namespace swiftness
