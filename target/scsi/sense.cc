#include "target/scsi/sense.h"

#include <limits>
#include <utility>

#include "backend/base/endian.h"
#include "target/scsi/command.h"

namespace swiftness::scsi {
namespace {

constexpr size_t kFixedSize = 18;
constexpr size_t kDescriptorHeaderSize = 8;
constexpr size_t kInformationSize = 12;
constexpr size_t kCommandSpecificSize = 12;
constexpr size_t kFieldSize = 8;

// SENSE KEY SPECIFIC with SKSV set (SPC-5 4.4.2.4): the same three bytes in both formats.
void put_progress(std::byte* at, uint16_t progress) {  // SPC-5 4.4.2.4.4
  at[0] = std::byte{0x80};                             // SKSV
  store_be(at + 1, progress);
}

void put_field_pointer(std::byte* at, const FieldPointer& field) {
  uint8_t first = 0x80;                                             // SKSV
  if (field.in == FieldPointer::In::cdb) first |= 0x40;             // C/D
  if (field.bit) first |= static_cast<uint8_t>(0x08 | *field.bit);  // BPV, BIT POINTER
  at[0] = std::byte{first};
  store_be<uint16_t>(at + 1, field.byte);
}

Bytes encode_fixed(const Sense& sense) {
  Bytes out(kFixedSize);
  out[0] = std::byte{0x70};
  out[2] = static_cast<std::byte>(sense.key);
  if (sense.information && *sense.information <= std::numeric_limits<uint32_t>::max()) {
    out[0] |= std::byte{0x80};  // VALID
    store_be(&out[3], static_cast<uint32_t>(*sense.information));
  }
  out[7] = std::byte{kFixedSize - 8};
  if (sense.command_specific) store_be(&out[8], *sense.command_specific);
  out[12] = std::byte{sense.additional.code};
  out[13] = std::byte{sense.additional.qualifier};
  if (sense.field) put_field_pointer(&out[15], *sense.field);
  if (!sense.field && sense.progress) put_progress(&out[15], *sense.progress);
  return out;
}

Bytes encode_descriptors(const Sense& sense) {
  const bool specific = sense.field || sense.progress;
  size_t descriptors = (sense.information ? kInformationSize : 0) +
                       (sense.command_specific ? kCommandSpecificSize : 0) +
                       (specific ? kFieldSize : 0);
  Bytes out(kDescriptorHeaderSize + descriptors);
  out[0] = std::byte{0x72};
  out[1] = static_cast<std::byte>(sense.key);
  out[2] = std::byte{sense.additional.code};
  out[3] = std::byte{sense.additional.qualifier};
  out[7] = static_cast<std::byte>(descriptors);
  std::byte* at = out.data() + kDescriptorHeaderSize;
  if (sense.information) {  // Information descriptor, SPC-5 4.4.2.2
    at[1] = std::byte{kInformationSize - 2};
    at[2] = std::byte{0x80};  // VALID
    store_be(at + 4, *sense.information);
    at += kInformationSize;
  }
  if (sense.command_specific) {  // Command-Specific Information descriptor, SPC-5 4.4.2.3
    at[0] = std::byte{0x01};
    at[1] = std::byte{kCommandSpecificSize - 2};
    store_be(at + 4, uint64_t{*sense.command_specific});
    at += kCommandSpecificSize;
  }
  if (specific) {  // Sense Key Specific descriptor, SPC-5 4.4.2.4
    at[0] = std::byte{0x02};
    at[1] = std::byte{kFieldSize - 2};
    if (sense.field) {
      put_field_pointer(at + 4, *sense.field);
    } else {
      put_progress(at + 4, *sense.progress);
    }
  }
  return out;
}

}  // namespace

Bytes encode(const Sense& sense, SenseFormat format) {
  return format == SenseFormat::fixed ? encode_fixed(sense) : encode_descriptors(sense);
}

Sense illegal_request(AdditionalSense additional) {
  return Sense{SenseKey::illegal_request, additional};
}

Sense invalid_field_in_cdb(uint16_t byte, std::optional<uint8_t> bit) {
  Sense sense = illegal_request(asc::kInvalidFieldInCdb);
  sense.field = FieldPointer{FieldPointer::In::cdb, byte, bit};
  return sense;
}

Sense invalid_field_in_parameter_list(uint16_t byte, std::optional<uint8_t> bit) {
  Sense sense = illegal_request(asc::kInvalidFieldInParameterList);
  sense.field = FieldPointer{FieldPointer::In::parameter_list, byte, bit};
  return sense;
}

Sense lba_out_of_range(uint64_t lba) {
  Sense sense = illegal_request(asc::kLbaOutOfRange);
  sense.information = lba;
  return sense;
}

ScsiResult check_condition(const Sense& sense) {
  ScsiResult result;
  result.status = Status::check_condition;
  result.sense = encode(sense, SenseFormat::fixed);
  result.cause = sense;
  return result;
}

void to_descriptor_format(ScsiResult& result) {
  if (result.cause) result.sense = encode(*result.cause, SenseFormat::descriptor);
}

ScsiResult ended_with(Status status) {
  ScsiResult result;
  result.status = status;
  return result;
}

ScsiResult good(Bytes data_in) {
  ScsiResult result;
  result.data_in.append(Buffer::own(std::move(data_in)));
  return result;
}

}  // namespace swiftness::scsi
