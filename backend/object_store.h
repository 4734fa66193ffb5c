// The store contract: named immutable objects, as OpenStack Swift keeps them.
//
// Every call runs on the shard that makes it and resumes there; it never blocks that shard. A store
// may be shared by the volumes of one shard. Retries are the store's own business
// (backend/swift/retry_policy.h): what comes back as an Error has already been retried for as long
// as the call's deadline allows. Immutability is the caller's discipline: a store overwrites when
// told to.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backend/base/async.h"
#include "backend/base/buffer.h"

namespace swiftness {

// Where an object is. The store puts its configured prefix before the container's name. Neither
// part is empty; both are made of [A-Za-z0-9._/-], the container without '/'.
struct ObjectName {
  std::string container;
  std::string name;

  friend auto operator<=>(const ObjectName&, const ObjectName&) = default;
};

inline std::string to_string(const ObjectName& object) {
  return object.container + "/" + object.name;
}

// Half-open range of bytes. whole() asks for an object of unknown length.
struct ByteRange {
  uint64_t offset = 0;
  uint64_t length = 0;
  bool may_end_early = false;  // an object that ends inside the range gives what it has of it

  static constexpr uint64_t kToTheEnd = UINT64_MAX;
  static constexpr ByteRange whole() { return {0, kToTheEnd}; }
  bool is_whole() const noexcept { return length == kToTheEnd; }
};

struct PutOptions {
  bool create_only =
      false;               // conflict when an object of that name is met. Not linearizable on Swift
  std::string checksum{};  // of these data, from checksums(); empty: put() makes it
  std::optional<std::chrono::seconds> expire_after;  // Swift's X-Delete-After
};

struct GetOptions {
  bool newest = false;  // ask every replica and take the newest (X-Newest); for mutable objects
};

struct ObjectInfo {
  uint64_t size = 0;  // bytes
  std::string etag;   // MD5 of the contents in hexadecimal; empty where the store keeps none
};

// What can be said of an object's absence (invariant I2): `no` only when the container's anchor was
// read through the same server before and after; everything in doubt is `unknown`.
enum class Presence { yes, no, unknown };

// Every container holds this object from its creation on.
inline constexpr std::string_view kAnchorName = "anchor";

struct RemoveReport {
  struct Failure {
    ObjectName object;
    Error error;
  };
  std::vector<Failure> failures;  // empty: all are gone; one that was absent counts as gone
};

struct ListPage {
  struct Entry {
    std::string name;
    uint64_t size = 0;
  };
  std::vector<Entry> entries;       // ascending by name
  std::optional<std::string> next;  // marker of the next page, when there is one
};

class ObjectStore {
 public:
  virtual ~ObjectStore() = default;

  // Creates the container and its anchor where they are missing. Idempotent.
  virtual Async<void> create_container(std::string container) = 0;

  // Durable when it succeeds: the data are where the store promises to keep them, as one whole
  // object or not at all. Without create_only an existing object is replaced. After an Error the
  // object may or may not be there, now or later; a retry by the caller must carry the same bytes.
  // not_found: there is no such container.
  virtual Async<void> put(ObjectName object, BufferList data, PutOptions options) = 0;

  // What the store checks uploads of these data by; empty where it does not. Several at once are
  // made in less time than one after the other.
  virtual Async<std::vector<std::string>> checksums(std::vector<BufferList> objects) {
    co_return std::vector<std::string>(objects.size());
  }

  // Exactly the bytes asked for, or an Error; never fewer unless the range says so.
  virtual Async<Buffer> get(ObjectName object, ByteRange range, GetOptions options) = 0;

  virtual Async<ObjectInfo> head(ObjectName object, GetOptions options) = 0;

  // Presence of several objects of one container, all under one controlled look (see Presence).
  // Never fails: doubt is `unknown`. Answers come in the order of the names.
  virtual asio::awaitable<std::vector<Presence>> presence(std::string container,
                                                          std::vector<std::string> names) = 0;

  virtual Async<RemoveReport> remove(std::vector<ObjectName> objects) = 0;

  // Names of a container that begin with `prefix` and come after `marker`. May be stale: advisory
  // only, nothing is ever decided by a listing (I6).
  virtual Async<ListPage> list(std::string container, std::string prefix, std::string marker,
                               size_t limit) = 0;

  // Why the last calls failed for all objects alike, in words: the store is away, or closed to us.
  // Empty: the last one was answered, or there was none.
  virtual std::string trouble() const { return {}; }

  // Server-side copy; the same durability as put.
  virtual Async<void> copy(ObjectName from, ObjectName to) = 0;
};

}  // namespace swiftness
