// What a check of a Swift store found out (store_check.h), as plain values: who answered, what it
// did when it was put to the test, how fast it was. Nothing here is an opinion; what the facts mean
// for disks says store_judgement.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "backend/base/clock.h"
#include "backend/swift/swift_info.h"

namespace swiftness {

// What volumes ask of a store; the caller knows them, the store does not.
struct StoreNeeds {
  uint64_t object_bytes = 16 << 20;  // of the largest object
  uint64_t object_name_bytes = 128;
  uint64_t container_name_bytes = 128;  // prefix included
  uint64_t container_objects = 65536;   // most objects of one container
  unsigned parallel = 8;                // most uploads at once
};

struct AuthFacts {
  std::string url;
  std::string failure;      // in words; empty: it let us in
  std::string storage_url;  // that it names
  Duration took{};
};

struct ProxyFacts {
  std::string url;
  std::string failure;  // in words; empty: it answered
  Duration took{};
  std::optional<Duration> clock_ahead;  // of ours, by its Date header
  Duration clock_error{};               // how far off that may be
};

struct AccountFacts {
  uint64_t containers = 0;
  uint64_t objects = 0;
  uint64_t bytes_used = 0;
  std::optional<uint64_t> quota_bytes;
};

struct RateLimit {
  uint64_t objects = 0;  // containers of so many or more
  double writes_a_second = 0;
};

enum class Trial {
  write,              // an object of the largest size volumes make, with its MD5
  read,               // of the whole of it
  ranged_read,        // exactly the bytes asked for
  conditional_read,   // 304 with its ETag, 412 with another
  create_only,        // an existing name is refused
  creators,           // of several at once, one wins
  wrong_checksum,     // data with another MD5 are refused
  newest,             // X-Newest is taken
  overwrite,          // X-Newest shows the new contents
  read_after_create,  // a new name is readable at once, through every proxy
  listing,            // shows a new name
  copy_by_put,        // PUT with X-Copy-From
  copy_by_copy,       // COPY
  expiry,             // X-Delete-After
  remove,             // DELETE; the object is gone
};
const char* to_string(Trial trial) noexcept;

struct TrialFacts {
  enum class Outcome {
    held,    // as Swift promises
    broken,  // surely not
    failed,  // could not be found out
  };
  Trial trial{};
  Outcome outcome = Outcome::held;
  std::string seen;  // in words
  Duration took{};
};

struct RaceFacts {
  unsigned creators = 0;          // at once
  std::vector<unsigned> winners;  // of each round
  unsigned losers_kept = 0;       // rounds after which a refused creator's data were there
};

struct VisibilityFacts {
  uint64_t names = 0;
  uint64_t reads = 0;
  uint64_t missing = 0;                  // reads right after the 201 that found nothing
  std::optional<Duration> slowest;       // of the missing, until it was found
  uint64_t never = 0;                    // missing for as long as was looked
  std::optional<Duration> listed_after;  // a new name, by a listing; nothing: never
};

struct Latencies {
  uint64_t count = 0;
  Duration median{};
  Duration p95{};
  Duration p99{};
  Duration longest{};
};
Latencies latencies_of(std::vector<Duration> times);

// One size, one number of requests at once.
struct CellFacts {
  bool write = false;
  uint64_t bytes = 0;  // of an object
  unsigned parallel = 0;
  uint64_t failed = 0;
  uint64_t wrong = 0;  // answers that were not the object
  Duration elapsed{};
  Latencies latency;  // of those that succeeded

  double bytes_a_second() const noexcept;
};

struct StoreFacts {
  std::string user;         // as the configuration names it
  std::string storage_url;  // the account's
  uint64_t token_bytes = 0;
  std::string policy;  // asked for; empty: the cluster's default
  std::vector<AuthFacts> auth;
  std::vector<ProxyFacts> proxies;
  AccountFacts account;
  std::optional<SwiftInfo> info;  // nothing: it does not tell
  std::string info_failure;
  std::vector<RateLimit> rate_limits;

  std::string container;  // that was made for the check
  std::vector<TrialFacts> trials;
  RaceFacts race;
  VisibilityFacts visibility;

  std::vector<CellFacts> cells;
  uint64_t cells_left_out = 0;  // for want of time, or of bytes that may be written
  Latencies ranged_read;        // 4 KiB, one by one
  uint64_t ranged_failed = 0;
  uint64_t ranged_wrong = 0;
  Latencies remove;  // one by one and several at once, as it came
  uint64_t remove_failed = 0;
  uint64_t bytes_written = 0;
  uint64_t hiccups = 0;       // requests that failed once, and not when they were sent again
  std::string first_failure;  // of all that failed, in words

  bool stopped = false;     // before it was through
  std::string left_behind;  // in words; empty: nothing
  Duration took{};
};

}  // namespace swiftness
