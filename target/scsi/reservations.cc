#include "target/scsi/reservations.h"

#include <algorithm>
#include <utility>

#include "backend/base/check.h"
#include "backend/base/endian.h"

namespace swiftness::scsi {
namespace {

using Outcome = Reservations::Outcome;

Outcome conflict() {
  Outcome outcome;
  outcome.status = Status::reservation_conflict;
  return outcome;
}

Outcome refused(const Sense& sense) {
  Outcome outcome;
  outcome.status = Status::check_condition;
  outcome.sense = sense;
  return outcome;
}

// Where PERSISTENT RESERVE OUT has them: byte 2 of the CDB, and of the parameter list SERVICE
// ACTION RESERVATION KEY, the flags, and what is behind.
Sense wrong_type() {
  return invalid_field_in_cdb(2, 3);
}
Sense wrong_service_key() {
  return invalid_field_in_parameter_list(8);
}
constexpr uint16_t kFlagsAt = 20, kMovePortAt = 18, kTransportIdsAt = 24;

bool is_write_exclusive(ReservationType type) {
  return type == ReservationType::write_exclusive ||
         type == ReservationType::write_exclusive_registrants_only ||
         type == ReservationType::write_exclusive_all_registrants;
}

std::optional<ReservationType> type_of(const ReserveOut& out) {
  constexpr uint8_t kScopeOfUnit = 0;  // LU_SCOPE, the only one there is
  if (out.scope_and_type >> 4 != kScopeOfUnit) return std::nullopt;
  return reservation_type(out.scope_and_type & 0x0f);
}

}  // namespace

std::optional<ReservationType> reservation_type(uint8_t code) noexcept {
  if (code == 1 || code == 3 || (code >= 5 && code <= 8)) return static_cast<ReservationType>(code);
  return std::nullopt;
}

// ---- what there is
// ---------------------------------------------------------------------------------

const Reservations::Registration* Reservations::find(const NexusName& nexus) const noexcept {
  const auto found = std::ranges::find(registrations_, nexus, &Registration::nexus);
  return found == registrations_.end() ? nullptr : &*found;
}

Reservations::Registration* Reservations::find_to_change(const NexusName& nexus) noexcept {
  return const_cast<Registration*>(find(nexus));
}

bool Reservations::is_of_all_registrants() const noexcept {
  return reservation_ && (reservation_->type == ReservationType::write_exclusive_all_registrants ||
                          reservation_->type == ReservationType::exclusive_access_all_registrants);
}

bool Reservations::is_of_registrants() const noexcept {
  return reservation_ && (is_of_all_registrants() ||
                          reservation_->type == ReservationType::write_exclusive_registrants_only ||
                          reservation_->type == ReservationType::exclusive_access_registrants_only);
}

bool Reservations::is_holder(const NexusName& nexus) const noexcept {
  if (!reservation_) return false;
  return is_of_all_registrants() ? find(nexus) != nullptr : reservation_->holder == nexus;
}

bool Reservations::allows(const NexusName& nexus, UnderReservation command) const noexcept {
  if (!reservation_ || command == UnderReservation::allowed) return true;
  if (command == UnderReservation::allowed_write_exclusive &&
      is_write_exclusive(reservation_->type)) {
    return true;
  }
  return is_of_registrants() ? find(nexus) != nullptr : is_holder(nexus);
}

// ---- changes
// ---------------------------------------------------------------------------------------

void Reservations::put(const NexusName& nexus, uint64_t key, bool all_target_ports) {
  if (Registration* known = find_to_change(nexus)) {
    known->key = key;
    known->all_target_ports = all_target_ports;
  } else {
    registrations_.push_back({nexus, key, all_target_ports});
  }
}

void Reservations::tell_others(const NexusName& by, AdditionalSense condition,
                               Outcome& outcome) const {
  for (const Registration& other : registrations_) {
    if (other.nexus != by) outcome.notices.push_back({other.nexus, condition});
  }
}

// SPC-5 5.14.11.2.3: what becomes of a reservation whose holder's registration goes.
void Reservations::remove(const NexusName& nexus, Outcome& outcome) {
  const bool of_all = is_of_all_registrants(), of_registrants = is_of_registrants();
  std::erase_if(registrations_, [&nexus](const Registration& r) { return r.nexus == nexus; });
  if (!reservation_) return;
  const bool ends = of_all ? registrations_.empty() : reservation_->holder == nexus;
  if (!ends) return;
  reservation_.reset();
  if (of_registrants) tell_others(nexus, asc::kReservationsReleased, outcome);
}

Outcome Reservations::apply(const ReserveOut& out, const NexusName& by,
                            std::span<const uint16_t> target_ports) {
  using Action = ReserveOut::Action;
  const Registration* registration = find(by);
  if (out.action == Action::register_key || out.action == Action::register_and_ignore) {
    return register_key(out, by, target_ports);
  }
  if (!registration || registration->key != out.key) return conflict();
  switch (out.action) {
    case Action::reserve:
      return reserve(out, by);
    case Action::release:
      return release(out, by);
    case Action::clear:
      return clear(by);
    case Action::preempt:
    case Action::preempt_and_abort:
      return preempt(out, by);
    case Action::register_and_move:
      return register_and_move(out, by, target_ports);
    case Action::register_key:
    case Action::register_and_ignore:
      break;
  }
  CHECK(false);
}

// SPC-5 5.14.7, tables 72 and 73.
Outcome Reservations::register_key(const ReserveOut& out, const NexusName& by,
                                   std::span<const uint16_t> target_ports) {
  const Registration* known = find(by);
  const bool ignores = out.action == ReserveOut::Action::register_and_ignore;
  const uint64_t expected = known ? known->key : 0;
  if (!ignores && out.key != expected) return conflict();
  if (out.specifies_initiator_ports) {
    if (ignores) return refused(invalid_field_in_parameter_list(kFlagsAt, 3));
    if (known || out.service_key == 0) return refused(illegal_request(asc::kInvalidFieldInCdb));
  }
  if (out.service_key == 0) {
    if (!known) return {};
    Outcome outcome = unregister(out, by, known->key);
    persists_ = out.persist && !registrations_.empty();
    ++generation_;
    return outcome;
  }

  std::vector<NexusName> added;
  auto add = [&added](NexusName nexus) {
    if (std::ranges::find(added, nexus) == added.end()) added.push_back(std::move(nexus));
  };
  auto add_ports_of = [&](const std::string& initiator_port) {
    add({initiator_port, by.relative_target_port});
    if (!out.all_target_ports) return;
    for (uint16_t port : target_ports) add({initiator_port, port});
  };
  add_ports_of(by.initiator_port);
  for (const std::string& port : out.initiator_ports) {
    if (port == by.initiator_port) {  // it registers itself anyway
      return refused(invalid_field_in_parameter_list(kTransportIdsAt));
    }
    add_ports_of(port);
  }
  const bool is_taken = std::ranges::any_of(
      added, [this, &by](const NexusName& nexus) { return nexus != by && find(nexus) != nullptr; });
  if (is_taken && out.specifies_initiator_ports) return conflict();
  const auto fresh = std::ranges::count_if(
      added, [this](const NexusName& nexus) { return find(nexus) == nullptr; });
  if (registrations_.size() + static_cast<size_t>(fresh) > kMostRegistrations) {
    return refused(illegal_request(asc::kInsufficientRegistrationResources));
  }
  for (const NexusName& nexus : added) put(nexus, out.service_key, out.all_target_ports);
  persists_ = out.persist;
  ++generation_;
  return {};
}

// With ALL_TG_PT the same through every other port, where its registration has the same key.
Outcome Reservations::unregister(const ReserveOut& out, const NexusName& by, uint64_t key) {
  std::vector<NexusName> going{by};
  for (const Registration& other : registrations_) {
    const bool is_same_initiator = other.nexus.initiator_port == by.initiator_port;
    if (out.all_target_ports && is_same_initiator && other.nexus != by && other.key == key) {
      going.push_back(other.nexus);
    }
  }
  Outcome outcome;
  for (const NexusName& nexus : going) remove(nexus, outcome);
  return outcome;
}

// SPC-5 5.14.9.
Outcome Reservations::reserve(const ReserveOut& out, const NexusName& by) {
  const std::optional<ReservationType> type = type_of(out);
  if (!type) return refused(wrong_type());
  if (!reservation_) {
    reservation_ = {*type, by};
    return {};
  }
  return is_holder(by) && reservation_->type == *type ? Outcome{} : conflict();
}

// SPC-5 5.14.11.2.2. Scope and type are looked at only when there is something to release.
Outcome Reservations::release(const ReserveOut& out, const NexusName& by) {
  if (!is_holder(by)) return {};
  if (type_of(out) != reservation_->type) {
    return refused(illegal_request(asc::kInvalidReleaseOfPersistentReservation));
  }
  Outcome outcome;
  if (is_of_registrants()) tell_others(by, asc::kReservationsReleased, outcome);
  reservation_.reset();
  return outcome;
}

Outcome Reservations::clear(const NexusName& by) {  // SPC-5 5.14.11.2.7
  Outcome outcome;
  tell_others(by, asc::kReservationsPreempted, outcome);
  registrations_.clear();
  reservation_.reset();
  persists_ = false;
  ++generation_;
  return outcome;
}

// SPC-5 5.14.11.2.4 to 5.14.11.2.6, figure 8.
Outcome Reservations::preempt(const ReserveOut& out, const NexusName& by) {
  const bool all_others = is_of_all_registrants() && out.service_key == 0;
  const bool takes_over =
      all_others || (reservation_ && !is_of_all_registrants() && out.service_key != 0 &&
                     find(reservation_->holder)->key == out.service_key);
  if (out.service_key == 0 && !all_others) return refused(wrong_service_key());
  const std::optional<ReservationType> type = type_of(out);
  if (takes_over && !type) return refused(wrong_type());

  std::vector<NexusName> removed;
  bool found = false;
  for (const Registration& other : registrations_) {
    if (!all_others && other.key != out.service_key) continue;
    found = true;
    // Who takes over stays registered; who only removes registrations removes its own, too.
    if (other.nexus == by && takes_over) continue;
    removed.push_back(other.nexus);
  }
  if (!found && !all_others) return conflict();

  Outcome outcome;
  const std::optional<Reservation> before = reservation_;
  if (takes_over) reservation_ = {*type, by};
  for (const NexusName& nexus : removed) {
    remove(nexus, outcome);
    if (nexus != by) outcome.notices.push_back({nexus, asc::kRegistrationsPreempted});
  }
  const bool changed = takes_over && before->type != *type;
  if (changed) tell_others(by, asc::kReservationsReleased, outcome);
  if (out.action == ReserveOut::Action::preempt_and_abort) outcome.aborted = std::move(removed);
  ++generation_;
  return outcome;
}

// SPC-5 5.14.8: registration and reservation go to another nexus.
Outcome Reservations::register_and_move(const ReserveOut& out, const NexusName& by,
                                        std::span<const uint16_t> target_ports) {
  if (!is_holder(by) || is_of_all_registrants()) return conflict();
  if (out.service_key == 0) return refused(wrong_service_key());
  CHECK(out.initiator_ports.size() == 1);
  const NexusName to{out.initiator_ports.front(), out.move_to_target_port};
  const bool known_port =
      to.relative_target_port == by.relative_target_port ||
      std::ranges::find(target_ports, to.relative_target_port) != target_ports.end();
  if (!known_port) return refused(invalid_field_in_parameter_list(kMovePortAt));
  if (to == by) return refused(invalid_field_in_parameter_list(kTransportIdsAt));
  if (!find(to) && registrations_.size() >= kMostRegistrations) {
    return refused(illegal_request(asc::kInsufficientRegistrationResources));
  }
  put(to, out.service_key, false);
  reservation_->holder = to;
  Outcome outcome;
  if (out.unregister) remove(by, outcome);
  persists_ = out.persist;
  ++generation_;
  return outcome;
}

// ---- as a record
// -------------------------------------------------------------------------------

namespace {

constexpr std::byte kVersion{1};
constexpr size_t kRecordHeader = 8;         // version, reserved, type, 1, registrations, holder
constexpr size_t kRegistrationHeader = 14;  // key, target port, flags, 1, name's length
constexpr uint16_t kNobody = 0xffff;

}  // namespace

Bytes Reservations::encode() const {
  if (!persists_) return {};
  Bytes out(kRecordHeader);
  out[0] = kVersion;
  out[2] = reservation_ ? static_cast<std::byte>(reservation_->type) : std::byte{0};
  store_be(&out[4], static_cast<uint16_t>(registrations_.size()));
  uint16_t holder = kNobody;
  for (size_t i = 0; i < registrations_.size(); ++i) {
    const auto& [nexus, key, all_target_ports] = registrations_[i];
    if (reservation_ && reservation_->holder == nexus) holder = static_cast<uint16_t>(i);
    const size_t at = out.size();
    out.resize(at + kRegistrationHeader);
    store_be(&out[at], key);
    store_be(&out[at + 8], nexus.relative_target_port);
    out[at + 10] = std::byte{all_target_ports};
    store_be(&out[at + 12], static_cast<uint16_t>(nexus.initiator_port.size()));
    const auto name = std::as_bytes(std::span(nexus.initiator_port));
    out.insert(out.end(), name.begin(), name.end());
  }
  store_be(&out[6], holder);
  return out;
}

std::optional<Reservations> Reservations::decode(std::span<const std::byte> bytes) {
  Reservations out;
  if (bytes.empty()) return out;
  if (bytes.size() < kRecordHeader || bytes[0] != kVersion) return std::nullopt;
  const size_t count = load_be<uint16_t>(&bytes[4]);
  size_t at = kRecordHeader;
  for (size_t i = 0; i < count; ++i) {
    if (bytes.size() - at < kRegistrationHeader) return std::nullopt;
    Registration registration;
    registration.key = load_be<uint64_t>(&bytes[at]);
    registration.nexus.relative_target_port = load_be<uint16_t>(&bytes[at + 8]);
    registration.all_target_ports = bytes[at + 10] != std::byte{0};
    const size_t length = load_be<uint16_t>(&bytes[at + 12]);
    at += kRegistrationHeader;
    if (bytes.size() - at < length || registration.key == 0) return std::nullopt;
    const auto name = bytes.subspan(at, length);
    registration.nexus.initiator_port.assign(reinterpret_cast<const char*>(name.data()), length);
    at += length;
    if (out.find(registration.nexus)) return std::nullopt;
    out.registrations_.push_back(std::move(registration));
  }
  if (at != bytes.size()) return std::nullopt;
  const size_t holder = load_be<uint16_t>(&bytes[6]);
  const std::optional<ReservationType> type = reservation_type(std::to_integer<uint8_t>(bytes[2]));
  if (bytes[2] != std::byte{0}) {
    if (!type) return std::nullopt;
    out.reservation_ = {*type, {}};
    // Who made a reservation of all registrants may have gone; the others hold it.
    if (holder < out.registrations_.size()) {
      out.reservation_->holder = out.registrations_[holder].nexus;
    } else if (!out.is_of_all_registrants() || out.registrations_.empty()) {
      return std::nullopt;
    }
  }
  out.persists_ = true;
  return out;
}

}  // namespace swiftness::scsi
