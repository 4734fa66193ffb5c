#include "backend/volume/chunk_builder.h"

#include <gtest/gtest.h>

#include "tests/volume/disk.h"

namespace swiftness {
namespace {

ChunkBuilder::SealContext context() {
  ChunkBuilder::SealContext out;
  out.volume = *Uuid::parse("00112233-4455-6677-8899-aabbccddeeff");
  out.era = Era{Epoch(2), *Uuid::parse("01234567-89ab-cdef-0123-456789abcdef")};
  out.frontier = Sequence(3);
  out.first_position = LogPosition(100);
  return out;
}

TEST(ChunkBuilder, ASealedChunkIsReadFromItsFrames) {
  ChunkBuilder builder(Sequence(5));
  builder.append_write(Sector(1000), BufferList(pattern(1000, 300, 1)));  // spans three frames
  builder.append_trims({{Sector(50), SectorCount(7)}, {Sector(90), SectorCount(1)}});
  builder.append_write(Sector(0), BufferList(pattern(0, 1, 2)));
  SealedChunk chunk = std::move(builder).seal(context());
  Buffer object = chunk.object.flatten();
  ASSERT_EQ(object.size(), chunk.header.object_size);
  ASSERT_EQ(object.size() % 512, 0u);

  Result<ChunkHeader> header = decode_chunk_header(context().volume, object.bytes());
  ASSERT_TRUE(header.ok());
  EXPECT_EQ(header->sequence, Sequence(5));
  EXPECT_EQ(header->first_position, LogPosition(100));
  EXPECT_EQ(header->position_count, 3u);
  EXPECT_EQ(sha256(object.bytes().first(*record_size(object.bytes()))), chunk.header_hash);
  ASSERT_EQ(header->extents.size(), 6u);
  uint64_t at = 1000;
  for (size_t i = 0; i < 3; ++i) {
    const ChunkExtent& extent = header->extents[i];
    ASSERT_EQ(extent.first.value(), at);
    Buffer stored = object.slice(extent.at.frame_offset * 512, extent.at.frame_length * 512);
    Result<Buffer> raw = open_frame(Sequence(5), extent.at.frame_offset, stored);
    ASSERT_TRUE(raw.ok());
    Buffer data = raw->slice(extent.at.skip * 512, extent.sectors.value() * 512);
    EXPECT_TRUE(BufferList(data) == BufferList(pattern(at, extent.sectors.value(), 1)));
    at += extent.sectors.value();
  }
  EXPECT_EQ(at, 1300u);
  EXPECT_EQ(header->extents[3].kind, ExtentKind::trim);
  EXPECT_EQ(chunk.raw_sector(chunk.place(290, 1)[0].at), 290u);
}

TEST(ChunkBuilder, DataAreSharedNotCopied) {
  ChunkBuilder builder(Sequence(1));
  Buffer data = pattern(0, 8, 1);
  builder.append_write(Sector(0), BufferList(data));
  SealedChunk chunk = std::move(builder).seal(context());
  bool shared = false;
  for (const Buffer& piece : chunk.object.pieces()) shared |= piece.data() == data.data();
  EXPECT_TRUE(shared);
}

TEST(ChunkBuilder, NeverGrowsBeyondAChunk) {
  for (uint64_t sectors : {1, 3, 8, 200}) {
    ChunkBuilder builder(Sequence(1));
    Buffer data = pattern(0, sectors, 1);
    uint64_t count = 0;
    while (builder.has_room(data.size(), 1)) {
      builder.append_write(Sector(count * sectors), BufferList(data));
      ++count;
    }
    SealedChunk chunk = std::move(builder).seal(context());
    EXPECT_LE(chunk.header.object_size, kChunkBytes);
    EXPECT_GT(chunk.header.object_size, kChunkBytes * 9 / 10);
  }
}

TEST(ChunkBuilder, AFrameOutOfPlaceIsRefused) {
  ChunkBuilder builder(Sequence(1));
  builder.append_write(Sector(0), BufferList(pattern(0, 256, 1)));
  SealedChunk chunk = std::move(builder).seal(context());
  Buffer object = chunk.object.flatten();
  Buffer first = object.slice(chunk.frame_offsets[0] * 512, chunk.frame_lengths[0] * 512);
  EXPECT_TRUE(open_frame(Sequence(1), chunk.frame_offsets[0], first).ok());
  EXPECT_EQ(open_frame(Sequence(1), chunk.frame_offsets[1], first).error().code(),
            ErrorCode::corrupt);
  EXPECT_EQ(open_frame(Sequence(2), chunk.frame_offsets[0], first).error().code(),
            ErrorCode::corrupt);
}

}  // namespace
}  // namespace swiftness
