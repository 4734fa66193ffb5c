#include "backend/swift/store_facts.h"

#include <algorithm>

namespace swiftness {
namespace {

// The smallest value that `percent` of all do not exceed.
Duration percentile(const std::vector<Duration>& sorted, size_t percent) {
  const size_t rank = (sorted.size() * percent + 99) / 100;
  return sorted[std::max<size_t>(rank, 1) - 1];
}

}  // namespace

const char* to_string(Trial trial) noexcept {
  switch (trial) {
    case Trial::write:
      return "write";
    case Trial::read:
      return "read";
    case Trial::ranged_read:
      return "ranged read";
    case Trial::conditional_read:
      return "conditional read";
    case Trial::create_only:
      return "create only";
    case Trial::creators:
      return "creators at once";
    case Trial::wrong_checksum:
      return "wrong checksum";
    case Trial::newest:
      return "newest";
    case Trial::overwrite:
      return "overwrite";
    case Trial::read_after_create:
      return "read after create";
    case Trial::listing:
      return "listing";
    case Trial::copy_by_put:
      return "copy by PUT";
    case Trial::copy_by_copy:
      return "copy by COPY";
    case Trial::expiry:
      return "expiry";
    case Trial::remove:
      return "remove";
  }
  return "?";
}

Latencies latencies_of(std::vector<Duration> times) {
  if (times.empty()) return {};
  std::ranges::sort(times);
  return {times.size(), percentile(times, 50), percentile(times, 95), percentile(times, 99),
          times.back()};
}

double CellFacts::bytes_a_second() const noexcept {
  const double seconds = std::chrono::duration<double>(elapsed).count();
  return seconds > 0 ? static_cast<double>(latency.count * bytes) / seconds : 0;
}

}  // namespace swiftness
