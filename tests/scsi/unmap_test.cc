#include "target/scsi/unmap_list.h"

#include "backend/base/endian.h"
#include "target/scsi/limits.h"
#include "tests/scsi/fixture.h"

namespace swiftness::scsi::test {
namespace {

struct Piece {
  uint64_t lba;
  uint32_t blocks;
};

Bytes unmap_list(const std::vector<Piece>& pieces) {
  Bytes list(8 + 16 * pieces.size());
  store_be(&list[0], static_cast<uint16_t>(list.size() - 2));
  store_be(&list[2], static_cast<uint16_t>(list.size() - 8));
  for (size_t i = 0; i < pieces.size(); ++i) {
    store_be(&list[8 + 16 * i], pieces[i].lba);
    store_be(&list[16 + 16 * i], pieces[i].blocks);
  }
  return list;
}

Cdb unmap(size_t length, int flags = 0) {
  return cdb(
      {0x42, flags, 0, 0, 0, 0, 0, static_cast<int>(length >> 8), static_cast<int>(length & 0xff)});
}

class Unmap : public ScsiTest {
 protected:
  std::string unmap_all(const std::vector<Piece>& pieces) { return unmap_raw(unmap_list(pieces)); }
  std::string unmap_raw(Bytes list) {
    Cdb cdb = unmap(list.size());
    return sense_of(cdb, Buffer::own(std::move(list)));
  }
  void fill(uint64_t lba, uint16_t blocks) {
    Cdb write = cdb({0x2a, 0, 0, 0, static_cast<int>(lba >> 8), static_cast<int>(lba & 0xff), 0,
                     blocks >> 8, blocks & 0xff});
    ASSERT_EQ(sense_of(write, pattern(size_t{blocks} * 512, 1)), kGood);
  }
};

TEST_F(Unmap, BlocksReadBackAsZeros) {
  start();
  fill(10, 8);
  EXPECT_EQ(unmap_all({{11, 2}, {15, 1}}), kGood);
  EXPECT_EQ(device_.written_blocks(), 5u);
  ScsiResult read = send(cdb({0x28, 0, 0, 0, 0, 11, 0, 0, 2}));
  EXPECT_TRUE(read.data_in == BufferList(Buffer::zeros(1024)));
}

TEST_F(Unmap, ManyDescriptorsAreOneCallOfTheDevice) {
  start();
  std::vector<Piece> pieces;
  for (uint64_t i = 0; i < 256; ++i) pieces.push_back({i * 4, 2});
  EXPECT_EQ(unmap_all(pieces), kGood);
  EXPECT_EQ(device_.calls().unmaps, 1);
  ASSERT_EQ(device_.last_unmap().size(), 256u);
  EXPECT_EQ(device_.last_unmap()[255].first, Lba(1020));
}

TEST_F(Unmap, AllOfAVeryLargeDiskFitsOneCommand) {
  device_.resize(uint64_t{1} << 37);  // 64 TiB
  start();
  std::vector<Piece> pieces;
  uint64_t left = uint64_t{1} << 37;
  for (uint64_t lba = 0; left > 0;) {
    auto blocks = static_cast<uint32_t>(std::min<uint64_t>(left, 0xffffffff));
    pieces.push_back({lba, blocks});
    lba += blocks;
    left -= blocks;
  }
  EXPECT_EQ(pieces.size(), 33u);
  EXPECT_EQ(unmap_all(pieces), kGood);
}

TEST_F(Unmap, NothingToUnmapIsNoError) {
  start();
  EXPECT_EQ(sense_of(unmap(0)), kGood);
  EXPECT_EQ(unmap_all({}), kGood);
  EXPECT_EQ(unmap_all({{0, 0}, {kBlocks, 0}}), kGood);
  EXPECT_EQ(device_.calls().unmaps, 0);
}

TEST_F(Unmap, RejectsShortParameterList) {
  start();
  Bytes list = unmap_list({{0, 1}});
  for (size_t size = 1; size < list.size(); ++size) {
    EXPECT_EQ(unmap_raw(Bytes(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(size))),
              "05/1a/00")
        << size;
  }
}

TEST_F(Unmap, RejectsLessDataThanTheParameterListLength) {
  start();
  EXPECT_EQ(sense_of(unmap(24), pattern(8, 0)), "05/0e/03");
}

TEST_F(Unmap, IgnoresAnIncompleteDescriptorAtTheEnd) {
  start();
  fill(0, 2);
  Bytes list = unmap_list({{0, 1}, {1, 1}});
  store_be(&list[2], uint16_t{31});
  EXPECT_EQ(unmap_raw(list), kGood);
  EXPECT_EQ(device_.written_blocks(), 1u);
}

TEST_F(Unmap, RejectsALengthThatContradictsItself) {
  start();
  Bytes list = unmap_list({{0, 1}});
  store_be(&list[0], uint16_t{6});
  EXPECT_EQ(unmap_raw(list), "05/26/00");
}

TEST_F(Unmap, RejectsMoreDescriptorsThanAdvertised) {
  start();
  EXPECT_EQ(unmap_all(std::vector<Piece>(kMaximumUnmapDescriptors + 1, Piece{0, 1})), "05/26/00");
}

TEST_F(Unmap, ABlockBeyondTheEndSparesAll) {
  start();
  fill(0, 4);
  EXPECT_EQ(unmap_all({{0, 4}, {kBlocks - 1, 2}}), "05/21/00");
  EXPECT_EQ(unmap_all({{0, 4}, {~uint64_t{0}, 1}}), "05/21/00");
  EXPECT_EQ(device_.written_blocks(), 4u);
}

TEST_F(Unmap, RejectsAnchor) {
  start();
  Bytes list = unmap_list({{0, 1}});
  EXPECT_EQ(hex(send(unmap(24, 0x01), Buffer::own(list)).sense),
            squeezed("70 00 05 00000000 0a 00000000 2400 00 c80001"));
}

TEST_F(Unmap, IsAWriteToAWriteProtectedUnit) {
  start({.read_only = true});
  EXPECT_EQ(unmap_all({{0, 1}}), "07/27/00");
}

}  // namespace
}  // namespace swiftness::scsi::test
