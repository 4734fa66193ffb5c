// Two gateways, one volume (I8, I9): the second wins, and the first can do no harm.
#include <gtest/gtest.h>
#include <boost/asio/detached.hpp>

#include "backend/volume/epoch.h"
#include "tests/volume/disk.h"

namespace swiftness {
namespace {

class FencingTest : public testing::Test {
 protected:
  SharedStore shared_;
  VolumeDescriptor disk_ = shared_.create(64 * kMiB);
  Gateway first_{shared_, disk_, 1};
  Gateway second_{shared_, disk_, 2};
};

TEST_F(FencingTest, TheSecondGatewayWinsAndHasEverythingFlushed) {
  ASSERT_TRUE(first_.attach().ok());
  ASSERT_TRUE(first_.write(0, 100, 1).ok());
  ASSERT_TRUE(first_.flush().ok());
  ASSERT_TRUE(second_.attach().ok());
  EXPECT_TRUE(second_.holds(0, 100, 1));
  ASSERT_TRUE(first_.write(0, 100, 2).ok()) << "it does not know yet";
  EXPECT_EQ(first_.flush().error().code(), ErrorCode::fenced);
  EXPECT_EQ(first_.volume.state(), DeviceState::fenced);
  EXPECT_EQ(first_.write(0, 1, 3).error().code(), ErrorCode::fenced);
  EXPECT_EQ(first_.read(0, 1).error().code(), ErrorCode::fenced);
  EXPECT_TRUE(second_.holds(0, 100, 1));
}

TEST_F(FencingTest, AnIdleGatewayNoticesByItself) {
  VolumeOptions options = quick_options();
  options.fence_interval = std::chrono::milliseconds(5);
  Gateway idle(shared_, disk_, 3, options);
  ASSERT_TRUE(idle.attach().ok());
  ASSERT_TRUE(second_.attach().ok());
  const TimePoint begun = std::chrono::steady_clock::now();
  run_until(shared_.io, [&] { return idle.volume.state() != DeviceState::online; });
  EXPECT_EQ(idle.volume.state(), DeviceState::fenced);
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(3));
}

TEST_F(FencingTest, WhatTheLoserUploadsLateIsIgnoredForEver) {
  ASSERT_TRUE(first_.attach().ok());
  ASSERT_TRUE(first_.write(0, 100, 1).ok());
  ASSERT_TRUE(first_.flush().ok());
  first_.store.hold(StoreCall::put, "chunk/");
  ASSERT_TRUE(first_.write(0, 100, 2).ok());
  run_until(shared_.io, [&] { return first_.store.held() > 0; });
  ASSERT_TRUE(second_.attach().ok());
  ASSERT_TRUE(second_.write(50, 100, 3).ok());
  ASSERT_TRUE(second_.flush().ok());
  first_.store.release();
  EXPECT_EQ(first_.flush().error().code(), ErrorCode::fenced);
  second_.crash();
  Gateway third(shared_, disk_, 3);
  ASSERT_TRUE(third.attach().ok());
  EXPECT_TRUE(third.holds(0, 50, 1));
  EXPECT_TRUE(third.holds(50, 100, 3));
}

TEST_F(FencingTest, AFlushIsNotAcknowledgedWhileOwnershipIsInDoubt) {
  ASSERT_TRUE(first_.attach().ok());
  ASSERT_TRUE(first_.write(0, 100, 1).ok());
  first_.store.fail_next(StoreCall::get, "fence", 3);
  first_.store.fail_next(StoreCall::presence, "claim/", 3);
  const uint64_t looks = first_.store.calls(StoreCall::presence);
  EXPECT_TRUE(first_.flush().ok());
  EXPECT_GE(first_.store.calls(StoreCall::presence) - looks, 4u);
}

// What came while the look was on its way may have come after another gateway took the volume.
TEST_F(FencingTest, ALookServesWhatWasDurableWhenItBegan) {
  ASSERT_TRUE(first_.attach().ok());
  int done = 0;
  Result<void> of_earlier, of_later;
  auto flush = [&](Result<void>& outcome) {
    asio::co_spawn(shared_.io, first_.volume.flush(), [&](std::exception_ptr, Result<void> result) {
      outcome = std::move(result);
      ++done;
    });
  };
  ASSERT_TRUE(first_.write(0, 100, 1).ok());
  first_.store.hold_answers("claim/");
  flush(of_earlier);
  run_until(shared_.io, [&] { return first_.store.held() > 0; });
  ASSERT_TRUE(second_.attach().ok());
  ASSERT_TRUE(first_.write(200, 100, 2).ok());
  flush(of_later);
  run_until(shared_.io, [&] { return first_.volume.status().durable_sequence == 2; });
  first_.store.release();
  run_until(shared_.io, [&] { return done == 2; });
  EXPECT_TRUE(of_earlier.ok());
  EXPECT_TRUE(second_.holds(0, 100, 1));
  EXPECT_TRUE(second_.holds_zeros(200, 100));
  ASSERT_FALSE(of_later.ok());
  EXPECT_EQ(of_later.error().code(), ErrorCode::fenced);
}

// It has not looked at the fence since the other one came.
TEST_F(FencingTest, ACleanStopOfTheLoserDoesNotSayThatAllIsSafe) {
  ASSERT_TRUE(first_.attach().ok());
  ASSERT_TRUE(second_.attach().ok());
  ASSERT_TRUE(first_.write(0, 100, 1).ok());
  Result<void> stopped = first_.stop();
  EXPECT_TRUE(second_.holds_zeros(0, 100));
  ASSERT_FALSE(stopped.ok());
  EXPECT_EQ(stopped.error().code(), ErrorCode::fenced);
}

TEST_F(FencingTest, NorDoesAStopThatComesAfterAHalt) {
  ASSERT_TRUE(first_.attach().ok());
  ASSERT_TRUE(second_.attach().ok());
  ASSERT_TRUE(first_.write(0, 100, 1).ok());
  run_until(shared_.io, [&] { return first_.volume.status().durable_sequence > 0; });
  run(shared_.io, first_.volume.halt());
  EXPECT_FALSE(first_.stop().ok()) << "nobody has looked";
}

// Its start is published, and of its last steps one takes long.
TEST_F(FencingTest, WhoWasOvertakenWhileItAttachedDoesNotGoOnline) {
  first_.store.hold(StoreCall::put, "head");
  Started<Result<void>> of_first(shared_.io, first_.volume.attach());
  run_until(shared_.io, [&] { return first_.store.held() > 0; });
  ASSERT_TRUE(second_.attach().ok());
  first_.store.release();
  run_until(shared_.io, [&] { return of_first.done(); });
  ASSERT_FALSE(of_first.result().ok());
  EXPECT_EQ(of_first.result().error().code(), ErrorCode::fenced);
}

TEST_F(FencingTest, AttachesAtTheSameTimeLeaveOneOwner) {
  for (uint64_t seed = 0; seed < 30; ++seed) {
    FaultOptions slow;
    slow.delay_turns = 30;
    Gateway a(shared_, disk_, seed * 2 + 10, quick_options(), slow);
    Gateway b(shared_, disk_, seed * 2 + 11, quick_options(), slow);
    Result<void> of_a = Error(ErrorCode::unavailable, ""), of_b = of_a;
    int done = 0;
    auto spawn = [&](Gateway& gateway, Result<void>& outcome) {
      asio::co_spawn(shared_.io, gateway.volume.attach(),
                     [&](std::exception_ptr, Result<void> result) {
                       outcome = std::move(result);
                       ++done;
                     });
    };
    spawn(a, of_a);
    spawn(b, of_b);
    run_until(shared_.io, [&] { return done == 2; });
    // Both may have come online one after the other, but only one of them can get a flush through.
    int owners = 0;
    for (Gateway* gateway : {&a, &b}) {
      if (gateway->volume.state() != DeviceState::online) continue;
      ASSERT_TRUE(gateway->write(seed, 1, seed + 1).ok());
      owners += gateway->flush().ok() ? 1 : 0;
    }
    EXPECT_LE(owners, 1) << "seed " << seed;
    a.crash();
    b.crash();
  }
}

TEST_F(FencingTest, AClaimThatTimedOutIsNeverUsed) {
  first_.store.fail_next(StoreCall::put, "claim/", 1, ErrorCode::timed_out,
                         FaultyStore::Effect::taken);
  ASSERT_TRUE(first_.attach().ok());
  EXPECT_EQ(first_.volume.status().epoch, 2u);
}

TEST_F(FencingTest, AnOlderClaimantsLateFenceDoesNotStopTheOwner) {
  first_.store.hold(StoreCall::put, "fence");
  Result<void> of_first;
  bool first_done = false;
  asio::co_spawn(shared_.io, first_.volume.attach(), [&](std::exception_ptr, Result<void> result) {
    of_first = std::move(result);
    first_done = true;
  });
  run_until(shared_.io, [&] { return first_.store.held() > 0; });
  ASSERT_TRUE(second_.attach().ok());
  first_.store.release();
  run_until(shared_.io, [&] { return first_done; });
  EXPECT_FALSE(of_first.ok());
  ASSERT_TRUE(second_.write(0, 10, 1).ok());
  EXPECT_TRUE(second_.flush().ok());
  EXPECT_EQ(second_.volume.state(), DeviceState::online);
}

TEST_F(FencingTest, AClaimThatAnotherOverwroteIsGivenUp) {
  // The store's create-only is best effort: both are told that they created the claim.
  FaultOptions blind;
  blind.blind_create = 1;
  second_.store.set_options(blind);
  second_.store.hold(StoreCall::put, "claim/");
  bool second_done = false, first_done = false;
  Result<void> of_first;
  asio::co_spawn(shared_.io, second_.volume.attach(),
                 [&](std::exception_ptr, Result<void>) { second_done = true; });
  run_until(shared_.io, [&] { return second_.store.held() > 0; });
  first_.store.hold(StoreCall::get, "claim/");
  asio::co_spawn(shared_.io, first_.volume.attach(), [&](std::exception_ptr, Result<void> result) {
    of_first = std::move(result);
    first_done = true;
  });
  run_until(shared_.io, [&] { return first_.store.held() > 0; });
  second_.store.release();
  run_until(shared_.io, [&] { return second_done; });
  first_.store.release();
  run_until(shared_.io, [&] { return first_done; });
  ASSERT_TRUE(of_first.ok());
  EXPECT_EQ(first_.volume.status().epoch, 2u) << "epoch 1 is the other one's";
}

Async<void> attach_and_write(Volume& volume, uint64_t lba, uint64_t tag) {
  Result<void> attached = co_await volume.attach();
  if (!attached) co_return attached;
  const BlockRange range{Lba(lba), BlockCount(10)};
  BufferList data(pattern(lba, 10, tag));
  co_return co_await volume.write(range, std::move(data), Durability::flushed, nullptr);
}

// The same, where the first would have read its claim back and gone on before the other's came.
// Virtual time: it passes when nobody has anything else to do.
TEST(Claims, AreReadBackWhenWhoeverWasAtItHasWrittenHis) {
  VirtualClock clock;
  SharedStore shared;
  const VolumeDescriptor disk = shared.create(64 * kMiB);
  VolumeOptions options = quick_options();
  options.claim_settle = std::chrono::milliseconds(500);
  Gateway first(shared, disk, 1, options);
  Gateway second(shared, disk, 2, options);
  // Both look before either writes: the store's create-only is best effort. That of the start, by
  // which one of them would be stopped at last, is none either.
  FaultOptions blind;
  blind.blind_create = 1;
  second.store.set_options(blind);
  second.store.hold(StoreCall::put, "claim/");
  Started<Result<void>> of_second(shared.io, attach_and_write(second.volume, 100, 2));
  run_until(shared.io, [&] { return second.store.held() > 0; });
  Started<Result<void>> of_first(shared.io, attach_and_write(first.volume, 0, 1));
  shared.io.restart();
  while (shared.io.poll() > 0) {  // as far as it gets without waiting
  }
  second.store.release();
  run_until(shared.io, [&] { return of_first.done() && of_second.done(); });
  EXPECT_TRUE(of_first.result().ok() || of_second.result().ok());
  Gateway third(shared, disk, 3, options);
  ASSERT_TRUE(third.attach().ok());
  EXPECT_TRUE(!of_first.result().ok() || third.holds(0, 10, 1));
  EXPECT_TRUE(!of_second.result().ok() || third.holds(100, 10, 2));
}

TEST_F(FencingTest, DoubtAboutAHigherClaimStopsTheAttach) {
  ASSERT_TRUE(first_.attach().ok());
  FaultOptions doubt;
  doubt.presence_unknown = 1;
  second_.store.set_options(doubt);
  EXPECT_EQ(second_.attach().error().code(), ErrorCode::unavailable);
  ASSERT_TRUE(first_.write(0, 1, 1).ok());
  EXPECT_TRUE(first_.flush().ok()) << "the first must not have been hurt";
}

TEST_F(FencingTest, StalledAttemptsLeaveHistoryWhole) {
  ASSERT_TRUE(first_.attach().ok());
  ASSERT_TRUE(first_.write(0, 100, 1).ok());
  ASSERT_TRUE(first_.flush().ok());
  // Published, but the answer was lost: an epoch that started and never came online.
  second_.store.fail_next(StoreCall::put, "start/", 1, ErrorCode::timed_out,
                          FaultyStore::Effect::taken);
  EXPECT_FALSE(second_.attach().ok());
  ASSERT_TRUE(second_.attach().ok());
  EXPECT_TRUE(second_.holds(0, 100, 1));
  ASSERT_TRUE(second_.write(0, 10, 2).ok());
  ASSERT_TRUE(second_.flush().ok());
  second_.crash();
  Gateway third(shared_, disk_, 3);
  ASSERT_TRUE(third.attach().ok());
  EXPECT_TRUE(third.holds(0, 10, 2));
  EXPECT_TRUE(third.holds(10, 90, 1));
}

}  // namespace
}  // namespace swiftness
