#include "target/scsi/task_set.h"

#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <utility>

#include "backend/base/check.h"

namespace swiftness::scsi {

TaskSet::Member::Member(TaskSet& set, const Command& command, TicketPtr ticket)
    : set_(set),
      nexus_(command.nexus),
      tag_(command.tag),
      attribute_(command.attribute),
      ticket_(std::move(ticket)) {
  CHECK(ticket_);
  bool all_simple = set_.not_simple_ == 0 && attribute_ == TaskAttribute::simple;
  set_.members_.push_back(*this);
  ++set_.size_;
  if (attribute_ != TaskAttribute::simple) ++set_.not_simple_;
  if (all_simple) {
    started_ = true;
  } else {
    ++set_.waiting_;
    set_.start_those_who_may();
  }
}

TaskSet::Member::~Member() {
  if (!is_linked()) return;  // the set is gone already
  unlink();
  set_.left(*this);
}

Task TaskSet::Member::turn() {
  Executor executor = co_await asio::this_coro::executor;
  AsyncEvent turn_came(executor);
  turn_came_ = &turn_came;
  while (!started_ && !ticket_->cancelled) co_await turn_came.wait();
  turn_came_ = nullptr;
}

void TaskSet::left(const Member& member) noexcept {
  --size_;
  if (member.attribute_ != TaskAttribute::simple) --not_simple_;
  if (!member.started_) --waiting_;
  if (waiting_ > 0) start_those_who_may();
  if (size_ == 0 && tell_empty_) tell_empty_();
}

bool TaskSet::has_head_of_queue() const noexcept {
  return std::any_of(members_.begin(), members_.end(), [](const Member& member) {
    return member.attribute_ == TaskAttribute::head_of_queue && !member.ticket_->cancelled;
  });
}

bool TaskSet::is_held_up(TaskAttribute attribute, bool head_of_queue, Ahead ahead) noexcept {
  switch (attribute) {
    case TaskAttribute::head_of_queue:
    case TaskAttribute::aca:  // never gets here: refused before (LogicalUnit::plan)
      return false;
    case TaskAttribute::ordered:
      return head_of_queue || ahead.any;
    case TaskAttribute::simple:
      return head_of_queue || ahead.ordered;
  }
  CHECK(false);
}

// One walk from the oldest to the youngest, however many wait.
void TaskSet::start_those_who_may() noexcept {
  bool head_of_queue = has_head_of_queue();
  Ahead ahead;
  for (Member& member : members_) {
    bool given_up = member.ticket_->cancelled;
    if (!member.started_ && !given_up && !is_held_up(member.attribute_, head_of_queue, ahead)) {
      member.started_ = true;
      --waiting_;
    }
    bool wakes_up = member.started_ || given_up;
    if (wakes_up && member.turn_came_) member.turn_came_->notify_all();
    if (given_up) continue;
    ahead.any = true;
    if (member.attribute_ == TaskAttribute::ordered) ahead.ordered = true;
  }
}

template <class Predicate>
size_t TaskSet::cancel_if(Predicate predicate) {
  size_t cancelled = 0;
  for (Member& member : members_) {
    if (!predicate(member) || member.ticket_->cancelled) continue;
    member.ticket_->cancelled = true;
    ++cancelled;
  }
  // Even when there was none: the transport may have cancelled tickets itself.
  if (waiting_ > 0) start_those_who_may();
  return cancelled;
}

size_t TaskSet::cancel_all() {
  return cancel_if([](const Member&) { return true; });
}

size_t TaskSet::cancel_all_of(NexusId nexus) {
  return cancel_if([nexus](const Member& member) { return member.nexus_ == nexus; });
}

size_t TaskSet::cancel(NexusId nexus, TaskTag tag) {
  return cancel_if(
      [nexus, tag](const Member& member) { return member.nexus_ == nexus && member.tag_ == tag; });
}

}  // namespace swiftness::scsi
