// Strong types for the numbers that must not be mixed up. Each is a 64-bit count with a unit in its
// name; the number itself comes out with value().
#pragma once

#include <compare>
#include <cstdint>

namespace swiftness {

template <class Tag>
class Count {
 public:
  constexpr Count() = default;
  constexpr explicit Count(uint64_t value) : value_(value) {}
  constexpr uint64_t value() const noexcept { return value_; }

  friend constexpr auto operator<=>(Count, Count) = default;
  friend constexpr Count operator+(Count a, Count b) { return Count(a.value_ + b.value_); }
  friend constexpr Count operator-(Count a, Count b) { return Count(a.value_ - b.value_); }
  constexpr Count& operator+=(Count b) {
    value_ += b.value_;
    return *this;
  }
  constexpr Count& operator-=(Count b) {
    value_ -= b.value_;
    return *this;
  }
  constexpr Count next() const { return Count(value_ + 1); }

 private:
  uint64_t value_ = 0;
};

using ByteCount = Count<struct ByteCountTag>;
using BlockCount = Count<struct BlockCountTag>;    // logical blocks of a device
using SectorCount = Count<struct SectorCountTag>;  // 512-byte sectors: the volume engine's unit
using Sequence = Count<struct SequenceTag>;        // of a chunk; runs on across epochs, starts at 1
using Epoch = Count<struct EpochTag>;              // of an attach; starts at 1
using LogPosition = Count<struct LogPositionTag>;  // one per write or record, starts at 1

// A place is not a length: Lba + BlockCount is an Lba, Lba - Lba is a BlockCount.
template <class Length>
class Place {
 public:
  constexpr Place() = default;
  constexpr explicit Place(uint64_t value) : value_(value) {}
  constexpr uint64_t value() const noexcept { return value_; }

  friend constexpr auto operator<=>(Place, Place) = default;
  friend constexpr Place operator+(Place a, Length n) { return Place(a.value_ + n.value()); }
  friend constexpr Length operator-(Place a, Place b) { return Length(a.value_ - b.value_); }

 private:
  uint64_t value_ = 0;
};

using Lba = Place<BlockCount>;      // logical block address (SBC-4)
using Sector = Place<SectorCount>;  // 512-byte sector address inside a volume

inline constexpr uint64_t kSectorBytes = 512;

}  // namespace swiftness
