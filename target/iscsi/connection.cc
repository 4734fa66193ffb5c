#include "target/iscsi/connection.h"

#include <fmt/core.h>
#include <boost/asio/redirect_error.hpp>

#include <algorithm>

#include "backend/base/log.h"
#include "target/iscsi/server_state.h"

namespace swiftness::iscsi {
Connection::Connection(std::shared_ptr<ServerState> server, Socket socket,
                       const boost::asio::ip::tcp::endpoint& remote, PortalConfig portal)
    : server_(std::move(server)),
      socket_(std::move(socket)),
      portal_(std::move(portal)),
      reader_(*this, kLoginMaxRecv),
      writer_(socket_, server_->answers),
      progressed_(server_->executor),
      watch_timer_(server_->executor),
      last_heard_(std::chrono::steady_clock::now()),
      leave_by_(last_heard_ + server_->limits.login_timeout),
      leave_reason_("it did not log in in time") {
  host_ = remote.address().to_string();
  address_ = remote.address().is_v6() ? fmt::format("[{}]:{}", host_, remote.port())
                                      : fmt::format("{}:{}", host_, remote.port());
  boost::system::error_code gone;  // a peer that is gone already: the first receive will tell
  local_address_ = socket_.local_endpoint(gone).address();
  socket_.set_option(boost::asio::ip::tcp::no_delay(true), gone);
  socket_.set_option(boost::asio::socket_base::keep_alive(true), gone);
}

Connection::~Connection() = default;

Task Connection::serve(std::shared_ptr<Connection> self) {
  Connection& c = *self;
  c.server_->add(c);
  c.writer_.start(self, {.progressed = [&c] { c.progressed_.notify_all(); },
                         .drained =
                             [&c] {
                               c.unsent_answers_ = 0;
                               if (c.finish_) c.close(c.finish_reason_);
                             },
                         .failed = [&c](const std::string& why) { c.close(why); }});
  c.login_.emplace(LoginEnvironment{.targets = c.server_->targets,
                                    .discovery_chap = c.server_->discovery_chap,
                                    .portal_group = c.portal_.group,
                                    .drain = c.server_->drain,
                                    .session_to_join = [&c](const Isid& isid, uint16_t tsih) {
                                      return c.login_of_joined(isid, tsih);
                                    }});
  c.server_->connections.spawn("watch", watch(self));
  std::string reason = "its initiator closed the connection";
  using Outcome = PduReader::Outcome;
  Outcome outcome = Outcome::more;
  while (!c.closed_) {
    size_t received = 0;
    if (outcome == Outcome::paused) {
      co_await until_room(self);
    } else {
      auto buffers = c.reader_.prepare();
      boost::system::error_code failure;
      received = co_await c.socket_.async_read_some(
          buffers, asio::redirect_error(asio::use_awaitable, failure));
      if (failure) {
        if (failure != asio::error::eof) reason = failure.message();
        break;
      }
    }
    if (c.closed_) break;
    c.last_heard_ = std::chrono::steady_clock::now();
    c.pinged_.reset();
    outcome = c.finish_ ? Outcome::stopped : c.reader_.commit(received);
    if (c.finish_) co_return;  // the writer or the watch closes
    if (outcome == Outcome::more || outcome == Outcome::paused) continue;
    reason = to_string(outcome);
    if (outcome == Outcome::stopped) break;
    ++c.server_->counts.connections_broken;
    c.server_->broken_connections.warning("connection from {} closed: {}: no iSCSI, or damaged",
                                          c.address_, reason);
    if (c.session_) c.session_->announce_drop(c);
    break;
  }
  c.close(reason);
}

// Its initiator asks for answers and does not read them. It has as long as one that says nothing.
Task Connection::until_room(std::shared_ptr<Connection> self) {
  Connection& c = *self;
  c.paused_ = true;
  ++c.server_->counts.connections_paused;
  log::debug("{} does not read its answers: it is not read until it does", c.address_);
  while (!c.closed_ && !c.finish_ && !c.has_room_for_more()) co_await c.progressed_.wait();
  c.paused_ = false;
}

void Connection::close(const std::string& reason) {
  if (closed_) return;
  closed_ = true;
  auto self = shared_from_this();
  leave_half_open();
  server_->remove(*this);
  writer_.stop();
  progressed_.notify_all();
  watch_timer_.cancel();
  boost::system::error_code ignored;
  socket_.shutdown(Socket::shutdown_both, ignored);
  socket_.close(ignored);
  log::debug("connection from {} closed: {}", address_, reason);
  if (session_) session_->remove(*this, reason);
}

void Connection::finish(const std::string& reason) {
  if (closed_ || finish_) return;
  if (writer_.idle()) return close(reason);
  finish_ = true;
  finish_reason_ = reason;
  leave_by_ = std::chrono::steady_clock::now() + server_->limits.logout_grace;
  leave_reason_ = "it did not take our last answer";
  progressed_.notify_all();
  watch_timer_.cancel();
}

void Connection::leave_half_open() {
  if (!half_open_) return;
  half_open_ = false;
  server_->left_half_open(host_);
}

void Connection::ask_to_leave(const std::string& reason) {
  if (closed_ || finish_) return;
  if (phase_ != Phase::full_feature) return close(reason);
  phase_ = Phase::leaving;
  leave_reason_ = reason;
  leave_by_ = std::chrono::steady_clock::now() + server_->limits.logout_grace;
  auto grace = std::chrono::ceil<std::chrono::seconds>(server_->limits.logout_grace);
  AsyncMessage message;
  message.async_event = AsyncMessage::kRequestsLogout;
  message.parameter3 = static_cast<uint16_t>(grace.count());
  respond(message);
  watch_timer_.cancel();
}

// --- deadlines and pings ------------------------------------------------------------------------

Task Connection::watch(std::shared_ptr<Connection> self) {
  while (!self->closed_) {
    TimePoint next = self->look_after(std::chrono::steady_clock::now());
    if (self->closed_) break;
    self->watch_timer_.expires_at(next);
    boost::system::error_code woken;
    co_await self->watch_timer_.async_wait(asio::redirect_error(asio::use_awaitable, woken));
  }
}

TimePoint Connection::look_after(TimePoint now) {
  const IscsiLimits& limits = server_->limits;
  if (phase_ != Phase::full_feature || finish_) {
    if (now >= leave_by_) close(leave_reason_);
    if (phase_ == Phase::login || finish_ || closed_) return leave_by_;
    return std::min(leave_by_, session_->expire(now));
  }
  TimePoint next = session_->expire(now);
  if (closed_) return next;
  if (pinged_) {
    if (now >= *pinged_ + limits.ping_timeout) {
      session_->announce_drop(*this);
      close(paused_ ? "its initiator does not read its answers"
                    : "its initiator does not answer a ping");
      return now;
    }
    return std::min(next, *pinged_ + limits.ping_timeout);
  }
  if (now >= last_heard_ + limits.ping_after) {
    ping(now);
    return std::min(next, now + limits.ping_timeout);
  }
  return std::min(next, last_heard_ + limits.ping_after);
}

void Connection::ping(TimePoint now) {  // 11.19: a NOP-In with a Target Transfer Tag asks
  if (!pinged_) pinged_ = now;
  NopIn pdu;
  pdu.target_transfer_tag = 0x70696e67;
  inform(pdu);
}

void Connection::ask_for_acknowledgement() {
  if (closed_) return;
  ping(std::chrono::steady_clock::now());
  watch_timer_.cancel();
}

// --- login --------------------------------------------------------------------------------------

bool Connection::on_login_pdu(const Bhs& header) {
  LoginRequest request = pdu_cast<LoginRequest>(header);
  if (header.kind() != Opcode::login_request) {
    return answer_login(request, Login::refuse(request, {LoginStatus::invalid_during_login,
                                                         "a PDU that is no login request"}));
  }
  Login::Answer answer = login_->receive(request, segment_.text());
  return answer_login(request, std::move(answer));
}

bool Connection::answer_login(const LoginRequest& request, Login::Answer answer) {
  using Kind = Login::Answer::Kind;
  if (answer.kind == Kind::complete) {
    Login::Verdict refused = enter_session();
    if (refused) {
      answer = Login::refuse(request, std::move(*refused));
    } else {
      answer.header.tsih = session_->tsih();
    }
  }
  // 11.13.4, 11.13.5: the first command of a session has the CmdSN of the leading login, whose
  // window opens at once.
  LoginResponse header = answer.header;
  header.exp_cmd_sn = request.cmd_sn;
  header.max_cmd_sn = request.cmd_sn;
  if (std::shared_ptr<Session> joined = joined_.lock()) {
    header.exp_cmd_sn = joined->window().exp_cmd_sn();
    header.max_cmd_sn = joined->window().max_cmd_sn();
  }
  bool failed = answer.kind == Kind::failed;
  if (failed) {
    ++server_->counts.logins_refused;
    server_->refused_logins.warning("login from {} refused: {}", address_, answer.reason);
  }
  if (answer.kind == Kind::complete) {
    ++server_->counts.logins;
    begin_full_feature();
  }
  respond(header, BufferList(Buffer::copy_of(answer.text)));
  if (answer.kind == Kind::complete) {
    writer_.set_digests(parameters_.header_digest, parameters_.data_digest);
  }
  if (failed) finish("login refused");
  return !failed;
}

const LoginResult* Connection::login_of_joined(const Isid& isid, uint16_t tsih) {
  std::shared_ptr<Session> session = server_->find_session(isid, tsih);
  joined_ = session;
  return session ? &session->login() : nullptr;
}

// The login is complete: its session begins, or takes one more connection.
Login::Verdict Connection::enter_session() {
  using Refusal = Login::Refusal;
  const LoginResult& login = login_->result();
  if (server_->stopping) return Refusal{LoginStatus::service_unavailable, "the gateway stops"};
  if (server_->drain && !login.discovery) return Login::drained(*server_->drain, login.initiator);
  if (login.tsih == 0) {
    session_ = server_->open_session(login);
    if (session_) return std::nullopt;
    return Refusal{LoginStatus::out_of_resources, "no room for another session"};
  }
  std::shared_ptr<Session> joined = joined_.lock();
  if (!joined || !joined->lives()) {
    return Refusal{LoginStatus::session_does_not_exist,
                   fmt::format("session {} of {} has ended", login.tsih, login.initiator)};
  }
  if (!joined->has_room_for(login.cid)) {
    return Refusal{LoginStatus::too_many_connections,
                   fmt::format("session {} of {} has all the connections it agreed on", login.tsih,
                               login.initiator)};
  }
  session_ = std::move(joined);
  return std::nullopt;
}

void Connection::begin_full_feature() {
  leave_half_open();
  phase_ = Phase::full_feature;
  const LoginResult& login = login_->result();
  cid_ = login.cid;
  parameters_ = login.parameters;
  session_->add(shared_from_this());
  reader_.set_framing({.max_data_segment = kMaxRecvDataSegmentLength,
                       .ahs = true,
                       .header_digest = parameters_.header_digest,
                       .data_digest = parameters_.data_digest});
  if (!login.discovery) {
    log::info("{} {} of {} with {} {}, from {}", login.tsih == 0 ? "session" : "to session",
              session_->tsih(), login.initiator, login.target,
              login.tsih == 0 ? "began" : fmt::format("connection {} was added", cid_), address_);
  }
  watch_timer_.cancel();  // the login's deadline is met: look at other things
}

}  // namespace swiftness::iscsi
