// ImaginedNetwork: an HttpTransport whose servers are a function of the test, under a VirtualClock:
// what is asked of whom, in which order and when can be told to the millisecond.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "backend/swift/http_transport.h"

namespace swiftness::test {

inline HttpResponse http_answer(int status, std::vector<HttpHeader> headers = {},
                                std::string_view body = "") {
  HttpResponse response;
  response.status = status;
  for (const HttpHeader& header : headers) response.headers.add(header.name, header.value);
  response.body = Buffer::copy_of(body);
  return response;
}

class ImaginedNetwork final : public HttpTransport {
 public:
  struct Reply {
    HttpOutcome outcome;
    Duration after = std::chrono::milliseconds(1);
  };
  using Servers = std::function<Reply(const HttpRequest&)>;

  struct Asked {
    std::string method;
    std::string url;
    TimePoint at;
    bool aborted = false;
  };
  using Log = std::vector<Asked>;

  ImaginedNetwork(Executor executor, Servers servers, std::shared_ptr<Log> log)
      : servers_(std::move(servers)), log_(std::move(log)), aborted_(std::move(executor)) {}

  asio::awaitable<HttpOutcome> perform(HttpRequest request, TransferId id) override {
    const size_t place = log_->size();
    log_->push_back({request.method, request.url, now()});
    Reply reply = servers_(request);
    const TimePoint end = std::min(now() + reply.after, request.deadline);
    under_way_[id] = place;
    while (now() < end && under_way_.contains(id)) co_await aborted_.wait_for(end - now());
    if (under_way_.erase(id) == 0) {
      HttpOutcome aborted = HttpFailure{TransportFailure::aborted, "given up"};
      co_return aborted;
    }
    if (end == request.deadline) {
      HttpOutcome late = HttpFailure{TransportFailure::deadline, "no answer"};
      co_return late;
    }
    co_return std::move(reply.outcome);
  }

  void abort(TransferId id) override {
    auto transfer = under_way_.find(id);
    if (transfer == under_way_.end()) return;
    (*log_)[transfer->second].aborted = true;
    under_way_.erase(transfer);
    aborted_.notify_all();
  }

  void stop() override {
    under_way_.clear();
    aborted_.notify_all();
  }

 private:
  Servers servers_;
  std::shared_ptr<Log> log_;
  std::map<TransferId, size_t> under_way_;  // and their places in the log
  AsyncEvent aborted_;
};

}  // namespace swiftness::test
