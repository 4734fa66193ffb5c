#include "backend/swift/store_measurement.h"

#include <fmt/format.h>

#include <algorithm>

#include "backend/base/gate.h"
#include "backend/base/hash.h"
#include "backend/swift/store_trials.h"
#include "backend/swift/swift_protocol.h"

namespace swiftness {
namespace {

using namespace std::chrono_literals;

constexpr uint64_t kKiB = 1 << 10, kMiB = 1 << 20;
constexpr uint64_t kRangedBytes = 4096;
constexpr uint64_t kMostRanged = 1000;  // reads
constexpr uint64_t kReadMargin = 4096;  // an answer may be so much longer than it should
constexpr unsigned kMostDeletesAtOnce = 8;

}  // namespace

MeasurementPlan MeasurementPlan::full() {
  return {{64 * kKiB, kMiB, 4 * kMiB, 16 * kMiB},
          {1, 4, 8, 16},
          1300ms,
          3s,
          256 * kMiB,
          400,
          3072 * kMiB};
}

MeasurementPlan MeasurementPlan::quick() {
  return {
      {64 * kKiB, kMiB, 4 * kMiB, 16 * kMiB}, {1, 4, 16}, 350ms, 1s, 64 * kMiB, 100, 512 * kMiB};
}

uint64_t MeasurementPlan::bytes() const noexcept {
  uint64_t all = 0;
  for (const uint64_t size : sizes) {
    for (const unsigned at_once : parallel) {
      if (size * at_once > most_cell_bytes) continue;
      all += std::min(most_cell_bytes, most_cell_objects * size);
    }
  }
  return std::min(all, most_bytes);
}

struct StoreMeasurement::Cell {
  CellFacts facts;
  TimePoint end;         // no request after it, but one of each worker's
  TimePoint end_of_all;  // none at all
  uint64_t most_requests = 0;
  uint64_t begun = 0;
  std::string etag;                // of the data
  std::vector<std::string> names;  // written by a cell that writes, read by one that reads
  std::vector<Duration> times;
};

StoreMeasurement::StoreMeasurement(StoreProbe& probe, CheckContainer& box, MeasurementPlan plan,
                                   StoreFacts& facts)
    : probe_(probe), box_(box), plan_(std::move(plan)), facts_(facts) {
  if (!plan_.sizes.empty()) data_ = random_data(std::ranges::max(plan_.sizes));
}

asio::awaitable<void> StoreMeasurement::run(std::string chunk_name, Buffer chunk, TimePoint end,
                                            std::function<void(size_t done, size_t all)> progress) {
  const size_t all = 1 + plan_.parallel.size() * plan_.sizes.size();
  size_t done = 0;
  progress(done, all);
  const TimePoint ranged_end = std::min(end, now() + plan_.ranged);
  co_await ranged_reads(std::move(chunk_name), std::move(chunk), ranged_end);
  // Few at once first: should time run out, every size was measured.
  for (const unsigned parallel : plan_.parallel) {
    for (const uint64_t bytes : plan_.sizes) {
      progress(++done, all);
      if (bytes * parallel > plan_.most_cell_bytes) continue;  // not part of the plan
      if (probe_.stopping()) co_return;
      if (now() >= end || bytes_ + bytes * parallel > plan_.most_bytes) {
        ++facts_.cells_left_out;
        continue;
      }
      co_await pair(bytes, parallel, end);
      facts_.remove = latencies_of(removes_);
    }
  }
  progress(all, all);
}

asio::awaitable<void> StoreMeasurement::ranged_reads(std::string name, Buffer chunk,
                                                     TimePoint end) {
  std::vector<Duration> times;
  const uint64_t places = chunk.size() / kRangedBytes;
  for (uint64_t i = 0; i < kMostRanged && places > 0; ++i) {
    if (now() >= end || probe_.stopping()) break;
    const uint64_t first = i * 2654435761u % places * kRangedBytes;  // here and there
    ProbeRequest get = box_.request("GET", name);
    get.attempts = 1;
    get.headers.push_back({"Range", range_header({first, kRangedBytes})});
    get.most_body = kRangedBytes;
    const size_t proxy = probe_.next_proxy();
    ProbeAnswer answer = co_await probe_.ask(proxy, std::move(get));
    if (probe_.stopping()) break;
    if (answer.status() != 206) {
      ++facts_.ranged_failed;
      probe_.note_failure(answer);
      continue;
    }
    const Buffer wanted = chunk.slice(first, kRangedBytes);
    if (!std::ranges::equal(answer.response()->body.bytes(), wanted.bytes())) ++facts_.ranged_wrong;
    times.push_back(answer.took);
  }
  facts_.ranged_read = latencies_of(std::move(times));
}

// Writes, reads what was written, and deletes it.
asio::awaitable<void> StoreMeasurement::pair(uint64_t bytes, unsigned parallel, TimePoint end) {
  Cell writes;
  writes.facts.write = true;
  writes.facts.bytes = bytes;
  writes.facts.parallel = parallel;
  writes.end = std::min(end, now() + plan_.cell);
  writes.end_of_all = end;
  const uint64_t room = std::min(plan_.most_cell_bytes, plan_.most_bytes - bytes_);
  writes.most_requests = std::min(plan_.most_cell_objects, room / bytes);
  writes.etag = md5_hex(BufferList(data_.slice(0, bytes)));
  co_await fill(writes);

  if (!writes.names.empty() && !probe_.stopping()) {
    Cell reads;
    reads.facts.bytes = bytes;
    reads.facts.parallel = parallel;
    reads.end = std::min(end, now() + plan_.cell);
    reads.end_of_all = end;
    reads.most_requests = UINT64_MAX;
    reads.names = writes.names;
    co_await fill(reads);
  }
  FanOut all(probe_.executor());
  for (unsigned i = 0; i < std::min(parallel, kMostDeletesAtOnce); ++i) {
    all.add(remove_the_next(writes.names));
  }
  co_await all.join();
}

asio::awaitable<void> StoreMeasurement::fill(Cell& cell) {
  const TimePoint began = now();
  FanOut all(probe_.executor());
  for (unsigned i = 0; i < cell.facts.parallel; ++i) all.add(work(cell));
  co_await all.join();
  cell.facts.elapsed = now() - began;
  if (probe_.stopping()) co_return;
  if (cell.begun == 0) {  // for want of time
    if (cell.facts.write) ++facts_.cells_left_out;
    co_return;
  }
  cell.facts.latency = latencies_of(std::move(cell.times));
  facts_.cells.push_back(cell.facts);
}

asio::awaitable<ProbeAnswer> StoreMeasurement::one(Cell& cell, std::string name) {
  const Buffer data = data_.slice(0, cell.facts.bytes);
  ProbeRequest request = box_.request(cell.facts.write ? "PUT" : "GET", std::move(name));
  request.attempts = 1;
  const size_t proxy = probe_.next_proxy();
  if (!cell.facts.write) {
    request.most_body = data.size() + kReadMargin;
    ProbeAnswer answer = co_await probe_.ask(proxy, std::move(request));
    co_return answer;
  }
  request.headers = {{"ETag", cell.etag}, {"Content-Type", "application/octet-stream"}};
  request.body = data;
  bytes_ += data.size();
  ProbeAnswer answer = co_await box_.put(proxy, std::move(request));
  co_return answer;
}

Task StoreMeasurement::work(Cell& cell) {
  for (bool first = true;; first = false) {
    const TimePoint at = now();
    if (probe_.stopping() || at >= cell.end_of_all || (!first && at >= cell.end)) co_return;
    if (cell.begun >= cell.most_requests) co_return;
    const uint64_t number = cell.begun++;
    const std::string name =
        cell.facts.write ? fmt::format("m-{}", objects_++) : cell.names[number % cell.names.size()];
    ProbeAnswer answer = co_await one(cell, name);
    if (probe_.stopping()) co_return;
    if (answer.status() != (cell.facts.write ? 201 : 200)) {
      ++cell.facts.failed;
      probe_.note_failure(answer);
      continue;
    }
    const HttpResponse& response = *answer.response();
    const Buffer data = data_.slice(0, cell.facts.bytes);
    const bool right = cell.facts.write ? parse_etag(response.headers.find("Etag")) == cell.etag
                                        : std::ranges::equal(response.body.bytes(), data.bytes());
    if (cell.facts.write) cell.names.push_back(name);
    if (right) {
      cell.times.push_back(answer.took);
    } else {
      ++cell.facts.wrong;
    }
  }
}

Task StoreMeasurement::remove_the_next(std::vector<std::string>& names) {
  while (!names.empty() && !probe_.stopping()) {
    const std::string name = std::move(names.back());
    names.pop_back();
    const size_t proxy = probe_.next_proxy();
    ProbeAnswer answer = co_await box_.remove(proxy, name);
    if (probe_.stopping()) co_return;
    if (answer.good()) {
      removes_.push_back(answer.took);
    } else {
      ++facts_.remove_failed;
      probe_.note_failure(answer);
    }
  }
}

}  // namespace swiftness
