// Three nodes of a failover cluster and their shared disk: persistent reservations (SPC-5 5.14) the
// way cluster software uses them.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "backend/base/endian.h"
#include "backend/base/hash.h"
#include "tests/interop/libiscsi.h"

namespace swiftness::test {
namespace {

// PERSISTENT RESERVE OUT and IN, service actions (SPC-5 6.16, 6.15).
constexpr int kRegister = 0, kReserve = 1, kRelease = 2, kClear = 3, kPreempt = 4,
              kPreemptAndAbort = 5, kRegisterAndIgnore = 6;
constexpr int kReadKeys = 0, kReadReservation = 1, kReportCapabilities = 2, kReadFullStatus = 3;
// TYPE (SPC-5 table 103)
constexpr int kWe = 1, kEa = 3, kWeRegistrants = 5, kEaRegistrants = 6, kWeAllRegistrants = 7,
              kEaAllRegistrants = 8;

constexpr const char* kGood = "good";
constexpr const char* kConflict = "reservation conflict";

class Node : public Initiator {
 public:
  Node(const GatewayProcess& gateway, int number)
      : Initiator(gateway, {.name = name_of(number), .port = number}), key(0xabcd0000 + number) {}

  static std::string name_of(int number) {
    return fmt::format("iqn.2026-11.org.swiftness.test:node{}", number);
  }

  std::string out(int action, int type, uint64_t reservation_key, uint64_t service_action_key,
                  bool aptpl = false) {
    Bytes list(24);
    store_be(&list[0], reservation_key);
    store_be(&list[8], service_action_key);
    if (aptpl) list[20] = std::byte{0x01};
    return give(cdb({0x5f, action, type, 0, 0, 0, 0, 0, 24}), std::move(list)).outcome();
  }
  std::string in(int action) {
    return to_hex(ask(cdb({0x5e, action, 0, 0, 0, 0, 0, 4, 0}), 1024).data);
  }
  std::string reads() { return ask(read16(0, 8), 4096).outcome(); }
  std::string writes() { return give(write16(0, 8), Bytes(4096)).outcome(); }

  uint64_t key;
};

// What READ FULL STATUS has of a node (SPC-5 6.15.5): its key, R_HOLDER and the type, relative
// target port 1, and the TransportID of its port.
std::string full_status_of(int number, uint64_t key, int holder_type) {
  std::string port = fmt::format("{},i,0x00000100{:04x}", Node::name_of(number), number);
  port.resize((port.size() / 4 + 1) * 4);
  const auto bytes = std::as_bytes(std::span(std::string_view(port)));
  return fmt::format("{:016x}00000000{:02x}{:02x}000000000001{:08x}4500{:04x}", key,
                     holder_type == 0 ? 0 : 1, holder_type, port.size() + 4, port.size()) +
         to_hex(bytes);
}

class FailoverCluster : public testing::Test {
 protected:
  FailoverCluster() { gateway_.start(); }

  void log_in() {
    one_ = std::make_unique<Node>(gateway_, 1);
    two_ = std::make_unique<Node>(gateway_, 2);
    three_ = std::make_unique<Node>(gateway_, 3);
  }

  static std::string keys(uint32_t generation, const std::vector<uint64_t>& keys) {
    std::string out = fmt::format("{:08x}{:08x}", generation, 8 * keys.size());
    for (uint64_t key : keys) out += fmt::format("{:016x}", key);
    return out;
  }
  static std::string reservation(uint32_t generation, uint64_t key, int type) {
    return fmt::format("{:08x}00000010{:016x}0000000000{:02x}0000", generation, key, type);
  }
  static std::string no_reservation(uint32_t generation) {
    return fmt::format("{:08x}00000000", generation);
  }

  GatewayProcess gateway_;
  std::unique_ptr<Node> one_, two_, three_;
};

struct Variant {
  int registers;
  int preempts;
};

class Failover : public FailoverCluster, public testing::WithParamInterface<Variant> {};

INSTANTIATE_TEST_SUITE_P(Ways, Failover,
                         testing::Values(Variant{kRegister, kPreempt},
                                         Variant{kRegisterAndIgnore, kPreemptAndAbort}));

TEST_P(Failover, ANodeTakesTheDiskFromAnother) {
  log_in();
  Node &one = *one_, &two = *two_, &three = *three_;
  EXPECT_EQ(one.in(kReadKeys), keys(0, {}));
  for (Node* node : {&one, &two, &three}) {
    EXPECT_EQ(node->out(GetParam().registers, 0, 0, node->key), kGood);
  }
  EXPECT_EQ(one.out(kRegister, 0, 0, 0x99), kConflict) << "it is registered by another key";
  EXPECT_EQ(one.out(kReserve, kWeRegistrants, one.key, 0), kGood);
  EXPECT_EQ(two.out(kReserve, kWeRegistrants, two.key, 0), kConflict);
  EXPECT_EQ(two.in(kReadKeys), keys(3, {one.key, two.key, three.key}));
  EXPECT_EQ(two.in(kReadReservation), reservation(3, one.key, kWeRegistrants));
  const std::string status = full_status_of(1, one.key, kWeRegistrants) +
                             full_status_of(2, two.key, 0) + full_status_of(3, three.key, 0);
  EXPECT_EQ(three.in(kReadFullStatus), fmt::format("00000003{:08x}", status.size() / 2) + status);
  EXPECT_EQ(one.in(kReportCapabilities), "00081d80ea010000");
  for (Node* node : {&one, &two, &three}) EXPECT_EQ(node->writes(), kGood);

  // The challenge: node 1 does not defend what it holds, and loses it.
  EXPECT_EQ(two.in(kReadReservation), reservation(3, one.key, kWeRegistrants));
  EXPECT_EQ(two.out(GetParam().preempts, kWeRegistrants, two.key, one.key), kGood);
  EXPECT_EQ(two.in(kReadKeys), keys(4, {two.key, three.key}));
  EXPECT_EQ(two.in(kReadReservation), reservation(4, two.key, kWeRegistrants));
  EXPECT_EQ(one.writes(), "06/2a/05") << "registrations preempted";
  EXPECT_EQ(one.writes(), kConflict);
  EXPECT_EQ(one.reads(), kGood);
  EXPECT_EQ(one.out(kRelease, kWeRegistrants, one.key, 0), kConflict);
  EXPECT_EQ(one.out(kPreempt, kWeRegistrants, one.key, two.key), kConflict);
  EXPECT_EQ(three.writes(), kGood);
  EXPECT_EQ(two.writes(), kGood);

  EXPECT_EQ(three.out(kRelease, kWeRegistrants, three.key, 0), kGood) << "it holds nothing";
  EXPECT_EQ(two.in(kReadReservation), reservation(4, two.key, kWeRegistrants));
  EXPECT_EQ(two.out(kRelease, kWe, two.key, 0), "05/26/04") << "of another type";
  EXPECT_EQ(two.out(kRelease, kWeRegistrants, two.key, 0), kGood);
  EXPECT_EQ(two.in(kReadReservation), no_reservation(4));
  EXPECT_EQ(three.writes(), "06/2a/04") << "reservations released";
  EXPECT_EQ(one.writes(), kGood) << "nothing is reserved";
  EXPECT_EQ(two.out(kClear, 0, two.key, 0), kGood);
  EXPECT_EQ(three.ready(), "06/2a/03") << "reservations preempted";
  EXPECT_EQ(three.ready(), kGood);
  EXPECT_EQ(two.in(kReadKeys), keys(5, {}));
  EXPECT_EQ(two.in(kReadFullStatus), "0000000500000000");
}

// SPC-5 tables 70 and 71, SBC-4 table 14. Node 1 holds it, node 2 is registered, node 3 is not.
TEST_F(FailoverCluster, EachTypeLetsThroughWhatItSays) {
  log_in();
  struct Expected {
    int type;
    const char* registrant_reads;
    const char* registrant_writes;
    const char* stranger_reads;
  };
  EXPECT_EQ(one_->out(kRegister, 0, 0, one_->key), kGood);
  EXPECT_EQ(two_->out(kRegister, 0, 0, two_->key), kGood);
  for (const Expected& is : {Expected{kWe, kGood, kConflict, kGood},
                             {kEa, kConflict, kConflict, kConflict},
                             {kWeRegistrants, kGood, kGood, kGood},
                             {kEaRegistrants, kGood, kGood, kConflict},
                             {kWeAllRegistrants, kGood, kGood, kGood},
                             {kEaAllRegistrants, kGood, kGood, kConflict}}) {
    SCOPED_TRACE(is.type);
    const bool is_of_all = is.type >= kWeAllRegistrants;
    EXPECT_EQ(one_->out(kReserve, is.type, one_->key, 0), kGood);
    EXPECT_EQ(three_->in(kReadReservation), reservation(2, is_of_all ? 0 : one_->key, is.type));
    const std::string status = full_status_of(1, one_->key, is.type) +
                               full_status_of(2, two_->key, is_of_all ? is.type : 0);
    EXPECT_EQ(three_->in(kReadFullStatus),
              fmt::format("00000002{:08x}", status.size() / 2) + status);
    EXPECT_EQ(one_->reads() + ", " + one_->writes(), "good, good");
    EXPECT_EQ(two_->reads(), is.registrant_reads);
    EXPECT_EQ(two_->writes(), is.registrant_writes);
    EXPECT_EQ(three_->reads(), is.stranger_reads);
    EXPECT_EQ(three_->writes(), kConflict);
    EXPECT_EQ(three_->ready(), kGood);
    EXPECT_EQ(one_->out(kRelease, is.type, one_->key, 0), kGood);
    const bool was_for_registrants = is.type >= kWeRegistrants;
    EXPECT_EQ(two_->ready(), was_for_registrants ? "06/2a/04" : kGood);
  }
}

// With APTPL a node that comes back after a crash of the gateway is still what it was.
TEST_F(FailoverCluster, AReservationOutlivesACrashOfTheGateway) {
  log_in();
  for (Node* node : {one_.get(), two_.get()}) {
    EXPECT_EQ(node->out(kRegister, 0, 0, node->key, true), kGood);
  }
  EXPECT_EQ(one_->out(kReserve, kWeRegistrants, one_->key, 0), kGood);
  gateway_.kill();
  gateway_.start();
  log_in();
  EXPECT_EQ(three_->in(kReadKeys), keys(0, {one_->key, two_->key}));
  EXPECT_EQ(three_->in(kReadReservation), reservation(0, one_->key, kWeRegistrants));
  const std::string status =
      full_status_of(1, one_->key, kWeRegistrants) + full_status_of(2, two_->key, 0);
  EXPECT_EQ(three_->in(kReadFullStatus), fmt::format("00000000{:08x}", status.size() / 2) + status);
  EXPECT_EQ(three_->in(kReportCapabilities), "00081d81ea010000") << "PTPL_A";
  EXPECT_EQ(three_->writes(), kConflict);
  EXPECT_EQ(three_->reads(), kGood);
  EXPECT_EQ(two_->writes(), kGood);
  EXPECT_EQ(one_->writes(), kGood);

  // The last that registers says whether it goes on so.
  EXPECT_EQ(two_->out(kRegister, 0, two_->key, two_->key, false), kGood);
  gateway_.kill();
  gateway_.start();
  log_in();
  EXPECT_EQ(three_->in(kReadKeys), keys(0, {}));
  EXPECT_EQ(three_->writes(), kGood);
}

}  // namespace
}  // namespace swiftness::test
