// Two paths to a disk, through portals of two groups, and what asymmetric access makes of them
// (SPC-5 5.18).
#include <gtest/gtest.h>

#include "backend/base/hash.h"
#include "tests/interop/libiscsi.h"

namespace swiftness::test {
namespace {

constexpr const char* kStandbyPort = "02/04/0b";
constexpr const char* kUnavailablePort = "02/04/0c";
constexpr const char* kChanged = "06/2a/06";

class TwoPaths : public testing::Test {
 protected:
  void start(const std::string& alua) {
    gateway_.configure(alua);
    gateway_.start();
    log_in();
  }
  void log_in() {
    first_ = std::make_unique<Initiator>(gateway_, InitiatorOptions{.port = 1});
    second_ =
        std::make_unique<Initiator>(gateway_, InitiatorOptions{.port = 2, .portal = "127.0.0.2"});
  }
  void reload(const std::string& alua) {
    gateway_.configure(alua);
    gateway_.reload();
  }

  // "00 01": the states of groups 1 and 2, and why: "00/00 02/01".
  static std::string states(Initiator& by) {
    const Bytes data = by.ask(cdb({0xa3, 0x0a, 0, 0, 0, 0, 0, 0, 0, 64}), 64).data;
    if (data.size() != 28) return "not two groups";
    const std::string hex = to_hex(data);
    const auto byte = [&hex](size_t at) { return hex.substr(2 * at, 2); };
    return byte(4) + "/" + byte(9) + " " + byte(16) + "/" + byte(21);
  }
  static std::string set(Initiator& by, int first, int second) {
    const Bytes list{std::byte{0},
                     std::byte{0},
                     std::byte{0},
                     std::byte{0},
                     static_cast<std::byte>(first),
                     std::byte{0},
                     std::byte{0},
                     std::byte{1},
                     static_cast<std::byte>(second),
                     std::byte{0},
                     std::byte{0},
                     std::byte{2}};
    return by.give(cdb({0xa4, 0x0a, 0, 0, 0, 0, 0, 0, 0, 12}), list).outcome();
  }

  GatewayProcess gateway_;
  std::unique_ptr<Initiator> first_, second_;
};

TEST_F(TwoPaths, TheConfigurationSaysHowTheyBegin) {
  start("alua: { 2: standby }");
  EXPECT_EQ(states(*first_), "00/00 02/00");
  EXPECT_EQ(to_hex(second_->ask(cdb({0x12, 0, 0, 0, 36}), 36).data).substr(10, 2), "38")
      << "TPGS 11b; 3PC";
  const std::string designators = to_hex(second_->ask(cdb({0x12, 1, 0x83, 1, 0}), 256).data);
  EXPECT_NE(designators.find("5195000400000002"), std::string::npos) << "its own group";
  EXPECT_EQ(first_->fill(0, 1, 1), "good");
  EXPECT_EQ(second_->ready(), kStandbyPort);
  EXPECT_EQ(second_->fill(0, 1, 2), kStandbyPort);
  EXPECT_EQ(second_->ask(read16(0, 8), 4096).outcome(), kStandbyPort);
  EXPECT_EQ(second_->ask(cdb({0x25}), 8).outcome(), "good") << "READ CAPACITY";
}

TEST_F(TwoPaths, AnInitiatorFailsOverAndBack) {
  start("alua: { 2: standby }");
  EXPECT_EQ(first_->fill(0, 2, 1), "good");
  EXPECT_EQ(set(*second_, 2, 0), "good") << "through the path in standby";
  EXPECT_EQ(first_->ready(), kChanged);
  EXPECT_EQ(first_->fill(0, 1, 2), kStandbyPort);
  EXPECT_EQ(states(*first_), "02/01 00/01");
  EXPECT_TRUE(second_->has(0, 2, 1, 0));
  EXPECT_EQ(second_->fill(0, 2, 3), "good");
  EXPECT_EQ(set(*first_, 0, 1), "good");
  EXPECT_EQ(second_->ready(), kChanged);
  EXPECT_TRUE(first_->has(0, 2, 3, 0));
  EXPECT_TRUE(second_->has(0, 2, 3, 0)) << "not optimized, yet active";
  EXPECT_EQ(set(*first_, 0, 0x0e), "05/26/00") << "offline";
}

TEST_F(TwoPaths, WhatWasSetLastsUntilTheFileSaysSomethingNewOrARestart) {
  start("alua: { 2: standby }");
  EXPECT_EQ(set(*first_, 1, 0), "good");
  EXPECT_EQ(second_->ready(), kChanged);
  reload("alua: { 2: standby }");
  EXPECT_EQ(second_->ready(), "good");
  EXPECT_EQ(states(*first_), "01/01 00/01");
  reload("alua: { 2: unavailable }");
  EXPECT_EQ(first_->ready(), kChanged);
  EXPECT_EQ(second_->ready(), kChanged);
  EXPECT_EQ(second_->ready(), kUnavailablePort);
  EXPECT_EQ(states(*second_), "01/01 03/02");
  EXPECT_EQ(set(*first_, 1, 0), "good");
  gateway_.kill();
  gateway_.start();
  log_in();
  EXPECT_EQ(states(*second_), "00/00 03/00");
}

}  // namespace
}  // namespace swiftness::test
