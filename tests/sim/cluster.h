// Cluster: an OpenStack Swift that exists only in virtual time. Two proxies, three object servers
// that each keep a copy of every object, two more that stand in (handoff); account, container and
// token service. Requests come in as HTTP and are answered as Swift answers them, by the rules of
// its proxy: quorum of two, X-Newest, 202 for an older timestamp, 412 for If-None-Match.
//
// Fault model. Everything here was seen in Swift or follows from its design, and is allowed by
// docs/FORMAT.md, section 1.
//   late copies     a PUT is answered at the second copy; the third comes later, by replication, or
//                   on a handoff: reads that do not ask for the newest see older copies
//   object servers  one of them at a time is down for a while, or misses single requests
//   lost disks      one server loses all its copies; what others have is copied again at once, what
//                   it alone had (never answered 201) is gone. Not while a PUT is under way: that
//                   comes after
//   refused writes  two servers take no writes: every PUT is answered 503 and leaves one copy
//   broken PUTs     the proxy gives up or dies with none, one or all copies written: an object on a
//                   minority that is seen by some reads and not by others
//   404 after 201   for reads that do not ask for the newest copy, when two servers do not answer
//   clock skew      X-Timestamp is the proxy's clock: a later PUT may be the older one (202)
//   blind creation  two create-only PUTs at the same time both pass the look, before either wrote;
//                   the time from look to write is shorter than a gateway lets its claim settle
//   false 404       with account or container servers down, and its cache run out, a proxy answers
//                   404 for everything, X-Newest or not, for at least 45 s: longer than a
//                   presence() with all its retries, which is what the anchor rule needs; it likes
//                   to begin right after an anchor was seen, and to strike one proxy alone
//   one object      all servers of one object do not answer those who want to read it
//   worst luck      the server that fails is often one that alone has a copy of something; a disk
//   is
//                   lost right after somebody was shown what it alone has; what fails for a while
//                   begins to just when an attach looks at it
//   new containers  are unknown for a while to a proxy that was asked for them before
//   tombstones      are kept for a reclaim age only: a server that was down longer brings deleted
//                   objects back
//   listings        lag behind
//   errors          503 with and without effect, 507 while full, expired tokens, all proxies down
//   bit rot         where it is switched on: a byte range with one bit flipped
// Never: a copy lost once a quorum had it, two object servers down before the copies are whole.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "backend/swift/http.h"
#include "tests/sim/chance.h"
#include "tests/sim/timeline.h"
#include "tests/sim/trace.h"

namespace swiftness::sim {

inline constexpr size_t kProxies = 2;
inline constexpr const char* kStorageUrl = "http://swift/v1/AUTH_sim";
inline constexpr const char* kAuthUrl = "http://swift/auth/v1.0";

// Probabilities are for each request.
struct ClusterOptions {
  double missed = 0;           // one of the object servers misses it
  double error = 0;            // 503, nothing happened
  double error_after = 0;      // 503, though some or all of it happened
  double not_found_after = 0;  // a read that does not ask for the newest gets no answer from two
  double bit_rot = 0;          // a GET with a flipped bit
  Duration write_spread = std::chrono::milliseconds(20);  // between the copies of a PUT
  Duration replication = std::chrono::seconds(5);         // until a missing copy is made good
  Duration clock_skew = Duration::zero();                 // of each proxy, either way, at most
  Duration reclaim_age = std::chrono::minutes(10);        // of tombstones
  Duration listing_lag = std::chrono::seconds(30);
};

class Cluster {
 public:
  using Answer = std::function<void(HttpOutcome)>;

  Cluster(Timeline& timeline, Trace& trace, Chance chance, ClusterOptions options);

  // A request reaches a proxy, which answers in due course (within 3 s).
  void handle(size_t proxy, const HttpRequest& request, Answer answer);

  // --- Weather -----------------------------------------------------------------------------------
  void object_server_down(Duration how_long);
  void lose_disk();
  void proxies_down(Duration how_long);   // nobody accepts connections
  void go_blind(Duration how_long);       // account and container servers; never below 45 s
  void full(Duration how_long);           // PUT is answered 507
  void refuse_writes(Duration how_long);  // by all object servers but one
  // One of: it goes blind, one object cannot be read for so long, a disk is lost. It waits for a
  // read of the gateway that is the next to log in.
  void lie_in_wait(Duration how_long);
  void expire_tokens() { oldest_token_ = newest_token_ + 1; }
  void clear_up();  // no more faults by chance; outages run their course

  bool reachable() const noexcept { return now() >= proxies_down_until_; }
  bool known_blind(size_t proxy) const noexcept;  // long enough that a health check has told
  bool settled() const noexcept;                  // no outage of any kind is under way

  // --- What the oracle looks at ------------------------------------------------------------------
  // Called with the name ("container/object") of everything that a DELETE removes.
  void on_delete(std::function<void(const std::string&)> hook) { on_delete_ = std::move(hook); }
  // Is a copy of it anywhere ("container/object")?
  bool has_copy(const std::string& name) const;
  // Objects that are there and listed, with names that begin so. What came back when its tombstones
  // were gone is not listed: nobody can find it.
  uint64_t count(std::string_view prefix) const;
  uint64_t bytes_stored() const;  // of one copy each
  uint64_t requests() const noexcept { return requests_; }

 private:
  static constexpr size_t kPrimaries = 3;
  static constexpr size_t kServers = 5;  // the last two are handoffs
  static constexpr size_t kNone = kServers;

  struct Stamp {  // X-Timestamp
    Duration at{};
    uint64_t number = 0;
    friend auto operator<=>(const Stamp&, const Stamp&) = default;
  };
  struct Copy {
    Stamp stamp;
    bool tombstone = false;
    Buffer data;
    std::string etag;
    TimePoint written{};
  };
  struct Object {
    std::array<std::optional<Copy>, kServers> copies;
    bool replicating = false;  // an event for it is on the timeline
    uint32_t puts = 0;         // whose copies are being written
    bool is_there() const;     // by its newest copy
  };
  struct Row {  // of a listing
    Stamp stamp;
    bool deleted = false;
    uint64_t size = 0;
  };
  struct Container {
    std::map<std::string, Row> rows;
  };
  struct Proxy {
    Duration skew{};
    TimePoint blind_from{};
    TimePoint blind_until{};
    std::optional<Duration> blind_after_anchor;      // for so long, from a look at an anchor on
    uint64_t anchors_before = 0;                     // that are seen until then
    TimePoint blindness_known{};                     // by a health check
    std::map<std::string, TimePoint> missing_until;  // containers it believes not to exist
  };
  struct Path {
    std::string container;
    std::string object;  // empty: the container itself
    std::string query;
  };

  static TimePoint now() noexcept { return swiftness::now(); }
  HttpResponse reply(size_t proxy, int status) const;
  Stamp stamp(size_t proxy);
  bool is_blind(const Proxy& proxy) const noexcept;
  void begin_blindness(Proxy& proxy, Duration in, Duration how_long);
  // The primary that fails next.
  size_t unlucky_server();
  // Who alone has the newest copy; kNone: nobody, or more than one of them.
  size_t lone_holder(const Object& object) const;
  void lose_disk_of(size_t server);
  bool may_lose_disk() const noexcept;
  // What lay in wait strikes, if it was waiting for this read. False: it is answered 503.
  bool is_readable(size_t proxy, uint64_t token, const std::string& name);
  // The primary that does not answer this request; kNone: all do.
  size_t missing_server();

  static std::optional<Path> parse(const std::string& url);
  void on_container(size_t proxy, const HttpRequest& request, const Path& path, Answer answer);
  HttpResponse listing(size_t proxy, const Path& path);
  bool sees_container(size_t proxy, const std::string& container);
  void put(size_t proxy, const HttpRequest& request, const Path& path, Answer answer);
  void remove(size_t proxy, const Path& path, Answer answer);
  void read(size_t proxy, const HttpRequest& request, const Path& path, Answer answer);
  const Copy* newest_copy(const Object& object, size_t missing) const;
  const Copy* some_copy(const Object& object, size_t missing);
  HttpResponse body_of(size_t proxy, const HttpRequest& request, const Copy& copy);
  void write(const std::string& name, size_t server, const Copy& copy);
  void update_listing(const Path& path, const Copy& copy);
  void replicate_later(const std::string& name, Object& object, Duration delay);
  void replicate(const std::string& name);

  Timeline& timeline_;
  Trace& trace_;
  Chance chance_;
  ClusterOptions options_;
  std::map<std::string, Object> objects_;  // by "container/object"
  std::map<std::string, Container> containers_;
  std::array<Proxy, kProxies> proxies_;
  size_t down_server_ = kNone;
  TimePoint down_until_{};
  TimePoint proxies_down_until_{};
  TimePoint full_until_{};
  size_t writable_server_ = kNone;
  TimePoint refusing_until_{};
  enum class Ambush { none, blindness, unreadable, lost_disk };
  Ambush ambush_ = Ambush::none;
  Duration ambush_lasts_{};
  uint64_t ambush_token_ = 0;  // who is ambushed
  std::string ambush_on_;      // reads of names with this in them
  uint64_t reads_before_ = 0;  // so many are spared
  std::string unreadable_;     // "container/object"
  TimePoint unreadable_until_{};
  uint64_t next_stamp_ = 0;
  uint64_t newest_token_ = 1;
  uint64_t oldest_token_ = 1;
  uint64_t requests_ = 0;
  std::function<void(const std::string&)> on_delete_;
};

}  // namespace swiftness::sim
