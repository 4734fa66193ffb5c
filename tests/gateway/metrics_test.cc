#include "target/admin/metrics.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <regex>
#include <set>
#include <sstream>

namespace swiftness::admin {
namespace {

StatusReport two_volumes() {
  StatusReport status;
  status.name = "gw1";
  status.version = "1.0";
  status.ready = true;
  status.sessions = 3;
  status.initiators.logins_refused = 7;
  status.initiators.unread_answers = 4096;
  VolumeReport one;
  one.name = "vm-disk";
  one.state = "online";
  one.size = 1'099'511'627'776;
  one.unsafe = 65536;
  one.unsafe_seconds = 0.25;
  one.written = 5;
  VolumeReport other;
  other.name = "odd\"name\\";
  other.state = "attaching";
  status.volumes = {one, other};
  status.stores = {{"cloud", "answered 403"}, {"here", ""}};
  return status;
}

bool has_line(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

TEST(Metrics, OfTheGatewayAndOfEachVolume) {
  const std::string text = metrics_text(two_volumes());
  for (const char* line :
       {"# TYPE swiftness_ready gauge", "swiftness_ready 1",
        "swiftness_info{name=\"gw1\",version=\"1.0\"} 1", "swiftness_sessions 3",
        "# TYPE swiftness_logins_refused_total counter", "swiftness_logins_refused_total 7",
        "swiftness_unread_answer_bytes 4096", "swiftness_volume_online{volume=\"vm-disk\"} 1",
        "swiftness_volume_online{volume=\"odd\\\"name\\\\\"} 0",
        "swiftness_volume_size_bytes{volume=\"vm-disk\"} 1099511627776",
        "swiftness_volume_unsafe_seconds{volume=\"vm-disk\"} 0.25",
        "swiftness_store_up{store=\"cloud\"} 0", "swiftness_store_up{store=\"here\"} 1",
        "swiftness_volume_written_bytes_total{volume=\"vm-disk\"} 5"}) {
    EXPECT_TRUE(has_line(text, line)) << line << "\nis not in\n" << text;
  }
}

// A number of its own for each, so that none stands in another's place.
TEST(Metrics, EachIsWhatItsNameSays) {
  StatusReport status;
  status.ready = status.drained = true;
  InitiatorCounts& i = status.initiators;
  VolumeReport volume;
  volume.name = "v";
  volume.unsafe_seconds = 100;
  VolumeReport& v = volume;
  struct Line {
    const char* name;
    uint64_t* value;
  };
  const Line lines[] = {
      {"swiftness_logins_total", &i.logins},
      {"swiftness_logins_refused_total", &i.logins_refused},
      {"swiftness_connections_refused_total", &i.connections_refused},
      {"swiftness_connections_broken_total", &i.connections_broken},
      {"swiftness_connections_paused_total", &i.connections_paused},
      {"swiftness_connections_half_open", &i.half_open},
      {"swiftness_unread_answer_bytes", &i.unread_answers},
      {"swiftness_pdus_rejected_total", &i.pdus_rejected},
      {"swiftness_commands_total", &i.commands},
      {"swiftness_commands_timed_out_total", &i.commands_timed_out},
      {"swiftness_commands_without_memory_total", &i.commands_without_memory},
      {"swiftness_sent_bytes_total", &i.bytes_read},
      {"swiftness_received_bytes_total", &i.bytes_written},
      {"swiftness_sessions", &status.sessions},
      {"swiftness_volume_size_bytes{volume=\"v\"}", &v.size},
      {"swiftness_volume_mapped_bytes{volume=\"v\"}", &v.mapped},
      {"swiftness_volume_quota_bytes{volume=\"v\"}", &v.quota},
      {"swiftness_volume_available_bytes{volume=\"v\"}", &v.available},
      {"swiftness_volume_unsafe_bytes{volume=\"v\"}", &v.unsafe},
      {"swiftness_volume_epoch{volume=\"v\"}", &v.epoch},
      {"swiftness_volume_newest_sequence{volume=\"v\"}", &v.newest_sequence},
      {"swiftness_volume_durable_sequence{volume=\"v\"}", &v.durable_sequence},
      {"swiftness_volume_chunks_in_flight{volume=\"v\"}", &v.chunks_in_flight},
      {"swiftness_volume_journal_size_bytes{volume=\"v\"}", &v.journal_size},
      {"swiftness_volume_journal_used_bytes{volume=\"v\"}", &v.journal_used},
      {"swiftness_volume_chunks{volume=\"v\"}", &v.chunks},
      {"swiftness_volume_stored_bytes{volume=\"v\"}", &v.stored},
      {"swiftness_volume_live_bytes{volume=\"v\"}", &v.live},
      {"swiftness_volume_awaiting_deletion_bytes{volume=\"v\"}", &v.awaiting_deletion},
      {"swiftness_volume_written_bytes_total{volume=\"v\"}", &v.written},
      {"swiftness_volume_put_bytes_total{volume=\"v\"}", &v.put},
      {"swiftness_volume_moved_bytes_total{volume=\"v\"}", &v.moved},
      {"swiftness_volume_read_hits_total{volume=\"v\"}", &v.read_hits},
      {"swiftness_volume_read_misses_total{volume=\"v\"}", &v.read_misses},
      {"swiftness_volume_read_from_cache_bytes_total{volume=\"v\"}", &v.read_from_cache},
      {"swiftness_volume_read_from_store_bytes_total{volume=\"v\"}", &v.read_from_store},
      {"swiftness_volume_store_gets_total{volume=\"v\"}", &v.store_gets},
      {"swiftness_volume_store_prefetches_total{volume=\"v\"}", &v.store_prefetches},
      {"swiftness_volume_read_cache_size_bytes{volume=\"v\"}", &v.read_cache_size},
      {"swiftness_volume_read_cache_used_bytes{volume=\"v\"}", &v.read_cache_used},
  };
  uint64_t number = 1;
  for (const Line& line : lines) *line.value = ++number;
  status.volumes = {volume};
  const std::string text = metrics_text(status);
  EXPECT_TRUE(has_line(text, "swiftness_ready 1"));
  EXPECT_TRUE(has_line(text, "swiftness_drained 1"));
  EXPECT_TRUE(has_line(text, "swiftness_volume_unsafe_seconds{volume=\"v\"} 100"));
  number = 1;
  for (const Line& line : lines) {
    EXPECT_TRUE(has_line(text, fmt::format("{} {}", line.name, ++number))) << line.name;
  }
}

// What Prometheus demands of a page: each line is a comment or a sample, each name has one type and
// is called what it is.
TEST(Metrics, ThePageIsWellFormed) {
  const std::regex sample(
      R"re(([a-z_]+)(\{[a-z]+="([^"\\]|\\.)*"(,[a-z]+="([^"\\]|\\.)*")*\})? \S+)re");
  std::istringstream page(metrics_text(two_volumes()));
  std::set<std::string> names;
  std::string type;
  for (std::string line; std::getline(page, line);) {
    std::smatch found;
    if (line.starts_with("# TYPE ")) {
      const size_t blank = line.rfind(' ');
      type = line.substr(blank + 1);
      const std::string name = line.substr(7, blank - 7);
      EXPECT_TRUE(names.insert(name).second) << name << " twice";
      EXPECT_TRUE(name.starts_with("swiftness_")) << name;
      EXPECT_EQ(name.ends_with("_total"), type == "counter") << name;
    } else if (!line.starts_with("# HELP ")) {
      EXPECT_TRUE(std::regex_match(line, found, sample)) << line;
      EXPECT_TRUE(names.contains(found[1])) << line;
    }
  }
  EXPECT_GT(names.size(), 40u);
}

}  // namespace
}  // namespace swiftness::admin
