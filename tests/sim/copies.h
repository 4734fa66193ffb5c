// Copies: who brought to a sector what was written elsewhere.
//
// A sector says where it was written and by whom; a copy of it says the same, at another place. To
// the oracle a copy is a command like a write, with a tag of its own, and this tells which one it
// was: so the same data must not be brought to the same sector twice.
#pragma once

#include <map>
#include <optional>
#include <tuple>
#include <vector>

#include "tests/sim/oracle.h"

namespace swiftness::sim {

class Copies {
 public:
  struct Origin {
    uint64_t address;  // sector of the disk, where it was written; 0 of zeros
    Tag tag;           // by this command
  };
  using Origins = std::vector<Origin>;

  void brought(const Origins& from, Piece to, Tag copy) {
    for (uint64_t i = 0; i < to.count; ++i) brought_by_.emplace(key(from[i], to.first + i), copy);
  }

  std::optional<Tag> who_brought(Origin origin, uint64_t sector) const {
    const auto it = brought_by_.find(key(origin, sector));
    if (it == brought_by_.end()) return std::nullopt;
    return it->second;
  }

 private:
  using Key = std::tuple<Tag, uint64_t, uint64_t>;
  static Key key(Origin origin, uint64_t sector) { return {origin.tag, origin.address, sector}; }

  std::map<Key, Tag> brought_by_;  // never forgotten: what was lost may come back, and must not
};

}  // namespace swiftness::sim
