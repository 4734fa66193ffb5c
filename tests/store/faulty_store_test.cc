// FaultyStore does what its fault model says, and nothing else.
#include "backend/store/faulty_store.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <set>

#include "backend/store/memory_store.h"
#include "tests/store/store_contract.h"

namespace swiftness::test {
namespace {

using Answers = std::vector<Presence>;
using Effect = FaultyStore::Effect;

// One gateway's faulty view of some contents, and the plain truth about them.
class World {
 public:
  explicit World(uint64_t seed, FaultOptions options = {},
                 std::shared_ptr<MemoryContents> contents = std::make_shared<MemoryContents>())
      : contents_(std::move(contents)),
        truth_store_(io.get_executor(), contents_),
        faulty(new FaultyStore(std::make_unique<MemoryStore>(io.get_executor(), contents_),
                               io.get_executor(), seed, options)),
        user(io, *faulty),
        truth(io, truth_store_) {
    EXPECT_TRUE(truth.create_container("box").ok());
  }

  Started<Result<void>> start_put(const ObjectName& object, std::string_view text) {
    return {io, faulty->put(object, Buffer::copy_of(text), {})};
  }
  void run_to_rest() {
    io.restart();
    io.run();
  }
  void run_until_idle() {  // but for calls that wait for something
    io.restart();
    io.poll();
  }

  asio::io_context io{1};

 private:
  std::shared_ptr<MemoryContents> contents_;
  MemoryStore truth_store_;

 public:
  std::unique_ptr<FaultyStore> faulty;
  StoreUser user;
  StoreUser truth;
};

FaultOptions only(double FaultOptions::*fault, double probability = 1) {
  FaultOptions options;
  options.*fault = probability;
  return options;
}

TEST(FaultyStore, RefusesWithoutEffect) {
  World world(1, only(&FaultOptions::refuse));
  EXPECT_EQ(code_of(world.user.put(kA, "a")), ErrorCode::unavailable);
  EXPECT_EQ(code_of(world.user.create_container("bin")), ErrorCode::unavailable);
  EXPECT_EQ(world.truth.text(kA), "not found");
  ASSERT_TRUE(world.truth.put(kA, "a").ok());
  EXPECT_EQ(code_of(world.user.get(kA)), ErrorCode::unavailable);
  EXPECT_EQ(code_of(world.user.head(kA)), ErrorCode::unavailable);
  EXPECT_EQ(code_of(world.user.list("box")), ErrorCode::unavailable);
  EXPECT_EQ(code_of(world.user.copy(kA, kB)), ErrorCode::unavailable);
  EXPECT_EQ(world.user.presence("box", {"a", "b"}), (Answers(2, Presence::unknown)));
  EXPECT_EQ(world.user.remove({kA})->failures.size(), 1u);
  EXPECT_EQ(world.truth.text(kA), "a");
  EXPECT_EQ(world.truth.text(kB), "not found");
}

TEST(FaultyStore, LosesTheAnswerButTakesEffect) {
  std::set<ErrorCode> seen;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    World world(seed, only(&FaultOptions::lose_answer));
    Result<void> put = world.user.put(kA, "a");
    ASSERT_FALSE(put.ok());
    seen.insert(put.error().code());
    EXPECT_EQ(world.truth.text(kA), "a");
    EXPECT_EQ(world.user.text(kA), "a") << "reads have no effect to lose the answer of";
    EXPECT_EQ(world.user.remove({kA})->failures.size(), 1u);
    EXPECT_EQ(world.truth.text(kA), "not found");
  }
  EXPECT_EQ(seen, (std::set{ErrorCode::unavailable, ErrorCode::timed_out}));
}

TEST(FaultyStore, CreatingAgainAfterALostAnswerMayConflictWithItself) {
  std::set<ErrorCode> seen;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    World world(seed, only(&FaultOptions::lose_answer));
    Result<void> put = world.user.put_new(kA, "a");
    ASSERT_FALSE(put.ok());
    seen.insert(put.error().code());
    EXPECT_EQ(world.truth.text(kA), "a");
  }
  EXPECT_EQ(seen, (std::set{ErrorCode::conflict, ErrorCode::unavailable, ErrorCode::timed_out}));
}

TEST(FaultyStore, ALatePutOverwritesALaterOne) {
  World world(1, only(&FaultOptions::late));
  EXPECT_EQ(code_of(world.user.put(kA, "early")), ErrorCode::timed_out);
  EXPECT_EQ(world.truth.text(kA), "not found");
  world.faulty->set_options({});
  ASSERT_TRUE(world.user.put(kA, "later").ok());
  EXPECT_EQ(world.truth.text(kA), "later");
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(world.user.put(kB, "b").ok());
  EXPECT_EQ(world.truth.text(kA), "early");
}

TEST(FaultyStore, SettleLandsWhatIsLate) {
  World world(1, only(&FaultOptions::late));
  EXPECT_EQ(code_of(world.user.put(kA, "a")), ErrorCode::timed_out);
  EXPECT_EQ(code_of(world.user.put(kB, "b")), ErrorCode::timed_out);
  EXPECT_EQ(world.truth.text(kA), "not found");
  run(world.io, world.faulty->settle());
  EXPECT_EQ(world.truth.text(kA), "a");
  EXPECT_EQ(world.truth.text(kB), "b");
}

TEST(FaultyStore, ALateCreateOnlyPutStillReplacesNothing) {
  World world(1, only(&FaultOptions::late));
  EXPECT_EQ(code_of(world.user.put_new(kA, "late")), ErrorCode::timed_out);
  ASSERT_TRUE(world.truth.put(kA, "meanwhile").ok());
  run(world.io, world.faulty->settle());
  EXPECT_EQ(world.truth.text(kA), "meanwhile");
}

TEST(FaultyStore, ReordersWhatIsUnderWayTogether) {
  std::set<std::string> last, first_answer;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    FaultOptions options;
    options.delay_turns = 10;
    World world(seed, options);
    Started<Result<void>> one = world.start_put(kA, "one");
    Started<Result<void>> two = world.start_put(kA, "two");
    world.io.restart();
    while (!one.done() && !two.done()) world.io.run_one();
    first_answer.insert(one.done() ? "one" : "two");
    world.run_to_rest();
    EXPECT_TRUE(one.result().ok() && two.result().ok());
    last.insert(world.truth.text(kA));
  }
  EXPECT_EQ(last, (std::set<std::string>{"one", "two"}));
  EXPECT_EQ(first_answer, (std::set<std::string>{"one", "two"}));
}

TEST(FaultyStore, ReadsStaleVersionsUnlessAskedForTheNewest) {
  World world(3, only(&FaultOptions::stale_read, 0.5));
  ASSERT_TRUE(world.truth.put(kA, "by another").ok());
  ASSERT_TRUE(world.user.put(kA, "second").ok());
  ASSERT_TRUE(world.user.put(kA, "third").ok());
  std::set<std::string> seen;
  std::set<uint64_t> sizes;
  for (int i = 0; i < 100; ++i) {
    seen.insert(world.user.text(kA));
    sizes.insert(world.user.head(kA)->size);
    EXPECT_EQ(world.user.newest_text(kA), "third");
  }
  EXPECT_EQ(seen, (std::set<std::string>{"by another", "second", "third"}));
  EXPECT_EQ(sizes, (std::set<uint64_t>{5, 6, 10}));
}

TEST(FaultyStore, RemovedObjectsMayStillBeRead) {
  World world(3, only(&FaultOptions::stale_read, 0.5));
  ASSERT_TRUE(world.user.put(kA, "gone").ok());
  ASSERT_TRUE(world.user.remove({kA})->failures.empty());
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) seen.insert(world.user.text(kA));
  EXPECT_EQ(seen, (std::set<std::string>{"gone", "not found"}));
}

TEST(FaultyStore, AnswersNotFoundForWhatIsThereButNeverAsPresence) {
  World world(1, only(&FaultOptions::false_not_found));
  ASSERT_TRUE(world.user.put(kA, "a").ok());
  EXPECT_EQ(code_of(world.user.get(kA)), ErrorCode::not_found);
  EXPECT_EQ(code_of(world.user.head(kA)), ErrorCode::not_found);
  EXPECT_EQ(world.user.presence("box", {"a"}), Answers{Presence::yes});
}

TEST(FaultyStore, PresenceMayBeInDoubt) {
  World world(1, only(&FaultOptions::presence_unknown));
  ASSERT_TRUE(world.user.put(kA, "a").ok());
  EXPECT_EQ(world.user.presence("box", {"a", "b"}), (Answers(2, Presence::unknown)));
}

TEST(FaultyStore, ListingsMissNewNamesOnly) {
  World world(1, only(&FaultOptions::omit_listed));
  ASSERT_TRUE(world.truth.put(kA, "old").ok());
  ASSERT_TRUE(world.user.put(kB, "new").ok());
  EXPECT_EQ(world.user.names("box"), (std::vector<std::string>{"a", "anchor"}));
  EXPECT_EQ(world.truth.names("box"), (std::vector<std::string>{"a", "anchor", "b"}));
}

TEST(FaultyStore, BlindCreationReplaces) {
  World world(1, only(&FaultOptions::blind_create));
  ASSERT_TRUE(world.truth.put(kA, "first").ok());
  EXPECT_TRUE(world.user.put_new(kA, "second").ok());
  EXPECT_EQ(world.truth.text(kA), "second");
}

TEST(FaultyStore, CorruptsOneBitOfWhatIsReadAndNothingStored) {
  World world(1, only(&FaultOptions::corrupt_read));
  ASSERT_TRUE(world.user.put(kA, "0123456789").ok());
  std::string read = world.user.text(kA);
  std::string written = world.truth.text(kA);
  EXPECT_EQ(written, "0123456789");
  int bits = 0;
  for (size_t i = 0; i < written.size(); ++i) {
    bits += std::popcount(static_cast<unsigned char>(read.at(i) ^ written[i]));
  }
  EXPECT_EQ(bits, 1);
}

std::string history(uint64_t seed) {
  FaultOptions options = FaultOptions::rough();
  options.corrupt_read = 0.1;
  World world(seed, options);
  std::string log;
  for (int round = 0; round < 40; ++round) {
    std::vector<Started<Result<void>>> puts;
    for (int i = 0; i < 4; ++i) {
      puts.push_back(world.start_put({"box", fmt::format("{}", i)}, fmt::format("{}", round)));
    }
    world.run_to_rest();
    for (auto& put : puts) log += put.result() ? "ok " : put.result().error().message() + " ";
    for (int i = 0; i < 4; ++i) log += world.user.text({"box", fmt::format("{}", i)}) + " ";
    for (const std::string& name : world.user.names("box")) log += name + " ";
  }
  return log;
}

TEST(FaultyStore, RepeatsItselfFromItsSeed) {
  EXPECT_EQ(history(7), history(7));
  EXPECT_NE(history(7), history(8));
}

TEST(FaultyStore, FailsTheNextCallsByScript) {
  World world(1);
  world.faulty->fail_next(StoreCall::put, "chunk/", 2, ErrorCode::out_of_space);
  EXPECT_TRUE(world.user.put(kA, "a").ok()) << "another name";
  EXPECT_EQ(code_of(world.user.get({"box", "chunk/1"})), ErrorCode::not_found) << "another call";
  EXPECT_EQ(code_of(world.user.put({"box", "chunk/1"}, "1")), ErrorCode::out_of_space);
  EXPECT_EQ(code_of(world.user.put({"box", "chunk/2"}, "2")), ErrorCode::out_of_space);
  EXPECT_EQ(world.truth.text({"box", "chunk/2"}), "not found");
  EXPECT_TRUE(world.user.put({"box", "chunk/3"}, "3").ok()) << "the count is used up";

  world.faulty->fail_next(StoreCall::put, "chunk/", 1, ErrorCode::timed_out, Effect::taken);
  EXPECT_EQ(code_of(world.user.put({"box", "chunk/4"}, "4")), ErrorCode::timed_out);
  EXPECT_EQ(world.truth.text({"box", "chunk/4"}), "4");
}

TEST(FaultyStore, HoldsCallsUntilTheyAreReleased) {
  World world(1);
  world.faulty->hold(StoreCall::put, "a");
  Started<Result<void>> held = world.start_put(kA, "a");
  Started<Result<void>> passes = world.start_put(kB, "b");
  world.run_until_idle();
  EXPECT_TRUE(passes.done());
  EXPECT_FALSE(held.done());
  EXPECT_EQ(world.faulty->held(), 1u);
  EXPECT_EQ(world.truth.text(kA), "not found");
  world.faulty->release();
  world.run_to_rest();
  ASSERT_TRUE(held.done());
  EXPECT_TRUE(held.result().ok());
  EXPECT_EQ(world.faulty->held(), 0u);
  EXPECT_EQ(world.truth.text(kA), "a");
  EXPECT_TRUE(world.user.put(kA, "not held any more").ok());
}

TEST(FaultyStore, LooksAtTheRestOfTheNamesLater) {
  World world(1);
  world.faulty->hold_rest("b");
  const std::vector<std::string> names{"a", "b"};
  Started<std::vector<Presence>> look(world.io, world.faulty->presence("box", names));
  world.run_until_idle();
  EXPECT_FALSE(look.done());
  EXPECT_EQ(world.faulty->held(), 1u);
  ASSERT_TRUE(world.user.put(kA, "a").ok());
  ASSERT_TRUE(world.user.put(kB, "b").ok());
  world.faulty->release();
  world.run_to_rest();
  ASSERT_TRUE(look.done());
  EXPECT_EQ(look.result(), (Answers{Presence::no, Presence::yes}));
}

TEST(FaultyStore, IsDownUntilItIsUp) {
  World world(1);
  world.faulty->set_down(true);
  EXPECT_EQ(code_of(world.user.put(kA, "a")), ErrorCode::unavailable);
  EXPECT_EQ(world.user.presence("box", {"a"}), Answers{Presence::unknown});
  world.faulty->set_down(false);
  EXPECT_TRUE(world.user.put(kA, "a").ok());
}

TEST(FaultyStore, CountsCalls) {
  World world(1);
  ASSERT_TRUE(world.user.put(kA, "a").ok());
  ASSERT_TRUE(world.user.put(kB, "a").ok());
  ASSERT_TRUE(world.user.remove({kA, kB}).ok());
  EXPECT_EQ(world.faulty->calls(StoreCall::put), 2u);
  EXPECT_EQ(world.faulty->calls(StoreCall::remove), 2u);
  EXPECT_EQ(world.faulty->calls(StoreCall::get), 0u);
}

TEST(FaultyStoreCrash, FailsEveryCallAndLetsNothingThrough) {
  World world(1);
  ASSERT_TRUE(world.user.put(kA, "before").ok());
  world.faulty->crash();
  EXPECT_TRUE(world.faulty->crashed());
  EXPECT_EQ(code_of(world.user.put(kA, "after")), ErrorCode::unavailable);
  EXPECT_EQ(code_of(world.user.get(kA)), ErrorCode::unavailable);
  EXPECT_EQ(code_of(world.user.head(kA)), ErrorCode::unavailable);
  EXPECT_EQ(code_of(world.user.list("box")), ErrorCode::unavailable);
  EXPECT_EQ(code_of(world.user.copy(kA, kB)), ErrorCode::unavailable);
  EXPECT_EQ(code_of(world.user.create_container("bin")), ErrorCode::unavailable);
  EXPECT_EQ(world.user.presence("box", {"a"}), Answers{Presence::unknown});
  EXPECT_EQ(world.user.remove({kA})->failures.size(), 1u);
  run(world.io, world.faulty->settle());
  EXPECT_EQ(world.truth.text(kA), "before");
  EXPECT_EQ(world.truth.names("box"), (std::vector<std::string>{"a", "anchor"}));
}

// Held, delayed, late and already answered with a loss: each may or may not come through, and
// nothing but what the inner store was busy with does so before settle().
TEST(FaultyStoreCrash, DecidesByChanceAboutWhatIsUnderWay) {
  int landed[3] = {};
  constexpr int kSeeds = 60;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    FaultOptions very_late = only(&FaultOptions::late);
    very_late.late_calls = 1'000'000;
    World world(seed, very_late);
    EXPECT_EQ(code_of(world.user.put({"box", "late"}, "x")), ErrorCode::timed_out);
    FaultOptions slow;
    slow.delay_turns = 1000;
    world.faulty->set_options(slow);
    world.faulty->hold(StoreCall::put, "held");
    Started<Result<void>> held = world.start_put({"box", "held"}, "x");
    Started<Result<void>> delayed = world.start_put({"box", "delayed"}, "x");
    world.io.restart();
    for (int i = 0; i < 10; ++i) world.io.poll_one();
    world.faulty->crash();
    world.run_to_rest();
    ASSERT_TRUE(held.done() && delayed.done());
    EXPECT_EQ(code_of(held.result()), ErrorCode::unavailable);
    EXPECT_EQ(code_of(delayed.result()), ErrorCode::unavailable);
    EXPECT_EQ(world.truth.text({"box", "late"}), "not found");
    EXPECT_EQ(world.truth.text({"box", "held"}), "not found");
    run(world.io, world.faulty->settle());
    int i = 0;
    for (const char* name : {"late", "held", "delayed"}) {
      landed[i++] += world.truth.text({"box", name}) == "x";
    }
  }
  for (int count : landed) {
    EXPECT_GT(count, kSeeds / 5);
    EXPECT_LT(count, kSeeds * 4 / 5);
  }
}

TEST(FaultyStoreCrash, LandsSurvivorsInAnyOrder) {
  std::set<std::string> last;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    World world(seed);
    world.faulty->hold(StoreCall::put, "");
    std::vector<Started<Result<void>>> puts;
    for (int i = 0; i < 10; ++i) puts.push_back(world.start_put(kA, fmt::format("{}", i)));
    world.run_until_idle();
    world.faulty->crash();
    run(world.io, world.faulty->settle());
    last.insert(world.truth.text(kA));
  }
  // Were they to land in the order they were made in, only a crash that all others of the ten did
  // not survive would end with the first.
  EXPECT_TRUE(last.contains("0"));
  EXPECT_TRUE(last.contains("9"));
}

TEST(FaultyStoreCrash, SettleWaitsForEveryCallToFail) {
  for (uint64_t seed = 0; seed < 5; ++seed) {
    FaultOptions slow;
    slow.delay = std::chrono::milliseconds(10);
    World world(seed, slow);
    Started<Result<void>> put = world.start_put(kA, "a");
    world.run_until_idle();
    world.faulty->crash();
    run(world.io, world.faulty->settle());
    EXPECT_TRUE(put.done());
  }
}

TEST(FaultyStoreCrash, LeavesTheOtherGatewayAlone) {
  auto contents = std::make_shared<MemoryContents>();
  World world(1, {}, contents);
  FaultyStore other(std::make_unique<MemoryStore>(world.io.get_executor(), contents),
                    world.io.get_executor(), 2);
  StoreUser other_user(world.io, other);
  world.faulty->hold(StoreCall::put, "a");
  Started<Result<void>> straggler = world.start_put(kA, "from the dead");
  world.run_until_idle();
  world.faulty->crash();
  ASSERT_TRUE(other_user.put(kA, "from the living").ok());
  EXPECT_EQ(other_user.text(kA), "from the living");
}

TEST(FaultyStore, MayBeDestroyedWithCallsUnderWay) {
  World world(1, FaultOptions::rough());
  world.faulty->hold(StoreCall::put, "a");
  Started<Result<void>> held = world.start_put(kA, "a");
  Started<Result<void>> running = world.start_put(kB, "b");
  world.io.restart();
  world.io.poll_one();
  world.io.poll_one();
  world.faulty.reset();
  world.run_until_idle();
  EXPECT_FALSE(held.done());
  EXPECT_TRUE(running.done());
}

}  // namespace
}  // namespace swiftness::test
