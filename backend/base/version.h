#pragma once

namespace swiftness {

inline constexpr const char* kVersion = SWIFTNESS_VERSION;  // the project's, from CMake

}  // namespace swiftness
