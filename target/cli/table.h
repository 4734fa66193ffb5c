// Text for people: tables, sizes, ages.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace swiftness::cli {

// Columns as wide as they need to be; the last one is not padded. An empty cell is "-".
std::string table(std::vector<std::vector<std::string>> rows);

std::string human_size(uint64_t bytes);  // "0 B", "512 KiB", "1.5 GiB"
std::string human_age(int64_t seconds);  // "12 s", "5 min", "3 h 12 min", "4 d 2 h"

}  // namespace swiftness::cli
