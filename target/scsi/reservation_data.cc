#include "target/scsi/reservation_data.h"

#include <utility>

#include "backend/base/endian.h"

namespace swiftness::scsi {
namespace {

using Action = ReserveOut::Action;

constexpr size_t kReserveOutList = 24;  // of all but REGISTER AND MOVE, without TransportIDs
constexpr size_t kReserveInHeader = 8;

bool is_set(std::byte byte, uint8_t mask) {
  return (byte & std::byte{mask}) != std::byte{0};
}

// The TransportIDs behind their length at `at`: exactly as long as it says.
std::variant<std::vector<std::string>, Sense> parse_transport_ids(std::span<const std::byte> list,
                                                                  size_t at) {
  if (list.size() < at + 4) return illegal_request(asc::kParameterListLengthError);
  const size_t length = load_be<uint32_t>(&list[at]);
  at += 4;
  if (list.size() - at != length) return illegal_request(asc::kParameterListLengthError);
  std::vector<std::string> ports;
  while (at < list.size()) {
    std::optional<ParsedTransportId> id = parse_transport_id(list.subspan(at));
    if (!id) return invalid_field_in_parameter_list(static_cast<uint16_t>(at));
    ports.push_back(std::move(id->initiator_port));
    at += id->size;
  }
  return ports;
}

std::optional<Sense> parse_basic(std::span<const std::byte> list, ReserveOut& out) {
  const std::byte flags = list[20];
  const bool registers =
      out.action == Action::register_key || out.action == Action::register_and_ignore;
  if (registers) {  // the flags mean nothing to the others
    out.persist = is_set(flags, 0x01);
    out.all_target_ports = is_set(flags, 0x04);
    out.specifies_initiator_ports = is_set(flags, 0x08);
  }
  if (!out.specifies_initiator_ports || out.action != Action::register_key) {
    if (list.size() == kReserveOutList) return std::nullopt;
    return illegal_request(asc::kParameterListLengthError);
  }
  auto ports = parse_transport_ids(list, kReserveOutList);
  if (const Sense* sense = std::get_if<Sense>(&ports)) return *sense;
  out.initiator_ports = std::get<std::vector<std::string>>(std::move(ports));
  return std::nullopt;
}

std::optional<Sense> parse_move(std::span<const std::byte> list, ReserveOut& out) {
  out.persist = is_set(list[17], 0x01);
  out.unregister = is_set(list[17], 0x02);
  out.move_to_target_port = load_be<uint16_t>(&list[18]);
  auto ports = parse_transport_ids(list, 20);
  if (const Sense* sense = std::get_if<Sense>(&ports)) return *sense;
  out.initiator_ports = std::get<std::vector<std::string>>(std::move(ports));
  if (out.initiator_ports.size() != 1) return invalid_field_in_parameter_list(20);
  return std::nullopt;
}

Bytes start_answer(const Reservations& reservations) {
  Bytes data(kReserveInHeader);
  store_be(&data[0], reservations.generation());
  return data;
}

Bytes finish_answer(Bytes data) {  // ADDITIONAL LENGTH
  store_be(&data[4], static_cast<uint32_t>(data.size() - kReserveInHeader));
  return data;
}

}  // namespace

std::variant<ReserveOut, Sense> parse_reserve_out(const PersistentReserveOutCdb& cdb,
                                                  std::span<const std::byte> list,
                                                  bool can_persist) {
  if (list.size() < kReserveOutList) return illegal_request(asc::kParameterListLengthError);
  ReserveOut out;
  out.action = static_cast<Action>(cdb.service_action);
  out.scope_and_type = cdb.scope_and_type;
  out.key = load_be<uint64_t>(&list[0]);
  out.service_key = load_be<uint64_t>(&list[8]);
  const bool moves = out.action == Action::register_and_move;
  std::optional<Sense> wrong = moves ? parse_move(list, out) : parse_basic(list, out);
  if (wrong) return *wrong;
  if (out.persist && !can_persist) return invalid_field_in_parameter_list(moves ? 17 : 20, 0);
  return out;
}

Bytes read_keys_data(const Reservations& reservations) {  // SPC-5 6.15.2
  Bytes data = start_answer(reservations);
  for (const auto& registration : reservations.registrations()) {
    const size_t at = data.size();
    data.resize(at + 8);
    store_be(&data[at], registration.key);
  }
  return finish_answer(std::move(data));
}

Bytes read_reservation_data(const Reservations& reservations) {  // SPC-5 6.15.3
  Bytes data = start_answer(reservations);
  if (!reservations.reservation()) return data;
  data.resize(kReserveInHeader + 16);
  if (!reservations.is_of_all_registrants()) {  // whose key would it be? zero then
    store_be(&data[8], reservations.find(reservations.reservation()->holder)->key);
  }
  data[21] = static_cast<std::byte>(reservations.reservation()->type);  // LU_SCOPE above it
  return finish_answer(std::move(data));
}

Bytes report_capabilities_data(const Reservations& reservations, bool can_persist) {
  Bytes data(8);  // SPC-5 6.15.4
  store_be(&data[0], uint16_t{8});
  data[2] = std::byte{0x10 | 0x08 | 0x04};                  // CRH, SIP_C, ATP_C
  if (can_persist) data[2] |= std::byte{0x01};              // PTPL_C
  data[3] = std::byte{0x80};                                // TMV: the types below are valid
  if (reservations.persists()) data[3] |= std::byte{0x01};  // PTPL_A
  data[4] =
      std::byte{0x80 | 0x40 | 0x20 | 0x08 | 0x02};  // WR_EX_AR, EX_AC_RO, WR_EX_RO, EX_AC, WR_EX
  data[5] = std::byte{0x01};                        // EX_AC_AR
  return data;
}

Bytes read_full_status_data(const Reservations& reservations) {  // SPC-5 6.15.5
  Bytes data = start_answer(reservations);
  for (const auto& registration : reservations.registrations()) {
    const size_t at = data.size();
    data.resize(at + 24);
    store_be(&data[at], registration.key);
    if (registration.all_target_ports) data[at + 12] |= std::byte{0x02};  // ALL_TG_PT
    if (reservations.is_holder(registration.nexus)) {
      data[at + 12] |= std::byte{0x01};  // R_HOLDER
      data[at + 13] = static_cast<std::byte>(reservations.reservation()->type);
    }
    store_be(&data[at + 18], registration.nexus.relative_target_port);
    const Bytes id = transport_id_of(registration.nexus.initiator_port);
    store_be(&data[at + 20], static_cast<uint32_t>(id.size()));
    data.insert(data.end(), id.begin(), id.end());
  }
  return finish_answer(std::move(data));
}

}  // namespace swiftness::scsi
