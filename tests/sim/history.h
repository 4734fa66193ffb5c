// History: one run of the simulator, a function of its seed alone.
//
// Two or three gateways on one volume, started, stopped, crashed and started again at random, so
// that they take it from each other; each with clients that write, unmap, flush, read and cancel; a
// network and a Swift that misbehave as network.h and cluster.h say. At the end the weather clears
// up, and what is left must come to rest and be right. What is right says oracle.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tests/sim/counts.h"

namespace swiftness::sim {

struct HistoryReport {
  uint64_t seed = 0;
  std::optional<std::string> failure;  // nothing: everything was as it should be
  uint64_t trace_hash = 0;
  uint64_t events = 0;  // in the trace
  uint64_t steps = 0;   // of all processes
  double seconds = 0;   // of virtual time
  Counts counts;
};

HistoryReport run_history(uint64_t seed, bool printing);

}  // namespace swiftness::sim
