#include "target/iscsi/negotiation.h"

#include <algorithm>
#include <array>
#include <optional>

namespace swiftness::iscsi {
namespace {

// How a key is answered. Keys the login itself looks after are `elsewhere`.
enum class Kind {
  elsewhere,    // names, session type, security: login.cc
  declaration,  // of the initiator, no answer
  target_only,  // the initiator must not send it: Reject
  digest,
  minimum,
  maximum,
  boolean_and,
  boolean_or,
  max_recv,
  task_reporting,
  obsolete_marker,    // 13.25: "No"
  obsolete_interval,  // 13.25: "Reject"
};

// Which logins a key has a meaning in; others are answered Irrelevant.
enum class Scope {
  every_connection,
  session,         // the leading login (LO in clause 13), and discovery
  normal_session,  // the leading login of a normal session
};

struct Key {
  std::string_view name;
  Kind kind;
  Scope scope = Scope::every_connection;
  uint32_t least = 0;  // numbers: the range the RFC gives the key
  uint32_t most = 0;
  uint32_t ours = 0;  // numbers and booleans: what we would have
  uint32_t SessionParameters::*number = nullptr;
  bool SessionParameters::*flag = nullptr;
};

constexpr uint32_t kMaximum24 = 0xffffff;
using P = SessionParameters;

constexpr auto kKeys = std::to_array<Key>({
    {.name = "HeaderDigest", .kind = Kind::digest, .flag = &P::header_digest},  // 13.1
    {.name = "DataDigest", .kind = Kind::digest, .flag = &P::data_digest},      // 13.1
    {.name = "MaxConnections",
     .kind = Kind::minimum,
     .scope = Scope::normal_session,  // 13.2
     .least = 1,
     .most = 65535,
     .ours = kMaxConnections,
     .number = &P::max_connections},
    {.name = "SendTargets", .kind = Kind::target_only},           // 13.3: full feature only
    {.name = "TargetName", .kind = Kind::elsewhere},              // 13.4
    {.name = "InitiatorName", .kind = Kind::elsewhere},           // 13.5
    {.name = "TargetAlias", .kind = Kind::target_only},           // 13.6
    {.name = "InitiatorAlias", .kind = Kind::declaration},        // 13.7
    {.name = "TargetAddress", .kind = Kind::target_only},         // 13.8
    {.name = "TargetPortalGroupTag", .kind = Kind::target_only},  // 13.9
    {.name = "InitialR2T",
     .kind = Kind::boolean_or,
     .scope = Scope::normal_session,  // 13.10
     .ours = false,
     .flag = &P::initial_r2t},
    {.name = "ImmediateData",
     .kind = Kind::boolean_and,
     .scope = Scope::normal_session,  // 13.11
     .ours = true,
     .flag = &P::immediate_data},
    {.name = "MaxRecvDataSegmentLength",
     .kind = Kind::max_recv,
     .least = 512,  // 13.12
     .most = kMaximum24,
     .number = &P::initiator_max_recv},
    {.name = "MaxBurstLength",
     .kind = Kind::minimum,
     .scope = Scope::normal_session,  // 13.13
     .least = 512,
     .most = kMaximum24,
     .ours = kMaxBurstLength,
     .number = &P::max_burst},
    {.name = "FirstBurstLength",
     .kind = Kind::minimum,
     .scope = Scope::normal_session,  // 13.14
     .least = 512,
     .most = kMaximum24,
     .ours = kFirstBurstLength,
     .number = &P::first_burst},
    {.name = "DefaultTime2Wait",
     .kind = Kind::maximum,
     .scope = Scope::session,
     .most = 3600,
     .ours = 0,  // 13.15
     .number = &P::time2wait},
    {.name = "DefaultTime2Retain",
     .kind = Kind::minimum,
     .scope = Scope::session,
     .most = 3600,
     .ours = 0,  // 13.16: ERL 0
     .number = &P::time2retain},
    {.name = "MaxOutstandingR2T",
     .kind = Kind::minimum,
     .scope = Scope::normal_session,  // 13.17
     .least = 1,
     .most = 65535,
     .ours = kMaxOutstandingR2t,
     .number = &P::max_outstanding_r2t},
    {.name = "DataPDUInOrder",
     .kind = Kind::boolean_or,
     .scope = Scope::normal_session,  // 13.18
     .ours = true},
    {.name = "DataSequenceInOrder",
     .kind = Kind::boolean_or,
     .scope = Scope::normal_session,
     .ours = true},  // 13.19
    {.name = "ErrorRecoveryLevel",
     .kind = Kind::minimum,
     .scope = Scope::session,  // 13.20
     .most = 2,
     .ours = 0},
    {.name = "SessionType", .kind = Kind::elsewhere},  // 13.21
    {.name = "TaskReporting", .kind = Kind::task_reporting, .scope = Scope::normal_session},
    {.name = "X#NodeArchitecture", .kind = Kind::declaration},  // 13.26
    {.name = "IFMarker", .kind = Kind::obsolete_marker},        // 13.25
    {.name = "OFMarker", .kind = Kind::obsolete_marker},
    {.name = "IFMarkInt", .kind = Kind::obsolete_interval},
    {.name = "OFMarkInt", .kind = Kind::obsolete_interval},
    {.name = "iSCSIProtocolLevel",
     .kind = Kind::minimum,
     .scope = Scope::normal_session,
     .most = 31,
     .ours = kProtocolLevel,  // RFC 7144 7.1.1
     .number = &P::protocol_level},
    {.name = "AuthMethod", .kind = Kind::elsewhere},  // 12
});

const Key* find_key(std::string_view name) {
  auto found = std::ranges::find(kKeys, name, &Key::name);
  return found == kKeys.end() ? nullptr : &*found;
}

// The first value of the initiator's list that we take (6.2.1); nothing: Reject.
std::string_view choose_digest(std::string_view offered, bool only_none, bool& crc32c) {
  for (std::string_view item : split_list(offered)) {
    if (item == "None") {
      crc32c = false;
      return "None";
    }
    if (item == "CRC32C" && !only_none) {
      crc32c = true;
      return "CRC32C";
    }
  }
  return kReject;
}

std::string answer_number(const Key& key, std::string_view offered, SessionParameters& parameters) {
  std::optional<uint32_t> value = parse_number(offered);
  if (!value || *value < key.least || *value > key.most) return std::string(kReject);
  uint32_t result =
      key.kind == Kind::maximum ? std::max(*value, key.ours) : std::min(*value, key.ours);
  if (key.number == &P::first_burst) result = std::min(result, parameters.max_burst);
  if (key.number) parameters.*key.number = result;
  return std::to_string(result);
}

std::string answer_boolean(const Key& key, std::string_view offered,
                           SessionParameters& parameters) {
  std::optional<bool> value = parse_boolean(offered);
  if (!value) return std::string(kReject);
  bool result = key.kind == Kind::boolean_and ? *value && key.ours : *value || key.ours;
  if (key.flag) parameters.*key.flag = result;
  return result ? "Yes" : "No";
}

bool is_irrelevant(Scope scope, LoginKind login) {
  return (login == LoginKind::discovery && scope == Scope::normal_session) ||
         (login == LoginKind::joining && scope != Scope::every_connection);
}

// nullopt: the key is not answered.
std::optional<std::string> answer(const Key& key, std::string_view offered, LoginKind login,
                                  SessionParameters& parameters) {
  if (is_irrelevant(key.scope, login)) return std::string(kIrrelevant);
  switch (key.kind) {
    case Kind::elsewhere:
    case Kind::declaration:
      return std::nullopt;
    case Kind::target_only:
      return std::string(kReject);
    // Windows is refused nothing in discovery, but gains nothing from a digest there either.
    case Kind::digest:
      return std::string(
          choose_digest(offered, login == LoginKind::discovery, parameters.*key.flag));
    case Kind::minimum:
    case Kind::maximum:
      return answer_number(key, offered, parameters);
    case Kind::boolean_and:
    case Kind::boolean_or:
      return answer_boolean(key, offered, parameters);
    case Kind::max_recv: {
      std::optional<uint32_t> value = parse_number(offered);
      if (!value || *value < key.least || *value > key.most) return std::string(kReject);
      parameters.initiator_max_recv = *value;
      return std::nullopt;
    }
    case Kind::task_reporting: {  // 13.23: what RFC 3720 asks for, no more
      auto items = split_list(offered);
      bool offers_ours = std::ranges::find(items, "RFC3720") != items.end();
      return std::string(offers_ours ? "RFC3720" : kReject);
    }
    case Kind::obsolete_marker:
      return "No";
    case Kind::obsolete_interval:
      return std::string(kReject);
  }
  return std::nullopt;
}

}  // namespace

Result<void> negotiate_operational_keys(const TextKeys& offered, LoginKind kind,
                                        SessionParameters& parameters, std::string& answers) {
  const TextKey* first_burst = nullptr;  // its answer depends on three others: it comes last
  for (const TextKey& offer : offered.all()) {
    if (offer.name == "FirstBurstLength") {
      first_burst = &offer;
      continue;
    }
    if (offer.name.starts_with("CHAP_")) continue;  // security, left to login.cc
    const Key* key = find_key(offer.name);
    if (key == nullptr) {
      append_key(answers, offer.name, kNotUnderstood);
      continue;
    }
    std::optional<std::string> result = answer(*key, offer.value, kind, parameters);
    if (key->kind == Kind::max_recv && result) {
      return Error(ErrorCode::invalid, "MaxRecvDataSegmentLength is out of its range");
    }
    if (result) append_key(answers, offer.name, *result);
  }
  if (first_burst != nullptr) {
    bool irrelevant = parameters.initial_r2t && !parameters.immediate_data;  // 13.14
    std::optional<std::string> result =
        answer(*find_key(first_burst->name), first_burst->value, kind, parameters);
    append_key(answers, first_burst->name, irrelevant ? std::string(kIrrelevant) : *result);
  }
  return {};
}

void renegotiate_keys(const TextKeys& offered, SessionParameters& parameters,
                      std::string& answers) {
  for (const TextKey& offer : offered.all()) {
    if (offer.name == "SendTargets") continue;  // discovery.cc
    const Key* key = find_key(offer.name);
    if (key == nullptr) {
      append_key(answers, offer.name, kNotUnderstood);
    } else if (key->kind == Kind::max_recv) {
      std::optional<std::string> result = answer(*key, offer.value, LoginKind::leading, parameters);
      if (result) append_key(answers, offer.name, *result);
    } else if (key->kind != Kind::declaration) {
      append_key(answers, offer.name, kReject);
    }
  }
}

SessionParameters of_another_connection(const SessionParameters& first) {
  const SessionParameters defaults;
  SessionParameters parameters = first;
  parameters.header_digest = defaults.header_digest;
  parameters.data_digest = defaults.data_digest;
  parameters.initiator_max_recv = defaults.initiator_max_recv;
  return parameters;
}

void settle(SessionParameters& parameters) {
  parameters.first_burst = std::min(parameters.first_burst, parameters.max_burst);
}

}  // namespace swiftness::iscsi
