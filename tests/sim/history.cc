#include "tests/sim/history.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include <algorithm>
#include <functional>
#include <memory>
#include <vector>

#include "backend/volume/check.h"
#include "tests/sim/gateway.h"

namespace swiftness::sim {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

// A history beyond one of these hangs.
constexpr uint64_t kMostSteps = 3'000'000;
constexpr Duration kLongest = hours(4);
constexpr Duration kLongestRest = minutes(60);  // of the end, in good weather

// A fault's probability in this history: none, or up to `most`.
double some_of(Chance& chance, double most) {
  if (chance.one_in(3)) return 0;
  return most * static_cast<double>(chance.below(100)) / 100;
}

WorldOptions random_world(Chance chance) {
  WorldOptions out;
  out.block_size = chance.one_in(4) ? 4096 : 512;
  if (chance.one_in(5)) out.shape = kWide;
  // As the product has it in most; a journal is a second guard that hides what is wrong with the
  // first, so there are enough without.
  out.duel = chance.one_in(4);
  out.journals = !out.duel && !chance.one_in(4);
  out.durable_in_journal = out.journals && !chance.one_in(4);
  if (chance.one_in(2)) out.forced = 0.3;
  if (!out.duel && chance.one_in(6)) return out;  // a fine day: crashes only
  ClusterOptions& cluster = out.cluster;
  cluster.missed = some_of(chance, 0.3);
  cluster.error = some_of(chance, 0.1);
  cluster.error_after = some_of(chance, chance.one_in(4) ? 0.5 : 0.1);
  cluster.not_found_after = some_of(chance, 0.05);
  if (chance.one_in(4)) cluster.bit_rot = some_of(chance, 0.1);
  if (chance.one_in(3)) cluster.write_spread = milliseconds(1 + chance.below(250));
  cluster.replication = milliseconds(100 + chance.below(chance.one_in(2) ? 100'000 : 10'000));
  if (chance.one_in(2)) cluster.clock_skew = milliseconds(chance.below(5'000));
  cluster.reclaim_age = seconds(10 + chance.below(600));
  NetworkOptions& network = out.network;
  network.refused = some_of(chance, 0.05);
  network.lost = some_of(chance, 0.05);
  network.late = some_of(chance, 0.03);
  network.duplicated = some_of(chance, 0.05);
  network.partial_body = some_of(chance, 0.05);
  network.other_proxy = some_of(chance, chance.one_in(5) ? 0.5 : 0.05);
  if (out.duel || chance.one_in(3)) {
    network.stray = some_of(chance, chance.one_in(3) ? 0.1 : 0.02);
  }
  network.balanced = chance.one_in(2);
  if (chance.one_in(2)) network.slow = some_of(chance, 0.06);
  network.latency = milliseconds(2 + chance.below(30));
  return out;
}

DiskOptions random_disks(Chance chance, bool journal) {
  DiskOptions out;
  // One in ten of the machines is set up otherwise.
  if (journal && !chance.one_in(10)) {
    // Rings that are gone round often; the largest record of a workload still fits.
    out.journal_bytes = (96 << 10) + chance.skewed(512 << 10);
  }
  if (chance.one_in(2)) out.cache_bytes = (64 << 10) * (2 + chance.skewed(16));
  out.faults.cached = chance.one_in(2) ? 0.5 : 0;
  if (chance.one_in(6)) out.faults.sync_fails = 0.02;
  out.faults.written_back = static_cast<double>(chance.below(5)) / 4;
  const Duration slowest = chance.one_in(4) ? milliseconds(500) : milliseconds(2);
  out.faults.write = {Duration::zero(), chance.between(Duration::zero(), slowest)};
  out.faults.sync = {Duration::zero(), chance.between(Duration::zero(), slowest)};
  out.faults.read = {Duration::zero(), chance.between(Duration::zero(), slowest / 10)};
  return out;
}

VolumeOptions random_options(Chance& chance, const World& world) {
  VolumeOptions options;
  options.seal_after = milliseconds(1 + chance.skewed(1000));
  options.uploads_in_flight = static_cast<uint32_t>(1 + chance.below(8));
  options.checkpoint_every = static_cast<uint32_t>(chance.skewed(16));
  options.dirty_memory = ByteCount((16 << 10) + chance.skewed(1 << 20));
  options.chunk_bytes = (32 << 10) + chance.skewed(1 << 20);
  options.map_memory = ByteCount(chance.one_in(2) ? 1 : 256 << 20);
  constexpr uint64_t kReadMemory[] = {0, 128 << 10, 1 << 20};
  options.read_memory = ByteCount(kReadMemory[chance.below(3)]);
  options.collector.utilization = 0.5 + static_cast<double>(chance.below(30)) / 100;
  options.collector.slack_chunks = chance.below(3);
  options.collector.looks_at_once = 1 + chance.skewed(256);
  options.collector.deletion_delay = milliseconds(chance.skewed(3000));
  options.collector.burst = ByteCount(chance.skewed(4 << 20));
  options.collector.burst_time = milliseconds(chance.skewed(60'000));
  if (chance.one_in(2)) options.retry_pause = milliseconds(1 + chance.below(1000));
  if (chance.one_in(2)) options.sweep_every = milliseconds(100 + chance.skewed(60'000));
  options.durable_in_journal = world.durable_in_journal && !chance.one_in(8);
  options.journaled_seal_after = milliseconds(1 + chance.skewed(30'000));
  options.journaled_seal_bytes = ByteCount((16 << 10) + chance.skewed(1 << 20));
  options.force = chance.happens(world.forced);
  if (chance.one_in(6))
    options.quota = ByteCount(chance.skewed(world.shape.sectors()) * kSectorBytes);
  if (chance.one_in(2)) options.sweep_every = seconds(chance.skewed(60));
  return options;
}

Workload random_workload(Chance& chance, const World& world) {
  Workload workload;
  workload.clients = static_cast<uint32_t>(1 + chance.below(4));
  workload.commands = static_cast<uint32_t>(chance.skewed(60));
  workload.pause = milliseconds(chance.skewed(200));
  if (world.duel) {  // nobody comes to an end before the next one attaches
    workload.commands += 40;
    workload.pause *= 2;
  }
  workload.copies = chance.one_in(2);
  workload.grows = chance.one_in(4);
  workload.largest_write = 1 + chance.below(world.shape.stripe_sectors);
  return workload;
}

class History {
 public:
  History(uint64_t seed, bool printing)
      : chance_(seed),
        world_(seed, printing, random_world(chance_.apart())),
        bad_weather_(!chance_.one_in(4) || world_.duel) {
    // Whether it was needed shows at the next attach: a chunk that is missing is damage.
    world_.cluster.on_delete([this](const std::string&) { ++world_.counts.deletes; });
    const uint64_t gateways = 2 + chance_.below(2);
    for (uint64_t i = 0; i < gateways; ++i) {
      const char name = static_cast<char>('A' + i);
      const DiskOptions disks = random_disks(world_.chance.apart(), world_.journals);
      gateways_.push_back(std::make_unique<Gateway>(world_, std::string(1, name), disks));
    }
  }
  ~History() { director_.reset(); }

  HistoryReport run();

 private:
  bool take_a_step();
  void wake_all();
  std::string who_waits();

  Task direct();
  std::unique_ptr<SwiftStore> own_store(const char* who);
  Task create_the_volume();
  Task check_the_volume();
  void act();
  void meddle(Gateway& gateway);
  Crash some_crash() { return chance_.one_in(2) ? Crash::machine : Crash::process; }
  Task make_weather();
  void change_the_weather();
  void trouble_an_attach(Gateway& gateway);
  void boot(Gateway& gateway);
  Gateway* some_gateway(bool running);
  Task come_to_rest();
  Task serve_to_the_end(Gateway& gateway, bool may_force, bool settles);
  Task wait_until_down();
  Task wait_until_idle();

  Chance chance_;
  World world_;
  std::vector<std::unique_ptr<Gateway>> gateways_;
  std::unique_ptr<asio::io_context> director_ =
      std::make_unique<asio::io_context>(BOOST_ASIO_CONCURRENCY_HINT_UNSAFE);
  uint64_t steps_ = 0;
  const bool bad_weather_;
  bool resting_ = false;
  bool over_ = false;
};

HistoryReport History::run() {
  auto work = asio::make_work_guard(*director_);
  asio::co_spawn(*director_, direct(), [this](std::exception_ptr thrown) {
    if (thrown) world_.fail("the director threw an exception");
    over_ = true;
  });
  const TimePoint begun = world_.clock.now();
  while (!over_ && !world_.failure) {
    if (take_a_step()) {
      if (++steps_ > kMostSteps) world_.fail("it runs in circles: " + who_waits());
      continue;
    }
    if (!world_.timeline.run_one()) {
      if (!world_.clock.advance()) world_.fail("everybody waits for somebody: " + who_waits());
      if (world_.clock.now() - begun > kLongest) world_.fail("it does not end: " + who_waits());
    }
    wake_all();
  }
  HistoryReport report;
  report.failure = world_.failure;
  report.trace_hash = world_.trace.hash();
  report.events = world_.trace.events();
  report.steps = steps_;
  report.counts = world_.counts;
  report.counts.requests = world_.cluster.requests();
  report.seconds = std::chrono::duration<double>(world_.clock.now() - begun).count();
  return report;
}

// Whose turn it is among those that have something to do is a matter of chance.
bool History::take_a_step() {
  const uint64_t first = gateways_.size() > 1 ? world_.chance.below(gateways_.size()) : 0;
  for (size_t i = 0; i < gateways_.size(); ++i) {
    if (gateways_[(first + i) % gateways_.size()]->run_one()) return true;
  }
  if (director_->poll_one() == 0) return false;
  wake_all();
  return true;
}

// To look at an event loop that has nothing to do costs a system call.
void History::wake_all() {
  for (const auto& gateway : gateways_) gateway->wake_up();
}

std::string History::who_waits() {
  std::string out;
  for (const auto& gateway : gateways_) out += gateway->describe() + "; ";
  return out;
}

// ---- the course of events ----------------------------------------------------------------------

Task History::direct() {
  co_await create_the_volume();
  const uint64_t acts = 3 + chance_.skewed(12);
  boot(*gateways_[0]);
  if (bad_weather_) asio::co_spawn(*director_, make_weather(), asio::detached);
  for (uint64_t i = 0; i < acts; ++i) {
    const Duration most = chance_.one_in(5) ? seconds(60) : seconds(5);
    co_await sleep_for(chance_.between(milliseconds(1), most));
    act();
    if (chance_.one_in(20)) co_await check_the_volume();
  }
  co_await come_to_rest();
}

std::unique_ptr<SwiftStore> History::own_store(const char* who) {
  return std::make_unique<SwiftStore>(
      store_config(), director_->get_executor(), store_tuning(),
      gateways_[0]->network().connect(director_->get_executor(), who));
}

Task History::create_the_volume() {
  const std::unique_ptr<SwiftStore> store = own_store("creator");
  for (int tries = 0; tries < 100; ++tries) {
    Result<VolumeDescriptor> made = co_await create_volume(
        *store, "disk", ByteCount(world_.shape.disk_bytes), world_.block_size);
    if (!made && made.error().code() == ErrorCode::conflict) {
      made = co_await find_volume(*store, "disk");  // an attempt of ours, its answer lost
    }
    if (made) {
      world_.descriptor = *made;
      co_return;
    }
    world_.trace.note("no volume yet: {}", made.error().message());
    co_await sleep_for(seconds(1));
  }
  world_.fail("the volume could not be created");
}

// As an administrator would, beside whoever serves the volume. Orphans may be deleted, too.
Task History::check_the_volume() {
  const std::unique_ptr<SwiftStore> store = own_store("checker");
  CheckOptions options;
  options.pause = milliseconds(chance_.below(2000));
  options.parallel = 1 + chance_.below(8);
  if (chance_.one_in(2)) options.reference_memory = ByteCount(4096);
  options.repair = options.although_served = chance_.one_in(2);
  options.repair_pause = milliseconds(chance_.below(10'000));
  const CheckReport report = co_await check_volume(*store, world_.descriptor, options, nullptr);
  world_.trace.note("a check: {} chunks, {} damaged, {} in doubt, {} orphans, {} removed",
                    report.chunks, report.damage.size(), report.in_doubt.size(),
                    report.orphans.size(), report.removed.size());
  ++world_.counts.checks;
  world_.counts.repaired += report.removed.size();
  if (!report.damage.empty() && !world_.corruption_expected) {
    const CheckFinding& worst = report.damage.front();
    world_.fail(fmt::format("a check finds damage, {}: {} {}", to_string(worst.kind), worst.object,
                            worst.what));
  }
  if (!resting_ || some_gateway(true) != nullptr) co_return;
  if (!report.clean()) world_.fail("a check is not sure that all is there");
}

void History::act() {
  const uint64_t dice = chance_.below(8);
  Gateway* up = some_gateway(true);
  Gateway* down = some_gateway(false);
  if (up == nullptr || (dice < (world_.duel ? 6 : 4) && down != nullptr)) {
    if (chance_.one_in(12)) meddle(*down);
    boot(*down);
    // Two that come at the same moment.
    Gateway* rival = chance_.one_in(6) ? some_gateway(false) : nullptr;
    if (rival != nullptr) boot(*rival);
    // Somebody hands it over and does not wait.
    if (up != nullptr && chance_.one_in(6)) up->shut_down(std::nullopt);
  } else if (dice < 7) {
    if (world_.journals && chance_.one_in(4)) {
      up->crash_when_full(some_crash());
      return;
    }
    const uint64_t steps = chance_.one_in(3) ? chance_.below(3000) : chance_.below(100);
    up->crash_in(steps, some_crash());
  } else if (dice < 8) {
    std::optional<Duration> patience;
    if (chance_.one_in(2)) patience = chance_.between(Duration::zero(), seconds(30));
    up->shut_down(patience);
  }
}

// What becomes of a journal while nobody looks.
void History::meddle(Gateway& gateway) {
  if (chance_.one_in(2)) {
    world_.trace.note("a journal is lost");
    gateway.disks().lose_journal();
  } else if (gateway.disks().go_back()) {
    world_.trace.note("an old journal is put back");
  }
}

Task History::make_weather() {
  while (!resting_) {
    co_await sleep_for(chance_.between(milliseconds(1), seconds(30)));
    if (!resting_) change_the_weather();
  }
}

void History::change_the_weather() {
  const Duration how_long = chance_.between(seconds(1), seconds(60));
  const uint64_t dice = chance_.below(20);
  Gateway& gateway = *gateways_[chance_.below(gateways_.size())];
  world_.trace.note("the weather changes: {} for {} ms", dice,
                    std::chrono::duration_cast<milliseconds>(how_long).count());
  if (dice < 3) {
    world_.cluster.object_server_down(how_long);
  } else if (dice < 5) {
    world_.cluster.lose_disk();
  } else if (dice == 5) {
    world_.cluster.proxies_down(how_long);
  } else if (dice < 8) {
    world_.cluster.go_blind(how_long);
  } else if (dice == 8) {
    world_.cluster.full(how_long);
  } else if (dice == 9) {
    world_.cluster.expire_tokens();
  } else if (dice < 12) {
    world_.cluster.refuse_writes(how_long);
  } else if (dice < 14) {
    gateway.network().cut(how_long);
  } else if (dice == 14) {
    gateway.disks().fall_sick(how_long);
  } else if (dice == 15) {
    gateway.disks().fill_up(how_long);
  } else if (dice < 18) {
    gateway.disks().flip_bits();
  } else {
    gateway.disks().keep_copy();
  }
}

// An attach is where trouble can do most harm: a store that denies what it has, or has it on one
// server only; and an owner who is slow to learn of it.
void History::trouble_an_attach(Gateway& gateway) {
  const Duration how_long = chance_.between(seconds(1), seconds(60));
  const uint64_t dice = chance_.below(16);
  world_.trace.note("trouble for an attach: {}", dice);
  if (dice >= 8) {
    world_.cluster.lie_in_wait(how_long);
  } else if (dice < 2) {
    world_.cluster.object_server_down(how_long);
  } else if (dice == 2) {
    world_.cluster.lose_disk();
  } else if (dice < 5) {
    world_.cluster.go_blind(how_long);
  } else if (dice < 7) {
    for (const auto& other : gateways_) {
      if (other.get() != &gateway) other->network().slow_down(how_long);
    }
  } else {
    change_the_weather();
  }
}

void History::boot(Gateway& gateway) {
  const bool troubled = world_.duel || chance_.one_in(2);
  if (bad_weather_ && !resting_ && troubled) trouble_an_attach(gateway);
  gateway.boot(random_options(chance_, world_), random_workload(chance_, world_));
  // Many die young: in the midst of attaching.
  if (chance_.one_in(6)) gateway.crash_in(chance_.below(2000), some_crash());
}

Gateway* History::some_gateway(bool running) {
  std::vector<Gateway*> candidates;
  for (const auto& gateway : gateways_) {
    if (gateway->running() == running) candidates.push_back(gateway.get());
  }
  return candidates.empty() ? nullptr : candidates[chance_.below(candidates.size())];
}

// In good weather, though late messages may still arrive: one gateway has the volume, is used, and
// ends well; the next one finds everything.
Task History::come_to_rest() {
  world_.trace.note("coming to rest");
  resting_ = true;
  world_.cluster.clear_up();
  for (const auto& gateway : gateways_) {
    gateway->network().clear_up();
    gateway->disks().clear_up();
  }
  while (!world_.cluster.settled()) co_await sleep_for(seconds(5));
  if (chance_.one_in(2)) co_await wait_until_idle();
  for (const auto& gateway : gateways_) {
    if (gateway->running() && chance_.one_in(2)) gateway->crash(some_crash());
    gateway->shut_down(seconds(30));
  }
  co_await wait_until_down();
  // Who has the journal should be the first; an administrator may see it otherwise.
  if (chance_.one_in(2)) {
    std::ranges::stable_sort(gateways_, std::greater(), [](const auto& g) { return g->epoch(); });
  }
  co_await serve_to_the_end(*gateways_[0], /*may_force=*/true, /*settles=*/false);
  if (chance_.one_in(4)) co_await check_the_volume();
  co_await serve_to_the_end(*gateways_[1], /*may_force=*/false, /*settles=*/chance_.one_in(4));
  if (chance_.one_in(4)) co_await check_the_volume();
  world_.trace.note("at the end {} bytes are stored", world_.cluster.bytes_stored());
}

Task History::serve_to_the_end(Gateway& gateway, bool may_force, bool settles) {
  const TimePoint begun = now();
  bool booted = false, force = false;
  while (now() - begun < kLongestRest) {
    if (gateway.idle()) {
      gateway.shut_down(std::nullopt);
      co_await wait_until_down();
      if (gateway.ended_well()) co_return;
    }
    if (booted && gateway.refused()) {
      if (!may_force) world_.fail("it was released, and is refused: " + who_waits());
      force = true;
      gateway.shut_down(std::nullopt);
      co_await wait_until_down();
    }
    if (!gateway.running()) {
      VolumeOptions options = random_options(chance_, world_);
      options.force = force;
      Workload workload = random_workload(chance_, world_);
      workload.commands = 10;
      workload.settles = settles;
      if (settles) options.sweep_every = seconds(1 + chance_.below(60));
      gateway.boot(options, workload);
      booted = true;
    }
    co_await sleep_for(seconds(1));
  }
  world_.fail("it does not come to rest: " + who_waits());
}

// Whoever runs comes to an end of what its clients want, or of its time as owner.
Task History::wait_until_idle() {
  const TimePoint begun = now();
  for (const auto& gateway : gateways_) {
    while (gateway->running() && !gateway->idle()) {
      co_await sleep_for(milliseconds(500));
      if (now() - begun > kLongestRest) {
        world_.fail("its clients wait for ever: " + who_waits());
        co_return;
      }
    }
  }
}

Task History::wait_until_down() {
  const TimePoint begun = now();
  while (some_gateway(true) != nullptr) {
    co_await sleep_for(milliseconds(500));
    if (now() - begun > kLongestRest) {
      world_.fail("a gateway does not end: " + who_waits());
      co_return;
    }
  }
}

}  // namespace

HistoryReport run_history(uint64_t seed, bool printing) {
  HistoryReport report = History(seed, printing).run();
  report.seed = seed;
  return report;
}

}  // namespace swiftness::sim
