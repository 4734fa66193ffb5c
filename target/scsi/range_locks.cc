#include "target/scsi/range_locks.h"

#include <boost/asio/this_coro.hpp>

#include <utility>

#include "backend/base/check.h"
#include "target/scsi/block_range.h"

namespace swiftness::scsi {
RangeLocks::Hold::Hold(RangeLocks& locks, BlockRange range, Sharing sharing, TicketPtr ticket)
    : locks_(locks), range_(range), sharing_(sharing), ticket_(std::move(ticket)) {
  CHECK(ticket_);
  if (sharing_ == Sharing::exclusive) ++locks_.exclusive_;
  granted_ = locks_.exclusive_ == 0 || !locks_.is_held_up(*this);
  locks_.holds_.push_back(*this);
  if (!granted_) ++locks_.waiting_;
}

RangeLocks::Hold::~Hold() {
  if (!is_linked()) return;  // the locks are gone already
  unlink();
  locks_.left(*this);
}

Task RangeLocks::Hold::turn() {
  Executor executor = co_await asio::this_coro::executor;
  AsyncEvent turn_came(executor);
  turn_came_ = &turn_came;
  while (!granted_ && !ticket_->cancelled) co_await turn_came.wait();
  turn_came_ = nullptr;
}

bool RangeLocks::Hold::excludes(const Hold& other) const noexcept {
  if (ticket_->cancelled) return false;
  if (sharing_ == Sharing::shared && other.sharing_ == Sharing::shared) return false;
  return overlap(range_, other.range_);
}

// By any older hold; of one that is not in the list yet, by any.
bool RangeLocks::is_held_up(const Hold& hold) const noexcept {
  for (const Hold& older : holds_) {
    if (&older == &hold) break;
    if (older.excludes(hold)) return true;
  }
  return false;
}

void RangeLocks::grant_those_who_may() noexcept {
  for (Hold& hold : holds_) {
    if (hold.granted_) continue;
    const bool given_up = hold.ticket_->cancelled;
    if (!given_up && !is_held_up(hold)) {
      hold.granted_ = true;
      --waiting_;
    }
    if ((hold.granted_ || given_up) && hold.turn_came_) hold.turn_came_->notify_all();
  }
}

void RangeLocks::left(const Hold& hold) noexcept {
  if (hold.sharing_ == Sharing::exclusive) --exclusive_;
  if (!hold.granted_) --waiting_;
  if (waiting_ > 0) grant_those_who_may();
}

void RangeLocks::notice_cancelled() noexcept {
  if (waiting_ > 0) grant_those_who_may();
}

}  // namespace swiftness::scsi
