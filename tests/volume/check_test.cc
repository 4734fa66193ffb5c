// The check of a volume: nothing to say of a sound one, whatever its history and whoever serves it
// meanwhile; every kind of damage found.
#include "backend/volume/check.h"

#include <gtest/gtest.h>

#include <boost/asio/detached.hpp>
#include <random>

#include "backend/volume/read_only_store.h"
#include "tests/volume/check_fixture.h"

namespace swiftness {
namespace {

// ---- sound volumes -----------------------------------------------------------------------------

TEST_F(CheckTest, AVolumeThatWasNeverAttachedIsClean) {
  const CheckReport report = check();
  EXPECT_TRUE(report.clean()) << text_of(report);
  EXPECT_EQ(report.epoch, 0u);
  expect_untouched();
}

TEST_F(CheckTest, AVolumeNobodyWroteToIsClean) {
  write_era(0, 0);
  const CheckReport report = check();
  EXPECT_TRUE(report.clean()) << text_of(report);
  EXPECT_EQ(report.epoch, 1u);
  EXPECT_TRUE(report.released);
  EXPECT_FALSE(report.attaching);
  expect_untouched();
}

TEST_F(CheckTest, CountsWhatThereIs) {
  write_era(0, 20);
  const CheckReport report = check();
  EXPECT_TRUE(report.clean()) << text_of(report);
  EXPECT_EQ(report.mapped_bytes, 20u * 64 * 512);
  EXPECT_EQ(report.chunks, chunks().size());
  EXPECT_EQ(report.last_chunk, 20u);
  EXPECT_GE(report.frames, 20u);
  uint64_t bytes = 0;
  for (const ObjectName& chunk : chunks()) bytes += bytes_of(chunk).size();
  EXPECT_EQ(report.chunk_bytes, bytes);
  CheckOptions quick = at_once();
  quick.quick = true;
  EXPECT_EQ(check(quick).frames, 0u);
  EXPECT_EQ(check(quick).mapped_bytes, report.mapped_bytes);
}

TEST_F(CheckTest, AVolumeWithAHistoryIsClean) {
  uint64_t deleted = 0;
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    std::mt19937_64 random(seed);
    for (int attach = 0; attach < 4; ++attach) {
      Gateway gateway(shared_, disk_, seed * 10 + attach, small_chunks());
      ASSERT_TRUE(gateway.attach().ok());
      for (int i = 0; i < 120; ++i) {
        const uint64_t block = random() % (random() % 2 == 0 ? 300 : kDisk / 4096) * 8;
        if (random() % 8 == 0) {
          ASSERT_TRUE(gateway.unmap(block, random() % 70000 % (kDisk / 512 - block) + 1).ok());
        } else {
          ASSERT_TRUE(gateway.write(block, 8, random()).ok());
        }
        if (random() % 8 == 0) {
          ASSERT_TRUE(gateway.flush().ok());
        }
      }
      deleted += gateway.volume.status().garbage.deleted_chunks;
      if (random() % 2 == 0) {
        ASSERT_TRUE(gateway.stop().ok());
      } else {
        gateway.crash();
        run(shared_.io, gateway.store.settle());
      }
      CheckReport report = check();
      ASSERT_TRUE(report.clean()) << "seed " << seed << "\n" << text_of(report);
      CheckOptions narrow = at_once();
      narrow.quick = random() % 2 == 0;
      narrow.reference_memory = ByteCount(24 * 50);
      narrow.leaf_memory = ByteCount(1);
      const CheckReport other = check(narrow);
      ASSERT_TRUE(other.clean()) << "seed " << seed << "\n" << text_of(other);
      EXPECT_EQ(other.mapped_bytes, report.mapped_bytes);
      EXPECT_EQ(other.chunks, report.chunks);
    }
  }
  EXPECT_GT(deleted, 20u) << "or nothing was collected";
  expect_untouched();
}

// ---- damage ------------------------------------------------------------------------------------

TEST_F(CheckTest, FindsAFlippedBitInAFrame) {
  write_era(0, 20);
  const ObjectName chunk = chunks()[5];
  const ChunkExtent extent = header_of(chunk).extents.front();
  flip_bit(chunk, extent.at.frame_offset * kSectorBytes + 100);
  const CheckFinding finding = expect_only(Kind::frame);
  EXPECT_EQ(finding.object, to_string(chunk));
  EXPECT_EQ(finding.sectors, 64u);
  CheckOptions quick = at_once();
  quick.quick = true;
  EXPECT_TRUE(check(quick).clean()) << "a quick check reads no frames";
}

TEST_F(CheckTest, FindsAFlippedBitInAHeader) {
  write_era(0, 20);
  flip_bit(chunks()[5], 70);
  const CheckFinding finding = expect_only(Kind::chunk);
  EXPECT_EQ(finding.object, to_string(chunks()[5]));
  CheckOptions quick = at_once();
  quick.quick = true;
  expect_only(Kind::chunk, quick);
}

TEST_F(CheckTest, FindsADamagedHeaderInTheTail) {
  Gateway gateway(shared_, disk_, 1, small_chunks());
  ASSERT_TRUE(gateway.attach().ok());
  for (uint64_t i = 0; i < 5; ++i) {
    ASSERT_TRUE(gateway.write(i * 64, 64, i, Durability::flushed).ok());
  }
  gateway.crash();
  flip_bit(chunks()[2], 70);
  expect_only(Kind::log);
}

TEST_F(CheckTest, FindsATruncatedChunk) {
  write_era(0, 20);
  const Buffer whole = bytes_of(chunks()[5]);
  overwrite(chunks()[5], whole.slice(0, whole.size() - 512));
  expect_only(Kind::chunk);
  CheckOptions quick = at_once();
  quick.quick = true;
  expect_only(Kind::chunk, quick);
}

// Of a large one a quick check reads the beginning alone.
TEST_F(CheckTest, FindsATruncatedLargeChunk) {
  {
    Gateway gateway(shared_, disk_);
    ASSERT_TRUE(gateway.attach().ok());
    ASSERT_TRUE(gateway.write(0, 4096, 1, Durability::flushed).ok());
    ASSERT_TRUE(gateway.stop().ok());
  }
  const Buffer whole = bytes_of(chunks()[0]);
  ASSERT_GT(whole.size(), 2 * kMiB);
  overwrite(chunks()[0], whole.slice(0, whole.size() - 512));
  CheckOptions quick = at_once();
  quick.quick = true;
  EXPECT_EQ(expect_only(Kind::chunk, quick).sectors, 4096u);
}

TEST_F(CheckTest, FindsAnotherChunkUnderItsName) {
  write_era(0, 20);
  overwrite(chunks()[5], bytes_of(chunks()[6]));
  expect_only(Kind::chunk);
}

TEST_F(CheckTest, FindsAChunkOfAnotherEraUnderItsName) {
  write_era(0, 20);
  ChunkHeader header = header_of(chunks()[5]);
  header.era.claim = Uuid::random();
  put_header(chunks()[5], header);
  expect_only(Kind::chunk);
}

// Sound in itself, and not what the map was made from.
TEST_F(CheckTest, FindsAChunkWithOtherExtents) {
  write_era(0, 20);
  ChunkHeader header = header_of(chunks()[5]);
  for (ChunkExtent& extent : header.extents) extent.first = extent.first + SectorCount(8);
  put_header(chunks()[5], header);
  const CheckFinding finding = expect_only(Kind::reference);
  EXPECT_EQ(finding.sectors, 64u);
}

TEST_F(CheckTest, FindsAMissingChunk) {
  write_era(0, 20);
  const ObjectName chunk = chunks()[5];
  remove(chunk);
  const CheckFinding finding = expect_only(Kind::missing);
  EXPECT_EQ(finding.object, to_string(chunk));
  EXPECT_EQ(finding.sectors, 64u);
}

TEST_F(CheckTest, ADeadChunkThatIsGoneIsNoDamage) {
  write_era(0, 20);
  Gateway gateway(shared_, disk_, 2, small_chunks());
  ASSERT_TRUE(gateway.attach().ok());
  gateway.store.fail_next(StoreCall::remove, "", 1000000);
  ASSERT_TRUE(gateway.write(5 * 64, 64, 77, Durability::flushed).ok());
  ASSERT_TRUE(gateway.stop().ok());
  remove(chunks()[5]);
  const CheckReport report = check();
  EXPECT_TRUE(report.clean()) << text_of(report);
  EXPECT_EQ(report.deleted_chunks, 1u);
}

TEST_F(CheckTest, FindsAMissingLeaf) {
  write_era(0, 4);
  const std::vector<ObjectName> objects = meta("map/");
  write_era(kPageSectors / 64 * 2, 4, 2);  // another page: the first keeps its leaf
  ASSERT_TRUE(check().clean());
  remove(objects.back());
  const CheckFinding finding = expect_only(Kind::map);
  EXPECT_NE(finding.what.find("missing"), std::string::npos) << finding.what;
}

TEST_F(CheckTest, ADamagedRootIsPassedOverAndTold) {
  write_era(0, 20);
  write_era(20, 20, 2);
  const std::vector<ObjectName> roots = meta("root/");
  flip_bit(roots.back(), 60);
  const CheckReport report = check();
  ASSERT_EQ(report.damage.size(), 1u) << text_of(report);
  EXPECT_EQ(report.damage.front().kind, Kind::root);
  EXPECT_TRUE(report.in_doubt.empty());
  EXPECT_NE(report.root, to_string(roots.back()));
  EXPECT_EQ(report.mapped_bytes, 40u * 64 * 512) << "of the root before it, rolled forward";
}

TEST_F(CheckTest, FindsMapRecordsThatNoAttachCouldRead) {
  write_era(0, 20);
  remove(meta("map/").back());
  expect_only(Kind::log);
}

// A ledger that counts too little would let a chunk be deleted that is still needed.
TEST_F(CheckTest, FindsALedgerThatCountsTooLittle) {
  write_era(0, 20);
  LedgerRecord changed = ledger();
  changed.entries[5].live -= 1;
  put_ledger(changed);
  const CheckFinding finding = expect_only(Kind::ledger);
  EXPECT_EQ(finding.object, to_string(chunks()[5]));

  changed.entries[5].live += 9;  // an upper bound is no fault
  put_ledger(changed);
  const CheckReport report = check();
  EXPECT_TRUE(report.clean()) << text_of(report);
  EXPECT_EQ(report.overcounted_bytes, 8u * 512);
}

TEST_F(CheckTest, FindsALedgerWithAnotherSize) {
  write_era(0, 20);
  LedgerRecord changed = ledger();
  changed.entries[5].stored += 1;
  put_ledger(changed);
  const CheckFinding finding = expect_only(Kind::chunk);
  EXPECT_EQ(finding.object, to_string(chunks()[5]));
  CheckOptions quick = at_once();
  quick.quick = true;
  expect_only(Kind::chunk, quick);
}

TEST_F(CheckTest, FindsAReferenceToAChunkTheLedgerLacks) {
  write_era(0, 20);
  LedgerRecord changed = ledger();
  changed.entries.erase(changed.entries.begin() + 5);
  put_ledger(changed);
  expect_only(Kind::reference);
}

TEST_F(CheckTest, FindsAReferenceBeyondTheEndOfTheDisk) {
  write_era(0, 20);
  Root root = newest_root();
  root.size = ByteCount((20 * 64 - 1) * kSectorBytes);
  put_root(root);
  const CheckFinding finding = expect_only(Kind::reference);
  EXPECT_NE(finding.what.find("beyond the end of the disk"), std::string::npos) << finding.what;
}

// Garbage collection waits for it: nothing of the disk is hit, but space would never come back.
TEST_F(CheckTest, FindsAMissingLeafOfAnErasedPage) {
  constexpr uint64_t kFar = kPageSectors / 64 * 2;
  write_era(0, 4);
  const std::vector<ObjectName> objects = meta("map/");
  write_era(kFar, 4, 2);
  {
    Gateway gateway(shared_, disk_, 3, small_chunks());
    ASSERT_TRUE(gateway.attach().ok());
    gateway.store.fail_next(StoreCall::get, "map/", 1000000);  // it cannot count what is in it
    ASSERT_TRUE(gateway.unmap(0, kPageSectors).ok());
    ASSERT_TRUE(gateway.stop().ok());
  }
  ASSERT_FALSE(newest_root().detached.none());
  ASSERT_TRUE(check().clean()) << text_of(check());
  remove(objects.back());
  const CheckFinding finding = expect_only(Kind::map);
  EXPECT_NE(finding.what.find("erased page"), std::string::npos) << finding.what;
}

// An attach might have to go back to it, and orphans are judged by it.
TEST_F(CheckTest, FindsADamagedRootBehindTheNewest) {
  write_era(0, 20);
  const std::vector<ObjectName> roots = meta("root/");
  ASSERT_GE(roots.size(), 2u);
  flip_bit(roots[roots.size() - 2], 60);
  const CheckFinding finding = expect_only(Kind::root);
  EXPECT_NE(finding.what.find(to_string(roots[roots.size() - 2])), std::string::npos);
}

TEST_F(CheckTest, ThroughAStoreThatIsOnlyReadNothingChanges) {
  write_era(0, 4);
  const std::set<ObjectName> before = everything();
  ReadOnlyStore store(eye_);
  const ObjectName chunk = chunks()[0];
  EXPECT_FALSE(run(shared_.io, store.create_container("other")).ok());
  EXPECT_FALSE(run(shared_.io, store.put(chunk, BufferList(Buffer::zeros(8)), {})).ok());
  EXPECT_FALSE(run(shared_.io, store.copy(chunk, {chunk.container, "copy"})).ok());
  EXPECT_FALSE(run(shared_.io, store.remove({chunk})).ok());
  EXPECT_EQ(everything(), before);
  expect_untouched();
  EXPECT_TRUE(run(shared_.io, store.get(chunk, ByteRange::whole(), {})).ok());
}

TEST_F(CheckTest, FindsADamagedStart) {
  write_era(0, 4);
  write_era(4, 4, 2);
  flip_bit(meta("start/").back(), 60);
  const CheckFinding finding = expect_only(Kind::log);
  EXPECT_NE(finding.what.find("no gateway can attach it"), std::string::npos) << finding.what;
  EXPECT_FALSE(check().log_read);
}

// Nobody would miss it: the volume is what it was before.
TEST_F(CheckTest, FindsALostStart) {
  write_era(0, 4);
  write_era(4, 4, 2);
  remove(meta("start/").back());
  const CheckFinding finding = expect_only(Kind::log);
  EXPECT_NE(finding.what.find("start/0000000000000002 is missing"), std::string::npos)
      << finding.what;
}

// Epochs are looked for upwards: when the hint is lost too, the search would end before the gap.
TEST_F(CheckTest, FindsALostClaim) {
  for (uint64_t era = 0; era < 3; ++era) write_era(era * 4, 4, era + 1);
  remove(meta("claim/")[1]);
  const CheckFinding finding = expect_only(Kind::log);
  EXPECT_NE(finding.what.find("claim/0000000000000002 is missing"), std::string::npos)
      << finding.what;
}

TEST_F(CheckTest, NamesTheContainerThatLostItsAnchor) {
  write_era(0, 4);
  for (const std::string& container : {names_.meta(), names_.data(Sequence(1))}) {
    const ObjectName anchor{container, std::string(kAnchorName)};
    const Buffer bytes = bytes_of(anchor);
    remove(anchor);
    const CheckReport report = check();
    EXPECT_TRUE(report.damage.empty()) << text_of(report);
    bool named = false;
    for (const CheckFinding& finding : report.in_doubt)
      named |= finding.object == to_string(anchor);
    EXPECT_TRUE(named) << text_of(report);
    overwrite(anchor, bytes);
    EXPECT_TRUE(check().clean());
  }
}

// ---- the second data container -----------------------------------------------------------------

// A volume whose log is about to reach it: the root says that 65,530 chunks were written, and that
// all but the first few are dead and deleted.
class SecondContainer : public CheckTest {
 protected:
  static constexpr uint64_t kNearTheEnd = kChunksPerContainer - 6;

  SecondContainer() {
    write_era(0, 4);
    Root root = newest_root();
    root.covered = Sequence(kNearTheEnd);
    root.eras.back().last = root.covered;
    put_root(root);
  }
  std::vector<ObjectName> second() {
    return names(names_.data(Sequence(kChunksPerContainer)), "chunk/");
  }
};

TEST_F(SecondContainer, ThatIsNotThereYetIsNotMade) {
  const CheckReport report = check();
  EXPECT_TRUE(report.clean()) << text_of(report);
  EXPECT_EQ(report.last_chunk, kNearTheEnd);
  expect_untouched();
}

TEST_F(SecondContainer, IsLookedThrough) {
  write_era(4, 20, 2);
  ASSERT_EQ(second().size(), 15u);  // 65,536 on
  const CheckReport report = check();
  EXPECT_TRUE(report.clean()) << text_of(report);
  EXPECT_EQ(report.chunks, 24u);
  EXPECT_EQ(report.last_chunk, kNearTheEnd + 20);
  expect_era(0, 24);

  const ObjectName chunk = second()[3];
  const ChunkExtent extent = header_of(chunk).extents.front();
  flip_bit(chunk, extent.at.frame_offset * kSectorBytes + 100);
  EXPECT_EQ(expect_only(Kind::frame).object, to_string(chunk));
  remove(chunk);
  EXPECT_EQ(expect_only(Kind::missing).object, to_string(chunk));
}

// One lost in the tail, the other side of the border still there.
TEST_F(SecondContainer, AGapBeforeItIsDamage) {
  Gateway gateway(shared_, disk_, 2, small_chunks());
  ASSERT_TRUE(gateway.attach().ok());
  for (uint64_t i = 4; i < 11; ++i) {
    ASSERT_TRUE(gateway.write(i * 64, 64, i, Durability::flushed).ok());
  }
  gateway.crash();
  ASSERT_EQ(second().size(), 2u);
  remove(names_.chunk(parse_era_object(second().front().name)->era,
                      Sequence(kChunksPerContainer - 1)));
  expect_only(Kind::log);
}

// ---- doubt -------------------------------------------------------------------------------------

TEST_F(CheckTest, WhatTheStoreDoesNotKnowIsInDoubt) {
  write_era(0, 20);
  remove(chunks()[5]);
  // From the first chunk on: before that the end of the log is looked for, under the same prefix.
  CheckOptions options = at_once();
  std::optional<CheckReport> report;
  bool chunks_begun = false;
  auto progress = [&](const CheckProgress& at) {
    if (at.stage != CheckProgress::Stage::chunks || chunks_begun) return;
    chunks_begun = true;
    eye_.fail_next(StoreCall::presence, "chunk/", 1000000);
  };
  asio::co_spawn(shared_.io, keep_outcome(check_volume(eye_, disk_, options, progress), report),
                 asio::detached);
  run_until(shared_.io, [&report] { return report.has_value(); });
  EXPECT_TRUE(report->damage.empty()) << text_of(*report);
  EXPECT_FALSE(report->in_doubt.empty());
}

TEST_F(CheckTest, AnUnreachableStoreIsDoubtNotDamage) {
  write_era(0, 20);
  for (StoreCall call : {StoreCall::presence, StoreCall::get}) {
    FaultyStore store(std::make_unique<MemoryStore>(shared_.io.get_executor(), shared_.contents),
                      shared_.io.get_executor(), 7);
    store.fail_next(call, "", 1000000);
    const CheckReport report = run(shared_.io, check_volume(store, disk_, at_once(), nullptr));
    EXPECT_TRUE(report.damage.empty()) << text_of(report);
    EXPECT_FALSE(report.in_doubt.empty());
  }
}

TEST_F(CheckTest, AStoreOnARoughDayIsNeverDamage) {
  write_era(0, 20);
  write_era(10, 20, 2);
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    FaultyStore store(std::make_unique<MemoryStore>(shared_.io.get_executor(), shared_.contents),
                      shared_.io.get_executor(), seed, FaultOptions::rough());
    CheckOptions options = at_once();
    options.repair = seed % 2 == 0;
    const CheckReport report = run(shared_.io, check_volume(store, disk_, options, nullptr));
    ASSERT_TRUE(report.damage.empty()) << "seed " << seed << "\n" << text_of(report);
  }
  EXPECT_TRUE(check().clean());
  expect_era(10, 20);
}

// ---- beside a gateway --------------------------------------------------------------------------

constexpr Duration kBetweenWrites = std::chrono::microseconds(30);

// Overwrites a few blocks for as long as it is let; now and then trims.
Task keep_writing(Volume& volume, uint64_t seed, const bool& enough, bool& ended) {
  std::mt19937_64 random(seed);
  for (int i = 0; !enough; ++i) {
    const uint64_t block = random() % 250 * 100;
    if (random() % 16 == 0) {
      std::vector<BlockRange> ranges{{Lba(block * 8), BlockCount(random() % 3000 + 1)}};
      (void)co_await volume.unmap(ranges, nullptr);
    } else {
      const BlockRange range{Lba(block * 8), BlockCount(8)};
      BufferList data(pattern(block * 8, 8, seed + i));
      (void)co_await volume.write(range, std::move(data), Durability::acknowledged, nullptr);
    }
    if (i % 8 == 0) (void)co_await volume.flush();
    co_await sleep_for(kBetweenWrites);
  }
  ended = true;
}

// The gateway that serves, and half the time another that takes over from it in the middle.
Task live_on(Volume& one, Volume& other, uint64_t seed, const uint64_t& steps, const bool& enough,
             bool& ended) {
  bool over = false;
  bool ignored = false;
  Executor executor = co_await asio::this_coro::executor;
  asio::co_spawn(executor, keep_writing(one, seed, over, ignored), asio::detached);
  while (!enough && !(seed % 2 == 0 && steps > 20)) co_await sleep_for(kBetweenWrites);
  over = true;
  while (!ignored) co_await sleep_for(kBetweenWrites);
  if (seed % 2 == 0 && !enough) {
    // What the first one still had under way may arrive in the middle of an attempt.
    Result<void> attached = co_await other.attach();
    for (int tries = 0; !attached && tries < 10; ++tries) attached = co_await other.attach();
    EXPECT_TRUE(attached.ok()) << attached.error().message();
    co_await keep_writing(other, seed + 1000, enough, ignored);
  }
  ended = true;
}

// What the second look does not find may have been deleted after its view was taken.
TEST_F(CheckTest, ASecondLookThatIsOutOfDateIsRepeated) {
  write_era(0, 8);
  const ObjectName chunk = chunks()[5];
  Gateway gateway(shared_, disk_, 2, small_chunks());
  ASSERT_TRUE(gateway.attach().ok());
  bool first = true;
  auto progress = [&](const CheckProgress& at) {
    using Stage = CheckProgress::Stage;
    if (at.stage == Stage::map && first) {
      eye_.fail_next(StoreCall::get, chunk.name, 1, ErrorCode::not_found);
    }
    if (at.stage == Stage::again && first) eye_.hold(StoreCall::get, chunk.name);
    first = first && at.stage != Stage::again;
  };
  std::optional<CheckReport> report;
  spawn_or_throw(shared_.io.get_executor(),
                 keep_outcome(check_volume(eye_, disk_, at_once(), progress), report));
  run_until(shared_.io, [this] { return eye_.held() > 0; });
  for (uint64_t i = 0; i < 40; ++i) {
    ASSERT_TRUE(gateway.write(i % 8 * 64, 64, 100 + i, Durability::flushed).ok());
  }
  run_until(shared_.io, [&] { return !everything().contains(chunk); });
  eye_.release();
  run_until(shared_.io, [&report] { return report.has_value(); });
  EXPECT_TRUE(report->clean()) << text_of(*report);
  EXPECT_EQ(report->looked_again, 1u);
  ASSERT_TRUE(gateway.stop().ok());
}

TEST_F(CheckTest, AGatewayAtWorkIsNoDamage) {
  uint64_t looked_again = 0;
  uint64_t deleted = 0;
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    SharedStore shared;
    const VolumeDescriptor disk = shared.create(kDisk);
    VolumeOptions served = small_chunks();
    served.checkpoint_every = 8;
    FaultOptions slow;
    slow.delay_turns = 2;  // what is asked for side by side is done in any order
    Gateway one(shared, disk, seed, served, slow);
    Gateway other(shared, disk, seed + 500, served, slow);
    ASSERT_TRUE(one.attach().ok());
    uint64_t steps = 0;
    bool enough = false;
    bool ended = false;
    asio::co_spawn(shared.io, live_on(one.volume, other.volume, seed, steps, enough, ended),
                   asio::detached);
    run_until(shared.io, [&one] { return one.volume.status().newest_sequence > 60; });
    const uint64_t before = one.volume.status().garbage.deleted_chunks;

    slow.delay = std::chrono::milliseconds(2);
    FaultyStore eye(std::make_unique<MemoryStore>(shared.io.get_executor(), shared.contents),
                    shared.io.get_executor(), seed, slow);
    CheckOptions options = at_once();
    options.parallel = 2;
    options.quick = seed % 3 == 0;
    options.repair = seed % 5 == 0;
    options.although_served = true;
    auto progress = [&steps](const CheckProgress&) { ++steps; };
    std::optional<CheckReport> report;
    asio::co_spawn(shared.io, keep_outcome(check_volume(eye, disk, options, progress), report),
                   asio::detached);
    run_until(shared.io, [&report] { return report.has_value(); });
    enough = true;
    run_until(shared.io, [&ended] { return ended; });
    EXPECT_TRUE(report->damage.empty()) << "seed " << seed << "\n" << text_of(*report);
    // Doubt is allowed: these gateways delete without delay, and may outrun every look.
    looked_again += report->looked_again;
    deleted += one.volume.status().garbage.deleted_chunks - before +
               other.volume.status().garbage.deleted_chunks;
    one.crash();
    other.crash();
    run(shared.io, other.store.settle());

    MemoryStore store(shared.io.get_executor(), shared.contents);
    const CheckReport after = run(shared.io, check_volume(store, disk, at_once(), nullptr));
    EXPECT_TRUE(after.clean()) << "seed " << seed << "\n" << text_of(after);
  }
  RecordProperty("deleted", std::to_string(deleted));
  RecordProperty("looked_again", std::to_string(looked_again));
  EXPECT_GT(deleted, 50u) << "nothing was deleted meanwhile";
  EXPECT_GT(looked_again, 2u) << "or the check never met any of it";
}

}  // namespace
}  // namespace swiftness
