// FrameMemory: the frames that were fetched last, in memory, first in first out. Pure.
//
// Frames are numbered in the order they came, so that somebody may follow behind: whoever is slower
// than the frames come finds that begin() has moved on.
#pragma once

#include <deque>
#include <unordered_map>
#include <utility>

#include "backend/base/units.h"
#include "backend/volume/cache_index.h"

namespace swiftness {

class FrameMemory {
 public:
  struct Frame {
    FrameKey key;
    Buffer raw;
  };

  // A frame costs memory besides its data; most frames are full, but none need be.
  static constexpr uint64_t kCostBesidesData = 256;
  static constexpr uint64_t kFullFrameCost = kFrameRawBytes + kCostBesidesData;

  explicit FrameMemory(ByteCount capacity) : capacity_(capacity.value()) {}

  // Nothing happens when it is there already. Frames of one GET share its buffer: they come one
  // after the other and go so, or a single one of them would hold on to all of it.
  void insert(const FrameKey& key, Buffer raw) {
    if (!numbers_.emplace(key, end_).second) return;
    ++end_;
    bytes_ += cost(raw);
    frames_.push_back(Frame{key, std::move(raw)});
    while (bytes_ > capacity_ && !frames_.empty()) {
      bytes_ -= cost(frames_.front().raw);
      numbers_.erase(frames_.front().key);
      frames_.pop_front();
    }
  }

  const Buffer* find(const FrameKey& key) const noexcept {
    auto it = numbers_.find(key);
    return it == numbers_.end() ? nullptr : &frame(it->second).raw;
  }

  // Frames are numbered [begin(), end()).
  uint64_t begin() const noexcept { return end_ - frames_.size(); }
  uint64_t end() const noexcept { return end_; }
  const Frame& frame(uint64_t number) const noexcept { return frames_[number - begin()]; }

  ByteCount capacity() const noexcept { return ByteCount(capacity_); }

 private:
  static uint64_t cost(const Buffer& raw) noexcept { return raw.size() + kCostBesidesData; }

  struct Hash {
    size_t operator()(const FrameKey& key) const noexcept { return key.hash(); }
  };

  const uint64_t capacity_;
  uint64_t bytes_ = 0;
  uint64_t end_ = 0;
  std::deque<Frame> frames_;
  std::unordered_map<FrameKey, uint64_t, Hash> numbers_;
};

}  // namespace swiftness
