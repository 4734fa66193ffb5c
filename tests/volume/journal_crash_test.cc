// The journal under random crashes. For each seed: gateways in turn over one fake disk with its
// whole fault model (tests/support/fake_disk.h) and a small ring that they go round several times;
// clients write, unmap and flush, the store's log follows at its own pace and releases; at a random
// moment the process crashes, the power fails, or the journal is closed. A gateway may also die
// between stamping and starting, and the disk may fail writes and syncs. Each time the journal is
// opened:
//   - it may be used, and has no damage;
//   - what was reported synced (power cut) or written (process crash) is in it or in the store;
//   - it replays, without a gap, exactly the records that the volume enqueued last for these
//   positions:
//     never one that an earlier opening had found lost.
// Then a bit flips in a record that a later one vouches for: the journal must say so.
// A failing seed is run again alone with SWIFTNESS_CRASH_SEED=<seed>; SWIFTNESS_CRASH_SEEDS=<count>
// sets how many.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <random>

#include "tests/volume/journal_machine.h"

namespace swiftness {
namespace {

constexpr uint64_t kRing = 96 << 10;

enum class Ending { closed, process_crash, power_cut };

class History {
 public:
  explicit History(uint64_t seed)
      : random_(seed), machine_(kRing + kRingStart, seed, faults_of(seed)) {}

  void live() {
    const int lives = 3 + static_cast<int>(random_() % 6);
    for (int life = 0; life < lives && !testing::Test::HasFailure(); ++life) {
      open();
      if (testing::Test::HasFailure()) return;
      if (chance(0.15)) {
        die_stamping();
        continue;
      }
      if (!stamp() || chance(0.1)) {  // dies before it starts, for some reason
        end(chance(0.5) ? Ending::process_crash : Ending::power_cut);
        continue;
      }
      last_started_ = era_of(epoch_);
      replay();
      if (testing::Test::HasFailure()) return;
      serve();
      end(std::array{Ending::closed, Ending::process_crash, Ending::power_cut}[random_() % 3]);
    }
    open();
    if (!testing::Test::HasFailure()) decay();
    end(Ending::process_crash);
  }

 private:
  bool chance(double probability) { return double(random_() % 10000) < probability * 10000; }
  static DiskFaults faults_of(uint64_t seed) {
    using std::chrono::microseconds;
    DiskFaults faults;
    faults.written_back = double(seed % 5) / 4;
    faults.write = {Duration::zero(), microseconds(seed % 3 * 50)};
    faults.sync = {Duration::zero(), microseconds(seed % 7 * 200)};
    if (seed % 4 == 0) faults.write_fails = 0.002;
    if (seed % 4 <= 1) faults.sync_fails = 0.01;
    return faults;
  }

  // ---- what must hold

  void open() {
    ASSERT_TRUE(machine_.open().ok());
    const JournalFacts facts = machine_.journal->facts();
    const JournalVerdict verdict = judge(facts, StoreLog{last_started_, "", LogPosition(stored_)});
    ASSERT_EQ(verdict.action, JournalVerdict::Action::use) << verdict.why;
    const uint64_t safe = std::max(facts.newest.value(), stored_);
    ASSERT_GE(safe, promised_) << "a record that was promised is lost";
    if (facts.state == JournalFacts::State::usable) {
      ASSERT_LE(facts.newest, LogPosition(enqueued_));
      ASSERT_LE(facts.frontier.value(), stored_);
    }
    // What is neither here nor in the store never was; its positions are given out again.
    enqueued_ = safe;
    records_.erase(records_.upper_bound(enqueued_), records_.end());
  }

  bool stamp() {
    ++epoch_;
    Result<void> stamped =
        machine_.run(machine_.journal->stamp(era_of(epoch_), last_started_, LogPosition(stored_)));
    // What a stamp has kept is synced.
    if (stamped) written_ = synced_ = enqueued_;
    return stamped.ok();
  }

  void die_stamping() {
    ++epoch_;
    uint64_t unheard = 0;
    Async<void> stamping =
        machine_.journal->stamp(era_of(epoch_), last_started_, LogPosition(stored_));
    watch(std::move(stamping), 0, unheard, std::make_shared<bool>(false));
    // Each of its syncs is a moment of interest.
    const uint64_t syncs = machine_.disk.syncs() + random_() % 4;
    for (uint64_t steps = 0; steps < 10000 && machine_.disk.syncs() < syncs; ++steps) {
      machine_.io.restart();
      if (machine_.io.poll_one() == 0 && !JournalMachine::advance()) break;
    }
    end(chance(0.3) ? Ending::process_crash : Ending::power_cut);
  }

  void replay() {
    ASSERT_EQ(machine_.newest(), enqueued_);
    ASSERT_LE(machine_.oldest(), stored_ + 1);
    for (uint64_t position = stored_ + 1; position <= enqueued_; ++position) {
      ASSERT_TRUE(machine_.replays(records_.at(position))) << "position " << position;
    }
  }

  // ---- what the gateway does

  void serve() {
    std::shared_ptr<bool> alive = std::make_shared<bool>(true);
    const uint64_t steps = 20 + random_() % 300;
    for (uint64_t step = 0; step < steps; ++step) {
      const uint64_t dice = random_() % 100;
      if (dice < 35) {
        enqueue(alive);
      } else if (dice < 45) {
        watch(machine_.journal->synced(LogPosition(enqueued_)), enqueued_, synced_, alive);
      } else if (dice < 60) {
        store_and_release();
      } else {
        machine_.io.restart();
        if (machine_.io.poll_one() == 0 && !JournalMachine::advance()) store_and_release();
      }
    }
    *alive = false;  // what is reported from here on nobody hears
  }

  void enqueue(const std::shared_ptr<bool>& alive) {
    const uint64_t position = enqueued_ + 1;
    const uint64_t salt = random_() % 1000000;
    // Few sizes: stale records shall lie just where they would join on.
    constexpr std::array<uint64_t, 6> kSectors = {1, 1, 1, 3, 8, 40};
    JournalRecord record = chance(0.2) ? trim_record(position, 1 + random_() % 60, salt)
                                       : write_record(position, kSectors[random_() % 6], salt);
    if (!machine_.journal->has_room(record.data.size(), record.extents.size())) return;
    Result<JournalPlace> place = machine_.journal->enqueue(record);
    if (!place) return;  // retired
    enqueued_ = position;
    records_.insert_or_assign(position, std::move(record));
    watch(machine_.journal->written(LogPosition(position)), position, written_, alive);
  }

  void watch(Async<void> wait, uint64_t position, uint64_t& mark, std::shared_ptr<bool> alive) {
    spawn_or_throw(machine_.io.get_executor(),
                   note(std::move(wait), position, mark, std::move(alive)));
  }
  static Task note(Async<void> wait, uint64_t position, uint64_t& mark,
                   std::shared_ptr<bool> alive) {
    Result<void> done = co_await std::move(wait);
    if (done && *alive) mark = std::max(mark, position);
  }

  // The store's log may be ahead of what the journal was told.
  void store_and_release() {
    stored_ += random_() % (enqueued_ - stored_ + 1);
    const uint64_t oldest = machine_.oldest();
    if (stored_ < oldest) return;
    const uint64_t released = oldest + random_() % (stored_ - oldest + 1);
    machine_.journal->release(std::min(LogPosition(released), machine_.journal->newest()));
  }

  void end(Ending how) {
    switch (how) {
      case Ending::closed:
        machine_.close();
        promised_ = written_;
        break;
      case Ending::process_crash:
        machine_.crash();
        promised_ = written_;
        break;
      case Ending::power_cut:
        machine_.power_cut();
        written_ = synced_;
        promised_ = synced_;
        break;
    }
  }

  // ---- decay

  void decay() {
    DiskFaults healthy = machine_.disk.faults();
    healthy.write_fails = healthy.sync_fails = 0;
    machine_.disk.set_faults(healthy);
    ASSERT_TRUE(stamp());
    last_started_ = era_of(epoch_);
    if (enqueued_ > 0) machine_.journal->release(LogPosition(enqueued_));
    machine_.settle();
    stored_ = enqueued_;
    std::vector<JournalPlace> places;
    const uint64_t first = enqueued_ + 1;
    for (uint64_t i = 0; i < 5; ++i) {
      JournalRecord record = write_record(++enqueued_, 1 + random_() % 24);
      places.push_back(machine_.put(std::move(record)));
    }
    ASSERT_TRUE(machine_.synced(enqueued_).ok());
    machine_.put(++enqueued_);  // the witness
    ASSERT_TRUE(machine_.synced(enqueued_).ok());
    const uint64_t victim = random_() % places.size();
    // The stream's byte, that may be beyond the ring's end.
    const uint64_t in_record = random_() % (512 + places[victim].length);
    machine_.disk.flip_bit_in(machine_.place_of(places[victim].offset - 512 + in_record), 1);
    machine_.crash();
    ASSERT_TRUE(machine_.open().ok());
    const JournalFacts facts = machine_.journal->facts();
    EXPECT_EQ(facts.newest, LogPosition(first + victim - 1));
    EXPECT_NE(facts.damage, "");
    const StoreLog log{last_started_, "", LogPosition(stored_)};
    EXPECT_EQ(judge(facts, log).action, JournalVerdict::Action::refuse);
  }

  std::mt19937_64 random_;
  JournalMachine machine_;
  uint64_t epoch_ = 0;
  Era last_started_;
  std::map<uint64_t, JournalRecord> records_;  // as enqueued last
  uint64_t enqueued_ = 0;                      // positions; the last one of the volume's log
  uint64_t written_ = 0;                       // reported
  uint64_t synced_ = 0;                        // reported
  uint64_t promised_ = 0;                      // by the reports that hold for the last crash
  uint64_t stored_ = 0;                        // the end of the store's log
};

uint64_t from_environment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

TEST(JournalCrash, EveryPromiseIsKeptAndNothingStaleComesBack) {
  const uint64_t only = from_environment("SWIFTNESS_CRASH_SEED", 0);
  const uint64_t count = from_environment("SWIFTNESS_CRASH_SEEDS", 600);
  const uint64_t first = only == 0 ? 1 : only;
  const uint64_t last = only == 0 ? count : only;
  for (uint64_t seed = first; seed <= last; ++seed) {
    SCOPED_TRACE("SWIFTNESS_CRASH_SEED=" + std::to_string(seed));
    History(seed).live();
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace swiftness
