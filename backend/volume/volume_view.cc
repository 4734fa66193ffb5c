#include "backend/volume/volume_view.h"

#include <algorithm>

namespace swiftness {
namespace {

constexpr int kMostTries = 8;  // of a volume that changes faster than it can be read

Async<void> look(VolumeView& view) {
  Result<Epoch> claimed = co_await find_highest_claim(view.objects);
  if (!claimed) co_return claimed.error();
  view.claimed = *claimed;
  // Unlike an attach we may not make it last.
  Result<std::optional<Start>> start = co_await look_for_start(view.objects, claimed->next());
  if (!start) co_return start.error();
  view.start = *start;
  Result<RecoveredLog> log =
      co_await recover_log(view.objects, view.start, view.map, view.ledger, LogReading::looking_on);
  if (!log) co_return log.error();
  view.log = std::move(*log);
  co_return Result<void>();
}

// What a failed look depends on: an Error counts only while these stay.
struct Newest {
  Era era;
  uint64_t root = 0;
  friend bool operator==(const Newest&, const Newest&) = default;
};

Async<Newest> newest(const VolumeObjects& objects) {
  Result<std::optional<Start>> start = co_await look_for_start(objects);
  if (!start) co_return start.error();
  if (!*start) co_return Newest{};
  Result<uint64_t> root = co_await newest_root_number(objects, (*start)->era);
  if (!root) co_return root.error();
  co_return Newest{(*start)->era, *root};
}

}  // namespace

Async<std::unique_ptr<VolumeView>> take_view(const VolumeObjects& objects, ByteCount leaf_memory,
                                             Duration pause) {
  Executor executor = co_await asio::this_coro::executor;
  Error last(ErrorCode::unavailable, "no try");
  for (int tries = 0; tries < kMostTries; ++tries) {
    if (tries > 0) co_await sleep_for(pause);
    Result<Newest> before = co_await newest(objects);
    auto view = std::make_unique<VolumeView>(executor, objects, leaf_memory);
    Result<void> looked = co_await look(*view);
    if (looked) co_return view;
    last = looked.error();
    if (last.code() != ErrorCode::corrupt && last.code() != ErrorCode::not_found) co_return last;
    Result<Newest> after = co_await newest(objects);
    bool unchanged = before && after && *before == *after;
    // The start itself may be what is damaged.
    if (!before && !after && before.error().code() == ErrorCode::corrupt) {
      unchanged = before.error().message() == after.error().message();
    }
    if (unchanged && last.code() == ErrorCode::corrupt) co_return last;
  }
  // Nothing of it could be proven.
  co_return Error(ErrorCode::unavailable, last.message());
}

Async<bool> is_newest(const VolumeView& view) {
  Result<Newest> now = co_await newest(view.objects);
  if (!now) co_return now.error();
  Newest then;
  if (view.start) then = Newest{view.start->era, view.log.newest_root};
  co_return *now == then;
}

}  // namespace swiftness
