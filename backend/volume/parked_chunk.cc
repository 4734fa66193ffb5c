#include "backend/volume/parked_chunk.h"

#include <algorithm>

#include "backend/base/check.h"

namespace swiftness {

std::shared_ptr<const ChunkRecipe> ChunkRecipe::of(const SealContext& context,
                                                   std::vector<Trim> trims,
                                                   const std::vector<ChunkPart>& parts) {
  auto out = std::make_shared<ChunkRecipe>();
  out->context_ = context;
  out->trims_ = std::move(trims);
  out->parts_.reserve(parts.size());
  uint64_t raw = 0;
  for (const ChunkPart& part : parts) {
    if (part.kind != ExtentKind::data || !part.record) return nullptr;
    out->parts_.push_back(Part{part.first, part.sectors, part.source, raw, *part.record,
                               static_cast<uint32_t>(part.record_offset)});
    raw += part.sectors.value();
  }
  return out;
}

uint64_t ChunkRecipe::memory() const noexcept {
  return sizeof(ChunkRecipe) + parts_.size() * sizeof(Part) + trims_.size() * sizeof(Trim);
}

std::vector<ChunkRecipe::Source> ChunkRecipe::find(uint64_t first_sector, uint64_t sectors) const {
  auto it =
      std::upper_bound(parts_.begin(), parts_.end(), first_sector,
                       [](uint64_t sector, const Part& part) { return sector < part.raw_first; });
  CHECK(it != parts_.begin());
  --it;
  std::vector<Source> out;
  while (sectors > 0) {
    CHECK(it != parts_.end());
    const uint64_t skip = first_sector - it->raw_first;
    const uint64_t taken = std::min(sectors, it->sectors.value() - skip);
    out.push_back({it->record, it->offset + skip * kSectorBytes, taken * kSectorBytes});
    first_sector += taken;
    sectors -= taken;
    ++it;
  }
  return out;
}

std::vector<JournalPlace> ChunkRecipe::records() const {
  std::vector<JournalPlace> out;
  for (const Part& part : parts_) {
    if (out.empty() || out.back() != part.record) out.push_back(part.record);
  }
  return out;
}

SealedChunk ChunkRecipe::assemble(const std::vector<Buffer>& data) const {
  std::vector<ChunkPart> parts;
  parts.reserve(parts_.size());
  size_t record = 0;
  for (size_t i = 0; i < parts_.size(); ++i) {
    const Part& part = parts_[i];
    if (i > 0 && parts_[i - 1].record != part.record) ++record;
    ChunkPart whole;
    whole.first = part.first;
    whole.sectors = part.sectors;
    whole.source = part.source;
    whole.data = data[record].slice(part.offset, part.sectors.value() * kSectorBytes);
    parts.push_back(std::move(whole));
  }
  SealedChunk out = assemble_chunk(context_, trims_, std::move(parts));
  out.frames = make_frames(out);
  return out;
}

bool same_bytes(const SealedChunk& a, const SealedChunk& b) {
  return a.header_hash == b.header_hash &&
         std::ranges::equal(a.frames->headers.bytes(), b.frames->headers.bytes());
}

SealedChunk parked(const SealedChunk& chunk) {
  CHECK(chunk.recipe && chunk.frames);
  SealedChunk out;
  out.header = chunk.header;
  out.header.extents = {};
  out.header_hash = chunk.header_hash;
  out.memory = chunk.memory;
  out.opened_at = chunk.opened_at;
  out.frame_offsets = chunk.frame_offsets;
  out.frames = Frames{chunk.frames->headers, {}};
  out.checksum = chunk.checksum;
  out.recipe = chunk.recipe;
  out.is_parked = true;
  return out;
}

}  // namespace swiftness
