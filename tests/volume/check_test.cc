// The check of a volume: nothing to say of a sound one, whatever its history and whoever serves it
// meanwhile; every kind of damage found; repair deletes orphans and nothing else.
#include "backend/volume/check.h"

#include <gtest/gtest.h>

#include <boost/asio/detached.hpp>

#include <fmt/format.h>

#include <functional>
#include <random>

#include "backend/base/log.h"
#include "backend/volume/chunk_check.h"
#include "tests/volume/disk.h"

namespace swiftness {
namespace {

constexpr uint64_t kDisk = 128 * kMiB;
using Kind = CheckFinding::Kind;

CheckOptions at_once() {
  CheckOptions options;
  options.pause = Duration::zero();
  options.repair_pause = Duration::zero();
  return options;
}

VolumeOptions small_chunks() {
  VolumeOptions options = quick_options();
  options.chunk_bytes = 64 << 10;
  options.checkpoint_every = 8;
  options.collector.slack_chunks = 0;
  options.collector.deletion_delay = Duration::zero();
  return options;
}

std::string text_of(const CheckReport& report) {
  std::string out;
  for (const CheckFinding& finding : report.damage) {
    out +=
        fmt::format("damage, {}: {} {}\n", to_string(finding.kind), finding.object, finding.what);
  }
  for (const CheckFinding& finding : report.in_doubt) {
    out += fmt::format("doubt, {}: {} {}\n", to_string(finding.kind), finding.object, finding.what);
  }
  for (const Orphan& orphan : report.orphans) out += "orphan " + to_string(orphan.object) + "\n";
  return out + report.repair_refused;
}

class CheckTest : public testing::Test {
 protected:
  CheckTest() { log::set_level(log::Level::error); }
  ~CheckTest() override { log::set_level(log::Level::info); }

  CheckReport check(CheckOptions options = at_once()) {
    return run(shared_.io, check_volume(eye_, disk_, options, nullptr));
  }
  // Nothing was written, whatever was found.
  void expect_untouched() {
    for (StoreCall call :
         {StoreCall::put, StoreCall::remove, StoreCall::create_container, StoreCall::copy}) {
      EXPECT_EQ(eye_.calls(call), 0u);
    }
  }
  // Exactly one finding, of this kind; the same of a check through tiny windows.
  CheckFinding expect_only(Kind kind, CheckOptions options = at_once()) {
    const CheckReport report = check(options);
    EXPECT_EQ(report.damage.size(), 1u) << text_of(report);
    EXPECT_TRUE(report.in_doubt.empty()) << text_of(report);
    if (report.damage.size() != 1) return {};
    EXPECT_STREQ(to_string(report.damage.front().kind), to_string(kind)) << text_of(report);
    CheckOptions narrow = options;
    narrow.reference_memory = ByteCount(24 * 20);
    EXPECT_EQ(check(narrow).damage.size(), 1u) << text_of(check(narrow));
    expect_untouched();
    return report.damage.front();
  }

  // ---- what is in the store
  std::vector<ObjectName> names(const std::string& container, const std::string& prefix) {
    return shared_.objects(container, prefix);
  }
  std::vector<ObjectName> chunks() { return names(names_.data(Sequence(1)), "chunk/"); }
  std::vector<ObjectName> meta(const std::string& prefix) { return names(names_.meta(), prefix); }
  std::set<ObjectName> everything() {
    std::set<ObjectName> out;
    for (const ObjectName& name : names(names_.data(Sequence(1)), "")) out.insert(name);
    for (const ObjectName& name : meta("")) out.insert(name);
    return out;
  }
  Buffer bytes_of(const ObjectName& name) {
    return *shared_.contents->get(name, ByteRange::whole());
  }
  void overwrite(const ObjectName& name, Buffer data) {
    CHECK(shared_.contents->put(name, BufferList(std::move(data)), {}).ok());
  }
  void flip_bit(const ObjectName& name, size_t at) {
    Buffer data = Buffer::copy_of(bytes_of(name).bytes());
    data.writable()[at] ^= std::byte{4};
    overwrite(name, data);
  }
  void remove(const ObjectName& name) { CHECK(shared_.contents->remove({name}).failures.empty()); }
  ChunkHeader header_of(const ObjectName& chunk) {
    return *decode_chunk_header(disk_.uuid, bytes_of(chunk).bytes());
  }

  // One era: `count` chunks of one write each, in a root.
  void write_era(uint64_t first, uint64_t count, uint64_t seed = 1) {
    Gateway gateway(shared_, disk_, seed, small_chunks());
    ASSERT_TRUE(gateway.attach().ok());
    for (uint64_t i = first; i < first + count; ++i) {
      ASSERT_TRUE(gateway.write(i * 64, 64, i + 1, Durability::flushed).ok());
    }
    ASSERT_TRUE(gateway.stop().ok());
  }
  void expect_era(uint64_t first, uint64_t count) {
    Gateway gateway(shared_, disk_, 99, small_chunks());
    ASSERT_TRUE(gateway.attach().ok());
    for (uint64_t i = first; i < first + count; ++i) {
      EXPECT_TRUE(gateway.holds(i * 64, 64, i + 1)) << i;
    }
    ASSERT_TRUE(gateway.stop().ok());
  }

  SharedStore shared_;
  VolumeDescriptor disk_ = shared_.create(kDisk);
  VolumeNames names_{disk_.uuid};
  FaultyStore eye_{std::make_unique<MemoryStore>(shared_.io.get_executor(), shared_.contents),
                   shared_.io.get_executor(), 7};
};

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

TEST_F(CheckTest, FindsAnotherChunkUnderItsName) {
  write_era(0, 20);
  overwrite(chunks()[5], bytes_of(chunks()[6]));
  expect_only(Kind::chunk);
}

// Sound in itself, and not what the map was made from.
TEST_F(CheckTest, FindsAChunkWithOtherExtents) {
  write_era(0, 20);
  const ObjectName chunk = chunks()[5];
  Buffer whole = Buffer::copy_of(bytes_of(chunk).bytes());
  ChunkHeader header = header_of(chunk);
  for (ChunkExtent& extent : header.extents) extent.first = extent.first + SectorCount(8);
  const Bytes encoded = encode(disk_.uuid, header);
  std::copy(encoded.begin(), encoded.end(), whole.writable().begin());
  overwrite(chunk, whole);
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
  const ObjectName root_name = meta("root/").back();
  Root root = *decode_root(disk_.uuid, bytes_of(root_name).bytes());
  const ObjectName object = names_.map_object(root.name.era, root.ledger.object);
  const Buffer whole = bytes_of(object);
  LedgerRecord ledger =
      *decode_ledger(disk_.uuid, whole.slice(root.ledger.offset, root.ledger.length).bytes());
  ledger.entries[5].live -= 8;
  const Bytes encoded = encode(disk_.uuid, ledger);
  ASSERT_EQ(encoded.size(), root.ledger.length);
  Buffer changed = Buffer::copy_of(whole.bytes());
  std::copy(encoded.begin(), encoded.end(), changed.writable().begin() + root.ledger.offset);
  overwrite(object, changed);
  const CheckFinding finding = expect_only(Kind::ledger);
  EXPECT_EQ(finding.object, to_string(chunks()[5]));

  ledger.entries[5].live += 16;  // an upper bound is no fault
  const Bytes more = encode(disk_.uuid, ledger);
  std::copy(more.begin(), more.end(), changed.writable().begin() + root.ledger.offset);
  overwrite(object, changed);
  const CheckReport report = check();
  EXPECT_TRUE(report.clean()) << text_of(report);
  EXPECT_EQ(report.overcounted_bytes, 8u * 512);
}

TEST_F(CheckTest, FindsAReferenceToAChunkTheLedgerLacks) {
  write_era(0, 20);
  const ObjectName root_name = meta("root/").back();
  Root root = *decode_root(disk_.uuid, bytes_of(root_name).bytes());
  const ObjectName object = names_.map_object(root.name.era, root.ledger.object);
  const Buffer whole = bytes_of(object);
  LedgerRecord ledger =
      *decode_ledger(disk_.uuid, whole.slice(root.ledger.offset, root.ledger.length).bytes());
  ledger.entries.erase(ledger.entries.begin() + 5);
  // Shorter than the old one: the ledger moves to the end of the object, the root with it.
  const Bytes encoded = encode(disk_.uuid, ledger);
  Buffer changed = Buffer::allocate(whole.size() + encoded.size());
  std::copy(whole.bytes().begin(), whole.bytes().end(), changed.writable().begin());
  std::copy(encoded.begin(), encoded.end(),
            changed.writable().begin() + static_cast<std::ptrdiff_t>(whole.size()));
  overwrite(object, changed);
  root.ledger.offset = static_cast<uint32_t>(whole.size());
  root.ledger.length = static_cast<uint32_t>(encoded.size());
  root.objects.back().size = changed.size();
  overwrite(root_name, Buffer::own(encode(disk_.uuid, root)));
  expect_only(Kind::reference);
}

// ---- orphans -----------------------------------------------------------------------------------

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
    plant(names_.root(RootName{lost, 1}), true);
    // Never to be touched: of the highest era, above it, or not ours to judge.
    plant(names_.chunk(third, Sequence(81)), false);
    plant(names_.chunk(third, Sequence(500)), false);
    plant(names_.root(RootName{Era{Epoch(4), Uuid::random()}, 1}), false);
    plant(names_.map_object(Era{Epoch(4), Uuid::random()}, 900), false);
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

// The gateway that serves the volume deletes what is below its own era, at its second look.
TEST_F(OrphanTest, AreSweptByTheGatewayThatServes) {
  three_eras();
  VolumeOptions options = small_chunks();
  options.sweep_every = std::chrono::milliseconds(5);
  Gateway gateway(shared_, disk_, 9, options);
  ASSERT_TRUE(gateway.attach().ok());
  run(shared_.io, sleep_for(std::chrono::milliseconds(30)));
  EXPECT_EQ(gateway.volume.status().orphans_deleted, 0u) << "nothing of its own was answered yet";
  for (uint64_t i = 0; i < 20; ++i) ASSERT_TRUE(gateway.write(i * 128, 128, 7).ok());
  ASSERT_TRUE(gateway.flush().ok());
  run_until(shared_.io, [&] { return gateway.volume.status().orphans_deleted >= planted_.size(); });
  const std::set<ObjectName> left = everything();
  for (const ObjectName& name : planted_) EXPECT_FALSE(left.contains(name)) << to_string(name);
  ASSERT_TRUE(gateway.stop().ok());
  const CheckReport report = check();
  EXPECT_TRUE(report.clean()) << text_of(report);
  EXPECT_TRUE(left.contains({names_.meta(), "root/something-else"}));
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
  CheckOptions options = at_once();
  options.repair = true;
  options.repair_pause = std::chrono::milliseconds(50);
  std::optional<CheckReport> report;
  bool pausing = false;
  auto progress = [&pausing](const CheckProgress& at) {
    pausing |= at.stage == CheckProgress::Stage::repair;
  };
  asio::co_spawn(shared_.io, keep_outcome(check_volume(eye_, disk_, options, progress), report),
                 asio::detached);
  run_until(shared_.io, [&pausing] { return pausing; });
  ASSERT_TRUE(gateway.attach().ok());
  run_until(shared_.io, [&report] { return report.has_value(); });
  EXPECT_NE(report->repair_refused, "");
  EXPECT_EQ(eye_.calls(StoreCall::remove), 0u);
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

// Overwrites a few blocks for as long as it is let; now and then trims.
Task keep_writing(Volume& volume, uint64_t seed, const bool& enough, bool& ended) {
  Executor executor = co_await asio::this_coro::executor;
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
    if (i % 3 == 0) co_await asio::post(executor, asio::use_awaitable);
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
  while (!enough && !(seed % 2 == 0 && steps > 20)) {
    co_await asio::post(executor, asio::use_awaitable);
  }
  over = true;
  while (!ignored) co_await asio::post(executor, asio::use_awaitable);
  if (seed % 2 == 0 && !enough) {
    // What the first one still had under way may arrive in the middle of an attempt.
    Result<void> attached = co_await other.attach();
    for (int tries = 0; !attached && tries < 10; ++tries) attached = co_await other.attach();
    EXPECT_TRUE(attached.ok()) << attached.error().message();
    co_await keep_writing(other, seed + 1000, enough, ignored);
  }
  ended = true;
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
