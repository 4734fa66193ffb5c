// CHECK: our own invariants, on in every build. A failed check is a bug of ours: it prints and
// aborts, because going on could write wrong data. Never used for input from outside.
#pragma once

namespace swiftness {
[[noreturn]] void check_failed(const char* expression, const char* file, int line) noexcept;
}

#define CHECK(expression)                               \
  (static_cast<bool>(expression) ? static_cast<void>(0) \
                                 : ::swiftness::check_failed(#expression, __FILE__, __LINE__))
