#include "backend/base/crc32c.h"

#include <gtest/gtest.h>

#include <array>

#include "backend/base/buffer.h"

namespace swiftness {
namespace {

TEST(Crc32c, MatchesTheVectorsOfRfc3720AppendixB4) {
  std::array<std::byte, 32> bytes{};
  EXPECT_EQ(crc32c(bytes), 0x8A9136AAu);
  bytes.fill(std::byte{0xFF});
  EXPECT_EQ(crc32c(bytes), 0x62A8AB43u);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i);
  EXPECT_EQ(crc32c(bytes), 0x46DD794Eu);
}

TEST(Crc32c, GoesOnFromAnEarlierPart) {
  Buffer text = Buffer::copy_of("123456789");
  EXPECT_EQ(crc32c(text.bytes()), 0xE3069283u);
  EXPECT_EQ(crc32c(text.bytes().subspan(4), crc32c(text.bytes().first(4))), 0xE3069283u);
}

}  // namespace
}  // namespace swiftness
