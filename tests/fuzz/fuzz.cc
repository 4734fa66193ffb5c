// libFuzzer's entry. SWIFTNESS_FUZZ names the target; its seeds are written to the folder
// SWIFTNESS_FUZZ_SEEDS, which is given to libFuzzer as one of its corpora.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "tests/fuzz/targets.h"

namespace {
const swiftness::fuzz::Target* target = nullptr;
}

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  const char* name = std::getenv("SWIFTNESS_FUZZ");
  const char* folder = std::getenv("SWIFTNESS_FUZZ_SEEDS");
  for (const auto* each : swiftness::fuzz::kTargets) {
    if (name != nullptr && each->name == name) target = each;
  }
  if (target == nullptr || folder == nullptr) {
    std::fputs("fuzz: SWIFTNESS_FUZZ names no target, or SWIFTNESS_FUZZ_SEEDS no folder\n", stderr);
    std::exit(2);
  }
  int number = 0;
  for (const swiftness::Bytes& seed : target->seeds()) {
    std::ofstream(folder + ("/" + std::to_string(++number)), std::ios::binary)
        << swiftness::fuzz::text_of(seed);
  }
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  target->run(std::as_bytes(std::span(data, size)));
  return 0;
}
