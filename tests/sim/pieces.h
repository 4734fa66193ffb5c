// Pieces of the disk that commands under way work on.
#pragma once

#include <list>
#include <utility>
#include <vector>

#include "tests/sim/oracle.h"

namespace swiftness::sim {

inline bool overlap(Piece a, Piece b) {
  return a.first < b.first + b.count && b.first < a.first + a.count;
}

class Pieces {
 public:
  class Hold {
   public:
    Hold(Pieces& pieces, std::vector<Piece> held) : pieces_(pieces) {
      at_ = pieces_.held_.insert(pieces_.held_.end(), std::move(held));
    }
    ~Hold() { pieces_.held_.erase(at_); }
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;

   private:
    Pieces& pieces_;
    std::list<std::vector<Piece>>::iterator at_;
  };

  bool touch(Piece piece) const {
    for (const std::vector<Piece>& pieces : held_) {
      for (const Piece& one : pieces) {
        if (overlap(one, piece)) return true;
      }
    }
    return false;
  }

 private:
  std::list<std::vector<Piece>> held_;
};

}  // namespace swiftness::sim
