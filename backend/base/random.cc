#include "backend/base/random.h"

#include <sys/random.h>

#include <cerrno>

#include "backend/base/check.h"

namespace swiftness {

void fill_random(std::span<std::byte> target) {
  while (!target.empty()) {
    ssize_t got = getrandom(target.data(), target.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    CHECK(got > 0);
    target = target.subspan(static_cast<size_t>(got));
  }
}

}  // namespace swiftness
