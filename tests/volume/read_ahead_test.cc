#include "backend/volume/read_ahead.h"

#include <gtest/gtest.h>

#include <random>

namespace swiftness {
namespace {

using Range = ReadAhead::Range;

constexpr ReadAhead::Options kOptions{512, 8192, 1 << 20};

TEST(ReadAhead, TheThirdReadInARowMakesAStream) {
  ReadAhead ahead(kOptions);
  EXPECT_FALSE(ahead.read(1000, 8).in_stream);
  EXPECT_FALSE(ahead.read(1008, 8).in_stream);
  const ReadAhead::Seen seen = ahead.read(1016, 8);
  EXPECT_TRUE(seen.in_stream);
  ASSERT_TRUE(seen.fetch);
  EXPECT_EQ(*seen.fetch, (Range{1024, 512}));
}

TEST(ReadAhead, FetchesEverythingOnceAndStaysAhead) {
  ReadAhead ahead(kOptions);
  uint64_t fetched = 0, most = 0;
  for (uint64_t at = 0; at < 1 << 20; at += 512) {
    const ReadAhead::Seen seen = ahead.read(at, 512);
    if (at >= 1024) {
      EXPECT_TRUE(seen.in_stream);
    }
    if (seen.fetch) {
      EXPECT_EQ(seen.fetch->first, std::max(fetched, at + 512));
      fetched = seen.fetch->first + seen.fetch->count;
    }
    if (at > 1 << 15) {
      EXPECT_GE(fetched, at + 512 + 8192 * 3 / 4) << "three of four steps are always under way";
      EXPECT_LE(fetched, at + 512 + 8192);
    }
    most = std::max(most, seen.fetch ? seen.fetch->count : 0);
  }
  EXPECT_LE(most, 8192u);
}

TEST(ReadAhead, RandomReadsAreNoStream) {
  ReadAhead ahead(kOptions);
  std::mt19937_64 random(1);
  int fetches = 0;
  for (int i = 0; i < 100000; ++i) {
    fetches += ahead.read(random() % (1 << 21) / 8 * 8, 8).fetch ? 1 : 0;  // 1 GiB in 4 KiB
  }
  EXPECT_LE(fetches, 2);
}

TEST(ReadAhead, FollowsManyStreamsAmongRandomReads) {
  ReadAhead ahead(kOptions);
  std::mt19937_64 random(1);
  std::array<uint64_t, 8> fetched{};
  for (uint64_t i = 0; i < 5000; ++i) {
    for (uint64_t stream = 0; stream < 8; ++stream) {
      const ReadAhead::Seen seen = ahead.read((stream << 32) + i * 64, 64);
      if (i > 2) {
        EXPECT_TRUE(seen.in_stream) << stream << " " << i;
      }
      if (seen.fetch) fetched[stream] += seen.fetch->count;
      // Random reads, few enough at first for a stream to show.
      if (i > 10) ahead.read((uint64_t{100} << 32) + random() % (uint64_t{1} << 40), 8);
    }
  }
  for (uint64_t count : fetched) EXPECT_GE(count, 4900u * 64);
}

TEST(ReadAhead, StreamsShareWhatThereIs) {
  ReadAhead ahead(ReadAhead::Options{512, 8192, 16384});
  std::array<uint64_t, 8> fetched{};
  for (uint64_t i = 0; i < 1000; ++i) {
    for (uint64_t stream = 0; stream < 8; ++stream) {
      const uint64_t at = (stream << 32) + i * 64;
      const ReadAhead::Seen seen = ahead.read(at, 64);
      if (seen.fetch) fetched[stream] = seen.fetch->first + seen.fetch->count;
      if (i > 100) {
        EXPECT_LE(fetched[stream], at + 64 + 2048);
        EXPECT_GT(fetched[stream], at + 64);
      }
    }
  }
}

TEST(ReadAhead, ReadsThatOvertakeEachOtherAreStillOneStream) {
  ReadAhead ahead(kOptions);
  for (uint64_t at = 0; at < 8192; at += 512) ahead.read(at, 512);
  int strangers = 0;
  for (uint64_t at = 8192; at < 1 << 18; at += 1024) {
    strangers += ahead.read(at + 512, 512).in_stream ? 0 : 1;
    strangers += ahead.read(at, 512).in_stream ? 0 : 1;
  }
  EXPECT_EQ(strangers, 0);
}

TEST(ReadAhead, AForgottenStreamMakesRoom) {
  ReadAhead ahead(kOptions);
  for (uint64_t stream = 0; stream < 16; ++stream) {
    for (uint64_t i = 0; i < 4; ++i) ahead.read((stream << 32) + i * 8, 8);
  }
  for (uint64_t i = 0; i < 2000; ++i) ahead.read(i << 40, 8);
  ahead.read(uint64_t{99} << 32, 8);
  ahead.read((uint64_t{99} << 32) + 8, 8);
  EXPECT_TRUE(ahead.read((uint64_t{99} << 32) + 16, 8).in_stream);
}

TEST(ReadAhead, WithNoRoomNothingIsFetched) {
  ReadAhead ahead(ReadAhead::Options{512, 8192, 0});
  for (uint64_t at = 0; at < 1 << 16; at += 64) EXPECT_FALSE(ahead.read(at, 64).fetch);
}

}  // namespace
}  // namespace swiftness
