// What the admin API says and takes, as plain structs . The gateway fills them, the command line
// prints them, json.h has their JSON form; field names are the JSON keys and stay once published.
//
//   GET  /healthz         the process answers
//   GET  /readyz          200 when every configured volume is online, else 503
//   GET  /status          StatusReport
//   GET  /metrics         the same numbers for Prometheus (metrics.h)
//   GET  /volumes         VolumeList
//   GET  /volumes/NAME    VolumeReport
//   POST /volumes         CreateVolume -> VolumeReport (201); Unix socket only
//   POST /drain           Drain -> StatusReport; Unix socket only
//   POST /resume          StatusReport: takes initiators again; Unix socket only
//   POST /reload          ReloadReport: reads the configuration anew, all of it or none (409 says
//   why
//                         not); Unix socket only
//   GET  /sessions        array of SessionReport
//   GET  /targets         array of TargetReport
// An error is { "error": "what is wrong" } with a matching HTTP status.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace swiftness::admin {

// How initiators are to use a logical unit through a portal group (ALUA): optimized,
// non_optimized, standby or unavailable.
struct PathReport {
  uint32_t portal_group = 0;
  std::string state;       // now; initiators may have set another than the configuration's
  std::string configured;  // what the configuration says
};

struct VolumeReport {
  std::string name;
  std::string store;        // its name in the configuration
  std::string uuid;         // empty: not known yet
  uint64_t size = 0;        // bytes; 0: not known yet
  uint32_t block_size = 0;  // bytes; 0: not known yet
  bool configured = false;  // the gateway attaches it; otherwise it is only in the store
  // attaching, online, fenced, stopped; if it is not configured "not served", or, taken out by a
  // reload and not released yet, "releasing"
  std::string state;
  std::string trouble;  // what keeps it from being online, or what the store answers; or empty
  std::string target;   // the target it is a logical unit of, if any
  uint32_t lun = 0;     // its number there
  std::vector<PathReport> paths;  // to it, by portal group; none while there is no logical unit
  uint64_t mapped = 0;            // bytes written and not unmapped
  uint64_t quota = 0;             // most that may be mapped, in bytes; 0: there is none
  uint64_t available = 0;         // bytes that may be mapped yet
  uint64_t unsafe = 0;            // bytes acknowledged and not yet in the store
  double unsafe_seconds = 0;      // age of the oldest of them
  uint64_t epoch = 0;             // of the attach
  uint64_t newest_sequence = 0;   // last chunk sealed
  uint64_t durable_sequence = 0;  // it and all before it are in the store
  uint64_t chunks_in_flight = 0;
  uint64_t journal_size = 0;       // bytes of its room; 0: there is none
  uint64_t journal_used = 0;       // bytes
  uint64_t chunks = 0;             // in the store
  uint64_t stored = 0;             // bytes of them
  uint64_t live = 0;               // bytes that the disk refers to
  uint64_t awaiting_deletion = 0;  // bytes of chunks of which nothing is live
  uint64_t written = 0;            // bytes, by initiators, since the attach
  uint64_t put = 0;                // bytes, to the store, since the attach: all that writing costs
  uint64_t moved = 0;              // bytes of them that garbage collection moved
  uint64_t read_hits = 0;          // pieces of reads that came from memory or the read cache
  uint64_t read_misses = 0;        // those that waited for the store
  uint64_t read_from_cache = 0;    // bytes
  uint64_t read_from_store = 0;    // bytes; with what was read ahead
  uint64_t store_gets = 0;         // reads of the store, all
  uint64_t store_prefetches = 0;   // those that nobody waited for
  uint64_t read_cache_size = 0;    // bytes of the file; 0: there is none
  uint64_t read_cache_used = 0;    // bytes of it
  std::string read_cache_trouble;  // why the file is not used; or empty
};

struct VolumeList {
  std::vector<VolumeReport> volumes;  // by name; configured ones, then what else the stores list
  std::vector<std::string> problems;  // stores that could not be listed, and why
};

struct CreateVolume {
  std::string name;
  std::string store;  // empty: the only store of the configuration
  uint64_t size = 0;  // bytes
  uint32_t block_size = 512;
};

// Initiators shall log out, and not come back for the time being. A restart forgets it.
struct Drain {
  std::string to;  // "address:port" of another gateway's portal, where they are sent; may be empty
};

// What a reload has changed; each line names one thing: "volume data", "access to iqn...".
struct ReloadReport {
  std::vector<std::string> added, removed, changed;
  std::vector<std::string> warnings;  // about the configuration
};

struct SessionReport {
  std::string initiator;
  std::string address;
  std::string target;  // empty: a discovery session
  std::string isid;
  uint32_t tsih = 0;
  uint32_t portal_group = 0;
  int64_t since = 0;  // seconds since the epoch
  uint64_t commands = 0;
  uint64_t bytes_read = 0;
  uint64_t bytes_written = 0;
  uint64_t in_flight = 0;
};

struct LunReport {
  uint32_t number = 0;
  std::string volume;
  bool read_only = false;
  bool removable = false;
};

struct AccessReport {
  std::string initiator;
  std::vector<uint32_t> luns;  // empty: all
  bool read_only = false;
};

struct TargetReport {
  std::string iqn;
  bool open = false;
  std::vector<uint32_t> portal_groups;
  std::vector<LunReport> luns;
  std::vector<AccessReport> access;
  uint64_t sessions = 0;
};

struct PortalReport {
  std::string listen;     // "address:port"
  std::string advertise;  // empty: the address itself
  uint32_t group = 0;
};

// Since the gateway began; target/iscsi/target_node.h says what each is.
struct InitiatorCounts {
  uint64_t logins = 0;
  uint64_t logins_refused = 0;
  uint64_t connections_refused = 0;
  uint64_t connections_broken = 0;
  uint64_t pdus_rejected = 0;
  uint64_t commands_timed_out = 0;
  uint64_t commands_without_memory = 0;
  uint64_t connections_paused = 0;
  uint64_t commands = 0;
  uint64_t bytes_read = 0;
  uint64_t bytes_written = 0;
  uint64_t half_open = 0;
  uint64_t unread_answers = 0;
};

struct StoreReport {
  std::string name;
  std::string trouble;  // why the last requests to it failed; or empty
};

struct StatusReport {
  std::string name;
  std::string version;
  int64_t pid = 0;
  int64_t started = 0;  // seconds since the epoch
  bool ready = false;   // every configured volume is online
  std::string state_dir;
  std::vector<PortalReport> portals;
  std::vector<StoreReport> stores;
  std::vector<VolumeReport> volumes;  // the configured ones
  uint64_t sessions = 0;
  uint64_t targets = 0;
  bool drained = false;  // no initiator may log in
  std::string moved_to;  // and is sent there
  InitiatorCounts initiators;
};

}  // namespace swiftness::admin
