// Golden bytes. A change of them is a change of the format: it needs a new version, never a new
// golden file. UPDATE_GOLDEN=1 writes files that do not exist yet.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <span>
#include <sstream>
#include <string>

#include "backend/base/hash.h"
#include "backend/volume/format.h"

namespace swiftness {

inline const Uuid kGoldenVolume = *Uuid::parse("00112233-4455-6677-8899-aabbccddeeff");
inline const Era kGoldenEra{Epoch(2), *Uuid::parse("01234567-89ab-cdef-0123-456789abcdef")};
inline const Era kOlderEra{Epoch(1), *Uuid::parse("fedcba98-7654-3210-fedc-ba9876543210")};

// Hexadecimal, 32 bytes a line.
inline std::string dump(std::span<const std::byte> bytes) {
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 32) {
    out += to_hex(bytes.subspan(i, std::min<size_t>(32, bytes.size() - i))) + "\n";
  }
  return out;
}

inline void expect_golden(const std::string& name, std::span<const std::byte> bytes) {
  const std::string path = std::string(GOLDEN_DIR) + "/" + name + ".hex";
  std::ifstream file(path);
  if (!file && std::getenv("UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path) << dump(bytes);
    return;
  }
  ASSERT_TRUE(file) << "no golden file " << path;
  std::stringstream golden;
  golden << file.rdbuf();
  EXPECT_EQ(dump(bytes), golden.str()) << name;
}

}  // namespace swiftness
