// Epochs: how a gateway takes a volume over, and how it learns that it was taken from it (I8, I9;
// docs/FORMAT.md, sections 7 and 8). Each function is one of the numbered steps.
#pragma once

#include <optional>

#include "backend/volume/record_io.h"

namespace swiftness {

struct ClaimTimes {
  Duration settle;  // between claiming and reading the claim back
  Duration limit;   // a claim slower than this is given up for the next look
};

// The highest epoch anyone has claimed; 0: none.
Async<Epoch> find_highest_claim(const VolumeObjects& objects);

// Step 1: claims the next epoch and returns it with our fresh claim id.
Async<Era> claim_epoch(const VolumeObjects& objects, ClaimTimes times);

// Step 2: from here on the previous gateway can acknowledge no flush.
Async<void> raise_fence(const VolumeObjects& objects, Era era);

// Step 3: the start of the highest started epoch below ours; nothing: the volume is new.
Async<std::optional<Start>> find_highest_start(const VolumeObjects& objects, Epoch below);

// The same, as far as can be seen, for somebody who claims nothing and builds nothing on it.
Async<std::optional<Start>> look_for_start(const VolumeObjects& objects);
Async<std::optional<Start>> look_for_start(const VolumeObjects& objects, Epoch below);

// Step 7: publishes our start and makes sure it is ours that was published.
Async<void> publish_start(const VolumeObjects& objects, Start start);

// Step 8 and every flush. Ok: at some moment after the call began the volume was ours. fenced: it
// is another's, for good. conflict: an earlier claimant was so slow to raise its fence that it
// overwrote ours; raise it again. Anything else: it could not be found out.
Async<void> check_ownership(const VolumeObjects& objects, Era era);

// The gateway that claimed this era, for people; empty when that cannot be found out.
asio::awaitable<std::string> host_of(const VolumeObjects& objects, Era era);

// After a clean end: from here on any gateway may attach without this one's journal.
Async<void> release_era(const VolumeObjects& objects, Released released);

// The hint of what a gateway had not uploaded when it last told; zeros when there is none.
asio::awaitable<Unsaved> unsaved_of(const VolumeObjects& objects, Era era);
Async<void> tell_unsaved(const VolumeObjects& objects, Unsaved unsaved);

}  // namespace swiftness
