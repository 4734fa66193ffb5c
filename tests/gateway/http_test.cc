#include "target/admin/http.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <thread>

#include "tests/gateway/temporary_folder.h"

namespace swiftness::admin {
namespace {

using namespace std::chrono_literals;

asio::awaitable<Response> echo(Request request) {
  if (request.path == "/slow") co_await sleep_for(10s);
  co_return Response{request.path == "/missing" ? 404u : 200u,
                     request.method + " " + request.path + " " + request.body +
                         (request.trusted ? " trusted" : "")};
}

// A server on a thread of its own.
class HttpTest : public testing::Test {
 protected:
  HttpTest() : socket_(folder_.path() / "admin.sock"), server_(io_.get_executor(), &echo) {}

  void serve() {
    Result<void> listening = server_.listen_unix(socket_);
    ASSERT_TRUE(listening) << listening.error().message();
    thread_ = std::thread([this] { io_.run(); });
  }
  void stop() {
    asio::co_spawn(io_, server_.stop(), asio::detached);
    thread_.join();
  }

  TemporaryFolder folder_;
  std::filesystem::path socket_;
  asio::io_context io_;
  HttpServer server_;
  std::thread thread_;
};

TEST_F(HttpTest, CarriesRequestsAndAnswers) {
  serve();
  Result<Response> answer = call(socket_, "GET", "/status", "", 5s);
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(answer->status, 200u);
  EXPECT_EQ(answer->body, "GET /status  trusted");
  answer = call(socket_, "POST", "/volumes", "{}", 5s);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body, "POST /volumes {} trusted");
  answer = call(socket_, "GET", "/missing", "", 5s);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 404u);
  stop();
}

TEST_F(HttpTest, TheSocketIsForOwnerAndGroup) {
  serve();
  struct stat status {};
  ASSERT_EQ(::stat(socket_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777u, 0660u);
  stop();
  EXPECT_FALSE(std::filesystem::exists(socket_));
}

TEST_F(HttpTest, ReplacesTheSocketOfADeadGateway) {
  {
    asio::io_context io;
    HttpServer dead(io.get_executor(), &echo);
    ASSERT_TRUE(dead.listen_unix(socket_));
  }
  ASSERT_TRUE(std::filesystem::exists(socket_));
  serve();
  EXPECT_TRUE(call(socket_, "GET", "/", "", 5s));
  stop();
}

TEST_F(HttpTest, RefusesABodyThatIsTooLong) {
  serve();
  EXPECT_FALSE(call(socket_, "POST", "/volumes", std::string(65 * 1024, 'x'), 5s));
  EXPECT_TRUE(call(socket_, "GET", "/", "", 5s));
  stop();
}

TEST_F(HttpTest, ACallHasADeadline) {
  serve();
  Result<Response> answer = call(socket_, "GET", "/slow", "", 50ms);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code(), ErrorCode::timed_out);
  io_.stop();
  thread_.join();
}

TEST_F(HttpTest, NobodyThereIsUnavailable) {
  Result<Response> answer = call(socket_, "GET", "/", "", 5s);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code(), ErrorCode::unavailable);
  answer = call("/" + std::string(200, 'x'), "GET", "/", "", 5s);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code(), ErrorCode::invalid);
}

}  // namespace
}  // namespace swiftness::admin
