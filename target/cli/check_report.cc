#include "target/cli/check_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "target/cli/commands.h"
#include "target/cli/table.h"

namespace swiftness::cli {
namespace {

using nlohmann::json;

constexpr size_t kMostLines = 20;  // of a kind, for people; JSON has all

const char* name_of(EraObject::Kind kind) {
  switch (kind) {
    case EraObject::Kind::chunk:
      return "chunk";
    case EraObject::Kind::root:
      return "root";
    case EraObject::Kind::map_object:
      return "map object";
  }
  return "?";
}

const char* name_of(CheckProgress::Stage stage) {
  switch (stage) {
    case CheckProgress::Stage::map:
      return "map";
    case CheckProgress::Stage::chunks:
      return "chunks";
    case CheckProgress::Stage::again:
      return "again";
    case CheckProgress::Stage::orphans:
      return "orphans";
    case CheckProgress::Stage::repair:
      return "repair";
  }
  return "?";
}

json json_of(const std::vector<CheckFinding>& findings) {
  json out = json::array();
  for (const CheckFinding& finding : findings) {
    out.push_back({{"kind", to_string(finding.kind)},
                   {"object", finding.object},
                   {"what", finding.what},
                   {"bytes_hit", finding.sectors * kSectorBytes}});
  }
  return out;
}

json json_of(const std::vector<Orphan>& orphans) {
  json out = json::array();
  for (const Orphan& orphan : orphans) {
    out.push_back({{"kind", name_of(orphan.what.kind)},
                   {"object", to_string(orphan.object)},
                   {"bytes", orphan.bytes}});
  }
  return out;
}

uint64_t bytes_of(const std::vector<Orphan>& orphans) {
  uint64_t out = 0;
  for (const Orphan& orphan : orphans) out += orphan.bytes;
  return out;
}

std::string lines_of(const char* word, const std::vector<CheckFinding>& findings) {
  std::string out;
  for (size_t i = 0; i < std::min(findings.size(), kMostLines); ++i) {
    const CheckFinding& finding = findings[i];
    out += fmt::format("{}: {}: ", word, to_string(finding.kind));
    if (!finding.object.empty()) out += finding.object + ": ";
    out += finding.what;
    if (finding.sectors > 0) {
      out += fmt::format(" ({} of the disk)", human_size(finding.sectors * kSectorBytes));
    }
    out += '\n';
  }
  if (findings.size() > kMostLines) {
    out += fmt::format("{}: and {} more (--json has all)\n", word, findings.size() - kMostLines);
  }
  return out;
}

std::string verdict(const CheckReport& report, const std::string& volume) {
  if (!report.damage.empty()) return fmt::format("Volume {} is damaged.\n", volume);
  if (!report.clean()) {
    return fmt::format("Volume {}: no damage is certain, but not all could be looked at.\n",
                       volume);
  }
  return fmt::format("Volume {} is sound{}.\n", volume,
                     report.quick ? ", as far as headers tell" : "");
}

}  // namespace

json json_of(const CheckReport& report, const std::string& volume) {
  json out;
  out["volume"] = volume;
  out["clean"] = report.clean();
  out["quick"] = report.quick;
  out["log_read"] = report.log_read;
  out["epoch"] = report.epoch;
  out["released"] = report.released;
  out["attaching"] = report.attaching;
  out["host"] = report.host;
  out["root"] = report.root;
  out["last_chunk"] = report.last_chunk;
  out["pages"] = report.pages;
  out["extents"] = report.extents;
  out["mapped_bytes"] = report.mapped_bytes;
  out["chunks"] = report.chunks;
  out["chunk_bytes"] = report.chunk_bytes;
  out["frames"] = report.frames;
  out["deleted_chunks"] = report.deleted_chunks;
  out["overcounted_bytes"] = report.overcounted_bytes;
  out["looked_again"] = report.looked_again;
  out["damage"] = json_of(report.damage);
  out["in_doubt"] = json_of(report.in_doubt);
  out["unlisted"] = report.unlisted;
  out["orphans"] = json_of(report.orphans);
  out["more_orphans"] = report.more_orphans;
  out["unfinished_claims"] = report.unfinished_claims;
  out["removed"] = json_of(report.removed);
  out["repair_refused"] = report.repair_refused;
  out["repair_failures"] = report.repair_failures;
  return out;
}

std::string text_of(const CheckReport& report, const std::string& volume) {
  std::string out = lines_of("damage", report.damage) + lines_of("in doubt", report.in_doubt);
  if (report.unlisted > 0) out += fmt::format("and {} more suspicions\n", report.unlisted);
  std::vector<std::vector<std::string>> rows;
  if (report.log_read && report.epoch == 0) rows.push_back({"Served", "never"});
  if (report.log_read && report.epoch > 0) {
    rows.push_back({"Served", fmt::format("epoch {}, by {}, {}", report.epoch,
                                          report.host.empty() ? "(unknown)" : report.host,
                                          report.released ? "released" : "not released")});
    rows.push_back({"Mapped", fmt::format("{} in {} extents", human_size(report.mapped_bytes),
                                          report.extents)});
    rows.push_back(
        {"Chunks", fmt::format("{} verified, {}, {} frames; the log ends at {}", report.chunks,
                               human_size(report.chunk_bytes), report.frames, report.last_chunk)});
    rows.push_back({"Orphans", fmt::format("{}, {}{}", report.orphans.size() + report.more_orphans,
                                           human_size(bytes_of(report.orphans)),
                                           report.more_orphans > 0 ? " at least" : "")});
  }
  out += table(std::move(rows));
  if (!report.removed.empty()) {
    out += fmt::format("Removed {} orphans, {}\n", report.removed.size(),
                       human_size(bytes_of(report.removed)));
  }
  if (!report.repair_refused.empty()) {
    out += fmt::format("Nothing was removed: {}\n", report.repair_refused);
  }
  for (const std::string& failure : report.repair_failures) {
    out += fmt::format("Not removed: {}\n", failure);
  }
  return out + verdict(report, volume);
}

int exit_code_of(const CheckReport& report) noexcept {
  const bool repaired = report.repair_refused.empty() && report.repair_failures.empty();
  return report.clean() && repaired ? kDone : kFailed;
}

std::string progress_line(const CheckProgress& progress, size_t width) {
  if (progress.total == 0) return fmt::format("{:<8} ...", name_of(progress.stage));
  const uint64_t done = std::min(progress.done, progress.total);
  const size_t filled = width * done / progress.total;
  return fmt::format("{:<8} [{:<{}}] {:>3} %  {} of {}", name_of(progress.stage),
                     std::string(filled, '#'), width, 100 * done / progress.total, done,
                     progress.total);
}

}  // namespace swiftness::cli
