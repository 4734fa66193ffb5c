// CRC32C (Castagnoli, RFC 3720 appendix B.4) over ISA-L: iSCSI digests and every frame we store.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace swiftness {

// The CRC of `bytes` appended to what `crc` covered; 0 starts a new one.
// crc32c(b"123456789") == 0xE3069283.
uint32_t crc32c(std::span<const std::byte> bytes, uint32_t crc = 0) noexcept;

}  // namespace swiftness
