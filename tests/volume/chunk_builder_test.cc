#include "backend/volume/chunk_builder.h"

#include <gtest/gtest.h>

#include "tests/volume/disk.h"

namespace swiftness {
namespace {

SealContext context(uint64_t sequence = 1) {
  SealContext out;
  out.sequence = Sequence(sequence);
  out.volume = *Uuid::parse("00112233-4455-6677-8899-aabbccddeeff");
  out.era = Era{Epoch(2), *Uuid::parse("01234567-89ab-cdef-0123-456789abcdef")};
  out.frontier = Sequence(3);
  out.first_position = LogPosition(100);
  return out;
}

ChunkPart part(uint64_t first, uint64_t sectors, uint64_t tag, Location source = {}) {
  return {source.pending() ? ExtentKind::data : ExtentKind::moved,
          Sector(first),
          SectorCount(sectors),
          source,
          BufferList(pattern(first, sectors, tag)),
          {}};
}

Buffer frame_of(const Buffer& object, const Location& at) {
  return object.slice(at.frame_offset * 512, at.frame_length * 512);
}

TEST(ChunkBuilder, AChunkIsReadFromItsFrames) {
  SealContext where = context(5);
  where.positions = 3;
  const std::vector<Trim> trims{{Sector(50), SectorCount(7)}, {Sector(90), SectorCount(1)}};
  const SealedChunk chunk =
      assemble_chunk(where, trims, {part(1000, 300, 1), part(5000, 1, 2)});  // three frames
  Buffer object = make_frames(chunk).object.flatten();
  ASSERT_EQ(object.size(), chunk.header.object_size);
  ASSERT_EQ(object.size() % 512, 0u);

  Result<ChunkHeader> header = decode_chunk_header(context().volume, object.bytes());
  ASSERT_TRUE(header.ok());
  EXPECT_EQ(header->sequence, Sequence(5));
  EXPECT_EQ(header->first_position, LogPosition(100));
  EXPECT_EQ(header->position_count, 3u);
  EXPECT_EQ(sha256(object.bytes().first(*record_size(object.bytes()))), chunk.header_hash);
  ASSERT_EQ(header->extents.size(), 6u);
  EXPECT_EQ(header->extents[0].kind, ExtentKind::trim);
  EXPECT_EQ(header->extents[1].first, Sector(90));
  uint64_t at = 1000;
  for (size_t i = 2; i < 5; ++i) {
    const ChunkExtent& extent = header->extents[i];
    ASSERT_EQ(extent.first.value(), at);
    Result<Buffer> raw =
        open_frame(Sequence(5), extent.at.frame_offset, frame_of(object, extent.at));
    ASSERT_TRUE(raw.ok());
    BufferList data(raw->slice(extent.at.skip * 512, extent.sectors.value() * 512));
    EXPECT_TRUE(data == BufferList(pattern(at, extent.sectors.value(), 1)));
    EXPECT_TRUE(data == chunk.read(extent.at, extent.sectors.value()));
    at += extent.sectors.value();
  }
  EXPECT_EQ(at, 1300u);
}

TEST(ChunkBuilder, MovedDataTellWhereTheyWere) {
  const Location source{Sequence(3), 40, 129, 5};
  const SealedChunk chunk =
      assemble_chunk(context(9), {}, {part(0, 100, 1), part(500, 100, 2, source)});
  Result<ChunkHeader> header =
      decode_chunk_header(context().volume, make_frames(chunk).object.flatten().bytes());
  ASSERT_TRUE(header.ok());
  ASSERT_EQ(header->extents.size(), 3u);  // the second part is cut where the frame ends
  EXPECT_EQ(header->extents[0].kind, ExtentKind::data);
  EXPECT_EQ(header->extents[1].kind, ExtentKind::moved);
  EXPECT_EQ(header->extents[1].source, source);
  EXPECT_EQ(header->extents[2].source, source.advanced(28));
}

TEST(ChunkBuilder, DataAreSharedNotCopied) {
  Buffer data = pattern(0, 8, 1);
  ChunkPart shared_part = part(0, 8, 1);
  shared_part.data = BufferList(data);
  const SealedChunk chunk = assemble_chunk(context(), {}, {shared_part});
  const BufferList object = make_frames(chunk).object;
  bool shared = false;
  for (const Buffer& piece : object.pieces()) shared |= piece.data() == data.data();
  EXPECT_TRUE(shared);
}

TEST(ChunkBuilder, NeverGrowsBeyondAChunk) {
  for (uint64_t sectors : {1, 3, 8, 200}) {
    ChunkBuilder builder;
    Buffer data = pattern(0, sectors, 1);
    std::vector<ChunkPart> parts;
    while (builder.has_room(data.size(), 1, parts.size() * sectors, kChunkBytes)) {
      const uint64_t first = parts.size() * sectors;
      const Location at = builder.append_write(Sector(first), BufferList(data));
      parts.push_back({ExtentKind::data,
                       Sector(first),
                       SectorCount(sectors),
                       at,
                       builder.read(at, sectors),
                       {}});
    }
    const SealedChunk chunk = assemble_chunk(context(), {}, parts);
    EXPECT_LE(chunk.header.object_size, kChunkBytes);
    EXPECT_GT(chunk.header.object_size, kChunkBytes * 85 / 100);
  }
}

TEST(ChunkBuilder, TheBoundHolds) {
  std::vector<ChunkPart> parts;
  uint64_t sectors = 0;
  for (uint64_t i = 0; i < 300; ++i) {
    const uint64_t count = i * 7 % 200 + 1;
    parts.push_back(part(i * 1000, count, 1, Location{Sequence(1), 9, 129, 0}));
    sectors += count;
  }
  for (ChunkPart& moved : parts) {
    moved.kind = ExtentKind::data;  // sources of 200 sectors cannot be encoded as moved ones
    moved.source = {};
  }
  const SealedChunk chunk = assemble_chunk(context(), {}, parts);
  EXPECT_LE(chunk.header.object_size, chunk_bytes_bound(parts.size(), 0, sectors));
}

TEST(ChunkBuilder, AFrameOutOfPlaceIsRefused) {
  const SealedChunk chunk = assemble_chunk(context(), {}, {part(0, 256, 1)});
  Buffer object = make_frames(chunk).object.flatten();
  Buffer first = frame_of(object, chunk.header.extents[0].at);
  EXPECT_TRUE(open_frame(Sequence(1), chunk.frame_offsets[0], first).ok());
  EXPECT_EQ(open_frame(Sequence(1), chunk.frame_offsets[1], first).error().code(),
            ErrorCode::corrupt);
  EXPECT_EQ(open_frame(Sequence(2), chunk.frame_offsets[0], first).error().code(),
            ErrorCode::corrupt);
}

}  // namespace
}  // namespace swiftness
