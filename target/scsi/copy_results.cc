#include "target/scsi/copy_results.h"

#include <algorithm>
#include <bit>
#include <initializer_list>
#include <limits>

#include "backend/base/endian.h"
#include "target/scsi/cdb.h"
#include "target/scsi/copy_parameters.h"
#include "target/scsi/limits.h"
#include "target/scsi/rod_tokens.h"

namespace swiftness::scsi {
namespace {

constexpr uint8_t kBlockToBlock = 0x02, kIdentificationDescriptor = 0xe4;

// DATA SEGMENT GRANULARITY: two to this power bytes, a block.
uint8_t segment_granularity(const Geometry& geometry) {
  return static_cast<uint8_t>(std::countr_zero(geometry.block_size));
}

// COPY MANAGER STATUS of the LID1 form knows three values.
enum CopyManagerStatus : uint8_t { kInProgress = 0, kDone = 1, kFailed = 2 };
CopyManagerStatus manager_status(const CopyOperation& operation) {
  if (operation.runs()) return kInProgress;
  return operation.completion == Status::good ? kDone : kFailed;
}

enum TransferCountUnits : uint8_t { kBytes = 0, kKibibytes = 1, kLogicalBlocks = 0xf1 };

bool is_of_tokens(const CopyOperation& operation) {
  return operation.service_action == service_action::kPopulateToken ||
         operation.service_action == service_action::kWriteUsingToken;
}

// ESTIMATED STATUS UPDATE DELAY, in milliseconds.
constexpr uint32_t kUpdateDelay_ms = 100;
constexpr uint32_t kNoEstimate = 0xffffffff;

}  // namespace

Bytes copy_operating_parameters_data(const Geometry& geometry) {  // SPC-5 6.23
  Bytes data(44);
  data[4] = std::byte{0x01};  // SNLID: a copy without a list identifier is possible
  store_be(&data[8], uint16_t{kMaximumCopyTargets});
  store_be(&data[10], uint16_t{kMaximumCopySegments});
  store_be(&data[12], maximum_copy_descriptor_list_length());
  store_be(&data[16], kMaximumCopySegmentBytes);
  store_be(&data[34], uint16_t{kConcurrentCopies});
  data[36] = std::byte{kConcurrentCopies};
  data[37] = std::byte{segment_granularity(geometry)};
  data[43] = std::byte{2};
  data.push_back(std::byte{kBlockToBlock});
  data.push_back(std::byte{kIdentificationDescriptor});
  store_be(&data[0], static_cast<uint32_t>(data.size() - 4));
  return data;
}

Bytes copy_status_lid1_data(const CopyOperation& operation) {  // SPC-5 6.25
  Bytes data(12);
  store_be(&data[0], uint32_t{8});
  data[4] = static_cast<std::byte>(manager_status(operation));
  store_be(&data[5], operation.segments);
  // One command moves at most 256 MiB, which are fewer bytes than 32 bits can count.
  data[7] = std::byte{kBytes};
  store_be(&data[8], static_cast<uint32_t>(std::min<uint64_t>(
                         operation.bytes, std::numeric_limits<uint32_t>::max())));
  return data;
}

Bytes copy_data_lid1_data() {  // SPC-5 6.22
  return Bytes(4);
}

Bytes copy_failure_details_lid1_data(const CopyOperation& operation) {  // SPC-5 6.24
  if (operation.runs() || operation.completion == Status::good) return Bytes(4);
  Bytes data(60);
  data[56] = static_cast<std::byte>(operation.completion);
  store_be(&data[58], static_cast<uint16_t>(operation.sense.size()));
  data.insert(data.end(), operation.sense.begin(), operation.sense.end());
  store_be(&data[0], static_cast<uint32_t>(data.size() - 4));
  return data;
}

Bytes copy_status_lid4_data(const CopyOperation& operation) {  // SPC-5 6.26
  Bytes data(32);
  data[4] = std::byte{operation.service_action};
  data[5] = static_cast<std::byte>(operation.status);
  store_be(&data[6], uint16_t{1});  // OPERATION COUNTER
  store_be(&data[8], operation.runs() ? kUpdateDelay_ms : kNoEstimate);
  data[12] = static_cast<std::byte>(operation.completion);
  data[13] = data[14] = static_cast<std::byte>(operation.sense.size());
  const bool in_blocks = is_of_tokens(operation);
  data[15] = in_blocks ? std::byte{kLogicalBlocks} : std::byte{kBytes};
  store_be(&data[16], in_blocks ? operation.bytes / operation.block_size : operation.bytes);
  store_be(&data[24], operation.segments);
  data.insert(data.end(), operation.sense.begin(), operation.sense.end());
  store_be(&data[0], static_cast<uint32_t>(data.size() - 4));
  return data;
}

Bytes rod_token_information_data(const CopyOperation& operation) {  // SPC-5 6.28
  Bytes data = copy_status_lid4_data(operation);
  const size_t at = data.size();
  data.resize(at + 4);  // ROD TOKEN DESCRIPTORS LENGTH
  if (operation.token) {
    store_be(&data[at], static_cast<uint32_t>(2 + kRodTokenBytes));
    data.resize(at + 6);
    data.insert(data.end(), operation.token->begin(), operation.token->end());
  }
  store_be(&data[0], static_cast<uint32_t>(data.size() - 4));
  return data;
}

// ---- VPD page 8Fh ------------------------------------------------------------------------------

namespace {

// A descriptor is its type, the length of the rest, and the rest, padded to a multiple of four.
Bytes begin_descriptor(uint16_t type, size_t size) {
  Bytes descriptor(size);
  store_be(&descriptor[0], type);
  return descriptor;
}

void append_descriptor(Bytes& page, Bytes descriptor) {
  while (descriptor.size() % 4 != 0) descriptor.push_back(std::byte{0});
  store_be(&descriptor[2], static_cast<uint16_t>(descriptor.size() - 4));
  page.insert(page.end(), descriptor.begin(), descriptor.end());
}

Bytes block_device_rod_limits(const Geometry& geometry) {  // SBC-4 6.6.8.3
  Bytes descriptor = begin_descriptor(0x0000, 36);
  store_be(&descriptor[10], uint16_t{kMaximumTokenRanges});
  store_be(&descriptor[12], kMaximumTokenInactivity_s);
  store_be(&descriptor[16], kDefaultTokenInactivity_s);
  store_be(&descriptor[20], uint64_t{blocks_in(kMaximumTokenBytes, geometry)});
  store_be(&descriptor[28], uint64_t{blocks_in(kOptimalTokenBytes, geometry)});
  return descriptor;
}

void append_command(Bytes& descriptor, uint8_t code, std::initializer_list<uint8_t> actions) {
  descriptor.push_back(std::byte{code});
  descriptor.push_back(static_cast<std::byte>(actions.size()));
  for (uint8_t action : actions) descriptor.push_back(std::byte{action});
}

Bytes supported_commands() {  // SPC-5 7.7.18.5
  using namespace service_action;
  Bytes descriptor = begin_descriptor(0x0001, 5);
  append_command(descriptor, opcode::kThirdPartyCopyOut,
                 {kExtendedCopyLid1, kExtendedCopyLid4, kPopulateToken, kWriteUsingToken,
                  kCopyOperationAbort});
  append_command(
      descriptor, opcode::kThirdPartyCopyIn,
      {kReceiveCopyStatusLid1, kReceiveCopyDataLid1, kReceiveCopyOperatingParameters,
       kReceiveCopyFailureDetailsLid1, kReceiveCopyStatusLid4, kReceiveRodTokenInformation});
  descriptor[4] = static_cast<std::byte>(descriptor.size() - 5);
  return descriptor;
}

Bytes parameter_data_limits() {  // SPC-5 7.7.18.6
  Bytes descriptor = begin_descriptor(0x0004, 32);
  store_be(&descriptor[8], uint16_t{kMaximumCopyTargets});
  store_be(&descriptor[10], uint16_t{kMaximumCopySegments});
  store_be(&descriptor[12], maximum_copy_descriptor_list_length());
  return descriptor;
}

Bytes supported_descriptors() {  // SPC-5 7.7.18.7
  Bytes descriptor = begin_descriptor(0x0008, 7);
  descriptor[4] = std::byte{2};
  descriptor[5] = std::byte{kBlockToBlock};
  descriptor[6] = std::byte{kIdentificationDescriptor};
  return descriptor;
}

Bytes rod_token_features() {  // SPC-5 7.7.18.10, with one block ROD descriptor (7.7.18.10.2)
  Bytes descriptor = begin_descriptor(0x0106, 48 + 48);
  // REMOTE TOKENS 0: only what this target made.
  store_be(&descriptor[16], kMinimumTokenInactivity_s);  // MINIMUM TOKEN LIFETIME
  store_be(&descriptor[20], kMaximumTokenLifetime_s);
  store_be(&descriptor[24], kMaximumTokenInactivity_s);
  store_be(&descriptor[46], uint16_t{48});
  std::byte* block = &descriptor[48];  // direct-access, format 000b
  store_be(block + 2, uint16_t{44});
  store_be(block + 8, uint64_t{kMaximumTokenBytes});
  store_be(block + 16, uint64_t{kOptimalTokenBytes});
  store_be(block + 24, uint64_t{kOptimalTokenBytes});
  store_be(block + 32, uint64_t{kOptimalTokenBytes});
  return descriptor;
}

Bytes supported_rod_types() {  // SPC-5 7.7.18.11
  constexpr uint8_t kTokenOut = 0x01, kTokenIn = 0x02;
  struct RodType {
    uint32_t type;
    uint8_t flags;
  };
  constexpr RodType kTypes[] = {
      {rod_type::kPointInTime, kTokenIn | kTokenOut},
      {rod_type::kPointInTimeChangeVulnerable, kTokenIn | kTokenOut},
      {rod_type::kBlockDeviceZero, kTokenIn},
  };
  constexpr size_t kSize = 64;
  Bytes descriptor = begin_descriptor(0x0108, 8 + std::size(kTypes) * kSize);
  store_be(&descriptor[6], static_cast<uint16_t>(std::size(kTypes) * kSize));
  for (size_t i = 0; i < std::size(kTypes); ++i) {
    std::byte* at = &descriptor[8 + i * kSize];
    store_be(at, kTypes[i].type);
    at[4] = std::byte{kTypes[i].flags};
  }
  return descriptor;
}

Bytes general_copy_operations(const Geometry& geometry) {  // SPC-5 7.7.18.12
  Bytes descriptor = begin_descriptor(0x8001, 36);
  store_be(&descriptor[4], kConcurrentCopies);
  store_be(&descriptor[8], kConcurrentCopies);
  store_be(&descriptor[12], kMaximumCopySegmentBytes);
  descriptor[16] = std::byte{segment_granularity(geometry)};
  return descriptor;
}

}  // namespace

Bytes third_party_copy_descriptors(const Geometry& geometry) {
  Bytes page;
  append_descriptor(page, block_device_rod_limits(geometry));
  append_descriptor(page, supported_commands());
  append_descriptor(page, parameter_data_limits());
  append_descriptor(page, supported_descriptors());
  append_descriptor(page, rod_token_features());
  append_descriptor(page, supported_rod_types());
  append_descriptor(page, general_copy_operations(geometry));
  return page;
}

}  // namespace swiftness::scsi
