// A gateway on a thread of its own, talked to over its admin socket and its portal.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <utility>

#include "target/admin/http.h"
#include "target/gateway/gateway.h"

namespace swiftness::test {

inline Task stop_it(Gateway& gateway, StopOutcome& outcome) {
  StopOutcome got = co_await gateway.stop(std::chrono::seconds(20));
  outcome = got;
}

class RunningGateway {
 public:
  explicit RunningGateway(config::Config config, Gateway::Load load = {})
      : socket_(config.admin_socket()),
        gateway_(io_.get_executor(), std::move(config), {}, std::move(load)) {
    started_ = gateway_.start();
    if (!started_) return;
    port_ = gateway_.portals().at(0).port;
    thread_ = std::thread([this] { io_.run(); });
  }
  ~RunningGateway() {
    if (thread_.joinable()) {
      EXPECT_EQ(stop(), StopOutcome::clean);
    }
  }

  const Result<void>& started() const { return started_; }
  uint16_t port() const { return port_; }

  StopOutcome stop() {
    StopOutcome outcome = StopOutcome::data_lost;
    asio::co_spawn(io_, stop_it(gateway_, outcome), asio::detached);
    thread_.join();
    return outcome;
  }

  admin::Response ask(const std::string& method, const std::string& path,
                      const std::string& body = "") {
    Result<admin::Response> answer =
        admin::call(socket_, method, path, body, std::chrono::seconds(10));
    EXPECT_TRUE(answer) << path;
    return answer ? *answer : admin::Response{0, "{}", ""};
  }
  nlohmann::json get(const std::string& path) {
    return nlohmann::json::parse(ask("GET", path).body);
  }

  template <class Predicate>
  static bool eventually(Predicate predicate) {
    for (int i = 0; i < 1500; ++i) {
      if (predicate()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }
  bool becomes_ready() {
    return eventually([this] { return ask("GET", "/readyz").status == 200; });
  }

 private:
  std::filesystem::path socket_;
  asio::io_context io_{1};
  Gateway gateway_;
  Result<void> started_;
  uint16_t port_ = 0;
  std::thread thread_;
};

}  // namespace swiftness::test
