// What tests change about the Swift client and users do not.
#pragma once

#include "backend/swift/retry_policy.h"

namespace swiftness {

struct SwiftTuning {
  Duration connect_timeout = std::chrono::seconds(4);
  // A silent transfer is given up. Just above Swift's own node_timeout (10 s), so that the proxy
  // can give up on a storage server, and say so, before we give up on the proxy.
  Duration stall_timeout = std::chrono::seconds(12);
  RetryTiming retry;
  size_t connections = 32;
  unsigned pool_threads = 2;  // for checksums; 0: they are done where they are asked for
};

}  // namespace swiftness
