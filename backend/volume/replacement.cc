#include "backend/volume/replacement.h"

#include <algorithm>

#include "backend/base/check.h"

namespace swiftness {
namespace {

constexpr uint32_t kSmallShare = 10;  // the small queue is one in so many slots
constexpr uint8_t kMostUses = 3;
constexpr uint32_t kGhostsInSet = 4;
// Frames that get another round before one gives way whatever its uses: one call stays short even
// when everything was used lately.
constexpr uint32_t kMostSteps = 1024;

}  // namespace

Replacement::Replacement(uint32_t slots)
    : slots_(slots, Slot{kNone, kNone, 0, 0, Queue::none, 0}),
      small_target_(std::max(1U, slots / kSmallShare)),
      ghosts_((slots + kGhostsInSet - 1) / kGhostsInSet * kGhostsInSet, Ghost{0, 0}),
      ghost_life_(slots),
      left_(slots + 1) {  // so that a ghost never written is forgotten already
  for (uint32_t slot = 0; slot < slots; ++slot) append(slot, Queue::free);
}

Replacement::List& Replacement::list_of(Queue queue) noexcept {
  CHECK(queue != Queue::none);
  if (queue == Queue::free) return free_;
  return queue == Queue::small ? small_ : main_;
}

void Replacement::append(uint32_t slot, Queue queue) noexcept {
  List& list = list_of(queue);
  Slot& entry = slots_[slot];
  entry.queue = queue;
  entry.before = list.last;
  entry.after = kNone;
  (list.last == kNone ? list.first : slots_[list.last].after) = slot;
  list.last = slot;
  ++list.size;
}

void Replacement::unlink(uint32_t slot) noexcept {
  Slot& entry = slots_[slot];
  List& list = list_of(entry.queue);
  (entry.before == kNone ? list.first : slots_[entry.before].after) = entry.after;
  (entry.after == kNone ? list.last : slots_[entry.after].before) = entry.before;
  --list.size;
  entry.queue = Queue::none;
}

uint32_t Replacement::take() {
  if (free_.size > 0) {
    const uint32_t slot = free_.first;
    unlink(slot);
    return slot;
  }
  if (used() == 0) return kNone;
  for (uint32_t step = 0;; ++step) {
    const bool from_small = small_.size >= small_target_ || main_.size == 0;
    const uint32_t slot = from_small ? small_.first : main_.first;
    Slot& entry = slots_[slot];
    unlink(slot);
    if (entry.uses > 0 && step < kMostSteps) {
      entry.uses = from_small ? 0 : static_cast<uint8_t>(entry.uses - 1);
      append(slot, Queue::main);
      continue;
    }
    if (from_small) remember(entry.fingerprint);
    return slot;
  }
}

uint32_t Replacement::room() const noexcept {
  return free_.size + std::max(small_.size, std::min(small_target_, used()));
}

void Replacement::put(uint32_t slot, uint32_t fingerprint) {
  Slot& entry = slots_[slot];
  CHECK(entry.queue == Queue::none);
  entry.fingerprint = fingerprint;
  entry.put_at = puts_++;
  entry.uses = 0;
  append(slot, is_remembered(fingerprint) ? Queue::main : Queue::small);
}

void Replacement::restore(uint32_t slot, uint32_t fingerprint) {
  CHECK(slots_[slot].queue == Queue::free);
  unlink(slot);
  slots_[slot].fingerprint = fingerprint;
  slots_[slot].uses = 0;
  append(slot, Queue::main);
}

void Replacement::release(uint32_t slot) {
  if (slots_[slot].queue != Queue::none) unlink(slot);
  append(slot, Queue::free);
}

void Replacement::touch(uint32_t slot) noexcept {
  Slot& entry = slots_[slot];
  if (entry.queue == Queue::small) {
    // As long as it is in the younger half of the small queue, this may be the read that brought
    // it.
    if (puts_ - entry.put_at > small_target_ / 2) entry.uses = 1;
  } else if (entry.uses < kMostUses) {
    ++entry.uses;
  }
}

void Replacement::remember(uint32_t fingerprint) noexcept {
  const size_t set = fingerprint % (ghosts_.size() / kGhostsInSet) * kGhostsInSet;
  size_t oldest = set;
  for (size_t i = set; i < set + kGhostsInSet; ++i) {
    if (left_ - ghosts_[i].left_at > left_ - ghosts_[oldest].left_at) oldest = i;
  }
  ghosts_[oldest] = Ghost{fingerprint, left_++};
}

bool Replacement::is_remembered(uint32_t fingerprint) const noexcept {
  const size_t set = fingerprint % (ghosts_.size() / kGhostsInSet) * kGhostsInSet;
  for (size_t i = set; i < set + kGhostsInSet; ++i) {
    if (ghosts_[i].fingerprint == fingerprint && left_ - ghosts_[i].left_at <= ghost_life_) {
      return true;
    }
  }
  return false;
}

}  // namespace swiftness
