// REPORT and SET IDENTIFYING INFORMATION (SPC-5 6.31, 6.43): names that administrators give to a
// logical unit. They are the volume's, and go where it goes.
#include <algorithm>
#include <utility>

#include "backend/base/endian.h"
#include "target/scsi/backend_error.h"
#include "target/scsi/commands.h"
#include "target/scsi/logical_unit.h"

namespace swiftness::scsi {
namespace {

struct Type {
  uint8_t code;  // IDENTIFYING INFORMATION TYPE
  MetadataKey key;
  uint16_t most;  // bytes: the most that SPC-5 has a use for
  bool is_text;   // UTF-8 that ends with a null
};
constexpr Type kTypes[] = {
    {0x00, MetadataKey::identifying_information, 512, false},
    {0x02, MetadataKey::text_identification, 256, true},
};
constexpr uint8_t kSupportedTypes = 0x7f;  // asks which types there are

const Type* find_type(uint8_t code) {
  const auto* found = std::ranges::find(kTypes, code, &Type::code);
  return found == std::end(kTypes) ? nullptr : found;
}

Bytes supported_types_data() {
  Bytes data(4 + 4 * std::size(kTypes));
  store_be(&data[2], static_cast<uint16_t>(4 * std::size(kTypes)));
  for (size_t i = 0; i < std::size(kTypes); ++i) {
    data[4 + 4 * i] = static_cast<std::byte>(kTypes[i].code << 1);
    store_be(&data[6 + 4 * i], kTypes[i].most);
  }
  return data;
}

}  // namespace

Checked check_report_identifying_information(const LogicalUnit& unit, const Cdb& cdb) {
  const IdentifyingInformationCdb report = decode_identifying_information(cdb);
  if (!unit.device().keeps_metadata()) return invalid_field_in_cdb(1, 4);
  if (report.type != kSupportedTypes && !find_type(report.type)) return invalid_field_in_cdb(10, 7);
  return to_initiator(report.length);
}

asio::awaitable<ScsiResult> run_report_identifying_information(LogicalUnit& unit, Command command,
                                                               BufferList, TicketPtr) {
  const IdentifyingInformationCdb report = decode_identifying_information(command.cdb);
  if (report.type == kSupportedTypes)
    co_return parameter_data(supported_types_data(), report.length);
  Result<Bytes> information = co_await unit.device().load_metadata(find_type(report.type)->key);
  if (!information) co_return failed(unit, command, information.error(), MediumAccess::read);
  Bytes data(4 + information->size());
  store_be(&data[2], static_cast<uint16_t>(information->size()));
  std::ranges::copy(*information, data.begin() + 4);
  co_return parameter_data(std::move(data), report.length);
}

Checked check_set_identifying_information(const LogicalUnit& unit, const Cdb& cdb) {
  const IdentifyingInformationCdb set = decode_identifying_information(cdb);
  if (!unit.device().keeps_metadata()) return invalid_field_in_cdb(1, 4);
  const Type* type = find_type(set.type);
  if (!type) return invalid_field_in_cdb(10, 7);
  if (set.length > type->most) return invalid_field_in_cdb(6, 7);
  return Transfer{TransferPlan::Direction::from_initiator, set.length};
}

// An empty list takes it away.
asio::awaitable<ScsiResult> run_set_identifying_information(LogicalUnit& unit, Command command,
                                                            BufferList data_out, TicketPtr) {
  const Type& type = *find_type(decode_identifying_information(command.cdb).type);
  const Buffer list = data_out.flatten();
  Bytes information(list.bytes().begin(), list.bytes().end());
  const bool ends_with_null = !information.empty() && information.back() == std::byte{0};
  if (type.is_text && !information.empty() && !ends_with_null) {
    co_return check_condition(
        invalid_field_in_parameter_list(static_cast<uint16_t>(information.size() - 1)));
  }
  Result<void> stored = co_await unit.device().store_metadata(type.key, std::move(information));
  if (!stored) co_return failed(unit, command, stored.error(), MediumAccess::write);
  unit.raise_for_others(command.nexus, asc::kDeviceIdentifierChanged);
  co_return ScsiResult{};
}

}  // namespace swiftness::scsi
