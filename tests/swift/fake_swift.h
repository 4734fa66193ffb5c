// FakeSwift: as much of Swift as the client asks for, in memory, well behaved until a test plants a
// fault. What it is not: a model of eventual consistency (that is tests against the real one).
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tests/swift/scripted_server.h"

namespace swiftness {

struct ServerListed {  // an entry of a listing
  std::string name;
  size_t bytes = 0;
  std::string hash;
};

class FakeSwift {
 public:
  FakeSwift();

  std::string auth_url() const { return server_.url() + "/auth/v1.0"; }
  std::string url() const { return server_.url(); }
  int connections() { return server_.connections(); }

  // The next request of that method whose target contains `part` gets this answer. With `act` it is
  // carried out first, and only its answer is lost.
  enum class Act { no, yes };
  void plant(std::string method, std::string part, ServerReply reply, Act act = Act::no);
  static ServerReply status(int code, std::map<std::string, std::string> headers = {});
  static ServerReply reset();
  static ServerReply silence();

  // Called with each request before it is answered; what it plants, it plants with the other word.
  void plant_while_answering(std::string method, std::string part, ServerReply reply);
  void watch(std::function<void(const ServerRequest&)> watcher);

  void expire_tokens();  // those given so far are refused from now on
  void store(const std::string& path, std::string data);  // "/container/object"
  std::string stored(const std::string& path);
  size_t containers();                    // there are
  void set_info(std::string json);        // what GET /info says; empty: nothing (404)
  void refuse_deletes(std::string name);  // of this object, with 409: "container/object"
  std::vector<ServerRequest> requests();  // so far, bodies left out
  size_t count(const std::string& method, const std::string& part);
  size_t faults_left();

  static constexpr const char* kUser = "test:tester";
  static constexpr const char* kKey = "secret-key-of-the-test";

 private:
  struct Fault {
    std::string method;
    std::string part;
    ServerReply reply;
    Act act;
  };

  ServerReply answer(const ServerRequest& request);
  ServerReply log_in(const ServerRequest& request);
  ServerReply act_on(const ServerRequest& request);
  ServerReply on_account(const ServerRequest& request);
  ServerReply delete_in_bulk(const ServerRequest& request);
  ServerReply list_names(const ServerRequest& request, const std::vector<ServerListed>& names);
  ServerReply on_container(const ServerRequest& request, const std::string& container);
  ServerReply on_object(const ServerRequest& request, const std::string& path);
  ServerReply put_object(const ServerRequest& request, const std::string& path);
  ServerReply copy_object(const ServerRequest& request, const std::string& path);
  ServerReply delete_object(const std::string& path);
  ServerReply read_object(const ServerRequest& request, const std::string& path,
                          const std::string& data);
  void keep_metadata(const ServerRequest& request, const std::string& path);

  std::mutex mutex_;
  std::deque<Fault> faults_;
  std::vector<ServerRequest> requests_;
  std::function<void(const ServerRequest&)> watcher_;
  std::map<std::string, std::map<std::string, std::string>> containers_;
  std::map<std::string, std::map<std::string, std::string>> metadata_;  // by "container/object"
  std::string info_;
  std::string undeletable_;
  int token_ = 0;
  int oldest_token_ = 1;
  ScriptedServer server_;
};

}  // namespace swiftness
