// Random bytes: claim ids, UUIDs, challenges, jitter. They come from the kernel (getrandom); a test may
// put a SeededRandom in its place for its thread: then they are a function of the seed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace swiftness {

void fill_random(std::span<std::byte> target);  // never fails: aborts where the kernel has none

// Rules the thread it was made on until it is destroyed; at most one a thread.
class SeededRandom {
 public:
  explicit SeededRandom(uint64_t seed);
  SeededRandom(const SeededRandom&) = delete;
  SeededRandom& operator=(const SeededRandom&) = delete;
  ~SeededRandom();

  void fill(std::span<std::byte> target) noexcept;

 private:
  uint64_t state_;
};

}  // namespace swiftness
