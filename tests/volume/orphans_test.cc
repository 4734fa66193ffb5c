// Orphans: found below the highest era only; repair and the sweep of a serving gateway delete them
// and nothing else, and only while that is safe.
#include "backend/volume/orphans.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "tests/volume/check_fixture.h"

namespace swiftness {
namespace {

class OrphanTest : public CheckTest {
 protected:
  // Three eras; what they left behind besides is in `planted`.
  void three_eras() {
    write_era(0, 20);
    write_era(20, 20, 2);
    write_era(40, 20, 3);
    const Era first = parse_era_object(chunks().front().name)->era;
    const Era third = parse_era_object(chunks().back().name)->era;
    ASSERT_EQ(first.epoch, Epoch(1));
    ASSERT_EQ(third.epoch, Epoch(3));
    Era lost{Epoch(2), Uuid::random()};  // claimed the second epoch as well
    plant(names_.chunk(first, Sequence(21)), true);
    plant(names_.chunk(first, Sequence(70000)), false);  // no such container: not there at all
    plant(names_.chunk(lost, Sequence(5)), true);
    plant(names_.map_object(lost, 1), true);
    const Root newest = newest_root();
    plant(names_.map_object(lost, newest.objects.front().number), true);  // a number that is kept
    plant(names_.chunk(newest.eras[1].era, Sequence(20)), true);  // the era before wrote that one
    plant(names_.root(RootName{lost, 1}), true);
    // Never to be touched: of the highest era, or not ours to judge.
    plant(names_.chunk(third, Sequence(81)), false);
    plant(names_.chunk(third, Sequence(500)), false);
    plant({names_.meta(), "root/something-else"}, false);
  }
  void plant(const ObjectName& name, bool orphan) {
    Result<void> put = shared_.contents->put(name, BufferList(Buffer::zeros(1024)), {});
    if (orphan && put) planted_.insert(name);
  }
  static std::set<ObjectName> set_of(const std::vector<Orphan>& orphans) {
    std::set<ObjectName> out;
    for (const Orphan& orphan : orphans) out.insert(orphan.object);
    return out;
  }
  CheckReport repair(bool although_served = false) {
    CheckOptions options = at_once();
    options.repair = true;
    options.although_served = although_served;
    return check(options);
  }

  // A repair that does something else while it pauses between its two looks.
  template <class Meanwhile>
  CheckReport repair_around(Meanwhile meanwhile) {
    CheckOptions options = at_once();
    options.repair = true;
    options.repair_pause = std::chrono::seconds(10);
    bool pausing = false;
    auto progress = [&pausing](const CheckProgress& at) {
      pausing |= at.stage == CheckProgress::Stage::repair;
    };
    std::optional<CheckReport> report;
    spawn_or_throw(shared_.io.get_executor(),
                   keep_outcome(check_volume(eye_, disk_, options, progress), report));
    run_until(shared_.io, [&pausing] { return pausing; });
    meanwhile();
    run_until(shared_.io, [&report] { return report.has_value(); });
    return *report;
  }
  std::set<ObjectName> planted_;
};

TEST_F(OrphanTest, AreFoundBelowTheHighestEraOnly) {
  three_eras();
  const CheckReport report = check();
  EXPECT_TRUE(report.clean()) << text_of(report);
  std::set<ObjectName> found = set_of(report.orphans);
  for (const ObjectName& name : planted_) EXPECT_TRUE(found.contains(name)) << to_string(name);
  for (const Orphan& orphan : report.orphans) {
    EXPECT_LT(orphan.what.era.epoch, Epoch(3)) << to_string(orphan.object);
  }
  expect_untouched();
}

TEST_F(OrphanTest, RepairRemovesExactlyThem) {
  three_eras();
  const std::set<ObjectName> before = everything();
  const std::set<ObjectName> orphans = set_of(check().orphans);
  const CheckReport report = repair();
  EXPECT_EQ(report.repair_refused, "");
  EXPECT_EQ(set_of(report.removed), orphans);
  std::set<ObjectName> expected = before;
  for (const ObjectName& name : orphans) expected.erase(name);
  EXPECT_EQ(everything(), expected);
  EXPECT_TRUE(check().orphans.empty());
  EXPECT_TRUE(check().clean());
  expect_era(0, 60);
}

// They show that a start was lost: the only copy of what came after.
TEST_F(OrphanTest, WhatIsOfAHigherEraIsNone) {
  three_eras();
  const Era above{Epoch(4), Uuid::random()};
  const std::vector<ObjectName> higher{names_.root({above, 1}), names_.map_object(above, 900),
                                       names_.chunk(above, Sequence(61))};
  for (const ObjectName& name : higher) plant(name, false);
  const CheckReport report = repair(true);
  EXPECT_FALSE(report.orphans.empty());
  for (const ObjectName& name : higher) EXPECT_FALSE(set_of(report.orphans).contains(name));
  ASSERT_EQ(report.damage.size(), 1u) << text_of(report);
  EXPECT_EQ(report.damage[0].kind, Kind::log);
  EXPECT_NE(report.repair_refused, "");
  EXPECT_EQ(eye_.calls(StoreCall::remove), 0u);
}

TEST_F(OrphanTest, WithoutAnyThereIsNothingToRefuse) {
  write_era(0, 4);
  Gateway gateway(shared_, disk_, 9, small_chunks());
  ASSERT_TRUE(gateway.attach().ok());
  const CheckReport report = repair();
  EXPECT_FALSE(report.released);
  EXPECT_TRUE(report.clean()) << text_of(report);
  ASSERT_TRUE(report.orphans.empty()) << text_of(report);
  EXPECT_EQ(report.repair_refused, "");
}

// Garbage collection deleted it; a server that was away has it still, and brings it back.
TEST_F(OrphanTest, AChunkThatCameBackIsOne) {
  write_era(0, 20);
  const ObjectName chunk = chunks()[5];
  const Buffer bytes = bytes_of(chunk);
  write_era(0, 20, 2);  // all of it once more
  write_era(20, 20, 3);
  write_era(40, 1, 4);
  ASSERT_FALSE(everything().contains(chunk)) << "collected";
  overwrite(chunk, bytes);
  const CheckReport report = repair();
  EXPECT_EQ(report.repair_refused, "");
  EXPECT_TRUE(set_of(report.removed).contains(chunk));
  expect_era(0, 41);
}

// The gateway that serves the volume deletes what is below its own era, at its second look.
TEST_F(OrphanTest, AreSweptByTheGatewayThatServes) {
  three_eras();
  VolumeOptions options = small_chunks();
  options.sweep_every = std::chrono::hours(1);
  Gateway gateway(shared_, disk_, 9, options);
  ASSERT_TRUE(gateway.attach().ok());
  auto sleep = [this](auto duration) { run(shared_.io, sleep_for(duration)); };
  sleep(std::chrono::minutes(200));
  EXPECT_EQ(gateway.volume.status().orphans_deleted, 0u) << "nothing of its own was answered yet";
  for (uint64_t i = 0; i < 20; ++i) ASSERT_TRUE(gateway.write(i * 128, 128, 7).ok());
  ASSERT_TRUE(gateway.flush().ok());
  sleep(std::chrono::minutes(60));
  EXPECT_EQ(gateway.volume.status().orphans_deleted, 0u) << "one look";
  sleep(std::chrono::minutes(60));
  const std::set<ObjectName> left = everything();
  for (const ObjectName& name : planted_) EXPECT_FALSE(left.contains(name)) << to_string(name);
  ASSERT_TRUE(gateway.stop().ok());
  const CheckReport report = check();
  EXPECT_TRUE(report.clean()) << text_of(report);
  EXPECT_TRUE(left.contains({names_.meta(), "root/something-else"}));
}

// What a damaged root needs nobody knows.
TEST_F(OrphanTest, AreNotSweptWhileARootThatStaysIsDamaged) {
  three_eras();
  const ObjectName base = roots().back();
  VolumeOptions options = small_chunks();
  options.sweep_every = std::chrono::hours(1);
  Gateway gateway(shared_, disk_, 9, options);
  ASSERT_TRUE(gateway.attach().ok());
  for (uint64_t i = 0; i < 20; ++i) ASSERT_TRUE(gateway.write(i * 128, 128, 7).ok());
  ASSERT_TRUE(gateway.flush().ok());
  flip_bit(base, 60);
  run(shared_.io, sleep_for(std::chrono::hours(5)));
  EXPECT_EQ(gateway.volume.status().orphans_deleted, 0u);
  flip_bit(base, 60);
  run(shared_.io, sleep_for(std::chrono::hours(3)));
  EXPECT_GT(gateway.volume.status().orphans_deleted, 0u);
}

TEST_F(OrphanTest, AreNotSweptByOneThatWasTakenOver) {
  three_eras();
  VolumeOptions options = small_chunks();
  options.sweep_every = std::chrono::milliseconds(200);
  Gateway old(shared_, disk_, 9, options);
  ASSERT_TRUE(old.attach().ok());
  for (uint64_t i = 0; i < 20; ++i) ASSERT_TRUE(old.write(i * 128, 128, 7).ok());
  ASSERT_TRUE(old.flush().ok());
  Gateway newer(shared_, disk_, 10, small_chunks());
  ASSERT_TRUE(newer.attach().ok());
  // It does not look after its fence but for what it is about to delete.
  run_until(shared_.io, [&] { return old.volume.state() == DeviceState::fenced; });
  EXPECT_EQ(old.volume.status().orphans_deleted, 0u);
  const std::set<ObjectName> left = everything();
  for (const ObjectName& name : planted_) EXPECT_TRUE(left.contains(name)) << to_string(name);
}

TEST_F(OrphanTest, WhatAnAttachMayFallBackToStays) {
  write_era(0, 20);
  write_era(20, 20, 2);
  ASSERT_FALSE(repair().removed.empty()) << "the first era's older roots";
  // Era 2 has lost its roots: its start's base, of era 1, and the map objects of that are needed.
  for (const ObjectName& root : meta("root/")) {
    if (parse_era_object(root.name)->era.epoch == Epoch(2)) flip_bit(root, 60);
  }
  expect_era(0, 40);
}

TEST_F(OrphanTest, RepairAfterManyLivesLosesNothing) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    std::mt19937_64 random(seed);
    std::map<uint64_t, uint64_t> newest;
    SharedStore shared;
    const VolumeDescriptor disk = shared.create(kDisk);
    for (int attach = 0; attach < 5; ++attach) {
      Gateway gateway(shared, disk, seed * 10 + attach, small_chunks());
      ASSERT_TRUE(gateway.attach().ok());
      for (const auto& [block, tag] : newest) ASSERT_TRUE(gateway.holds(block * 8, 8, tag));
      for (int i = 0; i < 150; ++i) {
        const uint64_t block = random() % 400 * 40;
        newest[block] = random();
        ASSERT_TRUE(gateway.write(block * 8, 8, newest[block]).ok());
      }
      ASSERT_TRUE(gateway.flush().ok());
      if (random() % 2 == 0) {
        ASSERT_TRUE(gateway.stop().ok());
      } else {
        gateway.crash();
        run(shared.io, gateway.store.settle());
      }
      MemoryStore store(shared.io.get_executor(), shared.contents);
      CheckOptions options = at_once();
      options.repair = true;
      options.although_served = true;
      const CheckReport report = run(shared.io, check_volume(store, disk, options, nullptr));
      ASSERT_TRUE(report.clean()) << text_of(report);
      ASSERT_EQ(report.repair_refused, "");
      ASSERT_EQ(report.removed.size(), report.orphans.size());
    }
  }
}

TEST_F(OrphanTest, RepairRefusesAVolumeThatIsServed) {
  three_eras();
  Gateway gateway(shared_, disk_, 9, small_chunks());
  ASSERT_TRUE(gateway.attach().ok());
  const std::set<ObjectName> before = everything();
  const CheckReport report = repair();
  EXPECT_NE(report.repair_refused, "");
  EXPECT_TRUE(report.removed.empty());
  EXPECT_EQ(everything(), before);
  EXPECT_NE(repair(true).repair_refused, "") << "nothing shows that this start was answered";
  EXPECT_EQ(everything(), before);
  // Told to, once there is a root, it does no harm to whoever serves it.
  const size_t roots = meta("root/").size();
  for (uint64_t i = 60; i < 80; ++i) {
    ASSERT_TRUE(gateway.write(i * 64, 64, i + 1, Durability::flushed).ok());
  }
  run_until(shared_.io, [&] { return meta("root/").size() > roots; });
  const std::string why = repair().repair_refused;
  EXPECT_NE(why.find("not released"), std::string::npos) << why;
  EXPECT_NE(why.find(check().host), std::string::npos) << why << ": says who may serve it";
  EXPECT_EQ(eye_.calls(StoreCall::remove), 0u);
  EXPECT_FALSE(repair(true).removed.empty());
  for (uint64_t i = 0; i < 80; ++i) EXPECT_TRUE(gateway.holds(i * 64, 64, i + 1));
  ASSERT_TRUE(gateway.stop().ok());
  expect_era(0, 80);
}

TEST_F(OrphanTest, RepairRefusesWhileAnotherAttaches) {
  three_eras();
  Gateway gateway(shared_, disk_, 9, small_chunks());
  gateway.store.fail_next(StoreCall::put, "start/", 1000);
  ASSERT_FALSE(gateway.attach().ok());
  const CheckReport report = repair();
  EXPECT_TRUE(report.attaching);
  EXPECT_NE(report.repair_refused, "");
  EXPECT_TRUE(report.removed.empty());
}

TEST_F(OrphanTest, RepairLeavesADamagedVolumeAlone) {
  three_eras();
  remove(chunks()[5]);
  const CheckReport report = repair(true);
  EXPECT_FALSE(report.clean());
  EXPECT_NE(report.repair_refused, "");
  EXPECT_TRUE(report.removed.empty());
  EXPECT_EQ(eye_.calls(StoreCall::remove), 0u);
}

TEST_F(OrphanTest, RepairStopsWhenAnotherGatewayStarts) {
  three_eras();
  Gateway gateway(shared_, disk_, 9, small_chunks());
  const CheckReport report = repair_around([&] { ASSERT_TRUE(gateway.attach().ok()); });
  EXPECT_NE(report.repair_refused, "");
  EXPECT_EQ(eye_.calls(StoreCall::remove), 0u);
}

TEST_F(OrphanTest, RepairRemovesOnlyWhatBothLooksSaw) {
  three_eras();
  const std::set<ObjectName> orphans = set_of(check().orphans);
  const ObjectName gone = *planted_.begin();
  ObjectName late;
  const CheckReport report = repair_around([&] {
    remove(gone);
    late = names_.chunk(Era{Epoch(1), Uuid::random()}, Sequence(9));
    plant(late, true);
  });
  EXPECT_EQ(report.repair_refused, "");
  std::set<ObjectName> expected = orphans;
  expected.erase(gone);
  EXPECT_EQ(set_of(report.removed), expected);
  EXPECT_TRUE(everything().contains(late));
}

TEST_F(OrphanTest, RepairStopsWhenTheSecondLookFindsDamageOrDoubt) {
  three_eras();
  CheckReport report = repair_around([&] { eye_.fail_next(StoreCall::list, "root/", 1); });
  ASSERT_NE(report.repair_refused, "");
  report = repair_around([&] { eye_.fail_next(StoreCall::get, "root/", 1); });
  ASSERT_NE(report.repair_refused, "");
  // A root that stays, and then the newest, which the one before stands in for.
  for (size_t back : {2, 1}) {
    const ObjectName root = roots()[roots().size() - back];
    report = repair_around([&] { flip_bit(root, 60); });
    ASSERT_NE(report.repair_refused, "") << back;
    EXPECT_EQ(eye_.calls(StoreCall::remove), 0u);
    flip_bit(root, 60);
  }
  report = repair_around([&] { remove(meta("claim/")[1]); });
  EXPECT_NE(report.repair_refused, "");
  EXPECT_EQ(eye_.calls(StoreCall::remove), 0u);
}

// It asks before each request: what has not gone by then stays.
TEST_F(OrphanTest, RepairStopsInTheMiddleWhenAnotherGatewayStarts) {
  three_eras();
  const Era lost{Epoch(2), Uuid::random()};
  for (uint64_t i = 1; i <= 200; ++i) plant(names_.chunk(lost, Sequence(i)), true);
  Gateway gateway(shared_, disk_, 9, small_chunks());
  CheckOptions options = at_once();
  options.repair = true;
  eye_.hold(StoreCall::remove, "");
  std::optional<CheckReport> report;
  spawn_or_throw(shared_.io.get_executor(),
                 keep_outcome(check_volume(eye_, disk_, options, nullptr), report));
  run_until(shared_.io, [this] { return eye_.held() > 0; });
  ASSERT_TRUE(gateway.attach().ok());
  eye_.release();
  run_until(shared_.io, [&report] { return report.has_value(); });
  EXPECT_FALSE(report->removed.empty()) << "the request that was on its way";
  EXPECT_LT(report->removed.size(), 100u);
  ASSERT_EQ(report->repair_failures.size(), 1u);
  EXPECT_NE(report->repair_failures[0].find("another gateway has started"), std::string::npos);
}

TEST_F(OrphanTest, WhatCannotBeRemovedIsTold) {
  three_eras();
  const ObjectName stubborn = *planted_.begin();
  eye_.fail_next(StoreCall::remove, stubborn.name, 1);
  const size_t orphans = check().orphans.size();
  const CheckReport report = repair();
  EXPECT_EQ(report.removed.size(), orphans - 1);
  EXPECT_FALSE(set_of(report.removed).contains(stubborn));
  ASSERT_EQ(report.repair_failures.size(), 1u);
  EXPECT_NE(report.repair_failures[0].find(to_string(stubborn)), std::string::npos);
  EXPECT_TRUE(everything().contains(stubborn));
  EXPECT_EQ(set_of(repair().removed), std::set<ObjectName>{stubborn}) << "the next time it goes";
}

// ---- doubt -------------------------------------------------------------------------------------

TEST_F(OrphanTest, AListingThatFailsIsDoubtAndNothingIsRemoved) {
  for (const char* prefix : {"claim/", "map/", "root/", "chunk/"}) {
    if (planted_.empty()) three_eras();
    eye_.fail_next(StoreCall::list, prefix, 1);
    const CheckReport report = repair(true);
    ASSERT_EQ(report.in_doubt.size(), 1u) << prefix << "\n" << text_of(report);
    EXPECT_EQ(report.in_doubt[0].kind, Kind::orphan_look);
    EXPECT_NE(report.repair_refused, "") << prefix;
    EXPECT_EQ(eye_.calls(StoreCall::remove), 0u);
  }
}

TEST_F(OrphanTest, WhatIsNotSurelyThereIsNoOrphan) {
  three_eras();
  // From here on: before that the end of the log is looked for, under the same prefix.
  CheckOptions options = at_once();
  std::optional<CheckReport> report;
  bool begun = false;
  auto progress = [&](const CheckProgress& at) {
    if (at.stage != CheckProgress::Stage::orphans || begun) return;
    begun = true;
    eye_.fail_next(StoreCall::presence, "chunk/", 1000);
  };
  spawn_or_throw(shared_.io.get_executor(),
                 keep_outcome(check_volume(eye_, disk_, options, progress), report));
  run_until(shared_.io, [&report] { return report.has_value(); });
  EXPECT_FALSE(report->in_doubt.empty());
  for (const Orphan& orphan : report->orphans) {
    EXPECT_NE(orphan.what.kind, EraObject::Kind::chunk) << to_string(orphan.object);
  }
}

// A listing may show what is gone.
TEST_F(OrphanTest, WhatIsListedAndGoneIsNoOrphan) {
  three_eras();
  const ObjectName gone = *planted_.begin();
  bool begun = false;
  auto progress = [&](const CheckProgress& at) {
    if (at.stage != CheckProgress::Stage::orphans || begun) return;
    begun = true;
    eye_.hold(StoreCall::presence, "chunk/");
  };
  std::optional<CheckReport> report;
  spawn_or_throw(shared_.io.get_executor(),
                 keep_outcome(check_volume(eye_, disk_, at_once(), progress), report));
  run_until(shared_.io, [this] { return eye_.held() > 0; });
  remove(gone);
  eye_.release();
  run_until(shared_.io, [&report] { return report.has_value(); });
  EXPECT_TRUE(report->clean()) << text_of(*report);
  EXPECT_FALSE(report->orphans.empty());
  EXPECT_FALSE(set_of(report->orphans).contains(gone));
}

// Without the roots that are kept nobody knows what they need.
TEST_F(OrphanTest, ARootThatCannotBeReadSparesAllOfTheMap) {
  three_eras();
  const ObjectName kept = roots()[roots().size() - 2];
  ASSERT_EQ(parse_era_object(kept.name)->era.epoch, Epoch(3));
  eye_.fail_next(StoreCall::get, kept.name, 1);
  const CheckReport report = repair(true);
  EXPECT_FALSE(report.in_doubt.empty());
  for (const Orphan& orphan : report.orphans) {
    EXPECT_EQ(orphan.what.kind, EraObject::Kind::chunk) << to_string(orphan.object);
  }
  EXPECT_FALSE(report.orphans.empty());
  EXPECT_EQ(eye_.calls(StoreCall::remove), 0u);
}

// ---- many, and far away ------------------------------------------------------------------------

TEST_F(OrphanTest, AllPagesOfAListingAreSeen) {
  three_eras();
  const Era lost{Epoch(1), Uuid::random()};
  for (uint64_t i = 1; i <= 2500; ++i) plant(names_.chunk(lost, Sequence(i)), true);
  const CheckReport report = repair();
  EXPECT_EQ(report.repair_refused, "");
  for (const ObjectName& name : everything()) EXPECT_FALSE(planted_.contains(name));
}

// What a gateway still had under way when it was taken over from may be in the next container.
TEST_F(OrphanTest, AreFoundInEveryContainerThatMayHaveSome) {
  write_era(0, 4);
  Root root = newest_root();
  root.covered = Sequence(kChunksPerContainer - 3);
  root.eras.back().last = root.covered;
  put_root(root);
  write_era(4, 1, 2);
  write_era(5, 1, 3);  // ends at the last of the first container
  ASSERT_EQ(check().last_chunk, kChunksPerContainer - 1);
  const ObjectName late =
      names_.chunk({Epoch(2), Uuid::random()}, Sequence(kChunksPerContainer + 3));
  CHECK(shared_.contents->create_container(late.container).ok());
  plant(late, true);
  EXPECT_TRUE(set_of(check().orphans).contains(late));

  write_era(6, 8, 4);
  plant(names_.chunk({Epoch(3), Uuid::random()}, Sequence(kChunksPerContainer + 5)), true);
  const CheckReport report = repair();
  EXPECT_EQ(report.repair_refused, "");
  for (const ObjectName& name : planted_) {
    EXPECT_TRUE(set_of(report.removed).contains(name)) << to_string(name);
  }
  expect_era(0, 14);
}

// An attach may go back to each of the last three roots of the highest era, and to its base: what
// they need of closed eras stays.
TEST_F(OrphanTest, WhatTheLastRootsNeedStays) {
  constexpr uint64_t kFar = kPageSectors / 64 * 2;
  for (int damaged = 0; damaged <= 2; ++damaged) {
    SCOPED_TRACE(damaged);
    new_volume();
    write_era(0, 4);
    write_era(kFar, 4, 2);  // another page: the first keeps its leaf, of era 1
    {
      Gateway gateway(shared_, disk_, 3, small_chunks());
      ASSERT_TRUE(gateway.attach().ok());
      for (int round = 0; round < 3; ++round) {
        // Each root drops more of the eras before: first the one page, then the other.
        const uint64_t at = round == 0 ? kFar / 2 : round == 1 ? 0 : kFar;
        const size_t before = roots().size();
        for (uint64_t i = at; i < at + 8; ++i) {
          ASSERT_TRUE(gateway.write(i * 64, 64, i + 1, Durability::flushed).ok());
        }
        run_until(shared_.io, [&] { return roots().size() > before; });
      }
      ASSERT_TRUE(gateway.stop().ok());
    }
    ASSERT_EQ(repair().repair_refused, "");
    for (int i = 0; i < damaged; ++i) flip_bit(roots().back(), 60);
    const CheckReport report = check();
    EXPECT_EQ(report.damage.size(), static_cast<size_t>(damaged)) << text_of(report);
    expect_era(0, 8);
    expect_era(kFar, 8);
  }
}

TEST_F(OrphanTest, UnfinishedClaimsAreToldAndStay) {
  write_era(0, 4);
  Gateway failing(shared_, disk_, 9, small_chunks());
  failing.store.fail_next(StoreCall::put, "start/", 1000);
  ASSERT_FALSE(failing.attach().ok());
  write_era(4, 4, 3);
  const CheckReport report = repair();
  EXPECT_EQ(report.unfinished_claims, std::vector<uint64_t>{2});
  EXPECT_EQ(meta("claim/").size(), 3u);
}

// ---- names -------------------------------------------------------------------------------------

TEST(ParseNames, TakesApartWhatVolumeNamesMakes) {
  const VolumeNames names(Uuid::random());
  const Era era{Epoch(0x1234), Uuid::random()};
  const auto chunk = parse_era_object(names.chunk(era, Sequence(77)).name);
  ASSERT_TRUE(chunk);
  EXPECT_EQ(chunk->kind, EraObject::Kind::chunk);
  EXPECT_EQ(chunk->era, era);
  EXPECT_EQ(chunk->number, 77u);
  EXPECT_EQ(parse_era_object(names.root({era, 3}).name)->kind, EraObject::Kind::root);
  EXPECT_EQ(parse_era_object(names.map_object(era, 3).name)->kind, EraObject::Kind::map_object);
  EXPECT_EQ(parse_claim(names.claim(Epoch(9)).name), Epoch(9));
  EXPECT_EQ(parse_start(names.start(Epoch(9)).name), Epoch(9));
}

TEST(ParseNames, RefusesAnythingElse) {
  const VolumeNames names(Uuid::random());
  const std::string good = names.chunk({Epoch(1), Uuid::random()}, Sequence(1)).name;
  EXPECT_FALSE(parse_era_object(good + "0"));
  EXPECT_FALSE(parse_era_object(good.substr(0, good.size() - 1)));
  EXPECT_FALSE(parse_era_object("chonk" + good.substr(5)));
  for (size_t at : {size_t{6}, size_t{22}, size_t{40}, size_t{55}, good.size() - 1}) {
    std::string bad = good;
    bad[at] = 'G';
    EXPECT_FALSE(parse_era_object(bad)) << bad;
  }
  for (const char* other : {"anchor", "fence", "head", "chunk/", "claim/1"}) {
    EXPECT_FALSE(parse_era_object(other));
    EXPECT_FALSE(parse_claim(other));
    EXPECT_FALSE(parse_start(other));
  }
}

}  // namespace
}  // namespace swiftness
