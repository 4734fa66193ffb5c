#include "target/admin/metrics.h"

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
        "swiftness_volume_written_bytes_total{volume=\"vm-disk\"} 5"}) {
    EXPECT_TRUE(has_line(text, line)) << line << "\nis not in\n" << text;
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
