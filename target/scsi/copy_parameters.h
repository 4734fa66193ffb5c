// Parameter lists of THIRD-PARTY COPY OUT: EXTENDED COPY (SPC-5 6.6 and 6.7), POPULATE TOKEN and
// WRITE USING TOKEN (SBC-4 5.11 and 5.54). Pure: bytes in, values out, or what is wrong with the
// bytes. Whether what they name exists and may be used is not known here.
//
// A copy source or copy destination (CSCD) is named by an identification descriptor, E4h; others
// are refused. Of segment descriptors there is block to block, 02h.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "backend/block_device.h"
#include "target/scsi/sense.h"

namespace swiftness::scsi {

// ---- EXTENDED COPY -----------------------------------------------------------------------------

struct CopyTarget {  // identification descriptor, SPC-5 6.6.5.6
  uint8_t device_type = 0;
  uint8_t code_set = 0;
  uint8_t association = 0;
  uint8_t designator_type = 0;
  Bytes designator;
  uint32_t block_length = 0;  // DISK BLOCK LENGTH; 0: not told
};

struct CopySegment {  // block to block, SPC-5 6.6.6.5
  uint16_t from = 0;  // indices of targets; whether there are such is not checked
  uint16_t to = 0;
  bool counts_destination_blocks = false;  // DC
  uint16_t blocks = 0;
  Lba from_first;
  Lba to_first;
};

struct ExtendedCopy {
  std::optional<uint32_t> list_identifier;  // none: nobody will ask about this copy
  bool immed = false;                       // only in EXTENDED COPY(LID4)
  std::vector<CopyTarget> targets;
  std::vector<CopySegment> segments;
};

enum class ListIdentifierLength { one, four };  // LID1, LID4

// The most that a PARAMETER LIST LENGTH may be.
uint32_t longest_extended_copy_list(ListIdentifierLength form) noexcept;
uint32_t maximum_copy_descriptor_list_length() noexcept;  // of all descriptors of one list

std::variant<ExtendedCopy, Sense> parse_extended_copy(std::span<const std::byte> list,
                                                      ListIdentifierLength form);

// ---- tokens ------------------------------------------------------------------------------------

inline constexpr size_t kRodTokenBytes = 512;
using RodTokenData = std::array<std::byte, kRodTokenBytes>;

namespace rod_type {                                                  // SPC-5 5.17.6.2
inline constexpr uint32_t kPointInTime = 0x00800000;                  // default
inline constexpr uint32_t kPointInTimeChangeVulnerable = 0x00800001;  // ends when the data change
inline constexpr uint32_t kPointInTimeAny = 0x0080ffff;
inline constexpr uint32_t kBlockDeviceZero = 0xffff0001;
}  // namespace rod_type

struct PopulateToken {
  bool immed = false;
  uint32_t inactivity_timeout_s = 0;  // 0: the default
  uint32_t type = rod_type::kPointInTime;
  std::vector<BlockRange> ranges;  // inside the device, none empty, none overlaps another
};

struct WriteUsingToken {
  bool immed = false;
  bool delete_token = false;
  uint64_t offset = 0;  // OFFSET IN ROD, in blocks of the device that is written to
  RodTokenData token{};
  std::vector<BlockRange> ranges;  // as above
};

uint32_t longest_populate_token_list() noexcept;
uint32_t longest_write_using_token_list() noexcept;

std::variant<PopulateToken, Sense> parse_populate_token(std::span<const std::byte> list,
                                                        const Geometry& geometry);
std::variant<WriteUsingToken, Sense> parse_write_using_token(std::span<const std::byte> list,
                                                             const Geometry& geometry);

uint64_t blocks_of(std::span<const BlockRange> ranges) noexcept;

}  // namespace swiftness::scsi
