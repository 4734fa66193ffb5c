// check_volume: is all there, and as it was written? Reads the store and nothing else; claims and
// fences nothing, so it may run beside the gateway that serves the volume, and while one attaches.
//
// The order, and why memory stays bounded:
//   1. A view (volume_view.h): root, index, runs, ledger and the log's tail are read as an attach
//      would read them. That takes what a gateway takes: the index, the changes, 16 bytes a chunk;
//      twice that when something is looked at again.
//   2. The map, page by page: each leaf is loaded, and what it says is kept as references (24
//      bytes) sorted by chunk. Headers are never held: references are gathered for a window of
//      chunks, as many as `reference_memory` has room for. When it overflows, the upper half of the
//      window is put off until the map is walked once more. One walk serves some 11 million
//      extents; a volume of 64 KiB extents needs one for each 680 GiB.
//   3. The chunks of the window, `parallel` at a time: header, every frame (unless `quick`), and
//      whether each reference is in the frame it names. Then the next window.
//   4. Orphans, by listing (orphans.h).
//
// A gateway that serves the volume goes on meanwhile: GC deletes chunks, checkpoints replace map
// objects. So what looks wrong in the first round is a suspicion. It is looked at again in a newly
// taken view: the pages that had it and the chunks alone. It is damage when it is still there and
// the view's root was the newest even after the look, for nothing that the newest root refers to is
// deleted by anybody; it is forgotten when the new view does without it. What the store will not
// say for certain (unavailable, Presence::unknown) is in doubt, never damage.
//
// Repair deletes orphans and nothing else, only where the check found neither damage nor doubt, and
// only what a second look, in a view taken after a pause, finds again. It claims nothing either.
// Unless told to (`although_served`), it refuses a volume that its last gateway has not released,
// or that another is just attaching: there is hardly ever a reason to hurry. Even then it deletes
// only what orphans.h proves, which no gateway needs.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "backend/volume/orphans.h"

namespace swiftness {

struct CheckOptions {
  bool quick = false;            // headers only: no frame is read
  bool repair = false;           // delete orphans
  bool although_served = false;  // repair a volume that was not released, too
  size_t parallel = 4;           // chunks under way at once, up to 16 MiB each
  ByteCount leaf_memory{64 << 20};
  ByteCount reference_memory{256 << 20};
  Duration pause = std::chrono::seconds(2);          // before a changed volume is looked at again
  Duration repair_pause = std::chrono::seconds(10);  // before the second look
};

struct CheckProgress {
  enum class Stage { map, chunks, again, orphans, repair };
  Stage stage = Stage::map;
  uint64_t done = 0;  // pages, chunks; 0 of 0: it is not known
  uint64_t total = 0;
};

struct CheckFinding {
  enum class Kind {
    root,         // a root that is not sound; the one before it serves
    log,          // the volume cannot be attached, or only as it was before
    map,          // a leaf that cannot be read
    chunk,        // a chunk with a damaged header, or of a wrong size
    missing,      // a chunk that the map refers to and that is not there
    frame,        // frames that fail their checksum
    reference,    // the map refers to what is not there
    ledger,       // a chunk counts as less used than it is: it could be deleted too early
    orphan_look,  // in doubt only: what keeps orphans from being found
  };
  Kind kind = Kind::log;
  std::string object;    // its name in the store, where it is one
  std::string what;      // for people
  uint64_t sectors = 0;  // of the disk that are hit, as far as it is known
};
const char* to_string(CheckFinding::Kind kind) noexcept;

struct CheckReport {
  // What was looked at.
  bool quick = false;
  bool log_read = false;  // otherwise all but the findings is unknown
  uint64_t epoch = 0;     // the highest started; 0: the volume was never attached
  bool released = false;
  std::string host;         // that has it, or had it
  bool attaching = false;   // somebody claimed a higher epoch, and has not started
  std::string root;         // the object's name; empty: none yet
  uint64_t last_chunk = 0;  // end of the log
  uint64_t pages = 0;       // of the map with anything in them
  uint64_t extents = 0;
  uint64_t mapped_bytes = 0;
  uint64_t chunks = 0;          // verified
  uint64_t chunk_bytes = 0;     // of the objects
  uint64_t frames = 0;          // verified
  uint64_t deleted_chunks = 0;  // dead and deleted, which the ledger has not learned of: no fault
  uint64_t overcounted_bytes = 0;  // that the ledger counts as live beyond what is: no fault

  std::vector<CheckFinding> damage;
  std::vector<CheckFinding> in_doubt;
  uint64_t looked_again = 0;  // suspicions of the first round: most come of a gateway at work
  uint64_t unlisted = 0;      // further suspicions, beyond kMostFindings
  std::vector<Orphan> orphans;
  uint64_t more_orphans = 0;
  std::vector<uint64_t> unfinished_claims;  // epochs; they stay

  // What --repair did.
  std::vector<Orphan> removed;
  std::vector<std::string> repair_failures;
  std::string repair_refused;  // why nothing was deleted

  bool clean() const noexcept { return damage.empty() && in_doubt.empty() && unlisted == 0; }
};
inline constexpr size_t kMostFindings = 4096;

// Never fails: what cannot be looked at is in the report. `store` is changed by repair alone.
asio::awaitable<CheckReport> check_volume(ObjectStore& store, VolumeDescriptor volume,
                                          CheckOptions options,
                                          std::function<void(const CheckProgress&)> progress);

}  // namespace swiftness
