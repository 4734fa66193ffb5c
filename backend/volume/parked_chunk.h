// While the store does not take chunks, those that wait leave memory: the journal has their data.
// ChunkRecipe is what remains: enough to read them, and to make each again byte for byte. Pure.
#pragma once

#include <optional>
#include <vector>

#include "backend/volume/chunk_builder.h"

namespace swiftness {

class ChunkRecipe {
 public:
  // Data of a record in the journal, and which of its bytes.
  struct Source {
    JournalPlace record;
    uint64_t offset;
    uint64_t length;
  };

  // nullptr when the journal does not have all of the data.
  static std::shared_ptr<const ChunkRecipe> of(const SealContext& context, std::vector<Trim> trims,
                                               const std::vector<ChunkPart>& parts);

  // The last log position in the chunk: parking waits until the journal has written it.
  LogPosition last_position() const noexcept {
    return LogPosition(context_.first_position.value() + context_.positions - 1);
  }
  uint64_t memory() const noexcept;  // bytes it takes itself

  // Where to find `sectors` of the chunk's raw data.
  std::vector<Source> find(uint64_t first_sector, uint64_t sectors) const;

  // Every record the chunk has data of, in the order of the log.
  std::vector<JournalPlace> records() const;
  // With its frames: takes long, and another thread may do it. `data`: of each of records(). Memory
  // and age are the caller's to set.
  SealedChunk assemble(const std::vector<Buffer>& data) const;

 private:
  struct Part {
    Sector first;
    SectorCount sectors;
    Location source;
    uint64_t raw_first;   // sectors into the chunk's raw data
    JournalPlace record;  // parts of one write have the same, and follow each other
    uint32_t offset;      // bytes into the record's data
  };

  SealContext context_;
  std::vector<Trim> trims_;
  std::vector<Part> parts_;
};

// The chunk without its data. It has a recipe and frames (CHECKed).
SealedChunk parked(const SealedChunk& chunk);

// Told by the checksums of their frames, so that one of them may be parked.
bool same_bytes(const SealedChunk& a, const SealedChunk& b);

}  // namespace swiftness
