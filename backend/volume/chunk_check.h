// What can be said of one chunk by its bytes and by what the map says is in it. Pure: values in,
// values out.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "backend/volume/format.h"
#include "backend/volume/map_format.h"

namespace swiftness {

// A part of the disk and where the map has it. 24 bytes: there may be millions.
struct MapReference {
  uint64_t packed = 0;  // its Location
  uint64_t first = 0;   // sector of the disk
  uint32_t sectors = 0;

  Sequence chunk() const noexcept { return unpack(packed).chunk; }
  friend bool operator<(const MapReference& a, const MapReference& b) noexcept {
    return a.packed < b.packed;
  }
};

struct ChunkFault {
  enum class Kind { frame, reference };
  Kind kind = Kind::frame;
  std::string what;      // of the first of them
  uint64_t faults = 0;   // frames, or references
  uint64_t sectors = 0;  // of the disk that are hit: 0, when nobody reads what is damaged
};

// Everything the map has in this chunk has to be in one of its frames, as the same sectors of the
// disk; `shared`: or as others, to which they were copied. `references` are all of this chunk,
// sorted. Nothing: all is well.
std::vector<ChunkFault> check_references(const ChunkHeader& header,
                                         std::span<const MapReference> references, bool shared);

// Every frame of a chunk, whether the map refers to it or not. `whole` is as long as the header
// says. Counts them in `frames`.
std::vector<ChunkFault> check_frames(const ChunkHeader& header, const Buffer& whole,
                                     std::span<const MapReference> references, uint64_t& frames);

}  // namespace swiftness
