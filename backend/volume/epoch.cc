#include "backend/volume/epoch.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "backend/base/gate.h"
#include "backend/base/log.h"

namespace swiftness {
namespace {

constexpr int kMostClaimTries = 8;
constexpr uint64_t kProbeBatch = 16;

std::string host_name() {
  char name[256] = {};
  return gethostname(name, sizeof(name) - 1) == 0 ? name : "unknown";
}

Error fenced_by(const std::string& who) {
  return Error(ErrorCode::fenced, "the volume was taken over by another gateway (" + who + ")");
}

// An epoch whose claim surely exists, from `head`; 0 when the hint says nothing of use.
Async<Epoch> hinted_epoch(const VolumeObjects& objects) {
  GetOptions newest{.newest = true};
  Result<Head> head =
      co_await read_record<Head>(objects, objects.names.head(), decode_head, newest);
  if (!head) {
    // A missing or broken hint costs time only.
    if (head.error().code() == ErrorCode::not_found || head.error().code() == ErrorCode::corrupt) {
      co_return Epoch(0);
    }
    co_return head.error();
  }
  Epoch epoch = head->root.era.epoch;
  Presence found = co_await presence_of(objects.store, objects.names.claim(epoch));
  if (found == Presence::yes) co_return epoch;
  co_return Error(ErrorCode::unavailable,
                  fmt::format("head names epoch {}, but its claim cannot be seen", epoch.value()));
}

// The highest epoch anyone has claimed, from one that is known to be claimed.
Async<Epoch> highest_claim(const VolumeObjects& objects, Epoch known) {
  for (;;) {
    std::vector<std::string> names;
    for (uint64_t i = 1; i <= kProbeBatch; ++i) {
      names.push_back(objects.names.claim(Epoch(known.value() + i)).name);
    }
    std::vector<Presence> found = co_await objects.store.presence(objects.names.meta(), names);
    uint64_t present = 0;
    while (present < found.size() && found[present] == Presence::yes) ++present;
    known += Epoch(present);
    if (present == found.size()) continue;
    if (found[present] == Presence::unknown) co_return in_doubt(objects.names.claim(known.next()));
    co_return known;
  }
}

// One try for one number. conflict: it is another's, or in doubt; look again.
Async<void> try_claim(const VolumeObjects& objects, Era era, ClaimTimes times) {
  const ObjectName name = objects.names.claim(era.epoch);
  const TimePoint begun = now();
  Claim claim{era, unix_seconds(), host_name()};
  BufferList data(Buffer::own(encode(objects.uuid(), claim)));
  PutOptions options{.create_only = true, .expire_after = std::nullopt};
  Result<void> put = co_await objects.store.put(name, std::move(data), options);
  if (!put) co_return put.error();
  if (now() - begun > times.limit) {
    co_return Error(ErrorCode::conflict, "the claim took too long to count");
  }
  co_await sleep_for(times.settle);
  GetOptions newest{.newest = true};
  Result<Claim> seen = co_await read_record<Claim>(objects, name, decode_claim, newest);
  if (!seen) co_return seen.error();
  if (seen->era != era) co_return Error(ErrorCode::conflict, "another gateway claimed it as well");
  co_return Result<void>();
}

}  // namespace

uint64_t unix_seconds() {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::seconds>(calendar_now().time_since_epoch()).count());
}

Async<Epoch> find_highest_claim(const VolumeObjects& objects) {
  Result<Epoch> known = co_await hinted_epoch(objects);
  if (!known) co_return known.error();
  co_return co_await highest_claim(objects, *known);
}

Async<Era> claim_epoch(const VolumeObjects& objects, ClaimTimes times) {
  Result<Epoch> known = co_await hinted_epoch(objects);
  if (!known) co_return known.error();
  Error last(ErrorCode::conflict, "no try");
  for (int tries = 0; tries < kMostClaimTries; ++tries) {
    known = co_await highest_claim(objects, *known);
    if (!known) co_return known.error();
    if (known->value() > 0) {
      Result<Claim> below =
          co_await prove_record<Claim>(objects, objects.names.claim(*known), decode_claim);
      if (!below) co_return below.error();
    }
    Era era{known->next(), Uuid::random()};
    Result<void> claimed = co_await try_claim(objects, era, times);
    if (claimed) co_return era;
    last = claimed.error().within(fmt::format("claiming epoch {}", era.epoch.value()));
    log::info("volume {}: {}", objects.descriptor.name, last.message());
    const bool again = last.code() == ErrorCode::conflict || last.code() == ErrorCode::timed_out;
    if (!again) co_return last;
  }
  co_return last;
}

Async<void> raise_fence(const VolumeObjects& objects, Era era) {
  // The last look before the overwrite: a slow claimant must not lower a newer one's fence.
  Presence higher = co_await presence_of(objects.store, objects.names.claim(era.epoch.next()));
  if (higher == Presence::yes) co_return fenced_by("a higher claim");
  if (higher == Presence::unknown) co_return in_doubt(objects.names.claim(era.epoch.next()));
  BufferList fence(Buffer::own(encode(objects.uuid(), Fence{era})));
  PutOptions plain;
  Result<void> put = co_await objects.store.put(objects.names.fence(), std::move(fence), plain);
  if (!put) co_return put.error().within("raising the fence");
  GetOptions newest{.newest = true};
  Result<Fence> seen =
      co_await read_record<Fence>(objects, objects.names.fence(), decode_fence, newest);
  if (!seen) co_return seen.error();
  if (seen->era != era) {
    co_return fenced_by(fmt::format("epoch {}", seen->era.epoch.value()));
  }
  co_return Result<void>();
}

namespace {

enum class Look { only, and_prove };

Async<std::optional<Start>> highest_start(const VolumeObjects& objects, Epoch below, Look look) {
  uint64_t top = below.value() - 1;  // the highest epoch not yet looked at
  while (top > 0) {
    std::vector<std::string> names;
    const uint64_t batch = std::min(top, kProbeBatch);
    for (uint64_t i = 0; i < batch; ++i) names.push_back(objects.names.start(Epoch(top - i)).name);
    std::vector<Presence> found = co_await objects.store.presence(objects.names.meta(), names);
    for (uint64_t i = 0; i < batch; ++i) {
      const ObjectName name = objects.names.start(Epoch(top - i));
      if (found[i] == Presence::unknown) co_return in_doubt(name);
      if (found[i] == Presence::no) continue;
      Result<Start> start = Error(ErrorCode::unavailable, "not read");
      if (look == Look::and_prove) {
        start = co_await prove_record<Start>(objects, name, decode_start);
      } else {
        const GetOptions newest{.newest = true};
        start = co_await read_record<Start>(objects, name, decode_start, newest);
      }
      if (!start) co_return start.error();
      co_return std::optional<Start>(*start);
    }
    top -= batch;
  }
  co_return std::optional<Start>();
}

}  // namespace

Async<std::optional<Start>> find_highest_start(const VolumeObjects& objects, Epoch below) {
  co_return co_await highest_start(objects, below, Look::and_prove);
}

Async<std::optional<Start>> look_for_start(const VolumeObjects& objects) {
  Result<Epoch> claimed = co_await find_highest_claim(objects);
  if (!claimed) co_return claimed.error();
  co_return co_await look_for_start(objects, claimed->next());
}

Async<std::optional<Start>> look_for_start(const VolumeObjects& objects, Epoch below) {
  co_return co_await highest_start(objects, below, Look::only);
}

Async<void> publish_start(const VolumeObjects& objects, Start start) {
  const ObjectName name = objects.names.start(start.era.epoch);
  BufferList data(Buffer::own(encode(objects.uuid(), start)));
  PutOptions options{.create_only = true, .expire_after = std::nullopt};
  Result<void> put = co_await objects.store.put(name, std::move(data), options);
  if (!put) co_return put.error().within("publishing the start");
  GetOptions newest{.newest = true};
  Result<Start> seen = co_await read_record<Start>(objects, name, decode_start, newest);
  if (!seen) co_return seen.error();
  if (seen->era != start.era) co_return fenced_by("it started our epoch");
  co_return Result<void>();
}

namespace {

Task look_at_fence(const VolumeObjects& objects, Era era, Result<void>& outcome) {
  GetOptions newest{.newest = true};
  Result<Fence> fence =
      co_await read_record<Fence>(objects, objects.names.fence(), decode_fence, newest);
  if (!fence) {
    outcome = fence.error();
  } else if (fence->era.epoch < era.epoch) {
    outcome = Error(ErrorCode::conflict, fmt::format("the fence is epoch {}'s again: it was slow",
                                                     fence->era.epoch.value()));
  } else if (fence->era != era) {
    outcome = fenced_by(fmt::format("epoch {}", fence->era.epoch.value()));
  }
}

Task look_for_higher_claim(const VolumeObjects& objects, Era era, Result<void>& outcome) {
  const ObjectName name = objects.names.claim(era.epoch.next());
  Presence higher = co_await presence_of(objects.store, name);
  if (higher == Presence::yes) outcome = fenced_by("a higher claim");
  if (higher == Presence::unknown) outcome = in_doubt(name);
}

bool is_fenced(const Result<void>& outcome) {
  return !outcome && outcome.error().code() == ErrorCode::fenced;
}

}  // namespace

Async<void> check_ownership(const VolumeObjects& objects, Era era) {
  Executor executor = co_await asio::this_coro::executor;
  Result<void> fence;
  Result<void> claims;
  FanOut looks(executor);
  looks.add(look_at_fence(objects, era, fence));
  looks.add(look_for_higher_claim(objects, era, claims));
  co_await looks.join();
  if (is_fenced(claims) || fence.ok()) co_return claims;
  co_return fence;
}

asio::awaitable<std::string> host_of(const VolumeObjects& objects, Era era) {
  const GetOptions newest{.newest = true};
  const ObjectName name = objects.names.claim(era.epoch);
  Result<Claim> claim = co_await read_record<Claim>(objects, name, decode_claim, newest);
  co_return claim ? claim->host : std::string();
}

Async<void> release_era(const VolumeObjects& objects, Released released) {
  BufferList data(Buffer::own(encode(objects.uuid(), released)));
  PutOptions options;
  const ObjectName name = objects.names.released(released.era);
  Result<void> put = co_await objects.store.put(name, std::move(data), options);
  if (!put) co_return put.error().within("writing " + to_string(name));
  co_return put;
}

asio::awaitable<Unsaved> unsaved_of(const VolumeObjects& objects, Era era) {
  const GetOptions newest{.newest = true};
  const ObjectName name = objects.names.unsaved();
  Result<Unsaved> told = co_await read_record<Unsaved>(objects, name, decode_unsaved, newest);
  co_return told && told->era == era ? *told : Unsaved{era, 0, 0};
}

Async<void> tell_unsaved(const VolumeObjects& objects, Unsaved unsaved) {
  BufferList data(Buffer::own(encode(objects.uuid(), unsaved)));
  PutOptions options;
  co_return co_await objects.store.put(objects.names.unsaved(), std::move(data), options);
}

}  // namespace swiftness
