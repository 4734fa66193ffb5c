#include "backend/volume/chunk_check.h"

#include <fmt/format.h>

#include <algorithm>

namespace swiftness {
namespace {

// Extents with data, by their place in the chunk.
std::vector<ChunkExtent> by_place(const ChunkHeader& header) {
  std::vector<ChunkExtent> out;
  for (const ChunkExtent& extent : header.extents) {
    if (extent.has_data()) out.push_back(extent);
  }
  std::sort(out.begin(), out.end(),
            [](const ChunkExtent& a, const ChunkExtent& b) { return pack(a.at) < pack(b.at); });
  return out;
}

// Is all of the reference in these extents? A piece of the map may go on over several extents that
// are neighbours on the disk and in the frame.
bool covered(const std::vector<ChunkExtent>& extents, const MapReference& reference, bool shared) {
  const Location at = unpack(reference.packed);
  uint64_t done = 0;
  for (const ChunkExtent& extent : extents) {
    if (extent.at.frame_offset < at.frame_offset) continue;
    if (extent.at.frame_offset > at.frame_offset) break;
    const uint64_t skip = at.skip + done;
    const uint64_t end = extent.at.skip + extent.sectors.value();
    if (extent.at.frame_length != at.frame_length || skip < extent.at.skip || skip >= end) continue;
    const uint64_t sector = extent.first.value() + (skip - extent.at.skip);
    if (!shared && sector != reference.first + done) continue;
    done += end - skip;
    if (done >= reference.sectors) return true;
  }
  return false;
}

uint64_t sectors_in_frame(std::span<const MapReference> references, uint16_t frame_offset) {
  uint64_t out = 0;
  for (const MapReference& reference : references) {
    if (unpack(reference.packed).frame_offset == frame_offset) out += reference.sectors;
  }
  return out;
}

std::string why_not(const ChunkExtent& first_of_frame, uint64_t raw_sectors, const Buffer& whole) {
  const Location& at = first_of_frame.at;
  const uint64_t offset = at.frame_offset * kSectorBytes;
  const uint64_t length = at.frame_length * kSectorBytes;
  if (offset + length > whole.size()) return "it lies beyond the end of the object";
  Result<Buffer> raw = open_frame(at.chunk, at.frame_offset, whole.slice(offset, length));
  if (!raw) return raw.error().message();
  if (raw->size() < raw_sectors * kSectorBytes) return "it is shorter than the header says";
  return {};
}

}  // namespace

std::vector<ChunkFault> check_references(const ChunkHeader& header,
                                         std::span<const MapReference> references, bool shared) {
  const std::vector<ChunkExtent> extents = by_place(header);
  ChunkFault fault{ChunkFault::Kind::reference, {}, 0, 0};
  for (const MapReference& reference : references) {
    const Location at = unpack(reference.packed);
    const uint64_t end = (uint64_t{at.frame_offset} + at.frame_length) * kSectorBytes;
    std::string what;
    if (end > header.object_size) {
      what = "beyond the end of the object";
    } else {
      // The frame's extents alone: a chunk may have thousands.
      auto from = std::partition_point(extents.begin(), extents.end(), [&at](const ChunkExtent& e) {
        return e.at.frame_offset < at.frame_offset;
      });
      auto to = std::partition_point(from, extents.end(), [&at](const ChunkExtent& e) {
        return e.at.frame_offset == at.frame_offset;
      });
      if (covered({from, to}, reference, shared)) continue;
      what = "where the chunk has something else";
    }
    if (fault.faults++ == 0) {
      fault.what = fmt::format("the map has {} sectors from sector {} at frame {}, {}",
                               reference.sectors, reference.first, at.frame_offset, what);
    }
    fault.sectors += reference.sectors;
  }
  if (fault.faults == 0) return {};
  return {fault};
}

std::vector<ChunkFault> check_frames(const ChunkHeader& header, const Buffer& whole,
                                     std::span<const MapReference> references, uint64_t& frames) {
  const std::vector<ChunkExtent> extents = by_place(header);
  ChunkFault fault{ChunkFault::Kind::frame, {}, 0, 0};
  for (size_t i = 0; i < extents.size();) {
    const ChunkExtent& first = extents[i];
    uint64_t raw_sectors = 0;
    for (; i < extents.size() && extents[i].at.frame_offset == first.at.frame_offset; ++i) {
      raw_sectors = std::max(raw_sectors, extents[i].at.skip + extents[i].sectors.value());
    }
    ++frames;
    const std::string what = why_not(first, raw_sectors, whole);
    if (what.empty()) continue;
    if (fault.faults++ == 0) {
      fault.what = fmt::format("frame at unit {}: {}", first.at.frame_offset, what);
    }
    fault.sectors += sectors_in_frame(references, first.at.frame_offset);
  }
  if (fault.faults == 0) return {};
  return {fault};
}

}  // namespace swiftness
