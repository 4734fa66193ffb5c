// Memory for data in flight of one session. What an initiator may send unasked is bounded by its
// command window; what it must be asked for (R2T) or what it is sent waits until there is room
// here.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "backend/base/check.h"

namespace swiftness::iscsi {

class MemoryBudget : public std::enable_shared_from_this<MemoryBudget> {
 public:
  explicit MemoryBudget(uint64_t limit) : limit_(limit) {}

  // Bytes in use for as long as it lives.
  class Charge {
   public:
    Charge() = default;
    Charge(Charge&& other) noexcept
        : budget_(std::move(other.budget_)), bytes_(std::exchange(other.bytes_, 0)) {}
    Charge& operator=(Charge&&) = delete;
    ~Charge() {
      if (budget_) budget_->release(bytes_);
    }
    void add(const std::shared_ptr<MemoryBudget>& budget, uint64_t bytes) {
      CHECK(!budget_ || budget_ == budget);
      budget_ = budget;
      bytes_ += bytes;
      budget->used_ += bytes;
    }

    uint64_t bytes() const noexcept { return bytes_; }

   private:
    std::shared_ptr<MemoryBudget> budget_;
    uint64_t bytes_ = 0;
  };

  // Is there room for `bytes` more, for one who holds `own`? One alone has it, however much it
  // wants.
  bool has_room(uint64_t bytes, const Charge& own) const noexcept {
    return used_ == own.bytes() || used_ + bytes <= limit_;
  }
  // Far beyond the limit: data nobody asked for, kept by commands that were given up.
  bool overdrawn() const noexcept { return used_ >= 2 * limit_; }
  uint64_t used() const noexcept { return used_; }

  // Called when bytes are released, from wherever that happens: it may only take a note.
  void on_release(std::function<void()> callback) { on_release_ = std::move(callback); }

 private:
  void release(uint64_t bytes) {
    CHECK(bytes <= used_);
    used_ -= bytes;
    if (on_release_) on_release_();
  }

  uint64_t limit_;
  uint64_t used_ = 0;
  std::function<void()> on_release_;
};

}  // namespace swiftness::iscsi
