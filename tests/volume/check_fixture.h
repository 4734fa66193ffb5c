// CheckTest: a volume in a store in memory, on virtual time; what a check of it says, and ways to
// damage it.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "backend/base/log.h"
#include "backend/volume/check.h"
#include "tests/volume/disk.h"

namespace swiftness {

inline constexpr uint64_t kDisk = 128 * kMiB;

inline CheckOptions at_once() {
  CheckOptions options;
  options.pause = Duration::zero();
  options.repair_pause = Duration::zero();
  return options;
}

inline VolumeOptions small_chunks() {
  VolumeOptions options = quick_options();
  options.chunk_bytes = 64 << 10;
  options.checkpoint_every = 8;
  options.collector.slack_chunks = 0;
  options.collector.burst = ByteCount(0);
  options.collector.deletion_delay = Duration::zero();
  return options;
}

inline std::string text_of(const CheckReport& report) {
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
  using Kind = CheckFinding::Kind;

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
  // Begins again with an empty one.
  void new_volume() {
    MemoryStore store(shared_.io.get_executor(), shared_.contents);
    disk_ = *run(shared_.io,
                 create_volume(store, fmt::format("disk{}", ++volumes_), ByteCount(kDisk), 512));
    names_ = VolumeNames(disk_.uuid);
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
  // Of all data containers.
  std::vector<ObjectName> chunks() {
    std::vector<ObjectName> out;
    for (uint64_t container = 0; container < 3; ++container) {
      const Sequence first(container * kChunksPerContainer);
      for (const ObjectName& name : names(names_.data(first), "chunk/")) out.push_back(name);
    }
    return out;
  }
  std::vector<ObjectName> meta(const std::string& prefix) { return names(names_.meta(), prefix); }
  std::set<ObjectName> everything() {
    std::set<ObjectName> out;
    for (const ObjectName& name : chunks()) out.insert(name);
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
  // Sound in itself, but not what was uploaded.
  void put_header(const ObjectName& chunk, const ChunkHeader& header) {
    Buffer whole = Buffer::copy_of(bytes_of(chunk).bytes());
    const Bytes encoded = encode(disk_.uuid, header);
    std::copy(encoded.begin(), encoded.end(), whole.writable().begin());
    overwrite(chunk, whole);
  }

  Root root_of(const ObjectName& name) { return *decode_root(disk_.uuid, bytes_of(name).bytes()); }
  // Those that can be read, ascending: tests plant others besides.
  std::vector<ObjectName> roots() {
    std::vector<ObjectName> out = meta("root/");
    std::erase_if(out, [this](const ObjectName& name) {
      return !decode_root(disk_.uuid, bytes_of(name).bytes());
    });
    return out;
  }
  Root newest_root() { return root_of(roots().back()); }
  void put_root(const Root& root) {
    overwrite(names_.root(root.name), Buffer::own(encode(disk_.uuid, root)));
  }
  // The ledger of the newest root; changed, it moves to the end of its map object.
  LedgerRecord ledger() {
    const Root root = newest_root();
    const Buffer whole = bytes_of(names_.map_object(root.name.era, root.ledger.object));
    return *decode_ledger(disk_.uuid, whole.slice(root.ledger.offset, root.ledger.length).bytes());
  }
  void put_ledger(const LedgerRecord& ledger) {
    Root root = newest_root();
    root.ledger = append(root, root.ledger.object, encode(disk_.uuid, ledger));
    put_root(root);
  }
  MapPlace append(Root& root, uint64_t object, const Bytes& record) {
    const ObjectName name = names_.map_object(root.name.era, object);
    const Buffer whole = bytes_of(name);
    Buffer longer = Buffer::allocate(whole.size() + record.size());
    std::copy(whole.bytes().begin(), whole.bytes().end(), longer.writable().begin());
    std::copy(record.begin(), record.end(),
              longer.writable().begin() + static_cast<std::ptrdiff_t>(whole.size()));
    overwrite(name, longer);
    for (Root::MapObject& known : root.objects) {
      if (known.number == object) known.size = longer.size();
    }
    return {object, static_cast<uint32_t>(whole.size()), static_cast<uint32_t>(record.size())};
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

  VirtualClock clock_;
  SharedStore shared_;
  VolumeDescriptor disk_ = shared_.create(kDisk);
  VolumeNames names_{disk_.uuid};
  int volumes_ = 0;
  FaultyStore eye_{std::make_unique<MemoryStore>(shared_.io.get_executor(), shared_.contents),
                   shared_.io.get_executor(), 7};
};

}  // namespace swiftness
