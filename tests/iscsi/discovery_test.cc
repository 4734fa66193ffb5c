#include "target/iscsi/discovery.h"

#include <gtest/gtest.h>

namespace swiftness::iscsi {
namespace {

constexpr const char* kInitiator = "iqn.1993-08.org.debian:01:host1";

TargetNode target(std::string name, bool open, std::vector<uint16_t> groups = {}) {
  TargetNode node;
  node.name = std::move(name);
  node.open = open;
  node.portal_groups = std::move(groups);
  return node;
}

std::string ask(const DiscoveryRequest& request, std::vector<TargetNode> targets,
                std::vector<PortalConfig> portals) {
  std::string text = answer_send_targets(request, targets, portals);
  for (char& c : text) {
    if (c == '\0') c = '\n';
  }
  return text;
}

DiscoveryRequest request(std::string_view value, const char* local = "192.0.2.1") {
  return {.send_targets = value,
          .initiator = kInitiator,
          .session_target = {},
          .local_address = boost::asio::ip::make_address(local)};
}

TEST(SendTargets, AllShowsWhatTheInitiatorMayUseThroughEachPortal) {
  std::vector<TargetNode> targets{target("iqn.a:1", true), target("iqn.a:secret", false),
                                  target("iqn.a:2", true, {2})};
  std::vector<PortalConfig> portals{{.address = "10.0.0.1", .port = 3260, .group = 1},
                                    {.address = "10.0.0.2", .port = 3261, .group = 2}};
  EXPECT_EQ(ask(request("All"), targets, portals),
            "TargetName=iqn.a:1\n"
            "TargetAddress=10.0.0.1:3260,1\n"
            "TargetAddress=10.0.0.2:3261,2\n"
            "TargetName=iqn.a:2\n"
            "TargetAddress=10.0.0.2:3261,2\n");
}

TEST(SendTargets, WildcardPortalsGiveTheLocalAddressOfTheConnection) {
  std::vector<TargetNode> targets{target("iqn.a:1", true)};
  std::vector<PortalConfig> portals{{.address = "0.0.0.0"}, {.address = "::"}};
  EXPECT_EQ(ask(request("All", "192.0.2.1"), targets, portals),
            "TargetName=iqn.a:1\nTargetAddress=192.0.2.1:3260,1\n");
  EXPECT_EQ(ask(request("All", "2001:db8::1"), targets, portals),
            "TargetName=iqn.a:1\nTargetAddress=[2001:db8::1]:3260,1\n");
}

TEST(SendTargets, AdvertiseIsWhatIsTold) {
  std::vector<TargetNode> targets{target("iqn.a:1", true)};
  auto told = [&](const char* advertise) {
    PortalConfig portal{.address = "0.0.0.0", .port = 3260, .group = 1, .advertise = advertise};
    return ask(request("All"), targets, {portal});
  };
  auto line = [](std::string address) {
    return "TargetName=iqn.a:1\nTargetAddress=" + address + ",1\n";
  };
  EXPECT_EQ(told("gw1.example:3270"), line("gw1.example:3270"));
  EXPECT_EQ(told("gw1.example"), line("gw1.example:3260"));
  EXPECT_EQ(told("10.0.2.2"), line("10.0.2.2:3260"));
  EXPECT_EQ(told("2001:db8::5"), line("[2001:db8::5]:3260"));
  EXPECT_EQ(told("[2001:db8::5]:99"), line("[2001:db8::5]:99"));
}

TEST(SendTargets, ByNameAndInANormalSession) {
  std::vector<TargetNode> targets{target("iqn.a:1", true), target("iqn.a:2", true)};
  std::vector<PortalConfig> portals{{.address = "10.0.0.1"}};
  const char* one = "TargetName=iqn.a:1\nTargetAddress=10.0.0.1:3260,1\n";
  EXPECT_EQ(ask(request("iqn.a:1"), targets, portals), one);
  EXPECT_EQ(ask(request("iqn.a:none"), targets, portals), "");
  EXPECT_EQ(ask(request(""), targets, portals), "SendTargets=Reject\n");
  DiscoveryRequest normal = request("");
  normal.session_target = "iqn.a:1";
  EXPECT_EQ(ask(normal, targets, portals), one);
  normal.send_targets = "iqn.a:1";
  EXPECT_EQ(ask(normal, targets, portals), one);
  normal.send_targets = "All";
  EXPECT_EQ(ask(normal, targets, portals), "SendTargets=Reject\n");
  normal.send_targets = "iqn.a:2";
  EXPECT_EQ(ask(normal, targets, portals), "SendTargets=Reject\n");
}

}  // namespace
}  // namespace swiftness::iscsi
