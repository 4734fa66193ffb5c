#include "target/admin/routes.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include "target/admin/json.h"

namespace swiftness::admin {
namespace {

using nlohmann::json;

class FakeService final : public Service {
 public:
  StatusReport status() const override { return status_; }
  std::vector<SessionReport> sessions() const override { return {session_}; }
  std::vector<TargetReport> targets() const override { return {target_}; }
  asio::awaitable<VolumeList> volumes() override {
    co_return VolumeList{status_.volumes, {"store far: down"}};
  }
  Async<VolumeReport> volume(std::string name) override {
    if (name == "broken") throw std::runtime_error("bug");
    for (const VolumeReport& volume : status_.volumes) {
      if (volume.name == name) co_return volume;
    }
    co_return Error(ErrorCode::not_found, "there is no volume \"" + name + "\"");
  }
  Async<VolumeReport> create_volume(CreateVolume request) override {
    created_.push_back(request);
    if (failure_) co_return *failure_;
    VolumeReport report;
    report.name = request.name;
    report.size = request.size;
    co_return report;
  }

  Result<void> drain(Drain request) override {
    if (failure_) return *failure_;
    status_.drained = true;
    status_.moved_to = request.to;
    return {};
  }
  void resume() override { status_.drained = false; }
  Async<ReloadReport> reload() override {
    if (failure_) co_return *failure_;
    co_return ReloadReport{{"volume b"}, {"volume a"}, {}, {"line 3"}};
  }

  StatusReport status_;
  SessionReport session_;
  TargetReport target_;
  std::vector<CreateVolume> created_;
  std::optional<Error> failure_;
};

Task store_answer(Service& service, Request request, Response& out) {
  Response response = co_await answer(service, std::move(request));
  out = std::move(response);
}

class Routes : public testing::Test {
 protected:
  Routes() {
    service_.status_.name = "gw1";
    VolumeReport disk;
    disk.name = "disk";
    disk.state = "attaching";
    disk.configured = true;
    disk.trouble = "store here: down";
    service_.status_.volumes.push_back(disk);
  }

  Response ask(Request request) {
    Response response;
    asio::io_context io;
    asio::co_spawn(io, store_answer(service_, std::move(request), response), asio::detached);
    io.run();
    return response;
  }
  Response get(const std::string& path) {
    Request request;
    request.method = "GET";
    request.path = path;
    request.trusted = true;
    return ask(std::move(request));
  }
  Response post(const std::string& path, const std::string& body) {
    Request request;
    request.method = "POST";
    request.path = path;
    request.body = body;
    request.trusted = true;
    return ask(std::move(request));
  }
  static std::string error_of(const Response& response) {
    return json::parse(response.body).value("error", "");
  }

  FakeService service_;
};

TEST_F(Routes, HealthIsAboutTheProcessReadinessAboutTheVolumes) {
  EXPECT_EQ(get("/healthz").status, 200u);
  Response waiting = get("/readyz");
  EXPECT_EQ(waiting.status, 503u);
  EXPECT_EQ(json::parse(waiting.body)["not_online"][0]["trouble"], "store here: down");
  service_.status_.ready = true;
  service_.status_.volumes[0].state = "online";
  Response ready = get("/readyz");
  EXPECT_EQ(ready.status, 200u);
  EXPECT_TRUE(json::parse(ready.body)["not_online"].empty());
}

TEST_F(Routes, ReportsAreJsonThatReadsBack) {
  EXPECT_EQ(json::parse(get("/status").body).get<StatusReport>().name, "gw1");
  auto list = json::parse(get("/volumes").body).get<VolumeList>();
  EXPECT_EQ(list.volumes.at(0).name, "disk");
  EXPECT_EQ(list.problems.at(0), "store far: down");
  EXPECT_EQ(json::parse(get("/volumes/disk").body).get<VolumeReport>().state, "attaching");
  EXPECT_EQ(json::parse(get("/sessions").body).size(), 1u);
  EXPECT_EQ(json::parse(get("/targets").body).size(), 1u);
}

TEST_F(Routes, MetricsAreTextOfTheSameNumbers) {
  Response response = get("/metrics");
  EXPECT_EQ(response.status, 200u);
  EXPECT_EQ(response.type, "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_NE(response.body.find("swiftness_volume_online{volume=\"disk\"} 0\n"), std::string::npos);
}

TEST_F(Routes, WhatIsNotUtf8IsReplaced) {
  service_.session_.initiator = "iqn.\xff";
  EXPECT_EQ(get("/sessions").status, 200u);
}

TEST_F(Routes, WhatIsNotThereIs404) {
  EXPECT_EQ(get("/volume").status, 404u);
  Response response = get("/volumes/nope");
  EXPECT_EQ(response.status, 404u);
  EXPECT_EQ(error_of(response), "there is no volume \"nope\"");
}

TEST_F(Routes, OtherMethodsAre405) {
  EXPECT_EQ(post("/status", "").status, 405u);
  Request request;
  request.method = "DELETE";
  request.path = "/volumes/disk";
  request.trusted = true;
  EXPECT_EQ(ask(request).status, 405u);
}

TEST_F(Routes, AVolumeIsCreatedFromExactlyWhatIsAsked) {
  Response response =
      post("/volumes", R"({"name":"a","store":"here","size":4096,"block_size":4096})");
  EXPECT_EQ(response.status, 201u);
  ASSERT_EQ(service_.created_.size(), 1u);
  EXPECT_EQ(service_.created_[0].store, "here");
  EXPECT_EQ(service_.created_[0].block_size, 4096u);
  EXPECT_EQ(post("/volumes", R"({"name":"b","size":8192})").status, 201u);
  EXPECT_EQ(service_.created_.at(1).block_size, 512u);
}

TEST_F(Routes, ACreationThatIsNotUnderstoodIs400) {
  for (const char* body :
       {"", "[]", "{", R"({"name":"a"})", R"({"size":4096})", R"({"name":"a","size":"1GiB"})",
        R"({"name":1,"size":4096})", R"({"name":"a","size":-1})", R"({"name":"a","size":1.5})",
        R"({"name":"a","size":4096,"blocksize":4096})",
        R"({"name":"a","size":4096,"block_size":4294967808})"}) {
    EXPECT_EQ(post("/volumes", body).status, 400u) << body;
  }
  EXPECT_TRUE(service_.created_.empty());
}

TEST_F(Routes, ADrainSaysWhereToAndIsOverWhenToldSo) {
  Response drained = post("/drain", R"({"to":"192.0.2.7:3260"})");
  EXPECT_EQ(drained.status, 200u);
  EXPECT_TRUE(json::parse(drained.body).get<StatusReport>().drained);
  EXPECT_EQ(json::parse(drained.body).get<StatusReport>().moved_to, "192.0.2.7:3260");
  Response resumed = post("/resume", "{}");
  EXPECT_FALSE(json::parse(resumed.body).get<StatusReport>().drained);
  for (const char* body : {"", "[]", R"({"to":1})", R"({"too":"192.0.2.7"})"}) {
    EXPECT_EQ(post("/drain", body).status, 400u) << body;
    EXPECT_FALSE(service_.status_.drained);
  }
}

TEST_F(Routes, FailuresKeepTheirKind) {
  const std::string body = R"({"name":"a","size":4096})";
  service_.failure_ = Error(ErrorCode::conflict, "there is one");
  EXPECT_EQ(post("/volumes", body).status, 409u);
  service_.failure_ = Error(ErrorCode::invalid, "no");
  EXPECT_EQ(post("/volumes", body).status, 400u);
  service_.failure_ = Error(ErrorCode::unavailable, "down");
  EXPECT_EQ(post("/volumes", body).status, 503u);
}

TEST_F(Routes, AnExceptionIsAnAnswerToo) {
  EXPECT_EQ(get("/volumes/broken").status, 500u);
}

TEST_F(Routes, OverTcpNothingIsChangedAndNoOtherSiteIsAnswered) {
  auto over_tcp = [](std::string method, std::string host, std::string origin) {
    Request request;
    request.method = std::move(method);
    request.path = "/status";
    request.host = std::move(host);
    request.origin = std::move(origin);
    return request;
  };
  EXPECT_EQ(ask(over_tcp("GET", "127.0.0.1:9730", "")).status, 200u);
  EXPECT_EQ(ask(over_tcp("GET", "[::1]:9730", "")).status, 200u);
  EXPECT_EQ(ask(over_tcp("GET", "localhost:9730", "http://localhost:9730")).status, 200u);
  EXPECT_EQ(ask(over_tcp("POST", "127.0.0.1:9730", "")).status, 403u);
  EXPECT_EQ(ask(over_tcp("GET", "", "")).status, 403u);
  EXPECT_EQ(ask(over_tcp("GET", "evil.example:9730", "")).status, 403u);
  EXPECT_EQ(ask(over_tcp("GET", "127.0.0.1:9730", "http://evil.example")).status, 403u);
  EXPECT_EQ(ask(over_tcp("GET", "127.0.0.1:9730", "null")).status, 403u);
}

TEST_F(Routes, AReloadSaysWhatIsDifferentOrWhyNothingIs) {
  const Response done = post("/reload", "{}");
  EXPECT_EQ(done.status, 200u);
  const auto report = json::parse(done.body).get<ReloadReport>();
  EXPECT_EQ(report.added, std::vector<std::string>{"volume b"});
  EXPECT_EQ(report.removed, std::vector<std::string>{"volume a"});
  EXPECT_EQ(report.warnings, std::vector<std::string>{"line 3"});
  EXPECT_EQ(post("/reload", R"({"file":"other.yaml"})").status, 400u);
  service_.failure_ = Error(ErrorCode::conflict, "gateway.yaml:3: portals: needs a restart");
  const Response refused = post("/reload", "{}");
  EXPECT_EQ(refused.status, 409u);
  EXPECT_EQ(json::parse(refused.body)["error"], "gateway.yaml:3: portals: needs a restart");
}

}  // namespace
}  // namespace swiftness::admin
