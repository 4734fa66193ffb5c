// Operational keys (RFC 7143 clause 13): what each means, its result function, and our side of the
// negotiation. Pure: an offered value in, an answer and the session's parameters out.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "target/iscsi/text_keys.h"

namespace swiftness::iscsi {

// What a connection and its session run with. The initial values are the RFC's defaults: a key
// nobody offers keeps its.
struct SessionParameters {
  // Each connection has its own.
  bool header_digest = false;  // CRC32C
  bool data_digest = false;
  uint32_t initiator_max_recv = 8192;  // MaxRecvDataSegmentLength the initiator declared
  // Of the session, agreed on by its leading login.
  uint32_t max_connections = 1;
  uint32_t max_burst = 262144;
  uint32_t first_burst = 65536;
  uint32_t max_outstanding_r2t = 1;
  uint32_t time2wait = 2;
  uint32_t time2retain = 20;
  uint32_t protocol_level = 1;  // iSCSIProtocolLevel (RFC 7144 7.1.1)
  bool initial_r2t = true;
  bool immediate_data = true;

  bool operator==(const SessionParameters&) const = default;
};

// Of a session that has `first`, for another connection before it has negotiated anything.
SessionParameters of_another_connection(const SessionParameters& first);

// Our side.
inline constexpr uint32_t kMaxConnections = 8;
inline constexpr uint32_t kMaxRecvDataSegmentLength = 262144;  // declared to the initiator
inline constexpr uint32_t kLoginMaxRecv = 8192;                // before full feature phase (13.12)
inline constexpr uint32_t kMaxBurstLength = 1048576;
inline constexpr uint32_t kFirstBurstLength = 262144;
inline constexpr uint32_t kMaxOutstandingR2t = 16;
inline constexpr uint32_t kProtocolLevel = 2;

inline constexpr std::string_view kReject = "Reject";
inline constexpr std::string_view kIrrelevant = "Irrelevant";
inline constexpr std::string_view kNotUnderstood = "NotUnderstood";

enum class LoginKind {
  leading,    // begins a normal session
  joining,    // adds a connection to it: keys of the session are Irrelevant (6.2)
  discovery,  // keys of normal sessions are Irrelevant
};

// Answers every operational key of one login request into `answers`, and takes the results into
// `parameters`. Keys of other clauses (names, security) are left to the caller; unknown ones are
// answered NotUnderstood. An error is a declaration nobody can work with: it has no answer, so the
// login fails.
Result<void> negotiate_operational_keys(const TextKeys& offered, LoginKind kind,
                                        SessionParameters& parameters, std::string& answers);

// The same in full feature phase (11.10): only MaxRecvDataSegmentLength may change there.
void renegotiate_keys(const TextKeys& offered, SessionParameters& parameters, std::string& answers);

// Do the parameters fit together once every key is in? (FirstBurstLength within
// MaxBurstLength, 13.14)
void settle(SessionParameters& parameters);

}  // namespace swiftness::iscsi
