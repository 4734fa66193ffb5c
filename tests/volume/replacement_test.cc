#include "backend/volume/replacement.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <vector>

namespace swiftness {
namespace {

// A cache that knows frames by numbers and keeps no data.
class Frames {
 public:
  explicit Frames(uint32_t slots) : replacement(slots) {}

  // True: a hit.
  bool use(uint32_t frame) {
    auto found = slot_of_.find(frame);
    if (found != slot_of_.end()) {
      replacement.touch(found->second);
      return true;
    }
    const uint32_t slot = replacement.take();
    if (frame_in_.contains(slot)) slot_of_.erase(frame_in_[slot]);
    frame_in_[slot] = frame;
    slot_of_[frame] = slot;
    replacement.put(slot, frame * 2654435761u);
    return false;
  }
  // As a reader does that goes through it in small steps.
  void use_often(uint32_t frame) {
    for (int i = 0; i < 16; ++i) use(frame);
  }
  uint32_t hits(uint32_t first, uint32_t count) {
    uint32_t out = 0;
    for (uint32_t i = first; i < first + count; ++i) out += slot_of_.contains(i) ? 1 : 0;
    return out;
  }
  uint32_t slot_of(uint32_t frame) { return slot_of_.at(frame); }

  Replacement replacement;

 private:
  std::map<uint32_t, uint32_t> slot_of_;
  std::map<uint32_t, uint32_t> frame_in_;
};

TEST(Replacement, FillsEverySlotBeforeAnythingGivesWay) {
  Frames frames(100);
  for (uint32_t i = 0; i < 100; ++i) frames.use(i);
  EXPECT_EQ(frames.hits(0, 100), 100u);
  EXPECT_EQ(frames.replacement.used(), 100u);
  frames.use(100);
  EXPECT_EQ(frames.hits(0, 101), 100u);
}

TEST(Replacement, AScanPassesTheHotSetBy) {
  Frames frames(1000);
  for (int round = 0; round < 3; ++round) {
    for (uint32_t i = 0; i < 600; ++i) frames.use(i);
  }
  for (uint32_t i = 10000; i < 20000; ++i) frames.use_often(i);
  // The newest twentieth of a cache has not shown yet whether it is wanted for long.
  EXPECT_GE(frames.hits(0, 600), 550u);
}

TEST(Replacement, AHotSetThatIsUsedDuringAScanStays) {
  Frames frames(1000);
  for (uint32_t i = 0; i < 600; ++i) frames.use(i);
  // A third of it has not been used again when the cache is full: it gives way, and comes back.
  uint32_t misses = 0;
  for (uint32_t i = 0; i < 3000; ++i) {
    frames.use_often(10000 + i);
    misses += frames.use(i % 600) ? 0 : 1;
  }
  EXPECT_LE(misses, 200u);
  misses = 0;
  for (uint32_t i = 3000; i < 30000; ++i) {
    frames.use_often(10000 + i);
    misses += frames.use(i % 600) ? 0 : 1;
  }
  EXPECT_EQ(misses, 0u);
}

TEST(Replacement, AScanOfAFullCacheIsOverAfterItsSmallQueue) {
  Frames frames(1000);
  for (uint32_t i = 0; i < 1000; ++i) frames.use(i);
  for (uint32_t i = 0; i < 1000; ++i) frames.use(i);  // all of them used once more
  for (uint32_t i = 10000; i < 20000; ++i) frames.use_often(i);
  EXPECT_GE(frames.hits(0, 1000), 890u);
}

TEST(Replacement, WhatComesBackSoonIsKept) {
  Frames frames(1000);
  for (uint32_t i = 0; i < 1000; ++i) frames.use(i);
  for (uint32_t i = 0; i < 1000; ++i) frames.use(i);
  // A new hot set, larger than the small queue: at first it passes through.
  for (int round = 0; round < 3; ++round) {
    for (uint32_t i = 5000; i < 5400; ++i) frames.use(i);
  }
  EXPECT_EQ(frames.hits(5000, 400), 400u);
}

TEST(Replacement, WhatIsStillUsedOutlivesWhatWasUsedOnce) {
  Frames frames(1000);
  for (int round = 0; round < 2; ++round) {
    for (uint32_t i = 0; i < 1000; ++i) frames.use(i);
  }
  for (uint32_t set = 1; set <= 10; ++set) {
    for (int round = 0; round < 3; ++round) {
      for (uint32_t i = 0; i < 300; ++i) {
        frames.use(set * 10000 + i);
        frames.use(i);
      }
    }
    EXPECT_EQ(frames.hits(0, 300), 300u) << set;
  }
}

TEST(Replacement, UsesLongAgoDoNotCountForEver) {
  Frames frames(1000);
  for (int round = 0; round < 10; ++round) {
    for (uint32_t i = 0; i < 900; ++i) frames.use(i);
  }
  for (int round = 0; round < 20; ++round) {
    for (uint32_t i = 5000; i < 5900; ++i) frames.use(i);
  }
  EXPECT_EQ(frames.hits(5000, 900), 900u);
}

TEST(Replacement, AReleasedSlotIsTheNextOneTaken) {
  Frames frames(10);
  for (uint32_t i = 0; i < 10; ++i) frames.use(i);
  const uint32_t slot = frames.slot_of(4);
  frames.replacement.release(slot);
  EXPECT_EQ(frames.replacement.used(), 9u);
  EXPECT_EQ(frames.replacement.take(), slot);
}

TEST(Replacement, GivesNoSlotTwice) {
  Replacement replacement(8);
  std::set<uint32_t> taken;
  for (int i = 0; i < 8; ++i) taken.insert(replacement.take());
  EXPECT_EQ(taken.size(), 8u);
  EXPECT_EQ(replacement.take(), Replacement::kNone);
  replacement.put(3, 1);
  EXPECT_EQ(replacement.take(), 3u);
}

TEST(Replacement, TellsHowManyNewFramesStay) {
  Frames frames(1000);
  EXPECT_EQ(frames.replacement.room(), 1000u);
  for (uint32_t i = 0; i < 1000; ++i) frames.use(i);
  for (uint32_t i = 0; i < 2000; ++i) frames.use(i);
  const uint32_t room = frames.replacement.room();
  EXPECT_GE(room, 100u);
  for (uint32_t i = 0; i < room; ++i) frames.use(50000 + i);
  EXPECT_EQ(frames.hits(50000, room), room);
}

TEST(Replacement, EndsWhenEverythingWasUsedAllTheTime) {
  Frames frames(5000);
  for (uint32_t i = 0; i < 20000; ++i) {
    frames.use(i);
    for (uint32_t j = 0; j < 5; ++j) frames.use(i / 2);
  }
  EXPECT_EQ(frames.replacement.used(), 5000u);
}

// Most requests are for few frames, as everywhere: no worse than LRU would be.
TEST(Replacement, KeepsWhatIsAskedForMost) {
  Frames frames(1000);
  std::mt19937_64 random(1);
  std::vector<uint32_t> lru;  // the first is the oldest
  uint32_t hits = 0, lru_hits = 0;
  for (int i = 0; i < 60000; ++i) {
    const double u = std::uniform_real_distribution(0.0, 1.0)(random);
    const auto frame = static_cast<uint32_t>(20000 * u * u * u * u);
    hits += frames.use(frame) ? 1 : 0;
    auto found = std::find(lru.begin(), lru.end(), frame);
    lru_hits += found != lru.end() ? 1 : 0;
    if (found != lru.end()) lru.erase(found);
    lru.push_back(frame);
    if (lru.size() > 1000) lru.erase(lru.begin());
  }
  EXPECT_GE(hits, lru_hits);
  RecordProperty("hits", static_cast<int>(hits));
  RecordProperty("lru_hits", static_cast<int>(lru_hits));
}

}  // namespace
}  // namespace swiftness
