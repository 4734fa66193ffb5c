#include "backend/swift/store_judgement.h"

#include <fmt/format.h>

#include <algorithm>

namespace swiftness {
namespace {

using enum Fitness;

// What it means when a trial does not end as it should.
struct Meaning {
  Trial trial;
  Fitness broken;
  Fitness failed;
  const char* why;
};

constexpr Meaning kMeanings[] = {
    {Trial::write, unfit, unfit, "a volume writes chunks of this size"},
    {Trial::read, unfit, unfit, "what was stored has to come back"},
    {Trial::ranged_read, unfit, unfit, "every read of a disk is a ranged one"},
    {Trial::conditional_read, fit, fit, "volumes do not need it"},
    {Trial::create_only, unfit, unfit,
     "volumes and their takeovers rely on it: two gateways could have the same volume"},
    // Every Swift with replicas is seen to do this now and then.
    {Trial::creators, fit, fit,
     "create-if-absent is not linearizable here; a takeover is safe all the same, as its claim is "
     "read back and the fence is checked before a flush is answered, but two gateways that take "
     "over at once may both have to begin anew"},
    {Trial::wrong_checksum, unfit, reservations, "data damaged on their way would be stored"},
    {Trial::newest, unfit, reservations, "the fence is read this way"},
    {Trial::overwrite, unfit, reservations,
     "a gateway that lost its volume would not see the fence of the other"},
    {Trial::read_after_create, unfit, unfit,
     "a chunk that was answered 201 has to be there: its absence is a medium error of the disk"},
    {Trial::listing, reservations, reservations, "orphans are found by listings"},
    {Trial::copy_by_put, fit, fit, "volumes do not need it"},
    {Trial::copy_by_copy, fit, fit, "volumes do not need it"},
    {Trial::expiry, fit, fit, "volumes do not need it"},
    {Trial::remove, reservations, unfit, "space comes back by deleting"},
};

std::string in_words(Duration time) {
  const double value = std::chrono::duration<double, std::milli>(time).count();
  if (value >= 10000) return fmt::format("{:.1f} s", value / 1000);
  return value >= 100 ? fmt::format("{:.0f} ms", value) : fmt::format("{:.1f} ms", value);
}

double whole_seconds(Duration time) {
  return std::chrono::duration<double>(time).count();
}

std::string speed_of(double bytes_a_second) {
  return fmt::format("{:.1f} MB/s", bytes_a_second / 1e6);
}

class StoreJudge {
 public:
  StoreJudge(const StoreFacts& facts, const StoreNeeds& needs, const StoreThresholds& limits)
      : facts_(facts), needs_(needs), limits_(limits) {}

  StoreVerdict judge() {
    servers();
    clocks();
    told_limits();
    quota();
    trials();
    failures();
    latencies();
    verdict_.write = recommend(true);
    verdict_.read = recommend(false);
    throughput(verdict_.write, "writes", true);
    throughput(verdict_.read, "reads", false);
    if (!facts_.left_behind.empty()) add(reservations, facts_.left_behind);
    if (facts_.stopped) {
      add(reservations, "the check was stopped before it was through: what is not said is unknown");
    } else if (facts_.cells_left_out > 0) {
      add(fit, fmt::format("{} combinations of size and parallelism were not measured: time or "
                           "bytes ran out",
                           facts_.cells_left_out));
    }
    std::ranges::stable_sort(verdict_.findings, std::greater(), &StoreFinding::weight);
    for (const StoreFinding& finding : verdict_.findings) {
      verdict_.fitness = std::max(verdict_.fitness, finding.weight);
    }
    return std::move(verdict_);
  }

 private:
  void add(Fitness weight, std::string what) {
    verdict_.findings.push_back({weight, std::move(what)});
  }

  void servers() {
    for (const AuthFacts& auth : facts_.auth) {
      if (!auth.failure.empty()) {
        add(reservations, fmt::format("auth {} does not let us in: {}", auth.url, auth.failure));
      } else if (auth.storage_url != facts_.storage_url) {
        add(unfit, fmt::format("auth {} names another account, {} instead of {}: a gateway would "
                               "find its volumes now here, now there",
                               auth.url, auth.storage_url, facts_.storage_url));
      }
    }
    for (const ProxyFacts& proxy : facts_.proxies) {
      if (proxy.failure.empty()) continue;
      add(reservations, fmt::format("proxy {} does not serve us: {}", proxy.url, proxy.failure));
    }
  }

  void clocks() {
    std::optional<Duration> least;
    std::optional<Duration> most;
    Duration error{};
    for (const ProxyFacts& proxy : facts_.proxies) {
      if (!proxy.clock_ahead) continue;
      least = std::min(least.value_or(*proxy.clock_ahead), *proxy.clock_ahead);
      most = std::max(most.value_or(*proxy.clock_ahead), *proxy.clock_ahead);
      error = std::max(error, proxy.clock_error);
      const Duration off = std::max(*proxy.clock_ahead, -*proxy.clock_ahead);
      if (off - proxy.clock_error <= limits_.clock_ahead) continue;
      add(reservations,
          fmt::format("the clock of {} is {:.0f} s {} ours: tokens end and objects expire at other "
                      "times than we think",
                      proxy.url, whole_seconds(off),
                      *proxy.clock_ahead > Duration::zero() ? "ahead of" : "behind"));
    }
    if (!least || *most - *least - 2 * error <= limits_.clocks_apart) return;
    add(reservations,
        fmt::format("the clocks of the proxies are {:.0f} s apart: what is written through one "
                    "that is behind loses against what is there",
                    whole_seconds(*most - *least)));
  }

  void told_limits() {
    if (!facts_.info) {
      add(reservations, fmt::format("Swift does not tell its limits: {}", facts_.info_failure));
      return;
    }
    const SwiftInfo& info = *facts_.info;
    auto at_least = [this](const char* limit, uint64_t has, uint64_t needed) {
      if (has >= needed) return;
      add(unfit, fmt::format("{} is {}, volumes need {}", limit, has, needed));
    };
    at_least("max_file_size", info.max_file_size, needs_.object_bytes);
    at_least("max_object_name_length", info.max_object_name_length, needs_.object_name_bytes);
    at_least("max_container_name_length", info.max_container_name_length,
             needs_.container_name_bytes);
    constexpr uint64_t kLongestHeader = 256;  // without the token
    const uint64_t token_line = facts_.token_bytes + std::string_view("X-Auth-Token: ").size();
    at_least("max_header_size", info.max_header_size, std::max(kLongestHeader, token_line));
    if (!info.bulk_delete) {
      add(fit, "bulk delete is not offered: objects are deleted one by one");
    }
    for (const RateLimit& limit : facts_.rate_limits) {
      if (limit.objects > needs_.container_objects) continue;
      add(reservations,
          fmt::format("ratelimit holds writes into containers of {} objects or more "
                      "to {:g} a second; volumes have up to {} in one",
                      limit.objects, limit.writes_a_second, needs_.container_objects));
    }
  }

  void quota() {
    if (!facts_.account.quota_bytes) return;
    const auto quota = static_cast<double>(*facts_.account.quota_bytes);
    const auto used = static_cast<double>(facts_.account.bytes_used);
    if (used < quota * limits_.quota_used) return;
    add(used >= quota ? unfit : reservations,
        fmt::format("the account uses {} of its quota of {} bytes: a full store stops all writes",
                    facts_.account.bytes_used, *facts_.account.quota_bytes));
  }

  void trials() {
    for (const TrialFacts& trial : facts_.trials) {
      if (trial.outcome == TrialFacts::Outcome::held) continue;
      const auto* meaning = std::ranges::find(kMeanings, trial.trial, &Meaning::trial);
      const bool broken = trial.outcome == TrialFacts::Outcome::broken;
      add(broken ? meaning->broken : meaning->failed,
          fmt::format("{}: {}; {}", to_string(trial.trial), trial.seen, meaning->why));
    }
    const std::optional<Duration>& listed = facts_.visibility.listed_after;
    if (listed && *listed > limits_.listed_after) {
      add(reservations, fmt::format("a listing showed a new object only after {}: the container "
                                    "servers cannot keep up",
                                    in_words(*listed)));
    }
  }

  void failures() {
    uint64_t asked = facts_.ranged_read.count + facts_.ranged_failed + facts_.remove.count +
                     facts_.remove_failed;
    uint64_t failed = facts_.ranged_failed + facts_.remove_failed;
    uint64_t wrong = facts_.ranged_wrong;
    for (const CellFacts& cell : facts_.cells) {
      asked += cell.latency.count + cell.failed + cell.wrong;
      failed += cell.failed;
      wrong += cell.wrong;
    }
    if (wrong > 0) add(unfit, fmt::format("{} answers had other data than were stored", wrong));
    if (failed > 0) {
      const double part = static_cast<double>(failed) / static_cast<double>(asked);
      Fitness weight = fit;
      if (part > limits_.failed) weight = reservations;
      if (part > limits_.unfit_failed) weight = unfit;
      add(weight, fmt::format("{} of {} requests failed while it was measured; the first: {}",
                              failed, asked, facts_.first_failure));
    }
    if (facts_.hiccups > 0) {
      add(reservations, fmt::format("{} requests had to be sent again; the first: {}",
                                    facts_.hiccups, facts_.first_failure));
    }
  }

  void latencies() {
    const Latencies& read = facts_.ranged_read;
    if (read.count > 0 && read.p99 > limits_.unfit_read_p99) {
      add(unfit, fmt::format("slow reads: one 4 KiB read in a hundred takes {} or more; above {} "
                             "initiators give up on the disk",
                             in_words(read.p99), in_words(limits_.unfit_read_p99)));
    } else if (read.count > 0 && read.p99 > limits_.read_p99) {
      add(reservations, fmt::format("slow reads: one 4 KiB read in a hundred takes {} or more; "
                                    "above {} it is felt",
                                    in_words(read.p99), in_words(limits_.read_p99)));
    }
    if (read.median > limits_.read_median) {
      add(reservations,
          fmt::format("slow reads: 4 KiB take {} at the median; above {} a disk feels "
                      "slow where its data are in no cache",
                      in_words(read.median), in_words(limits_.read_median)));
    }
    if (facts_.remove.median > limits_.remove_median) {
      add(reservations,
          fmt::format("slow deletes: {} at the median; above {} space comes back "
                      "slower than it is given up",
                      in_words(facts_.remove.median), in_words(limits_.remove_median)));
    }
    const CellFacts* smallest = nullptr;
    for (const CellFacts& cell : facts_.cells) {
      if (!cell.write || cell.parallel != 1 || cell.latency.count == 0) continue;
      if (smallest == nullptr || cell.bytes < smallest->bytes) smallest = &cell;
    }
    if (smallest != nullptr && smallest->latency.median > limits_.small_write_median) {
      add(reservations,
          fmt::format("slow small writes: {} KiB take {} at the median; above {} flushes are slow "
                      "with durability \"store\" (with a journal they do not wait for it)",
                      smallest->bytes / 1024, in_words(smallest->latency.median),
                      in_words(limits_.small_write_median)));
    }
  }

  // The fewest bytes under way that are near the best; of several the fewest requests at once.
  std::optional<Recommendation> recommend(bool write) const {
    double best = 0;
    for (const CellFacts& cell : facts_.cells) {
      if (cell.write == write) best = std::max(best, cell.bytes_a_second());
    }
    std::optional<Recommendation> least;
    for (const CellFacts& cell : facts_.cells) {
      const double speed = cell.bytes_a_second();
      if (cell.write != write || speed <= 0 || speed < best * limits_.near_best) continue;
      const uint64_t under_way = cell.bytes * cell.parallel;
      const uint64_t least_under_way = least ? least->bytes * least->parallel : UINT64_MAX;
      if (under_way > least_under_way) continue;
      if (under_way == least_under_way && cell.parallel > least->parallel) continue;
      least = Recommendation{cell.bytes, cell.parallel, speed, best};
    }
    return least;
  }

  // Small objects alone, when there was no time for others, say little of chunks.
  bool measured_chunks(bool write) const {
    return std::ranges::any_of(facts_.cells, [&](const CellFacts& cell) {
      return cell.write == write && cell.latency.count > 0 && 4 * cell.bytes >= needs_.object_bytes;
    });
  }

  void throughput(const std::optional<Recommendation>& found, const char* what, bool write) {
    if (!found || !measured_chunks(write)) return;
    if (found->best < limits_.unfit_bytes_a_second) {
      add(unfit, fmt::format("slow {}: {} at best; below {} a disk's cleaning cannot keep up", what,
                             speed_of(found->best), speed_of(limits_.unfit_bytes_a_second)));
    } else if (found->best < limits_.bytes_a_second) {
      add(reservations, fmt::format("slow {}: {} at best; below {} it is slower than a hard disk",
                                    what, speed_of(found->best), speed_of(limits_.bytes_a_second)));
    }
    if (found->bytes > needs_.object_bytes || found->parallel > needs_.parallel) {
      add(fit, fmt::format("{} are fastest with more at once than one volume has under way ({} "
                           "chunks of {} MiB): several volumes together get more than one alone",
                           what, needs_.parallel, needs_.object_bytes >> 20));
    }
  }

  const StoreFacts& facts_;
  const StoreNeeds& needs_;
  const StoreThresholds& limits_;
  StoreVerdict verdict_;
};

}  // namespace

const char* to_string(Fitness fitness) noexcept {
  switch (fitness) {
    case fit:
      return "fit";
    case reservations:
      return "fit with reservations";
    case unfit:
      return "unfit";
  }
  return "?";
}

StoreVerdict judge_store(const StoreFacts& facts, const StoreNeeds& needs,
                         const StoreThresholds& limits) {
  return StoreJudge(facts, needs, limits).judge();
}

std::vector<std::string> explain(const StoreThresholds& limits) {
  return {
      fmt::format(
          "4 KiB read: {} at the median (a read that no cache has waits for it; a hard disk "
          "takes 10 ms), p99 {}; unfit above {}",
          in_words(limits.read_median), in_words(limits.read_p99), in_words(limits.unfit_read_p99)),
      fmt::format("64 KiB write: {} at the median (a flush waits for it with durability \"store\")",
                  in_words(limits.small_write_median)),
      fmt::format("throughput: {} (a hard disk's); unfit below {} (cleaning needs its part)",
                  speed_of(limits.bytes_a_second), speed_of(limits.unfit_bytes_a_second)),
      fmt::format("delete: {} at the median (space comes back that slowly)",
                  in_words(limits.remove_median)),
      fmt::format("failures: {:g} % of requests; unfit above {:g} %", limits.failed * 100,
                  limits.unfit_failed * 100),
  };
}

}  // namespace swiftness
