#include "target/cli/store_check_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "target/cli/commands.h"
#include "target/cli/table.h"

namespace swiftness::cli {
namespace {

using nlohmann::json;
using Rows = std::vector<std::vector<std::string>>;

// Middleware that changes what a gateway sees of Swift.
constexpr std::string_view kThatMatter[] = {
    "bulk_delete", "slo", "ratelimit", "container_quotas", "account_quotas", "tempurl"};

double ms(Duration time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

std::string in_ms(Duration time) {
  const double value = ms(time);
  return value < 10 ? fmt::format("{:.1f}", value) : fmt::format("{:.0f}", value);
}

const char* name_of(TrialFacts::Outcome outcome) {
  switch (outcome) {
    case TrialFacts::Outcome::held:
      return "held";
    case TrialFacts::Outcome::broken:
      return "BROKEN";
    case TrialFacts::Outcome::failed:
      return "FAILED";
  }
  return "?";
}

const char* name_of(StoreCheckProgress::Stage stage) {
  switch (stage) {
    case StoreCheckProgress::Stage::connect:
      return "log-in";
    case StoreCheckProgress::Stage::trials:
      return "trials";
    case StoreCheckProgress::Stage::measure:
      return "measuring";
    case StoreCheckProgress::Stage::tidy_up:
      return "deleting";
  }
  return "?";
}

const char* word_for(Fitness weight) {
  switch (weight) {
    case Fitness::fit:
      return "note";
    case Fitness::reservations:
      return "reservation";
    case Fitness::unfit:
      return "unfit";
  }
  return "?";
}

std::string clock_of(const ProxyFacts& proxy) {
  if (!proxy.clock_ahead) return "clock unknown";
  const double off = ms(*proxy.clock_ahead) / 1000;
  const double error = ms(proxy.clock_error) / 1000;
  if (std::abs(off) <= error) return "clock as ours";
  return fmt::format("clock {:.1f} s {} ours", std::abs(off), off > 0 ? "ahead of" : "behind");
}

// ---------------------------------------------------------------- for people
void add_servers(const StoreFacts& facts, Rows& rows) {
  for (const AuthFacts& auth : facts.auth) {
    rows.push_back({"Auth", auth.url,
                    auth.failure.empty() ? fmt::format("lets us in after {} ms", in_ms(auth.took))
                                         : "no: " + auth.failure});
  }
  for (const ProxyFacts& proxy : facts.proxies) {
    rows.push_back({"Proxy", proxy.url,
                    proxy.failure.empty()
                        ? fmt::format("answers after {} ms, {}", in_ms(proxy.took), clock_of(proxy))
                        : "no: " + proxy.failure});
  }
}

std::string policies_of(const StoreFacts& facts) {
  std::string out;
  for (const SwiftPolicy& policy : facts.info->policies) {
    const bool ours = facts.policy.empty() ? policy.is_default : policy.name == facts.policy;
    out += fmt::format("{}{}{}", out.empty() ? "" : ", ", policy.name, ours ? " (used)" : "");
  }
  return out;
}

std::string store_of(const StoreFacts& facts) {
  Rows rows;
  rows.push_back({"Account", facts.storage_url, "as " + facts.user});
  add_servers(facts, rows);
  std::string out = table(std::move(rows));
  rows.clear();
  const AccountFacts& account = facts.account;
  rows.push_back(
      {"In use",
       fmt::format("{} in {} objects, {}", human_size(account.bytes_used), account.objects,
                   account.quota_bytes ? "of a quota of " + human_size(*account.quota_bytes)
                                       : "no quota told")});
  if (facts.info) {
    const SwiftInfo& info = *facts.info;
    rows.push_back({"Swift", info.version});
    rows.push_back({"Storage policies", policies_of(facts)});
    rows.push_back({"Limits", fmt::format("objects of {}, names of {} bytes, headers of {} bytes",
                                          human_size(info.max_file_size),
                                          info.max_object_name_length, info.max_header_size)});
    std::string with;
    std::string without;
    for (const std::string_view name : kThatMatter) {
      const bool there = std::ranges::find(info.middleware, name) != info.middleware.end();
      std::string& words = there ? with : without;
      words += fmt::format("{}{}", words.empty() ? "" : ", ", name);
    }
    rows.push_back({"Middleware", with + (without.empty() ? "" : "; without " + without)});
  }
  return out + table(std::move(rows));
}

std::string trials_of(const StoreFacts& facts) {
  if (facts.trials.empty()) return "";
  Rows rows = {{"PROMISE", "", "SEEN"}};
  rows.front()[1] = "IS";
  for (const TrialFacts& trial : facts.trials) {
    rows.push_back({to_string(trial.trial), name_of(trial.outcome), trial.seen});
  }
  return "\n" + table(std::move(rows));
}

std::vector<std::string> row_of(const std::string& what, const std::string& at_once,
                                const std::string& speed, const Latencies& latency) {
  return {what,
          at_once,
          speed,
          in_ms(latency.median),
          in_ms(latency.p95),
          in_ms(latency.p99),
          std::to_string(latency.count)};
}

std::string numbers_of(const StoreFacts& facts) {
  if (facts.cells.empty() && facts.ranged_read.count == 0) return "";
  Rows rows = {{"REQUEST", "AT ONCE", "MB/S", "MEDIAN MS", "P95", "P99", "TIMES"}};
  for (const bool write : {true, false}) {
    std::vector<CellFacts> cells;
    std::ranges::copy_if(facts.cells, std::back_inserter(cells),
                         [write](const CellFacts& cell) { return cell.write == write; });
    std::ranges::stable_sort(cells, {}, &CellFacts::bytes);
    for (const CellFacts& cell : cells) {
      rows.push_back(row_of(fmt::format("{} {}", write ? "PUT" : "GET", human_size(cell.bytes)),
                            std::to_string(cell.parallel),
                            fmt::format("{:.1f}", cell.bytes_a_second() / 1e6), cell.latency));
    }
  }
  rows.push_back(row_of("GET 4 KiB of a chunk", "1", "", facts.ranged_read));
  rows.push_back(row_of("DELETE", "1 to 8", "", facts.remove));
  return "\n" + table(std::move(rows));
}

std::string advice(const char* what, const std::optional<Recommendation>& found) {
  if (!found) return "";
  return fmt::format(
      "{}: {}, {} at once, are the least that comes within 10 % of the fastest ({:.1f} of {:.1f} "
      "MB/s).\n",
      what, human_size(found->bytes), found->parallel, found->bytes_a_second / 1e6,
      found->best / 1e6);
}

// ---------------------------------------------------------------- for programs
json json_of(const Latencies& latency) {
  return {{"count", latency.count},
          {"median_ms", ms(latency.median)},
          {"p95_ms", ms(latency.p95)},
          {"p99_ms", ms(latency.p99)},
          {"longest_ms", ms(latency.longest)}};
}

json json_of(const std::optional<Recommendation>& found) {
  if (!found) return nullptr;
  return {{"bytes", found->bytes},
          {"parallel", found->parallel},
          {"bytes_per_second", found->bytes_a_second},
          {"best_bytes_per_second", found->best}};
}

json servers_of(const StoreFacts& facts) {
  json out;
  out["auth"] = json::array();
  for (const AuthFacts& auth : facts.auth) {
    out["auth"].push_back({{"url", auth.url},
                           {"failure", auth.failure},
                           {"storage_url", auth.storage_url},
                           {"ms", ms(auth.took)}});
  }
  out["proxies"] = json::array();
  for (const ProxyFacts& proxy : facts.proxies) {
    json one = {{"url", proxy.url}, {"failure", proxy.failure}, {"ms", ms(proxy.took)}};
    one["clock_ahead_ms"] = nullptr;
    if (proxy.clock_ahead) one["clock_ahead_ms"] = ms(*proxy.clock_ahead);
    one["clock_error_ms"] = ms(proxy.clock_error);
    out["proxies"].push_back(std::move(one));
  }
  return out;
}

json trials_json(const StoreFacts& facts) {
  json out = json::array();
  for (const TrialFacts& trial : facts.trials) {
    const bool held = trial.outcome == TrialFacts::Outcome::held;
    const bool broken = trial.outcome == TrialFacts::Outcome::broken;
    out.push_back({{"trial", to_string(trial.trial)},
                   {"outcome", held ? "held" : (broken ? "broken" : "failed")},
                   {"seen", trial.seen},
                   {"ms", ms(trial.took)}});
  }
  return out;
}

json cells_json(const StoreFacts& facts) {
  json out = json::array();
  for (const CellFacts& cell : facts.cells) {
    json one = json_of(cell.latency);
    one["method"] = cell.write ? "PUT" : "GET";
    one["bytes"] = cell.bytes;
    one["parallel"] = cell.parallel;
    one["bytes_per_second"] = cell.bytes_a_second();
    one["failed"] = cell.failed;
    one["wrong"] = cell.wrong;
    out.push_back(std::move(one));
  }
  return out;
}

json about_account(const StoreFacts& facts) {
  json out = {{"containers", facts.account.containers},
              {"objects", facts.account.objects},
              {"bytes_used", facts.account.bytes_used}};
  out["quota_bytes"] = nullptr;
  if (facts.account.quota_bytes) out["quota_bytes"] = *facts.account.quota_bytes;
  return out;
}

json visibility_json(const VisibilityFacts& seen) {
  json out = {{"names", seen.names},
              {"reads", seen.reads},
              {"missing", seen.missing},
              {"never", seen.never}};
  out["slowest_ms"] = nullptr;
  if (seen.slowest) out["slowest_ms"] = ms(*seen.slowest);
  out["listed_after_ms"] = nullptr;
  if (seen.listed_after) out["listed_after_ms"] = ms(*seen.listed_after);
  return out;
}

}  // namespace

nlohmann::json json_of(const StoreFacts& facts, const StoreVerdict& verdict, bool quick) {
  json out = servers_of(facts);
  out["verdict"] = to_string(verdict.fitness);
  out["findings"] = json::array();
  for (const StoreFinding& finding : verdict.findings) {
    out["findings"].push_back({{"weight", word_for(finding.weight)}, {"what", finding.what}});
  }
  out["quick"] = quick;
  out["stopped"] = facts.stopped;
  out["user"] = facts.user;
  out["storage_url"] = facts.storage_url;
  out["storage_policy"] = facts.policy;
  out["account"] = about_account(facts);
  out["info"] = nullptr;
  if (facts.info) out["info"] = json::parse(facts.info->document, nullptr, false);
  out["container"] = facts.container;
  out["left_behind"] = facts.left_behind;
  out["trials"] = trials_json(facts);
  out["creators"] = {{"at_once", facts.race.creators},
                     {"winners", facts.race.winners},
                     {"losers_kept", facts.race.losers_kept}};
  out["visibility"] = visibility_json(facts.visibility);
  out["measured"] = cells_json(facts);
  out["not_measured"] = facts.cells_left_out;
  out["ranged_read"] = json_of(facts.ranged_read);
  out["ranged_read"]["failed"] = facts.ranged_failed;
  out["ranged_read"]["wrong"] = facts.ranged_wrong;
  out["delete"] = json_of(facts.remove);
  out["delete"]["failed"] = facts.remove_failed;
  out["sent_again"] = facts.hiccups;
  out["first_failure"] = facts.first_failure;
  out["bytes_written"] = facts.bytes_written;
  out["seconds"] = ms(facts.took) / 1000;
  out["recommended"] = {{"write", json_of(verdict.write)}, {"read", json_of(verdict.read)}};
  out["thresholds"] = explain(StoreThresholds());
  return out;
}

std::string text_of(const StoreFacts& facts, const StoreVerdict& verdict) {
  std::string out = store_of(facts) + trials_of(facts) + numbers_of(facts);
  out += fmt::format("\nWrote {} in {:.0f} s. Slow is, beyond:\n", human_size(facts.bytes_written),
                     ms(facts.took) / 1000);
  for (const std::string& line : explain(StoreThresholds())) out += "  " + line + "\n";
  out += "\n";
  for (const StoreFinding& finding : verdict.findings) {
    out += fmt::format("{}: {}\n", word_for(finding.weight), finding.what);
  }
  out += advice("Writes", verdict.write) + advice("Reads", verdict.read);
  const std::string so_far = facts.stopped ? ", as far as the check came" : "";
  return out + fmt::format("This store is {} for disks{}.\n", to_string(verdict.fitness), so_far);
}

int exit_code_of(const StoreFacts& facts, const StoreVerdict& verdict) noexcept {
  return verdict.fitness == Fitness::unfit || facts.stopped ? kFailed : kDone;
}

std::string progress_line(const StoreCheckProgress& progress) {
  constexpr size_t kWidth = 40;
  if (progress.all == 0) return fmt::format("{:<9} ...", name_of(progress.stage));
  const size_t done = std::min(progress.done, progress.all);
  return fmt::format("{:<9} [{:<{}}] {} of {}", name_of(progress.stage),
                     std::string(kWidth * done / progress.all, '#'), kWidth, done, progress.all);
}

}  // namespace swiftness::cli
