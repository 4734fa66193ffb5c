#include "backend/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace swiftness {

void check_failed(const char* expression, const char* file, int line) noexcept {
  std::fprintf(stderr, "%s:%d: broken invariant: %s\n", file, line, expression);
  std::fflush(stderr);
  std::abort();
}

}  // namespace swiftness
