// What one command may ask for. Advertised in VPD page B0h and enforced by the commands; one place,
// so that the two cannot differ.
#pragma once

#include <cstdint>

#include "backend/block_device.h"

namespace swiftness::scsi {

inline constexpr uint32_t kPhysicalBlockBytes = 4096;
inline constexpr uint32_t kMaximumTransferBytes = 4 << 20;
inline constexpr uint32_t kOptimalTransferBytes = 1 << 20;
inline constexpr uint32_t kMaximumCompareAndWriteBlocks = 128;
// A command's worth of log records, whatever the pattern: it ends well within the time of a
// command.
inline constexpr uint32_t kMaximumWriteSameBytes = 16 << 20;
inline constexpr uint32_t kUnmapGranularityBytes = 4096;
inline constexpr uint32_t kMaximumUnmapDescriptors = 256;
inline constexpr uint32_t kMaximumUnmapBlocks = 0xffffffff;  // no limit: a trim is one log record

// Copy offload: what one EXTENDED COPY and one WRITE USING TOKEN may ask for, 256 MiB each. More of
// them than run at once wait their turn.
inline constexpr uint32_t kMaximumCopyTargets = 16;
inline constexpr uint32_t kMaximumCopySegments = 16;
inline constexpr uint32_t kMaximumCopySegmentBytes = 16 << 20;
inline constexpr uint32_t kMaximumTokenRanges = 64;
inline constexpr uint32_t kMaximumTokenBytes = 256 << 20;
inline constexpr uint32_t kOptimalTokenBytes = 64 << 20;
inline constexpr uint32_t kConcurrentCopies = 8;  // of one target

constexpr uint32_t blocks_in(uint32_t bytes, const Geometry& geometry) {
  return bytes / geometry.block_size;
}

// THRESHOLD EXPONENT (SBC-4 6.6.6): log page 0Ch counts in two to this power blocks, 1 MiB.
inline constexpr uint32_t kProvisioningUnitBytes = 1 << 20;
constexpr uint8_t provisioning_exponent(const Geometry& geometry) {
  uint8_t exponent = 0;
  while (geometry.block_size << exponent < kProvisioningUnitBytes) ++exponent;
  return exponent;
}

// LOGICAL BLOCKS PER PHYSICAL BLOCK EXPONENT (SBC-4 5.23.2): 3 for 512-byte blocks, 0 for 4096.
constexpr uint8_t physical_block_exponent(const Geometry& geometry) {
  uint8_t exponent = 0;
  while (geometry.block_size << exponent < kPhysicalBlockBytes) ++exponent;
  return exponent;
}

// Is [first, first + count) within the medium? An empty range just behind its end is.
constexpr bool is_inside(const BlockRange& range, const Geometry& geometry) {
  uint64_t blocks = geometry.blocks.value();
  uint64_t first = range.first.value();
  return first <= blocks && range.count.value() <= blocks - first;
}

}  // namespace swiftness::scsi
