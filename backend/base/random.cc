#include "backend/base/random.h"

#include <sys/random.h>

#include <cerrno>

#include "backend/base/check.h"

namespace swiftness {
namespace {

thread_local SeededRandom* seeded_random = nullptr;

}  // namespace

void fill_random(std::span<std::byte> target) {
  if (seeded_random != nullptr) return seeded_random->fill(target);
  while (!target.empty()) {
    ssize_t got = getrandom(target.data(), target.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    CHECK(got > 0);
    target = target.subspan(static_cast<size_t>(got));
  }
}

SeededRandom::SeededRandom(uint64_t seed) : state_(seed) {
  CHECK(seeded_random == nullptr);
  seeded_random = this;
}

SeededRandom::~SeededRandom() {
  CHECK(seeded_random == this);
  seeded_random = nullptr;
}

// SplitMix64, a byte at a time: how a request for many bytes is cut makes no difference.
void SeededRandom::fill(std::span<std::byte> target) noexcept {
  for (std::byte& byte : target) {
    state_ += 0x9e3779b97f4a7c15;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    byte = static_cast<std::byte>((z ^ (z >> 31)) & 0xff);
  }
}

}  // namespace swiftness
