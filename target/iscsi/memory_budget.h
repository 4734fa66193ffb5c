// Memory for data in flight, of one session (MemoryBudget) and of all (TotalMemory). Two kinds,
// counted apart, so that the one cannot block the other:
//   unasked    what an initiator may send unasked is bounded by its command window; what goes
//              beyond the total all the same (immediate commands, data of commands that were given
//              up) is refused before there is a buffer for it;
//   asked for  what it must be asked for (R2T), or is sent, waits until there is room. A command
//              gets all it needs at once, so who has room comes to an end and gives it back.
//
// Sessions that wait for the total are a line: each gets room for one command, then goes to its
// end. Half of the total is put aside, equal parts for all sessions there may be: small commands
// go on, however much others hold and for how long.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <utility>

#include "backend/base/check.h"

namespace swiftness::iscsi {

class MemoryBudget;

class TotalMemory {
 public:
  // Bytes; `sessions`: as many as there may be.
  TotalMemory(uint64_t unasked, uint64_t asked, uint64_t sessions)
      : unasked_limit_(unasked),
        reserve_(asked / 2 / std::max<uint64_t>(sessions, 1)),
        shared_limit_(asked - reserve_ * sessions) {}

  uint64_t unasked() const noexcept { return unasked_; }
  uint64_t asked() const noexcept { return asked_; }

 private:
  friend class MemoryBudget;

  bool has_room(uint64_t bytes) const noexcept {  // one alone has it, however much it wants
    return asked_ == 0 || asked_ + bytes <= shared_limit_;
  }
  bool is_turn_of(const MemoryBudget& budget) const noexcept {
    return line_.empty() || line_.front() == &budget;
  }
  inline void wake_first();

  const uint64_t unasked_limit_;
  const uint64_t reserve_;  // of each session
  const uint64_t shared_limit_;
  uint64_t unasked_ = 0;
  uint64_t asked_ = 0;
  std::deque<MemoryBudget*> line_;
};

class MemoryBudget : public std::enable_shared_from_this<MemoryBudget> {
 public:
  // `limit`: bytes asked for. `unasked_share`: bytes unasked it may have whatever others have.
  MemoryBudget(uint64_t limit, uint64_t unasked_share, std::shared_ptr<TotalMemory> total)
      : limit_(limit), unasked_share_(unasked_share), total_(std::move(total)) {}
  MemoryBudget(const MemoryBudget&) = delete;
  MemoryBudget& operator=(const MemoryBudget&) = delete;
  ~MemoryBudget() { leave_line(); }

  // Bytes in use for as long as it lives.
  class Charge {
   public:
    Charge() = default;
    Charge(const Charge&) = delete;
    Charge& operator=(const Charge&) = delete;
    ~Charge() {
      if (budget_) budget_->release(unasked_, asked_);
    }
    void add_unasked(const std::shared_ptr<MemoryBudget>& budget, uint64_t bytes) {
      belong_to(budget);
      unasked_ += bytes;
      budget->unasked_ += bytes;
      budget->total_->unasked_ += bytes;
    }
    void add_asked(const std::shared_ptr<MemoryBudget>& budget, uint64_t bytes) {
      belong_to(budget);
      asked_ += bytes;
      budget->asked_ += bytes;
      budget->total_->asked_ += bytes;
    }

   private:
    void belong_to(const std::shared_ptr<MemoryBudget>& budget) {
      CHECK(!budget_ || budget_ == budget);
      budget_ = budget;
    }

    std::shared_ptr<MemoryBudget> budget_;
    uint64_t unasked_ = 0;
    uint64_t asked_ = 0;
  };

  // May a command come that brings so much unasked? Far beyond its limit no session may: that is
  // data of commands that were given up.
  bool has_room_unasked(uint64_t bytes) const noexcept {
    if (bytes == 0) return true;
    if (unasked_ >= 2 * limit_) return false;
    return unasked_ + bytes <= unasked_share_ || total_->unasked_ + bytes <= total_->unasked_limit_;
  }

  // True: take it now (add_asked). False: the callback tells when to try again.
  bool may_take(uint64_t bytes) {
    if (asked_ != 0 && asked_ + bytes > limit_) {  // a release of its own will tell
      leave_line();
      return false;
    }
    if (asked_ + bytes <= total_->reserve_) return true;
    if (!total_->is_turn_of(*this) || !total_->has_room(bytes)) {
      if (!in_line_) total_->line_.push_back(this);
      in_line_ = true;
      return false;
    }
    if (in_line_) {
      total_->line_.pop_front();
      total_->line_.push_back(this);
      total_->wake_first();
    }
    return true;
  }
  // It waits for nothing any more.
  void leave_line() {
    if (!in_line_) return;
    in_line_ = false;
    std::erase(total_->line_, this);
    total_->wake_first();
  }

  // Called when there may be room again, from wherever that happens: it may only take a note.
  void on_room(std::function<void()> callback) { on_room_ = std::move(callback); }

 private:
  friend class TotalMemory;

  void release(uint64_t unasked, uint64_t asked) {
    CHECK(unasked <= unasked_ && asked <= asked_);
    unasked_ -= unasked;
    asked_ -= asked;
    total_->unasked_ -= unasked;
    total_->asked_ -= asked;
    if (on_room_) on_room_();
    total_->wake_first();
  }

  const uint64_t limit_;
  const uint64_t unasked_share_;
  const std::shared_ptr<TotalMemory> total_;
  uint64_t unasked_ = 0;
  uint64_t asked_ = 0;
  bool in_line_ = false;
  std::function<void()> on_room_;
};

inline void TotalMemory::wake_first() {
  if (!line_.empty() && line_.front()->on_room_) line_.front()->on_room_();
}

}  // namespace swiftness::iscsi
