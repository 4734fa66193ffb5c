#include "backend/base/buffer.h"

#include <gtest/gtest.h>

namespace swiftness {
namespace {

TEST(BufferList, SlicesAcrossPiecesWithoutCopying) {
  Buffer hello = Buffer::copy_of("hello ");
  Buffer world = Buffer::copy_of("world");
  BufferList list(hello);
  list.append(world);
  BufferList middle = list.slice(4, 4);
  EXPECT_EQ(middle.flatten().text(), "o wo");
  ASSERT_EQ(middle.pieces().size(), 2u);
  EXPECT_EQ(middle.pieces()[0].data(), hello.data() + 4);
  EXPECT_TRUE(list.slice(11, 0).empty());
}

TEST(BufferList, ComparesBytesNotPieces) {
  BufferList cut(Buffer::copy_of("ab"));
  cut.append(Buffer::copy_of("c"));
  EXPECT_TRUE(cut == BufferList(Buffer::copy_of("abc")));
  EXPECT_FALSE(cut == BufferList(Buffer::copy_of("abd")));
}

TEST(Buffer, ZerosAreZeroHoweverMany) {
  for (size_t size : {size_t{0}, size_t{1}, size_t{1} << 20, (size_t{1} << 20) + 1}) {
    Buffer zeros = Buffer::zeros(size);
    ASSERT_EQ(zeros.size(), size);
    for (std::byte b : zeros.bytes()) ASSERT_EQ(b, std::byte{0});
  }
}

TEST(BufferDeathTest, SliceOutsideIsABug) {
  Buffer small = Buffer::copy_of("abc");
  EXPECT_DEATH((void)small.slice(2, 2), "broken invariant");
}

}  // namespace
}  // namespace swiftness
