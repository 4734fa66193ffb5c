// The admin API without HTTP: a request in, a response out. Which path does what is here; what the
// answers are is the Service's, which the gateway implements and tests fake.
#pragma once

#include <string>
#include <vector>

#include "backend/base/async.h"
#include "target/admin/api.h"

namespace swiftness::admin {

struct Request {
  std::string method;  // "GET"
  std::string path;    // as sent: "/volumes/vm-disk"
  std::string body;
  std::string host;      // the Host header
  std::string origin;    // the Origin header; empty: none
  bool trusted = false;  // from the Unix socket: whoever may open it may change things
};

struct Response {
  unsigned status = 200;
  std::string body;  // JSON, if nothing else is said
  std::string type = "application/json";
};

// Called on the gateway's shard.
class Service {
 public:
  virtual ~Service() = default;

  virtual StatusReport status() const = 0;
  virtual std::vector<SessionReport> sessions() const = 0;
  virtual std::vector<TargetReport> targets() const = 0;
  virtual asio::awaitable<VolumeList> volumes() = 0;  // asks the stores; bounded in time
  virtual Async<VolumeReport> volume(std::string name) = 0;
  virtual Async<VolumeReport> create_volume(CreateVolume request) = 0;
  virtual Result<void> drain(Drain request) = 0;
  virtual void resume() = 0;
  virtual Async<ReloadReport> reload() = 0;
};

// The service outlives the answer. Never throws.
asio::awaitable<Response> answer(Service& service, Request request);

// Why a request over TCP is refused; nothing when it is welcome. TCP is read-only, and a browser
// must not be led here by a page from elsewhere: the Host has to be an IP address or localhost (DNS
// rebinding), and an Origin has to be the console's own.
std::string why_refused(const Request& request);

}  // namespace swiftness::admin
