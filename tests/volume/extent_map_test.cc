#include "backend/volume/extent_map.h"

#include <gtest/gtest.h>

#include <ctime>
#include <map>
#include <random>

namespace swiftness {
namespace {

Location at(uint64_t chunk, uint16_t frame, uint16_t skip = 0) {
  return Location{Sequence(chunk), frame, 129, skip};
}

Location pending(uint16_t sector) {
  Location out;
  out.frame_offset = sector;
  return out;
}

// A ledger that knows the chunks 1 to `count`.
void add_chunks(ChunkLedger& ledger, uint64_t count) {
  for (uint64_t i = 1; i <= count; ++i) {
    ChunkHeader header;
    header.sequence = Sequence(i);
    header.object_size = kChunkBytes;
    ledger.add(header);
  }
}

struct SmallMap {
  explicit SmallMap(uint64_t chunks = 10, ByteCount leaf_memory = ByteCount(64 << 20))
      : map(ledger, leaf_memory) {
    add_chunks(ledger, chunks);
  }
  ChunkLedger ledger;
  ExtentMap map;
};

TEST(ChunkLedger, NeedsOfAChunkAtMostWhatItStores) {
  ChunkLedger ledger;
  add_chunks(ledger, 2);
  const SectorCount chunk(kChunkBytes / kSectorBytes);
  ledger.lives(Sequence(1), 100);
  ledger.lives(Sequence(2), 3 * chunk.value());  // copies
  EXPECT_EQ(ledger.live(), SectorCount(100) + chunk + chunk + chunk);
  EXPECT_EQ(ledger.needed(), SectorCount(100) + chunk);
  ledger.died(Sequence(2), 3 * chunk.value() - 1);
  EXPECT_EQ(ledger.needed(), SectorCount(101));
  EXPECT_EQ(ledger.dead_stored(), SectorCount(0));
  ledger.died(Sequence(2), 1);
  EXPECT_EQ(ledger.dead_stored(), chunk);
}

TEST(ChunkLedger, AChunkWithMoreReferencesThanItCanCountStays) {
  ChunkLedger ledger;
  add_chunks(ledger, 1);
  constexpr uint64_t kMany = uint64_t{3} << 30;
  ledger.lives(Sequence(1), kMany);
  ledger.lives(Sequence(1), kMany);
  ledger.died(Sequence(1), kMany);
  ledger.died(Sequence(1), kMany);
  EXPECT_EQ(ledger.find(Sequence(1))->live, LedgerEntry::kUncounted);
  EXPECT_EQ(ledger.dead_stored(), SectorCount(0));
}

TEST(ExtentMap, EmptyIsOneHole) {
  SmallMap small;
  std::vector<ExtentMap::Piece> pieces = small.map.lookup(Sector(5), SectorCount(1000000));
  ASSERT_EQ(pieces.size(), 1u);
  EXPECT_FALSE(pieces[0].at);
  EXPECT_EQ(pieces[0].sectors, SectorCount(1000000));
}

TEST(ExtentMap, RepointLeavesNewerWritesAlone) {
  SmallMap small;
  small.map.assign(Sector(0), SectorCount(100), pending(0));
  small.map.assign(Sector(40), SectorCount(10), at(3, 7));
  small.map.repoint(Sector(0), SectorCount(100), pending(0), at(9, 1));
  std::vector<ExtentMap::Piece> pieces = small.map.lookup(Sector(0), SectorCount(100));
  ASSERT_EQ(pieces.size(), 3u);
  EXPECT_EQ(*pieces[0].at, at(9, 1));
  EXPECT_EQ(*pieces[1].at, at(3, 7));
  EXPECT_EQ(*pieces[2].at, at(9, 1, 50));
  EXPECT_EQ(small.ledger.find(Sequence(9))->live, 90u);
  EXPECT_EQ(small.ledger.find(Sequence(3))->live, 10u);
  EXPECT_EQ(small.ledger.unsealed(), SectorCount(0));
}

TEST(ExtentMap, AnOverwrittenPieceOfTheSameChunkIsNotRepointed) {
  // The same sectors twice in one chunk: only the later place may survive.
  SmallMap small;
  small.map.assign(Sector(0), SectorCount(10), pending(0));
  small.map.assign(Sector(0), SectorCount(10), pending(50));
  small.map.repoint(Sector(0), SectorCount(10), pending(0), at(9, 1));
  EXPECT_EQ(*small.map.lookup(Sector(0), SectorCount(10))[0].at, pending(50));
}

TEST(ExtentMap, WhatWasSettledIsNotToldOnceMoreAfterACrash) {
  const MapPlace place{1, 0, 1};
  const auto leaf = std::make_shared<const Leaf>(0, std::vector<LeafExtent>{{0, 100, at(1, 1)}});
  SmallMap small;
  small.map.index().set(0, place);
  small.ledger.lives(Sequence(1), 100);
  small.map.assign(Sector(0), SectorCount(40), at(2, 1));
  const swiftness::Run first = small.map.take_run();
  EXPECT_EQ(small.map.overcounted(9), std::vector<uint64_t>{0});
  EXPECT_EQ(small.map.mapped(), SectorCount(140));
  small.map.load(place, leaf);
  small.map.settle(0);
  EXPECT_TRUE(small.map.overcounted(9).empty());
  EXPECT_EQ(small.map.mapped(), SectorCount(100));
  const swiftness::Run second = small.map.take_run();

  ChunkLedger ledger;
  ledger.restore(small.ledger.record());
  ExtentMap map(ledger, ByteCount(4096));
  map.index().set(0, place);
  map.restore(first, 2);
  map.restore(second, 3);
  EXPECT_TRUE(map.overcounted(9).empty());
  map.load(place, leaf);
  map.pin(0);
  EXPECT_EQ(map.mapped(), SectorCount(100));
}

TEST(ExtentMap, SequentialWritesAreOneChange) {
  SmallMap small;
  for (uint16_t i = 0; i < 1000; ++i) {
    small.map.assign(Sector(i * 8u), SectorCount(8), pending(static_cast<uint16_t>(i * 8)));
  }
  EXPECT_LT(small.map.change_memory().value(), 300u);
}

TEST(Leaf, DenseTakesEightBytesForFourKibibytes) {
  std::vector<LeafExtent> extents;
  for (uint32_t i = 0; i < kPageSectors / 8; ++i) {
    extents.push_back({i * 8, 8, at(i % 100 + 1, static_cast<uint16_t>(i % 30000))});
  }
  extents[5] = {40, 7, at(7, 7)};  // less than a slot: goes on beside
  const Leaf leaf(3, extents);
  EXPECT_LE(encode(Uuid{}, leaf).size(), kPageSectors / 8 * 8 + 100);
  EXPECT_LE(leaf.memory(), kPageSectors / 8 * 8 + 200);
  size_t next = 0;
  leaf.visit(0, kPageSectors, [&](const LeafExtent& extent) {
    ASSERT_EQ(extent.first, extents[next].first);
    ASSERT_EQ(extent.sectors, extents[next].sectors);
    ASSERT_EQ(extent.at, extents[next].at);
    ++next;
  });
  EXPECT_EQ(next, extents.size());
}

TEST(Leaf, SequentialIsRunEncoded) {
  std::vector<LeafExtent> extents;
  for (uint32_t i = 0; i < kPageSectors / 128; ++i) {
    extents.push_back({i * 128, 128, at(1, static_cast<uint16_t>(i * 129 % 32000))});
  }
  EXPECT_LE(encode(Uuid{}, Leaf(0, extents)).size(), kPageSectors / 128 * 12 + 100);
}

// The map against a plain array, with leaves that come and go, checkpoints that run while the map
// changes, and crashes that go back to the last of them. The ledger never has less than what is
// live, and exactly that once everything was merged and buried.
class MapModel : public testing::TestWithParam<uint64_t> {
 protected:
  static constexpr uint64_t kPages = 6;
  static constexpr uint64_t kSectors = kPages * kPageSectors;
  static constexpr uint64_t kGrain = 512;  // sectors of the disk that the model keeps one of
  static constexpr uint64_t kChunks = 50;

  using Model = std::vector<std::optional<Location>>;

  struct Saved {
    Model model;
    std::vector<LeafIndex::SegmentState> segments;
    std::vector<std::pair<swiftness::Run, uint64_t>> runs;  // with their objects
    LedgerRecord ledger;
    std::vector<MapPlace> detached;
  };

  void start(const Saved& saved) {
    ledger_ = std::make_unique<ChunkLedger>();
    map_ = std::make_unique<ExtentMap>(*ledger_, ByteCount(4096));
    for (const auto& state : saved.segments)
      map_->index().restore(state.changed, MapPlace{1, 0, 1});
    for (const auto& [run, object] : saved.runs) map_->restore(run, object);
    if (saved.ledger.entries.empty()) {
      add_chunks(*ledger_, kChunks);
    } else {
      ledger_->restore(saved.ledger);
    }
    map_->restore_detached(saved.detached);
    model_ = saved.model;
  }

  void load(uint64_t page) {
    const MapPlace place = map_->leaf_place(page);
    if (!map_->known(page)) map_->load(place, leaves_.at(place.object));
  }

  void change() {
    const uint64_t dice = random_() % 100;
    const uint64_t first = random_() % kSectors;
    uint64_t count = random_() % (dice < 5 ? kSectors : 4000) + 1;
    count = std::min(count, kSectors - first);
    if (dice < 25) {
      map_->erase(Sector(first), SectorCount(count));
      for (uint64_t i = first; i < first + count; ++i) {
        if (i % kGrain == 0) model_[i / kGrain].reset();
      }
    } else if (dice < 80) {
      const uint64_t sectors = std::min<uint64_t>(count, random_() % 128 + 1);
      const Location to = at(random_() % kChunks + 1, static_cast<uint16_t>(random_() % 32000));
      map_->assign(Sector(first), SectorCount(sectors), to);
      for (uint64_t i = first; i < first + sectors; ++i) {
        if (i % kGrain == 0) model_[i / kGrain] = to.advanced(i - first);
      }
    } else if (dice < 93) {
      load(random_() % kPages);
    } else if (dice < 95) {
      settle(1);
    } else {
      // Garbage collection: what is known to be somewhere moves.
      const uint64_t sector = first / kGrain * kGrain;
      load(sector / kPageSectors);
      const auto piece = map_->lookup(Sector(sector), SectorCount(1)).front();
      if (!piece.at) return;
      const Location to = at(random_() % kChunks + 1, static_cast<uint16_t>(random_() % 32000));
      if (random_() % 2 == 0) {
        map_->repoint(Sector(sector), SectorCount(1), *piece.at, to);
      } else {
        map_->repoint_known(Sector(sector), SectorCount(1), *piece.at, to);
      }
      model_[sector / kGrain] = to;
    }
  }

  void compare(bool exact) {
    for (uint64_t page = 0; page < kPages; ++page) {
      load(page);
      uint64_t next = page * kPageSectors;
      for (const auto& piece : map_->lookup(Sector(next), SectorCount(kPageSectors))) {
        ASSERT_FALSE(piece.unknown);
        ASSERT_EQ(piece.first.value(), next);
        const uint64_t end = next + piece.sectors.value();
        for (uint64_t i = next; i < end; ++i) {
          if (i % kGrain != 0) continue;
          ASSERT_EQ(piece.at.has_value(), model_[i / kGrain].has_value()) << "sector " << i;
          if (!piece.at) continue;
          ASSERT_EQ(piece.at->advanced(i - next), *model_[i / kGrain]) << i;
        }
        next = end;
      }
      ASSERT_EQ(next, (page + 1) * kPageSectors);
    }
    std::map<uint64_t, uint64_t> live;
    for (uint64_t page = 0; page < kPages; ++page) {
      load(page);
      for (const auto& piece :
           map_->lookup(Sector(page * kPageSectors), SectorCount(kPageSectors))) {
        if (piece.at) live[piece.at->chunk.value()] += piece.sectors.value();
      }
    }
    ledger_->visit([&](const LedgerEntry& entry) {
      const uint64_t really = live[entry.chunk.value()];
      ASSERT_GE(entry.live, really) << "chunk " << entry.chunk.value();
      if (!exact) return;
      ASSERT_EQ(entry.live, really) << "chunk " << entry.chunk.value();
    });
  }

  // One checkpoint; the map goes on changing between snapshot and installation.
  void checkpoint(Saved& saved, bool merge_all, int changes_meanwhile) {
    std::vector<uint64_t> pages =
        map_->oldest_changed(merge_all ? ByteCount(1 << 30) : ByteCount(random_() % 20000));
    for (uint64_t page : pages) {
      load(page);
      map_->pin(page);
    }
    for (int i = 0; i < changes_meanwhile; ++i) change();
    // A page may have been erased since: it is not in the map any more.
    std::vector<ExtentMap::Capture> captures;
    for (uint64_t page : pages) {
      if (std::optional<ExtentMap::Capture> capture = map_->capture(page)) {
        captures.push_back(std::move(*capture));
      }
    }
    std::vector<uint64_t> all_pages;
    for (uint64_t page = 0; page < kPages; ++page) all_pages.push_back(page);
    std::vector<LeafIndex::SegmentState> segments = map_->index().snapshot(all_pages);
    const uint64_t serial = map_->next_run();
    swiftness::Run run = map_->take_run();
    const uint64_t object = ++objects_;
    const uint64_t needed = map_->oldest_needed_run();
    while (!serials_.empty() && serials_.front() < needed) {
      serials_.erase(serials_.begin());
      saved.runs.erase(saved.runs.begin());
    }
    serials_.push_back(serial);
    saved.runs.emplace_back(std::move(run), object);
    saved.ledger = ledger_->record();
    saved.detached = map_->detached();
    saved.model = model_;
    for (int i = 0; i < changes_meanwhile; ++i) change();

    if (segments.empty()) segments.push_back({0, 0, {}, {0, {}}});
    for (const ExtentMap::Capture& capture : captures) {
      LeafPtr leaf = ExtentMap::merged(capture);
      Result<LeafPtr> decoded = decode_leaf(Uuid{}, encode(Uuid{}, *leaf));
      ASSERT_TRUE(decoded.ok()) << decoded.error().message();
      const MapPlace place{++objects_, 0, static_cast<uint32_t>(leaf->memory())};
      leaves_[place.object] = *decoded;
      auto& entries = segments.front().changed.entries;
      std::erase_if(entries, [&](const auto& entry) { return entry.slot == capture.page; });
      entries.push_back({static_cast<uint16_t>(capture.page), place});
      map_->install(capture, place, *decoded);
    }
    saved.segments = segments;
  }

  void settle(size_t most) {
    for (uint64_t page : map_->overcounted(most)) {
      load(page);
      map_->settle(page);
    }
  }

  void bury_all() {
    while (!map_->detached().empty()) {
      const MapPlace place = map_->detached().back();
      map_->bury(place, *leaves_.at(place.object));
    }
  }

  std::mt19937_64 random_{GetParam()};
  std::unique_ptr<ChunkLedger> ledger_;
  std::unique_ptr<ExtentMap> map_;
  Model model_;
  std::map<uint64_t, LeafPtr> leaves_;  // by object
  std::vector<uint64_t> serials_;       // of the runs in the last checkpoint
  uint64_t objects_ = 0;
};

TEST_P(MapModel, AgreesWithAPlainArray) {
  Saved saved;
  saved.model.resize(kSectors / kGrain);
  start(saved);
  for (int round = 0; round < 12; ++round) {
    const uint64_t changes = random_() % 150;
    for (uint64_t i = 0; i < changes; ++i) change();
    checkpoint(saved, random_() % 2 == 0, static_cast<int>(random_() % 30));
    if (HasFailure()) return;
    if (random_() % 4 == 0) bury_all();
    compare(false);
    if (HasFailure()) return;
    if (random_() % 4 == 0) {
      settle(kPages);
      bury_all();
      compare(true);
      EXPECT_TRUE(map_->overcounted(1).empty());
    }
    if (HasFailure()) return;
    if (random_() % 3 == 0) {
      start(saved);
      serials_.clear();
      for (size_t i = 1; i <= saved.runs.size(); ++i) serials_.push_back(i);
      // Looking at it loads all leaves; otherwise what follows changes pages that are not known.
      if (random_() % 2 == 0) compare(false);
      if (HasFailure()) return;
    }
  }
  checkpoint(saved, true, 0);
  bury_all();
  compare(true);
  EXPECT_EQ(map_->oldest_changed(ByteCount(1 << 30)).size(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, MapModel, testing::Range<uint64_t>(1, 61));

TEST(ExtentMap, UnmapOfTheWholeDiskTakesNoTime) {
  // 64 TiB with scattered writes, all of them merged but some.
  SmallMap small;
  constexpr uint64_t kDiskPages = uint64_t{64} << 15;
  for (uint64_t page = 0; page < kDiskPages; page += 3) {
    small.map.index().set(page, MapPlace{1 + page % 1000, 0, 100});
  }
  std::mt19937_64 random(1);
  for (int i = 0; i < 200000; ++i) {
    const uint64_t sector = random() % (kDiskPages * kPageSectors) / 8 * 8;
    small.map.assign(Sector(sector), SectorCount(8), at(1, 7));
  }
  const std::clock_t begun = std::clock();  // of this process: others may be busy
  small.map.erase(Sector(0), SectorCount(kDiskPages * kPageSectors));
  const double took_ms = static_cast<double>(std::clock() - begun) * 1000 / CLOCKS_PER_SEC;
  EXPECT_LT(took_ms, 1000);  // sanitizers included
  EXPECT_EQ(small.map.detached().size(), (kDiskPages + 2) / 3);
  EXPECT_EQ(small.ledger.live(), SectorCount(0));
  std::cout << "unmap of 64 TiB: " << took_ms << " ms\n";
  int steps = 0;
  while (small.map.free_some()) ++steps;
  EXPECT_GE(steps, 180000 / 4096) << "in small steps";
  EXPECT_FALSE(small.map.free_some());
}

}  // namespace
}  // namespace swiftness
