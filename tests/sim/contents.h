// What the sectors of the disk and the records beside it are full of, so that each says who wrote
// it, and where. Errors name what is torn, or of another place.
#pragma once

#include "backend/base/buffer.h"
#include "tests/sim/world.h"

namespace swiftness::sim {

// Each sector is full of its address and its tag.
Buffer contents(const Shape& shape, Piece piece, Tag tag);

// Where the data of each sector come from.
Result<Copies::Origins> origins_of(Piece piece, const BufferList& data);

// The tag of each sector, of the write or the copy that brought it there.
Result<Disk> tags_of(const World& world, Piece piece, const Copies::Origins& origins);
Result<Disk> tags_of(const World& world, Piece piece, const BufferList& data);

bool all_zeros(const Copies::Origins& origins);
// Could one tell that a copy to there brought them, and nothing before it?
bool would_be_told(const World& world, const Copies::Origins& origins, Piece to);

// A record is full of its tag; one that was never stored is empty.
Bytes record_of(Tag tag, size_t words);
Result<Tag> tag_of(const Bytes& record);

}  // namespace swiftness::sim
