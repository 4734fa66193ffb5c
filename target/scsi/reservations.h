// Persistent reservations of one logical unit (SPC-5 5.14): registrations, the reservation, and
// what each service action of PERSISTENT RESERVE OUT makes of them. Pure: values in, values out; it
// knows neither sessions nor devices. Whoever applies an action to a copy can make it durable
// before it counts.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "backend/base/buffer.h"
#include "target/scsi/command.h"
#include "target/scsi/sense.h"
#include "target/scsi/transport_id.h"

namespace swiftness::scsi {

enum class ReservationType : uint8_t {  // SPC-5 6.15.3, table 226; the numbers are on the wire
  write_exclusive = 1,
  exclusive_access = 3,
  write_exclusive_registrants_only = 5,
  exclusive_access_registrants_only = 6,
  write_exclusive_all_registrants = 7,
  exclusive_access_all_registrants = 8,
};
std::optional<ReservationType> reservation_type(uint8_t code) noexcept;

// How a command fares while another nexus has reserved the unit (SPC-5 5.14.1, tables 70 and 71;
// SBC-4 4.17, table 14).
enum class UnderReservation {
  conflicts,                // with all types
  allowed_write_exclusive,  // only with exclusive access
  allowed,                  // with none
};

// PERSISTENT RESERVE OUT, decoded.
struct ReserveOut {
  enum class Action : uint8_t {
    register_key = 0,
    reserve = 1,
    release = 2,
    clear = 3,
    preempt = 4,
    preempt_and_abort = 5,
    register_and_ignore = 6,
    register_and_move = 7,
  };
  Action action = Action::register_key;
  uint8_t scope_and_type = 0;  // as in the CDB, SCOPE above, TYPE below
  uint64_t key = 0;            // RESERVATION KEY
  uint64_t service_key = 0;    // SERVICE ACTION RESERVATION KEY
  bool persist = false;        // APTPL
  bool all_target_ports = false;
  bool unregister = false;  // UNREG of REGISTER AND MOVE
  // SPEC_I_PT: more initiator ports to register; REGISTER AND MOVE: the one it goes to.
  bool specifies_initiator_ports = false;
  std::vector<std::string> initiator_ports{};
  uint16_t move_to_target_port = 0;
};

class Reservations {
 public:
  static constexpr size_t kMostRegistrations = 1024;

  struct Registration {
    NexusName nexus;
    uint64_t key = 0;
    bool all_target_ports = false;  // made with ALL_TG_PT
    friend bool operator==(const Registration&, const Registration&) = default;
  };
  struct Reservation {
    ReservationType type = ReservationType::write_exclusive;
    NexusName holder;  // of the all registrants types: who made it; all registered ones hold it
    friend bool operator==(const Reservation&, const Reservation&) = default;
  };

  // What came of an action. Anything but good left everything as it was.
  struct Notice {
    NexusName nexus;
    AdditionalSense condition;
  };
  struct Outcome {
    Status status = Status::good;
    std::optional<Sense> sense;        // with check condition
    std::vector<Notice> notices{};     // unit attentions to raise
    std::vector<NexusName> aborted{};  // PREEMPT AND ABORT: whose tasks end
  };
  // `target_ports` are the relative identifiers of all ports of the target; `by` is one of them.
  Outcome apply(const ReserveOut& out, const NexusName& by, std::span<const uint16_t> target_ports);

  bool allows(const NexusName& nexus, UnderReservation command) const noexcept;

  const Registration* find(const NexusName& nexus) const noexcept;
  bool is_holder(const NexusName& nexus) const noexcept;
  bool is_of_all_registrants() const noexcept;
  bool is_of_registrants() const noexcept;  // registrants only or all registrants

  const std::vector<Registration>& registrations() const noexcept { return registrations_; }
  const std::optional<Reservation>& reservation() const noexcept { return reservation_; }
  uint32_t generation() const noexcept { return generation_; }  // PRGENERATION
  bool persists() const noexcept { return persists_; }          // APTPL is activated

  // For a device's metadata. Without APTPL that is an empty record. decode() of what encode() did
  // not make gives nothing.
  Bytes encode() const;
  static std::optional<Reservations> decode(std::span<const std::byte> bytes);

 private:
  Outcome register_key(const ReserveOut& out, const NexusName& by,
                       std::span<const uint16_t> target_ports);
  Outcome unregister(const ReserveOut& out, const NexusName& by, uint64_t key);
  Outcome reserve(const ReserveOut& out, const NexusName& by);
  Outcome release(const ReserveOut& out, const NexusName& by);
  Outcome clear(const NexusName& by);
  Outcome preempt(const ReserveOut& out, const NexusName& by);
  Outcome register_and_move(const ReserveOut& out, const NexusName& by,
                            std::span<const uint16_t> target_ports);

  Registration* find_to_change(const NexusName& nexus) noexcept;
  void put(const NexusName& nexus, uint64_t key, bool all_target_ports);
  void remove(const NexusName& nexus, Outcome& outcome);
  void tell_others(const NexusName& by, AdditionalSense condition, Outcome& outcome) const;

  std::vector<Registration> registrations_;
  std::optional<Reservation> reservation_;
  uint32_t generation_ = 0;
  bool persists_ = false;
};

}  // namespace swiftness::scsi
