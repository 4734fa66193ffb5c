// What is said of one chunk by its bytes, and by what the map says is in it.
#include "backend/volume/chunk_check.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace swiftness {
namespace {

constexpr Sequence kChunk(5);

// Two frames: sectors 1000 to 1015 as two extents and 2000 to 2007 in one, 3000 to 3007 in the
// other.
class ChunkCheck : public testing::Test {
 protected:
  static constexpr uint16_t kFirst = 2, kSecond = 40;  // frame offsets
  static constexpr uint16_t kLength = 38;              // of the first, of the second 10

  ChunkCheck() {
    header_.sequence = kChunk;
    header_.object_size = (kSecond + 10) * kSectorBytes;
    add(1000, 8, {kChunk, kFirst, kLength, 0});
    add(1008, 8, {kChunk, kFirst, kLength, 8});
    add(2000, 8, {kChunk, kFirst, kLength, 16});
    add(3000, 8, {kChunk, kSecond, 10, 0});
    whole_ = empty_object();
    put_frame(kFirst, 24);
    put_frame(kSecond, 8);
  }
  void add(uint64_t first, uint64_t sectors, Location at) {
    ChunkExtent extent;
    extent.first = Sector(first);
    extent.sectors = SectorCount(sectors);
    extent.at = at;
    header_.extents.push_back(extent);
  }
  Buffer empty_object() const {
    return Buffer::copy_of(Buffer::zeros(header_.object_size).bytes());
  }
  void put_frame(uint16_t offset, uint32_t sectors) {
    std::span<std::byte> at = whole_.writable().subspan(offset * kSectorBytes);
    const BufferList data(Buffer::zeros(sectors * kSectorBytes));
    const auto bytes = static_cast<uint32_t>(data.size());
    encode_frame_header({bytes, bytes, kChunk, offset}, data, at.first(kFrameHeaderBytes));
  }
  // What is wrong with the map having these sectors there; empty: nothing.
  std::string why_not(uint64_t first, uint32_t sectors, Location at) const {
    const MapReference reference{pack(at), first, sectors};
    const std::vector<ChunkFault> faults = check_references(header_, {&reference, 1}, false);
    if (faults.empty()) return {};
    EXPECT_EQ(faults.size(), 1u);
    EXPECT_EQ(faults[0].kind, ChunkFault::Kind::reference);
    EXPECT_EQ(faults[0].faults, 1u);
    EXPECT_EQ(faults[0].sectors, sectors);
    return faults[0].what;
  }
  std::vector<ChunkFault> frames(uint64_t expected = 2) const {
    uint64_t count = 0;
    std::vector<ChunkFault> faults = check_frames(header_, whole_, references_, count);
    EXPECT_EQ(count, expected);
    return faults;
  }

  ChunkHeader header_;
  Buffer whole_;
  std::vector<MapReference> references_{{pack({kChunk, kFirst, kLength, 4}), 1004, 8},
                                        {pack({kChunk, kSecond, 10, 0}), 3000, 8}};
};

TEST_F(ChunkCheck, AReferenceIsAnExtentOrAPartOfOneOrSeveralNeighbours) {
  EXPECT_EQ(why_not(1000, 8, {kChunk, kFirst, kLength, 0}), "");
  EXPECT_EQ(why_not(1003, 2, {kChunk, kFirst, kLength, 3}), "");
  EXPECT_EQ(why_not(1000, 16, {kChunk, kFirst, kLength, 0}), "");
  EXPECT_EQ(why_not(1004, 8, {kChunk, kFirst, kLength, 4}), "");
  EXPECT_EQ(why_not(2000, 8, {kChunk, kFirst, kLength, 16}), "");
  EXPECT_EQ(why_not(3000, 8, {kChunk, kSecond, 10, 0}), "");
}

TEST_F(ChunkCheck, AReferenceHasToBeWhereTheChunkHasTheSameSectors) {
  EXPECT_NE(why_not(1001, 8, {kChunk, kFirst, kLength, 0}), "") << "other sectors";
  EXPECT_NE(why_not(1000, 8, {kChunk, kSecond, 10, 0}), "") << "another frame";
  EXPECT_NE(why_not(1000, 8, {kChunk, kFirst, kLength - 1, 0}), "") << "a shorter frame";
  EXPECT_NE(why_not(1000, 8, {kChunk, kFirst + 1, kLength, 0}), "") << "no frame begins there";
  EXPECT_NE(why_not(1000, 20, {kChunk, kFirst, kLength, 0}), "") << "its end is elsewhere";
  EXPECT_NE(why_not(2000, 9, {kChunk, kFirst, kLength, 16}), "") << "its end is nowhere";
  EXPECT_NE(why_not(2008, 4, {kChunk, kFirst, kLength, 24}), "") << "behind what is in the frame";
  EXPECT_NE(why_not(2010, 4, {kChunk, kFirst, kLength, 26}), "") << "further behind it";
  EXPECT_NE(why_not(3000, 8, {kChunk, kSecond + 10, 10, 0}), "") << "beyond the end of the chunk";
}

// Extents are taken by their place, whatever came first in the log.
TEST_F(ChunkCheck, AReferenceBeforeTheFirstExtentOfItsFrame) {
  header_.extents.clear();
  add(1008, 8, {kChunk, kFirst, kLength, 8});
  EXPECT_EQ(why_not(1008, 8, {kChunk, kFirst, kLength, 8}), "");
  EXPECT_NE(why_not(1000, 8, {kChunk, kFirst, kLength, 0}), "") << "nothing is said of it";
  EXPECT_NE(why_not(1004, 12, {kChunk, kFirst, kLength, 4}), "") << "nor of its beginning";
}

// A header that promises frames the object does not have: what its bytes are does not matter.
TEST_F(ChunkCheck, AFrameBeyondTheEndOfTheObject) {
  header_.object_size = (kSecond + 9) * kSectorBytes;
  EXPECT_NE(why_not(3000, 8, {kChunk, kSecond, 10, 0}).find("beyond the end"), std::string::npos);
  whole_ = whole_.slice(0, header_.object_size);
  const std::vector<ChunkFault> faults = frames();
  ASSERT_EQ(faults.size(), 1u);
  EXPECT_NE(faults[0].what.find("beyond the end"), std::string::npos) << faults[0].what;
}

TEST_F(ChunkCheck, SeveralFaultsAreCountedTogether) {
  std::vector<MapReference> wrong = references_;
  wrong[0].first += 1;
  wrong[1].first += 1;
  const std::vector<ChunkFault> faults = check_references(header_, wrong, false);
  ASSERT_EQ(faults.size(), 1u);
  EXPECT_EQ(faults[0].faults, 2u);
  EXPECT_EQ(faults[0].sectors, 16u);
  EXPECT_NE(faults[0].what.find("8 sectors from sector 1005 at frame 2"), std::string::npos)
      << faults[0].what;
}

TEST_F(ChunkCheck, EveryFrameIsOpened) {
  EXPECT_TRUE(frames().empty());
  header_.extents.push_back({ExtentKind::trim, Sector(9000), SectorCount(50), {}, {}});
  EXPECT_TRUE(frames().empty()) << "a trim has no frame";
  for (const auto& [offset, sectors_hit] :
       {std::pair<uint16_t, uint64_t>{kFirst, 8}, {kSecond, 8}}) {
    const Buffer before = whole_;
    whole_ = Buffer::copy_of(before.bytes());
    whole_.writable()[offset * kSectorBytes + 100] ^= std::byte{1};
    const std::vector<ChunkFault> faults = frames();
    ASSERT_EQ(faults.size(), 1u);
    EXPECT_EQ(faults[0].kind, ChunkFault::Kind::frame);
    EXPECT_EQ(faults[0].faults, 1u);
    EXPECT_EQ(faults[0].sectors, sectors_hit);
    whole_ = before;
  }
  references_.clear();
  whole_.writable()[kFirst * kSectorBytes + 100] ^= std::byte{1};
  ASSERT_EQ(frames().size(), 1u) << "whether the map refers to it or not";
  EXPECT_EQ(frames()[0].sectors, 0u);
}

TEST_F(ChunkCheck, AFrameHasToHoldAllThatTheHeaderHasInIt) {
  put_frame(kFirst, 20);  // sound in itself
  const std::vector<ChunkFault> faults = frames();
  ASSERT_EQ(faults.size(), 1u);
  EXPECT_NE(faults[0].what.find("shorter"), std::string::npos) << faults[0].what;
}

TEST_F(ChunkCheck, AFrameOfAnotherPlaceIsNoneOfIts) {
  const auto from = whole_.bytes().subspan(kSecond * kSectorBytes, 10 * kSectorBytes);
  const std::vector<std::byte> frame(from.begin(), from.end());
  header_.extents.clear();
  add(3000, 8, {kChunk, kSecond + 2, 10, 0});
  header_.object_size = (kSecond + 12) * kSectorBytes;
  whole_ = empty_object();
  std::copy(frame.begin(), frame.end(), whole_.writable().begin() + (kSecond + 2) * kSectorBytes);
  EXPECT_EQ(frames(1).size(), 1u);
}

}  // namespace
}  // namespace swiftness
