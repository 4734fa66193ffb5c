// RangeLocks: which commands are changing which blocks of one logical unit (I13). COMPARE AND
// WRITE, ORWRITE and WRITE AND VERIFY read and write as one step: they hold their blocks
// exclusively. Everything else that changes the medium shares its blocks with its like; the device
// puts those in order.
//
// First come, first served: a hold waits for each older one that overlaps it, when either of the
// two is exclusive. A hold takes one range, and nobody waits for a second one while holding a
// first, so there are no deadlocks. Reads take no locks: the device answers each from one state.
//
// A hold whose ticket is cancelled holds nobody up: its write is in the device's log already or
// never will be. It counts as waiting until its coroutine ends.
//
// While nothing is exclusive a hold costs a list link and a counter. One shard; no locks of
// threads.
#pragma once

#include <boost/intrusive/list.hpp>

#include <cstddef>

#include "backend/base/async.h"
#include "backend/block_device.h"

namespace swiftness::scsi {

enum class Sharing { shared, exclusive };

class RangeLocks {
 public:
  // A local of the coroutine that runs the command, from before its first access to its end.
  class Hold : public boost::intrusive::list_base_hook<
                   boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
   public:
    Hold(RangeLocks& locks, BlockRange range, Sharing sharing, TicketPtr ticket);
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;
    ~Hold();

    bool granted() const noexcept { return granted_; }
    Task turn();  // returns when it is granted, or was given up: look at the ticket

   private:
    friend class RangeLocks;
    bool excludes(const Hold& other) const noexcept;

    RangeLocks& locks_;
    BlockRange range_;
    Sharing sharing_;
    TicketPtr ticket_;
    AsyncEvent* turn_came_ = nullptr;  // set while it waits in turn()
    bool granted_ = false;
  };

  RangeLocks() = default;
  RangeLocks(const RangeLocks&) = delete;
  RangeLocks& operator=(const RangeLocks&) = delete;
  ~RangeLocks() { holds_.clear(); }  // of coroutines that were destroyed with their io_context

  void notice_cancelled() noexcept;  // tickets may have been cancelled: whoever waited goes on

 private:
  bool is_held_up(const Hold& hold) const noexcept;
  void grant_those_who_may() noexcept;
  void left(const Hold& hold) noexcept;

  size_t exclusive_ = 0;
  size_t waiting_ = 0;  // holds that are not granted
  boost::intrusive::list<Hold, boost::intrusive::constant_time_size<false>> holds_;  // by age
};

}  // namespace swiftness::scsi
