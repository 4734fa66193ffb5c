// What the iSCSI layer is told: its target nodes, who may use them, its portals and its limits.
// Plain values, filled by target/gateway from the configuration; the access decision is a pure
// function of them.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backend/base/async.h"
#include "target/iscsi/chap.h"
#include "target/scsi/task_router.h"

namespace swiftness::iscsi {

// One line of a target's access list.
struct AccessEntry {
  std::string initiator;  // an iSCSI name, or "*" for every initiator without a line of its own
  std::vector<uint16_t> luns;  // logical units it may use; empty: all
  bool read_only = false;
  ChapSecrets chap{};
};

struct TargetNode {
  std::string name;                     // iSCSI name (RFC 7143 4.2.7)
  std::string alias;                    // TargetAlias; empty: none is sent
  scsi::TaskRouter* router = nullptr;   // outlives the Server
  std::vector<uint16_t> portal_groups;  // groups it is reached through; empty: all
  bool open = false;                    // anyone gets in; lines below still apply to whom they name
  std::vector<AccessEntry> access;

  bool in_portal_group(uint16_t group) const noexcept;
};

// What an initiator may do with a target.
struct AccessGrant {
  std::vector<uint16_t> luns;  // empty: all
  bool read_only = false;
  bool operator==(const AccessGrant&) const = default;
};

// The line that names the initiator decides, then the "*" line, then `open`; otherwise nobody gets
// in. A login with CHAP has to pass it besides.
std::optional<AccessGrant> access_of(const TargetNode& target, std::string_view initiator);

ChapSecrets chap_of(const TargetNode& target, std::string_view initiator);

// iSCSI names compare without regard to ASCII case (RFC 3722 folds them).
bool same_iscsi_name(std::string_view a, std::string_view b) noexcept;
const TargetNode* find_target(std::span<const TargetNode> targets, std::string_view name) noexcept;

struct PortalConfig {
  std::string address = "0.0.0.0";  // IPv4 or IPv6; "0.0.0.0" and "::" are wildcards
  uint16_t port = 3260;             // 0: any free port (tests); see Server::portals()
  uint16_t group = 1;               // Target Portal Group Tag
  std::string advertise{};  // "host:port" told to initiators instead; empty: the address itself
};

// Every bound of this layer. Lengths of PDUs and bursts are protocol values: negotiation.h.
struct IscsiLimits {
  size_t sessions = 1024;
  size_t half_open = 1024;            // connections that have not logged in, of all addresses
  size_t half_open_per_address = 64;  // and of one
  Duration login_timeout = std::chrono::seconds(15);
  Duration command_timeout =
      std::chrono::seconds(25);                      // then BUSY, and the work goes on underneath
  Duration ping_after = std::chrono::seconds(10);    // of silence
  Duration ping_timeout = std::chrono::seconds(10);  // without any PDU after a ping: dead
  Duration logout_grace = std::chrono::seconds(2);   // between the request to log out and the end
  uint32_t initial_window = 32;      // commands in flight a session may have at first ...
  uint32_t window = 128;             // ... and at most
  uint32_t immediate_commands = 16;  // in flight, per session
  // Bytes in flight (memory_budget.h). In all there are never more than solicited_memory and
  // unsolicited_memory together, and 2 x FirstBurstLength of each session.
  uint64_t session_memory = 32u << 20;       // of one session: solicited and outgoing data
  uint64_t solicited_memory = 768u << 20;    // the same of all sessions
  uint64_t unsolicited_memory = 256u << 20;  // of all; windows x FirstBurstLength keep within it
  // Bytes of answers that nobody reads (answer_memory.h).
  uint64_t connection_answers = 512u << 10;  // of one connection
  uint64_t answer_memory = 64u << 20;        // of all, and a little of each
};

// The gateway is out of service for initiators, as before maintenance.
struct Drain {
  std::string moved_to;  // "address:port" of the portal that has the targets; empty: nobody has
};

// What became of those who came, since the server began.
struct ServerCounts {
  uint64_t logins = 0;               // of full feature phase, discovery too
  uint64_t logins_refused = 0;       // each with its cause in the log
  uint64_t connections_refused = 0;  // too many that had not logged in
  uint64_t connections_broken = 0;   // closed by us: what came was no iSCSI, or damaged
  uint64_t pdus_rejected = 0;
  uint64_t commands_timed_out = 0;       // answered BUSY: the store took too long
  uint64_t commands_without_memory = 0;  // answered BUSY: no room for data that comes unasked
  uint64_t connections_paused = 0;  // not read, as long as the initiator does not read its answers
  uint64_t commands = 0;            // SCSI commands received
  uint64_t bytes_read = 0;          // sent to initiators
  uint64_t bytes_written = 0;       // received from them
  // Now:
  uint64_t half_open = 0;       // connections that have not logged in
  uint64_t unread_answers = 0;  // bytes of memory of answers that initiators have not read
};

// A live session, for `swiftness sessions` and `swiftness status`.
struct SessionInfo {
  std::string initiator;  // iSCSI name
  // Of its connections, the oldest first: "192.0.2.7:41234", "[2001:db8::7]:41234, 192.0.2.7:41235"
  std::string address;
  std::string target;  // iSCSI name; empty for a discovery session
  std::string isid;    // 12 hex digits
  uint16_t tsih = 0;
  uint16_t portal_group = 0;
  std::chrono::system_clock::time_point since;
  uint64_t commands = 0;       // SCSI commands received
  uint64_t bytes_read = 0;     // sent to the initiator
  uint64_t bytes_written = 0;  // received from it
  uint64_t in_flight = 0;      // commands not answered yet
  uint64_t detached = 0;       // answered or given up, still running underneath
};

}  // namespace swiftness::iscsi
