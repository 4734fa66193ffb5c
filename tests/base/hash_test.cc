#include "backend/base/hash.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace swiftness {
namespace {

TEST(Hash, KnownVectors) {
  EXPECT_EQ(to_hex(sha256(Buffer::copy_of("abc").bytes())),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  BufferList cut(Buffer::copy_of("a"));
  cut.append(Buffer::copy_of("bc"));
  EXPECT_EQ(md5_hex(cut), "900150983cd24fb0d6963f7d28e17f72");
}

TEST(Hash, HmacOfRfc4231) {
  const Sha256 code = hmac_sha256(Buffer::copy_of("Jefe").bytes(),
                                  Buffer::copy_of("what do ya want for nothing?").bytes());
  EXPECT_EQ(to_hex(code), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  Sha256 other = code;
  EXPECT_TRUE(same_signature(code, other));
  other.back() ^= std::byte{1};
  EXPECT_FALSE(same_signature(code, other));
}

// Texts of every length around a block's and the staging's, cut anywhere, in more numbers than
// lanes: the same as one after the other by OpenSSL.
TEST(Hash, Md5OfSeveralIsThatOfEach) {
  std::mt19937 random(1);
  std::vector<BufferList> texts;
  for (size_t bytes :
       {0,    1,    55,   56,   57,   63,   64,   65,   119,  120,   4031,  4032, 4039,
        4040, 4041, 4087, 4088, 4095, 4096, 4097, 8191, 8192, 12345, 70000, 5000, 3}) {
    BufferList text;
    while (text.size() < bytes) {
      Buffer piece = Buffer::allocate(std::min<size_t>(1 + random() % 3000, bytes - text.size()));
      for (std::byte& byte : piece.writable()) byte = static_cast<std::byte>(random());
      text.append(std::move(piece));
    }
    texts.push_back(std::move(text));
  }
  for (size_t count = 0; count <= texts.size(); ++count) {
    std::shuffle(texts.begin(), texts.end(), random);
    std::span<const BufferList> some(texts.data(), count);
    std::vector<std::string> expected;
    for (const BufferList& text : some) expected.push_back(md5_hex(text));
    EXPECT_EQ(md5_hex(some), expected) << count;
  }
}

}  // namespace
}  // namespace swiftness
