// Sense data: why a command ended with CHECK CONDITION (SPC-5 4.4), as values and as bytes. Pure.
#pragma once

#include <cstdint>
#include <optional>

#include "backend/base/buffer.h"

namespace swiftness::scsi {

enum class Status : uint8_t;
struct ScsiResult;

enum class SenseKey : uint8_t {  // SPC-5 4.4.3, table 49
  no_sense = 0x0,
  recovered_error = 0x1,
  not_ready = 0x2,
  medium_error = 0x3,
  hardware_error = 0x4,
  illegal_request = 0x5,
  unit_attention = 0x6,
  data_protect = 0x7,
  copy_aborted = 0xa,
  aborted_command = 0xb,
  miscompare = 0xe,
};

// ASC and ASCQ, written as the standards write them: {0x24, 0x00} is 24h/00h.
struct AdditionalSense {
  uint8_t code = 0;
  uint8_t qualifier = 0;
  friend bool operator==(AdditionalSense, AdditionalSense) = default;
};

namespace asc {  // SPC-5 annex F.2
inline constexpr AdditionalSense kNone{0x00, 0x00};
inline constexpr AdditionalSense kOperationInProgress{0x00, 0x16};
inline constexpr AdditionalSense kBecomingReady{0x04, 0x01};
inline constexpr AdditionalSense kManualInterventionRequired{0x04, 0x03};
inline constexpr AdditionalSense kFormatInProgress{0x04, 0x04};
inline constexpr AdditionalSense kTargetPortInStandbyState{0x04, 0x0b};
inline constexpr AdditionalSense kTargetPortInUnavailableState{0x04, 0x0c};
inline constexpr AdditionalSense kSanitizeInProgress{0x04, 0x1b};
inline constexpr AdditionalSense kUnreachableCopyTarget{0x08, 0x04};
inline constexpr AdditionalSense kWriteError{0x0c, 0x00};
inline constexpr AdditionalSense kThirdPartyDeviceFailure{0x0d, 0x01};
inline constexpr AdditionalSense kCopyTargetDeviceNotReachable{0x0d, 0x02};
inline constexpr AdditionalSense kIncorrectCopyTargetDeviceType{0x0d, 0x03};
inline constexpr AdditionalSense kInvalidFieldInCommandInformationUnit{0x0e, 0x03};
inline constexpr AdditionalSense kUnrecoveredReadError{0x11, 0x00};
inline constexpr AdditionalSense kParameterListLengthError{0x1a, 0x00};
inline constexpr AdditionalSense kMiscompareDuringVerify{0x1d, 0x00};
inline constexpr AdditionalSense kInvalidOperationCode{0x20, 0x00};
inline constexpr AdditionalSense kLbaOutOfRange{0x21, 0x00};
inline constexpr AdditionalSense kUnsupportedTokenType{0x23, 0x01};
inline constexpr AdditionalSense kTokenUnknown{0x23, 0x04};
inline constexpr AdditionalSense kTokenRevoked{0x23, 0x06};
inline constexpr AdditionalSense kTokenExpired{0x23, 0x07};
inline constexpr AdditionalSense kTokenCancelled{0x23, 0x08};
inline constexpr AdditionalSense kTokenDeleted{0x23, 0x09};
inline constexpr AdditionalSense kInvalidTokenLength{0x23, 0x0a};
inline constexpr AdditionalSense kInvalidFieldInCdb{0x24, 0x00};
inline constexpr AdditionalSense kLogicalUnitNotSupported{0x25, 0x00};
inline constexpr AdditionalSense kInvalidFieldInParameterList{0x26, 0x00};
inline constexpr AdditionalSense kInvalidReleaseOfPersistentReservation{0x26, 0x04};
inline constexpr AdditionalSense kTooManyTargetDescriptors{0x26, 0x06};
inline constexpr AdditionalSense kUnsupportedTargetDescriptorType{0x26, 0x07};
inline constexpr AdditionalSense kTooManySegmentDescriptors{0x26, 0x08};
inline constexpr AdditionalSense kUnsupportedSegmentDescriptorType{0x26, 0x09};
inline constexpr AdditionalSense kUnexpectedInexactSegment{0x26, 0x0a};
inline constexpr AdditionalSense kInlineDataLengthExceeded{0x26, 0x0b};
inline constexpr AdditionalSense kWriteProtected{0x27, 0x00};
inline constexpr AdditionalSense kSoftwareWriteProtected{0x27, 0x02};
inline constexpr AdditionalSense kSpaceAllocationFailed{0x27, 0x07};
inline constexpr AdditionalSense kMediumMayHaveChanged{0x28, 0x00};
inline constexpr AdditionalSense kPowerOnOrReset{0x29, 0x00};
inline constexpr AdditionalSense kLogicalUnitReset{0x29, 0x03};
inline constexpr AdditionalSense kItNexusLossOccurred{0x29, 0x07};
inline constexpr AdditionalSense kModeParametersChanged{0x2a, 0x01};
inline constexpr AdditionalSense kReservationsPreempted{0x2a, 0x03};
inline constexpr AdditionalSense kReservationsReleased{0x2a, 0x04};
inline constexpr AdditionalSense kRegistrationsPreempted{0x2a, 0x05};
inline constexpr AdditionalSense kAsymmetricAccessStateChanged{0x2a, 0x06};
inline constexpr AdditionalSense kCapacityChanged{0x2a, 0x09};
inline constexpr AdditionalSense kCommandSequenceError{0x2c, 0x00};
inline constexpr AdditionalSense kCommandsClearedByAnotherInitiator{0x2f, 0x00};
inline constexpr AdditionalSense kSanitizeCommandFailed{0x31, 0x03};
inline constexpr AdditionalSense kThinProvisioningSoftThresholdReached{0x38, 0x07};
inline constexpr AdditionalSense kSavingNotSupported{0x39, 0x00};
inline constexpr AdditionalSense kMediumNotPresent{0x3a, 0x00};
inline constexpr AdditionalSense kLogicalUnitFailedSelfTest{0x3e, 0x03};
inline constexpr AdditionalSense kInquiryDataHasChanged{0x3f, 0x03};
inline constexpr AdditionalSense kDeviceIdentifierChanged{0x3f, 0x05};
inline constexpr AdditionalSense kReportedLunsChanged{0x3f, 0x0e};
inline constexpr AdditionalSense kInternalTargetFailure{0x44, 0x00};
inline constexpr AdditionalSense kSomeCommandsClearedByIscsiProtocolEvent{0x47, 0x7f};
inline constexpr AdditionalSense kInvalidMessage{0x49, 0x00};
inline constexpr AdditionalSense kMediumRemovalPrevented{0x53, 0x02};
inline constexpr AdditionalSense kInsufficientRegistrationResources{0x55, 0x04};
}  // namespace asc

// Which byte, and where it helps which bit, of what the initiator sent is wrong (SPC-5 4.4.2.4.2).
struct FieldPointer {
  enum class In { cdb, parameter_list };
  In in = In::cdb;
  uint16_t byte = 0;
  std::optional<uint8_t> bit;  // the most significant bit of the field
};

struct Sense {
  SenseKey key = SenseKey::no_sense;
  AdditionalSense additional = asc::kNone;
  std::optional<uint64_t> information = std::nullopt;  // for block commands, an LBA
  std::optional<FieldPointer> field = std::nullopt;    // only with ILLEGAL REQUEST
  std::optional<uint16_t> progress = std::nullopt;     // of 65,536; only without `field`
  // COMMAND-SPECIFIC INFORMATION: with COPY ABORTED the number of the segment that failed.
  std::optional<uint32_t> command_specific = std::nullopt;
};

enum class SenseFormat { fixed, descriptor };  // SPC-5 4.4.3 (70h), 4.4.2 (72h)

// Current sense data. Fixed format has room for 32 bits of INFORMATION: a larger value is left out.
Bytes encode(const Sense& sense, SenseFormat format);

Sense illegal_request(AdditionalSense additional);
Sense invalid_field_in_cdb(uint16_t byte, std::optional<uint8_t> bit = std::nullopt);
Sense invalid_field_in_parameter_list(uint16_t byte, std::optional<uint8_t> bit = std::nullopt);
Sense lba_out_of_range(uint64_t lba);

ScsiResult check_condition(const Sense& sense);  // fixed format, as D_SENSE=0 says
void to_descriptor_format(ScsiResult& result);   // as D_SENSE=1 says
ScsiResult ended_with(Status status);            // without sense or data
ScsiResult good(Bytes data_in);

}  // namespace swiftness::scsi
