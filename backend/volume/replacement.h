// Replacement: which slot of the read cache gives way to a new frame. Pure: slot numbers in, slot
// numbers out.
//
// S3-FIFO (Yang et al., SOSP 2023): a new frame goes into a small queue, a tenth of the cache. Used
// there, it moves on to the main queue at the end; unused, it gives way and leaves a ghost, and
// when it comes back while the ghost is remembered it goes to the main queue at once. In the main
// queue a frame that was used gets another round. So a scan passes through the small queue and
// leaves the rest alone, and a hit moves nothing: it counts, which is all that it costs.
//
// One thing is from 2Q (Johnson and Shasha, VLDB 1994): uses right after a frame came count
// nothing. A scan in 4 KiB steps uses each frame of 64 KiB sixteen times, and has not become worth
// keeping by that.
#pragma once

#include <cstdint>
#include <vector>

namespace swiftness {

class Replacement {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  explicit Replacement(uint32_t slots);  // all of them free

  // A slot to put a frame in: a free one, else that of the frame that gives way. It is the caller's
  // until put() or release(). kNone: callers have all of them.
  uint32_t take();

  // The slot taken has a frame now. The fingerprint tells it from others when it comes back.
  void put(uint32_t slot, uint32_t fingerprint);
  // A free slot turns out to have a frame, of which nothing more is known: what start-up finds.
  void restore(uint32_t slot, uint32_t fingerprint);
  void release(uint32_t slot);  // taken, or its frame turned out to be worth nothing: free

  void touch(uint32_t slot) noexcept;  // the frame was used

  // New frames that can be put one after the other before the first of them has to give way.
  uint32_t room() const noexcept;
  uint32_t used() const noexcept { return small_.size + main_.size; }

 private:
  enum class Queue : uint8_t { none, free, small, main };
  struct Slot {  // 20 bytes
    uint32_t before;
    uint32_t after;
    uint32_t fingerprint;
    uint32_t put_at;  // how many were put before it
    Queue queue;
    uint8_t uses;
  };
  struct List {
    uint32_t first = kNone;
    uint32_t last = kNone;
    uint32_t size = 0;
  };
  struct Ghost {
    uint32_t fingerprint;
    uint32_t left_at;
  };

  List& list_of(Queue queue) noexcept;
  void append(uint32_t slot, Queue queue) noexcept;
  void unlink(uint32_t slot) noexcept;
  void remember(uint32_t fingerprint) noexcept;
  bool is_remembered(uint32_t fingerprint) const noexcept;

  std::vector<Slot> slots_;
  List free_, small_, main_;
  uint32_t small_target_;
  uint32_t puts_ = 0;

  std::vector<Ghost> ghosts_;  // sets of kGhostsInSet; the oldest of a set is overwritten
  uint32_t ghost_life_;        // frames that may leave before a ghost is forgotten
  uint32_t left_;
};

}  // namespace swiftness
