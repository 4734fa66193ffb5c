#include "backend/volume/extent_map.h"

#include <gtest/gtest.h>

#include <random>

namespace swiftness {
namespace {

Location at(uint64_t chunk, uint16_t frame, uint16_t skip = 0) {
  return Location{Sequence(chunk), frame, 129, skip};
}

TEST(ExtentMap, EmptyIsOneHole) {
  ExtentMap map;
  std::vector<ExtentMap::Piece> pieces = map.lookup(Sector(5), SectorCount(1000000));
  ASSERT_EQ(pieces.size(), 1u);
  EXPECT_FALSE(pieces[0].at);
  EXPECT_EQ(pieces[0].sectors, SectorCount(1000000));
}

TEST(ExtentMap, RepointLeavesNewerWritesAlone) {
  ExtentMap map;
  const Location pending{Sequence(9), 0, 0, 0};
  map.assign(Sector(0), SectorCount(100), pending);
  map.assign(Sector(40), SectorCount(10), at(3, 7));
  map.repoint(Sector(0), SectorCount(100), pending, at(9, 1));
  std::vector<ExtentMap::Piece> pieces = map.lookup(Sector(0), SectorCount(100));
  ASSERT_EQ(pieces.size(), 3u);
  EXPECT_EQ(*pieces[0].at, at(9, 1));
  EXPECT_EQ(*pieces[1].at, at(3, 7));
  EXPECT_EQ(*pieces[2].at, at(9, 1, 50));
}

TEST(ExtentMap, AnOverwrittenPieceOfTheSameChunkIsNotRepointed) {
  // The same sectors twice in one chunk: only the later place may survive.
  ExtentMap map;
  const Location early{Sequence(9), 0, 0, 0};
  const Location late{Sequence(9), 50, 0, 0};
  map.assign(Sector(0), SectorCount(10), early);
  map.assign(Sector(0), SectorCount(10), late);
  map.repoint(Sector(0), SectorCount(10), early, at(9, 1));
  EXPECT_EQ(*map.lookup(Sector(0), SectorCount(10))[0].at, late);
}

TEST(ExtentMap, LeavesHoldWhatLookupSees) {
  ExtentMap map;
  map.assign(Sector(kPageSectors - 8), SectorCount(16), at(1, 1));
  EXPECT_EQ(map.dirty_pages(), (std::vector<uint64_t>{0, 1}));
  ExtentMap copy;
  for (uint64_t page : map.pages()) copy.load(map.leaf(page));
  EXPECT_EQ(copy.mapped(), SectorCount(16));
  EXPECT_TRUE(copy.dirty_pages().empty());
  std::vector<ExtentMap::Piece> pieces = copy.lookup(Sector(kPageSectors - 8), SectorCount(16));
  ASSERT_EQ(pieces.size(), 1u);
  EXPECT_EQ(*pieces[0].at, at(1, 1));
  map.mark_clean();
  map.erase(Sector(kPageSectors), SectorCount(100));
  EXPECT_EQ(map.dirty_pages(), std::vector<uint64_t>{1});
  EXPECT_TRUE(map.leaf(1).extents.empty());
}

TEST(ExtentMap, AgreesWithAPlainArray) {
  constexpr uint64_t kSectors = 3 * kPageSectors;
  std::mt19937_64 random(7);
  ExtentMap map;
  std::vector<std::optional<Location>> model(kSectors);
  for (int step = 0; step < 3000; ++step) {
    const uint64_t first = random() % kSectors;
    const uint64_t count =
        std::min<uint64_t>(kSectors - first, random() % (step % 50 == 0 ? 90000 : 60) + 1);
    if (random() % 4 == 0) {
      map.erase(Sector(first), SectorCount(count));
      for (uint64_t i = 0; i < count; ++i) model[first + i].reset();
    } else {
      const Location place = at(random() % 1000 + 1, static_cast<uint16_t>(random() % 1000));
      map.assign(Sector(first), SectorCount(count), place);
      for (uint64_t i = 0; i < count; ++i) model[first + i] = place.advanced(i);
    }
  }
  uint64_t mapped = 0;
  for (const auto& sector : model) mapped += sector.has_value();
  EXPECT_EQ(map.mapped(), SectorCount(mapped));
  for (int look = 0; look < 300; ++look) {
    const uint64_t first = random() % kSectors;
    const uint64_t count = std::min<uint64_t>(kSectors - first, random() % 3000 + 1);
    uint64_t next = first;
    for (const ExtentMap::Piece& piece : map.lookup(Sector(first), SectorCount(count))) {
      ASSERT_EQ(piece.first.value(), next);
      for (uint64_t i = 0; i < piece.sectors.value(); ++i, ++next) {
        ASSERT_EQ(piece.at.has_value(), model[next].has_value());
        if (piece.at) {
          ASSERT_EQ(piece.at->advanced(i), *model[next]);
        }
      }
    }
    ASSERT_EQ(next, first + count);
  }
}

}  // namespace
}  // namespace swiftness
