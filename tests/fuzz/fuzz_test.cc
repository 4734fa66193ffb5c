// The fuzzer's targets on their seeds, and on mutations of these: the same ones each time, so that
// a failure comes again. SWIFTNESS_FUZZ_MUTATIONS: how many for each target;
// SWIFTNESS_FUZZ_MUTATION: this one alone.
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>

#include "tests/fuzz/targets.h"

namespace swiftness::fuzz {
namespace {

constexpr uint64_t kMutations = 3000;

uint64_t number_of_environment(const char* name, uint64_t otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : std::stoull(value);
}

class Mutator {
 public:
  Mutator(const std::vector<Bytes>& seeds, uint64_t number) : seeds_(seeds), random_(number) {}

  Bytes make() {
    Bytes input = seeds_[below(seeds_.size())];
    for (size_t steps = 1 + below(8); steps > 0; --steps) mutate(input);
    return input;
  }

 private:
  size_t below(size_t bound) { return random_() % bound; }

  void mutate(Bytes& input) {
    if (input.empty()) input.resize(1);
    const size_t at = below(input.size());
    const size_t length = 1 + below(std::min<size_t>(input.size() - at, 64));
    const auto from = input.begin() + static_cast<std::ptrdiff_t>(at);
    const auto to = from + static_cast<std::ptrdiff_t>(length);
    switch (below(6)) {
      case 0:
        input[at] ^= static_cast<std::byte>(1u << below(8));
        break;
      case 1:
        input[at] = static_cast<std::byte>(random_());
        break;
      case 2: {  // bytes that mean something as numbers of any size
        constexpr uint8_t kTelling[] = {0, 1, 0x7f, 0x80, 0xff, '=', ',', '0'};
        std::fill(from, to, std::byte{kTelling[below(std::size(kTelling))]});
        break;
      }
      case 3:
        input.erase(from, to);
        break;
      case 4: {  // once more
        const Bytes part(from, to);
        input.insert(from, part.begin(), part.end());
        break;
      }
      default: {  // on with another seed
        const Bytes& other = seeds_[below(seeds_.size())];
        input.resize(at);
        input.insert(input.end(), other.begin() + static_cast<std::ptrdiff_t>(below(other.size())),
                     other.end());
      }
    }
  }

  const std::vector<Bytes>& seeds_;
  std::mt19937_64 random_;
};

// A target that fails aborts: this tells which mutation it was.
uint64_t under_way = 0;
void tell(int) {
  std::fprintf(stderr, "SWIFTNESS_FUZZ_MUTATION=%llu\n",
               static_cast<unsigned long long>(under_way));
}

class Fuzz : public testing::TestWithParam<const Target*> {};

TEST_P(Fuzz, SeedsAndMutations) {
  const Target& target = *GetParam();
  const std::vector<Bytes> seeds = target.seeds();
  ASSERT_FALSE(seeds.empty());
  std::signal(SIGABRT, &tell);
  for (const Bytes& seed : seeds) target.run(seed);
  const uint64_t only = number_of_environment("SWIFTNESS_FUZZ_MUTATION", 0);
  const uint64_t last =
      only != 0 ? only : number_of_environment("SWIFTNESS_FUZZ_MUTATIONS", kMutations);
  for (uint64_t number = only != 0 ? only : 1; number <= last; ++number) {
    under_way = number;
    target.run(Mutator(seeds, number).make());
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, Fuzz, testing::ValuesIn(kTargets),
                         [](const auto& info) { return std::string(info.param->name); });

}  // namespace
}  // namespace swiftness::fuzz
