// What tests change about the Swift client and users do not.
#pragma once

#include "backend/swift/endpoints.h"
#include "backend/swift/retry_policy.h"

namespace swiftness {

struct SwiftTuning {
  RetryTiming retry;
  BreakerTiming breaker;
  bool hedging = true;        // slow reads are asked for twice
  unsigned pool_threads = 2;  // for checksums; 0: they are done where they are asked for
};

}  // namespace swiftness
