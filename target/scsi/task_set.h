// TaskSet: the tasks of one logical unit that run or wait to run, of all nexuses (SAM-5 8,
// TST=000b), and the order their attributes ask for:
//   HEAD OF QUEUE  starts at once;
//   ORDERED        waits for every older task and every HEAD OF QUEUE task;
//   SIMPLE         waits for older ORDERED tasks and every HEAD OF QUEUE task.
// A task enters the set when its data are here (TaskRouter::execute), not when its command arrives.
// A task that was given up (its ticket is cancelled) holds nobody up, but counts until it has
// ended: its buffers are still in use.
//
// While all tasks are SIMPLE a task costs a list link and a counter. One shard; no locks.
#pragma once

#include <boost/intrusive/list.hpp>

#include <cstddef>
#include <functional>
#include <optional>
#include <vector>

#include "backend/base/async.h"
#include "target/scsi/command.h"

namespace swiftness::scsi {

class TaskSet {
 public:
  // A task in the set, from its construction to its destruction: a local of the coroutine that runs
  // the command.
  class Member : public boost::intrusive::list_base_hook<
                     boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
   public:
    Member(TaskSet& set, const Command& command, TicketPtr ticket);
    Member(const Member&) = delete;
    Member& operator=(const Member&) = delete;
    ~Member();

    bool may_start() const noexcept { return started_; }
    Task turn();  // returns when the task may start, or was given up: look at the ticket

   private:
    friend class TaskSet;
    TaskSet& set_;
    NexusId nexus_;
    TaskTag tag_;
    TaskAttribute attribute_;
    TicketPtr ticket_;
    AsyncEvent* turn_came_ = nullptr;  // set while it waits in turn()
    bool started_ = false;
  };

  explicit TaskSet(size_t capacity) : capacity_(capacity) {}
  TaskSet(const TaskSet&) = delete;
  TaskSet& operator=(const TaskSet&) = delete;
  ~TaskSet() { members_.clear(); }  // of coroutines that were destroyed with their io_context

  bool full() const noexcept { return size_ >= capacity_; }      // for a task that is not in it yet
  bool over_full() const noexcept { return size_ > capacity_; }  // for one that is
  size_t size() const noexcept { return size_; }
  void on_empty(std::function<void()> tell) { tell_empty_ = std::move(tell); }

  // Give up all tasks, those of one nexus, or one task. Returns how many were not given up before.
  size_t cancel_all();
  size_t cancel_all_of(NexusId nexus);
  size_t cancel(NexusId nexus, TaskTag tag);

 private:
  // What of the older part of the set may hold a task up.
  struct Ahead {
    bool any = false;
    bool ordered = false;
  };

  template <class Predicate>
  size_t cancel_if(Predicate predicate);
  bool has_head_of_queue() const noexcept;
  static bool is_held_up(TaskAttribute attribute, bool head_of_queue, Ahead ahead) noexcept;
  void start_those_who_may() noexcept;
  void left(const Member& member) noexcept;

  size_t capacity_;
  size_t size_ = 0;
  size_t not_simple_ = 0;  // ORDERED and HEAD OF QUEUE members
  size_t waiting_ = 0;     // members that have not started
  std::function<void()> tell_empty_;
  boost::intrusive::list<Member, boost::intrusive::constant_time_size<false>> members_;  // by age
};

}  // namespace swiftness::scsi
