// Login (RFC 7143 6.3, 11.12, 11.13, 12, 13) as a state machine without I/O: a login request in, a
// login response out, until it failed or is complete. The connection adds StatSN, ExpCmdSN,
// MaxCmdSN and the TSIH, and keeps the deadline.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "target/iscsi/negotiation.h"
#include "target/iscsi/pdu.h"
#include "target/iscsi/target_node.h"
#include "target/iscsi/text_keys.h"

namespace swiftness::iscsi {

enum class LoginStatus : uint16_t {  // 11.13.5: class and detail
  success = 0x0000,
  target_moved_temporarily = 0x0101,
  initiator_error = 0x0200,
  authentication_failure = 0x0201,
  authorization_failure = 0x0202,
  not_found = 0x0203,
  unsupported_version = 0x0205,
  too_many_connections = 0x0206,
  missing_parameter = 0x0207,
  cannot_include_in_session = 0x0208,
  session_type_not_supported = 0x0209,
  session_does_not_exist = 0x020a,
  invalid_during_login = 0x020b,
  service_unavailable = 0x0301,
  out_of_resources = 0x0302,
};

using TargetList = std::shared_ptr<const std::vector<TargetNode>>;

struct LoginResult;

struct LoginEnvironment {
  TargetList targets;
  ChapSecrets discovery_chap{};  // for discovery sessions; a target's are in its access list
  uint16_t portal_group = 1;
  std::optional<Drain> drain{};  // no normal sessions at the moment
  // The leading login of the live session with this ISID and TSIH, which a login with a TSIH wants
  // to join; nullptr when there is none. The pointer is used before anything else runs.
  std::function<const LoginResult*(const Isid& isid, uint16_t tsih)> session_to_join;
};

// What a complete login has agreed on.
struct LoginResult {
  uint16_t tsih = 0;  // of the session to join; 0: a session of its own begins
  uint16_t portal_group = 0;
  std::string initiator;
  bool discovery = false;
  std::string target;  // iSCSI name as configured; empty in discovery
  AccessGrant grant;
  Isid isid{};
  uint16_t cid = 0;
  uint32_t cmd_sn = 0;
  SessionParameters parameters;
};

class Login {
 public:
  explicit Login(LoginEnvironment environment) : environment_(std::move(environment)) {}

  struct Answer {
    enum class Kind {
      more,      // send it and go on
      complete,  // send it with the new TSIH; full feature phase begins after it
      failed,    // send it and close; `reason` says why, for the log
    };
    Kind kind = Kind::more;
    LoginResponse header;
    std::string text;
    std::string reason;
  };
  Answer receive(const LoginRequest& request, std::string_view text);

  struct Refusal {
    LoginStatus status;
    std::string reason;
    std::string text{};  // keys of the response
  };
  using Verdict = std::optional<Refusal>;  // nothing: fine

  const LoginResult& result() const noexcept { return result_; }

  // A refusal of the caller's: no room for a session, a PDU that is no login request.
  static Answer refuse(const LoginRequest& request, Refusal refusal);
  static Refusal drained(const Drain& drain, const std::string& initiator);

 private:
  enum class Stage : uint8_t { security = 0, operational = 1, full_feature = 3 };

  Verdict check_header(const LoginRequest& request);
  Verdict check_first(const LoginRequest& request);
  Verdict take_keys(const TextKeys& keys, bool transit, std::string& answers);
  Verdict identify(const TextKeys& keys);
  Verdict find_target_node(const TextKeys& keys);
  Refusal no_such_session() const;
  Verdict join();
  Verdict authenticate(const TextKeys& keys, bool transit, std::string& answers);
  Verdict choose_method(std::string_view offered, std::string& answers);
  Verdict must_authenticate() const;
  // As much as is asked for. Who wants to transit before is answered without the T bit.
  bool authenticated() const { return !secrets_.initiator || (chap_ && chap_->done()); }
  void declare(std::string& answers);

  LoginEnvironment environment_;
  LoginResult result_;
  std::optional<LoginResult> joined_;  // what the leading login of its session agreed on
  Stage stage_ = Stage::security;
  ChapSecrets secrets_;       // of this initiator
  std::optional<Chap> chap_;  // under way, or passed
  bool began_ = false;        // a request was received
  bool identified_ = false;   // the first text was whole and accepted
  bool declared_target_ = false;
  bool declared_ours_ = false;
  const TargetNode* target_ = nullptr;  // inside environment_.targets
  LoginRequest first_;                  // later ones must agree with it
  TextAssembly text_;
  std::set<std::string, std::less<>> seen_;  // keys so far: none may come twice (6.3)
};

}  // namespace swiftness::iscsi
