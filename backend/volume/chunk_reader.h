// ChunkReader: data out of chunks that are in the store. Neighbouring pieces come with one ranged
// GET, different places in parallel; every frame is verified before a byte of it is used (I4).
#pragma once

#include <vector>

#include "backend/volume/era_history.h"
#include "backend/volume/record_io.h"

namespace swiftness {

class ChunkReader {
 public:
  struct Piece {
    Location at;       // in a chunk that is in the store
    uint64_t sectors;  // within one frame
    Buffer data;       // filled by read()
  };

  ChunkReader(const VolumeObjects& objects, const EraHistory& eras)
      : objects_(objects), eras_(eras) {}

  // Fills every piece, or says what could not be read. corrupt: it is not there, or not what it
  // should be; never a matter of trying again.
  Async<void> read(std::vector<Piece>& pieces) const;

 private:
  // Pieces [first, last) that one GET serves.
  struct Fetch {
    size_t first;
    size_t last;
    uint32_t begin_unit;
    uint32_t end_unit;
  };

  Async<void> fetch(std::vector<Piece>& pieces, Fetch what) const;
  Task fetch_into(std::vector<Piece>& pieces, Fetch what, Result<void>& outcome) const;

  const VolumeObjects& objects_;
  const EraHistory& eras_;
};

}  // namespace swiftness
