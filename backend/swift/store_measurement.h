// The part of a store's check that measures: PUT and GET of several sizes, several at once; 4 KiB
// reads one by one; deletes. Bounded in time, in bytes written, and in bytes there at once. Fills
// the facts; judges nothing.
#pragma once

#include <functional>
#include <vector>

#include "backend/swift/store_facts.h"
#include "backend/swift/store_probe.h"

namespace swiftness {

struct MeasurementPlan {
  std::vector<uint64_t> sizes;     // of objects, bytes
  std::vector<unsigned> parallel;  // requests at once
  Duration cell{};                 // for the writes, or the reads, of one size and parallelism
  Duration ranged{};               // for 4 KiB reads one by one
  uint64_t most_cell_bytes = 0;    // written, and there at once
  uint64_t most_cell_objects = 0;
  uint64_t most_bytes = 0;  // written in all

  static MeasurementPlan full();   // some 60 s with the rest of the check
  static MeasurementPlan quick();  // some 15 s
  // At most, of this plan.
  uint64_t bytes() const noexcept;
};

class StoreMeasurement {
 public:
  // `chunk` is what the object `name` of the container holds.
  StoreMeasurement(StoreProbe& probe, CheckContainer& box, MeasurementPlan plan, StoreFacts& facts);

  // No request is begun after `end`.
  asio::awaitable<void> run(std::string chunk_name, Buffer chunk, TimePoint end,
                            std::function<void(size_t done, size_t all)> progress);

 private:
  struct Cell;
  asio::awaitable<void> ranged_reads(std::string name, Buffer chunk, TimePoint end);
  asio::awaitable<void> pair(uint64_t bytes, unsigned parallel, TimePoint end);
  asio::awaitable<void> fill(Cell& cell);
  Task work(Cell& cell);
  asio::awaitable<ProbeAnswer> one(Cell& cell, std::string name);
  Task remove_the_next(std::vector<std::string>& names);

  StoreProbe& probe_;
  CheckContainer& box_;
  MeasurementPlan plan_;
  StoreFacts& facts_;
  Buffer data_;
  std::vector<Duration> removes_;
  uint64_t objects_ = 0;
  uint64_t bytes_ = 0;  // written
};

}  // namespace swiftness
