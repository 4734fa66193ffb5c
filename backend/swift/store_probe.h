// StoreProbe: single requests to one proxy each, as they are answered, for the check of a store.
// Unlike SwiftClient it hides nothing: no retries unless they are asked for, and counted; no other
// proxy; no judgement. CheckContainer: the container in which the check does all it does.
//
// Lives on one executor, outlives its calls.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "backend/base/async.h"
#include "backend/store_config.h"
#include "backend/swift/auth.h"
#include "backend/swift/http_status.h"
#include "backend/swift/http_transport.h"
#include "backend/swift/store_facts.h"
#include "backend/swift/swift_listing.h"
#include "backend/swift/swift_protocol.h"

namespace swiftness {

struct ProbeRequest : ResourceRequest {
  ProbeRequest() { most_body = 64 * 1024; }

  unsigned attempts = 1;  // after what may pass by itself
};

struct ProbeAnswer {
  HttpOutcome outcome;
  std::string what;  // the method and the object
  std::string url;   // of the account, at the proxy that was asked
  std::string id;    // of the request
  CalendarTime sent{};
  Duration took{};

  const HttpResponse* response() const noexcept { return std::get_if<HttpResponse>(&outcome); }
  int status() const noexcept { return response() == nullptr ? 0 : response()->status; }
  bool good() const noexcept { return status() / 100 == 2; }
  Error error() const;  // in words, with Swift's transaction id
  std::string words() const { return error().message(); }
};

class StoreProbe {
 public:
  StoreProbe(const SwiftStoreConfig& config, Executor executor,
             std::unique_ptr<HttpTransport> transport);
  ~StoreProbe();

  // At each of the auth URLs. Fails when none of them lets us in.
  Async<void> log_in(std::vector<AuthFacts>& facts);

  const Executor& executor() const noexcept { return executor_; }
  size_t proxies() const noexcept { return proxies_.size(); }
  const std::string& proxy(size_t index) const { return proxies_[index]; }
  const std::string& storage_url() const noexcept { return session_.storage_url; }
  uint64_t token_bytes() const noexcept { return session_.token.size(); }
  // Requests by next_proxy() go to these only.
  void keep_only(const std::vector<size_t>& well);
  size_t next_proxy() noexcept { return well_[turn_++ % well_.size()]; }
  const std::vector<size_t>& well() const noexcept { return well_; }

  asio::awaitable<ProbeAnswer> ask(size_t proxy, ProbeRequest request);

  // What is under way ends; what comes later is carried out all the same: there is something to
  // tidy up.
  void stop();
  bool stopping() const noexcept { return stopping_; }

  uint64_t hiccups() const noexcept { return hiccups_; }
  uint64_t bytes_sent() const noexcept { return bytes_sent_; }
  const std::string& first_failure() const noexcept { return first_failure_; }
  void note_failure(const ProbeAnswer& answer);

 private:
  asio::awaitable<ProbeAnswer> ask_once(size_t proxy, ProbeRequest request);

  SwiftStoreConfig config_;
  Executor executor_;
  std::unique_ptr<HttpTransport> transport_;
  std::vector<std::unique_ptr<Authenticator>> authenticators_;
  Session session_;
  std::vector<std::string> proxies_;
  std::vector<size_t> well_;
  size_t turn_ = 0;
  std::string id_;
  uint64_t requests_ = 0;
  std::set<TransferId> under_way_;
  bool stopping_ = false;
  uint64_t hiccups_ = 0;
  uint64_t bytes_sent_ = 0;
  std::string first_failure_;
};

class CheckContainer {
 public:
  CheckContainer(StoreProbe& probe, std::string name) : probe_(probe), name_(std::move(name)) {}

  const std::string& name() const noexcept { return name_; }
  ProbeRequest request(std::string method, std::string object) const;
  ProbeRequest newest(std::string method, std::string object) const;  // with X-Newest

  asio::awaitable<ProbeAnswer> create(std::string policy);
  // A PUT (a COPY's target, too) is remembered, whatever is answered: it may be there.
  asio::awaitable<ProbeAnswer> put(size_t proxy, ProbeRequest request);
  asio::awaitable<ProbeAnswer> get(size_t proxy, std::string object, uint64_t most);
  asio::awaitable<ProbeAnswer> remove(size_t proxy, std::string object);
  void remember(const std::string& object) { names_.insert(object); }
  asio::awaitable<Result<std::vector<ListedEntry>>> list(size_t proxy);

  // Deletes all that is in it, and the container. Gives what is left, in words; empty: nothing.
  asio::awaitable<std::string> clear(Duration patience);

 private:
  Task remove_the_next(std::vector<std::string>& names);

  StoreProbe& probe_;
  std::string name_;
  bool created_ = false;
  std::set<std::string> names_;
  std::string last_failure_;  // of tidying up
};

}  // namespace swiftness
