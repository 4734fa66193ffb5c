#include "target/scsi/compare.h"

#include <gtest/gtest.h>

#include <random>

namespace swiftness::scsi {
namespace {

BufferList cut(const Bytes& bytes, std::initializer_list<size_t> at) {
  BufferList out;
  size_t from = 0;
  for (size_t to : at) {
    out.append(Buffer::copy_of(std::span(bytes).subspan(from, to - from)));
    from = to;
  }
  out.append(Buffer::copy_of(std::span(bytes).subspan(from)));
  return out;
}

Bytes bytes_of(size_t size) {
  Bytes out(size);
  for (size_t i = 0; i < size; ++i) out[i] = static_cast<std::byte>(i * 31 >> 3);
  return out;
}

TEST(Compare, FindsTheFirstDifferenceHoweverTheListsAreCut) {
  const Bytes bytes = bytes_of(1000);
  for (size_t wrong = 0; wrong < bytes.size(); ++wrong) {
    Bytes other = bytes;
    other[wrong] ^= std::byte{0x10};
    other[999] ^= std::byte{0x01};
    EXPECT_EQ(first_difference(cut(bytes, {1, 512, 513}), cut(other, {300, 512, 900})), wrong);
  }
  EXPECT_FALSE(first_difference(cut(bytes, {1, 512}), cut(bytes, {7})));
  EXPECT_FALSE(first_difference(BufferList(), BufferList()));
}

TEST(Compare, ARepeatedBlock) {
  const Bytes block = bytes_of(64);
  Bytes data;
  for (int i = 0; i < 10; ++i) data.insert(data.end(), block.begin(), block.end());
  EXPECT_FALSE(first_difference_from_repeated(cut(data, {5, 64, 130}), block));
  data[345] ^= std::byte{0x80};
  EXPECT_EQ(first_difference_from_repeated(cut(data, {5, 64, 130}), block), 345u);
  EXPECT_EQ(first_difference_from_repeated(cut(data, {345}), block), 345u);
}

TEST(Compare, OrOfTwoLists) {
  const Bytes a = bytes_of(700), b = bytes_of(1400);
  const Bytes upper(b.begin() + 700, b.end());
  const Buffer both = or_of(cut(a, {100, 699}), cut(upper, {99, 512}));
  for (size_t i = 0; i < a.size(); ++i) EXPECT_EQ(both.bytes()[i], a[i] | upper[i]) << i;
}

TEST(Compare, Zeros) {
  Bytes bytes(4096);
  EXPECT_TRUE(is_all_zero(bytes));
  for (size_t at : {0u, 511u, 4095u}) {
    bytes[at] = std::byte{0x01};
    EXPECT_FALSE(is_all_zero(bytes)) << at;
    bytes[at] = std::byte{0};
  }
}

}  // namespace
}  // namespace swiftness::scsi
