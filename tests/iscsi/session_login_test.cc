// Login, discovery and logout on the wire: exact statuses, limits, garbage.
#include <gtest/gtest.h>

#include "tests/iscsi/test_target.h"

namespace swiftness::test {
namespace {

using namespace iscsi;

LoginOptions to(std::string_view target) {
  LoginOptions options;
  options.target = target;
  return options;
}

TEST(LoginOnTheWire, OpensTheWindowAndTellsTheTsih) {
  TestTarget target;
  auto initiator = target.connect();
  auto answer = initiator.login(to(kTarget));
  ASSERT_TRUE(RawInitiator::succeeded(answer));
  auto response = answer->as<LoginResponse>();
  EXPECT_NE(response.tsih, 0);
  EXPECT_EQ(response.exp_cmd_sn, 1u);
  EXPECT_GE(response.max_cmd_sn - response.exp_cmd_sn + 1, 32u);
  EXPECT_EQ(answer->header.flags, 0x87);
  auto sessions = target.sessions();
  ASSERT_EQ(sessions.size(), 1u);
  EXPECT_EQ(sessions[0].target, kTarget);
  EXPECT_EQ(sessions[0].isid, "400001370001");
  EXPECT_EQ(sessions[0].tsih, response.tsih);
  EXPECT_TRUE(sessions[0].address.starts_with("127.0.0.1:"));
}

TEST(LoginOnTheWire, RefusalsWithExactStatusAndThenTheEnd) {
  TargetNode node = TestTarget::open_target();
  node.open = false;
  node.access = {{"iqn.2026-11.org.swiftness.test:friend", {}, false}};
  TestTarget target({}, node);
  auto status = [&](const LoginOptions& options) {
    auto initiator = target.connect();
    uint16_t result = RawInitiator::login_status(initiator.login(options));
    EXPECT_TRUE(result == 0 || initiator.closed_by_target());
    return result;
  };
  EXPECT_EQ(status(to("iqn.2026-11.org.swiftness:none")), 0x0203);
  EXPECT_EQ(status(to(kTarget)), 0x0202);
  LoginOptions options = to(kTarget);
  options.initiator = "iqn.2026-11.org.swiftness.test:friend";
  EXPECT_EQ(status(options), 0x0000);
  options.tsih = 999;
  EXPECT_EQ(status(options), 0x020a);
}

TEST(LoginOnTheWire, OtherPdusBeforeLoginAreRefused) {
  TestTarget target;
  auto initiator = target.connect();
  initiator.queue(NopOut{});
  EXPECT_EQ(RawInitiator::login_status(initiator.receive()), 0x020b);
  EXPECT_TRUE(initiator.closed_by_target());
}

TEST(LoginOnTheWire, GarbageIsTheEndOfItsConnectionOnly) {
  TestTarget target;
  auto good = logged_in(target);
  for (uint32_t seed = 0; seed < 50; ++seed) {
    auto initiator = target.connect();
    Octets garbage = pattern(100 + seed * 37, seed);
    initiator.queue_bytes(garbage);
    initiator.flush();
    if (seed % 2 == 0) {
      LoginRequest header;  // a header that promises what does not come
      header.data_segment_length = 8192;
      initiator.queue_bytes(std::as_bytes(std::span(&header, 1)));
      initiator.flush();
    }
  }
  auto http = target.connect();
  std::string_view get =
      "GET / HTTP/1.1\r\nHost: example\r\nUser-Agent: something long enough\r\n\r\n";
  http.queue_bytes(std::as_bytes(std::span(get)));
  EXPECT_TRUE(http.closed_by_target());
  EXPECT_GE(target.counts().connections_broken, 1u);
  EXPECT_TRUE(good->nop("undisturbed"));
}

TEST(LoginOnTheWire, TooLongTextAndTooManyKeys) {
  TestTarget target;
  auto initiator = target.connect();
  LoginRequest header;
  header.flags = 0x81;
  header.data_segment_length = 8193;
  initiator.queue_bytes(std::as_bytes(std::span(&header, 1)));
  EXPECT_TRUE(initiator.closed_by_target());

  KeyList keys{{"InitiatorName", "iqn.a:b"}, {"TargetName", std::string(kTarget)}};
  for (int i = 0; i < 63; ++i) keys.emplace_back("X-" + std::to_string(i), "1");
  auto another = target.connect();
  EXPECT_EQ(RawInitiator::login_status(another.login_step(0x81, keys, {})), 0x0200);
}

TEST(LoginOnTheWire, HasADeadline) {
  IscsiLimits limits;
  limits.login_timeout = std::chrono::milliseconds(200);
  TestTarget target(limits);
  auto idle = target.connect();
  auto half = target.connect();
  LoginOptions options = to(kTarget);
  KeyList who{{"InitiatorName", options.initiator}, {"TargetName", options.target}};
  ASSERT_TRUE(RawInitiator::succeeded(half.login_step(0x81, who, options)));
  EXPECT_TRUE(idle.closed_by_target(RawInitiator::Timeout(2000)));
  EXPECT_TRUE(half.closed_by_target(RawInitiator::Timeout(2000)));
  auto whole = logged_in(target);
  std::this_thread::sleep_for(std::chrono::milliseconds(400));
  EXPECT_TRUE(whole->nop("the deadline is over once logged in"));
}

TEST(LoginOnTheWire, HalfOpenConnectionsOfOneAddressAreFew) {
  IscsiLimits limits;
  limits.half_open_per_address = 4;
  TestTarget target(limits);
  auto good = logged_in(target);
  std::vector<std::unique_ptr<RawInitiator>> idle;
  for (int i = 0; i < 4; ++i) {
    idle.push_back(std::make_unique<RawInitiator>("127.0.0.1", target.port()));
  }
  auto fifth = target.connect();  // they are taken in their order
  EXPECT_TRUE(fifth.closed_by_target());
  EXPECT_EQ(target.counts().half_open, 4u);
  EXPECT_EQ(target.counts().connections_refused, 1u);
  EXPECT_TRUE(good->nop("undisturbed"));
  idle.clear();
  EXPECT_TRUE(target.eventually([&] { return target.server().counts().half_open == 0; }));
  EXPECT_TRUE(logged_in(target)->nop("there is room again"));
}

TEST(LoginOnTheWire, SessionsAreLimited) {
  IscsiLimits limits;
  limits.sessions = 2;
  TestTarget target(limits);
  std::vector<std::unique_ptr<RawInitiator>> sessions;
  LoginOptions options = to(kTarget);
  for (uint8_t i = 0; i < 2; ++i) {
    options.isid[5] = i;
    sessions.push_back(logged_in(target, options));
  }
  options.isid[5] = 9;
  auto third = target.connect();
  EXPECT_EQ(RawInitiator::login_status(third.login(options)), 0x0302);
  EXPECT_EQ(target.counts().logins, 2u);
  EXPECT_EQ(target.counts().logins_refused, 1u);
}

TEST(Discovery, SendTargetsThenLogout) {
  TestTarget target;
  auto initiator = target.connect();
  ASSERT_TRUE(RawInitiator::succeeded(initiator.login({})));
  auto answer = initiator.text({{"SendTargets", "All"}});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->key("TargetName"), kTarget);
  EXPECT_EQ(answer->key("TargetAddress"), "127.0.0.1:" + std::to_string(target.port()) + ",1");
  EXPECT_EQ(answer->header.flags, kFinal);
  initiator.queue_command(test_unit_ready());
  EXPECT_TRUE(initiator.receive_kind(Opcode::reject)) << "no commands in a discovery session";
  auto logout = initiator.logout();
  ASSERT_TRUE(logout);
  EXPECT_EQ(logout->as<LogoutResponse>().response, 0);
  EXPECT_TRUE(initiator.closed_by_target());
  EXPECT_TRUE(target.sessions().empty());
}

TEST(Discovery, HidesTargetsTheInitiatorMayNotUse) {
  TargetNode node = TestTarget::open_target();
  node.open = false;
  TestTarget target({}, node);
  auto initiator = target.connect();
  ASSERT_TRUE(RawInitiator::succeeded(initiator.login({})));
  auto answer = initiator.text({{"SendTargets", "All"}});
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->data.empty());
}

TEST(Access, LunsAndWritesAreWhatTheEntrySays) {
  TargetNode node = TestTarget::open_target();
  node.open = false;
  node.access = {{"*", {}, true}};
  TestTarget target({}, node);
  auto initiator = logged_in(target);
  auto answer = initiator->run(write10(0, pattern(512, 1)));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 2);
  EXPECT_EQ(answer->sense_key(), 7);
  EXPECT_EQ(initiator->run(read10(0, 1))->status, 0);
}

TEST(Access, TakingItAwayAsksToLogOutAndEndsTheSession) {
  IscsiLimits limits;
  limits.logout_grace = std::chrono::milliseconds(300);
  TestTarget target(limits);
  auto initiator = logged_in(target);
  target.on_shard([&] {
    TargetNode node = TestTarget::open_target();
    node.router = &target.router();
    node.open = false;
    target.server().replace_targets({node}, {});
  });
  auto message = initiator->receive_kind(Opcode::async_message);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->as<AsyncMessage>().async_event, AsyncMessage::kRequestsLogout);
  EXPECT_TRUE(initiator->closed_by_target());
  auto again = target.connect();
  EXPECT_EQ(RawInitiator::login_status(again.login(to(kTarget))), 0x0202);
}

TEST(Access, LessOfItAsksToLogOutToo) {
  TestTarget target;
  auto initiator = logged_in(target);
  target.on_shard([&] {
    TargetNode node = TestTarget::open_target();
    node.router = &target.router();
    node.access = {{"*", {}, /*read_only=*/true}};
    target.server().replace_targets({node}, {});
  });
  auto message = initiator->receive_kind(Opcode::async_message);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->as<AsyncMessage>().async_event, AsyncMessage::kRequestsLogout);
}

TEST(Access, AlsoWhenItsPortalGroupIsTakenAway) {
  TestTarget target;
  auto initiator = logged_in(target);
  target.on_shard([&] {
    TargetNode node = TestTarget::open_target();
    node.router = &target.router();
    node.portal_groups = {2};
    target.server().replace_targets({node}, {});
  });
  auto message = initiator->receive_kind(Opcode::async_message);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->as<AsyncMessage>().async_event, AsyncMessage::kRequestsLogout);
}

// What it was told of may not be there any more.
TEST(Access, ALoginUnderWayBeginsAnewWhenItChanges) {
  TestTarget target;
  auto begun = target.connect();
  const LoginOptions options = to(kTarget);
  ASSERT_TRUE(RawInitiator::succeeded(begun.login_step(0x81,
                                                       {{"InitiatorName", options.initiator},
                                                        {"SessionType", "Normal"},
                                                        {"TargetName", options.target},
                                                        {"AuthMethod", "None"}},
                                                       options)));
  target.on_shard([&] { target.server().replace_targets({}, {}); });
  EXPECT_TRUE(begun.closed_by_target());
  EXPECT_TRUE(target.sessions().empty());
}

// TARGET WARM RESET would end the commands of those who may.
TEST(Access, WhoMayNotWriteDoesNotResetTheTarget) {
  TargetNode node = TestTarget::open_target();
  node.access = {{"*", {}, true}};
  TestTarget target({}, node);
  auto initiator = logged_in(target);
  EXPECT_EQ(initiator->task_management(kTargetWarmReset, 0), 6);
  EXPECT_EQ(initiator->task_management(kTargetColdReset, 0), 6);
  EXPECT_EQ(initiator->run(test_unit_ready())->status, 0);
}

// The ISID is the initiator's own choice: another may have the same.
TEST(LoginOnTheWire, NobodyTakesThePlaceOfAnother) {
  TestTarget target;
  auto one = logged_in(target);
  LoginOptions options;
  options.initiator += "-of-another";
  auto other = logged_in(target, options);
  EXPECT_TRUE(one->nop("still here"));
  EXPECT_EQ(target.sessions().size(), 2u);
}

TEST(LoginOnTheWire, AnotherPortalGroupIsAnotherNexus) {
  TestTarget target(
      {}, TestTarget::open_target(), {},
      {{.address = "127.0.0.1", .port = 0}, {.address = "127.0.0.1", .port = 0, .group = 2}});
  auto one = logged_in(target);
  RawInitiator other("127.0.0.1",
                     target.on_shard([&target] { return target.server().portals().at(1).port; }));
  EXPECT_TRUE(RawInitiator::succeeded(other.login(to(kTarget)))) << "with the same ISID";
  EXPECT_TRUE(one->nop("still here"));
  EXPECT_EQ(target.sessions().size(), 2u);
}

TEST(Drain, CommandsOfThoseWhoLeaveStillHaveTheirDeadline) {
  IscsiLimits limits;
  limits.command_timeout = std::chrono::milliseconds(300);
  limits.logout_grace = std::chrono::seconds(30);
  TestTarget target(limits);
  auto initiator = logged_in(target);
  target.hang();
  target.on_shard([&] { target.server().drain({}); });
  auto answer = initiator->run(read10(0, 1));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 8) << "BUSY";
  initiator->logout();
}

TEST(Drain, SessionsLeaveAndLoginsAreSentElsewhereUntilItIsOver) {
  IscsiLimits limits;
  limits.logout_grace = std::chrono::milliseconds(300);
  TestTarget target(limits);
  auto initiator = logged_in(target);
  auto begun = target.connect();  // its login began before
  const LoginOptions options = to(kTarget);
  ASSERT_TRUE(RawInitiator::succeeded(begun.login_step(0x81,
                                                       {{"InitiatorName", options.initiator},
                                                        {"SessionType", "Normal"},
                                                        {"TargetName", options.target},
                                                        {"AuthMethod", "None"}},
                                                       options)));
  target.on_shard([&] { target.server().drain({"192.0.2.7:3260"}); });
  auto message = initiator->receive_kind(Opcode::async_message);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->as<AsyncMessage>().async_event, AsyncMessage::kRequestsLogout);
  EXPECT_TRUE(initiator->closed_by_target());
  EXPECT_EQ(RawInitiator::login_status(begun.login_step(0x87, {{"InitialR2T", "No"}}, options)),
            0x0101);

  auto again = target.connect();
  auto answer = again.login(to(kTarget));
  EXPECT_EQ(RawInitiator::login_status(answer), 0x0101);
  EXPECT_EQ(answer->key("TargetAddress"), "192.0.2.7:3260");
  EXPECT_TRUE(again.closed_by_target());
  auto asks = target.connect();
  EXPECT_TRUE(RawInitiator::succeeded(asks.login({}))) << "discovery goes on";

  target.on_shard([&] { target.server().drain({}); });
  auto nowhere = target.connect();
  auto refused = nowhere.login(to(kTarget));
  EXPECT_EQ(RawInitiator::login_status(refused), 0x0301);
  EXPECT_FALSE(refused->key("TargetAddress"));

  target.on_shard([&] { target.server().resume(); });
  EXPECT_EQ(logged_in(target)->run(read10(0, 1))->status, 0);
}

}  // namespace
}  // namespace swiftness::test
