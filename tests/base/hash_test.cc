#include "backend/base/hash.h"

#include <gtest/gtest.h>

namespace swiftness {
namespace {

TEST(Hash, KnownVectors) {
  EXPECT_EQ(to_hex(sha256(Buffer::copy_of("abc").bytes())),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  BufferList cut(Buffer::copy_of("a"));
  cut.append(Buffer::copy_of("bc"));
  EXPECT_EQ(md5_hex(cut), "900150983cd24fb0d6963f7d28e17f72");
}

}  // namespace
}  // namespace swiftness
