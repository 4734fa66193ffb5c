// Orphans: objects of a volume that nothing refers to, left behind by crashes and by gateways that
// were taken over from. They cost room and do no harm.
//
// When is an object provably unreferenced? Let S be the highest started epoch, a root of it or its
// start's base the newest sound root. An orphan is
//   - of an era whose epoch is strictly below S. Where the logs of these eras end, start/S has
//     published for ever; their gateways are fenced, and whatever they still write counts nothing
//     (I8). S itself and all above are left alone: the gateway of S may be at work, and one that
//     attaches at this moment (S+1) reads and repeats chunks of S, and may make its own root the
//     next base.
//   - of the chunks: not in the ledger of that root rolled forward. Such a chunk lies behind its
//     era's published end, where no attach ever reads; or GC deleted it, which it did only when the
//     chunk was dead in a root that stays and behind the oldest root that stays (I9, I10).
//   - of the map objects: in the lists of none of the last three roots of S nor of start/S's base.
//     A gateway's next roots refer to objects of older eras only if the ones before did: the set of
//     what is needed of closed eras can but shrink. A look that is out of date is thus on the safe
//     side, and so is a listing: what it leaves out stays.
//   - of the roots: not start/S's base. An attach takes its root from S or takes that base (step
//   4);
//     those of older eras it asks for nothing.
// An attach that publishes S+1 in between only closes more: it starts from what is kept here, and
// what is an orphan below S stays one. Claims and starts are never orphans, finished or not: claims
// are dense, and the next is found by probing (docs/FORMAT.md, section 7).
//
// What if start/S itself is not to last: on a minority of servers, left by an attempt that died,
// and gone tomorrow? Then the era before S would be open again, and in need of its roots. So S
// counts only if its gateway was seen to go on after its start had been answered 201: it wrote a
// root, or released the volume. Nobody deletes an orphan otherwise.
//
// A claimant below S so slow that it has not seen start/S may repeat chunks and a root of a closed
// era, or miss what was deleted. It cannot get online, for a higher claim is there; what it leaves
// are orphans again.
//
// A damaged volume is another matter: what its map lacks may be among the orphans, the only copy
// there is. check_volume() deletes nothing of such a volume, and a gateway that had to pass over a
// damaged root deletes none.
//
// So is one that lost a claim or a start: claims are dense, and whoever wrote a chunk, a root or a
// map object had its start published before. An attach would take the volume for what it was then.
//
// So orphans are deleted by check_volume() with --repair, and by the gateway of S while it serves
// (volume_sweep.cc): both only what two looks saw.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "backend/volume/chunk_ledger.h"
#include "backend/volume/map_format.h"
#include "backend/volume/recovery.h"

namespace swiftness {

struct Orphan {
  EraObject what;
  ObjectName object;
  uint64_t bytes = 0;
};

struct OrphanLook {
  std::vector<Orphan> orphans;       // surely there, ascending by name within a container
  std::vector<Epoch> unfinished;     // claimed below the highest start, and never started
  std::vector<std::string> damaged;  // of the kept roots
  std::vector<std::string> lost;     // claims and starts that must have been there
  std::vector<std::string> doubts;   // what could not be looked at: there may be more
  uint64_t more = 0;                 // orphans beyond kMostOrphans
};
inline constexpr size_t kMostOrphans = 65536;

// What is known of a volume that was started. The references outlive the look.
struct OrphanView {
  const VolumeObjects& objects;
  Era highest;           // S
  RootName base;         // of its start
  uint64_t newest_root;  // of S; 0: it has none yet
  const EraHistory& eras;
  const ChunkLedger& ledger;  // of a root as above, or of a moment since
  Sequence last;              // of the log
  const Root* root;           // one that was read before and may be gone, or nullptr
};

// By listing, each find confirmed by presence.
asio::awaitable<OrphanLook> look_for_orphans(OrphanView view);

struct OrphanRemoval {
  std::vector<Orphan> removed;
  std::vector<std::string> failures;
};

// Deletes them through `store`, all of epochs below `highest`, as long as `still_highest` says that
// none has started since: asked before each request.
asio::awaitable<OrphanRemoval> drop_orphans(ObjectStore& store, Epoch highest,
                                            std::vector<Orphan> orphans,
                                            std::function<Async<void>()> still_highest);

// Of the second look what the first had seen too.
std::vector<Orphan> seen_twice(const std::vector<Orphan>& first, std::vector<Orphan> second);

}  // namespace swiftness
