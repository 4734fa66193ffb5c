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
      writer_(socket_),
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
  c.writer_.start(self, {.drained =
                             [&c] {
                               if (c.session_) c.session_->answers_left();
                               if (c.finish_) c.close(c.finish_reason_);
                             },
                         .failed = [&c](const std::string& why) { c.close(why); }});
  c.login_.emplace(LoginEnvironment{
      .targets = c.server_->targets,
      .discovery_chap = c.server_->discovery_chap,
      .portal_group = c.portal_.group,
      .session_exists = [server = c.server_.get()](const Isid& isid, uint16_t tsih) {
        return server->session_exists(isid, tsih);
      }});
  c.server_->connections.spawn("watch", watch(self));
  std::string reason = "its initiator closed the connection";
  while (!c.closed_) {
    auto buffers = c.reader_.prepare();
    boost::system::error_code failure;
    size_t received = co_await c.socket_.async_read_some(
        buffers, asio::redirect_error(asio::use_awaitable, failure));
    if (failure) {
      if (failure != asio::error::eof) reason = failure.message();
      break;
    }
    c.last_heard_ = std::chrono::steady_clock::now();
    c.pinged_.reset();
    PduReader::Outcome outcome = c.reader_.commit(received);
    if (outcome == PduReader::Outcome::more) continue;
    if (outcome == PduReader::Outcome::stopped && !c.closed_ && !c.writer_.idle()) {
      // The last words are still on their way: the writer or the watch closes.
      c.finish_ = true;
      c.leave_by_ = std::min(c.leave_by_, c.last_heard_ + c.server_->limits.logout_grace);
      c.leave_reason_ = "it did not take our last answer";
      c.watch_timer_.cancel();
      co_return;
    }
    if (outcome != PduReader::Outcome::stopped) ++c.server_->counts.connections_broken;
    reason = to_string(outcome);
    break;
  }
  c.close(reason);
}

void Connection::close(const std::string& reason) {
  if (closed_) return;
  closed_ = true;
  auto self = shared_from_this();
  leave_half_open();
  server_->remove(*this);
  writer_.stop();
  watch_timer_.cancel();
  boost::system::error_code ignored;
  socket_.shutdown(Socket::shutdown_both, ignored);
  socket_.close(ignored);
  log::debug("connection from {} closed: {}", address_, reason);
  if (session_) session_->end(reason);  // MaxConnections=1: with its connection the session ends
}

void Connection::leave_half_open() {
  if (!half_open_) return;
  half_open_ = false;
  server_->left_half_open(host_);
}

void Connection::ask_to_leave(const std::string& reason) {
  if (closed_) return;
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
      close("its initiator does not answer a ping");
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
  pinged_ = now;
  NopIn pdu;
  pdu.target_transfer_tag = 0x70696e67;
  inform(pdu);
}

// --- login --------------------------------------------------------------------------------------

bool Connection::on_login_pdu(const Bhs& header) {
  LoginRequest request = pdu_cast<LoginRequest>(header);
  if (header.kind() != Opcode::login_request) {
    return answer_login(request, Login::refuse(request, LoginStatus::invalid_during_login,
                                               "a PDU that is no login request"));
  }
  Login::Answer answer = login_->receive(request, segment_.text());
  return answer_login(request, std::move(answer));
}

bool Connection::answer_login(const LoginRequest& request, Login::Answer answer) {
  using Kind = Login::Answer::Kind;
  if (answer.kind == Kind::complete) {
    session_ = server_->open_session(login_->result(), portal_.group);
    if (session_) {
      answer.header.tsih = session_->tsih();
    } else {
      LoginStatus status =
          server_->stopping ? LoginStatus::service_unavailable : LoginStatus::out_of_resources;
      answer = Login::refuse(request, status, "no room for another session");
    }
  }
  // 11.13.4, 11.13.5: the first command has the CmdSN of the login, whose window opens at once.
  LoginResponse header = answer.header;
  header.exp_cmd_sn = request.cmd_sn;
  header.max_cmd_sn = request.cmd_sn;
  bool failed = answer.kind == Kind::failed;
  if (failed) {
    ++server_->counts.logins_refused;
    log::warning("login from {} refused: {}", address_, answer.reason);
    finish_reason_ = "login refused";
  }
  if (answer.kind == Kind::complete) {
    ++server_->counts.logins;
    begin_full_feature();
  }
  respond(header, BufferList(Buffer::copy_of(answer.text)));
  if (answer.kind == Kind::complete) {
    const SessionParameters& parameters = session_->parameters();
    writer_.set_digests(parameters.header_digest, parameters.data_digest);
  }
  return !failed;
}

void Connection::begin_full_feature() {
  leave_half_open();
  phase_ = Phase::full_feature;
  session_->begin(shared_from_this());
  const SessionParameters& parameters = session_->parameters();
  reader_.set_framing({.max_data_segment = kMaxRecvDataSegmentLength,
                       .ahs = true,
                       .header_digest = parameters.header_digest,
                       .data_digest = parameters.data_digest});
  const LoginResult& login = session_->login();
  if (!login.discovery) {
    log::info("session {} of {} with {} began, from {}", session_->tsih(), login.initiator,
              login.target, address_);
  }
  watch_timer_.cancel();  // the login's deadline is met: look at other things
}

}  // namespace swiftness::iscsi
