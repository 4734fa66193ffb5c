#pragma once

#include <cstdint>

namespace swiftness::sim {

// What happened in a history: to see that enough does.
struct Counts {
  uint64_t lives = 0;    // a gateway came online
  uint64_t fenced = 0;   // and lost the volume to another
  uint64_t forced = 0;   // came online by force
  uint64_t refused = 0;  // attempts to attach
  uint64_t crashes = 0;
  uint64_t power_cuts = 0;  // among these
  uint64_t commands = 0;    // answered with success
  uint64_t copies = 0;      // among these
  uint64_t cancelled = 0;
  uint64_t refused_by_quota = 0;
  uint64_t flushes = 0;  // and forced writes, answered with success
  uint64_t reads = 0;
  uint64_t grown = 0;
  uint64_t settled = 0;   // space in use came down to what is due
  uint64_t checks = 0;    // of the volume
  uint64_t repaired = 0;  // orphans that a check deleted
  uint64_t deletes = 0;   // of objects
  uint64_t requests = 0;  // that reached a proxy

  Counts& operator+=(const Counts& other) {
    lives += other.lives;
    fenced += other.fenced;
    forced += other.forced;
    refused += other.refused;
    crashes += other.crashes;
    power_cuts += other.power_cuts;
    commands += other.commands;
    copies += other.copies;
    cancelled += other.cancelled;
    refused_by_quota += other.refused_by_quota;
    flushes += other.flushes;
    reads += other.reads;
    grown += other.grown;
    settled += other.settled;
    checks += other.checks;
    repaired += other.repaired;
    deletes += other.deletes;
    requests += other.requests;
    return *this;
  }
};

}  // namespace swiftness::sim
