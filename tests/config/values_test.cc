#include "config/values.h"

#include <gtest/gtest.h>

namespace swiftness::config {
namespace {

using namespace std::chrono_literals;

TEST(Sizes, AreWholeNumbersOfBinaryUnits) {
  EXPECT_EQ(parse_size("4KiB"), ByteCount(4096));
  EXPECT_EQ(parse_size("256MiB"), ByteCount(256ULL << 20));
  EXPECT_EQ(parse_size("1GiB"), ByteCount(1ULL << 30));
  EXPECT_EQ(parse_size("16TiB"), ByteCount(16ULL << 40));
  for (const char* wrong : {"", "GiB", "1", "1GB", "1G", "1.5GiB", "-1GiB", " 1GiB", "1 GiB",
                            "1gib", "0x10MiB", "99999999999999999999KiB", "16777216TiB"}) {
    EXPECT_FALSE(parse_size(wrong)) << wrong;
  }
}

TEST(Sizes, PrintInTheLargestUnitThatDividesThem) {
  EXPECT_EQ(to_string(ByteCount(100ULL << 30)), "100GiB");
  EXPECT_EQ(to_string(ByteCount(1536ULL << 20)), "1536MiB");
  EXPECT_EQ(to_string(ByteCount(4097)), "4097B");
  EXPECT_EQ(to_string(ByteCount(0)), "0B");
}

TEST(Durations, HaveAUnit) {
  EXPECT_EQ(parse_duration("250ms"), 250ms);
  EXPECT_EQ(parse_duration("25s"), 25s);
  EXPECT_EQ(parse_duration("2m"), 2min);
  EXPECT_EQ(parse_duration("1h"), 1h);
  for (const char* wrong : {"", "25", "s", "25sec", "-1s", "1.5s", "99999999999h"}) {
    EXPECT_FALSE(parse_duration(wrong)) << wrong;
  }
  EXPECT_EQ(to_string(std::chrono::milliseconds(25s)), "25s");
  EXPECT_EQ(to_string(std::chrono::milliseconds(10min)), "10m");
  EXPECT_EQ(to_string(1500ms), "1500ms");
}

TEST(Endpoints, AreHostAndPort) {
  EXPECT_EQ(parse_endpoint("127.0.0.1:9730", {}), (Endpoint{"127.0.0.1", 9730}));
  EXPECT_EQ(parse_endpoint("[::1]:9730", {}), (Endpoint{"::1", 9730}));
  EXPECT_EQ(parse_endpoint("gw1.example", 3260), (Endpoint{"gw1.example", 3260}));
  EXPECT_EQ(parse_endpoint("[fe80::1]", 3260), (Endpoint{"fe80::1", 3260}));
  for (const char* wrong :
       {"", ":1", "a:", "a:0", "a:65536", "a:b", "a b:1", "[::1", "[x]:1", "::1:1", "http://a:1"}) {
    EXPECT_FALSE(parse_endpoint(wrong, {})) << wrong;
  }
  EXPECT_FALSE(parse_endpoint("gw1.example", {}));
  EXPECT_EQ(to_string(Endpoint{"::1", 3260}), "[::1]:3260");
  EXPECT_EQ(to_string(Endpoint{"10.0.0.1", 3260}), "10.0.0.1:3260");
}

TEST(IscsiNames, FollowRfc7143) {
  for (const char* right :
       {"iqn.2026-11.org.swiftness:vm", "iqn.1991-05.com.microsoft:host1",
        "iqn.1993-08.org.debian:01:host1", "iqn.2001-04.com.example", "eui.02004567A425678D",
        "naa.52004567BA64678D", "naa.62004567BA64678D0123456789ABCDEF"}) {
    EXPECT_EQ(why_not_iscsi_name(right), std::nullopt) << right;
  }
  for (const char* wrong : {"", "vm", "iqn", "iqn.", "iqn.2026-13.org.x:a", "iqn.2026-00.org.x:a",
                            "iqn.26-11.org.x", "iqn.2026-11", "iqn.2026-11.", "iqn.2026-11.:a",
                            "iqn.2026-11..x", "iqn.2026-11.org.X:a", "iqn.2026-11.org.x:a b",
                            "iqn.2026-11.org.x:a_b", "eui.0200", "eui.02004567A425678G", "naa.5"}) {
    EXPECT_TRUE(why_not_iscsi_name(wrong)) << wrong;
  }
  EXPECT_EQ(why_not_iscsi_name("iqn.2026-11.org.x:" + std::string(205, 'a')), std::nullopt);
  EXPECT_TRUE(why_not_iscsi_name("iqn.2026-11.org.x:" + std::string(206, 'a')));
}

TEST(Nearest, FindsATypingErrorAndNothingElse) {
  std::vector<std::string> known = {"store", "size", "create", "durability"};
  EXPECT_EQ(nearest("stroe", known), "store");
  EXPECT_EQ(nearest("duribility", known), "durability");
  EXPECT_EQ(nearest("sizes", known), "size");
  EXPECT_EQ(nearest("colour", known), std::nullopt);
}

}  // namespace
}  // namespace swiftness::config
