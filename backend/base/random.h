// Random bytes from the kernel (getrandom): claim ids, UUIDs, challenges.
#pragma once

#include <cstddef>
#include <span>

namespace swiftness {

void fill_random(std::span<std::byte> target);  // never fails: aborts where the kernel has none

}  // namespace swiftness
