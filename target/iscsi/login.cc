#include "target/iscsi/login.h"

#include <fmt/core.h>

#include <algorithm>

#include "backend/base/check.h"

namespace swiftness::iscsi {
namespace {

constexpr uint8_t kTransit = kFinal;  // T bit
constexpr uint8_t current_stage(uint8_t flags) {
  return (flags >> 2) & 3;
}
constexpr uint8_t next_stage(uint8_t flags) {
  return flags & 3;
}

// 4.2.7: at most 223 bytes. No blanks or control characters, which also keeps log lines whole.
bool is_iscsi_name(std::string_view name) {
  return !name.empty() && name.size() <= 223 &&
         std::ranges::none_of(name, [](char c) { return (c >= 0 && c <= ' ') || c == 0x7f; });
}

LoginResponse answer_to(const LoginRequest& request) {
  LoginResponse header;
  header.isid = request.isid;
  header.tsih = request.tsih;
  header.initiator_task_tag = request.initiator_task_tag;
  return header;
}

}  // namespace

Login::Answer Login::refuse(const LoginRequest& request, Refusal refusal) {
  Answer answer;
  answer.kind = Answer::Kind::failed;
  answer.header = answer_to(request);
  answer.header.status_class = static_cast<uint8_t>(static_cast<uint16_t>(refusal.status) >> 8);
  answer.header.status_detail = static_cast<uint8_t>(refusal.status);
  answer.text = std::move(refusal.text);
  answer.reason = std::move(refusal.reason);
  return answer;
}

// 11.13.5, 13.8: where else the targets are, if that was said.
Login::Refusal Login::drained(const Drain& drain, const std::string& initiator) {
  if (drain.moved_to.empty()) {
    return {LoginStatus::service_unavailable,
            fmt::format("initiator {}: the gateway is drained", initiator)};
  }
  Refusal out{
      LoginStatus::target_moved_temporarily,
      fmt::format("initiator {}: the gateway is drained, sent to {}", initiator, drain.moved_to)};
  append_key(out.text, "TargetAddress", drain.moved_to);
  return out;
}

Login::Answer Login::receive(const LoginRequest& request, std::string_view text) {
  Verdict bad = check_header(request);
  if (bad) return refuse(request, std::move(*bad));
  if (!text_.add(text)) {
    return refuse(request, {LoginStatus::initiator_error, "more than 8 KiB of login text"});
  }
  Answer answer;
  answer.header = answer_to(request);
  answer.header.flags = static_cast<uint8_t>(static_cast<uint8_t>(stage_) << 2);
  if (request.flags & kContinue) return answer;  // the rest of the text is still to come

  Result<TextKeys> keys = TextKeys::parse(text_.text());
  text_.clear();
  if (!keys) return refuse(request, {LoginStatus::initiator_error, keys.error().message()});
  bad = take_keys(*keys, (request.flags & kTransit) != 0, answer.text);
  if (bad) return refuse(request, std::move(*bad));
  CHECK(answer.text.size() <= kLoginMaxRecv);

  if ((request.flags & kTransit) && authenticated()) {
    stage_ = static_cast<Stage>(next_stage(request.flags));
    answer.header.flags |= kTransit | static_cast<uint8_t>(stage_);
    if (stage_ == Stage::full_feature) {
      settle(result_.parameters);
      answer.kind = Answer::Kind::complete;
    }
  }
  return answer;
}

Login::Verdict Login::check_header(const LoginRequest& request) {
  auto error = [](std::string reason) { return Refusal{LoginStatus::initiator_error, reason}; };
  if (!began_) {
    Verdict bad = check_first(request);
    if (bad) return bad;
  } else if (request.isid != first_.isid || request.tsih != first_.tsih ||
             request.cid != first_.cid || request.initiator_task_tag != first_.initiator_task_tag) {
    return error("login requests of one login differ in ISID, TSIH, CID or task tag");
  }
  uint8_t stage = current_stage(request.flags);
  if (stage > 1 || stage != static_cast<uint8_t>(stage_)) return error("wrong login stage");
  if (request.flags & kTransit) {
    uint8_t next = next_stage(request.flags);
    if (request.flags & kContinue) return error("login request with both T and C");
    if (next <= stage || next == 2) return error("transit to a login stage that is not next");
  }
  return std::nullopt;
}

Login::Verdict Login::check_first(const LoginRequest& request) {
  began_ = true;
  first_ = request;
  result_.isid = request.isid;
  result_.cid = request.cid;
  result_.cmd_sn = request.cmd_sn;
  if (request.version_min > 0) {  // 11.12.4: we speak version 0
    return Refusal{LoginStatus::unsupported_version, "no common protocol version"};
  }
  result_.tsih = request.tsih;
  result_.portal_group = environment_.portal_group;
  if (result_.tsih != 0) {
    const LoginResult* leading = environment_.session_to_join(request.isid, result_.tsih);
    if (leading == nullptr) return no_such_session();
    joined_ = *leading;
  }
  uint8_t stage = current_stage(request.flags);
  if (stage == static_cast<uint8_t>(Stage::operational)) stage_ = Stage::operational;
  return std::nullopt;
}

Login::Verdict Login::take_keys(const TextKeys& keys, bool transit, std::string& answers) {
  for (const TextKey& key : keys.all()) {
    if (seen_.size() == kMaximumKeys) {
      return Refusal{LoginStatus::initiator_error, "more than 64 keys in a login"};
    }
    if (!seen_.insert(key.name).second) {
      return Refusal{LoginStatus::initiator_error,
                     fmt::format("key {} is offered a second time", key.name)};
    }
  }
  if (!identified_) {
    Verdict bad = identify(keys);
    if (!bad && joined_) bad = join();
    if (bad) return bad;
    identified_ = true;
  }
  Verdict bad = authenticate(keys, transit, answers);
  if (bad) return bad;
  LoginKind kind = result_.discovery ? LoginKind::discovery
                   : joined_         ? LoginKind::joining
                                     : LoginKind::leading;
  Result<void> negotiated = negotiate_operational_keys(keys, kind, result_.parameters, answers);
  if (!negotiated) return Refusal{LoginStatus::initiator_error, negotiated.error().message()};
  declare(answers);
  return std::nullopt;
}

// The first text says who wants what (6.3).
Login::Verdict Login::identify(const TextKeys& keys) {
  const std::string* initiator = keys.find("InitiatorName");
  if (initiator == nullptr) {
    return Refusal{LoginStatus::missing_parameter, "no InitiatorName in the first login request"};
  }
  if (!is_iscsi_name(*initiator)) {
    return Refusal{LoginStatus::initiator_error, "InitiatorName is not an iSCSI name"};
  }
  result_.initiator = *initiator;

  const std::string* type = keys.find("SessionType");
  if (type != nullptr && *type != "Normal" && *type != "Discovery") {
    return Refusal{LoginStatus::session_type_not_supported,
                   fmt::format("initiator {} asks for an unknown SessionType", *initiator)};
  }
  result_.discovery = type != nullptr && *type == "Discovery";
  if (result_.discovery) {
    secrets_ = environment_.discovery_chap;
    return std::nullopt;
  }
  return find_target_node(keys);
}

Login::Verdict Login::find_target_node(const TextKeys& keys) {
  const std::string* name = keys.find("TargetName");
  if (name == nullptr) {
    return Refusal{LoginStatus::missing_parameter,
                   fmt::format("initiator {} names no target", result_.initiator)};
  }
  if (!is_iscsi_name(*name)) {
    return Refusal{LoginStatus::not_found,
                   fmt::format("initiator {} names a target that cannot exist", result_.initiator)};
  }
  target_ = find_target(*environment_.targets, *name);
  if (target_ == nullptr || !target_->in_portal_group(environment_.portal_group)) {
    return Refusal{LoginStatus::not_found,
                   fmt::format("initiator {} asks for {}, which is no target of portal group {}",
                               result_.initiator, *name, environment_.portal_group)};
  }
  std::optional<AccessGrant> grant = access_of(*target_, result_.initiator);
  if (!grant) {
    return Refusal{LoginStatus::authorization_failure,
                   fmt::format("initiator {} is not in the access list of {}", result_.initiator,
                               target_->name)};
  }
  if (environment_.drain) return drained(*environment_.drain, result_.initiator);
  secrets_ = chap_of(*target_, result_.initiator);
  result_.target = target_->name;
  result_.grant = std::move(*grant);
  return std::nullopt;
}

Login::Refusal Login::no_such_session() const {
  return {LoginStatus::session_does_not_exist,
          fmt::format("session {} to be joined does not exist", result_.tsih)};
}

// 6.3.1: the connections of a session come from one initiator, to one target and portal group.
// What belongs to the session was agreed on by the leading login.
Login::Verdict Login::join() {
  if (joined_->discovery || result_.discovery || result_.target != joined_->target ||
      !same_iscsi_name(result_.initiator, joined_->initiator)) {
    return no_such_session();
  }
  if (result_.portal_group != joined_->portal_group) {
    return Refusal{LoginStatus::cannot_include_in_session,
                   fmt::format("session {} of {} is in another portal group", result_.tsih,
                               result_.initiator)};
  }
  result_.parameters = of_another_connection(joined_->parameters);
  return std::nullopt;
}

// Clause 12. Who has to prove itself does so in the security stage, which does not end before.
Login::Verdict Login::authenticate(const TextKeys& keys, bool transit, std::string& answers) {
  const std::string* offered = keys.find("AuthMethod");
  if (stage_ != Stage::security) {
    if (offered != nullptr) append_key(answers, "AuthMethod", kReject);
    return authenticated() ? std::nullopt : must_authenticate();
  }
  if (offered != nullptr) return choose_method(*offered, answers);
  if (!chap_ && secrets_.initiator && transit) return must_authenticate();
  if (!chap_) return std::nullopt;
  Result<void> accepted = chap_->receive(keys, answers);
  if (!accepted) {
    return Refusal{LoginStatus::authentication_failure,
                   fmt::format("initiator {}: {}", result_.initiator, accepted.error().message())};
  }
  return std::nullopt;
}

Login::Verdict Login::must_authenticate() const {
  return Refusal{
      LoginStatus::authentication_failure,
      fmt::format("initiator {} does not prove who it is, CHAP is required", result_.initiator)};
}

Login::Verdict Login::choose_method(std::string_view offered, std::string& answers) {
  const std::string_view ours = secrets_.initiator ? "CHAP" : "None";
  auto methods = split_list(offered);
  if (std::ranges::find(methods, ours) == methods.end()) {
    return Refusal{
        LoginStatus::authentication_failure,
        fmt::format("initiator {} offers AuthMethod {}, {}", result_.initiator, for_log(offered),
                    secrets_.initiator ? "CHAP is required" : "and there is no chap for it")};
  }
  append_key(answers, "AuthMethod", ours);
  if (secrets_.initiator) chap_.emplace(secrets_);
  return std::nullopt;
}

// What a target says without being asked: its portal group in the first response of a normal
// session (13.9; Windows waits for it), its MaxRecvDataSegmentLength once operational keys are
// exchanged.
void Login::declare(std::string& answers) {
  if (!declared_target_ && !result_.discovery) {
    append_key(answers, "TargetPortalGroupTag", std::to_string(environment_.portal_group));
    if (!target_->alias.empty()) append_key(answers, "TargetAlias", target_->alias);
    declared_target_ = true;
  }
  if (!declared_ours_ && stage_ == Stage::operational) {
    append_key(answers, "MaxRecvDataSegmentLength", std::to_string(kMaxRecvDataSegmentLength));
    declared_ours_ = true;
  }
}

}  // namespace swiftness::iscsi
