// SwiftAccount: all that Swift's API does with an account, its containers and objects, for people
// who look into a store (`swiftness store`). Names are as Swift knows them, no prefix is added.
// Volumes never use this: SwiftStore is their contract, and keeps promises that this does not make.
//
// Lives on one executor, as SwiftStore does, and outlives its calls. Each call has the store's
// deadline and retries. The first one asks for the cluster's limits (GET /info), and what is beyond
// them is refused (invalid) before it is sent; where Swift does not tell its limits, its usual ones
// count. An Error names the method, the object, what Swift answered and its transaction id.
//
// Objects pass through memory: larger ones than kMostObject are refused, in both directions.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "backend/base/async.h"
#include "backend/base/buffer.h"
#include "backend/object_store.h"
#include "backend/store_config.h"
#include "backend/swift/http.h"
#include "backend/swift/swift_info.h"
#include "backend/swift/swift_listing.h"
#include "backend/swift/swift_tuning.h"

namespace swiftness {

class SwiftClient;
class SwiftStore;
struct SwiftAnswer;
struct SwiftRequest;

// The account (both empty), a container, or an object in it.
struct SwiftPath {
  std::string container;
  std::string object;

  static SwiftPath parse(std::string_view text);  // "", "container", "container/object"
};
std::string to_string(const SwiftPath& path);

// "0-99", "100-" or "-100", as behind "bytes=".
struct RangeSpec {
  std::optional<uint64_t> first;
  std::optional<uint64_t> last;  // without first: so many bytes from the end

  static Result<RangeSpec> parse(std::string_view text);
  std::string header() const;
};

struct ReadOptions {
  bool newest = false;               // X-Newest
  std::optional<RangeSpec> range{};  // GET only, as what follows
  std::string if_match{};            // ETags,
  std::string if_none_match{};       // or "*"
  std::string if_modified_since{};   // HTTP dates
  std::string if_unmodified_since{};
};

struct WriteOptions {
  std::string content_type{};
  Metadata metadata{};
  std::optional<uint64_t> delete_at{};     // seconds since 1970
  std::optional<uint64_t> delete_after{};  // seconds
  bool create_only = false;                // PUT: If-None-Match: *
  std::string etag{};                      // PUT: what the data's MD5 must be
};

struct SwiftObject {
  HttpHeaders headers;
  Buffer body;
};

enum class CopyMethod { put, copy };  // PUT with X-Copy-From, COPY with Destination

struct DeleteReport {
  struct Failure {
    SwiftPath object;
    Error error;
  };
  uint64_t deleted = 0;
  uint64_t not_found = 0;
  std::vector<Failure> failures;
};

class SwiftAccount {
 public:
  static constexpr uint64_t kMostObject = uint64_t{1} << 30;  // bytes

  // Contacts nobody. Fails (invalid) on what cannot get better by itself.
  static Result<std::unique_ptr<SwiftAccount>> open(SwiftStoreConfig config, Executor executor);
  SwiftAccount(SwiftStoreConfig config, Executor executor, SwiftTuning tuning = {});
  ~SwiftAccount();

  Async<SwiftInfo> info();    // fails when Swift does not tell
  Async<SwiftInfo> limits();  // those that calls are held to, asked for once

  // One page. An empty container: the account's containers. The document is as Swift sent it.
  Async<std::vector<ListedEntry>> list(std::string container, ListOptions options);
  Async<Buffer> list_document(std::string container, ListOptions options, ListFormat format);

  // False: it was there before. An empty policy: the cluster's default.
  Async<bool> create_container(std::string container, std::string policy, Metadata metadata);
  Async<void> delete_container(std::string container);  // conflict: it is not empty

  Async<HttpHeaders> head(SwiftPath path, ReadOptions options);

  // conflict: a condition does not hold. A whole object is compared with its ETag.
  Async<SwiftObject> get(SwiftPath object, ReadOptions options);

  // The ETag Swift has stored it under. conflict: create_only, and it is there; or a newer one is.
  Async<std::string> put(SwiftPath object, BufferList data, WriteOptions options);
  // Metadata are the source's, and what the options say besides.
  Async<std::string> copy(SwiftPath from, SwiftPath to, CopyMethod method, WriteOptions options);

  // Of an object: all its metadata are replaced, and its expiry too. Of containers and the account:
  // those named are set, or removed where the value is empty.
  Async<void> post(SwiftPath path, WriteOptions options);

  Async<void> remove(SwiftPath object);  // not_found: it was not there
  // Several: in bulk where Swift offers that, one by one otherwise.
  Async<DeleteReport> remove(std::vector<SwiftPath> objects);

 private:
  static SwiftRequest request_for(std::string method, const SwiftPath& path);
  static Result<void> check_path(const SwiftInfo& info, const SwiftPath& path);
  static Error no_object(const SwiftPath& path);
  Async<SwiftAnswer> perform(SwiftRequest request);
  Async<SwiftInfo> check(SwiftPath path);
  Async<std::string> stored(SwiftRequest request, std::string etag);
  Async<void> check_room(const SwiftPath& object, const ReadOptions& options);
  Async<void> remove_in_bulk(std::vector<SwiftPath> objects, DeleteReport& report);
  Async<void> remove_one_by_one(std::vector<SwiftPath> objects, DeleteReport& report);
  Task remove_the_next(const std::vector<SwiftPath>& objects, size_t& next, DeleteReport& report);

  Executor executor_;
  std::unique_ptr<SwiftStore> store_;  // whose client this is
  std::shared_ptr<SwiftClient> client_;
  std::optional<SwiftInfo> limits_;
};

}  // namespace swiftness
